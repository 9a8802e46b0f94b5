//! Connections: which servers are up, which of them is the feed, and what each is asked to tell.
//!
//! **Invariants**
//! - While a server is up, one is the feed: the one that sends whole events where the others send ids.
//! - Nothing that was meant for one connection reaches the next.
//! - What no connected server announces is waited for no more.
//!
//! It must not know what events say.

use crate::effects::{Action, Effects};
use crate::frame::ToServer;
use crate::history::Entry;
use crate::id::{EventId, Incarnation, RoomId};
use crate::limits::{CATCH_UP_HOLD_MS, ROOMS_FOLLOWED_MAX};
use crate::links::Link;

use super::Client;

impl Client {
    pub(super) fn up(&mut self, now_ms: u64, link: usize, incarnation: Incarnation, effects: &mut Effects) {
        let server = self.server(link);
        // What was meant for an earlier connection and has not left yet must not reach this one.
        effects.actions.retain(|action| {
            !matches!(action, Action::Send { server: to, .. } | Action::Drop { server: to, .. } if *to == server)
        });
        let known = self.links[link].incarnation;
        if known != Some(incarnation) {
            effects.log.push(Entry::Incarnation { server, incarnation, at_ms: now_ms });
            let acked = self.apply_incarnation(link, incarnation);
            if known.is_some() {
                self.links[link].log_lost = true;
                effects.actions.push(Action::LogLost { server, acked });
            }
        }
        let entry = &mut self.links[link];
        entry.from_start |= entry.deliveries.values().all(|delivery| delivery.cursor() == 0);
        entry.up = true;
        entry.heard_ms = now_ms;
        entry.missing = 0;
        entry.outbox.connect();
        entry.disconnect();
        self.forget_unannounced();
        if self.feed.is_none() {
            self.make_feed(now_ms, link, effects);
        } else {
            self.follow(link, effects);
        }
    }

    pub(super) fn down(&mut self, now_ms: u64, link: usize, effects: &mut Effects) {
        let entry = &mut self.links[link];
        entry.up = false;
        entry.outbox.disconnect();
        entry.disconnect();
        self.forget_unannounced();
        if self.feed == Some(link) {
            self.feed = None;
            self.catching_up_until_ms = None;
            if let Some(next) = self.links.iter().position(|link| link.up) {
                self.make_feed(now_ms, next, effects);
            }
        }
    }

    /// What no connected server announces any more cannot be fetched, and may wait for a parent that nobody
    /// has any more; whoever has it will tell again.
    pub(super) fn forget_unannounced(&mut self) {
        let links = &self.links;
        let is_announced = |id: &EventId| links.iter().any(|link| link.lacks(id));
        self.wanted.retain(is_announced);
        self.waiting.retain(|id, _| is_announced(id));
    }

    pub(super) fn make_feed(&mut self, now_ms: u64, link: usize, effects: &mut Effects) {
        self.feed = Some(link);
        self.catching_up_until_ms = Some(now_ms + CATCH_UP_HOLD_MS);
        self.follow(link, effects);
    }

    /// Follows home and every room on a connection, anew if need be. A room that was left and is still followed there
    /// stays in mind, to be followed no more.
    fn follow(&mut self, link: usize, effects: &mut Effects) {
        let is_left = |room: &RoomId| !self.holdings.follows(*room);
        self.links[link].following.retain(|room| room.as_ref().is_some_and(is_left));
        self.follow_more(link, effects);
    }

    /// Asks a connection for what is followed and was not asked for yet, and for no more of what is not.
    pub(super) fn follow_more(&mut self, link: usize, effects: &mut Effects) {
        let (server, bodies) = (self.server(link), self.feed == Some(link));
        let wanted = || std::iter::once(None).chain(self.holdings.followed().map(Some));
        let entry = &mut self.links[link];
        let mut send = |frame| effects.actions.push(Action::Send { server, frame });
        for room in wanted().take(ROOMS_FOLLOWED_MAX) {
            if entry.following.insert(room) {
                let after = entry.deliveries.entry(room).or_default().cursor();
                send(ToServer::Follow { room, after, bodies });
            }
        }
        let is_left = |room: &Option<RoomId>| room.is_some_and(|room| !self.holdings.follows(room));
        let left: Vec<_> = entry.following.iter().copied().filter(is_left).collect();
        for room in &left {
            entry.following.remove(room);
            entry.deliveries.entry(*room).or_default().disconnect();
            if let Some(room) = *room {
                send(ToServer::Unfollow { room });
            }
        }
        if !left.is_empty() {
            self.forget_unannounced();
        }
    }

    /// Another server becomes the feed if this one is silent, or sealed.
    pub(super) fn replace_silent_feed(&mut self, now_ms: u64, effects: &mut Effects) {
        // What is new never comes from a sealed one.
        let is_fit = |link: &Link| link.answers(now_ms) && !link.sealed;
        let Some(feed) = self.feed.filter(|feed| !is_fit(&self.links[*feed])) else { return };
        let is_silent = !self.links[feed].answers(now_ms);
        let spare = || self.links.iter().position(|link| is_silent && link.answers(now_ms));
        let Some(next) = self.links.iter().position(is_fit).or_else(spare) else { return };
        self.make_feed(now_ms, next, effects);
        self.follow(feed, effects);
    }
}
