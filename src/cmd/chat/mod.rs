//! `tercet chat NAME`: talk to people.
//!
//! On a terminal it is a line editor with messages coming in above it (`editor`); otherwise it reads lines
//! and writes lines, so that it can be scripted (`script`). Both share what is here: one task prints what
//! the session tells, another carries out what is typed, and neither waits for the other.

mod above;
mod bell;
mod command;
mod editor;
mod export;
pub(super) mod known;
mod messages;
mod people;
mod proof;
pub(super) mod render;
mod rooms;
mod script;
mod search;
mod share;
mod talk;

use std::io::IsTerminal;
use std::time::Duration;

use crate::client::Client;
use crate::cmd::blocked::Blocked;
use crate::cmd::display_quorum::DisplayQuorum;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::Cluster;
use crate::cmd::session::{Options, Session};
use crate::cmd::settings::Settings;
use crate::cmd::{complete, first_run, runtime};
use crate::id::AccountId;
use crate::limits::{REORDER_WINDOW_MS, SENT_AT};
use crate::text::{Name, count};
use known::Known;
use render::{Called, Eyes};

/// Arguments of `tercet chat`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Who you are; the first use creates the account's key and registers the name [default: the profile's name,
    /// or the only account on this machine].
    #[arg(env = "TERCET_NAME", hide_env_values = true, add = complete::people())]
    name: Option<Name>,
    /// Without a terminal: how long to wait, after the input has ended, for messages to be safe.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
    /// Without a terminal: on how many servers a message is safe [default: 2, or 1 in a cluster of one].
    #[arg(long, value_name = "COPIES")]
    copies: Option<usize>,
    /// How long each line is held so that its place is settled, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = REORDER_WINDOW_MS)]
    window_ms: u64,
    /// Show a line only once so many servers have told of it, each with its current log [default: the profile's, or
    /// 1, which is no wait].
    #[arg(long, value_name = "SERVERS")]
    display_quorum: Option<usize>,
    /// Go on as a new device; for when this device's log is lost or damaged.
    #[arg(long)]
    new_device: bool,
}

/// Runs the chat until the person leaves or the input ends.
///
/// # Errors
/// No cluster, no access to keys or log, or the log could not be written.
pub fn run(settings: &Settings, args: &Args) -> Result<Outcome, Failure> {
    let home = settings.home();
    if !home.holds_a_cluster() {
        return Err(first_run::no_cluster(home, args.name.as_ref().map(Name::as_str)));
    }
    let cluster = Cluster::load(home)?;
    let name = settings.me(args.name.as_ref(), "tercet chat NAME")?;
    let runtime = runtime::start()?;
    let outcome = runtime.block_on(chat(settings, &cluster, &name, args));
    runtime.shutdown_background(); // a read of standard input cannot be taken back
    outcome
}

/// On how many servers a message is safe, whichever there are at the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted(Option<usize>);

impl Wanted {
    /// As asked for, in a cluster that has this view now.
    ///
    /// # Errors
    /// It has not so many servers.
    pub(super) fn new(asked: Option<usize>, view: &Known) -> Result<Self, Failure> {
        safe_at(asked, view.count()).map(|_| Self(asked))
    }

    /// How many by the view that a client knows. What was asked for stays, even if there are fewer servers by now.
    pub(super) fn copies(self, client: &Client) -> usize {
        self.0.unwrap_or_else(|| SENT_AT.min(client.view().writable().count()))
    }
}

/// On how many servers of so many a message is safe.
pub(super) fn safe_at(asked: Option<usize>, servers: usize) -> Result<usize, Failure> {
    match asked {
        None => Ok(SENT_AT.min(servers)),
        Some(copies) if (1..=servers).contains(&copies) => Ok(copies),
        Some(copies) => {
            Err(Failure::new(format!("--copies {copies} cannot be had on {}", count(servers, "server")))
                .next(format!("give --copies a number from 1 to {servers}")))
        }
    }
}

/// The session's account, and its name if it is known.
pub(super) fn who(client: &Client) -> (AccountId, Option<String>) {
    let account = client.account();
    (account, client.directory().called(account).map(str::to_owned))
}

/// How many servers must have told of a line: as asked for, or as the profile says; `None` if neither does. Whether there
/// are so many is found out when the session opens.
pub(super) fn quorum(settings: &Settings, asked: Option<usize>) -> Option<DisplayQuorum> {
    asked.map(DisplayQuorum::Asked).or_else(|| settings.display_quorum().map(DisplayQuorum::Profile))
}

async fn chat(settings: &Settings, cluster: &Cluster, name: &Name, args: &Args) -> Result<Outcome, Failure> {
    let quorum = Some(quorum(settings, args.display_quorum).unwrap_or(DisplayQuorum::None));
    let options = Options { window_ms: args.window_ms, new_device: args.new_device, quorum };
    let (session, notices) = Session::open(cluster, name, options)?;
    let (account, called) = session.ask(who).await?;
    let view = Known::new(session.ask(|client| client.view().clone()).await?);
    let wanted = Wanted::new(args.copies, &view)?;
    let on_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let eyes = Eyes {
        account,
        view,
        zone: jiff::tz::TimeZone::system(),
        reads: on_terminal,
        window_ms: args.window_ms,
        name: Called::new(called.unwrap_or_else(|| name.to_string())),
        blocked: Blocked::load(&cluster.home().blocked(name))?,
    };
    let history = cluster.home().account_key(name).with_file_name("typed");
    if on_terminal {
        editor::run(session, notices, eyes, name, &history, settings).await
    } else {
        script::run(session, notices, eyes, Duration::from_secs(args.timeout), wanted).await
    }
}
