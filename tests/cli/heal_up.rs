//! `tercet cluster up --heal`: who dies, or loses a disk, comes back by itself.

use std::fs;

use crate::foreground::Foreground;
use crate::people::{ALL, Chat, ON_ALL, assert_valid, cluster_with_people};
use crate::support::{TestCluster, wait_until};

/// Somebody has started the servers; the healer takes over.
fn healed(cluster: &TestCluster) -> Foreground {
    let up = Foreground::start(cluster, &["cluster", "up", "--heal"]);
    up.is_told("servers that die are started again");
    up
}

fn say_some(cluster: &TestCluster) {
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    (0..40).for_each(|number| alice.say(&format!("line {number}.")));
    assert_eq!(alice.finish().code, 0);
}

#[test]
fn the_dead_and_the_dispossessed_come_back_and_nothing_is_lost() {
    let cluster = cluster_with_people();
    say_some(&cluster);
    let mut up = healed(&cluster);
    let held = cluster.status("1")["position"].as_u64().unwrap();
    let before = ALL.map(|name| cluster.pid(name));

    cluster.run(&["kill", "2"]).ok();
    up.is_told(&format!("server 2 (pid {}) died", before[1]));
    up.is_told("server 2 is started again in ");
    up.is_told("server 2 is up again (pid ");
    up.is_told("server 2 is in step: ");

    // It runs, and so would write into files that nobody finds again.
    fs::rename(cluster.server("3").join("store"), cluster.dir().join("lost")).unwrap();
    up.is_told("server 3 runs, and its store is gone: it is killed");
    up.is_told(&format!("server 3 (pid {}) died", before[2]));
    up.is_told("server 3: its store is gone; it starts a new one");
    up.is_told("server 3 is up again (pid ");
    up.is_told(&format!("server 3 is in step: {held} events"));

    let bob = Chat::start(cluster.dir(), "bob", &ON_ALL).finish();
    assert_eq!(bob.code, 0, "{bob:?}");
    assert_eq!(cluster.status("3")["position"], held);
    assert!(cluster.pid("2") != before[1] && cluster.pid("3") != before[2]);
    assert_eq!(cluster.pid("1"), before[0], "who is well is left alone");
    assert_valid(&cluster.run(&["verify"]));

    // What it has started itself it can ask how it ended.
    let second = cluster.pid("2");
    cluster.run(&["kill", "2"]).ok();
    up.is_told(&format!("server 2 (pid {second}) died: signal: 9 (SIGKILL)"));
    cluster.wait_for_state("2", "up");
    assert_eq!(up.interrupt(), 0);
    assert_eq!(ALL.map(|name| cluster.state(name)), ["stopped", "stopped", "stopped"]);
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn a_store_lost_with_its_server_is_filled_again() {
    let cluster = cluster_with_people();
    say_some(&cluster);
    let held = cluster.status("1")["position"].as_u64().unwrap();
    cluster.run(&["kill", "3"]).ok();
    fs::remove_dir_all(cluster.server("3").join("store")).unwrap();
    let mut up = Foreground::start(&cluster, &["cluster", "up", "--heal"]);
    up.is_told("ctrl-C stops");
    wait_until("server 3 holds everything again", || cluster.status("3")["position"] == held);
    assert_eq!(up.interrupt(), 0);
}

#[test]
fn who_dies_again_and_again_is_started_five_times_a_minute() {
    let cluster = TestCluster::up(2);
    let mut up = healed(&cluster);
    // Its configuration is broken for good.
    fs::remove_file(cluster.server("2").join("server.key")).unwrap();
    cluster.run(&["kill", "2"]).ok();
    wait_until("the limit is told", || {
        up.words().iter().any(|line| line.contains("server 2 was started 5 times within a minute"))
    });
    let count = |words: &[String], what: &str| words.iter().filter(|line| line.contains(what)).count();
    let words = up.words();
    assert_eq!(
        count(&words, "server 2 could not be started: server 2 ended before it was ready"),
        5,
        "{words:#?}"
    );
    assert_eq!(count(&words, "server.key"), 5, "each says why: {words:#?}");
    assert_eq!([cluster.state("1"), cluster.state("2")], ["up", "dead"]);
    assert_eq!(up.interrupt(), 0);
}

#[test]
fn who_was_stopped_stays_stopped() {
    let cluster = TestCluster::up(2);
    let up = healed(&cluster);
    cluster.signal(&["1"], "term");
    up.is_told("stopped");
    cluster.run(&["kill", "2"]).ok();
    up.is_told("server 2 is up again");
    assert_eq!([cluster.state("1"), cluster.state("2")], ["stopped", "up"]);
    cluster.run(&["kill", "2"]).ok();
    cluster.run(&["cluster", "down"]).ok();
    up.is_told("all servers were stopped");
    assert_eq!([cluster.state("1"), cluster.state("2")], ["stopped", "stopped"]);
}

#[test]
fn healing_needs_the_foreground() {
    let cluster = TestCluster::empty();
    let ran = cluster.run(&["cluster", "up", "--heal", "--detach"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("--heal") && ran.err.contains("--detach"), "{ran:?}");
}
