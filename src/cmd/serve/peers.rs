//! The links to the other servers: one to each that the view names, and to no others.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::frame::{Role, ToServer};
use crate::id::ServerId;
use crate::limits::PROTOCOL_VERSION;
use crate::net::link::{LinkEvent, LinkHandle, spawn_link};
use crate::net::queue::LinkQueue;
use crate::net::tls::Identity;
use crate::view::View;

/// The other servers, as this one dials them.
pub(super) struct Peers {
    own: ServerId,
    identity: Arc<Identity>,
    events: mpsc::Sender<LinkEvent>,
    links: BTreeMap<ServerId, LinkHandle>,
    /// Where to send to those that have answered.
    queues: BTreeMap<ServerId, LinkQueue>,
}

impl Peers {
    /// None yet; what links tell goes to `events`.
    pub(super) fn new(own: ServerId, identity: Arc<Identity>, events: mpsc::Sender<LinkEvent>) -> Self {
        Self { own, identity, events, links: BTreeMap::new(), queues: BTreeMap::new() }
    }

    /// Dials the servers of a view that are not dialled yet, and hangs up on those that it does not name.
    pub(super) fn follow(&mut self, view: &View) {
        self.links.retain(|id, _| view.member(*id).is_some());
        self.queues.retain(|id, _| view.member(*id).is_some());
        let hello = ToServer::Hello {
            version: PROTOCOL_VERSION,
            cluster: view.cluster(),
            view: view.id(),
            role: Role::Peer,
        };
        for member in view.servers().iter().filter(|member| member.id != self.own) {
            self.links.entry(member.id).or_insert_with(|| {
                spawn_link(member.clone(), Arc::clone(&self.identity), hello.clone(), self.events.clone())
            });
        }
    }

    /// Whether a server is dialled. What a link told before it was hung up may still be on its way.
    pub(super) fn has(&self, peer: ServerId) -> bool {
        self.links.contains_key(&peer)
    }

    /// How many have answered.
    pub(super) fn up(&self) -> usize {
        self.queues.len()
    }

    pub(super) fn queue(&self, peer: ServerId) -> Option<&LinkQueue> {
        self.queues.get(&peer)
    }

    pub(super) fn connected(&mut self, peer: ServerId, queue: LinkQueue) {
        self.queues.insert(peer, queue);
    }

    pub(super) fn disconnected(&mut self, peer: ServerId) -> Option<LinkQueue> {
        self.queues.remove(&peer)
    }

    /// All links, for whoever ends them.
    pub(super) fn take_links(&mut self) -> Vec<LinkHandle> {
        std::mem::take(&mut self.links).into_values().collect()
    }
}
