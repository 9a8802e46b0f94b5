//! The storage engine under a store: which keyspaces there are, how much memory they may take, and what is written
//! into them beside the log.
//!
//! Bounds: a cache of 8 MiB, memtables of 8 MiB for the log and 1 MiB for the rest (its indexes are written past
//! them: [`super::fresh`]), and journals of about 64 MiB on disk, the least that fjall takes (`Builder::max_journaling_size`).
//!
//! What is read to find one row does not grow with the store: a table's index and filter are in pieces of a few KiB, of
//! which the cache keeps those that are asked for. In one piece, as they are otherwise, the filter of a million ids has
//! 1.2 MB, which is more than the cache takes in, so that each look-up reads all of it.
//!
//! Source: fjall 3.1, `src/keyspace/options.rs`, `src/worker_pool.rs` (`worker_tick`).

use std::path::Path;
use std::sync::Arc;

use fjall::config::PartitioningPolicy;
use fjall::{
    Database, Guard, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable, Snapshot,
};

use super::error::StoreError;
use super::identity::Identity;
use super::keys::{self, End};
use crate::event::{Event, Origin};
use crate::frame::DeviceCursor;
use crate::id::{Position, Seq};
use crate::sync::PeerCursor;
use crate::view::SignedView;

const MIB: u64 = 1024 * 1024;
const CACHE_BYTES: u64 = 8 * MIB;
const JOURNALS_BYTES: u64 = 64 * MIB;
const OPEN_FILES: usize = 128;
/// fjall's first worker leaves compactions to the others, so that a memtable is written while one runs, however long that
/// takes. The price: it asks again without a pause meanwhile.
const WORKERS: usize = 2;

const IDENTITY: &[u8] = b"identity";
const END: &[u8] = b"end";
const VIEW: &[u8] = b"view";
const SEALED: &[u8] = b"sealed";
/// Up to where the log stands in its indexes.
const INDEXED: &[u8] = b"indexed";

/// The keyspaces, by the names of [`keys`].
#[derive(Clone)]
pub(super) struct Index {
    pub(super) db: Database,
    pub(super) log: Keyspace,
    pub(super) ids: Keyspace,
    pub(super) streams: Keyspace,
    pub(super) canonical: Keyspace,
    pub(super) devices: Keyspace,
    pub(super) forks: Keyspace,
    pub(super) cursors: Keyspace,
    pub(super) meta: Keyspace,
}

impl Index {
    /// Makes an empty engine for a new store.
    pub(super) fn create(folder: &Path, identity: &Identity) -> fjall::Result<()> {
        let index = Self::of(start(folder)?)?;
        let mut batch = index.batch();
        let row = [identity.server.as_bytes().as_slice(), identity.incarnation.as_bytes()].concat();
        batch.insert(&index.meta, IDENTITY, row);
        index.put_end(&mut batch, &End::START);
        batch.insert(&index.meta, keys::BODIES, []);
        batch.insert(&index.meta, INDEXED, keys::position(0));
        batch.commit()?;
        index.db.persist(PersistMode::SyncAll)
    }

    /// Opens an engine that [`Index::create`] made. `store` is for messages.
    pub(super) fn open(folder: &Path, store: &Path) -> Result<Self, StoreError> {
        let db = start(folder).map_err(StoreError::engine(store, "open"))?;
        let missing = NAMES.iter().find(|name| !db.keyspace_exists(name));
        if let Some(name) = missing {
            return Err(StoreError::damaged(store, format!("its table '{name}' is missing")));
        }
        Self::of(db).map_err(StoreError::engine(store, "open"))
    }

    fn of(db: Database) -> fjall::Result<Self> {
        let keyspace = |name: &str, mib: u64, often_found: bool| {
            let options = || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(mib * MIB)
                    .expect_point_read_hits(often_found)
                    .index_block_partitioning_policy(PartitioningPolicy::all(true))
                    // Level 0 is what the last memtables were written to: its filters are small, and in memory.
                    .filter_block_partitioning_policy(PartitioningPolicy::new([false, true]))
            };
            db.keyspace(name, options)
        };
        Ok(Self {
            log: keyspace("log", 8, true)?,
            ids: keyspace("ids", 1, false)?,
            streams: keyspace("streams", 1, true)?,
            canonical: keyspace("canonical", 1, true)?,
            devices: keyspace("devices", 1, false)?,
            forks: keyspace("forks", 1, true)?,
            cursors: keyspace("cursors", 1, true)?,
            meta: keyspace("meta", 1, true)?,
            db,
        })
    }

    /// All of them.
    pub(super) fn keyspaces(&self) -> [&Keyspace; 8] {
        let Self { log, ids, streams, canonical, devices, forks, cursors, meta, .. } = self;
        [log, ids, streams, canonical, devices, forks, cursors, meta]
    }

    /// A batch that is on disk when its commit returns.
    pub(super) fn batch(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::SyncData))
    }

    /// One state of everything, between two batches.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.db.snapshot()
    }

    /// A later event of an origin that is taken. Its row of the log comes from [`super::bodies`], and all others from
    /// [`super::fresh`].
    pub(super) fn put_fork(&self, batch: &mut OwnedWriteBatch, event: &Event) {
        batch.insert(&self.forks, keys::fork(event.origin(), &event.id()), []);
    }

    /// The log stands in its indexes up to here. It need not be on the disk: what is written once more is the same.
    pub(super) fn note_indexed(&self, upto: Position) -> fjall::Result<()> {
        let mut batch = self.db.batch();
        batch.insert(&self.meta, INDEXED, keys::position(upto));
        batch.commit()
    }

    /// Up to where the log stands in its indexes; `None` in a store from before that was noted, which is indexed to its
    /// end.
    pub(super) fn indexed(&self, snapshot: &Snapshot) -> fjall::Result<Option<Position>> {
        Ok(snapshot.get(&self.meta, INDEXED)?.and_then(|bytes| keys::read_position(&bytes)))
    }

    /// The last number of the device that an origin names; 0 if it has none.
    pub(super) fn last_number(&self, snapshot: &Snapshot, origin: Origin) -> fjall::Result<Seq> {
        let of = |seq| keys::origin(Origin { seq, ..origin });
        let last = snapshot.range(&self.devices, of(0)..=of(Seq::MAX)).next_back();
        // A key that is none is damage, and of no device: the next read of the whole store finds it.
        Ok(last.map(Guard::key).transpose()?.and_then(|key| keys::read_seq(&key)).unwrap_or(0))
    }

    /// A device's cursor.
    pub(super) fn put_cursor(&self, batch: &mut OwnedWriteBatch, cursor: &DeviceCursor) {
        batch.insert(&self.cursors, keys::cursor(cursor), keys::cursor_value(cursor));
    }

    /// This server's cursor in a peer's log.
    pub(super) fn put_peer(&self, batch: &mut OwnedWriteBatch, cursor: &PeerCursor) {
        batch.insert(&self.meta, keys::peer(cursor.peer), keys::peer_value(cursor));
    }

    /// The view that the server acts on.
    pub(super) fn put_view(&self, batch: &mut OwnedWriteBatch, signed: &SignedView) {
        batch.insert(&self.meta, VIEW, signed.bytes());
    }

    /// This life of the log has ended.
    pub(super) fn put_seal(&self, batch: &mut OwnedWriteBatch) {
        batch.insert(&self.meta, SEALED, []);
    }

    /// Whether this life of the log has ended.
    pub(super) fn is_sealed(&self, snapshot: &Snapshot) -> fjall::Result<bool> {
        snapshot.contains_key(&self.meta, SEALED)
    }

    /// The view that was written last.
    pub(super) fn view(&self, snapshot: &Snapshot) -> fjall::Result<Option<Vec<u8>>> {
        Ok(snapshot.get(&self.meta, VIEW)?.map(|bytes| bytes.to_vec()))
    }

    /// The log's end.
    pub(super) fn put_end(&self, batch: &mut OwnedWriteBatch, end: &End) {
        batch.insert(&self.meta, END, end.encode());
    }

    /// The log's end as it was written; `None` if it is missing or no such thing.
    pub(super) fn end(&self, snapshot: &Snapshot) -> fjall::Result<Option<End>> {
        Ok(snapshot.get(&self.meta, END)?.and_then(|bytes| End::decode(&bytes)))
    }

    /// Whether the engine belongs to this identity.
    pub(super) fn is_of(&self, snapshot: &Snapshot, identity: &Identity) -> fjall::Result<bool> {
        let row = [identity.server.as_bytes().as_slice(), identity.incarnation.as_bytes()].concat();
        Ok(snapshot.get(&self.meta, IDENTITY)?.is_some_and(|found| *found == *row))
    }
}

const NAMES: [&str; 8] = ["log", "ids", "streams", "canonical", "devices", "forks", "cursors", "meta"];

fn start(folder: &Path) -> fjall::Result<Database> {
    Database::builder(folder)
        .cache_size(CACHE_BYTES)
        .max_journaling_size(JOURNALS_BYTES)
        .max_cached_files(Some(OPEN_FILES))
        .worker_threads(WORKERS)
        .manual_journal_persist(true)
        .open()
}

/// An event of this process's own store.
pub(super) fn parse(bytes: &[u8]) -> Result<Arc<Event>, String> {
    Event::from_own_store(bytes).map(Arc::new).map_err(|error| error.to_string())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::id::{Incarnation, ServerId};

    const ROWS: u64 = 200_000;
    /// The filter of so many rows in one piece would have 250 KB.
    const READ_MAX_BYTES: u64 = 64 * 1024;

    /// What this thread has read so far, in bytes.
    fn read_bytes() -> u64 {
        let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        let line = io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
        line.parse().unwrap()
    }

    #[test]
    fn to_find_a_row_takes_a_few_pieces_of_a_table_however_many_rows_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let server = ServerId::new([1; 32]);
        let identity = Identity { server, incarnation: Incarnation::new([2; 16]) };
        Index::create(folder.path(), &identity).unwrap();
        let key = |row: u64| *blake3::hash(&row.to_be_bytes()).as_bytes();
        let index = Index::open(folder.path(), folder.path()).unwrap();
        for row in 0..ROWS {
            index.ids.insert(key(row), keys::position(row)).unwrap();
        }
        index.ids.rotate_memtable_and_wait().unwrap();
        while index.db.outstanding_flushes() > 0 || index.db.active_compactions() > 0 {
            std::thread::yield_now();
        }
        drop(index);
        let index = Index::open(folder.path(), folder.path()).unwrap();
        for row in [0, ROWS / 2, ROWS] {
            let before = read_bytes();
            let found = index.snapshot().get(&index.ids, key(row)).unwrap();
            let read = read_bytes() - before;
            assert_eq!(found.as_deref(), (row < ROWS).then_some(&keys::position(row)[..]));
            assert!(read < READ_MAX_BYTES, "row {row}: {read} bytes");
        }
    }
}
