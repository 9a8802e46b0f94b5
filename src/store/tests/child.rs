//! Part of a test in a process of its own, which may be killed, or may abort without taking the test along.
//!
//! The process is the test program again, told to run one test only; that test does nothing unless
//! [`role`] says that it is the child.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Longest wait for a line; only a child that hangs takes so long.
const PATIENCE: Duration = Duration::from_secs(120);
const ROLE: &str = "TERCET_TEST_CHILD";
const SAYS: &str = "child says: ";

/// What this process is to do as a child of the named test; `None` in the test itself.
pub(super) fn role(test: &str) -> Option<Vec<String>> {
    let role = std::env::var(ROLE).ok()?;
    let mut words = role.split('\n').map(str::to_owned);
    (words.next()? == test).then(|| words.collect())
}

/// Tells the parent something.
pub(super) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // One write, so that a kill leaves no half of it; the first line end is for what the test runner wrote.
    out.write_all(format!("\n{SAYS}{line}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

pub(super) struct Child {
    process: Process,
    lines: mpsc::Receiver<String>,
    errors: Option<std::thread::JoinHandle<String>>,
}

impl Child {
    /// Starts the test of this name in `store::tests` as a child with these arguments.
    pub(super) fn start(test: &str, args: &[&str]) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("store::tests::{test}"), "--nocapture", "--test-threads", "1"])
            .env(ROLE, [&[test], args].concat().join("\n"))
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some(line) = line.strip_prefix(SAYS) {
                    let _ = sender.send(line.to_owned());
                }
            }
        });
        let mut err = process.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = err.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Self { process, lines, errors: Some(errors) }
    }

    /// What it says next; `None` when it has ended.
    pub(super) fn hear(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("the child hangs"),
        }
    }

    /// Kills it with SIGKILL; answers what it had said by then and was not heard yet.
    pub(super) fn kill(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::iter::from_fn(|| self.hear()).collect()
    }

    /// How it ended, and what it wrote to standard error.
    pub(super) fn end(mut self) -> (ExitStatus, String) {
        let status = self.process.wait().unwrap();
        (status, self.errors.take().unwrap().join().unwrap())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
