//! The events that were written last, in memory.
//!
//! Most of what is asked of a store was written a moment ago: the parents of the next event, and what
//! followers and peers are sent. To find that in the engine takes two reads, a decoding and two hashes.
//!
//! **Invariant**: what is here is on the disk; it is added after the sync of its batch.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::event::Event;
use crate::id::{EventId, Position};
use crate::log::Write;

/// Events that are kept; with all that belongs to a short message about 1 KiB each.
const EVENTS: usize = 2048;
/// Bytes of events that are kept, however few they are.
const BYTES: usize = 4 * 1024 * 1024;

/// The end of the log. Positions are consecutive.
#[derive(Default)]
pub(super) struct Recent {
    first: Position,
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    positions: HashMap<EventId, Position>,
}

impl Recent {
    /// A batch is on the disk.
    pub(super) fn add(&mut self, writes: &[Write]) {
        for write in writes {
            let Write::Append { position, event, .. } = write else { continue };
            if self.events.is_empty() {
                self.first = *position;
            }
            self.bytes += event.bytes().len();
            self.positions.insert(event.id(), *position);
            self.events.push_back(Arc::clone(event));
            while self.events.len() > EVENTS || self.bytes > BYTES {
                let Some(oldest) = self.events.pop_front() else { break };
                self.bytes -= oldest.bytes().len();
                self.positions.remove(&oldest.id());
                self.first += 1;
            }
        }
    }

    /// An event is on the disk in another form, with its body or without.
    pub(super) fn replace(&mut self, position: Position, event: &Arc<Event>) {
        let index = position.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(kept) = index.and_then(|index| self.events.get_mut(index)) {
            self.bytes = self.bytes - kept.bytes().len() + event.bytes().len();
            *kept = Arc::clone(event);
        }
    }

    /// Where an event is, if it is here.
    pub(super) fn position(&self, id: &EventId) -> Option<Position> {
        self.positions.get(id).copied()
    }

    /// The event at a position, if it is here.
    pub(super) fn event(&self, position: Position) -> Option<Arc<Event>> {
        let index = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.events.get(index).cloned()
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::clock::Time;
    use crate::event::{Conversation, Draft, Kind, account_of};
    use crate::id::DeviceId;

    fn append(position: Position) -> Write {
        let key = SigningKey::from_bytes(&[1; 32]);
        let account = account_of(&key);
        let draft = Draft {
            device: DeviceId::new([1; 16]),
            seq: position,
            parents: [].into(),
            time: Time::from_millis(position),
            conversation: Conversation::direct(account, account),
            kind: Kind::Post,
            body: b"said".to_vec(),
        };
        Write::Append { position, event: Arc::new(draft.sign(&key).unwrap()), fork: false }
    }

    fn event(write: &Write) -> &Arc<Event> {
        match write {
            Write::Append { event, .. } => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_last_events_are_found_and_the_first_are_forgotten() {
        let mut recent = Recent::default();
        assert_eq!(
            (recent.position(&event(&append(1)).id()), recent.event(0), recent.event(1)),
            (None, None, None)
        );
        let from = 7;
        let writes: Vec<_> = (from..from + EVENTS as u64 + 2).map(append).collect();
        let (before, after) = writes.split_at(100);
        recent.add(before);
        recent.add(after);
        for (index, write) in writes.iter().enumerate() {
            let (position, event) = (from + index as u64, event(write));
            let kept = index >= 2;
            assert_eq!(recent.position(&event.id()), kept.then_some(position));
            assert_eq!(recent.event(position), kept.then(|| Arc::clone(event)));
        }
        assert_eq!(recent.event(from + writes.len() as u64), None);
        assert_eq!((recent.events.len(), recent.positions.len()), (EVENTS, EVENTS));
    }
}
