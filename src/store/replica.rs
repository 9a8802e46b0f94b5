//! One server's store, open: the writer's side and the readers'.
//!
//! **Invariant**: what a reader sees is on disk. A batch becomes visible only after its sync (fjall applies
//! and publishes it then), all of it at once, and every read goes through one snapshot. After a write that
//! failed nothing is written again: what the disk then holds is known only by opening the store anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use fjall::{Readable, Snapshot};

use super::bodies::{self, Bodies};
use super::check::Failure;
use super::close;
use super::damaged;
use super::error::StoreError;
use super::fresh::{Fresh, Held, Indexing, WORTH_EVENTS};
use super::identity::Identity;
use super::index::{self, Index};
use super::keys::{self, End};
use super::lock::Lock;
use super::numbers::Numbers;
use super::open::{self, Opened};
use super::recent::Recent;
use super::tip::{Tip, TipFile};
use crate::event::{Event, Origin};
use crate::frame::DeviceCursor;
use crate::history::{ServerHistory, Stored};
use crate::id::{ConversationId, EventId, Incarnation, Position, ServerId};
use crate::intake::Intake;
use crate::log::{Log, Stream, Write};
use crate::order::Key;
use crate::sync::PeerCursor;
use crate::taken::ServerLog;

/// A handle to one server's store; clones are cheap, and the store closes with the last of them.
#[derive(Clone)]
pub struct Replica(Arc<Inner>);

struct Inner {
    index: Index,
    identity: Identity,
    folder: PathBuf,
    writer: Mutex<Writer>,
    fresh: Arc<Fresh>,
    recent: RwLock<Recent>,
    numbers: Mutex<Numbers>,
    durable: AtomicU64,
    forks: AtomicU64,
    // Last, so that nobody else opens the store before the engine has closed.
    _lock: Lock,
}

struct Writer {
    end: End,
    tip: TipFile,
    indexing: Indexing,
    stopped: bool,
}

impl Replica {
    /// Opens the store in this folder, or makes it, with a new incarnation, if there is none.
    ///
    /// # Errors
    /// The store is in use, another server's, of a later version, or damaged; the folder is something else,
    /// unwritable, or on a full disk. A store that is refused stays as it was.
    pub fn open(dir: &Path, server: ServerId) -> Result<Self, StoreError> {
        let Opened { index, identity, end, tip, lock } = open::open_or_make(dir, server)?;
        let fresh = Fresh::load(&index, &end).map_err(|failure| failure.of(dir))?;
        let writer = Writer { end, tip, indexing: Indexing::default(), stopped: false };
        let inner = Inner {
            index,
            identity,
            folder: dir.to_owned(),
            durable: AtomicU64::new(end.position),
            forks: AtomicU64::new(end.forks),
            writer: Mutex::new(writer),
            fresh: Arc::new(fresh),
            recent: RwLock::default(),
            numbers: Mutex::default(),
            _lock: lock,
        };
        inner.note_tip(&inner.writer.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(Self(Arc::new(inner)))
    }

    /// Reads and checks a whole store, but for the signatures of its events, without changing it, through a
    /// copy in the system's temporary folder.
    /// Of a running server's store it reads some state that was durable; better to stop the server.
    ///
    /// # Errors
    /// There is no store, it cannot be copied, or it is damaged.
    pub fn read(dir: &Path) -> Result<ServerHistory, StoreError> {
        super::read::read(dir)
    }

    /// Moves a damaged store away to a folder beside it, which it names: the next [`Replica::open`] makes a
    /// new one. Nothing in it is changed or removed.
    ///
    /// # Errors
    /// Somebody has it open, or the folder cannot be renamed; then it is where it was.
    pub fn move_away(dir: &Path) -> Result<PathBuf, StoreError> {
        damaged::move_away(dir)
    }

    /// Whether this life of the log has ended: nothing may be appended to it any more.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is_sealed(&self) -> Result<bool, StoreError> {
        self.0.reading(|index, snapshot| index.is_sealed(&snapshot))
    }

    /// How many events a store, however damaged, is known to have acked; `None` if nothing says.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn acked(dir: &Path) -> Result<Option<Position>, StoreError> {
        let path = dir.join(open::TIP);
        let tip = Tip::read(&path).map_err(StoreError::io(&path, "read"))?;
        Ok(tip.map(|tip| tip.upto))
    }

    /// Writes into a store's folder that a read found this damage, so that no later open takes the store for
    /// whole: it would not come across the place.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn mark_damaged(dir: &Path, what: &str) -> Result<(), StoreError> {
        damaged::mark(dir, what)
    }

    /// Whether a folder is a store, whole or not.
    pub fn is_at(dir: &Path) -> bool {
        dir.join(super::identity::FILE).exists()
    }

    /// As [`Replica::read`], into what is known of the same events from other logs, which are not decoded
    /// again.
    ///
    /// # Errors
    /// As [`Replica::read`].
    pub fn take_in(dir: &Path, intake: &Intake) -> Result<ServerLog, StoreError> {
        super::read::take_in(dir, intake)
    }

    /// The events at these positions of a store that was read before, as far as it has them; nothing else of it is
    /// read or checked.
    ///
    /// # Errors
    /// As [`Replica::read`]; and if its log is not in this life any more.
    pub fn read_rows(
        dir: &Path,
        life: Incarnation,
        positions: &BTreeSet<Position>,
    ) -> Result<Vec<Stored>, StoreError> {
        super::read::some_rows(dir, life, positions)
    }

    /// Every key of the canonical index of a store that was read before, in its order.
    ///
    /// # Errors
    /// As [`Replica::read_rows`].
    pub fn read_index(
        dir: &Path,
        life: Incarnation,
        take: &mut dyn FnMut(ConversationId, &Key),
    ) -> Result<(), StoreError> {
        super::read::index(dir, life, take)
    }

    /// Writes all of this as one batch, and returns when it is on disk.
    ///
    /// # Errors
    /// The disk fails or is full, or the batch does not continue the log. Whether the batch is on disk is
    /// then unknown, and every later commit is refused ([`StoreError::Stopped`]).
    pub fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.stopped {
            return Err(StoreError::Stopped { path: self.0.folder.clone() });
        }
        // Set first, so that a panic below stops the writer as well.
        writer.stopped = true;
        self.0.commit(&mut writer, writes)?;
        writer.stopped = false;
        Ok(())
    }

    /// Closes the store so that its next open is a matter of milliseconds, if this is its last handle; otherwise it
    /// closes with the last, as ever.
    ///
    /// # Errors
    /// The journal could not be looked at or emptied. All that was committed is on the disk all the same.
    pub fn close(self) -> Result<(), StoreError> {
        let Some(Inner { index, folder, writer, fresh, _lock, .. }) = Arc::into_inner(self.0) else {
            return Ok(());
        };
        let mut writer = writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !writer.stopped {
            let engine = folder.join(open::ENGINE);
            let finished = writer.indexing.wait().and_then(|()| fresh.finish(&index, WORTH_EVENTS));
            finished.map_err(StoreError::engine(&folder, "index"))?;
            close::close(index, &engine).map_err(StoreError::io(&engine, "empty the journal of"))?;
        }
        Ok(())
    }

    /// Which life of the server's log this is.
    pub fn incarnation(&self) -> Incarnation {
        self.0.identity.incarnation
    }

    /// Whose store it is.
    pub fn server(&self) -> ServerId {
        self.0.identity.server
    }

    /// The last position on disk; 0 in an empty log.
    pub fn durable(&self) -> Position {
        self.0.durable.load(Ordering::Acquire)
    }

    /// How many events came under a device's number that was taken (rule 6).
    pub fn forks(&self) -> u64 {
        self.0.forks.load(Ordering::Acquire)
    }
}

#[cfg(test)]
impl Replica {
    /// Moves everything from the journals into tables, which otherwise takes some megabytes of events.
    pub(super) fn flush_tables(&self) {
        self.0.writer.lock().unwrap().indexing.wait().unwrap();
        self.0.fresh.finish(&self.0.index, 1).unwrap();
        let keyspaces = self.0.index.keyspaces();
        keyspaces.into_iter().for_each(|keyspace| keyspace.rotate_memtable_and_wait().unwrap());
    }

    /// Merges the tables of each keyspace into one.
    pub(super) fn compact_tables(&self) {
        let keyspaces = self.0.index.keyspaces();
        keyspaces.into_iter().for_each(|keyspace| keyspace.major_compact().unwrap());
    }

    /// A commit up to where it would sync: the batch is with the operating system.
    pub(super) fn commit_unsynced(&self, writes: &[Write]) {
        self.commit_part(writes, fjall::PersistMode::Buffer);
    }

    /// A commit up to where it would note its tip: the batch is on disk, and nobody knows.
    pub(super) fn commit_unnoted(&self, writes: &[Write]) {
        self.commit_part(writes, fjall::PersistMode::SyncData);
    }

    /// Nothing may be written after it.
    fn commit_part(&self, writes: &[Write], mode: fjall::PersistMode) {
        let mut writer = self.0.writer.lock().unwrap();
        writer.stopped = true;
        let Staging { batch, .. } = self.0.stage(&writer, writes).unwrap().unwrap();
        batch.durability(Some(mode)).commit().unwrap();
    }
}

impl Inner {
    fn commit(&self, writer: &mut Writer, writes: &[Write]) -> Result<(), StoreError> {
        let indexing = writer.indexing.go_on(&self.fresh, &self.index);
        indexing.map_err(StoreError::engine(&self.folder, "index"))?;
        let Some(Staging { batch, end, changed }) = self.stage(writer, writes)? else { return Ok(()) };
        batch.commit().map_err(StoreError::engine(&self.folder, "write"))?;
        writer.end = end;
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        recent.add(writes);
        changed.iter().for_each(|(position, event)| recent.replace(*position, event));
        drop(recent);
        self.fresh.add(appended(writes));
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        appended(writes).for_each(|(event, _)| numbers.note(event.origin()));
        drop(numbers);
        self.durable.store(end.position, Ordering::Release);
        self.forks.store(end.forks, Ordering::Release);
        self.note_tip(writer)
    }

    /// The batch of these writes; `None` if there is nothing to write.
    fn stage(&self, writer: &Writer, writes: &[Write]) -> Result<Option<Staging>, StoreError> {
        let failed = |failure: Failure| failure.of(&self.folder);
        let mut batch = self.index.batch();
        let mut end = writer.end;
        let mut staged = Staged::new(self);
        let (fresh, snapshot) = (staged.fresh.clone(), staged.snapshot.clone());
        let mut bodies = Bodies::new(&self.index, &fresh, &snapshot);
        for write in writes {
            match write {
                Write::Append { position, event, fork } => {
                    staged.check(&end, *position, event, *fork)?;
                    let chain = keys::chain(&end.chain, &event.id());
                    end = End { position: *position, chain, forks: end.forks + u64::from(*fork) };
                    if *fork {
                        self.index.put_fork(&mut batch, event);
                    }
                    bodies.append(*position, chain, event).map_err(failed)?;
                }
                Write::Body(event) => bodies.fill(event).map_err(failed)?,
                Write::Cursor(cursor) => self.index.put_cursor(&mut batch, cursor),
                Write::Peer(cursor) => self.index.put_peer(&mut batch, cursor),
                Write::Seal => self.index.put_seal(&mut batch),
                Write::View(signed) => self.index.put_view(&mut batch, signed),
            }
        }
        let changed = bodies.put(&mut batch);
        if batch.is_empty() {
            return Ok(None);
        }
        self.index.put_end(&mut batch, &end);
        Ok(Some(Staging { batch, end, changed }))
    }

    fn note_tip(&self, writer: &Writer) -> Result<(), StoreError> {
        let End { position, chain, .. } = writer.end;
        let tip = Tip { log: *self.identity.incarnation.as_bytes(), upto: position, chain };
        writer.tip.write(&tip).map_err(StoreError::io(&self.folder.join(open::TIP), "write"))
    }

    /// What was written last, as far as it is kept in memory; all of it is on the disk.
    fn recent<T>(&self, find: impl FnOnce(&Recent) -> Option<T>) -> Option<T> {
        find(&self.recent.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether an event of this origin may be in the log; most are known for new without a look into the engine.
    fn may_hold(&self, origin: Origin) -> Result<bool, StoreError> {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.may_hold(origin, || {
            let fresh = self.fresh.held().last_number(origin);
            Ok(fresh.max(self.reading(|index, snapshot| index.last_number(&snapshot, origin))?))
        })
    }

    fn reading<T>(&self, read: impl FnOnce(&Index, Snapshot) -> fjall::Result<T>) -> Result<T, StoreError> {
        read(&self.index, self.index.snapshot()).map_err(StoreError::engine(&self.folder, "read"))
    }

    fn unreadable(&self, what: impl Into<String>) -> StoreError {
        StoreError::damaged(&self.folder, what)
    }
}

/// The events that a batch appends, each with whether it is a fork.
fn appended(writes: &[Write]) -> impl Iterator<Item = (&Event, bool)> {
    writes.iter().filter_map(|write| match write {
        Write::Append { event, fork, .. } => Some((&**event, *fork)),
        _ => None,
    })
}

/// A batch that is ready to be written.
struct Staging {
    batch: fjall::OwnedWriteBatch,
    /// Where the log ends with it.
    end: End,
    /// Events that it stores otherwise than they came, or than they stood there.
    changed: Vec<(Position, Arc<Event>)>,
}

/// What a batch would add, checked against the log and against itself.
struct Staged<'a> {
    store: &'a Inner,
    fresh: Held,
    snapshot: Snapshot,
    ids: BTreeSet<EventId>,
    origins: BTreeSet<Origin>,
}

impl<'a> Staged<'a> {
    fn new(store: &'a Inner) -> Self {
        let fresh = store.fresh.held();
        Self { store, fresh, snapshot: store.index.snapshot(), ids: [].into(), origins: [].into() }
    }

    /// Design rules 1 and 6: the log has no gap, holds no event twice, and forgets no fork.
    fn check(&mut self, end: &End, position: Position, event: &Event, fork: bool) -> Result<(), StoreError> {
        let misfit =
            |what: String| Err(StoreError::Misfit { path: self.store.folder.clone(), position, what });
        let failed = || StoreError::engine(&self.store.folder, "read");
        let index = &self.store.index;
        if Some(position) != end.position.checked_add(1) {
            return misfit(format!("an event after position {}", end.position));
        }
        let (id, origin) = (event.id(), event.origin());
        let taken = self.origins.contains(&origin)
            || (self.store.may_hold(origin)?
                && (self.fresh.first_of(origin).is_some()
                    || self.snapshot.contains_key(&index.devices, keys::origin(origin)).map_err(failed())?));
        // Of an origin that is not taken there is no event at all.
        let again = taken
            && (self.ids.contains(&id)
                || self.fresh.position(&id).is_some()
                || self.snapshot.contains_key(&index.ids, id.as_bytes()).map_err(failed())?);
        if again {
            return misfit(format!("event {} a second time", id.short()));
        }
        if taken != fork {
            return misfit(format!("event {} with its fork mark wrong", id.short()));
        }
        self.ids.insert(id);
        self.origins.insert(origin);
        Ok(())
    }
}

impl Replica {
    /// How far this server has read its peers' logs.
    ///
    /// # Errors
    /// When the store cannot be read, or a row of it is no cursor.
    pub fn peers(&self) -> Result<Vec<PeerCursor>, StoreError> {
        let rows = self.0.reading(|index, snapshot| {
            let rows = snapshot.prefix(&index.meta, keys::PEER).map(fjall::Guard::into_inner);
            rows.collect::<fjall::Result<Vec<_>>>()
        })?;
        let wrong = || self.0.unreadable("its table 'meta' has a row that is no peer's cursor");
        rows.into_iter().map(|(key, value)| keys::read_peer(&key, &value).ok_or_else(wrong)).collect()
    }

    /// The places of the log itself.
    fn whole(
        &self,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<(Position, EventId)>, StoreError> {
        let places = (after + 1..=upto).take(limit);
        let place = |position| Ok(self.event(position)?.map(|event| (position, event.id())));
        places.map(place).filter_map(Result::transpose).collect()
    }
}

impl Log for Replica {
    type Error = StoreError;

    fn position(&self, id: &EventId) -> Result<Option<Position>, StoreError> {
        if let Some(position) = self.0.recent(|recent| recent.position(id)) {
            return Ok(Some(position));
        }
        if let Some(position) = self.0.fresh.held().position(id) {
            return Ok(Some(position));
        }
        let found = self.0.reading(|index, snapshot| snapshot.get(&index.ids, id.as_bytes()))?;
        let wrong = || self.0.unreadable("its table 'ids' has a value that is no position");
        found.map(|bytes| keys::read_position(&bytes).ok_or_else(wrong)).transpose()
    }

    fn first_of(&self, origin: Origin) -> Result<Option<EventId>, StoreError> {
        if !self.0.may_hold(origin)? {
            return Ok(None);
        }
        if let Some(first) = self.0.fresh.held().first_of(origin) {
            return Ok(Some(first));
        }
        let key = keys::origin(origin);
        let found = self.0.reading(|index, snapshot| snapshot.get(&index.devices, key))?;
        let wrong = || self.0.unreadable("its table 'devices' has a value that is no id");
        found.map(|bytes| keys::read_id(&bytes).ok_or_else(wrong)).transpose()
    }

    fn event(&self, position: Position) -> Result<Option<Arc<Event>>, StoreError> {
        if let Some(event) = self.0.recent(|recent| recent.event(position)) {
            return Ok(Some(event));
        }
        let found = self.0.reading(|index, snapshot| snapshot.get(&index.log, keys::position(position)))?;
        let Some(value) = found else { return Ok(None) };
        let Some((_, bytes)) = keys::read_log_value(&value) else {
            return Err(self.0.unreadable(format!("its log row {position} is too short")));
        };
        let wrong = |error| self.0.unreadable(format!("its event {position} is none: {error}"));
        index::parse(bytes).map(Some).map_err(wrong)
    }

    fn scan(
        &self,
        stream: Stream,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<(Position, EventId)>, StoreError> {
        if after >= upto {
            return Ok(Vec::new());
        }
        if stream == Stream::Everything {
            return self.whole(after, upto, limit);
        }
        let fresh = self.0.fresh.held();
        let indexed = upto.min(fresh.first() - 1);
        let rows = match after < indexed {
            true => self.0.reading(|index, snapshot| {
                let range = keys::stream(stream, after + 1)..=keys::stream(stream, indexed);
                let rows = snapshot.range(&index.streams, range).take(limit);
                rows.map(fjall::Guard::into_inner).collect::<fjall::Result<Vec<_>>>()
            })?,
            false => Vec::new(),
        };
        let wrong = || self.0.unreadable("its table 'streams' has a row that is no place");
        let place = |(key, value): (fjall::UserKey, fjall::UserValue)| {
            keys::read_last_position(&key).zip(keys::read_id(&value)).ok_or_else(wrong)
        };
        let mut places = rows.into_iter().map(place).collect::<Result<Vec<_>, _>>()?;
        places.extend(fresh.scan(stream, after, upto, limit - places.len()));
        Ok(places)
    }

    fn hollow(&self, after: Position, limit: usize) -> Result<Vec<(Position, EventId)>, StoreError> {
        let index = &self.0.index;
        bodies::hollow(index, &index.snapshot(), after, limit).map_err(|failure| failure.of(&self.0.folder))
    }

    fn cursors(&self) -> Result<Vec<DeviceCursor>, StoreError> {
        let rows = self.0.reading(|index, snapshot| {
            snapshot.iter(&index.cursors).map(fjall::Guard::into_inner).collect::<fjall::Result<Vec<_>>>()
        })?;
        let wrong = || self.0.unreadable("its table 'cursors' has a row that is no cursor");
        rows.into_iter().map(|(key, value)| keys::read_cursor(&key, &value).ok_or_else(wrong)).collect()
    }

    fn view(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.reading(|index, snapshot| index.view(&snapshot))
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica").field("folder", &self.0.folder).field("durable", &self.durable()).finish()
    }
}
