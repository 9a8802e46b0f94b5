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

mod connections;
mod exchange;
mod peers;
mod reading;
mod views;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

pub use self::exchange::{Config, ConnId, Input, Output, Request};
use self::views::{Asking, Guest};
use crate::digests::{self, Digests};
use crate::frame::{DeviceCursor, Present, Receipt, Refusal, ToClient, ToServer};
use crate::id::{DeviceId, EventId, Position, RoomId};
use crate::limits::{FRAME_EVENTS, GUEST_MS, PRESENCE_TOLD_MAX};
use crate::log::{Log, Write};
use crate::membership::Membership;
use crate::presence::Presences;
use crate::readers::{Caller, Readers, Told};
use crate::staged::Staged;
use crate::sync::{PeerCursor, Sync, ToPeer};

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
    /// While a peer's word is waited for: the devices that are to be welcomed then.
    asking: Option<Asking>,
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

type Outputs = Vec<Output>;

impl Server {
    /// A server over a log that ends at `durable` and holds `forks` forks, and has read its peers' logs up to
    /// these cursors.
    pub fn new(config: Config, durable: Position, forks: u64, cursors: &[PeerCursor]) -> Self {
        let membership = Membership::new(config.server, config.view.clone(), config.sealed);
        Self {
            sync: Sync::new(membership.read(), cursors),
            asking: Asking::begin(&config, &membership),
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
                self.forget_caller(conn);
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
            (None, Request::Plain(ToServer::Ping)) if self.waits(conn) => send(out, conn, ToClient::Pong),
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
        let is_news = self.membership.is_pending();
        self.settle_view(log, out)?;
        if is_news && !self.membership.is_pending() {
            self.end_asking(now_ms, out);
        }
        self.append_ready(log, out)
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
        self.stop_waiting(now_ms, out);
        let stays_too_long = |(_, since_ms): &(Guest, u64)| now_ms.abs_diff(*since_ms) > GUEST_MS;
        let guests = self.guests.iter().filter(|(_, guest)| stays_too_long(guest));
        for conn in guests.map(|(conn, _)| *conn).collect::<Vec<_>>() {
            self.refuse(conn, self.why_not(), out);
        }
        for conn in self.readers.stalled(now_ms) {
            self.refuse(conn, Refusal::TooSlow, out);
        }
    }

    fn refuse(&mut self, conn: ConnId, refusal: Refusal, out: &mut Outputs) {
        self.readers.forget(conn);
        self.guests.remove(&conn);
        self.forget_caller(conn);
        self.presences.forget(conn);
        out.push(Output::Refuse { conn, refusal });
    }
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
