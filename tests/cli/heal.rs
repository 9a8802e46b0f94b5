//! Servers that were away, or lost their disks, get what they lack from each other, without the authors.

use std::fs;

use crate::people::{ALL, Chat, assert_valid, cluster_with_people, messages, second_machine};
use crate::support::{TestCluster, wait_or_explain};

fn positions(cluster: &TestCluster, names: &[&str]) -> Vec<Option<u64>> {
    names.iter().map(|name| cluster.status(name)["position"].as_u64()).collect()
}

/// Waits until these servers hold equally many events, and at least so many.
fn wait_for_healing(cluster: &TestCluster, names: &[&str], at_least: u64) {
    let healed = || {
        let positions = positions(cluster, names);
        positions.iter().all(|position| *position == positions[0] && position.is_some_and(|p| p >= at_least))
    };
    wait_or_explain(healed, || format!("servers {names:?} are healed: {:?}", positions(cluster, names)));
}

/// A new device of alice's that can reach only this server gets exactly these messages of hers.
fn assert_alone_holds(cluster: &TestCluster, name: &str, expected: &[String]) {
    let others: Vec<_> = ALL.into_iter().filter(|other| *other != name).collect();
    cluster.signal(&others, "kill");
    let machine = second_machine(cluster, "alice");
    let ran = Chat::start(machine.path(), "alice", &["--copies", "1"]).finish();
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<String> = ran.out.lines().map(str::to_owned).collect();
    assert_eq!(messages(&lines, "alice"), expected);
    others.iter().for_each(|other| cluster.start(other));
}

fn say_many(cluster: &TestCluster, copies: &str) -> Vec<String> {
    let said: Vec<_> = (0..300).map(|number| format!("line {number}")).collect();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--copies", copies]);
    said.iter().for_each(|line| alice.say(line));
    let ran = alice.finish();
    assert_eq!(ran.code, 0, "{ran:?}");
    said
}

#[test]
fn a_server_that_was_away_is_healed_by_the_others() {
    let cluster = cluster_with_people();
    cluster.signal(&["2"], "kill");
    let said = say_many(&cluster, "2");
    cluster.start("2");
    wait_for_healing(&cluster, &ALL, 302);
    assert_alone_holds(&cluster, "2", &said);
    assert_eq!(Chat::start(cluster.dir(), "bob", &[]).finish().code, 0);
    wait_for_healing(&cluster, &ALL, 302);
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn a_server_that_lost_its_disk_is_refilled_by_the_others() {
    let cluster = cluster_with_people();
    let said = say_many(&cluster, "3");
    cluster.signal(&["3"], "kill");
    fs::remove_dir_all(cluster.server("3").join("store")).unwrap();
    cluster.start("3");
    wait_for_healing(&cluster, &ALL, 302);
    assert_alone_holds(&cluster, "3", &said);
    assert_eq!(Chat::start(cluster.dir(), "bob", &[]).finish().code, 0);
    cluster.run(&["cluster", "down"]).ok();
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn two_sides_without_a_common_server_are_one_again_when_the_servers_meet() {
    let cluster = cluster_with_people();
    cluster.signal(&["2", "3"], "kill");
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--copies", "1"]);
    alice.say("from one side");
    alice.hears("1/3 at risk");
    assert_eq!(alice.finish().code, 0);
    cluster.signal(&["1"], "kill");
    cluster.start("3");
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &["--copies", "1"]);
    bob.say("from the other");
    bob.hears("1/3 at risk");
    let ran = bob.finish();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.out.contains("from one side"), "they have no common server: {ran:?}");
    cluster.start("1");
    cluster.start("2");
    wait_for_healing(&cluster, &ALL, 4);
    for (name, text) in [("alice", "bob: from the other"), ("bob", "alice: from one side")] {
        let ran = Chat::start(cluster.dir(), name, &[]).finish();
        assert!(ran.code == 0 && ran.out.contains(text), "{ran:?}");
    }
    assert_valid(&cluster.run(&["verify"]));
}
