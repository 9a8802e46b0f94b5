//! Which events have had their quorum, entry by entry of a device's log, as [`crate::screens`] judges it.
//!
//! It counts what the log says and nothing else: servers of the view of the time, each with the log that was its
//! current one, that told of an event, or gave a receipt for one of the device's own. What they lose later does not
//! unsay it.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::ServerId;
use crate::intake::Number;
use crate::taken::{ClientLog, Seen};

/// What a device was told, as far as its log has been read.
pub(crate) struct Tellers<'a> {
    log: &'a ClientLog,
    /// How many servers must have told of a line; 1 is no quorum.
    quorum: usize,
    /// Whether the log ever has a quorum: if not, nothing is counted.
    counts: bool,
    servers: Option<&'a BTreeSet<ServerId>>,
    current: BTreeMap<ServerId, u16>,
    /// The lives of logs that told of an event, and the most current ones that ever had.
    told: BTreeMap<Number, (BTreeSet<u16>, usize)>,
}

impl<'a> Tellers<'a> {
    pub(crate) fn of(log: &'a ClientLog) -> Self {
        let counts = log.seen.iter().any(|seen| matches!(seen, Seen::Opened { quorum: 2.., .. }));
        Self { log, quorum: 1, counts, servers: None, current: BTreeMap::new(), told: BTreeMap::new() }
    }

    /// The log's next entry says something.
    pub(crate) fn take(&mut self, seen: Seen) {
        if !self.counts {
            return;
        }
        match seen {
            Seen::Opened { quorum, members, .. } => {
                self.quorum = usize::from(quorum);
                self.servers = self.log.members.get(members as usize);
            }
            Seen::View { members, .. } => self.servers = self.log.members.get(members as usize),
            Seen::Incarnation { life } => {
                if let Some((server, _)) = self.log.lives.get(usize::from(life)) {
                    self.current.insert(*server, life);
                }
            }
            Seen::Told { life, event } | Seen::Receipt { life, event, .. } if self.is_current(life) => {
                let mut lives = self.told.remove(&event).unwrap_or_default();
                lives.0.insert(life);
                let told = lives.0.iter().filter(|life| self.is_current(**life)).count();
                lives.1 = lives.1.max(told);
                self.told.insert(event, lives);
            }
            _ => {}
        }
    }

    /// Whether a life is the current one of a server of the view; so two of one server never count.
    fn is_current(&self, life: u16) -> bool {
        let server = self.log.lives.get(usize::from(life)).map(|(server, _)| server);
        server.is_some_and(|server| {
            self.current.get(server) == Some(&life)
                && self.servers.is_some_and(|servers| servers.contains(server))
        })
    }

    /// How many servers must have told of a line.
    pub(crate) fn quorum(&self) -> usize {
        self.quorum
    }

    /// How many servers told of an event, at most at one time.
    pub(crate) fn most(&self, event: Number) -> usize {
        self.told.get(&event).map_or(0, |(_, most)| *most)
    }

    /// Whether an event has had its quorum.
    pub(crate) fn is_vouched(&self, event: Number) -> bool {
        self.quorum <= 1 || self.most(event) >= self.quorum
    }
}
