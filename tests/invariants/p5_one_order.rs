//! P5: equal sets of events are one sequence everywhere, and every reader gets what was sent.

use tercet::anomaly::Anomaly;
use tercet::event::{Conversation, Kind};
use tercet::history::Entry;
use tercet::id::EventId;
use tercet::order::Digest;

use crate::support::{
    ALICE, BOB, Case, Good, assert_refused, assert_valid, chat, good, incarnation, server_id,
};

pub const CASES: &[Case] = &[
    Case {
        name: "the canonical index lacks an event",
        spoil: |Good { world, hello, answer, thanks }| {
            index(world).retain(|(_, key)| key.id != *answer);
            vec![wrong_index(&[*hello, *answer, *thanks], &[*hello, *thanks])]
        },
    },
    Case {
        name: "the canonical index has an event that the log lacks",
        spoil: |Good { world, hello, answer, thanks }| {
            let draft = world.draft(ALICE, chat(), Kind::Post, b"stray");
            let stray = world.sign(ALICE, draft);
            let key = world.events[&stray].key();
            index(world).push((chat().id(), key));
            vec![wrong_index(&[*hello, *answer, *thanks], &[*hello, *answer, *thanks, stray])]
        },
    },
    Case {
        name: "the canonical index has two events in the wrong order",
        spoil: |Good { world, hello, answer, thanks }| {
            let index = index(world);
            let place = |id| index.iter().position(|(_, key)| key.id == id).unwrap();
            let (one, other) = (place(*hello), place(*answer));
            index.swap(one, other);
            vec![wrong_index(&[*hello, *answer, *thanks], &[*answer, *hello, *thanks])]
        },
    },
    Case {
        name: "the canonical index has an event twice",
        spoil: |Good { world, hello, answer, thanks }| {
            let index = index(world);
            let last = index.iter().copied().find(|(_, key)| key.id == *thanks).unwrap();
            index.push(last);
            vec![wrong_index(&[*hello, *answer, *thanks], &[*hello, *answer, *thanks, *thanks])]
        },
    },
    Case {
        name: "the canonical index has an event under another conversation",
        spoil: |Good { world, hello, answer, thanks }| {
            let directory: Vec<_> = world.store(0).log[..2].iter().map(|stored| stored.event.id()).collect();
            let index = index(world);
            let at = index.iter().position(|(_, key)| key.id == *thanks).unwrap();
            let (_, key) = index.remove(at);
            index.push((Conversation::Directory.id(), key));
            let mut found = vec![
                (chat().id(), wrong_index(&[*hello, *answer, *thanks], &[*hello, *answer])),
                (
                    Conversation::Directory.id(),
                    wrong_index(&directory, &[directory[0], directory[1], *thanks]),
                ),
            ];
            found.sort_by_key(|(conversation, _)| *conversation);
            found.into_iter().map(|(_, anomaly)| anomaly).collect()
        },
    },
    Case {
        name: "the canonical index gives an event another place than its key",
        spoil: |Good { world, hello, answer, thanks }| {
            let other = world.time(*thanks, 5_000);
            index(world).iter_mut().find(|(_, key)| key.id == *thanks).unwrap().1.time = other;
            vec![wrong_index(&[*hello, *answer, *thanks], &[*hello, *answer, *thanks])]
        },
    },
    Case {
        name: "a cursor is past an event that its reader lacks",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "passed by");
            world.send(ALICE, event);
            world.cursor(BOB, 0);
            world.index();
            vec![undelivered(event)]
        },
    },
    Case {
        name: "a cursor passed an event that came only afterwards",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "passed by, then brought");
            world.send(ALICE, event);
            world.cursor(BOB, 0);
            world.receive(BOB, event);
            world.index();
            vec![undelivered(event)]
        },
    },
    Case {
        name: "a server remembers a cursor past an event that the reader has lost",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "acked and forgotten");
            world.send(ALICE, event);
            world.cursor(BOB, 0);
            world.log(BOB).pop();
            world.index();
            vec![undelivered(event)]
        },
    },
    Case {
        name: "a cursor went back and hides nothing",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "passed by");
            world.send(ALICE, event);
            world.cursor(BOB, 0);
            let (server, incarnation) = (server_id(0), incarnation(0));
            world.log(BOB).push(Entry::Cursor { server, incarnation, position: 5, room: None });
            world.index();
            let at = world.at_end(BOB);
            vec![Anomaly::CursorBack { server: "1".to_owned(), from: 6, to: 5, at }, undelivered(event)]
        },
    },
];

fn index(world: &mut crate::support::World) -> &mut Vec<(tercet::id::ConversationId, tercet::order::Key)> {
    world.store(0).canonical.as_mut().unwrap()
}

fn wrong_index(expected: &[EventId], found: &[EventId]) -> Anomaly {
    let digest = |ids: &[EventId]| Digest::of(ids.iter().copied());
    Anomaly::WrongIndex { server: "1".to_owned(), expected: digest(expected), found: digest(found) }
}

fn undelivered(event: EventId) -> Anomaly {
    let (reader, server) = ("bob".to_owned(), "1".to_owned());
    Anomaly::Undelivered { event, reader, server, position: 6, cursor: 6 }
}

#[test]
fn wrong_indexes_and_passed_events_are_refused() {
    assert_refused(CASES);
}

/// Servers append in the order in which events arrive; the canonical order is the same over all of them.
#[test]
fn servers_that_stored_concurrent_events_in_different_order_agree() {
    let mut good = good();
    let world = &mut good.world;
    let (one, other) = (world.say(ALICE, "at once"), world.say(BOB, "at once too"));
    for (server, copies) in [0, 1, 2].into_iter().zip(1..) {
        let (first, second) =
            if server == 1 { ((BOB, other), (ALICE, one)) } else { ((ALICE, one), (BOB, other)) };
        for (person, id) in [first, second] {
            world.upload(person, server, id);
            world.level(person, id, copies);
        }
    }
    world.read(ALICE);
    world.read(BOB);
    world.show(ALICE, &[one, other]);
    world.show(BOB, &[one, other]);
    world.index();
    assert_valid("concurrent", world);
}
