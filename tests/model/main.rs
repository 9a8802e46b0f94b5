//! The model checker: [stateright](https://www.stateright.rs) takes the very [`tercet::server::Server`] and
//! [`tercet::client::Client`] that ship through **every** order of events that a small bound allows.
//!
//! The simulator (`tests/sim`) draws a few of the long runs; this draws all of the short ones. A state holds
//! the machines, their disks, and the connections with what is on its way. From each state follow: somebody
//! says something, a frame arrives, a disk syncs, a clock moves, a connection is dialled or cut, a server
//! crashes or comes back with an empty disk, a device crashes. [`judge`] says what must hold in each state
//! and what must happen in some; each test says how far its search goes, and the exact number of its
//! states. A number that changes means that the machines behave otherwise than they did: look why, then
//! write the new one down.
//!
//! - `cargo test --test model` runs the narrow searches.
//! - `TERCET_MODEL=wide cargo test --release --test model -- wide --nocapture` runs those of [`WIDE`]: minutes.
//!
//! # What is left out
//!
//! - Time is a clock for each node that moves in ticks of [`scope::TICK_MS`], which is past every short wait,
//!   and only when the node waits for something. Every connected server answers pings meanwhile, so the
//!   silence of a feed is the simulator's business. Bounds on ticks and faults are totals for one run.
//! - Handshakes are whole: a connection is dialled, and its `Welcome` read, in one step. Whatever could come
//!   between is the same as a connection that ends right after.
//! - Of what is on its way when a connection ends, the other side gets all or nothing. A part of it is the
//!   same as the part's arrival before the end, but for its coming after a new connection stands.
//! - A node that crashes stands again at once. To be down longer is not to be dialled.
//! - A liveness property that looks along paths (`eventually`) can miss cycles. Here there are none
//!   ([`no_path_goes_in_a_circle`]), so each path ends, and it can only end quiet; from each quiet state the
//!   cluster is left alone, with time, until it must have delivered everything everywhere. The logs that
//!   this leaves are then judged by [`tercet::verify`].
//!
//! # What is reduced, and why nothing is lost by it
//!
//! Nodes share nothing, and each stream has one writer and one reader, so steps of different nodes commute.
//! Of one node's steps, [`search::Search::advance`] takes these at once instead of trying each order, since
//! they commute with whatever else that node can do, and no fault can prevent them any more:
//!
//! - *Receipts at a client.* They are marks on events of its own, and nothing a client does looks at them
//!   but the levels that it tells, which count them.
//! - *A `Feed` of what the client holds already.* What is held stays held, so its cursor and marks come out
//!   the same whenever it is read.
//! - *The last upload to a server, and its sync,* once all has been said: no other write can stand before it.
//!
//! And these at any time, since their loss in a fault leaves what their arrival before it leaves:
//!
//! - *A cursor at a server.* It opens a follower's window, which a small search never fills, and dies with
//!   the connection. Nothing reads the cursors that a server stores of devices.
//! - *A `Follow` at a server.* Read later, its answer would be the same items in fewer frames.
//! - *The end of a connection at a server.* What would be sent there is lost either way.
//!
//! States are merged if they differ only in the order of log entries that say nothing of each other, or in
//! their times (`disk::Gist`): replaying them gives the same client.
//! [`the_reductions_lose_no_outcome`] compares what searches with and without all this end in.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "this is a test")]

mod client_host;
mod cluster;
mod disk;
mod judge;
mod node;
mod scope;
mod search;
mod server_host;

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

use judge::sight;
use scope::{Plant, Scope};
use search::Search;
use stateright::{Checker, HasDiscoveries, Model};

/// Above this, a search has lost its way.
const STATES_MOST: usize = 3_000_000;

/// What one search must come to.
struct Expected {
    scope: Scope,
    /// How many different states it has, exactly.
    states: usize,
    /// What happens in some of them: all of this and nothing else.
    seen: &'static [&'static str],
}

/// Searches that take too long for every day.
const WIDE: [Expected; 4] = [
    Expected {
        scope: Scope { client_crashes: 1, ..Scope::of(2) },
        states: 282_016,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::MISSING, sight::RESUMED],
    },
    Expected {
        scope: Scope { cuts: 1, hit: Some(2), ..Scope::of(3) },
        states: 199_118,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::MISSING],
    },
    Expected {
        scope: Scope { cuts: 1, ticks: 1, hit: Some(0), ..Scope::of(2) },
        states: 397_894,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::FETCH, sight::LATE, sight::MISSING],
    },
    Expected {
        scope: Scope { server_crashes: 1, ticks: 1, hit: Some(1), ..Scope::of(2) },
        states: 401_194,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::FETCH, sight::LATE, sight::MISSING, sight::TORN],
    },
];

#[test]
fn three_servers_without_faults_deliver_in_any_order() {
    check(&Expected {
        scope: Scope { ticks: 1, ..Scope::of(3) },
        states: 117_497,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::FETCH, sight::LATE, sight::MISSING],
    });
}

#[test]
fn a_log_may_answer_before_its_machine_is_told() {
    check(&Expected {
        scope: Scope { ticks: 1, tells_later: true, ..Scope::of(2) },
        states: 16_988,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::FETCH, sight::LATE, sight::MISSING],
    });
}

#[test]
fn any_server_may_crash_at_any_moment() {
    check(&Expected {
        scope: Scope { server_crashes: 1, ..Scope::of(2) },
        states: 182_678,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::MISSING, sight::TORN],
    });
}

#[test]
fn any_connection_may_be_cut_at_any_moment() {
    check(&Expected {
        scope: Scope { cuts: 1, ..Scope::of(2) },
        states: 48_086,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::MISSING],
    });
}

#[test]
fn the_feed_may_lose_its_disk_at_any_moment() {
    check(&Expected {
        scope: Scope { disk_losses: 1, hit: Some(0), ..Scope::of(2) },
        states: 365_596,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::LOST, sight::MISSING, sight::STALE],
    });
}

#[test]
fn another_server_may_lose_its_disk_at_any_moment() {
    check(&Expected {
        scope: Scope { disk_losses: 1, hit: Some(1), ..Scope::of(2) },
        states: 116_748,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::LOST, sight::MISSING, sight::STALE],
    });
}

#[test]
fn any_device_may_crash_at_any_moment() {
    check(&Expected {
        scope: Scope { client_crashes: 1, says: [1, 0], ticks: 1, ..Scope::of(2) },
        states: 17_184,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::FETCH, sight::RESUMED],
    });
}

#[test]
fn servers_that_read_each_other_deliver_in_any_order() {
    check(&Expected {
        scope: Scope { peers: true, ..Scope::of(2) },
        states: 12_390,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::MISSING],
    });
}

#[test]
fn a_server_brings_another_what_its_author_has_not_yet() {
    check(&Expected {
        scope: Scope { peers: true, says: [1, 0], ticks: 1, ..Scope::of(2) },
        states: 3_605,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::FETCH, sight::PEER_BODY],
    });
}

#[test]
fn servers_that_read_each_other_survive_a_lost_disk() {
    check(&Expected {
        scope: Scope { peers: true, says: [1, 0], disk_losses: 1, hit: Some(0), ..Scope::of(2) },
        states: 95_609,
        seen: &[sight::ALL_COPIES, sight::AT_RISK, sight::LOST],
    });
}

#[test]
fn wide() {
    if std::env::var("TERCET_MODEL").is_ok_and(|bound| bound == "wide") {
        WIDE.iter().for_each(check);
    }
}

/// Each planted bug breaks what it must break.
#[test]
fn planted_bugs_are_found() {
    let one = Scope::of(1);
    for (plant, scope, breaks) in [
        (Plant::AcksBeforeSync, Scope { server_crashes: 1, ..one }, judge::ACKED_IS_KEPT),
        (Plant::AcksBeforeSync, one, judge::DISK_BEFORE_WORD),
        (Plant::KeepsIncarnation, Scope { disk_losses: 1, ..one }, judge::ACKED_IS_KEPT),
        (Plant::NeverSyncs, Scope { client_crashes: 1, ..one }, judge::COMES_TO_REST),
        (Plant::SwallowsFeeds, one, judge::CURSOR_IS_HONEST),
        (Plant::SwallowsFeeds, one, judge::COMES_TO_REST),
    ] {
        let search = Search::new(Scope { plant: Some(plant), ..scope });
        let until = HasDiscoveries::AllOf(BTreeSet::from([breaks]));
        let checker = search.checker().finish_when(until).spawn_bfs().join();
        assert!(checker.discovery(breaks).is_some(), "{plant:?} does not break \"{breaks}\"");
    }
}

/// The same small searches with and without reductions leave the same logs, however many states they take.
#[test]
fn the_reductions_lose_no_outcome() {
    let one = Scope::of(1);
    for scope in [
        Scope { ticks: 1, ..one },
        Scope { ticks: 1, says: [1, 0], ..Scope::of(2) },
        Scope { server_crashes: 1, ..one },
        Scope { cuts: 1, ..one },
        Scope { disk_losses: 1, ..one },
        Scope { client_crashes: 1, ..one },
    ] {
        let [reduced, whole] = [false, true].map(|unreduced| {
            let checker = Search::new(Scope { unreduced, ..scope }).checker().threads(2).spawn_bfs().join();
            let outcomes: BTreeSet<u64> = checker.model().verdicts.lock().unwrap().keys().copied().collect();
            (checker.unique_state_count(), outcomes)
        });
        println!("{} of {} states, {} outcomes", reduced.0, whole.0, whole.1.len());
        assert!(reduced.0 < whole.0, "nothing is reduced in {scope:?}");
        assert_eq!(reduced.1, whole.1, "{scope:?}");
    }
}

/// And so each path ends. Walks the states without stateright, which must have found as many.
#[test]
fn no_path_goes_in_a_circle() {
    let one = Scope::of(1);
    for scope in [
        Scope { ticks: 1, ..Scope::of(2) },
        Scope { server_crashes: 1, ..one },
        Scope { cuts: 1, ..one },
        Scope { disk_losses: 1, ..one },
        Scope { client_crashes: 1, ..one },
        Scope { peers: true, says: [1, 0], ticks: 1, ..Scope::of(2) },
    ] {
        let search = Search::new(scope);
        let states = walk(search.init_states(), |cluster| search.next_states(cluster));
        let checker = Search::new(scope).checker().threads(2).spawn_bfs().join();
        assert_eq!(states, Some(checker.unique_state_count()), "{scope:?}");
    }
}

#[test]
fn a_circle_is_found() {
    assert_eq!(walk(vec![0], |state| vec![(state + 1) % 5]), None);
    assert_eq!(walk(vec![0], |state| (state + 1..5).collect()), Some(5));
}

/// How many states there are, unless a path comes back to where it was.
fn walk<S: Hash>(first: Vec<S>, next: impl Fn(&S) -> Vec<S>) -> Option<usize> {
    let mut on_path: HashMap<u64, bool> = HashMap::new();
    let mut path = vec![(None, first)];
    while let Some((state, open)) = path.last_mut() {
        let Some(child) = open.pop() else {
            state.and_then(|state| on_path.insert(state, false));
            path.pop();
            continue;
        };
        let print = node::print(&child);
        match on_path.get(&print) {
            Some(true) => return None,
            Some(false) => {}
            None => {
                on_path.insert(print, true);
                path.push((Some(print), next(&child)));
            }
        }
    }
    Some(on_path.len())
}

fn check(expected: &Expected) {
    let begun = Instant::now();
    let search = Search::new(expected.scope);
    let checker = search.checker().threads(2).target_state_count(4 * STATES_MOST).spawn_bfs().join();
    let mut seen = BTreeSet::new();
    for (name, path) in checker.discoveries() {
        if judge::is_sight(name) {
            seen.insert(name);
            continue;
        }
        let complaint = judge::complaint(checker.model(), path.last_state());
        let story: Vec<_> = path.into_actions().iter().map(|action| format!("  {action:?}")).collect();
        panic!("{name}: {complaint:?}\n{:?}\n{}", expected.scope, story.join("\n"));
    }
    println!(
        "{:?}: {} states, {} steps of one node, {} outcomes, {:?}",
        expected.scope,
        checker.unique_state_count(),
        checker.model().dynamics.client_steps.len() + checker.model().dynamics.server_steps.len(),
        checker.model().verdicts.lock().unwrap().len(),
        begun.elapsed(),
    );
    assert_eq!(seen, expected.seen.iter().copied().collect(), "what happens in {:?}", expected.scope);
    assert_eq!(checker.unique_state_count(), expected.states, "states of {:?}", expected.scope);
}
