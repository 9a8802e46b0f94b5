//! The server as a state machine: `step(now, input, log, &mut outputs)`.
//!
//! ```text
//!   Upload --> known? parents in the log? time in bounds? --> Write::Append --> (the store syncs)
//!                  |            |                |                                   |
//!               Receipts     Missing          Rejected           Synced --> Receipts, Feed
//! ```
//!
//! **Invariants**
//! - An event's parents stand before it in the log (rule 4), so every prefix of the log is causally closed.
//! - Nothing tells anyone of a position before [`Input::Synced`] has covered it (rule 7): receipts and feeds
//!   are made from the durable log only; what is merely staged serves to find parents and duplicates.
//! - Whether an event is valid depends on it and its ancestors alone (rule 5). The clock is asked only about
//!   an author's own upload, and only for the time being (rule 3).
//!
//! The machine knows no socket, no file and no clock. It asks a [`Log`] for what is durable, says what is to
//! be written, and is told when that is on the disk. Time comes in as Unix milliseconds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_bytes::ByteBuf;

use crate::event::{Conversation, Event};
use crate::frame::{
    DeviceCursor, Item, Receipt, Refusal, Rejection, Role, ServerStatus, ToClient, ToServer, Token,
};
use crate::id::{AccountId, ClusterId, DeviceId, EventId, Incarnation, Position, RoomId, Seq, ServerId};
use crate::limits::{
    CLOCK_AHEAD_MAX_MS, FEED_FRAMES, FEED_WINDOW, FETCH_MAX, FOLLOWER_STALL_MS, FRAME_EVENTS,
    FRAME_EVENTS_BYTES, PROTOCOL_VERSION, PULL_MAX,
};

/// One connection, as long as it lasts; never used twice.
pub type ConnId = u64;

/// The events of a log that the same readers receive. A reader follows several and merges them by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Everybody's.
    Directory,
    /// The direct conversations of one account.
    Inbox(AccountId),
    /// A room's members'.
    Room(RoomId),
}

impl Stream {
    /// The streams that an event belongs to: one, or both sides' inboxes.
    pub fn of(conversation: Conversation) -> impl Iterator<Item = Self> {
        let (first, second) = match conversation {
            Conversation::Directory => (Self::Directory, None),
            Conversation::Direct(low, high) if low == high => (Self::Inbox(low), None),
            Conversation::Direct(low, high) => (Self::Inbox(low), Some(Self::Inbox(high))),
            Conversation::Room(room) => (Self::Room(room), None),
        };
        std::iter::once(first).chain(second)
    }

    /// The streams that an account reads.
    fn read_by(account: AccountId) -> [Self; 2] {
        [Self::Directory, Self::Inbox(account)]
    }
}

/// What the machine asks of the log below it. Answers cover what is durable, nothing else.
pub trait Log {
    /// Why the log cannot answer; it ends the server.
    type Error;

    /// Where an event stands.
    ///
    /// # Errors
    /// The log's own, as for every method here.
    fn position(&self, id: &EventId) -> Result<Option<Position>, Self::Error>;

    /// The event of this device and number that was stored first.
    ///
    /// # Errors
    /// See [`Log::position`].
    fn of_device(&self, device: DeviceId, seq: Seq) -> Result<Option<EventId>, Self::Error>;

    /// The event at a position.
    ///
    /// # Errors
    /// See [`Log::position`].
    fn event(&self, position: Position) -> Result<Option<Arc<Event>>, Self::Error>;

    /// At most `limit` places of a stream after `after` and up to `upto`, in log order.
    ///
    /// # Errors
    /// See [`Log::position`].
    fn scan(
        &self,
        stream: Stream,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<(Position, EventId)>, Self::Error>;

    /// Every device's cursor.
    ///
    /// # Errors
    /// See [`Log::position`].
    fn cursors(&self) -> Result<Vec<DeviceCursor>, Self::Error>;
}

/// One thing to be written. A batch of them is synced before [`Input::Synced`] comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The log's next event.
    Append {
        /// Its position: the next after the last.
        position: Position,
        /// The event.
        event: Arc<Event>,
        /// Whether another event has the same device and sequence number (rule 6).
        fork: bool,
    },
    /// A device's cursor has moved.
    Cursor(DeviceCursor),
}

/// A frame to the server whose events have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// [`ToServer::Upload`], each event right in itself.
    Upload(Vec<Arc<Event>>),
    /// Any other frame as it came.
    Plain(ToServer),
}

impl Request {
    /// Checks the events of an upload: about 50 µs each, so best done beside the machine.
    ///
    /// # Errors
    /// [`Refusal::InvalidEvent`]; an honest client never uploads such an event.
    pub fn from_frame(frame: ToServer) -> Result<Self, Refusal> {
        let ToServer::Upload { events } = frame else {
            return Ok(Self::Plain(frame));
        };
        let checked = events.iter().map(|bytes| Event::from_bytes(bytes).map(Arc::new));
        checked
            .collect::<Result<_, _>>()
            .map(Self::Upload)
            .map_err(|error| Refusal::InvalidEvent(error.to_string()))
    }
}

/// What happens to the server.
#[derive(Debug)]
pub enum Input {
    /// A connection stands; its TLS handshake proved that the other end holds this key.
    Opened {
        /// The new connection.
        conn: ConnId,
        /// The other end's Ed25519 public key.
        key: [u8; 32],
    },
    /// A connection says something.
    Request {
        /// Which connection.
        conn: ConnId,
        /// What it says.
        request: Request,
    },
    /// A connection is gone.
    Closed {
        /// Which connection.
        conn: ConnId,
    },
    /// Everything that was to be written up to this position is on the disk.
    Synced {
        /// The last durable position.
        upto: Position,
    },
    /// Time has passed; comes about once a second.
    Tick,
}

/// What the server wants done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Put this into the next batch.
    Write(Write),
    /// Send a frame. It may leave at once: its condition is met.
    Send {
        /// To whom.
        conn: ConnId,
        /// What.
        frame: ToClient,
    },
    /// End a connection, with this as its last frame.
    Refuse {
        /// Which connection.
        conn: ConnId,
        /// Why.
        refusal: Refusal,
    },
}

/// What a server knows before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its key.
    pub server: ServerId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// What admits accounts.
    pub token: Token,
    /// The view that it knows.
    pub epoch: u64,
    /// The cluster's servers; their keys may speak as peers.
    pub peers: BTreeSet<ServerId>,
    /// The life of its log.
    pub incarnation: Incarnation,
    /// When it started, Unix milliseconds.
    pub started_ms: u64,
}

/// The machine. See the module.
#[derive(Debug)]
pub struct Server {
    config: Config,
    durable: Position,
    forks: u64,
    staged: Staged,
    conns: BTreeMap<ConnId, Conn>,
    listeners: BTreeMap<Stream, BTreeSet<ConnId>>,
    cursors: BTreeMap<DeviceId, DeviceCursor>,
}

/// What has a position and is on its way to the disk.
#[derive(Debug, Default)]
struct Staged {
    events: BTreeMap<Position, (Arc<Event>, Vec<ConnId>)>,
    positions: BTreeMap<EventId, Position>,
    of_device: BTreeMap<(DeviceId, Seq), EventId>,
    bytes: usize,
}

#[derive(Debug)]
struct Conn {
    key: [u8; 32],
    state: ConnState,
}

#[derive(Debug)]
enum ConnState {
    Silent,
    Peer,
    Device { device: DeviceId, follow: Option<Follow> },
}

/// How a connection reads the log.
#[derive(Debug)]
struct Follow {
    bodies: bool,
    /// The log has been searched up to here for this reader.
    searched: Position,
    /// Whether the log holds more that was not searched, for want of window.
    behind: bool,
    /// Frames sent beyond the cursor: up to where, and how many items.
    open: VecDeque<(Position, usize)>,
    open_items: usize,
    moved_ms: u64,
}

impl Follow {
    fn has_room(&self) -> bool {
        self.open_items < FEED_WINDOW && self.open.len() < FEED_FRAMES
    }

    fn sent(&mut self, now_ms: u64, upto: Position, items: usize) {
        if self.open.is_empty() {
            self.moved_ms = now_ms;
        }
        self.searched = upto;
        self.open_items += items;
        self.open.push_back((upto, items));
    }

    fn cursor(&mut self, now_ms: u64, position: Position) {
        self.moved_ms = now_ms;
        while let Some((_, items)) = self.open.front().filter(|(upto, _)| *upto <= position) {
            self.open_items -= items;
            self.open.pop_front();
        }
    }
}

type Outputs = Vec<Output>;

impl Server {
    /// A server over a log that ends at `durable` and holds `forks` forks.
    pub fn new(config: Config, durable: Position, forks: u64) -> Self {
        Self {
            config,
            durable,
            forks,
            staged: Staged::default(),
            conns: BTreeMap::new(),
            listeners: BTreeMap::new(),
            cursors: BTreeMap::new(),
        }
    }

    /// Bytes of events that wait for the disk.
    pub fn staged_bytes(&self) -> usize {
        self.staged.bytes
    }

    /// Takes one input, appends what is to be done to `out`.
    ///
    /// # Errors
    /// The log's: the server cannot go on.
    pub fn step<L: Log>(
        &mut self,
        now_ms: u64,
        input: Input,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        match input {
            Input::Opened { conn, key } => {
                self.conns.insert(conn, Conn { key, state: ConnState::Silent });
                Ok(())
            }
            Input::Closed { conn } => {
                self.forget(conn);
                Ok(())
            }
            Input::Request { conn, request } => self.request(now_ms, conn, request, log, out),
            Input::Synced { upto } => self.synced(now_ms, upto, log, out),
            Input::Tick => {
                self.tick(now_ms, out);
                Ok(())
            }
        }
    }

    fn request<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        request: Request,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        let Some(entry) = self.conns.get(&conn) else {
            return Ok(()); // refused or closed while this was on its way
        };
        let key = entry.key;
        match (&entry.state, request) {
            (ConnState::Silent, Request::Plain(ToServer::Hello { version, cluster, role })) => {
                self.hello(now_ms, conn, version, cluster, role, out);
            }
            (ConnState::Silent, _) => self.refuse(conn, protocol("the first frame must be Hello"), out),
            (_, Request::Plain(ToServer::Hello { .. })) => self.refuse(conn, protocol("a second Hello"), out),
            (_, Request::Plain(ToServer::Ping)) => send(out, conn, ToClient::Pong),
            (_, Request::Plain(ToServer::Status)) => send(out, conn, ToClient::Status(self.status(now_ms))),
            (ConnState::Peer, Request::Plain(ToServer::Pull { after })) => {
                return self.pull(conn, after, log, out);
            }
            (_, Request::Plain(ToServer::Pull { .. })) | (ConnState::Peer, _) => {
                self.refuse(conn, Refusal::NotAPeer, out);
            }
            (ConnState::Device { device, .. }, Request::Upload(events)) => {
                let author = (AccountId::new(key), *device);
                return self.upload(now_ms, conn, author, events, log, out);
            }
            (ConnState::Device { .. }, Request::Plain(ToServer::Upload { .. })) => {
                self.refuse(conn, protocol("unchecked events"), out);
            }
            (ConnState::Device { .. }, Request::Plain(ToServer::Follow { after, bodies })) => {
                return self.follow(now_ms, conn, after, bodies, log, out);
            }
            (ConnState::Device { device, .. }, Request::Plain(ToServer::Cursor { position })) => {
                let cursor = DeviceCursor { account: AccountId::new(key), device: *device, position };
                return self.cursor(now_ms, conn, cursor, log, out);
            }
            (ConnState::Device { .. }, Request::Plain(ToServer::Fetch { ids })) => {
                return self.fetch(conn, AccountId::new(key), &ids, log, out);
            }
        }
        Ok(())
    }

    // ---- connections --------------------------------------------------------------------------------

    fn hello(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        version: u16,
        cluster: ClusterId,
        role: Role,
        out: &mut Outputs,
    ) {
        let Some(entry) = self.conns.get_mut(&conn) else { return };
        let refusal = match &role {
            _ if version != PROTOCOL_VERSION => Some(Refusal::Version { server: PROTOCOL_VERSION }),
            _ if cluster != self.config.cluster => Some(Refusal::Cluster(self.config.cluster)),
            Role::Device { token, .. } if !token.matches(&self.config.token) => Some(Refusal::Token),
            Role::Peer if !self.config.peers.contains(&ServerId::new(entry.key)) => Some(Refusal::NotAPeer),
            Role::Device { .. } | Role::Peer => None,
        };
        if let Some(refusal) = refusal {
            return self.refuse(conn, refusal, out);
        }
        entry.state = match role {
            Role::Device { device, .. } => ConnState::Device { device, follow: None },
            Role::Peer => ConnState::Peer,
        };
        let welcome = ToClient::Welcome {
            version: PROTOCOL_VERSION,
            incarnation: self.config.incarnation,
            position: self.durable,
            epoch: self.config.epoch,
            time_ms: now_ms,
        };
        send(out, conn, welcome);
    }

    fn refuse(&mut self, conn: ConnId, refusal: Refusal, out: &mut Outputs) {
        self.forget(conn);
        out.push(Output::Refuse { conn, refusal });
    }

    fn forget(&mut self, conn: ConnId) {
        let Some(Conn { key, state: ConnState::Device { follow: Some(_), .. } }) = self.conns.remove(&conn)
        else {
            return;
        };
        for stream in Stream::read_by(AccountId::new(key)) {
            if let Some(listeners) = self.listeners.get_mut(&stream) {
                listeners.remove(&conn);
                if listeners.is_empty() {
                    self.listeners.remove(&stream);
                }
            }
        }
    }

    fn tick(&mut self, now_ms: u64, out: &mut Outputs) {
        out.extend(
            std::mem::take(&mut self.cursors)
                .into_values()
                .map(|cursor| Output::Write(Write::Cursor(cursor))),
        );
        let stalled = |conn: &Conn| match &conn.state {
            ConnState::Device { follow: Some(follow), .. } => {
                follow.open_items > 0 && now_ms.saturating_sub(follow.moved_ms) > FOLLOWER_STALL_MS
            }
            _ => false,
        };
        let stalled: Vec<_> =
            self.conns.iter().filter(|(_, conn)| stalled(conn)).map(|(id, _)| *id).collect();
        for conn in stalled {
            self.refuse(conn, Refusal::TooSlow, out);
        }
    }

    fn status(&self, now_ms: u64) -> ServerStatus {
        ServerStatus {
            server: self.config.server,
            incarnation: self.config.incarnation,
            position: self.durable,
            connections: self.conns.len() as u64,
            forks: self.forks,
            uptime_ms: now_ms.saturating_sub(self.config.started_ms),
        }
    }

    // ---- writing ------------------------------------------------------------------------------------

    fn upload<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        uploader: (AccountId, DeviceId),
        events: Vec<Arc<Event>>,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        let mut receipts = Vec::new();
        for event in events {
            let id = event.id();
            if let Some(position) = log.position(&id)? {
                receipts.push(Receipt { id, position });
                continue;
            }
            if self.staged.wait_for(&id, conn) {
                continue;
            }
            let parents = self.parents(&event, log)?;
            let missing: Vec<_> =
                parents.iter().filter(|(_, parent)| parent.is_none()).map(|(id, _)| *id).collect();
            if !missing.is_empty() {
                send(out, conn, ToClient::Missing { id, parents: missing });
                continue;
            }
            if let Err(why) =
                fits_ancestors(&event, parents.iter().filter_map(|(_, parent)| parent.as_deref()))
            {
                self.refuse(conn, Refusal::InvalidEvent(why.to_string()), out);
                break;
            }
            let ahead_ms = event.time().millis().saturating_sub(now_ms);
            if uploader == (event.account(), event.device()) && ahead_ms > CLOCK_AHEAD_MAX_MS {
                send(out, conn, ToClient::Rejected { id, why: Rejection::ClockAhead { ahead_ms } });
                continue;
            }
            self.append(conn, event, log, out)?;
        }
        if !receipts.is_empty() {
            send(out, conn, ToClient::Receipts(receipts));
        }
        Ok(())
    }

    /// Each parent with its event, if it is durable or at least before this one in the log.
    fn parents<L: Log>(
        &self,
        event: &Event,
        log: &L,
    ) -> Result<Vec<(EventId, Option<Arc<Event>>)>, L::Error> {
        let find = |id: &EventId| {
            if let Some(staged) = self.staged.get(id) {
                return Ok(Some(staged));
            }
            match log.position(id)? {
                Some(position) => log.event(position),
                None => Ok(None),
            }
        };
        event.parents().iter().map(|id| Ok((*id, find(id)?))).collect()
    }

    fn append<L: Log>(
        &mut self,
        conn: ConnId,
        event: Arc<Event>,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        let position = self.durable + self.staged.events.len() as Position + 1;
        let twin = (event.device(), event.seq());
        let fork = self.staged.of_device.contains_key(&twin) || log.of_device(twin.0, twin.1)?.is_some();
        self.forks += u64::from(fork);
        self.staged.push(position, Arc::clone(&event), conn);
        out.push(Output::Write(Write::Append { position, event, fork }));
        Ok(())
    }

    fn synced<L: Log>(
        &mut self,
        now_ms: u64,
        upto: Position,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        let mut receipts: BTreeMap<ConnId, Vec<Receipt>> = BTreeMap::new();
        let mut deliveries: BTreeMap<ConnId, Vec<(Position, Arc<Event>)>> = BTreeMap::new();
        for (position, event, uploaders) in self.staged.take_upto(upto) {
            for conn in uploaders {
                receipts.entry(conn).or_default().push(Receipt { id: event.id(), position });
            }
            for conn in
                Stream::of(event.conversation()).filter_map(|stream| self.listeners.get(&stream)).flatten()
            {
                deliveries.entry(*conn).or_default().push((position, Arc::clone(&event)));
            }
        }
        self.durable = self.durable.max(upto);
        for (conn, receipts) in receipts {
            for some in receipts.chunks(FRAME_EVENTS) {
                send(out, conn, ToClient::Receipts(some.to_vec()));
            }
        }
        for (conn, fresh) in deliveries {
            self.deliver(now_ms, conn, fresh, log, out)?;
        }
        Ok(())
    }

    // ---- reading ------------------------------------------------------------------------------------

    fn follow<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        after: Position,
        bodies: bool,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        if after > self.durable {
            self.refuse(conn, protocol("a cursor beyond the end of the log"), out);
            return Ok(());
        }
        let Some(Conn { key, state: ConnState::Device { follow, .. } }) = self.conns.get_mut(&conn) else {
            return Ok(());
        };
        *follow = Some(Follow {
            bodies,
            searched: after,
            behind: true,
            open: VecDeque::new(),
            open_items: 0,
            moved_ms: now_ms,
        });
        for stream in Stream::read_by(AccountId::new(*key)) {
            self.listeners.entry(stream).or_default().insert(conn);
        }
        self.search(now_ms, conn, log, out)
    }

    fn cursor<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        cursor: DeviceCursor,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        if cursor.position > self.durable {
            self.refuse(conn, protocol("a cursor beyond the end of the log"), out);
            return Ok(());
        }
        let Some(Conn { state: ConnState::Device { follow: Some(follow), .. }, .. }) =
            self.conns.get_mut(&conn)
        else {
            self.refuse(conn, protocol("a cursor without a Follow"), out);
            return Ok(());
        };
        follow.cursor(now_ms, cursor.position);
        self.cursors.insert(cursor.device, cursor);
        self.search(now_ms, conn, log, out)
    }

    /// Hands events that have just become durable to one follower, if it is not behind anyway.
    fn deliver<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        fresh: Vec<(Position, Arc<Event>)>,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        let durable = self.durable;
        let Some((reader, follow)) = self.follower(conn) else { return Ok(()) };
        if follow.behind {
            return Ok(());
        }
        if !follow.has_room() || fresh.len() > FRAME_EVENTS {
            follow.behind = true;
            return self.search(now_ms, conn, log, out);
        }
        let mut frames = Frames::default();
        for (position, event) in &fresh {
            frames.push(item(*position, event, reader, follow.bodies));
        }
        frames.send(now_ms, conn, follow, durable, true, out);
        Ok(())
    }

    /// Looks for what a follower has not been sent, as far as its window allows.
    fn search<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        let durable = self.durable;
        let Some(account) = self.conns.get(&conn).map(|entry| AccountId::new(entry.key)) else {
            return Ok(());
        };
        let Some((reader, follow)) = self.follower(conn) else { return Ok(()) };
        while follow.behind && follow.has_room() {
            let mut found = Vec::new();
            for stream in Stream::read_by(account) {
                found.extend(log.scan(stream, follow.searched, durable, FRAME_EVENTS)?);
            }
            found.sort_unstable();
            follow.behind = found.len() >= FRAME_EVENTS;
            found.truncate(FRAME_EVENTS);
            let upto =
                if follow.behind { found.last().map_or(durable, |(position, _)| *position) } else { durable };
            let mut frames = Frames::default();
            for (position, id) in found {
                let own_or_announced = !follow.bodies;
                let full = if own_or_announced { None } else { log.event(position)? };
                frames.push(match full {
                    Some(event) => item(position, &event, reader, true),
                    None => Item { position, id, event: None },
                });
            }
            let caught_up = !follow.behind;
            frames.send(now_ms, conn, follow, upto, caught_up, out);
        }
        Ok(())
    }

    fn follower(&mut self, conn: ConnId) -> Option<(DeviceId, &mut Follow)> {
        match &mut self.conns.get_mut(&conn)?.state {
            ConnState::Device { device, follow: Some(follow) } => Some((*device, follow)),
            _ => None,
        }
    }

    fn fetch<L: Log>(
        &mut self,
        conn: ConnId,
        account: AccountId,
        ids: &[EventId],
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        if ids.len() > FETCH_MAX {
            self.refuse(conn, protocol("a Fetch of too many ids"), out);
            return Ok(());
        }
        let mut bodies = Vec::new();
        let mut bytes = 0;
        for id in ids {
            let Some(position) = log.position(id)? else { continue };
            let Some(event) = log.event(position)? else { continue };
            let readable =
                Stream::of(event.conversation()).any(|stream| Stream::read_by(account).contains(&stream));
            if !readable {
                continue;
            }
            if bytes + event.bytes().len() > FRAME_EVENTS_BYTES {
                send(out, conn, ToClient::Bodies(std::mem::take(&mut bodies)));
                bytes = 0;
            }
            bytes += event.bytes().len();
            bodies.push(ByteBuf::from(event.bytes()));
        }
        send(out, conn, ToClient::Bodies(bodies));
        Ok(())
    }

    fn pull<L: Log>(
        &mut self,
        conn: ConnId,
        after: Position,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        let mut items = Vec::new();
        let mut bytes = 0;
        let mut position = after;
        while position < self.durable && items.len() < PULL_MAX && bytes < FRAME_EVENTS_BYTES {
            position += 1;
            let Some(event) = log.event(position)? else { break };
            bytes += event.bytes().len();
            items.push(Item { position, id: event.id(), event: Some(ByteBuf::from(event.bytes())) });
        }
        let cursors = if position >= self.durable { log.cursors()? } else { Vec::new() };
        send(out, conn, ToClient::Log { items, tip: self.durable, cursors });
        Ok(())
    }
}

impl Staged {
    fn push(&mut self, position: Position, event: Arc<Event>, uploader: ConnId) {
        self.bytes += event.bytes().len();
        self.positions.insert(event.id(), position);
        self.of_device.insert((event.device(), event.seq()), event.id());
        self.events.insert(position, (event, vec![uploader]));
    }

    fn get(&self, id: &EventId) -> Option<Arc<Event>> {
        let (event, _) = self.events.get(self.positions.get(id)?)?;
        Some(Arc::clone(event))
    }

    /// Whether the event is staged; if so, the uploader gets a receipt when it is durable.
    fn wait_for(&mut self, id: &EventId, uploader: ConnId) -> bool {
        let Some((_, uploaders)) = self.positions.get(id).and_then(|position| self.events.get_mut(position))
        else {
            return false;
        };
        if !uploaders.contains(&uploader) {
            uploaders.push(uploader);
        }
        true
    }

    fn take_upto(&mut self, upto: Position) -> Vec<(Position, Arc<Event>, Vec<ConnId>)> {
        let later = self.events.split_off(&(upto + 1));
        let taken = std::mem::replace(&mut self.events, later);
        taken
            .into_iter()
            .map(|(position, (event, uploaders))| {
                self.bytes -= event.bytes().len();
                self.positions.remove(&event.id());
                self.of_device.remove(&(event.device(), event.seq()));
                (position, event, uploaders)
            })
            .collect()
    }
}

/// Items cut into frames of bounded size.
#[derive(Default)]
struct Frames {
    full: Vec<Vec<Item>>,
    items: Vec<Item>,
    bytes: usize,
}

impl Frames {
    fn push(&mut self, item: Item) {
        let bytes = item.event.as_ref().map_or(0, |event| event.len());
        if self.bytes + bytes > FRAME_EVENTS_BYTES {
            self.full.push(std::mem::take(&mut self.items));
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.items.push(item);
    }

    /// Sends everything; the last frame reaches up to `upto`, the others up to their last item.
    fn send(
        mut self,
        now_ms: u64,
        conn: ConnId,
        follow: &mut Follow,
        upto: Position,
        caught_up: bool,
        out: &mut Outputs,
    ) {
        self.full.push(self.items);
        let last = self.full.len() - 1;
        for (index, items) in self.full.into_iter().enumerate() {
            let is_last = index == last;
            let reached = if is_last { upto } else { items.last().map_or(upto, |item| item.position) };
            follow.sent(now_ms, reached, items.len());
            send(out, conn, ToClient::Feed { items, upto: reached, caught_up: caught_up && is_last });
        }
    }
}

/// A follower's own events come back to it as ids: it has them.
fn item(position: Position, event: &Event, reader: DeviceId, bodies: bool) -> Item {
    let whole = bodies && event.device() != reader;
    Item { position, id: event.id(), event: whole.then(|| ByteBuf::from(event.bytes())) }
}

/// What is wrong with an event beside its ancestors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its time must exceed every parent's (rule 3).
    #[error("its time is not after its parents'")]
    NotAfterParents,
    /// Causes do not cross conversations.
    #[error("a parent belongs to another conversation")]
    ForeignParent,
}

/// Checks an event against its parents: the part of validity that the event alone cannot show.
///
/// # Errors
/// See [`Unfit`].
pub fn fits_ancestors<'a>(event: &Event, parents: impl Iterator<Item = &'a Event>) -> Result<(), Unfit> {
    for parent in parents {
        if parent.conversation() != event.conversation() {
            return Err(Unfit::ForeignParent);
        }
        if parent.time() >= event.time() {
            return Err(Unfit::NotAfterParents);
        }
    }
    Ok(())
}

fn protocol(what: &str) -> Refusal {
    Refusal::Protocol(what.to_owned())
}

fn send(out: &mut Outputs, conn: ConnId, frame: ToClient) {
    out.push(Output::Send { conn, frame });
}
