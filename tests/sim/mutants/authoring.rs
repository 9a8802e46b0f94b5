//! A seam of authors: what they write is another event than the machine made.
//!
//! The machine knows only its own. So the device writes the other one to its log and loses power before
//! anything leaves; when it starts again, its machine finds there what an author with that fault would have left.

use std::collections::BTreeSet;

use serde_bytes::ByteBuf;
use tercet::client::Effects;
use tercet::clock::Time;
use tercet::event::{Draft, Event, Kind};
use tercet::history::Entry;

use crate::mutants::Mutant;
use crate::world::World;

impl World {
    /// Writes an event otherwise. Returns whether that was all that the device did.
    pub fn alter_authored(&mut self, client: usize, effects: &mut Effects) -> bool {
        let Some(mutant) = self.swarm.mutant.filter(|mutant| mutant.writes_otherwise()) else { return false };
        if self.rng.u32(..4) > 0 {
            return false;
        }
        let altered = effects.log.iter().enumerate().find_map(|(index, entry)| {
            let Entry::Authored { event, at_ms } = entry else { return None };
            let event = Event::from_own_store(event).ok().filter(|event| event.kind() == Kind::Post)?;
            let event = self.written_otherwise(mutant, client, &event)?;
            Some((index, Entry::Authored { event: ByteBuf::from(event.bytes()), at_ms: *at_ms }))
        });
        let Some((index, entry)) = altered else { return false };
        effects.log.truncate(index);
        effects.log.push(entry);
        effects.actions.clear();
        true
    }

    fn written_otherwise(&self, mutant: Mutant, client: usize, event: &Event) -> Option<Event> {
        let host = &self.clients[client];
        let mut parents: BTreeSet<_> = event.parents().iter().copied().collect();
        let mut time = event.time();
        match mutant {
            Mutant::DropsParents if !parents.is_empty() => parents.clear(),
            Mutant::IgnoresParentsTime if !parents.is_empty() => time = Time::from_millis(1),
            Mutant::NamesAForeignParent => {
                let machine = host.machine.as_ref()?;
                let mut others = machine.conversations().filter(|(other, _)| *other != event.conversation());
                parents.insert(others.find_map(|(_, transcript)| transcript.keys().next())?.id);
            }
            _ => return None,
        }
        let draft = Draft {
            device: event.device(),
            seq: event.seq(),
            parents,
            time,
            conversation: event.conversation(),
            kind: event.kind(),
            body: event.body().to_vec(),
        };
        draft.sign(&host.key).ok()
    }
}

impl World {
    /// Whoever has a lost device's key and log writes its last number anew.
    pub fn steal(&mut self, client: usize) {
        if !matches!(self.swarm.mutant, Some(Mutant::DropsForks | Mutant::Thief)) {
            return;
        }
        let host = &self.clients[client];
        let last = host.tape.entries().iter().rev().find_map(|entry| match entry {
            Entry::Authored { event, .. } => Event::from_own_store(event).ok(),
            _ => None,
        });
        let Some(last) = last.filter(|event| event.kind() == Kind::Post) else { return };
        let draft = Draft {
            device: last.device(),
            seq: last.seq(),
            parents: last.parents().iter().copied().collect(),
            time: last.time(),
            conversation: last.conversation(),
            kind: last.kind(),
            body: b"not by whom it says".to_vec(),
        };
        let twin = draft.sign(&host.key).unwrap();
        self.memory.stolen.push((client, twin));
    }
}

impl Mutant {
    fn writes_otherwise(self) -> bool {
        matches!(self, Self::DropsParents | Self::IgnoresParentsTime | Self::NamesAForeignParent)
    }
}
