//! Reads and checks a whole store for `verify`, and leaves it untouched.
//!
//! fjall has no read-only open, so this works on a copy. Of a running server the copy may catch files in
//! the middle of a change; it is then taken again, a few times. The tip is copied first, so that it never
//! claims more than the files copied after it hold.

use std::path::Path;
use std::sync::Arc;

use fjall::{Guard, Readable};

use super::check::{Check, Failure, Row, damage};
use super::error::StoreError;
use super::files::{self, Scratch};
use super::identity;
use super::keys::{self, CHAIN_START, End};
use super::lock::Lock;
use super::open::{self, Opened};
use crate::event::Event;
use crate::frame::DeviceCursor;
use crate::history::{ServerHistory, Stored};
use crate::id::ConversationId;
use crate::order::Key;

/// How often a running server's store is copied until a copy is whole.
const ATTEMPTS: u32 = 5;

/// See [`super::Replica::read`].
pub(super) fn read(folder: &Path) -> Result<ServerHistory, StoreError> {
    let identity = folder.join(identity::FILE);
    if !identity.try_exists().map_err(StoreError::io(&identity, "read"))? {
        return Err(StoreError::Absent { path: folder.to_owned() });
    }
    let live = Lock::is_held(&folder.join(open::LOCK));
    let mut attempts = if live { ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        match read_copy(folder) {
            Err(StoreError::Damaged { .. }) if attempts > 0 => {}
            Err(StoreError::Damaged { what, .. }) => return Err(StoreError::damaged(folder, what)),
            other => return other.map(|history| ServerHistory { live, ..history }),
        }
    }
}

fn read_copy(folder: &Path) -> Result<ServerHistory, StoreError> {
    let failed = || StoreError::io(folder, "copy");
    let scratch = Scratch::new().map_err(failed())?;
    let copy = scratch.path();
    let tip = folder.join(open::TIP);
    let has_tip = tip.try_exists().map_err(failed())?;
    let early = copy.join("tip.early");
    if has_tip {
        files::copy_file(&tip, &early).map_err(failed())?;
    }
    files::copy_folder(folder, copy).map_err(failed())?;
    if has_tip {
        std::fs::rename(&early, copy.join(open::TIP)).map_err(failed())?;
    }
    let opened = open::open(copy, None)?;
    history(&opened, folder).map_err(|failure| failure.of(folder))
}

fn history(opened: &Opened, folder: &Path) -> Result<ServerHistory, Failure> {
    let check = Check { index: &opened.index, snapshot: opened.index.snapshot() };
    Ok(ServerHistory {
        live: false,
        source: folder.display().to_string(),
        server: opened.identity.server,
        incarnation: opened.identity.incarnation,
        log: log(&check, &opened.end)?,
        canonical: Some(canonical(&check)?),
        cursors: cursors(&check)?,
    })
}

fn log(check: &Check<'_>, end: &End) -> Result<Vec<Stored>, Failure> {
    let mut log = Vec::new();
    let mut chain = CHAIN_START;
    for (row, position) in check.snapshot.iter(&check.index.log).zip(1..) {
        let (key, value) = row.into_inner()?;
        if keys::read_position(&key) != Some(position) {
            return damage(format!("its log has no event at {position}, and has later ones"));
        }
        let row = Row::new(position, value)?;
        let event = Event::from_bytes(row.event())
            .map_err(|error| Failure::Damage(format!("its event {position} is none: {error}")))?;
        chain = check.link(&chain, position, &row, &event)?;
        check.indexes(position, &event)?;
        log.push(Stored { position, event: Arc::new(event) });
    }
    if log.len() as u64 != end.position || chain != end.chain {
        return damage(format!("its log has {} events, and its end mark says {}", log.len(), end.position));
    }
    if check.snapshot.len(&check.index.ids)? != log.len() {
        return damage("its table 'ids' names events that are not in its log");
    }
    Ok(log)
}

fn canonical(check: &Check<'_>) -> Result<Vec<(ConversationId, Key)>, Failure> {
    let rows = check.snapshot.iter(&check.index.canonical).map(Guard::key);
    rows.map(|key| match keys::read_canonical(&key?) {
        Some(place) => Ok(place),
        None => damage("its table 'canonical' has a key that is no place"),
    })
    .collect()
}

fn cursors(check: &Check<'_>) -> Result<Vec<DeviceCursor>, Failure> {
    let rows = check.snapshot.iter(&check.index.cursors).map(Guard::into_inner);
    rows.map(|row| {
        let (key, value) = row?;
        match keys::read_cursor(&key, &value) {
            Some(cursor) => Ok(cursor),
            None => damage("its table 'cursors' has a row that is no cursor"),
        }
    })
    .collect()
}
