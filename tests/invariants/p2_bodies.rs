//! P2, of bodies: what its author has taken back is gone from the servers, and nothing else is gone.

use std::sync::Arc;

use tercet::anomaly::Anomaly::BodyMissing;
use tercet::anomaly::{Anomaly, Place};
use tercet::content::{Charter, Past, SharedFile, about, chunk};
use tercet::event::{Conversation, Kind, Origin};
use tercet::history::Entry;
use tercet::id::{EventId, Position, RoomId};

use crate::rule15_views::{given_up, learn, retired};
use crate::support::{
    ALICE, BOB, Case, Good, SERVERS, World, assert_refused, assert_unknown, assert_valid, chat, good,
    server_id,
};

pub const CASES: &[Case] = &[
    Case {
        name: "a server keeps what was taken back",
        spoil: |Good { world, hello, .. }| {
            let delete = takes_back(world, *hello);
            strip(world, &[1, 2], *hello);
            let at = world.in_store(0, position(world, 0, *hello));
            vec![Anomaly::BodyKept { event: *hello, delete, at }]
        },
    },
    Case {
        name: "a server keeps the edit of what was taken back",
        spoil: |Good { world, hello, .. }| {
            let edit = exchange(world, Kind::Edit, &about(*hello, "hello, bob"));
            let delete = takes_back(world, *hello);
            strip(world, &SERVERS, *hello);
            strip(world, &[0, 2], edit);
            let at = world.in_store(1, position(world, 1, edit));
            vec![Anomaly::BodyKept { event: edit, delete, at }]
        },
    },
    Case {
        name: "a server keeps a part of a file that was taken back",
        spoil: |Good { world, .. }| {
            let [first, last, file] = shares(world);
            let delete = takes_back(world, file);
            [last, file].iter().for_each(|id| strip(world, &SERVERS, *id));
            strip(world, &[0, 1], first);
            let at = world.in_store(2, position(world, 2, first));
            vec![Anomaly::BodyKept { event: first, delete, at }]
        },
    },
    Case {
        name: "a server drops a part of a file that nobody has taken back",
        spoil: |Good { world, .. }| {
            let [first, ..] = shares(world);
            let gone = shares(world);
            takes_back(world, gone[2]);
            gone.iter().for_each(|id| strip(world, &SERVERS, *id));
            strip(world, &[1], first);
            vec![BodyMissing { event: first, at: world.in_store(1, position(world, 1, first)) }]
        },
    },
    Case {
        name: "a server drops a body that nobody has taken back",
        spoil: |Good { world, hello, .. }| {
            strip(world, &[2], *hello);
            let at = world.in_store(2, position(world, 2, *hello));
            vec![BodyMissing { event: *hello, at }]
        },
    },
    Case {
        name: "a body is missing, and of the servers that acked it one has its disk still",
        spoil: |Good { world, hello, .. }| {
            lose_disks(world, &[0, 1]);
            strip(world, &SERVERS, *hello);
            missing_at(world, &SERVERS, *hello)
        },
    },
    Case {
        name: "disks were lost, and a server that has the body does not give it",
        spoil: |Good { world, hello, .. }| {
            lose_disks(world, &[0, 1]);
            strip(world, &[0], *hello);
            missing_at(world, &[0], *hello)
        },
    },
    Case {
        name: "a body is missing where all that a server had is said to be since it left",
        spoil: |Good { world, hello, .. }| {
            forget_acks(world, &[0, 1], *hello);
            lose_disks(world, &[1]);
            strip(world, &SERVERS, *hello);
            learn(world, &retired(5, &[0]));
            world.history.servers.pop();
            missing_at(world, &[0, 1], *hello)
        },
    },
    Case {
        name: "a body is missing of which no log tells who acked it, and no disk was lost",
        spoil: |Good { world, hello, .. }| {
            forget_acks(world, &SERVERS, *hello);
            strip(world, &SERVERS, *hello);
            missing_at(world, &SERVERS, *hello)
        },
    },
    Case {
        name: "a server takes another's word for the author's",
        spoil: |Good { world, hello, .. }| {
            let delete = about(*hello, "");
            let mut draft = world.draft(BOB, chat(), Kind::Delete, &delete);
            draft.parents.insert(*hello);
            let event = world.author(BOB, draft);
            strip(world, &[0], *hello);
            let at = world.in_store(0, position(world, 0, *hello));
            vec![BodyMissing { event: *hello, at }, Anomaly::WrongTarget { event, target: *hello }]
        },
    },
    Case {
        name: "who came later was given what was said before",
        spoil: |Good { world, .. }| {
            let (_, _, at) = closed_room(world, false);
            let event = world.events.values().find(|event| event.body() == b"before").unwrap().id();
            vec![Anomaly::Leaked { event, at }]
        },
    },
    Case {
        name: "who came was not given what was said after that",
        spoil: |Good { world, .. }| {
            let (_, after, _) = closed_room(world, true);
            let index = world.entry_of(BOB, after);
            bare(world, BOB, index);
            vec![BodyMissing { event: after, at: world.at(BOB, index) }]
        },
    },
    Case {
        name: "no server has a body, and no disk was lost",
        spoil: |Good { world, hello, .. }| {
            forget_acks(world, &SERVERS, *hello);
            strip(world, &SERVERS, *hello);
            missing_at(world, &SERVERS, *hello)
        },
    },
    Case {
        name: "a device never got a body",
        spoil: |Good { world, hello, .. }| {
            let index = world.entry_of(BOB, *hello);
            bare(world, BOB, index);
            vec![BodyMissing { event: *hello, at: world.at(BOB, index) }]
        },
    },
];

/// Servers get new disks, and are given back all that they had.
fn lose_disks(world: &mut World, servers: &[usize]) {
    for server in servers {
        let log = world.store(*server).log.clone();
        world.lose_disk(*server);
        world.store(*server).log = log;
    }
    world.index();
}

/// Alice's log does not tell of these servers' copies of an event.
fn forget_acks(world: &mut World, servers: &[usize], event: EventId) {
    let servers: Vec<_> = servers.iter().map(|server| server_id(*server)).collect();
    world.log(ALICE).retain(|entry| match entry {
        Entry::Receipt { server, id, .. } => *id != event || !servers.contains(server),
        Entry::Level { id, .. } => *id != event,
        _ => true,
    });
}

fn missing_at(world: &World, servers: &[usize], event: EventId) -> Vec<Anomaly> {
    let at = |server: &usize| world.in_store(*server, position(world, *server, event));
    servers.iter().map(|server| BodyMissing { event, at: at(server) }).collect()
}

/// Alice begins a room whose past is closed and says something, bob comes, and alice says something more. Returns
/// both messages, and where bob's log has the first, with its body or without.
fn closed_room(world: &mut World, is_bare: bool) -> (EventId, EventId, Place) {
    let draft = world.draft(ALICE, chat(), Kind::Post, b"");
    let origin = Origin { account: world.account(ALICE), device: draft.device, seq: draft.seq };
    let room = RoomId::of(origin);
    let place = Conversation::Room(room);
    let charter = Charter { name: "lab".parse().unwrap(), public: true, history: Past::SinceJoining };
    let note = Conversation::direct(world.account(BOB), world.account(BOB));
    let begin = world.write(ALICE, place, Kind::Create, &charter.encode());
    let before = world.write(ALICE, place, Kind::Post, b"before");
    for id in [begin, before] {
        SERVERS.into_iter().for_each(|server| world.upload(ALICE, server, id));
    }
    let follow = world.write(BOB, note, Kind::Follow, room.as_bytes());
    SERVERS.into_iter().for_each(|server| world.upload(BOB, server, follow));
    world.receive(BOB, begin);
    world.receive(BOB, before);
    let index = world.entry_of(BOB, before);
    if is_bare {
        bare(world, BOB, index);
    }
    let join = world.write(BOB, place, Kind::Join, b"");
    SERVERS.into_iter().for_each(|server| world.upload(BOB, server, join));
    world.receive(ALICE, join);
    let after = world.write(ALICE, place, Kind::Post, b"after");
    SERVERS.into_iter().for_each(|server| world.upload(ALICE, server, after));
    world.receive(BOB, after);
    world.index();
    (before, after, world.at(BOB, index))
}

/// Alice says something about a message; everybody has it.
fn exchange(world: &mut World, kind: Kind, body: &[u8]) -> EventId {
    world.now_ms += 10;
    let mut draft = world.draft(ALICE, chat(), kind, body);
    let target = EventId::new(body[..EventId::BYTES].try_into().unwrap());
    draft.parents.insert(target);
    let id = world.author(ALICE, draft);
    world.send(ALICE, id);
    world.read(ALICE);
    world.read(BOB);
    world.show(ALICE, &[id]);
    world.show(BOB, &[id]);
    world.index();
    id
}

/// Alice shares a file in two parts; everybody has it.
fn shares(world: &mut World) -> [EventId; 3] {
    let first = world.write(ALICE, chat(), Kind::Chunk, &chunk(None, b"one"));
    let last = world.write(ALICE, chat(), Kind::Chunk, &chunk(Some(first), b"two"));
    let file =
        SharedFile { last, hash: *blake3::hash(b"onetwo").as_bytes(), bytes: 6, name: "notes" }.encode();
    let file = world.write(ALICE, chat(), Kind::File, &file);
    [first, last, file].iter().for_each(|id| world.send(ALICE, *id));
    world.read(ALICE);
    world.read(BOB);
    world.show(ALICE, &[file]);
    world.show(BOB, &[file]);
    world.index();
    [first, last, file]
}

fn takes_back(world: &mut World, message: EventId) -> EventId {
    exchange(world, Kind::Delete, &about(message, ""))
}

/// Servers forget a body.
fn strip(world: &mut World, servers: &[usize], id: EventId) {
    for server in servers {
        let stored = world.store(*server).log.iter_mut().find(|stored| stored.event.id() == id).unwrap();
        stored.event = Arc::new(stored.event.without_body().unwrap());
    }
}

/// An entry's event came without its body.
fn bare(world: &mut World, person: usize, index: usize) {
    let Entry::Received { event, .. } = &mut world.log(person)[index] else { panic!("nothing came there") };
    let whole = tercet::event::Event::from_bytes(event).unwrap();
    *event = whole.without_body().unwrap().bytes().to_vec().into();
}

fn position(world: &World, server: usize, id: EventId) -> Position {
    let log = &world.history.servers[server].log;
    log.iter().find(|stored| stored.event.id() == id).unwrap().position
}

#[test]
fn bodies_that_are_kept_and_bodies_that_are_dropped_are_refused() {
    assert_refused(CASES);
}

#[test]
fn what_was_taken_back_is_gone_from_the_servers_and_may_stay_with_the_devices() {
    let Good { mut world, hello, .. } = good();
    let edit = exchange(&mut world, Kind::Edit, &about(hello, "hello, bob"));
    takes_back(&mut world, hello);
    strip(&mut world, &SERVERS, hello);
    strip(&mut world, &SERVERS, edit);
    assert_valid("gone from the servers", &world);
    let shared = shares(&mut world);
    takes_back(&mut world, shared[2]);
    shared.iter().for_each(|id| strip(&mut world, &SERVERS, *id));
    assert_valid("and so is a file with its parts", &world);
    for id in [hello, edit, shared[0], shared[2]] {
        let index = world.entry_of(BOB, id);
        bare(&mut world, BOB, index);
    }
    assert_valid("gone from bob's device too, and nobody but its author says what it was", &world);
}

#[test]
fn who_came_later_is_right_to_lack_what_was_said_before() {
    let mut world = good().world;
    closed_room(&mut world, true);
    let report = tercet::verify::check(&world.history);
    assert_eq!(report.anomalies().collect::<Vec<_>>(), Vec::<&Anomaly>::new());
}

#[test]
fn a_body_that_came_later_is_there() {
    let Good { mut world, hello, .. } = good();
    let (index, whole) = (world.entry_of(BOB, hello), world.bytes(hello));
    bare(&mut world, BOB, index);
    let (server, incarnation) = (server_id(1), crate::support::incarnation(1));
    world.log(BOB).push(Entry::Body { event: whole, server, incarnation, at_ms: 2_000_000 });
    assert_valid("filled", &world);
}

#[test]
fn a_body_may_be_lost_with_all_disks_that_had_it() {
    let Good { mut world, hello, .. } = good();
    lose_disks(&mut world, &SERVERS);
    strip(&mut world, &SERVERS, hello);
    let index = world.entry_of(BOB, hello);
    bare(&mut world, BOB, index);
    assert_valid("all that acked it lost their disks", &world);

    let Good { mut world, hello, .. } = good();
    lose_disks(&mut world, &[0, 1]);
    strip(&mut world, &[0, 1], hello);
    learn(&mut world, &given_up());
    assert_valid("one was removed as lost, though its store was kept", &world);
}

#[test]
fn a_body_of_which_no_log_tells_who_had_it_may_be_lost_with_any_disk() {
    let Good { mut world, hello, .. } = good();
    lose_disks(&mut world, &[1]);
    forget_acks(&mut world, &SERVERS, hello);
    strip(&mut world, &SERVERS, hello);
    let sentence = "1 event found without a body; no log tells which disks had it, and disks were lost";
    assert_unknown("its author's log is silent", &world.history, sentence);

    // Whether its author had taken it back, stood there as well.
    let Good { mut world, hello, .. } = good();
    world.history.clients.remove(ALICE);
    strip(&mut world, &SERVERS, hello);
    assert_unknown("its author's log is lost", &world.history, sentence);
}

#[test]
fn a_deletion_that_may_be_in_a_log_that_is_lacking_makes_a_missing_body_unknown() {
    let Good { mut world, hello, .. } = good();
    strip(&mut world, &[2], hello);
    world.history.absent.push("a log was lost".to_owned());
    let sentence = "1 event found without a body; if it was deleted, that may be in a log that was not read";
    assert_unknown("a log is lacking", &world.history, sentence);
}
