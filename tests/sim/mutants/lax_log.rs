//! Logs that answer wrongly.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use tercet::clock::Time;
use tercet::event::{Conversation, Draft, Event, Kind, Origin};
use tercet::frame::DeviceCursor;
use tercet::id::{DeviceId, EventId, Position};
use tercet::log::{Log, Stream};

use crate::disk::Disk;

/// A disk that answers wrongly for the events of one upload.
pub struct LaxLog<'a> {
    disk: &'a Disk,
    uploaded: BTreeSet<EventId>,
    forgets_uploaded: bool,
    /// For each parent that is not there, a position no log reaches, and what "stands" there.
    stand_ins: BTreeMap<EventId, Position>,
    at: BTreeMap<Position, Arc<Event>>,
}

impl<'a> LaxLog<'a> {
    /// Whatever parent is asked for, an event of that conversation is found.
    pub fn without_parents(disk: &'a Disk, events: &[Arc<Event>], keys: &[&SigningKey]) -> Self {
        let mut lax = Self::without_memory(disk, events);
        lax.forgets_uploaded = false;
        let mut position = Position::MAX;
        for event in events {
            let stand_in = keys.iter().find_map(|key| stand_in(key, event.conversation()));
            let Some(stand_in) = stand_in else { continue };
            for parent in event.parents().iter().filter(|parent| !disk.holds(parent)) {
                position -= 1;
                lax.stand_ins.insert(*parent, position);
                lax.at.insert(position, Arc::clone(&stand_in));
            }
        }
        lax
    }

    /// None of the events is known.
    pub fn without_memory(disk: &'a Disk, events: &[Arc<Event>]) -> Self {
        let uploaded = events.iter().map(|event| event.id()).collect();
        let (stand_ins, at) = (BTreeMap::new(), BTreeMap::new());
        Self { disk, uploaded, forgets_uploaded: true, stand_ins, at }
    }
}

impl Log for LaxLog<'_> {
    type Error = Infallible;

    fn position(&self, id: &EventId) -> Result<Option<Position>, Infallible> {
        if self.forgets_uploaded && self.uploaded.contains(id) {
            return Ok(None);
        }
        let stand_in = self.stand_ins.get(id).filter(|_| !self.uploaded.contains(id)).copied();
        Ok(self.disk.position(id)?.or(stand_in))
    }

    fn first_of(&self, origin: Origin) -> Result<Option<EventId>, Infallible> {
        self.disk.first_of(origin)
    }

    fn event(&self, position: Position) -> Result<Option<Arc<Event>>, Infallible> {
        Ok(self.disk.event(position)?.or_else(|| self.at.get(&position).cloned()))
    }

    fn scan(
        &self,
        stream: Stream,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<(Position, EventId)>, Infallible> {
        self.disk.scan(stream, after, upto, limit)
    }

    fn hollow(&self, after: Position, limit: usize) -> Result<Vec<(Position, EventId)>, Infallible> {
        self.disk.hollow(after, limit)
    }

    fn cursors(&self) -> Result<Vec<DeviceCursor>, Infallible> {
        self.disk.cursors()
    }

    fn view(&self) -> Result<Option<Vec<u8>>, Infallible> {
        self.disk.view()
    }
}

/// An event of this conversation that is older than any other.
fn stand_in(key: &SigningKey, conversation: Conversation) -> Option<Arc<Event>> {
    let draft = Draft {
        device: DeviceId::new([0xee; 16]),
        seq: 1,
        parents: BTreeSet::new(),
        time: Time::from_millis(1),
        conversation,
        kind: Kind::Merge,
        body: Vec::new(),
    };
    draft.sign(key).ok().map(Arc::new)
}
