//! Starting a server process and finding out that it is ready, or why it is not. Prints nothing.
//!
//! Ready means that the pid file names the very child we started: the contract of [`super::pid`].

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::config::ServerConfig;
use super::failure::Failure;
use super::files;
use super::home::{Cluster, ServerFolder};
use super::nodes::{State, elsewhere};
use super::pid::{self, Process, Record, Stale};
use super::session::CLOCK_OFFSET_ENV;
use crate::text::inert;

/// How long a server may take to be ready; it may have a long log to check.
const READY_PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait between two looks at a starting server.
pub const READY_POLL: Duration = Duration::from_millis(10);
/// How many lines of its log an error shows.
const LOG_LINES: usize = 10;
/// How much of its log an error looks at.
const LOG_BYTES: u64 = 16 * 1024;

/// A server whose process has been started and is not known to be ready.
#[derive(Debug)]
pub struct Starting {
    name: String,
    folder: ServerFolder,
    child: Child,
    log_from: u64,
    deadline: Instant,
    stale: Option<Stale>,
}

/// A server that is ready.
#[derive(Debug)]
pub struct Started {
    /// Its name.
    pub name: String,
    /// Its process.
    pub process: Process,
    /// The same, for whoever wants to wait for its end. Dropping it leaves the server running.
    pub child: Child,
    /// What its old pid file was, if that was stale and has been replaced.
    pub stale: Option<Stale>,
}

/// In which surroundings a process of a cluster is to run; by default in those of its starter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// A network namespace; its ports are not this process's, and are not looked at.
    pub netns: Option<String>,
    /// By how many milliseconds its clock is off.
    pub clock_offset_ms: i64,
}

impl Surroundings {
    /// This program, to be given its arguments. The process is the child itself, in a process group of its
    /// own so that ctrl-C does not reach it.
    ///
    /// # Errors
    /// When the system does not say where this program is.
    pub fn tercet(&self) -> io::Result<Command> {
        let program = std::env::current_exe()?;
        let mut command = match &self.netns {
            None => Command::new(program),
            Some(netns) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", netns]).arg(program);
                command
            }
        };
        if self.clock_offset_ms != 0 {
            command.env(CLOCK_OFFSET_ENV, self.clock_offset_ms.to_string());
        }
        command.process_group(0);
        Ok(command)
    }
}

impl Cluster {
    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// As [`Cluster::spawn`] and [`Starting::poll`].
    pub fn start(&self, name: &str) -> Result<Started, Failure> {
        self.spawn(name)?.wait()
    }

    /// Starts a server's process, in a process group of its own so that ctrl-C does not reach it. Callers
    /// that share the folder with others hold [`super::Home::lock`].
    ///
    /// A stale pid file stays until the server that is ready replaces it: one that does not get so far is
    /// still dead, not stopped.
    ///
    /// # Errors
    /// When it is unknown, running or on another machine, its port is taken, or it cannot be started.
    pub fn spawn(&self, name: &str) -> Result<Starting, Failure> {
        self.spawn_in(name, &Surroundings::default())
    }

    /// As [`Cluster::spawn`], in other surroundings than our own.
    ///
    /// # Errors
    /// As [`Cluster::spawn`].
    pub fn spawn_in(&self, name: &str, surroundings: &Surroundings) -> Result<Starting, Failure> {
        let stale = match self.state(name)? {
            State::Up(process) | State::Paused(process) => {
                let what = format!("server {name} is running already (pid {})", process.pid());
                return Err(Failure::new(what).next("tercet cluster status"));
            }
            State::Elsewhere => return Err(elsewhere(self, name)),
            State::Stopped => None,
            State::Dead(stale) => Some(stale),
        };
        let folder = self.home().server(name);
        let config = ServerConfig::load(&folder.config())?;
        if surroundings.netns.is_none() {
            check_port(&config, &folder)?;
        }
        let log = files::append_to(&folder.log())?;
        let log_from = log.metadata().map_or(0, |metadata| metadata.len());
        let failed = |error| Failure::io(format!("start server {name}"), &error);
        let child = surroundings
            .tercet()
            .map_err(failed)?
            .arg("serve")
            .arg("--config")
            .arg(folder.config())
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let deadline = Instant::now() + READY_PATIENCE;
        Ok(Starting { name: name.to_owned(), folder, child, log_from, deadline, stale })
    }
}

impl Starting {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is ready by now; does not wait.
    ///
    /// # Errors
    /// When it has ended, or takes too long: then it is killed.
    pub fn poll(&mut self) -> Result<Option<Process>, Failure> {
        let failed = |name: &str, error| Failure::io(format!("wait for server {name}"), &error);
        if let Some(status) = self.child.try_wait().map_err(|error| failed(&self.name, error))? {
            return Err(self.ended(status));
        }
        if let Record::Live(process) = pid::read(&self.folder.pid())?
            && process.pid() == self.child.id()
        {
            return Ok(Some(process));
        }
        if Instant::now() > self.deadline {
            self.abandon();
            let what = format!("server {} was not ready after {} s", self.name, READY_PATIENCE.as_secs());
            return Err(Failure::new(what).next(format!("tercet cluster logs {}", self.name)));
        }
        Ok(None)
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// As [`Starting::poll`].
    pub fn wait(mut self) -> Result<Started, Failure> {
        loop {
            if let Some(process) = self.poll()? {
                return Ok(self.started(process));
            }
            sleep(READY_POLL);
        }
    }

    /// What [`Starting::poll`] has found ready.
    pub fn started(self, process: Process) -> Started {
        Started { name: self.name, process, child: self.child, stale: self.stale }
    }

    /// Gives up on it: it is killed.
    pub fn abandon(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn ended(&self, status: ExitStatus) -> Failure {
        let said = said_since(&self.folder, self.log_from).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(LOG_LINES)..].iter();
        let log: String = last.map(|line| format!("\n  | {}", inert(line))).collect();
        let log = if log.is_empty() { "\n  | (it said nothing)".to_owned() } else { log };
        Failure::new(format!("server {} ended before it was ready ({status}); it said:{log}", self.name))
            .next(format!("put right what it says, then: tercet cluster start {}", self.name))
    }
}

fn said_since(folder: &ServerFolder, from: u64) -> io::Result<String> {
    let mut log = File::open(folder.log())?;
    let end = log.metadata()?.len();
    log.seek(SeekFrom::Start(from.max(end.saturating_sub(LOG_BYTES))))?;
    let mut bytes = Vec::new();
    log.take(LOG_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Tells a taken port before the server does, since here the next step can name both files.
fn check_port(config: &ServerConfig, folder: &ServerFolder) -> Result<(), Failure> {
    let Err(error) = TcpListener::bind(&config.listen) else { return Ok(()) };
    let (name, listen) = (&config.name, &config.listen);
    let files =
        format!("`listen` in {} and `address` in {}", folder.config().display(), config.cluster.display());
    if error.kind() == io::ErrorKind::AddrInUse {
        let port = listen.rsplit_once(':').map_or("", |(_, port)| port);
        let what = format!(
            "port {port}, at which server {name} is to listen ({listen}), is taken by another program"
        );
        let next = format!("see who has it: ss -ltnp 'sport = :{port}'; stop that, or change {files}");
        return Err(Failure::new(what).next(next));
    }
    Err(Failure::io(format!("listen at {listen} for server {name}"), &error)
        .next(format!("correct {files}, or run this server on the machine with that address")))
}
