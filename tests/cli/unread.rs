//! What a person who comes and goes has seen, and what the servers have of what they wrote.

use std::path::Path;

use portable_pty::CommandBuilder;

use crate::people::{Chat, ON_ALL, cluster_with_people};
use crate::support::wait_until;
use crate::terminal::Terminal;

const SIZE: (u16, u16) = (100, 24);
const CTRL_D: &str = "\x04";

/// A chat that holds each line for a minute before it is shown.
fn patient(dir: &Path, name: &str) -> Terminal {
    let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin("tercet"));
    command.args(["chat", name, "--window-ms", "60000"]);
    for (key, value) in [("TERCET_DIR", dir), ("XDG_CONFIG_HOME", dir)] {
        command.env(key, value);
    }
    command.env("TERM", "xterm-256color");
    command.env_remove("CI");
    Terminal::start(command, SIZE)
}

#[test]
fn a_message_that_was_not_shown_yet_stays_unread_when_one_turns_away() {
    let cluster = cluster_with_people();
    assert_eq!(Chat::start(cluster.dir(), "carol", &ON_ALL).finish().code, 0);
    let alice = patient(cluster.dir(), "alice");
    alice.ends_with("[123] alice:");
    alice.enters("/dm bob");
    alice.ends_with("[123] alice > bob:");
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &ON_ALL);
    bob.say("on its way");
    assert_eq!(bob.finish().code, 0);
    // It is here, and its line is not due for a minute.
    wait_until("the message is here", || {
        alice.enters("/search on its way");
        alice.shows("found");
        alice.lines().iter().any(|line| line.contains("1 message found"))
    });
    alice.enters("/unread");
    alice.shows("-- nothing unread");
    alice.enters("/dm carol");
    alice.ends_with("[123] alice > carol:");
    alice.enters("/unread");
    alice.shows("-- unread in 1 conversation; /next goes there");
    alice.shows("  bob  1 message");
    alice.enters("/next");
    alice.shows("-- 1 message with bob, all in their true order");
    alice.ends_with("[123] alice > bob:");
    alice.enters("/seen alice");
    alice.shows("-- alice has read everything here");
    alice.types(CTRL_D);
    assert_eq!(alice.finish(), 0);
}

#[test]
fn what_no_server_had_when_a_chat_ended_is_spoken_of_when_it_begins_again() {
    let cluster = cluster_with_people();
    let chat = || Terminal::chat(cluster.dir(), "alice", SIZE, &[]);
    let alice = chat();
    alice.ends_with("[123] alice:");
    alice.enters("/dm bob");
    alice.ends_with("[123] alice > bob:");
    cluster.run(&["kill", "--all"]).ok();
    alice.ends_with("[xxx] alice > bob:");
    alice.enters("nobody hears this");
    alice.shows("alice: nobody hears this  not sent yet");
    alice.types(CTRL_D);
    assert_eq!(alice.finish(), 0);

    let again = chat();
    again.shows("-- 1 message of before is not safe on 2 servers yet; sent as soon as they answer");
    cluster.run(&["cluster", "start"]).ok();
    again.shows("^ \"nobody hears this\" 3/3");
    again.types(CTRL_D);
    assert_eq!(again.finish(), 0);

    let last = chat();
    last.ends_with("[123] alice:");
    assert!(!last.lines().iter().any(|line| line.contains("not safe")), "{:?}", last.lines());
    last.types(CTRL_D);
    assert_eq!(last.finish(), 0);
}
