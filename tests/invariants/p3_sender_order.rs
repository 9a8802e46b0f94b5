//! P3: each device's events in a conversation appear in the order it sent them.

use tercet::anomaly::Anomaly;
use tercet::event::{Conversation, Kind, account_of};

use crate::support::{ALICE, BOB, Case, Good, assert_refused, assert_valid, chat, good, key};

const CAROL: usize = 2;

pub const CASES: &[Case] = &[
    Case {
        name: "the author's clock went back, and its display follows the clock",
        spoil: |Good { world, thanks, .. }| {
            let mut first = world.draft(ALICE, chat(), Kind::Post, b"first");
            first.time = world.time(*thanks, 2_000);
            let mut second = world.draft(ALICE, chat(), Kind::Post, b"second");
            (second.seq, second.time) = (first.seq + 1, world.time(*thanks, 1_000));
            let (first, second) = (world.author(ALICE, first), world.author(ALICE, second));
            world.receive(BOB, first);
            world.receive(BOB, second);
            world.show(BOB, &[second, first]);
            let overlooked = Anomaly::Overlooked { event: second, held: first, at: world.at_end(ALICE) };
            vec![overlooked, Anomaly::SenderOrder { earlier: first, later: second, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a late mark does not excuse a sender's own order",
        spoil: |Good { world, thanks, .. }| {
            let mut first = world.draft(ALICE, chat(), Kind::Post, b"first");
            first.time = world.time(*thanks, 1_000);
            let mut second = world.draft(ALICE, chat(), Kind::Post, b"second");
            (second.seq, second.time) = (first.seq + 1, world.time(*thanks, 2_000));
            let (first, second) = (world.author(ALICE, first), world.author(ALICE, second));
            world.receive(BOB, second);
            world.show(BOB, &[second]);
            world.receive(BOB, first);
            world.show_as(BOB, first, true);
            let overlooked = Anomaly::Overlooked { event: second, held: first, at: world.at_end(ALICE) };
            vec![overlooked, Anomaly::SenderOrder { earlier: first, later: second, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "two lines of one sender changed places",
        spoil: |Good { world, .. }| {
            let (first, second) = (world.say(ALICE, "first"), world.say(ALICE, "second"));
            world.receive(BOB, first);
            world.receive(BOB, second);
            world.show(BOB, &[second, first]);
            let (at, before) = (world.at_end(BOB), world.at(BOB, world.line(BOB, second)));
            vec![
                Anomaly::SenderOrder { earlier: first, later: second, at: at.clone() },
                Anomaly::EffectBeforeCause { event: second, cause: first, at: before },
                Anomaly::Unmarked { event: first, after: second, at },
            ]
        },
    },
];

#[test]
fn a_senders_lines_in_another_order_are_refused() {
    assert_refused(CASES);
}

/// A device's numbers run through all its conversations; its order is promised within each.
#[test]
fn two_conversations_interleaved_are_valid() {
    let mut good = good();
    let world = &mut good.world;
    world.join(CAROL);
    world.register(CAROL);
    let aside = Conversation::direct(account_of(&key(ALICE)), account_of(&key(CAROL)));
    let mut ids = Vec::new();
    for number in 0..4 {
        let conversation = if number % 2 == 0 { chat() } else { aside };
        let id = world.write(ALICE, conversation, Kind::Post, format!("line {number}").as_bytes());
        world.send(ALICE, id);
        ids.push(id);
    }
    [ALICE, BOB, CAROL].into_iter().for_each(|person| world.read(person));
    world.show(ALICE, &[ids[1], ids[0], ids[2], ids[3]]);
    world.show(BOB, &[ids[0], ids[2]]);
    world.show(CAROL, &[ids[1], ids[3]]);
    world.index();
    assert_valid("interleaved", world);
}
