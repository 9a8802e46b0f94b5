//! Anti-entropy: a server finds out what it lacks, and fetches it.
//!
//! Every server follows every peer's whole log by ids, in log order, all the time (rule 11). What it has,
//! costs an id; what it lacks, it fetches. In the steady state the author's upload comes first and no body
//! crosses; a server that was away asks at once for what it missed.
//!
//! **Invariants**
//! - A cursor in a peer's log passes an event only when that event is durable here, and belongs to one
//!   incarnation of that log (rules 7, 8 and 11).
//! - What a peer sends is trusted as little as what a stranger uploads: the signature, the ancestors and the
//!   closure are checked. Only the clock is not asked, since validity does not depend on the reader (rule 3).
//!
//! This is the pulling half; the other half is that [`crate::server`] lets peers follow. It does not write:
//! it hands [`crate::server`] events to append, and is told what has become durable.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::delivery::Delivery;
use crate::event::Event;
pub use crate::frame::PeerCursor;
use crate::frame::ToServer;
use crate::id::{EventId, Incarnation, Position, ServerId};
use crate::limits::SYNC_AFTER_MS;
use crate::waiting::Waiting;
use crate::wanted::Wanted;

/// One peer.
#[derive(Debug, Clone, Hash)]
struct Peer {
    id: ServerId,
    up: bool,
    incarnation: Option<Incarnation>,
    delivery: Delivery,
    /// Where its log ended when it last answered.
    goal: Position,
    /// Whether the cursor has moved since it was last written.
    dirty: bool,
}

impl Peer {
    fn new(id: ServerId, cursor: Option<&PeerCursor>) -> Self {
        let delivery = Delivery::resume(cursor.map_or(0, |cursor| cursor.position));
        let incarnation = cursor.map(|cursor| cursor.incarnation);
        Self { id, up: false, incarnation, delivery, goal: 0, dirty: false }
    }

    fn cursor(&self) -> Option<PeerCursor> {
        let incarnation = self.incarnation?;
        Some(PeerCursor { peer: self.id, incarnation, position: self.delivery.cursor() })
    }
}

/// What a server knows of its peers' logs.
#[derive(Debug, Clone, Hash)]
pub struct Sync {
    peers: Vec<Peer>,
    wanted: Wanted,
    /// Events whose parents are not here yet, with who sent them.
    waiting: Waiting<ServerId>,
    /// The peer that was asked for bodies last, by its place.
    asked_last: usize,
}

/// A frame for a peer.
pub type ToPeer = (ServerId, ToServer);

impl Sync {
    /// Nothing is known of these peers but how far their logs have been read.
    pub fn new(peers: impl IntoIterator<Item = ServerId>, cursors: &[PeerCursor]) -> Self {
        let cursor = |id| cursors.iter().find(|cursor| cursor.peer == id);
        let peers = peers.into_iter().map(|id| Peer::new(id, cursor(id))).collect();
        Self { peers, wanted: Wanted::default(), waiting: Waiting::default(), asked_last: 0 }
    }

    fn peer(&mut self, id: ServerId) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.id == id)
    }

    /// A peer answers: follow its log from where this incarnation of it was left.
    pub fn up(&mut self, id: ServerId, incarnation: Incarnation) -> Option<ToPeer> {
        let peer = self.peer(id)?;
        if peer.incarnation != Some(incarnation) {
            peer.incarnation = Some(incarnation);
            peer.delivery = Delivery::default();
            peer.dirty = false;
        }
        peer.up = true;
        peer.goal = 0;
        peer.delivery.disconnect();
        Some((id, ToServer::Follow { room: None, after: peer.delivery.cursor(), bodies: false }))
    }

    /// Where the log of a peer that answers ends now: what is there already is to be caught up with.
    pub fn aim(&mut self, id: ServerId, position: Position) {
        if let Some(peer) = self.peer(id) {
            peer.goal = position;
        }
    }

    /// The end of the longest log with which this server has not caught up since its peer answered.
    pub fn goal(&self) -> Option<Position> {
        let behind = |peer: &&Peer| peer.up && peer.delivery.cursor() < peer.goal;
        self.peers.iter().filter(behind).map(|peer| peer.goal).max()
    }

    /// From now on these are the peers whose logs are read: what is known of those that stay is kept, what
    /// others announced is not.
    pub fn retarget(&mut self, ids: &BTreeSet<ServerId>) {
        self.peers.retain(|peer| ids.contains(&peer.id));
        let known: BTreeSet<_> = self.peers.iter().map(|peer| peer.id).collect();
        self.peers.extend(ids.difference(&known).map(|id| Peer::new(*id, None)));
        self.forget_unannounced();
    }

    /// The peers that answer.
    pub fn connected(&self) -> impl Iterator<Item = ServerId> {
        self.peers.iter().filter(|peer| peer.up).map(|peer| peer.id)
    }

    /// How far this server has read, of every peer whose log it knows.
    pub fn cursors(&self) -> Vec<PeerCursor> {
        self.peers.iter().filter_map(Peer::cursor).collect()
    }

    /// A peer is gone, and with it what it announced.
    pub fn down(&mut self, id: ServerId) {
        if let Some(peer) = self.peer(id) {
            peer.up = false;
            peer.delivery.disconnect();
        }
        self.forget_unannounced();
    }

    fn forget_unannounced(&mut self) {
        let peers = &self.peers;
        let is_announced = |id: &EventId| peers.iter().any(|peer| peer.delivery.lacks(id));
        self.wanted.retain(is_announced);
        self.waiting.retain(|id, _| is_announced(id));
    }

    /// A peer tells of its log up to a position: these events of it are not durable here, each with whether it
    /// is on its way to the disk. Answers whether they follow what it has told before.
    pub fn told(
        &mut self,
        now_ms: u64,
        id: ServerId,
        lacking: &[(EventId, bool)],
        (after, upto): (Position, Position),
        caught_up: bool,
    ) -> bool {
        let Some(peer) = self.peer(id) else { return true };
        if peer.delivery.leaves_out(after) {
            return false;
        }
        peer.delivery.told(upto, lacking.iter().map(|(id, _)| *id).collect());
        // An author's own upload is likely on its way; what a peer has had for long is not.
        let due_ms = if caught_up { now_ms + SYNC_AFTER_MS } else { now_ms };
        for (id, staged) in lacking {
            if !staged && !self.waiting.contains(id) {
                self.wanted.add(*id, due_ms);
            }
        }
        true
    }

    /// An event has come of whose parents this one is not here: it waits for it, if there is room.
    pub fn wait(&mut self, from: ServerId, event: Arc<Event>, parent: EventId) {
        let id = event.id();
        if self.waiting.add(event, from, parent) {
            self.wanted.remove(&id);
        }
    }

    /// Takes out an event that waited for a parent which is staged by now, with who sent it.
    pub fn next_ready(&mut self) -> Option<(Arc<Event>, ServerId)> {
        self.waiting.next_ready()
    }

    /// An event is staged: it need not be fetched any more, and what waited for it may be able to go on.
    pub fn staged(&mut self, id: &EventId) {
        self.wanted.remove(id);
        self.waiting.here(id);
    }

    /// These events have become durable: moves the cursors that waited for them, and tells the peers.
    pub fn settle(&mut self, fresh: &BTreeSet<EventId>) -> Vec<ToPeer> {
        let mut frames = Vec::new();
        for peer in &mut self.peers {
            // Not in the order of that log: the author brings one event, a peer another.
            peer.delivery.hold(fresh);
            if let Some(position) = peer.delivery.settle(|_| false) {
                peer.dirty = true;
                if peer.up {
                    frames.push((peer.id, ToServer::Cursor { room: None, position }));
                }
            }
        }
        frames
    }

    /// What is due to be fetched now.
    pub fn fetch(&mut self, now_ms: u64) -> Vec<ToPeer> {
        let peers = &self.peers;
        let has = |source: usize, id: &EventId| {
            peers.get(source).is_some_and(|peer: &Peer| peer.up && peer.delivery.lacks(id))
        };
        let asks = self.wanted.asks(now_ms, 0, peers.len(), has);
        asks.into_iter().map(|(source, ids)| (peers[source].id, ToServer::Fetch { ids })).collect()
    }

    /// Asks the next peer that answers for the bodies of these events, which are here without: not only whoever told
    /// of them, for that may be who dropped them.
    pub fn ask_for_bodies(&mut self, ids: Vec<EventId>) -> Option<ToPeer> {
        let count = self.peers.len();
        let mut in_turn = (1..=count).map(|offset| (self.asked_last + offset) % count);
        let next = in_turn.find(|index| self.peers[*index].up).filter(|_| !ids.is_empty())?;
        self.asked_last = next;
        Some((self.peers[next].id, ToServer::Fetch { ids }))
    }

    /// The cursors that have moved since they were last taken, to be written.
    pub fn take_cursors(&mut self) -> Vec<PeerCursor> {
        let cursor = |peer: &mut Peer| std::mem::take(&mut peer.dirty).then(|| peer.cursor()).flatten();
        self.peers.iter_mut().filter_map(cursor).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_syncing_until_it_has_what_its_peers_had_when_they_answered() {
        let ids = [1, 2].map(|n| ServerId::new([n; 32]));
        let mut sync = Sync::new(ids, &[]);
        let event = EventId::new([7; 32]);
        sync.up(ids[0], Incarnation::new([1; 16]));
        assert_eq!(sync.goal(), None, "it is not known how much there is");
        sync.aim(ids[0], 5);
        sync.up(ids[1], Incarnation::new([2; 16]));
        sync.aim(ids[1], 9);
        assert_eq!(sync.goal(), Some(9));
        sync.down(ids[1]);
        assert_eq!(sync.goal(), Some(5), "who does not answer is not waited for");
        assert!(sync.told(0, ids[0], &[(event, false)], (0, 5), true));
        sync.settle(&BTreeSet::new());
        assert_eq!(sync.goal(), Some(5), "one is lacking");
        sync.settle(&[event].into());
        assert_eq!(sync.goal(), None);
        assert!(!sync.told(0, ids[0], &[], (6, 7), true), "one is left out");
        assert!(sync.told(0, ids[0], &[(EventId::new([8; 32]), false)], (5, 6), true));
        assert_eq!(sync.goal(), None, "what comes later is everyday life");
    }
}
