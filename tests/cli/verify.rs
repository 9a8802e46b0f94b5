//! `tercet verify` as a person uses it: on files that were copied together, beside servers that run, and with
//! its page and its exports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use adya::{Opts, Valid, Workload};
use serde_json::Value;
use tercet::cmd::home::{Cluster, Home};
use tercet::cmd::live_log::LiveLog;
use tercet::history::{Entry, Stored};
use tercet::store::DeviceLog;

use crate::people::{Chat, ON_ALL, assert_valid, cluster_with_people, logs};
use crate::support::{Ran, TestCluster, command, run};

/// A cluster in which alice and bob have said something, on all servers and read by both.
fn after_a_talk() -> TestCluster {
    let cluster = cluster_with_people();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &ON_ALL);
    for text in ["one", "two", "three"] {
        alice.say(text);
        bob.hears(&format!("alice: {text}"));
        bob.say(&format!("{text} it is"));
        alice.hears(&format!("bob: {text} it is"));
    }
    for chat in [alice, bob] {
        assert_eq!(chat.finish().code, 0);
    }
    cluster
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

fn verify(dir: &Path, args: &[&str]) -> Ran {
    run(command(dir).arg("verify").args(args))
}

/// The lines of an exported history of one kind.
fn records(export: &str, record: &str) -> Vec<Value> {
    let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["record"] == record).collect()
}

#[test]
fn files_of_several_machines_are_verified_together_with_a_server_that_runs() {
    let cluster = after_a_talk();
    cluster.signal(&["1"], "term");
    cluster.wait_for_state("1", "stopped");
    cluster.signal(&["2"], "kill");
    let elsewhere = tempfile::tempdir().unwrap();

    // As a cluster's folder: two stores and all device logs are here; the third server runs somewhere else, and
    // one of the keys is enough to ask it.
    let home = elsewhere.path().join("home");
    for file in ["cluster.toml", "servers/1", "servers/2", "servers/3/server.key", "people"] {
        copy(&cluster.dir().join(file), &home.join(file));
    }
    assert_valid(&verify(&home, &[]));
    let exported = verify(&home, &["--export", "jsonl"]).ok();
    let servers: BTreeMap<_, _> = records(&exported, "log")
        .iter()
        .filter(|log| log["is_server"] == true)
        .map(|log| (log["name"].as_str().unwrap().to_owned(), log["live"].as_bool().unwrap()))
        .collect();
    let expected = [("server 1", false), ("server 2", false), ("server 3", true)];
    assert_eq!(servers, expected.map(|(name, live)| (name.to_owned(), live)).into());

    // As files under whatever names, and the store of the server that runs here.
    let all = elsewhere.path().join("all");
    copy(&cluster.server("1").join("store"), &all.join("berlin/store"));
    copy(&cluster.server("2").join("store"), &all.join("oslo/store"));
    copy(&logs(cluster.dir(), "alice")[0], &all.join("alice.log"));
    copy(&logs(cluster.dir(), "bob")[0], &all.join("phones/bob.log"));
    let running = cluster.server("3").join("store");
    let paths = [all.to_str().unwrap(), running.to_str().unwrap()];
    let nowhere = elsewhere.path().join("nowhere");
    let together = verify(&nowhere, &paths);
    assert_valid(&together);
    assert!(together.out.contains("2 device logs and 3 servers"), "{together:?}");
    let exported = verify(&nowhere, &[&paths[..], &["--export", "jsonl"]].concat()).ok();
    let live: Vec<_> = records(&exported, "log").into_iter().filter(|log| log["live"] == true).collect();
    assert_eq!(live.len(), 1, "{live:?}");
    assert!(exported.contains("\"server berlin\""), "stores are called by their folders");

    // What was not copied is missed.
    fs::remove_dir_all(all.join("oslo")).unwrap();
    let unknown = verify(&nowhere, &paths);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.out.contains("was not read: "), "{unknown:?}");
    fs::create_dir(all.join("empty")).unwrap();
    let empty = verify(&nowhere, &[all.join("empty").to_str().unwrap()]);
    assert_eq!(empty.code, 2, "{empty:?}");
    assert!(empty.out.contains("all/empty"), "an empty folder is named: {empty:?}");
}

/// The device log of alice, with one of its lines shown again.
fn show_again(log: &Path) -> usize {
    let (mut log, entries) = DeviceLog::open(log).unwrap();
    let line = entries.iter().rfind(|entry| matches!(entry, Entry::Displayed { .. })).unwrap();
    log.append(std::slice::from_ref(line)).unwrap();
    log.sync().unwrap();
    entries.len() + 1
}

/// The device log of alice, with a receipt for one event where another stands.
fn receipt_for_another(log: &Path) {
    let (mut log, entries) = DeviceLog::open(log).unwrap();
    let mut receipts = entries.iter().filter_map(|entry| match entry {
        Entry::Receipt { server, incarnation, id, position } => Some((server, incarnation, id, position)),
        _ => None,
    });
    let (server, incarnation, _, position) = receipts.next().unwrap();
    let (_, _, id, _) = receipts.rfind(|(of, _, _, other)| (*of, *other) != (server, position)).unwrap();
    let receipt = Entry::Receipt { server: *server, incarnation: *incarnation, id: *id, position: *position };
    log.append(&[receipt]).unwrap();
    log.sync().unwrap();
}

/// Both ways to read a server's log, the second time too, for the story.
#[test]
fn what_a_running_server_is_asked_for_is_told_as_what_its_store_holds() {
    let cluster = after_a_talk();
    receipt_for_another(&logs(cluster.dir(), "alice")[0]);
    let running = verify(cluster.dir(), &[]);
    assert_eq!(running.code, 1, "{running:?}");
    assert!(running.out.contains(" (running)") && running.out.contains(" stores "), "{running:?}");
    cluster.signal(&["1", "2", "3"], "term");
    ["1", "2", "3"].into_iter().for_each(|server| cluster.wait_for_state(server, "stopped"));
    let stopped = verify(cluster.dir(), &[]);
    let stories = |ran: &Ran| {
        let stories: Vec<_> = ran.out.lines().skip_while(|line| !line.starts_with('✗')).collect();
        let told = stories.iter().filter(|line| line.starts_with(' ')).copied().collect::<Vec<_>>();
        told.join("\n").replace(" (running)", " (stopped)")
    };
    assert!(!stories(&running).is_empty());
    assert_eq!(stories(&running), stories(&stopped));
}

#[test]
fn of_a_running_server_that_has_another_log_by_now_nothing_is_cited() {
    let cluster = TestCluster::up(1);
    Chat::with(cluster.dir(), "alice", "alice", &[]).finish();
    let home = Home::new(cluster.dir()).unwrap();
    let loaded = Cluster::load(&home).unwrap();
    let log = LiveLog::of(&loaded, loaded.member("1").unwrap());
    let read = log.read().unwrap();
    let first = BTreeSet::from([1]);
    let ids = |rows: &[Stored]| rows.iter().map(|row| row.event.id()).collect::<Vec<_>>();
    assert_eq!(ids(&log.rows(read.incarnation, &first).unwrap()), ids(&read.log[..1]));
    cluster.signal(&["1"], "term");
    cluster.wait_for_state("1", "stopped");
    fs::remove_dir_all(cluster.server("1").join("store")).unwrap();
    cluster.start("1");
    let refused = log.rows(read.incarnation, &first).unwrap_err();
    assert_eq!(refused.what(), "server 1 has another log now than the one that was read before");
}

fn second_opinion(export: &str) -> (Valid, Vec<String>) {
    let history = adya::History::from_json(export).unwrap();
    let opts = Opts { models: vec!["strong-session-serializable".to_owned()], ..Opts::default() };
    let report = adya::check(&history, Workload::ListAppend, &opts);
    (report.valid, report.anomaly_types)
}

/// What is wrong with a log of vector clocks: each host counts its own acts, and knows no act of another
/// that has not happened above.
fn faults_of_clocks(log: &str) -> Vec<String> {
    let mut happened: BTreeMap<String, u64> = BTreeMap::new();
    let mut faults = Vec::new();
    let lines: Vec<_> = log.lines().collect();
    assert!(lines.len().is_multiple_of(2) && !lines.is_empty(), "two lines for each act");
    for act in lines.chunks(2) {
        let (host, clock) = act[0].split_once(' ').unwrap();
        let clock: BTreeMap<String, u64> = serde_json::from_str(clock).unwrap();
        *happened.entry(host.to_owned()).or_default() += 1;
        let is_right = clock.iter().all(|(of, time)| match happened.get(of) {
            Some(known) if of == host => time == known,
            Some(known) => time <= known,
            None => false,
        });
        if !is_right || !clock.contains_key(host) {
            faults.push(act[0].to_owned());
        }
    }
    faults
}

#[test]
fn the_page_and_the_exports_say_what_the_report_says() {
    let cluster = after_a_talk();
    cluster.run(&["cluster", "down"]).ok();
    let page = cluster.dir().join("report.html");
    let page_arg = page.to_str().unwrap();
    let valid = cluster.run(&["verify", "--report", page_arg]);
    assert_valid(&valid);
    assert!(valid.err.contains("report.html"), "{valid:?}");
    assert!(fs::read_to_string(&page).unwrap().contains("class=\"verdict valid\""));
    let mode = fs::metadata(&page).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "it holds what people said");
    let export = cluster.run(&["verify", "--export", "adya"]);
    assert!(export.err.contains("verdict: valid"), "{export:?}");
    assert_eq!(second_opinion(&export.ok()), (Valid::True, Vec::new()));
    let clocks = cluster.run(&["verify", "--export", "shiviz"]).ok();
    assert_eq!(faults_of_clocks(&clocks), Vec::<String>::new());
    assert_eq!(faults_of_clocks("a {\"a\":1}\nx\nb {\"a\":2,\"b\":1}\ny\n").len(), 1);
    for name in ["alice {", "bob {", "server-1 {", "server-3 {"] {
        assert!(clocks.lines().any(|line| line.starts_with(name)), "no act of {name}");
    }

    let log = logs(cluster.dir(), "alice")[0].clone();
    let entry = show_again(&log);
    let place = format!("log entry {entry}");
    let broken = cluster.run(&["verify", "--report", page_arg]);
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(broken.out.contains("in the conversation alice, bob:"), "{broken:?}");
    assert!(broken.out.contains(&place), "{place}: {broken:?}");
    let html = fs::read_to_string(&page).unwrap();
    assert!(
        html.contains("class=\"verdict violation\"") && html.contains(&place),
        "{place} is not in the page"
    );
    let json = cluster.run(&["verify", "--json"]);
    assert_eq!(json.code, 1, "{json:?}");
    let report: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(report["verdict"], "violation");
    let export = cluster.run(&["verify", "--export", "adya"]);
    assert_eq!(export.code, 1, "the exit status is the verdict's: {}", export.err);
    assert!(export.err.contains("verdict: violation"), "{}", export.err);
    let (theirs, kinds) = second_opinion(&export.out);
    assert_eq!(theirs, Valid::False);
    assert!(kinds.contains(&"duplicate-elements".to_owned()), "{kinds:?}");
}

#[test]
fn verify_says_what_it_cannot_write_or_combine() {
    let cluster = TestCluster::empty();
    cluster.run(&["cluster", "init", "--server", "1=127.0.0.1:1"]).ok();
    let nowhere: PathBuf = cluster.dir().join("no/such/folder/report.html");
    let err = cluster.run(&["verify", "--report", nowhere.to_str().unwrap()]).failed();
    assert!(err.contains("no/such/folder/report.html"), "{err}");
    let both = cluster.run(&["verify", "--json", "--export", "adya"]);
    assert_eq!(both.code, 3, "{both:?}");
}
