//! The check of bodies: what was taken back is gone from every server, and nothing else is gone from anywhere
//! ([`crate::erasure`]).
//!
//! A device's log may keep the body of what was taken back: it is that device's own testimony.

use std::collections::BTreeSet;

use crate::anomaly::{Anomaly, Place};
use crate::event::Kind;
use crate::id::{AccountId, EventId};
use crate::intake::Number;
use crate::ledger::{Events, Ledger};
use crate::report::Outcome;
use crate::text::count;

/// P2: bodies are on the disks, but for those that their authors have taken back.
pub(crate) fn bodies(ledger: &Ledger) -> Outcome {
    let mut outcome =
        Outcome::new("what was taken back is gone from the servers, and nothing else is", "P2", "bodies");
    let events = &ledger.events;
    let mut check = Check { events, anywhere: Deletions::among(events, events.all()), missing: Vec::new() };
    for server in &ledger.servers {
        let here = Deletions::among(events, server.events.iter().copied());
        let mut bare = server.bare.iter().peekable();
        for (index, event) in server.events.iter().enumerate() {
            let is_bare = bare.next_if(|bare| **bare as usize == index).is_some();
            if !events.is_known(*event) || !events.kind(*event).is_said() {
                continue;
            }
            outcome.examined += 1;
            let place = || server.place(server.position(index));
            if is_bare {
                check.bare(*event, place);
            } else if let Some(delete) = here.about(events, *event).filter(|_| !server.live) {
                // While a running server's log was read, the deletion may have come.
                let (event, delete) = (events.id(*event), events.id(delete));
                outcome.anomalies.push(Anomaly::BodyKept { event, delete, at: place() });
            }
        }
    }
    for log in &ledger.clients {
        outcome.examined += log.stands().filter(|(_, event)| events.is_known(*event)).count();
        let filled: BTreeSet<_> = log.seen.iter().filter_map(|seen| seen.filled()).collect();
        for index in log.bare.iter().map(|index| *index as usize) {
            let event = log.seen.get(index).and_then(|seen| seen.stands());
            if let Some(event) = event.filter(|event| events.is_known(*event) && !filled.contains(event)) {
                check.bare(event, || log.place(index));
            }
        }
    }
    let missing = check.missing;
    if ledger.absent.is_empty() {
        outcome.anomalies.extend(missing.into_iter().map(|(event, at)| Anomaly::BodyMissing { event, at }));
    } else if !missing.is_empty() {
        let lacking = count(missing.len(), "event");
        outcome.unknowns.push(format!(
            "{lacking} found without a body; if it was deleted, that may be in a log that was not read"
        ));
    }
    outcome
}

struct Check<'a> {
    events: &'a Events,
    anywhere: Deletions,
    missing: Vec<(EventId, Place)>,
}

impl Check<'_> {
    /// An event stands without its body. The deletion need not have come to that log yet.
    fn bare(&mut self, event: Number, place: impl FnOnce() -> Place) {
        if self.anywhere.about(self.events, event).is_none() {
            self.missing.push((self.events.id(event), place()));
        }
    }
}

/// Who has taken back which message, with the event that does.
struct Deletions(BTreeSet<(Number, AccountId, Number)>);

impl Deletions {
    fn among(events: &Events, some: impl Iterator<Item = Number>) -> Self {
        let deletes = some.filter(|event| events.is_known(*event) && events.kind(*event) == Kind::Delete);
        let entry = |delete| Some((events.target(delete)?, events.author(delete).0, delete));
        Self(deletes.filter_map(entry).collect())
    }

    /// A deletion that is about an event: see [`crate::erasure::messages_of`].
    fn about(&self, events: &Events, event: Number) -> Option<Number> {
        if self.0.is_empty() {
            return None;
        }
        let target = events.target(event);
        let messages = match (events.kind(event), &target) {
            (Kind::Edit, Some(target)) => std::slice::from_ref(target),
            (Kind::Edit, None) => events.parents(event),
            (kind, _) if kind.is_message() => std::slice::from_ref(&event),
            _ => &[],
        };
        let account = events.author(event).0;
        let of = |message: &Number| {
            let first = (*message, account, 0)..=(*message, account, Number::MAX);
            self.0.range(first).next().map(|(.., delete)| *delete)
        };
        messages.iter().find_map(of)
    }
}
