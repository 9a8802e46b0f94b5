//! The model checker.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "this is a test")]

mod client_host;
mod cluster;
mod disk;
mod judge;
mod node;
mod scope;
mod search;
mod server_host;

use std::time::Instant;

use scope::Scope;
use search::Search;
use stateright::{Checker, Model};

#[test]
fn explore() {
    let n = |name: &str, default: u8| -> u8 { std::env::var(name).ok().map_or(default, |v| v.parse().unwrap()) };
    let scope = Scope {
        clients: n("C", 2).into(),
        servers: n("S", 2).into(),
        says: [n("A", 1), n("B", 1)],
        ticks: n("T", 1),
        peers: n("P", 0) > 0,
        tells_later: n("L", 0) > 0,
        server_crashes: n("SC", 0),
        client_crashes: n("CC", 0),
        cuts: n("CUT", 0),
        disk_losses: n("DL", 0),
        hit: std::env::var("HIT").ok().map(|v| v.parse().unwrap()),
        plant: None,
    };
    let begun = Instant::now();
    let checker = Search::new(scope).checker().threads(2).target_state_count(usize::from(n("M", 3)) * 1_000_000).spawn_bfs();
    let checker = checker.join();
    let model = checker.model();
    println!(
        "{scope:?}: {} unique, {} generated, depth {}, {} client steps, {} server steps, {} verdicts, done {}, {:?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        model.dynamics.client_steps.len(),
        model.dynamics.server_steps.len(),
        model.verdicts.lock().unwrap().len(),
        checker.is_done(),
        begun.elapsed()
    );
    for (name, path) in checker.discoveries() {
        if judge::is_sight(name) {
            println!("  seen: {name} after {} steps", path.clone().into_actions().len());
        } else {
            println!("  BROKEN: {name}: {:?}", judge::complaint(model, path.last_state()));
            for action in path.into_actions() { println!("     {action:?}"); }
        }
    }
}
