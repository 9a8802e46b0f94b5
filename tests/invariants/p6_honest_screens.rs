//! P6: a display follows the canonical order at a distance of Δ, and marks what it could not put in its place.

use tercet::anomaly::Anomaly;
use tercet::content::{Charter, Past};
use tercet::event::{Conversation, Draft, Kind, Origin};
use tercet::history::Entry;
use tercet::id::{EventId, Incarnation, RoomId};

use crate::support::{
    ALICE, BOB, Case, Good, SERVERS, WINDOW_MS, World, assert_refused, assert_valid, chat, good, server_id,
};

pub const CASES: &[Case] = &[
    Case {
        name: "an event that came late was shown without a mark",
        spoil: |Good { world, .. }| {
            let (early, later) = concurrent(world);
            world.show(BOB, &[later]);
            world.receive(BOB, early);
            world.show(BOB, &[early]);
            vec![Anomaly::Unmarked { event: early, after: later, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "an event at hand was never shown, and a later one was",
        spoil: |Good { world, .. }| {
            let (early, later) = concurrent(world);
            world.receive(BOB, early);
            world.show(BOB, &[later]);
            vec![Anomaly::Skipped { event: early, shown: later, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "an event at hand was passed over and called late",
        spoil: |Good { world, .. }| {
            let (early, later) = concurrent(world);
            world.receive(BOB, early);
            world.show(BOB, &[later]);
            let at = world.at_end(BOB);
            world.show_as(BOB, early, true);
            vec![Anomaly::Skipped { event: early, shown: later, at }]
        },
    },
    Case {
        name: "a line in its place was marked late",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "in time");
            world.receive(BOB, event);
            world.show_as(BOB, event, true);
            vec![Anomaly::UnjustifiedLate { event, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a line was shown in the last millisecond of its window",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "too soon");
            world.receive(BOB, event);
            show_after(world, BOB, event, WINDOW_MS);
            vec![Anomaly::Early { event, by_ms: 1, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a person's own line was shown at once",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "mine");
            show_after(world, ALICE, event, 0);
            vec![Anomaly::Early { event, by_ms: WINDOW_MS + 1, at: world.at_end(ALICE) }]
        },
    },
    Case {
        name: "the window grew with a restart, and the display kept the old one",
        spoil: |Good { world, .. }| {
            let (event, at_ms) = (world.say(ALICE, "after the restart"), world.now_ms);
            world.log(BOB).push(Entry::Opened {
                at_ms,
                window_ms: WINDOW_MS + 600,
                servers: Vec::new(),
                quorum: 1,
            });
            world.receive(BOB, event);
            show_after(world, BOB, event, WINDOW_MS + 1);
            vec![Anomaly::Early { event, by_ms: 600, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "two servers had told of a line, and a person who asked for two of three saw it after the first",
        spoil: |Good { world, .. }| {
            let event = with_quorum(world, &[0]);
            world.show(BOB, &[event]);
            let at = world.at_end(BOB);
            world.told(BOB, 1, event);
            vec![Anomaly::Unvouched { event, told: 1, quorum: 2, at }]
        },
    },
    Case {
        name: "one server that told of a line twice was counted as two",
        spoil: |Good { world, .. }| {
            let event = with_quorum(world, &[0, 0]);
            world.show(BOB, &[event]);
            vec![Anomaly::Unvouched { event, told: 1, quorum: 2, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "what a server told of before it lost its log was counted",
        spoil: |Good { world, .. }| {
            let event = with_quorum(world, &[1]);
            let (server, incarnation, at_ms) = (server_id(1), Incarnation::new([0xaa; 16]), world.now_ms);
            world.log(BOB).push(Entry::Incarnation { server, incarnation, at_ms });
            world.told(BOB, 0, event);
            world.show(BOB, &[event]);
            vec![Anomaly::Unvouched { event, told: 1, quorum: 2, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a server that is not in the view was counted",
        spoil: |Good { world, .. }| {
            let event = with_quorum(world, &[]);
            open_with(world, &[0, 1], 2);
            world.told(BOB, 0, event);
            world.told(BOB, 2, event);
            world.show(BOB, &[event]);
            vec![Anomaly::Unvouched { event, told: 1, quorum: 2, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a line that had its quorum was never shown, and a later one was",
        spoil: |Good { world, .. }| {
            let (early, later) = concurrent(world);
            open_with(world, &SERVERS, 2);
            world.receive(BOB, early);
            [(0, early), (1, early)].into_iter().for_each(|(server, id)| world.told(BOB, server, id));
            [0, 1].into_iter().for_each(|server| world.told(BOB, server, later));
            world.show(BOB, &[later]);
            vec![Anomaly::Skipped { event: early, shown: later, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a line of a room that was not left was never shown, and a later one was",
        spoil: |Good { world, .. }| {
            let Parting { said, own, .. } = parting(world);
            world.show(BOB, &[own]);
            vec![Anomaly::Skipped { event: said, shown: own, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a person's own line in a room that they left was never shown, and a later one was",
        spoil: |Good { world, .. }| {
            let Parting { room, place, own, .. } = parting(world);
            [Kind::Unfollow, Kind::Follow].into_iter().for_each(|kind| note(world, kind, room));
            let later = world.write(ALICE, place, Kind::Post, b"are you back?");
            world.receive(BOB, later);
            world.show(BOB, &[later]);
            vec![Anomaly::Skipped { event: own, shown: later, at: world.at_end(BOB) }]
        },
    },
];

/// A room in which Alice and Bob have said something without having seen the other's, Bob later.
struct Parting {
    room: RoomId,
    place: Conversation,
    said: EventId,
    own: EventId,
}

/// Bob has what Alice said, and nothing of it was shown.
fn parting(world: &mut World) -> Parting {
    let Draft { device, seq, .. } = world.draft(ALICE, chat(), Kind::Post, b"");
    let room = RoomId::of(Origin { account: world.account(ALICE), device, seq });
    let place = Conversation::Room(room);
    let charter = Charter { name: "lab".parse().unwrap(), public: true, history: Past::Open };
    let begin = world.write(ALICE, place, Kind::Create, &charter.encode());
    note(world, Kind::Follow, room);
    world.receive(BOB, begin);
    let said = world.write(ALICE, place, Kind::Post, b"stay");
    let own = world.write(BOB, place, Kind::Post, b"goodbye");
    world.receive(BOB, said);
    for (person, id) in [(ALICE, begin), (ALICE, said), (BOB, own)] {
        SERVERS.into_iter().for_each(|server| world.upload(person, server, id));
    }
    world.index();
    Parting { room, place, said, own }
}

/// Bob notes to himself that he follows a room, or does no more.
fn note(world: &mut World, kind: Kind, room: RoomId) {
    let own = Conversation::direct(world.account(BOB), world.account(BOB));
    let id = world.write(BOB, own, kind, room.as_bytes());
    SERVERS.into_iter().for_each(|server| world.upload(BOB, server, id));
    world.index();
}

/// Bob asks for two of three servers, and has an event of Alice's of which these told him.
fn with_quorum(world: &mut World, tellers: &[usize]) -> EventId {
    let event = world.say(ALICE, "is it so?");
    open_with(world, &SERVERS, 2);
    world.receive(BOB, event);
    tellers.iter().for_each(|server| world.told(BOB, *server, event));
    event
}

fn open_with(world: &mut World, servers: &[usize], quorum: u32) {
    let (at_ms, servers) = (world.now_ms, servers.iter().map(|server| server_id(*server)).collect());
    world.log(BOB).push(Entry::Opened { at_ms, window_ms: WINDOW_MS, servers, quorum });
}

/// Alice and Bob say something without having seen the other's; Bob's comes later. He has not Alice's.
fn concurrent(world: &mut World) -> (EventId, EventId) {
    (world.say(ALICE, "early"), world.say(BOB, "later"))
}

fn show_after(world: &mut World, person: usize, id: EventId, ms: u64) {
    let at_ms = world.events[&id].time().millis() + ms;
    world.log(person).push(Entry::Displayed { id, late: false, at_ms });
}

#[test]
fn dishonest_screens_are_refused() {
    assert_refused(CASES);
}

#[test]
fn a_late_line_with_its_mark_is_valid() {
    let mut good = good();
    let world = &mut good.world;
    let (early, later) = concurrent(world);
    world.send(BOB, later);
    world.show(BOB, &[later]);
    world.send(ALICE, early);
    world.read(ALICE);
    world.read(BOB);
    world.show(ALICE, &[early, later]);
    world.show_as(BOB, early, true);
    world.index();
    assert_valid("late and marked", world);
}

#[test]
fn a_line_in_the_first_millisecond_after_its_window_is_valid() {
    let mut good = good();
    let world = &mut good.world;
    let id = world.say(ALICE, "just in time");
    world.send(ALICE, id);
    world.read(ALICE);
    world.read(BOB);
    show_after(world, ALICE, id, WINDOW_MS + 1);
    show_after(world, BOB, id, WINDOW_MS + 1);
    world.index();
    assert_valid("just in time", world);
}

/// What has its quorum late is late, and whoever came meanwhile was shown in their place.
#[test]
fn a_line_without_its_quorum_is_passed_over_and_shown_late_when_it_has_it() {
    let mut good = good();
    let world = &mut good.world;
    let (early, later) = concurrent(world);
    open_with(world, &SERVERS, 2);
    world.send(ALICE, early);
    world.send(BOB, later);
    world.read(ALICE);
    world.read(BOB);
    world.told(BOB, 0, early);
    world.show(BOB, &[later]);
    world.told(BOB, 2, early);
    world.show_as(BOB, early, true);
    world.show(ALICE, &[early, later]);
    world.index();
    assert_valid("late for want of a quorum", world);
}

#[test]
fn a_line_that_has_had_its_quorum_keeps_it_when_a_device_starts_after_a_server_left() {
    let mut good = good();
    let world = &mut good.world;
    let event = with_quorum(world, &[1, 2]);
    world.send(ALICE, event);
    world.read(ALICE);
    world.read(BOB);
    open_with(world, &[0, 1], 2);
    world.show(BOB, &[event]);
    world.show(ALICE, &[event]);
    world.index();
    assert_valid("vouched for by one who has left", world);
}

#[test]
fn a_line_that_waited_in_a_room_that_was_left_need_not_be_shown() {
    let mut good = good();
    let world = &mut good.world;
    let Parting { room, own, .. } = parting(world);
    note(world, Kind::Unfollow, room);
    world.show(BOB, &[own]);
    world.index();
    assert_valid("left", world);
}

/// The program stopped before the window had passed: the line is shown after the next start.
#[test]
fn a_line_that_is_not_due_yet_is_not_missed() {
    let mut good = good();
    let world = &mut good.world;
    let id = world.say(ALICE, "goodbye");
    world.send(ALICE, id);
    world.read(ALICE);
    world.read(BOB);
    world.index();
    assert_valid("not due", world);
}
