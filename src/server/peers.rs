//! Peers: their logs read by this server, which fetches what it lacks ([`crate::sync`]).
//!
//! **Invariants**
//! - What a peer sends is checked as an upload is, but never judged by the clock (rule 3).
//! - What cannot be right is not written, and the peer that sent it is dropped.
//!
//! It must not know clients.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ancestors::fits_ancestors;
use crate::event::Event;
use crate::frame::{ToClient, ToServer};
use crate::id::ServerId;
use crate::limits::FETCH_MAX;
use crate::log::Log;

use super::writing::Fill;
use super::{Output, Outputs, Server, send_peers};

impl Server {
    /// Asks one peer after the other for bodies that are not here though no deletion is.
    pub(super) fn ask_for_bodies<L: Log>(&mut self, log: &L, out: &mut Outputs) -> Result<(), L::Error> {
        let hollow = log.hollow(self.asked, FETCH_MAX)?;
        let ids: Vec<_> = hollow.iter().map(|(_, id)| *id).collect();
        if ids.is_empty() && self.asked == 0 {
            return Ok(());
        }
        self.asked = hollow.last().map_or(0, |(position, _)| *position);
        send_peers(out, self.sync.ask_for_bodies(ids));
        Ok(())
    }

    pub(super) fn peer_frame<L: Log>(
        &mut self,
        now_ms: u64,
        peer: ServerId,
        frame: ToClient,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        match frame {
            ToClient::Feed { room: None, items, after, upto, caught_up } => {
                let mut lacking = Vec::new();
                for item in items {
                    if log.position(&item.id)?.is_none() {
                        lacking.push((item.id, self.staged.get(&item.id).is_some()));
                    }
                }
                if !self.sync.told(now_ms, peer, &lacking, (after, upto), caught_up) {
                    self.drop_peer(peer, format!("it left out what it has before position {after}"), out);
                    return Ok(());
                }
                send_peers(out, self.sync.settle(&BTreeSet::new()));
            }
            ToClient::Bodies(events) => {
                let fetched = match Event::all_from_bytes(events.iter().map(|bytes| bytes.as_slice())) {
                    Ok(events) => events,
                    Err(error) => {
                        self.drop_peer(peer, error.to_string(), out);
                        return Ok(());
                    }
                };
                for event in fetched {
                    if let Err(why) = self.fetched(peer, Arc::new(event), log, out)? {
                        self.drop_peer(peer, why, out);
                        return Ok(());
                    }
                }
                self.append_ready(log, out)?;
            }
            ToClient::Welcome { view, .. } => {
                let news = self.membership.news_for(view);
                send_peers(out, news.map(|bytes| (peer, ToServer::View(bytes))));
                if view <= self.membership.view().id() && !self.membership.is_pending() {
                    self.end_asking(now_ms, out);
                }
                return Ok(());
            }
            ToClient::View(bytes) => {
                if let Err(why) = self.hear_view(&bytes, out) {
                    self.sync.down(peer);
                    out.push(Output::DropPeer { peer, why: why.to_string() });
                }
                return Ok(());
            }
            _ => return Ok(()),
        }
        send_peers(out, self.sync.fetch(now_ms));
        Ok(())
    }

    /// Takes one event that a peer was asked for. The inner error says what is wrong with it.
    fn fetched<L: Log>(
        &mut self,
        peer: ServerId,
        event: Arc<Event>,
        log: &L,
        out: &mut Outputs,
    ) -> Result<Result<(), String>, L::Error> {
        if !self.membership.may_append() {
            return Ok(Ok(())); // it was asked for before the seal
        }
        let is_taken = self.is_taken(event.origin(), log)?;
        if is_taken && (self.staged.get(&event.id()).is_some() || log.position(&event.id())?.is_some()) {
            return Ok(match self.fill(None, &event, log, out)? {
                Fill::Unfit(why) => Err(format!("event {}: {why}", event.id().short())),
                Fill::None | Fill::UnderWay => Ok(()),
            });
        }
        let parents = self.parents(&event, log)?;
        if let Some((parent, _)) = parents.iter().find(|(_, parent)| parent.is_none()) {
            self.sync.wait(peer, event, *parent);
            return Ok(Ok(()));
        }
        if let Err(why) = fits_ancestors(&event, parents.iter().filter_map(|(_, parent)| parent.as_deref())) {
            return Ok(Err(format!("event {}: {why}", event.id().short())));
        }
        self.append(None, event, is_taken, out);
        Ok(Ok(()))
    }

    /// Appends what waited for parents that are in the log by now.
    pub(super) fn append_ready<L: Log>(&mut self, log: &L, out: &mut Outputs) -> Result<(), L::Error> {
        while let Some((event, peer)) = self.sync.next_ready() {
            if let Err(why) = self.fetched(peer, event, log, out)? {
                self.drop_peer(peer, why, out);
            }
        }
        Ok(())
    }

    fn drop_peer(&mut self, peer: ServerId, why: String, out: &mut Outputs) {
        self.sync.down(peer);
        out.push(Output::DropPeer { peer, why });
    }
}
