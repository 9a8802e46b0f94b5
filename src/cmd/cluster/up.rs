//! `tercet cluster up`: a running cluster, whatever was there before.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::heal::Healer;
use super::{status, watch};
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::files;
use crate::cmd::home::{Cluster, Home};
use crate::cmd::interrupts::Interrupts;
use crate::cmd::nodes::{State, none_here};
use crate::cmd::screen::{note, say};
use crate::cmd::starting::{READY_POLL, Started, Starting};
use crate::limits::SERVERS_MAX;

const NODES_DEFAULT: usize = 3;
const SPINNER_MS: u64 = 80;

/// What `cluster up` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many servers a new cluster gets, 1 to 32 [default: 3].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=SERVERS_MAX as i64))]
    pub nodes: Option<u8>,
    /// Return once the servers are ready, and leave them running.
    #[arg(long)]
    pub detach: bool,
    /// Start servers again that die or lose their store, five times a minute at most; only while this command
    /// stays in the foreground.
    #[arg(long, conflicts_with = "detach")]
    pub heal: bool,
}

/// Starts what is not running. Without `--detach`, stays until ctrl-C and then stops the cluster.
///
/// # Errors
/// When a server cannot be started, or the cluster there is another than the one asked for.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    files::make_folder(home.dir())?;
    let lock = home.lock()?;
    let cluster = load_or_create(args, home)?;
    let states = cluster.states()?;
    let idle = |state: &State| matches!(state, State::Stopped | State::Dead(_));
    let to_start: Vec<&str> =
        states.iter().filter(|(_, state)| idle(state)).map(|(name, _)| name.as_str()).collect();
    if states.iter().all(|(_, state)| *state == State::Elsewhere) {
        return Err(none_here(&cluster).next("start them on their own machines with tercet serve"));
    }
    // Who heals takes over what somebody else has started.
    if to_start.is_empty() && !args.heal {
        say(&format!("the cluster in {} is running already", home.dir().display()))?;
        status::show_processes(&cluster)?;
        note("next: tercet chat NAME");
        return Ok(Outcome::Done);
    }

    let mut interrupts = Interrupts::listen()?;
    let started = start(&cluster, &to_start, &mut interrupts)
        .map_err(|failure| give_up(args, &cluster, &to_start, failure))?;
    drop(lock);
    for server in &started {
        if let Some(stale) = server.stale {
            note(&format!("server {}: the pid file was stale ({stale}); it has been replaced", server.name));
        }
    }
    status::show_processes(&cluster)?;
    if args.detach {
        note("the servers run in the background; stop them with: tercet cluster down");
        note("next: tercet chat NAME");
        return Ok(Outcome::Done);
    }
    watch::run(&cluster, started, args.heal.then(Healer::default), &mut interrupts)
}

fn load_or_create(args: &Args, home: &Home) -> Result<Cluster, Failure> {
    if !home.holds_a_cluster() {
        return Cluster::create(home, args.nodes.map_or(NODES_DEFAULT, usize::from));
    }
    let cluster = Cluster::load(home)?;
    let (there, dir) = (cluster.names().len(), home.dir().display());
    match args.nodes.map(usize::from) {
        Some(asked) if asked != there => {
            Err(Failure::new(format!("the cluster in {dir} has {there} servers, not {asked}"))
                .next("leave out --nodes, or make another cluster with --dir"))
        }
        _ => Ok(cluster),
    }
}

/// Starts servers at once, with a spinner for each on a terminal. When one fails, those that are ready
/// stay; those that are not are abandoned.
fn start(cluster: &Cluster, names: &[&str], interrupts: &mut Interrupts) -> Result<Vec<Started>, Failure> {
    let bars = MultiProgress::new();
    let mut waiting: Vec<(Starting, ProgressBar)> = Vec::new();
    let mut started = BTreeMap::new();
    let mut failure = None;
    for name in names {
        match cluster.spawn(name) {
            Ok(starting) => waiting.push((starting, spinner(&bars, name))),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    while !waiting.is_empty() {
        let mut still = Vec::new();
        for (mut starting, bar) in waiting {
            match starting.poll() {
                Ok(Some(process)) => {
                    bar.finish_and_clear();
                    started.insert(starting.name().to_owned(), starting.started(process));
                }
                Ok(None) => still.push((starting, bar)),
                Err(error) => {
                    bar.finish_and_clear();
                    failure = failure.or(Some(error));
                }
            }
        }
        waiting = still;
        if interrupts.come_within(READY_POLL) {
            for (mut starting, bar) in waiting {
                bar.finish_and_clear();
                starting.abandon();
            }
            cluster.stop(names)?;
            return Err(
                Failure::new("interrupted; what it had started is stopped again").next("tercet cluster up")
            );
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(names.iter().filter_map(|name| started.remove(*name)).collect()),
    }
}

fn spinner(bars: &MultiProgress, name: &str) -> ProgressBar {
    let bar = bars.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} server {msg}: starting, {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(SPINNER_MS));
    bar
}

/// In the foreground nothing may be left behind; in the background what runs may go on.
fn give_up(args: &Args, cluster: &Cluster, names: &[&str], failure: Failure) -> Failure {
    if args.detach {
        let running = cluster.states().unwrap_or_default();
        let running: Vec<String> = running
            .into_iter()
            .filter(|(_, state)| state.process().is_some())
            .map(|(name, _)| name)
            .collect();
        if !running.is_empty() {
            return failure.detail(&format!("running: server {}", running.join(", ")));
        }
    } else if let Err(error) = cluster.stop(names) {
        note(&format!("the others could not all be stopped: {error}"));
    }
    failure
}
