//! `tercet kill`: who gets which signal, and what is said about it.

use crate::support::TestCluster;

#[test]
fn kill_says_what_it_did_to_whom() {
    let cluster = TestCluster::up(3);
    let pid = cluster.pid("2");
    let out = cluster.run(&["kill", "2"]).ok();
    assert_eq!(out, format!("killed server 2 (pid {pid}) with SIGKILL\n"));
    assert_eq!(cluster.state("2"), "dead");
    assert_eq!([cluster.state("1"), cluster.state("3")], ["up", "up"]);
    let err = cluster.run(&["kill", "2"]).failed();
    assert!(err.contains("server 2 is dead already") && err.contains(&pid.to_string()), "{err}");
    assert!(err.contains("next: tercet cluster start 2"), "{err}");
}

#[test]
fn whoever_was_killed_has_left_port_and_store() {
    let cluster = TestCluster::up(1);
    let address = cluster.status("1")["address"].as_str().unwrap().to_owned();
    for round in 0..10 {
        assert!(std::net::TcpListener::bind(&address).is_err(), "while it runs the port is taken");
        cluster.run(&["kill", "1"]).ok();
        let port = std::net::TcpListener::bind(&address);
        assert!(port.is_ok(), "round {round}: {port:?}");
        let lock = std::fs::File::open(cluster.server("1").join("store/lock")).unwrap();
        assert!(lock.try_lock().is_ok(), "round {round}");
        drop((port, lock));
        cluster.start("1");
    }
}

#[test]
fn several_are_killed_at_once_each_once() {
    let cluster = TestCluster::up(3);
    let out = cluster.run(&["kill", "3", "1", "3"]).ok();
    assert_eq!(out.lines().count(), 2, "{out}");
    assert_eq!([cluster.state("1"), cluster.state("2"), cluster.state("3")], ["dead", "up", "dead"]);
}

#[test]
fn all_kills_whoever_still_runs() {
    let cluster = TestCluster::up(3);
    cluster.run(&["kill", "1"]).ok();
    let out = cluster.run(&["kill", "--all"]).ok();
    assert!(!out.contains("server 1") && out.contains("server 2") && out.contains("server 3"), "{out}");
    let err = cluster.run(&["kill", "--all"]).failed();
    assert!(err.contains("none of this cluster's servers is running"), "{err}");
}

#[test]
fn random_spares_the_dead_and_repeats_by_seed() {
    let cluster = TestCluster::up(3);
    let probe = |seed: &str| cluster.run(&["kill", "--random", "--seed", seed, "--signal", "cont"]).ok();
    assert_eq!(probe("7"), probe("7"));
    let every: std::collections::BTreeSet<String> = (0..30).map(|seed| probe(&seed.to_string())).collect();
    assert_eq!(every.len(), 3, "chance reaches everybody");
    for left in (0..3).rev() {
        cluster.run(&["kill", "--random"]).ok();
        let up = ["1", "2", "3"].iter().filter(|name| cluster.state(name) == "up").count();
        assert_eq!(up, left);
    }
}

#[test]
fn other_signals_do_what_their_names_say() {
    let cluster = TestCluster::up(2);
    assert!(cluster.run(&["kill", "1", "--signal", "stop"]).ok().starts_with("paused server 1"));
    cluster.wait_for_state("1", "paused");
    assert!(cluster.run(&["kill", "1", "--signal", "cont"]).ok().starts_with("continued server 1"));
    cluster.wait_for_state("1", "up");
    assert!(cluster.run(&["kill", "1", "--signal", "term"]).ok().starts_with("asked server 1"));
    cluster.wait_for_state("1", "stopped");
    cluster.run(&["kill", "2", "--signal", "INT"]).ok();
    cluster.wait_for_state("2", "stopped");
}

#[test]
fn what_cannot_be_killed_is_named_and_nobody_else_is_hurt() {
    let cluster = TestCluster::up(2);
    for (args, expected) in [
        (&["kill", "1", "9"][..], "no server \"9\""),
        (&["kill", "1", "9"], "name one of: 1, 2"),
        (&["kill", "\u{1b}[31m"], "no server \"␛[31m\""),
        (&["kill"], "no server was selected"),
    ] {
        let err = cluster.run(args).failed();
        assert!(err.contains(expected), "{args:?}: {err}");
    }
    assert_eq!([cluster.state("1"), cluster.state("2")], ["up", "up"]);
}
