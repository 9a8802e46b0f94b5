//! `tercet send`: one message from a script, and an exit status that says what became of it.

use serde_json::Value;

use crate::people::{ALL, Chat, ON_ALL, assert_valid, authored, cluster_with_people, entries};
use crate::support::{Ran, TestCluster, run};

fn send(cluster: &TestCluster, args: &[&str]) -> Ran {
    cluster.run(&[&["send", "--as", "alice", "bob"], args].concat())
}

#[test]
fn a_message_is_sent_and_read_and_nothing_is_taken_from_the_chat() {
    let cluster = cluster_with_people();
    let ran = send(&cluster, &["from a script"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "words go to standard error: {ran:?}");
    assert!(ran.err.contains("-- sent to bob: on ") && ran.err.contains(" of 3 servers"), "{ran:?}");
    let bob = Chat::with(cluster.dir(), "bob", "alice", &ON_ALL);
    bob.hears("alice: from a script");
    assert_eq!(bob.finish().code, 0);
    // What comes in while a command has the device open is still shown by the next chat.
    assert_eq!(cluster.run(&["send", "alice", "an answer", "--as", "bob", "--copies", "3"]).code, 0);
    assert_eq!(send(&cluster, &["--copies", "3", "another"]).code, 0);
    let alice = Chat::start(cluster.dir(), "alice", &ON_ALL).finish();
    assert!(alice.out.contains("bob: an answer"), "{alice:?}");
    assert_eq!(cluster.run(&["verify"]).code, 2, "bob has not read what came last");
    assert_eq!(Chat::start(cluster.dir(), "bob", &[]).finish().code, 0);
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn the_text_comes_from_an_argument_or_from_standard_input() {
    let cluster = cluster_with_people();
    let piped = |args: &[&str], input: &[u8]| {
        run(cluster.command().args(["send", "--as", "alice", "bob"]).args(args).write_stdin(input.to_vec()))
    };
    assert_eq!(piped(&["-"], b"two\nlines\n").code, 0);
    assert_eq!(piped(&[], b"no dash").code, 0);
    assert_eq!(piped(&["-x is no option here"], b"").code, 0);
    let texts: Vec<_> =
        authored(&entries(cluster.dir(), "alice")).into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(texts, ["two\nlines", "no dash", "-x is no option here"]);
    for (input, why) in [
        (&b"\n"[..], "the message is empty"),
        (b"good \xff", "not UTF-8 (its byte 6)"),
        (&[b'x'; 16_385], "16385 bytes, the limit is 16384"),
    ] {
        let err = piped(&["-"], input).failed();
        assert!(err.contains(why), "{err}");
    }
    assert_eq!(authored(&entries(cluster.dir(), "alice")).len(), 3, "what is refused is not written");
}

#[test]
fn at_risk_and_unknown_have_their_exit_statuses_and_the_message_is_kept() {
    let cluster = cluster_with_people();
    let fate = |ran: &Ran| -> Value { serde_json::from_str(&ran.out).unwrap() };
    cluster.signal(&["2", "3"], "kill");
    let risk = send(&cluster, &["risky", "--wait", "5", "--json"]);
    assert_eq!(risk.code, 1, "{risk:?}");
    assert!(risk.err.contains("at risk: on 1 of 3 servers") && risk.err.contains("kept on this machine"));
    assert_eq!((&fate(&risk)["outcome"], &fate(&risk)["copies"]), (&"risk".into(), &1.into()), "{risk:?}");
    assert_eq!(send(&cluster, &["enough", "--copies", "1"]).code, 0);
    cluster.signal(&["1"], "kill");
    let unknown = send(&cluster, &["void", "--wait", "1", "--json"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.err.contains("no server has acknowledged it within 1 second; it is kept"), "{unknown:?}");
    assert_eq!(fate(&unknown)["outcome"], "unknown");
    let kept = send(&cluster, &["later", "--no-wait"]);
    assert_eq!(kept.code, 0, "{kept:?}");
    assert!(kept.err.contains("written for bob; it is kept"), "{kept:?}");
    ALL.iter().for_each(|name| cluster.start(name));
    let sent = send(&cluster, &["all of it", "--copies", "3", "--json"]);
    assert_eq!(sent.code, 0, "{sent:?}");
    assert_eq!((&fate(&sent)["outcome"], &fate(&sent)["servers"]), (&"sent".into(), &3.into()));
    let bob = Chat::start(cluster.dir(), "bob", &[]).finish();
    for text in ["risky", "enough", "void", "later", "all of it"] {
        assert!(bob.out.contains(&format!("alice: {text}")), "{text}: {bob:?}");
    }
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn whoever_is_not_known_is_named_with_what_was_meant() {
    let cluster = cluster_with_people();
    let err = cluster.run(&["send", "bbo", "x", "--as", "alice"]).failed();
    assert!(err.contains("there is nobody called bbo") && err.contains("next: did you mean bob?"), "{err}");
    let err = cluster.run(&["send", "carol", "x", "--as", "alice"]).failed();
    assert!(err.contains("there is nobody called carol") && err.contains("tercet chat"), "{err}");
    let err = cluster.run(&["send", "bob", "x"]).failed();
    assert!(err.contains("who are you?") && err.contains("alice, bob"), "{err}");
    let words = |from: &str| cluster.run(&["send", "bob", "x", "--as", from, "--copies", "1"]).err;
    assert!(words("alicia").contains("-- alicia is new on this machine"), "a slip of the fingers is told");
    assert!(!words("alicia").contains("new"), "once");
    assert!(send(&cluster, &["x", "--copies", "4"]).failed().contains("cannot be had on 3 servers"));
    cluster.run(&["cluster", "down"]).ok();
    let err = cluster.run(&["send", "carol", "x", "--as", "alice", "--wait", "1"]).failed();
    assert!(err.contains("no server answered; nothing was written"), "{err}");
    assert_eq!(authored(&entries(cluster.dir(), "alice")), []);
}

#[test]
fn a_chat_that_has_the_device_open_is_named_with_the_next_step() {
    let cluster = cluster_with_people();
    let chat = Chat::with(cluster.dir(), "alice", "bob", &[]);
    for args in [&["send", "bob", "x", "--as", "alice"][..], &["tail", "--as", "alice"]] {
        let err = cluster.run(args).failed();
        assert!(err.contains(&format!("open in another chat (process {})", chat.pid())), "{err}");
        assert!(err.contains(&format!("kill {}", chat.pid())), "{err}");
    }
    assert_eq!(chat.finish().code, 0);
    assert_eq!(send(&cluster, &["now it goes"]).code, 0);
}
