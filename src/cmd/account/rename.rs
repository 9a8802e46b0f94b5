//! `tercet account rename`: takes another name.

use super::{Telling, hears, is_safe};
use crate::client::Input;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::Cluster;
use crate::cmd::settings::Settings;
use crate::cmd::visit::{self, Visit};
use crate::cmd::{chat, complete, person, screen};
use crate::event::{Conversation, Kind};
use crate::text::Name;

/// What `account rename` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to be called from now on.
    #[arg(value_name = "NEW")]
    new: Name,
    /// Whose account [default: the profile's name, or the only account on this machine].
    #[arg(long = "as", value_name = "NAME", env = "TERCET_NAME", hide_env_values = true, add = complete::people())]
    me: Option<Name>,
    #[command(flatten)]
    telling: Telling,
}

/// Renames it.
///
/// # Errors
/// When nothing could be written: no such account here, no server that answers, a name that somebody else has, a
/// chat that has this device open.
pub fn run(settings: &Settings, args: &Args) -> Result<Outcome, Failure> {
    let cluster = Cluster::load(settings.home())?;
    let me = settings.me(args.me.as_ref(), "tercet account rename NEW --as NAME")?;
    person::key(settings.home(), &me)?;
    let wanted = chat::safe_at(args.telling.copies, cluster.view().writable().count())?;
    let outcome = visit::run(async {
        let visit = Visit::open(&cluster, &me, args.telling.patience(), None).await?;
        let renamed = rename(&visit, args, wanted).await;
        visit.close().await?;
        renamed
    })?;
    let new = &args.new;
    match outcome {
        Outcome::Done => {
            screen::note(&format!("-- {me} is called {new} now; say so from here on: tercet chat {new}"));
        }
        _ => screen::warn(&format!(
            "-- the name {new} is kept on this machine and goes out with the next chat"
        )),
    }
    Ok(outcome)
}

async fn rename(visit: &Visit, args: &Args, wanted: usize) -> Result<Outcome, Failure> {
    hears(visit).await?;
    let new = args.new.clone();
    visit
        .session
        .ask(move |client| person::may_take(client, &new))
        .await?
        .map_err(|why| Failure::new(format!("{why}; nothing was written")).next("choose another name"))?;
    let body = args.new.as_str().as_bytes().to_vec();
    let input = Input::Say { conversation: Conversation::Directory, kind: Kind::Register, body };
    visit
        .session
        .perform(input)
        .await?
        .map_err(|error| Failure::of(&error).next("correct that, then try again"))?;
    Ok(if is_safe(visit, &args.telling, wanted).await? { Outcome::Done } else { Outcome::Negative })
}
