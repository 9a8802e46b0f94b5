//! A new incarnation for a log that comes from a backup.
//!
//! What was acked after the backup was made is not in it, and the places that follow will be given to other
//! events: under the old incarnation receipts and cursors would speak of one log and mean another (rule 8).
//!
//! ```text
//! store --copied--> store.renewing --complete--> store.renewed;  store -> store.before-N;  store.renewed -> store
//! ```
//!
//! **Invariant**: whenever it is cut short, the next call or the next start ends up with one whole store, and no
//! event of the old one has been removed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::damaged;
use super::error::StoreError;
use super::files;
use super::replica::Replica;
use crate::id::{Incarnation, Position, ServerId};
use crate::limits::PULL_MAX;
use crate::log::{Log, Write};
use crate::view::SignedView;

const RENEWING: &str = ".renewing";
const RENEWED: &str = ".renewed";
/// What is added, with a number, to the name of the store that was there before.
const BEFORE: &str = ".before-";

/// What became of a store that was renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// Which life of the log it was.
    pub from: Incarnation,
    /// Which it is now.
    pub to: Incarnation,
    /// How many events it holds.
    pub events: Position,
    /// Where the store is that was there before, unchanged.
    pub before: PathBuf,
}

impl Replica {
    /// Gives the log in this folder a new incarnation: the same events in the same order, how far this
    /// server has read its peers, and the view that it acts on, but not how far devices have read it, nor
    /// that this life of it was sealed.
    ///
    /// # Errors
    /// There is no store, it cannot be opened, or the copy cannot be written.
    pub fn renew(folder: &Path, server: ServerId) -> Result<Renewed, StoreError> {
        Self::finish_renewal(folder)?;
        if !folder.try_exists().map_err(StoreError::io(folder, "read"))? {
            return Err(StoreError::Absent { path: folder.to_owned() });
        }
        let renewing = files::beside(folder, RENEWING);
        let failed = || StoreError::io(&renewing, "make");
        files::remove_folder(&renewing).map_err(failed())?;
        let (from, to, events) = {
            let old = Self::open(folder, server)?;
            let new = Self::open(&renewing, server)?;
            copy(&old, &new, folder)?;
            (old.incarnation(), new.incarnation(), new.durable())
        };
        let renewed = files::beside(folder, RENEWED);
        std::fs::rename(&renewing, &renewed).map_err(failed())?;
        let before = damaged::move_aside(folder, BEFORE)?;
        Self::finish_renewal(folder)?;
        Ok(Renewed { from, to, events, before })
    }

    /// Puts a renewed store in its place, if a renewal was cut short. Nobody may have the folder open.
    ///
    /// # Errors
    /// A folder cannot be renamed or removed.
    pub fn finish_renewal(folder: &Path) -> Result<(), StoreError> {
        let renewed = files::beside(folder, RENEWED);
        let failed = || StoreError::io(&renewed, "put in place");
        if !renewed.try_exists().map_err(failed())? {
            return Ok(());
        }
        match folder.try_exists().map_err(failed())? {
            // It may have grown since; its renewal begins anew.
            true => files::remove_folder(&renewed).map_err(failed())?,
            false => std::fs::rename(&renewed, folder).map_err(failed())?,
        }
        files::sync_folder(files::parent(folder)).map_err(failed())
    }
}

fn copy(old: &Replica, new: &Replica, folder: &Path) -> Result<(), StoreError> {
    let mut origins = BTreeSet::new();
    let mut batch = Vec::new();
    for position in 1..=old.durable() {
        let lacking = || StoreError::damaged(folder, format!("its log has no row {position}"));
        let event = old.event(position)?.ok_or_else(lacking)?;
        let fork = !origins.insert(event.origin());
        batch.push(Write::Append { position, event, fork });
        if batch.len() >= PULL_MAX {
            new.commit(&batch)?;
            batch.clear();
        }
    }
    batch.extend(old.peers()?.into_iter().map(Write::Peer));
    if let Some(view) = old.view()? {
        let wrong = |why| StoreError::damaged(folder, format!("its view cannot be taken: {why}"));
        batch.push(Write::View(SignedView::read(&view).map_err(wrong)?));
    }
    new.commit(&batch)
}
