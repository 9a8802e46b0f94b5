//! What becomes of a damaged store: a mark on it, and a place beside the next one. It is never removed.
//!
//! An open reads little of a long log, so damage that a read found while the server ran would be found
//! again only by the same read. Hence the mark: a file in the store's folder that every open refuses.

use std::io;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::files;
use super::lock::{Lock, LockError};
use super::open::LOCK;

/// The mark's file in the store's folder; it says what was found.
const MARK: &str = "damaged";
/// What is added to a store's name, with a number, when it is moved away.
const AWAY: &str = ".damaged-";
/// Longest part of a mark that is told.
const MARK_CHARS: usize = 300;

/// Marks the store in this folder.
pub(super) fn mark(folder: &Path, what: &str) -> Result<(), StoreError> {
    let path = folder.join(MARK);
    files::write_synced(&path, format!("{what}\n").as_bytes()).map_err(StoreError::io(&path, "write"))?;
    files::sync_folder(folder).map_err(StoreError::io(folder, "sync"))
}

/// Refuses a store that is marked.
pub(super) fn refuse_marked(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join(MARK);
    match std::fs::read(&path) {
        Ok(bytes) => {
            let text: String = String::from_utf8_lossy(&bytes).trim().chars().take(MARK_CHARS).collect();
            Err(StoreError::damaged(folder, format!("{text} (as its file '{MARK}' says)")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io(&path, "read")(error)),
    }
}

/// Renames the damaged store in this folder to the first free name beside it.
pub(super) fn move_away(folder: &Path) -> Result<PathBuf, StoreError> {
    move_aside(folder, AWAY)
}

/// Renames the store in this folder to the first free name of this kind beside it.
pub(super) fn move_aside(folder: &Path, kind: &str) -> Result<PathBuf, StoreError> {
    let path = folder.join(LOCK);
    let _lock = Lock::take(&path).map_err(|error| match error {
        LockError::Held(holder) => StoreError::InUse { path: folder.to_owned(), holder },
        LockError::Io(error) => StoreError::io(&path, "lock")(error),
    })?;
    let failed = || StoreError::io(folder, "move away");
    let mut number = 1_u32;
    let target = loop {
        let target = files::beside(folder, &format!("{kind}{number}"));
        match target.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break target,
            Err(error) => return Err(failed()(error)),
            Ok(_) => number += 1,
        }
    };
    std::fs::rename(folder, &target).map_err(failed())?;
    files::sync_folder(files::parent(folder)).map_err(failed())?;
    Ok(target)
}
