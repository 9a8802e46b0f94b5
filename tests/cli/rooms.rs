//! Rooms, and what is said about what was said, with real processes.

use crate::people::{Chat, ON_ALL, assert_valid, cluster_with_people};
use crate::support::TestCluster;

/// Alice in a room that she has just begun, and bob, who has joined it.
fn in_one_room(cluster: &TestCluster) -> (Chat, Chat) {
    let mut alice = Chat::start(cluster.dir(), "alice", &ON_ALL);
    alice.say("/create #lab");
    alice.is_told("#lab is open");
    alice.say("before bob came");
    alice.hears("before bob came  3/3");
    let mut bob = Chat::start(cluster.dir(), "bob", &ON_ALL);
    bob.say("/join #lab");
    bob.is_told("joined #lab");
    alice.hears("* bob joined");
    (alice, bob)
}

/// Both leave, with these exit codes, and every log agrees with every other, servers running and stopped.
fn end_well(cluster: &TestCluster, chats: [(Chat, i32); 2]) -> String {
    for (chat, code) in chats {
        let ran = chat.finish();
        assert_eq!(ran.code, code, "{ran:?}");
    }
    assert_valid(&cluster.run(&["verify"]));
    cluster.run(&["cluster", "down"]).ok();
    let stopped = cluster.run(&["verify"]);
    assert_valid(&stopped);
    stopped.out
}

#[test]
fn a_room_holds_through_deaths() {
    let cluster = cluster_with_people();
    let (mut alice, mut bob) = in_one_room(&cluster);
    alice.say("welcome, bob");
    bob.hears("alice: welcome, bob");
    cluster.signal(&["2", "3"], "kill");
    bob.say("only one server is left");
    alice.hears("bob: only one server is left");
    ["2", "3"].iter().for_each(|name| cluster.start(name));
    bob.say("/history");
    bob.hears("alice: before bob came");
    assert!(end_well(&cluster, [(alice, 0), (bob, 0)]).contains("#lab"));
}

#[test]
fn a_private_room_is_for_whom_it_was_opened() {
    let cluster = cluster_with_people();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    alice.say("/create #den private");
    alice.is_told("#den is open");
    alice.say("a secret");
    alice.hears("alice: a secret  3/3");
    let mut bob = Chat::start(cluster.dir(), "bob", &ON_ALL);
    bob.say("/join #den");
    bob.is_told("there is no room #den");
    alice.say("/invite bob");
    let invitation = bob.hears("* alice invites to a room: /join #");
    let (_, room) = invitation.split_once("/join ").unwrap();
    bob.say(&format!("/join {}", room.trim()));
    bob.is_told("joined #den");
    bob.say("/history");
    bob.hears("alice: a secret");
    end_well(&cluster, [(alice, 0), (bob, 1)]); // one of bob's commands was refused
}

#[test]
fn who_comes_later_does_not_read_what_was_taken_back() {
    let cluster = cluster_with_people();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    for (line, shown) in [
        ("a slip", "alice: a slip"),
        ("/edit ~1 another slip", "* alice changed"),
        ("/delete ~1", "* alice took a message back"),
        ("that stays", "alice: that stays"),
    ] {
        alice.say(line);
        alice.hears(shown);
    }
    assert_eq!(alice.finish().code, 0);
    let bob = Chat::start(cluster.dir(), "bob", &[]).finish();
    assert!(bob.out.contains("alice: that stays") && bob.out.contains("took a message back"), "{bob:?}");
    assert!(bob.out.contains("alice: (taken back)") && !bob.out.contains("slip"), "{bob:?}");
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn what_is_said_about_messages_reads_alike_for_both() {
    let cluster = cluster_with_people();
    let (mut alice, mut bob) = in_one_room(&cluster);
    alice.say("helo bob");
    bob.hears("alice: helo bob");
    alice.say("/edit hello bob");
    bob.hears("* alice changed \"helo bob\" to: hello bob");
    bob.say("/react +1");
    alice.hears("* bob reacts +1 to \"helo bob\"");
    bob.say("/reply hello yourself");
    alice.hears("bob: (alice: helo bob) hello yourself");
    alice.say("/delete ~3");
    bob.hears("* alice took a message back");
    bob.say("/delete ~2");
    bob.is_told("not yours to change");
    for chat in [&mut alice, &mut bob] {
        chat.say("/history");
        chat.hears("alice: hello bob (edited)  +1");
        chat.hears("alice: (taken back)");
        chat.say("/search HELLO");
        chat.is_told("2 messages found");
        chat.say("/proof");
    }
    let digest = |chat: &Chat| {
        chat.is_told("whoever holds the same");
        let is_digest = |line: &String| line.starts_with("   ") && line.matches('-').count() == 5;
        crate::support::wait_until("the digest is told", || chat.lines().iter().any(is_digest));
        chat.lines().into_iter().find(is_digest).unwrap()
    };
    assert_eq!(digest(&alice), digest(&bob));
    end_well(&cluster, [(alice, 0), (bob, 1)]); // one of bob's commands was refused
}

#[test]
fn a_search_finds_what_reads_so_now_however_often_one_searches() {
    let cluster = cluster_with_people();
    let (mut alice, mut bob) = in_one_room(&cluster);
    let finds = |bob: &mut Chat, wanted: &str, heading: &str| {
        let is_heading = |line: &&String| line.ends_with(" found");
        let headings = |bob: &Chat| bob.words().iter().filter(is_heading).cloned().collect::<Vec<_>>();
        let before = headings(bob).len();
        bob.say(&format!("/search {wanted}"));
        crate::support::wait_until("the search is answered", || headings(bob).len() > before);
        assert_eq!(headings(bob).last().map(String::as_str), Some(heading), "{wanted}");
    };
    alice.say("helo bob");
    bob.hears("alice: helo bob");
    finds(&mut bob, "HELO", "-- 1 message found");
    finds(&mut bob, "hello", "-- nothing found");
    alice.say("/edit hello bob");
    bob.hears("* alice changed");
    finds(&mut bob, "helo", "-- nothing found");
    finds(&mut bob, "hello", "-- 1 message found");
    alice.say("hello again");
    bob.hears("alice: hello again");
    finds(&mut bob, "hello", "-- 2 messages found");
    alice.say("/delete ~2");
    bob.hears("* alice took a message back");
    finds(&mut bob, "hello", "-- 1 message found");
    finds(&mut bob, "he", "-- 1 message found");
    finds(&mut bob, "b", "-- 1 message found");
    bob.say("/block alice");
    bob.is_told("nothing from alice is shown");
    finds(&mut bob, "hello", "-- nothing found");
    bob.say("/unblock alice");
    bob.is_told("alice is heard again");
    finds(&mut bob, "hello", "-- 1 message found");
    end_well(&cluster, [(alice, 0), (bob, 0)]);
}

#[test]
fn a_room_of_thousands_of_messages_is_looked_back_on_in_pages() {
    const MESSAGES: usize = 2_000;
    let cluster = cluster_with_people();
    let (mut alice, mut bob) = in_one_room(&cluster);
    for number in 0..MESSAGES {
        alice.say(&format!("message {number}."));
    }
    bob.hears(&format!("message {}.", MESSAGES - 1));
    let shown = |bob: &Chat| bob.lines().iter().filter(|line| line.starts_with('~')).count();
    bob.say("/history");
    bob.is_told(&format!("-- the last 20 of {} messages in #lab", MESSAGES + 1));
    bob.say("/history 1000000");
    bob.is_told(&format!("-- the last 1000 of {} messages in #lab", MESSAGES + 1));
    bob.say("/search message 7.");
    bob.is_told("-- 1 message found");
    bob.say("/proof");
    bob.hears("alice  signed for all of it");
    // Headings come by another pipe than the lines below them; what comes by the same pipe as those comes after them.
    assert_eq!(shown(&bob), 20 + 1_000 + 1);
    end_well(&cluster, [(alice, 0), (bob, 0)]);
}
