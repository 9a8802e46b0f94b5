//! Views: which servers there are, from whoever knows a newer view, and what follows for who is connected.
//!
//! **Invariants**
//! - A view counts once it is durable; until then nobody is told of it and nobody has to go.
//! - A guest exchanges views and nothing else.
//! - Over a new log devices are welcomed after a peer has told its view, if one does in time.
//!
//! It must not know events.

use std::collections::BTreeMap;
use std::hash::Hash;

use serde_bytes::ByteBuf;

use crate::frame::{Refusal, ToClient, ToServer};
use crate::id::DeviceId;
use crate::limits::WORD_MS;
use crate::log::{Log, Write};
use crate::membership::Membership;
use crate::readers::Caller;
use crate::view::{ViewError, ViewId};

use super::{Config, ConnId, Output, Outputs, Request, Server, protocol, send, send_peers};

/// Why a connection is welcome to exchange views only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Guest {
    /// A server that this view does not name knows a newer one. Whatever it says before that is let pass.
    Herald,
    /// It knows an older view, and has no business here by the newer one, which it is told.
    Outdated,
}

/// Devices that wait until a peer has told its view.
///
/// A disk that was replaced, or set back, does not say that its server has left meanwhile. By its cluster file's view
/// the server would ack for devices that know no newer one; their receipts would count an incarnation that nobody
/// reads, and that is gone as soon as the server hears. That is one disk loss more than promise P2 speaks of. A log
/// that goes on needs no such wait: if its server was drained before it left, its seal is on the disk; and one that
/// was given up is a disk loss, of which whoever else acked had not heard when it did, or would have told.
#[derive(Debug, Clone, Hash)]
pub(super) struct Asking {
    since_ms: u64,
    /// The view that each knows.
    callers: BTreeMap<ConnId, (ViewId, DeviceId)>,
}

impl Asking {
    /// `None` if there is nothing to ask, or nobody.
    pub(super) fn begin(config: &Config, membership: &Membership) -> Option<Self> {
        let may_have_changed = config.asks && config.view.admin().is_some();
        (may_have_changed && membership.others().next().is_some())
            .then(|| Self { since_ms: config.started_ms, callers: BTreeMap::new() })
    }
}

impl Server {
    /// Has a device wait for its welcome, if a peer's word is waited for; answers whether it did.
    pub(super) fn make_wait(&mut self, conn: ConnId, known: ViewId, device: DeviceId) -> bool {
        let Some(asking) = &mut self.asking else { return false };
        asking.callers.insert(conn, (known, device));
        true
    }

    /// Whether a device waits for its welcome.
    pub(super) fn waits(&self, conn: ConnId) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.callers.contains_key(&conn))
    }

    /// Whoever waits on this connection is gone.
    pub(super) fn forget_caller(&mut self, conn: ConnId) {
        if let Some(asking) = &mut self.asking {
            asking.callers.remove(&conn);
        }
    }

    /// A peer's word has come, or is waited for no more: who waited is welcomed.
    pub(super) fn end_asking(&mut self, now_ms: u64, out: &mut Outputs) {
        let callers = self.asking.take().map(|asking| asking.callers).unwrap_or_default();
        for (conn, (known, device)) in callers {
            self.welcome(now_ms, conn, known, Some(device), out);
        }
    }

    pub(super) fn stop_waiting(&mut self, now_ms: u64, out: &mut Outputs) {
        if self.asking.as_ref().is_some_and(|asking| now_ms.abs_diff(asking.since_ms) > WORD_MS) {
            self.end_asking(now_ms, out);
            out.push(Output::NoWord);
        }
    }

    pub(super) fn guest_says(&mut self, conn: ConnId, request: Request, out: &mut Outputs) {
        match (self.guests.get(&conn), request) {
            (_, Request::Plain(ToServer::View(bytes))) => self.told_view(conn, &bytes, out),
            (_, Request::Plain(ToServer::Ping)) => send(out, conn, ToClient::Pong),
            (Some((Guest::Outdated, _)), _) => self.refuse(conn, self.why_not(), out),
            (Some((Guest::Herald, _)) | None, _) => {}
        }
    }

    /// Why a caller that this view does not provide for is sent away.
    pub(super) fn why_not(&self) -> Refusal {
        if self.membership.is_member() { Refusal::NotAPeer } else { Refusal::Retired }
    }

    pub(super) fn told_view(&mut self, conn: ConnId, bytes: &[u8], out: &mut Outputs) {
        if let Err(why) = self.hear_view(bytes, out) {
            self.refuse(conn, protocol(&why.to_string()), out);
        }
    }

    /// A view has come: it is written, if it is newer, and counts once it is durable.
    pub(super) fn hear_view(&mut self, bytes: &[u8], out: &mut Outputs) -> Result<(), ViewError> {
        if let Some(signed) = self.membership.hear(bytes)? {
            if self.membership.ends() {
                out.push(Output::Write(Write::Seal));
            }
            out.push(Output::Write(Write::View(signed)));
        }
        Ok(())
    }

    /// Acts on the view that was written, if it is durable by now: everybody is told, and whoever it does not
    /// provide for has to go.
    pub(super) fn settle_view<L: Log>(&mut self, log: &L, out: &mut Outputs) -> Result<(), L::Error> {
        if !self.membership.is_pending() {
            return Ok(());
        }
        let appended = self.membership.may_append();
        let Some(signed) = self.membership.settle(log.view()?.as_deref()) else { return Ok(()) };
        let bytes = ByteBuf::from(signed.bytes());
        send_peers(out, self.sync.connected().map(|peer| (peer, ToServer::View(bytes.clone()))));
        let conns = self.readers.greeted();
        for (conn, ..) in &conns {
            send(out, *conn, ToClient::View(bytes.clone()));
        }
        self.sync.retarget(&self.membership.read());
        if appended != self.membership.may_append() {
            // Whom it followed would wait for its cursors for ever.
            out.extend(self.membership.others().map(|peer| Output::HangUp { peer }));
        }
        let is_out = |(_, key, caller): &(ConnId, [u8; 32], Caller)| {
            !self.membership.is_member() || (*caller == Caller::Peer && !self.membership.is_peer(*key))
        };
        let out_of_place: Vec<_> = conns.into_iter().filter(is_out).map(|(conn, ..)| conn).collect();
        for conn in out_of_place.into_iter().chain(self.guests.keys().copied().collect::<Vec<_>>()) {
            self.refuse(conn, self.why_not(), out);
        }
        out.push(Output::View(signed));
        if self.membership.needs_another_life() {
            out.push(Output::Renew);
        }
        Ok(())
    }
}
