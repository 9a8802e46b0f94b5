//! Servers that come and go while people talk: nothing is lost, and nobody starts anything again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tercet::history::Entry;
use tercet::view::SignedView;

use crate::foreground::Foreground;
use crate::people::{Chat, ON_ALL, assert_valid, cluster_with_people, entries, second_machine};
use crate::rolling::talk_during;
use crate::serving::Serving;
use crate::support::{Ran, TestCluster, command, run, wait_or_explain, wait_until};
use crate::terminal::Terminal;

/// The servers that the cluster file names, and its epoch.
fn servers(cluster: &TestCluster) -> (Vec<String>, u64) {
    let report: Value = serde_json::from_str(&cluster.run(&["cluster", "status", "--json"]).ok()).unwrap();
    let servers = report["servers"].as_array().unwrap().iter();
    (
        servers.map(|server| server["name"].as_str().unwrap().to_owned()).collect(),
        report["epoch"].as_u64().unwrap(),
    )
}

/// Every server acts on the view that the cluster file names.
fn assert_agreed(cluster: &TestCluster, names: &[&str]) {
    let (named, epoch) = servers(cluster);
    assert_eq!(named, names);
    for name in names {
        wait_until(&format!("server {name} acts on view epoch {epoch}"), || {
            cluster.status(name)["epoch"] == epoch
        });
    }
}

/// Waits until a chat has shown a message of its own with so many copies.
fn reaches(chat: &Chat, text: &str, copies: &str) {
    let says = |line: &String| line.contains(text) && line.contains(copies);
    wait_or_explain(
        || chat.lines().iter().any(says),
        || format!("{text:?} is on {copies}: {:#?}", chat.lines()),
    );
}

/// What `send` says of a message from alice, sent with a folder of its own to as many servers as that.
fn send_to(copies: &str, dir: &Path, text: &str) -> Value {
    let args = ["send", "bob", text, "--as", "alice", "--copies", copies, "--json"];
    serde_json::from_str(&run(command(dir).args(args)).ok()).unwrap()
}

/// As [`send_to`], to three.
fn send(dir: &Path, text: &str) -> Value {
    send_to("3", dir, text)
}

#[test]
fn a_server_is_added_under_traffic_and_the_next_message_is_on_four_of_four() {
    let cluster = cluster_with_people();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    let bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    alice.say("before");
    bob.hears("alice: before");
    let ran = cluster.run(&["cluster", "add"]);
    assert!(ran.err.contains("server 4 is in step: "), "{ran:?}");
    assert!(ran.ok().contains("view epoch 2: servers 1, 2, 3 and 4"), "it says what there is now");
    alice.is_told("-- server 4 has joined: 4 servers now");
    bob.is_told("-- server 4 has joined: 4 servers now");
    alice.say("after");
    reaches(&alice, "after", "4/4");
    bob.hears("alice: after");
    for chat in [alice, bob] {
        let ran = chat.finish();
        assert_eq!((ran.code, ran.complaints().as_str()), (0, ""), "{ran:?}");
    }
    assert_agreed(&cluster, &["1", "2", "3", "4"]);
    assert!(!cluster.server("4").join("joining").exists());
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn servers_are_added_and_removed_under_traffic_and_nothing_is_lost() {
    let cluster = cluster_with_people();
    talk_during(&cluster, &[], || {
        cluster.run(&["cluster", "add"]).ok();
        let ran = cluster.run(&["cluster", "remove", "2"]);
        assert!(ran.err.contains("server 2: drained "), "{ran:?}");
        assert!(!ran.err.contains("was stopped") && !ran.err.contains("was killed"), "by itself: {ran:?}");
        let out = ran.ok();
        assert!(out.contains("server 2 is sealed") && out.contains("server 2 is drained: "), "{out}");
        assert!(out.contains("server 2 has left; view epoch 4: servers 1, 3 and 4"), "{out}");
        assert!(!cluster.server("2").join("pid").exists(), "it has ended in order");
    });
    assert_agreed(&cluster, &["1", "3", "4"]);
    let log = cluster.run(&["cluster", "logs", "2"]).ok();
    assert!(log.contains("server 2 has left the cluster (view epoch 4)"), "{log}");
    // Once more is no harm, and whoever starts it is told.
    let again = cluster.run(&["cluster", "remove", "2"]);
    assert!(again.err.contains("server 2 has left already"), "{again:?}");
    assert_eq!((again.code, servers(&cluster).1), (0, 4));
    assert!(
        cluster.run(&["cluster", "start", "2"]).failed().contains("does not belong to this cluster any more")
    );
    // What it was started with names it still; its own store knows better.
    let serving = Serving::spawn(&cluster, "2", &[], &[]);
    serving.says("server 2 has left the cluster (view epoch 4)");
    assert_eq!(serving.ended().code(), Some(0));
    // Those that stay know better than their files, too.
    cluster.run(&["cluster", "restart"]).ok();
    assert_agreed(&cluster, &["1", "3", "4"]);
    assert_valid(&cluster.run(&["verify"]));
}

/// It began in a cluster of one, where a message on that is safe.
#[test]
fn a_script_waits_for_as_many_copies_as_the_servers_of_the_time_can_keep() {
    let cluster = TestCluster::up(1);
    assert_eq!(Chat::start(cluster.dir(), "bob", &[]).finish().code, 0);
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--timeout", "4"]);
    cluster.run(&["cluster", "add"]).ok();
    alice.is_told("server 2 has joined: 2 servers now");
    cluster.signal(&["2"], "stop");
    cluster.wait_for_state("2", "paused");
    alice.say("held by one");
    let ran = alice.finish();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("not safe on 2 servers yet: held by one"), "{ran:?}");
    cluster.signal(&["2"], "cont");
    let ran = Chat::start(cluster.dir(), "alice", &[]).finish();
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_dead_server_is_replaced_only_by_whoever_says_so() {
    let cluster = cluster_with_people();
    assert_eq!(send(cluster.dir(), "held by all")["copies"], 3);
    cluster.run(&["kill", "2"]).ok();
    for args in [&["cluster", "remove", "2"][..], &["cluster", "replace", "2"]] {
        let err = cluster.run(args).failed();
        assert!(err.contains("server 2 does not answer") && err.contains("--force"), "{err}");
        assert_eq!(servers(&cluster).1, 1, "nothing was changed");
    }
    let ran = cluster.run(&["cluster", "replace", "2", "--force"]);
    assert!(
        ran.err.contains("server 2 is removed undrained. That is what losing its disk would be"),
        "{ran:?}"
    );
    assert!(ran.err.contains("the others are known to "), "{ran:?}");
    assert!(ran.ok().contains("server 2 has left; view epoch 3: servers 1, 3 and 4"));
    assert_agreed(&cluster, &["1", "3", "4"]);
    let err = cluster.run(&["cluster", "replace", "2", "--force"]).failed();
    assert!(err.contains("server 2 has left already"), "{err}");
    assert_eq!(send(cluster.dir(), "and on")["copies"], 3);
    cluster.run(&["tail", "--as", "bob"]).ok();
    assert_valid(&cluster.run(&["verify"]));
}

/// Runs a command and kills it as soon as it has said something; returns whether it had.
fn killed_at(cluster: &TestCluster, args: &[&str], point: &str) -> bool {
    // Both outputs in one, in the order of saying.
    let mut child = Command::new("sh")
        .args(["-c", "exec \"$0\" \"$@\" 2>&1"])
        .arg(assert_cmd::cargo::cargo_bin("tercet"))
        .args(args)
        .env("TERCET_DIR", cluster.dir())
        .env("XDG_CONFIG_HOME", cluster.dir())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let has_said = lines.into_iter().any(|line| line.contains(point));
    child.kill().unwrap();
    child.wait().unwrap();
    has_said
}

#[test]
fn a_replacement_that_is_killed_at_any_point_goes_on_when_it_is_repeated() {
    let cluster = cluster_with_people();
    let points = ["view epoch", "is ready", "is in step", "is sealed", "is drained", "has left"];
    for (number, point) in (1..).zip(points) {
        let node = number.to_string();
        let args = ["cluster", "replace", &node];
        assert!(killed_at(&cluster, &args, point), "it never says {point:?}");
        assert_eq!(send(cluster.dir(), point)["outcome"], "sent", "the cluster works, killed at {point:?}");
        let ran = cluster.run(&args);
        // Killed at the very end, nothing is left to be done.
        assert!(ran.code == 0 || ran.err.contains("has left already"), "killed at {point:?}: {ran:?}");
        let names = [number + 1, number + 2, number + 3].map(|name: i32| name.to_string());
        assert_agreed(&cluster, &names.each_ref().map(String::as_str));
        assert_eq!(servers(&cluster).1, 1 + 3 * u64::try_from(number).unwrap(), "three steps, none twice");
        cluster.run(&["tail", "--as", "bob"]).ok();
        assert_valid(&cluster.run(&["verify"]));
    }
}

#[test]
fn a_server_that_dies_half_drained_comes_back_sealed_and_is_drained_then() {
    let cluster = cluster_with_people();
    cluster.signal(&["3"], "stop");
    cluster.wait_for_state("3", "paused");
    send_to("2", cluster.dir(), "held by two");
    let remove = ["cluster", "remove", "2"];
    assert!(killed_at(&cluster, &remove, " by 1 of 2"));
    cluster.run(&["kill", "2"]).ok();
    cluster.start("2");
    let sealed = cluster.status("2");
    assert_eq!((&sealed["sealed"], &sealed["epoch"]), (&Value::from(true), &Value::from(2)), "{sealed}");
    let sent = send_to("1", cluster.dir(), "after the seal");
    assert_eq!((&sent["copies"], &sent["servers"]), (&Value::from(1), &Value::from(2)), "{sent}");
    assert_eq!(cluster.status("2")["position"], sealed["position"], "it takes nothing more");
    cluster.signal(&["3"], "cont");
    let ran = cluster.run(&remove);
    let end = sealed["position"].as_u64().unwrap();
    assert!(ran.err.contains(&format!("server 2: drained {end} of {end} by 2 of 2")), "{ran:?}");
    assert!(ran.ok().contains(&format!("server 2 is drained: {end} events of its log, all held by 1 and 3")));
    for name in ["alice", "bob"] {
        cluster.run(&["tail", "--as", name]).ok();
    }
    assert_agreed(&cluster, &["1", "3"]);
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn an_addition_that_is_killed_goes_on_with_the_same_server_and_a_next_one_makes_another() {
    let cluster = TestCluster::up(1);
    for point in ["view epoch", "belongs to the cluster already"] {
        assert!(killed_at(&cluster, &["cluster", "add"], point));
    }
    let ran = cluster.run(&["cluster", "add"]);
    assert!(ran.err.contains("server 2 belongs to the cluster already"), "{ran:?}");
    ran.ok();
    cluster.run(&["cluster", "add"]).ok();
    assert_agreed(&cluster, &["1", "2", "3"]);
}

#[test]
fn nobody_joins_a_cluster_that_is_down() {
    let cluster = TestCluster::up(2);
    cluster.run(&["cluster", "down"]).ok();
    let before = fs::read(cluster.dir().join("cluster.toml")).unwrap();
    for args in [&["cluster", "add"][..], &["cluster", "replace", "1", "--copies", "1"]] {
        let said = cluster.run(args).failed();
        assert!(said.contains("nothing was changed") && said.contains("next: "), "{said}");
    }
    assert_eq!(fs::read(cluster.dir().join("cluster.toml")).unwrap(), before);
    assert!(!cluster.server("3").exists());
    cluster.run(&["cluster", "start", "1"]).ok();
    cluster.run(&["cluster", "add"]).ok();
}

#[test]
fn two_who_add_at_once_add_two() {
    let cluster = TestCluster::up(1);
    let add = || cluster.run(&["cluster", "add"]);
    let [one, other] =
        std::thread::scope(|scope| [scope.spawn(add), scope.spawn(add)].map(|it| it.join().unwrap()));
    // Whoever waits too long for the other is told so, and repeats it.
    for ran in [one, other] {
        if ran.code != 0 {
            assert!(ran.failed().contains("is adding or removing a server of"));
            add().ok();
        }
    }
    assert_agreed(&cluster, &["1", "2", "3"]);
}

#[test]
fn a_hung_server_that_was_removed_does_not_outlive_the_cluster() {
    let cluster = TestCluster::up(3);
    cluster.signal(&["2"], "stop");
    cluster.wait_for_state("2", "paused");
    let pid = cluster.server("2").join("pid");
    assert!(cluster.run(&["cluster", "remove", "2"]).failed().contains("server 2 does not answer"));
    // The command may not come to stopping it.
    assert!(killed_at(&cluster, &["cluster", "remove", "2", "--force"], "server 2 has left"));
    assert_agreed(&cluster, &["1", "3"]);
    cluster.run(&["cluster", "down"]).ok();
    assert!(!pid.exists());
    // Nor is it started again with the others.
    cluster.run(&["cluster", "up", "--detach"]).ok();
    assert_agreed(&cluster, &["1", "3"]);
    assert!(!pid.exists());
}

/// The epochs of the views in a person's only device log.
fn epochs(dir: &Path, name: &str) -> Vec<u64> {
    let view = |entry: &Entry| match entry {
        Entry::View { view, .. } => Some(SignedView::read(view).unwrap().view().epoch()),
        _ => None,
    };
    entries(dir, name).iter().filter_map(view).collect()
}

#[test]
fn the_oldest_cluster_file_and_one_server_of_it_that_lives_are_enough() {
    let cluster = cluster_with_people();
    let away = second_machine(&cluster, "bob");
    // bob's second device was there before, and is away during all of it.
    run(command(away.path()).args(["tail", "--as", "bob"])).ok();
    let fresh = second_machine(&cluster, "alice");
    for name in ["1", "2"] {
        cluster.run(&["cluster", "replace", name]).ok();
    }
    let sent = send(fresh.path(), "by an old file");
    assert_eq!((&sent["copies"], &sent["servers"]), (&Value::from(3), &Value::from(3)), "{sent}");
    assert_eq!(epochs(fresh.path(), "alice"), [7]);
    let out = run(command(away.path()).args(["tail", "--as", "bob"])).ok();
    assert!(out.contains("alice: by an old file"), "{out}");
    assert_eq!(epochs(away.path(), "bob"), [7]);
    // With the last server of the old file gone, the log of the device is enough.
    cluster.run(&["cluster", "replace", "3"]).ok();
    cluster.run(&["cluster", "add"]).ok();
    assert_agreed(&cluster, &["4", "5", "6", "7"]);
    assert_eq!(send(fresh.path(), "by its log")["servers"], 4);
    for (dir, name) in [(cluster.dir(), "alice"), (cluster.dir(), "bob"), (away.path(), "bob")] {
        run(command(dir).args(["tail", "--as", name])).ok();
    }
    let logs = [fresh.path(), away.path()].map(|dir| dir.join("people").display().to_string());
    let stores = cluster.dir().join("servers").display().to_string();
    let people = cluster.dir().join("people").display().to_string();
    cluster.run(&["cluster", "down"]).ok();
    assert_valid(&cluster.run(&["verify", &stores, &people, &logs[0], &logs[1]]));
}

#[test]
fn the_prompt_shows_who_has_joined_and_no_more_who_has_left() {
    let cluster = cluster_with_people();
    let alice = Terminal::chat(cluster.dir(), "alice", (80, 24), &[]);
    alice.ends_with("[123] alice:");
    alice.types("/vi");
    cluster.run(&["cluster", "add"]).ok();
    alice.shows("-- server 4 has joined: 4 servers now");
    alice.ends_with("[123] alice: /vi");
    alice.enters("ew");
    alice.shows("-- 4 of 4 servers reachable (view epoch 2)");
    alice.ends_with("[1234] alice:");
    cluster.run(&["cluster", "remove", "1"]).ok();
    alice.shows("-- server 1 is about to leave, and is written to no more: 3 servers now");
    alice.shows("-- server 1 has left: 3 servers now");
    alice.enters("/dm bob");
    alice.ends_with("[234] alice > bob:");
    alice.enters("all there");
    assert!(alice.shows("alice: all there").ends_with("  3/3"), "{:#?}", alice.lines());
    alice.types("\x04");
    assert_eq!(alice.finish(), 0);
}

#[test]
fn the_foreground_takes_on_who_joins_and_lets_go_who_leaves() {
    let cluster = TestCluster::empty();
    let mut up = Foreground::start(&cluster, &["cluster", "up", "--heal", "--nodes", "2"]);
    up.is_told("ctrl-C stops");
    cluster.run(&["cluster", "add"]).ok();
    up.is_told("server 3 has joined");
    cluster.run(&["kill", "3"]).ok();
    up.is_told("server 3 is up again");
    cluster.run(&["cluster", "remove", "1"]).ok();
    up.is_told("server 1 has left");
    assert_eq!(up.interrupt(), 0);
    up.is_told("server 3 (pid");
    assert!(!up.words().iter().any(|line| line.contains("server 1 is started again")), "{:#?}", up.words());
    assert_eq!(cluster.state("3"), "stopped");
}

#[test]
fn a_server_on_another_machine_is_made_ready_to_copy_and_waited_for_when_it_runs() {
    let cluster = TestCluster::up(1);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // No loopback address, and yet of this machine.
    let asked = format!("oslo=0.0.0.0:{}", free.local_addr().unwrap().port());
    let add = ["cluster", "add", &asked];
    let first = cluster.run(&add);
    assert!(
        first
            .err
            .contains(&format!("next: when it runs, see whether it is in step: tercet {}", add.join(" ")))
    );
    assert!(first.ok().contains("run   tercet serve --config"));
    let replace = cluster.run(&["cluster", "replace", "1", &asked]);
    assert!(
        replace.err.contains("tercet: server 1 stays until server oslo is in step\nnext: "),
        "{replace:?}"
    );
    assert_eq!((replace.code, servers(&cluster).1), (3, 2));
    drop(free);
    let machine = tempfile::tempdir().unwrap();
    let there = machine.path().join("oslo");
    fs::rename(cluster.server("oslo"), &there).unwrap();
    let serving = Serving::of(&there.join("server.toml"));
    serving.says("listens at");
    let again = cluster.run(&add);
    assert!(again.err.contains("server oslo is in step"), "{again:?}");
    assert_eq!((again.code, servers(&cluster)), (0, (vec!["1".to_owned(), "oslo".to_owned()], 2)));
    // One without a server of its own administers it all the same.
    cluster.run(&["cluster", "remove", "1"]).ok();
    serving.says("view epoch 4: servers oslo");
    assert_eq!(cluster.state("oslo"), "up");
    let (status, ..) = serving.terminate();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn who_cannot_change_the_servers_is_told_who_can() {
    let cluster = TestCluster::up(2);
    let refused = |ran: Ran, what: &str| {
        let err = ran.failed();
        assert!(err.contains(what), "{what:?} is not in {err}");
    };
    for (args, what) in [
        (&["cluster", "remove", "9"][..], "there is no server \"9\""),
        (&["cluster", "remove", "2", "--copies", "2"], "--copies 2 cannot be had: 1 server stay"),
        (&["cluster", "add", "2=127.0.0.1:7777"], "the same name: 2"),
        (&["cluster", "add", "2=local"], "there is a server 2 already"),
    ] {
        refused(cluster.run(args), what);
    }
    assert!(!cluster.server("9").exists());
    cluster.run(&["cluster", "remove", "2"]).ok();
    refused(cluster.run(&["cluster", "remove", "1"]), "server 1 is the last");
    let (file, key) = (cluster.dir().join("cluster.toml"), cluster.dir().join("cluster.key"));
    let whole = fs::read_to_string(&file).unwrap();
    fs::rename(&key, key.with_extension("kept")).unwrap();
    refused(cluster.run(&["cluster", "add"]), "does not have the administration key");
    fs::copy(cluster.server("1").join("server.key"), &key).unwrap();
    refused(cluster.run(&["cluster", "add"]), "is not the administration key");
    let old: Vec<&str> = whole.split("[[retired]]").next().unwrap().lines().collect();
    let kept = |line: &&&str| !line.starts_with("admin") && !line.starts_with("signature");
    fs::write(&file, old.iter().filter(kept).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    refused(cluster.run(&["cluster", "add"]), "names no administration key");
}
