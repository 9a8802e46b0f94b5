//! Servers that are restarted one after the other while somebody talks: nothing fails, nothing is lost.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::people::{ALL, Chat, ON_ALL, assert_valid, authored, cluster_with_people, displayed, entries};
use crate::support::TestCluster;

/// Lines said in one go, before the other has to have heard the last.
const GO: usize = 10;

/// Alice talks to bob, in `GO`es, for as long as `meanwhile` takes; every message ends on as many servers as `copies`
/// says.
pub fn talk_during(cluster: &TestCluster, copies: &[&str], meanwhile: impl FnOnce()) {
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", copies);
    let bob = Chat::with(cluster.dir(), "bob", "alice", copies);
    let over = AtomicBool::new(false);
    let said = std::thread::scope(|scope| {
        let talking = scope.spawn(|| {
            let mut said = Vec::new();
            let mut last_go = false;
            while !last_go {
                last_go = over.load(Ordering::SeqCst);
                let go = (said.len()..said.len() + GO).map(|number| format!("line {number}."));
                said.extend(go);
                said[said.len() - GO..].iter().for_each(|line| alice.say(line));
                bob.hears(&format!("alice: {}", said[said.len() - 1]));
            }
            said
        });
        // A failed check must end the talk, too.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(meanwhile));
        over.store(true, Ordering::SeqCst);
        let said = talking.join().unwrap();
        done.unwrap();
        said
    });
    assert!(said.len() > GO, "she talked meanwhile");
    assert_eq!(bob.heard_from("alice"), said);
    for chat in [alice, bob] {
        let ran = chat.finish();
        assert_eq!((ran.code, ran.complaints().as_str()), (0, ""), "{ran:?}");
    }
    assert_valid(&cluster.run(&["verify"]));
    assert_eq!(authored(&entries(cluster.dir(), "alice")).len(), said.len());
    assert_eq!(displayed(&entries(cluster.dir(), "bob")).len(), said.len());
}

#[test]
fn each_server_is_stopped_and_started_again_and_nothing_fails() {
    let cluster = cluster_with_people();
    talk_during(&cluster, &ON_ALL, || {
        for name in ALL {
            let pid = cluster.pid(name);
            cluster.signal(&[name], "term");
            cluster.wait_for_state(name, "stopped");
            cluster.start(name);
            assert_ne!(cluster.pid(name), pid);
        }
    });
}

#[test]
fn restart_does_it_one_at_a_time_and_nothing_fails() {
    let cluster = cluster_with_people();
    let before = ALL.map(|name| cluster.pid(name));
    talk_during(&cluster, &ON_ALL, || {
        let ran = cluster.run(&["cluster", "restart"]);
        let steps: Vec<String> =
            ran.err.lines().filter(|line| line.contains("is in step: ")).map(str::to_owned).collect();
        assert_eq!(steps.len(), ALL.len(), "each is waited for: {ran:?}");
        let out = ran.ok();
        for ((name, was), line) in ALL.iter().zip(before).zip(out.lines()) {
            let expected = format!("server {name} is ready again (pid {}; it was {was})", cluster.pid(name));
            assert_eq!(line, expected, "in order: {out}");
        }
    });
}

#[test]
fn restart_takes_who_is_named_and_starts_who_does_not_run() {
    let cluster = TestCluster::up(3);
    let before = ALL.map(|name| cluster.pid(name));
    cluster.run(&["kill", "2"]).ok();
    let ran = cluster.run(&["cluster", "restart", "2", "1", "2"]);
    assert!(ran.err.contains("server 2: the pid file was stale"), "{ran:?}");
    assert_eq!(
        ran.ok(),
        format!(
            "server 2 is ready (pid {}); it was not running\nserver 1 is ready again (pid {}; it was {})\n",
            cluster.pid("2"),
            cluster.pid("1"),
            before[0]
        )
    );
    assert_eq!(cluster.pid("3"), before[2], "nobody else is touched");
    let pids = ALL.map(|name| cluster.pid(name));
    let err = cluster.run(&["cluster", "restart", "1", "9"]).failed();
    assert!(err.contains("no server \"9\""), "{err}");
    assert_eq!(ALL.map(|name| cluster.pid(name)), pids, "one that is unknown keeps all from it");
}

#[test]
fn restart_ends_at_the_first_that_does_not_come_back() {
    let cluster = TestCluster::up(3);
    let before = ALL.map(|name| cluster.pid(name));
    std::fs::remove_file(cluster.server("2").join("server.key")).unwrap();
    let ran = cluster.run(&["cluster", "restart"]);
    assert!(ran.out.contains("server 1 is ready again"), "{ran:?}");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("tercet: server 2 ended before it was ready"), "{ran:?}");
    assert!(ran.err.contains("not restarted: server 3\nnext: "), "{ran:?}");
    assert_eq!(cluster.pid("3"), before[2], "two of three stay");
}
