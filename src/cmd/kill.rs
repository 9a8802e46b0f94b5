//! `tercet kill`: servers get a signal, and the person is told who got which.

use super::complete;
use super::failure::{Failure, Outcome};
use super::home::{Cluster, Home};
use super::nodes::Signal;
use super::screen::{note, say};

/// What `kill` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Servers by name.
    #[arg(value_name = "NODE", conflicts_with = "all", add = complete::nodes())]
    pub nodes: Vec<String>,
    /// What to send.
    #[arg(long, value_enum, ignore_case = true, default_value_t = Signal::Kill)]
    pub signal: Signal,
    /// One running server, by chance; of those named, if any are.
    #[arg(long, conflicts_with = "all")]
    pub random: bool,
    /// Every running server.
    #[arg(long)]
    pub all: bool,
    /// Makes --random choose the same again.
    #[arg(long, requires = "random")]
    pub seed: Option<u64>,
}

/// Sends the signal.
///
/// # Errors
/// When a server is unknown or not running (then none gets anything), or none was selected.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    let cluster = Cluster::load(home)?;
    for name in select(args, &cluster)? {
        let process = cluster.kill(&name, args.signal)?;
        let (pid, signal) = (process.pid(), args.signal);
        say(&match signal {
            Signal::Kill => format!("killed server {name} (pid {pid}) with {signal}"),
            Signal::Stop => format!("paused server {name} (pid {pid}) with {signal}"),
            Signal::Cont => format!("continued server {name} (pid {pid}) with {signal}"),
            Signal::Term | Signal::Int => format!("asked server {name} (pid {pid}) to stop with {signal}"),
        })?;
    }
    Ok(Outcome::Done)
}

/// Whom the arguments mean: each once, all known, all running.
fn select(args: &Args, cluster: &Cluster) -> Result<Vec<String>, Failure> {
    let mut named: Vec<String> = Vec::new();
    for name in &args.nodes {
        cluster.member(name)?;
        if !named.contains(name) {
            named.push(name.clone());
        }
    }
    if !args.random && !args.all {
        if named.is_empty() {
            return Err(Failure::new("no server was selected").next(format!(
                "name one or more of {}; or give --random or --all",
                cluster.names().join(", ")
            )));
        }
        for name in &named {
            cluster.running(name)?;
        }
        return Ok(named);
    }
    let mut running = Vec::new();
    for (name, state) in cluster.states()? {
        if state.process().is_some() && (named.is_empty() || named.contains(&name)) {
            running.push(name);
        }
    }
    if running.is_empty() {
        let whom = if named.is_empty() { "this cluster's servers".to_owned() } else { named.join(", ") };
        return Err(Failure::new(format!("none of {whom} is running")).next("tercet cluster up --detach"));
    }
    if args.random {
        let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
        note(&format!("chosen by chance; --seed {seed} chooses the same again"));
        let chosen = fastrand::Rng::with_seed(seed).usize(..running.len());
        running = vec![running.swap_remove(chosen)];
    }
    Ok(running)
}
