//! An hour with the chat, as two people see it: both terminals are compared with what was looked at and found good
//! (`tests/cli/screens/`). `UPDATE=1` writes them anew, to be looked at again.
//!
//! Times, ids, addresses, the servers' comings and goings and numbers of copies differ from run to run; they are
//! masked, and other tests are about them.

use std::fs;
use std::path::Path;

use crate::people::{ALL, Chat, ON_ALL, assert_valid, cluster_with_people};
use crate::support::TestCluster;
use crate::terminal::Terminal;

const CTRL_D: &str = "\x04";

/// Two people at terminals of one size.
struct Scene {
    cluster: TestCluster,
    size: (u16, u16),
    alice: Terminal,
    bob: Terminal,
}

/// One types, both see it.
fn says(from: &Terminal, to: &Terminal, line: &str, shown: &str) {
    from.enters(line);
    from.shows(shown);
    to.shows(shown);
}

fn count(lines: &[String], what: &str) -> usize {
    lines.iter().filter(|line| line.contains(what)).count()
}

/// One types a command and sees the answer, once more than before, and the prompt again.
fn asks(person: &Terminal, line: &str, answer: &str, prompt: &str) {
    let before = count(&person.lines(), answer);
    person.enters(line);
    person.waits_for(&format!("it answers {line:?} with {answer:?}"), |lines| count(lines, answer) > before);
    person.ends_with(prompt);
}

impl Scene {
    fn begin(size: (u16, u16)) -> Self {
        let cluster = cluster_with_people();
        let alice = Terminal::chat(cluster.dir(), "alice", size, &[]);
        alice.ends_with("[123] alice:");
        let bob = Terminal::chat(cluster.dir(), "bob", size, &[]);
        bob.ends_with("[123] bob:");
        Self { cluster, size, alice, bob }
    }

    fn first_steps(&self) {
        let Self { alice, .. } = self;
        asks(alice, "/help", "leave, as ctrl-D", "[123] alice:");
        asks(alice, "/who", "  bob", "[123] alice:");
        asks(alice, "/rooms", "no rooms yet", "[123] alice:");
        asks(alice, "hello?", "nobody to send it to yet", "[123] alice:");
        asks(alice, "/dm bbo", "did you mean bob?", "[123] alice:");
    }

    fn between_two(&self) {
        let Self { alice, bob, .. } = self;
        asks(alice, "/dm bob", "talking to bob", "[123] alice > bob:");
        asks(bob, "/dm alice", "talking to alice", "[123] bob > alice:");
        says(alice, bob, "helo bob", "alice: helo bob");
        says(alice, bob, "/edit hello bob", "* alice changed \"helo bob\" to: hello bob");
        let long = "hello alice; I have been waiting for a while, and began to think that nobody comes";
        says(bob, alice, long, "bob: hello alice; I have been");
        says(alice, bob, "/reply sorry", "sorry");
        says(bob, alice, "/react +1", "* bob reacts +1 to \"sorry\"");
        says(alice, bob, "\x1b[200~a list:\n1. milk\n2. bread\x1b[201~", "      | 2. bread");
        says(bob, alice, "a slip of the tongue", "bob: a slip of the tongue");
        says(bob, alice, "/delete", "* bob took a message back");
        asks(alice, "/why ~2", "   disks", "[123] alice > bob:");
    }

    fn in_a_room(&self) {
        let Self { alice, bob, .. } = self;
        asks(alice, "/create #lab", "#lab is open", "[123] alice > #lab:");
        alice.enters("/topic what we try out");
        alice.shows("* alice set the topic: what we try out");
        asks(bob, "/join #lab", "joined #lab; just type", "[123] bob > #lab:");
        alice.shows("* bob joined");
        says(bob, alice, "here I am", "bob: here I am");
        asks(bob, "/dm alice", "talking to alice", "[123] bob > alice:");
        bob.enters("psst, alice");
        alice.shows("[bob] bob: psst, alice");
        alice.ends_with("[123] alice > #lab:");
        alice.enters("");
        alice.ends_with("[123] +1 alice > #lab:");
        asks(alice, "/members", "-- 2 members", "[123] +1 alice > #lab:");
        asks(alice, "/rooms", "-- 1 room", "[123] +1 alice > #lab:");
        asks(alice, "/unread", "-- unread in 1 conversation", "[123] +1 alice > #lab:");
        asks(alice, "/next", "unread from here", "[123] alice > bob:");
    }

    fn two_servers_die(&self) {
        let Self { alice, bob, cluster, .. } = self;
        cluster.signal(&["2", "3"], "kill");
        alice.ends_with("[1xx] alice > bob:");
        bob.ends_with("[1xx] bob > alice:");
        says(alice, bob, "only one is left", "alice: only one is left");
        asks(alice, "/view", "-- 1 of 3 servers reachable", "[1xx] alice > bob:");
        ["2", "3"].iter().for_each(|name| cluster.start(name));
        says(bob, alice, "and now they are back", "bob: and now they are back");
        alice.ends_with("[123] alice > bob:");
        bob.ends_with("[123] bob > alice:");
        asks(alice, "/view", "-- 3 of 3 servers reachable", "[123] alice > bob:");
    }

    /// Bob leaves, and writes something that comes only when alice has gone on.
    fn what_comes_late(&self) -> Terminal {
        let Self { alice, bob, cluster, .. } = self;
        bob.types(CTRL_D);
        cluster.signal(&ALL, "kill");
        alice.ends_with("[xxx] alice > bob:");
        crate::support::wait_until("bob's chat has closed its log", || {
            let written = ["send", "alice", "written in the dark", "--as", "bob", "--no-wait"];
            cluster.run(&written).code == 0
        });
        alice.enters("is anybody there?");
        alice.shows("alice: is anybody there?");
        ALL.iter().for_each(|name| cluster.start(name));
        let again = Terminal::chat(cluster.dir(), "bob", self.size, &[]);
        alice.shows("bob: written in the dark");
        again.shows("alice: is anybody there?");
        alice.ends_with("[123] alice > bob:");
        asks(alice, "/late", "-- 1 message shown late", "[123] alice > bob:");
        again
    }

    fn looking_back(&self) {
        let Self { alice, .. } = self;
        asks(alice, "/history", "messages with bob, all in their true order", "[123] alice > bob:");
        asks(alice, "/search HELLO", "2 messages found", "[123] alice > bob:");
        asks(alice, "/proof", "whoever holds the same", "[123] alice > bob:");
        asks(alice, "/block bob", "nothing from bob is shown", "[123] alice > bob:");
        asks(alice, "/history 3", "-- the last 3 of", "[123] alice > bob:");
        asks(alice, "/unblock bob", "bob is heard again", "[123] alice > bob:");
        asks(alice, "/fly", "there is no command /fly", "[123] alice > bob:");
    }
}

#[test]
fn an_hour_looks_as_it_did() {
    for size in [(80, 24), (40, 20)] {
        let scene = Scene::begin(size);
        scene.first_steps();
        scene.between_two();
        scene.in_a_room();
        scene.two_servers_die();
        let again = scene.what_comes_late();
        scene.looking_back();
        let Scene { cluster, alice, bob, .. } = scene;
        for (name, terminal) in [("alice", &alice), ("bob", &bob)] {
            compare(&format!("hour-{}x{}-{name}.txt", size.0, size.1), &masked(&terminal.lines()));
        }
        for chat in [alice, again] {
            chat.types(CTRL_D);
            assert_eq!(chat.finish(), 0);
        }
        // Each reads what the other's last marks brought, so that verify finds nothing unread.
        for name in ["alice", "bob"] {
            assert_eq!(Chat::start(cluster.dir(), name, &ON_ALL).finish().code, 0);
        }
        assert_valid(&cluster.run(&["verify"]));
    }
}

fn compare(file: &str, lines: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/screens").join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let expected: Vec<&str> = expected.lines().collect();
    let difference = difference(&expected, lines);
    assert_eq!(
        difference,
        None,
        "{file} looks different (UPDATE=1 cargo test --test cli hour, then look at the diff):\n{}",
        lines.join("\n")
    );
}

/// The first line in which two screens differ.
fn difference(expected: &[&str], found: &[String]) -> Option<String> {
    let lines = expected.len().max(found.len());
    (0..lines).find_map(|at| {
        let (expected, found) = (expected.get(at).copied(), found.get(at).map(String::as_str));
        (expected != found).then(|| format!("line {}: {expected:?} is now {found:?}", at + 1))
    })
}

/// What is the same in each run.
fn masked(lines: &[String]) -> Vec<String> {
    let changes = |line: &&String| !line.starts_with("-- server ") && !line.starts_with("      ^");
    lines.iter().filter(changes).map(|line| masked_line(line)).collect()
}

fn masked_line(line: &str) -> String {
    const COPIES: [&str; 6] =
        ["  1/3 at risk", "  2/3 sent", "  3/3", "  not sent yet", "  1/3 at ri", "  2/3"];
    let line = COPIES
        .iter()
        .find_map(|copies| line.strip_suffix(copies))
        .map_or_else(|| line.to_owned(), |said| format!("{said}  k/N"));
    let line = if line.starts_with("   disks") { "   disks    k/N".to_owned() } else { line };
    let line = match line.split_once(' ') {
        Some((prompt, rest)) if prompt.len() == 5 && prompt.starts_with('[') && prompt.ends_with(']') => {
            format!("[sss] {rest}")
        }
        _ => line,
    };
    let line = match line.split_once("  lacks ") {
        Some((server, _)) => format!("{server}  lacks N of ours"),
        None => line,
    };
    let line = match line.split_once(" events with ") {
        Some((_, rest)) => format!("-- N events with {rest}"),
        None => line,
    };
    let words: Vec<&str> = line.trim_start().split('-').collect();
    if words.len() == 6 && words.iter().all(|word| word.len() == 5) {
        return format!("   {}", ["xxxxx"; 6].join("-"));
    }
    if line.starts_with("  server ") && line.len() > 11 {
        return format!("{}STATE", &line[..12]); // what is on its way makes a server seem behind
    }
    // Who is here is told about once a second, and so it depends on when it is asked.
    let line = match line.strip_suffix("  here").or_else(|| line.strip_suffix("  gone")) {
        Some(who) => who.trim_end(),
        None => &line,
    };
    let line = match line.split_once("signed for ") {
        Some((who, _)) => format!("{who}signed for SO MUCH"),
        None => line.to_owned(),
    };
    line.split(' ').map(masked_word).collect::<Vec<_>>().join(" ")
}

fn masked_word(word: &str) -> String {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let shape = |like: &str| {
        word.len() == like.len()
            && word.bytes().zip(like.bytes()).all(|(byte, like)| match like {
                b'0' => byte.is_ascii_digit(),
                like => byte == like,
            })
    };
    let is_id = || {
        let word = word.trim_end_matches(',');
        word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match word {
        _ if shape("00:00") => "HH:MM".to_owned(),
        _ if shape("00:00:00") => "HH:MM:SS".to_owned(),
        _ if shape("0000-00-00") => "YYYY-MM-DD".to_owned(),
        _ if is_id() => word.replace(|c: char| c.is_ascii_hexdigit(), "x"),
        _ => match word.split_once("127.0.0.1:") {
            Some(("", port)) if digits(port) => format!("127.0.0.1:{}", "P".repeat(port.len())),
            _ => word.to_owned(),
        },
    }
}

#[test]
fn masks_hide_what_differs_and_nothing_else() {
    for (line, hidden) in [
        ("12:34 alice: hello  3/3", "HH:MM alice: hello  k/N"),
        ("12:34 alice: hello  2/3 sent", "HH:MM alice: hello  k/N"),
        ("  2  127.0.0.1:43210  up  key 0123abcd", "  2  127.0.0.1:PPPPP  up  key xxxxxxxx"),
        ("  2  home  down  lacks 2 of ours", "  2  home  down  lacks N of ours"),
        ("   lusab-babad-gutih-tugad-lusab-babad", "   xxxxx-xxxxx-xxxxx-xxxxx-xxxxx-xxxxx"),
        ("  alice", "  alice"),
        ("  bob    here", "  bob"),
        ("  server 1  behind by 2", "  server 1  STATE"),
        ("  bob  signed for all of it", "  bob  signed for SO MUCH"),
        ("[1x3] alice > bob: /view", "[sss] alice > bob: /view"),
        ("-- talking to bob; just type", "-- talking to bob; just type"),
    ] {
        assert_eq!(masked_line(line), hidden);
    }
    let screen = ["one".to_owned(), "two".to_owned()];
    assert_eq!(difference(&["one", "two"], &screen), None);
    for other in [&["one"][..], &["one", "three"], &["one", "two", "three"]] {
        assert!(difference(other, &screen).is_some(), "{other:?}");
    }
}
