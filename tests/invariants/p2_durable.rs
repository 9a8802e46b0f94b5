//! P2: "k/N" means k disks; what a server acked or showed stays in its log.

use tercet::anomaly::Anomaly;
use tercet::history::Entry;

use crate::support::{
    ALICE, BOB, Case, Good, World, assert_refused, assert_valid, good, incarnation, server_id,
};

pub const CASES: &[Case] = &[
    Case {
        name: "a server lost the end of its log and goes on in the same incarnation",
        spoil: |Good { world, thanks, .. }| {
            world.store(1).log.pop();
            world.index();
            vec![
                lost_ack(world, 1, *thanks, 5),
                Anomaly::TooFewCopies {
                    event: *thanks,
                    told: 3,
                    found: 2,
                    losses: 0,
                    at: world.at(ALICE, level(world, *thanks, 3)),
                },
                taken_back(world, ALICE, 1, 5, 4),
                taken_back(world, BOB, 1, 5, 4),
            ]
        },
    },
    Case {
        name: "a server has an acked event at another position",
        spoil: |Good { world, hello, .. }| {
            let index = world.receipt_of(ALICE, 0, *hello);
            let Entry::Receipt { position, .. } = &mut world.log(ALICE)[index] else { unreachable!() };
            *position = 4;
            vec![lost_ack(world, 0, *hello, 4)]
        },
    },
    Case {
        name: "an ack names a position before the first",
        spoil: |Good { world, hello, .. }| {
            let index = world.receipt_of(ALICE, 0, *hello);
            let Entry::Receipt { position, .. } = &mut world.log(ALICE)[index] else { unreachable!() };
            *position = 0;
            vec![lost_ack(world, 0, *hello, 0)]
        },
    },
    Case {
        name: "one disk was lost and another server forgot as well",
        spoil: |Good { world, thanks, .. }| {
            world.lose_disk(2);
            world.store(1).log.pop();
            world.index();
            vec![
                lost_ack(world, 1, *thanks, 5),
                Anomaly::TooFewCopies {
                    event: *thanks,
                    told: 3,
                    found: 1,
                    losses: 1,
                    at: world.at(ALICE, level(world, *thanks, 3)),
                },
                taken_back(world, ALICE, 1, 5, 4),
                taken_back(world, BOB, 1, 5, 4),
            ]
        },
    },
    Case {
        name: "a disk that was lost before the notice explains nothing after it",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "twice on disk");
            world.upload(ALICE, 2, event);
            world.lose_disk(2);
            world.upload(ALICE, 0, event);
            world.upload(ALICE, 1, event);
            world.level(ALICE, event, 2);
            let at = world.at_end(ALICE);
            world.store(1).log.pop();
            world.index();
            vec![
                lost_ack(world, 1, event, 6),
                Anomaly::TooFewCopies { event, told: 2, found: 1, losses: 0, at },
            ]
        },
    },
    Case {
        name: "three copies are claimed on two receipts",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "on two disks, as far as I know");
            world.upload(ALICE, 0, event);
            world.upload(ALICE, 1, event);
            world.append(2, event);
            world.level(ALICE, event, 3);
            world.index();
            vec![Anomaly::Boast { event, told: 3, receipts: 2, at: world.at_end(ALICE) }]
        },
    },
    Case {
        name: "one server's two receipts are counted as two copies",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "on one disk");
            world.upload(ALICE, 0, event);
            world.receipt(ALICE, 0, event, 6);
            world.append(1, event);
            world.level(ALICE, event, 2);
            world.index();
            vec![Anomaly::Boast { event, told: 2, receipts: 1, at: world.at_end(ALICE) }]
        },
    },
    Case {
        name: "no copies are shown as a level",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "nowhere yet");
            world.level(ALICE, event, 0);
            vec![Anomaly::Boast { event, told: 0, receipts: 0, at: world.at_end(ALICE) }]
        },
    },
    Case {
        name: "a level counts the receipt of a void incarnation",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "on a disk that is gone");
            world.upload(ALICE, 2, event);
            world.lose_disk(2);
            world.upload(ALICE, 0, event);
            world.level(ALICE, event, 2);
            world.index();
            let at = world.at_end(ALICE);
            vec![
                Anomaly::TooFewCopies { event, told: 2, found: 1, losses: 0, at: at.clone() },
                Anomaly::Boast { event, told: 2, receipts: 1, at },
            ]
        },
    },
    Case {
        name: "a receipt of a void incarnation is taken",
        spoil: |Good { world, thanks, .. }| {
            world.lose_disk(2);
            let (server, incarnation) = (server_id(2), incarnation(2));
            world.log(ALICE).push(Entry::Receipt { server, incarnation, id: *thanks, position: 5 });
            world.index();
            vec![Anomaly::StaleIncarnation { at: world.at_end(ALICE), server: "3".to_owned() }]
        },
    },
    Case {
        name: "a cursor goes on in a void incarnation",
        spoil: |Good { world, .. }| {
            world.lose_disk(2);
            let (server, incarnation) = (server_id(2), incarnation(2));
            world.log(BOB).push(Entry::Cursor { server, incarnation, position: 4, room: None });
            world.index();
            vec![Anomaly::StaleIncarnation { at: world.at_end(BOB), server: "3".to_owned() }]
        },
    },
    Case {
        name: "a reader was let past the end of a log",
        spoil: |Good { world, .. }| {
            let (server, incarnation) = (server_id(0), incarnation(0));
            world.log(BOB).push(Entry::Cursor { server, incarnation, position: 6, room: None });
            let at = world.at_end(BOB);
            vec![Anomaly::TakenBack { server: "1".to_owned(), cursor: 6, tip: 5, at }]
        },
    },
    Case {
        name: "a server remembers a reader past the end of its own log",
        spoil: |Good { world, .. }| {
            let bob = world.people[BOB].device;
            let cursors = &mut world.store(0).cursors;
            cursors.iter_mut().find(|cursor| cursor.device == bob).unwrap().position = 8;
            let at = world.in_store(0, 8);
            vec![Anomaly::TakenBack { server: "1".to_owned(), cursor: 8, tip: 5, at }]
        },
    },
];

fn lost_ack(world: &World, server: usize, event: tercet::id::EventId, position: u64) -> Anomaly {
    let receipt = world.at(ALICE, world.receipt_of(ALICE, server, event));
    Anomaly::LostAck { event, server: (server + 1).to_string(), position, receipt }
}

fn taken_back(world: &World, person: usize, from: usize, cursor: u64, tip: u64) -> Anomaly {
    let index = world.find(person, |entry| {
        matches!(entry, Entry::Cursor { server, position, .. } if *server == server_id(from) && *position == cursor)
    });
    Anomaly::TakenBack { server: (from + 1).to_string(), cursor, tip, at: world.at(person, index) }
}

fn level(world: &World, event: tercet::id::EventId, told: u32) -> usize {
    world.find(
        ALICE,
        |entry| matches!(entry, Entry::Level { id, copies, .. } if *id == event && *copies == told),
    )
}

#[test]
fn lost_acks_and_boasts_are_refused() {
    assert_refused(CASES);
}

/// A disk was lost, the server came back empty and was owed everything again: copies told of before the loss
/// are found again, and nothing is counted twice.
#[test]
fn a_replaced_disk_that_was_filled_again_is_valid() {
    let mut good = good();
    good.world.lose_disk(2);
    let refill: Vec<_> = good.world.store(0).log.iter().map(|stored| stored.event.clone()).collect();
    for event in &refill {
        let author = if event.account() == good.world.account(ALICE) { ALICE } else { BOB };
        good.world.upload(author, 2, event.id());
    }
    good.world.read(ALICE);
    good.world.read(BOB);
    good.world.index();
    assert_valid("refilled", &good.world);
}

/// The new disk is still empty: nobody broke a promise, but not everything is where it should be.
#[test]
fn a_replaced_disk_that_is_still_empty_is_no_violation() {
    let mut good = good();
    good.world.lose_disk(2);
    good.world.index();
    crate::support::assert_unknown(
        "empty again",
        &good.world.history,
        "server 3 lacks 5 events that other logs hold; it has not acked them, and fetches them from \
         another server while both are up",
    );
}

#[test]
fn a_live_server_whose_log_was_read_before_the_last_receipts_is_valid() {
    let mut good = good();
    let early = good.world.store(2).clone();
    good.world.exchange(ALICE, "while you were reading");
    good.world.index();
    *good.world.store(2) = early;
    good.world.store(2).live = true;
    assert_valid("read early", &good.world);
    good.world.store(2).canonical = None;
    assert_valid("read early, without its index", &good.world);
}

#[test]
fn a_level_that_is_told_again_after_a_restart_is_valid() {
    let mut good = good();
    good.world.level(ALICE, good.thanks, 3);
    assert_valid("told again", &good.world);
}
