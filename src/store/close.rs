//! How a store is closed so that it opens soon: all its rows in tables, and its journal empty.
//!
//! fjall replays its journal at every open, and begins another only after 64 MB: half a second of work. A server
//! that stops in order therefore has the engine write its memtables into tables, and then empties the journal, of
//! which nothing is needed any more. One that is killed replays.
//!
//! **Invariant**: the journal is emptied only when no memtable holds a row and the engine has closed. fjall syncs a
//! table before it takes the rows out of memory, and relies on that itself when it removes a journal. In any other
//! case the journal stays, and the next open takes longer.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use fjall::AbstractTree;

use super::index::Index;
use super::journal;

/// A journal that is shorter is replayed in some milliseconds, and not worth more tables.
const WORTH_BYTES: u64 = 2 * 1024 * 1024;
/// Between two looks at whether the engine has written its memtables.
const LOOK: Duration = Duration::from_millis(1);
/// How often is looked.
const LOOKS: u32 = 2_000;

/// Closes the engine in this folder. Says whether its journal is empty now.
///
/// # Errors
/// The journal could not be looked at or emptied; nothing is lost.
pub(super) fn close(index: Index, engine: &Path) -> io::Result<bool> {
    let is_worth_it = written_bytes(engine)? >= WORTH_BYTES;
    let is_in_tables = is_worth_it && move_to_tables(&index);
    drop(index);
    match journal::files(engine)?.as_slice() {
        [only] if is_in_tables => {
            let journal = OpenOptions::new().write(true).open(only)?;
            journal.set_len(0)?;
            journal.sync_all()?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// What the journals take of the disk: they are longer than what was written.
fn written_bytes(engine: &Path) -> io::Result<u64> {
    let sizes = journal::files(engine)?.into_iter().map(|path| Ok(path.metadata()?.blocks() * 512));
    sizes.sum()
}

/// Whether all rows are in tables now.
fn move_to_tables(index: &Index) -> bool {
    let keyspaces = index.keyspaces();
    if keyspaces.iter().any(|keyspace| keyspace.rotate_memtable().is_err()) {
        return false;
    }
    let are_written =
        || keyspaces.iter().all(|keyspace| keyspace.tree.get_highest_memtable_seqno().is_none());
    for _ in 0..LOOKS {
        if are_written() {
            return true;
        }
        std::thread::sleep(LOOK);
    }
    false
}
