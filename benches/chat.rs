//! What a client holds and takes in a room of any size.
//!
//!     cargo bench --bench chat -- [MESSAGES [MEMBERS]]
//!
//! A person's device log is written with a room of MEMBERS (200 if not said) who have said MESSAGES (2,000 if not said),
//! with edits, deletions, reactions and read marks among them. Then `tercet chat` runs as a process of its own over that log,
//! without a server, and is given one command after the other: printed are the memory that it has once it has
//! started, how long it takes to start, the first search, which makes an index, and the median of each command.
//! `TERCET=FILE` measures another program than the one of this tree.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on has failed")]

#[path = "../tests/shared/room.rs"]
mod room;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const STARTS: usize = 3;
const ROUNDS: usize = 9;
const FIRST_SEARCH: &str = "/search as it was";
const COMMANDS: [&str; 12] = [
    "/history",
    "/history 1000",
    "/search as before 7.",
    "/search as it should",
    "/search and more",
    "/search a",
    "/members",
    "/rooms",
    "/unread",
    "/seen member1",
    "/why",
    "/proof",
];

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let messages = args.next().map_or(2_000, |count| count.parse().unwrap());
    let members = args.next().map_or(200, |count| count.parse().unwrap());
    let program = std::env::var("TERCET").unwrap_or_else(|_| env!("CARGO_BIN_EXE_tercet").to_owned());
    let bare_kib = bare_kib(&program);
    let folder = tempfile::tempdir().unwrap();
    let events = room::write(&program, folder.path(), messages, members);
    println!("{messages} messages of {members} members, {events} events in all");
    let starts = (0..STARTS).map(|_| Chat::start(&program, folder.path()).started);
    let started = median(starts.collect());
    let mut chat = Chat::start(&program, folder.path());
    let (now_kib, most_kib) = chat.memory_kib();
    let per_event = now_kib.saturating_sub(bare_kib) * 1024 / events;
    println!(
        "start: {started:.1?}, {} MiB ({} at most), {per_event} bytes an event",
        now_kib / 1024,
        most_kib / 1024
    );
    let (before_kib, _) = chat.memory_kib();
    let first = chat.times(FIRST_SEARCH);
    let index_kib = chat.memory_kib().0.saturating_sub(before_kib);
    let per_message = index_kib * 1024 / messages;
    println!("first search: {first:.1?}, {index_kib} KiB for its index, {per_message} bytes a message");
    for command in COMMANDS {
        let taken = median((0..ROUNDS).map(|_| chat.times(command)).collect());
        println!("{command:24} {taken:10.1?}");
    }
    let (now_kib, most_kib) = chat.memory_kib();
    println!("after that: {} MiB ({} at most)", now_kib / 1024, most_kib / 1024);
}

/// What a chat takes that holds next to nothing.
fn bare_kib(program: &str) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    room::write(program, folder.path(), 1, 2);
    Chat::start(program, folder.path()).memory_kib().0
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

// ---- the chat -----------------------------------------------------------------------------------------

/// A chat that is typed into.
struct Chat {
    child: Child,
    input: ChildStdin,
    refusals: mpsc::Receiver<()>,
    started: Duration,
}

impl Chat {
    /// Runs until the first command is carried out.
    fn start(program: &str, folder: &Path) -> Self {
        let begun = Instant::now();
        let mut child = Command::new(program)
            .args(["chat", room::READER])
            .env("TERCET_DIR", folder)
            .env("XDG_CONFIG_HOME", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut out = child.stdout.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        let (refused, refusals) = mpsc::channel();
        let words = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            let refusal = |line: &String| line.contains("there is no command /done");
            words.lines().map_while(Result::ok).filter(refusal).try_for_each(|_| refused.send(()))
        });
        let mut chat = Self { child, input, refusals, started: Duration::ZERO };
        chat.times("/join #lab");
        chat.started = begun.elapsed();
        chat
    }

    /// How long it takes until a command is carried out: the one after it does not exist, which is said then.
    fn times(&mut self, command: &str) -> Duration {
        let begun = Instant::now();
        self.input.write_all(format!("{command}\n/done\n").as_bytes()).unwrap();
        self.refusals.recv().unwrap();
        begun.elapsed()
    }

    /// What it holds of memory, and what it has held at most.
    fn memory_kib(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches("kB").trim().parse().unwrap()
        };
        (of("VmRSS:"), of("VmHWM:"))
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}
