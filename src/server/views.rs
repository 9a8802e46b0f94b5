//! Views: which servers there are, from whoever knows a newer view, and what follows for who is connected.
//!
//! **Invariants**
//! - A view counts once it is durable; until then nobody is told of it and nobody has to go.
//! - A guest exchanges views and nothing else.
//!
//! It must not know events.

use std::hash::Hash;

use serde_bytes::ByteBuf;

use crate::frame::{Refusal, ToClient, ToServer};
use crate::log::{Log, Write};
use crate::readers::Caller;
use crate::view::ViewError;

use super::{ConnId, Output, Outputs, Request, Server, protocol, send, send_peers};

/// Why a connection is welcome to exchange views only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Guest {
    /// A server that this view does not name knows a newer one. Whatever it says before that is let pass.
    Herald,
    /// It knows an older view, and has no business here by the newer one, which it is told.
    Outdated,
}

impl Server {
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
        Ok(())
    }
}
