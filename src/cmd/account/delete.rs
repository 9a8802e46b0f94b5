//! `tercet account delete`: tells everybody that an account is used no more, then removes it from this machine.
//!
//! **Invariant**: key and logs are removed only when enough servers have what they hold, the farewell included, and
//! what other devices of the account on this machine have written.
//! Until then the command can be repeated.

use std::io::{self, IsTerminal};

use super::{Telling, hears, is_safe, others};
use crate::client::Input;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::Cluster;
use crate::cmd::settings::Settings;
use crate::cmd::visit::{self, Visit};
use crate::cmd::{chat, complete, person, screen};
use crate::event::{Conversation, Kind};
use crate::text::Name;

/// What `account delete` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Whose account [default: the profile's name, or the only account on this machine].
    #[arg(long = "as", value_name = "NAME", env = "TERCET_NAME", hide_env_values = true, add = complete::people())]
    me: Option<Name>,
    #[command(flatten)]
    telling: Telling,
}

/// Deletes it.
///
/// # Errors
/// When nothing could be written: no such account here, nobody who confirms, no server that answers, a chat that
/// has this device open.
pub fn run(settings: &Settings, args: &Args) -> Result<Outcome, Failure> {
    let home = settings.home();
    let cluster = Cluster::load(home)?;
    let me = settings.me(args.me.as_ref(), "tercet account delete --as NAME")?;
    person::key(home, &me)?;
    let wanted = chat::safe_at(args.telling.copies, cluster.view().writable().count())?;
    confirm(&me, args.yes)?;
    let owing = others::owing(&cluster, &me, wanted)?;
    let outcome = visit::run(async {
        for device in owing {
            if !others::send(&cluster, &me, device, &args.telling, wanted).await? {
                return Ok(Outcome::Negative);
            }
        }
        let visit = Visit::open(&cluster, &me, args.telling.patience(), None).await?;
        let told = close(&visit, &args.telling, wanted).await;
        visit.close().await?;
        told
    })?;
    if outcome != Outcome::Done {
        screen::warn("-- nothing was removed from this machine; run this again when more servers answer");
        return Ok(outcome);
    }
    // The folder may have followed a name that was taken on another machine.
    let folder = person::formerly(home, &me).unwrap_or_else(|| me.clone());
    if !person::remove(home, &folder)? {
        return Err(Failure::new(format!(
            "everybody is told, but another process has a device of {me} open"
        ))
        .next("end that chat, then run this again: it removes key and logs"));
    }
    screen::note(&format!("-- the account {me} is deleted: key and logs are gone from this machine"));
    screen::note(
        "-- what it said stays in the logs of servers and of those who read it, under its name, marked as deleted",
    );
    Ok(Outcome::Done)
}

async fn close(visit: &Visit, telling: &Telling, wanted: usize) -> Result<Outcome, Failure> {
    hears(visit).await?;
    if !visit.session.ask(|client| client.directory().is_closed(client.account())).await? {
        let input = Input::Say { conversation: Conversation::Directory, kind: Kind::Close, body: Vec::new() };
        visit
            .session
            .perform(input)
            .await?
            .map_err(|error| Failure::of(&error).next("correct that, then try again"))?;
    }
    Ok(if is_safe(visit, telling, wanted).await? { Outcome::Done } else { Outcome::Negative })
}

fn confirm(me: &Name, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::new(format!(
            "nobody is here to confirm that the account {me} is to be deleted"
        ))
        .next(format!("tercet account delete --as {me} --yes")));
    }
    screen::warn(&format!("This deletes the account {me}, which cannot be undone:"));
    for line in [
        "everybody is told, and sees it as deleted; its name will never be free again",
        "its key and its devices' logs are removed from this machine, and then nobody can write as it from here",
        "what it has said stays with the servers and with those who have read it",
        "other machines that have the key keep it: run this there as well",
    ] {
        screen::warn(&format!("  - {line}"));
    }
    screen::warn(&format!("Type the name, {me}, to go on:"));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| Failure::io("read the answer", &error))?;
    if answer.trim() == me.as_str() {
        return Ok(());
    }
    Err(Failure::new("not deleted: that is not the name").next(format!("tercet account delete --as {me}")))
}
