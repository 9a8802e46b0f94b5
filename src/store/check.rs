//! Whether a store holds all that it acked.
//!
//! At every open: the log ends where its end mark and its tip say; its newest part, at least all that came
//! through the journals, has no gap; the newest events chain to each other, and the newest of those that were indexed
//! stand in every index. That takes milliseconds however long the log is. `verify` reads all of it ([`super::read`]).

use std::path::Path;

use fjall::{Guard, Readable, Snapshot, UserValue};

use super::error::StoreError;
use super::identity::Identity;
use super::index::{self, Index};
use super::journal::Scan;
use super::keys::{self, CHAIN_START, Chain, End};
use super::tip::Tip;
use crate::event::Event;
use crate::id::{EventId, Position};
use crate::log::Stream;

/// Events at the log's end that are read whole at every open.
const READ_WHOLE: u64 = 64;

/// Why a check did not pass: the engine failed, or the store is damaged in the way that is said.
pub(super) enum Failure {
    Engine(fjall::Error),
    Damage(String),
}

impl From<fjall::Error> for Failure {
    fn from(error: fjall::Error) -> Self {
        Self::Engine(error)
    }
}

impl Failure {
    /// As the error of the store in this folder.
    pub(super) fn of(self, folder: &Path) -> StoreError {
        match self {
            Self::Engine(error) => StoreError::engine(folder, "read")(error),
            Self::Damage(what) => StoreError::damaged(folder, what),
        }
    }
}

/// All that is checked at an open; answers where the log ends.
pub(super) fn on_open(
    index: &Index,
    scan: &Scan,
    identity: &Identity,
    tip: Option<&Tip>,
    folder: &Path,
) -> Result<End, StoreError> {
    let check = Check { index, snapshot: index.snapshot() };
    check.all(scan, identity, tip).map_err(|failure| failure.of(folder))
}

/// Checks over one state of a store.
pub(super) struct Check<'a> {
    pub(super) index: &'a Index,
    pub(super) snapshot: Snapshot,
}

impl Check<'_> {
    fn all(&self, scan: &Scan, identity: &Identity, tip: Option<&Tip>) -> Result<End, Failure> {
        let last = self.last()?;
        self.tip(identity, tip, last)?;
        if !self.index.is_of(&self.snapshot, identity)? {
            return damage("its tables belong to another store, or lack their beginning");
        }
        let Some(end) = self.index.end(&self.snapshot)? else { return damage("its end mark is missing") };
        if last != end.position {
            return damage(format!("its log ends at {last}, and its end mark says {}", end.position));
        }
        let indexed = self.index.indexed(&self.snapshot)?.unwrap_or(end.position);
        if indexed > end.position {
            return damage(format!("its indexes end at {indexed}, and its log at {}", end.position));
        }
        let journal = scan.rows.get(&self.index.log.id());
        self.gaps(last, journal.map_or(0, |rows| rows.count))?;
        self.newest(&end)?;
        let first = journal.and_then(|rows| keys::read_position(&rows.first_key));
        // What follows is made anew from the log.
        let newest = indexed.saturating_sub(READ_WHOLE) + 1..=indexed;
        for position in first.filter(|first| *first <= indexed).into_iter().chain(newest) {
            let event = index::parse(self.row(position)?.event()).map_err(Failure::Damage)?;
            self.indexes(position, &event)?;
        }
        Ok(end)
    }

    /// The log's last position; 0 if it is empty.
    pub(super) fn last(&self) -> Result<Position, Failure> {
        let key = self.snapshot.last_key_value(&self.index.log).map(Guard::key).transpose()?;
        match key.map(|key| keys::read_position(&key)) {
            None => Ok(0),
            Some(Some(position)) => Ok(position),
            Some(None) => damage("its log has a key that is no position"),
        }
    }

    fn tip(&self, identity: &Identity, tip: Option<&Tip>, last: Position) -> Result<(), Failure> {
        let Some(tip) = tip else { return Ok(()) };
        if tip.log != *identity.incarnation.as_bytes() {
            return damage("its file 'tip' belongs to another store");
        }
        if tip.upto > last {
            return damage(format!("it holds {last} of the {} events that it acked", tip.upto));
        }
        let chain = if tip.upto == 0 { CHAIN_START } else { self.row(tip.upto)?.chain() };
        if chain != tip.chain {
            return damage(format!("its events up to {} are not those that it acked", tip.upto));
        }
        Ok(())
    }

    /// Whether the first position is 1, and the newest follow each other.
    fn gaps(&self, last: Position, journal_rows: usize) -> Result<(), Failure> {
        let first = self.snapshot.first_key_value(&self.index.log).map(Guard::key).transpose()?;
        if first.is_some_and(|key| keys::read_position(&key) != Some(1)) {
            return damage("its log does not start at 1");
        }
        let from = last.saturating_sub(journal_rows as u64 + READ_WHOLE).max(1);
        let mut expected = from;
        for row in self.snapshot.range(&self.index.log, keys::position(from)..) {
            if keys::read_position(&row.key()?) != Some(expected) {
                return damage(format!("its log has no event at {expected}, and has later ones"));
            }
            expected += 1;
        }
        if last > 0 && expected != last + 1 {
            return damage(format!("its log has no event at {expected}"));
        }
        Ok(())
    }

    fn newest(&self, end: &End) -> Result<(), Failure> {
        let from = end.position.saturating_sub(READ_WHOLE) + 1;
        let mut chain = if from == 1 { CHAIN_START } else { self.row(from - 1)?.chain() };
        for position in from..=end.position {
            let row = self.row(position)?;
            let event = index::parse(row.event())
                .map_err(|error| Failure::Damage(format!("its event {position} is none: {error}")))?;
            chain = self.link(&chain, position, &row, event.id())?;
        }
        if chain != end.chain {
            return damage("its end mark does not fit its last event");
        }
        Ok(())
    }

    /// Checks that a row continues the chain; answers the chain hash after it.
    pub(super) fn link(
        &self,
        before: &Chain,
        position: Position,
        row: &Row,
        id: EventId,
    ) -> Result<Chain, Failure> {
        let chain = keys::chain(before, &id);
        if row.chain() != chain {
            return damage(format!("its event {position} does not follow from those before it"));
        }
        Ok(chain)
    }

    /// Checks that an event stands in every index.
    pub(super) fn indexes(&self, position: Position, event: &Event) -> Result<(), Failure> {
        let (index, snapshot, id) = (self.index, &self.snapshot, event.id());
        let lacks = |name: &str| damage(format!("its table '{name}' lacks event {position}"));
        let place = keys::position(position);
        if snapshot.get(&index.ids, id.as_bytes())?.is_none_or(|found| *found != place) {
            return lacks("ids");
        }
        let key = keys::canonical(event.conversation().id(), &event.key());
        if snapshot.get(&index.canonical, key)?.is_none_or(|found| *found != place) {
            return lacks("canonical");
        }
        for stream in Stream::of(event) {
            let found = snapshot.get(&index.streams, keys::stream(stream, position))?;
            if found.is_none_or(|found| *found != *id.as_bytes()) {
                return lacks("streams");
            }
        }
        match snapshot.get(&index.devices, keys::origin(event.origin()))? {
            None => lacks("devices"),
            Some(first) if *first == *id.as_bytes() => Ok(()),
            Some(_) => {
                let fork = keys::fork(event.origin(), &id);
                if snapshot.contains_key(&index.forks, fork)? { Ok(()) } else { lacks("forks") }
            }
        }
    }

    /// A row of the log.
    fn row(&self, position: Position) -> Result<Row, Failure> {
        match self.snapshot.get(&self.index.log, keys::position(position))? {
            Some(value) => Row::new(position, value),
            None => damage(format!("its log has no event at {position}")),
        }
    }
}

/// A row of the log that is long enough to be one.
pub(super) struct Row(UserValue);

impl Row {
    /// The row with this value.
    pub(super) fn new(position: Position, value: UserValue) -> Result<Self, Failure> {
        match keys::read_log_value(&value) {
            Some(_) => Ok(Self(value)),
            None => damage(format!("its log row {position} is too short")),
        }
    }

    fn chain(&self) -> Chain {
        keys::read_log_value(&self.0).map_or(CHAIN_START, |(chain, _)| chain)
    }

    /// The event's bytes.
    pub(super) fn event(&self) -> &[u8] {
        keys::read_log_value(&self.0).map_or(&[], |(_, event)| event)
    }
}

pub(super) fn damage<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Damage(what.into()))
}
