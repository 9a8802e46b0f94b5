//! What cannot be told is unknown, and the report names what is missing.

use tercet::history::{Entry, History};
use tercet::verify::{Verdict, check};

use crate::support::{ALICE, BOB, Good, SERVERS, assert_unknown, good};

struct Gap {
    name: &'static str,
    lose: fn(&mut Good),
    sentence: &'static str,
}

const GAPS: &[Gap] = &[
    Gap {
        name: "no device logs",
        lose: |Good { world, .. }| world.history.clients.clear(),
        sentence: "no device log was found: nobody can say what was sent and seen",
    },
    Gap {
        name: "no server logs",
        lose: |Good { world, .. }| world.history.servers.clear(),
        sentence: "no server's log was found: nobody can say what was stored",
    },
    Gap {
        name: "a store that could not be read, as its reader says",
        lose: |Good { world, .. }| world.history.absent.push("store 4 could not be opened".to_owned()),
        sentence: "store 4 could not be opened",
    },
    Gap {
        name: "the receipts of a server whose store is missing",
        lose: |Good { world, .. }| {
            world.history.servers.pop();
        },
        sentence: "the log of server 3 was not read: 5 receipts cannot be checked",
    },
    Gap {
        name: "an unread tail",
        lose: |Good { world, .. }| {
            let id = world.say(ALICE, "are you there?");
            world.send(ALICE, id);
            SERVERS.into_iter().for_each(|server| world.cursor(ALICE, server));
            world.index();
        },
        sentence: "bob has not read 1 event yet (run `tercet chat bob`)",
    },
    Gap {
        name: "events owed to one server",
        lose: |Good { world, .. }| {
            let id = world.say(ALICE, "while server 3 is away");
            world.upload(ALICE, 0, id);
            world.upload(ALICE, 1, id);
            world.level(ALICE, id, 2);
            world.read(BOB);
            world.index();
        },
        sentence: "server 3 lacks 1 event that other logs hold; it has not acked them, and fetches them from \
         another server while both are up",
    },
    Gap {
        name: "a log without its beginning",
        lose: |Good { world, .. }| {
            world.log(BOB).remove(0);
        },
        sentence: "bob log does not say whose it is",
    },
    Gap {
        name: "a log whose beginning is not its first entry",
        lose: |Good { world, .. }| {
            let begun = world.log(BOB).remove(0);
            world.log(BOB).push(begun);
        },
        sentence: "bob log does not say whose it is",
    },
    Gap {
        name: "an empty log",
        lose: |Good { world, .. }| {
            let mut empty = world.history.clients[BOB].clone();
            empty.source = "carol log".to_owned();
            empty.entries.clear();
            world.history.clients.push(empty);
        },
        sentence: "carol log does not say whose it is",
    },
    Gap {
        name: "a canonical index that could not be read",
        lose: |Good { world, .. }| world.store(0).canonical = None,
        sentence: "the canonical index of store 1 could not be read",
    },
];

#[test]
fn what_is_missing_makes_the_verdict_unknown_and_is_named() {
    for Gap { name, lose, sentence } in GAPS {
        let mut history = good();
        lose(&mut history);
        assert_unknown(name, &history.world.history, sentence);
    }
}

#[test]
fn nothing_at_all_is_unknown_and_never_valid() {
    assert_unknown("nothing", &History::default(), GAPS[0].sentence);
    assert_unknown("nothing", &History::default(), GAPS[1].sentence);
}

#[test]
fn a_broken_promise_outranks_missing_evidence() {
    let mut good = good();
    good.world.history.servers.pop();
    good.world.log(ALICE).push(Entry::Level { id: good.hello, copies: 9, servers: 9 });
    assert_eq!(check(&good.world.history).verdict(), Verdict::Violation);
}
