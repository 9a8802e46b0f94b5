//! What stands in the log and not in its indexes yet.
//!
//! Every row of the tables 'ids', 'streams', 'canonical' and 'devices' follows from the log. So a batch writes events
//! into the log alone, and what the indexes are to say of them stays in memory until a generation of them is full.
//! That is then sorted and written into tables of its own, beside the commits: no journal, no memtable.
//!
//! ```text
//! commit --> open generation --full--> sealed generation --sorted--> tables --> meta "indexed" --> forgotten
//! ```
//!
//! **Invariant**: an event of the log is in a generation here, or in all indexes; for a moment it is in both. So whoever
//! looks here first ([`Fresh::held`]) and into a state of the engine that is taken after that misses none.
//! A crash loses nothing: an open makes the generations anew, from the log behind "indexed". Rows that were written and
//! not noted there are written once more, and are the same.
//!
//! It must not know who asks, and what of the log's rows is on the disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;

use fjall::{Keyspace, Readable};

use super::check::{Check, Failure, Row, damage};
use super::index::Index;
use super::keys::{self, End};
use crate::clock::Time;
use crate::event::{Claim, Conversation, Event, Origin};
use crate::id::{AccountId, ConversationId, DeviceId, EventId, Position, Seq};
use crate::log::Stream;
use crate::order::Key;

/// Events of a generation, of about 300 bytes each; there are two at most. With fewer, the engine would merge its tables
/// more often.
#[cfg(not(test))]
const EVENTS: usize = 32_768;
/// So few that every test has some.
#[cfg(test)]
const EVENTS: usize = 32;
/// Fewer are not worth tables when a store is closed: its next open reads them in some milliseconds.
pub(super) const WORTH_EVENTS: usize = EVENTS / 16;

/// Events that follow each other in the log, and what is asked of them.
#[derive(Default)]
struct Generation {
    /// Where the first of them stands.
    first: Position,
    places: Vec<Place>,
    ids: HashMap<EventId, u32>,
    /// By device and number, the event that was first; forks are no such.
    devices: HashMap<(AccountId, DeviceId), BTreeMap<Seq, u32>>,
    streams: BTreeMap<Stream, Vec<u32>>,
}

/// What the indexes are to say of one event.
struct Place {
    id: EventId,
    origin: Origin,
    time: Time,
    conversation: Conversation,
}

impl Generation {
    fn after(position: Position) -> Self {
        Self { first: position + 1, ..Self::default() }
    }

    fn is_full(&self) -> bool {
        self.places.len() >= EVENTS
    }

    fn last(&self) -> Position {
        self.first + self.places.len() as u64 - 1
    }

    fn push(&mut self, place: Place, streams: impl Iterator<Item = Stream>, fork: bool) {
        // There are 2^32 of them never: a generation that is full is written before it grows.
        let number = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let Origin { account, device, seq } = place.origin;
        self.ids.insert(place.id, number);
        if !fork {
            self.devices.entry((account, device)).or_default().insert(seq, number);
        }
        for stream in streams {
            self.streams.entry(stream).or_default().push(number);
        }
        self.places.push(place);
    }

    fn id(&self, number: u32) -> Option<EventId> {
        Some(self.places.get(usize::try_from(number).ok()?)?.id)
    }

    fn position(&self, number: u32) -> Position {
        self.first + u64::from(number)
    }

    /// At most `limit` places of a stream after `after` and up to `upto`.
    fn scan(
        &self,
        stream: Stream,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> impl Iterator<Item = (Position, EventId)> {
        let numbers = self.streams.get(&stream).map_or(&[][..], Vec::as_slice);
        let from = numbers.partition_point(|number| self.position(*number) <= after);
        let places =
            numbers[from..].iter().filter_map(|number| Some((self.position(*number), self.id(*number)?)));
        places.take_while(move |(position, _)| *position <= upto).take(limit)
    }

    /// Writes all rows into tables, and notes that.
    fn write(&self, index: &Index) -> fjall::Result<()> {
        let placed = || self.places.iter().zip(self.first..);
        write_table(&index.ids, placed().map(|(place, at)| (*place.id.as_bytes(), keys::position(at))))?;
        let mut conversations = HashMap::new();
        let mut conversation =
            |of: Conversation| -> ConversationId { *conversations.entry(of).or_insert_with(|| of.id()) };
        let key = |Place { id, origin, time, .. }: &Place| Key {
            time: *time,
            device: origin.device,
            seq: origin.seq,
            id: *id,
        };
        let canonical = placed().map(|(place, at)| {
            (keys::canonical(conversation(place.conversation), &key(place)), keys::position(at))
        });
        write_table(&index.canonical, canonical)?;
        let streams = self.streams.iter().flat_map(|(stream, numbers)| {
            let row = |number: &u32| {
                Some((keys::stream(*stream, self.position(*number)), *self.id(*number)?.as_bytes()))
            };
            numbers.iter().filter_map(row)
        });
        write_table(&index.streams, streams)?;
        let devices = self.devices.iter().flat_map(|((account, device), numbers)| {
            let origin = |seq| Origin { account: *account, device: *device, seq };
            let row = move |(seq, number): (&Seq, &u32)| {
                Some((keys::origin(origin(*seq)), *self.id(*number)?.as_bytes()))
            };
            numbers.iter().filter_map(row)
        });
        write_table(&index.devices, devices)?;
        index.note_indexed(self.last())
    }
}

/// Writes rows, no two of one key, into tables of their own.
fn write_table<K, V>(table: &Keyspace, rows: impl Iterator<Item = (K, V)>) -> fjall::Result<()>
where
    K: AsRef<[u8]> + Ord,
    V: AsRef<[u8]>,
{
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let mut ingestion = table.start_ingestion()?;
    for (key, value) in rows {
        ingestion.write(key.as_ref(), value.as_ref())?;
    }
    ingestion.finish()
}

type Shared = Arc<RwLock<Generation>>;

fn read(generation: &Shared) -> RwLockReadGuard<'_, Generation> {
    generation.read().unwrap_or_else(PoisonError::into_inner)
}

/// The generations of one log.
pub(super) struct Fresh {
    generations: RwLock<Held>,
}

/// The generations of one moment: what leaves them later is in the engine by then.
#[derive(Clone)]
pub(super) struct Held {
    open: Shared,
    sealed: Option<Shared>,
}

impl Held {
    fn newest_first(&self) -> impl Iterator<Item = RwLockReadGuard<'_, Generation>> {
        [Some(&self.open), self.sealed.as_ref()].into_iter().flatten().map(read)
    }

    /// Where what is here begins: every event before that is in all indexes.
    pub(super) fn first(&self) -> Position {
        read(self.sealed.as_ref().unwrap_or(&self.open)).first
    }

    /// Where an event stands.
    pub(super) fn position(&self, id: &EventId) -> Option<Position> {
        self.newest_first().find_map(|some| some.ids.get(id).map(|number| some.position(*number)))
    }

    /// The event that was the first of its origin.
    pub(super) fn first_of(&self, origin: Origin) -> Option<EventId> {
        let Origin { account, device, seq } = origin;
        self.newest_first().find_map(|some| some.id(*some.devices.get(&(account, device))?.get(&seq)?))
    }

    /// The last number of the device that an origin names; 0 if it has none here.
    pub(super) fn last_number(&self, origin: Origin) -> Seq {
        let last = |some: RwLockReadGuard<'_, Generation>| {
            some.devices.get(&(origin.account, origin.device))?.last_key_value().map(|(seq, _)| *seq)
        };
        self.newest_first().filter_map(last).max().unwrap_or(0)
    }

    /// At most `limit` places of a stream after `after` and up to `upto`, in log order.
    pub(super) fn scan(
        &self,
        stream: Stream,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Vec<(Position, EventId)> {
        let mut found = Vec::new();
        for generation in [self.sealed.as_ref(), Some(&self.open)].into_iter().flatten() {
            found.extend(read(generation).scan(stream, after, upto, limit - found.len()));
        }
        found
    }
}

impl Fresh {
    /// Makes the generations anew, from what the log holds and the indexes do not; what is more than one is written at
    /// once.
    pub(super) fn load(index: &Index, end: &End) -> Result<Self, Failure> {
        let check = Check { index, snapshot: index.snapshot() };
        let Some(indexed) = index.indexed(&check.snapshot)? else {
            // From before there was this module: each batch has written its rows.
            index.note_indexed(end.position)?;
            return Ok(Self::of(Generation::after(end.position)));
        };
        let mut open = Generation::after(indexed);
        let from = keys::position(open.first);
        for (row, position) in check.snapshot.range(&index.log, from..).zip(open.first..) {
            let (key, value) = row.into_inner()?;
            if keys::read_position(&key) != Some(position) {
                return damage(format!("its log has no event at {position}, and has later ones"));
            }
            let row = Row::new(position, value)?;
            let claim = Claim::of(row.event())
                .map_err(|error| Failure::Damage(format!("its event {position} is none: {error}")))?;
            let (id, key) = (claim.id(), claim.key());
            let origin = claim.origin();
            let fork = end.forks > 0 && check.snapshot.contains_key(&index.forks, keys::fork(origin, &id))?;
            let conversation = claim.conversation();
            let streams = Stream::among(conversation, claim.kind(), claim.body());
            open.push(Place { id, origin, time: key.time, conversation }, streams, fork);
            if open.is_full() {
                open.write(index)?;
                open = Generation::after(position);
            }
        }
        Ok(Self::of(open))
    }

    fn of(open: Generation) -> Self {
        Self { generations: RwLock::new(Held { open: Arc::new(RwLock::new(open)), sealed: None }) }
    }

    /// What is here now. Whoever also looks into the engine takes its state after this.
    pub(super) fn held(&self) -> Held {
        self.generations.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A batch of the log's next events is on the disk.
    pub(super) fn add<'a>(&self, events: impl Iterator<Item = (&'a Event, bool)>) {
        let open = self.held().open;
        let mut open = open.write().unwrap_or_else(PoisonError::into_inner);
        for (event, fork) in events {
            let place = Place {
                id: event.id(),
                origin: event.origin(),
                time: event.time(),
                conversation: event.conversation(),
            };
            open.push(place, Stream::of(event), fork);
        }
    }

    /// Writes all that is in the open generation into the indexes, if it is so many events. Nothing may be added
    /// meanwhile.
    pub(super) fn finish(&self, index: &Index, at_least: usize) -> fjall::Result<()> {
        let open = self.held().open;
        let mut open = open.write().unwrap_or_else(PoisonError::into_inner);
        if open.places.len() >= at_least {
            open.write(index)?;
            *open = Generation::after(open.last());
        }
        Ok(())
    }

    /// The open generation, if it is full, is the sealed one from now on.
    fn seal(&self) -> Option<Shared> {
        let mut held = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        let next = {
            let open = read(&held.open);
            open.is_full().then(|| Generation::after(open.last()))?
        };
        let full = std::mem::replace(&mut held.open, Arc::new(RwLock::new(next)));
        held.sealed = Some(Arc::clone(&full));
        Some(full)
    }

    fn forget_sealed(&self) {
        self.generations.write().unwrap_or_else(PoisonError::into_inner).sealed = None;
    }
}

/// The thread that writes the sealed generation, while there is one.
#[derive(Default)]
pub(super) struct Indexing(Option<JoinHandle<fjall::Result<()>>>);

impl Indexing {
    /// Begins to write the open generation if that is full; waits for the one before, so that there are never more than
    /// two.
    pub(super) fn go_on(&mut self, fresh: &Arc<Fresh>, index: &Index) -> fjall::Result<()> {
        let is_full = read(&fresh.held().open).is_full();
        if is_full || self.0.as_ref().is_some_and(JoinHandle::is_finished) {
            self.wait()?;
        }
        let Some(sealed) = fresh.seal() else { return Ok(()) };
        let (fresh, index) = (Arc::clone(fresh), index.clone());
        let write = move || {
            read(&sealed).write(&index)?;
            fresh.forget_sealed();
            Ok(())
        };
        self.0 = Some(std::thread::Builder::new().name("indexer".to_owned()).spawn(write)?);
        Ok(())
    }

    /// Returns when nothing is being written.
    pub(super) fn wait(&mut self) -> fjall::Result<()> {
        let broken = || std::io::Error::other("the indexer broke off");
        match self.0.take() {
            Some(thread) => thread.join().map_err(|_| broken())?,
            None => Ok(()),
        }
    }
}

impl Drop for Indexing {
    fn drop(&mut self) {
        // Whoever drops it without a question goes by the log at the next open.
        let _unasked = self.wait();
    }
}
