//! The reorder window: what is shown when, and what is late.
//!
//! A line-by-line display cannot take a line back, so it holds each event, the person's own included, until
//! local time has passed the event's time + Δ. Below that delay two displays show the same sequence. An
//! event that turns up after a later one was shown carries a mark (promise P6).
//!
//! Whoever asked for a quorum waits for that too: a line whose window has passed and of which too few servers have
//! told is set aside, and so is what follows from it, while others go on. When it comes back it is late, like any
//! other that comes after a later one.
//!
//! Whoever leaves a room is shown no more of it, but what they wrote themselves: servers tell of the rest no more, and
//! it would wait for its quorum for ever.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::ConversationId;
use crate::order::Key;

/// What waits to be shown, over all conversations, and how far each has been.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Display {
    held: BTreeSet<(Key, ConversationId)>,
    /// Past their window, and without their quorum; in order of conversations.
    short: BTreeSet<(ConversationId, Key)>,
    /// Past their window, and behind one that was set aside.
    behind: BTreeSet<(ConversationId, Key)>,
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
        self.short.remove(&(conversation, key));
        self.behind.remove(&(conversation, key));
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

    /// An event that is due lacks its quorum.
    pub fn set_aside(&mut self, key: Key, conversation: ConversationId) {
        self.held.remove(&(key, conversation));
        self.short.insert((conversation, key));
    }

    /// An event that is due follows from one that was set aside.
    pub fn set_behind(&mut self, key: Key, conversation: ConversationId) {
        self.held.remove(&(key, conversation));
        self.behind.insert((conversation, key));
    }

    /// An event has its quorum: if it was set aside, it is due again, and so is what may have followed from it.
    pub fn take_back(&mut self, key: Key, conversation: ConversationId) {
        if !self.short.remove(&(conversation, key)) {
            return;
        }
        self.held.insert((key, conversation));
        let later: Vec<_> =
            in_conversation(&self.behind, conversation).filter(|behind| *behind > key).collect();
        for behind in later {
            self.behind.remove(&(conversation, behind));
            self.held.insert((behind, conversation));
        }
    }

    /// A conversation is left: nothing that waits there is shown any more, but what stays. That waits for nothing
    /// beside its own window and quorum, and what else stays. Returns what does not.
    pub fn leave(&mut self, conversation: ConversationId, stays: impl Fn(&Key) -> bool) -> Vec<Key> {
        let behind: Vec<_> = in_conversation(&self.behind, conversation).collect();
        for key in behind {
            self.behind.remove(&(conversation, key));
            self.held.insert((key, conversation));
        }
        let held = self.held.iter().filter(|(_, of)| *of == conversation).map(|(key, _)| *key);
        let waiting: Vec<_> = held.chain(in_conversation(&self.short, conversation)).collect();
        let left: Vec<_> = waiting.into_iter().filter(|key| !stays(key)).collect();
        for key in &left {
            self.held.remove(&(*key, conversation));
            self.short.remove(&(conversation, *key));
        }
        left
    }

    /// Whether an event was set aside, or is behind one that was.
    pub fn is_aside(&self, key: Key, conversation: ConversationId) -> bool {
        self.short.contains(&(conversation, key)) || self.behind.contains(&(conversation, key))
    }

    /// The first event of a conversation that was set aside.
    pub fn first_aside(&self, conversation: ConversationId) -> Option<Key> {
        in_conversation(&self.short, conversation).next()
    }

    /// All that wait.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        let aside = self.short.iter().chain(&self.behind).map(|(_, key)| *key);
        self.held.iter().map(|(key, _)| *key).chain(aside)
    }

    /// Those that were set aside for want of a quorum.
    pub fn aside(&self) -> impl Iterator<Item = Key> {
        self.short.iter().map(|(_, key)| *key)
    }

    /// How many events wait.
    pub fn waiting(&self) -> usize {
        self.held.len() + self.short.len() + self.behind.len()
    }
}

/// The keys of one conversation, in order.
fn in_conversation(
    of: &BTreeSet<(ConversationId, Key)>,
    conversation: ConversationId,
) -> impl Iterator<Item = Key> {
    let from = of.range((conversation, Key::FIRST)..);
    from.take_while(move |(at, _)| *at == conversation).map(|(_, key)| *key)
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

    #[test]
    fn of_a_conversation_that_is_left_only_what_stays_is_shown() {
        let mut display = Display::default();
        [10, 20, 30, 40].into_iter().for_each(|ms| display.hold(key(ms), HERE));
        display.hold(key(5), THERE);
        display.set_aside(key(10), HERE);
        display.set_behind(key(20), HERE);
        display.set_behind(key(30), HERE);
        let left = display.leave(HERE, |waiting| *waiting == key(30));
        assert_eq!(left.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([10, 20, 40].map(key)));
        assert_eq!(display.keys().collect::<Vec<_>>(), [key(5), key(30)]);
        display.shown(key(5), THERE);
        assert_eq!(display.due(1_000, 40), Some((key(30), HERE)), "it is behind nothing any more");
    }

    #[test]
    fn what_is_set_aside_lets_others_pass_and_comes_back_with_what_follows_from_it() {
        let mut display = Display::default();
        [10, 20, 30].into_iter().for_each(|ms| display.hold(key(ms), HERE));
        display.hold(key(5), THERE);
        display.set_aside(key(5), THERE);
        display.set_aside(key(10), HERE);
        display.set_behind(key(20), HERE);
        assert_eq!(display.first_aside(HERE), Some(key(10)));
        assert_eq!(display.due(1_000, 40), Some((key(30), HERE)));
        display.shown(key(30), HERE);
        assert_eq!((display.due(1_000, 40), display.waiting()), (None, 3));
        display.take_back(key(20), HERE);
        assert_eq!(display.due(1_000, 40), None, "it is behind another, and lacks no quorum itself");
        display.take_back(key(10), HERE);
        assert_eq!(display.due(1_000, 40), Some((key(10), HERE)));
        assert!(display.is_late(key(10), HERE));
        display.shown(key(10), HERE);
        assert_eq!(display.due(1_000, 40), Some((key(20), HERE)));
        assert!(display.is_aside(key(5), THERE) && !display.is_aside(key(20), HERE));
    }
}
