//! A `tercet serve` of the test's own, whose end it sees.

use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::people::Lines;
use crate::support::{TestCluster, wait_or_explain};

pub struct Serving {
    child: Child,
    words: Lines,
}

impl Serving {
    /// Starts a server that is down, and waits until it is up.
    pub fn start(cluster: &TestCluster, name: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let serving = Self::spawn(cluster, name, args, env);
        serving.says("listens at");
        serving
    }

    /// Starts a server that need not come up.
    pub fn spawn(cluster: &TestCluster, name: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        Self::with(&cluster.server(name).join("server.toml"), args, env)
    }

    /// Starts the server of a configuration, wherever that is.
    pub fn of(config: &Path) -> Self {
        Self::with(config, &[], &[])
    }

    fn with(config: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("tercet"))
            .arg("serve")
            .arg("--config")
            .arg(config)
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (words, _reading) = Lines::of(child.stderr.take().unwrap());
        Self { child, words }
    }

    /// In place of a running server of the cluster.
    pub fn take_over(cluster: &TestCluster, name: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        cluster.signal(&[name], "term");
        cluster.wait_for_state(name, "stopped");
        Self::start(cluster, name, args, env)
    }

    /// Waits for a line of its log.
    pub fn says(&self, what: &str) -> String {
        let mut found = None;
        let found_it = || {
            found = self.words().into_iter().find(|line| line.contains(what));
            found.is_some()
        };
        wait_or_explain(found_it, || format!("the server says {what:?}: {:#?}", self.words()));
        found.unwrap()
    }

    /// Its log so far.
    pub fn words(&self) -> Vec<String> {
        self.words.all()
    }

    /// Waits until it has ended by itself.
    pub fn ended(mut self) -> ExitStatus {
        let mut status = None;
        let ended = || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        };
        wait_or_explain(ended, || "the server ends".to_owned());
        status.unwrap()
    }

    /// Sends SIGTERM, waits for the end, and says how long it took.
    pub fn terminate(mut self) -> (ExitStatus, Duration, Vec<String>) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        let asked = Instant::now();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        (status, asked.elapsed(), self.words())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
