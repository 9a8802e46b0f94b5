//! The subcommands: one file each, with its clap `Args` and a `run()` that wires parts together.
//!
//! Beside them are what they share: [`failure`] (what every error says), [`screen`] (all printing),
//! [`home`] (the cluster folder), [`config`] (its files), [`pid`] and [`nodes`] (server processes). These
//! print nothing, so that `demo` and the tests drive a cluster by the same calls as a person does.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub mod ask;
pub mod bench;
pub mod chat;
pub mod cluster;
pub mod completions;
pub mod config;
pub mod create;
pub mod demo;
pub mod device;
pub mod failure;
pub mod files;
pub mod home;
pub mod interrupts;
pub mod keys;
pub mod kill;
pub mod man;
pub mod nodes;
pub mod pid;
pub mod screen;
pub mod serve;
pub mod session;
pub mod starting;
pub mod verify;

pub use failure::{Failure, Outcome};
pub use home::{Cluster, Home};

/// A replicated chat in which clients multicast: no leader, no votes, and a proof at the end.
#[derive(Debug, Parser)]
#[command(
    name = "tercet",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done or valid, 1 a negative finding (verify: a broken promise; chat: \
                  messages that are not safe), 2 not enough evidence, 3 could not run."
)]
pub struct Cli {
    /// The cluster's folder [default: $XDG_STATE_HOME/tercet/local].
    #[arg(long, global = true, env = "TERCET_DIR", hide_env_values = true, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one server.
    Serve(serve::Args),
    /// Talk to people, at a terminal or from a script.
    Chat(chat::Args),
    /// Make, start, watch and stop a cluster of servers.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Send a signal to servers, SIGKILL unless told otherwise.
    Kill(kill::Args),
    /// Check everybody's logs against what tercet promises.
    Verify(verify::Args),
    /// Show the whole: a cluster, two people, servers dying, a proof.
    Demo(demo::Args),
    /// Measure how fast it is, beside a floor that nothing can beat.
    Bench(bench::Args),
    /// One server of the floor that `bench` compares with.
    #[command(name = "bench-floor", hide = true)]
    BenchFloor(bench::floor::Args),
    /// Print what a shell needs to complete tercet's command line.
    Completions(completions::Args),
    /// Write the manual pages.
    Man(man::Args),
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// A [`Failure`] when it could not be done at all; findings are an [`Outcome`].
    pub fn run(self) -> Result<Outcome, Failure> {
        let dir = self.dir;
        let home = move || Home::resolve(dir);
        match self.command {
            Command::Serve(args) => serve::run(&args),
            Command::Chat(args) => chat::run(&home()?, &args),
            Command::Cluster(command) => cluster::run(command, &home()?),
            Command::Kill(args) => kill::run(&args, &home()?),
            Command::Verify(args) => verify::run(&args, &home()?),
            Command::Demo(args) => demo::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::BenchFloor(args) => bench::floor::run(&args),
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
