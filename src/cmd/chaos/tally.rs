//! What a device's log says of its messages: how many there are, on how many servers, shown how. Pure.
//!
//! Counted from the log and not from what the chat prints: the log outlives the chat that is killed.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Event, Kind};
use crate::history::Entry;
use crate::id::{EventId, Incarnation, ServerId};
use crate::limits::SENT_AT;

/// One device's log, counted as far as it has been read.
#[derive(Debug, Default)]
pub struct Tally {
    entries: usize,
    names: usize,
    current: BTreeMap<ServerId, Incarnation>,
    /// The device's own messages and the servers whose current log holds them.
    held_by: BTreeMap<EventId, BTreeSet<ServerId>>,
    shown: usize,
    late: usize,
}

/// Numbers for a person; they add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Messages written.
    pub sent: usize,
    /// Messages on all servers.
    pub on_all: usize,
    /// Messages on fewer servers than count as sent.
    pub at_risk: usize,
    /// Lines shown, to anybody.
    pub shown: usize,
    /// Lines of them that were marked late.
    pub late: usize,
}

impl Tally {
    /// Counts what a log holds beyond what has been counted already.
    pub fn read(&mut self, log: &[Entry]) {
        for entry in log.iter().skip(self.entries) {
            self.count(entry);
        }
        self.entries = self.entries.max(log.len());
    }

    /// How many people the device knows.
    pub fn names(&self) -> usize {
        self.names
    }

    /// How it stands, in a cluster of so many servers.
    pub fn counts(&self, servers: usize) -> Counts {
        let with = |holds: &dyn Fn(usize) -> bool| {
            self.held_by.values().filter(|holders| holds(holders.len())).count()
        };
        Counts {
            sent: self.held_by.len(),
            on_all: with(&|copies| copies >= servers),
            at_risk: with(&|copies| copies < SENT_AT.min(servers)),
            shown: self.shown,
            late: self.late,
        }
    }

    fn count(&mut self, entry: &Entry) {
        match entry {
            Entry::Authored { event, .. } => self.event(event, true),
            Entry::Received { event, .. } => self.event(event, false),
            Entry::Incarnation { server, incarnation, .. } => {
                self.current.insert(*server, *incarnation);
                for holders in self.held_by.values_mut() {
                    holders.remove(server);
                }
            }
            Entry::Receipt { server, incarnation, id, .. } => {
                if self.current.get(server) == Some(incarnation)
                    && let Some(holders) = self.held_by.get_mut(id)
                {
                    holders.insert(*server);
                }
            }
            Entry::Displayed { late, .. } => {
                self.shown += 1;
                self.late += usize::from(*late);
            }
            Entry::Begun { .. } | Entry::Opened { .. } | Entry::Cursor { .. } | Entry::Level { .. } => {}
        }
    }

    fn event(&mut self, bytes: &[u8], own: bool) {
        // One that is none is verify's to tell.
        let Ok(event) = Event::from_bytes(bytes) else { return };
        match event.kind() {
            Kind::Register => self.names += 1,
            Kind::Post if own => drop(self.held_by.insert(event.id(), BTreeSet::new())),
            _ => {}
        }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.on_all += other.on_all;
        self.at_risk += other.at_risk;
        self.shown += other.shown;
        self.late += other.late;
    }
}
