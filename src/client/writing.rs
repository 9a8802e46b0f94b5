//! Writing: events of our own, their way into every server's log, and what the servers answer.
//!
//! **Invariants**
//! - Whether something can be said is found out before anything is written.
//! - What goes out was in the log first: an event is sent only by way of an outbox, and comes into that with its entry
//!   (rule 1).
//! - Nothing is written or counted for a sealed server.
//!
//! It must not know what was read from whom, beyond what is held.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_bytes::ByteBuf;

use crate::content::{Content, SharedFile, chunk};
use crate::effects::{Action, Effects};
use crate::event::{Conversation, Draft, EventError, Kind};
use crate::frame::{Receipt, ToServer};
use crate::history::Entry;
use crate::id::{EventId, RoomId};
use crate::limits::{CHUNK_MAX_BYTES, FRAME_EVENTS, FRAME_EVENTS_BYTES, PARENTS_MAX, UPLOAD_WINDOW};

use super::Client;

impl Client {
    pub(super) fn say(
        &mut self,
        now_ms: u64,
        conversation: Conversation,
        kind: Kind,
        body: Vec<u8>,
        effects: &mut Effects,
    ) -> Result<(), EventError> {
        let target = Content::read(kind, &body)?.target();
        if target.is_some_and(|target| self.holdings.place_of(&target) != Some(conversation)) {
            return Err(EventError::TargetNotParent);
        }
        // Whether it can be said is found out before anything is written, merges included.
        if self.holdings.heads(conversation) >= PARENTS_MAX {
            let parents = self.holdings.parents(conversation, target, PARENTS_MAX);
            self.draft(now_ms, conversation, kind, body.clone(), parents).sign(&self.config.key)?;
        }
        while self.holdings.heads(conversation) >= PARENTS_MAX {
            let some = self.holdings.parents(conversation, None, PARENTS_MAX);
            self.write(now_ms, conversation, Kind::Merge, Vec::new(), some, effects)?;
        }
        let parents = self.holdings.parents(conversation, target, PARENTS_MAX);
        self.write(now_ms, conversation, kind, body, parents, effects)
    }

    /// All chunks and the file that they make, so that they are written and synced in one go.
    pub(super) fn share(
        &mut self,
        now_ms: u64,
        conversation: Conversation,
        name: &str,
        bytes: &[u8],
        effects: &mut Effects,
    ) -> Result<(), EventError> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let file =
            |last| SharedFile { last, hash: *blake3::hash(bytes).as_bytes(), bytes: length, name }.encode();
        // Whether it can be said is found out before anything is written.
        Content::read(Kind::File, &file(EventId::new([0; 32])))?;
        let mut last = None;
        for part in bytes.chunks(CHUNK_MAX_BYTES) {
            self.say(now_ms, conversation, Kind::Chunk, chunk(last, part), effects)?;
            last = self.own.last().map(|key| key.id);
        }
        let last = last.ok_or(EventError::Body(Kind::File))?;
        self.say(now_ms, conversation, Kind::File, file(last), effects)
    }

    fn draft(
        &self,
        now_ms: u64,
        conversation: Conversation,
        kind: Kind,
        body: Vec<u8>,
        parents: BTreeSet<EventId>,
    ) -> Draft {
        let time = self.clock.clone().tick(now_ms);
        Draft { device: self.config.device, seq: self.last_seq + 1, parents, time, conversation, kind, body }
    }

    fn write(
        &mut self,
        now_ms: u64,
        conversation: Conversation,
        kind: Kind,
        body: Vec<u8>,
        parents: BTreeSet<EventId>,
        effects: &mut Effects,
    ) -> Result<(), EventError> {
        let draft = self.draft(now_ms, conversation, kind, body, parents);
        let event = Arc::new(draft.sign(&self.config.key)?);
        effects.log.push(Entry::Authored { event: ByteBuf::from(event.bytes()), at_ms: now_ms });
        self.apply_own(event);
        Ok(())
    }

    /// Fills every connection's window.
    pub(super) fn upload(&mut self, effects: &mut Effects) {
        for link in 0..self.links.len() {
            while self.links[link].up && !self.links[link].sealed {
                let events = self.next_upload(link);
                if events.is_empty() {
                    break;
                }
                let server = self.server(link);
                effects.actions.push(Action::Send { server, frame: ToServer::Upload { events } });
            }
        }
    }

    fn next_upload(&mut self, link: usize) -> Vec<ByteBuf> {
        let mut events = Vec::new();
        let mut bytes = 0;
        let outbox = &mut self.links[link].outbox;
        for key in outbox.take(FRAME_EVENTS) {
            let Some(event) = self.holdings.event(&key.id) else { continue };
            bytes += event.bytes().len();
            if bytes > FRAME_EVENTS_BYTES {
                outbox.put_back(key);
            } else {
                events.push(ByteBuf::from(event.bytes()));
            }
        }
        events
    }

    pub(super) fn receipt(&mut self, link: usize, receipt: Receipt, effects: &mut Effects) {
        self.links[link].missing = 0;
        // Of what it was sent as an ancestor of ours it tells by the receipt alone.
        self.hear_of(link, &receipt.id, effects);
        if !self.apply_receipt(link, &receipt.id) {
            return;
        }
        let Some(incarnation) = self.links[link].incarnation else { return };
        let Receipt { id, position } = receipt;
        effects.log.push(Entry::Receipt { server: self.server(link), incarnation, id, position });
        self.report(id, effects);
    }

    /// Tells the person of a message's copies, if they have grown beyond what was told.
    fn report(&mut self, id: EventId, effects: &mut Effects) {
        let copies = self.copies(&id);
        let is_shown = self.event(&id).is_some_and(|event| event.kind().is_shown());
        if !is_shown || copies <= self.reported.get(&id).copied().unwrap_or(0) {
            return;
        }
        self.reported.insert(id, copies);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        effects.log.push(Entry::Level { id, copies: count(copies), servers: count(self.counted().count()) });
        effects.actions.push(Action::Copies { id, copies });
    }

    /// A server that has lost its log has told all of it that is home's, or a room's: what is here beside that goes
    /// there, whoever wrote it (rule 10). Its author may be gone for good, and the other servers too.
    pub(super) fn restore(&mut self, link: usize, room: Option<RoomId>) {
        let entry = &mut self.links[link];
        if entry.log_lost && !entry.sealed && entry.restored.insert(room) {
            let lacking = self.holdings.lacking_at(link, room);
            lacking.into_iter().for_each(|key| self.links[link].outbox.offer(key));
        }
    }

    /// The server lacks ancestors: collects those that it is not known to have, back to the ones it has.
    pub(super) fn missing(&mut self, link: usize, id: EventId, parents: Vec<EventId>) -> Result<(), String> {
        let Some(child) = self.event(&id).map(|event| event.key()) else {
            return Err(format!("it speaks of event {} that it was not sent", id.short()));
        };
        for parent in &parents {
            if !self.holdings.note_missing(parent, link) {
                return Err(format!("it lacks {}, which is no ancestor of ours", parent.short()));
            }
        }
        let mut ancestors = BTreeSet::new();
        let mut open = parents;
        while let Some(next) = open.pop() {
            let Some(event) = self.event(&next).filter(|_| !self.holdings.is_at(&next, link)) else {
                continue;
            };
            let key = event.key();
            if ancestors.insert(key) && !self.links[link].outbox.is_on_its_way(&key) {
                open.extend(event.parents());
            }
        }
        let ancestors: Vec<_> = ancestors.into_iter().collect();
        if self.links[link].outbox.supply(child, &ancestors) {
            self.links[link].missing += 1;
        }
        if self.links[link].missing > 4 * UPLOAD_WINDOW {
            return Err("it keeps lacking ancestors that it was sent".to_owned());
        }
        Ok(())
    }
}
