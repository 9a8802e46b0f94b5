//! Writing: from what is uploaded or fetched to what is appended, and from there to what a body fills.
//!
//! **Invariants**
//! - An event is appended only after its parents (rule 4), and only once.
//! - No receipt leaves for what is staged: what is there already is answered from the durable log, the rest after its
//!   sync (rule 7).
//!
//! It must not know who reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ancestors::{Unfit, fits_ancestors};
use crate::event::{Event, Origin};
use crate::frame::{Receipt, Refusal, Rejection, ToClient};
use crate::id::{AccountId, DeviceId, EventId, Position};
use crate::limits::CLOCK_AHEAD_MAX_MS;
use crate::log::{Log, Write};

use super::{ConnId, Output, Outputs, Server, send};

/// What becomes of a body that is here, of an event that may lack it.
pub(super) enum Fill {
    /// It is not needed.
    None,
    /// It is on its way to the disk.
    UnderWay,
    /// The event does not fit what it turns out to be about.
    Unfit(Unfit),
}

/// An event's parents, each with its event if that is before it in the log.
pub(super) type Parents = Vec<(EventId, Option<Arc<Event>>)>;

impl Server {
    pub(super) fn upload<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        uploader: (AccountId, DeviceId),
        events: Vec<Arc<Event>>,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        let mut receipts = Vec::new();
        for event in events {
            let id = event.id();
            let is_taken = self.is_taken(event.origin(), log)?;
            let stands = if is_taken { log.position(&id)? } else { None };
            if stands.is_some() || self.staged.get(&id).is_some() {
                match self.fill(Some(conn), &event, log, out)? {
                    Fill::None => {}
                    Fill::UnderWay => continue,
                    Fill::Unfit(why) => {
                        self.refuse(conn, Refusal::InvalidEvent(why.to_string()), out);
                        break;
                    }
                }
            }
            if let Some(position) = stands {
                receipts.push(Receipt { id, position });
                continue;
            }
            if self.staged.wait_for(&id, conn) {
                continue;
            }
            if !self.membership.may_append() {
                send(out, conn, ToClient::Rejected { id, why: Rejection::Sealed });
                continue;
            }
            let parents = self.parents(&event, log)?;
            let missing: Vec<_> =
                parents.iter().filter(|(_, parent)| parent.is_none()).map(|(id, _)| *id).collect();
            if !missing.is_empty() {
                send(out, conn, ToClient::Missing { id, parents: missing });
                continue;
            }
            if let Err(why) =
                fits_ancestors(&event, parents.iter().filter_map(|(_, parent)| parent.as_deref()))
            {
                self.refuse(conn, Refusal::InvalidEvent(why.to_string()), out);
                break;
            }
            let ahead_ms = event.time().millis().saturating_sub(now_ms);
            if uploader == (event.account(), event.device()) && ahead_ms > CLOCK_AHEAD_MAX_MS {
                send(out, conn, ToClient::Rejected { id, why: Rejection::ClockAhead { ahead_ms } });
                continue;
            }
            self.append(Some(conn), event, is_taken, out);
        }
        if !receipts.is_empty() {
            send(out, conn, ToClient::Receipts(receipts));
        }
        Ok(())
    }

    /// Puts the body of an event, which is here, in its place, if the log has the event without it and knows of no
    /// deletion. Whoever uploaded it gets a receipt once it is on the disk.
    pub(super) fn fill<L: Log>(
        &mut self,
        uploader: Option<ConnId>,
        whole: &Arc<Event>,
        log: &L,
        out: &mut Outputs,
    ) -> Result<Fill, L::Error> {
        if !whole.has_body() || !whole.kind().is_said() {
            return Ok(Fill::None);
        }
        let Some(position) = self.hollow_place(&whole.id(), log)? else { return Ok(Fill::None) };
        // What it is about is known only now.
        let parents = self.parents(whole, log)?;
        if let Err(why) = fits_ancestors(whole, parents.iter().filter_map(|(_, parent)| parent.as_deref())) {
            return Ok(Fill::Unfit(why));
        }
        let (_, uploaders) = self.filling.entry(position).or_insert_with(|| (whole.id(), BTreeSet::new()));
        uploaders.extend(uploader);
        out.push(Output::Write(Write::Body(Arc::clone(whole))));
        Ok(Fill::UnderWay)
    }

    /// Where an event stands without its body though no deletion is known.
    fn hollow_place<L: Log>(&self, id: &EventId, log: &L) -> Result<Option<Position>, L::Error> {
        if let Some((position, event)) = self.staged.place(id) {
            return Ok((!event.has_body()).then_some(position));
        }
        let Some(position) = log.position(id)? else { return Ok(None) };
        let found = log.hollow(position - 1, 1)?;
        Ok(found.first().filter(|(at, _)| *at == position).map(|(at, _)| *at))
    }

    /// Tells those who have uploaded bodies which of them are on the disk, or need not be.
    pub(super) fn filled<L: Log>(&mut self, log: &L, out: &mut Outputs) -> Result<(), L::Error> {
        let open = std::mem::take(&mut self.filling);
        for (position, (id, uploaders)) in open {
            let is_open = position > self.durable || self.hollow_place(&id, log)?.is_some();
            if is_open {
                self.filling.insert(position, (id, uploaders));
                continue;
            }
            for conn in uploaders {
                send(out, conn, ToClient::Receipts(vec![Receipt { id, position }]));
            }
        }
        Ok(())
    }

    /// Each parent with its event, if it is durable or at least before this one in the log.
    pub(super) fn parents<L: Log>(&self, event: &Event, log: &L) -> Result<Parents, L::Error> {
        let find = |id: &EventId| {
            if let Some(staged) = self.staged.get(id) {
                return Ok(Some(staged));
            }
            match log.position(id)? {
                Some(position) => log.event(position),
                None => Ok(None),
            }
        };
        event.parents().iter().map(|id| Ok((*id, find(id)?))).collect()
    }

    /// Whether an event of this origin is in the log or staged. If none is, then neither is any event of this
    /// origin, by whatever id: one question instead of two for what is new, as nearly everything is.
    pub(super) fn is_taken<L: Log>(&self, origin: Origin, log: &L) -> Result<bool, L::Error> {
        Ok(self.staged.has_of(origin) || log.first_of(origin)?.is_some())
    }

    /// `fork`: whether its origin is taken.
    pub(super) fn append(
        &mut self,
        uploader: Option<ConnId>,
        event: Arc<Event>,
        fork: bool,
        out: &mut Outputs,
    ) {
        let position = self.durable + self.staged.len() + 1;
        self.forks += u64::from(fork);
        self.sync.staged(&event.id());
        self.staged.push(position, Arc::clone(&event), uploader);
        out.push(Output::Write(Write::Append { position, event, fork }));
    }
}
