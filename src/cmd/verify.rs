//! `tercet verify`: checks everybody's logs against what tercet promises.
//!
//! Stores of stopped servers are read from a copy; running servers are asked for their logs. Servers are read
//! before device logs, so that whatever a store holds its author's log, read later, must hold too.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::failure::{Failure, Outcome};
use super::home::{Cluster, Home};
use super::nodes::State;
use super::replay::{Server, Sources};
use super::screen::{self, BOLD, DIM, GREEN, PLAIN, RED, Table, YELLOW};
use super::{ask, files};
use crate::text::{count, inert};
use crate::verify::{Report, Verdict};

/// How many anomalies of one check are told in full.
const STORIES: usize = 5;
/// How many conversations are listed.
const CONVERSATIONS: usize = 12;

/// What `verify` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Device logs and store folders to check, copied here from anywhere [default: all of the cluster's].
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Checks and reports.
///
/// # Errors
/// When it could not run.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    let sources =
        if args.paths.is_empty() { of_cluster(&Cluster::load(home)?)? } else { of_paths(&args.paths)? };
    let report = working_towards("reading and checking logs", |bar| {
        bar.set_length(sources.logs() as u64);
        bar.enable_steady_tick(Duration::from_millis(100));
        sources.check(|| bar.inc(1))
    });
    if args.json {
        let text = serde_json::to_string_pretty(&Json { verdict: report.verdict(), report: &report })
            .map_err(|error| Failure::new(format!("the report cannot be encoded: {error}")))?;
        screen::say(&text)?;
    } else {
        screen::say(&render(&report))?;
    }
    Ok(outcome(&report))
}

#[derive(serde::Serialize)]
struct Json<'a> {
    verdict: Verdict,
    #[serde(flatten)]
    report: &'a Report,
}

/// The program's outcome for a report.
pub fn outcome(report: &Report) -> Outcome {
    match report.verdict() {
        Verdict::Valid => Outcome::Done,
        Verdict::Violation => Outcome::Negative,
        Verdict::Unknown => Outcome::Unknown,
    }
}

/// Everything that a cluster's folder and its running servers can tell.
///
/// # Errors
/// When the folder cannot be read. What a single server does not tell becomes part of the sources, as absent.
pub fn of_cluster(cluster: &Cluster) -> Result<Sources, Failure> {
    let mut sources = Sources {
        names: cluster.view().servers().iter().map(|member| (member.id, member.name.clone())).collect(),
        ..Sources::default()
    };
    for member in cluster.view().servers() {
        let state = cluster.state(&member.name)?;
        let store = cluster.home().server(&member.name).store();
        let found = match state {
            State::Up(_) | State::Paused(_) | State::Elsewhere => {
                let read = working_towards(&format!("reading server {}", member.name), |bar| {
                    ask::read_log(cluster, member, |reached, tip| {
                        bar.set_length(tip);
                        bar.set_position(reached);
                    })
                });
                read.map(Server::Running)
            }
            State::Stopped | State::Dead(_) if !store.exists() => {
                Err(Failure::new(format!("server {} has no store yet", member.name)))
            }
            State::Stopped | State::Dead(_) => {
                Ok(Server::Stored(store, format!("server {} (stopped)", member.name)))
            }
        };
        match found {
            Ok(server) => sources.servers.push(server),
            Err(failure) => {
                let absent = inert(failure.what());
                if !sources.absent.contains(&absent) {
                    sources.absent.push(absent);
                }
            }
        }
    }
    let logs = device_logs(&cluster.home().people())?.into_iter();
    sources.devices.extend(logs.map(|log| {
        let source = log.strip_prefix(cluster.home().dir()).unwrap_or(&log).display().to_string();
        (log, source)
    }));
    Ok(sources)
}

/// Every `NAME/devices/ID/log` below the people's folder.
fn device_logs(people: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut logs = Vec::new();
    for person in files::list(people)? {
        for device in files::list(&person.join("devices"))? {
            let log = device.join("log");
            if log.exists() {
                logs.push(log);
            }
        }
    }
    logs.sort();
    Ok(logs)
}

fn of_paths(paths: &[PathBuf]) -> Result<Sources, Failure> {
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return Err(Failure::new(format!("there is no {}", missing.display()))
            .next("name device logs (people/NAME/devices/ID/log) and store folders (servers/NAME/store)"));
    }
    let (stores, logs): (Vec<_>, Vec<_>) = paths.iter().cloned().partition(|path| path.is_dir());
    let named = |path: PathBuf| {
        let source = path.display().to_string();
        (path, source)
    };
    let store = |path| {
        let (path, source) = named(path);
        Server::Stored(path, source)
    };
    Ok(Sources {
        servers: stores.into_iter().map(store).collect(),
        devices: logs.into_iter().map(named).collect(),
        ..Sources::default()
    })
}

fn working_towards<T>(what: &str, work: impl FnOnce(&ProgressBar) -> T) -> T {
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}");
    let bar = ProgressBar::new(0).with_message(what.to_owned());
    let bar = match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    let done = work(&bar);
    bar.finish_and_clear();
    done
}

/// The report for a person.
pub fn render(report: &Report) -> String {
    let mut table = Table::new(&["", "promise", "check", "examined"]);
    for outcome in &report.outcomes {
        let (mark, style) = match outcome.verdict() {
            Verdict::Valid => ("✓", GREEN),
            Verdict::Unknown => ("?", YELLOW),
            Verdict::Violation => ("✗", RED),
        };
        table.row(vec![
            (mark.to_owned(), style),
            (outcome.promise.to_owned(), DIM),
            (outcome.check.to_owned(), PLAIN),
            (format!("{} {}", outcome.examined, outcome.unit), PLAIN),
        ]);
    }
    let mut text = format!("{}\n", table.render());
    for outcome in &report.outcomes {
        for anomaly in outcome.anomalies.iter().take(STORIES) {
            text.push_str(&format!("\n{RED}✗{RED:#} {}: {}", outcome.promise, inert(&anomaly.to_string())));
        }
        if outcome.anomalies.len() > STORIES {
            text.push_str(&format!("\n  and {} more like it", outcome.anomalies.len() - STORIES));
        }
        for unknown in &outcome.unknowns {
            text.push_str(&format!("\n{YELLOW}?{YELLOW:#} {}: {}", outcome.promise, inert(unknown)));
        }
    }
    let (word, style) = match report.verdict() {
        Verdict::Valid => ("valid", GREEN),
        Verdict::Unknown => ("unknown", YELLOW),
        Verdict::Violation => ("violation", RED),
    };
    if !report.conversations.is_empty() {
        text.push_str(&format!("\n{}\n", conversations(report)));
    }
    text.push_str(&format!(
        "\n{BOLD}verdict:{BOLD:#} {style}{word}{style:#}  {DIM}({} in {}, from {} and {}){DIM:#}",
        count(report.events, "event"),
        count(report.conversations.len(), "conversation"),
        count(report.clients, "device log"),
        count(report.servers, "server"),
    ));
    text
}

/// The conversations with their digests: the proof of one order, for two people to read to each other.
fn conversations(report: &Report) -> String {
    let mut table = Table::new(&["conversation", "events", "digest", "equal in"]);
    for settled in report.conversations.iter().take(CONVERSATIONS) {
        let style = if settled.equal_in == settled.held_in { GREEN } else { YELLOW };
        table.row(vec![
            (inert(&settled.label), PLAIN),
            (settled.events.to_string(), PLAIN),
            (settled.digest.short(), PLAIN),
            (format!("{} of {} logs", settled.equal_in, settled.held_in), style),
        ]);
    }
    let more = report.conversations.len().saturating_sub(CONVERSATIONS);
    let rest = if more == 0 { String::new() } else { format!("\nand {more} more (--json lists all)") };
    table.render() + &rest
}
