//! The scoreboard: every mutant must be caught, by the failure that is its own, within a few seeds.
//!
//! `cargo test --test sim board -- --nocapture` prints it. The seed that is noted for a mutant is only where the
//! search begins: what counts is what is found there or soon after.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::judge::Failure;
use crate::mutants::Mutant;
use crate::run;

/// Seeds, from the one that is noted, within which a mutant must be caught.
const SEEDS_TO_CATCH: u64 = 40;
/// A board with fewer mutants proves less than was promised.
const MUTANTS_MIN: usize = 40;

/// One line of the board.
struct Line {
    mutant: Mutant,
    caught: Option<(u64, Failure)>,
}

/// The first seed that shows the mutant by what it must show as.
fn hunt(mutant: Mutant, seeds: u64) -> Line {
    let shows = |failure: &Failure| failure.class == mutant.shows_as();
    let first = mutant.first_seed();
    let caught = (first..first + seeds).find_map(|seed| {
        let run = run(seed, false, |swarm| mutant.put_into(swarm));
        Some((seed, run.failures.into_iter().find(shows)?))
    });
    Line { mutant, caught }
}

/// All of them, on all cores, in the order in which they are listed.
fn hunt_all(mutants: &[Mutant], seeds: u64) -> Vec<Line> {
    let next = AtomicUsize::new(0);
    let lines = Mutex::new(Vec::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(mutant) = mutants.get(index) else { break };
            let line = hunt(*mutant, seeds);
            lines.lock().unwrap().push((index, line));
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let mut lines = lines.into_inner().unwrap();
    lines.sort_unstable_by_key(|(index, _)| *index);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// What is wrong with a board; nothing, if all were caught.
fn uncaught(lines: &[Line]) -> Vec<String> {
    let uncaught = lines.iter().filter(|line| line.caught.is_none());
    let tell = |line: &Line| {
        let (mutant, class, from) = (line.mutant, line.mutant.shows_as(), line.mutant.first_seed());
        format!("{mutant:?} went unnoticed: no {class} in {SEEDS_TO_CATCH} seeds from {from}")
    };
    uncaught.map(tell).collect()
}

fn print(lines: &[Line]) {
    println!("{:<26} {:>5}  {:<21} what it does", "mutant", "seed", "caught by");
    for Line { mutant, caught } in lines {
        let (seed, class) = match caught {
            Some((seed, failure)) => (seed.to_string(), failure.class.as_str()),
            None => ("-".to_owned(), "NOTHING"),
        };
        println!("{:<26} {seed:>5}  {class:<21} {}", format!("{mutant:?}"), mutant.does());
    }
    let caught = lines.iter().filter(|line| line.caught.is_some()).count();
    println!("{caught} of {} mutants caught", lines.len());
}

#[test]
fn every_mutant_is_caught_by_the_failure_that_is_its_own() {
    let lines = hunt_all(Mutant::ALL, SEEDS_TO_CATCH);
    print(&lines);
    assert_eq!(uncaught(&lines), Vec::<String>::new());
    assert!(lines.len() >= MUTANTS_MIN, "{} mutants are too few", lines.len());
}

#[test]
fn a_canary_that_nothing_is_wrong_with_is_not_caught_and_the_board_refuses_it() {
    let lines = hunt_all(&[Mutant::Canary], 3);
    print(&lines);
    assert_eq!(uncaught(&lines).len(), 1);
    let run = |seed| run(seed, false, |swarm| Mutant::Canary.put_into(swarm));
    let failures: Vec<_> = (0..10).flat_map(|seed| run(seed).failures).collect();
    assert!(failures.is_empty(), "being called a mutant is enough to fail: {failures:?}");
}

#[test]
fn a_server_that_hands_on_no_bodies_makes_nobody_else_forget_anything() {
    for seed in 0..10 {
        let run = run(seed, false, |swarm| Mutant::Miser.put_into(swarm));
        let failures: Vec<_> = run.failures.iter().map(ToString::to_string).collect();
        assert_eq!(failures, [""; 0], "seed {seed}");
    }
}

#[test]
fn a_fork_without_a_mutant_is_found_as_a_fork_and_as_nothing_else() {
    let run = |seed| run(seed, false, |swarm| Mutant::Thief.put_into(swarm));
    let failures: Vec<_> = (0..10).flat_map(|seed| run(seed).failures).collect();
    assert!(!failures.is_empty(), "nobody stole anything");
    let others: Vec<_> = failures.iter().filter(|failure| failure.class != "fork").collect();
    assert!(others.is_empty(), "{others:?}");
}
