//! `tercet cluster status --watch`: what goes on, as it goes on.

use portable_pty::CommandBuilder;
use serde_json::Value;

use crate::foreground::Foreground;
use crate::support::TestCluster;
use crate::terminal::Terminal;

const HEADINGS: [&str; 7] = ["name", "state", "position", "behind", "conns", "stored", "uptime"];

fn on_a_terminal(cluster: &TestCluster, environment: &[(&str, &str)]) -> Terminal {
    let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin("tercet"));
    command.args(["cluster", "status", "--watch"]);
    command.env("TERCET_DIR", cluster.dir());
    command.env("XDG_CONFIG_HOME", cluster.dir());
    command.env("TERM", "xterm-256color");
    command.env_remove("CI");
    command.env_remove("NO_COLOR");
    environment.iter().for_each(|(key, value)| command.env(key, value));
    Terminal::start(command, (80, 24))
}

/// The server's line, in the words of which only one may be.
fn row(lines: &[String], name: &str) -> Option<Vec<String>> {
    let words = |line: &String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut rows = lines.iter().map(words).filter(|words| words.first().is_some_and(|first| first == name));
    let row = rows.next();
    assert!(rows.next().is_none(), "the table is redrawn, not repeated:\n{}", lines.join("\n"));
    row
}

#[test]
fn a_terminal_shows_one_table_that_changes() {
    let cluster = TestCluster::up(2);
    let watch = on_a_terminal(&cluster, &[]);
    let is = |name: &str, state: &str| {
        watch.waits_for(&format!("server {name} is {state}"), |lines| {
            row(lines, name).is_some_and(|row| row[1] == state)
        });
    };
    is("1", "up");
    assert_eq!(watch.shows("name").split_whitespace().collect::<Vec<_>>(), HEADINGS);
    cluster.run(&["kill", "2"]).ok();
    is("2", "dead");
    cluster.start("2");
    is("2", "up");
    // Many times drawn, and still there once.
    watch.waits_for("it goes on", |lines| {
        row(lines, "1")
            .is_some_and(|row| row.last().is_some_and(|uptime| uptime.ends_with('s') && uptime != "0s"))
    });
    watch.types("\x03");
    let raw = String::from_utf8_lossy(&watch.raw()).into_owned();
    assert!(raw.contains("\x1b[32mup"), "with colours: {raw:?}");
    assert_eq!(watch.finish(), 0);
}

#[test]
fn without_colours_there_are_none_and_a_dumb_terminal_gets_blocks() {
    let cluster = TestCluster::up(1);
    for environment in [&[("NO_COLOR", "1")][..], &[("NO_COLOR", "1"), ("TERM", "dumb")]] {
        let watch = on_a_terminal(&cluster, environment);
        watch.shows("up ");
        watch.types("\x03");
        let raw = watch.raw();
        assert_eq!(watch.finish(), 0);
        let raw = String::from_utf8_lossy(&raw).into_owned();
        assert!(!raw.contains("\x1b[32m"), "{raw:?}");
        assert_eq!(raw.contains('\x1b'), environment.len() == 1, "{raw:?}");
    }
}

#[test]
fn a_pipe_gets_a_block_for_each_change() {
    let cluster = TestCluster::up(2);
    let mut watch = Foreground::start(&cluster, &["cluster", "status", "--watch"]);
    watch.says("name  state");
    cluster.run(&["kill", "2"]).ok();
    watch.says("2     dead ");
    let lines = watch.lines();
    assert!(lines.iter().any(String::is_empty), "a line between two blocks: {lines:#?}");
    assert!(lines.iter().all(|line| !line.contains('\u{1b}')), "{lines:#?}");
    assert_eq!(watch.interrupt(), 0);
}

#[test]
fn json_gives_one_object_per_line_and_none_twice() {
    let cluster = TestCluster::up(2);
    let mut watch = Foreground::start(&cluster, &["cluster", "status", "--json", "--watch"]);
    watch.says("\"servers\"");
    cluster.run(&["kill", "2"]).ok();
    watch.says("\"state\":\"dead\"");
    cluster.start("2");
    crate::support::wait_until("server 2 is back", || {
        let last: Value = serde_json::from_str(watch.lines().last().unwrap()).unwrap();
        last["servers"][1]["state"] == "up" && last["servers"][1]["position"].is_u64()
    });
    assert_eq!(watch.interrupt(), 0);
    let timeless = |line: &String| {
        let mut report: Value = serde_json::from_str(line).unwrap();
        for server in report["servers"].as_array_mut().unwrap() {
            assert!(server["name"].is_string() && server["stored_bytes"].is_u64(), "{line}");
            server["uptime_ms"] = Value::Null;
        }
        report
    };
    let reports: Vec<Value> = watch.lines().iter().map(timeless).collect();
    assert!(reports.windows(2).all(|two| two[0] != two[1]), "each line is a change");
    assert!(reports.iter().any(|report| report["servers"][1]["state"] == "dead"));
}
