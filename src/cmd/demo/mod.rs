//! `tercet demo`: the whole main job, with real processes, in a folder of its own.
//!
//! It starts three servers, signs people in, lets them talk, kills a server while they do, then another,
//! brings both back, waits until every message is on all three, and lets `verify` judge by the logs.

mod cast;
mod script;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::block_in_place;
use tokio::time::sleep;

use super::failure::{Failure, Outcome};
use super::home::Cluster;
use super::interrupts::unless_interrupted;
use super::nodes::Signal;
use super::screen::{self, BOLD, DIM, GREEN, RED, YELLOW};
use super::stage::Stage;
use super::{keys, verify};
use crate::text::{count, inert};
use cast::Cast;
use script::Line;

/// What alice and bob say unless told otherwise.
const DIALOGUE: &str = include_str!("dialogue.tsv");
const A_SCRIPT: &str = "give a TSV with the columns room, time, nick and text";
const SERVERS: usize = 3;
const MESSAGES: usize = 240;
/// How long the talking takes: the pace follows from it.
const TALK: Duration = Duration::from_secs(9);
/// The fastest pace: a script of many thousands takes longer than [`TALK`].
const PACE_MIN: Duration = Duration::from_millis(2);
/// How long to wait for the outboxes before verify is asked anyway.
const SETTLE_PATIENCE: Duration = Duration::from_secs(60);
/// How much of a line is shown while it is being said.
const SPOKEN_CHARS: usize = 64;
const POLL: Duration = Duration::from_millis(20);

/// What `demo` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many messages are sent [default: 240, or all of the script].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub messages: Option<u32>,
    /// Chooses which servers are killed, and when [default: a new seed].
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Replays a conversation: a TSV of room, time, nick, text. Of each room the two who say most talk.
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Leaves the folder for a look afterwards.
    #[arg(long)]
    pub keep: bool,
}

/// Shows everything; ends with verify's outcome.
///
/// # Errors
/// When it could not run.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let lines = lines(args)?;
    let seed = match args.seed {
        Some(seed) => seed,
        None => u64::from(u16::from_be_bytes(keys::random()?)),
    };
    let stage = Stage::build("demo", SERVERS)?;
    let played = unless_interrupted(play(&stage, &lines, seed))?;
    let played = played
        .unwrap_or_else(|| Err(Failure::new("interrupted; the servers were stopped").next("tercet demo")));
    let judged = played.and_then(|()| judge(&stage));
    if let Some(kept) = stage.strike(args.keep || !matches!(judged, Ok(Outcome::Done)))? {
        screen::say(&kept)?;
    }
    judged
}

fn lines(args: &Args) -> Result<Vec<Line>, Failure> {
    let wanted = args.messages.map(|messages| messages as usize);
    let (name, text) = match &args.script {
        None => ("the dialogue".to_owned(), DIALOGUE.to_owned()),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::io(format!("read the script {}", path.display()), &error).next(A_SCRIPT)
            })?;
            (path.display().to_string(), text)
        }
    };
    let lines =
        script::parse(&text).map_err(|error| Failure::new(format!("{name}: {error}")).next(A_SCRIPT))?;
    let all = if args.script.is_some() { lines.len() } else { MESSAGES };
    Ok(lines.iter().cycle().take(wanted.unwrap_or(all)).cloned().collect())
}

/// What happens when, in messages sent.
struct Plot {
    first: String,
    second: String,
    first_dies: usize,
    second_dies: usize,
    both_return: usize,
}

impl Plot {
    fn of(seed: u64, names: &[&str], messages: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        random.shuffle(&mut names);
        let mut around = |percent: usize| messages * random.usize(percent - 6..percent + 6) / 100;
        let (first_dies, second_dies, both_return) = (around(25), around(50), around(80));
        let [first, second, ..] = names.as_slice() else { unreachable!("a demo has {SERVERS} servers") };
        Self { first: first.clone(), second: second.clone(), first_dies, second_dies, both_return }
    }
}

async fn play(stage: &Stage, lines: &[Line], seed: u64) -> Result<(), Failure> {
    let cluster = stage.cluster();
    let names = cluster.names();
    screen::say(&format!(
        "{BOLD}tercet demo{BOLD:#}: {SERVERS} servers, {}, {}  {DIM}(--seed {seed} replays the kills){DIM:#}",
        count(cast::people(lines).len(), "person").replace("persons", "people"),
        count(lines.len(), "message")
    ))?;
    let start = Instant::now();
    for name in &names {
        let started = block_in_place(|| cluster.start(name))?;
        told(&start, None, &format!("server {name} is ready (pid {})", started.process.pid()))?;
    }
    let cast = Cast::sign_in(cluster, lines).await?;

    let plot = Plot::of(seed, &names, lines.len());
    let bar = bar(lines.len())?;
    let pace = (TALK / u32::try_from(lines.len()).unwrap_or(u32::MAX)).max(PACE_MIN);
    for (index, line) in lines.iter().enumerate() {
        if index == plot.first_dies {
            kill(cluster, &plot.first, "two are left, and everything is still sent", &start, &bar)?;
        }
        if index == plot.second_dies {
            kill(cluster, &plot.second, "one is left: messages go on, marked at risk", &start, &bar)?;
        }
        if index == plot.both_return {
            bring_back(&cast, cluster, &plot, &start, &bar).await?;
        }
        cast.say(line).await?;
        bar.set_position(index as u64 + 1);
        bar.set_message(format!("{}\n  {}", cast.summary().await?, spoken(line)));
        sleep(pace.saturating_sub(Duration::from_millis(1))).await;
    }
    bar.finish_and_clear();
    settle(&cast, &start).await?;
    cast.leave().await
}

fn kill(
    cluster: &Cluster,
    name: &str,
    left: &str,
    start: &Instant,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let process = block_in_place(|| cluster.kill(name, Signal::Kill))?;
    told(start, Some(bar), &format!("{RED}kill -9{RED:#} server {name} (pid {}): {left}", process.pid()))
}

async fn bring_back(
    cast: &Cast,
    cluster: &Cluster,
    plot: &Plot,
    start: &Instant,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let at_risk = cast.at_risk().await?;
    told(
        start,
        Some(bar),
        &format!("{YELLOW}{at_risk} at risk{YELLOW:#}: on one server and their author's disk"),
    )?;
    for name in [&plot.first, &plot.second] {
        let started = block_in_place(|| cluster.start(name))?;
        let pid = started.process.pid();
        told(
            start,
            Some(bar),
            &format!("{GREEN}restart{GREEN:#} server {name} (pid {pid}), with what is on its disk"),
        )?;
    }
    Ok(())
}

/// Waits until every message is on every server and read by whom it is for.
async fn settle(cast: &Cast, start: &Instant) -> Result<(), Failure> {
    let deadline = Instant::now() + SETTLE_PATIENCE;
    let spinner = ProgressBar::new_spinner();
    loop {
        let (owed, unread) = cast.unsettled().await?;
        if owed == 0 && unread == 0 {
            spinner.finish_and_clear();
            return told(
                start,
                None,
                &format!("outboxes empty: everything on {SERVERS}/{SERVERS} and read ({})", cast.shown()),
            );
        }
        if Instant::now() > deadline {
            spinner.finish_and_clear();
            let waited = count(owed, "copy").replace("copys", "copies");
            return told(
                start,
                None,
                &format!("{YELLOW}not settled{YELLOW:#}: {waited} owed, {} unread", count(unread, "event")),
            );
        }
        spinner.set_message(format!("waiting for the outboxes: {owed} copies owed, {unread} events unread"));
        spinner.tick();
        sleep(POLL).await;
    }
}

fn judge(stage: &Stage) -> Result<Outcome, Failure> {
    let report = stage.judge()?;
    screen::say(&format!("\n{}", verify::render(&report)))?;
    Ok(verify::outcome(&report))
}

/// A line as it is being said, cut to fit below the bar.
fn spoken(line: &Line) -> String {
    let text = inert(&line.text);
    let ellipsis = if text.chars().count() > SPOKEN_CHARS { "…" } else { "" };
    format!(
        "{BOLD}{}{BOLD:#}: {}{ellipsis}",
        inert(line.from.as_str()),
        text.chars().take(SPOKEN_CHARS).collect::<String>()
    )
}

fn bar(messages: usize) -> Result<ProgressBar, Failure> {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len}  {msg}")
        .map_err(|error| Failure::new(format!("the progress bar: {error}")))?;
    Ok(ProgressBar::new(messages as u64).with_style(style))
}

/// One line of what happens, with the time since the demo began.
fn told(start: &Instant, bar: Option<&ProgressBar>, what: &str) -> Result<(), Failure> {
    let line = format!("{DIM}{:>5.1} s{DIM:#}  {what}", start.elapsed().as_secs_f32());
    match bar {
        Some(bar) => bar.suspend(|| screen::say(&line)),
        None => screen::say(&line),
    }
}
