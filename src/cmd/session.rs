//! One person's client, running: the pure machine with a real log, real connections and the real time.
//!
//! ```text
//!   link tasks --LinkEvent--> +---------+ --log, sync--> device log
//!   chat       --Command----> | machine | --frames-----> link queues
//!   time       --Tick-------> +---------+ --Notice-----> chat
//! ```
//!
//! Whatever has arrived is taken in one go: its entries are appended and synced once, and only then does
//! anything leave or appear (the machine's [`Effects`](crate::client::Effects) say so).
//!
//! Lines of the display and cursors are in no such hurry, and are gathered.

mod gathering;
mod naming;
mod notice;
mod servers;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::client::{Client, Config, Input};
use crate::cmd::blocked::Blocked;
use crate::cmd::comparing::{Answers, Comparing};
use crate::cmd::display_quorum::{self, DisplayQuorum};
use crate::cmd::failure::Failure;
use crate::cmd::home::{Cluster, Home};
use crate::cmd::{device, person};
use crate::event::{Conversation, EventError, Kind};
use crate::frame::{Presence, Role};
use crate::history::Entry;
use crate::id::AccountId;
use crate::limits::CLIENT_QUEUE;
use crate::net::link::close_all;
use crate::net::tls::Identity;
use crate::presence::Around;
use crate::text::Name;

use self::gathering::Gathered;
use self::naming::Registration;
pub use self::notice::{Change, Notice, Shown};
use self::servers::Links;
use self::worker::Worker;

/// Why something was not said. Nothing has been written then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SayError {
    /// It cannot be a message.
    #[error(transparent)]
    Event(#[from] EventError),
    /// No server would take it, and everything written after it would have to wait as long.
    #[error(
        "this machine's clock is {} s ahead of every connected server's; set the clock and start the chat again",
        .ahead_ms / 1_000
    )]
    ClockAhead {
        /// By how many milliseconds, at least.
        ahead_ms: u64,
    },
}

/// The answer to what was said, once it is on this machine's disk.
pub type Answer = oneshot::Receiver<Result<(), SayError>>;

type Question = Box<dyn FnOnce(&Client) + Send>;

enum Command {
    Perform { input: Box<Input>, reply: oneshot::Sender<Result<(), SayError>> },
    Ask(Question),
    Compare(Comparing),
    Present(Blocked),
    Typed,
    Redial,
}

/// How a session is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The reorder window Δ, milliseconds.
    pub window_ms: u64,
    /// Whether to go on as a new device, leaving the old log as it is.
    pub new_device: bool,
    /// How many servers must have told of a line before it is shown; `None` is what the log was opened with last.
    pub quorum: Option<DisplayQuorum>,
}

/// A running session. Dropping it ends the session at once, which loses nothing: see [`crate::client`].
#[derive(Debug)]
pub struct Session {
    commands: mpsc::Sender<Command>,
    worker: JoinHandle<Result<Option<Name>, Failure>>,
    /// Why the session has ended, if by itself.
    cause: Arc<OnceLock<Failure>>,
    log: PathBuf,
    home: Home,
    name: Name,
    around: Arc<Mutex<Around>>,
}

impl Session {
    /// Opens the person's device log, creating account and device on first use, and connects to every
    /// server of the cluster.
    ///
    /// # Errors
    /// Keys or log cannot be read or written, or another chat has the log open.
    pub fn open(
        cluster: &Cluster,
        name: &Name,
        options: Options,
    ) -> Result<(Self, mpsc::Receiver<Notice>), Failure> {
        display_quorum::check_first(options.quorum, cluster, name)?;
        let device = device::open(cluster, name, options.new_device)?;
        let identity = Arc::new(Identity::new(&device.key).map_err(|error| Failure::of(&error))?);
        let role = Role::Device { device: device.id, token: cluster.token().clone() };
        let config = Config {
            key: device.key,
            name: name.to_string(),
            device: device.id,
            view: cluster.view().clone(),
            window_ms: options.window_ms,
            quorum: options.quorum.map_or_else(|| last_quorum(&device.entries), DisplayQuorum::servers),
        };
        let (client, opening) = Client::resume_from(now_ms(), config, device.entries).map_err(|error| {
            Failure::new(format!("the log {} cannot be gone on with: {error}", device.log_path.display()))
                .next(format!("go on as a new device: tercet chat {name} --new-device"))
        })?;
        // By the newest view that this device knows, and before the log says what it was opened with.
        display_quorum::check(options.quorum, client.view())?;
        let (commands, command_queue) = mpsc::channel(CLIENT_QUEUE);
        let (notices, notice_queue) = mpsc::channel(CLIENT_QUEUE);
        let (events, link_events) = mpsc::channel(CLIENT_QUEUE);
        let mut links = Links { identity, role, events, links: BTreeMap::new() };
        links.follow(client.view());
        let view = Arc::new(client.view().clone());
        let mut worker = Worker {
            name: name.clone(),
            client,
            log: device.log,
            log_path: device.log_path.clone(),
            known_names: cluster.home().known_names(name),
            links,
            view,
            queues: BTreeMap::new(),
            ahead_ms: BTreeMap::new(),
            notices,
            registration: Registration::Open,
            names: (0, 0),
            called: BTreeMap::new(),
            gathered: Gathered::default(),
            comparing: None,
            presenting: None,
            around: Arc::default(),
        };
        worker.called = worker.everybody();
        worker.write(&opening)?;
        let around = Arc::clone(&worker.around);
        let cause = Arc::new(OnceLock::new());
        let ended = Arc::clone(&cause);
        let worker = tokio::spawn(async move {
            let mut command_queue = command_queue;
            let outcome = worker.run(&mut command_queue, link_events).await;
            if let Err(failure) = &outcome {
                // Set before the queue closes, so that whoever finds it closed can ask for the cause.
                let _first = ended.set(failure.clone());
                drop(command_queue);
                worker.tell(Notice::Failed(failure.what().to_owned())).await;
            }
            close_all(worker.links.links.into_values().collect()).await;
            let called = worker.client.directory().called(worker.client.account());
            outcome.map(|()| called.and_then(|name| name.parse().ok()))
        });
        let (home, name) = (cluster.home().clone(), name.clone());
        Ok((Self { commands, worker, cause, log: device.log_path, home, name, around }, notice_queue))
    }

    /// Where the device's log is.
    pub fn log(&self) -> &std::path::Path {
        &self.log
    }

    /// Writes a message: returns once it is on this machine's disk. What becomes of it then is told by
    /// [`Notice::Copies`].
    ///
    /// # Errors
    /// The outer one if the session has ended, the inner one if the text cannot be a message.
    pub async fn say(
        &self,
        conversation: Conversation,
        text: String,
    ) -> Result<Result<(), SayError>, Failure> {
        self.perform(Input::Say { conversation, kind: Kind::Post, body: text.into_bytes() }).await
    }

    /// Has the machine write something, as [`Session::say`] does.
    ///
    /// # Errors
    /// The outer one if the session has ended, the inner one if it cannot be written.
    pub async fn perform(&self, input: Input) -> Result<Result<(), SayError>, Failure> {
        match self.submit(input).await?.await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(self.ended().await),
        }
    }

    /// As [`Session::say`], but does not wait for this machine's disk; whoever waits for the answer does.
    ///
    /// # Errors
    /// If the session has ended.
    pub async fn submit(&self, input: Input) -> Result<Answer, Failure> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Perform { input: Box::new(input), reply }).await?;
        Ok(answer)
    }

    /// Asks the machine something.
    ///
    /// # Errors
    /// If the session has ended.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Client) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        let ask = move |client: &Client| {
            drop(reply.send(question(client))); // nobody waits any more: nothing is lost
        };
        self.send(Command::Ask(Box::new(ask))).await?;
        match answer.await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(self.ended().await),
        }
    }

    /// Asks every server that is connected what it holds of a conversation; replaces an earlier question.
    ///
    /// # Errors
    /// If the session has ended.
    pub async fn compare(&self, conversation: Conversation, servers: usize) -> Result<Answers, Failure> {
        let (comparing, answers) = Comparing::new(conversation, servers);
        self.send(Command::Compare(comparing)).await?;
        Ok(answers)
    }

    /// Says from here on that the person is here, to those who may know, but for whom they do not hear.
    ///
    /// # Errors
    /// If the session has ended.
    pub async fn present(&self, blocked: Blocked) -> Result<(), Failure> {
        self.send(Command::Present(blocked)).await
    }

    /// The person has typed a line.
    ///
    /// # Errors
    /// If the session has ended.
    pub async fn typed(&self) -> Result<(), Failure> {
        self.send(Command::Typed).await
    }

    /// Whether somebody is here and since when, Unix milliseconds, if they let this account know.
    pub fn presence(&self, account: AccountId) -> Option<(Presence, u64)> {
        self.around.lock().unwrap_or_else(PoisonError::into_inner).of(account)
    }

    /// Dials unreachable servers now instead of after their wait.
    ///
    /// # Errors
    /// If the session has ended.
    pub async fn redial(&self) -> Result<(), Failure> {
        self.send(Command::Redial).await
    }

    /// Ends the session and tells why it ended earlier, if it did. A person who has another name now is found
    /// under that from then on.
    ///
    /// # Errors
    /// What ended it: the log could not be written.
    pub async fn close(self) -> Result<(), Failure> {
        drop(self.commands);
        let ended =
            self.worker.await.map_err(|error| Failure::new(format!("the session broke off: {error}")))?;
        if let Some(called) = ended? {
            // What cannot move now can after the next session; until then it is found under the old name.
            let _moved = person::follow(&self.home, &self.name, &called);
        }
        Ok(())
    }

    /// Returns when the session has ended by itself; [`Session::close`] then says why.
    pub async fn broken(&self) {
        self.commands.closed().await;
    }

    async fn send(&self, command: Command) -> Result<(), Failure> {
        match self.commands.send(command).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.ended().await),
        }
    }

    async fn ended(&self) -> Failure {
        self.broken().await;
        self.cause.get().cloned().unwrap_or_else(|| Failure::new("the session has ended"))
    }
}

/// What a log was opened with last, so that a visit between two chats reads as they do.
fn last_quorum(entries: &[Entry]) -> usize {
    let quorum = |entry: &Entry| match entry {
        Entry::Opened { quorum, .. } => Some(*quorum as usize),
        _ => None,
    };
    entries.iter().rev().find_map(quorum).unwrap_or(1)
}

/// By how many milliseconds a process's clock is off, for `tercet chaos`, which sets it for its children.
pub const CLOCK_OFFSET_ENV: &str = "TERCET_CLOCK_OFFSET_MS";

/// The wall clock: Unix milliseconds; off by [`CLOCK_OFFSET_ENV`], if that is set.
pub fn now_ms() -> u64 {
    static OFFSET_MS: LazyLock<i64> =
        LazyLock::new(|| std::env::var(CLOCK_OFFSET_ENV).ok().and_then(|ms| ms.parse().ok()).unwrap_or(0));
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).saturating_add_signed(*OFFSET_MS)
}
