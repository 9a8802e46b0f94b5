//! Makes a store, or opens one: the only place where a store's files are touched before it is known whole.
//!
//! A new store is built in a folder beside its own and renamed when it is complete, since fjall cannot open
//! one whose making was cut short. What a crash leaves in the folder beside is wiped by the next attempt.
//! The lock file is made there too: a lock belongs to the file, whatever its folder is called.
//!
//! What fjall would not survive, or would cut or remove without a word, is found before it sees it
//! ([`super::journal`], [`super::versions`]).

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use super::check;
use super::damaged;
use super::error::StoreError;
use super::files;
use super::forget;
use super::identity::{self, Identity};
use super::index::Index;
use super::journal::{self, Scan, ScanError};
use super::keys::End;
use super::lock::{Lock, LockError};
use super::set_aside::SetAside;
use super::tip::{Tip, TipFile};
use super::versions;
use crate::id::ServerId;

/// The storage engine's folder within the store's.
pub(super) const ENGINE: &str = "engine";
pub(super) const LOCK: &str = "lock";
pub(super) const TIP: &str = "tip";
/// What is added to a store's name while it is being made.
const UNFINISHED: &str = ".new";

/// A store that was found whole; of its indexes, what the log has no more of than it says ([`super::fresh`]).
pub(super) struct Opened {
    pub(super) index: Index,
    pub(super) identity: Identity,
    pub(super) end: End,
    pub(super) tip: TipFile,
    pub(super) lock: Lock,
}

/// Opens the store in this folder, and makes it if there is nothing.
pub(super) fn open_or_make(folder: &Path, server: ServerId) -> Result<Opened, StoreError> {
    let opened = match what_is_at(folder)? {
        Found::Store => open(folder, Some(server)),
        Found::Nothing => match make(folder, server)? {
            Some(lock) => open_locked(folder, Some(server), lock),
            None => open(folder, Some(server)),
        },
    };
    forget::at_start(folder, opened?)
}

/// Closes the engine of an open store and opens it again with a new journal, so that the engine gives up the one
/// before as soon as its rows are in tables.
pub(super) fn behind_a_new_journal(folder: &Path, opened: Opened) -> Result<Opened, StoreError> {
    let Opened { index, identity, tip, lock, .. } = opened;
    drop(index);
    let engine = folder.join(ENGINE);
    journal::begin_another(&engine).map_err(StoreError::io(&engine, "begin a journal in"))?;
    let known = Tip::read(&folder.join(TIP)).map_err(StoreError::io(&folder.join(TIP), "read"))?;
    let (index, end) = open_engine(folder, &identity, known.as_ref())?;
    Ok(Opened { index, identity, end, tip, lock })
}

/// Opens the store in this folder; whose it must be, if that is known.
pub(super) fn open(folder: &Path, server: Option<ServerId>) -> Result<Opened, StoreError> {
    let lock = lock(&folder.join(LOCK), folder)?;
    open_locked(folder, server, lock)
}

enum Found {
    Store,
    Nothing,
}

fn what_is_at(folder: &Path) -> Result<Found, StoreError> {
    let failed = || StoreError::io(folder, "read the folder");
    let mut names = match std::fs::read_dir(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(failed()(error)),
    };
    if names.next().is_none() {
        return Ok(Found::Nothing);
    }
    if folder.join(identity::FILE).try_exists().map_err(failed())? {
        return Ok(Found::Store);
    }
    if folder.join(ENGINE).try_exists().map_err(failed())? {
        return Err(StoreError::damaged(folder, format!("its file '{}' is missing", identity::FILE)));
    }
    Err(StoreError::NotAStore { path: folder.to_owned() })
}

/// `None` if another process was quicker.
fn make(folder: &Path, server: ServerId) -> Result<Option<Lock>, StoreError> {
    let unfinished = files::beside(folder, UNFINISHED);
    let failed = || StoreError::io(folder, "make the store");
    files::make_folder(&unfinished).map_err(failed())?;
    let lock = lock(&unfinished.join(LOCK), folder)?;
    if folder.join(identity::FILE).try_exists().map_err(failed())? {
        files::remove_folder(&unfinished).map_err(failed())?;
        return Ok(None);
    }
    let engine = unfinished.join(ENGINE);
    wipe(&unfinished).map_err(failed())?;
    let identity = Identity::new(server).map_err(failed())?;
    identity.write(&unfinished).map_err(failed())?;
    Index::create(&engine, &identity).map_err(StoreError::engine(folder, "make the store"))?;
    files::sync_folder(&engine).map_err(failed())?;
    files::sync_folder(&unfinished).map_err(failed())?;
    std::fs::rename(&unfinished, folder).map_err(failed())?;
    files::sync_folder(files::parent(folder)).map_err(failed())?;
    Ok(Some(lock))
}

/// Removes all but the lock, which is held.
fn wipe(unfinished: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(unfinished)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => std::fs::remove_dir_all(entry.path())?,
            false if entry.file_name() == LOCK => {}
            false => std::fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

fn lock(path: &Path, folder: &Path) -> Result<Lock, StoreError> {
    Lock::take(path).map_err(|error| match error {
        LockError::Held(holder) => StoreError::InUse { path: folder.to_owned(), holder },
        LockError::Io(error) => StoreError::io(path, "lock")(error),
    })
}

fn open_locked(folder: &Path, server: Option<ServerId>, lock: Lock) -> Result<Opened, StoreError> {
    let identity = Identity::read(folder)?;
    if let Some(expected) = server.filter(|server| *server != identity.server) {
        return Err(StoreError::OtherServer { path: folder.to_owned(), found: identity.server, expected });
    }
    damaged::refuse_marked(folder)?;
    let tip_path = folder.join(TIP);
    let tip = Tip::read(&tip_path).map_err(StoreError::io(&tip_path, "read"))?;
    let (index, end) = open_engine(folder, &identity, tip.as_ref())?;
    let tip = TipFile::open(&tip_path).map_err(StoreError::io(&tip_path, "open"))?;
    Ok(Opened { index, identity, end, tip, lock })
}

fn open_engine(folder: &Path, identity: &Identity, tip: Option<&Tip>) -> Result<(Index, End), StoreError> {
    let engine = folder.join(ENGINE);
    let failed = || StoreError::io(folder, "keep the journals of");
    if let Some(aside) = SetAside::left_behind(folder, &engine).map_err(failed())? {
        aside.put_back().map_err(failed())?;
    }
    check_layout(&engine, folder)?;
    let scan = journal::scan(&engine).map_err(|error| match error {
        ScanError::Damaged(what) => StoreError::damaged(folder, what),
        ScanError::Io(path, error) => StoreError::io(&path, "read")(error),
    })?;
    let aside = cut_unfinished(folder, &engine, &scan).map_err(failed())?;
    let opened = Index::open(&engine, folder).and_then(|index| {
        let end = check::on_open(&index, &scan, identity, tip, folder)?;
        Ok((index, end))
    });
    if let Some(aside) = aside {
        match &opened {
            Ok(_) => aside.discard().map_err(failed())?,
            Err(_) => aside.put_back().map_err(failed())?,
        }
    }
    opened
}

/// fjall panics over names that it did not give, and makes a new database where its marker is missing.
fn check_layout(engine: &Path, folder: &Path) -> Result<(), StoreError> {
    let failed = || StoreError::io(engine, "read the folder");
    let damaged = |what: String| StoreError::damaged(folder, what);
    if !engine.join("version").try_exists().map_err(failed())? {
        return Err(damaged(format!("the file '{ENGINE}/version' is missing")));
    }
    for entry in std::fs::read_dir(engine.join("keyspaces")).map_err(failed())? {
        let name = entry.map_err(failed())?.file_name();
        if name.to_str().is_none_or(|name| name.parse::<u64>().is_err()) {
            return Err(damaged(format!("'{ENGINE}/keyspaces/{}' does not belong in it", name.display())));
        }
    }
    if let Some(what) = versions::check(engine).map_err(failed())? {
        return Err(damaged(what));
    }
    if journal::files(engine).map_err(failed())?.is_empty() {
        return Err(damaged("its journals are missing".to_owned()));
    }
    Ok(())
}

/// Cuts the unfinished last batch off, once the journals are kept as they are.
fn cut_unfinished(folder: &Path, engine: &Path, scan: &Scan) -> io::Result<Option<SetAside>> {
    let Some((journal, end)): &Option<(PathBuf, u64)> = &scan.torn else { return Ok(None) };
    let aside = SetAside::make(folder, engine)?;
    let file = OpenOptions::new().write(true).open(journal)?;
    file.set_len(*end)?;
    file.sync_all()?;
    Ok(Some(aside))
}
