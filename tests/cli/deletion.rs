//! What is taken back leaves the disks of the servers, and its place in the talk stays.

use std::fs;
use std::path::Path;

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
