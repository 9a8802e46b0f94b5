//! Rule 15: servers come and go one view after the other; a sealed log ends there, and none of it is lost.

use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use tercet::anomaly::Anomaly;
use tercet::history::Entry;
use tercet::id::{AdminKey, ClusterId, EventId, Incarnation, Position, ServerId};
use tercet::view::{Member, SignedView, View};

use crate::support::{
    ALICE, BOB, Case, Good, SERVERS, World, assert_refused, assert_unknown, assert_valid, good, incarnation,
    server_id,
};

pub const CASES: &[Case] = &[
    Case {
        name: "a server acked beyond its seal, and its machine is gone",
        spoil: |Good { world, thanks, .. }| {
            learn(world, &retired(4, &[0, 1]));
            world.history.servers.pop();
            let receipt = world.receipt_of(ALICE, 2, *thanks);
            vec![after_seal(*thanks, world.at(ALICE, receipt))]
        },
    },
    Case {
        name: "a store goes on behind its seal",
        spoil: |Good { world, .. }| {
            let event = world.exchange(ALICE, "one more");
            for person in [ALICE, BOB] {
                world.log(person).retain(|entry| !is_receipt(entry, 2, event) && !is_cursor(entry, 2));
            }
            let level = world.find(ALICE, |entry| is_level(entry, event, 3));
            world.log(ALICE).remove(level);
            world.index();
            learn(world, &retired(5, &[0, 1]));
            let (server, at) = ("3".to_owned(), world.in_store(2, 6));
            vec![Anomaly::AfterSeal { event, server, position: 6, sealed: 5, at }]
        },
    },
    Case {
        name: "a server is said to hold all that another had, and does not",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "only there");
            world.upload(ALICE, 2, event);
            world.upload(ALICE, 1, event);
            world.index();
            learn(world, &retired(6, &[0, 1]));
            world.history.servers.pop();
            let (retired, server) = ("3".to_owned(), "1".to_owned());
            let receipt = world.receipt_of(ALICE, 2, event);
            vec![Anomaly::NotDrained { event, retired, position: 6, server, at: world.at(ALICE, receipt) }]
        },
    },
    Case {
        name: "the sealed store itself shows what was not drained",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "only there");
            world.upload(ALICE, 2, event);
            let index = world.receipt_of(ALICE, 2, event);
            world.log(ALICE).remove(index);
            world.index();
            learn(world, &retired(6, &[1]));
            let (retired, server, at) = ("3".to_owned(), "2".to_owned(), world.in_store(2, 6));
            vec![Anomaly::NotDrained { event, retired, position: 6, server, at }]
        },
    },
    Case {
        name: "two views of one epoch",
        spoil: |Good { world, .. }| {
            let [one, other] = [0, 1].map(|server| signed(first().seal(server_id(server)).unwrap()));
            let (smaller, greater) =
                if one.view().id() < other.view().id() { (one, other) } else { (other, one) };
            learn_as(world, ALICE, &smaller);
            learn_as(world, BOB, &greater);
            vec![Anomaly::TwoViews { epoch: 2, one: world.at_end(ALICE), other: world.at_end(BOB) }]
        },
    },
    Case {
        name: "a store acts on another view of an epoch than devices heard of",
        spoil: |Good { world, .. }| {
            let [one, other] = [0, 1].map(|server| signed(first().seal(server_id(server)).unwrap()));
            let is_first = one.view().id() < other.view().id();
            learn(world, &one);
            world.store(0).view = Some(other.bytes());
            let learned = world.at_end(ALICE);
            let (one, other) = (learned, world.in_store(0, 5));
            let (one, other) = if is_first { (one, other) } else { (other, one) };
            vec![Anomaly::TwoViews { epoch: 2, one, other }]
        },
    },
    Case {
        name: "a person is told of a copy that a sealed server has",
        spoil: |Good { world, .. }| {
            let event = world.say(ALICE, "counted");
            [1, 2].into_iter().for_each(|server| world.upload(ALICE, server, event));
            learn(world, &signed(first().seal(server_id(2)).unwrap()));
            world.index();
            world.level(ALICE, event, 2);
            vec![Anomaly::Boast { event, told: 2, receipts: 1, at: world.at_end(ALICE) }]
        },
    },
    Case {
        name: "a receipt of a server that has left",
        spoil: |Good { world, .. }| {
            learn(world, &retired(6, &[0, 1]));
            let event = world.say(ALICE, "late");
            SERVERS.into_iter().for_each(|server| world.upload(ALICE, server, event));
            world.index();
            vec![Anomaly::StaleIncarnation { at: world.at_end(ALICE), server: "3".to_owned() }]
        },
    },
    Case {
        name: "a device learned of a view that nobody signed",
        spoil: |Good { world, .. }| {
            let mut bytes = retired(5, &[0, 1]).bytes();
            *bytes.last_mut().unwrap() ^= 1;
            let at_ms = world.now_ms;
            world.log(BOB).push(Entry::View { view: ByteBuf::from(bytes), at_ms });
            let why = "the view is not signed by the cluster's administrator".to_owned();
            vec![Anomaly::Corrupt { at: world.at_end(BOB), why }]
        },
    },
    Case {
        name: "a store brings a view of an administrator of its own",
        spoil: |Good { world, .. }| {
            learn(world, &signed(first().seal(server_id(2)).unwrap()));
            let usurper = SigningKey::from_bytes(&[0xbb; 32]);
            let key = AdminKey::new(usurper.verifying_key().to_bytes());
            let theirs = first().seal(server_id(0)).unwrap().with_admin(key).unwrap().sign(&usurper).unwrap();
            world.store(1).view = Some(theirs.bytes());
            let why = "the view is not signed by the cluster's administrator".to_owned();
            vec![Anomaly::Corrupt { at: world.in_store(1, 5), why }]
        },
    },
];

fn admin() -> SigningKey {
    SigningKey::from_bytes(&[0xad; 32])
}

fn first() -> View {
    let member = |server: usize| Member {
        name: (server + 1).to_string(),
        address: format!("host:{server}"),
        id: server_id(server),
        sealed: false,
    };
    let view = View::new(ClusterId::new([7; 16]), 1, SERVERS.map(member).to_vec()).unwrap();
    view.with_admin(AdminKey::new(admin().verifying_key().to_bytes())).unwrap()
}

fn signed(view: View) -> SignedView {
    view.sign(&admin()).unwrap()
}

/// Server 3 has left, sealed at this position; these are said to hold all of its log.
pub fn retired(position: Position, drained: &[usize]) -> SignedView {
    let sealed = first().seal(server_id(2)).unwrap();
    let drained: Vec<(ServerId, Incarnation)> =
        drained.iter().map(|server| (server_id(*server), incarnation(*server))).collect();
    signed(sealed.retire(server_id(2), Some((incarnation(2), position)), drained).unwrap())
}

/// Server 3 was removed as lost.
pub fn given_up() -> SignedView {
    signed(first().retire(server_id(2), None, Vec::new()).unwrap())
}

fn learn_as(world: &mut World, person: usize, view: &SignedView) {
    let at_ms = world.now_ms;
    world.log(person).push(Entry::View { view: ByteBuf::from(view.bytes()), at_ms });
}

pub fn learn(world: &mut World, view: &SignedView) {
    [ALICE, BOB].into_iter().for_each(|person| learn_as(world, person, view));
}

fn after_seal(event: EventId, at: tercet::anomaly::Place) -> Anomaly {
    Anomaly::AfterSeal { event, server: "3".to_owned(), position: 5, sealed: 4, at }
}

fn is_receipt(entry: &Entry, from: usize, event: EventId) -> bool {
    matches!(entry, Entry::Receipt { server, id, .. } if *server == server_id(from) && *id == event)
}

fn is_cursor(entry: &Entry, of: usize) -> bool {
    matches!(entry, Entry::Cursor { server, .. } if *server == server_id(of))
}

fn is_level(entry: &Entry, of: EventId, told: u32) -> bool {
    matches!(entry, Entry::Level { id, copies, .. } if *id == of && *copies == told)
}

#[test]
fn each_is_refused() {
    assert_refused(CASES);
}

#[test]
fn servers_that_come_and_go_as_views_say_leave_nothing_open() {
    let mut drained = good().world;
    learn(&mut drained, &retired(5, &[0, 1]));
    assert_valid("its store is kept", &drained);
    drained.history.servers.pop();
    assert_valid("its store is gone", &drained);

    let mut lost = good().world;
    learn(&mut lost, &given_up());
    lost.history.servers.pop();
    assert_valid("a server that was removed as lost", &lost);

    let mut sealed = good().world;
    learn(&mut sealed, &signed(first().seal(server_id(2)).unwrap()));
    let event = sealed.say(ALICE, "to those that stay");
    for (server, copies) in [(0, 1), (1, 2)] {
        sealed.upload(ALICE, server, event);
        sealed.level(ALICE, event, copies);
    }
    [0, 1].into_iter().for_each(|server| sealed.cursor(ALICE, server));
    sealed.receive(BOB, event);
    sealed.show(ALICE, &[event]);
    sealed.show(BOB, &[event]);
    sealed.index();
    assert_valid("a sealed server need not have what came later", &sealed);
}

#[test]
fn a_stand_in_that_left_in_turn_accounts_for_what_it_held() {
    let mut world = good().world;
    let two = retired(5, &[1]);
    let sealed = two.view().seal(server_id(1)).unwrap();
    let one =
        sealed.retire(server_id(1), Some((incarnation(1), 5)), vec![(server_id(0), incarnation(0))]).unwrap();
    learn(&mut world, &two);
    learn(&mut world, &signed(one));
    world.history.servers.truncate(1);
    assert_valid("server 3 left to 2, and 2 to 1", &world);
}

#[test]
fn a_server_that_left_to_one_that_was_not_read_stays_unsure() {
    let mut world = good().world;
    learn(&mut world, &retired(5, &[1]));
    world.history.servers.truncate(1);
    let sentence = "the log of server 3 was not read: 5 receipts cannot be checked";
    assert_unknown("nobody tells of server 2", &world.history, sentence);
}
