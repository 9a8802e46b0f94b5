//! `tercet cluster`: make, start, watch, restart and stop a cluster of servers, and change which servers it has.

use super::failure::{Failure, Outcome};
use super::home::Home;

pub mod add;
mod change;
pub mod down;
mod heal;
pub mod init;
mod live;
pub mod logs;
pub mod remove;
pub mod replace;
pub mod restart;
pub mod start;
pub mod status;
mod survey;
pub mod up;
mod watch;

/// The subcommands of `cluster`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write keys and configurations for servers on machines of their own.
    Init(init::Args),
    /// Start the cluster on this machine, making it first if there is none.
    Up(up::Args),
    /// Show how each server is.
    Status(status::Args),
    /// Start servers that are not running.
    Start(start::Args),
    /// Stop and start servers, one after the other, so that the cluster is there all the time.
    Restart(restart::Args),
    /// Add a server, while the others serve.
    Add(add::Args),
    /// Remove a server, once the others hold all that it holds.
    Remove(remove::Args),
    /// Put another server in a server's place.
    Replace(replace::Args),
    /// Show what a server said.
    Logs(logs::Args),
    /// Stop the cluster.
    Down(down::Args),
}

/// Does what was asked.
///
/// # Errors
/// As the subcommand's.
pub fn run(command: Command, home: &Home) -> Result<Outcome, Failure> {
    match command {
        Command::Init(args) => init::run(&args, home),
        Command::Up(args) => up::run(&args, home),
        Command::Status(args) => status::run(&args, home),
        Command::Start(args) => start::run(&args, home),
        Command::Restart(args) => restart::run(&args, home),
        Command::Add(args) => add::run(&args, home),
        Command::Remove(args) => remove::run(&args, home),
        Command::Replace(args) => replace::run(&args, home),
        Command::Logs(args) => logs::run(&args, home),
        Command::Down(args) => down::run(&args, home),
    }
}
