//! What can go wrong below, told to the person who runs the program: where, what, and what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::id::{Position, ServerId};

/// Which process holds a lock, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder(pub Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("its number is not known"),
        }
    }
}

/// Why a server's store cannot be opened, read or written. Every one of them ends the server.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else has it open.
    #[error("the store {} is already in use by another process ({holder}); stop that server first", path.display())]
    InUse {
        /// The store's folder.
        path: PathBuf,
        /// Who.
        holder: Holder,
    },
    /// A folder that is not a store, and not empty either.
    #[error("the folder {} is not empty and is no tercet store; name another folder", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing there to read.
    #[error("there is no store at {}; check the folder's name, or start its server once", path.display())]
    Absent {
        /// The folder.
        path: PathBuf,
    },
    /// It was replaced since it was read.
    #[error("the store {} has another log now than the one that was read before; run the command again", path.display())]
    AnotherLog {
        /// The store's folder.
        path: PathBuf,
    },
    /// The store of another server.
    #[error(
        "the store {} belongs to server {}, not to {}; start the server with its own key, or name another folder",
        path.display(), found.short(), expected.short()
    )]
    OtherServer {
        /// The store's folder.
        path: PathBuf,
        /// Whose it is.
        found: ServerId,
        /// Whose it should have been.
        expected: ServerId,
    },
    /// A format that this program does not know.
    #[error(
        "the store {} has format version {found}, this program knows {known}; use the tercet that wrote it",
        path.display()
    )]
    Version {
        /// The store's folder.
        path: PathBuf,
        /// Its version.
        found: u8,
        /// The version that is understood.
        known: u8,
    },
    /// It lost, or may have lost, something that was acked.
    #[error(
        "the store {} is damaged: {what}. Its data was left as it is. Move the folder away and start the \
         server again: it takes a new incarnation and refills from the others; or put a backup in its place",
        path.display()
    )]
    Damaged {
        /// The store's folder.
        path: PathBuf,
        /// What was found, as a clause.
        what: String,
    },
    /// The disk is full.
    #[error("no space left for the store {}; free some and start the server again: what was acked is safe", path.display())]
    Full {
        /// The store's folder.
        path: PathBuf,
    },
    /// The operating system refuses.
    #[error("cannot {doing} {}: {source}; check that the folder exists, that this user may write it, and the disk", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// An earlier write failed, and nothing can be promised about later ones.
    #[error("the store {} takes no more writes after one that failed; check the disk and start the server again", path.display())]
    Stopped {
        /// The store's folder.
        path: PathBuf,
    },
    /// The caller's batch does not continue the log: an error in the program.
    #[error("the store {} was given {what} at position {position}; this is an error in tercet: please report it", path.display())]
    Misfit {
        /// The store's folder.
        path: PathBuf,
        /// Where.
        position: Position,
        /// What does not fit.
        what: String,
    },
}

impl StoreError {
    /// For `map_err` on an operation of the operating system.
    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, doing, source },
        }
    }

    /// For `map_err` on an operation of fjall.
    pub(super) fn engine(path: &Path, doing: &'static str) -> impl FnOnce(fjall::Error) -> Self {
        let path = path.to_owned();
        move |error| match error {
            fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source)) => {
                use io::ErrorKind::{InvalidData, InvalidInput, NotFound, UnexpectedEof};
                if matches!(source.kind(), InvalidData | InvalidInput | NotFound | UnexpectedEof) {
                    return Self::damaged(
                        &path,
                        format!("a file of it is missing, or does not hold what it should ({source})"),
                    );
                }
                Self::io(&path, doing)(source)
            }
            fjall::Error::Locked => Self::InUse { path, holder: Holder(None) },
            fjall::Error::Poisoned => Self::Stopped { path },
            other => Self::damaged(&path, format!("it fails a check of its storage engine ({other:?})")),
        }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

/// Why a device's log cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another chat has it open.
    #[error("the log {} is already open in another chat ({holder}); close that one first", path.display())]
    InUse {
        /// The log.
        path: PathBuf,
        /// Who.
        holder: Holder,
    },
    /// A file of another kind, or one whose first bytes are damaged.
    #[error("the file {} does not start like a tercet log", path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
    },
    /// A format that this program does not know.
    #[error("the log {} has format version {found}, this program knows {known}; use the tercet that wrote it", path.display())]
    Version {
        /// The log.
        path: PathBuf,
        /// Its version.
        found: u8,
        /// The version that is understood.
        known: u8,
    },
    /// It lost, or may have lost, something that was synced.
    #[error(
        "the log {} is damaged at entry {entry} (byte {offset}): {what}. \
         Nothing in it was changed",
        path.display()
    )]
    Damaged {
        /// The log.
        path: PathBuf,
        /// Which entry; the first is 1.
        entry: u64,
        /// Where the entry starts in the file.
        offset: u64,
        /// What was found, as a clause.
        what: String,
    },
    /// More than one entry may hold: an error in the program.
    #[error("an entry for the log {} has {bytes} bytes; this is an error in tercet: please report it", path.display())]
    TooLong {
        /// The log.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// The disk is full.
    #[error("no space left for the log {}; free some and start the chat again", path.display())]
    Full {
        /// The log.
        path: PathBuf,
    },
    /// The operating system refuses.
    #[error("cannot {doing} {}: {source}; check that this user may write there, and the disk", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// An earlier write failed, and nothing can be promised about later ones.
    #[error("the log {} takes no more entries after a write that failed; check the disk and start the chat again", path.display())]
    Stopped {
        /// The log.
        path: PathBuf,
    },
}

impl LogError {
    /// For `map_err` on an operation of the operating system.
    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, doing, source },
        }
    }
}
