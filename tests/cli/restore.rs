//! A store that comes from a backup.

use std::fs;
use std::path::Path;

use crate::people::{ALL, Chat, ON_ALL, assert_valid, cluster_with_people};
use crate::support::TestCluster;

const BEYOND: &str = "a cursor beyond the end of the log";

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn say(cluster: &TestCluster, what: &str) {
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    (0..20).for_each(|n| alice.say(&format!("{what} {n}")));
    assert_eq!(alice.finish().code, 0);
    assert_eq!(Chat::start(cluster.dir(), "bob", &ON_ALL).finish().code, 0);
}

#[test]
fn when_all_disks_are_lost_one_old_backup_and_the_people_bring_everything_back() {
    let cluster = cluster_with_people();
    let store = |name: &str| cluster.server(name).join("store");
    let backup = cluster.dir().join("backup");
    say(&cluster, "early");
    cluster.run(&["cluster", "down"]).ok();
    copy_folder(&store("3"), &backup);
    cluster.run(&["cluster", "up", "--detach"]).ok();
    say(&cluster, "late");
    let config = cluster.server("3").join("server.toml");
    let renew = || cluster.run(&["serve", "--config", config.to_str().unwrap(), "--new-incarnation"]);
    let err = renew().failed();
    assert!(err.contains("in use by another process"), "{err}");
    cluster.run(&["cluster", "down"]).ok();
    ALL.iter().for_each(|name| fs::remove_dir_all(store(name)).unwrap());
    copy_folder(&backup, &store("3"));

    // As it is it would give places anew that people have read.
    cluster.start("3");
    let log = fs::read_to_string(cluster.server("3").join("log.txt")).unwrap();
    assert!(
        log.contains("made elsewhere, and copied here") && log.contains("has a new incarnation"),
        "{log}"
    );
    assert!(cluster.server("3").join("store.before-1").is_dir());
    cluster.run(&["cluster", "up", "--detach"]).ok();
    let alice = Chat::start(cluster.dir(), "alice", &ON_ALL).finish();
    assert!(alice.code == 0 && !alice.err.contains(BEYOND), "{alice:?}");
    assert_eq!(Chat::start(cluster.dir(), "bob", &ON_ALL).finish().code, 0);
    let history = cluster.run(&["tail", "--as", "bob", "-n", "40"]).ok();
    for n in 0..20 {
        assert!(
            history.contains(&format!("early {n}\n")) && history.contains(&format!("late {n}\n")),
            "{history}"
        );
    }
    // The old store is evidence of an earlier life, not of this one.
    fs::remove_dir_all(cluster.server("3").join("store.before-1")).unwrap();
    fs::remove_dir_all(&backup).unwrap();
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn a_store_that_was_set_back_in_its_place_is_renewed_when_one_says_so() {
    let cluster = cluster_with_people();
    say(&cluster, "said");
    cluster.run(&["cluster", "down"]).ok();
    let config = cluster.server("2").join("server.toml");
    let ran = cluster.run(&["serve", "--config", config.to_str().unwrap(), "--new-incarnation"]);
    assert!(ran.code == 0 && ran.err.contains("has a new incarnation"), "{ran:?}");
    cluster.run(&["cluster", "up", "--detach"]).ok();
    let log = fs::read_to_string(cluster.server("2").join("log.txt")).unwrap();
    assert!(!log.contains("copied here"), "what was renewed is where it belongs: {log}");
    for name in ["alice", "bob"] {
        assert_eq!(Chat::start(cluster.dir(), name, &ON_ALL).finish().code, 0);
    }
    fs::remove_dir_all(cluster.server("2").join("store.before-1")).unwrap();
    assert_valid(&cluster.run(&["verify"]));
}
