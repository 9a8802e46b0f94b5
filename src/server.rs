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
//! - A receipt for a whole event means that its body is on the disk too, unless it was deleted ([`crate::erasure`]).
//!   What is in the log without it and without a deletion, is asked for everywhere until it comes.
//! - Whether an event is valid depends on it and its ancestors alone (rule 5). The clock is asked only about
//!   an author's own upload, and only for the time being (rule 3).
//!
//! The machine knows no socket, no file and no clock. It asks a [`Log`] for what is durable, says what is to
//! be written, and is told when that is on the disk. Time comes in as Unix milliseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde_bytes::ByteBuf;

use crate::digests::{self, Digests};
use crate::event::{Event, Origin};
use crate::frame::{
    DeviceCursor, Item, Present, Receipt, Refusal, Rejection, Role, ServerStatus, ToClient, ToServer, Token,
};
use crate::id::{AccountId, ClusterId, DeviceId, EventId, Incarnation, Position, RoomId, ServerId};
use crate::limits::{
    CLOCK_AHEAD_MAX_MS, FETCH_MAX, FRAME_EVENTS, FRAME_EVENTS_BYTES, GUEST_MS, PRESENCE_TOLD_MAX,
    PROTOCOL_VERSION, PULL_MAX,
};
use crate::log::{Log, Write};
use crate::membership::Membership;
use crate::presence::Presences;
use crate::readers::{Caller, Readers, Told};
use crate::staged::Staged;
use crate::sync::{PeerCursor, Sync, ToPeer};
use crate::view::{SignedView, View, ViewError, ViewId};

/// One connection, as long as it lasts; never used twice.
pub type ConnId = u64;

/// A frame to the server whose events have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// [`ToServer::Upload`], each event right in itself.
    Upload(Vec<Arc<Event>>),
    /// Any other frame as it came.
    Plain(ToServer),
}

impl Request {
    /// Checks the events of one upload; [`crate::admission`] does so with many.
    ///
    /// # Errors
    /// [`Refusal::InvalidEvent`]; an honest client never uploads such an event.
    pub fn from_frame(frame: ToServer) -> Result<Self, Refusal> {
        let ToServer::Upload { events } = frame else {
            return Ok(Self::Plain(frame));
        };
        Event::all_from_bytes(events.iter().map(|bytes| bytes.as_slice()))
            .map(|events| Self::Upload(events.into_iter().map(Arc::new).collect()))
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
    /// A peer that this server dialled has answered.
    PeerUp {
        /// Which peer.
        peer: ServerId,
        /// The life of its log.
        incarnation: Incarnation,
    },
    /// How far a peer's log went when it answered; comes after [`Input::PeerUp`].
    PeerEnds {
        /// Which peer.
        peer: ServerId,
        /// Its last durable position.
        position: Position,
    },
    /// A peer that this server dialled says something; its `Welcome` comes after [`Input::PeerUp`].
    PeerFrame {
        /// Which peer.
        peer: ServerId,
        /// What it says.
        frame: ToClient,
    },
    /// The connection to a peer is gone.
    PeerDown {
        /// Which peer.
        peer: ServerId,
    },
    /// Everything that was to be written up to this position is on the disk.
    Synced {
        /// The last durable position.
        upto: Position,
    },
    /// Whoever runs this server hands it a view; connections bring views in frames.
    View(SignedView),
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
    /// Send a frame to a peer that this server dialled.
    SendPeer {
        /// To whom.
        peer: ServerId,
        /// What.
        frame: ToServer,
    },
    /// A peer sends what cannot be right: end the connection to it, and tell whoever runs this server.
    DropPeer {
        /// Which peer.
        peer: ServerId,
        /// What it sent.
        why: String,
    },
    /// End the connection to a peer, and dial it anew: what it was asked for does not apply any more.
    HangUp {
        /// Which peer.
        peer: ServerId,
    },
    /// This view is durable and in force: dial its other servers, and no others; nobody, if it does not name this
    /// server.
    View(SignedView),
    /// End a connection, with this as its last frame.
    Refuse {
        /// Which connection.
        conn: ConnId,
        /// Why.
        refusal: Refusal,
    },
}

/// What a server knows before it starts.
#[derive(Debug, Clone, Hash)]
pub struct Config {
    /// Its key.
    pub server: ServerId,
    /// What admits accounts.
    pub token: Token,
    /// The newest view on its disk: of its cluster file and its log. The members' keys may speak as peers.
    pub view: View,
    /// The life of its log.
    pub incarnation: Incarnation,
    /// When it started, Unix milliseconds.
    pub started_ms: u64,
}

/// The machine. See the module.
#[derive(Debug, Clone, Hash)]
pub struct Server {
    config: Config,
    durable: Position,
    syncs: Tally,
    forks: u64,
    staged: Staged,
    membership: Membership,
    /// Bodies that are on their way to the disk, by the positions of their events, and who uploaded them.
    filling: BTreeMap<Position, (EventId, BTreeSet<ConnId>)>,
    /// Up to which position hollow events were asked for; from the start again when all were.
    asked: Position,
    readers: Readers,
    /// Connections that are welcome to exchange views and to nothing else, each with since when.
    guests: BTreeMap<ConnId, (Guest, u64)>,
    cursors: BTreeMap<(DeviceId, Option<RoomId>), DeviceCursor>,
    sync: Sync,
    digests: Digests,
    presences: Presences,
}

/// A number for a person to read, on which nothing that the server does depends: two servers that differ in it
/// alone are in one state, and so it is no part of the hash.
#[derive(Debug, Clone, Copy)]
struct Tally(u64);

impl Hash for Tally {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Why a connection is welcome to exchange views only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Guest {
    /// A server that this view does not name knows a newer one. Whatever it says before that is let pass.
    Herald,
    /// It knows an older view, and has no business here by the newer one, which it is told.
    Outdated,
}

type Outputs = Vec<Output>;

/// What becomes of a body that is here, of an event that may lack it.
enum Fill {
    /// It is not needed.
    None,
    /// It is on its way to the disk.
    UnderWay,
    /// The event does not fit what it turns out to be about.
    Unfit(Unfit),
}

/// An event's parents, each with its event if that is before it in the log.
type Parents = Vec<(EventId, Option<Arc<Event>>)>;

impl Server {
    /// A server over a log that ends at `durable` and holds `forks` forks, and has read its peers' logs up to
    /// these cursors.
    pub fn new(config: Config, durable: Position, forks: u64, cursors: &[PeerCursor]) -> Self {
        let membership = Membership::new(config.server, config.view.clone());
        Self {
            sync: Sync::new(membership.read(), cursors),
            membership,
            guests: BTreeMap::new(),
            config,
            durable,
            syncs: Tally(0),
            forks,
            staged: Staged::default(),
            filling: BTreeMap::new(),
            asked: 0,
            readers: Readers::default(),
            cursors: BTreeMap::new(),
            digests: Digests::default(),
            presences: Presences::default(),
        }
    }

    /// Bytes of events that wait for the disk.
    pub fn staged_bytes(&self) -> usize {
        self.staged.bytes()
    }

    /// While it catches up with a peer: how many events it holds, and of how many (rule 13).
    pub fn syncing(&self) -> Option<(Position, Position)> {
        self.sync.goal().map(|goal| (self.durable, goal.max(self.durable)))
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
        self.readers.learn(self.durable, log)?;
        match input {
            Input::Opened { conn, key } => {
                self.readers.open(conn, key);
                Ok(())
            }
            Input::Closed { conn } => {
                self.readers.forget(conn);
                self.guests.remove(&conn);
                self.presences.forget(conn);
                Ok(())
            }
            Input::View(signed) => {
                let _ = self.hear_view(&signed.bytes(), out); // it was checked, or it is not newer
                Ok(())
            }
            Input::Request { conn, request } => self.request(now_ms, conn, request, log, out),
            Input::PeerUp { peer, incarnation } => {
                send_peers(out, self.sync.up(peer, incarnation));
                Ok(())
            }
            Input::PeerEnds { peer, position } => {
                self.sync.aim(peer, position);
                Ok(())
            }
            Input::PeerFrame { peer, frame } => self.peer_frame(now_ms, peer, frame, log, out),
            Input::PeerDown { peer } => {
                self.sync.down(peer);
                Ok(())
            }
            Input::Synced { upto } => self.synced(now_ms, upto, log, out),
            Input::Tick => {
                self.tick(now_ms, out);
                self.ask_for_bodies(log, out)?;
                let mut told = Vec::new();
                self.readers.catch_up(now_ms, self.durable, log, &mut told)?;
                send_all(out, told);
                send_all(out, self.presences.flush());
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
        let Some((_, caller)) = self.readers.get(conn) else {
            return Ok(()); // refused or closed while this was on its way
        };
        match (caller, request) {
            (_, request) if self.guests.contains_key(&conn) => self.guest_says(conn, request, out),
            (None, Request::Plain(ToServer::Hello { version, cluster, view, role })) => {
                self.hello(now_ms, conn, (version, cluster, view), &role, out);
            }
            (None, _) => self.refuse(conn, protocol("the first frame must be Hello"), out),
            (Some(_), Request::Plain(ToServer::Hello { .. })) => {
                self.refuse(conn, protocol("a second Hello"), out);
            }
            (Some(_), Request::Plain(ToServer::Ping)) => send(out, conn, ToClient::Pong),
            (Some(_), Request::Plain(ToServer::View(bytes))) => self.told_view(conn, &bytes, out),
            (Some(_), Request::Plain(ToServer::Status)) => {
                send(out, conn, ToClient::Status(self.status(now_ms)));
            }
            (
                Some(Caller::Device(account, device)),
                Request::Plain(ToServer::Present { presence, at_ms, tell }),
            ) => {
                if tell.len() > PRESENCE_TOLD_MAX {
                    self.refuse(conn, protocol("a Present to too many"), out);
                } else {
                    let present = Present { account, device, presence, at_ms };
                    self.presences.say(conn, present, tell.into_iter().collect());
                }
            }
            (Some(Caller::Peer), Request::Plain(ToServer::Present { .. })) => {
                self.refuse(conn, protocol("a Present by a peer, which is nobody"), out);
            }
            (Some(caller), Request::Plain(ToServer::Digest { conversation })) => {
                let answer = match self.readers.may_ask(caller, conversation) {
                    true => self.digests.answer(conversation, self.durable, log)?,
                    false => digests::nothing(conversation),
                };
                send(out, conn, answer);
            }
            (Some(_), Request::Plain(ToServer::Follow { room, after, bodies })) => {
                return self.follow(now_ms, conn, room, after, bodies, log, out);
            }
            (Some(_), Request::Plain(ToServer::Unfollow { room })) => {
                self.readers.unfollow(conn, Some(room));
            }
            (Some(caller), Request::Plain(ToServer::Cursor { room, position })) => {
                return self.cursor(now_ms, conn, caller, room, position, log, out);
            }
            (Some(caller), Request::Plain(ToServer::Fetch { ids })) => {
                return self.fetch(conn, caller, &ids, log, out);
            }
            (Some(Caller::Peer), Request::Plain(ToServer::Pull { after })) => {
                return self.pull(conn, after, log, out);
            }
            (Some(Caller::Device(account, device)), Request::Upload(events)) => {
                return self.upload(now_ms, conn, (account, device), events, log, out);
            }
            (Some(Caller::Device(..)), Request::Plain(ToServer::Pull { .. })) => {
                self.refuse(conn, Refusal::NotAPeer, out);
            }
            (Some(Caller::Peer), Request::Upload(_)) => {
                self.refuse(conn, protocol("an upload by a peer; peers are pulled from"), out);
            }
            (Some(_), Request::Plain(ToServer::Upload { .. })) => {
                self.refuse(conn, protocol("unchecked events"), out);
            }
        }
        Ok(())
    }

    // ---- connections --------------------------------------------------------------------------------

    fn hello(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        (version, cluster, known): (u16, ClusterId, ViewId),
        role: &Role,
        out: &mut Outputs,
    ) {
        let Some((key, _)) = self.readers.get(conn) else { return };
        let view = self.membership.view();
        let refusal = match role {
            _ if version != PROTOCOL_VERSION => Some(Refusal::Version { server: PROTOCOL_VERSION }),
            _ if cluster != view.cluster() => Some(Refusal::Cluster(view.cluster())),
            Role::Device { token, .. } if !token.matches(&self.config.token) => Some(Refusal::Token),
            Role::Device { .. } | Role::Peer => None,
        };
        if let Some(refusal) = refusal {
            return self.refuse(conn, refusal, out);
        }
        let news = self.membership.news_for(known);
        let is_stranger = *role == Role::Peer && !self.membership.is_peer(key);
        let is_ahead = known > view.id() && view.admin().is_some();
        match role {
            _ if is_stranger && is_ahead => {
                self.guests.insert(conn, (Guest::Herald, now_ms));
            }
            _ if is_stranger && news.is_none() => return self.refuse(conn, Refusal::NotAPeer, out),
            _ if is_stranger || !self.membership.is_member() => {
                self.guests.insert(conn, (Guest::Outdated, now_ms));
            }
            Role::Device { device, .. } => {
                self.readers.greet(conn, Caller::Device(AccountId::new(key), *device));
            }
            Role::Peer => self.readers.greet(conn, Caller::Peer),
        }
        let welcome = ToClient::Welcome {
            version: PROTOCOL_VERSION,
            incarnation: self.config.incarnation,
            position: self.durable,
            view: self.membership.view().id(),
            time_ms: now_ms,
        };
        send(out, conn, welcome);
        if let Some(news) = news {
            send(out, conn, ToClient::View(news));
        }
    }

    fn refuse(&mut self, conn: ConnId, refusal: Refusal, out: &mut Outputs) {
        self.readers.forget(conn);
        self.guests.remove(&conn);
        self.presences.forget(conn);
        out.push(Output::Refuse { conn, refusal });
    }

    fn tick(&mut self, now_ms: u64, out: &mut Outputs) {
        out.extend(
            std::mem::take(&mut self.cursors)
                .into_values()
                .map(|cursor| Output::Write(Write::Cursor(cursor))),
        );
        let read = self.sync.take_cursors();
        out.extend(read.into_iter().map(|cursor| Output::Write(Write::Peer(cursor))));
        send_peers(out, self.sync.fetch(now_ms));
        let stays_too_long = |(_, since_ms): &(Guest, u64)| now_ms.abs_diff(*since_ms) > GUEST_MS;
        let guests = self.guests.iter().filter(|(_, guest)| stays_too_long(guest));
        for conn in guests.map(|(conn, _)| *conn).collect::<Vec<_>>() {
            self.refuse(conn, self.why_not(), out);
        }
        for conn in self.readers.stalled(now_ms) {
            self.refuse(conn, Refusal::TooSlow, out);
        }
    }

    fn status(&self, now_ms: u64) -> ServerStatus {
        ServerStatus {
            server: self.config.server,
            incarnation: self.config.incarnation,
            position: self.durable,
            connections: self.readers.len() as u64,
            forks: self.forks,
            uptime_ms: now_ms.saturating_sub(self.config.started_ms),
            syncing_to: self.syncing().map(|(_, of)| of),
            syncs: self.syncs.0,
            view: self.membership.view().id(),
            sealed: self.sealed(),
            peers: self.sync.cursors(),
        }
    }

    /// Where the log ends for ever.
    fn sealed(&self) -> Option<Position> {
        (!self.membership.may_append() && self.staged.is_empty()).then_some(self.durable)
    }

    // ---- views --------------------------------------------------------------------------------------

    fn guest_says(&mut self, conn: ConnId, request: Request, out: &mut Outputs) {
        match (self.guests.get(&conn), request) {
            (_, Request::Plain(ToServer::View(bytes))) => self.told_view(conn, &bytes, out),
            (_, Request::Plain(ToServer::Ping)) => send(out, conn, ToClient::Pong),
            (Some((Guest::Outdated, _)), _) => self.refuse(conn, self.why_not(), out),
            (Some((Guest::Herald, _)) | None, _) => {}
        }
    }

    /// Why a caller that this view does not provide for is sent away.
    fn why_not(&self) -> Refusal {
        if self.membership.is_member() { Refusal::NotAPeer } else { Refusal::Retired }
    }

    fn told_view(&mut self, conn: ConnId, bytes: &[u8], out: &mut Outputs) {
        if let Err(why) = self.hear_view(bytes, out) {
            self.refuse(conn, protocol(&why.to_string()), out);
        }
    }

    /// A view has come: it is written, if it is newer, and counts once it is durable.
    fn hear_view(&mut self, bytes: &[u8], out: &mut Outputs) -> Result<(), ViewError> {
        if let Some(signed) = self.membership.hear(bytes)? {
            out.push(Output::Write(Write::View(signed)));
        }
        Ok(())
    }

    /// Acts on the view that was written, if it is durable by now: everybody is told, and whoever it does not
    /// provide for has to go.
    fn settle_view<L: Log>(&mut self, log: &L, out: &mut Outputs) -> Result<(), L::Error> {
        if !self.membership.is_pending() {
            return Ok(());
        }
        let appended = self.membership.may_append();
        let Some(signed) = self.membership.settle(log.view()?.as_deref()) else { return Ok(()) };
        let bytes = ByteBuf::from(signed.bytes());
        send_peers(out, self.sync.connected().map(|peer| (peer, ToServer::View(bytes.clone()))));
        let conns = self.readers.greeted();
        for (conn, ..) in &conns {
            send(out, *conn, ToClient::View(bytes.clone()));
        }
        self.sync.retarget(&self.membership.read());
        if appended != self.membership.may_append() {
            // Whom it followed would wait for its cursors for ever.
            out.extend(self.membership.others().map(|peer| Output::HangUp { peer }));
        }
        let is_out = |(_, key, caller): &(ConnId, [u8; 32], Caller)| {
            !self.membership.is_member() || (*caller == Caller::Peer && !self.membership.is_peer(*key))
        };
        let out_of_place: Vec<_> = conns.into_iter().filter(is_out).map(|(conn, ..)| conn).collect();
        for conn in out_of_place.into_iter().chain(self.guests.keys().copied().collect::<Vec<_>>()) {
            self.refuse(conn, self.why_not(), out);
        }
        out.push(Output::View(signed));
        Ok(())
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
            let is_taken = self.is_taken(event.origin(), log)?;
            let stands = if is_taken { log.position(&id)? } else { None };
            if stands.is_some() || self.staged.get(&id).is_some() {
                match self.fill(Some(conn), &event, log, out)? {
                    Fill::None => {}
                    Fill::UnderWay => continue,
                    Fill::Unfit(why) => {
                        self.refuse(conn, Refusal::InvalidEvent(why.to_string()), out);
                        break;
                    }
                }
            }
            if let Some(position) = stands {
                receipts.push(Receipt { id, position });
                continue;
            }
            if self.staged.wait_for(&id, conn) {
                continue;
            }
            if !self.membership.may_append() {
                send(out, conn, ToClient::Rejected { id, why: Rejection::Sealed });
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
            self.append(Some(conn), event, is_taken, out);
        }
        if !receipts.is_empty() {
            send(out, conn, ToClient::Receipts(receipts));
        }
        Ok(())
    }

    /// Puts the body of an event, which is here, in its place, if the log has the event without it and knows of no
    /// deletion. Whoever uploaded it gets a receipt once it is on the disk.
    fn fill<L: Log>(
        &mut self,
        uploader: Option<ConnId>,
        whole: &Arc<Event>,
        log: &L,
        out: &mut Outputs,
    ) -> Result<Fill, L::Error> {
        if !whole.has_body() || !whole.kind().is_said() {
            return Ok(Fill::None);
        }
        let Some(position) = self.hollow_place(&whole.id(), log)? else { return Ok(Fill::None) };
        // What it is about is known only now.
        let parents = self.parents(whole, log)?;
        if let Err(why) = fits_ancestors(whole, parents.iter().filter_map(|(_, parent)| parent.as_deref())) {
            return Ok(Fill::Unfit(why));
        }
        let (_, uploaders) = self.filling.entry(position).or_insert_with(|| (whole.id(), BTreeSet::new()));
        uploaders.extend(uploader);
        out.push(Output::Write(Write::Body(Arc::clone(whole))));
        Ok(Fill::UnderWay)
    }

    /// Where an event stands without its body though no deletion is known.
    fn hollow_place<L: Log>(&self, id: &EventId, log: &L) -> Result<Option<Position>, L::Error> {
        if let Some((position, event)) = self.staged.place(id) {
            return Ok((!event.has_body()).then_some(position));
        }
        let Some(position) = log.position(id)? else { return Ok(None) };
        let found = log.hollow(position - 1, 1)?;
        Ok(found.first().filter(|(at, _)| *at == position).map(|(at, _)| *at))
    }

    /// Tells those who have uploaded bodies which of them are on the disk, or need not be.
    fn filled<L: Log>(&mut self, log: &L, out: &mut Outputs) -> Result<(), L::Error> {
        let open = std::mem::take(&mut self.filling);
        for (position, (id, uploaders)) in open {
            let is_open = position > self.durable || self.hollow_place(&id, log)?.is_some();
            if is_open {
                self.filling.insert(position, (id, uploaders));
                continue;
            }
            for conn in uploaders {
                send(out, conn, ToClient::Receipts(vec![Receipt { id, position }]));
            }
        }
        Ok(())
    }

    /// Asks one peer after the other for bodies that are not here though no deletion is.
    fn ask_for_bodies<L: Log>(&mut self, log: &L, out: &mut Outputs) -> Result<(), L::Error> {
        let hollow = log.hollow(self.asked, FETCH_MAX)?;
        let ids: Vec<_> = hollow.iter().map(|(_, id)| *id).collect();
        if ids.is_empty() && self.asked == 0 {
            return Ok(());
        }
        self.asked = hollow.last().map_or(0, |(position, _)| *position);
        send_peers(out, self.sync.ask_for_bodies(ids));
        Ok(())
    }

    /// Each parent with its event, if it is durable or at least before this one in the log.
    fn parents<L: Log>(&self, event: &Event, log: &L) -> Result<Parents, L::Error> {
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

    /// Whether an event of this origin is in the log or staged. If none is, then neither is any event of this
    /// origin, by whatever id: one question instead of two for what is new, as nearly everything is.
    fn is_taken<L: Log>(&self, origin: Origin, log: &L) -> Result<bool, L::Error> {
        Ok(self.staged.has_of(origin) || log.first_of(origin)?.is_some())
    }

    /// `fork`: whether its origin is taken.
    fn append(&mut self, uploader: Option<ConnId>, event: Arc<Event>, fork: bool, out: &mut Outputs) {
        let position = self.durable + self.staged.len() + 1;
        self.forks += u64::from(fork);
        self.sync.staged(&event.id());
        self.staged.push(position, Arc::clone(&event), uploader);
        out.push(Output::Write(Write::Append { position, event, fork }));
    }

    fn synced<L: Log>(
        &mut self,
        now_ms: u64,
        upto: Position,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        let mut receipts: BTreeMap<ConnId, Vec<Receipt>> = BTreeMap::new();
        let mut fresh = Vec::new();
        for (position, event, uploaders) in self.staged.take_upto(upto) {
            for conn in uploaders {
                receipts.entry(conn).or_default().push(Receipt { id: event.id(), position });
            }
            fresh.push((position, event));
        }
        self.durable = self.durable.max(upto);
        self.syncs.0 += 1;
        for (conn, receipts) in receipts {
            for some in receipts.chunks(FRAME_EVENTS) {
                send(out, conn, ToClient::Receipts(some.to_vec()));
            }
        }
        let mut told = Vec::new();
        self.readers.deliver(now_ms, &fresh, self.durable, log, &mut told)?;
        send_all(out, told);
        self.filled(log, out)?;
        let ids = fresh.iter().map(|(_, event)| event.id()).collect();
        send_peers(out, self.sync.settle(&ids));
        self.settle_view(log, out)?;
        self.append_ready(log, out)
    }

    // ---- reading ------------------------------------------------------------------------------------

    #[expect(clippy::too_many_arguments, reason = "the frame's three fields beside what every step takes")]
    fn follow<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        room: Option<RoomId>,
        after: Position,
        bodies: bool,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        let (durable, mut told) = (self.durable, Vec::new());
        match self.readers.follow(now_ms, conn, room, after, bodies, durable, log, &mut told)? {
            Ok(()) => send_all(out, told),
            Err(why) => self.refuse(conn, protocol(why), out),
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the frame's two fields beside what every step takes")]
    fn cursor<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        caller: Caller,
        room: Option<RoomId>,
        position: Position,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        if position > self.durable {
            self.refuse(conn, protocol("a cursor beyond the end of the log"), out);
            return Ok(());
        }
        let (durable, mut told) = (self.durable, Vec::new());
        if self.readers.cursor(now_ms, conn, room, position, durable, log, &mut told)? {
            if let Caller::Device(account, device) = caller {
                self.cursors.insert((device, room), DeviceCursor { account, device, room, position });
            }
            send_all(out, told);
        } else if room.is_none() {
            self.refuse(conn, protocol("a cursor without a Follow"), out);
        } // a room's last cursors may cross with its Unfollow
        Ok(())
    }

    fn fetch<L: Log>(
        &mut self,
        conn: ConnId,
        caller: Caller,
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
            if !self.readers.may_read(caller, &event) {
                continue;
            }
            let event = self.readers.as_read_by(caller, position, &event);
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

    // ---- peers --------------------------------------------------------------------------------------

    fn peer_frame<L: Log>(
        &mut self,
        now_ms: u64,
        peer: ServerId,
        frame: ToClient,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        match frame {
            ToClient::Feed { room: None, items, upto, caught_up } => {
                let mut lacking = Vec::new();
                for item in items {
                    if log.position(&item.id)?.is_none() {
                        lacking.push((item.id, self.staged.get(&item.id).is_some()));
                    }
                }
                self.sync.told(now_ms, peer, &lacking, upto, caught_up);
                send_peers(out, self.sync.settle(&BTreeSet::new()));
            }
            ToClient::Bodies(events) => {
                let fetched = match Event::all_from_bytes(events.iter().map(|bytes| bytes.as_slice())) {
                    Ok(events) => events,
                    Err(error) => {
                        self.drop_peer(peer, error.to_string(), out);
                        return Ok(());
                    }
                };
                for event in fetched {
                    if let Err(why) = self.fetched(peer, Arc::new(event), log, out)? {
                        self.drop_peer(peer, why, out);
                        return Ok(());
                    }
                }
                self.append_ready(log, out)?;
            }
            ToClient::Welcome { view, .. } => {
                let news = self.membership.news_for(view);
                send_peers(out, news.map(|bytes| (peer, ToServer::View(bytes))));
                return Ok(());
            }
            ToClient::View(bytes) => {
                if let Err(why) = self.hear_view(&bytes, out) {
                    self.sync.down(peer);
                    out.push(Output::DropPeer { peer, why: why.to_string() });
                }
                return Ok(());
            }
            _ => return Ok(()),
        }
        send_peers(out, self.sync.fetch(now_ms));
        Ok(())
    }

    /// Takes one event that a peer was asked for. The inner error says what is wrong with it.
    fn fetched<L: Log>(
        &mut self,
        peer: ServerId,
        event: Arc<Event>,
        log: &L,
        out: &mut Outputs,
    ) -> Result<Result<(), String>, L::Error> {
        if !self.membership.may_append() {
            return Ok(Ok(())); // it was asked for before the seal
        }
        let is_taken = self.is_taken(event.origin(), log)?;
        if is_taken && (self.staged.get(&event.id()).is_some() || log.position(&event.id())?.is_some()) {
            return Ok(match self.fill(None, &event, log, out)? {
                Fill::Unfit(why) => Err(format!("event {}: {why}", event.id().short())),
                Fill::None | Fill::UnderWay => Ok(()),
            });
        }
        let parents = self.parents(&event, log)?;
        if parents.iter().any(|(_, parent)| parent.is_none()) {
            self.sync.wait(peer, event);
            return Ok(Ok(()));
        }
        if let Err(why) = fits_ancestors(&event, parents.iter().filter_map(|(_, parent)| parent.as_deref())) {
            return Ok(Err(format!("event {}: {why}", event.id().short())));
        }
        self.append(None, event, is_taken, out);
        Ok(Ok(()))
    }

    /// Appends what waited for parents that are in the log by now.
    fn append_ready<L: Log>(&mut self, log: &L, out: &mut Outputs) -> Result<(), L::Error> {
        while self.sync.waiting() > 0 {
            let staged = &self.staged;
            let has = |id: &EventId| Ok(staged.get(id).is_some() || log.position(id)?.is_some());
            let ready = |event: &Event| event.parents().iter().try_fold(true, |all, id| Ok(all && has(id)?));
            let Some((event, peer)) = self.sync.take_ready(ready)? else { break };
            if let Err(why) = self.fetched(peer, event, log, out)? {
                self.drop_peer(peer, why, out);
            }
        }
        Ok(())
    }

    fn drop_peer(&mut self, peer: ServerId, why: String, out: &mut Outputs) {
        self.sync.down(peer);
        out.push(Output::DropPeer { peer, why });
    }
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
    /// What is about a message must be about one, and only its author may change it.
    #[error("what it is about is no message, or not its author's")]
    Target,
}

/// Checks an event against its parents: the part of validity that the event alone cannot show.
///
/// # Errors
/// See [`Unfit`].
pub fn fits_ancestors<'a>(event: &Event, parents: impl Iterator<Item = &'a Event>) -> Result<(), Unfit> {
    // Without its body it is not known which; at least one must do.
    let mut may_fit = event.has_body() || !event.kind().is_about_a_parent();
    for parent in parents {
        if parent.conversation() != event.conversation() {
            return Err(Unfit::ForeignParent);
        }
        if parent.time() >= event.time() {
            return Err(Unfit::NotAfterParents);
        }
        let is_own = parent.account() == event.account();
        let may_be_about = event.kind().may_be_about(parent.kind(), is_own);
        if event.target() == Some(parent.id()) && !may_be_about {
            return Err(Unfit::Target);
        }
        may_fit |= may_be_about;
    }
    if may_fit { Ok(()) } else { Err(Unfit::Target) }
}

fn protocol(what: &str) -> Refusal {
    Refusal::Protocol(what.to_owned())
}

fn send_peers(out: &mut Outputs, frames: impl IntoIterator<Item = ToPeer>) {
    out.extend(frames.into_iter().map(|(peer, frame)| Output::SendPeer { peer, frame }));
}

fn send_all(out: &mut Outputs, told: Vec<Told>) {
    out.extend(told.into_iter().map(|(conn, frame)| Output::Send { conn, frame }));
}

fn send(out: &mut Outputs, conn: ConnId, frame: ToClient) {
    out.push(Output::Send { conn, frame });
}
