//! P1: what is displayed was sent by its author, and each event enters a log and a display once.

use std::sync::Arc;

use serde_bytes::ByteBuf;
use tercet::anomaly::Anomaly;
use tercet::event::{Conversation, Event, Kind, account_of};
use tercet::history::Entry;
use tercet::id::DeviceId;

use crate::support::{
    ALICE, BOB, Case, Good, SERVERS, assert_refused, assert_valid, chat, device, good, key,
};

const CAROL: usize = 2;

pub const CASES: &[Case] = &[
    Case {
        name: "a server holds an event that its author's device never wrote",
        spoil: |Good { world, .. }| {
            let draft = world.draft(ALICE, chat(), Kind::Post, b"I never said this");
            let event = world.sign(ALICE, draft);
            let position = world.append(0, event);
            world.index();
            let at = world.in_store(0, position);
            vec![Anomaly::Invented { event, author: "alice".to_owned(), at }]
        },
    },
    Case {
        name: "a log claims to have written for another's device",
        spoil: |Good { world, .. }| {
            let draft = world.draft(ALICE, chat(), Kind::Post, b"bob's log, alice's device");
            let event = world.author(BOB, draft);
            vec![Anomaly::Invented { event, author: device(ALICE).short(), at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a log claims to have written for a device whose log nobody has",
        spoil: |Good { world, .. }| {
            let mut draft = world.draft(BOB, chat(), Kind::Post, b"bob's log, nobody's device");
            draft.device = DeviceId::new([9; 16]);
            let author = draft.device.short();
            let event = world.author(BOB, draft);
            vec![Anomaly::Invented { event, author, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a device is sent an event as its own that it did not write",
        spoil: |Good { world, .. }| {
            let draft = world.draft(ALICE, chat(), Kind::Post, b"you said this, did you not");
            let event = world.sign(ALICE, draft);
            world.receive(ALICE, event);
            vec![Anomaly::Invented { event, author: "alice".to_owned(), at: world.at_end(ALICE) }]
        },
    },
    Case {
        name: "one byte of a received message was altered in a device's log",
        spoil: |Good { world, thanks, .. }| {
            let (thanks, index) = (*thanks, world.entry_of(BOB, *thanks));
            let mut altered = world.bytes(thanks);
            *altered.last_mut().unwrap() ^= 1;
            set_event(&mut world.log(BOB)[index], altered.clone());
            let mut found = vec![
                Anomaly::Corrupt { at: world.at(BOB, index), why: why_not(&altered) },
                Anomaly::ShownUnheld { event: thanks, at: world.at(BOB, world.line(BOB, thanks)) },
            ];
            found.extend(SERVERS.map(|server| Anomaly::Undelivered {
                event: thanks,
                reader: "bob".to_owned(),
                server: (server + 1).to_string(),
                position: 5,
                cursor: 5,
            }));
            found
        },
    },
    Case {
        name: "an altered copy stands in a log beside the event itself",
        spoil: |Good { world, hello, .. }| {
            let mut altered = world.bytes(*hello);
            *altered.last_mut().unwrap() ^= 0x20;
            let why = why_not(&altered);
            world.receive(BOB, *hello);
            set_event(world.log(BOB).last_mut().unwrap(), altered);
            vec![Anomaly::Corrupt { at: world.at_end(BOB), why }]
        },
    },
    Case {
        name: "a server holds an event whose signature is forged",
        spoil: |Good { world, thanks, .. }| {
            let mut forged = world.bytes(*thanks);
            let signature = forged.len() - world.events[thanks].body().len() - 10;
            forged[signature] ^= 1;
            let why = why_not(&forged);
            assert!(why.contains("signature"), "the forgery is of another kind: {why}");
            world.store(1).log[4].event = Arc::new(Event::from_own_store(&forged).unwrap());
            vec![Anomaly::Corrupt { at: world.in_store(1, 5), why }]
        },
    },
    Case {
        name: "a server's log has a gap",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "after the gap");
            world.append(0, event);
            world.store(0).log.last_mut().unwrap().position = 7;
            world.index();
            let why = "position 7 stands where 6 should".to_owned();
            vec![Anomaly::Corrupt { at: world.in_store(0, 6), why }]
        },
    },
    Case {
        name: "a server stored an event again under a new position",
        spoil: |Good { world, hello, .. }| {
            let second = world.append(1, *hello);
            let (first, second) = (world.in_store(1, 3), world.in_store(1, second));
            vec![Anomaly::Twice { event: *hello, first, second }]
        },
    },
    Case {
        name: "a device took an event in twice",
        spoil: |Good { world, hello, .. }| {
            let first = world.at(BOB, world.entry_of(BOB, *hello));
            world.receive(BOB, *hello);
            vec![Anomaly::Twice { event: *hello, first, second: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a device took an event in again after it was shown, and showed the next",
        spoil: |Good { world, hello, .. }| {
            let first = world.at(BOB, world.entry_of(BOB, *hello));
            world.receive(BOB, *hello);
            let second = world.at_end(BOB);
            let next = world.say(BOB, "next");
            world.show(BOB, &[next]);
            vec![Anomaly::Twice { event: *hello, first, second }]
        },
    },
    Case {
        name: "a line was shown twice",
        spoil: |Good { world, thanks, .. }| {
            let first = world.at(BOB, world.line(BOB, *thanks));
            world.show(BOB, &[*thanks]);
            vec![Anomaly::Twice { event: *thanks, first, second: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a line was shown that the device never received",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "not sent yet");
            world.show(BOB, &[event]);
            vec![Anomaly::ShownUnheld { event, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a line was shown before it was received",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "shown from memory");
            world.show(BOB, &[event]);
            let at = world.at_end(BOB);
            world.receive(BOB, event);
            vec![Anomaly::ShownUnheld { event, at }]
        },
    },
    Case {
        name: "a direct conversation reached a third person",
        spoil: |Good { world, .. }| {
            let secret = Conversation::direct(account_of(&key(ALICE)), account_of(&key(CAROL)));
            let event = world.write(ALICE, secret, Kind::Post, b"not for bob");
            world.receive(BOB, event);
            vec![Anomaly::Leaked { event, at: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a device gave one number to two events",
        spoil: |Good { world, .. }| {
            let left = world.draft(ALICE, chat(), Kind::Post, b"left");
            let right = world.draft(ALICE, chat(), Kind::Post, b"right");
            assert_eq!(left.seq, right.seq);
            let (left, right) = (world.author(ALICE, left), world.author(ALICE, right));
            let device = device(ALICE).short();
            vec![
                Anomaly::Fork { seq: 4, one: left.min(right), other: left.max(right), device },
                Anomaly::Overlooked { event: right, held: left, at: world.at_end(ALICE) },
            ]
        },
    },
    Case {
        name: "a device that lost its log began again with the same numbers",
        spoil: |Good { world, .. }| {
            let left = world.say(ALICE, "before the loss");
            let mut again = world.draft(ALICE, chat(), Kind::Post, b"after the loss");
            again.seq -= 1;
            let right = world.sign(ALICE, again);
            world.receive(BOB, left);
            world.receive(BOB, right);
            let (one, other, at) = (left.min(right), left.max(right), world.at_end(BOB));
            vec![
                Anomaly::Invented { event: right, author: "alice".to_owned(), at },
                Anomaly::Fork { seq: 4, one, other, device: device(ALICE).short() },
            ]
        },
    },
];

fn set_event(entry: &mut Entry, bytes: ByteBuf) {
    match entry {
        Entry::Authored { event, .. } | Entry::Received { event, .. } => *event = bytes,
        other => panic!("{other:?} holds no event"),
    }
}

fn why_not(bytes: &[u8]) -> String {
    Event::from_bytes(bytes).unwrap_err().to_string()
}

#[test]
fn inventions_alterations_and_duplicates_are_refused() {
    assert_refused(CASES);
}

#[test]
fn a_log_that_was_read_from_two_places_accuses_nobody() {
    let mut good = good();
    let mut copy = good.world.history.clients[ALICE].clone();
    copy.source = "alice's backup".to_owned();
    copy.entries.truncate(good.world.entry_of(ALICE, good.thanks));
    good.world.history.clients.push(copy);
    let report = tercet::verify::check(&good.world.history);
    assert_eq!(report.anomalies().count(), 0, "{:?}", report.anomalies().collect::<Vec<_>>());
}

#[test]
fn who_names_anothers_device_speaks_for_nobody_else() {
    let mut good = good();
    let world = &mut good.world;
    let draft = world.draft(ALICE, chat(), Kind::Post, b"alice's device, bob's key");
    let event = world.sign(BOB, draft);
    world.receive(ALICE, event);
    let report = tercet::verify::check(&world.history);
    assert_eq!(report.anomalies().count(), 0, "{:?}", report.anomalies().collect::<Vec<_>>());
}

#[test]
fn a_newcomer_without_a_word_is_valid() {
    let mut good = good();
    good.world.join(CAROL);
    good.world.read(CAROL);
    assert_valid("carol reads the directory only", &good.world);
}
