//! The state that the device's log carries: what each entry makes of the client, live and on replay alike.
//!
//! **Invariant**: a client that is resumed from its log is the one that wrote it, but for what a connection alone knows.
//!
//! It must not know connections and frames: it sends nothing, and writes nothing but what opening adds.

use std::sync::Arc;

use serde_bytes::ByteBuf;

use crate::delivery::Delivery;
use crate::effects::ResumeError;
use crate::event::{Conversation, Event, EventError, Kind};
use crate::history::Entry;
use crate::id::{EventId, Incarnation};
use crate::outbox::Outbox;
use crate::view::{SignedView, View};

use super::Client;

impl Client {
    /// The view of the cluster file, if the log does not know it.
    pub(super) fn news_to(&self, entries: &[Entry], now_ms: u64) -> Option<Entry> {
        let view = ByteBuf::from(self.config.view.signed()?.bytes());
        let is_known =
            entries.iter().any(|entry| matches!(entry, Entry::View { view: known, .. } if *known == view));
        (!is_known).then_some(Entry::View { view, at_ms: now_ms })
    }

    pub(super) fn check_owner(&self, entries: &[Entry]) -> Result<(), ResumeError> {
        let Some(first) = entries.first() else { return Ok(()) };
        let Entry::Begun { cluster, account, device, .. } = first else {
            return Err(ResumeError::NoBeginning);
        };
        let check = |what, theirs: String, ours: String| {
            if theirs == ours { Ok(()) } else { Err(ResumeError::Foreign { what, theirs, ours }) }
        };
        check("cluster", cluster.to_string(), self.config.view.cluster().to_string())?;
        check("account", account.to_string(), self.account.to_string())?;
        check("device", device.to_string(), self.config.device.to_string())
    }

    pub(super) fn replay(&mut self, entry: Entry) -> Result<(), EventError> {
        match entry {
            // Views are the one state that is not replayed: all of it is under the newest, since servers that left do
            // not come back. What they told counts where it made a quorum (`PastTellers`).
            Entry::Begun { .. } | Entry::View { .. } => {}
            Entry::Opened { quorum, .. } => self.apply_quorum(quorum as usize),
            Entry::Authored { event, .. } => self.apply_own(own(event)?),
            Entry::Received { event, .. } => self.apply_event(own(event)?),
            Entry::Body { event, .. } => self.holdings.fill(own(event)?),
            Entry::Incarnation { server, incarnation, .. } => {
                if let Some(link) = self.link_of(server) {
                    self.apply_incarnation(link, incarnation);
                }
            }
            Entry::Receipt { server, incarnation, id, .. } => {
                if let Some(link) =
                    self.link_of(server).filter(|link| self.links[*link].incarnation == Some(incarnation))
                {
                    self.apply_receipt(link, &id);
                }
            }
            Entry::Cursor { server, incarnation, position, room } => {
                if let Some(link) =
                    self.link_of(server).filter(|link| self.links[*link].incarnation == Some(incarnation))
                {
                    self.links[link].deliveries.insert(room, Delivery::resume(position));
                }
            }
            Entry::Told { server, incarnation, id } => {
                if let Some(link) =
                    self.link_of(server).filter(|link| self.links[*link].incarnation == Some(incarnation))
                {
                    self.apply_told(link, &id);
                }
            }
            Entry::Displayed { id, .. } => self.apply_displayed(&id),
            Entry::Level { id, copies, .. } => {
                self.reported.insert(id, copies as usize);
            }
        }
        Ok(())
    }

    pub(super) fn apply_event(&mut self, event: Arc<Event>) {
        self.clock.observe(event.time());
        self.wanted.remove(&event.id());
        if self.holdings.is_line(&event) {
            self.display.hold(event.key(), event.conversation().id());
        }
        let left = event.room().filter(|_| event.kind() == Kind::Unfollow);
        self.holdings.take(event);
        // A later note may say otherwise, and be here already.
        if let Some(room) = left.filter(|room| !self.holdings.follows(*room)) {
            let left = self.display.leave(Conversation::Room(room).id(), |key| self.own.contains(key));
            left.into_iter().for_each(|key| self.holdings.note_left(&key.id));
        }
    }

    pub(super) fn apply_own(&mut self, event: Arc<Event>) {
        let key = event.key();
        self.last_seq = self.last_seq.max(event.seq());
        self.own.insert(key);
        for link in &mut self.links {
            link.outbox.owe(key, link.up);
        }
        self.apply_event(event);
    }

    /// Returns how many acked events the server has lost.
    pub(super) fn apply_incarnation(&mut self, link: usize, incarnation: Incarnation) -> usize {
        let own = &self.own;
        let entry = &mut self.links[link];
        let acked = own.len() - entry.outbox.owed();
        entry.incarnation = Some(incarnation);
        entry.deliveries.clear();
        entry.outbox = Outbox::default();
        own.iter().for_each(|key| entry.outbox.owe(*key, false));
        self.holdings.forget_server(link);
        self.nothing_lost.clear();
        acked
    }

    /// Returns whether it is news of an own event.
    pub(super) fn apply_receipt(&mut self, link: usize, id: &EventId) -> bool {
        let Some(key) = self.holdings.note_at(id, link) else { return false };
        if self.quorum.counts() && self.own.contains(&key) {
            self.apply_told(link, id);
        }
        self.links[link].outbox.acked(&key)
    }

    /// Under a higher quorum than before, who told of what is not known well enough: all logs are read anew.
    pub(super) fn apply_quorum(&mut self, quorum: usize) {
        if self.quorum.opened(quorum) {
            self.links.iter_mut().for_each(|link| link.deliveries.clear());
        }
    }

    /// Returns whether it is news that counts; without a quorum none is.
    pub(super) fn apply_told(&mut self, link: usize, id: &EventId) -> bool {
        if !self.quorum.counts() {
            return false;
        }
        let quorum = self.quorum.servers();
        let Some(told) = self.holdings.note_told(id, link, quorum) else { return false };
        if told >= quorum
            && let Some(event) = self.holdings.event(id)
        {
            self.display.take_back(event.key(), event.conversation().id());
        }
        true
    }

    fn apply_displayed(&mut self, id: &EventId) {
        if let Some(event) = self.event(id) {
            let (key, conversation) = (event.key(), event.conversation().id());
            self.display.shown(key, conversation);
            self.holdings.note_vouched(id);
        }
    }
}

/// An event that this log holds.
fn own(bytes: ByteBuf) -> Result<Arc<Event>, EventError> {
    Event::from_own_bytes(bytes.into_vec()).map(Arc::new)
}

/// The newest of a cluster file's view and those in a log. One in the log that this file's administrator did not
/// sign counts for nothing: it is the file that says whom to believe.
pub(super) fn newest(file: &View, entries: &[Entry]) -> View {
    let mut newest = file.clone();
    for entry in entries {
        if let Entry::View { view, .. } = entry
            && let Ok(Some(signed)) = SignedView::newer(view, &newest)
        {
            newest = signed.into_view();
        }
    }
    newest
}
