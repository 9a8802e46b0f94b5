//! `tercet cluster start`: servers that are not running, by name or all.

use crate::cmd::complete;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::{Cluster, Home};
use crate::cmd::nodes::{State, none_here};
use crate::cmd::screen::{self, note, say};

/// What `cluster start` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Servers by name [default: all on this machine that are not running].
    #[arg(value_name = "NODE", add = complete::nodes())]
    pub nodes: Vec<String>,
}

/// Starts them, one after the other.
///
/// # Errors
/// When one is unknown (then none is started), is named and running, or cannot be started; the others are started all
/// the same.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    let cluster = Cluster::load(home)?;
    for name in &args.nodes {
        cluster.member(name)?;
    }
    let _lock = home.lock()?;
    let names = if args.nodes.is_empty() { all_idle(&cluster)? } else { args.nodes.clone() };
    let mut failures = Vec::new();
    for name in &names {
        let started = match cluster.start(name) {
            Ok(started) => started,
            Err(failure) => {
                failures.push(failure);
                continue;
            }
        };
        if let Some(stale) = started.stale {
            note(&format!("server {name}: the pid file was stale ({stale}); it has been replaced"));
        }
        say(&format!("server {name} is ready (pid {})", started.process.pid()))?;
    }
    let Some(last) = failures.pop() else { return Ok(Outcome::Done) };
    failures.iter().for_each(screen::render);
    Err(last)
}

/// The servers of this machine that do not run; says which do.
fn all_idle(cluster: &Cluster) -> Result<Vec<String>, Failure> {
    let (mut idle, mut are_here) = (Vec::new(), false);
    for (name, state) in cluster.states()? {
        are_here |= state != State::Elsewhere;
        match state {
            State::Stopped | State::Dead(_) => idle.push(name),
            State::Up(process) => say(&format!("server {name} is running already (pid {})", process.pid()))?,
            State::Paused(process) => {
                let next = format!("it goes on after: tercet kill {name} --signal cont");
                say(&format!("server {name} is paused (pid {}); {next}", process.pid()))?;
            }
            State::Elsewhere => note(&format!("server {name} is not on this machine")),
        }
    }
    if !are_here {
        return Err(none_here(cluster).next("start each on its own machine, with tercet serve"));
    }
    Ok(idle)
}
