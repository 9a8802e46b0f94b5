//! Connections as TCP gives them: frames arrive in order and after a while, until the connection is cut; then
//! a part of what was on its way still arrives. Each side learns of the end in its own time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use tercet::frame::{ToClient, decode};
use tercet::server::ConnId;

/// Who dials a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    Client(usize),
    /// Another server.
    Peer(usize),
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(client) => write!(f, "client {client}"),
            Self::Peer(server) => write!(f, "server {server}"),
        }
    }
}

/// In which direction a frame travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    ToServer,
    ToCaller,
}

impl Way {
    pub const BOTH: [Self; 2] = [Self::ToServer, Self::ToCaller];

    pub fn back(self) -> Self {
        match self {
            Self::ToServer => Self::ToCaller,
            Self::ToCaller => Self::ToServer,
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    open: bool,
    /// On its way to this end.
    incoming: VecDeque<Vec<u8>>,
    arrives_ms: u64,
    heard_ms: u64,
}

#[derive(Debug)]
pub struct Conn {
    pub caller: Caller,
    pub server: usize,
    cut: bool,
    ends: [End; 2],
}

impl Conn {
    fn end(&self, way: Way) -> &End {
        &self.ends[way as usize]
    }

    fn end_mut(&mut self, way: Way) -> &mut End {
        &mut self.ends[way as usize]
    }
}

#[derive(Debug, Default)]
pub struct Network {
    conns: BTreeMap<ConnId, Conn>,
    last: ConnId,
    blocked: BTreeSet<(Caller, usize, Way)>,
}

impl Network {
    pub fn open(&mut self, now_ms: u64, caller: Caller, server: usize) -> ConnId {
        let end = || End { open: true, incoming: VecDeque::new(), arrives_ms: now_ms, heard_ms: now_ms };
        self.last += 1;
        self.conns.insert(self.last, Conn { caller, server, cut: false, ends: [end(), end()] });
        self.last
    }

    pub fn get(&self, conn: ConnId) -> Option<&Conn> {
        self.conns.get(&conn)
    }

    pub fn ids(&self) -> impl Iterator<Item = (ConnId, &Conn)> {
        self.conns.iter().map(|(id, conn)| (*id, conn))
    }

    /// Whether the end to which this way leads is open.
    pub fn is_open(&self, conn: ConnId, way: Way) -> bool {
        self.get(conn).is_some_and(|conn| conn.end(way).open)
    }

    /// Puts a frame on its way; returns when it arrives.
    pub fn send(
        &mut self,
        conn: ConnId,
        way: Way,
        frame: Vec<u8>,
        now_ms: u64,
        delay_ms: u64,
    ) -> Option<u64> {
        let end = self.conns.get_mut(&conn).filter(|conn| !conn.cut)?.end_mut(way);
        end.arrives_ms = end.arrives_ms.max(now_ms + delay_ms);
        end.incoming.push_back(frame);
        Some(end.arrives_ms)
    }

    /// The next frame on this way arrives, unless it was lost.
    pub fn receive(&mut self, conn: ConnId, way: Way, now_ms: u64) -> Option<Vec<u8>> {
        let end = self.conns.get_mut(&conn)?.end_mut(way);
        let frame = end.incoming.pop_front()?;
        end.heard_ms = now_ms;
        end.open.then_some(frame)
    }

    pub fn waiting(&self, conn: ConnId, way: Way) -> usize {
        self.get(conn).map_or(0, |conn| conn.end(way).incoming.len())
    }

    /// A mutant's: the last frame on this way is lost, and nobody is told.
    pub fn swallow(&mut self, conn: ConnId, way: Way) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.end_mut(way).incoming.pop_back();
        }
    }

    /// A mutant's: the last two frames on this way change places, if both are of a feed.
    pub fn overtake(&mut self, conn: ConnId, way: Way) {
        let Some(conn) = self.conns.get_mut(&conn) else { return };
        let frames = &mut conn.end_mut(way).incoming;
        let is_feed = |frame: &Vec<u8>| matches!(decode(frame), Ok(ToClient::Feed { .. }));
        let last = frames.len().saturating_sub(2);
        if frames.len() >= 2 && frames.range(last..).all(is_feed) {
            frames.swap(last, last + 1);
        }
    }

    pub fn heard_ms(&self, conn: ConnId, way: Way) -> u64 {
        self.get(conn).map_or(0, |conn| conn.end(way).heard_ms)
    }

    /// Of what is on this way, only the first `kept` frames will arrive.
    pub fn lose_after(&mut self, conn: ConnId, way: Way, kept: usize) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.end_mut(way).incoming.truncate(kept);
        }
    }

    /// Nothing that is sent from now on will arrive.
    pub fn cut(&mut self, conn: ConnId) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.cut = true;
        }
    }

    /// This end of the connection is closed; once both are, nothing is left of it.
    pub fn close(&mut self, conn: ConnId, way: Way) {
        let Some(entry) = self.conns.get_mut(&conn) else { return };
        entry.end_mut(way).open = false;
        if !entry.ends.iter().any(|end| end.open) {
            self.conns.remove(&conn);
        }
    }

    pub fn block(&mut self, caller: Caller, server: usize, way: Way) {
        self.blocked.insert((caller, server, way));
    }

    pub fn unblock(&mut self, caller: Caller, server: usize, way: Way) {
        self.blocked.remove(&(caller, server, way));
    }

    pub fn unblock_all(&mut self) {
        self.blocked.clear();
    }

    pub fn is_blocked(&self, caller: Caller, server: usize, way: Way) -> bool {
        self.blocked.contains(&(caller, server, way))
    }
}
