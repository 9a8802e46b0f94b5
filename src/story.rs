//! A broken promise as a short story: which conversation, which events, who saw them in which order, which
//! rule that breaks, and where in which log it stands.
//!
//! A step of a story is a place in a log, told in words ([`crate::testimony`]).

use serde::Serialize;

use crate::anomaly::{Anomaly, Place};
use crate::event::Kind;
use crate::evidence::{Evidence, Observer};
use crate::excerpt::Parting;
use crate::history::Entry;
use crate::id::{DeviceId, EventId, Position, Seq};
use crate::names::{Names, first_words};
use crate::order::Digest;
use crate::report::Outcome;
use crate::testimony::{Testimony, acts_on, server_name};

/// How many anomalies of one check are made into stories; the others are alike.
const STORIES_MAX: usize = 100;

/// One anomaly, told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Story {
    /// What happened, in one sentence.
    pub sentence: String,
    /// In which conversation, by its people; `None` if it is about a log and not about an event.
    pub conversation: Option<String>,
    /// The events it needs, the one that is out of place first.
    pub events: Vec<Witness>,
    /// Who saw what, in order.
    pub steps: Vec<Step>,
    /// Which rule that breaks.
    pub rule: &'static str,
}

/// An event of a story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Witness {
    /// What the story calls it: its author and number.
    pub name: String,
    /// Which event.
    pub event: EventId,
    /// Its author's device.
    pub device: Option<DeviceId>,
    /// Which event of the device.
    pub seq: Option<Seq>,
    /// Its first words; a merge has none, and of an event that is in no log nobody knows them.
    pub text: Option<String>,
}

/// A step of a story.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Step {
    /// Whose log says so.
    pub who: String,
    /// What it says.
    pub what: String,
    /// Where it stands; `None` for what stands nowhere, though it should.
    pub at: Option<Place>,
}

/// The anomalies of a check that are told: the first ones.
pub(crate) fn told(outcome: &Outcome) -> impl Iterator<Item = &Anomaly> {
    outcome.anomalies.iter().take(STORIES_MAX)
}

/// Tells the first anomalies of every check. `partings` are where indexes are wrong: see [`crate::excerpt`].
pub fn tell_all(evidence: &Evidence<'_>, partings: &[Parting], outcomes: &mut [Outcome]) {
    if outcomes.iter().all(|outcome| outcome.anomalies.is_empty()) {
        return;
    }
    let testimony = Testimony { evidence, partings, names: Names::of(evidence) };
    for outcome in outcomes {
        outcome.stories = told(outcome).map(|anomaly| testimony.tell(anomaly)).collect();
    }
}

impl Testimony<'_> {
    fn tell(&self, anomaly: &Anomaly) -> Story {
        let mut events = anomaly.events();
        let mut steps = self.steps(anomaly, &mut events);
        steps.dedup();
        let conversation = events.iter().find_map(|id| self.conversation_of(id));
        Story {
            sentence: anomaly.sentence(&|event| self.names.event(event), &|place| self.place(place)),
            conversation: conversation.map(|conversation| self.names.conversation(conversation)),
            events: events.iter().map(|event| self.witness(event)).collect(),
            steps,
            rule: anomaly.rule(),
        }
    }

    fn witness(&self, id: &EventId) -> Witness {
        let event = self.evidence.events.get(id);
        Witness {
            name: self.names.event(id),
            event: *id,
            device: event.map(|event| event.device()),
            seq: event.map(|event| event.seq()),
            text: event.filter(|event| event.kind() != Kind::Merge).map(|event| first_words(event)),
        }
    }

    /// The steps, in the order of telling. Events that only the logs name are added to the witness.
    fn steps(&self, anomaly: &Anomaly, events: &mut Vec<EventId>) -> Vec<Step> {
        match anomaly {
            Anomaly::Invented { event, at, .. } => self.invented(event, at),
            Anomaly::Corrupt { at, why } => {
                vec![Step { who: self.owner(at), what: why.clone(), at: Some(at.clone()) }]
            }
            Anomaly::Twice { event, first, second } => {
                let mut steps = self.written(event);
                steps.extend([self.step(first), self.step(second)]);
                steps
            }
            Anomaly::ShownUnheld { event, at } => {
                let mut steps = self.written(event);
                steps.push(self.step(at));
                steps.push(self.came(at, event));
                steps
            }
            Anomaly::BodyKept { event, delete, at } => {
                let mut steps = self.written(event);
                steps.extend(self.written(delete));
                steps.push(self.step(at));
                steps
            }
            Anomaly::Leaked { event, at } | Anomaly::BodyMissing { event, at } => {
                let mut steps = self.written(event);
                steps.push(self.step(at));
                steps
            }
            Anomaly::Fork { one, other, .. }
            | Anomaly::ForeignParent { event: other, parent: one }
            | Anomaly::TimeNotAfterParent { event: other, parent: one }
            | Anomaly::WrongTarget { event: other, target: one } => {
                [one, other].into_iter().map(|id| self.held_somewhere(id)).collect()
            }
            Anomaly::LostAck { server, position, receipt, .. } => {
                let now = self.now_at(server, *position);
                if let Some(stored) = now.as_ref().and_then(|step| self.event_at(step.at.as_ref()?)) {
                    events.push(stored);
                }
                [Some(self.step(receipt)), now].into_iter().flatten().collect()
            }
            Anomaly::TooFewCopies { event, at, .. } => {
                let mut steps = self.receipts(at, event);
                steps.push(self.step(at));
                steps.extend(self.evidence.history.servers.iter().map(|server| self.stored(server, event)));
                steps
            }
            Anomaly::Boast { event, at, .. } => {
                let mut steps = self.receipts(at, event);
                if steps.is_empty() {
                    let what = format!("has no receipt for {} before that", self.names.event(event));
                    steps.push(Step { who: self.owner(at), what, at: None });
                }
                steps.push(self.step(at));
                steps
            }
            Anomaly::TakenBack { server, cursor, tip, at } => self.taken_back(server, *cursor, *tip, at),
            Anomaly::StaleIncarnation { at, .. } => self.stale(at),
            Anomaly::NotClosed { event, parent, at } => {
                let mut steps = self.written(event);
                steps.push(self.step(at));
                steps.push(self.parent_in(at, parent));
                steps
            }
            Anomaly::Overlooked { held, at, .. } => {
                let mut steps = self.written(held);
                steps.extend([self.came(at, held), self.step(at)]);
                steps
            }
            Anomaly::SenderOrder { earlier, later, at } => {
                let mut steps = self.written(earlier);
                steps.extend(self.written(later));
                steps.extend(self.shown_before(at, later));
                steps.push(self.step(at));
                steps
            }
            Anomaly::EffectBeforeCause { event, cause, at } => self.effect(event, cause, at),
            Anomaly::WrongIndex { server, expected, found } => {
                self.wrong_index(server, *expected, *found, events)
            }
            Anomaly::Undelivered { event, reader, server, position, cursor } => {
                self.undelivered(event, reader, server, *position, *cursor)
            }
            Anomaly::Unmarked { after, at, .. } => {
                let mut steps: Vec<_> = self.shown_before(at, after).into_iter().collect();
                steps.push(self.step(at));
                steps
            }
            Anomaly::Skipped { event, at, .. } => {
                let observer = self.observer(at);
                let entered = observer.and_then(|observer| self.entered(observer, event));
                let shown = observer.map(|observer| match self.shown(observer, event) {
                    Some(place) => self.step(&place),
                    None => self.absent(observer, format!("never showed {}", self.names.event(event))),
                });
                [entered.map(|place| self.step(&place)), Some(self.step(at)), shown]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Anomaly::UnjustifiedLate { event, at } => {
                let before = self.line_before(at, event);
                if let Some(id) = before.as_ref().and_then(|place| self.event_at(place)) {
                    events.push(id);
                }
                before.iter().chain([at]).map(|place| self.step(place)).collect()
            }
            Anomaly::Early { event, at, .. } => self.early(event, at),
            Anomaly::AfterSeal { event, at, .. } => {
                let mut steps = self.written(event);
                steps.push(self.step(at));
                steps.extend(self.views());
                steps
            }
            Anomaly::NotDrained { event, server, at, .. } => {
                let mut steps = self.written(event);
                steps.push(self.step(at));
                steps.extend(self.views());
                steps.extend(self.server(server).map(|server| self.stored(server, event)));
                steps
            }
            Anomaly::TwoViews { one, other, .. } => [one, other].map(|place| self.view_at(place)).into(),
            Anomaly::Unvouched { event, at, .. } => self.unvouched(event, at),
            Anomaly::CursorBack { server, from, at, .. } => {
                let before = self.observer(at).and_then(|observer| {
                    let end = usize::try_from(at.entry).unwrap_or(usize::MAX).saturating_sub(1);
                    let is_it = |entry: &Entry| match entry {
                        Entry::Cursor { server: of, position, .. } => {
                            position == from && self.evidence.history.name_of(*of) == *server
                        }
                        _ => false,
                    };
                    let (index, _) = observer.before(end).rev().find(|(_, entry)| is_it(entry))?;
                    Some(observer.history.place(index))
                });
                before.iter().chain([at]).map(|place| self.step(place)).collect()
            }
        }
    }

    // ---- stories with a turn of their own -----------------------------------------------------------

    fn invented(&self, event: &EventId, at: &Place) -> Vec<Step> {
        let mut steps = vec![self.step(at)];
        let Some(event) = self.evidence.events.get(event) else { return steps };
        let logs = self.evidence.observers.iter().filter(|observer| {
            (observer.account, observer.device) == (Some(event.account()), Some(event.device()))
        });
        steps.extend(logs.map(|log| {
            let entries = log.length();
            let what =
                format!("wrote no {}: none of the log's {entries} entries does", self.names.name(event));
            self.absent(log, format!("{what} ({})", log.history.source))
        }));
        steps
    }

    fn taken_back(&self, server: &str, cursor: Position, tip: Position, at: &Place) -> Vec<Step> {
        let Some(store) = self.server(server) else { return vec![self.step(at)] };
        let shown = if at.source == store.source {
            let reader = store.cursors.iter().find(|device| device.position == cursor);
            let reader = reader.map_or_else(
                || "somebody".to_owned(),
                |device| self.names.device(device.account, device.device),
            );
            self.nothing(store, format!("remembers that {reader} had read it up to {cursor}"))
        } else {
            self.step(at)
        };
        let end = match store.log.last() {
            Some(last) => self.step(&store.place(last.position)),
            None => self.nothing(store, "holds nothing".to_owned()),
        };
        vec![shown, Step { what: format!("{}, and ends at {tip}", end.what), ..end }]
    }

    fn effect(&self, event: &EventId, cause: &EventId, at: &Place) -> Vec<Step> {
        let mut steps = Vec::new();
        let author = self.author(event);
        let had = author.and_then(|author| self.entered(author, cause));
        steps.extend(had.map(|place| self.step(&place)));
        steps.extend(self.written(event));
        steps.push(self.step(at));
        steps.extend(self.observer(at).map(|observer| match self.shown(observer, cause) {
            Some(place) => self.step(&place),
            None => self.absent(observer, format!("never showed {}", self.names.event(cause))),
        }));
        steps
    }

    fn undelivered(
        &self,
        event: &EventId,
        reader: &str,
        server: &str,
        position: Position,
        cursor: Position,
    ) -> Vec<Step> {
        let mut steps = self.written(event);
        let Some(store) = self.server(server) else { return steps };
        steps.push(self.step(&store.place(position)));
        let is_cursor = |entry: &Entry| {
            matches!(entry, Entry::Cursor { server, incarnation, position, .. }
                if (*server, *incarnation, *position) == (store.server, store.incarnation, cursor))
        };
        let readers = self.evidence.observers.iter().filter(|observer| observer.name == reader);
        for observer in readers {
            let entered = observer.entered.get(event).copied();
            let passed = observer.before(usize::MAX).find(|(_, entry)| is_cursor(entry));
            let passed = passed.map(|(index, _)| index);
            if entered.zip(passed).is_some_and(|(entered, passed)| entered < passed) {
                continue; // another device of the same person
            }
            match passed {
                Some(index) => steps.push(self.step(&observer.history.place(index))),
                None => {
                    let what = format!("remembers that {reader} had read it up to {cursor}");
                    steps.push(self.nothing(store, what));
                }
            }
            let who = self.names.observer(observer);
            steps.push(match entered {
                Some(index) => self.step(&observer.history.place(index)),
                None => {
                    let what = format!("never received {}", self.names.event(event));
                    Step { who, what, at: None }
                }
            });
        }
        steps
    }

    /// The first place where a canonical index and its log's canonical order part.
    fn wrong_index(
        &self,
        server: &str,
        expected: Digest,
        found: Digest,
        events: &mut Vec<EventId>,
    ) -> Vec<Step> {
        let parting = self.partings.iter().find(|parting| parting.is_of(server, expected, found));
        let Some((store, parting)) = self.server(server).zip(parting) else { return Vec::new() };
        let (should, is) = (parting.should, parting.is);
        events.extend(should.iter().chain(&is));
        let say =
            |id: Option<EventId>| id.map_or_else(|| "nothing more".to_owned(), |id| self.names.event(&id));
        let number = parting.line + 1;
        let what = format!("has {} as number {number} in its canonical index", say(is));
        let mut steps = vec![self.nothing(store, what)];
        let what = format!("makes {} number {number}, by its log", say(should));
        let place = should.and_then(|id| self.place_in(store, &id));
        steps.push(Step { who: server_name(server), what, at: place });
        let stands = is.and_then(|id| self.place_in(store, &id));
        let last = || store.log.last().map(|last| store.place(last.position));
        steps.extend(stands.or_else(last).map(|place| self.step(&place)));
        steps
    }

    fn stale(&self, at: &Place) -> Vec<Step> {
        let current = self.observer(at).and_then(|observer| {
            let end = usize::try_from(at.entry).unwrap_or(usize::MAX).saturating_sub(1);
            let (Entry::Receipt { server, .. } | Entry::Cursor { server, .. } | Entry::Told { server, .. }) =
                observer.entry(end)?
            else {
                return None;
            };
            let is_it =
                |entry: &Entry| matches!(entry, Entry::Incarnation { server: of, .. } if of == server);
            match observer.before(end).rev().find(|(_, entry)| is_it(entry)) {
                Some((index, _)) => Some(self.step(&observer.history.place(index))),
                None => {
                    Some(self.absent(observer, "had not heard of any log of that server before".to_owned()))
                }
            }
        });
        current.into_iter().chain([self.step(at)]).collect()
    }

    /// A view in a device's log, or in a store.
    fn view_at(&self, at: &Place) -> Step {
        match self.store(at).and_then(|store| store.view.as_ref()) {
            Some(view) => Step { who: self.owner(at), what: acts_on(view), at: Some(at.clone()) },
            None => self.step(at),
        }
    }

    /// The newest view that each device learned of.
    fn views(&self) -> Vec<Step> {
        let last = |observer: &Observer<'_>| {
            let is_view = |entry: &Entry| matches!(entry, Entry::View { .. });
            let (index, _) = observer.before(usize::MAX).rev().find(|(_, entry)| is_view(entry))?;
            Some(self.step(&observer.history.place(index)))
        };
        self.evidence.observers.iter().filter_map(last).collect()
    }

    /// Who had told of an event before it was shown.
    fn unvouched(&self, event: &EventId, at: &Place) -> Vec<Step> {
        let told = self.observer(at).into_iter().flat_map(|observer| {
            let end = usize::try_from(at.entry).unwrap_or(usize::MAX).saturating_sub(1);
            let is_it = |entry: &Entry| {
                matches!(entry, Entry::Told { id, .. } | Entry::Receipt { id, .. } if id == event)
            };
            let told = observer.before(end).filter(move |(_, entry)| is_it(entry));
            told.map(|(index, _)| observer.history.place(index))
        });
        told.chain([at.clone()]).map(|place| self.step(&place)).collect()
    }

    fn early(&self, event: &EventId, at: &Place) -> Vec<Step> {
        let mut steps = self.written(event);
        let observer = self.observer(at);
        let window = observer.and_then(|observer| {
            let end = usize::try_from(at.entry).unwrap_or(usize::MAX);
            let is_opening = |entry: &Entry| matches!(entry, Entry::Opened { .. });
            let opened = observer.before(end).rev().find(|(_, entry)| is_opening(entry))?;
            Some(self.step(&observer.history.place(opened.0)))
        });
        steps.extend(window);
        steps.push(self.step(at));
        steps
    }
}
