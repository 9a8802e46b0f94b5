//! A cluster folder of one test's own, whose servers do not outlive it.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::Value;

/// Longest wait for anything that should happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The standard output of a command that must have succeeded.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Standard error without the words on what is going on: servers that come and go, who is talked to.
    pub fn complaints(&self) -> String {
        let usual = ["-- server ", "-- talking to "];
        self.err.lines().filter(|line| !usual.iter().any(|usual| line.starts_with(usual))).collect()
    }

    /// The standard error of a command that could not run; it must name a next step.
    pub fn failed(self) -> String {
        assert_eq!(self.code, 3, "{self:?}");
        let first = self.err.lines().find(|line| !line.starts_with("-- ")); // a chat's words come before
        assert!(first.is_some_and(|line| line.starts_with("tercet: ")), "{self:?}");
        assert!(self.err.contains("\nnext: "), "no next step: {self:?}");
        self.err
    }
}

pub struct TestCluster {
    _temporary: tempfile::TempDir,
    _ports: Vec<OwnedFd>,
    dir: PathBuf,
}

/// A port that the system gives to nobody else. A socket that is bound and does not listen keeps it, and
/// lets whoever asks for this very port listen there.
fn reserve_port() -> (OwnedFd, u16) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt::set_socket_reuseaddr};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    set_socket_reuseaddr(&socket, true).unwrap();
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
    (socket, address.port())
}

impl TestCluster {
    /// A folder without a cluster.
    pub fn empty() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("cluster");
        Self { _temporary: temporary, _ports: Vec::new(), dir }
    }

    /// Running servers named 1 to `nodes`, whose ports stay theirs while they are down.
    pub fn up(nodes: usize) -> Self {
        let mut cluster = Self::empty();
        let reserved: Vec<_> = (0..nodes).map(|_| reserve_port()).collect();
        let servers: Vec<_> =
            (1..).zip(&reserved).map(|(name, (_, port))| format!("{name}=127.0.0.1:{port}")).collect();
        let args = servers.iter().flat_map(|server| ["--server", server]);
        cluster.run(&["cluster", "init"].into_iter().chain(args).collect::<Vec<_>>()).ok();
        cluster._ports = reserved.into_iter().map(|(socket, _)| socket).collect();
        cluster.run(&["cluster", "up", "--detach"]).ok();
        cluster
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn server(&self, name: &str) -> PathBuf {
        self.dir.join("servers").join(name)
    }

    pub fn command(&self) -> Command {
        command(&self.dir)
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        run(self.command().args(args))
    }

    /// One server's entry in `cluster status --json`.
    pub fn status(&self, name: &str) -> Value {
        let report: Value = serde_json::from_str(&self.run(&["cluster", "status", "--json"]).ok()).unwrap();
        let servers = report["servers"].as_array().unwrap();
        servers.iter().find(|server| server["name"] == name).unwrap().clone()
    }

    pub fn state(&self, name: &str) -> String {
        self.status(name)["state"].as_str().unwrap().to_owned()
    }

    pub fn pid(&self, name: &str) -> u32 {
        u32::try_from(self.status(name)["pid"].as_u64().unwrap()).unwrap()
    }

    /// Sends a signal to servers and waits for nothing.
    pub fn signal(&self, names: &[&str], signal: &str) {
        self.run(&[&["kill", "--signal", signal], names].concat()).ok();
    }

    pub fn start(&self, name: &str) {
        self.run(&["cluster", "start", name]).ok();
    }

    pub fn wait_for_state(&self, name: &str, state: &str) {
        wait_until(&format!("server {name} is {state}"), || self.state(name) == state);
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        for folder in std::fs::read_dir(self.dir.join("servers")).into_iter().flatten().flatten() {
            if let Ok(tercet::cmd::pid::Record::Live(process)) = tercet::cmd::pid::read(&folder.path().join("pid"))
                && let Some(pid) = i32::try_from(process.pid()).ok().and_then(rustix::process::Pid::from_raw)
                // A test that writes pid files of its own must not be its own victim.
                && process.pid() != std::process::id()
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

pub fn command(dir: &Path) -> Command {
    let mut command = Command::cargo_bin("tercet").unwrap();
    // The folder stands for the one with a person's own configuration, too.
    command.env("TERCET_DIR", dir).env("XDG_CONFIG_HOME", dir);
    command.env_remove("NO_COLOR").env_remove("CI").timeout(PATIENCE * 3);
    command
}

pub fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Polls a condition until it holds.
pub fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    wait_or_explain(holds, || what.to_owned());
}

/// Polls a condition until it holds; says what it was if it does not.
pub fn wait_or_explain(holds: impl FnMut() -> bool, what: impl Fn() -> String) {
    wait_while_going_on(holds, || 0, what);
}

/// As [`wait_or_explain`], with patience for as long as something goes on: while `done`, how much of it has been done,
/// grows. Thousands of lines take as long as they take.
pub fn wait_while_going_on(
    mut holds: impl FnMut() -> bool,
    done: impl Fn() -> usize,
    what: impl Fn() -> String,
) {
    let (mut before, mut deadline) = (done(), Instant::now() + PATIENCE);
    while !holds() {
        let now = done();
        if now > before {
            (before, deadline) = (now, Instant::now() + PATIENCE);
        }
        assert!(Instant::now() < deadline, "waited in vain until {}", what());
        std::thread::sleep(Duration::from_millis(20));
    }
}
