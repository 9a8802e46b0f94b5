//! Keeps the journals as they were found, while fjall opens a store whose last batch is unfinished.
//!
//! Only such a store loses bytes by being opened. Its journals are copied and synced under another name
//! first, and put back if the store then turns out to have lost what it acked. Nothing is acked before the
//! copy is gone, so a copy that an interrupted open left behind is never older than an ack: putting it back
//! loses nothing, and the next open finds what the first one found. (Should fjall meanwhile have flushed
//! some of it into tables, then it skips that when it reads the journals again.)
//!
//! A half-made or half-removed copy has another name than a whole one, so it is never put back.

use std::io;
use std::path::{Path, PathBuf};

use super::{files, journal};

const WHOLE: &str = "journals-as-found";
const PARTIAL: &str = "journals-as-found.partial";

/// A whole copy of the journals.
#[derive(Debug)]
pub(super) struct SetAside {
    store: PathBuf,
    engine: PathBuf,
}

impl SetAside {
    /// Copies the journals of an engine to the store's folder.
    pub(super) fn make(store: &Path, engine: &Path) -> io::Result<Self> {
        let partial = store.join(PARTIAL);
        files::remove_folder(&partial)?;
        files::make_folder(&partial)?;
        copy_journals(engine, &partial)?;
        std::fs::rename(&partial, store.join(WHOLE))?;
        files::sync_folder(store)?;
        Ok(Self { store: store.to_owned(), engine: engine.to_owned() })
    }

    /// What an interrupted open left behind.
    pub(super) fn left_behind(store: &Path, engine: &Path) -> io::Result<Option<Self>> {
        files::remove_folder(&store.join(PARTIAL))?;
        let found = store.join(WHOLE).try_exists()?;
        Ok(found.then(|| Self { store: store.to_owned(), engine: engine.to_owned() }))
    }

    /// Makes the journals what they were. The engine must be closed.
    pub(super) fn put_back(self) -> io::Result<()> {
        for path in journal::files(&self.engine)? {
            std::fs::remove_file(path)?;
        }
        copy_journals(&self.store.join(WHOLE), &self.engine)?;
        self.discard()
    }

    /// Removes the copy.
    pub(super) fn discard(self) -> io::Result<()> {
        let partial = self.store.join(PARTIAL);
        std::fs::rename(self.store.join(WHOLE), &partial)?;
        files::remove_folder(&partial)?;
        files::sync_folder(&self.store)
    }
}

fn copy_journals(from: &Path, to: &Path) -> io::Result<()> {
    for path in journal::files(from)? {
        let target = to.join(path.file_name().unwrap_or_default());
        files::copy_file(&path, &target)?;
        std::fs::File::open(&target)?.sync_all()?;
    }
    files::sync_folder(to)
}
