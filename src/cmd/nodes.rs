//! The servers of this machine as processes: how each is, and signals to it. Prints nothing.
//!
//! No signal is ever sent on the word of a pid alone: see [`super::pid`].

use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, kill_process};

use super::failure::Failure;
use super::home::Cluster;
use super::pid::{self, Health, Process, Record, Stale};

/// How long a server may take to stop before it is killed.
pub const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long the system may take to remove a killed process.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// How a server is, as far as its machine can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its process runs.
    Up(Process),
    /// SIGSTOP holds its process.
    Paused(Process),
    /// It has not been started, or has exited cleanly.
    Stopped,
    /// Its pid file is there and its process is not.
    Dead(Stale),
    /// Its folder is not on this machine.
    Elsewhere,
}

impl State {
    /// Its process, if it lives.
    pub fn process(&self) -> Option<Process> {
        match self {
            Self::Up(process) | Self::Paused(process) => Some(*process),
            Self::Stopped | Self::Dead(_) | Self::Elsewhere => None,
        }
    }
}

/// What can be sent to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Signal {
    /// The process ends at once: what a crash is like.
    Kill,
    /// It is asked to stop cleanly.
    Term,
    /// It hangs until it is continued.
    Stop,
    /// It goes on.
    Cont,
    /// As ctrl-C would.
    Int,
}

impl Signal {
    fn system(self) -> rustix::process::Signal {
        match self {
            Self::Kill => rustix::process::Signal::KILL,
            Self::Term => rustix::process::Signal::TERM,
            Self::Stop => rustix::process::Signal::STOP,
            Self::Cont => rustix::process::Signal::CONT,
            Self::Int => rustix::process::Signal::INT,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "SIGKILL",
            Self::Term => "SIGTERM",
            Self::Stop => "SIGSTOP",
            Self::Cont => "SIGCONT",
            Self::Int => "SIGINT",
        })
    }
}

/// A server that was running and is not any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Its name.
    pub name: String,
    /// The process it was.
    pub process: Process,
    /// Whether it had to be killed.
    pub killed: bool,
}

impl Cluster {
    /// How a server is.
    ///
    /// # Errors
    /// When there is and was none of this name, or its pid file cannot be read.
    pub fn state(&self, name: &str) -> Result<State, Failure> {
        if self.left(name).is_none() {
            self.member(name)?;
        }
        let folder = self.home().server(name);
        Ok(match pid::read(&folder.pid())? {
            Record::Live(process) if process.health() == Health::Paused => State::Paused(process),
            Record::Live(process) => State::Up(process),
            Record::Stale(stale) => State::Dead(stale),
            Record::Absent if folder.config().exists() => State::Stopped,
            Record::Absent => State::Elsewhere,
        })
    }

    /// How all servers are, in the order of the file.
    ///
    /// # Errors
    /// As [`Cluster::state`].
    pub fn states(&self) -> Result<Vec<(String, State)>, Failure> {
        self.names().into_iter().map(|name| Ok((name.to_owned(), self.state(name)?))).collect()
    }

    /// The process of a server that must be running for what is to be done.
    ///
    /// # Errors
    /// When it is not; says how to start it.
    pub fn running(&self, name: &str) -> Result<Process, Failure> {
        let start = format!("tercet cluster start {name}");
        match self.state(name)? {
            State::Up(process) | State::Paused(process) => Ok(process),
            State::Stopped => Err(Failure::new(format!("server {name} is not running")).next(start)),
            State::Dead(stale) => {
                Err(Failure::new(format!("server {name} is dead already: {stale}")).next(start))
            }
            State::Elsewhere => Err(elsewhere(self, name)),
        }
    }

    /// Sends a signal to a server. After SIGKILL, returns once the process is gone.
    ///
    /// # Errors
    /// When it is not running, or the system refuses.
    pub fn kill(&self, name: &str, signal: Signal) -> Result<Process, Failure> {
        let process = self.running(name)?;
        if !send(name, process, signal)? {
            return self.running(name);
        }
        if signal == Signal::Kill && !all_gone(&[process], KILL_PATIENCE) {
            let what = format!("server {name} (pid {}) does not go away after SIGKILL", process.pid());
            return Err(Failure::new(what).next("it may be waiting for a disk; see dmesg"));
        }
        Ok(process)
    }

    /// Stops these servers, at once and cleanly; kills those that take longer than [`STOP_PATIENCE`]. Says
    /// who was running.
    ///
    /// # Errors
    /// When the system refuses, or somebody outlives even SIGKILL; the others are stopped all the same.
    pub fn stop(&self, names: &[&str]) -> Result<Vec<Stopped>, Failure> {
        let mut stopping = Vec::new();
        for name in names {
            if let Some(process) = self.state(name)?.process() {
                stopping.push(Stopped { name: (*name).to_owned(), process, killed: false });
            }
        }
        let mut first_failure = None;
        for server in &stopping {
            // A paused process hears SIGTERM only when it is continued.
            let sent = send(&server.name, server.process, Signal::Term)
                .and_then(|_| send(&server.name, server.process, Signal::Cont));
            first_failure = first_failure.or(sent.err());
        }
        let processes: Vec<Process> = stopping.iter().map(|server| server.process).collect();
        if !all_gone(&processes, STOP_PATIENCE) {
            for server in &mut stopping {
                if server.process.health() != Health::Gone {
                    server.killed = true;
                    first_failure = first_failure.or(self.kill(&server.name, Signal::Kill).err());
                }
            }
        }
        first_failure.map_or(Ok(stopping), Err)
    }

    /// Stops all servers, and those that have left and were not told. See [`Cluster::stop`].
    ///
    /// # Errors
    /// As [`Cluster::stop`].
    pub fn stop_all(&self) -> Result<Vec<Stopped>, Failure> {
        self.stop(&[self.names(), self.stragglers()].concat())
    }
}

/// Why a server cannot be handled here.
pub(super) fn elsewhere(cluster: &Cluster, name: &str) -> Failure {
    let folder = cluster.home().server(name);
    Failure::new(format!("server {name} is not on this machine: there is no {}", folder.config().display()))
        .next(format!("do this on the machine of server {name}"))
}

/// That no server at all can be handled here.
pub(super) fn none_here(cluster: &Cluster) -> Failure {
    let folder = cluster.home().servers();
    Failure::new(format!("no server of this cluster is on this machine: there is no {}", folder.display()))
}

/// Sends a signal; `false` if the process was gone.
fn send(name: &str, process: Process, signal: Signal) -> Result<bool, Failure> {
    let target = i32::try_from(process.pid()).ok().and_then(Pid::from_raw);
    let (Some(target), true) = (target, process.health() != Health::Gone) else { return Ok(false) };
    match kill_process(target, signal.system()) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => {
            let what = format!("send {signal} to server {name} (pid {})", process.pid());
            Err(Failure::io(what, &error.into()).next("do it as the user who started that server"))
        }
    }
}

/// Waits until none of the processes lives; `false` if one outlives the patience.
fn all_gone(processes: &[Process], patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if processes.iter().all(|process| process.health() == Health::Gone) {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        sleep(POLL);
    }
}
