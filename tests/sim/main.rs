//! The seeded simulator: virtual clusters that drive the very [`tercet::server::Server`] and
//! [`tercet::client::Client`] that ship, with every fault that [`nemesis::Fault`] names, and judge the logs
//! they leave by [`tercet::verify`].
//!
//! - `cargo test --test sim` runs a few hundred seeds.
//! - `TERCET_SEED=7 cargo test --test sim -- replay --nocapture` runs seed 7 and tells its story.
//! - `cargo test --test sim board -- --nocapture` prints which mutant is caught by what ([`board`]).
//! - `TERCET_SEEDS=100000 cargo test --release --test sim -- sweep --nocapture` runs many, on all cores;
//!   `TERCET_FROM=5000` starts elsewhere; with `TERCET_CHANGES=4` servers come and go in every run.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "this is a test")]

mod admin;
mod board;
mod client_host;
mod disk;
mod judge;
mod liars;
mod links;
mod mutants;
mod nemesis;
mod network;
mod regressions;
mod server_host;
mod sharing;
mod sides;
mod swarm;
mod talk;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use judge::Failure;
use mutants::Mutant;
use nemesis::Fault;
use swarm::Swarm;
use tercet::limits::{FEED_WINDOW, UPLOAD_WINDOW};
use world::{What, World};

/// Seeds that `cargo test` runs.
const SEEDS: u64 = 500;
/// A sweep gives up after so many failures.
const FAILURES_MAX: usize = 10;

/// What a sweep must have seen, or it has tested less than it seems.
const MUST_HAPPEN: [&str; 36] = [
    "a batch that nobody was told of",
    "a body from a peer",
    "a client learns of a lost log",
    "a client learns of a view",
    "a clock jumps minutes ahead",
    "a clock jumps minutes back",
    "a dead server is removed",
    "a device crashes",
    "a device's sync fails",
    "a drained server is retired",
    "a feed gone on with",
    "a fetch",
    "a fetch from a peer",
    "a file is shared",
    "a file is taken back",
    "a full disk stops a server",
    "a late line",
    "a log that is not drained yet",
    "a merge",
    "a one-way partition",
    "a partition",
    "a peer's log gone on with",
    "a server crashes",
    "a server is added",
    "a server is sealed",
    "a server lacks parents",
    "a server's sync fails",
    "a store is refused for a flipped bit",
    "a torn batch",
    "an account is closed",
    "an account takes another name",
    "an administrator is interrupted",
    "an event from a clock ahead",
    "an event told twice",
    "an upload of what is there",
    "one who has no business there any more is sent away",
];

/// What one seed's run came to.
struct Run {
    failures: Vec<Failure>,
    seen: BTreeMap<&'static str, u64>,
    virtual_ms: u64,
    story: String,
}

fn run(seed: u64, trace: bool, adjust: impl FnOnce(&mut Swarm)) -> Run {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut swarm = Swarm::draw(&mut rng);
    if let Some(changes) = number("TERCET_CHANGES") {
        (swarm.changes, swarm.peers) = (usize::try_from(changes).unwrap(), true);
    }
    adjust(&mut swarm);
    if trace {
        println!("{swarm:#?}");
    }
    let mut world = World::new(seed, rng, swarm, trace);
    let failures = world.run();
    let story = world.story.finalize().to_string();
    Run { failures, seen: world.seen, virtual_ms: world.now_ms, story }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn listed(failures: &[Failure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn command(seed: u64) -> String {
    format!("TERCET_SEED={seed} cargo test --test sim -- replay --nocapture")
}

#[test]
fn sweep() {
    let from = number("TERCET_FROM").unwrap_or(0);
    let upto = from + number("TERCET_SEEDS").unwrap_or(SEEDS);
    let bar = progress(upto - from);
    let (next, virtual_ms, started) = (AtomicU64::new(from), AtomicU64::new(0), Instant::now());
    let failed = Mutex::new(Vec::new());
    let seen = Mutex::new(BTreeMap::<_, u64>::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= upto || failed.lock().unwrap().len() >= FAILURES_MAX {
                break;
            }
            let run = run(seed, false, |_| {});
            for (what, times) in run.seen {
                *seen.lock().unwrap().entry(what).or_default() += times;
            }
            virtual_ms.fetch_add(run.virtual_ms, Ordering::Relaxed);
            bar.inc(1);
            if let Some(failure) = run.failures.first() {
                bar.suspend(|| println!("seed {seed}: {failure}\n  {}", command(seed)));
                failed.lock().unwrap().push(seed);
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let (seconds, seeds) = (started.elapsed().as_secs_f64(), bar.position());
    bar.finish_and_clear();
    let virtual_hours = virtual_ms.load(Ordering::Relaxed) as f64 / 3_600_000.0;
    println!(
        "{seeds} seeds from {from}, {} failed, in {seconds:.1} s: {:.1} seeds/s, {:.0} simulated hours per hour",
        failed.lock().unwrap().len(),
        seeds as f64 / seconds,
        virtual_hours * 3_600.0 / seconds
    );
    let (seen, failed) = (seen.into_inner().unwrap(), failed.into_inner().unwrap());
    println!("{seen:#?}");
    assert!(failed.is_empty(), "seeds {failed:?} failed; run\n{}", command(failed[0]));
    let unseen: Vec<_> = MUST_HAPPEN.iter().filter(|what| !seen.contains_key(**what)).collect();
    assert!(unseen.is_empty() || upto - from < SEEDS, "the sweep never saw {unseen:?}");
}

/// How far a sweep is, for whoever asked for one at a terminal.
fn progress(seeds: u64) -> ProgressBar {
    if number("TERCET_SEEDS").is_none() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} seeds, {per_sec}, {eta} left").unwrap();
    let bar = ProgressBar::new(seeds).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// What a sweep of liars must have seen.
const LIES: [&str; 8] = [
    "a liar alters a body",
    "a liar alters an event",
    "a liar hands out one of two twins",
    "a liar invents an event",
    "a liar is dropped",
    "a liar is dropped by a peer",
    "a liar swaps two events",
    "a liar withholds events",
];

/// Two servers of six lie to everybody, each time otherwise, and a quorum of four shows none of it.
#[test]
fn nothing_is_displayed_of_which_only_liars_told() {
    let from = number("TERCET_FROM").unwrap_or(0);
    let mut seen = BTreeMap::<_, u64>::new();
    for seed in from..from + number("TERCET_LIARS").unwrap_or(60) {
        let run = run(seed, false, Swarm::lie);
        assert!(run.failures.is_empty(), "seed {seed} with liars:\n{}", listed(&run.failures));
        run.seen.into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
    }
    let unseen: Vec<_> = LIES.iter().filter(|what| !seen.contains_key(**what)).collect();
    assert!(unseen.is_empty(), "no liar ever did {unseen:?}: {seen:#?}");
}

/// The same lies with a quorum of one: what everybody is protected from all the same, and what not.
#[test]
fn without_a_quorum_what_only_liars_told_of_is_displayed_and_nothing_that_they_altered() {
    let runs = (0..20).map(|seed| {
        run(seed, false, |swarm| {
            swarm.lie();
            swarm.shows_all = true;
        })
    });
    let failures: Vec<_> = runs.flat_map(|run| run.failures).collect();
    assert!(!failures.is_empty(), "a quorum of one is as good as four");
    let others: Vec<_> = failures.iter().filter(|failure| failure.class != judge::UNVOUCHED).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn replay() {
    let Some(seed) = number("TERCET_SEED") else { return };
    let failures = match number("TERCET_LIARS") {
        Some(_) => run(seed, true, Swarm::lie).failures,
        None => run(seed, true, |_| {}).failures,
    };
    assert!(failures.is_empty(), "seed {seed}:\n{}", listed(&failures));
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in 0..5 {
        assert_eq!(run(seed, false, |_| {}).story, run(seed, false, |_| {}).story, "seed {seed}");
    }
}

/// An administrator who has lost its file seals one server, and then another under the same epoch.
#[test]
fn two_views_of_one_epoch_leave_everybody_with_the_same() {
    let mut renewed = BTreeMap::from([(false, 0), (true, 0)]);
    for (seed, order) in (1..=8).zip([[0, 1], [1, 0]].into_iter().cycle()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let swarm = Swarm {
            servers: 4,
            accounts: 3,
            faults: vec![Fault::Cut, Fault::CrashServer],
            fault_ms: 10_000,
            peers: true,
            changes: 0,
            all_apart: false,
            burst: 3,
            ..Swarm::draw(&mut rng).without_files_and_names()
        };
        let mut world = World::new(seed, rng, swarm, false);
        let views = [1, 2]
            .map(|server| world.first.seal(world.server_id(server)).unwrap().sign(&admin::key()).unwrap());
        let greater = usize::from(views[1].view().id() > views[0].view().id());
        world.admin.file = views[greater].view().clone();
        for (delay_ms, view) in [3_000, 6_000].into_iter().zip(order) {
            for server in 1..3 {
                world.after(delay_ms, What::Handed { server, view });
            }
        }
        world.handed = views.to_vec();
        let failures = world.run();
        // Whoever heard of the greater one first never takes the other.
        assert_eq!(failures.is_empty(), order[0] == greater, "verify tells of both, if both were in force");
        let others: Vec<_> = failures.iter().filter(|failure| failure.class != "two-views").collect();
        assert!(others.is_empty(), "{others:?}");
        let is_lesser_first = order[0] != greater;
        *renewed.entry(is_lesser_first).or_default() +=
            u32::from(world.seen.contains_key("a sealed log goes on as another"));
    }
    // Whoever was sealed by the lesser, and was not down just then, never appends to that log again, but to another.
    assert!(renewed[&true] > 0 && renewed[&false] == 0, "{renewed:?}");
}

/// At one moment an author's log and every server's disk are lost, and the servers do not read each other. Answers how
/// many of the author's events, of those that a reader has, some server lacks at the end, and how many none does.
fn returned_by_a_reader(seed: u64, mutant: Option<Mutant>) -> (usize, usize, Vec<Failure>) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let swarm = Swarm {
        servers: 3,
        accounts: 2,
        devices_each: 1,
        faults: Vec::new(),
        says: 0,
        fault_ms: 20_000,
        all_apart: false,
        text_max_bytes: 12,
        peers: false,
        changes: 0,
        quorum: 1,
        mutant,
        ..Swarm::draw(&mut rng).without_files_and_names()
    };
    let mut world = World::new(seed, rng, swarm, false);
    (1..9).for_each(|second| world.after(500 * second, What::Say { client: 0, texts: 4 }));
    let author = world.clients[0].device;
    world.after(10_000, What::Strike { fault: Fault::LoseDevice, client: 0, server: 0 });
    for server in 0..3 {
        world.after(10_000, What::Strike { fault: Fault::LoseDisk, client: 0, server });
    }
    let failures = world.run();
    let reader = world.clients[1].machine.as_ref().unwrap();
    let keys = reader.conversations().flat_map(|(_, transcript)| transcript.keys());
    let authors = keys.filter(|key| key.device == author);
    let (there, lacking): (Vec<_>, Vec<_>) =
        authors.partition(|key| world.servers.iter().all(|host| host.disk.holds(&key.id)));
    (lacking.len(), there.len(), failures)
}

#[test]
fn what_only_a_reader_has_left_comes_back_to_every_server() {
    let mut back = 0;
    for seed in 0..20 {
        let (lacking, there, failures) = returned_by_a_reader(seed, None);
        assert!(failures.is_empty(), "seed {seed}: {}", listed(&failures));
        assert_eq!(lacking, 0, "seed {seed}: {there} of the author's events are back, and not these");
        back += there;
    }
    assert!(back > 200, "readers had only {back} events");
}

#[test]
fn a_reader_who_uploads_its_own_only_brings_nothing_back() {
    let (lacking, there, _) = returned_by_a_reader(0, Some(Mutant::UploadsItsOwnOnly));
    assert!(lacking > 0 && there == 0, "{lacking} are lacking, {there} are not");
}

#[test]
fn a_burst_beyond_every_window_reaches_a_reader_who_was_away() {
    let mut rng = fastrand::Rng::with_seed(1);
    let swarm = Swarm {
        servers: 1,
        accounts: 2,
        devices_each: 1,
        faults: Vec::new(),
        says: 0,
        fault_ms: 10_000,
        all_apart: true,
        delay_max_ms: 5,
        sync_max_ms: 20,
        turn_max_ms: 5,
        text_max_bytes: 600,
        changes: 0,
        ..Swarm::draw(&mut rng).without_files_and_names()
    };
    let mut world = World::new(1, rng, swarm, false);
    world.after(2_000, What::Say { client: 0, texts: FEED_WINDOW + UPLOAD_WINDOW });
    world.clients[1].suspended = true;
    let failures = world.run();
    assert!(failures.is_empty(), "{}", listed(&failures));
}
