//! Disks: a server's log and a device's. On a crash they forget what was not synced, or keep a first part of it;
//! what they hold may rot. What of that they find is what `store` finds: a last write that broke off is cut off,
//! an event that no longer fits its checksum refuses the whole store.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use tercet::erasure;
use tercet::event::{Event, Kind, Origin};
use tercet::frame::DeviceCursor;
use tercet::history::{Entry, Stored};
use tercet::id::{ConversationId, DeviceId, EventId, Incarnation, Position, RoomId, ServerId};
use tercet::log::{Log, Stream, Write};
use tercet::order::Key;
use tercet::sync::PeerCursor;
use tercet::view::SignedView;

/// A server's disk: what is durable, the batch that is being synced, and the one that gathers behind it.
#[derive(Debug)]
pub struct Disk {
    pub incarnation: Incarnation,
    log: Vec<(Arc<Event>, bool)>,
    /// How much of `log` a crash leaves; all of it, unless a mutant's disk commits what is not synced.
    safe: usize,
    places: BTreeMap<EventId, Position>,
    twins: BTreeMap<Origin, EventId>,
    streams: BTreeMap<Stream, Vec<(Position, EventId)>>,
    canonical: BTreeSet<(ConversationId, Key)>,
    cursors: BTreeMap<(DeviceId, Option<RoomId>), DeviceCursor>,
    peers: BTreeMap<ServerId, PeerCursor>,
    view: Option<SignedView>,
    /// Whether this life of the log has ended.
    pub sealed: bool,
    gathering: Vec<Write>,
    syncing: Option<Vec<Write>>,
    /// Events of which a bit has flipped, by their place from 0, as they would now be read.
    rotten: BTreeMap<usize, Vec<u8>>,
    /// Events that a mutant's store has lost without a trace.
    pub holes: BTreeSet<Position>,
    /// Whether a mutant's store keeps what was taken back.
    pub keeps_bodies: bool,
    /// Whether it keeps the parts of such a file.
    pub keeps_parts: bool,
}

/// What a crash leaves of the batch that was being synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// There was none, or nothing of it is there.
    Nothing,
    /// A first part of it; the write after that broke off and is cut off.
    Torn,
    /// All of it, though nobody was told so.
    All,
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
            view: None,
            sealed: false,
            gathering: Vec::new(),
            syncing: None,
            rotten: BTreeMap::new(),
            holes: BTreeSet::new(),
            keeps_bodies: false,
            keeps_parts: false,
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
        let log = (1..).zip(self.events()).filter(|(position, _)| !self.holes.contains(position));
        log.map(|(position, event)| Stored { position, event: Arc::clone(event) }).collect()
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

    /// A mutant's: what has gathered is taken for durable though no sync covers it.
    pub fn pretend_synced(&mut self) {
        for write in std::mem::take(&mut self.gathering) {
            self.commit(write);
        }
    }

    /// The machine loses power, or the server stops over its disk: of the batch that was being synced, a first
    /// part is there.
    pub fn crash(&mut self, rng: &mut fastrand::Rng) -> Left {
        let batch = self.syncing.take().unwrap_or_default();
        let (all, kept) = (batch.len(), [0, batch.len(), rng.usize(..=batch.len())][rng.usize(..3)]);
        if kept > 0 {
            self.syncing = Some(batch.into_iter().take(kept).collect());
            self.finish_sync();
        }
        let safe = self.log.drain(..self.safe).collect();
        self.rewrite(safe);
        match kept {
            0 => Left::Nothing,
            _ if kept < all => Left::Torn,
            _ => Left::All,
        }
    }

    /// The log, each event with its fork mark.
    pub fn log(&self) -> &[(Arc<Event>, bool)] {
        &self.log
    }

    /// Makes the log anew of these events, and its indexes with it; the cursors stay.
    pub fn rewrite(&mut self, log: Vec<(Arc<Event>, bool)>) {
        let mut after = Self::new(self.incarnation);
        (after.keeps_bodies, after.keeps_parts) = (self.keeps_bodies, self.keeps_parts);
        log.into_iter().for_each(|(event, fork)| after.append(event, fork));
        after.safe = after.log.len();
        after.cursors = std::mem::take(&mut self.cursors);
        after.peers = std::mem::take(&mut self.peers);
        (after.view, after.sealed) = (std::mem::take(&mut self.view), self.sealed);
        after.rotten = std::mem::take(&mut self.rotten);
        after.holes = std::mem::take(&mut self.holes);
        *self = after;
    }

    /// The same log in another life: how far devices have read it is void.
    pub fn renew(&mut self, incarnation: Incarnation) {
        (self.incarnation, self.sealed) = (incarnation, false);
        self.cursors.clear();
    }

    /// What would be read in place of what has rotted, by its place from 0.
    pub fn take_rotten(&mut self) -> BTreeMap<usize, Vec<u8>> {
        std::mem::take(&mut self.rotten)
    }

    /// A bit of an event flips, where the log is at rest. Returns whether there was one.
    pub fn rot(&mut self, rng: &mut fastrand::Rng) -> bool {
        let Some((index, (event, _))) = rng.choice(self.log[..self.safe].iter().enumerate()) else {
            return false;
        };
        let mut bytes = event.bytes().to_vec();
        let byte = rng.usize(..bytes.len());
        bytes[byte] ^= 1 << rng.u32(..8);
        self.rotten.insert(index, bytes);
        true
    }

    /// The view that counts from now on.
    pub fn put_view(&mut self, view: Option<SignedView>) {
        self.view = view;
    }

    /// Whether what would be read is all that was written: `store` keeps a checksum for it.
    pub fn is_whole(&self) -> bool {
        let sound = |(index, bytes): (&usize, &Vec<u8>)| {
            blake3::hash(bytes) == blake3::hash(self.log[*index].0.bytes())
        };
        self.rotten.iter().all(sound)
    }

    fn commit(&mut self, write: Write) {
        match write {
            Write::Append { position, event, fork } => {
                assert_eq!(position, self.tip() + 1, "the server skips a position");
                self.append(event, fork);
            }
            Write::Body(event) => self.with_events(|log| erasure::fill(log, event)),
            Write::Cursor(cursor) => {
                self.cursors.insert((cursor.device, cursor.room), cursor);
            }
            Write::Peer(cursor) => {
                self.peers.insert(cursor.peer, cursor);
            }
            Write::View(signed) => self.view = Some(signed),
            Write::Seal => self.sealed = true,
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
        if self.keeps_bodies {
            return;
        }
        let keeps_parts = self.keeps_parts;
        self.with_events(|events| {
            let whole = if keeps_parts { events.to_vec() } else { Vec::new() };
            erasure::forget(events);
            let parts = events.iter_mut().zip(whole).filter(|(_, whole)| whole.kind() == Kind::Chunk);
            parts.for_each(|(event, whole)| *event = whole);
        });
    }

    /// Lets the bodies of the log be changed.
    fn with_events(&mut self, change: impl FnOnce(&mut [Arc<Event>])) {
        let mut events: Vec<_> = self.events().cloned().collect();
        change(&mut events);
        self.log.iter_mut().zip(events).for_each(|((event, _), after)| *event = after);
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
        if self.holes.contains(&position) {
            return Ok(None);
        }
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

    fn hollow(&self, after: Position, limit: usize) -> Result<Vec<(Position, EventId)>, Infallible> {
        let events: Vec<_> = self.events().cloned().collect();
        Ok(erasure::hollow(&events, after, limit))
    }

    fn cursors(&self) -> Result<Vec<DeviceCursor>, Infallible> {
        Ok(self.cursors.values().copied().collect())
    }

    fn view(&self) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.view.as_ref().map(SignedView::bytes))
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
