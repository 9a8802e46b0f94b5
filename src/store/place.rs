//! Whether a store is where it was made, or a copy of it.
//!
//! A copy is of an earlier moment, and under the same incarnation it would give places anew that were given
//! already (rule 8). A store cannot tell that from its bytes, which are all the same; but no copy gets the file
//! number and the time of birth that the original's file has. So a server notes those of its store's identity file
//! inside the store, and finds at its next start whether they still are.
//!
//! A file system that is itself set back to a snapshot keeps both: that cannot be seen here, and
//! `serve --new-incarnation` is for it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::error::StoreError;
use super::files;
use super::identity;
use super::replica::Replica;

const FILE: &str = "place";

impl Replica {
    /// Whether a store was made elsewhere, as far as its last server has noted where it was.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub fn is_copied(folder: &Path) -> Result<bool, StoreError> {
        let noted = folder.join(FILE);
        match (std::fs::read_to_string(&noted), place(folder)) {
            (Ok(noted), Ok(place)) => Ok(noted != place),
            // No store, or one that no server has opened yet.
            (Err(error), _) | (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            (Err(error), _) | (_, Err(error)) => Err(StoreError::io(&noted, "read")(error)),
        }
    }

    /// Notes that a store is where it is.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn note_place(folder: &Path) -> Result<(), StoreError> {
        let noted = folder.join(FILE);
        let write = || {
            let place = place(folder)?;
            if std::fs::read_to_string(&noted).is_ok_and(|noted| noted == place) {
                return Ok(());
            }
            let unfinished = files::beside(&noted, ".new");
            files::write_synced(&unfinished, place.as_bytes())?;
            std::fs::rename(&unfinished, &noted)?;
            files::sync_folder(folder)
        };
        write().map_err(StoreError::io(&noted, "write"))
    }
}

/// What no copy of a store has: the number and the birth of a file that is never written again.
fn place(folder: &Path) -> io::Result<String> {
    let identity = std::fs::metadata(folder.join(identity::FILE))?;
    // Not every file system knows when a file was made; then the number has to do.
    let born = identity.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    Ok(format!("{} {}\n", identity.ino(), born.map_or(0, |born| born.as_nanos())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ServerId;

    #[test]
    fn a_copy_is_told_from_the_store_that_was_moved_or_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let (here, there, copy) =
            (dir.path().join("here"), dir.path().join("there"), dir.path().join("copy"));
        let server = ServerId::new([9; 32]);
        drop(Replica::open(&here, server).unwrap());
        assert!(!Replica::is_copied(&here).unwrap(), "nobody has noted its place");
        Replica::note_place(&here).unwrap();
        drop(Replica::open(&here, server).unwrap());
        assert!(!Replica::is_copied(&here).unwrap());
        files::copy_folder(&here, &copy, None).unwrap();
        assert!(Replica::is_copied(&copy).unwrap());
        std::fs::rename(&here, &there).unwrap();
        assert!(!Replica::is_copied(&there).unwrap(), "a store that was moved is the same one");
        Replica::note_place(&copy).unwrap();
        assert!(!Replica::is_copied(&copy).unwrap());
        assert!(!Replica::is_copied(&dir.path().join("nowhere")).unwrap());
    }
}
