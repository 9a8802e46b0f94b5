//! What a display quorum has a client wait for: which lines are set aside when they are due, and when the person is
//! told of it.
//!
//! **Invariant**: a line is set aside if and only if too few servers have told of it, or something that it follows
//! from is: a server that lies may tell of the one and not of the other.

use std::collections::{BTreeMap, BTreeSet};

use crate::display::Display;
use crate::effects::Action;
use crate::history::Entry;
use crate::holdings::Holdings;
use crate::id::{ConversationId, EventId, Incarnation, ServerId};
use crate::limits::{QUORUM_LOOK_MS, QUORUM_SLOW_MS};
use crate::order::Key;
use crate::view::SignedView;

/// How many servers must have told of a line, and what the person knows of lines that wait for it.
#[derive(Debug, Clone, Hash)]
pub(crate) struct Quorum {
    servers: usize,
    /// The quorum under which the servers' logs were last read.
    read_under: usize,
    /// How many lines wait, as far as the person was told, and when that is looked at again.
    told_waiting: usize,
    look_again_ms: u64,
}

impl Quorum {
    /// Of so many servers; 0 and 1 are no wait.
    pub(crate) fn new(servers: usize) -> Self {
        Self { servers: servers.max(1), read_under: 1, told_waiting: 0, look_again_ms: 0 }
    }

    /// How many servers it takes.
    pub(crate) fn servers(&self) -> usize {
        self.servers
    }

    /// Whether there is anything to wait for.
    pub(crate) fn counts(&self) -> bool {
        self.servers > 1
    }

    /// The log was opened with this quorum. Answers whether it is higher than before: then who told of what is not
    /// known well enough, and the servers' logs must be read anew.
    pub(crate) fn opened(&mut self, quorum: usize) -> bool {
        quorum > std::mem::replace(&mut self.read_under, quorum)
    }

    /// Whether an event may be shown, as far as its own quorum goes.
    pub(crate) fn is_met(&self, holdings: &Holdings, id: &EventId) -> bool {
        !self.counts() || holdings.is_vouched(id)
    }

    /// Sets a line that is due aside, if it must wait; answers whether it did.
    pub(crate) fn sets_aside(
        &self,
        holdings: &Holdings,
        display: &mut Display,
        (key, conversation): (Key, ConversationId),
    ) -> bool {
        if !self.is_met(holdings, &key.id) {
            display.set_aside(key, conversation);
            return true;
        }
        let waits = |key| display.is_aside(key, conversation);
        let first = display.first_aside(conversation).filter(|first| *first < key);
        let is_behind = first.is_some_and(|first| holdings.comes_after(&key.id, first, waits));
        if is_behind {
            display.set_behind(key, conversation);
        }
        is_behind
    }

    /// How many of these lines lack their quorum, and how many servers told of the one of which most have.
    pub(crate) fn lacking(&self, holdings: &Holdings, lines: impl Iterator<Item = Key>) -> (usize, usize) {
        let lacking = lines.filter(|key| !self.is_met(holdings, &key.id));
        lacking.fold((0, 0), |(lines, most), key| (lines + 1, holdings.tellers(&key.id).max(most)))
    }

    /// What waits long is not waited for in silence: it is told when it has become more.
    pub(crate) fn look(
        &mut self,
        now_ms: u64,
        window_ms: u64,
        holdings: &Holdings,
        display: &Display,
    ) -> Option<Action> {
        // A look that seems further off than any was planned before the clock was set back.
        let is_planned = (1..=QUORUM_LOOK_MS).contains(&self.look_again_ms.saturating_sub(now_ms));
        if is_planned || !self.counts() {
            return None;
        }
        self.look_again_ms = now_ms + QUORUM_LOOK_MS;
        let long_ms = window_ms.saturating_add(QUORUM_SLOW_MS);
        let slow = display.aside().filter(|key| key.time.millis().saturating_add(long_ms) <= now_ms);
        let (lines, told) = self.lacking(holdings, slow);
        let before = std::mem::replace(&mut self.told_waiting, lines);
        (lines > before).then_some(Action::Waits { lines, told, quorum: self.servers })
    }
}

/// Who had told of what in a log that is replayed, under the view of each entry's time: what has had its quorum keeps it,
/// though one of those servers has left since. All else in a log is seen under the newest view.
#[derive(Debug)]
pub(crate) struct PastTellers {
    quorum: usize,
    servers: BTreeSet<ServerId>,
    current: BTreeMap<ServerId, Incarnation>,
    told: BTreeMap<EventId, BTreeSet<ServerId>>,
}

impl PastTellers {
    /// Before a log's first entry.
    pub(crate) fn of(quorum: &Quorum) -> Self {
        let (servers, current, told) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        Self { quorum: quorum.servers, servers, current, told }
    }

    /// Takes the log's next entry; answers an event that has its quorum with it.
    pub(crate) fn take(&mut self, entry: &Entry) -> Option<EventId> {
        if self.quorum <= 1 {
            return None;
        }
        match entry {
            Entry::Opened { servers, .. } => self.under(servers.iter().copied().collect()),
            Entry::View { view, .. } => {
                if let Some(servers) = SignedView::named_in(view) {
                    self.under(servers.into_iter().collect());
                }
            }
            Entry::Incarnation { server, incarnation, .. } => self.has_log(*server, *incarnation),
            // Of its own events a device hears by receipts.
            Entry::Told { server, incarnation, id } | Entry::Receipt { server, incarnation, id, .. } => {
                return self.tells(*server, *incarnation, *id);
            }
            _ => {}
        }
        None
    }

    fn has_log(&mut self, server: ServerId, incarnation: Incarnation) {
        if self.current.insert(server, incarnation) != Some(incarnation) {
            self.keep(|teller| *teller != server);
        }
    }

    fn tells(&mut self, server: ServerId, incarnation: Incarnation, id: EventId) -> Option<EventId> {
        if !self.servers.contains(&server) || self.current.get(&server) != Some(&incarnation) {
            return None;
        }
        let tellers = self.told.entry(id).or_default();
        tellers.insert(server);
        let has_quorum = tellers.len() >= self.quorum;
        if has_quorum {
            self.told.remove(&id);
        }
        has_quorum.then_some(id)
    }

    fn under(&mut self, servers: BTreeSet<ServerId>) {
        if self.servers != servers {
            self.keep(|teller| servers.contains(teller));
            self.servers = servers;
        }
    }

    fn keep(&mut self, counts: impl Fn(&ServerId) -> bool) {
        self.told.retain(|_, tellers| {
            tellers.retain(&counts);
            !tellers.is_empty()
        });
    }
}
