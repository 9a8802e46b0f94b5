//! `tercet cluster status`: how each server is, by its process and by its own word.

use anstyle::Style;
use serde::Serialize;

use super::live;
use super::survey::{Server, survey, word_for};
use crate::cmd::ask::Answer;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::{Cluster, Home};
use crate::cmd::screen::{BOLD, DIM, GREEN, PLAIN, RED, Table, YELLOW, say};

/// What `cluster status` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Go on until ctrl-C: a live table, or without a terminal one for each change; with --json one object per
    /// line.
    #[arg(short, long)]
    pub watch: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    cluster: String,
    dir: String,
    /// Of the view that the cluster file names.
    epoch: u64,
    servers: &'a [Server],
}

/// Shows how the servers are.
///
/// # Errors
/// When there is no cluster.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    let cluster = Cluster::load(home)?;
    if args.watch {
        return live::run(&cluster, args.json);
    }
    let servers = survey(&cluster)?;
    say(&if args.json { json(&cluster, &servers, false)? } else { table(&servers) })?;
    Ok(Outcome::Done)
}

/// The report as JSON, on one line or on many.
pub(super) fn json(cluster: &Cluster, servers: &[Server], on_one_line: bool) -> Result<String, Failure> {
    let report = Report {
        cluster: cluster.view().cluster().to_string(),
        dir: cluster.home().dir().display().to_string(),
        epoch: cluster.view().epoch(),
        servers,
    };
    let write = if on_one_line { serde_json::to_string } else { serde_json::to_string_pretty };
    write(&report).map_err(|error| Failure::of(&error))
}

/// All that is known, and how to reach them.
fn table(servers: &[Server]) -> String {
    let mut table =
        Table::new(&["name", "state", "address", "pid", "position", "behind", "conns", "stored", "uptime"]);
    for server in servers {
        let [name, state, numbers @ ..] = cells(server);
        let mut row = vec![name, state, (server.address.clone(), PLAIN), number(server.pid.map(u64::from))];
        row.extend(numbers);
        table.row(row);
    }
    table.render()
}

/// The same without what does not change, so that it is less wide.
pub(super) fn live_table(servers: &[Server]) -> String {
    let mut table = Table::new(&["name", "state", "position", "behind", "conns", "stored", "uptime"]);
    servers.iter().for_each(|server| table.row(cells(server).into()));
    table.render()
}

fn cells(server: &Server) -> [(String, Style); 7] {
    let behind = match server.behind {
        Some(0) | None => number(server.behind),
        Some(behind) => (behind.to_string(), YELLOW),
    };
    [
        (server.name.clone(), BOLD),
        state_of(server),
        number(server.position),
        behind,
        number(server.connections),
        (server.stored_bytes.map_or("-".to_owned(), bytes), PLAIN),
        (server.uptime_ms.map_or("-".to_owned(), duration), PLAIN),
    ]
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

fn state_of(server: &Server) -> (String, Style) {
    match (server.position, server.syncing_to) {
        _ if server.sealed => (format!("{}, sealed", server.state), YELLOW),
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
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m {s}s"),
        (0, h, m, _) => format!("{h}h {m}m"),
        (d, h, _, _) => format!("{d}d {h}h"),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{} kB", count / 1_000),
        1_000_000..1_000_000_000 => format!("{}.{} MB", count / 1_000_000, count / 100_000 % 10),
        _ => format!("{}.{} GB", count / 1_000_000_000, count / 100_000_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::super::survey::tests::server;
    use super::*;

    #[test]
    fn a_server_that_catches_up_says_how_far_it_is() {
        assert_eq!(state_of(&server("1", Some(7), Some(9))).0, "up, syncing 7 of 9");
        assert_eq!(state_of(&server("1", Some(7), None)).0, "up");
        assert_eq!(state_of(&Server { sealed: true, ..server("1", Some(7), None) }).0, "up, sealed");
    }

    #[test]
    fn durations_are_told_in_two_units() {
        for (ms, text) in [(999, "0s"), (61_000, "1m 1s"), (3_660_000, "1h 1m"), (90_000_000, "1d 1h")] {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn bytes_are_told_in_units_that_fit() {
        for (count, text) in
            [(999, "999 B"), (4_096, "4 kB"), (1_250_000, "1.2 MB"), (64_900_000_000, "64.9 GB")]
        {
            assert_eq!(bytes(count), text);
        }
    }
}
