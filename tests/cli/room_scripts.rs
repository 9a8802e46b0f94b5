//! Rooms from scripts, whom one does not hear, and conversations as files.

use std::fs;

use serde_json::Value;

use crate::people::{Chat, ON_ALL, assert_valid, authored, cluster_with_people, entries};
use crate::support::TestCluster;

/// Alice has opened #lab, bob has joined it.
fn cluster_with_a_room() -> TestCluster {
    let cluster = cluster_with_people();
    for (name, command, answer) in
        [("alice", "/create #lab", "#lab is open"), ("bob", "/join #lab", "joined #lab")]
    {
        let mut chat = Chat::start(cluster.dir(), name, &ON_ALL);
        chat.say(command);
        chat.is_told(answer);
        assert_eq!(chat.finish().code, 0);
    }
    cluster
}

fn sent(cluster: &TestCluster, from: &str, to: &str, text: &str) {
    let ran = cluster.run(&["send", to, text, "--as", from, "--copies", "3"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn tail(cluster: &TestCluster, name: &str, args: &[&str]) -> Vec<String> {
    let out = cluster.run(&[&["tail", "--as", name], args].concat()).ok();
    out.lines().map(str::to_owned).collect()
}

#[test]
fn a_room_can_be_sent_to_and_read_from_scripts() {
    let cluster = cluster_with_a_room();
    let ran = cluster.run(&["send", "#lab", "built", "--as", "alice", "--copies", "3", "--json"]);
    assert!(ran.err.contains("-- sent to #lab: on 3 of 3 servers"), "{ran:?}");
    assert_eq!(serde_json::from_str::<Value>(&ran.ok()).unwrap()["to"], "#lab");
    sent(&cluster, "alice", "bob", "between us");
    let lines = tail(&cluster, "bob", &["#lab"]);
    assert!(lines.last().unwrap().ends_with(" alice: built"), "no heading, it is the only one: {lines:?}");
    assert!(!lines.iter().any(|line| line.contains("between us")), "{lines:?}");
    assert!(tail(&cluster, "bob", &["alice"]).iter().all(|line| !line.contains("built")));
    let all = tail(&cluster, "bob", &[]);
    assert!(all.iter().any(|line| line.ends_with("[#lab] alice: built")), "{all:?}");
    assert!(all.iter().any(|line| line.contains("[#lab] * bob joined")), "{all:?}");
    let known = fs::read_to_string(cluster.dir().join("people/bob/known")).unwrap();
    assert!(known.lines().any(|line| line == "#lab"), "{known}");
}

#[test]
fn a_room_that_is_not_joined_is_not_written_to() {
    let cluster = cluster_with_a_room();
    assert_eq!(Chat::start(cluster.dir(), "carol", &ON_ALL).finish().code, 0);
    let before = authored(&entries(cluster.dir(), "carol")).len();
    let send = |to: &str| cluster.run(&["send", to, "x", "--as", "carol"]).failed();
    let err = send("#lab");
    assert!(err.contains("carol has not joined #lab; nothing was written"), "{err}");
    assert!(err.contains("next: printf '/join #lab\\n' | tercet chat carol"), "{err}");
    let err = send("#lba");
    assert!(err.contains("there is no room #lba") && err.contains("did you mean #lab?"), "{err}");
    assert!(send("#elsewhere").contains("/create #elsewhere opens it"));
    assert!(cluster.run(&["tail", "#lab", "--as", "carol"]).failed().contains("has not joined"));
    assert_eq!(authored(&entries(cluster.dir(), "carol")).len(), before);
    // What it says to do is what there is to do.
    let mut chat = Chat::start(cluster.dir(), "carol", &ON_ALL);
    chat.say("/join #lab");
    assert_eq!(chat.finish().code, 0);
    sent(&cluster, "carol", "#lab", "now it goes");
    assert!(tail(&cluster, "bob", &["#lab"]).last().unwrap().ends_with("carol: now it goes"));
    cluster.run(&["cluster", "down"]).ok();
    let err = cluster.run(&["send", "#nowhere", "x", "--as", "carol", "--wait", "1"]).failed();
    assert!(err.contains("no server answered; nothing was written"), "{err}");
}

#[test]
fn what_is_said_about_messages_is_in_the_json_too() {
    let cluster = cluster_with_a_room();
    let mut alice = Chat::start(cluster.dir(), "alice", &ON_ALL);
    alice.say("/join #lab");
    for (line, shown) in [
        ("helo", "alice: helo"),
        ("/edit hello", "* alice changed"),
        ("/react ~1 +1", "* alice reacts"),
        ("a slip", "alice: a slip"),
        ("/delete ~1", "* alice took a message back"),
        ("/topic tests", "* alice set the topic"),
    ] {
        alice.say(line);
        alice.hears(shown);
    }
    assert_eq!(alice.finish().code, 0);
    let lines: Vec<Value> = tail(&cluster, "bob", &["#lab", "--json"])
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| lines.iter().find(|line| line["kind"] == kind).unwrap();
    let hello = of("post");
    assert_eq!((&hello["with"], &hello["text"]), (&"#lab".into(), &"helo".into()));
    for (kind, text) in [("edit", "hello"), ("react", "+1")] {
        assert_eq!((&of(kind)["about"], &of(kind)["text"]), (&hello["id"], &text.into()), "{kind}");
    }
    let slip = lines.iter().find(|line| line["id"] == of("delete")["about"]).unwrap();
    assert_eq!((&slip["kind"], &slip["text"]), (&"post".into(), &Value::Null), "taken back");
    assert!(!tail(&cluster, "bob", &["#lab"]).iter().any(|line| line.contains("a slip")));
    assert_eq!((&of("join")["from"], &of("join")["text"]), (&"bob".into(), &Value::Null));
    assert_eq!(of("topic")["text"], "tests");
    assert_eq!(Chat::start(cluster.dir(), "bob", &[]).finish().code, 0);
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn who_is_blocked_is_not_heard_and_does_not_count() {
    let cluster = cluster_with_a_room();
    let mut bob = Chat::start(cluster.dir(), "bob", &ON_ALL);
    for (line, answer) in [
        ("/block bob", "that is you"),
        ("/block nobody", "there is nobody called nobody"),
        ("/unblock alice", "alice is not blocked"),
        ("/block alice", "nothing from alice is shown on this machine"),
        ("/block alice", "alice is blocked already"),
    ] {
        bob.say(line);
        bob.is_told(answer);
    }
    sent(&cluster, "alice", "bob", "can you hear me?");
    assert_eq!(Chat::start(cluster.dir(), "carol", &ON_ALL).finish().code, 0);
    sent(&cluster, "carol", "bob", "I am carol");
    bob.hears("[carol] carol: I am carol");
    bob.say("/unread");
    bob.is_told("unread in 1 conversation;");
    bob.say("/dm alice");
    bob.say("/history");
    bob.hears("(blocked)");
    assert_eq!(bob.finish().code, 1, "some of it could not be done");
    let out = tail(&cluster, "bob", &[]);
    assert!(out.iter().any(|line| line.contains("I am carol")), "{out:?}");
    assert!(!out.iter().any(|line| line.contains("can you hear me?")), "{out:?}");
    // It holds until it is taken back, and what was said meanwhile is there then.
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &ON_ALL);
    bob.say("/unblock alice");
    bob.is_told("alice is heard again");
    bob.say("/history");
    bob.hears("alice: can you hear me?");
    let by_itself = |line: &String| line.contains("can you hear me?") && !line.starts_with('~');
    assert!(!bob.lines().iter().any(by_itself), "{:?}", bob.lines());
    assert_eq!(bob.finish().code, 0);
    assert_eq!(Chat::start(cluster.dir(), "alice", &[]).finish().code, 0);
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn a_conversation_is_written_to_a_file_that_is_not_there_yet() {
    let cluster = cluster_with_a_room();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    fs::write(file("taken.md"), "mine").unwrap();
    sent(&cluster, "alice", "bob", "*two*\nlines");
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &ON_ALL);
    bob.hears("two");
    bob.say("/react +1");
    bob.hears("* bob reacts");
    for name in ["talk.md", "talk.jsonl"] {
        bob.say(&format!("/export {}", file(name)));
        bob.is_told(&format!("1 message written to {}", file(name)));
    }
    bob.say(&format!("/export {}", file("taken.md")));
    bob.is_told("exists; choose another name");
    bob.say(&format!("/export {}", file("talk.doc")));
    bob.is_told("must end in .md or .jsonl");
    bob.say(&format!("/export {}", file("no/folder.md")));
    bob.is_told("cannot write");
    assert_eq!(bob.finish().code, 1);
    assert_eq!(fs::read_to_string(file("taken.md")).unwrap(), "mine");
    let markdown = fs::read_to_string(file("talk.md")).unwrap();
    assert!(markdown.contains("> \\*two\\*  \n> lines"), "{markdown}");
    let line: Value = serde_json::from_str(&fs::read_to_string(file("talk.jsonl")).unwrap()).unwrap();
    assert_eq!((&line["from"], &line["text"]), (&"alice".into(), &"*two*\nlines".into()));
    assert_eq!(line["reactions"]["+1"][0], "bob");
}
