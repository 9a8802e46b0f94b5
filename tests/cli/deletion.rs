//! What is taken back leaves the disks of the servers, and its place in the talk stays.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::people::{ALL, Chat, ON_ALL, assert_valid, cluster_with_people, entries, second_machine};
use crate::support::TestCluster;

const SLIP: &str = "the password is hunter2";
const BETTER: &str = "the password is swordfish";

/// The files under a folder in which a text stands.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if holds(&fs::read(&path).unwrap(), text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// Journals are mostly zeros, which are passed over quickly.
fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.split(|byte| *byte == 0).any(|part| part.windows(text.len()).any(|window| window == text))
}

fn json(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Alice says, changes and takes back something; bob has read all of it.
fn take_back(cluster: &TestCluster) {
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    let bob = Chat::start(cluster.dir(), "bob", &[]);
    for (line, shown) in [
        (SLIP, format!("alice: {SLIP}")),
        (&format!("/edit {BETTER}")[..], "* alice changed".to_owned()),
        ("/delete ~1", "* alice took a message back".to_owned()),
        ("that stays", "alice: that stays".to_owned()),
    ] {
        alice.say(line);
        bob.hears(&shown);
    }
    for chat in [alice, bob] {
        let ran = chat.finish();
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

#[test]
fn what_was_taken_back_is_in_no_file_of_a_server_that_was_restarted_and_everything_verifies() {
    let cluster = cluster_with_people();
    take_back(&cluster);
    assert_valid(&cluster.run(&["verify"]));
    for name in ALL {
        assert_ne!(files_with(&cluster.server(name), SLIP), [""; 0], "server {name} had it on its disk");
    }
    cluster.run(&["cluster", "restart"]).ok();
    for name in ALL {
        for text in [SLIP, BETTER] {
            assert_eq!(files_with(&cluster.server(name), text), [""; 0], "{text} on server {name}");
        }
        assert_ne!(files_with(&cluster.server(name), "that stays"), [""; 0], "server {name} has the rest");
    }
    assert_valid(&cluster.run(&["verify"]));
    cluster.run(&["cluster", "down"]).ok();
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn a_file_that_was_taken_back_is_in_no_file_of_a_server_and_comes_to_no_other_device() {
    let cluster = cluster_with_people();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    // In the first part, over the edge of two, and in the last one.
    let secret = format!("{SLIP}, {} and {BETTER}", "and so on ".repeat(5_000));
    fs::write(path("plan-b.txt"), &secret).unwrap();
    fs::write(path("menu.txt"), "soup on monday").unwrap();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    let bob = Chat::with(cluster.dir(), "bob", "alice", &ON_ALL);
    for (line, shown) in [
        (format!("/share {}", path("plan-b.txt")), "alice: shares plan-b.txt"),
        (format!("/share {}", path("menu.txt")), "alice: shares menu.txt"),
        ("/delete ~2".to_owned(), "* alice took a message back"),
    ] {
        alice.say(&line);
        bob.hears(shown);
    }
    for chat in [alice, bob] {
        let ran = chat.finish();
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    crate::support::wait_until("every server has all of it", || {
        ALL.iter().all(|name| cluster.status(name)["position"] == cluster.status("1")["position"])
    });
    assert_valid(&cluster.run(&["verify"]));
    for name in ALL {
        assert_ne!(files_with(&cluster.server(name), SLIP), [""; 0], "server {name} had it on its disk");
    }
    cluster.run(&["cluster", "restart"]).ok();
    let machine = second_machine(&cluster, "bob");
    let mut bob = Chat::with(machine.path(), "bob", "alice", &[]);
    bob.say("/history");
    bob.hears("alice: (taken back)");
    bob.say(&format!("/save ~1 {}", path("menu-again.txt")));
    bob.is_told("14 bytes written to");
    bob.say(&format!("/export {}", path("talk.jsonl")));
    bob.is_told("2 messages written to");
    bob.say(&format!("/export {}", path("talk.md")));
    bob.is_told("talk.md");
    bob.say("/save ~2");
    bob.is_told("that file was deleted by who shared it");
    assert_eq!(bob.finish().code, 1, "that was refused");
    let exported = fs::read_to_string(path("talk.jsonl")).unwrap();
    let [first, last] = &json(&exported)[..] else { panic!("two messages: {exported}") };
    assert_eq!((&first["text"], &first["deleted"]), (&Value::Null, &true.into()), "{exported}");
    assert_eq!((last["text"].is_string(), &last["deleted"]), (true, &false.into()), "{exported}");
    assert!(fs::read_to_string(path("talk.md")).unwrap().contains("*(taken back)*"));
    let tail = std::process::Command::new(assert_cmd::cargo::cargo_bin("tercet"))
        .args(["tail", "alice", "--json", "--as", "bob"])
        .env("TERCET_DIR", machine.path())
        .env("XDG_CONFIG_HOME", machine.path())
        .output()
        .unwrap();
    let told = String::from_utf8(tail.stdout).unwrap();
    let lines = json(&told);
    let of = |line: &Value| [line["kind"].clone(), line["text"].is_null().into(), line["deleted"].clone()];
    let expected = [("file", true, true), ("file", false, false), ("delete", true, false)];
    let expected = expected.map(|(kind, text, deleted)| [Value::from(kind), text.into(), deleted.into()]);
    assert_eq!(lines.iter().map(of).collect::<Vec<_>>(), expected, "{told}");
    assert!(lines[..2].iter().all(|line| line["about"].is_null()), "{told}");
    cluster.run(&["cluster", "down"]).ok();
    for gone in [SLIP, "and so on", BETTER, "plan-b"] {
        let servers = ALL.map(|name| files_with(&cluster.server(name), gone));
        assert_eq!(servers.concat(), [""; 0], "{gone}");
        assert_eq!(files_with(machine.path(), gone), [""; 0], "{gone} never came to the other device");
    }
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn servers_and_devices_that_come_later_get_it_without_and_hold_the_same_talk() {
    let cluster = cluster_with_people();
    cluster.signal(&["3"], "kill");
    cluster.wait_for_state("3", "dead");
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--copies", "2"]);
    for (line, shown) in [(SLIP, SLIP), ("/delete ~1", "* alice took a message back")] {
        alice.say(line);
        alice.hears(shown);
    }
    let ran = alice.finish();
    assert_eq!(ran.code, 0, "{ran:?}");
    fs::remove_dir_all(cluster.server("3").join("store")).unwrap();
    cluster.start("3");
    crate::support::wait_until("server 3 has what the others have", || {
        cluster.status("3")["position"] == cluster.status("1")["position"]
    });
    assert_eq!(files_with(&cluster.server("3"), SLIP), [""; 0], "it was never on this disk");

    let machine = second_machine(&cluster, "bob");
    let mut bob = Chat::with(machine.path(), "bob", "alice", &[]);
    bob.say("/history");
    bob.hears("alice: (taken back)");
    let ran = bob.finish();
    assert!(ran.code == 0 && !ran.out.contains(SLIP), "{ran:?}");
    assert_eq!(files_with(machine.path(), SLIP), [""; 0], "nor on this device");
    assert!(entries(machine.path(), "bob").len() > 3);
    for name in ["alice", "bob"] {
        let ran = Chat::start(cluster.dir(), name, &ON_ALL).finish();
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    assert_valid(&cluster.run(&["verify"]));
    let told = cluster.run(&["verify", "--export", "jsonl"]);
    assert!(told.out.contains("\"deleted\":true") && !told.out.contains(SLIP), "the author's log has it");
}
