//! `/share` and `/save`: a file goes from one person to another and to every server, and nowhere else.

use std::fs;

use crate::people::{ALL, Chat, ON_ALL, assert_valid, cluster_with_people};
use crate::support::wait_until;

#[test]
fn a_shared_file_comes_whole_replaces_nothing_and_can_be_taken_back() {
    let cluster = cluster_with_people();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    // Bytes of every kind, over several chunks, and one with nothing beyond a chunk.
    let large: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(at("large.bin"), &large).unwrap();
    fs::write(at("small.txt"), "small").unwrap();
    fs::write(at("huge.bin"), vec![0; 1024 * 1024 + 1]).unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::create_dir(at("saved")).unwrap();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &ON_ALL);
    alice.say(&format!("/share {}", at("large.bin")));
    alice.is_told("sharing large.bin: 300000 bytes in 19 parts");
    assert!(bob.hears("shares large.bin").contains("alice: shares large.bin (293 KiB)"));
    assert_eq!(bob.lines().len(), 1, "no chunk is a line: {:?}", bob.lines());

    bob.say(&format!("/save {}", at("saved")));
    bob.is_told("300000 bytes written to");
    assert_eq!(fs::read(at("saved/large.bin")).unwrap(), large);
    fs::write(at("saved/large.bin"), "mine").unwrap();
    bob.say(&format!("/save ~1 {}", at("saved")));
    bob.is_told("exists and is left as it is");
    assert_eq!(fs::read_to_string(at("saved/large.bin")).unwrap(), "mine");

    alice.say(&format!("/share {}", at("small.txt")));
    bob.hears("alice: shares small.txt (5 bytes)");
    bob.say(&format!("/save ~1 {}", at("other.txt")));
    bob.is_told("5 bytes written to");
    assert_eq!(fs::read_to_string(at("other.txt")).unwrap(), "small");
    bob.say("thanks");
    bob.say("/save ~1");
    bob.is_told("that message shares no file");

    for (file, why) in [
        (at("huge.bin"), "more than 1024 KiB"),
        (at("empty"), "it is empty"),
        (at("saved"), "only a file can be shared"),
        (at("nothing"), "nothing: no such file or directory"),
    ] {
        alice.say(&format!("/share {file}"));
        alice.is_told(why);
    }
    alice.say("/delete ~2");
    bob.hears("* alice took a message back");
    bob.say("/save ~2");
    bob.is_told("that file was deleted by who shared it; it cannot be saved any more");
    bob.say(&format!("/save {}", at("third.bin")));
    bob.is_told("third.bin");
    assert_eq!(fs::read(at("third.bin")).unwrap(), large, "the last that was not taken back");
    let ran = [alice.finish(), bob.finish()];
    assert!(ran.iter().all(|ran| ran.code == 1), "some commands were refused: {ran:?}");

    let lines = cluster.run(&["tail", "alice", "--json", "--as", "bob"]).ok();
    assert!(lines.contains("\"kind\":\"file\"") && !lines.contains("\"kind\":\"chunk\""), "{lines}");
    wait_until("every server has every chunk", || {
        ALL.iter().all(|name| cluster.status(name)["position"] == cluster.status("1")["position"])
    });
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn a_shared_file_cannot_be_edited_and_what_is_said_next_still_arrives() {
    let cluster = cluster_with_people();
    let file = cluster.dir().join("plan.txt");
    fs::write(&file, "a plan").unwrap();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    alice.say("see this");
    alice.say(&format!("/share {}", file.display()));
    alice.hears("alice: shares plan.txt");
    for edit in ["/edit another plan", "/edit ~1 another plan"] {
        alice.say(edit);
    }
    let refusal = "that message shares a file, which cannot be changed; /delete takes it back";
    wait_until("both are refused", || {
        alice.words().iter().filter(|line| line.contains(refusal)).count() == 2
    });
    alice.say("/edit ~2 see that");
    alice.hears("* alice changed \"see this\" to: see that");
    alice.say("and more");
    let ran = alice.finish();
    assert!(ran.code == 1 && ran.out.contains("alice: and more"), "some commands were refused: {ran:?}");
    assert!(!ran.err.contains("not safe"), "{ran:?}");
    let read = cluster.run(&["tail", "alice", "--as", "bob"]).ok();
    assert!(read.contains("and more"), "{read}");
    assert_valid(&cluster.run(&["verify"]));
}
