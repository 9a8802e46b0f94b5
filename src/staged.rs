//! What has a position in a server's log and is on its way to the disk.
//!
//! It serves to find parents and duplicates, and to tell uploaders when their events are durable. Nobody else
//! hears of what is here (rule 7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::event::{Event, Origin};
use crate::id::{EventId, Position};
use crate::server::ConnId;

/// What has a position and is on its way to the disk.
#[derive(Debug, Clone, Default, Hash)]
pub struct Staged {
    events: BTreeMap<Position, (Arc<Event>, Vec<ConnId>)>,
    positions: BTreeMap<EventId, Position>,
    origins: BTreeSet<Origin>,
    bytes: usize,
}

impl Staged {
    /// How many events wait.
    pub fn len(&self) -> Position {
        self.events.len() as Position
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Bytes of the events that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether an event of this origin waits.
    pub fn has_of(&self, origin: Origin) -> bool {
        self.origins.contains(&origin)
    }

    /// An event has got its position; its uploader, if a client brought it, waits for the disk.
    pub fn push(&mut self, position: Position, event: Arc<Event>, uploader: Option<ConnId>) {
        self.bytes += event.bytes().len();
        self.positions.insert(event.id(), position);
        self.origins.insert(event.origin());
        self.events.insert(position, (event, uploader.into_iter().collect()));
    }

    /// An event that waits, with its position.
    pub fn place(&self, id: &EventId) -> Option<(Position, &Event)> {
        let position = self.positions.get(id)?;
        self.events.get(position).map(|(event, _)| (*position, event.as_ref()))
    }

    /// An event that waits.
    pub fn get(&self, id: &EventId) -> Option<Arc<Event>> {
        let (event, _) = self.events.get(self.positions.get(id)?)?;
        Some(Arc::clone(event))
    }

    /// Whether the event is staged; if so, the uploader gets a receipt when it is durable.
    pub fn wait_for(&mut self, id: &EventId, uploader: ConnId) -> bool {
        let Some((_, uploaders)) = self.positions.get(id).and_then(|position| self.events.get_mut(position))
        else {
            return false;
        };
        if !uploaders.contains(&uploader) {
            uploaders.push(uploader);
        }
        true
    }

    /// Takes out what is durable now: position, event, and who waits for the receipt.
    pub fn take_upto(&mut self, upto: Position) -> Vec<(Position, Arc<Event>, Vec<ConnId>)> {
        let later = self.events.split_off(&(upto + 1));
        let taken = std::mem::replace(&mut self.events, later);
        taken
            .into_iter()
            .map(|(position, (event, uploaders))| {
                self.bytes -= event.bytes().len();
                self.positions.remove(&event.id());
                self.origins.remove(&event.origin());
                (position, event, uploaders)
            })
            .collect()
    }
}
