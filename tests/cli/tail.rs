//! `tercet tail`: lines of conversations, for scripts.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::people::{Chat, ON_ALL, assert_valid, cluster_with_people, messages};
use crate::support::{TestCluster, wait_or_explain};

fn said(cluster: &TestCluster, from: &str, to: &str, text: &str) {
    let ran = cluster.run(&["send", to, text, "--as", from, "--copies", "3"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn lines(out: &str) -> Vec<String> {
    out.lines().map(str::to_owned).collect()
}

#[test]
fn the_last_lines_are_printed_and_the_chat_still_shows_them() {
    let cluster = cluster_with_people();
    assert_eq!(Chat::start(cluster.dir(), "carol", &ON_ALL).finish().code, 0);
    for number in 0..4 {
        said(&cluster, "alice", "bob", &format!("number {number}"));
    }
    said(&cluster, "carol", "bob", "and carol");
    let tail = |args: &[&str]| cluster.run(&[&["tail", "--as", "bob"], args].concat());
    for _ in 0..2 {
        let all = tail(&[]).ok();
        let expected = ["number 0", "number 1", "number 2", "number 3"];
        assert_eq!(messages(&lines(&all), "alice"), expected, "{all}");
        assert!(all.lines().last().unwrap().ends_with("[carol] carol: and carol"), "{all}");
    }
    let two = tail(&["alice", "-n", "2"]).ok();
    assert_eq!(messages(&lines(&two), "alice"), ["number 2", "number 3"], "{two}");
    assert_eq!(lines(&two).len(), 2, "only that conversation: {two}");
    let chat = Chat::start(cluster.dir(), "bob", &[]).finish();
    assert!(chat.out.contains("number 0") && chat.out.contains("and carol"), "{chat:?}");
    assert_valid(&cluster.run(&["verify"]));
    let err = tail(&["alcie"]).failed();
    assert!(err.contains("next: did you mean alice?"), "{err}");
    cluster.run(&["cluster", "down"]).ok();
    let ran = tail(&["-n", "1", "--wait", "1"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.out.contains("and carol") && ran.err.contains("no server answered"), "{ran:?}");
}

#[test]
fn each_line_as_json_has_the_documented_fields() {
    let cluster = cluster_with_people();
    said(&cluster, "alice", "bob", "tab\tand \"quotes\" and \u{1b}[31m");
    let object = |name: &str| -> Value {
        let out = cluster.run(&["tail", "--json", "--as", name]).ok();
        assert!(!out.contains('\u{1b}'), "{out:?}");
        serde_json::from_str(out.trim_end()).unwrap()
    };
    let (alices, bobs) = (object("alice"), object("bob"));
    let fields: Vec<&str> = bobs.as_object().unwrap().keys().map(String::as_str).collect();
    let help = cluster.run(&["tail", "--help"]).ok();
    let help: String = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for field in &fields {
        assert!(help.contains(field), "{field} is not in the help: {help}");
    }
    assert_eq!(fields.len(), 12, "{fields:?}");
    assert_eq!(bobs["text"], "tab\tand \"quotes\" and \u{1b}[31m");
    assert_eq!(
        (&bobs["from"], &bobs["with"], &bobs["own"]),
        (&"alice".into(), &"alice".into(), &false.into())
    );
    assert_eq!(
        (&alices["with"], &alices["own"], &alices["copies"]),
        (&"bob".into(), &true.into(), &3.into())
    );
    assert_eq!((&bobs["kind"], bobs["about"].is_null()), (&"post".into(), true));
    assert_eq!(alices["id"], bobs["id"]);
    assert!(bobs["copies"].is_null() && bobs["time"].as_str().unwrap().ends_with('Z'), "{bobs}");
}

/// A `tail --follow` whose output is read line by line.
fn following(cluster: &TestCluster, name: &str) -> Child {
    std::process::Command::new(assert_cmd::cargo::cargo_bin("tercet"))
        .args(["tail", "--follow", "--as", name])
        .env("TERCET_DIR", cluster.dir())
        .env("XDG_CONFIG_HOME", cluster.dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn following_goes_on_with_each_line_once_and_ends_quietly_when_nobody_reads() {
    let cluster = cluster_with_people();
    said(&cluster, "alice", "bob", "before");
    assert_eq!(Chat::start(cluster.dir(), "bob", &[]).finish().code, 0);
    said(&cluster, "alice", "bob", "while away");
    let mut tail = following(&cluster, "bob");
    let mut out = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || out.next().unwrap().unwrap();
    assert!(next().ends_with("alice: before"), "what was shown before comes first");
    assert!(next().ends_with("alice: while away"));
    for number in 0..3 {
        said(&cluster, "alice", "bob", &format!("live {number}"));
        assert!(next().ends_with(&format!("alice: live {number}")));
    }
    drop(out);
    let mut ended = None;
    let mut number = 0;
    wait_or_explain(
        || {
            said(&cluster, "alice", "bob", &format!("unread {number}"));
            number += 1;
            ended = tail.try_wait().unwrap();
            ended.is_some()
        },
        || "tail ends".to_owned(),
    );
    let mut err = String::new();
    std::io::Read::read_to_string(&mut tail.stderr.take().unwrap(), &mut err).unwrap();
    assert_eq!((ended.unwrap().code(), err.as_str()), (Some(0), ""));
    let chat = Chat::start(cluster.dir(), "bob", &[]).finish();
    assert_eq!(
        messages(&lines(&chat.out), "alice").iter().filter(|text| text.starts_with("live")).count(),
        0
    );
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let cluster = cluster_with_people();
    (0..3).for_each(|number| said(&cluster, "alice", "bob", &format!("number {number}")));
    let program = assert_cmd::cargo::cargo_bin("tercet");
    let script = format!("'{}' tail --as bob | head -n 1; exit ${{PIPESTATUS[0]}}", program.display());
    let mut shell = assert_cmd::Command::new("bash");
    shell.args(["-c", &script]).env("TERCET_DIR", cluster.dir()).env("XDG_CONFIG_HOME", cluster.dir());
    let ran = crate::support::run(&mut shell);
    assert_eq!((ran.code, ran.err.as_str(), ran.out.lines().count()), (0, "", 1), "{ran:?}");
}
