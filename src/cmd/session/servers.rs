//! A session's connections: a link to each server of the newest view, and to no other.
//!
//! It must not know what they carry.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::frame::{Role, ToServer};
use crate::id::ServerId;
use crate::limits::PROTOCOL_VERSION;
use crate::net::link::{LinkEvent, LinkHandle, spawn_link};
use crate::net::tls::Identity;
use crate::view::View;

/// A link to each server of the view.
pub(super) struct Links {
    pub(super) identity: Arc<Identity>,
    pub(super) role: Role,
    pub(super) events: mpsc::Sender<LinkEvent>,
    pub(super) links: BTreeMap<ServerId, LinkHandle>,
}

impl Links {
    /// Connects to the servers of a view that were not known, and hangs up on those that it does not name.
    pub(super) fn follow(&mut self, view: &View) {
        self.links.retain(|id, _| view.member(*id).is_some());
        let hello = ToServer::Hello {
            version: PROTOCOL_VERSION,
            cluster: view.cluster(),
            view: view.id(),
            role: self.role.clone(),
        };
        for member in view.servers() {
            self.links.entry(member.id).or_insert_with(|| {
                spawn_link(member.clone(), Arc::clone(&self.identity), hello.clone(), self.events.clone())
            });
        }
    }

    pub(super) fn redial_now(&self) {
        self.links.values().for_each(LinkHandle::redial_now);
    }
}
