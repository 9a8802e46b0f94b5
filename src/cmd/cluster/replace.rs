//! `tercet cluster replace`: a server added, brought into step, and then another removed.

use super::add::{Asked, Joined, begun, done, join};
use super::change::Change;
use super::remove::{How, leave, may_leave};
use crate::cmd::complete;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::Home;
use crate::text::inert;

/// What `cluster replace` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server that is to go, by name.
    #[arg(value_name = "NODE", add = complete::nodes())]
    pub node: String,
    /// Where others reach the one that comes, and what it is called [default: a port of this machine, the next free
    /// number].
    #[arg(value_name = "[NAME=]HOST:PORT", value_parser = Asked::parse, default_value = "local", hide_default_value = true)]
    pub address: Asked,
    /// How it is let go.
    #[command(flatten)]
    pub how: How,
}

/// Replaces a server, or goes on with replacing it.
///
/// # Errors
/// As those of `add` and `remove`.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    let again = format!("tercet cluster replace {} {}{}", args.node, args.address, args.how);
    let mut change = Change::begin(home, again)?;
    let purpose = format!("replace {}", args.node);
    let has_left = change.cluster().left(&args.node).is_some();
    if has_left && begun(change.cluster(), &args.address, &purpose)?.is_none() {
        return Err(Failure::new(format!("server {} has left already", inert(&args.node)))
            .next("see who serves: tercet cluster status; for one more: tercet cluster add"));
    }
    if !has_left {
        // Before anything is made: that it may not leave is known now.
        let member = change.cluster().member(&args.node)?.clone();
        let others = change.cluster().view().writable().filter(|other| other.id != member.id).count();
        let comes = usize::from(begun(change.cluster(), &args.address, &purpose)?.is_none());
        may_leave(change.cluster(), &member, args.how, others + comes)?;
    }
    let (name, joined) = join(&mut change, &args.address, &purpose)?;
    if joined == Joined::ToBeStarted {
        let (stays, comes) = (inert(&args.node), inert(&name));
        return Err(Failure::new(format!("server {stays} stays until server {comes} is in step"))
            .next(format!("when server {comes} runs, run the same again: {}", change.again())));
    }
    leave(&mut change, &args.node, args.how)?;
    done(&change, &name)?;
    Ok(Outcome::Done)
}
