//! Bodies that were forgotten leave the engine's files too: at the start of a server after that.
//!
//! A row that was written anew stands in several of the engine's files: in its journal, which the engine gives up
//! only when it is full, and in tables, until they are merged. So when a store is opened from which something was
//! forgotten, the journal is closed behind a new one, all that is in memory goes to tables, upon which the engine
//! removes the journal, and the tables of the log are merged into one. That takes about as long as reading and
//! writing the log once; a store from which nothing was forgotten is opened as it is.
//!
//! A store from before there was this module is read once, for what its deletions are about.

use std::path::Path;
use std::time::{Duration, Instant};

use fjall::Readable;

use super::bodies::Bodies;
use super::check::{Failure, Row};
use super::error::StoreError;
use super::fresh::Fresh;
use super::index::Index;
use super::keys::{self, Chain};
use super::open::{self, Opened};

/// How long the engine may take to remove a journal whose rows are all in tables.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

/// Has everything gone from the files that was forgotten so far.
pub(super) fn at_start(folder: &Path, mut opened: Opened) -> Result<Opened, StoreError> {
    let failed = |failure: Failure| failure.of(folder);
    if !is_marked(&opened.index, keys::BODIES).map_err(failed)? {
        honour(&opened).map_err(failed)?;
    }
    if is_marked(&opened.index, keys::FORGET).map_err(failed)? {
        opened = open::behind_a_new_journal(folder, opened)?;
        purge(&opened.index).map_err(failed)?;
    }
    Ok(opened)
}

fn is_marked(index: &Index, mark: &[u8]) -> Result<bool, Failure> {
    Ok(index.snapshot().contains_key(&index.meta, mark)?)
}

/// Does to the bodies of a whole log what follows from its deletions.
fn honour(opened: &Opened) -> Result<(), Failure> {
    let index = &opened.index;
    let fresh = Fresh::load(index, &opened.end)?.held();
    let snapshot = index.snapshot();
    let mut bodies = Bodies::new(index, &fresh, &snapshot);
    for (row, position) in snapshot.iter(&index.log).zip(1..) {
        let (_, value) = row.into_inner()?;
        let event = super::index::parse(Row::new(position, value)?.event()).map_err(Failure::Damage)?;
        bodies.note(position, &event)?;
    }
    let mut batch = index.batch();
    bodies.put(&mut batch);
    batch.insert(&index.meta, keys::BODIES, []);
    Ok(batch.commit()?)
}

/// Moves all that is in memory and in journals to tables, and leaves of each row of the log the last state.
fn purge(index: &Index) -> Result<(), Failure> {
    flush(index)?;
    let started = Instant::now();
    while index.db.journal_count() > 1 && started.elapsed() < PATIENCE {
        std::thread::sleep(PAUSE);
    }
    if index.db.journal_count() > 1 {
        return Ok(()); // the mark stays: the next start tries again
    }
    index.log.major_compact()?;
    let mut batch = index.batch();
    batch.remove(&index.meta, keys::FORGET);
    batch.commit()?;
    // The engine lets go of merged tables when it next flushes something.
    flush(index)
}

/// A write first: the engine keeps what a reader of the last state but one could ask for.
fn flush(index: &Index) -> Result<(), Failure> {
    for _ in 0..2 {
        let mut batch = index.batch();
        batch.insert(&index.meta, keys::FLUSH, Chain::default());
        batch.commit()?;
    }
    for keyspace in index.keyspaces() {
        keyspace.rotate_memtable_and_wait()?;
        while keyspace.sealed_memtable_count() > 0 {
            std::thread::sleep(PAUSE);
        }
    }
    Ok(())
}
