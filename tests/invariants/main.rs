//! The checker, checked: one file per promise, each with histories that `verify` must refuse and near misses
//! that it must not.
//!
//! A case breaks a good history in one place and says all that must be found. [`support::variant_of`] keeps
//! the list of anomalies complete.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod crosscheck;
mod document;
mod evidence;
mod p1_nothing_invented;
mod p2_durable;
mod p3_sender_order;
mod p4_causal_order;
mod p5_one_order;
mod p6_honest_screens;
mod rule15_views;
mod stories;
mod support;

use std::collections::BTreeSet;

use support::{CASES_OF_ALL, VARIANTS, assert_valid, good, variant_of};
use tercet::verify::check;

#[test]
fn a_good_history_is_valid_and_every_check_has_looked_at_something() {
    let good = good();
    assert_valid("good", &good.world);
    let report = check(&good.world.history);
    assert_eq!((report.clients, report.servers, report.events), (2, 3, 5));
    for outcome in &report.outcomes {
        assert!(outcome.examined > 0, "{:?} looked at no {}", outcome.check, outcome.unit);
    }
    assert_eq!(report.conversations.len(), 2, "the directory and the chat");
    for settled in &report.conversations {
        assert_eq!(settled.equal_in, 5, "all logs and stores hold the same");
    }
}

#[test]
fn every_anomaly_is_shown_a_history_that_must_be_refused_with_it() {
    let expected = CASES_OF_ALL.iter().copied().flatten().flat_map(|case| (case.spoil)(&mut good()));
    let refused: BTreeSet<_> = expected.map(|anomaly| variant_of(&anomaly)).collect();
    assert_eq!(refused, VARIANTS.iter().copied().collect());
}

#[test]
fn every_anomaly_explains_itself_in_one_sentence_with_its_place() {
    for case in CASES_OF_ALL.iter().copied().flatten() {
        for anomaly in (case.spoil)(&mut good()) {
            let sentence = anomaly.to_string();
            assert!(!sentence.contains('\n') && sentence.len() > 30, "{}: {sentence:?}", case.name);
        }
    }
}
