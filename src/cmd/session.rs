//! One person's client, running: the pure machine with a real log, real connections and the real time.
//!
//! ```text
//!   link tasks --LinkEvent--> +---------+ --log, sync--> device log
//!   chat       --Command----> | machine | --frames-----> link queues
//!   time       --Tick-------> +---------+ --Notice-----> chat
//! ```
//!
//! Whatever has arrived is taken in one go: its entries are appended and synced once, and only then does
//! anything leave or appear (the machine's [`Effects`] say so).
//!
//! Lines of the display and cursors are in no such hurry, and each would cost a sync or a frame of its own.
//! Lines wait for the next sync, [`LINES_WAIT`] at most. Cursors wait for the next upload, with which they share a
//! packet, [`CURSORS_WAIT`] at most; of several for one server the last goes out. Whoever sends us events may be
//! waiting for our cursor, and gets it at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, block_in_place};

use crate::client::{Action, Client, Config, Effects, Input};
use crate::cmd::blocked::Blocked;
use crate::cmd::comparing::{Answers, Comparing};
use crate::cmd::device;
use crate::cmd::display_quorum::{self, DisplayQuorum};
use crate::cmd::failure::Failure;
use crate::cmd::files;
use crate::cmd::home::{Cluster, Home};
use crate::cmd::person;
use crate::cmd::place::room_labels;
use crate::cmd::presenting::Presenting;
use crate::cmd::said::{Said, label};
use crate::event::{Conversation, Event, EventError, Kind};
use crate::frame::{Presence, Rejection, Role, ToClient, ToServer};
use crate::history::Entry;
use crate::id::{AccountId, EventId, Position, RoomId, ServerId};
use crate::limits::{CLIENT_QUEUE, CLOCK_AHEAD_MAX_MS, PROTOCOL_VERSION};
use crate::net::link::{Down, LinkEvent, LinkHandle, close_all, spawn_link};
use crate::net::queue::LinkQueue;
use crate::net::tls::Identity;
use crate::order::Key;
use crate::presence::Around;
use crate::store::DeviceLog;
use crate::text::Name;
use crate::view::View;

/// How long a line waits for a sync.
const LINES_WAIT: Duration = Duration::from_millis(20);
/// How long a cursor that only passes events of our own waits for an upload.
const CURSORS_WAIT: Duration = Duration::from_millis(100);

/// A message as a display shows it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The message.
    pub event: Arc<Event>,
    /// Whether to mark it late.
    pub late: bool,
    /// How many servers have it, if it is this device's own.
    pub copies: Option<usize>,
    /// What its author is called.
    pub author: String,
    /// What its conversation is called: by the other side's name, or the room's.
    pub with: String,
    /// What it says.
    pub said: Said,
}

impl Shown {
    /// A message with everything that is known of it now.
    pub fn of(client: &Client, event: &Arc<Event>, late: bool) -> Self {
        let own = event.device() == client.device();
        Self {
            event: Arc::clone(event),
            late,
            copies: own.then(|| client.copies(&event.id())),
            author: client.directory().name(event.account()),
            with: label(client, event.conversation()),
            said: Said::of(client, event),
        }
    }
}

/// What the session tells whoever runs it, in the order in which it happened.
#[derive(Debug, Clone)]
pub enum Notice {
    /// The next line of the display.
    Show(Shown),
    /// A message has reached more servers.
    Copies {
        /// Which message.
        id: EventId,
        /// How many have it.
        copies: usize,
    },
    /// The servers are others from here on.
    View {
        /// Which they were.
        before: Arc<View>,
        /// Which they are.
        now: Arc<View>,
    },
    /// The servers are fewer from here on than must have told of a line.
    OutOfReach {
        /// How many must.
        quorum: usize,
        /// How many there are.
        servers: usize,
    },
    /// A server is connected.
    Up {
        /// Which server.
        server: ServerId,
        /// How far its clock is ahead of ours, milliseconds.
        ahead_ms: i64,
    },
    /// A server is not connected, or no longer.
    Down {
        /// Which server.
        server: ServerId,
        /// Why.
        why: Down,
    },
    /// A server does not take a message for the time being.
    Rejected {
        /// Which server.
        server: ServerId,
        /// Why.
        why: Rejection,
    },
    /// A server came back without its log.
    LogLost {
        /// Which server.
        server: ServerId,
        /// How many events of ours it had acked.
        acked: usize,
    },
    /// Lines have waited long for their quorum.
    Waits {
        /// How many.
        lines: usize,
        /// How many servers have told of the one of which most have.
        told: usize,
        /// How many must.
        quorum: usize,
    },
    /// The name belongs to another account; nothing can be sent under it.
    NameTaken,
    /// The account was deleted, here or by another device; nothing can be sent with it.
    AccountClosed,
    /// Somebody is shown otherwise than before.
    Called {
        /// Who.
        account: AccountId,
        /// As what until now.
        before: String,
        /// As what from now on.
        now: String,
        /// Why.
        why: Change,
    },
    /// The account has its name.
    SignedIn,
    /// The session has ended by itself; the last notice.
    Failed(String),
    /// Everybody who has a name, and the rooms with their `#`, anew after each change.
    Names(Vec<String>),
    /// Events of other devices are here: checked, in their place, and on this device's disk.
    Arrived {
        /// How many.
        events: usize,
        /// When they had been checked, which is before the disk had them.
        checked: Instant,
    },
}

/// Why somebody is shown otherwise than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// They have taken another name.
    Renamed,
    /// Their name turned out to be somebody else's, who had taken it earlier; they have none now.
    Lost,
    /// The same, and they are called by a name again that they had before.
    FellBack,
    /// They have deleted their account.
    Closed,
}

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
        let (client, opening) = Client::resume(now_ms(), config, &device.entries).map_err(|error| {
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

/// By how much our clock is ahead of all connected servers', if by more than any of them would take. An event
/// written then would hold up all later ones until the servers' time has passed its own.
fn clock_ahead(servers_ahead_ms: &BTreeMap<ServerId, i64>) -> Option<u64> {
    let least = servers_ahead_ms.values().map(|ahead_ms| ahead_ms.saturating_neg()).min()?;
    u64::try_from(least).ok().filter(|ahead_ms| *ahead_ms > CLOCK_AHEAD_MAX_MS)
}

/// How far the account has come with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Registration {
    Open,
    Taken,
    Done,
    Closed,
}

struct Worker {
    name: Name,
    client: Client,
    log: DeviceLog,
    log_path: PathBuf,
    known_names: PathBuf,
    links: Links,
    /// The view that was last told of.
    view: Arc<View>,
    queues: BTreeMap<ServerId, LinkQueue>,
    /// How far each connected server's clock is ahead of ours.
    ahead_ms: BTreeMap<ServerId, i64>,
    notices: mpsc::Sender<Notice>,
    registration: Registration,
    /// How many names and conversations there were when names were told.
    names: (usize, usize),
    /// As what everybody was shown then.
    called: BTreeMap<AccountId, String>,
    gathered: Gathered,
    comparing: Option<Comparing>,
    presenting: Option<Presenting>,
    around: Arc<Mutex<Around>>,
}

/// A link to each server of the view.
struct Links {
    identity: Arc<Identity>,
    role: Role,
    events: mpsc::Sender<LinkEvent>,
    links: BTreeMap<ServerId, LinkHandle>,
}

impl Links {
    /// Connects to the servers of a view that were not known, and hangs up on those that it does not name.
    fn follow(&mut self, view: &View) {
        self.links.retain(|id, _| view.member(*id).is_some());
        let hello = ToServer::Hello {
            version: PROTOCOL_VERSION,
            cluster: view.cluster(),
            view: view.id(),
            role: self.role.clone(),
        };
        for member in view.servers() {
            self.links.entry(member.id).or_insert_with(|| {
                spawn_link(member.clone(), Arc::clone(&self.identity), hello.clone(), self.events.clone())
            });
        }
    }

    fn redial_now(&self) {
        self.links.values().for_each(LinkHandle::redial_now);
    }
}

/// What is in no hurry: see the module.
#[derive(Debug, Default)]
struct Gathered {
    /// Lines whose entries are appended and not synced, in order.
    lines: Vec<(Arc<Event>, bool)>,
    /// When the lines are to be synced and shown.
    lines_due: Option<Instant>,
    /// The last cursor for each server, of home and of each room; what it says is held is on the disk.
    cursors: BTreeMap<(ServerId, Option<RoomId>), Position>,
    /// When the cursors are to be sent.
    cursors_due: Option<Instant>,
}

/// Whether an action may wait a little: see the module.
fn is_in_no_hurry(action: &Action) -> bool {
    matches!(action, Action::Show { .. } | Action::Send { frame: ToServer::Cursor { .. }, .. })
}

type Reply = (oneshot::Sender<Result<(), SayError>>, Result<(), SayError>);

/// What one turn of the worker brings about.
#[derive(Default)]
struct Turn {
    effects: Effects,
    replies: Vec<Reply>,
    notices: Vec<Notice>,
}

impl Worker {
    async fn run(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        mut events: mpsc::Receiver<LinkEvent>,
    ) -> Result<(), Failure> {
        loop {
            let now = now_ms();
            let mut wait = Duration::from_millis(self.client.next_wake_ms(now).saturating_sub(now));
            if let Some(due) = self.gathered.lines_due {
                // What is due earlier can only be another line.
                wait = due.saturating_duration_since(Instant::now());
            }
            if let Some(due) = self.gathered.cursors_due {
                wait = wait.min(due.saturating_duration_since(Instant::now()));
            }
            let mut turn = Turn::default();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.command(command, &mut turn),
                    None => return self.finish_gathered().await,
                },
                Some(event) = events.recv() => self.link_event(event, &mut turn),
                () = tokio::time::sleep(wait) => self.step(Input::Tick, &mut turn),
            }
            for _ in 0..CLIENT_QUEUE {
                if let Ok(event) = events.try_recv() {
                    self.link_event(event, &mut turn);
                } else if let Ok(command) = commands.try_recv() {
                    self.command(command, &mut turn);
                } else {
                    break;
                }
            }
            if let Some(event) = self.client.overtaken() {
                return Err(self.overtaken(event));
            }
            self.present();
            self.register(&mut turn);
            self.tell_names(&mut turn);
            self.carry_out(turn).await?;
        }
    }

    fn step(&mut self, input: Input, turn: &mut Turn) {
        // Only what is to be written can fail, and it goes through `write_down`.
        let _unsaid = self.client.step(now_ms(), input, &mut turn.effects);
    }

    fn command(&mut self, command: Command, turn: &mut Turn) {
        match command {
            Command::Perform { input, reply } => {
                let said = self.write_down(*input, turn);
                turn.replies.push((reply, said));
            }
            Command::Ask(question) => question(&self.client),
            Command::Compare(comparing) => {
                self.send_all(&comparing.question());
                self.comparing = Some(comparing);
            }
            Command::Present(blocked) => self.presenting = Some(Presenting::new(now_ms(), blocked)),
            Command::Typed => {
                if let Some(presenting) = &mut self.presenting {
                    presenting.typed(now_ms());
                }
            }
            Command::Redial => self.links.redial_now(),
        }
    }

    fn write_down(&mut self, input: Input, turn: &mut Turn) -> Result<(), SayError> {
        if let Some(ahead_ms) = clock_ahead(&self.ahead_ms) {
            return Err(SayError::ClockAhead { ahead_ms });
        }
        Ok(self.client.step(now_ms(), input, &mut turn.effects)?)
    }

    fn link_event(&mut self, event: LinkEvent, turn: &mut Turn) {
        match event {
            // It has left, and its link told this before it was hung up.
            LinkEvent::Up { server, .. }
            | LinkEvent::Frame { server, .. }
            | LinkEvent::Down { server, .. }
                if self.client.view().member(server).is_none() => {}
            LinkEvent::Up { server, welcome, queue } => {
                self.queues.insert(server, queue);
                self.gathered.cursors.retain(|(of, _), _| *of != server);
                let ahead_ms =
                    i64::try_from(welcome.time_ms).unwrap_or(i64::MAX) - i64::try_from(now_ms()).unwrap_or(0);
                self.ahead_ms.insert(server, ahead_ms);
                turn.notices.push(Notice::Up { server, ahead_ms });
                if let Some(said) = self.presenting.as_ref().and_then(Presenting::all) {
                    self.send(server, said);
                }
                self.step(Input::Up { server, incarnation: welcome.incarnation }, turn);
                self.step(Input::Frame { server, frame: welcome.frame() }, turn);
            }
            LinkEvent::Frame { server, frame: answer @ ToClient::Digest { .. } } => {
                let next = self.comparing.as_mut().and_then(|all| all.take(&self.client, server, &answer));
                if let Some(next) = next {
                    self.send(server, next);
                }
            }
            LinkEvent::Frame { server, frame: ToClient::Present(told) } => self.around().take(server, told),
            LinkEvent::Frame { server, frame } => self.step(Input::Frame { server, frame }, turn),
            LinkEvent::Down { server, why } => {
                self.queues.remove(&server);
                self.ahead_ms.remove(&server);
                self.around().forget(server);
                turn.notices.push(Notice::Down { server, why });
                self.step(Input::Down { server }, turn);
            }
        }
    }

    /// Takes the name on first use, once a server has told who has which. A name that this log knows to be
    /// ours serves without a server too; should an earlier claim turn up later, the person is told then.
    fn register(&mut self, turn: &mut Turn) {
        let (directory, me) = (self.client.directory(), self.client.account());
        let found = match directory.account(self.name.as_str()) {
            _ if directory.is_closed(me) => Registration::Closed,
            // Perhaps another name than the folder's: one that it took elsewhere.
            _ if directory.called(me).is_some() => Registration::Done,
            _ if !self.client.is_caught_up() => return,
            Some(_) => Registration::Taken,
            None => {
                let body = self.name.as_str().as_bytes().to_vec();
                let conversation = Conversation::Directory;
                let _said = self.write_down(Input::Say { conversation, kind: Kind::Register, body }, turn);
                return;
            }
        };
        if found != self.registration {
            self.registration = found;
            turn.notices.push(match found {
                Registration::Taken => Notice::NameTaken,
                Registration::Closed => Notice::AccountClosed,
                _ => Notice::SignedIn,
            });
        }
    }

    fn tell_names(&mut self, turn: &mut Turn) {
        let names = (self.client.directory().changes(), self.client.conversations().count());
        if names != self.names {
            self.names = names;
            let mut all: Vec<String> =
                self.client.directory().all().map(|(name, _)| name.to_owned()).collect();
            all.extend(room_labels(&self.client));
            let list: String = all.iter().map(|name| format!("{}\n", crate::text::inert(name))).collect();
            // For the shell's completion only: without it that knows fewer names. Nothing waits for the disk.
            let _unwritten = files::write_unsynced(&self.known_names, list.as_bytes());
            turn.notices.push(Notice::Names(all));
            self.tell_changes(turn);
        }
    }

    /// Tells who is shown otherwise than before.
    fn tell_changes(&mut self, turn: &mut Turn) {
        let now = self.everybody();
        let called = std::mem::replace(&mut self.called, now);
        let (directory, me) = (self.client.directory(), self.client.account());
        if let Some(now) =
            directory.called(me).filter(|now| !called.contains_key(&me) && *now != self.name.as_str())
        {
            let (before, now) = (self.name.to_string(), now.to_owned());
            turn.notices.push(Notice::Called { account: me, before, now, why: Change::Renamed });
        }
        for (account, before) in called {
            let now = directory.name(account);
            let why = match directory.called(account) {
                _ if now == before => continue,
                _ if directory.is_closed(account) => Change::Closed,
                None => Change::Lost,
                Some(_) if directory.account(&before) != Some(account) => Change::FellBack,
                Some(_) => Change::Renamed,
            };
            turn.notices.push(Notice::Called { account, before, now, why });
        }
    }

    /// Everybody who has a name, with how they are shown.
    fn everybody(&self) -> BTreeMap<AccountId, String> {
        let directory = self.client.directory();
        directory.everybody().map(|(_, account)| (account, directory.name(account))).collect()
    }

    async fn carry_out(&mut self, turn: Turn) -> Result<(), Failure> {
        let arrived = turn.effects.log.iter().filter(|entry| matches!(entry, Entry::Received { .. })).count();
        let checked = Instant::now();
        let (later, now): (Vec<_>, Vec<_>) = turn.effects.actions.into_iter().partition(is_in_no_hurry);
        let synced = self.append(&turn.effects.log)?;
        for (reply, said) in turn.replies {
            drop(reply.send(said)); // whoever said it has gone; it is said all the same
        }
        if arrived > 0 {
            self.tell(Notice::Arrived { events: arrived, checked }).await;
        }
        for notice in turn.notices {
            self.tell(notice).await;
        }
        for action in now {
            if let Action::Send { server, frame: ToServer::Upload { .. } } = &action {
                self.send_cursors(Some(*server)).await;
            }
            self.act(action).await;
        }
        self.gather(later);
        if synced {
            self.show_gathered().await;
        }
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= Instant::now());
        // Whoever sends us events may be waiting for our cursor, to send more.
        if arrived > 0 || is_due(self.gathered.cursors_due) {
            self.send_cursors(None).await;
        }
        if is_due(self.gathered.lines_due) {
            self.finish_lines().await?;
        }
        Ok(())
    }

    fn gather(&mut self, later: Vec<Action>) {
        for action in later {
            match action {
                Action::Show { event, late } => {
                    self.gathered.lines_due.get_or_insert_with(|| Instant::now() + LINES_WAIT);
                    self.gathered.lines.push((event, late));
                }
                Action::Send { server, frame: ToServer::Cursor { room, position } } => {
                    self.gathered.cursors_due.get_or_insert_with(|| Instant::now() + CURSORS_WAIT);
                    self.gathered.cursors.insert((server, room), position);
                }
                _ => {}
            }
        }
    }

    /// Lines that are in the log on the disk.
    async fn show_gathered(&mut self) {
        self.gathered.lines_due = None;
        let lines = std::mem::take(&mut self.gathered.lines);
        self.show(lines).await;
    }

    /// Everything that was gathered.
    async fn finish_gathered(&mut self) -> Result<(), Failure> {
        self.send_cursors(None).await;
        self.finish_lines().await
    }

    /// The cursors that were gathered for one server, or for all.
    async fn send_cursors(&mut self, to: Option<ServerId>) {
        let is_for = |server: ServerId| to.is_none_or(|to| to == server);
        let gathered = self.gathered.cursors.extract_if(.., |(server, _), _| is_for(*server));
        for ((server, room), position) in gathered.collect::<Vec<_>>() {
            let frame = ToServer::Cursor { room, position };
            self.act(Action::Send { server, frame }).await;
        }
        if self.gathered.cursors.is_empty() {
            self.gathered.cursors_due = None;
        }
    }

    async fn finish_lines(&mut self) -> Result<(), Failure> {
        if !self.gathered.lines.is_empty() {
            self.sync()?;
            self.show_gathered().await;
        }
        Ok(())
    }

    /// What the authors of these lines, or of what they are about, have taken back by now. A line that is painted
    /// only now must not bring it back.
    fn taken_back(&self, lines: &[(Arc<Event>, bool)]) -> BTreeSet<EventId> {
        let mut oldest: BTreeMap<Conversation, Key> = BTreeMap::new();
        for (event, _) in lines {
            let target = event.target().and_then(|target| self.client.event(&target));
            let first = target.map_or(event.key(), |target| target.key().min(event.key()));
            let oldest = oldest.entry(event.conversation()).or_insert(first);
            *oldest = first.min(*oldest);
        }
        let later = oldest.into_iter().flat_map(|(conversation, oldest)| {
            let keys = self.client.transcript(conversation).into_iter().flat_map(|all| all.keys().rev());
            keys.take_while(move |key| *key > oldest)
        });
        let vouched = later.filter(|key| self.client.is_vouched(&key.id));
        let deletes = vouched.filter_map(|key| self.client.event(&key.id)).filter_map(|event| {
            let target = event.target().filter(|_| event.kind() == Kind::Delete)?;
            (self.client.event(&target)?.account() == event.account()).then_some(target)
        });
        deletes.collect()
    }

    /// The machine refuses to go on: a number of this device may have been given twice already.
    fn overtaken(&self, event: EventId) -> Failure {
        Failure::new(format!(
            "the servers hold a message of this device ({}) that its log {} does not: the log was restored \
             from a backup, or a copy of it is in use elsewhere",
            event.short(),
            self.log_path.display()
        ))
        .next(format!("go on as a new device, which gets everything: tercet chat {} --new-device", self.name))
    }

    /// Appends what opening has brought about, and has it on the disk.
    fn write(&mut self, effects: &Effects) -> Result<(), Failure> {
        self.append(&effects.log)?;
        if effects.must_sync() { self.sync() } else { Ok(()) }
    }

    /// Appends what has happened. What must be on the disk before anything leaves is, and so is then all that
    /// was appended before; says whether that was so.
    fn append(&mut self, entries: &[Entry]) -> Result<bool, Failure> {
        if entries.is_empty() {
            return Ok(false);
        }
        let must_sync = entries.iter().any(|entry| {
            matches!(entry, Entry::Begun { .. } | Entry::Authored { .. } | Entry::Received { .. })
        });
        self.log.append(entries).map_err(|error| Failure::of(&error))?;
        if must_sync {
            self.sync()?;
        }
        Ok(must_sync)
    }

    /// Appending only hands bytes to the operating system, so that the sync alone has others go on meanwhile.
    fn sync(&mut self) -> Result<(), Failure> {
        let log = &mut self.log;
        block_in_place(|| log.sync()).map_err(|error| Failure::of(&error))
    }

    fn send_all(&self, frame: &ToServer) {
        self.queues.keys().for_each(|server| self.send(*server, frame.clone()));
    }

    fn around(&self) -> MutexGuard<'_, Around> {
        self.around.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says to all whether the person is here, if that has changed.
    fn present(&mut self) {
        let news = self.presenting.as_mut().and_then(|all| all.news(now_ms(), &self.client));
        if let Some(news) = news {
            self.send_all(&news);
        }
    }

    fn send(&self, server: ServerId, frame: ToServer) {
        if let Some(queue) = self.queues.get(&server)
            && queue.try_send(frame).is_err()
        {
            queue.close(); // it does not take what it is sent: the link dials again
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Send { server, frame } => self.send(server, frame),
            Action::Drop { server, why } => {
                if let Some(queue) = self.queues.remove(&server) {
                    queue.close();
                }
                self.tell(Notice::Down { server, why: Down::Protocol(why) }).await;
            }
            Action::Show { event, late } => self.show(vec![(event, late)]).await,
            Action::Copies { id, copies } => self.tell(Notice::Copies { id, copies }).await,
            Action::Rejected { server, why, .. } => self.tell(Notice::Rejected { server, why }).await,
            Action::Waits { lines, told, quorum } => self.tell(Notice::Waits { lines, told, quorum }).await,
            Action::View(signed) => self.take_view(signed.into_view()).await,
            Action::LogLost { server, acked } => self.tell(Notice::LogLost { server, acked }).await,
        }
    }

    async fn take_view(&mut self, view: View) {
        self.links.follow(&view);
        self.queues.retain(|id, _| view.member(*id).is_some());
        self.ahead_ms.retain(|id, _| view.member(*id).is_some());
        let now = Arc::new(view);
        let before = std::mem::replace(&mut self.view, Arc::clone(&now));
        let (quorum, servers) = (self.client.quorum(), now.writable().count());
        let was_enough = before.writable().count() >= quorum;
        self.tell(Notice::View { before, now }).await;
        if was_enough && servers < quorum {
            self.tell(Notice::OutOfReach { quorum, servers }).await;
        }
    }

    async fn show(&self, lines: Vec<(Arc<Event>, bool)>) {
        let taken_back = self.taken_back(&lines);
        for (event, late) in lines {
            let mut shown = Shown::of(&self.client, &event, late);
            shown.said = shown.said.without(&event, |id| taken_back.contains(id));
            self.tell(Notice::Show(shown)).await;
        }
    }

    async fn tell(&self, notice: Notice) {
        // Whoever stopped listening does not want to know; the log does.
        let _unheard = self.notices.send(notice).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_by_a_clock_that_is_ahead_of_every_server() {
        let bound = i64::try_from(CLOCK_AHEAD_MAX_MS).unwrap();
        let cases: [(&[i64], Option<u64>); 6] = [
            (&[], None),
            (&[0, 5], None),
            (&[-bound], None),
            (&[-bound - 1], Some(CLOCK_AHEAD_MAX_MS + 1)),
            (&[-bound - 9, -1, -bound - 9], None),
            (&[bound * 2], None),
        ];
        for (servers, ahead) in cases {
            let servers =
                servers.iter().zip(0..).map(|(ahead_ms, n)| (ServerId::new([n; 32]), *ahead_ms)).collect();
            assert_eq!(clock_ahead(&servers), ahead, "{servers:?}");
        }
    }
}
