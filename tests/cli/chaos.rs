//! `tercet chaos`: what goes wrong is what was asked for, is written down, can be replayed, and is judged.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Ran, command, run};

/// Longer than a run of some seconds takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(400);

/// A folder of one test's own, in which the runs have theirs, too.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn chaos(&self, args: &[&str]) -> Ran {
        let mut command = command(&self.path("unused"));
        run(command.env("TMPDIR", self.0.path()).timeout(PATIENCE).arg("chaos").args(args))
    }

    /// The folders that runs have left.
    fn left(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    }
}

/// Deed and target of each action in a log, which must be in order.
fn actions(log: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(log).unwrap();
    let rows: Vec<Vec<&str>> =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    let times: Vec<u64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert!(times.is_sorted(), "{text}");
    rows.iter().map(|row| (row[1].to_owned(), row[2].to_owned())).collect()
}

/// Which of the people and servers something was done to.
fn targets<'a>(actions: &'a [(String, String)], deed: &str) -> BTreeSet<&'a str> {
    actions.iter().filter(|(done, _)| done == deed).map(|(_, target)| target.as_str()).collect()
}

fn assert_valid(ran: &Ran) {
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("verdict: valid"), "{ran:?}");
}

#[test]
fn a_run_ends_valid_and_what_it_did_can_be_done_again() {
    let place = Place::new();
    let log = place.path("actions.tsv");
    let log = log.to_str().unwrap();
    let faults = ["--faults", "kill,pause,client-kill"];
    let ran = place.chaos(&[&["--for", "8s", "--seed", "11", "--log", log], &faults[..]].concat());
    assert_valid(&ran);
    assert!(ran.out.contains("seed 11") && ran.out.contains(log), "{ran:?}");
    assert_eq!(place.left(), Vec::<PathBuf>::new(), "a valid run leaves no folder");

    let done = actions(Path::new(log));
    let servers = BTreeSet::from(["1", "2", "3"]);
    let killed = targets(&done, "kill");
    assert!(killed.iter().any(|target| servers.contains(target)), "no server was killed: {done:?}");
    assert!(killed.iter().any(|target| !servers.contains(target)), "no client was killed: {done:?}");
    assert_eq!(targets(&done, "start"), killed, "who was killed was started again");
    assert!(!targets(&done, "pause").is_empty(), "{done:?}");
    assert_eq!(targets(&done, "continue"), targets(&done, "pause"));
    assert!(!ran.out.contains("wipe") && !ran.out.contains("skew"), "nothing else went wrong: {ran:?}");

    let again = place.path("again.tsv");
    let ran = place.chaos(&["--replay", log, "--log", again.to_str().unwrap(), "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(actions(&again), done, "a replay does the same in the same order");
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&json["verdict"], &json["seed"]), (&Value::from("valid"), &Value::from(11)));
    let counts = &json["counts"];
    assert!(counts["sent"].as_u64().unwrap() > 0, "{counts}");
    assert_eq!((&counts["on_all"], &counts["at_risk"]), (&counts["sent"], &Value::from(0)), "{counts}");
    let shown = |times| times * counts["sent"].as_u64().unwrap();
    assert!(counts["shown"].as_u64().unwrap() > shown(2), "by two at least, in the room by all: {counts}");
}

#[test]
fn a_lost_disk_and_clocks_that_are_off_break_no_promise() {
    let place = Place::new();
    let log = place.path("actions.tsv");
    let args = ["--for", "8s", "--seed", "5", "--faults", "wipe,skew", "--log", log.to_str().unwrap()];
    assert_valid(&place.chaos(&args));
    let done = actions(&log);
    assert!(!targets(&done, "wipe").is_empty() && !targets(&done, "skew").is_empty(), "{done:?}");
}

#[test]
fn people_talk_in_a_room_too_and_change_some_of_what_they_said() {
    let place = Place::new();
    let ran =
        place.chaos(&["--for", "4s", "--rate", "60", "--faults", "client-kill", "--keep", "--seed", "3"]);
    assert_valid(&ran);
    assert!(ran.out.lines().any(|line| line.starts_with("#lab ")), "{ran:?}");
    let [folder] = <[PathBuf; 1]>::try_from(place.left()).unwrap();
    let history = run(command(&folder).args(["verify", "--export", "jsonl"])).out;
    for kind in ["Post", "Edit", "Delete"] {
        assert!(history.contains(&format!("\"{kind}\"")), "nothing is a {kind}");
    }
}

#[test]
fn evidence_that_is_broken_afterwards_is_not_valid() {
    let place = Place::new();
    assert_valid(&place.chaos(&["--for", "1s", "--faults", "restart", "--keep", "--seed", "1"]));
    let [folder] = <[PathBuf; 1]>::try_from(place.left()).unwrap();
    let verify = || run(command(&folder).arg("verify"));
    assert_valid(&verify());
    let devices = folder.join("people/ann/devices");
    let device = fs::read_dir(devices).unwrap().next().unwrap().unwrap().path();
    let tail = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let log = device.join("log");
    let whole = fs::read(&log).unwrap();
    fs::write(&log, tail(whole.clone())).unwrap();
    let cut = verify();
    assert!(cut.code != 0 && !cut.out.contains("verdict: valid"), "a log that is cut short: {cut:?}");
    fs::write(&log, whole).unwrap();
    assert_valid(&verify());
    fs::remove_dir_all(folder.join("servers/2/store")).unwrap();
    let gone = verify();
    assert!(gone.code != 0 && !gone.out.contains("verdict: valid"), "a store that is gone: {gone:?}");
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is_started() {
    let place = Place::new();
    let other = place.path("other.tsv");
    let first = "# tercet chaos\tseed=1\tclients=3\trate=20\tfor_ms=1000";
    fs::write(&other, format!("{first}\n5\tkill\t9\n")).unwrap();
    let other = other.to_str().unwrap();
    for (args, says) in [
        (&["--faults", "kil"][..], "a similar value exists: 'kill'"),
        (&["--faults", "kill,explode"], "invalid value 'explode'"),
        (&["--for", "0s"], "nothing can go wrong in no time"),
        (&["--for", "soon"], "a number with a unit"),
        (&["--clients", "1"], "1 is not in 2..=16"),
        (&["--rate", "0"], "0 is not in 1..=1000"),
        (&["--replay", other, "--seed", "1"], "cannot be used with"),
        (&["--replay", other], "line 2: there is no \"9\"; there are servers 1 to 3"),
        (&["--replay", "/nonexistent"], "cannot read the actions /nonexistent"),
    ] {
        let ran = place.chaos(args);
        assert_eq!(ran.code, 3, "{args:?}: {ran:?}");
        assert!(ran.err.contains(says), "{args:?}: {ran:?}");
    }
    assert_eq!(place.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_network_that_is_cut_is_one_again_or_is_not_to_be_had() {
    let place = Place::new();
    let namespaces = || fs::read_dir("/run/netns").map_or(0, Iterator::count);
    let before = namespaces();
    let log = place.path("actions.tsv");
    let args = ["--for", "6s", "--seed", "3", "--faults", "partition", "--log", log.to_str().unwrap()];
    let ran = place.chaos(&args);
    if ran.code == 3 {
        assert!(ran.failed().contains("partition and slow are skipped: "));
        println!("skipped: this machine has no network namespaces for us");
        return;
    }
    assert_valid(&ran);
    let done = actions(&log);
    assert!(!targets(&done, "cut").is_empty(), "{done:?}");
    assert_eq!(targets(&done, "join"), targets(&done, "cut"));
    assert_eq!(namespaces(), before, "no namespace is left");
}
