//! The check of bodies: what was taken back is gone from every server, and nothing else is gone from anywhere
//! ([`crate::erasure`]).
//!
//! Of a room whose past is closed ([`Past::SinceJoining`]) a reader has no body of what was said before it came, and
//! is right to. Whoever gives a server back what it has lost may be such a reader: then the event comes back without its
//! body, which is no more broken than if it had not come back at all, where every disk that had it was lost
//! ([`crate::lost`]).
//!
//! A device's log may keep the body of what was taken back: it is that device's own testimony.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use crate::anomaly::{Anomaly, Place};
use crate::content::Past;
use crate::erasure::parts;
use crate::event::{Conversation, Kind};
use crate::id::AccountId;
use crate::intake::Number;
use crate::ledger::{Events, Ledger};
use crate::lost::{Loss, Losses};
use crate::report::Outcome;
use crate::text::count;

/// P2: bodies are on the disks, but for those that their authors have taken back.
pub(crate) fn bodies(ledger: &Ledger) -> Outcome {
    let mut outcome = Outcome::new("what was taken back is gone, and nothing else", "P2", "bodies");
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
    let closed = closed(ledger);
    for log in &ledger.clients {
        let hearings: BTreeMap<usize, Hearing> = match log.account {
            Some(account) => closed.iter().map(|room| (*room, Hearing::of(events, *room, account))).collect(),
            None => BTreeMap::new(),
        };
        let hearing = |event: Number| hearings.get(&events.conversation(event));
        outcome.examined += log.stands().filter(|(_, event)| events.is_known(*event)).count();
        let filled: BTreeSet<_> = log.seen.iter().filter_map(|seen| seen.filled()).collect();
        let mut bare = log.bare.iter().peekable();
        for (index, seen) in log.seen.iter().enumerate() {
            let is_bare = bare.next_if(|bare| **bare as usize == index).is_some();
            let Some(event) = seen.bytes().filter(|event| events.is_known(*event)) else { continue };
            let others = log.account != Some(events.author(event).0) && events.kind(event).is_said();
            match hearing(event).filter(|_| others) {
                Some(hearing) if !is_bare && hearing.is_barred(event) => {
                    outcome.anomalies.push(Anomaly::Leaked { event: events.id(event), at: log.place(index) });
                }
                Some(hearing) if is_bare && !hearing.is_owed(event) => {}
                _ if is_bare && !filled.contains(&event) => check.bare(event, || log.place(index)),
                _ => {}
            }
        }
    }
    judge(ledger, check.missing, &mut outcome);
    outcome
}

/// What is made of events that stand without their bodies, each with where.
fn judge(ledger: &Ledger, missing: Vec<(Number, Place)>, outcome: &mut Outcome) {
    if missing.is_empty() {
        return;
    }
    let events: BTreeSet<_> = missing.iter().map(|(event, _)| *event).collect();
    let unsure = |events, why| format!("{} found without a body; {why}", count(events, "event"));
    if !ledger.absent.is_empty() {
        let why = "if it was deleted, that may be in a log that was not read";
        return outcome.unknowns.push(unsure(events.len(), why));
    }
    let losses = Losses::of(ledger, &events);
    for (event, at) in missing {
        if losses.explain(event) == Loss::None {
            outcome.anomalies.push(Anomaly::BodyMissing { event: ledger.events.id(event), at });
        }
    }
    let maybe_lost = events.into_iter().filter(|event| losses.explain(*event) == Loss::Maybe).count();
    if maybe_lost > 0 {
        let why = "no log tells which disks had it, and disks were lost";
        outcome.unknowns.push(unsure(maybe_lost, why));
    }
}

/// The rooms whose past is closed, by their numbers.
fn closed(ledger: &Ledger) -> Vec<usize> {
    let charters = ledger.charters();
    let is_closed = |room| charters.get(&room).is_some_and(|charter| charter.history == Past::SinceJoining);
    let conversations = ledger.events.conversations().iter().enumerate();
    let closed = conversations.filter(|(_, (_, conversation))| match conversation {
        Conversation::Room(room) => is_closed(*room),
        _ => false,
    });
    closed.map(|(number, _)| number).collect()
}

/// What an account hears of a room whose past is closed, as far as that is the same by every server's log: what its
/// coming follows from was said before it everywhere, and what follows from it after.
struct Hearing {
    barred: BTreeSet<Number>,
    owed: BTreeSet<Number>,
}

impl Hearing {
    fn of(events: &Events, room: usize, account: AccountId) -> Self {
        let own = |wanted: &[Kind]| -> Vec<Number> {
            let is_own =
                |event: &Number| events.author(*event).0 == account && wanted.contains(&events.kind(*event));
            events.transcript(room).filter(is_own).collect()
        };
        let past = |event: &Number| (*event, Self::past(events, *event));
        let (comings, goings) = (own(&[Kind::Create, Kind::Join]), own(&[Kind::Leave]));
        let comings: Vec<_> = comings.iter().map(past).collect();
        let goings: Vec<_> = goings
            .iter()
            .map(|going| (Self::past(events, *going), Self::future(events, room, *going)))
            .collect();
        let is_before = |event: Number, coming: &(Number, BTreeSet<Number>)| {
            let had_gone = |(past, future): &(BTreeSet<Number>, BTreeSet<Number>)| {
                past.contains(&coming.0) && future.contains(&event)
            };
            coming.1.contains(&event) || goings.iter().any(had_gone)
        };
        let barred =
            events.transcript(room).filter(|event| comings.iter().all(|coming| is_before(*event, coming)));
        let owed = comings.iter().filter(|_| goings.is_empty());
        Self {
            barred: barred.collect(),
            owed: owed.flat_map(|(coming, _)| Self::future(events, room, *coming)).collect(),
        }
    }

    /// All that an event follows from.
    fn past(events: &Events, event: Number) -> BTreeSet<Number> {
        let mut past = BTreeSet::new();
        let mut open = vec![event];
        while let Some(event) = open.pop().filter(|event| events.is_known(*event)) {
            open.extend(events.parents(event).iter().filter(|parent| past.insert(**parent)));
        }
        past
    }

    /// All of its room that follows from an event; numbers are in canonical order, so causes come first.
    fn future(events: &Events, room: usize, event: Number) -> BTreeSet<Number> {
        let mut future = BTreeSet::new();
        for later in events.transcript(room).filter(|later| *later > event) {
            if events.parents(later).iter().any(|parent| *parent == event || future.contains(parent)) {
                future.insert(later);
            }
        }
        future
    }

    /// Whether no server may give it.
    fn is_barred(&self, event: Number) -> bool {
        self.barred.contains(&event)
    }

    /// Whether every server must.
    fn is_owed(&self, event: Number) -> bool {
        self.owed.contains(&event)
    }
}

struct Check<'a> {
    events: &'a Events,
    anywhere: Deletions,
    missing: Vec<(Number, Place)>,
}

impl Check<'_> {
    /// An event stands without its body. The deletion need not have come to that log yet.
    fn bare(&mut self, event: Number, place: impl FnOnce() -> Place) {
        if self.anywhere.about(self.events, event).is_none() {
            self.missing.push((event, place()));
        }
    }
}

/// Who has taken back which message, with the event that does.
pub(crate) struct Deletions(BTreeSet<(Number, AccountId, Number)>);

impl Deletions {
    pub(crate) fn among(events: &Events, some: impl Iterator<Item = Number>) -> Self {
        let deletes = some.filter(|event| events.is_known(*event) && events.kind(*event) == Kind::Delete);
        let about = deletes.filter_map(|delete| Some((delete, events.target(delete)?)));
        let entries = about.flat_map(|(delete, target)| {
            let with_parts = std::iter::once(target).chain(Self::parts(events, target));
            with_parts.map(move |gone| (gone, events.author(delete).0, delete))
        });
        Self(entries.collect())
    }

    /// The parts of a file, if it is one: see [`crate::erasure::parts`].
    fn parts(events: &Events, file: Number) -> Vec<Number> {
        if !events.is_known(file) || events.kind(file) != Kind::File {
            return Vec::new();
        }
        let is_before = |part: Number, next: Number| {
            events.is_known(part)
                && events.kind(part) == Kind::Chunk
                && events.author(part) == events.author(next)
                && events.seq(part).checked_add(1) == Some(events.seq(next))
        };
        let before = |next: Number| {
            let parents = events.parents(next).iter().copied().filter(|part| is_before(*part, next));
            Ok::<_, Infallible>(parents.min_by_key(|part| events.id(*part)))
        };
        parts(file, before).unwrap_or_default()
    }

    /// A deletion that is about an event: see [`crate::erasure::messages_of`].
    pub(crate) fn about(&self, events: &Events, event: Number) -> Option<Number> {
        if self.0.is_empty() {
            return None;
        }
        let target = events.target(event);
        let messages = match (events.kind(event), &target) {
            (Kind::Edit, Some(target)) => std::slice::from_ref(target),
            (Kind::Edit, None) => events.parents(event),
            (Kind::Chunk, _) => std::slice::from_ref(&event),
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
