//! The server's connections as readers: who follows what, and what each is to be told next.
//!
//! A device follows its home (the directory and its direct conversations) and any number of rooms, each with a
//! cursor of its own; a peer follows the whole log. A room may be followed before this log admits the account:
//! it is silent until then, so that nobody has to ask again, and nobody learns which rooms there are.
//!
//! **Invariant**: everything handed out is durable, and the account may read it by this log ([`Rooms`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::event::{Conversation, Event};
use crate::follow::Follow;
use crate::frame::{Item, ToClient};
use crate::id::{AccountId, DeviceId, Position, RoomId};
use crate::limits::{FRAME_EVENTS, ROOMS_FOLLOWED_MAX};
use crate::log::{Log, Stream};
use crate::rooms::Rooms;
use crate::server::ConnId;

/// Events with their positions.
type Places = Vec<(Position, Arc<Event>)>;

/// A frame for a connection.
pub(crate) type Told = (ConnId, ToClient);

/// Who a connection is, once it has said so and was welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Caller {
    /// Another server, or whoever administers one.
    Peer,
    /// A person's device.
    Device(AccountId, DeviceId),
}

#[derive(Debug, Clone, Hash)]
struct Conn {
    key: [u8; 32],
    caller: Option<Caller>,
    /// What it follows: its home, or a room.
    follows: BTreeMap<Option<RoomId>, Follow>,
}

/// Every connection. See the module.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Readers {
    conns: BTreeMap<ConnId, Conn>,
    listeners: BTreeMap<Stream, BTreeSet<ConnId>>,
    rooms: Rooms,
    /// The log has been read for who may read what up to here.
    learned: Position,
}

impl Readers {
    /// A connection stands, with this key at its other end.
    pub(crate) fn open(&mut self, conn: ConnId, key: [u8; 32]) {
        self.conns.insert(conn, Conn { key, caller: None, follows: BTreeMap::new() });
    }

    /// The key at a connection's other end and who it is; `None` if the connection is gone.
    pub(crate) fn get(&self, conn: ConnId) -> Option<([u8; 32], Option<Caller>)> {
        self.conns.get(&conn).map(|entry| (entry.key, entry.caller))
    }

    /// A connection has said who it is.
    pub(crate) fn greet(&mut self, conn: ConnId, caller: Caller) {
        if let Some(entry) = self.conns.get_mut(&conn) {
            entry.caller = Some(caller);
        }
    }

    /// Every connection that has said who it is, with its key.
    pub(crate) fn greeted(&self) -> Vec<(ConnId, [u8; 32], Caller)> {
        let greeted = |(id, conn): (&ConnId, &Conn)| Some((*id, conn.key, conn.caller?));
        self.conns.iter().filter_map(greeted).collect()
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.conns.len()
    }

    /// A connection is gone.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        let followed: Vec<_> =
            self.conns.get(&conn).into_iter().flat_map(|entry| entry.follows.keys()).copied().collect();
        followed.into_iter().for_each(|room| self.unfollow(conn, room));
        self.conns.remove(&conn);
    }

    /// Connections that leave their deliveries unacknowledged for too long.
    pub(crate) fn stalled(&self, now_ms: u64) -> Vec<ConnId> {
        let stalled = |conn: &Conn| conn.follows.values().any(|follow| follow.is_stalled(now_ms));
        self.conns.iter().filter(|(_, conn)| stalled(conn)).map(|(id, _)| *id).collect()
    }

    /// Whether a caller may have an event.
    pub(crate) fn may_read(&self, caller: Caller, event: &Event) -> bool {
        let Caller::Device(account, _) = caller else { return true };
        let home = Stream::read_by(account);
        let admitted =
            matches!(event.conversation(), Conversation::Room(room) if self.rooms.may_read(account, room));
        admitted || Stream::of(event).any(|stream| home.contains(&stream))
    }

    /// Whether a caller may have all of a conversation.
    pub(crate) fn may_ask(&self, caller: Caller, conversation: Conversation) -> bool {
        match (caller, conversation) {
            (Caller::Peer, _) | (_, Conversation::Directory) => true,
            (Caller::Device(account, _), Conversation::Room(room)) => self.rooms.may_read(account, room),
            (Caller::Device(account, _), direct) => direct.other(account).is_some(),
        }
    }

    /// Reads who may read what from the log, as far as it is durable.
    ///
    /// # Errors
    /// The log's, as for every method here.
    pub(crate) fn learn<L: Log>(&mut self, durable: Position, log: &L) -> Result<(), L::Error> {
        let mut closed = BTreeSet::new();
        while self.learned < durable {
            let found = log.scan(Stream::Access, self.learned, durable, FRAME_EVENTS)?;
            for (position, _) in &found {
                if let Some(event) = log.event(*position)? {
                    closed.extend(self.rooms.note(&event).filter(|room| self.rooms.is_closed(*room)));
                }
            }
            let last = found.last().map(|(position, _)| *position);
            self.learned = last.filter(|_| found.len() == FRAME_EVENTS).unwrap_or(durable);
        }
        closed.into_iter().try_for_each(|room| self.learn_members(room, durable, log))
    }

    /// Reads who was a member of a room whose past is closed, and when.
    fn learn_members<L: Log>(&mut self, room: RoomId, durable: Position, log: &L) -> Result<(), L::Error> {
        let mut read = 0;
        while read < durable {
            let found = log.scan(Stream::Room(room), read, durable, FRAME_EVENTS)?;
            for (position, _) in &found {
                if let Some(event) = log.event(*position)? {
                    self.rooms.note_member(*position, &event);
                }
            }
            let last = found.last().map(|(position, _)| *position);
            read = last.filter(|_| found.len() == FRAME_EVENTS).unwrap_or(durable);
        }
        Ok(())
    }

    /// An event that a caller may have, as far as it is for it: without its body, if it was said in a room whose
    /// past is closed while the account was no member.
    pub(crate) fn as_read_by(&self, caller: Caller, position: Position, event: &Arc<Event>) -> Arc<Event> {
        as_heard(&self.rooms, caller, position, event)
    }

    /// A connection wants what is its own after a position, of its home or of a room. The inner error says why
    /// that cannot be.
    #[expect(clippy::too_many_arguments, reason = "the frame's three fields beside what every step takes")]
    pub(crate) fn follow<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        room: Option<RoomId>,
        after: Position,
        bodies: bool,
        durable: Position,
        log: &L,
        told: &mut Vec<Told>,
    ) -> Result<Result<(), &'static str>, L::Error> {
        let Some(Conn { caller: Some(caller), follows, .. }) = self.conns.get_mut(&conn) else {
            return Ok(Ok(()));
        };
        let reader = match caller {
            Caller::Device(account, device) => Some((*account, *device)),
            Caller::Peer if room.is_some() => return Ok(Err("a peer that follows a room")),
            Caller::Peer => None,
        };
        if after > durable {
            return Ok(Err("a cursor beyond the end of the log"));
        }
        if follows.len() > ROOMS_FOLLOWED_MAX {
            return Ok(Err("a Follow of too many rooms"));
        }
        let streams = streams(*caller, room);
        follows.insert(room, Follow::new(now_ms, reader, room, after, bodies));
        for stream in streams {
            self.listeners.entry(stream).or_default().insert(conn);
        }
        self.search(now_ms, conn, room, durable, log, told)?;
        Ok(Ok(()))
    }

    /// A connection wants no more of a room.
    pub(crate) fn unfollow(&mut self, conn: ConnId, room: Option<RoomId>) {
        let Some(Conn { caller: Some(caller), follows, .. }) = self.conns.get_mut(&conn) else { return };
        follows.remove(&room);
        for stream in streams(*caller, room) {
            if let Some(listeners) = self.listeners.get_mut(&stream) {
                listeners.remove(&conn);
                if listeners.is_empty() {
                    self.listeners.remove(&stream);
                }
            }
        }
    }

    /// A connection's reader holds all up to a position. Answers `false` if it follows no such thing.
    #[expect(clippy::too_many_arguments, reason = "the frame's two fields beside what every step takes")]
    pub(crate) fn cursor<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        room: Option<RoomId>,
        position: Position,
        durable: Position,
        log: &L,
        told: &mut Vec<Told>,
    ) -> Result<bool, L::Error> {
        let Some(follow) = self.follower(conn, room) else { return Ok(false) };
        follow.cursor(now_ms, position);
        self.search(now_ms, conn, room, durable, log, told)?;
        Ok(true)
    }

    /// Hands events that have just become durable to everybody who follows them.
    pub(crate) fn deliver<L: Log>(
        &mut self,
        now_ms: u64,
        fresh: &[(Position, Arc<Event>)],
        durable: Position,
        log: &L,
        told: &mut Vec<Told>,
    ) -> Result<(), L::Error> {
        let opened: BTreeSet<RoomId> = fresh.iter().filter_map(|(_, event)| self.rooms.note(event)).collect();
        fresh.iter().for_each(|(position, event)| self.rooms.note_member(*position, event));
        self.learned = durable;
        let mut news: BTreeMap<(ConnId, Option<RoomId>), Places> = BTreeMap::new();
        for (position, event) in fresh {
            for stream in Stream::of(event).chain([Stream::Everything]) {
                let room = match stream {
                    Stream::Room(room) => Some(room),
                    _ => None,
                };
                for conn in self.listeners.get(&stream).into_iter().flatten() {
                    news.entry((*conn, room)).or_default().push((*position, Arc::clone(event)));
                }
            }
        }
        for ((conn, room), news) in news {
            self.hand(now_ms, conn, room, &news, durable, log, told)?;
        }
        for room in opened {
            for conn in self.listeners.get(&Stream::Room(room)).cloned().unwrap_or_default() {
                self.search(now_ms, conn, Some(room), durable, log, told)?;
            }
        }
        Ok(())
    }

    /// Tells followers of what has waited for more of its kind.
    pub(crate) fn catch_up<L: Log>(
        &mut self,
        now_ms: u64,
        durable: Position,
        log: &L,
        told: &mut Vec<Told>,
    ) -> Result<(), L::Error> {
        let behind = self.conns.iter().flat_map(|(conn, entry)| {
            let behind = entry.follows.iter().filter(|(_, follow)| follow.is_behind());
            behind.map(|(room, _)| (*conn, *room))
        });
        let behind: Vec<_> = behind.collect();
        behind.into_iter().try_for_each(|(conn, room)| self.search(now_ms, conn, room, durable, log, told))
    }

    /// Hands fresh events to one follower, if it is not behind anyway.
    #[expect(clippy::too_many_arguments, reason = "whom and what beside what every step takes")]
    fn hand<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        room: Option<RoomId>,
        fresh: &[(Position, Arc<Event>)],
        durable: Position,
        log: &L,
        told: &mut Vec<Told>,
    ) -> Result<(), L::Error> {
        let Some(Conn { caller: Some(caller), follows, .. }) = self.conns.get_mut(&conn) else {
            return Ok(());
        };
        let caller = *caller;
        let Some(follow) = follows.get_mut(&room) else { return Ok(()) };
        if follow.gathers(now_ms) {
            follow.fall_behind(); // the next event after its wait, or the next tick, catches it up
            return Ok(());
        }
        if follow.is_behind() {
            return self.search(now_ms, conn, room, durable, log, told);
        }
        if !follow.has_room() || fresh.len() > FRAME_EVENTS {
            follow.fall_behind();
            return self.search(now_ms, conn, room, durable, log, told);
        }
        let item = |(position, event): &(Position, Arc<Event>)| {
            follow.item(*position, &as_heard(&self.rooms, caller, *position, event))
        };
        let items = fresh.iter().map(item).collect();
        let frames = follow.frames(now_ms, items, durable, true);
        told.extend(frames.into_iter().map(|frame| (conn, frame)));
        Ok(())
    }

    /// Looks for what a follower has not been sent, as far as its window and its rights allow.
    fn search<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        room: Option<RoomId>,
        durable: Position,
        log: &L,
        told: &mut Vec<Told>,
    ) -> Result<(), L::Error> {
        let Some(Conn { caller: Some(caller), follows, .. }) = self.conns.get_mut(&conn) else {
            return Ok(());
        };
        let Some(follow) = follows.get_mut(&room) else { return Ok(()) };
        if let (Caller::Device(account, _), Some(room)) = (&caller, room)
            && !self.rooms.may_read(*account, room)
        {
            return Ok(());
        }
        while follow.is_behind() && follow.has_room() {
            let mut found = Vec::new();
            for stream in streams(*caller, room) {
                found.extend(log.scan(stream, follow.searched(), durable, FRAME_EVENTS)?);
            }
            found.sort_unstable();
            let caught_up = found.len() < FRAME_EVENTS;
            found.truncate(FRAME_EVENTS);
            let last = found.last().map(|(position, _)| *position);
            let upto = last.filter(|_| !caught_up).unwrap_or(durable);
            let mut items = Vec::with_capacity(found.len());
            for (position, id) in found {
                let event = if follow.bodies() { log.event(position)? } else { None };
                items.push(match event {
                    Some(event) => follow.item(position, &as_heard(&self.rooms, *caller, position, &event)),
                    None => Item { position, id, event: None },
                });
            }
            let frames = follow.frames(now_ms, items, upto, caught_up);
            told.extend(frames.into_iter().map(|frame| (conn, frame)));
        }
        Ok(())
    }

    fn follower(&mut self, conn: ConnId, room: Option<RoomId>) -> Option<&mut Follow> {
        self.conns.get_mut(&conn)?.follows.get_mut(&room)
    }
}

/// See [`Readers::as_read_by`].
fn as_heard(rooms: &Rooms, caller: Caller, position: Position, event: &Arc<Event>) -> Arc<Event> {
    let (Caller::Device(account, _), Conversation::Room(room)) = (caller, event.conversation()) else {
        return Arc::clone(event);
    };
    if event.account() == account || rooms.may_hear(account, room, position) {
        return Arc::clone(event);
    }
    event.without_body().map_or_else(|| Arc::clone(event), Arc::new)
}

/// The streams that make up what is followed.
fn streams(caller: Caller, room: Option<RoomId>) -> Vec<Stream> {
    match (caller, room) {
        (Caller::Peer, _) => vec![Stream::Everything],
        (Caller::Device(..), Some(room)) => vec![Stream::Room(room)],
        (Caller::Device(account, _), None) => Stream::read_by(account).to_vec(),
    }
}
