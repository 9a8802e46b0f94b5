//! `check(history) -> Report`: replays what devices saw and servers stored against the promise.
//!
//! It takes nothing on trust that it can recompute: signatures, canonical order, digests, who had which
//! receipt when. Absence of evidence is never taken for its opposite: what cannot be told is *unknown*, with
//! a sentence on what is missing. Each check counts what it examined, so that a check over nothing shows.
//!
//! The checks of copies are in [`crate::durability`], that of bodies in `deletion`, those of servers that come
//! and go in `succession`, those of agreement in [`crate::agreement`], those of what people saw in
//! [`crate::screens`]; [`crate::report`] says what came of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::agreement::{conversations, everything_delivered, one_order};
use crate::ancestors::Unfit;
use crate::anomaly::{Anomaly, Place};
use crate::bits::Bits;
use crate::deletion::bodies;
use crate::durability::copies;
use crate::event::Kind;
use crate::evidence::Evidence;
use crate::excerpt::{Excerpt, partings};
use crate::history::History;
use crate::id::{AccountId, DeviceId, Position};
use crate::intake::Number;
use crate::ledger::Ledger;
pub use crate::report::{Outcome, Report, Settled, Verdict};
use crate::screens::{causal_display, honest_screens, sender_order};
use crate::story::tell_all;
use crate::succession::succession;
use crate::taken::{ClientLog, Seen};

/// One or more checks that look at the evidence together.
pub type Check = fn(&Ledger) -> Vec<Outcome>;

/// All checks, in the order in which a report has them. They may run at the same time.
pub const CHECKS: [Check; 12] = [
    |ledger| vec![completeness(ledger)],
    |ledger| vec![nothing_invented(ledger)],
    |ledger| vec![nothing_twice(ledger)],
    |ledger| copies(ledger).into(),
    |ledger| vec![bodies(ledger)],
    |ledger| vec![causally_closed(ledger)],
    |ledger| vec![sender_order(ledger)],
    |ledger| vec![causal_display(ledger)],
    |ledger| vec![one_order(ledger)],
    |ledger| vec![everything_delivered(ledger)],
    |ledger| vec![honest_screens(ledger)],
    succession,
];

/// Checks a history against the promise, and tells of what is broken.
pub fn check(history: &History) -> Report {
    judge(&Evidence::of(history))
}

/// The same for evidence that is at hand already.
pub fn judge(evidence: &Evidence<'_>) -> Report {
    let ledger = Ledger::of(evidence.history);
    let mut report = report(&ledger, CHECKS.iter().flat_map(|check| check(&ledger)).collect());
    let partings = partings(evidence.history, &ledger, &report.outcomes);
    tell_all(evidence, &partings, &mut report.outcomes);
    report
}

/// Tells of what is broken by an excerpt of the history that was judged.
pub fn tell(excerpt: &Excerpt, report: &mut Report) {
    tell_all(&Evidence::excerpted(excerpt), &excerpt.partings, &mut report.outcomes);
}

/// The report that the outcomes of [`CHECKS`] make; no story is told in it yet.
pub fn report(ledger: &Ledger, outcomes: Vec<Outcome>) -> Report {
    Report {
        clients: ledger.clients.len(),
        servers: ledger.servers.len(),
        events: ledger.events.known(),
        outcomes,
        conversations: conversations(ledger),
    }
}

fn completeness(ledger: &Ledger) -> Outcome {
    let mut outcome = Outcome::new("there is evidence to judge by", "evidence", "logs");
    outcome.examined = ledger.clients.len() + ledger.servers.len();
    outcome.unknowns.extend(ledger.absent.iter().cloned());
    if ledger.clients.is_empty() {
        outcome.unknowns.push("no device log was found: nobody can say what was sent and seen".to_owned());
    }
    if ledger.servers.is_empty() {
        outcome.unknowns.push("no server's log was found: nobody can say what was stored".to_owned());
    }
    for log in &ledger.clients {
        if log.device.is_none() {
            outcome.unknowns.push(format!("{} does not say whose it is", log.source));
        }
        if log.has_more_lives {
            let source = &log.source;
            outcome.unknowns.push(format!(
                "{source} names more than 65,536 lives of servers' logs; what it says of the rest was not checked"
            ));
        }
    }
    outcome
}

fn nothing_invented(ledger: &Ledger) -> Outcome {
    let mut outcome = Outcome::new("nothing is invented or altered", "P1", "events");
    outcome.anomalies.extend(ledger.corrupt.iter().cloned());
    let events = &ledger.events;
    let authors = Authors::of(ledger);
    let mut judge = |event: Number, written_here: bool, at: &dyn Fn() -> Place| {
        outcome.examined += 1;
        if let Some(author) = authors.deny(ledger, event, written_here) {
            outcome.anomalies.push(Anomaly::Invented { event: events.id(event), author, at: at() });
        }
    };
    for server in &ledger.servers {
        server.log().for_each(|(position, event)| judge(event, false, &|| server.place(position)));
    }
    for log in &ledger.clients {
        for (index, event) in log.stands() {
            let written_here = matches!(log.seen[index], Seen::Authored { .. }) && log.device.is_some();
            judge(event, written_here, &|| log.place(index));
        }
    }
    for log in &ledger.clients {
        outcome.anomalies.extend(unheld_and_leaked(ledger, log));
    }
    outcome
}

/// Which events the logs of their authors' devices bear out.
struct Authors<'a> {
    /// The first log of each author's device, by the author's number.
    logs: Vec<Option<&'a ClientLog>>,
    written: Bits,
}

impl<'a> Authors<'a> {
    fn of(ledger: &'a Ledger) -> Self {
        let events = &ledger.events;
        let mut first: BTreeMap<(AccountId, DeviceId), &ClientLog> = BTreeMap::new();
        let mut written = Bits::new(events.known());
        for log in &ledger.clients {
            let Some(origin) = log.account.zip(log.device) else { continue };
            first.entry(origin).or_insert(log);
            let mut entered = Bits::new(events.known());
            for (index, event) in log.stands() {
                let is_authored = matches!(log.seen[index], Seen::Authored { .. });
                if entered.insert(event) && is_authored && events.author(event) == origin {
                    written.insert(event);
                }
            }
        }
        let logs = events.authors().iter().map(|origin| first.get(origin).copied()).collect();
        Self { logs, written }
    }

    /// The author's name, if the author's own log or the one that claims the event does not have it as written.
    fn deny(&self, ledger: &Ledger, event: Number, written_here: bool) -> Option<String> {
        let events = &ledger.events;
        if !events.is_known(event) || self.written.contains(event) {
            return None;
        }
        let log = self.logs[events.author_number(event) as usize];
        // Without its author's log, an event's signature vouches for it, except in a log that claims it.
        if log.is_none() && !written_here {
            return None;
        }
        Some(log.map_or_else(|| events.author(event).1.short(), |log| log.name.clone()))
    }
}

/// What a log shows and does not hold, and what it holds that its account does not read.
fn unheld_and_leaked(ledger: &Ledger, log: &ClientLog) -> Vec<Anomaly> {
    let events = &ledger.events;
    let is_read = log.account.map(|account| ledger.read_by(account));
    let mut entered = Bits::new(events.known());
    let (mut unheld, mut leaked) = (Vec::new(), Vec::new());
    for (index, seen) in log.seen.iter().enumerate() {
        match *seen {
            Seen::Displayed { event, .. } if !entered.contains(event) => {
                unheld.push(Anomaly::ShownUnheld { event: events.id(event), at: log.place(index) });
            }
            Seen::Authored { event } | Seen::Received { event } if entered.insert(event) => {
                let conversation = events.conversation(event);
                if is_read.as_ref().is_some_and(|is_read| !is_read[conversation]) {
                    leaked.push((events.id(event), log.place(index)));
                }
            }
            _ => {}
        }
    }
    leaked.sort_unstable();
    unheld.extend(leaked.into_iter().map(|(event, at)| Anomaly::Leaked { event, at }));
    unheld
}

fn nothing_twice(ledger: &Ledger) -> Outcome {
    let mut outcome = Outcome::new("nothing is stored or shown twice", "P1", "lines");
    for server in &ledger.servers {
        twice(ledger, || server.log(), |position| server.place(position), &mut outcome);
    }
    for log in &ledger.clients {
        let entry = |(index, event): (usize, Number)| (index as Position, event);
        let place = |entry: Position| log.place(usize::try_from(entry).unwrap_or(usize::MAX));
        twice(ledger, || log.stands().map(entry), place, &mut outcome);
        twice(ledger, || log.shown().map(entry), place, &mut outcome);
    }
    outcome.anomalies.extend(forks(ledger));
    outcome
}

/// Finds events that stand at two places of a sequence.
fn twice<I: Iterator<Item = (Position, Number)>>(
    ledger: &Ledger,
    places: impl Fn() -> I,
    place: impl Fn(Position) -> Place,
    outcome: &mut Outcome,
) {
    let mut seen = Bits::new(ledger.events.numbers());
    let mut again = Vec::new();
    for (at, event) in places() {
        outcome.examined += 1;
        if !seen.insert(event) {
            again.push((at, event));
        }
    }
    if again.is_empty() {
        return;
    }
    let mut first: BTreeMap<Number, Position> = BTreeMap::new();
    places().for_each(|(at, event)| _ = first.entry(event).or_insert(at));
    outcome.anomalies.extend(again.into_iter().map(|(at, event)| Anomaly::Twice {
        event: ledger.events.id(event),
        first: place(first[&event]),
        second: place(at),
    }));
}

/// Events that share their device and their number, each with the one whose id is lowest.
fn forks(ledger: &Ledger) -> Vec<Anomaly> {
    let events = &ledger.events;
    let mut origins: Vec<_> =
        events.all().map(|event| (events.author_number(event), events.seq(event), event)).collect();
    origins.sort_unstable();
    let mut forks = Vec::new();
    for twins in origins.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
        let mut ids: Vec<_> = twins.iter().skip(1).map(|(.., event)| events.id(*event)).collect();
        let Some((_, seq, event)) = twins.first().filter(|_| !ids.is_empty()) else { continue };
        ids.push(events.id(*event));
        ids.sort_unstable();
        forks.extend(ids[1..].iter().map(|other| (*other, ids[0], *seq, events.author(*event).1.short())));
    }
    forks.sort_unstable();
    forks.into_iter().map(|(other, one, seq, device)| Anomaly::Fork { seq, one, other, device }).collect()
}

fn causally_closed(ledger: &Ledger) -> Outcome {
    let mut outcome = Outcome::new("every log holds causes before effects", "P4", "events");
    for server in &ledger.servers {
        closed(ledger, server.log(), |position| server.place(position), &mut outcome);
    }
    for log in &ledger.clients {
        closed(ledger, log.stands(), |index| log.place(index), &mut outcome);
    }
    outcome.anomalies.extend(ledger.clients.iter().flat_map(|log| overlooked(ledger, log)));
    outcome.anomalies.extend(unfit(ledger));
    outcome
}

/// Finds events that stand before a parent.
fn closed<P>(
    ledger: &Ledger,
    log: impl Iterator<Item = (P, Number)>,
    place: impl Fn(P) -> Place,
    outcome: &mut Outcome,
) {
    let events = &ledger.events;
    let mut seen = Bits::new(events.known());
    for (at, event) in log {
        outcome.examined += 1;
        if !events.is_known(event) {
            continue;
        }
        if let Some(parent) = events.parents(event).iter().find(|parent| !seen.contains(**parent)) {
            let (event, parent) = (events.id(event), events.id(*parent));
            outcome.anomalies.push(Anomaly::NotClosed { event, parent, at: place(at) });
        }
        seen.insert(event);
    }
}

/// What a device wrote though it held something that this does not follow from. A merge is excused: it joins
/// some heads, and what it was written for joins the rest.
fn overlooked(ledger: &Ledger, log: &ClientLog) -> Vec<Anomaly> {
    let events = &ledger.events;
    let mut entered = Bits::new(events.known());
    let mut heads: BTreeMap<usize, BTreeSet<Number>> = BTreeMap::new();
    let mut overlooked = Vec::new();
    for (index, event) in log.stands() {
        // A second time is another check's.
        if !events.is_known(event) || !entered.insert(event) {
            continue;
        }
        let heads = heads.entry(events.conversation(event)).or_default();
        for parent in events.parents(event) {
            heads.remove(parent);
        }
        let is_authored = matches!(log.seen[index], Seen::Authored { .. });
        if is_authored && events.kind(event) != Kind::Merge {
            let held = heads.iter().map(|head| events.id(*head)).min();
            let (event, at) = (events.id(event), || log.place(index));
            overlooked.extend(held.map(|held| Anomaly::Overlooked { event, held, at: at() }));
        }
        heads.insert(event);
    }
    overlooked
}

/// Events that do not fit a parent, as [`crate::ancestors::fits_ancestors`] judges before they are stored.
fn unfit(ledger: &Ledger) -> Vec<Anomaly> {
    let events = &ledger.events;
    let mut unfit = Vec::new();
    for event in events.all() {
        for parent in events.parents(event).iter().filter(|parent| events.is_known(**parent)) {
            let is_own = events.author(*parent).0 == events.author(event).0;
            let suits = || events.kind(event).may_be_about(events.kind(*parent), is_own);
            let why = if events.conversation(*parent) != events.conversation(event) {
                Unfit::ForeignParent
            } else if events.time(*parent) >= events.time(event) {
                Unfit::NotAfterParents
            } else if events.target(event) == Some(*parent) && !suits() {
                Unfit::Target
            } else {
                continue;
            };
            unfit.push((events.id(event), events.id(*parent), why));
        }
    }
    unfit.sort_unstable_by_key(|(event, parent, _)| (*event, *parent));
    let anomaly = |(event, parent, why)| match why {
        Unfit::ForeignParent => Anomaly::ForeignParent { event, parent },
        Unfit::NotAfterParents => Anomaly::TimeNotAfterParent { event, parent },
        Unfit::Target => Anomaly::WrongTarget { event, target: parent },
    };
    unfit.into_iter().map(anomaly).collect()
}
