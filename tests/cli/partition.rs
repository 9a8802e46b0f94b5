//! A network that falls in two, with servers and people on both sides, and is one again: real processes in network
//! namespaces. Where the machine gives us none, the test says so and ends.
//!
//! ```text
//!   servers 1 and 2, alice             server 3, bob
//!   left  eth0 -- v-left | br0 | v-right -- eth0  right
//!                        hub: whoever looks on
//! ```

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::people::{ALL, Chat, ON_ALL, assert_valid, entries, messages};
use crate::support::{TestCluster, wait_or_explain};
use tercet::history::Entry;

/// The servers' addresses: two in the left namespace, one in the right.
const ADDRESSES: [&str; 3] = ["10.78.0.1", "10.78.0.2", "10.78.0.3"];

/// The network; dropping it deletes it.
struct Lab {
    made: Vec<String>,
}

impl Lab {
    /// Builds it, or says why this machine lets us have none. Whoever may make namespaces and a bridge may do the
    /// rest: what fails there is a mistake of ours.
    fn build() -> Result<Self, String> {
        let mut lab = Self { made: Vec::new() };
        for side in ["hub", "left", "right"] {
            let name = lab.netns(side);
            ip(&["netns", "add", &name])?;
            lab.made.push(name);
        }
        let hub = lab.netns("hub");
        ip(&["-n", &hub, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &hub, "addr", "add", "10.78.0.254/24", "dev", "br0"]).unwrap();
        ip(&["-n", &hub, "link", "set", "br0", "up"]).unwrap();
        lab.join_to_hub("left", &ADDRESSES[..2]);
        lab.join_to_hub("right", &ADDRESSES[2..]);
        Ok(lab)
    }

    fn join_to_hub(&self, side: &str, addresses: &[&str]) {
        let (hub, own, link) = (self.netns("hub"), self.netns(side), format!("v-{side}"));
        // Both ends are made where they belong: the machine's own network never sees them.
        let pair =
            ["link", "add", &link, "netns", &hub, "type", "veth", "peer", "name", "eth0", "netns", &own];
        ip(&pair).unwrap();
        ip(&["-n", &hub, "link", "set", &link, "master", "br0", "up"]).unwrap();
        for address in addresses {
            ip(&["-n", &own, "addr", "add", &format!("{address}/24"), "dev", "eth0"]).unwrap();
        }
        ip(&["-n", &own, "link", "set", "eth0", "up"]).unwrap();
        // Whoever talks to an address of its own side does so through this.
        ip(&["-n", &own, "link", "set", "lo", "up"]).unwrap();
    }

    fn netns(&self, side: &str) -> String {
        format!("tercet-sides-{}-{side}", std::process::id())
    }

    /// The program on one side, in this cluster's folder.
    fn tercet(&self, side: &str, dir: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.netns(side)]).arg(assert_cmd::cargo::cargo_bin("tercet"));
        command.env("TERCET_DIR", dir).env("XDG_CONFIG_HOME", dir).env_remove("NO_COLOR").env_remove("CI");
        command
    }

    /// What a command of the program on one side says, which must succeed.
    fn run(&self, side: &str, dir: &Path, args: &[&str]) -> String {
        let output = self.tercet(side, dir).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The right side is cut off without a word, or no longer.
    fn cut(&self, cut: bool) {
        ip(&["-n", &self.netns("hub"), "link", "set", "v-right", if cut { "down" } else { "up" }]).unwrap();
    }

    fn chat(&self, side: &str, dir: &Path, name: &str, args: &[&str]) -> Chat {
        Chat::of(self.tercet(side, dir), name, args)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.made {
            let _deleted = ip(&["netns", "del", name]); // its links go with it
        }
    }
}

fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(args).output().map_err(|error| format!("no ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

/// How long each server's log is.
fn positions(lab: &Lab, dir: &Path, from: &str) -> Vec<Option<u64>> {
    let report: Value = serde_json::from_str(&lab.run(from, dir, &["cluster", "status", "--json"])).unwrap();
    report["servers"].as_array().unwrap().iter().map(|server| server["position"].as_u64()).collect()
}

/// A cluster with two servers on the left and one on the right, and alice and bob, who know each other.
fn cluster_on_both_sides(lab: &Lab) -> TestCluster {
    let cluster = TestCluster::empty();
    let servers: Vec<_> =
        ALL.iter().zip(ADDRESSES).map(|(name, address)| format!("{name}={address}:742{name}")).collect();
    let args = servers.iter().flat_map(|server| ["--server", server]);
    cluster.run(&["cluster", "init"].into_iter().chain(args).collect::<Vec<_>>()).ok();
    for (side, names) in [("left", &ALL[..2]), ("right", &ALL[2..])] {
        lab.run(side, cluster.dir(), &[&["cluster", "start"], names].concat());
    }
    for (side, name) in [("left", "alice"), ("right", "bob"), ("left", "alice")] {
        let ran = lab.chat(side, cluster.dir(), name, &ON_ALL).finish();
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    cluster
}

/// What a person was shown below its place, by the person's own log.
fn late(dir: &Path, name: &str) -> usize {
    let is_late = |entry: &Entry| matches!(entry, Entry::Displayed { late: true, .. });
    entries(dir, name).iter().filter(|entry| is_late(entry)).count()
}

#[test]
fn two_sides_of_a_cut_network_go_on_apart_and_are_one_again() {
    let lab = match Lab::build() {
        Ok(lab) => lab,
        Err(why) => return println!("skipped: this machine has no network namespaces for us: {why}"),
    };
    let cluster = cluster_on_both_sides(&lab);
    let dir = cluster.dir();
    let mut alice = lab.chat("left", dir, "alice", &ON_ALL);
    let mut bob = lab.chat("right", dir, "bob", &ON_ALL);
    for (chat, other) in [(&mut alice, "bob"), (&mut bob, "alice")] {
        chat.say(&format!("/dm {other}"));
        chat.is_told(&format!("talking to {other}"));
    }
    alice.say("before");
    bob.hears("alice: before");
    alice.hears("alice: before  3/3");

    lab.cut(true);
    alice.is_told("server 3 is down");
    bob.is_told("server 1 is down");
    bob.is_told("server 2 is down");
    // Each line is on its author's screen before the next is written: so their order in time is certain.
    alice.say("left, one");
    alice.hears("alice: left, one  2/3 sent");
    bob.say("right, two");
    bob.hears("bob: right, two  1/3 at risk");
    alice.say("left, three");
    alice.hears("alice: left, three  2/3 sent");
    assert_eq!(alice.heard_from("bob"), Vec::<String>::new(), "{:#?}", alice.lines());
    assert_eq!(bob.heard_from("alice"), ["before"], "{:#?}", bob.lines());
    let right = positions(&lab, dir, "right");
    assert!(right[0].is_none() && right[1].is_none() && right[2].is_some(), "no way across: {right:?}");

    lab.cut(false);
    let marked = |line: String| assert!(line.contains("(late: belongs further up"), "{line}");
    marked(alice.hears("bob: right, two")); // "left, three" was on her screen before
    marked(bob.hears("alice: left, one")); // and "right, two" on his
    let last = bob.hears("alice: left, three");
    assert!(!last.contains("(late"), "it is in its place: {last}");
    alice.is_told("server 3 is up");
    for chat in [&mut alice, &mut bob] {
        chat.say("/history");
        chat.hears("~1");
        let told: Vec<_> = chat.lines().into_iter().filter(|line| line.starts_with('~')).collect();
        let order = [messages(&told, "alice"), messages(&told, "bob")];
        assert_eq!(order, [vec!["before", "left, one", "left, three"], vec!["right, two"]]);
        let place = |text: &str| told.iter().position(|line| line.contains(text));
        assert!(place("left, one") < place("right, two") && place("right, two") < place("left, three"));
    }
    for chat in [alice, bob] {
        let ran = chat.finish();
        assert_eq!(ran.code, 0, "everything is on three servers: {ran:?}");
    }
    assert_eq!((late(dir, "alice"), late(dir, "bob")), (1, 1));
    let same = || {
        let held = positions(&lab, dir, "hub");
        held.iter().all(|one| one.is_some() && *one == held[0])
    };
    wait_or_explain(same, || format!("all hold the same: {:?}", positions(&lab, dir, "hub")));
    assert_one(&lab, dir);
}

/// Every replica and device holds the same of every conversation.
fn assert_one(lab: &Lab, dir: &Path) {
    let output = lab.tercet("hub", dir).arg("verify").output().unwrap();
    let ran = crate::support::Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    assert_valid(&ran);
    let equal = ran.out.lines().filter(|line| line.ends_with("5 of 5 logs")).count();
    assert_eq!(equal, 2, "the talk and the directory, on three servers and two devices: {}", ran.out);
}
