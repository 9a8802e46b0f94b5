//! A network in two halves, with servers and people in both, that is one again.

use std::collections::BTreeSet;

use tercet::history::Entry;
use tercet::id::DeviceId;

use crate::listed;
use crate::network::{Caller, Way};
use crate::swarm::Swarm;
use crate::world::{EPOCH_MS, What, World};

/// Servers and clients with lower numbers are on the left.
const LEFT_SERVERS: usize = 2;
const LEFT_CLIENTS: usize = 2;
const CUT_MS: u64 = 10_000;

/// A cluster of three servers and four people, whole or in halves until everything heals. Who says what, and when, and how
/// slow things are, is as the seed has it.
fn world(seed: u64, in_halves: bool) -> World {
    let mut rng = fastrand::Rng::with_seed(seed);
    let swarm = Swarm {
        servers: 3,
        accounts: 4,
        devices_each: 1,
        faults: Vec::new(),
        fault_ms: CUT_MS,
        says: 40,
        all_apart: false,
        window_ms: 400,
        peers: true,
        changes: 0,
        quorum: 1,
        ..Swarm::draw(&mut rng).without_files_and_names()
    };
    let mut world = World::new(seed, rng, swarm, false);
    let clients = (0..4).map(|client| (Caller::Client(client), client < LEFT_CLIENTS));
    let servers = (0..3).map(|server| (Caller::Peer(server), server < LEFT_SERVERS));
    for (caller, is_left) in clients.chain(servers) {
        for server in (0..3).filter(|server| in_halves && (*server < LEFT_SERVERS) != is_left) {
            Way::BOTH.into_iter().for_each(|way| world.net.block(caller, server, way));
        }
    }
    for client in 0..4 {
        world.after(CUT_MS / 2, What::Say { client, texts: 3 });
    }
    world
}

/// Lines of the other half that a device has shown, with whether they were marked late, and when they were shown.
fn shown_of_the_others(world: &World, client: usize) -> Vec<(bool, u64)> {
    let is_left = |client: usize| client < LEFT_CLIENTS;
    let others: BTreeSet<DeviceId> = (0..4)
        .filter(|other| is_left(*other) != is_left(client))
        .map(|other| world.clients[other].device)
        .collect();
    let machine = world.clients[client].machine.as_ref().unwrap();
    let shown = world.clients[client].tape.entries().iter().filter_map(|entry| match entry {
        Entry::Displayed { id, late, at_ms } => Some((id, *late, *at_ms)),
        _ => None,
    });
    shown
        .filter(|(id, ..)| machine.event(id).is_some_and(|event| others.contains(&event.device())))
        .map(|(_, late, at_ms)| (late, at_ms))
        .collect()
}

/// That replicas and people hold the same in the end, and that `verify` finds nothing, is what every run is judged
/// by; here it is the rest: that they were apart until then, and that who was told too late is told so.
#[test]
fn two_halves_without_a_common_server_are_one_again() {
    let mut late = [0, 0];
    for seed in 0..20 {
        let mut world = world(seed, true);
        let failures = world.run();
        assert!(failures.is_empty(), "seed {seed}:\n{}", listed(&failures));
        assert!(!world.held_at_heal.is_empty(), "seed {seed}: nobody had said anything");
        for client in 0..4 {
            let of_others = shown_of_the_others(&world, client);
            let healed_ms = EPOCH_MS + CUT_MS;
            assert!(of_others.iter().all(|(_, at_ms)| *at_ms >= healed_ms), "seed {seed}, client {client}");
            late[client / LEFT_CLIENTS] += of_others.iter().filter(|(late, _)| *late).count();
        }
    }
    assert!(
        late.iter().all(|lines| *lines > 0),
        "nobody on one of the sides was shown a late line: {late:?}"
    );
}
