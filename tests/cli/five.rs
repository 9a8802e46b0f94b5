//! Five servers of which four die: the last one serves, and all are whole again afterwards.

use crate::people::{Chat, assert_valid, authored, displayed, entries};
use crate::support::{TestCluster, wait_or_explain};

const FIVE: [&str; 5] = ["1", "2", "3", "4", "5"];
const ON_ALL_FIVE: [&str; 2] = ["--copies", "5"];

#[test]
fn one_of_five_serves_alone_and_makes_the_others_whole() {
    let cluster = TestCluster::up(5);
    let again = cluster.run(&["cluster", "up", "--nodes", "5", "--detach"]).ok();
    assert!(again.contains("running already"), "these are five: {again}");
    for name in ["alice", "bob", "alice"] {
        assert_eq!(Chat::start(cluster.dir(), name, &ON_ALL_FIVE).finish().code, 0);
    }
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL_FIVE);
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &ON_ALL_FIVE);
    alice.say("on five");
    bob.hears("alice: on five");
    cluster.run(&["kill", "1", "2", "4", "5"]).ok();
    assert_eq!(FIVE.map(|name| cluster.state(name)), ["dead", "dead", "up", "dead", "dead"]);
    for number in 0..20 {
        alice.say(&format!("from alice {number}."));
        bob.say(&format!("from bob {number}."));
    }
    bob.hears("alice: from alice 19.");
    alice.hears("bob: from bob 19.");
    assert!(alice.hears("alice: from alice 0.").ends_with("1/5 at risk"), "{:#?}", alice.lines());
    let out = cluster.run(&["cluster", "up", "--detach"]).ok();
    assert_eq!(out.matches(" up ").count(), FIVE.len(), "{out}");
    for chat in [alice, bob] {
        let ran = chat.finish();
        assert_eq!((ran.code, ran.complaints().as_str()), (0, ""), "on 5/5 in the end: {ran:?}");
    }
    let statuses = || FIVE.map(|name| cluster.status(name));
    let same = || {
        let all = statuses();
        all.iter().all(|one| one["position"] == all[0]["position"] && one["behind"] == 0)
    };
    wait_or_explain(same, || format!("all five hold the same: {:?}", statuses()));
    assert_valid(&cluster.run(&["verify"]));
    for name in ["alice", "bob"] {
        let entries = entries(cluster.dir(), name);
        let wrote = if name == "alice" { 21 } else { 20 };
        assert_eq!((authored(&entries).len(), displayed(&entries).len()), (wrote, 41), "{name}");
    }
}
