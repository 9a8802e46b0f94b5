//! Views: which servers there are, told of by any of them, and told on to those that know an older view.
//!
//! **Invariants**
//! - A newer view signed by the administrator takes effect in the step in which it comes, and its entry is logged then.
//! - Servers that stay keep all that is known of them, at their new place; new ones are owed everything.
//!
//! It must not know what is said in conversations.

use serde_bytes::ByteBuf;

use crate::effects::{Action, Effects};
use crate::frame::ToServer;
use crate::history::Entry;
use crate::id::EventId;
use crate::links::carry_over;
use crate::view::{SignedView, View, ViewId};

use super::Client;

impl Client {
    /// Tells a server that knows this view of a newer one, if there is one.
    pub(super) fn tell_view(&self, link: usize, known: ViewId, effects: &mut Effects) {
        if let Some(signed) = self.config.view.signed().filter(|signed| signed.view().id() > known) {
            let frame = ToServer::View(ByteBuf::from(signed.bytes()));
            effects.actions.push(Action::Send { server: self.server(link), frame });
        }
    }

    pub(super) fn told_view(
        &mut self,
        now_ms: u64,
        bytes: &[u8],
        effects: &mut Effects,
    ) -> Result<(), String> {
        if self.config.view.admin().is_none() {
            return Ok(()); // a cluster file from before there were views: this client keeps the first
        }
        let newer = SignedView::newer(bytes, &self.config.view).map_err(|why| why.to_string())?;
        let Some(signed) = newer else { return Ok(()) };
        let known = self.config.view.id();
        effects.log.push(Entry::View { view: ByteBuf::from(signed.bytes()), at_ms: now_ms });
        let orphaned = self.apply_view(signed.view().clone());
        // Whoever else announced them is asked.
        orphaned.into_iter().for_each(|id| self.wanted.add(id, now_ms));
        self.forget_unannounced();
        effects.actions.push(Action::View(signed));
        for link in (0..self.links.len()).filter(|link| self.links[*link].up) {
            self.tell_view(link, known, effects);
        }
        if self.feed.is_none() {
            self.catching_up_until_ms = None;
            if let Some(next) = self.links.iter().position(|link| link.up) {
                self.make_feed(now_ms, next, effects);
            }
        }
        Ok(())
    }

    /// Servers that are not in the view are forgotten with all that is known of them; new ones are owed all.
    /// Returns what waited for a parent and came from a server that is forgotten.
    fn apply_view(&mut self, view: View) -> Vec<EventId> {
        let (links, was) = carry_over(&self.config.view, std::mem::take(&mut self.links), &view);
        let now_at = |old: usize| was.iter().position(|was| *was == Some(old));
        self.feed = self.feed.and_then(now_at);
        let mut orphaned = Vec::new();
        self.waiting.retain(|id, link| match now_at(*link) {
            Some(now) => {
                *link = now;
                true
            }
            None => {
                orphaned.push(*id);
                false
            }
        });
        self.holdings.move_servers(&was);
        self.nothing_lost.clear();
        self.links = links;
        let fresh = self.links.iter_mut().zip(&was).filter(|(_, was)| was.is_none());
        fresh.for_each(|(link, _)| self.own.iter().for_each(|key| link.outbox.owe(*key, false)));
        self.config.view = view;
        orphaned
    }
}
