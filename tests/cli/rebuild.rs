//! A server whose store is damaged: set aside and rebuilt from the others, or left alone and told of.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::people::{ALL, Chat, ON_ALL, assert_valid, cluster_with_people};
use crate::support::{TestCluster, wait_or_explain};

fn say_some(cluster: &TestCluster, copies: &str) {
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--copies", copies]);
    (0..40).for_each(|number| alice.say(&format!("line {number}")));
    let ran = alice.finish();
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn position(cluster: &TestCluster, name: &str) -> Option<u64> {
    cluster.status(name)["position"].as_u64()
}

/// Waits until the three hold equally many events and none is syncing.
fn wait_for_step(cluster: &TestCluster, at_least: u64) {
    let status = || ALL.map(|name| cluster.status(name));
    let in_step = || {
        let all = status();
        let same = all.iter().all(|one| one["position"] == all[0]["position"] && one["syncing_to"].is_null());
        same && all[0]["position"].as_u64().is_some_and(|position| position >= at_least)
    };
    wait_or_explain(in_step, || format!("the servers are in step: {:#?}", status()));
}

fn journal(store: &Path) -> PathBuf {
    let names = fs::read_dir(store.join("engine")).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.extension().is_some_and(|ending| ending == "jnl")).max().unwrap()
}

/// The middle of what a journal holds; after that it is blank.
fn middle(journal: &[u8]) -> usize {
    journal.iter().rposition(|byte| *byte != 0).unwrap() / 2
}

fn flip(store: &Path) {
    let path = journal(store);
    let mut bytes = fs::read(&path).unwrap();
    let at = middle(&bytes);
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn cut(store: &Path) {
    let path = journal(store);
    let bytes = fs::read(&path).unwrap();
    fs::write(path, &bytes[..middle(&bytes)]).unwrap();
}

/// As a server leaves it that came across damage while it ran.
fn mark(store: &Path) {
    fs::write(store.join("damaged"), "its log row 7 is too short\n").unwrap();
}

/// Kills servers, and waits until the system has taken back all that was theirs.
fn kill(cluster: &TestCluster, names: &[&str]) {
    let addresses = names.iter().map(|name| cluster.status(name)["address"].as_str().unwrap().to_owned());
    let addresses: Vec<String> = addresses.collect();
    cluster.signal(names, "kill");
    let free = || addresses.iter().all(|address| TcpListener::bind(address).is_ok());
    wait_or_explain(free, || format!("nobody listens at {addresses:?}"));
}

/// All files of a store but its lock, in which every holder leaves its number.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let below = contents(&path).into_iter();
            found.extend(below.map(|(name, bytes)| (Path::new(path.file_name().unwrap()).join(name), bytes)));
        } else if !path.ends_with("lock") {
            found.insert(path.file_name().unwrap().into(), fs::read(&path).unwrap());
        }
    }
    found
}

fn log(cluster: &TestCluster, name: &str) -> String {
    fs::read_to_string(cluster.server(name).join("log.txt")).unwrap()
}

/// The server does not start, says why, and its store is as it was.
fn assert_stops(cluster: &TestCluster, name: &str, why: &str) {
    let folder = cluster.server(name);
    let before = contents(&folder.join("store"));
    let err = cluster.run(&["cluster", "start", name]).failed();
    let store = folder.join("store").display().to_string();
    assert!(err.contains(&format!("the store {store} is damaged")) && err.contains(why), "{err}");
    assert!(err.contains("may be the last copy") && err.contains(&format!("mv {store} ")), "{err}");
    assert!(contents(&folder.join("store")) == before, "the store has changed");
    assert!(!folder.join("store.damaged-1").exists());
    assert_ne!(cluster.state(name), "up");
}

type Damage = fn(&Path);

#[test]
fn a_damaged_store_is_set_aside_and_rebuilt_from_the_others() {
    let cluster = cluster_with_people();
    say_some(&cluster, "3");
    let damages: [(&str, Damage); 3] = [("flipped", flip), ("cut", cut), ("marked", mark)];
    for (number, (name, damage)) in (1..).zip(damages) {
        let store = cluster.server("2").join("store");
        let held = position(&cluster, "2").unwrap();
        kill(&cluster, &["2"]);
        damage(&store);
        let before = contents(&store);
        cluster.start("2");
        let away = cluster.server("2").join(format!("store.damaged-{number}"));
        assert!(contents(&away) == before, "{name}: what was set aside has changed");
        wait_for_step(&cluster, held);
        let told = [
            format!("It was moved to {}", away.display()),
            format!("syncing 0 of {held}"),
            format!("in step with every server that answers: {held} events"),
        ];
        // It looks once a second whether it is in step by now.
        let count = |what: &String| log(&cluster, "2").matches(what).count();
        let is_told = || count(&told[0]) == 1 && told[1..].iter().all(|what| count(what) == number);
        wait_or_explain(is_told, || {
            format!("{name}: {told:?} is told {number} times: {}", log(&cluster, "2"))
        });
        assert!(
            log(&cluster, "2").contains(&format!("the store {} is damaged: ", store.display())),
            "{name}"
        );
    }
    say_some(&cluster, "3");
    assert_eq!(Chat::start(cluster.dir(), "bob", &ON_ALL).finish().code, 0);
    wait_for_step(&cluster, 82);
    assert_valid(&cluster.run(&["verify"]));
    cluster.run(&["cluster", "down"]).ok();
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn the_only_server_leaves_its_damaged_store_alone() {
    let cluster = TestCluster::up(1);
    assert_eq!(Chat::start(cluster.dir(), "alice", &["--copies", "1"]).finish().code, 0);
    kill(&cluster, &["1"]);
    let (store, whole) = (cluster.server("1").join("store"), contents(&cluster.server("1").join("store")));
    flip(&store);
    assert_stops(&cluster, "1", "it is the only server of its cluster");
    for (name, bytes) in whole {
        fs::write(store.join(name), bytes).unwrap();
    }
    cluster.start("1");
    assert_eq!(position(&cluster, "1"), Some(1), "a backup in its place is taken");
}

#[test]
fn a_damaged_store_stays_while_no_server_can_stand_in_for_it() {
    let cluster = cluster_with_people();
    say_some(&cluster, "3");
    kill(&cluster, &ALL);
    let store = cluster.server("2").join("store");
    flip(&store);
    assert_stops(&cluster, "2", "server 1: cannot reach");
    for name in ["1", "3"] {
        fs::rename(cluster.server(name).join("store"), cluster.server(name).join("kept")).unwrap();
        cluster.start(name);
    }
    assert_stops(&cluster, "2", "server 1 holds 0 of at least 42 events");
    kill(&cluster, &["3"]);
    fs::remove_dir_all(cluster.server("3").join("store")).unwrap();
    fs::rename(cluster.server("3").join("kept"), cluster.server("3").join("store")).unwrap();
    cluster.start("3");
    cluster.start("2");
    assert!(cluster.server("2").join("store.damaged-1").exists());
    wait_for_step(&cluster, 42);
}

/// The cluster file of before a server was replaced: who stayed tells of that, and stands in all the same.
#[test]
fn who_can_stand_in_is_looked_for_in_the_newest_view() {
    let cluster = cluster_with_people();
    say_some(&cluster, "3");
    let file = cluster.dir().join("cluster.toml");
    let old = fs::read(&file).unwrap();
    cluster.run(&["cluster", "replace", "2"]).ok();
    let held = position(&cluster, "1").unwrap();
    kill(&cluster, &["1"]);
    let store = cluster.server("1").join("store");
    flip(&store);
    let newest = fs::read(&file).unwrap();
    fs::write(&file, old).unwrap();
    cluster.start("1");
    assert!(cluster.server("1").join("store.damaged-1").exists());
    fs::write(&file, newest).unwrap();
    let is_back = || position(&cluster, "1").is_some_and(|position| position >= held);
    wait_or_explain(is_back, || format!("server 1 has fetched everything: {}", log(&cluster, "1")));
    assert_eq!(cluster.status("1")["epoch"], 4);
}

#[test]
fn a_store_in_use_is_no_damaged_store() {
    let cluster = TestCluster::up(1);
    cluster.run(&["cluster", "down"]).ok();
    let lock = File::open(cluster.server("1").join("store/lock")).unwrap();
    lock.lock().unwrap();
    let err = cluster.run(&["cluster", "start", "1"]).failed();
    assert!(err.contains("already in use"), "{err}");
    assert!(!cluster.server("1").join("store.damaged-1").exists());
    drop(lock);
    cluster.start("1");
}
