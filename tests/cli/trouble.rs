//! What the machine can have in store for a cluster, and what the person is told.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tercet::cmd::pid::Process;

use crate::support::{TestCluster, command, run};

#[test]
fn usage_errors_exit_3_and_help_exits_0() {
    let cluster = TestCluster::empty();
    for (args, code) in [
        (&["fly"][..], 3),
        (&["kill", "--signal", "hup"], 3),
        (&["kill", "--all", "2"], 3),
        (&["cluster", "up", "--nodes", "0"], 3),
        (&["cluster", "up", "--nodes", "33"], 3),
        (&["cluster", "init"], 3),
        (&["cluster", "init", "--server", "a=b"], 3),
        (&[], 0),
        (&["--help"], 0),
        (&["cluster", "up", "--help"], 0),
        (&["--version"], 0),
    ] {
        let ran = cluster.run(args);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert_eq!(ran.out.is_empty(), code != 0, "{args:?}: {ran:?}");
    }
    assert!(!cluster.dir().exists());
}

#[test]
fn without_a_cluster_everything_says_how_to_make_one() {
    let cluster = TestCluster::empty();
    for args in
        [&["cluster", "status"][..], &["cluster", "logs", "1"], &["cluster", "start", "1"], &["kill", "1"]]
    {
        let err = cluster.run(args).failed();
        assert!(err.contains("there is no cluster in") && err.contains("next: tercet cluster up"), "{err}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let err = run(command(Path::new("/dev/null/x")).args(["cluster", "up"])).failed();
    assert!(err.contains("/dev/null/x") && err.contains("--dir"), "{err}");
}

#[test]
fn the_dir_flag_goes_before_the_environment() {
    let (one, other) = (TestCluster::empty(), TestCluster::empty());
    let dir = other.dir().to_str().unwrap();
    one.run(&["cluster", "up", "--nodes", "1", "--detach", "--dir", dir]).ok();
    assert!(!one.dir().exists() && other.state("1") == "up");
}

#[test]
fn without_a_folder_given_state_lives_where_xdg_says() {
    let state = tempfile::tempdir().unwrap();
    let ran = run(command(Path::new(""))
        .env_remove("TERCET_DIR")
        .env("XDG_STATE_HOME", state.path())
        .args(["kill", "1"]));
    let expected = format!("there is no cluster in {}/tercet/local", state.path().display());
    assert!(ran.failed().contains(&expected));
}

#[test]
fn a_stale_pid_file_is_recognised_and_replaced() {
    let cluster = TestCluster::up(1);
    cluster.run(&["cluster", "down"]).ok();
    let pid = cluster.server("1").join("pid");
    let own = std::process::id();
    assert!(Process::of(own).is_some());
    for (text, expected) in [
        (format!("{own} 1\n"), format!("pid {own} belongs to another program now")),
        ("4000000 1\n".to_owned(), "process 4000000 is gone".to_owned()),
        ("nonsense".to_owned(), "it does not name a process".to_owned()),
    ] {
        fs::write(&pid, &text).unwrap();
        assert_eq!(cluster.state("1"), "dead", "{text:?}");
        let err = cluster.run(&["kill", "1"]).failed();
        assert!(err.contains(&expected), "{err}");
        let ran = cluster.run(&["cluster", "up", "--detach"]);
        assert!(ran.err.contains(&expected), "{ran:?}");
        ran.ok();
        assert_eq!(cluster.state("1"), "up");
        cluster.run(&["cluster", "down"]).ok();
    }
}

#[test]
fn a_taken_port_is_named_with_what_to_do() {
    let cluster = TestCluster::up(2);
    let address = cluster.status("2")["address"].as_str().unwrap().to_owned();
    cluster.run(&["cluster", "down"]).ok();
    let squatter = TcpListener::bind(&address).unwrap();
    let port = address.rsplit_once(':').unwrap().1;
    for args in [&["cluster", "up", "--detach"][..], &["cluster", "start", "2"]] {
        let err = cluster.run(args).failed();
        assert!(err.contains(&format!("port {port}, at which server 2")), "{err}");
        assert!(err.contains("ss -ltnp") && err.contains("cluster.toml"), "{err}");
    }
    assert_eq!([cluster.state("1"), cluster.state("2")], ["up", "stopped"]);
    cluster.run(&["cluster", "down"]).ok();
    cluster.run(&["cluster", "up"]).failed();
    assert_eq!(cluster.state("1"), "stopped", "the foreground leaves nobody behind");
    drop(squatter);
    cluster.run(&["cluster", "up", "--detach"]).ok();
}

#[test]
fn a_server_that_ends_at_once_is_quoted() {
    let cluster = TestCluster::up(2);
    cluster.run(&["cluster", "down"]).ok();
    fs::write(cluster.server("1").join("server.key"), "not a key").unwrap();
    let err = cluster.run(&["cluster", "start", "1"]).failed();
    assert!(err.contains("server 1 ended before it was ready"), "{err}");
    assert!(err.contains("| tercet:") && err.contains("server.key is not an Ed25519 private key"), "{err}");
}

#[test]
fn secrets_that_others_can_read_are_refused() {
    let cluster = TestCluster::up(1);
    cluster.run(&["cluster", "down"]).ok();
    for (file, args) in [
        (cluster.dir().join("cluster.toml"), &["cluster", "status"][..]),
        (cluster.server("1").join("server.key"), &["cluster", "start", "1"]),
    ] {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let err = cluster.run(args).failed();
        assert!(err.contains("(0644)") && err.contains(&format!("chmod 600 {}", file.display())), "{err}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_damaged_cluster_file_is_named_with_its_line() {
    let cluster = TestCluster::up(1);
    let path = cluster.dir().join("cluster.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("what = is this\n{text}")).unwrap();
    let err = cluster.run(&["cluster", "status"]).failed();
    assert!(err.contains("cluster.toml, line 1:"), "{err}");
    fs::write(&path, text).unwrap();
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let cluster = TestCluster::up(1);
    let program = assert_cmd::cargo::cargo_bin("tercet");
    let script = format!("'{}' cluster status | true; exit ${{PIPESTATUS[0]}}", program.display());
    let ran = run(assert_cmd::Command::new("bash").args(["-c", &script]).env("TERCET_DIR", cluster.dir()));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
}
