//! Which process a server is: the pid file and what `/proc` says.
//!
//! **The contract of `DIR/servers/NAME/pid`.** `serve` writes it, with [`PidFile::write`], once it is
//! listening and not before: whoever started it takes the file for its readiness. It holds the pid and the
//! process's start time (field 22 of `/proc/PID/stat`), so a pid that the system has given to another
//! program is never taken for the server. A clean exit removes it ([`PidFile::remove`]) as its last act, with
//! port and store free for a successor; any other leaves it, and a file that names no living process means "died".

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::files;

/// One process, told from all others that have had or will have its pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pid: u32,
    start_ticks: u64,
}

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It runs, or waits for something.
    Running,
    /// SIGSTOP holds it.
    Paused,
    /// It has ended, whether or not its parent has noticed: port, store and lock are free.
    Gone,
}

impl Process {
    /// The process that has this pid now.
    pub fn of(pid: u32) -> Option<Self> {
        Stat::of(pid).map(|stat| Self { pid, start_ticks: stat.start_ticks })
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it is now.
    pub fn health(&self) -> Health {
        match Stat::of(self.pid) {
            Some(stat) if stat.start_ticks == self.start_ticks => stat.health(),
            _ => Health::Gone,
        }
    }
}

/// What the system says of a process, or rather of its first thread.
struct Stat {
    state: char,
    threads: u64,
    start_ticks: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// See proc_pid_stat(5). The second field is the program's name in parentheses, which may hold
    /// parentheses and spaces itself.
    fn parse(text: &str) -> Option<Self> {
        let (_, after_name) = text.rsplit_once(')')?;
        let mut fields = after_name.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let threads = fields.nth(16)?.parse().ok()?;
        let start_ticks = fields.nth(1)?.parse().ok()?;
        Some(Self { state, threads, start_ticks })
    }

    /// The state is the first thread's. While others are still on their way out, the files that all share are
    /// open and its port is taken; the last one to go closes them before it is counted out.
    fn health(&self) -> Health {
        match self.state {
            'Z' | 'X' | 'x' if self.threads <= 1 => Health::Gone,
            'T' => Health::Paused,
            _ => Health::Running,
        }
    }
}

/// Why a pid file names no server of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// The process is no more.
    Gone(u32),
    /// The pid is another program's now.
    Recycled(u32),
    /// The file does not name a process.
    Garbage,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(pid) => write!(f, "process {pid} is gone"),
            Self::Recycled(pid) => write!(f, "pid {pid} belongs to another program now"),
            Self::Garbage => f.write_str("it does not name a process"),
        }
    }
}

/// What a pid file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// There is none.
    Absent,
    /// It names this process, which lives.
    Live(Process),
    /// It names nothing that lives.
    Stale(Stale),
}

/// Reads a pid file.
///
/// # Errors
/// When the operating system does not let us.
pub fn read(path: &Path) -> Result<Record, Failure> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if files::is_absent(&error) => return Ok(Record::Absent),
        Err(error) => return Err(Failure::io(format!("read {}", path.display()), &error)),
    };
    let Some(named) = parse(&bytes) else { return Ok(Record::Stale(Stale::Garbage)) };
    Ok(match (named.health(), Process::of(named.pid)) {
        (Health::Gone, Some(other)) if other.start_ticks != named.start_ticks => {
            Record::Stale(Stale::Recycled(named.pid))
        }
        (Health::Gone, _) => Record::Stale(Stale::Gone(named.pid)),
        _ => Record::Live(named),
    })
}

fn parse(bytes: &[u8]) -> Option<Process> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (pid, start_ticks) = text.trim_end().split_once(' ')?;
    // A pid of 0 or beyond i32 would be a process group or nothing in kill(2).
    let pid = pid.parse::<u32>().ok().filter(|pid| *pid > 0 && i32::try_from(*pid).is_ok())?;
    Some(Process { pid, start_ticks: start_ticks.parse().ok()? })
}

/// This process's own pid file.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Tells whoever waits that this process is the server and is listening. Replaces a stale file.
    ///
    /// # Errors
    /// When another living process has it, or it cannot be written.
    pub fn write(path: &Path) -> Result<Self, Failure> {
        let own = Process::of(std::process::id())
            .ok_or_else(|| Failure::new("/proc does not tell of this process").next("mount /proc"))?;
        match read(path)? {
            Record::Live(other) if other != own => {
                let what = format!("{} names process {}, which is running", path.display(), other.pid);
                return Err(Failure::new(what).next("stop that server first: tercet cluster down"));
            }
            _ => {}
        }
        files::write(path, format!("{} {}\n", own.pid, own.start_ticks).as_bytes())?;
        Ok(Self { path: path.to_path_buf() })
    }

    /// For a clean exit. On any other the file stays, as evidence.
    ///
    /// # Errors
    /// Names the file.
    pub fn remove(self) -> Result<(), Failure> {
        match fs::remove_file(&self.path) {
            Err(error) if !files::is_absent(&error) => {
                Err(Failure::io(format!("remove {}", self.path.display()), &error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_full_of_parentheses_does_not_shift_the_fields() {
        let stat = Stat::parse("7 (a) R (b) T 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 1 1").unwrap();
        assert_eq!((stat.state, stat.threads, stat.start_ticks), ('T', 1, 4711));
    }

    #[test]
    fn a_process_is_gone_when_its_last_thread_is_and_not_with_its_first() {
        for (state, threads, expected) in [
            // As SIGKILL leaves a server for a moment: the first thread is a zombie, a worker has the socket.
            ("Z", 2, Health::Running),
            ("X", 2, Health::Running),
            ("Z", 1, Health::Gone),
            ("Z", 0, Health::Gone),
            ("X", 1, Health::Gone),
            ("T", 4, Health::Paused),
            ("S", 4, Health::Running),
        ] {
            let line = format!("7 (tercet) {state} 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 {threads} 0 4711 0 0");
            assert_eq!(Stat::parse(&line).unwrap().health(), expected, "{line}");
        }
    }

    #[test]
    fn a_pid_file_is_live_only_for_the_very_process_that_wrote_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        let own = Process::of(std::process::id()).unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = child.id();
        child.wait().unwrap();
        let table = [
            (format!("{} {}\n", own.pid, own.start_ticks), Record::Live(own)),
            (format!("{} {}\n", own.pid, own.start_ticks + 1), Record::Stale(Stale::Recycled(own.pid))),
            (format!("{gone} 1\n"), Record::Stale(Stale::Gone(gone))),
            ("0 1\n".to_owned(), Record::Stale(Stale::Garbage)),
            ("4294967295 1\n".to_owned(), Record::Stale(Stale::Garbage)),
            ("what is this".to_owned(), Record::Stale(Stale::Garbage)),
            (String::new(), Record::Stale(Stale::Garbage)),
        ];
        for (text, expected) in table {
            fs::write(&path, &text).unwrap();
            assert_eq!(read(&path).unwrap(), expected, "{text:?}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&path).unwrap(), Record::Absent);
        let file = PidFile::write(&path).unwrap();
        assert_eq!(read(&path).unwrap(), Record::Live(own));
        file.remove().unwrap();
        assert!(!path.exists());
    }
}
