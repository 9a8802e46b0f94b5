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

use crate::clock::Clock;
use crate::content::{Content, SharedFile, chunk};
use crate::effects::{Action, Effects};
use crate::event::{Conversation, Draft, Event, EventError, Kind, Unsigned};
use crate::frame::{Receipt, ToServer};
use crate::history::Entry;
use crate::id::{AccountId, DeviceId, EventId, RoomId, Seq};
use crate::limits::{CHUNK_MAX_BYTES, FRAME_EVENTS, FRAME_EVENTS_BYTES, PARENTS_MAX, UPLOAD_WINDOW};
use crate::links::Link;
use crate::order::Key;

use super::Client;

/// Events of ours in one conversation, each of which follows from the one before. Nothing of them is written yet.
struct Run {
    now_ms: u64,
    account: AccountId,
    device: DeviceId,
    conversation: Conversation,
    clock: Clock,
    last_seq: Seq,
    /// What the next one follows from.
    parents: BTreeSet<EventId>,
    events: Vec<Unsigned>,
}

impl Run {
    /// Adds an event, unless there can be none such; answers its id.
    fn add(&mut self, kind: Kind, body: Vec<u8>) -> Result<EventId, EventError> {
        let draft = Draft {
            device: self.device,
            seq: self.last_seq + 1,
            parents: self.parents.clone(),
            time: self.clock.clone().tick(self.now_ms),
            conversation: self.conversation,
            kind,
            body,
        };
        let event = draft.unsigned(self.account)?;
        let id = event.id();
        self.clock.observe(event.time());
        self.last_seq += 1;
        self.parents = BTreeSet::from([id]);
        self.events.push(event);
        Ok(id)
    }
}

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
        if let Some(target) = target {
            self.may_be_about(conversation, kind, &target)?;
        }
        // Whether it can be said is found out before anything is written, merges included.
        if self.holdings.heads(conversation) >= PARENTS_MAX {
            let parents = self.holdings.parents(conversation, target, PARENTS_MAX);
            self.run(now_ms, conversation, parents).add(kind, body.clone())?;
        }
        self.merge(now_ms, conversation, effects)?;
        let parents = self.holdings.parents(conversation, target, PARENTS_MAX);
        self.write(now_ms, conversation, kind, body, parents, effects)
    }

    /// Every server refuses what is about an event that it cannot be about, and all that is written after it.
    fn may_be_about(
        &self,
        conversation: Conversation,
        kind: Kind,
        target: &EventId,
    ) -> Result<(), EventError> {
        let is_here = |target: &&Arc<Event>| target.conversation() == conversation;
        let target = self.event(target).filter(is_here).ok_or(EventError::TargetNotParent)?;
        let is_own = target.account() == self.account;
        if kind.may_be_about(target.kind(), is_own) { Ok(()) } else { Err(EventError::TargetUnfit(kind)) }
    }

    /// Several posts to one conversation, which follow each from the one before; answers whether each can be said.
    pub(super) fn say_all(
        &mut self,
        now_ms: u64,
        conversation: Conversation,
        posts: Vec<Vec<u8>>,
        effects: &mut Effects,
    ) -> Vec<Result<(), EventError>> {
        let mut posts = posts.into_iter();
        let mut answers = Vec::new();
        // The first may need merges before it; behind it there is one head.
        while self.holdings.heads(conversation) >= PARENTS_MAX {
            let Some(body) = posts.next() else { return answers };
            answers.push(self.say(now_ms, conversation, Kind::Post, body, effects));
        }
        let mut run = self.run_from_heads(now_ms, conversation);
        answers.extend(posts.map(|body| run.add(Kind::Post, body).map(drop)));
        self.write_all(run, effects);
        answers
    }

    /// All chunks and the file that they make, so that they are written, signed and synced in one go.
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
        let add_to = |run: &mut Run| {
            let mut last = None;
            for part in bytes.chunks(CHUNK_MAX_BYTES) {
                last = Some(run.add(Kind::Chunk, chunk(last, part))?);
            }
            run.add(Kind::File, file(last.ok_or(EventError::Body(Kind::File))?))
        };
        // Whether it can be said is found out before anything is written.
        add_to(&mut self.run_from_heads(now_ms, conversation))?;
        self.merge(now_ms, conversation, effects)?;
        let mut run = self.run_from_heads(now_ms, conversation);
        add_to(&mut run)?;
        self.write_all(run, effects);
        Ok(())
    }

    /// Writes merges until one event can name all heads.
    fn merge(
        &mut self,
        now_ms: u64,
        conversation: Conversation,
        effects: &mut Effects,
    ) -> Result<(), EventError> {
        while self.holdings.heads(conversation) >= PARENTS_MAX {
            let some = self.holdings.parents(conversation, None, PARENTS_MAX);
            self.write(now_ms, conversation, Kind::Merge, Vec::new(), some, effects)?;
        }
        Ok(())
    }

    /// Of events the first of which follows from all heads, as far as one event can name them.
    fn run_from_heads(&self, now_ms: u64, conversation: Conversation) -> Run {
        self.run(now_ms, conversation, self.holdings.parents(conversation, None, PARENTS_MAX))
    }

    fn run(&self, now_ms: u64, conversation: Conversation, parents: BTreeSet<EventId>) -> Run {
        Run {
            now_ms,
            account: self.account,
            device: self.config.device,
            conversation,
            clock: self.clock.clone(),
            last_seq: self.last_seq,
            parents,
            events: Vec::new(),
        }
    }

    fn write_all(&mut self, run: Run, effects: &mut Effects) {
        for event in Unsigned::sign_all(run.events, &self.config.key) {
            effects.log.push(Entry::Authored { event: ByteBuf::from(event.bytes()), at_ms: run.now_ms });
            self.apply_own(Arc::new(event));
        }
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
        let mut run = self.run(now_ms, conversation, parents);
        run.add(kind, body)?;
        self.write_all(run, effects);
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

    /// A server has told all of its log that is home's, or a room's. If it has lost its log, what is here beside that goes
    /// there, whoever wrote it (rule 10): its author may be gone for good, and the other servers too.
    pub(super) fn restore(&mut self, link: usize, room: Option<RoomId>) {
        let entry = &mut self.links[link];
        if !entry.from_start || !entry.told_all.insert(room) {
            return;
        }
        if entry.log_lost {
            let lacking = self.holdings.lacking_at(1 << link, room);
            self.offer(link, &lacking);
        }
        self.restore_to_all(room);
    }

    /// What is here and no server has told of, though all have told all, every server has lost. Where this device never met
    /// the logs that had it, none of them counts as one that has lost its log, and it goes to all of them.
    fn restore_to_all(&mut self, room: Option<RoomId>) {
        let has_told_all = |link: &Link| link.from_start && !link.log_lost && link.told_all.contains(&room);
        if self.nothing_lost.contains(&room) || !self.links.iter().all(has_told_all) {
            return;
        }
        let lacking = self.holdings.lacking_at(u32::MAX, room);
        if lacking.is_empty() {
            self.nothing_lost.insert(room);
        }
        (0..self.links.len()).for_each(|link| self.offer(link, &lacking));
    }

    fn offer(&mut self, link: usize, keys: &[Key]) {
        let entry = &mut self.links[link];
        if !entry.sealed {
            keys.iter().for_each(|key| entry.outbox.offer(*key));
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
