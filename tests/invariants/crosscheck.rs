//! An independent checker judges the same histories: adya, which knows lists and transactions and nothing of
//! tercet. What `export_adya` gives of a good history it must accept; what it can see of a broken one it must
//! refuse.

use std::collections::BTreeSet;

use adya::{Opts, Valid, Workload};
use tercet::anomaly::Anomaly;
use tercet::evidence::Evidence;
use tercet::export_adya::adya as export;
use tercet::history::History;
use tercet::verify::check;

use crate::support::{ALICE, BOB, CASES_OF_ALL, World, chat, good, server_id, variant_of};

/// What transactions on lists can show: what was read in which order. The rest is about copies, times,
/// signatures and cursors.
const VISIBLE: [&str; 6] = ["SenderOrder", "EffectBeforeCause", "Skipped", "Twice", "Unmarked", "WrongIndex"];

/// What adya says, and which anomalies it names.
fn judged(history: &History) -> (Valid, Vec<String>) {
    let text = export(&Evidence::of(history));
    let parsed = adya::History::from_json(&text).unwrap();
    let opts = Opts { models: vec!["strong-session-serializable".to_owned()], ..Opts::default() };
    let report = adya::check(&parsed, Workload::ListAppend, &opts);
    (report.valid, report.anomaly_types)
}

#[test]
fn a_good_history_is_accepted_by_both() {
    let good = good();
    assert_eq!(judged(&good.world.history), (Valid::True, Vec::new()));
}

#[test]
fn what_people_wrote_at_once_and_read_late_is_accepted_by_both() {
    let mut good = good();
    let world = &mut good.world;
    // Written without knowledge of each other; bob's screen goes on before alice's comes.
    let (one, other) = (world.say(ALICE, "one"), world.say(BOB, "other"));
    world.send(ALICE, one);
    world.show(BOB, &[other]);
    world.send(BOB, other);
    [ALICE, BOB].into_iter().for_each(|person| world.read(person));
    world.show(ALICE, &[one, other]);
    world.show_as(BOB, one, true);
    world.index();
    crate::support::assert_valid("at once", world);
    assert_eq!(judged(&world.history), (Valid::True, Vec::new()));
}

#[test]
fn a_log_that_has_not_caught_up_is_read_as_far_as_it_is_settled() {
    let mut good = good();
    let world = &mut good.world;
    for text in ["while bob sleeps", "and the second server, too"] {
        let id = world.say(ALICE, text);
        [0, 2].into_iter().for_each(|server| world.upload(ALICE, server, id));
        world.show(ALICE, &[id]);
    }
    world.index();
    assert_eq!(check(&world.history).verdict(), tercet::verify::Verdict::Unknown);
    assert_eq!(judged(&world.history), (Valid::True, Vec::new()));
}

/// Every case of this folder: whenever what is broken can be seen in lists, adya refuses it; and it refuses
/// nothing in which we find no fault.
#[test]
fn what_lists_can_show_is_refused_by_both() {
    let mut refused = BTreeSet::new();
    for case in CASES_OF_ALL.iter().copied().flatten() {
        let mut good = good();
        (case.spoil)(&mut good);
        let report = check(&good.world.history);
        let ours: BTreeSet<_> = report.anomalies().map(variant_of).collect();
        let (theirs, kinds) = judged(&good.world.history);
        println!("{:<70} {ours:?} {theirs:?} {kinds:?}", case.name);
        if ours.is_empty() {
            assert_eq!(theirs, Valid::True, "{}: adya finds {kinds:?}, we find nothing", case.name);
        }
        if theirs == Valid::False {
            refused.extend(ours);
        }
    }
    for variant in VISIBLE {
        assert!(refused.contains(variant), "adya has never refused a {variant}");
    }
}

/// One way to break a history, and the anomaly that we must find in it.
type Broken = (&'static str, fn(&mut World), fn(&Anomaly) -> bool);

const BROKEN: [Broken; 5] = [
    (
        "two devices show two messages in different orders",
        |world| {
            let (first, second) = (world.say(ALICE, "first"), world.say(BOB, "second"));
            world.send(ALICE, first);
            world.send(BOB, second);
            [ALICE, BOB].into_iter().for_each(|person| world.read(person));
            world.show(ALICE, &[first, second]);
            world.show(BOB, &[second, first]);
            world.index();
        },
        |anomaly| matches!(anomaly, Anomaly::Unmarked { .. }),
    ),
    (
        "everybody shows a sender's messages the wrong way round",
        |world| {
            let (first, second) = (world.say(ALICE, "first"), world.say(ALICE, "second"));
            [first, second].into_iter().for_each(|id| world.send(ALICE, id));
            world.read(BOB);
            [ALICE, BOB].into_iter().for_each(|person| world.show(person, &[second, first]));
            world.index();
            for server in 0..3 {
                let index = world.store(server).canonical.as_mut().unwrap();
                let end = index.len();
                index.swap(end - 1, end - 2);
            }
        },
        |anomaly| matches!(anomaly, Anomaly::SenderOrder { .. }),
    ),
    (
        "a reader misses a message in the middle",
        |world| {
            let missed = world.say(ALICE, "missed");
            world.send(ALICE, missed);
            world.show(ALICE, &[missed]);
            let last = world.say(ALICE, "last");
            world.send(ALICE, last);
            world.show(ALICE, &[last]);
            world.receive(BOB, last);
            [0, 1, 2].into_iter().for_each(|server| world.cursor(BOB, server));
            world.show(BOB, &[last]);
            world.index();
        },
        |anomaly| matches!(anomaly, Anomaly::Undelivered { .. }),
    ),
    (
        "a server's index is in another order",
        |world| {
            let index = world.store(1).canonical.as_mut().unwrap();
            let chat: Vec<_> = (0..index.len()).filter(|at| index[*at].0 == chat().id()).collect();
            index.swap(chat[0], chat[1]);
        },
        |anomaly| matches!(anomaly, Anomaly::WrongIndex { .. }),
    ),
    (
        "a server lost a message in the middle that it had acked",
        |world| {
            let at = world.store(2).log.len() - 2;
            let lost = world.store(2).log.remove(at).event.id();
            world.store(2).canonical.as_mut().unwrap().retain(|(_, key)| key.id != lost);
        },
        |anomaly| matches!(anomaly, Anomaly::LostAck { .. }),
    ),
];

#[test]
fn histories_broken_by_hand_are_refused_by_both() {
    for (name, break_it, is_it) in BROKEN {
        let mut good = good();
        break_it(&mut good.world);
        let report = check(&good.world.history);
        assert!(
            report.anomalies().any(is_it),
            "{name}: we find {:?}",
            report.anomalies().collect::<Vec<_>>()
        );
        let (valid, kinds) = judged(&good.world.history);
        assert_eq!(valid, Valid::False, "{name}: adya finds {kinds:?}");
    }
    assert_eq!(good().world.history.name_of(server_id(0)), "1", "a break leaves the next history whole");
}
