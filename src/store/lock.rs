//! One holder at a time: a lock file with the holder's process number in it.
//!
//! The lock is the operating system's (`flock`), so it ends with its holder however that ends. The number
//! in the file is only for people; nothing depends on it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use super::error::Holder;

const POLL: Duration = Duration::from_millis(10);
const POLLS: u32 = 30;

/// Held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum LockError {
    Held(Holder),
    Io(io::Error),
}

impl Lock {
    /// Takes the lock; waits no longer than a dying holder, or a process that somebody is just starting,
    /// may keep it after all: every open file is in a new process's hands until its program runs.
    pub(super) fn take(path: &Path) -> Result<Self, LockError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(LockError::Io)?;
        let mut polls = POLLS;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if polls > 0 => {
                    polls -= 1;
                    std::thread::sleep(POLL);
                }
                Err(TryLockError::WouldBlock) => return Err(LockError::Held(holder(&mut file))),
                Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
            }
        }
        note_holder(&mut file).map_err(LockError::Io)?;
        Ok(Self { _file: file })
    }

    /// Whether somebody holds it now; a missing file is not held.
    pub(super) fn is_held(path: &Path) -> bool {
        let Ok(file) = File::open(path) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

fn note_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.take(20).read_to_string(&mut text);
    Holder(read.ok().and_then(|_| text.trim().parse().ok()))
}
