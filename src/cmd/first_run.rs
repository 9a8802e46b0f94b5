//! What a person is told who starts without knowing what there is: `tercet` alone, or a chat without a cluster.

use super::failure::{Failure, Outcome};
use super::home::{Cluster, Home};
use super::nodes::State;
use super::screen::{BOLD, say};
use super::settings::Settings;

/// `tercet` alone: where one stands, and what to type next.
///
/// # Errors
/// When standard output cannot be written, or the cluster's file cannot be read.
pub fn run(settings: &Settings) -> Result<Outcome, Failure> {
    let home = settings.home();
    say(
        "tercet is a replicated chat: each message goes to all servers, and any one of them is enough to go on.",
    )?;
    if !home.holds_a_cluster() {
        say(&format!("There is no cluster in {} yet: a cluster is a few servers.", home.dir().display()))?;
        say(&format!("To try it here:     {BOLD}tercet cluster up --detach{BOLD:#}"))?;
        say("To watch it work:   tercet demo")?;
        return about_the_rest();
    }
    let cluster = Cluster::load(home)?;
    let states = cluster.states()?;
    let here = states.iter().filter(|(_, state)| *state != State::Elsewhere).count();
    let up = states.iter().filter(|(_, state)| state.process().is_some()).count();
    let servers = crate::text::count(states.len(), "server");
    let running =
        if here == 0 { "on other machines".to_owned() } else { format!("{up} of {here} here running") };
    say(&format!("The cluster in {} has {servers}, {running}.", home.dir().display()))?;
    let next = if here > 0 && up == 0 { "tercet cluster up --detach" } else { "tercet chat" };
    let people = settings.people();
    let next = match (next, people.as_slice()) {
        ("tercet chat", [_]) => next.to_owned(),
        ("tercet chat", _) => "tercet chat NAME".to_owned(),
        (next, _) => next.to_owned(),
    };
    say(&format!("Next:               {BOLD}{next}{BOLD:#}"))?;
    about_the_rest()
}

fn about_the_rest() -> Result<Outcome, Failure> {
    say("Everything else:    tercet --help")?;
    Ok(Outcome::Done)
}

/// A chat without a cluster: three lines on what that is, and the next command.
pub fn no_cluster(home: &Home, name: Option<&str>) -> Failure {
    Failure::new(format!("there is no cluster in {} yet", home.dir().display()))
        .detail("A chat talks through a cluster: a few servers that each keep every message.")
        .detail("Three of them on this machine will do to try it, and stop with `tercet cluster down`.")
        .detail(
            "If you were invited to one, put the cluster.toml that you were given into that folder; what \
             `tercet account link` writes on another machine of yours is taken in by `tercet account import`.",
        )
        .next(format!("tercet cluster up --detach && tercet chat {}", name.unwrap_or("NAME")))
}
