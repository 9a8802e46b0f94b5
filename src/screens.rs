//! The checks of what people saw: P3, P4 and P6.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::slice;

use crate::anomaly::Anomaly;
use crate::event::Event;
use crate::evidence::{Evidence, Observer};
use crate::history::Entry;
use crate::id::{AccountId, ConversationId, DeviceId, EventId};
use crate::order::Key;
use crate::report::Outcome;

/// P3: a display keeps each sender's order.
pub(crate) fn sender_order(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("each sender's messages appear in the order of sending", "P3", "lines");
    for observer in &evidence.observers {
        let mut last: BTreeMap<(ConversationId, AccountId, DeviceId), Key> = BTreeMap::new();
        // A late mark is no excuse here: what a device sent earlier is an ancestor, and so at hand.
        for (index, event) in displayed(evidence, observer) {
            outcome.examined += 1;
            let last = last
                .entry((event.conversation().id(), event.account(), event.device()))
                .or_insert(event.key());
            if last.seq > event.seq() {
                let (earlier, later, at) = (event.id(), last.id, observer.history.place(index));
                outcome.anomalies.push(Anomaly::SenderOrder { earlier, later, at });
            } else {
                *last = event.key();
            }
        }
    }
    outcome
}

/// P4: a display shows causes first.
pub(crate) fn causal_display(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("nothing appears before what its author had seen", "P4", "lines");
    for observer in &evidence.observers {
        let mut seen = BTreeSet::new();
        for (index, event) in displayed(evidence, observer) {
            outcome.examined += 1;
            seen.insert(event.id());
            for cause in evidence.shown_ancestors(event) {
                let was_due = evidence.events.get(&cause).is_some_and(|cause| observer.displays(cause));
                if was_due && !seen.contains(&cause) {
                    let at = observer.history.place(index);
                    outcome.anomalies.push(Anomaly::EffectBeforeCause { event: event.id(), cause, at });
                }
            }
        }
    }
    outcome
}

/// P6: displays follow the canonical order, hold lines for their window, and mark what is late.
pub(crate) fn honest_screens(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("screens follow the canonical order, or say \"late\"", "P6", "lines");
    for observer in &evidence.observers {
        let mut windows = windows(observer).into_iter().peekable();
        let mut window_ms = 0;
        let mut furthest: BTreeMap<ConversationId, Key> = BTreeMap::new();
        let mut hand = Hand::of(observer);
        for (index, id, late, at_ms) in &observer.shown {
            while let Some((_, ms)) = windows.next_if(|(opened, _)| opened < index) {
                window_ms = ms;
            }
            let Some(event) = evidence.events.get(id) else { continue };
            outcome.examined += 1;
            let (key, at) = (event.key(), observer.history.place(*index));
            let due_ms = key.time.millis().saturating_add(window_ms);
            if *at_ms <= due_ms {
                let by_ms = due_ms - at_ms + 1;
                outcome.anomalies.push(Anomaly::Early { event: *id, by_ms, at: at.clone() });
            }
            let front = furthest.entry(event.conversation().id()).or_insert(key);
            for skipped in hand.show(evidence, *index, event) {
                let (event, shown, at) = (skipped, *id, at.clone());
                outcome.anomalies.push(Anomaly::Skipped { event, shown, at });
            }
            match (*front > key, late) {
                (true, false) => {
                    outcome.anomalies.push(Anomaly::Unmarked { event: *id, after: front.id, at });
                }
                (false, true) => outcome.anomalies.push(Anomaly::UnjustifiedLate { event: *id, at }),
                (true, true) | (false, false) => {}
            }
            *front = key.max(*front);
        }
    }
    outcome
}

/// What a display has at hand and has not shown.
struct Hand<'a> {
    /// What is still to come to hand, in the log's order.
    coming: Peekable<slice::Iter<'a, (usize, EventId)>>,
    observer: &'a Observer<'a>,
    held: BTreeMap<ConversationId, BTreeSet<Key>>,
}

impl<'a> Hand<'a> {
    fn of(observer: &'a Observer<'_>) -> Self {
        Self { coming: observer.stands.iter().peekable(), observer, held: BTreeMap::new() }
    }

    /// Shows an event at an entry of the log; returns what should have been shown before it. What is among
    /// its causes is left to [`causal_display`].
    fn show(&mut self, evidence: &Evidence<'_>, index: usize, event: &Event) -> Vec<EventId> {
        while let Some((entered, id)) = self.coming.next_if(|(entered, _)| *entered < index) {
            if self.observer.entered.get(id) != Some(entered) {
                continue; // a second time: another check's
            }
            let Some(event) = evidence.events.get(id).filter(|event| self.observer.displays(event)) else {
                continue;
            };
            self.held.entry(event.conversation().id()).or_default().insert(event.key());
        }
        let Some(held) = self.held.get_mut(&event.conversation().id()) else { return Vec::new() };
        let after = held.split_off(&event.key());
        let before = std::mem::replace(held, after);
        held.remove(&event.key());
        if before.is_empty() {
            return Vec::new();
        }
        let causes = evidence.shown_ancestors(event);
        before.into_iter().map(|key| key.id).filter(|id| !causes.contains(id)).collect()
    }
}

/// The reorder windows of a log: from which entry on, how many milliseconds.
fn windows(observer: &Observer<'_>) -> Vec<(usize, u64)> {
    let entries = observer.history.entries.iter().enumerate();
    entries
        .filter_map(|(index, entry)| match entry {
            Entry::Opened { window_ms, .. } => Some((index, *window_ms)),
            _ => None,
        })
        .collect()
}

/// What a display showed, as far as it can be decoded: entry and event.
fn displayed<'a>(
    evidence: &'a Evidence<'_>,
    observer: &'a Observer<'_>,
) -> impl Iterator<Item = (usize, &'a Event)> {
    observer.shown.iter().filter_map(|(index, id, _, _)| {
        let event = evidence.events.get(id)?;
        event.kind().is_shown().then_some((*index, event.as_ref()))
    })
}
