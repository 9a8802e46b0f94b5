//! What somebody is told who has never seen it.

use crate::support::{TestCluster, run};

#[test]
fn tercet_alone_says_where_one_stands_and_what_to_type() {
    let cluster = TestCluster::empty();
    let out = cluster.run(&[]).ok();
    assert!(out.contains(&format!("There is no cluster in {}", cluster.dir().display())), "{out}");
    assert!(out.contains("tercet cluster up --detach") && out.contains("tercet --help"), "{out}");
    let cluster = TestCluster::up(1);
    let out = cluster.run(&[]).ok();
    assert!(out.contains("1 server, 1 of 1 here running") && out.contains("tercet chat NAME"), "{out}");
    assert_eq!(cluster.run(&["chat", "alice"]).code, 0);
    let out = cluster.run(&[]).ok();
    assert!(out.contains("tercet chat\n"), "the only account need not be named: {out}");
    cluster.run(&["cluster", "down"]).ok();
    assert!(cluster.run(&[]).ok().contains("tercet cluster up --detach"));
}

#[test]
fn a_chat_without_a_cluster_explains_in_three_lines_and_names_the_next_command() {
    let cluster = TestCluster::empty();
    for (args, next) in [
        (&["chat"][..], "next: tercet cluster up --detach && tercet chat NAME"),
        (&["chat", "alice"], "next: tercet cluster up --detach && tercet chat alice"),
    ] {
        let err = cluster.run(args).failed();
        assert!(err.contains("there is no cluster in") && err.contains(next), "{err}");
        assert_eq!(err.lines().filter(|line| line.starts_with("  ")).count(), 3, "{err}");
    }
    // What it offers works.
    let up = run(cluster.command().args(["cluster", "up", "--detach", "--nodes", "1"]));
    assert!(up.err.contains("next: tercet chat NAME"), "{up:?}");
    assert_eq!(cluster.run(&["chat", "alice"]).code, 0);
}

#[test]
fn a_chat_without_a_name_asks_for_one_unless_there_is_only_one() {
    let cluster = TestCluster::up(1);
    let err = cluster.run(&["chat"]).failed();
    assert!(err.contains("who are you?") && err.contains("next: tercet chat NAME"), "{err}");
    assert!(!cluster.dir().join("people").exists());
    cluster.run(&["chat", "alice"]).ok();
    cluster.run(&["chat"]).ok();
    cluster.run(&["chat", "bob"]).ok();
    let err = cluster.run(&["chat"]).failed();
    assert!(err.contains("Accounts on this machine: alice, bob."), "{err}");
}
