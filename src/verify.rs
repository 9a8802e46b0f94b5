//! `check(history) -> Report`: replays what devices saw and servers stored against the promise.
//!
//! It takes nothing on trust that it can recompute: signatures, canonical order, digests, who had which
//! receipt when. Absence of evidence is never taken for its opposite: what cannot be told is *unknown*, with
//! a sentence on what is missing. Each check counts what it examined, so that a check over nothing shows.
//!
//! The checks of copies are in [`crate::durability`], those of agreement in [`crate::agreement`], those of
//! what people saw in [`crate::screens`]; [`crate::report`] says what came of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::agreement::{conversations, everything_delivered, one_order};
use crate::anomaly::{Anomaly, Place};
use crate::durability::{durable, honest_copies};
use crate::event::{Event, Kind, Origin};
use crate::evidence::{Evidence, Observer};
use crate::history::{Entry, History};
use crate::id::{AccountId, ConversationId, DeviceId, EventId};
pub use crate::report::{Outcome, Report, Settled, Verdict};
use crate::screens::{causal_display, honest_screens, sender_order};
use crate::server::{Unfit, fits_ancestors};
use crate::story::tell_all;

/// Checks a history against the promise.
pub fn check(history: &History) -> Report {
    judge(&Evidence::of(history))
}

/// The same for evidence that is at hand already.
pub fn judge(evidence: &Evidence<'_>) -> Report {
    let mut outcomes = vec![
        completeness(evidence),
        nothing_invented(evidence),
        nothing_twice(evidence),
        durable(evidence),
        honest_copies(evidence),
        causally_closed(evidence),
        sender_order(evidence),
        causal_display(evidence),
        one_order(evidence),
        everything_delivered(evidence),
        honest_screens(evidence),
    ];
    tell_all(evidence, &mut outcomes);
    Report {
        clients: evidence.history.clients.len(),
        servers: evidence.history.servers.len(),
        events: evidence.events.len(),
        outcomes,
        conversations: conversations(evidence),
    }
}

fn completeness(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("there is evidence to judge by", "evidence", "logs");
    let history = evidence.history;
    outcome.examined = history.clients.len() + history.servers.len();
    outcome.unknowns.extend(history.absent.iter().cloned());
    if history.clients.is_empty() {
        outcome.unknowns.push("no device log was found: nobody can say what was sent and seen".to_owned());
    }
    if history.servers.is_empty() {
        outcome.unknowns.push("no server's log was found: nobody can say what was stored".to_owned());
    }
    for observer in &evidence.observers {
        if observer.device.is_none() {
            outcome.unknowns.push(format!("{} does not say whose it is", observer.history.source));
        }
    }
    outcome
}

fn nothing_invented(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("nothing is invented or altered", "P1", "events");
    outcome.anomalies.extend(evidence.corrupt.iter().cloned());
    let mut authors: BTreeMap<(AccountId, DeviceId), Vec<&Observer<'_>>> = BTreeMap::new();
    for observer in &evidence.observers {
        if let Some(origin) = observer.account.zip(observer.device) {
            authors.entry(origin).or_default().push(observer);
        }
    }
    let mut judge = |id: &EventId, written_here: bool, at: Place| {
        outcome.examined += 1;
        let Some(event) = evidence.events.get(id) else { return };
        let logs = authors.get(&(event.account(), event.device())).map_or(&[][..], Vec::as_slice);
        // Without its author's log, an event's signature vouches for it, except in a log that claims it.
        if (logs.is_empty() && !written_here) || logs.iter().any(|author| wrote(author, event)) {
            return;
        }
        let author = logs.first().map_or_else(|| event.device().short(), |author| author.name.clone());
        outcome.anomalies.push(Anomaly::Invented { event: *id, author, at });
    };
    for server in &evidence.history.servers {
        for stored in &server.log {
            judge(&stored.event.id(), false, server.place(stored.position));
        }
    }
    for observer in &evidence.observers {
        for (index, id) in &observer.stands {
            let written_here = matches!(observer.history.entries[*index], Entry::Authored { .. });
            judge(id, written_here && observer.device.is_some(), observer.history.place(*index));
        }
    }
    for observer in &evidence.observers {
        for (index, id, _, _) in &observer.shown {
            if observer.entered.get(id).is_none_or(|entered| entered > index) {
                outcome
                    .anomalies
                    .push(Anomaly::ShownUnheld { event: *id, at: observer.history.place(*index) });
            }
        }
        let Some(account) = observer.account else { continue };
        for (id, index) in &observer.entered {
            if evidence.events.get(id).is_some_and(|event| !evidence.may_read(account, event)) {
                outcome.anomalies.push(Anomaly::Leaked { event: *id, at: observer.history.place(*index) });
            }
        }
    }
    outcome
}

/// Whether an event is the doing of its device, by one of that device's logs.
fn wrote(author: &Observer<'_>, event: &Event) -> bool {
    author.account == Some(event.account())
        && author
            .entered
            .get(&event.id())
            .is_some_and(|index| matches!(author.history.entries[*index], Entry::Authored { .. }))
}

fn nothing_twice(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("nothing is stored or shown twice", "P1", "lines");
    let mut judge = |places: &mut dyn Iterator<Item = (EventId, Place)>| {
        let mut seen: BTreeMap<EventId, Place> = BTreeMap::new();
        for (event, second) in places {
            outcome.examined += 1;
            if let Some(first) = seen.get(&event) {
                outcome.anomalies.push(Anomaly::Twice { event, first: first.clone(), second });
            } else {
                seen.insert(event, second);
            }
        }
    };
    for server in &evidence.history.servers {
        judge(&mut server.log.iter().map(|stored| (stored.event.id(), server.place(stored.position))));
    }
    for observer in &evidence.observers {
        judge(&mut observer.stands.iter().map(|(index, id)| (*id, observer.history.place(*index))));
        judge(&mut observer.shown.iter().map(|(index, id, _, _)| (*id, observer.history.place(*index))));
    }
    let mut twins: BTreeMap<Origin, EventId> = BTreeMap::new();
    for event in evidence.events.values() {
        let one = *twins.entry(event.origin()).or_insert(event.id());
        if one != event.id() {
            let (other, device) = (event.id(), event.device().short());
            outcome.anomalies.push(Anomaly::Fork { seq: event.seq(), one, other, device });
        }
    }
    outcome
}

fn causally_closed(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("every log holds causes before effects", "P4", "events");
    let mut judge = |log: &mut dyn Iterator<Item = (EventId, Place)>| {
        let mut seen = BTreeSet::new();
        for (id, at) in log {
            outcome.examined += 1;
            let Some(event) = evidence.events.get(&id) else { continue };
            if let Some(parent) = event.parents().iter().find(|parent| !seen.contains(*parent)) {
                outcome.anomalies.push(Anomaly::NotClosed { event: id, parent: *parent, at });
            }
            seen.insert(id);
        }
    };
    for server in &evidence.history.servers {
        judge(&mut server.log.iter().map(|stored| (stored.event.id(), server.place(stored.position))));
    }
    for observer in &evidence.observers {
        judge(&mut observer.stands.iter().map(|(index, id)| (*id, observer.history.place(*index))));
    }
    outcome.anomalies.extend(evidence.observers.iter().flat_map(|observer| overlooked(evidence, observer)));
    for event in evidence.events.values() {
        for parent in event.parents().iter().filter_map(|id| evidence.events.get(id)) {
            let (event, parent, fits) =
                (event.id(), parent.id(), fits_ancestors(event, std::iter::once(parent.as_ref())));
            match fits {
                Ok(()) => {}
                Err(Unfit::ForeignParent) => {
                    outcome.anomalies.push(Anomaly::ForeignParent { event, parent });
                }
                Err(Unfit::NotAfterParents) => {
                    outcome.anomalies.push(Anomaly::TimeNotAfterParent { event, parent });
                }
                Err(Unfit::Target) => outcome.anomalies.push(Anomaly::WrongTarget { event, target: parent }),
            }
        }
    }
    outcome
}

/// What a device wrote though it held something that this does not follow from. A merge is excused: it joins
/// some heads, and what it was written for joins the rest.
fn overlooked(evidence: &Evidence<'_>, observer: &Observer<'_>) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    let mut heads: BTreeMap<ConversationId, BTreeSet<EventId>> = BTreeMap::new();
    for (index, id) in &observer.stands {
        // A second time is another check's.
        let Some(event) = evidence.events.get(id).filter(|_| observer.entered.get(id) == Some(index)) else {
            continue;
        };
        let heads = heads.entry(event.conversation().id()).or_default();
        for parent in event.parents() {
            heads.remove(parent);
        }
        let authored = matches!(observer.history.entries[*index], Entry::Authored { .. });
        if let Some(held) = heads.first().filter(|_| authored && event.kind() != Kind::Merge) {
            let (event, held, at) = (*id, *held, observer.history.place(*index));
            anomalies.push(Anomaly::Overlooked { event, held, at });
        }
        heads.insert(*id);
    }
    anomalies
}
