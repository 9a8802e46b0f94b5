//! Connections: who comes, what they may do here, and what this server says of itself.
//!
//! **Invariant**: who a caller is was proved by its TLS handshake; what it may do follows from the view in force and the
//! token, and from nothing that it says of itself.
//!
//! It must not know events.

use crate::frame::{Refusal, Role, ServerStatus, ToClient};
use crate::id::{AccountId, ClusterId, DeviceId, Position};
use crate::limits::PROTOCOL_VERSION;
use crate::readers::Caller;
use crate::view::ViewId;

use super::views::Guest;
use super::{ConnId, Outputs, Server, send};

impl Server {
    pub(super) fn hello(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        (version, cluster, known): (u16, ClusterId, ViewId),
        role: &Role,
        out: &mut Outputs,
    ) {
        let view = self.membership.view();
        let refusal = match role {
            _ if version != PROTOCOL_VERSION => Some(Refusal::Version { server: PROTOCOL_VERSION }),
            _ if cluster != view.cluster() => Some(Refusal::Cluster(view.cluster())),
            Role::Device { token, .. } if !token.matches(&self.config.token) => Some(Refusal::Token),
            Role::Device { .. } | Role::Peer => None,
        };
        if let Some(refusal) = refusal {
            return self.refuse(conn, refusal, out);
        }
        let device = match role {
            Role::Device { device, .. } => Some(*device),
            Role::Peer => None,
        };
        if device.is_none_or(|device| !self.make_wait(conn, known, device)) {
            self.welcome(now_ms, conn, known, device, out);
        }
    }

    /// Greets a device, or a peer if it is none, who may be here.
    pub(super) fn welcome(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        known: ViewId,
        device: Option<DeviceId>,
        out: &mut Outputs,
    ) {
        let Some((key, _)) = self.readers.get(conn) else { return };
        let view = self.membership.view();
        let news = self.membership.news_for(known);
        let is_stranger = device.is_none() && !self.membership.is_peer(key);
        let is_ahead = known > view.id() && view.admin().is_some();
        match device {
            _ if is_stranger && is_ahead => {
                self.guests.insert(conn, (Guest::Herald, now_ms));
            }
            _ if is_stranger && news.is_none() => return self.refuse(conn, Refusal::NotAPeer, out),
            _ if is_stranger || !self.membership.is_member() => {
                self.guests.insert(conn, (Guest::Outdated, now_ms));
            }
            Some(device) => self.readers.greet(conn, Caller::Device(AccountId::new(key), device)),
            None => self.readers.greet(conn, Caller::Peer),
        }
        let welcome = ToClient::Welcome {
            version: PROTOCOL_VERSION,
            incarnation: self.config.incarnation,
            position: self.durable,
            view: self.membership.view().id(),
            time_ms: now_ms,
        };
        send(out, conn, welcome);
        if let Some(news) = news {
            send(out, conn, ToClient::View(news));
        }
    }

    pub(super) fn status(&self, now_ms: u64) -> ServerStatus {
        ServerStatus {
            server: self.config.server,
            incarnation: self.config.incarnation,
            position: self.durable,
            connections: self.readers.len() as u64,
            forks: self.forks,
            uptime_ms: now_ms.saturating_sub(self.config.started_ms),
            syncing_to: self.syncing().map(|(_, of)| of),
            syncs: self.syncs.0,
            view: self.membership.view().id(),
            sealed: self.sealed(),
            peers: self.sync.cursors(),
        }
    }

    /// Where the log ends for ever.
    fn sealed(&self) -> Option<Position> {
        (!self.membership.may_append() && self.staged.is_empty()).then_some(self.durable)
    }
}
