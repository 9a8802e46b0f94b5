//! The subcommands: one file each, with its clap `Args` and a `run()` that wires parts together.
//!
//! Beside them are what they share: [`failure`] (what every error says), [`screen`] (all printing),
//! [`home`] (the cluster folder), [`config`] (its files), [`settings`] (what a person has set for all commands),
//! [`person`] and [`passphrase`] (a person's folder, and what they type unseen), [`pid`] and [`nodes`] (server
//! processes), [`visit`] (a session for a moment), [`said`], [`place`] and [`blocked`] (what events say, where, and by
//! whom it is not to be heard), [`examples`] and [`complete`] (what help and shell show). All but `screen`, `settings`,
//! `passphrase` and `visit` print nothing, so that `demo` and the tests drive a cluster by the same calls as a person
//! does.

use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub mod account;
mod again;
pub mod ask;
pub mod bench;
pub mod blocked;
pub mod chaos;
pub mod chat;
pub mod cluster;
mod comparing;
pub mod complete;
pub mod completions;
pub mod config;
pub mod create;
pub mod demo;
pub mod device;
pub mod display_quorum;
pub mod examples;
pub mod failure;
pub mod files;
pub mod first_run;
pub mod home;
pub mod interrupts;
pub mod keys;
pub mod kill;
pub mod live_log;
pub mod man;
pub mod nodes;
pub mod open_files;
pub mod passphrase;
pub mod person;
pub mod pid;
pub mod place;
mod presenting;
mod rebuild;
pub mod replay;
mod runtime;
pub mod said;
pub mod screen;
pub mod send;
pub mod serve;
pub mod session;
pub mod settings;
pub mod similar;
pub mod stage;
pub mod starting;
pub mod tail;
pub mod verify;
pub mod visit;

pub use failure::{Failure, Outcome};
pub use home::{Cluster, Home};
pub use settings::Settings;

/// A replicated chat in which clients multicast: no leader, no votes, and a proof at the end.
#[derive(Debug, Parser)]
#[command(name = "tercet", version)]
pub struct Cli {
    /// The cluster's folder [default: $XDG_STATE_HOME/tercet/local].
    #[arg(long, global = true, env = "TERCET_DIR", hide_env_values = true, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names].
    #[arg(
        long, global = true, env = "TERCET_PROFILE", hide_env_values = true, value_name = "NAME",
        add = complete::profiles()
    )]
    pub profile: Option<String>,
    /// Say nothing but what went wrong.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Also say what usually need not be known.
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one server.
    Serve(serve::Args),
    /// Talk to people, at a terminal or from a script.
    Chat(chat::Args),
    /// Send one message and say what became of it, from a script.
    Send(send::Args),
    /// Print the last lines of conversations, and follow them.
    Tail(tail::Args),
    /// List, rename, move and delete one's accounts.
    #[command(subcommand)]
    Account(account::Command),
    /// Make, start, watch, change and stop a cluster of servers.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Send a signal to servers, SIGKILL unless told otherwise.
    Kill(kill::Args),
    /// Check everybody's logs against what tercet promises.
    Verify(verify::Args),
    /// Show the whole: a cluster, two people, servers dying, a proof.
    Demo(demo::Args),
    /// Let a cluster fail in every way while people talk, then check that nothing was lost.
    Chaos(chaos::Args),
    /// Measure how fast it is, beside a floor that nothing can beat.
    Bench(bench::Args),
    /// One server of the floor that `bench` compares with.
    #[command(name = "bench-floor", hide = true)]
    BenchFloor(bench::floor::Args),
    /// Make a shell complete tercet's command line.
    Completions(completions::Args),
    /// Install the manual pages.
    Man(man::Args),
}

impl Cli {
    /// Reads the command line.
    ///
    /// # Errors
    /// What clap has to say: help, the version, or what is wrong.
    pub fn read() -> Result<Self, clap::Error> {
        let matches = definitions().try_get_matches()?;
        Self::from_arg_matches(&matches)
    }

    /// Does what was asked.
    ///
    /// # Errors
    /// A [`Failure`] when it could not be done at all; findings are an [`Outcome`].
    pub fn run(self) -> Result<Outcome, Failure> {
        screen::set_words(match (self.quiet, self.verbose) {
            (true, _) => screen::Words::Few,
            (_, true) => screen::Words::Many,
            _ => screen::Words::Some,
        });
        let (dir, profile) = (self.dir, self.profile);
        let settings = move || -> Result<Settings, Failure> {
            let settings = Settings::resolve(dir, profile.as_deref())?;
            screen::detail(&settings.story());
            Ok(settings)
        };
        let Some(command) = self.command else { return first_run::run(&settings()?) };
        match command {
            Command::Serve(args) => serve::run(&args),
            Command::Chat(args) => chat::run(&settings()?, &args),
            Command::Send(args) => send::run(&settings()?, &args),
            Command::Tail(args) => tail::run(&settings()?, &args),
            Command::Account(command) => account::run(command, &settings()?),
            Command::Cluster(command) => cluster::run(command, settings()?.home()),
            Command::Kill(args) => kill::run(&args, settings()?.home()),
            Command::Verify(args) => verify::run(&args, settings()?.home()),
            Command::Demo(args) => demo::run(&args),
            Command::Chaos(args) => chaos::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::BenchFloor(args) => bench::floor::run(&args),
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
        }
    }
}

/// The command line's definitions, from which help, completions and manual are made.
pub fn definitions() -> clap::Command {
    examples::with_examples(Cli::command())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        definitions().debug_assert();
    }
}
