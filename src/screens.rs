//! The checks of what people saw: P3, P4 and P6.

use std::collections::{BTreeMap, BTreeSet};

use crate::anomaly::Anomaly;
use crate::bits::Bits;
use crate::intake::Number;
use crate::ledger::{Events, Ledger, lines_of};
use crate::report::Outcome;
use crate::taken::{ClientLog, Seen};
use crate::tellers::Tellers;

/// P3: a display keeps each sender's order.
pub(crate) fn sender_order(ledger: &Ledger) -> Outcome {
    let mut outcome = Outcome::new("each sender's messages keep their order", "P3", "lines");
    let events = &ledger.events;
    for log in &ledger.clients {
        let mut last: BTreeMap<(usize, u32), Number> = BTreeMap::new();
        // A late mark is no excuse here: what a device sent earlier is an ancestor, and so at hand.
        for (index, event) in lines(events, log) {
            outcome.examined += 1;
            let last = last.entry((events.conversation(event), events.author_number(event))).or_insert(event);
            if events.seq(*last) > events.seq(event) {
                let (earlier, later, at) = (events.id(event), events.id(*last), log.place(index));
                outcome.anomalies.push(Anomaly::SenderOrder { earlier, later, at });
            } else {
                *last = event;
            }
        }
    }
    outcome
}

/// P4: a display shows causes first.
pub(crate) fn causal_display(ledger: &Ledger) -> Outcome {
    let mut outcome = Outcome::new("nothing appears before what its author had seen", "P4", "lines");
    let events = &ledger.events;
    for log in &ledger.clients {
        let mut seen = Bits::new(events.known());
        let displayed = lines_of(events, log);
        for (index, event) in lines(events, log) {
            outcome.examined += 1;
            seen.insert(event);
            if events.parents(event).iter().all(|parent| seen.contains(*parent)) {
                continue; // all shown, and so lines
            }
            let causes = events.shown_ancestors(event).into_iter();
            for cause in causes.filter(|cause| displayed.contains(*cause) && !seen.contains(*cause)) {
                let (event, cause, at) = (events.id(event), events.id(cause), log.place(index));
                outcome.anomalies.push(Anomaly::EffectBeforeCause { event, cause, at });
            }
        }
    }
    outcome
}

/// P6: displays follow the canonical order, hold lines for their window, and mark what is late.
pub(crate) fn honest_screens(ledger: &Ledger) -> Outcome {
    let mut outcome = Outcome::new("screens keep the canonical order, or say \"late\"", "P6", "lines");
    let events = &ledger.events;
    for log in &ledger.clients {
        let mut current_ms = 0;
        let mut furthest: Vec<Option<Number>> = vec![None; events.conversations().len()];
        let mut hand = Hand::of(events, lines_of(events, log));
        let mut tellers = Tellers::of(log);
        for (index, seen) in log.seen.iter().enumerate() {
            tellers.take(*seen);
            let (event, late, at_ms) = match *seen {
                Seen::Opened { window_ms, .. } => {
                    current_ms = window_ms;
                    continue;
                }
                Seen::Authored { event } | Seen::Received { event } => {
                    hand.take(event);
                    continue;
                }
                Seen::Displayed { event, late, at_ms } if events.is_known(event) => (event, late, at_ms),
                _ => continue,
            };
            outcome.examined += 1;
            let (id, at) = (events.id(event), || log.place(index));
            let due_ms = events.time(event).millis().saturating_add(current_ms);
            if at_ms <= due_ms {
                let by_ms = due_ms - at_ms + 1;
                outcome.anomalies.push(Anomaly::Early { event: id, by_ms, at: at() });
            }
            if !tellers.is_vouched(event) {
                let (told, quorum) = (tellers.most(event), tellers.quorum());
                outcome.anomalies.push(Anomaly::Unvouched { event: id, told, quorum, at: at() });
            }
            for skipped in hand.show(event, &tellers) {
                let event = events.id(skipped);
                outcome.anomalies.push(Anomaly::Skipped { event, shown: id, at: at() });
            }
            // Within one conversation the numbers of events are in canonical order.
            let front = furthest[events.conversation(event)].get_or_insert(event);
            match (*front > event, late) {
                (true, false) => {
                    let after = events.id(*front);
                    outcome.anomalies.push(Anomaly::Unmarked { event: id, after, at: at() });
                }
                (false, true) => outcome.anomalies.push(Anomaly::UnjustifiedLate { event: id, at: at() }),
                (true, true) | (false, false) => {}
            }
            *front = event.max(*front);
        }
    }
    outcome
}

/// What a display has at hand and has not shown.
struct Hand<'a> {
    events: &'a Events,
    /// What is to be displayed once it is at hand.
    lines: Bits,
    /// What came to hand at some time.
    entered: Bits,
    held: BTreeSet<Number>,
}

impl<'a> Hand<'a> {
    fn of(events: &'a Events, lines: Bits) -> Self {
        Self { events, lines, entered: Bits::new(events.known()), held: BTreeSet::new() }
    }

    /// An event comes to hand; a second time is another check's.
    fn take(&mut self, event: Number) {
        if self.entered.insert(event) && self.lines.contains(event) {
            self.held.insert(event);
        }
    }

    /// Shows an event; returns what should have been shown before it. What is among its causes is left to
    /// [`causal_display`], and what waits for its quorum is waiting rightly.
    fn show(&mut self, event: Number, tellers: &Tellers<'_>) -> Vec<Number> {
        self.held.remove(&event);
        let start = self.events.transcript(self.events.conversation(event)).start;
        let mut before: Vec<_> = self.held.range(start..event).copied().collect();
        if before.is_empty() {
            return before;
        }
        let mut waiting = BTreeSet::new();
        before.retain(|event| {
            let waits = || self.events.shown_ancestors(*event).iter().any(|cause| waiting.contains(cause));
            let is_waiting = !tellers.is_vouched(*event) || (!waiting.is_empty() && waits());
            !(is_waiting && waiting.insert(*event))
        });
        before.iter().for_each(|event| _ = self.held.remove(event));
        let causes = self.events.shown_ancestors(event);
        before.into_iter().filter(|event| !causes.contains(event)).collect()
    }
}

/// The lines that a display showed, as far as they are known: entry and event.
fn lines<'a>(events: &'a Events, log: &'a ClientLog) -> impl Iterator<Item = (usize, Number)> {
    log.shown().filter(|(_, event)| events.is_line(*event))
}
