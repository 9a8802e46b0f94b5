//! `tercet cluster restart`: one server after the other, so that the cluster is there all the time.

use std::time::{Duration, Instant};

use super::survey::{CatchUp, Progress, Server, survey};
use crate::cmd::complete;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::{Cluster, Home};
use crate::cmd::interrupts::Interrupts;
use crate::cmd::nodes::{State, none_here};
use crate::cmd::screen::{note, say};

/// How long a server may take for its next event, while it catches up.
const STANDSTILL_PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(200);

/// What `cluster restart` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Servers by name [default: all on this machine].
    #[arg(value_name = "NODE", add = complete::nodes())]
    pub nodes: Vec<String>,
}

/// Stops and starts them, one at a time; goes on to the next when one holds what the others hold.
///
/// # Errors
/// When one is unknown (then none is touched), cannot be restarted, does not catch up, or ctrl-C comes: the
/// rest is left as it is.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    let cluster = Cluster::load(home)?;
    let names = select(args, &cluster)?;
    let mut interrupts = Interrupts::listen()?;
    for (index, name) in names.iter().enumerate() {
        // Signals are heard only between the steps, so that nobody is left stopped.
        if interrupts.come_within(Duration::ZERO) {
            return Err(left(Failure::new("interrupted").next("tercet cluster status"), &names[index..]));
        }
        restart(&cluster, name, &mut interrupts).map_err(|failure| left(failure, &names[index + 1..]))?;
    }
    Ok(Outcome::Done)
}

fn left(failure: Failure, untouched: &[String]) -> Failure {
    if untouched.is_empty() {
        return failure;
    }
    failure.detail(&format!("not restarted: server {}", untouched.join(", ")))
}

/// Whom the arguments mean, each once, all known.
fn select(args: &Args, cluster: &Cluster) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = Vec::new();
    for name in &args.nodes {
        cluster.member(name)?;
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    if names.is_empty() {
        let here = |(name, state): (String, State)| (state != State::Elsewhere).then_some(name);
        names = cluster.states()?.into_iter().filter_map(here).collect();
    }
    if names.is_empty() {
        return Err(none_here(cluster).next("restart each on its own machine"));
    }
    Ok(names)
}

fn restart(cluster: &Cluster, name: &str, interrupts: &mut Interrupts) -> Result<(), Failure> {
    let serves = |server: &Server| server.name != name && server.position.is_some();
    if !survey(cluster)?.iter().any(serves) {
        note(&format!("no other server answers: until server {name} is back, nobody does"));
    }
    let lock = cluster.home().lock()?;
    let stopped = cluster.stop(&[name])?;
    let started = cluster.start(name)?;
    drop(lock);
    if let Some(stale) = started.stale {
        note(&format!("server {name}: the pid file was stale ({stale}); it has been replaced"));
    }
    let pid = started.process.pid();
    say(&match stopped.first() {
        Some(before) => {
            let killed = if before.killed { ", and had to be killed" } else { "" };
            format!("server {name} is ready again (pid {pid}; it was {}{killed})", before.process.pid())
        }
        None => format!("server {name} is ready (pid {pid}); it was not running"),
    })?;
    if cluster.member(name)?.sealed {
        return Ok(()); // it appends nothing more, so there is nothing that it could catch up with
    }
    let held = wait_until_in_step(cluster, name, interrupts)?;
    note(&format!("server {name} is in step: {}", crate::text::count(held, "event")));
    Ok(())
}

/// Returns how many events it then holds.
fn wait_until_in_step(cluster: &Cluster, name: &str, interrupts: &mut Interrupts) -> Result<usize, Failure> {
    let mut catching_up = CatchUp::new(name);
    let mut last = (Progress::Unknown, Instant::now());
    loop {
        let progress = catching_up.look(&survey(cluster)?);
        if let Progress::InStep { held } = progress {
            return Ok(usize::try_from(held).unwrap_or(usize::MAX));
        }
        if progress != last.0 {
            last = (progress, Instant::now());
            if let Progress::Syncing { held, of } = progress {
                note(&format!("server {name}: syncing {held} of {of}"));
            }
        }
        if last.1.elapsed() > STANDSTILL_PATIENCE {
            let what = format!(
                "server {name} was started again, and has not caught up: nothing new for {} s",
                STANDSTILL_PATIENCE.as_secs()
            );
            return Err(Failure::new(what).next("tercet cluster status"));
        }
        if interrupts.come_within(LOOK) {
            let what = format!("interrupted; server {name} runs, and is still catching up");
            return Err(Failure::new(what).next("tercet cluster status"));
        }
    }
}
