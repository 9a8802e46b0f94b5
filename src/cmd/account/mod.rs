//! `tercet account`: a person's accounts on this machine. They are listed, renamed, carried to other machines and
//! deleted.
//!
//! An account is a key. Whoever moves one moves the key, never a device's log: the other machine makes a device of
//! its own and fetches everything (rule 2).

mod delete;
mod import;
mod list;
mod others;
mod rename;
mod seal;

use std::time::Duration;

use super::failure::{Failure, Outcome};
use super::screen;
use super::settings::Settings;
use super::visit::Visit;
use crate::client::Client;
use crate::text::count;

/// The subcommands of `account`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the accounts on this machine.
    List(list::Args),
    /// Show one account: its key in words, its devices here.
    Show(list::ShowArgs),
    /// Take another name; nobody else ever gets the old one.
    Rename(rename::Args),
    /// Write an account to a file that a passphrase opens: its key, its name and its cluster.
    Export(seal::ExportArgs),
    /// Use an account on another machine too: write it to a file that a short code opens, and show the code.
    Link(seal::LinkArgs),
    /// Read an account from a file that `export` or `link` wrote.
    Import(import::Args),
    /// Delete an account: tell everybody, then remove its key and logs from this machine.
    Delete(delete::Args),
}

/// Does what was asked.
///
/// # Errors
/// As the subcommand's.
pub fn run(command: Command, settings: &Settings) -> Result<Outcome, Failure> {
    match command {
        Command::List(args) => list::run(settings, &args),
        Command::Show(args) => list::show(settings, &args),
        Command::Rename(args) => rename::run(settings, &args),
        Command::Export(args) => seal::export(settings, &args),
        Command::Link(args) => seal::link(settings, &args),
        Command::Import(args) => import::run(settings, &args),
        Command::Delete(args) => delete::run(settings, &args),
    }
}

/// Arguments of what is told to the servers.
#[derive(Debug, clap::Args)]
struct Telling {
    /// On how many servers it has to be [default: 2, or 1 in a cluster of one].
    #[arg(long, value_name = "N")]
    copies: Option<usize>,
    /// For how long to wait for that.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,
}

impl Telling {
    fn patience(&self) -> Duration {
        Duration::from_secs(self.wait)
    }
}

/// Waits until a server has told who has which name.
async fn hears(visit: &Visit) -> Result<(), Failure> {
    if visit.waits_anyway_for(Client::is_caught_up).await? {
        return Ok(());
    }
    Err(Failure::new("no server answered; nothing was written").next("tercet cluster status"))
}

/// Waits until all that this device has written is on so many servers; else says what is not.
async fn is_safe(visit: &Visit, telling: &Telling, wanted: usize) -> Result<bool, Failure> {
    let safe = visit.waits_anyway_for(move |client| client.unsafe_below(wanted).is_empty()).await?;
    if !safe {
        let owed = visit.session.ask(move |client| client.unsafe_below(wanted).len()).await?;
        screen::warn(&format!(
            "-- after {} s {} of this device not yet on {}",
            telling.wait,
            if owed == 1 { "one event is".to_owned() } else { format!("{} are", count(owed, "event")) },
            count(wanted, "server")
        ));
    }
    Ok(safe)
}
