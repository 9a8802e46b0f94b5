//! `/proof`: two people compare what they hold, with each other and with every server.

use crate::people::{Chat, cluster_with_people};
use crate::support::wait_until;

/// The words and the rows that a chat's last `/proof` answered with.
fn proof(chat: &mut Chat) -> (String, Vec<String>) {
    let words = |lines: &[String]| {
        let is_words = |line: &String| line.starts_with("   ") && line.matches('-').count() == 5;
        lines.iter().rposition(is_words)
    };
    let before = chat.lines().len();
    chat.say("/proof");
    wait_until("the proof is there", || {
        chat.lines()[before..].iter().any(|line| line.starts_with("  alice  ") || line.starts_with("  bob  "))
    });
    let lines = chat.lines();
    let at = words(&lines).unwrap();
    (lines[at].trim().to_owned(), lines[at + 1..].iter().map(|line| line.trim().to_owned()).collect())
}

#[test]
fn two_people_and_every_server_hold_the_same_or_it_is_said_who_does_not() {
    let cluster = cluster_with_people();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &[]);
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    alice.say("one");
    bob.hears("alice: one");
    bob.say("two");
    alice.hears("bob: two");
    let all = ["server 1  equal", "server 2  equal", "server 3  equal"];
    wait_until("every server has said that it holds the same", || proof(&mut alice).1[..3] == all);
    let (words, rows) = proof(&mut alice);
    assert_eq!(rows[3], "bob  signed for all of it");
    let (others_words, rows) = proof(&mut bob);
    assert_eq!(words, others_words);
    assert_eq!(rows[3], "alice  signed for all but the last 1", "alice has written nothing since");

    cluster.signal(&["3"], "kill");
    alice.is_told("server 3 is down");
    alice.say("three");
    bob.hears("alice: three");
    wait_until("the two that are left hold the same", || {
        proof(&mut alice).1[..3] == ["server 1  equal", "server 2  equal", "server 3  away"]
    });
    assert_ne!(proof(&mut alice).0, words, "one event more, other words");
    assert_eq!(proof(&mut alice).1[3], "bob  signed for all but the last 1");
}

#[test]
fn why_counts_the_disks_of_own_words_and_calls_nobody_elses_at_risk() {
    let cluster = cluster_with_people();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &[]);
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    alice.say("one");
    alice.hears("alice: one  3/3");
    bob.hears("alice: one");
    alice.say("/why");
    assert!(alice.hears("   disks").contains(" 3/3  known to be on: 1, 2, 3"));
    bob.say("/why");
    let disks = bob.hears("   disks");
    assert!(disks.contains(" known to be on: ") && !disks.contains("/3"), "{disks}");
}
