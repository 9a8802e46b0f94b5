//! Disks that forget on a crash what was not synced: a server's log and a device's.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use tercet::erasure;
use tercet::event::{Event, Origin};
use tercet::frame::DeviceCursor;
use tercet::history::{Entry, Stored};
use tercet::id::{ConversationId, EventId, Incarnation, Position, ServerId};
use tercet::log::{Log, Stream, Write};
use tercet::order::Key;
use tercet::sync::PeerCursor;

/// A server's disk: what is durable, and the batch that gathers.
#[derive(Clone, Hash)]
pub struct Disk {
    pub incarnation: Incarnation,
    log: Vec<(Arc<Event>, bool)>,
    /// How much of `log` a crash leaves; all of it, unless a planted bug commits what is not synced.
    safe: usize,
    peers: BTreeMap<ServerId, PeerCursor>,
    gathering: Vec<Write>,
}

impl Disk {
    pub fn new(incarnation: Incarnation) -> Self {
        Self { incarnation, log: Vec::new(), safe: 0, peers: BTreeMap::new(), gathering: Vec::new() }
    }

    /// The last position that the log answers for.
    pub fn tip(&self) -> Position {
        self.log.len() as Position
    }

    /// The last position that a crash leaves.
    pub fn safe(&self) -> Position {
        self.safe as Position
    }

    pub fn forks(&self) -> u64 {
        self.log.iter().filter(|(_, fork)| *fork).count() as u64
    }

    pub fn events(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.log.iter().map(|(event, _)| event)
    }

    /// Events that gather for the next sync.
    pub fn gathering(&self) -> usize {
        self.gathering.iter().filter(|write| matches!(write, Write::Append { .. })).count()
    }

    pub fn stored(&self) -> Vec<Stored> {
        (1..).zip(self.events()).map(|(position, event)| Stored { position, event: event.clone() }).collect()
    }

    pub fn canonical(&self) -> Vec<(ConversationId, Key)> {
        let keys = self.events().map(|event| (event.conversation().id(), event.key()));
        keys.collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub fn peers(&self) -> Vec<PeerCursor> {
        self.peers.values().copied().collect()
    }

    /// A device's cursor is left out: no machine reads it back.
    pub fn stage(&mut self, write: Write) {
        if !matches!(write, Write::Cursor(_)) {
            self.gathering.push(write);
        }
    }

    /// Whether a sync would make anything durable.
    pub fn is_dirty(&self) -> bool {
        !self.gathering.is_empty() || self.safe < self.log.len()
    }

    /// What has gathered is on the disk, whole.
    pub fn sync(&mut self) {
        self.pretend_synced();
        self.safe = self.log.len();
    }

    /// A planted bug: what has gathered is taken for durable though no sync covers it.
    pub fn pretend_synced(&mut self) {
        for write in std::mem::take(&mut self.gathering) {
            match write {
                Write::Append { position, event, fork } => {
                    assert_eq!(position, self.tip() + 1, "the server skips a position");
                    self.log.push((event, fork));
                    self.with_events(erasure::forget);
                }
                Write::Body(event) => self.with_events(|log| erasure::fill(log, event)),
                // No scope changes views.
                Write::Cursor(_) | Write::Seal | Write::View(_) => {}
                Write::Peer(cursor) => {
                    self.peers.insert(cursor.peer, cursor);
                }
            }
        }
    }

    /// Lets the bodies of the log be changed.
    fn with_events(&mut self, change: impl FnOnce(&mut [Arc<Event>])) {
        let mut events: Vec<_> = self.events().cloned().collect();
        change(&mut events);
        self.log.iter_mut().zip(events).for_each(|((event, _), after)| *event = after);
    }

    /// The machine loses power: the batch is on the disk whole or not at all.
    pub fn crash(&mut self, batch_survives: bool) {
        if batch_survives {
            self.sync();
        }
        self.gathering.clear();
        self.log.truncate(self.safe);
    }
}

impl Log for Disk {
    type Error = Infallible;

    fn position(&self, id: &EventId) -> Result<Option<Position>, Infallible> {
        Ok((1..).zip(self.events()).find(|(_, event)| event.id() == *id).map(|(position, _)| position))
    }

    fn first_of(&self, origin: Origin) -> Result<Option<EventId>, Infallible> {
        Ok(self.events().find(|event| event.origin() == origin).map(|event| event.id()))
    }

    fn event(&self, position: Position) -> Result<Option<Arc<Event>>, Infallible> {
        Ok((1..).zip(self.events()).find(|(at, _)| *at == position).map(|(_, event)| Arc::clone(event)))
    }

    fn scan(
        &self,
        stream: Stream,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<(Position, EventId)>, Infallible> {
        let of = |event: &Event| stream == Stream::Everything || Stream::of(event).any(|one| one == stream);
        let within = (1..).zip(self.events()).filter(|(at, event)| *at > after && *at <= upto && of(event));
        Ok(within.map(|(at, event)| (at, event.id())).take(limit).collect())
    }

    fn hollow(&self, after: Position, limit: usize) -> Result<Vec<(Position, EventId)>, Infallible> {
        let events: Vec<_> = self.events().cloned().collect();
        Ok(erasure::hollow(&events, after, limit))
    }

    fn cursors(&self) -> Result<Vec<DeviceCursor>, Infallible> {
        Ok(Vec::new())
    }

    fn view(&self) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(None)
    }
}

/// A device's log: what was appended, and how much of it was synced.
#[derive(Clone, Default)]
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

    /// The machine loses power: what was not synced is there or gone.
    pub fn crash(&mut self, all_survives: bool) {
        if !all_survives {
            self.entries.truncate(self.synced);
        }
        self.sync();
    }
}

/// What a reader of the log can tell apart: not in which order entries stand that say nothing of each other,
/// nor when they were written, nor who brought an event.
#[derive(Default, Hash)]
struct Gist<'a> {
    openings: usize,
    written: BTreeSet<&'a [u8]>,
    received: BTreeSet<&'a [u8]>,
    shown: Vec<(EventId, bool)>,
    levels: BTreeSet<(EventId, u32)>,
    /// The lives of each server's log, with its receipts and the last cursor.
    servers: BTreeMap<ServerId, Vec<Life>>,
}

#[derive(Hash)]
struct Life {
    incarnation: Incarnation,
    receipts: BTreeSet<(EventId, Position)>,
    cursor: Position,
}

impl<'a> Gist<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let mut gist = Self::default();
        for entry in entries {
            match entry {
                Entry::Begun { .. } | Entry::View { .. } | Entry::Told { .. } => {}
                Entry::Opened { .. } => gist.openings += 1,
                Entry::Authored { event, .. } => {
                    gist.written.insert(event);
                }
                Entry::Received { event, .. } | Entry::Body { event, .. } => {
                    gist.received.insert(event);
                }
                Entry::Displayed { id, late, .. } => gist.shown.push((*id, *late)),
                Entry::Level { id, copies, .. } => {
                    gist.levels.insert((*id, *copies));
                }
                Entry::Incarnation { server, incarnation, .. } => {
                    gist.life(*server, *incarnation);
                }
                Entry::Receipt { server, incarnation, id, position } => {
                    gist.life(*server, *incarnation).receipts.insert((*id, *position));
                }
                Entry::Cursor { server, incarnation, position, .. } => {
                    gist.life(*server, *incarnation).cursor = *position;
                }
            }
        }
        gist
    }

    fn life(&mut self, server: ServerId, incarnation: Incarnation) -> &mut Life {
        let lives = self.servers.entry(server).or_default();
        if lives.last().is_none_or(|life| life.incarnation != incarnation) {
            lives.push(Life { incarnation, receipts: BTreeSet::new(), cursor: 0 });
        }
        lives.last_mut().unwrap()
    }
}

impl Hash for Tape {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (synced, rest) = self.entries.split_at(self.synced);
        (Gist::of(synced), Gist::of(rest)).hash(state);
    }
}
