//! What a batch does to bodies: it forgets those that its deletions are about, and puts others in their place
//! ([`crate::erasure`]).
//!
//! ```text
//! meta  "deleted ", message, account -> nothing     who has taken which message, or part of a file, back
//! meta  "edit ", message, position   -> nothing     where its edits stand
//! meta  "hollow ", position          -> event id    no body, and no deletion that excuses it
//! meta  "forget"                     -> nothing     what was forgotten may still be in the engine's files
//! ```
//!
//! **Invariant**: in every batch, a deletion and the rows that it empties are written together; so whatever a
//! crash leaves, no log holds both a deletion and what it is about. The chain hash is of ids: it stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fjall::{OwnedWriteBatch, Readable, Snapshot};

use super::check::{Failure, damage};
use super::fresh::Held;
use super::index::{self, Index};
use super::keys::{self, Chain};
use crate::erasure::{is_part_before, messages_of, parts};
use crate::event::{Event, Kind};
use crate::id::{AccountId, EventId, Position};

/// The rows of one batch whose bodies are settled.
pub(super) struct Bodies<'a> {
    index: &'a Index,
    fresh: &'a Held,
    /// Of a moment after that of `fresh`.
    snapshot: &'a Snapshot,
    /// Rows of the log as they are to be.
    rows: BTreeMap<Position, (Chain, Arc<Event>)>,
    /// Where the events of this batch stand.
    places: BTreeMap<EventId, Position>,
    deletions: BTreeSet<(EventId, AccountId)>,
    edits: BTreeSet<(EventId, Position)>,
    /// What is hollow from now on, and what no more.
    hollow: BTreeMap<Position, Option<EventId>>,
    /// Rows that are to be otherwise than they came, or than they stood there.
    changed: BTreeSet<Position>,
    forgets: bool,
}

impl<'a> Bodies<'a> {
    pub(super) fn new(index: &'a Index, fresh: &'a Held, snapshot: &'a Snapshot) -> Self {
        Self {
            index,
            fresh,
            snapshot,
            rows: BTreeMap::new(),
            places: BTreeMap::new(),
            deletions: BTreeSet::new(),
            edits: BTreeSet::new(),
            hollow: BTreeMap::new(),
            changed: BTreeSet::new(),
            forgets: false,
        }
    }

    /// The log's next event.
    pub(super) fn append(
        &mut self,
        position: Position,
        chain: Chain,
        event: &Arc<Event>,
    ) -> Result<(), Failure> {
        self.places.insert(event.id(), position);
        self.rows.insert(position, (chain, Arc::clone(event)));
        self.note(position, event)
    }

    /// An event that stands at a position: does what follows from it for bodies.
    pub(super) fn note(&mut self, position: Position, event: &Arc<Event>) -> Result<(), Failure> {
        match (event.kind(), event.target()) {
            (Kind::Delete, Some(message)) => return self.forget_all(message, event.account()),
            (Kind::Edit, Some(message)) => _ = self.edits.insert((message, position)),
            _ => {}
        }
        // A message comes before its deletion, so only of an edit it can be that its body is not wanted any more.
        if event.has_body() && event.kind() != Kind::Edit {
            return Ok(());
        }
        match (self.is_excused(event)?, event.has_body()) {
            (true, _) => self.forget(position),
            (false, true) => Ok(()),
            (false, false) => {
                self.hollow.insert(position, Some(event.id()));
                Ok(())
            }
        }
    }

    /// The whole of an event that is here; put in its place if that is hollow.
    pub(super) fn fill(&mut self, whole: &Arc<Event>) -> Result<(), Failure> {
        let Some(position) = self.place(&whole.id())? else { return Ok(()) };
        let (chain, event) = self.row(position)?;
        if event.has_body() || !whole.has_body() || self.is_excused(whole)? {
            return Ok(());
        }
        self.rows.insert(position, (chain, Arc::clone(whole)));
        self.changed.insert(position);
        self.hollow.insert(position, None);
        self.note(position, whole)
    }

    /// Adds to a batch what is to be written; answers the events that are stored otherwise than they came, or than
    /// they stood there.
    pub(super) fn put(self, batch: &mut OwnedWriteBatch) -> Vec<(Position, Arc<Event>)> {
        let meta = &self.index.meta;
        let mut changed = Vec::new();
        for (position, (chain, event)) in self.rows {
            let value = keys::log_value(&chain, event.bytes());
            batch.insert(&self.index.log, keys::position(position), value);
            if self.changed.contains(&position) {
                changed.push((position, event));
            }
        }
        for (message, account) in &self.deletions {
            batch.insert(meta, keys::deleted(message, account), []);
        }
        for (message, position) in &self.edits {
            batch.insert(meta, keys::edit(message, *position), []);
        }
        for (position, id) in &self.hollow {
            match id {
                Some(id) => batch.insert(meta, keys::hollow(*position), *id.as_bytes()),
                None => batch.remove(meta, keys::hollow(*position)),
            }
        }
        if self.forgets {
            batch.insert(meta, keys::FORGET, []);
        }
        changed
    }

    /// A message was taken back: forgets it, and all edits of it that are here.
    fn forget_all(&mut self, message: EventId, account: AccountId) -> Result<(), Failure> {
        self.deletions.insert((message, account));
        let mut positions: BTreeSet<_> = self.place(&message)?.into_iter().collect();
        let here = (message, 0)..=(message, Position::MAX);
        positions.extend(self.edits.range(here).map(|(_, position)| *position));
        for row in self.snapshot.prefix(&self.index.meta, keys::edits(&message)) {
            let Some(position) = keys::read_last_position(&row.key()?) else {
                return damage("its table 'meta' has an edit without a place");
            };
            positions.insert(position);
        }
        // What an edit without its body is about is not known; this may be it.
        positions.extend(self.hollow_positions()?);
        self.forget_parts(message, account)?;
        for position in positions {
            let (_, event) = self.row(position)?;
            if event.account() == account && messages_of(&event).contains(&message) {
                self.forget(position)?;
            }
        }
        Ok(())
    }

    /// The same of a file's parts, if the message is one; see [`crate::erasure`].
    fn forget_parts(&mut self, message: EventId, account: AccountId) -> Result<(), Failure> {
        let Some(place) = self.place(&message)? else { return Ok(()) };
        let (_, file) = self.row(place)?;
        if file.kind() != Kind::File || file.account() != account {
            return Ok(());
        }
        for (position, part) in parts((place, file), |(_, next)| self.part_before(&next))? {
            self.deletions.insert((part.id(), account));
            self.forget(position)?;
        }
        Ok(())
    }

    fn part_before(&self, next: &Event) -> Result<Option<(Position, Arc<Event>)>, Failure> {
        for parent in next.parents() {
            let Some(position) = self.place(parent)? else { continue };
            let (_, part) = self.row(position)?;
            if is_part_before(&part, next) {
                return Ok(Some((position, part)));
            }
        }
        Ok(None)
    }

    fn forget(&mut self, position: Position) -> Result<(), Failure> {
        self.hollow.insert(position, None);
        let (chain, event) = self.row(position)?;
        if let Some(without) = event.without_body().filter(|_| event.has_body()) {
            self.rows.insert(position, (chain, Arc::new(without)));
            self.changed.insert(position);
            self.forgets = true;
        }
        Ok(())
    }

    /// As [`crate::erasure::Deletions::excuse`], by what is here.
    fn is_excused(&self, event: &Event) -> Result<bool, Failure> {
        let account = event.account();
        for message in messages_of(event) {
            let key = keys::deleted(&message, &account);
            if self.deletions.contains(&(message, account))
                || self.snapshot.contains_key(&self.index.meta, key)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn hollow_positions(&self) -> Result<Vec<Position>, Failure> {
        let mut positions: BTreeSet<_> =
            hollow(self.index, self.snapshot, 0, usize::MAX)?.into_iter().map(|(at, _)| at).collect();
        for (position, id) in &self.hollow {
            match id {
                Some(_) => positions.insert(*position),
                None => positions.remove(position),
            };
        }
        Ok(positions.into_iter().collect())
    }

    fn place(&self, id: &EventId) -> Result<Option<Position>, Failure> {
        if let Some(position) = self.places.get(id).copied().or_else(|| self.fresh.position(id)) {
            return Ok(Some(position));
        }
        let found = self.snapshot.get(&self.index.ids, id.as_bytes())?;
        Ok(found.and_then(|bytes| keys::read_position(&bytes)))
    }

    fn row(&self, position: Position) -> Result<(Chain, Arc<Event>), Failure> {
        if let Some(row) = self.rows.get(&position) {
            return Ok(row.clone());
        }
        let value = self.snapshot.get(&self.index.log, keys::position(position))?;
        let Some((chain, bytes)) = value.as_deref().and_then(keys::read_log_value) else {
            return damage(format!("its log has no event at {position}"));
        };
        Ok((chain, index::parse(bytes).map_err(Failure::Damage)?))
    }
}

/// At most `limit` hollow events after a position.
pub(super) fn hollow(
    index: &Index,
    snapshot: &Snapshot,
    after: Position,
    limit: usize,
) -> Result<Vec<(Position, EventId)>, Failure> {
    let range = keys::hollow(after.saturating_add(1))..=keys::hollow(Position::MAX);
    let mut found = Vec::new();
    for row in snapshot.range(&index.meta, range).take(limit) {
        let (key, value) = row.into_inner()?;
        match keys::read_last_position(&key).zip(keys::read_id(&value)) {
            Some(place) => found.push(place),
            None => return damage("its table 'meta' has a hollow event without a place or an id"),
        }
    }
    Ok(found)
}
