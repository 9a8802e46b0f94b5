//! The chat on a terminal, as a person sees it.

use tercet::event::{Event, Kind};
use tercet::history::Entry;

use crate::people::{Chat, cluster_with_people, entries};
use crate::support::{TestCluster, wait_until};
use crate::terminal::Terminal;

const WIDE: (u16, u16) = (80, 24);
const NARROW: (u16, u16) = (40, 20);
const VAST: (u16, u16) = (200, 50);

const UP: &str = "\x1b[A";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const PASTE: &str = "\x1b[200~";
const PASTED: &str = "\x1b[201~";

/// Alice at a terminal, talking to bob; every server is up.
fn alice(cluster: &TestCluster, size: (u16, u16), environment: &[(&str, &str)]) -> Terminal {
    let alice = Terminal::chat(cluster.dir(), "alice", size, environment);
    alice.ends_with("[123] alice:");
    alice.enters("/dm bob");
    alice.ends_with("[123] alice > bob:");
    alice
}

/// Lines that hold this.
fn count(terminal: &Terminal, what: &str) -> usize {
    terminal.lines().iter().filter(|line| line.contains(what)).count()
}

#[test]
fn a_conversation_looks_like_one() {
    for size in [WIDE, NARROW] {
        let cluster = cluster_with_people();
        let alice = Terminal::chat(cluster.dir(), "alice", size, &[]);
        alice.shows("alice on 3 servers; /dm NAME to talk, /help for more, ctrl-D to leave");
        alice.ends_with("[123] alice:");
        alice.enters("/dm bob");
        alice.shows("-- talking to bob; just type");
        let mut bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
        alice.enters("hello bob");
        bob.hears("alice: hello bob");
        alice.types("half a ");
        alice.ends_with("[123] alice > bob: half a ");
        bob.say("in the middle of it");
        assert!(alice.shows("bob: in the middle").ends_with(" bob: in the middle of it"));
        alice.ends_with("[123] alice > bob: half a");
        alice.types("sentence");
        alice.enters("");
        bob.hears("alice: half a sentence");
        assert!(alice.shows("alice: half a sentence").ends_with("sentence  3/3"));
        for (command, answer) in [
            ("/help", "leave, as ctrl-D; what is not safe"),
            ("/view", "-- 3 of 3 servers reachable"),
            ("/who", "  bob    key"),
            ("/history 2", "-- the last 2 of 3 messages with bob, in their true order"),
            ("/dm nobody", "-- there is nobody called nobody here"),
            ("/fly", "-- there is no command /fly; /help lists them"),
        ] {
            alice.enters(command);
            alice.shows(answer);
            alice.ends_with("[123] alice > bob:");
        }
        alice.types(CTRL_D);
        assert_eq!(alice.finish(), 0);
    }
}

/// Each of thirty lines that come in is there once, and what was being typed is whole.
fn thirty_lines_above(size: (u16, u16), typed: &str) {
    let cluster = cluster_with_people();
    let alice = alice(&cluster, size, &[]);
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    alice.types(typed);
    let prompt = format!("[123] alice > bob: {typed}");
    alice.ends_with(&prompt);
    for number in 0..30 {
        // Some wrap themselves, some are wide.
        bob.say(&match number % 3 {
            0 => format!("line {number}."),
            1 => format!("line {number}. 日本語 {}", "wide ".repeat(9)),
            _ => format!("line {number}. {}", "x".repeat(90)),
        });
        if number % 5 == 0 {
            alice.shows(&format!("line {number}."));
        }
    }
    alice.shows("line 29.");
    alice.ends_with(&prompt);
    let lines = alice.lines();
    for number in 0..30 {
        let found = count(&alice, &format!("bob: line {number}."));
        assert_eq!(found, 1, "line {number}, {size:?}, {typed:?}\n{}", lines.join("\n"));
    }
    alice.types("!");
    alice.enters("");
    bob.hears(&format!("alice: {typed}!"));
}

#[test]
fn lines_come_in_above_plain_text() {
    thirty_lines_above(WIDE, "half a sentence");
    thirty_lines_above(NARROW, "half");
}

#[test]
fn lines_come_in_above_wide_text() {
    thirty_lines_above(WIDE, "日本語を話しています");
    thirty_lines_above(NARROW, "日本語");
}

#[test]
fn lines_come_in_above_text_that_wraps() {
    thirty_lines_above(WIDE, "wrapping text ".repeat(7).trim_end());
    thirty_lines_above(NARROW, &"漢字かな交じり文".repeat(3));
}

/// Whatever is typed is on the screen once, as the line in its place, and leaves no empty row behind.
#[test]
fn what_was_typed_is_seen_once() {
    for size in [NARROW, WIDE, VAST] {
        let cluster = cluster_with_people();
        let alice = alice(&cluster, size, &[]);
        let prompt = "[123] alice > bob: ";
        // The last row just full, one column less, one more, three rows; a number of five columns comes first.
        let row = usize::from(size.0);
        let full = [row - 1, row, row + 1, 3 * row].map(|columns| "x".repeat(columns - prompt.len() - 5));
        let wide = "漢字かな交じり文".repeat(row / 8);
        let pasted = format!("{PASTE}a list\r{}\rand more{PASTED}", "item ".repeat(row / 4));
        let texts = full.iter().map(String::as_str).chain(["hello", "日本語", &wide, &pasted]);
        for (number, text) in texts.enumerate() {
            for back in ["", "\x01", "\x1b[D\x1b[D"] {
                // Enter is pressed with the cursor at the end, at the beginning, before the end.
                alice.types(&format!("#{number}{}# {text}{back}", back.len()));
                alice.enters("");
                alice.shows(&format!("alice: #{number}{}#", back.len()));
                alice.ends_with(prompt);
            }
        }
        let lines = alice.lines();
        let shown = lines.join("\n");
        assert_eq!(shown.matches(prompt.trim_end()).count(), 1, "but for the last prompt:\n{shown}");
        assert!(lines.iter().all(|line| !line.is_empty()), "an empty row:\n{shown}");
        assert_eq!(shown.matches("# ").count(), 24, "{shown}");
    }
}

#[test]
fn lines_that_come_in_while_others_are_typed_are_all_there_once() {
    const EACH: usize = 40;
    let cluster = cluster_with_people();
    let alice = alice(&cluster, WIDE, &[]);
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    let talking = std::thread::spawn(move || {
        (0..EACH).for_each(|number| {
            bob.say(&format!("heard {number}."));
            bob.hears(&format!("bob: heard {number}."));
        });
        bob
    });
    for number in 0..EACH {
        alice.enters(&format!("typed {number}."));
        alice.shows(&format!("alice: typed {number}."));
    }
    let bob = talking.join().unwrap();
    bob.hears(&format!("alice: typed {}.", EACH - 1));
    alice.shows(&format!("bob: heard {}.", EACH - 1));
    for number in 0..EACH {
        assert_eq!(count(&alice, &format!("heard {number}.")), 1, "{}", alice.lines().join("\n"));
        let typed = alice.lines().into_iter().filter(|line| line.contains(&format!("typed {number}.")));
        let rest: Vec<_> = typed.filter(|line| !line.starts_with("      ^")).collect();
        assert_eq!(rest.len(), 1, "{}", alice.lines().join("\n"));
    }
}

#[test]
fn what_comes_to_nothing_stays_on_the_screen() {
    let cluster = cluster_with_people();
    let alice = Terminal::chat(cluster.dir(), "alice", WIDE, &[]);
    alice.ends_with("[123] alice:");
    alice.enters("is anybody there?");
    alice.shows("-- not sent: nobody to send it to yet");
    assert_eq!(count(&alice, "alice: is anybody there?"), 1, "{}", alice.lines().join("\n"));
    alice.ends_with("[123] alice:");
    alice.enters("/who is it");
    alice.shows("-- usage: /who");
    alice.shows("[123] alice: /who is it");
}

#[test]
fn copies_rise_and_the_prompt_shows_who_is_away() {
    let cluster = cluster_with_people();
    let alice = alice(&cluster, WIDE, &[]);
    cluster.signal(&["2", "3"], "kill");
    alice.shows("-- server 2 is down");
    alice.shows("-- server 3 is down");
    alice.enters("only one");
    alice.shows("alice: only one  1/3 at risk");
    alice.ends_with("[1xx] alice > bob:");
    cluster.start("2");
    alice.shows("^ \"only one\" 2/3 sent");
    alice.enters("two of them");
    alice.shows("alice: two of them  2/3 sent");
    alice.ends_with("[12x] alice > bob:");
    cluster.start("3");
    alice.shows("^ 2 messages 3/3");
    alice.enters("all of them");
    alice.shows("alice: all of them  3/3");
    alice.ends_with("[123] alice > bob:");
}

#[test]
fn who_leaves_with_messages_at_risk_is_told() {
    let cluster = cluster_with_people();
    let alice = alice(&cluster, WIDE, &[]);
    cluster.signal(&["1", "2", "3"], "kill");
    alice.enters("to nobody yet");
    alice.shows("alice: to nobody yet  not sent yet");
    alice.types(CTRL_D);
    alice.shows("-- 1 message not safe on 2 servers yet; kept here, and sent the next time this chat runs");
    alice.finish();
}

#[test]
fn tab_completes_commands_and_names() {
    let cluster = cluster_with_people();
    let alice = Terminal::chat(cluster.dir(), "alice", WIDE, &[]);
    alice.ends_with("[123] alice:");
    alice.types("/dm\tb\t");
    alice.ends_with("[123] alice: /dm bob");
    alice.enters("");
    alice.ends_with("[123] alice > bob:");
    alice.types("/h\t\t");
    alice.shows("/history");
    alice.shows("/help");
}

#[test]
fn what_was_typed_is_remembered_across_runs() {
    let cluster = cluster_with_people();
    let first = alice(&cluster, WIDE, &[]);
    first.enters("remember me");
    first.shows("alice: remember me");
    first.ends_with("[123] alice > bob:");
    first.types(CTRL_D);
    assert_eq!(first.finish(), 0);
    let second = Terminal::chat(cluster.dir(), "alice", WIDE, &[]);
    second.ends_with("[123] alice:");
    second.types(UP);
    second.ends_with("[123] alice: remember me");
    second.types(UP);
    second.ends_with("[123] alice: /dm bob");
}

#[test]
fn ctrl_c_clears_the_line_and_ctrl_d_leaves() {
    let cluster = cluster_with_people();
    let alice = alice(&cluster, WIDE, &[]);
    alice.types("not this");
    alice.ends_with("[123] alice > bob: not this");
    alice.types(CTRL_C);
    alice.ends_with("[123] alice > bob:");
    alice.types("a");
    alice.ends_with("[123] alice > bob: a");
    alice.types("\x7f");
    alice.ends_with("[123] alice > bob:");
    alice.types(CTRL_D);
    assert_eq!(alice.finish(), 0);
    assert_eq!(Chat::start(cluster.dir(), "bob", &[]).finish().out.matches("not this").count(), 0);
}

/// Whether there are codes that change how text looks.
fn has_colours(raw: &[u8]) -> bool {
    let text = String::from_utf8_lossy(raw);
    text.split("\x1b[").skip(1).any(|rest| {
        rest.find(|c: char| !c.is_ascii_digit() && c != ';').is_some_and(|end| rest[end..].starts_with('m'))
    })
}

#[test]
fn no_color_means_none() {
    for (environment, colours) in [(&[][..], true), (&[("NO_COLOR", "1")], false)] {
        let cluster = cluster_with_people();
        let alice = alice(&cluster, WIDE, environment);
        alice.enters("hello");
        alice.shows("alice: hello  3/3");
        cluster.signal(&["2"], "kill");
        alice.shows("-- server 2 is down");
        alice.enters("/help");
        alice.shows("leave, as ctrl-D");
        alice.ends_with("[1x3] alice > bob:");
        alice.types(CTRL_D);
        let raw = alice.raw();
        assert_eq!(alice.finish(), 0);
        assert_eq!(has_colours(&raw), colours, "{:?}", String::from_utf8_lossy(&raw));
    }
}

#[test]
fn escape_sequences_do_not_reach_the_terminal() {
    let cluster = cluster_with_people();
    let alice = alice(&cluster, WIDE, &[]);
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    bob.say("\x1b[2J\x1b]0;owned\x07gone");
    alice.shows("bob: ␛[2J␛]0;owned␇gone");
    assert!(!String::from_utf8_lossy(&alice.raw()).contains("\x1b]0;"));
}

#[test]
fn a_dumb_terminal_is_good_enough() {
    let cluster = cluster_with_people();
    let alice = Terminal::chat(cluster.dir(), "alice", WIDE, &[("TERM", "dumb")]);
    alice.shows("-- alice on 3 servers");
    wait_until("bob is found", || {
        alice.enters("/dm bob");
        count(&alice, "talking to bob") > 0
    });
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    alice.enters("from a teletype");
    alice.shows("[123] alice > bob: from a teletype");
    bob.hears("alice: from a teletype");
    bob.say("wonderful");
    alice.shows("bob: wonderful");
    alice.ends_with("[123] alice > bob:");
    assert!(!alice.raw().contains(&0x1b), "{:?}", String::from_utf8_lossy(&alice.raw()));
    alice.types(CTRL_D);
    assert_eq!(alice.finish(), 0);
}

#[test]
fn what_is_pasted_is_one_message() {
    let cluster = cluster_with_people();
    let alice = alice(&cluster, WIDE, &[]);
    let bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    alice.types(&format!("{PASTE}first\r/dm carol\nthird\n{PASTED}"));
    alice.shows("third");
    assert_eq!(count(&alice, "alice: first"), 0, "nothing is sent before Enter");
    alice.enters("");
    alice.shows("alice: first");
    alice.shows("      | /dm carol");
    assert!(alice.shows("      | third").ends_with("third  3/3"));
    alice.ends_with("[123] alice > bob:");
    assert!(bob.hears("alice: first").ends_with("alice: first␊/dm carol␊third"), "one line for a script");
}

#[test]
fn what_comes_in_elsewhere_is_counted_in_the_prompt() {
    let cluster = cluster_with_people();
    let alice = Terminal::chat(cluster.dir(), "alice", WIDE, &[]);
    alice.ends_with("[123] alice:");
    alice.enters("/create #lab");
    alice.ends_with("[123] alice > #lab:");
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    for text in ["one", "two"] {
        bob.say(text);
        alice.shows(&format!("[bob] bob: {text}"));
    }
    alice.ends_with("[123] alice > #lab:");
    alice.enters("");
    alice.ends_with("[123] +2 alice > #lab:");
    cluster.signal(&["2"], "kill");
    alice.ends_with("[1x3] +2 alice > #lab:");
    alice.enters("/next");
    alice.shows("-- 2 messages with bob, all in their true order");
    alice.ends_with("[1x3] alice > bob:");
}

#[test]
fn resizing_loses_no_line() {
    let cluster = cluster_with_people();
    let alice = alice(&cluster, WIDE, &[]);
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    alice.types("while I type");
    let mut number = 0;
    // The parser drops what does not fit when it gets fewer rows, which no real terminal does.
    for columns in [40, 80, 30, 120] {
        alice.resizes((columns, WIDE.1));
        for _ in 0..5 {
            bob.say(&format!("line {number}."));
            alice.shows(&format!("bob: line {number}."));
            number += 1;
        }
    }
    alice.types(" and on");
    alice.ends_with("[123] alice > bob: while I type and on");
    for number in 0..number {
        assert_eq!(count(&alice, &format!("bob: line {number}.")), 1, "{}", alice.lines().join("\n"));
    }
    alice.enters("");
    bob.hears("alice: while I type and on");
}

#[test]
fn the_bell_rings_for_whom_it_was_asked_to() {
    let cluster = cluster_with_people();
    let config = cluster.dir().join("tercet");
    std::fs::create_dir_all(&config).unwrap();
    let rings = |terminal: &Terminal| terminal.raw().iter().filter(|byte| **byte == 0x07).count();
    for (bell, rings_for_room, rings_for_direct) in [("none", 0, 0), ("direct", 0, 1), ("mentions", 1, 1)] {
        std::fs::write(config.join("config.toml"), format!("[profile.default]\nbell = \"{bell}\"\n"))
            .unwrap();
        let terminal = Terminal::chat(cluster.dir(), "alice", WIDE, &[]);
        terminal.ends_with("[123] alice:");
        terminal.enters(&format!("/create #{bell}"));
        terminal.ends_with(&format!("[123] alice > #{bell}:"));
        let mut bob = Chat::start(cluster.dir(), "bob", &[]);
        bob.say(&format!("/join #{bell}"));
        bob.is_told("joined");
        bob.say("nobody is meant");
        terminal.shows("bob: nobody is meant");
        assert_eq!(rings(&terminal), 0, "{bell}");
        bob.say("alice, are you there?");
        terminal.shows("bob: alice, are you there?");
        assert_eq!(rings(&terminal), rings_for_room, "{bell}");
        assert_eq!(bob.finish().code, 0);
        // It rings once in a while only, so the next is for another chat.
        terminal.types(CTRL_D);
        assert_eq!(terminal.finish(), 0);
        let terminal = Terminal::chat(cluster.dir(), "alice", WIDE, &[]);
        terminal.ends_with("[123] alice:");
        let mut bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
        bob.say(&format!("for your ears, {bell}."));
        terminal.shows(&format!("bob: for your ears, {bell}."));
        assert_eq!(rings(&terminal), rings_for_direct, "{bell}");
        assert_eq!(
            String::from_utf8_lossy(&terminal.raw()).contains("\x1b]9;tercet: bob"),
            rings_for_direct > 0
        );
        terminal.enters("thanks, bob");
        terminal.shows("alice: thanks, bob");
        assert_eq!(rings(&terminal), rings_for_direct, "not for one's own words");
        terminal.types(CTRL_D);
        assert_eq!(terminal.finish(), 0);
        assert_eq!(bob.finish().code, 0);
    }
}

#[test]
fn reading_and_answering_leaves_one_mark_for_what_was_not_answered() {
    let cluster = cluster_with_people();
    let alice = alice(&cluster, WIDE, &[]);
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    for number in 0..10 {
        bob.say(&format!("asked {number}."));
        alice.shows(&format!("bob: asked {number}."));
        alice.enters(&format!("answered {number}."));
        bob.hears(&format!("alice: answered {number}."));
    }
    for number in 0..10 {
        bob.say(&format!("added {number}."));
    }
    alice.shows("bob: added 9.");
    for number in 1..=5 {
        alice.enters(&format!("/history {number}"));
        alice.waits_for("it answers", |_| count(&alice, "messages with bob") == number);
        alice.ends_with("[123] alice > bob:");
    }
    alice.types(CTRL_D);
    assert_eq!(alice.finish(), 0);
    let marks = entries(cluster.dir(), "alice").iter().filter(|entry| is_read_mark(entry)).count();
    assert_eq!(marks, 1, "ten answers and five looks back");
}

fn is_read_mark(entry: &Entry) -> bool {
    match entry {
        Entry::Authored { event, .. } => Event::from_bytes(event).unwrap().kind() == Kind::Read,
        _ => false,
    }
}
