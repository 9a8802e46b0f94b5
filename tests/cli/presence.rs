//! Who is here: shown to those whom somebody has written to, and to nobody else.

use std::fs;

use crate::people::{Chat, cluster_with_people};
use crate::support::wait_until;
use crate::terminal::Terminal;

const SIZE: (u16, u16) = (80, 24);
const CTRL_D: &str = "\x04";

/// Asks until the last answer says this of somebody.
fn says_of(asking: &Terminal, command: &str, name: &str, presence: &str) {
    wait_until(&format!("{command} says that {name} is {presence:?}"), || {
        let row = answer(asking, command, name);
        ["here", "away", "gone"].iter().find(|word| row.ends_with(*word)).copied().unwrap_or("") == presence
    });
}

/// The row of an answer that is about this; a row may be painted in pieces, so one that has others below it.
fn answer(asking: &Terminal, command: &str, about: &str) -> String {
    let (bare, start) = (format!("  {about}"), format!("  {about} "));
    let before = asking.lines().len();
    let mut row = None;
    asking.enters(command);
    asking.waits_for(&format!("{command} answers about {about}"), |lines| {
        let above_the_last = lines.split_last().map_or(&[][..], |(_, above)| above);
        let mut answered = above_the_last.iter().skip(before.saturating_sub(1));
        row = answered.rfind(|line| **line == bare || line.starts_with(&start)).cloned();
        row.is_some()
    });
    row.unwrap()
}

fn terminal(cluster: &crate::support::TestCluster, name: &str, talks_to: &str) -> Terminal {
    let terminal = Terminal::chat(cluster.dir(), name, SIZE, &[]);
    terminal.ends_with(&format!("[123] {name}:"));
    terminal.enters(&format!("/dm {talks_to}"));
    terminal.ends_with(&format!("[123] {name} > {talks_to}:"));
    terminal
}

#[test]
fn those_who_were_written_to_see_that_somebody_is_here_and_that_they_go() {
    let cluster = cluster_with_people();
    assert_eq!(Chat::start(cluster.dir(), "carol", &[]).finish().code, 0);
    let alice = terminal(&cluster, "alice", "bob");
    let bob = terminal(&cluster, "bob", "alice");
    let carol = terminal(&cluster, "carol", "bob");
    bob.enters("are you there?");
    alice.shows("bob: are you there?");
    says_of(&alice, "/who", "bob", "here");
    alice.enters("/seen bob");
    alice.shows("-- bob is here");
    says_of(&bob, "/who", "alice", "");
    carol.enters("hello?");
    bob.shows("carol: hello?");
    says_of(&bob, "/who", "carol", "here");
    says_of(&carol, "/who", "bob", "");

    // In a room, its members; whom somebody blocks is told no more.
    alice.enters("/create #lab");
    alice.ends_with("[123] alice > #lab:");
    // That there is such a room comes to bob by way of the servers.
    wait_until("bob knows of the room", || {
        let before = bob.lines().len();
        bob.enters("/rooms");
        let is_heading = |line: &String| line.starts_with("-- ") && line.contains(" room");
        bob.waits_for("it lists the rooms", |lines| lines.iter().skip(before - 1).any(is_heading));
        bob.lines().iter().any(|line| line.starts_with("  #lab "))
    });
    bob.enters("/join #lab");
    bob.ends_with("[123] +1 bob > #lab:");
    alice.shows("* bob joined");
    says_of(&bob, "/members", "alice", "here");
    bob.enters("/block alice");
    says_of(&alice, "/members", "bob", "gone");
    bob.enters("/unblock alice");
    says_of(&alice, "/members", "bob", "here");

    // One server is enough; and who leaves is gone.
    cluster.signal(&["1", "2"], "kill");
    alice.ends_with("[xx3] alice > #lab:");
    says_of(&alice, "/members", "bob", "here");
    bob.types(CTRL_D);
    assert_eq!(bob.finish(), 0);
    says_of(&alice, "/members", "bob", "gone");
}

#[test]
fn who_does_not_want_to_be_seen_is_not() {
    let cluster = cluster_with_people();
    let config = cluster.dir().join("tercet");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("config.toml"), "[profile.default]\npresence = false\n").unwrap();
    let hidden = terminal(&cluster, "bob", "alice");
    fs::remove_file(config.join("config.toml")).unwrap();
    let alice = terminal(&cluster, "alice", "bob");
    hidden.enters("I see you not");
    alice.shows("bob: I see you not");
    alice.enters("nor I you");
    hidden.shows("alice: nor I you");
    // What would have been told by now has been: a server tells it with the next tick, as it tells of carol.
    let carol = terminal(&cluster, "carol", "alice");
    carol.enters("hello");
    alice.shows("carol: hello");
    says_of(&alice, "/who", "carol", "here");
    says_of(&alice, "/who", "bob", "");
    says_of(&hidden, "/who", "alice", "");
}
