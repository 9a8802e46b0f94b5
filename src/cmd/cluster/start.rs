//! `tercet cluster start`: servers that are not running, by name.

use crate::cmd::complete;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::{Cluster, Home};
use crate::cmd::screen::{self, note, say};

/// What `cluster start` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Servers by name.
    #[arg(value_name = "NODE", required = true, add = complete::nodes())]
    pub nodes: Vec<String>,
}

/// Starts them, one after the other.
///
/// # Errors
/// When one is unknown (then none is started), is running, or cannot be started; the others are started all
/// the same.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    let cluster = Cluster::load(home)?;
    for name in &args.nodes {
        cluster.member(name)?;
    }
    let _lock = home.lock()?;
    let mut failures = Vec::new();
    for name in &args.nodes {
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
