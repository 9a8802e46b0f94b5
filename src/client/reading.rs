//! Reading: what servers tell of, what of it is lacking, and what comes to be held.
//!
//! **Invariants**
//! - What is held is causally closed: an event whose parents are not here waits for them.
//! - A cursor passes an event only once it is held, and its entry comes after that event's (rule 14).
//! - Bodies are asked for until they are here or a deletion is.
//!
//! It must not know when lines are shown.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_bytes::ByteBuf;

use crate::ancestors::fits_ancestors;
use crate::effects::{Action, Effects};
use crate::event::{Conversation, Event};
use crate::frame::{Item, Receipt, ToServer};
use crate::history::Entry;
use crate::id::EventId;
use crate::limits::{FETCH_AFTER_MS, FETCH_AGAIN_MS, FETCH_MAX};
use crate::links::Link;

use super::Client;

impl Client {
    pub(super) fn told(
        &mut self,
        now_ms: u64,
        link: usize,
        items: Vec<Item>,
        effects: &mut Effects,
    ) -> Result<BTreeSet<EventId>, String> {
        let is_needed = |id: &EventId| !self.holdings.holds(id) || self.holdings.is_hollow(id);
        let needed = items.iter().filter(|item| is_needed(&item.id));
        let (ids, bytes): (Vec<_>, Vec<_>) =
            needed.filter_map(|item| Some((item.id, item.event.as_ref()?.as_slice()))).unzip();
        let events = Event::all_from_bytes(bytes.into_iter()).map_err(|error| error.to_string())?;
        for (id, event) in ids.into_iter().zip(events) {
            if event.id() != id {
                return Err(format!("it announced {} and sent {}", id.short(), event.id().short()));
            }
            self.receive(now_ms, link, Arc::new(event), effects)?;
        }
        let mut lacking = BTreeSet::new();
        for Item { position, id, .. } in items {
            if self.holdings.may_be_bare_elsewhere(&id) {
                self.note_told_of(link, &id); // only an upload shows that the body is there
                self.hear_of(link, &id, effects);
            } else if self.holdings.holds(&id) {
                self.receipt(link, Receipt { id, position }, effects);
            } else {
                lacking.insert(id);
                if !self.waiting.contains(&id) {
                    self.wanted.add(id, now_ms + FETCH_AFTER_MS);
                }
            }
        }
        Ok(lacking)
    }

    /// An event of another device has come: holds it, and whatever waited for it.
    pub(super) fn receive(
        &mut self,
        now_ms: u64,
        link: usize,
        event: Arc<Event>,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let id = event.id();
        if self.holdings.holds(&id) {
            return self.fill(now_ms, link, event, effects);
        }
        if let Some(waiting) = self.waiting.get_mut(&id) {
            if event.has_body() && !waiting.has_body() {
                *waiting = event;
            }
            return Ok(());
        }
        if !self.holdings.is_ours(&event) {
            return match event.conversation() {
                Conversation::Room(_) => Ok(()), // it crossed with our Unfollow
                _ => Err(format!("it sent event {} of a conversation that is not ours", id.short())),
            };
        }
        // Another account may name any device it likes; ours can only have signed this with a later log.
        if event.device() == self.config.device && event.account() == self.account {
            self.overtaken = Some(id);
            return Err(format!("it sent event {} as ours, which this device has not written", id.short()));
        }
        self.hold_or_wait(now_ms, link, event, effects)?;
        while let Some((event, link)) = self.waiting.next_ready() {
            self.hold_or_wait(now_ms, link, event, effects)?;
        }
        Ok(())
    }

    fn hold_or_wait(
        &mut self,
        now_ms: u64,
        link: usize,
        event: Arc<Event>,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let Some(parent) = self.holdings.missing_parent(&event) else {
            return self.hold(now_ms, link, event, effects);
        };
        let id = event.id();
        if self.waiting.add(event, link, parent) {
            self.wanted.remove(&id);
        }
        Ok(())
    }

    pub(super) fn hold(
        &mut self,
        now_ms: u64,
        link: usize,
        event: Arc<Event>,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let parents = event.parents().iter().filter_map(|id| self.event(id)).map(Arc::as_ref);
        fits_ancestors(&event, parents).map_err(|why| format!("event {}: {why}", event.id().short()))?;
        let Some(incarnation) = self.links[link].incarnation else { return Ok(()) };
        let server = self.server(link);
        effects.log.push(Entry::Received {
            event: ByteBuf::from(event.bytes()),
            server,
            incarnation,
            at_ms: now_ms,
        });
        let id = event.id();
        self.apply_event(event);
        self.waiting.here(&id);
        Ok(())
    }

    /// An event has come that is here already; its body is taken if it is lacking.
    pub(super) fn fill(
        &mut self,
        now_ms: u64,
        link: usize,
        whole: Arc<Event>,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let Some(incarnation) = self.links[link].incarnation else { return Ok(()) };
        if !whole.has_body() || !self.holdings.is_hollow(&whole.id()) {
            return Ok(());
        }
        let parents = whole.parents().iter().filter_map(|id| self.event(id)).map(Arc::as_ref);
        fits_ancestors(&whole, parents).map_err(|why| format!("event {}: {why}", whole.id().short()))?;
        let (event, server) = (ByteBuf::from(whole.bytes()), self.server(link));
        effects.log.push(Entry::Body { event, server, incarnation, at_ms: now_ms });
        self.holdings.fill(whole);
        Ok(())
    }

    /// A server told of an event that is held. Only of a log that is read from its start anybody asks which events it
    /// told of; and one that was lost may have been given an event without its words.
    fn note_told_of(&mut self, link: usize, id: &EventId) {
        let Link { from_start, log_lost, .. } = self.links[link];
        if from_start && !(log_lost && self.holdings.has_words_of(id)) {
            self.holdings.note_at(id, link);
        }
    }

    /// A server told of an event that is held. Own ones are counted by their receipts.
    pub(super) fn hear_of(&mut self, link: usize, id: &EventId, effects: &mut Effects) {
        let Some(incarnation) = self.links[link].incarnation.filter(|_| self.quorum.counts()) else { return };
        let is_own = self.event(id).is_some_and(|event| self.own.contains(&event.key()));
        if !is_own && self.apply_told(link, id) {
            effects.log.push(Entry::Told { server: self.server(link), incarnation, id: *id });
        }
    }

    /// Moves every cursor as far as what is held allows.
    pub(super) fn settle(&mut self, effects: &mut Effects) {
        for link in 0..self.links.len() {
            let server = self.server(link);
            let holdings = &self.holdings;
            let entry = &mut self.links[link];
            let Some(incarnation) = entry.incarnation else { continue };
            let (mut told, mut moved) = (Vec::new(), Vec::new());
            for (room, delivery) in &mut entry.deliveries {
                let room = *room;
                let settled = delivery.settle(|id| {
                    let holds = holdings.holds(id);
                    told.extend(holds.then_some(*id));
                    holds
                });
                let Some(position) = settled else { continue };
                moved.push(Entry::Cursor { server, incarnation, position, room });
                if entry.up && entry.following.contains(&room) {
                    let frame = ToServer::Cursor { room, position };
                    effects.actions.push(Action::Send { server, frame });
                }
            }
            // A cursor stands for all that was told before it, so that is noted first.
            for id in told {
                self.note_told_of(link, &id);
                self.hear_of(link, &id, effects);
            }
            effects.log.extend(moved);
        }
    }

    /// Asks one server after the other for bodies that are not here though no deletion is. Whoever sent an event
    /// without may have had no right to ([`crate::erasure`]).
    pub(super) fn ask_for_bodies(&mut self, now_ms: u64, effects: &mut Effects) {
        let (last, asked) = self.bodies_asked;
        let ids: Vec<_> = self.holdings.hollow_after(last).take(FETCH_MAX).collect();
        if ids.is_empty() {
            self.bodies_due_ms = None;
            return;
        }
        // At first, the deletion may be on its way behind it.
        let due_ms = *self.bodies_due_ms.get_or_insert(now_ms + FETCH_AGAIN_MS);
        let waits = (1..=FETCH_AGAIN_MS).contains(&due_ms.saturating_sub(now_ms));
        let mut in_turn = (1..=self.links.len()).map(|offset| (asked + offset) % self.links.len());
        let Some(link) = in_turn.find(|link| self.links[*link].up).filter(|_| !waits) else { return };
        self.bodies_due_ms = Some(now_ms + FETCH_AGAIN_MS);
        self.bodies_asked = (ids.last().copied(), link);
        effects.actions.push(Action::Send { server: self.server(link), frame: ToServer::Fetch { ids } });
    }

    /// Fetches announced events that the feed has not brought, each from a server that announced it.
    pub(super) fn fetch_overdue(&mut self, now_ms: u64, effects: &mut Effects) {
        if self.is_held_up(now_ms) {
            return;
        }
        // While the feed was catching up, what others announced was on its way from there.
        let not_before_ms = self.caught_up_ms + FETCH_AFTER_MS;
        let links = &self.links;
        let has =
            |link: usize, id: &EventId| links.get(link).is_some_and(|link: &Link| link.up && link.lacks(id));
        for (link, ids) in self.wanted.asks(now_ms, not_before_ms, links.len(), has) {
            effects.actions.push(Action::Send { server: self.server(link), frame: ToServer::Fetch { ids } });
        }
    }
}
