//! The clients of a run: `tercet chat` processes that are talked to through pipes, and what their logs say.
//!
//! A client that is killed loses what it had not read from its pipe, as a person's unsent line is lost. What it
//! had taken is in its device's log, with which it goes on when it is started again.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};

use super::action::PEOPLE;
use super::tally::{Counts, Tally};
use crate::cmd::failure::Failure;
use crate::cmd::files;
use crate::cmd::home::{Cluster, Home};
use crate::cmd::starting::Surroundings;
use crate::store::DeviceLog;
use crate::text::Name;

/// What the chats are given to come to an end; longer than any wait here.
const CHAT_TIMEOUT_S: &str = "90";
/// The room that all are in.
const ROOM: &str = "#lab";

/// Where something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// To one of the others alone.
    Person(usize),
    /// In the room that all are in.
    Room,
}

/// What becomes of a message as soon as it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterthought {
    /// Other words in its place.
    Edit,
    /// It is taken back: its words leave the disks.
    Delete,
}

/// All clients of a run.
#[derive(Debug)]
pub struct Crew {
    home: Home,
    servers: usize,
    netns: Option<String>,
    clients: Vec<Mutex<Client>>,
}

#[derive(Debug)]
struct Client {
    name: Name,
    child: Option<Child>,
    input: Option<ChildStdin>,
    talks_in: Option<Place>,
    clock_offset_ms: i64,
    tally: Tally,
}

impl Crew {
    /// So many clients, none of them running.
    ///
    /// # Errors
    /// When there are not so many names.
    pub fn new(cluster: &Cluster, clients: usize, netns: Option<String>) -> Result<Self, Failure> {
        let client = |name: &&str| {
            Ok(Mutex::new(Client {
                name: name.parse()?,
                child: None,
                input: None,
                talks_in: None,
                clock_offset_ms: 0,
                tally: Tally::default(),
            }))
        };
        let clients = PEOPLE.iter().take(clients).map(client).collect::<Result<_, Failure>>()?;
        Ok(Self { home: cluster.home().clone(), servers: cluster.names().len(), netns, clients })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Starts a client, or starts it again; `None` if it runs.
    ///
    /// # Errors
    /// When its process cannot be started.
    pub fn start(&self, index: usize, clock_offset_ms: i64) -> Result<Option<u32>, Failure> {
        let mut client = self.lock(index);
        if client.child.is_some() {
            return Ok(None);
        }
        client.clock_offset_ms = clock_offset_ms;
        self.spawn(&mut client, Stdio::piped()).map(Some)
    }

    /// Kills a client with SIGKILL; `None` if it does not run.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&self, index: usize) -> Result<Option<u32>, Failure> {
        let mut client = self.lock(index);
        let Some(mut child) = client.child.take() else { return Ok(None) };
        (client.input, client.talks_in) = (None, None);
        let name = client.name.clone();
        let failed = |error| Failure::io(format!("kill the chat of {name}"), &error);
        child.kill().and_then(|()| child.wait()).map_err(failed)?;
        Ok(Some(child.id()))
    }

    /// Has something said; `false` if the client is not there to say it, or does not listen.
    pub fn say(&self, from: usize, place: Place, text: &str, after: Option<Afterthought>) -> bool {
        let mut client = self.lock(from);
        let turn = match place {
            _ if client.talks_in == Some(place) => String::new(),
            Place::Person(to) => format!("/dm {}\n", PEOPLE.get(to).copied().unwrap_or_default()),
            Place::Room => format!("/join {ROOM}\n"),
        };
        let after = match after {
            None => String::new(),
            Some(Afterthought::Edit) => format!("/edit {text}, mended\n"),
            Some(Afterthought::Delete) => "/delete\n".to_owned(),
        };
        let said = client.hears(&format!("{turn}{text}\n{after}"));
        if said {
            client.talks_in = Some(place);
        }
        said
    }

    /// The first opens the room that all are in.
    pub fn open_room(&self) -> bool {
        self.lock(0).hears(&format!("/create {ROOM}\n"))
    }

    /// Those who are not in the room yet go there.
    pub fn join_room(&self) -> bool {
        (1..self.len()).all(|index| self.lock(index).hears(&format!("/join {ROOM}\n")))
    }

    /// Everybody's numbers, as far as their logs can be read at the moment.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for client in &self.clients {
            let name = lock(client).name.clone();
            let log = self.log(&name); // read without the lock: it takes a while
            let mut client = lock(client);
            if let Some(log) = log {
                client.tally.read(&log);
            }
            sum += client.tally.counts(self.servers);
        }
        sum
    }

    /// Whether everybody knows everybody's name.
    pub fn is_acquainted(&self) -> bool {
        let _counted = self.counts();
        self.clients.iter().all(|client| lock(client).tally.names() >= self.len())
    }

    /// Whether everybody knows that so many are in the room.
    pub fn is_in_room(&self, people: usize) -> bool {
        let _counted = self.counts();
        self.clients.iter().all(|client| lock(client).tally.in_room() >= people)
    }

    /// Clients that have ended and were not asked to, with what they ended with; each is told once.
    pub fn fallen(&self) -> Vec<(String, ExitStatus)> {
        let mut fallen = Vec::new();
        for client in &self.clients {
            let mut client = lock(client);
            if let Some(status) = client.ended() {
                fallen.push((client.name.to_string(), status));
            }
        }
        fallen
    }

    /// Nobody says anything any more; each ends when all it has said is on all servers.
    pub fn hang_up(&self) {
        self.clients.iter().for_each(|client| lock(client).input = None);
    }

    /// Everybody comes once more, reads what there is, and goes.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub fn read_once(&self) -> Result<(), Failure> {
        for client in &self.clients {
            let mut client = lock(client);
            client.clock_offset_ms = 0;
            self.spawn(&mut client, Stdio::null())?;
        }
        Ok(())
    }

    /// Those that have ended, with what they ended with, and how many have not.
    pub fn ended(&self) -> (Vec<(String, ExitStatus)>, usize) {
        let ended = self.fallen();
        (ended, self.clients.iter().filter(|client| lock(client).child.is_some()).count())
    }

    /// Which run, and which by a clock that is off.
    pub fn states(&self) -> Vec<(String, bool, i64)> {
        let state = |client: &Mutex<Client>| {
            let client = lock(client);
            (client.name.to_string(), client.child.is_some(), client.clock_offset_ms)
        };
        self.clients.iter().map(state).collect()
    }

    /// What a client has printed last.
    pub fn last_words(&self, name: &str) -> String {
        let text = std::fs::read(self.output(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        crate::text::inert(text.lines().last().unwrap_or("(nothing)"))
    }

    fn spawn(&self, client: &mut Client, input: Stdio) -> Result<u32, Failure> {
        let failed = |error| Failure::io(format!("start the chat of {}", client.name), &error);
        let surroundings =
            Surroundings { netns: self.netns.clone(), clock_offset_ms: client.clock_offset_ms };
        files::make_folder(&self.home.people().join(client.name.as_str()))?;
        let output = files::append_to(&self.output(client.name.as_str()))?;
        let mut child = surroundings
            .tercet()
            .map_err(failed)?
            .arg("--dir")
            .arg(self.home.dir())
            .args(["chat", client.name.as_str(), "--timeout", CHAT_TIMEOUT_S])
            .args(["--copies", &self.servers.to_string()])
            .stdin(input)
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output)
            .spawn()
            .map_err(failed)?;
        client.input = child.stdin.take();
        client.talks_in = None;
        if let Some(input) = &client.input {
            // A chat that hangs must not hang the one who talks to it.
            let set = fcntl_setfl(input, OFlags::NONBLOCK);
            set.map_err(|error| failed(io::Error::from(error)))?;
        }
        let pid = child.id();
        client.child = Some(child);
        Ok(pid)
    }

    /// What a client prints, all its lives after each other.
    fn output(&self, name: &str) -> std::path::PathBuf {
        self.home.people().join(name).join("chat.txt")
    }

    fn log(&self, name: &Name) -> Option<Vec<crate::history::Entry>> {
        let devices = files::list(&self.home.devices(name)).ok()?;
        // Each has one device for good: a chat that is killed goes on with it.
        DeviceLog::read(&devices.last()?.join("log")).ok()
    }

    fn lock(&self, index: usize) -> MutexGuard<'_, Client> {
        lock(&self.clients[index])
    }
}

impl Client {
    /// One write that does not wait, and is short enough for a pipe to take whole or not at all.
    fn hears(&mut self, lines: &str) -> bool {
        self.input.as_mut().is_some_and(|input| input.write_all(lines.as_bytes()).is_ok())
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        (self.child, self.input) = (None, None);
        Some(status)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for index in 0..self.len() {
            let _killed = self.kill(index);
        }
    }
}

fn lock(client: &Mutex<Client>) -> MutexGuard<'_, Client> {
    client.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks again and again until something holds; `false` if it does not in time.
pub fn within(patience: Duration, mut pause: impl FnMut() -> bool, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() > deadline || pause() {
            return false;
        }
    }
}
