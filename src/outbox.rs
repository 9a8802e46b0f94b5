//! What a device still owes to one server, and in which order it goes there.
//!
//! **Invariants**
//! - An own event is owed until the server's *current* incarnation has acked it, also long after it counts
//!   as sent (rule 9); a new incarnation is owed everything again (rule 8).
//! - Events leave in canonical order, which puts parents before children. When the server lacks a parent
//!   nonetheless, [`Outbox::supply`] puts the lacking ancestors before it, whoever wrote them (rule 4).
//! - What a server's new log lacks of others' events is sent to it too ([`Outbox::offer`], rule 10), but owed by nobody:
//!   it is forgotten with the connection.
//! - At most [`UPLOAD_WINDOW`] events are on their way.
//!
//! It does not know events, only their [`Key`]s; the client looks the bytes up.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::EventId;
use crate::limits::{REFUSED_AGAIN_MS, UPLOAD_WINDOW};
use crate::order::Key;

/// One server's share of the outbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Outbox {
    /// Own events that the current incarnation has not acked.
    owed: BTreeSet<Key>,
    /// To be sent on this connection, next first.
    queue: BTreeSet<Key>,
    /// Sent on this connection, not answered.
    in_flight: BTreeMap<EventId, Key>,
    /// Refused for the time being, or waiting behind one that is.
    parked: BTreeMap<EventId, Key>,
    parked_until_ms: Option<u64>,
}

impl Outbox {
    /// An own event that this server is to store.
    pub fn owe(&mut self, key: Key, connected: bool) {
        self.owed.insert(key);
        if connected {
            self.queue.insert(key);
        }
    }

    /// How many own events the server's current incarnation has not acked.
    pub fn owed(&self) -> usize {
        self.owed.len()
    }

    /// The own events that the server's current incarnation has not acked.
    pub fn owed_keys(&self) -> impl Iterator<Item = &Key> {
        self.owed.iter()
    }

    /// Whether the server's current incarnation has acked this own event.
    pub fn has_acked(&self, key: &Key) -> bool {
        !self.owed.contains(key)
    }

    /// A connection stands: all that is owed is to be sent.
    pub fn connect(&mut self) {
        self.disconnect();
        self.queue.clone_from(&self.owed);
    }

    /// The connection is gone, and with it the answers to what was in flight.
    pub fn disconnect(&mut self) {
        self.queue.clear();
        self.in_flight.clear();
        self.parked.clear();
        self.parked_until_ms = None;
    }

    /// The server holds this event durably. Returns whether that is news of an own event.
    pub fn acked(&mut self, key: &Key) -> bool {
        self.queue.remove(key);
        self.in_flight.remove(&key.id);
        self.parked.remove(&key.id);
        self.owed.remove(key)
    }

    /// An event that the server turns out to lack, whoever wrote it: it is sent on this connection, and not owed.
    pub fn offer(&mut self, key: Key) {
        if !self.is_on_its_way(&key) {
            self.queue.insert(key);
        }
    }

    /// The next events to send, at most `limit` and as the window allows; they count as in flight.
    pub fn take(&mut self, limit: usize) -> Vec<Key> {
        let room = UPLOAD_WINDOW.saturating_sub(self.in_flight.len()).min(limit);
        let next: Vec<_> = self.queue.iter().copied().take(room).collect();
        for key in &next {
            self.queue.remove(key);
            self.in_flight.insert(key.id, *key);
        }
        next
    }

    /// What does not fit the frame goes back to the head of the queue.
    pub fn put_back(&mut self, key: Key) {
        self.in_flight.remove(&key.id);
        self.queue.insert(key);
    }

    /// The server lacks `ancestors` of an event that was sent: they go first, then the event again. If one
    /// of them is parked, the event waits behind it. Returns whether the event is sent again now.
    pub fn supply(&mut self, event: Key, ancestors: &[Key]) -> bool {
        self.in_flight.remove(&event.id);
        if ancestors.iter().any(|key| self.parked.contains_key(&key.id)) {
            self.parked.insert(event.id, event);
            return false;
        }
        let on_their_way = |key: &&Key| self.in_flight.contains_key(&key.id);
        let fresh: Vec<_> = ancestors.iter().filter(|key| !on_their_way(key)).copied().collect();
        self.queue.extend(fresh);
        self.queue.insert(event);
        true
    }

    /// Whether an event is queued, sent or parked on this connection.
    pub fn is_on_its_way(&self, key: &Key) -> bool {
        self.queue.contains(key) || self.in_flight.contains_key(&key.id) || self.parked.contains_key(&key.id)
    }

    /// The server does not take this event before `until_ms`.
    pub fn park(&mut self, key: Key, until_ms: u64) {
        self.in_flight.remove(&key.id);
        self.parked.insert(key.id, key);
        self.parked_until_ms = Some(until_ms);
    }

    /// When parked events are due again.
    pub fn parked_until_ms(&self) -> Option<u64> {
        self.parked_until_ms
    }

    /// Queues what was parked, if its time has come, or is so far off that the clock must have been set back.
    pub fn unpark(&mut self, now_ms: u64) {
        let is_over = |until_ms: u64| until_ms <= now_ms || until_ms > now_ms + REFUSED_AGAIN_MS;
        if self.parked_until_ms.is_some_and(is_over) {
            self.parked_until_ms = None;
            self.queue.extend(std::mem::take(&mut self.parked).into_values());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::id::DeviceId;

    fn key(n: u8) -> Key {
        let id = EventId::new([n; 32]);
        Key { time: Time::from_millis(u64::from(n)), device: DeviceId::new([1; 16]), seq: u64::from(n), id }
    }

    fn connected(keys: &[u8]) -> Outbox {
        let mut outbox = Outbox::default();
        keys.iter().for_each(|n| outbox.owe(key(*n), false));
        outbox.connect();
        outbox
    }

    #[test]
    fn what_was_not_acked_is_sent_again_in_order_on_the_next_connection() {
        let mut outbox = connected(&[3, 1, 2]);
        assert_eq!(outbox.take(10), [key(1), key(2), key(3)]);
        assert!(outbox.acked(&key(2)));
        assert!(!outbox.acked(&key(2)), "a second receipt is no news");
        outbox.connect();
        assert_eq!(outbox.take(10), [key(1), key(3)]);
    }

    #[test]
    fn the_window_bounds_what_is_in_flight() {
        let mut outbox = Outbox::default();
        for n in 0..=u8::MAX {
            for m in 0..4u64 {
                let id = EventId::new([n; 32]);
                let time = Time::from_millis(u64::from(n) * 4 + m);
                outbox.owe(
                    Key { time, device: DeviceId::new([2; 16]), seq: 1, id: EventId::new(mix(id, m)) },
                    true,
                );
            }
        }
        assert_eq!(outbox.take(usize::MAX).len(), UPLOAD_WINDOW);
        assert!(outbox.take(usize::MAX).is_empty());
    }

    fn mix(id: EventId, m: u64) -> [u8; 32] {
        let mut bytes = *id.as_bytes();
        bytes[..8].copy_from_slice(&m.to_be_bytes());
        bytes
    }

    #[test]
    fn what_is_offered_is_sent_in_its_place_once_and_owed_by_nobody() {
        let mut outbox = connected(&[2, 4]);
        assert_eq!(outbox.take(1), [key(2)]);
        [1, 2, 3, 4].into_iter().for_each(|n| outbox.offer(key(n)));
        assert_eq!(outbox.owed(), 2);
        assert_eq!(outbox.take(10), [key(1), key(3), key(4)], "what is on its way is not sent twice");
        assert!(!outbox.acked(&key(1)), "a receipt for it is no news of an own event");
        outbox.connect();
        assert_eq!(outbox.take(10), [key(2), key(4)]);
    }

    #[test]
    fn lacking_ancestors_go_before_the_event_that_names_them() {
        let mut outbox = connected(&[9]);
        assert_eq!(outbox.take(10), [key(9)]);
        assert!(outbox.supply(key(9), &[key(5), key(4)]));
        assert_eq!(outbox.take(10), [key(4), key(5), key(9)]);
    }

    #[test]
    fn a_clock_set_back_parks_nothing_for_longer() {
        let mut outbox = connected(&[1]);
        outbox.take(10);
        outbox.park(key(1), 300_000 + REFUSED_AGAIN_MS);
        outbox.unpark(300_000);
        assert!(outbox.take(10).is_empty());
        outbox.unpark(5);
        assert_eq!(outbox.take(10), [key(1)]);
    }

    #[test]
    fn an_event_behind_a_parked_one_waits_with_it() {
        let mut outbox = connected(&[1, 2]);
        outbox.take(10);
        outbox.park(key(1), 50);
        assert!(!outbox.supply(key(2), &[key(1)]), "it is not sent again before its time");
        outbox.unpark(49);
        assert!(outbox.take(10).is_empty());
        outbox.unpark(50);
        assert_eq!(outbox.take(10), [key(1), key(2)]);
    }
}
