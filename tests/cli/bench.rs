//! `tercet bench`: what it says agrees with what is in the stores, and flags that make no sense are refused.
//! How fast it is, is no matter of a test.

use std::path::Path;

use serde_json::Value;

use crate::support::{Ran, command, run};

fn bench(args: &[&str]) -> Ran {
    run(command(Path::new("/nonexistent")).arg("bench").args(args))
}

/// A run's report, and the folder that it left, which goes with the second value.
fn kept(args: &[&str]) -> (Value, tempfile::TempDir) {
    let temporary = tempfile::tempdir().unwrap();
    let args = [args, &["--for", "1s", "--json", "--keep"]].concat();
    let out =
        run(command(Path::new("/nonexistent")).env("TMPDIR", temporary.path()).arg("bench").args(&args)).ok();
    (serde_json::from_str(&out).unwrap(), temporary)
}

fn verified(folder: &str) -> Value {
    serde_json::from_str(&run(command(Path::new(folder)).args(["verify", "--json"])).ok()).unwrap()
}

/// Events in conversations, as verify counts them, but for the directory's.
fn messages(verdict: &Value) -> u64 {
    let conversations = verdict["conversations"].as_array().unwrap();
    let direct = conversations.iter().filter(|conversation| conversation["label"] != "directory");
    direct.map(|conversation| conversation["events"].as_u64().unwrap()).sum()
}

const ROUND: [&str; 12] = [
    "side",
    "messages",
    "seconds",
    "rate",
    "p50_us",
    "p90_us",
    "p99_us",
    "max_us",
    "longest_gap_us",
    "servers_cpu_ms",
    "load_cpu_ms",
    "syncs",
];

fn assert_complete(report: &Value) {
    for field in
        ["version", "machine", "workload", "clients", "inflight", "bytes", "events", "copies", "sent"]
    {
        assert!(!report[field].is_null(), "{field} is missing: {report}");
    }
    for round in report["rounds"].as_array().unwrap() {
        for field in ROUND {
            assert!(round.get(field).is_some(), "{field} is missing: {round}");
        }
        let of = |field: &str| round[field].as_u64().unwrap();
        assert!(of("messages") > 0 && of("p50_us") > 0, "{round}");
        assert!(of("p50_us") <= of("p90_us") && of("p90_us") <= of("p99_us") && of("p99_us") <= of("max_us"));
    }
    assert_eq!(report["memory"].as_array().unwrap().len(), 3, "{report}");
}

#[test]
fn what_one_sender_got_acked_is_in_every_store() {
    let (report, _folder) = kept(&["--workload", "W1"]);
    assert_complete(&report);
    assert_eq!(messages(&verified(report["folder"].as_str().unwrap())), report["sent"].as_u64().unwrap());
}

#[test]
fn what_many_senders_got_acked_is_in_every_store_and_the_floor_has_its_turn() {
    let (report, _folder) = kept(&["--workload", "w2", "--clients", "8", "--floor", "--rounds", "1"]);
    assert_complete(&report);
    let sides: Vec<_> = report["rounds"].as_array().unwrap().iter().map(|round| &round["side"]).collect();
    assert_eq!(sides, ["tercet", "floor"]);
    assert!(report["summary"]["ratio"]["rate"].as_f64().unwrap() > 0.0, "{report}");
    assert_eq!(messages(&verified(report["folder"].as_str().unwrap())), report["sent"].as_u64().unwrap());
}

#[test]
fn a_killed_server_loses_nothing_that_was_acked() {
    let (report, _folder) = kept(&["--workload", "W5", "--clients", "4"]);
    assert_complete(&report);
    assert_eq!(messages(&verified(report["folder"].as_str().unwrap())), report["sent"].as_u64().unwrap());
}

#[test]
fn a_message_is_timed_to_its_reader() {
    let (report, _folder) = kept(&["--workload", "W4"]);
    assert_complete(&report);
    let round = &report["rounds"][0];
    assert!(round["synced_p50_us"].as_u64().unwrap() >= round["p50_us"].as_u64().unwrap(), "{round}");
}

#[test]
fn starting_and_catching_up_are_measured_on_a_store_of_the_size_that_was_asked_for() {
    let report = bench(&["--workload", "W6", "--events", "3000", "--conversations", "7", "--json"]).ok();
    let report: Value = serde_json::from_str(&report).unwrap();
    let startup = &report["startup"];
    assert_eq!(startup["events"], 3_000);
    for field in ["ready_us", "ready_bytes", "catch_up_peak_bytes", "history_ns", "verify_peak_bytes"] {
        assert!(startup[field].as_u64().unwrap() > 0, "{field}: {report}");
    }
    for field in ["catch_up_rate", "verify_seconds"] {
        assert!(startup[field].as_f64().unwrap() > 0.0, "{field}: {report}");
    }
}

#[test]
fn what_is_said_in_a_room_comes_to_every_member_that_is_connected() {
    let (report, _folder) = kept(&["--workload", "W2", "--clients", "2", "--room", "--connections", "5"]);
    assert_complete(&report);
    let (sent, round) = (report["sent"].as_u64().unwrap(), &report["rounds"][0]);
    assert_eq!(round["deliveries"].as_u64(), Some(5 * sent), "{report}");
    assert!(report["bytes_per_connection"].is_u64(), "{report}"); // a few may fit into what was free anyway
    let verdict = verified(report["folder"].as_str().unwrap());
    // The room's beginning, four members that came after it, and two senders; each of these also notes that it follows.
    assert_eq!(messages(&verdict), sent + 5 + 2 + 2, "{verdict}");
}

#[test]
fn messages_go_to_as_many_conversations_as_were_asked_for() {
    let (report, _folder) = kept(&["--workload", "W1", "--conversations", "3", "--inflight", "8"]);
    assert_eq!(report["conversations"], 3);
    let verdict = verified(report["folder"].as_str().unwrap());
    let talked = verdict["conversations"].as_array().unwrap();
    let talked: Vec<_> = talked.iter().filter(|conversation| conversation["label"] != "directory").collect();
    assert_eq!(talked.len(), 3, "{verdict}");
}

#[test]
fn a_table_is_made_of_reports_and_of_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let line = |events: u32, rate: u32| {
        format!(r#"{{"workload":"W2","events":{events},"summary":{{"tercet":{{"rate":{rate}}}}}}}"#)
    };
    let (small, big) = (file("small", &line(1_000, 3_000)), file("big", &line(20_000, 2_900)));
    let table = bench(&["--table", &big, &small]).ok();
    let rows: Vec<_> = table.lines().take(4).collect();
    let expected = [
        "| events in the store | W2, messages/s |",
        "| --- | --- |",
        "| 1,000 | 3,000 |",
        "| 20,000 | 2,900 |",
    ];
    assert_eq!(rows, expected);
    bench(&["--table", &file("other", "not JSON")]).failed();
    bench(&["--table", &file("empty", "")]).failed();
}

#[test]
fn a_plot_is_made_of_reports_and_of_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let line = |events: u32, us: u32| {
        format!(r#"{{"workload":"W1","events":{events},"summary":{{"tercet":{{"p50_us":{us}}}}}}}"#)
    };
    let reports = file("reports", &format!("{}\n{}\n", line(0, 900), line(10_000, 950)));
    let svg = bench(&["--plot", &reports]).ok();
    assert!(svg.starts_with("<svg") && svg.matches("<circle").count() == 2, "{svg}");
    bench(&["--plot", &file("other", "not JSON")]).failed();
    bench(&["--plot", &file("empty", "")]).failed();
    bench(&["--plot", "/nonexistent/report"]).failed();
}

#[test]
fn flags_that_make_no_sense_are_refused() {
    for args in [
        &["--workload", "W7"][..],
        &["--clients", "0"],
        &["--inflight", "0"],
        &["--bytes", "0"],
        &["--bytes", "16385"],
        &["--for", "0s"],
        &["--for", "soon"],
        &["--rounds", "0"],
        &["--cluster", "/nonexistent/cluster.toml", "--keep"],
        &["--cluster", "/nonexistent/cluster.toml", "--events", "5"],
        &["--plot", "x", "--json"],
        &["--plot", "x", "--table", "x"],
        &["--connections", "10001"],
        &["--conversations", "0"],
        &["--room", "--conversations", "2"],
    ] {
        let ran = bench(args);
        assert!(ran.code == 3 && ran.err.contains("error:"), "{args:?}: {ran:?}");
    }
    bench(&["--workload", "W4", "--clients", "2"]).failed();
    bench(&["--workload", "W4", "--inflight", "2"]).failed();
    bench(&["--workload", "W4", "--room"]).failed();
    bench(&["--workload", "W4", "--conversations", "2"]).failed();
    bench(&["--workload", "W6", "--inflight", "2"]).failed();
    bench(&["--workload", "W6", "--connections", "2"]).failed();
    assert_eq!(bench(&["--cluster", "/nonexistent/cluster.toml"]).code, 3);
}
