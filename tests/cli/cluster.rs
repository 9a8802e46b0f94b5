//! `tercet cluster`: the life of a cluster from first start to purge.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::foreground::Foreground;
use crate::support::{TestCluster, wait_until};

fn modes(dir: &Path, found: &mut Vec<(String, u32)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        found.push((path.display().to_string(), metadata.permissions().mode() & 0o777));
        if metadata.is_dir() && path.file_name().unwrap() != "store" {
            modes(&path, found);
        }
    }
}

#[test]
fn up_makes_a_cluster_whose_files_are_private() {
    let cluster = TestCluster::up(3);
    for name in ["1", "2", "3"] {
        let status = cluster.status(name);
        assert_eq!(status["state"], "up");
        assert!(status["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    }
    assert_eq!(fs::metadata(cluster.dir()).unwrap().permissions().mode() & 0o777, 0o700);
    let mut found = Vec::new();
    modes(cluster.dir(), &mut found);
    assert!(found.len() > 10, "{found:?}");
    for (path, mode) in found {
        if path.ends_with("store") {
            continue;
        }
        assert!(mode == 0o600 || mode == 0o700, "{path} has mode {mode:o}");
    }
}

#[test]
fn up_shows_each_server_with_address_pid_and_store() {
    let cluster = TestCluster::empty();
    let out = cluster.run(&["cluster", "up", "--detach", "--nodes", "2"]).ok();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    for (heading, name) in [("name", "1"), ("store", "2")] {
        assert!(lines[0].contains(heading), "{out}");
        let pid = cluster.pid(name).to_string();
        let store = cluster.server(name).join("store").display().to_string();
        assert!(lines.iter().any(|line| line.contains(&pid) && line.contains(&store)), "{out}");
    }
    assert!(!out.contains('\u{1b}'), "no colours into a pipe: {out:?}");
}

#[test]
fn a_second_up_says_so_and_changes_nothing() {
    let cluster = TestCluster::up(2);
    let file = fs::read(cluster.dir().join("cluster.toml")).unwrap();
    let pids = [cluster.pid("1"), cluster.pid("2")];
    let out = cluster.run(&["cluster", "up", "--detach"]).ok();
    assert!(out.contains("running already"), "{out}");
    assert_eq!([cluster.pid("1"), cluster.pid("2")], pids);
    assert_eq!(fs::read(cluster.dir().join("cluster.toml")).unwrap(), file);
    let err = cluster.run(&["cluster", "up", "--detach", "--nodes", "5"]).failed();
    assert!(err.contains("has 2 servers, not 5"), "{err}");
}

#[test]
fn up_starts_only_the_dead_and_keeps_ports_and_data() {
    let cluster = TestCluster::up(3);
    let (first, address) = (cluster.pid("1"), cluster.status("2")["address"].clone());
    fs::write(cluster.server("2").join("store/kept"), "data").unwrap();
    cluster.run(&["kill", "2"]).ok();
    assert_eq!(cluster.state("2"), "dead");
    let ran = cluster.run(&["cluster", "up", "--detach"]);
    assert!(ran.err.contains("server 2: the pid file was stale"), "{ran:?}");
    ran.ok();
    assert_eq!(cluster.state("2"), "up");
    assert_eq!(cluster.status("2")["address"], address);
    assert_eq!(cluster.pid("1"), first);
    assert!(cluster.server("2").join("store/kept").exists());
}

#[test]
fn down_stops_all_and_up_starts_them_again() {
    let cluster = TestCluster::up(2);
    let out = cluster.run(&["cluster", "down"]).ok();
    assert!(out.contains("stopped server 1") && out.contains("stopped server 2"), "{out}");
    for name in ["1", "2"] {
        assert_eq!(cluster.state(name), "stopped");
    }
    let again = cluster.run(&["cluster", "down"]).ok();
    assert!(again.contains("no server"), "{again}");
    cluster.run(&["cluster", "up", "--detach"]).ok();
    assert_eq!(cluster.state("2"), "up");
}

#[test]
fn down_stops_a_paused_server_too() {
    let cluster = TestCluster::up(1);
    cluster.run(&["kill", "1", "--signal", "stop"]).ok();
    cluster.wait_for_state("1", "paused");
    let out = cluster.run(&["cluster", "down"]).ok();
    assert!(out.contains("stopped server 1"), "{out}");
}

#[test]
fn purge_deletes_the_cluster_and_nothing_else() {
    let cluster = TestCluster::up(1);
    fs::write(cluster.dir().join("letter.txt"), "mine").unwrap();
    let out = cluster.run(&["cluster", "down", "--purge"]).ok();
    assert!(out.contains("cluster.toml") && out.contains("holds other files"), "{out}");
    let left: Vec<_> = fs::read_dir(cluster.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["letter.txt"]);
    fs::remove_file(cluster.dir().join("letter.txt")).unwrap();
    cluster.run(&["cluster", "up", "--detach", "--nodes", "1"]).ok();
    cluster.run(&["cluster", "down", "--purge"]).ok();
    assert!(!cluster.dir().exists());
    assert!(cluster.run(&["cluster", "down", "--purge"]).failed().contains("there is no cluster in"));
}

#[test]
fn start_brings_back_one_server() {
    let cluster = TestCluster::up(3);
    cluster.run(&["kill", "2"]).ok();
    let out = cluster.run(&["cluster", "start", "2"]).ok();
    assert_eq!(out, format!("server 2 is ready (pid {})\n", cluster.pid("2")));
    let err = cluster.run(&["cluster", "start", "2"]).failed();
    assert!(err.contains("server 2 is running already"), "{err}");
    cluster.run(&["kill", "3"]).ok();
    let ran = cluster.run(&["cluster", "start", "2", "3", "1"]);
    assert!(ran.out.contains("server 3 is ready"), "one that runs keeps no other from starting: {ran:?}");
    assert_eq!(ran.code, 3, "{ran:?}");
    for name in ["1", "2"] {
        assert!(ran.err.contains(&format!("server {name} is running already")), "{ran:?}");
    }
}

#[test]
fn start_without_names_starts_all_that_is_down_and_says_what_runs() {
    let cluster = TestCluster::up(4);
    cluster.run(&["kill", "2"]).ok();
    cluster.run(&["kill", "3", "--signal", "term"]).ok();
    wait_until("server 3 has stopped", || cluster.state("3") == "stopped");
    cluster.run(&["kill", "4", "--signal", "stop"]).ok();
    let out = cluster.run(&["cluster", "start"]).ok();
    let [one, two, three, four] = ["1", "2", "3", "4"].map(|name| cluster.pid(name));
    let expected = [
        format!("server 1 is running already (pid {one})"),
        format!("server 4 is paused (pid {four}); it goes on after: tercet kill 4 --signal cont"),
        format!("server 2 is ready (pid {two})"),
        format!("server 3 is ready (pid {three})"),
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    cluster.run(&["kill", "4", "--signal", "cont"]).ok();
    let again = cluster.run(&["cluster", "start"]).ok();
    assert_eq!(again.matches("is running already").count(), 4, "{again}");
    assert_eq!(["1", "2", "3", "4"].map(|name| cluster.pid(name)), [one, two, three, four]);
}

#[test]
fn a_log_is_of_the_only_server_or_of_a_named_one() {
    let cluster = TestCluster::up(1);
    assert!(cluster.run(&["cluster", "logs"]).ok().contains("server 1"));
    let cluster = TestCluster::up(2);
    let err = cluster.run(&["cluster", "logs"]).failed();
    assert!(err.contains("which server's? there are 1, 2") && err.contains("tercet cluster logs 1"), "{err}");
}

#[test]
fn a_dead_server_that_cannot_be_started_is_still_dead() {
    let cluster = TestCluster::up(1);
    cluster.run(&["kill", "1"]).ok();
    let (key, kept) = (cluster.server("1").join("server.key"), cluster.server("1").join("kept.key"));
    fs::rename(&key, &kept).unwrap();
    cluster.run(&["cluster", "start", "1"]).failed();
    assert_eq!(cluster.state("1"), "dead");
    fs::rename(&kept, &key).unwrap();
    cluster.start("1");
    assert_eq!(cluster.state("1"), "up");
}

#[test]
fn logs_shows_the_last_lines_made_inert() {
    let cluster = TestCluster::up(1);
    cluster.run(&["cluster", "down"]).ok();
    let mut log = fs::OpenOptions::new().append(true).open(cluster.server("1").join("log.txt")).unwrap();
    log.write_all(b"one\n\x1b[31mtwo\n").unwrap();
    let shown = cluster.run(&["cluster", "logs", "1", "-n", "2"]).ok();
    assert_eq!(shown, "one\n␛[31mtwo\n");
    assert!(cluster.run(&["cluster", "logs", "1"]).ok().lines().count() > 2);
}

#[test]
fn logs_follows_what_is_said_later() {
    let cluster = TestCluster::up(1);
    let mut follower = std::process::Command::new(assert_cmd::cargo::cargo_bin("tercet"))
        .args(["cluster", "logs", "1", "-f", "-n", "0"])
        .env("TERCET_DIR", cluster.dir())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut log = fs::OpenOptions::new().append(true).open(cluster.server("1").join("log.txt")).unwrap();
    // The follower may still be on its way to the end of the file: it is told until it says something.
    let (heard, hear) = std::sync::mpsc::channel();
    std::thread::spawn(move || heard.send(lines.next().unwrap().unwrap()));
    let mut first = None;
    wait_until("the follower says something", || {
        log.write_all(b"news\n").unwrap();
        first = hear.try_recv().ok();
        first.is_some()
    });
    follower.kill().unwrap();
    follower.wait().unwrap();
    assert_eq!(first.as_deref(), Some("news"));
}

#[test]
fn the_foreground_tells_of_deaths_and_returns_and_stops_everything_at_the_end() {
    let cluster = TestCluster::empty();
    let mut up = Foreground::start(&cluster, &["cluster", "up", "--nodes", "2"]);
    up.is_told("ctrl-C stops");
    let pid = cluster.pid("2");
    cluster.run(&["kill", "2"]).ok();
    up.is_told(&format!("server 2 (pid {pid}) died: signal: 9 (SIGKILL)"));
    cluster.run(&["cluster", "start", "2"]).ok();
    up.is_told(&format!("server 2 is up again (pid {})", cluster.pid("2")));
    assert_eq!(up.interrupt(), 0);
    up.is_told("server 1 (pid");
    assert_eq!([cluster.state("1"), cluster.state("2")], ["stopped", "stopped"]);
}

#[test]
fn the_foreground_outlasts_a_restart_of_the_only_server() {
    let cluster = TestCluster::empty();
    let mut up = Foreground::start(&cluster, &["cluster", "up", "--nodes", "1"]);
    up.is_told("ctrl-C stops");
    cluster.run(&["cluster", "restart"]).ok();
    up.is_told(&format!("server 1 is up again (pid {})", cluster.pid("1")));
    assert_eq!(up.interrupt(), 0);
}

#[test]
fn the_foreground_ends_when_the_cluster_is_taken_down() {
    let cluster = TestCluster::empty();
    let mut up = std::process::Command::new(assert_cmd::cargo::cargo_bin("tercet"))
        .args(["cluster", "up", "--nodes", "1"])
        .env("TERCET_DIR", cluster.dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut table = BufReader::new(up.stdout.take().unwrap());
    table.read_line(&mut String::new()).unwrap();
    cluster.run(&["cluster", "down"]).ok();
    assert!(up.wait().unwrap().success());
}

#[test]
fn init_writes_a_folder_for_each_machine_that_works_wherever_it_is_copied() {
    let cluster = TestCluster::empty();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    let local = format!("berlin={address}");
    let out =
        cluster.run(&["cluster", "init", "--server", &local, "--server", "oslo=chat.example.org:7000"]).ok();
    for expected in ["server berlin", "server oslo", "tercet serve --config", "cluster.toml"] {
        assert!(out.contains(expected), "{out}");
    }
    let machine = tempfile::tempdir().unwrap();
    let there = machine.path().join("berlin");
    fs::rename(cluster.server("berlin"), &there).unwrap();
    drop(free);
    let mut serve = std::process::Command::new(assert_cmd::cargo::cargo_bin("tercet"))
        .args(["serve", "--config"])
        .arg(there.join("server.toml"))
        .spawn()
        .unwrap();
    wait_until("the copied server is ready", || there.join("pid").exists());
    kill_process(Pid::from_raw(i32::try_from(serve.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
    assert!(serve.wait().unwrap().success());
    assert!(!there.join("pid").exists(), "a clean exit removes the pid file");
    assert_ne!(
        cluster.state("berlin"),
        "stopped",
        "a server that is on another machine is not called stopped"
    );
}

#[test]
fn ctrl_c_while_servers_start_leaves_nobody_behind() {
    let cluster = TestCluster::up(2);
    cluster.run(&["cluster", "down"]).ok();
    // A server whose configuration never becomes readable never becomes ready.
    let config = cluster.server("2").join("server.key");
    fs::remove_file(&config).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &config,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_bits_truncate(0o600),
        0,
    )
    .unwrap();
    let mut up = std::process::Command::new(assert_cmd::cargo::cargo_bin("tercet"))
        .args(["cluster", "up"])
        .env("TERCET_DIR", cluster.dir())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    cluster.wait_for_state("1", "up");
    kill_process(Pid::from_raw(i32::try_from(up.id()).unwrap()).unwrap(), Signal::INT).unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(3));
    let mut err = String::new();
    std::io::Read::read_to_string(&mut up.stderr.take().unwrap(), &mut err).unwrap();
    assert!(err.contains("interrupted") && err.contains("next: tercet cluster up"), "{err}");
    assert_eq!([cluster.state("1"), cluster.state("2")], ["stopped", "stopped"]);
}
