//! Servers that come and go while people talk: nothing is lost, and nobody starts anything again.

use crate::people::{Chat, ON_ALL, assert_valid, cluster_with_people};
use crate::support::{TestCluster, wait_or_explain};

fn epoch(cluster: &TestCluster) -> u64 {
    let report = cluster.run(&["cluster", "status", "--json"]).ok();
    serde_json::from_str::<serde_json::Value>(&report).unwrap()["epoch"].as_u64().unwrap()
}

/// Waits until a chat has shown a message of its own with so many copies.
fn reaches(chat: &Chat, text: &str, copies: &str) {
    let says = |line: &String| line.contains(text) && line.contains(copies);
    wait_or_explain(
        || chat.lines().iter().any(says),
        || format!("{text:?} is on {copies}: {:#?}", chat.lines()),
    );
}

#[test]
fn a_server_is_added_under_traffic_and_the_next_message_is_on_four_of_four() {
    let cluster = cluster_with_people();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    let bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    alice.say("before");
    bob.hears("alice: before");
    let ran = cluster.run(&["cluster", "add"]);
    assert!(ran.err.contains("server 4 is in step: "), "{ran:?}");
    assert!(ran.ok().contains("view epoch 2: servers 1, 2, 3 and 4"), "it says what there is now");
    alice.is_told("-- server 4 has joined: 4 servers now");
    bob.is_told("-- server 4 has joined: 4 servers now");
    alice.say("after");
    reaches(&alice, "after", "4/4");
    bob.hears("alice: after");
    for chat in [alice, bob] {
        let ran = chat.finish();
        assert_eq!((ran.code, ran.complaints().as_str()), (0, ""), "{ran:?}");
    }
    assert_eq!((cluster.state("4"), epoch(&cluster)), ("up".to_owned(), 2));
    assert!(!cluster.server("4").join("joining").exists());
    assert_valid(&cluster.run(&["verify"]));
}
