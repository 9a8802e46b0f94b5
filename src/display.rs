//! The reorder window: what is shown when, and what is late.
//!
//! A line-by-line display cannot take a line back, so it holds each event, the person's own included, until
//! local time has passed the event's time + Δ. Below that delay two displays show the same sequence. An
//! event that turns up after a later one was shown carries a mark (promise P6).

use std::collections::{BTreeMap, BTreeSet};

use crate::id::ConversationId;
use crate::order::Key;

/// What waits to be shown, over all conversations, and how far each has been.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Display {
    held: BTreeSet<(Key, ConversationId)>,
    furthest: BTreeMap<ConversationId, Key>,
}

impl Display {
    /// An event is to be shown.
    pub fn hold(&mut self, key: Key, conversation: ConversationId) {
        self.held.insert((key, conversation));
    }

    /// An event was shown; also how a log that is read back says so.
    pub fn shown(&mut self, key: Key, conversation: ConversationId) {
        self.held.remove(&(key, conversation));
        let furthest = self.furthest.entry(conversation).or_insert(key);
        *furthest = key.max(*furthest);
    }

    /// Whether a later event of the conversation has been shown.
    pub fn is_late(&self, key: Key, conversation: ConversationId) -> bool {
        self.furthest.get(&conversation).is_some_and(|furthest| *furthest > key)
    }

    /// The next event whose window has passed.
    pub fn due(&self, now_ms: u64, window_ms: u64) -> Option<(Key, ConversationId)> {
        self.held.first().copied().filter(|(key, _)| due_ms(*key, window_ms) <= now_ms)
    }

    /// When the next event is due, Unix milliseconds.
    pub fn next_due_ms(&self, window_ms: u64) -> Option<u64> {
        self.held.first().map(|(key, _)| due_ms(*key, window_ms))
    }

    /// How many events wait.
    pub fn waiting(&self) -> usize {
        self.held.len()
    }
}

/// The first millisecond after the window.
fn due_ms(key: Key, window_ms: u64) -> u64 {
    key.time.millis().saturating_add(window_ms).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::id::{DeviceId, EventId};

    const HERE: ConversationId = ConversationId::new([1; 32]);
    const THERE: ConversationId = ConversationId::new([2; 32]);

    fn key(ms: u64) -> Key {
        let device = DeviceId::new([0; 16]);
        Key { time: Time::from_millis(ms), device, seq: ms, id: EventId::new([0; 32]) }
    }

    #[test]
    fn an_event_is_held_until_its_window_has_passed() {
        let mut display = Display::default();
        display.hold(key(100), HERE);
        assert_eq!(display.due(140, 40), None);
        assert_eq!(display.next_due_ms(40), Some(141));
        assert_eq!(display.due(141, 40), Some((key(100), HERE)));
    }

    #[test]
    fn events_are_due_in_canonical_order_whatever_order_they_came_in() {
        let mut display = Display::default();
        [30, 10, 20].into_iter().for_each(|ms| display.hold(key(ms), HERE));
        let mut seen = Vec::new();
        while let Some((key, conversation)) = display.due(1_000, 40) {
            display.shown(key, conversation);
            seen.push(key.time.millis());
        }
        assert_eq!(seen, [10, 20, 30]);
    }

    #[test]
    fn what_comes_after_a_later_one_of_its_conversation_is_late() {
        let mut display = Display::default();
        display.shown(key(20), HERE);
        assert!(display.is_late(key(10), HERE));
        assert!(!display.is_late(key(10), THERE));
        assert!(!display.is_late(key(30), HERE));
        display.shown(key(10), HERE);
        assert!(display.is_late(key(15), HERE), "a late line does not move the front back");
    }
}
