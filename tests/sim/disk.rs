//! Disks that forget on a crash what was not synced: a server's log and a device's.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use tercet::event::{Event, Origin};
use tercet::frame::DeviceCursor;
use tercet::history::{Entry, Stored};
use tercet::id::{ConversationId, DeviceId, EventId, Incarnation, Position, RoomId, ServerId};
use tercet::log::{Log, Stream, Write};
use tercet::order::Key;
use tercet::sync::PeerCursor;

/// A server's disk: what is durable, the batch that is being synced, and the one that gathers behind it.
#[derive(Debug)]
pub struct Disk {
    pub incarnation: Incarnation,
    log: Vec<(Arc<Event>, bool)>,
    /// How much of `log` a crash leaves; all of it, unless a planted bug commits what is not synced.
    safe: usize,
    places: BTreeMap<EventId, Position>,
    twins: BTreeMap<Origin, EventId>,
    streams: BTreeMap<Stream, Vec<(Position, EventId)>>,
    canonical: BTreeSet<(ConversationId, Key)>,
    cursors: BTreeMap<(DeviceId, Option<RoomId>), DeviceCursor>,
    peers: BTreeMap<ServerId, PeerCursor>,
    gathering: Vec<Write>,
    syncing: Option<Vec<Write>>,
}

impl Disk {
    pub fn new(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            log: Vec::new(),
            safe: 0,
            places: BTreeMap::new(),
            twins: BTreeMap::new(),
            streams: BTreeMap::new(),
            canonical: BTreeSet::new(),
            cursors: BTreeMap::new(),
            peers: BTreeMap::new(),
            gathering: Vec::new(),
            syncing: None,
        }
    }

    /// The last durable position.
    pub fn tip(&self) -> Position {
        self.log.len() as Position
    }

    pub fn forks(&self) -> u64 {
        self.log.iter().filter(|(_, fork)| *fork).count() as u64
    }

    pub fn holds(&self, id: &EventId) -> bool {
        self.places.contains_key(id)
    }

    pub fn events(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.log.iter().map(|(event, _)| event)
    }

    pub fn stored(&self) -> Vec<Stored> {
        (1..).zip(self.events()).map(|(position, event)| Stored { position, event: event.clone() }).collect()
    }

    pub fn canonical(&self) -> Vec<(ConversationId, Key)> {
        self.canonical.iter().copied().collect()
    }

    /// How far the peers' logs have been read.
    pub fn peers(&self) -> Vec<PeerCursor> {
        self.peers.values().copied().collect()
    }

    /// Writes a peer's cursor at once, whatever else is under way.
    pub fn put_peer(&mut self, cursor: PeerCursor) {
        self.peers.insert(cursor.peer, cursor);
    }

    pub fn stage(&mut self, write: Write) {
        self.gathering.push(write);
    }

    /// Starts to sync what has gathered; false if there is nothing, or a sync is under way.
    pub fn start_sync(&mut self) -> bool {
        if self.syncing.is_some() || self.gathering.is_empty() {
            return false;
        }
        self.syncing = Some(std::mem::take(&mut self.gathering));
        true
    }

    /// The sync is done.
    pub fn finish_sync(&mut self) {
        for write in self.syncing.take().into_iter().flatten() {
            self.commit(write);
        }
        self.safe = self.log.len();
    }

    /// A planted bug: what has gathered is taken for durable though no sync covers it.
    pub fn pretend_synced(&mut self) {
        for write in std::mem::take(&mut self.gathering) {
            self.commit(write);
        }
    }

    /// The machine loses power: a batch that was being synced is on the disk whole or not at all.
    pub fn crash(&mut self, batch_survives: bool) {
        if batch_survives {
            self.finish_sync();
        }
        let mut after = Self::new(self.incarnation);
        for (event, fork) in self.log.drain(..self.safe) {
            after.append(event, fork);
        }
        after.safe = after.log.len();
        after.cursors = std::mem::take(&mut self.cursors);
        after.peers = std::mem::take(&mut self.peers);
        *self = after;
    }

    fn commit(&mut self, write: Write) {
        match write {
            Write::Append { position, event, fork } => {
                assert_eq!(position, self.tip() + 1, "the server skips a position");
                self.append(event, fork);
            }
            Write::Cursor(cursor) => {
                self.cursors.insert((cursor.device, cursor.room), cursor);
            }
            Write::Peer(cursor) => {
                self.peers.insert(cursor.peer, cursor);
            }
        }
    }

    fn append(&mut self, event: Arc<Event>, fork: bool) {
        let position = self.tip() + 1;
        let id = event.id();
        self.places.entry(id).or_insert(position);
        self.twins.entry(event.origin()).or_insert(id);
        for stream in Stream::of(&event) {
            self.streams.entry(stream).or_default().push((position, id));
        }
        self.canonical.insert((event.conversation().id(), event.key()));
        self.log.push((event, fork));
    }
}

impl Log for Disk {
    type Error = Infallible;

    fn position(&self, id: &EventId) -> Result<Option<Position>, Infallible> {
        Ok(self.places.get(id).copied())
    }

    fn first_of(&self, origin: Origin) -> Result<Option<EventId>, Infallible> {
        Ok(self.twins.get(&origin).copied())
    }

    fn event(&self, position: Position) -> Result<Option<Arc<Event>>, Infallible> {
        let index = usize::try_from(position).ok().and_then(|position| position.checked_sub(1));
        Ok(index.and_then(|index| self.log.get(index)).map(|(event, _)| Arc::clone(event)))
    }

    fn scan(
        &self,
        stream: Stream,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<(Position, EventId)>, Infallible> {
        if stream == Stream::Everything {
            let places = (1..).zip(self.events()).map(|(position, event)| (position, event.id()));
            let within = places.filter(|(position, _)| (after + 1..=upto).contains(position));
            return Ok(within.take(limit).collect());
        }
        let places = self.streams.get(&stream).map_or(&[][..], Vec::as_slice);
        let first = places.partition_point(|(position, _)| *position <= after);
        let within = places[first..].iter().take_while(|(position, _)| *position <= upto);
        Ok(within.take(limit).copied().collect())
    }

    fn cursors(&self) -> Result<Vec<DeviceCursor>, Infallible> {
        Ok(self.cursors.values().copied().collect())
    }
}

/// A device's log: what was appended, and how much of it was synced.
#[derive(Debug, Default)]
pub struct Tape {
    entries: Vec<Entry>,
    synced: usize,
}

impl Tape {
    pub fn append(&mut self, entries: Vec<Entry>) {
        self.entries.extend(entries);
    }

    pub fn sync(&mut self) {
        self.synced = self.entries.len();
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The machine loses power: any part of what was not synced is gone, the end first.
    pub fn crash(&mut self, rng: &mut fastrand::Rng) {
        let kept = rng.usize(self.synced..=self.entries.len());
        self.entries.truncate(kept);
        self.synced = kept;
    }
}
