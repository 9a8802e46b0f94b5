//! P4: nothing appears before what its author had seen, in logs or on screens.

use std::collections::BTreeSet;

use tercet::anomaly::Anomaly;
use tercet::content::about;
use tercet::event::Kind;
use tercet::id::EventId;

use crate::support::{ALICE, BOB, Case, Good, SERVERS, assert_refused, assert_valid, chat, good};

pub const CASES: &[Case] = &[
    Case {
        name: "a server stored a reply before what it replies to",
        spoil: |Good { world, .. }| {
            let (parent, event) = (world.say(ALICE, "cause"), world.say(ALICE, "effect"));
            let position = world.append(0, event);
            world.append(0, parent);
            world.index();
            vec![Anomaly::NotClosed { event, parent, at: world.in_store(0, position) }]
        },
    },
    Case {
        name: "a device took a reply in before what it replies to",
        spoil: |Good { world, .. }| {
            let (parent, event) = (world.say(ALICE, "cause"), world.say(ALICE, "effect"));
            world.receive(BOB, event);
            let at = world.at_end(BOB);
            world.receive(BOB, parent);
            vec![Anomaly::NotClosed { event, parent, at }]
        },
    },
    Case {
        name: "an event names a parent that nobody has",
        spoil: |Good { world, .. }| {
            let parent = EventId::new([0xee; 32]);
            let mut draft = world.draft(ALICE, chat(), Kind::Post, b"as I was saying");
            draft.parents.insert(parent);
            let event = world.author(ALICE, draft);
            vec![Anomaly::NotClosed { event, parent, at: world.at_end(ALICE) }]
        },
    },
    Case {
        name: "a device left out what it had seen",
        spoil: |Good { world, thanks, .. }| {
            let mut draft = world.draft(ALICE, chat(), Kind::Post, b"out of the blue");
            draft.parents.remove(thanks);
            let event = world.author(ALICE, draft);
            vec![Anomaly::Overlooked { event, held: *thanks, at: world.at_end(ALICE) }]
        },
    },
    Case {
        name: "an event has its parent's time",
        spoil: |Good { world, thanks, .. }| {
            let mut draft = world.draft(ALICE, chat(), Kind::Post, b"at the same instant");
            draft.time = world.events[thanks].time();
            let event = world.author(ALICE, draft);
            vec![Anomaly::TimeNotAfterParent { event, parent: *thanks }]
        },
    },
    Case {
        name: "somebody takes back what another said",
        spoil: |Good { world, thanks, .. }| {
            let delete = about(*thanks, "");
            let mut draft = world.draft(BOB, chat(), Kind::Delete, &delete);
            draft.parents.insert(*thanks);
            let event = world.author(BOB, draft);
            vec![Anomaly::WrongTarget { event, target: *thanks }]
        },
    },
    Case {
        name: "an event names a parent of another conversation",
        spoil: |Good { world, .. }| {
            let parent = world.register(ALICE);
            let mut draft = world.draft(ALICE, chat(), Kind::Post, b"across");
            draft.parents.insert(parent);
            let event = world.author(ALICE, draft);
            world.index();
            vec![Anomaly::ForeignParent { event, parent }]
        },
    },
    Case {
        name: "a reply was shown without what it replies to",
        spoil: |Good { world, .. }| {
            let (cause, event) = (world.say(ALICE, "cause"), world.say(ALICE, "effect"));
            world.receive(BOB, cause);
            world.receive(BOB, event);
            world.show(BOB, &[event]);
            vec![Anomaly::EffectBeforeCause { event, cause, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a reply was shown without what stands behind a merge",
        spoil: |Good { world, .. }| {
            let cause = world.say(ALICE, "cause");
            let merge = world.write(ALICE, chat(), Kind::Merge, b"");
            let event = world.say(ALICE, "effect");
            [cause, merge, event].into_iter().for_each(|id| world.receive(BOB, id));
            world.show(BOB, &[event]);
            vec![Anomaly::EffectBeforeCause { event, cause, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a reply was shown first, and its cause late",
        spoil: |Good { world, .. }| {
            let cause = world.say(BOB, "cause");
            world.receive(ALICE, cause);
            let event = world.say(ALICE, "effect");
            world.receive(BOB, event);
            world.show(BOB, &[event]);
            let at = world.at_end(BOB);
            world.show_as(BOB, cause, true);
            vec![Anomaly::EffectBeforeCause { event, cause, at }]
        },
    },
];

#[test]
fn effects_before_causes_are_refused() {
    assert_refused(CASES);
}

#[test]
fn merges_between_posts_are_valid_and_no_lines() {
    let mut good = good();
    let world = &mut good.world;
    let before = world.say(ALICE, "before");
    let merge = world.write(ALICE, chat(), Kind::Merge, b"");
    let after = world.say(ALICE, "after");
    world.send(ALICE, before);
    SERVERS.into_iter().for_each(|server| world.upload(ALICE, server, merge));
    world.send(ALICE, after);
    world.read(ALICE);
    world.read(BOB);
    world.show(ALICE, &[before, after]);
    world.show(BOB, &[before, after]);
    world.index();
    assert_valid("merged", world);
}

/// Each rung names both events of the rung below: the paths through it double with every rung.
#[test]
fn a_long_ladder_of_merges_is_judged_in_one_pass() {
    let mut good = good();
    let world = &mut good.world;
    let mut below = BTreeSet::from([good.thanks]);
    for rung in 1..=64 {
        let mut ends = BTreeSet::new();
        for person in [ALICE, BOB] {
            let mut draft = world.draft(person, chat(), Kind::Merge, b"");
            draft.parents.clone_from(&below);
            draft.time = world.time(good.thanks, rung);
            ends.insert(world.author(person, draft));
        }
        for (person, other) in [(ALICE, BOB), (BOB, ALICE)] {
            let own: Vec<_> = ends
                .iter()
                .copied()
                .filter(|id| world.events[id].account() == world.account(other))
                .collect();
            own.into_iter().for_each(|id| world.receive(person, id));
        }
        below = ends;
    }
    let top = world.say(ALICE, "at the top");
    world.show(ALICE, &[top]);
    let report = tercet::verify::check(&world.history);
    assert_eq!(report.anomalies().count(), 0, "{:?}", report.anomalies().collect::<Vec<_>>());
}
