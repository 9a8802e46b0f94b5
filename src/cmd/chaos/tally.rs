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
    in_room: usize,
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

    /// How many people it knows to be in a room.
    pub fn in_room(&self) -> usize {
        self.in_room
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
            Entry::Begun { .. } | Entry::Opened { .. } | Entry::Body { .. } | Entry::Told { .. } => {}
            Entry::Cursor { .. } | Entry::Level { .. } | Entry::View { .. } => {}
        }
    }

    fn event(&mut self, bytes: &[u8], own: bool) {
        // One that is none is verify's to tell.
        let Ok(event) = Event::from_bytes(bytes) else { return };
        match event.kind() {
            Kind::Register => self.names += 1,
            Kind::Create | Kind::Join => self.in_room += 1,
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

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use serde_bytes::ByteBuf;

    use super::*;
    use crate::clock::Time;
    use crate::event::{Conversation, Draft, account_of};
    use crate::id::DeviceId;

    fn said(seq: u64) -> Event {
        let key = SigningKey::from_bytes(&[7; 32]);
        let account = account_of(&key);
        let draft = Draft {
            device: DeviceId::new([1; 16]),
            seq,
            parents: BTreeSet::new(),
            time: Time::from_millis(seq),
            conversation: Conversation::direct(account, account),
            kind: Kind::Post,
            body: b"said".to_vec(),
        };
        draft.sign(&key).unwrap()
    }

    #[test]
    fn receipts_count_while_the_log_that_gave_them_lives() {
        let (one, two) = (said(1), said(2));
        let life = |server: u8, life: u8| Entry::Incarnation {
            server: ServerId::new([server; 32]),
            incarnation: Incarnation::new([life; 16]),
            at_ms: 0,
        };
        let receipt = |server: u8, life: u8, event: &Event| Entry::Receipt {
            server: ServerId::new([server; 32]),
            incarnation: Incarnation::new([life; 16]),
            id: event.id(),
            position: 1,
        };
        let authored =
            |event: &Event| Entry::Authored { event: ByteBuf::from(event.bytes().to_vec()), at_ms: 0 };
        let mut log = vec![authored(&one), authored(&two)];
        let mut tally = Tally::default();
        // After these entries more: messages on all of two servers, and those on fewer.
        let table = [
            (vec![], 0, 2),
            (vec![life(1, 1), life(2, 1), receipt(1, 1, &one), receipt(1, 1, &one)], 0, 2),
            (vec![receipt(2, 1, &one)], 1, 1),
            (vec![life(2, 2)], 0, 2),
            (vec![receipt(2, 1, &one)], 0, 2),
            (vec![receipt(2, 2, &one), receipt(2, 2, &two), receipt(1, 1, &two)], 2, 0),
        ];
        for (entries, on_all, at_risk) in table {
            log.extend(entries);
            tally.read(&log);
            let expected = Counts { sent: 2, on_all, at_risk, ..Counts::default() };
            assert_eq!(tally.counts(2), expected, "after {} entries", log.len());
        }
        let shown = |late| Entry::Displayed { id: one.id(), late, at_ms: 0 };
        log.extend([shown(false), shown(true)]);
        tally.read(&log);
        assert_eq!((tally.counts(2).shown, tally.counts(2).late), (2, 1));
    }
}
