//! Events that were announced and whose bodies are not here: what to fetch, when, and from whom.
//!
//! Whoever announced an event can be asked for it. It is asked for once its time has come, in the order in
//! which events were announced (so that causes come first), and again elsewhere if nothing came of it.

use std::collections::BTreeMap;

use crate::id::EventId;
use crate::limits::{FETCH_AGAIN_MS, FETCH_MAX};

/// What is wanted. Sources are numbers that mean something to the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    events: BTreeMap<EventId, Want>,
    count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Want {
    number: u64,
    due_ms: u64,
    asked: Option<usize>,
}

impl Wanted {
    /// An event was announced; unless it comes by itself, it is asked for from `due_ms` on. If it was wanted
    /// already, nothing changes.
    pub fn add(&mut self, id: EventId, due_ms: u64) {
        self.count += 1;
        self.events.entry(id).or_insert(Want { number: self.count, due_ms, asked: None });
    }

    /// An event is here, or need not come.
    pub fn remove(&mut self, id: &EventId) {
        self.events.remove(id);
    }

    /// Keeps only these.
    pub fn retain(&mut self, keep: impl Fn(&EventId) -> bool) {
        self.events.retain(|id, _| keep(id));
    }

    /// How many are wanted.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whom to ask for what now: at most [`FETCH_MAX`] events from each source, in order of announcement.
    /// Nothing is asked for before `not_before_ms`. `sources` are tried in turn, those first that were not
    /// asked last; `has` says whether one can be asked for an event.
    pub fn asks(
        &mut self,
        now_ms: u64,
        not_before_ms: u64,
        sources: usize,
        has: impl Fn(usize, &EventId) -> bool,
    ) -> BTreeMap<usize, Vec<EventId>> {
        let mut asks: BTreeMap<usize, Vec<EventId>> = BTreeMap::new();
        if !has_come(not_before_ms, now_ms) {
            return asks;
        }
        let due = self.events.iter().filter(|(_, want)| has_come(want.due_ms, now_ms));
        let mut due: Vec<_> = due.map(|(id, want)| (want.number, *id)).collect();
        due.sort_unstable();
        for (_, id) in due {
            let Some(want) = self.events.get_mut(&id) else { continue };
            let first = want.asked.map_or(0, |last| last + 1);
            let mut in_turn = (0..sources).map(|offset| (first + offset) % sources);
            let Some(source) = in_turn.find(|source| has(*source, &id)) else { continue };
            let ids = asks.entry(source).or_default();
            if ids.len() < FETCH_MAX {
                ids.push(id);
                want.asked = Some(source);
                want.due_ms = now_ms + FETCH_AGAIN_MS;
            }
        }
        asks
    }
}

/// Whether a wait is over. No wait is longer than [`FETCH_AGAIN_MS`]: one that seems to be began before the
/// clock was set back, and must not last until the clock is there again.
fn has_come(at_ms: u64, now_ms: u64) -> bool {
    at_ms <= now_ms || at_ms > now_ms + FETCH_AGAIN_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> EventId {
        EventId::new([n; 32])
    }

    #[test]
    fn events_are_asked_for_in_the_order_of_announcement_when_they_are_due() {
        let mut wanted = Wanted::default();
        [(9, 10), (1, 10), (5, 30)].into_iter().for_each(|(n, due_ms)| wanted.add(id(n), due_ms));
        wanted.add(id(9), 0);
        assert!(wanted.asks(9, 0, 1, |_, _| true).is_empty());
        assert!(wanted.asks(10, 11, 1, |_, _| true).is_empty(), "not before");
        assert_eq!(wanted.asks(10, 0, 1, |_, _| true), BTreeMap::from([(0, vec![id(9), id(1)])]));
    }

    #[test]
    fn what_does_not_come_is_asked_for_elsewhere() {
        let mut wanted = Wanted::default();
        wanted.add(id(1), 0);
        let mut at =
            |now_ms, has: [bool; 3]| wanted.asks(now_ms, 0, 3, |source, _| has[source]).into_keys().next();
        assert_eq!(at(0, [true, false, true]), Some(0));
        assert_eq!(at(FETCH_AGAIN_MS - 1, [true; 3]), None, "it was just asked for");
        assert_eq!(at(FETCH_AGAIN_MS, [true, false, true]), Some(2));
        assert_eq!(at(2 * FETCH_AGAIN_MS, [true, true, true]), Some(0));
        assert_eq!(at(3 * FETCH_AGAIN_MS, [false; 3]), None);
        assert_eq!(at(3 * FETCH_AGAIN_MS, [true, false, false]), Some(0), "the only one is asked again");
    }

    #[test]
    fn a_clock_set_back_holds_up_no_fetch() {
        let mut wanted = Wanted::default();
        let mut ahead_ms = 300_000;
        wanted.add(id(1), ahead_ms + FETCH_AGAIN_MS);
        assert!(wanted.asks(ahead_ms, 0, 1, |_, _| true).is_empty());
        assert_eq!(wanted.asks(0, ahead_ms, 1, |_, _| true).len(), 1);
        ahead_ms = FETCH_AGAIN_MS;
        assert!(wanted.asks(1, ahead_ms, 1, |_, _| true).is_empty(), "it was just asked for");
    }

    #[test]
    fn one_ask_is_bounded() {
        let mut wanted = Wanted::default();
        for n in 0..FETCH_MAX + 1 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            wanted.add(EventId::new(bytes), 0);
        }
        assert_eq!(wanted.asks(0, 0, 1, |_, _| true)[&0].len(), FETCH_MAX);
        assert_eq!(wanted.asks(0, 0, 1, |_, _| true)[&0].len(), 1);
    }
}
