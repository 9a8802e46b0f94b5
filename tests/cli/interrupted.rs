//! Commands that play something with servers of their own, ended early: nobody is left behind.

use std::fs;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::wait_until;

/// A run that is still going, and what it started; none of them outlives the test.
struct Going {
    temporary: tempfile::TempDir,
    child: Child,
}

impl Going {
    fn start(args: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let child = Command::new(assert_cmd::cargo::cargo_bin("tercet"))
            .args(args)
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { temporary, child }
    }

    /// The processes that were given a path below the run's folder.
    fn started(&self) -> Vec<Pid> {
        let folder = self.temporary.path().as_os_str().as_encoded_bytes();
        let is_given = |pid: &Pid| {
            let args = fs::read(format!("/proc/{}/cmdline", pid.as_raw_pid())).unwrap_or_default();
            args.windows(folder.len()).any(|part| part == folder)
        };
        let pids = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| Pid::from_raw(entry.unwrap().file_name().to_str()?.parse().ok()?));
        pids.filter(is_given).collect()
    }

    /// What it says on standard error when this signal has ended it.
    fn ends_by(&mut self, signal: Signal) -> String {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        wait_until("it has ended", || self.child.try_wait().unwrap().is_some());
        let status = self.child.wait().unwrap();
        let mut err = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut err).unwrap();
        assert_eq!(status.code(), Some(3), "{status} {err}");
        err
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.started().into_iter().for_each(|pid| _ = kill_process(pid, Signal::KILL));
    }
}

#[test]
fn a_bench_that_is_ended_early_leaves_neither_servers_nor_a_folder() {
    let cases = [
        (Signal::TERM, &["bench", "--for", "10m"][..], 1), // while they all start
        (Signal::INT, &["bench", "--workload", "W2", "--clients", "4", "--for", "60m", "--floor"], 6),
        (Signal::HUP, &["bench", "--workload", "W6", "--events", "2000"], 1), // between its many starts
    ];
    for (signal, args, processes) in cases {
        let mut going = Going::start(args);
        wait_until("it has started them", || going.started().len() >= processes);
        let err = going.ends_by(signal);
        assert!(err.contains("interrupted") && err.contains("next: tercet bench"), "{args:?}: {err}");
        // A process of the floor ends by itself when the bench has.
        wait_until(&format!("nobody is left of {args:?}"), || going.started().is_empty());
        assert_eq!(fs::read_dir(going.temporary.path()).unwrap().count(), 0, "{args:?}");
    }
}

#[test]
fn a_demo_that_is_ended_early_leaves_no_servers() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut going = Going::start(&["demo", "--messages", "100000"]);
        wait_until("it has started them", || going.started().len() >= 3);
        let err = going.ends_by(signal);
        assert!(err.contains("interrupted") && err.contains("next: tercet demo"), "{err}");
        assert_eq!(going.started(), [], "after {signal:?}");
    }
}
