//! `tercet cluster status`: how each server is, by its process and by its own word.

use std::thread;

use anstyle::Style;
use serde::Serialize;

use crate::cmd::ask::{Answer, ask_status};
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::{Cluster, Home};
use crate::cmd::nodes::State;
use crate::cmd::screen::{BOLD, DIM, GREEN, PLAIN, RED, Table, YELLOW, say};

/// What `cluster status` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Report {
    cluster: String,
    dir: String,
    servers: Vec<Server>,
}

#[derive(Serialize)]
struct Server {
    name: String,
    state: &'static str,
    address: String,
    pid: Option<u32>,
    position: Option<u64>,
    connections: Option<u64>,
    uptime_ms: Option<u64>,
    syncing_to: Option<u64>,
}

/// Shows how the servers are.
///
/// # Errors
/// When there is no cluster.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    let cluster = Cluster::load(home)?;
    let servers = gather(&cluster)?;
    if args.json {
        let report = Report {
            cluster: cluster.view().cluster().to_string(),
            dir: home.dir().display().to_string(),
            servers,
        };
        let json = serde_json::to_string_pretty(&report).map_err(|error| Failure::of(&error))?;
        say(&json)?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&["name", "state", "address", "pid", "position", "connections", "uptime"]);
    for server in servers {
        let state = state_of(&server);
        table.row(vec![
            (server.name, BOLD),
            state,
            (server.address, PLAIN),
            number(server.pid.map(u64::from)),
            number(server.position),
            number(server.connections),
            (server.uptime_ms.map_or("-".to_owned(), duration), PLAIN),
        ]);
    }
    say(&table.render())?;
    Ok(Outcome::Done)
}

/// The table that `cluster up` shows: name, address, pid, store.
pub(super) fn show_processes(cluster: &Cluster) -> Result<(), Failure> {
    let mut table = Table::new(&["name", "state", "address", "pid", "store"]);
    for member in cluster.view().servers() {
        let state = cluster.state(&member.name)?;
        let word = word_for(state, &Answer::NotAsked);
        table.row(vec![
            (member.name.clone(), BOLD),
            (word.to_owned(), style_of(word)),
            (member.address.clone(), PLAIN),
            number(state.process().map(|process| u64::from(process.pid()))),
            (cluster.home().server(&member.name).store().display().to_string(), DIM),
        ]);
    }
    say(&table.render())
}

fn gather(cluster: &Cluster) -> Result<Vec<Server>, Failure> {
    let members = cluster.view().servers();
    let states = cluster.states()?;
    // A paused server would only make the person wait; a dead one cannot answer.
    let ask = |state: &State| matches!(state, State::Up(_) | State::Elsewhere);
    let answers: Vec<Answer> = thread::scope(|scope| {
        let asked: Vec<_> = members
            .iter()
            .zip(&states)
            .map(|(member, (_, state))| ask(state).then(|| scope.spawn(|| ask_status(cluster, member))))
            .collect();
        let answer = |thread: Option<thread::ScopedJoinHandle<'_, Answer>>| match thread {
            Some(thread) => thread.join().unwrap_or(Answer::Silent),
            None => Answer::NotAsked,
        };
        asked.into_iter().map(answer).collect()
    });
    let server = |((member, (_, state)), answer): ((&crate::view::Member, &(String, State)), Answer)| {
        let word = word_for(*state, &answer);
        let status = if let Answer::Says(status) = answer { Some(status) } else { None };
        Server {
            name: member.name.clone(),
            state: word,
            address: member.address.clone(),
            pid: state.process().map(|process| process.pid()),
            position: status.as_ref().map(|status| status.position),
            connections: status.as_ref().map(|status| status.connections),
            uptime_ms: status.as_ref().map(|status| status.uptime_ms),
            syncing_to: status.as_ref().and_then(|status| status.syncing_to),
        }
    };
    Ok(members.iter().zip(&states).zip(answers).map(server).collect())
}

fn word_for(state: State, answer: &Answer) -> &'static str {
    match (state, answer) {
        (State::Up(_), Answer::Silent) => "hung",
        (State::Up(_), _) => "up",
        (State::Paused(_), _) => "paused",
        (State::Stopped, _) => "stopped",
        (State::Dead(_), _) => "dead",
        (State::Elsewhere, Answer::Says(_)) => "up",
        (State::Elsewhere, Answer::Silent) => "unreachable",
        (State::Elsewhere, Answer::NotAsked) => "elsewhere",
    }
}

fn state_of(server: &Server) -> (String, Style) {
    match (server.position, server.syncing_to) {
        (Some(position), Some(of)) => (format!("{}, syncing {position} of {of}", server.state), YELLOW),
        _ => (server.state.to_owned(), style_of(server.state)),
    }
}

fn style_of(word: &str) -> Style {
    match word {
        "up" => GREEN,
        "dead" | "hung" | "unreachable" => RED,
        "paused" => YELLOW,
        _ => DIM,
    }
}

fn number(value: Option<u64>) -> (String, Style) {
    (value.map_or("-".to_owned(), |value| value.to_string()), PLAIN)
}

fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, _, _) => format!("{d} d {h} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Server, duration, state_of};

    #[test]
    fn a_server_that_catches_up_says_how_far_it_is() {
        let server = |syncing_to| Server {
            name: "1".to_owned(),
            state: "up",
            address: String::new(),
            pid: None,
            position: Some(7),
            connections: None,
            uptime_ms: None,
            syncing_to,
        };
        assert_eq!(state_of(&server(Some(9))).0, "up, syncing 7 of 9");
        assert_eq!(state_of(&server(None)).0, "up");
    }

    #[test]
    fn durations_are_told_in_two_units() {
        for (ms, text) in
            [(999, "0 s"), (61_000, "1 min 1 s"), (3_660_000, "1 h 1 min"), (90_000_000, "1 d 1 h")]
        {
            assert_eq!(duration(ms), text);
        }
    }
}
