//! A history, decoded and indexed with all that it says, for whoever tells of it in words or pictures. The
//! checks themselves ask a [`crate::ledger::Ledger`], which knows less and takes a tenth of the memory.
//!
//! Decoding here trusts nobody: each event's signature is checked once, whoever's log it was found in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::anomaly::{Anomaly, Place};
use crate::content::Charter;
use crate::directory::{Change, Directory};
use crate::erasure::Deletions;
use crate::event::{Conversation, Event, Kind};
use crate::excerpt::Excerpt;
use crate::history::{ClientHistory, Entry, History, ServerHistory};
use crate::id::{AccountId, DeviceId, EventId, Position, RoomId};

/// One device's log, decoded.
#[derive(Debug)]
pub struct Observer<'a> {
    /// The log as it was read, or what was excerpted of it.
    pub history: &'a ClientHistory,
    /// Which entries these are, by number from 0, and how many the log has; `None` if they are all of them.
    excerpted: Option<(&'a [usize], usize)>,
    /// Whose device, if the log says so.
    pub device: Option<DeviceId>,
    /// Whose account, if the log says so.
    pub account: Option<AccountId>,
    /// What a person calls it.
    pub name: String,
    /// Every entry that holds an event, in order: entry number from 0, event.
    pub stands: Vec<(usize, EventId)>,
    /// Where each event entered the log, by entry number from 0.
    pub entered: BTreeMap<EventId, usize>,
    /// The displayed events in order: entry number from 0, event, marked late, time shown.
    pub shown: Vec<(usize, EventId, bool, u64)>,
}

/// Everything that was read.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The history it is made of.
    pub history: &'a History,
    /// Every valid event that stands in any log.
    pub events: BTreeMap<EventId, Arc<Event>>,
    /// The device logs.
    pub observers: Vec<Observer<'a>>,
    /// What decoding alone found.
    pub corrupt: Vec<Anomaly>,
}

impl Observer<'_> {
    /// How many entries its log has.
    pub(crate) fn length(&self) -> usize {
        self.excerpted.map_or(self.history.entries.len(), |(_, length)| length)
    }

    /// An entry by its number from 0, if it was read.
    pub(crate) fn entry(&self, number: usize) -> Option<&Entry> {
        let index = match self.excerpted {
            Some((numbers, _)) => numbers.binary_search(&number).ok()?,
            None => number,
        };
        self.history.entries.get(index)
    }

    /// The entries that were read before one, in order: number from 0, entry.
    pub(crate) fn before(&self, end: usize) -> impl DoubleEndedIterator<Item = (usize, &Entry)> {
        let count = match self.excerpted {
            Some((numbers, _)) => numbers.partition_point(|number| *number < end),
            None => end.min(self.history.entries.len()),
        };
        let number = |index: usize| self.excerpted.map_or(index, |(numbers, _)| numbers[index]);
        self.history.entries[..count].iter().enumerate().map(move |(index, entry)| (number(index), entry))
    }
}

impl ClientHistory {
    /// The place of an entry, given from 0.
    pub fn place(&self, index: usize) -> Place {
        Place { source: self.source.clone(), entry: index as u64 + 1 }
    }
}

impl ServerHistory {
    /// The place of a position in its log.
    pub fn place(&self, position: Position) -> Place {
        Place { source: self.source.clone(), entry: position }
    }
}

impl<'a> Evidence<'a> {
    /// Decodes and indexes a history.
    pub fn of(history: &'a History) -> Self {
        let mut evidence = Self::with_bodies(history, |_| None);
        evidence.forget();
        evidence
    }

    /// The same of what was excerpted from a history. What was taken back is known from all of it.
    pub(crate) fn excerpted(excerpt: &'a Excerpt) -> Self {
        let mut evidence = Self::with_bodies(&excerpt.history, |client| excerpt.numbers(client));
        evidence.without_bodies(|event| excerpt.is_deleted(&event.id()));
        evidence
    }

    fn with_bodies(history: &'a History, numbers: impl Fn(usize) -> Option<(&'a [usize], usize)>) -> Self {
        let mut evidence =
            Self { history, events: BTreeMap::new(), observers: Vec::new(), corrupt: Vec::new() };
        // The same bytes stand in many logs; their signature is checked once.
        let mut checked: BTreeMap<&[u8], EventId> = BTreeMap::new();
        for server in &history.servers {
            for stored in &server.log {
                evidence.decode(|| server.place(stored.position), stored.event.bytes(), &mut checked);
            }
            evidence.corrupt.extend(gap(server));
        }
        for (number, client) in history.clients.iter().enumerate() {
            let observer = evidence.observe(client, numbers(number), &mut checked);
            evidence.observers.push(observer);
        }
        evidence
    }

    /// What was taken back is told by nobody, though the logs of devices may still hold it.
    fn forget(&mut self) {
        let deletions = Deletions::among(self.events.values().map(AsRef::as_ref));
        self.without_bodies(|event| deletions.excuse(event));
    }

    fn without_bodies(&mut self, is_deleted: impl Fn(&Event) -> bool) {
        for event in self.events.values_mut().filter(|event| is_deleted(event)) {
            if let Some(without) = event.without_body() {
                *event = Arc::new(without);
            }
        }
    }

    fn observe(
        &mut self,
        history: &'a ClientHistory,
        excerpted: Option<(&'a [usize], usize)>,
        checked: &mut BTreeMap<&'a [u8], EventId>,
    ) -> Observer<'a> {
        let mut observer = Observer {
            history,
            excerpted,
            device: None,
            account: None,
            name: history.source.clone(),
            stands: Vec::new(),
            entered: BTreeMap::new(),
            shown: Vec::new(),
        };
        for (index, entry) in history.entries.iter().enumerate() {
            let index = excerpted.map_or(index, |(numbers, _)| numbers[index]);
            match entry {
                Entry::Begun { account, device, name, .. } if index == 0 => {
                    (observer.account, observer.device) = (Some(*account), Some(*device));
                    observer.name.clone_from(name);
                }
                Entry::Authored { event, .. } | Entry::Received { event, .. } => {
                    if let Some(id) = self.decode(|| history.place(index), event, checked) {
                        observer.stands.push((index, id));
                        observer.entered.entry(id).or_insert(index);
                    }
                }
                Entry::Body { event, .. } => _ = self.decode(|| history.place(index), event, checked),
                Entry::Displayed { id, late, at_ms } => observer.shown.push((index, *id, *late, *at_ms)),
                _ => {}
            }
        }
        observer
    }

    fn decode(
        &mut self,
        at: impl FnOnce() -> Place,
        bytes: &'a [u8],
        checked: &mut BTreeMap<&'a [u8], EventId>,
    ) -> Option<EventId> {
        if let Some(id) = checked.get(bytes) {
            return Some(*id);
        }
        match Event::from_bytes(bytes) {
            Ok(event) => {
                let id = event.id();
                checked.insert(bytes, id);
                let known = self.events.get(&id);
                if known.is_none_or(|known| event.has_body() && !known.has_body()) {
                    self.events.insert(id, Arc::new(event));
                }
                Some(id)
            }
            Err(error) => {
                self.corrupt.push(Anomaly::Corrupt { at: at(), why: error.to_string() });
                None
            }
        }
    }

    /// The nearest ancestors that a display shows: parents, or theirs behind a merge.
    pub fn shown_ancestors(&self, event: &Event) -> Vec<EventId> {
        let mut open: Vec<_> = event.parents().to_vec();
        let mut seen = BTreeSet::new();
        let mut nearest = Vec::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.events.get(&id) {
                Some(parent) if parent.kind().is_shown() => nearest.push(id),
                Some(parent) => open.extend(parent.parents()),
                None => {}
            }
        }
        nearest.sort_unstable();
        nearest
    }

    /// Who is who, by all changes to the directory that were found.
    pub fn directory(&self) -> Directory {
        let is_change = |event: &&Arc<Event>| matches!(event.kind(), Kind::Register | Kind::Close);
        let mut changes: Vec<_> = self.events.values().filter(is_change).collect();
        changes.sort_unstable_by_key(|event| event.key());
        Directory::of(
            changes
                .iter()
                .filter_map(|event| Some((event.account(), Change::of(event.kind(), event.text())?))),
        )
    }

    /// What every room is, by all beginnings that were found.
    pub fn charters(&self) -> BTreeMap<RoomId, Charter> {
        let charter = |event: &Arc<Event>| match event.conversation() {
            Conversation::Room(room) => Some((room, event.charter()?)),
            _ => None,
        };
        self.events.values().filter_map(charter).collect()
    }

    /// Whether an event belongs to what an account is sent unasked: the directory with the beginnings of public
    /// rooms, and its direct conversations.
    pub fn is_home(account: AccountId, event: &Event) -> bool {
        match event.conversation() {
            Conversation::Directory => true,
            Conversation::Direct(..) => event.conversation().other(account).is_some(),
            Conversation::Room(_) => event.charter().is_some_and(|charter| charter.public),
        }
    }
}

/// The first place where a log's positions do not count 1, 2, 3.
fn gap(server: &ServerHistory) -> Option<Anomaly> {
    let (expected, stored) =
        (1..).zip(&server.log).find(|(expected, stored)| *expected != stored.position)?;
    let why = format!("position {} stands where {expected} should", stored.position);
    Some(Anomaly::Corrupt { at: server.place(expected), why })
}
