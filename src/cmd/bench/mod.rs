//! `tercet bench`: load from this process through the code that `tercet chat` runs, and what it costs.
//!
//! ```text
//! senders: one Session each (sign, own log and its sync, TLS) ==> servers      --+
//! floor:   one task each (plain TCP)                          ==> floor servers --+--> Round --> Report
//! ```
//!
//! With `--floor` the two take turns in one run, each on a cluster of its own that idles meanwhile: what
//! machine and disk do at the moment they do to both, so that the ratio says what absolute times cannot.
//!
//! Each sender is a [`super::session::Session`] with a device log of its own that is synced before anything
//! leaves. In life each would have a disk of its own; here all logs and servers share one, which only makes
//! the figures worse.

mod crowd;
mod figures;
mod fill;
pub mod floor;
mod floor_load;
mod history;
mod plot;
mod report;
mod round;
mod senders;
mod stage;
mod startup;
mod table;
mod usage;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::block_in_place;

use super::failure::{Failure, Outcome};
use super::interrupts::unless_interrupted;
use super::{open_files, screen};
use crate::limits::{CONNECTIONS_MAX, MESSAGE_MAX_BYTES, SENT_AT};
use crowd::Crowd;
use floor_load::FloorLoad;
use report::Report;
use round::{Round, Side};
use senders::Senders;
use stage::Stage;

/// Rounds of each side when there is a floor to compare with.
const ROUNDS_WITH_FLOOR: u32 = 2;
/// Events in the store of W6, unless told otherwise.
const STARTUP_EVENTS: u64 = 10_000;
const BAR_STEP: Duration = Duration::from_millis(100);

/// What `bench` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to measure.
    #[arg(
        long,
        value_name = "W1..W6",
        default_value = "W1",
        ignore_case = true,
        hide_possible_values = true
    )]
    pub workload: Workload,
    /// How many devices send [default: the workload's].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub clients: Option<u32>,
    /// How many messages of each device may be unacknowledged [default: the workload's].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub inflight: Option<u32>,
    /// How long each message is, in bytes.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=MESSAGE_MAX_BYTES as i64))]
    pub bytes: u32,
    /// How long each round takes: 10s, 500ms, 2m.
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    pub time: Duration,
    /// How many rounds, of which the medians are told [default: 1; with --floor: 2 of each].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99))]
    pub rounds: Option<u32>,
    /// How many events are in the stores before anything is measured [default: 0; W6: 10000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=100_000_000))]
    pub events: Option<u64>,
    /// Over how many conversations each device's messages go, and the events in the stores [default: 1, and 64].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub conversations: Option<u32>,
    /// How many more devices are connected meanwhile and say nothing [default: 0].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=CONNECTIONS_MAX as i64))]
    pub connections: Option<u32>,
    /// All write into one room, of which those devices are members.
    #[arg(long, conflicts_with_all = ["cluster", "conversations"])]
    pub room: bool,
    /// The cluster.toml of a running cluster to put under load [default: a new one, on this machine].
    #[arg(long, value_name = "FILE", conflicts_with = "events")]
    pub cluster: Option<PathBuf>,
    /// In turn with tercet, measures three processes that only append and sync what comes over plain TCP.
    #[arg(long)]
    pub floor: bool,
    /// Prints one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Leaves the new cluster's folder for a look afterwards.
    #[arg(long, conflicts_with = "cluster")]
    pub keep: bool,
    /// Makes an SVG of what --json printed: how each cost grows; measures nothing.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["cluster", "floor", "json", "keep"])]
    pub plot: Vec<PathBuf>,
    /// Makes a Markdown table of what --json printed; measures nothing.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["plot", "cluster", "floor", "json", "keep"])]
    pub table: Vec<PathBuf>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// One sender with one message outstanding.
    #[value(name = "W1")]
    One,
    /// 64 senders with one outstanding each.
    #[value(name = "W2")]
    Many,
    /// 64 senders with 32 outstanding each.
    #[value(name = "W3")]
    Flood,
    /// 100 messages a second from one device to another.
    #[value(name = "W4")]
    Paced,
    /// As W2; one of the servers is killed at half time.
    #[value(name = "W5")]
    Kill,
    /// Starting on a big store, filling an empty one, a page of history, verify.
    #[value(name = "W6")]
    Startup,
}

impl Workload {
    /// Its name on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::One => "W1",
            Self::Many => "W2",
            Self::Flood => "W3",
            Self::Paced => "W4",
            Self::Kill => "W5",
            Self::Startup => "W6",
        }
    }
}

/// A workload with everything about it decided.
#[derive(Debug, Clone, Copy)]
struct Plan {
    workload: Workload,
    clients: usize,
    inflight: usize,
    bytes: usize,
    time: Duration,
    rounds: u32,
    events: u64,
    conversations: Option<usize>,
    connections: usize,
    room: bool,
    /// On how many servers a message is to be.
    copies: usize,
}

impl Plan {
    fn of(args: &Args, servers: usize) -> Result<Self, Failure> {
        let (clients, inflight) = match args.workload {
            Workload::One | Workload::Paced => (1, 1),
            Workload::Many | Workload::Kill => (64, 1),
            Workload::Flood => (64, 32),
            Workload::Startup => (0, 1),
        };
        let name = args.workload.name();
        let refuse = |what: &str, why: &str| {
            Err(Failure::new(format!("{what} does not go with --workload {name}: {why}"))
                .next("tercet bench --help"))
        };
        match args.workload {
            Workload::Paced if args.clients.is_some() || args.inflight.is_some() => {
                return refuse("--clients or --inflight", "one device sends to another, at a fixed pace");
            }
            Workload::Startup
                if args.inflight.is_some()
                    || args.clients.is_some()
                    || args.connections.is_some()
                    || args.room =>
            {
                return refuse("--clients, --inflight, --connections or --room", "nothing is sent");
            }
            Workload::Paced if args.conversations.is_some() || args.room => {
                return refuse("--conversations or --room", "one device sends to another");
            }
            Workload::Kill | Workload::Startup if args.cluster.is_some() => {
                return refuse("--cluster", "servers are stopped, and yours are not the bench's to stop");
            }
            _ => {}
        }
        let copies = match args.workload {
            Workload::Kill => SENT_AT.min(servers),
            _ => servers,
        };
        let floor_rounds = if args.floor { ROUNDS_WITH_FLOOR } else { 1 };
        Ok(Self {
            workload: args.workload,
            clients: args.clients.map_or(clients, |clients| clients as usize),
            inflight: args.inflight.map_or(inflight, |inflight| inflight as usize),
            bytes: args.bytes as usize,
            time: args.time,
            rounds: args.rounds.unwrap_or(floor_rounds),
            events: args.events.unwrap_or(match args.workload {
                Workload::Startup => STARTUP_EVENTS,
                _ => 0,
            }),
            conversations: args.conversations.map(|count| count as usize),
            connections: args.connections.map_or(0, |count| count as usize),
            room: args.room,
            copies,
        })
    }

    /// Over how many conversations the events in the stores go.
    fn filled_conversations(&self) -> usize {
        self.conversations.unwrap_or(fill::CONVERSATIONS)
    }
}

/// Measures, and prints what it found.
///
/// # Errors
/// When a cluster cannot be made or reached, or does not ack for a minute.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    if !args.plot.is_empty() {
        screen::say(&plot::svg(&args.plot)?)?;
        return Ok(Outcome::Done);
    }
    if !args.table.is_empty() {
        screen::say(&table::markdown(&args.table)?)?;
        return Ok(Outcome::Done);
    }
    let stage = Stage::of(args)?;
    let plan = Plan::of(args, stage.cluster().names().len())?;
    let measured = unless_interrupted(measure(args, &plan, &stage))?;
    let mut report = measured.unwrap_or_else(|| Err(interrupted()))?;
    report.folder = stage.strike()?;
    screen::say(&if args.json { report.json()? } else { report.table() })?;
    Ok(Outcome::Done)
}

fn interrupted() -> Failure {
    Failure::new("interrupted; what it had started is stopped").next("tercet bench")
}

async fn measure(args: &Args, plan: &Plan, stage: &Stage) -> Result<Report, Failure> {
    let mut report = Report::new(plan);
    if plan.workload == Workload::Startup {
        report.startup = Some(startup::measure(plan, stage, args.floor).await?);
        return Ok(report);
    }
    if plan.events > 0 {
        let cluster = stage.cluster();
        fill::some(cluster, &cluster.names(), plan.events, plan.filled_conversations()).await?;
    }
    let room = match plan.room {
        true => Some(block_in_place(|| fill::room(stage.cluster(), plan.connections))?),
        false => None,
    };
    open_files::raise(); // the servers have what this process has
    stage.start()?;
    let crowd = match plan.connections {
        0 => None,
        devices => Some(Crowd::gather(stage, devices, room.as_ref()).await?),
    };
    report.bytes_per_connection =
        crowd.as_ref().map(|crowd| crowd.bytes_per_connection(stage.cluster().names().len()));
    let mut senders = Senders::sign_in(stage.cluster(), plan, room.map(|room| room.id)).await?;
    let mut floor = match args.floor {
        true => Some(FloorLoad::start(stage.floor_folder(), stage.cluster().names().len(), plan).await?),
        false => None,
    };
    let sides = 1 + u32::from(args.floor);
    let progress = Progress::start(plan, plan.rounds * sides);
    for _ in 0..plan.rounds {
        let round = senders.round(plan, stage, crowd.as_ref(), &progress.acked);
        report.rounds.push(progress.round(Side::Tercet, round).await?);
        if let Some(floor) = &mut floor {
            report.rounds.push(progress.round(Side::Floor, floor.round(plan, &progress.acked)).await?);
        }
    }
    progress.bar.finish_and_clear();
    report.sent = senders.sent();
    report.memory = stage.memory();
    report.floor_memory = floor.as_ref().map(FloorLoad::memory);
    senders.leave().await?;
    Ok(report)
}

/// The bar: how much of the time has passed, and how many messages have been acked.
struct Progress {
    bar: ProgressBar,
    step: u64,
    acked: Arc<AtomicU64>,
}

impl Progress {
    fn start(plan: &Plan, rounds: u32) -> Self {
        let step = steps(plan.time).max(1);
        let total = u64::from(rounds) * step;
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:32} {elapsed} of about {duration}  {msg}") {
            bar.set_style(style);
        }
        Self { bar, step, acked: Arc::default() }
    }

    /// Runs a round with the bar moving.
    async fn round(
        &self,
        side: Side,
        round: impl Future<Output = Result<Round, Failure>>,
    ) -> Result<Round, Failure> {
        let (from, start) = (self.bar.position(), Instant::now());
        let before = self.acked.load(Ordering::Relaxed);
        let mut ticks = tokio::time::interval(BAR_STEP);
        tokio::pin!(round);
        loop {
            tokio::select! {
                round = &mut round => {
                    self.bar.set_position(from + self.step);
                    return round;
                }
                _ = ticks.tick() => {
                    self.bar.set_position(from + steps(start.elapsed()).min(self.step));
                    let acked = self.acked.load(Ordering::Relaxed) - before;
                    let rate = acked as f32 / start.elapsed().as_secs_f32();
                    self.bar.set_message(format!("{side}: {acked} acked, {rate:.0}/s"));
                }
            }
        }
    }
}

/// How many steps of the bar a time is.
fn steps(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / BAR_STEP.as_millis()).unwrap_or(u64::MAX)
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[number.len()..] {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        unit => return Err(format!("\"{unit}\" is no unit; give 10s, 500ms or 2m")),
    };
    let number: u64 = number.parse().map_err(|_| "give a number and a unit: 10s, 500ms or 2m".to_owned())?;
    match number.saturating_mul(unit_ms) {
        ms @ 100..=86_400_000 => Ok(Duration::from_millis(ms)),
        _ => Err("give from 100ms to 24 hours".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit_and_within_bounds() {
        for (text, ms) in [("10s", 10_000), ("500ms", 500), ("2m", 120_000), ("3", 3_000)] {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "10 s", "-1s", "1h", "99ms", "0s", "99999999999999999999s", "2000m"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
