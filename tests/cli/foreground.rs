//! A command that goes on until ctrl-C, without a terminal, and what it says meanwhile.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{TestCluster, wait_or_explain};

pub struct Foreground {
    child: Child,
    out: Said,
    err: Said,
}

/// The lines of one of its outputs.
struct Said {
    coming: Receiver<String>,
    heard: RefCell<Vec<String>>,
}

impl Said {
    fn of(reader: impl Read + Send + 'static) -> Self {
        let (say, coming) = channel();
        let lines = BufReader::new(reader).lines().map_while(Result::ok);
        std::thread::spawn(move || lines.for_each(|line| drop(say.send(line))));
        Self { coming, heard: RefCell::default() }
    }

    fn all(&self) -> Vec<String> {
        self.heard.borrow_mut().extend(self.coming.try_iter());
        self.heard.borrow().clone()
    }

    fn waits_for(&self, what: &str) -> String {
        let mut found = None;
        let holds = || {
            found = self.all().into_iter().find(|line| line.contains(what));
            found.is_some()
        };
        wait_or_explain(holds, || format!("it says {what:?}:\n{}", self.all().join("\n")));
        found.unwrap()
    }
}

impl Foreground {
    pub fn start(cluster: &TestCluster, args: &[&str]) -> Self {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("tercet"))
            .args(args)
            .env("TERCET_DIR", cluster.dir())
            .env("XDG_CONFIG_HOME", cluster.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (Said::of(child.stdout.take().unwrap()), Said::of(child.stderr.take().unwrap()));
        Self { child, out, err }
    }

    /// Waits for a line on standard output; returns it.
    pub fn says(&self, what: &str) -> String {
        self.out.waits_for(what)
    }

    /// Waits for a line on standard error; returns it.
    pub fn is_told(&self, what: &str) -> String {
        self.err.waits_for(what)
    }

    /// Standard output so far.
    pub fn lines(&self) -> Vec<String> {
        self.out.all()
    }

    /// Standard error so far.
    pub fn words(&self) -> Vec<String> {
        self.err.all()
    }

    /// As ctrl-C does: its exit status.
    pub fn interrupt(&mut self) -> i32 {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let mut status = None;
        let ended = || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        };
        wait_or_explain(ended, || "it ends after ctrl-C".to_owned());
        status.unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
