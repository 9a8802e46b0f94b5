//! Events whose parents are not all here, each under one parent that it waits for.
//!
//! So whoever gets an event finds at once what can go on, however much waits. To look through all of it instead, for each
//! event that comes, took a third of the time that an empty server needed to catch up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::event::Event;
use crate::id::EventId;
use crate::limits::WAITING_MAX;

/// What waits, each with `From` where it comes; at most [`WAITING_MAX`].
#[derive(Debug, Clone, Hash)]
pub struct Waiting<From> {
    events: BTreeMap<EventId, Waits<From>>,
    by_parent: BTreeMap<EventId, BTreeSet<EventId>>,
    /// Those whose parent has come.
    ready: BTreeSet<EventId>,
}

#[derive(Debug, Clone, Hash)]
struct Waits<From> {
    event: Arc<Event>,
    from: From,
    parent: EventId,
}

impl<From> Default for Waiting<From> {
    fn default() -> Self {
        Self { events: BTreeMap::new(), by_parent: BTreeMap::new(), ready: BTreeSet::new() }
    }
}

impl<From> Waiting<From> {
    /// An event waits for a parent that is not here; answers whether there was room for it.
    pub fn add(&mut self, event: Arc<Event>, from: From, parent: EventId) -> bool {
        if self.events.len() >= WAITING_MAX {
            return false;
        }
        let id = event.id();
        self.remove(&id);
        self.by_parent.entry(parent).or_default().insert(id);
        self.events.insert(id, Waits { event, from, parent });
        true
    }

    /// An event is here: it waits no more, and what waited for it may be able to go on.
    pub fn here(&mut self, id: &EventId) {
        self.remove(id);
        self.ready.extend(self.by_parent.remove(id).into_iter().flatten());
    }

    /// Takes out one whose parent has come. It may wait for another: then it is to be added again.
    pub fn next_ready(&mut self) -> Option<(Arc<Event>, From)> {
        let id = self.ready.pop_first()?;
        self.events.remove(&id).map(|waits| (waits.event, waits.from))
    }

    /// Whether an event waits.
    pub fn contains(&self, id: &EventId) -> bool {
        self.events.contains_key(id)
    }

    /// An event that waits, to be replaced by the same with its body.
    pub fn get_mut(&mut self, id: &EventId) -> Option<&mut Arc<Event>> {
        self.events.get_mut(id).map(|waits| &mut waits.event)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Keeps only those of which `keep` says so; it may change where they come from.
    pub fn retain(&mut self, mut keep: impl FnMut(&EventId, &mut From) -> bool) {
        let gone =
            self.events.iter_mut().filter_map(|(id, waits)| (!keep(id, &mut waits.from)).then_some(*id));
        for id in gone.collect::<Vec<_>>() {
            self.remove(&id);
        }
    }

    fn remove(&mut self, id: &EventId) {
        let Some(Waits { parent, .. }) = self.events.remove(id) else { return };
        self.ready.remove(id);
        if let Some(siblings) = self.by_parent.get_mut(&parent) {
            siblings.remove(id);
            if siblings.is_empty() {
                self.by_parent.remove(&parent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::clock::Time;
    use crate::event::{Conversation, Draft, Kind};
    use crate::id::{DeviceId, RoomId};

    fn event(seq: u64) -> Arc<Event> {
        let draft = Draft {
            device: DeviceId::new([1; 16]),
            seq,
            parents: [EventId::new([8; 32])].into(),
            time: Time::from_millis(seq),
            conversation: Conversation::Room(RoomId::new([2; 16])),
            kind: Kind::Post,
            body: b"said".to_vec(),
        };
        Arc::new(draft.sign(&SigningKey::from_bytes(&[3; 32])).unwrap())
    }

    fn parent(n: u8) -> EventId {
        EventId::new([n; 32])
    }

    fn all<From>(waiting: &mut Waiting<From>) -> BTreeSet<EventId> {
        std::iter::from_fn(|| waiting.next_ready()).map(|(event, _)| event.id()).collect()
    }

    #[test]
    fn what_waited_for_an_event_goes_on_when_that_is_here_and_nothing_else_does() {
        let (one, two, other) = (event(1), event(2), event(3));
        let mut waiting = Waiting::default();
        for (event, n) in [(&one, 7), (&two, 7), (&other, 9)] {
            assert!(waiting.add(Arc::clone(event), (), parent(n)));
        }
        waiting.here(&parent(8));
        assert_eq!(all(&mut waiting), [].into());
        waiting.here(&parent(7));
        assert_eq!(all(&mut waiting), [one.id(), two.id()].into());
        assert_eq!(waiting.len(), 1);
        assert!(waiting.contains(&other.id()) && !waiting.contains(&one.id()));
    }

    #[test]
    fn what_comes_another_way_or_is_not_kept_goes_on_no_more() {
        let mut waiting = Waiting::default();
        for seq in 1..=4 {
            waiting.add(event(seq), seq, parent(7));
        }
        waiting.here(&event(1).id());
        waiting.here(&parent(7));
        waiting.here(&event(2).id()); // after it was ready
        waiting.retain(|_, from| {
            *from += 10;
            *from != 13
        });
        let (last, from) = waiting.next_ready().unwrap();
        assert_eq!((last.id(), from), (event(4).id(), 14));
        assert!(waiting.next_ready().is_none() && waiting.is_empty() && waiting.by_parent.is_empty());
    }

    #[test]
    fn one_that_waits_again_waits_for_another() {
        let mut waiting = Waiting::default();
        waiting.add(event(1), (), parent(7));
        waiting.add(event(1), (), parent(8));
        waiting.here(&parent(7));
        assert_eq!(all(&mut waiting), [].into());
        waiting.here(&parent(8));
        assert_eq!(all(&mut waiting), [event(1).id()].into());
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut waiting = Waiting::default();
        for seq in 1..=WAITING_MAX as u64 {
            assert!(waiting.add(event(seq), (), parent(7)));
        }
        assert!(!waiting.add(event(WAITING_MAX as u64 + 1), (), parent(7)));
        assert_eq!(waiting.len(), WAITING_MAX);
    }
}
