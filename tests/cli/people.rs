//! People who talk through pipes, and what their device logs say afterwards.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};

use tercet::event::{Event, Kind};
use tercet::history::Entry;
use tercet::id::{EventId, Seq};
use tercet::store::DeviceLog;

use crate::support::{Ran, TestCluster, wait_while_going_on};

/// Longer than anything here takes, so that a chat never gives up of its own.
const PATIENT: [&str; 2] = ["--timeout", "60"];

/// Ends only when every message is on all three servers.
pub const ON_ALL: [&str; 2] = ["--copies", "3"];

pub const ALL: [&str; 3] = ["1", "2", "3"];

/// A cluster in which alice and bob have their names and know each other's.
pub fn cluster_with_people() -> TestCluster {
    let cluster = TestCluster::up(3);
    for name in ["alice", "bob", "alice"] {
        let ran = Chat::start(cluster.dir(), name, &ON_ALL).finish();
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    cluster
}

/// Lines that a process has written so far.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub fn of(reader: impl Read + Send + 'static) -> (Self, std::thread::JoinHandle<()>) {
        let lines = Self::default();
        let sink = lines.clone();
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                sink.0.lock().unwrap().push(String::from_utf8(line).unwrap());
            }
        });
        (lines, reading)
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A `tercet chat` without a terminal, its input kept open.
pub struct Chat {
    child: Child,
    input: Option<ChildStdin>,
    out: Lines,
    err: Lines,
    reading: Vec<std::thread::JoinHandle<()>>,
}

impl Chat {
    /// Starts a chat in a cluster's folder.
    pub fn start(dir: &Path, name: &str, args: &[&str]) -> Self {
        let mut tercet = std::process::Command::new(assert_cmd::cargo::cargo_bin("tercet"));
        tercet.env("TERCET_DIR", dir).env("XDG_CONFIG_HOME", dir);
        Self::of(tercet, name, args)
    }

    /// Starts a chat of a program that knows its folder.
    pub fn of(mut tercet: std::process::Command, name: &str, args: &[&str]) -> Self {
        let mut child = tercet
            .args(["chat", name])
            .args(PATIENT.iter().filter(|_| !args.contains(&PATIENT[0])))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, reading_out) = Lines::of(child.stdout.take().unwrap());
        let (err, reading_err) = Lines::of(child.stderr.take().unwrap());
        let input = child.stdin.take();
        Self { child, input, out, err, reading: vec![reading_out, reading_err] }
    }

    /// Starts a chat, turned to somebody.
    pub fn with(dir: &Path, name: &str, other: &str, args: &[&str]) -> Self {
        let mut chat = Self::start(dir, name, args);
        chat.say(&format!("/dm {other}"));
        chat.is_told(&format!("talking to {other}"));
        chat
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn say(&mut self, line: &str) {
        self.say_bytes(line.as_bytes());
    }

    pub fn say_bytes(&mut self, line: &[u8]) {
        let input = self.input.as_mut().unwrap();
        // One write, so that a process killed in between has read the whole line or nothing of it.
        let line = [line, b"\n"].concat();
        input.write_all(&line).and_then(|()| input.flush()).unwrap();
    }

    /// Waits for a line on standard output.
    pub fn hears(&self, what: &str) -> String {
        self.finds(what, &self.out)
    }

    /// Waits for a line on standard error.
    pub fn is_told(&self, what: &str) -> String {
        self.finds(what, &self.err)
    }

    fn finds(&self, what: &str, lines: &Lines) -> String {
        let mut found = None;
        let found_it = || {
            found = lines.all().into_iter().find(|line| line.contains(what));
            found.is_some()
        };
        wait_while_going_on(
            found_it,
            || lines.count(),
            || format!("it says {what:?}\n  out: {:#?}\n  err: {:#?}", self.out.all(), self.err.all()),
        );
        found.unwrap()
    }

    /// Everything on standard output so far.
    pub fn lines(&self) -> Vec<String> {
        self.out.all()
    }

    /// Everything on standard error so far.
    pub fn words(&self) -> Vec<String> {
        self.err.all()
    }

    /// The messages that `author` is shown with so far, in order, without copies and marks.
    pub fn heard_from(&self, author: &str) -> Vec<String> {
        messages(&self.lines(), author)
    }

    /// As a crash would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends the input and waits for the end.
    pub fn finish(mut self) -> Ran {
        drop(self.input.take());
        let mut code = None;
        let out = self.out.clone();
        let ended = || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        };
        let lines = || out.count();
        wait_while_going_on(ended, lines, || format!("the chat ends\n{:#?}", out.all()));
        self.reading.drain(..).for_each(|reading| reading.join().unwrap());
        let text = |lines: &Lines| lines.all().iter().map(|line| format!("{line}\n")).collect();
        Ran { code: code.unwrap().code().unwrap_or(-1), out: text(&self.out), err: text(&self.err) }
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The messages by `author` among a chat's lines: `12:34 [with] author: text  3/3` gives `text`, and so does the
/// same after a `~N` of `/history`.
pub fn messages(lines: &[String], author: &str) -> Vec<String> {
    let by = format!("{author}: ");
    let text = |line: &String| {
        let numbered = line.strip_prefix('~').and_then(|rest| rest.split_once(' '));
        let line = numbered.map_or(line.as_str(), |(_, rest)| rest.trim_start());
        let (before, text) = line.split_once(&by)?;
        let is_heading = before.len() >= 6 && before.as_bytes()[2] == b':' && !before.contains('^');
        let text = text.split("  ").next()?;
        is_heading.then(|| text.to_owned())
    };
    lines.iter().filter_map(text).collect()
}

/// A person's device logs in this folder.
pub fn logs(dir: &Path, name: &str) -> Vec<PathBuf> {
    let devices = fs::read_dir(dir.join("people").join(name).join("devices")).unwrap();
    let logs = devices.map(|device| device.unwrap().path().join("log"));
    let mut logs: Vec<_> = logs.filter(|log| log.exists()).collect();
    logs.sort();
    logs
}

/// The entries of a person's only device log.
pub fn entries(dir: &Path, name: &str) -> Vec<Entry> {
    let logs = logs(dir, name);
    assert_eq!(logs.len(), 1, "{logs:?}");
    DeviceLog::read(&logs[0]).unwrap()
}

/// The messages that a device wrote, in order.
pub fn authored(entries: &[Entry]) -> Vec<(Seq, EventId, String)> {
    let event = |entry: &Entry| match entry {
        Entry::Authored { event, .. } => Some(Event::from_bytes(event).unwrap()),
        _ => None,
    };
    let posts = entries.iter().filter_map(event).filter(|event| event.kind() == Kind::Post);
    posts.map(|event| (event.seq(), event.id(), event.text().unwrap().to_owned())).collect()
}

/// The messages that a device showed, in order.
pub fn displayed(entries: &[Entry]) -> Vec<EventId> {
    let id = |entry: &Entry| match entry {
        Entry::Displayed { id, .. } => Some(*id),
        _ => None,
    };
    entries.iter().filter_map(id).collect()
}

/// `verify` finds nothing wrong and nothing unknown.
pub fn assert_valid(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("verdict: valid"), "{}", ran.out);
}

/// Another machine of the same person: the invitation and the key.
pub fn second_machine(cluster: &TestCluster, name: &str) -> tempfile::TempDir {
    let machine = tempfile::tempdir().unwrap();
    let person = machine.path().join("people").join(name);
    fs::create_dir_all(&person).unwrap();
    let key = cluster.dir().join("people").join(name).join("account.key");
    // fs::copy takes the mode along.
    fs::copy(key, person.join("account.key")).unwrap();
    fs::copy(cluster.dir().join("cluster.toml"), machine.path().join("cluster.toml")).unwrap();
    machine
}
