//! A client's servers, one link each, in the order of the view; and how they are carried from one view to the
//! next.

use std::collections::{BTreeMap, BTreeSet};

use crate::delivery::Delivery;
use crate::id::{EventId, Incarnation, RoomId};
use crate::limits::FEED_SILENT_MS;
use crate::outbox::Outbox;
use crate::view::View;

/// One server, as the client deals with it.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Link {
    pub(crate) up: bool,
    /// It is read from, and neither written to nor counted.
    pub(crate) sealed: bool,
    pub(crate) incarnation: Option<Incarnation>,
    pub(crate) outbox: Outbox,
    /// How far its log was read, of home and of every room that was ever followed.
    pub(crate) deliveries: BTreeMap<Option<RoomId>, Delivery>,
    /// What it was asked to send on this connection.
    pub(crate) following: BTreeSet<Option<RoomId>>,
    /// Whether its log is another one than it was, since this program started: it may lack what it once had.
    pub(crate) log_lost: bool,
    /// Whether all that it ever tells of its log is told to this program: it is read from its start.
    pub(crate) from_start: bool,
    /// What of such a log it has told to its end on this connection.
    pub(crate) told_all: BTreeSet<Option<RoomId>>,
    pub(crate) heard_ms: u64,
    /// Events sent again for an answer `Missing` since the last receipt; more than a few windows of them is
    /// no progress.
    pub(crate) missing: usize,
}

impl Link {
    pub(crate) fn disconnect(&mut self) {
        self.following.clear();
        self.told_all.clear();
        self.deliveries.values_mut().for_each(Delivery::disconnect);
    }

    /// Whether the server told of an event on this connection that was not held then.
    pub(crate) fn lacks(&self, id: &EventId) -> bool {
        self.deliveries.values().any(|delivery| delivery.lacks(id))
    }

    /// How many own events it is still to be sent.
    pub(crate) fn owed(&self) -> usize {
        if self.sealed { 0 } else { self.outbox.owed() }
    }

    /// Whether it can be read from now.
    pub(crate) fn answers(&self, now_ms: u64) -> bool {
        self.up && now_ms.saturating_sub(self.heard_ms) < FEED_SILENT_MS
    }
}

/// A link to each server of a view, of which nothing is known.
pub(crate) fn links_of(view: &View) -> Vec<Link> {
    view.servers().iter().map(|member| Link { sealed: member.sealed, ..Link::default() }).collect()
}

/// The links of the next view: those of servers that stay keep their state, and a server that is sealed is sent
/// nothing more. Beside them, where each was; `None` if it is new.
pub(crate) fn carry_over(old: &View, mut links: Vec<Link>, new: &View) -> (Vec<Link>, Vec<Option<usize>>) {
    let was: Vec<_> = new.servers().iter().map(|member| old.index_of(member.id)).collect();
    let mut carried = links_of(new);
    for (link, was) in carried.iter_mut().zip(&was) {
        let Some(known) = was.and_then(|was| links.get_mut(was)) else { continue };
        let sealed = link.sealed;
        *link = std::mem::take(known);
        link.sealed = sealed;
        if sealed {
            link.outbox.disconnect();
        }
    }
    (carried, was)
}
