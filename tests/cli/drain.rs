//! How a server goes that is told to, and how everybody leaves who just leaves.

use std::fs;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tercet::limits::MESSAGE_MAX_BYTES;

use crate::people::{ALL, Chat, ON_ALL, assert_valid, cluster_with_people};
use crate::serving::Serving;
use crate::support::{TestCluster, wait_until};

/// What whoever runs a server is promised: the bound itself, not how fast this machine is.
const DRAINED_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn each_server_in_turn_drains_under_load_and_nobody_has_to_notice() {
    const EACH: usize = 150;
    let cluster = cluster_with_people();
    let servers = ALL.map(|name| Serving::take_over(&cluster, name, &[], &[]));
    let bob = Chat::with(cluster.dir(), "bob", "alice", &ON_ALL);
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    let mut said = Vec::new();
    for (name, server) in ALL.into_iter().zip(servers) {
        let before = said.len();
        said.extend((before..before + EACH).map(|n| format!("message {n}.")));
        let (first, rest) = said[before..].split_at(EACH / 2);
        first.iter().for_each(|text| alice.say(text));
        bob.hears(&first[0]);
        let (status, took, words) = std::thread::scope(|scope| {
            let ending = scope.spawn(|| server.terminate());
            rest.iter().for_each(|text| alice.say(text));
            ending.join().unwrap()
        });
        assert_eq!(status.code(), Some(0), "server {name}: {words:#?}");
        assert!(took < DRAINED_WITHIN, "server {name} took {took:?}: {words:#?}");
        assert!(!cluster.server(name).join("pid").exists());
        // The chat goes on with the two others, and both people were told why the third has gone.
        bob.hears(said.last().unwrap());
        alice.is_told(&format!("server {name} is down: the server is stopping"));
        bob.is_told(&format!("server {name} is down: the server is stopping"));
        cluster.start(name);
        wait_until(&format!("server {name} is in step"), || cluster.state(name) == "up");
    }
    let alice = alice.finish();
    assert_eq!(alice.code, 0, "no send failed: {alice:?}");
    let bob_heard = bob.heard_from("alice");
    assert_eq!(bob.finish().code, 0);
    assert_eq!(bob_heard, said, "all of it, once, in order");
    assert_valid(&cluster.run(&["verify"]));
}

/// How long the journals of a server are that it would replay.
fn journal_bytes(cluster: &TestCluster, name: &str) -> u64 {
    let engine = fs::read_dir(cluster.server(name).join("store/engine")).unwrap().map(|entry| entry.unwrap());
    let journals =
        engine.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "jnl"));
    journals.map(|entry| entry.metadata().unwrap().len()).sum()
}

#[test]
fn a_server_that_drains_leaves_no_journal_to_replay_and_one_that_is_killed_does() {
    let cluster = cluster_with_people();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    let long = "x".repeat(MESSAGE_MAX_BYTES - 10);
    (0..160).for_each(|n| alice.say(&format!("{n} {long}")));
    assert_eq!(alice.finish().code, 0);
    cluster.signal(&["1"], "kill");
    cluster.run(&["cluster", "down"]).ok();
    assert_ne!(journal_bytes(&cluster, "1"), 0);
    assert_eq!(["2", "3"].map(|name| journal_bytes(&cluster, name)), [0, 0]);
    ALL.into_iter().for_each(|name| cluster.start(name));
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    alice.say("and on");
    assert_eq!(alice.finish().code, 0);
    let bob = Chat::start(cluster.dir(), "bob", &[]);
    bob.hears("alice: and on");
    assert_eq!(bob.finish().code, 0);
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn those_who_do_not_listen_hold_no_server_up() {
    let cluster = cluster_with_people();
    let server = Serving::take_over(&cluster, "1", &[], &[]);
    let address = cluster.status("1")["address"].as_str().unwrap().to_owned();
    let silent: Vec<_> = (0..5).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let bob = Chat::start(cluster.dir(), "bob", &[]);
    bob.is_told("server 1 is up");
    let pid = i32::try_from(bob.pid()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let (status, took, words) = server.terminate();
    assert!(status.code() == Some(0) && took < DRAINED_WITHIN, "{status} after {took:?}: {words:#?}");
    kill_process(pid, Signal::CONT).unwrap();
    bob.is_told("server 1 is down");
    assert_eq!(bob.finish().code, 0);
    drop(silent);
}

fn said_of_cuts(cluster: &TestCluster) -> Vec<String> {
    let log = |name: &str| fs::read_to_string(cluster.server(name).join("log.txt")).unwrap();
    let logs = ALL.map(log).concat();
    logs.lines().filter(|line| line.contains(" ended: ")).map(str::to_owned).collect()
}

#[test]
fn whoever_leaves_in_order_is_no_news_and_whoever_is_killed_is() {
    let cluster = cluster_with_people();
    assert_eq!(cluster.run(&["send", "bob", "x", "--as", "alice", "--copies", "3"]).code, 0);
    cluster.run(&["tail", "--as", "bob"]).ok();
    assert_eq!(Chat::with(cluster.dir(), "bob", "alice", &ON_ALL).finish().code, 0);
    ALL.iter().for_each(|name| assert_eq!(cluster.state(name), "up"));
    cluster.signal(&["3"], "term");
    cluster.wait_for_state("3", "stopped");
    assert_eq!(said_of_cuts(&cluster), Vec::<String>::new());
    let bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    ["1", "2"].iter().for_each(|name| drop(bob.is_told(&format!("server {name} is up"))));
    bob.kill();
    wait_until("a server tells of the cut", || {
        said_of_cuts(&cluster).iter().any(|line| line.contains("went without a goodbye"))
    });
}

#[test]
fn a_service_manager_hears_when_the_server_is_ready_and_when_it_stops() {
    let cluster = TestCluster::up(1);
    let path = cluster.dir().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hear = || {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let env = [("NOTIFY_SOCKET", path.to_str().unwrap())];
    let server = Serving::take_over(&cluster, "1", &[], &env);
    let ready = hear();
    assert!(ready.starts_with("READY=1\nSTATUS=listens at 127.0.0.1:"), "{ready}");
    assert_eq!(cluster.state("1"), "up");
    assert_eq!(server.terminate().0.code(), Some(0));
    assert_eq!(hear(), "STOPPING=1\nSTATUS=stopping");
    fs::remove_file(&path).unwrap();
    // A manager that has gone keeps no server from starting or stopping.
    assert_eq!(Serving::start(&cluster, "1", &[], &env).terminate().0.code(), Some(0));
}
