//! `tercet chaos`: people talk while a nemesis does what the seed says; then `verify` judges.
//!
//! ```text
//!   seed --> schedule --> nemesis --signals, wipes, namespaces--> servers (`tercet serve`)
//!              ^             |                                        ^
//!         action log <-------+----kill -9, skew----> clients (`tercet chat`) <-- talk, from the seed
//! ```
//!
//! Everything is a process of its own, in a temporary folder. At the end all faults stop, the outboxes drain,
//! everybody reads what there is, and the logs are judged.

mod action;
mod crew;
mod live;
mod nemesis;
mod netns;
mod play;
mod schedule;
mod tally;

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::failure::{Failure, Outcome};
use super::interrupts::Interrupts;
use super::keys;
use super::screen::DIM;
use super::stage::Stage;
use action::{Action, PEOPLE, Setting};
use netns::Lab;
use play::Run;
use schedule::{Fault, Shape, plan};

const SERVERS: usize = 3;
const A_LOG: &str = "give a log of actions that tercet chaos has written";
const FOR_DEFAULT_MS: u64 = 60_000;
/// A day: far longer than anybody watches.
const FOR_MAX_MS: u64 = 24 * 60 * 60 * 1_000;
const CLIENTS_DEFAULT: usize = 3;
const RATE_DEFAULT: u32 = 20;

/// What `chaos` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long things go wrong: 60s, 5m, 800ms [default: 60s].
    #[arg(long = "for", value_name = "TIME", value_parser = duration_ms)]
    pub for_ms: Option<u64>,
    /// Chooses what goes wrong when, and who says what [default: a new seed].
    #[arg(long, value_name = "S", conflicts_with = "replay")]
    pub seed: Option<u64>,
    /// How many people talk, 2 to 16 [default: 3].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=PEOPLE.len() as i64))]
    pub clients: Option<u8>,
    /// Messages a second, all together [default: 20].
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rate: Option<u32>,
    /// What may go wrong [default: all that this machine can do].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FAULTS", conflicts_with = "replay")]
    pub faults: Vec<Fault>,
    /// Does what this log of actions says, which an earlier run has written, in place of a seed's schedule.
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// Where to write the log of actions [default: a new file in the system's temporary folder].
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Leaves the folder for a look afterwards; it stays anyway unless the verdict is "valid".
    #[arg(long)]
    pub keep: bool,
    /// Print verify's report as JSON, with the seed and the counts; the story goes to standard error.
    #[arg(long)]
    pub json: bool,
}

/// Understands "60s", "5m", "800ms"; a bare number is of seconds.
fn duration_ms(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("it is not a number with a unit: ms, s, m or h".to_owned()),
    };
    let number: u64 =
        digits.parse().map_err(|_| "it is not a whole number with a unit: 60s, 5m, 800ms".to_owned())?;
    match number.checked_mul(unit_ms) {
        Some(0) => Err("nothing can go wrong in no time; give at least 1ms".to_owned()),
        Some(ms) if ms <= FOR_MAX_MS => Ok(ms),
        _ => Err("it is longer than a day".to_owned()),
    }
}

/// Lets things go wrong; ends with verify's outcome.
///
/// # Errors
/// When it could not run, or a process could not be brought back; the folder stays then.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let (setting, replayed) = setting(args)?;
    let asked: BTreeSet<Fault> = args.faults.iter().copied().collect();
    let wants_network = match &replayed {
        Some(actions) => actions.iter().any(|action| action.deed.is_of_the_network()),
        None => asked.is_empty() || asked.contains(&Fault::Partition) || asked.contains(&Fault::Slow),
    };
    let mut interrupts = Interrupts::listen()?;
    let mut skipped = Vec::new();
    let lab = wants_network.then(|| Lab::build(SERVERS)).and_then(|built| {
        built.map_err(|why| skipped.push(format!("partition and slow are skipped: {why}"))).ok()
    });
    let mut faults: BTreeSet<Fault> = if asked.is_empty() { Fault::ALL.into() } else { asked };
    if lab.is_none() {
        faults.retain(|fault| !matches!(fault, Fault::Partition | Fault::Slow));
    }
    if let Some(why) = lab.as_ref().and_then(Lab::no_netem)
        && faults.remove(&Fault::Slow)
    {
        skipped.push(format!("slow is skipped: {why}"));
    }
    if faults.is_empty() {
        return Err(
            Failure::new(skipped.join("; ")).next("name other --faults, or run it as root with iproute2")
        );
    }
    let shape = Shape { servers: SERVERS, clients: setting.clients, for_ms: setting.for_ms, faults };
    let actions = replayed.unwrap_or_else(|| plan(setting.seed, &shape));

    let stage = match &lab {
        Some(lab) => Stage::build_as("chaos", &lab.plans())?,
        None => Stage::build("chaos", SERVERS)?,
    };
    let log = match &args.log {
        Some(path) => path.clone(),
        None => stage.dir().with_extension("tsv"),
    };
    let run = Run { setting, actions, log, skipped, json: args.json };
    let outcome =
        run.play(&stage, lab.as_ref(), &mut interrupts).and_then(|played| run.judge(&stage, &played));
    let kept = stage.strike(args.keep || !matches!(outcome, Ok(Outcome::Done)))?;
    run.say(&format!("{DIM}the actions are in {} (--replay does them again){DIM:#}", run.log.display()))?;
    if let Some(kept) = kept {
        run.say(&kept)?;
    }
    outcome
}

/// With what it is run, and what is replayed if something is.
fn setting(args: &Args) -> Result<(Setting, Option<Vec<Action>>), Failure> {
    let (mut setting, actions) = match &args.replay {
        None => {
            let seed = match args.seed {
                Some(seed) => seed,
                None => u64::from(u16::from_be_bytes(keys::random()?)),
            };
            let setting =
                Setting { seed, clients: CLIENTS_DEFAULT, rate: RATE_DEFAULT, for_ms: FOR_DEFAULT_MS };
            (setting, None)
        }
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::io(format!("read the actions {}", path.display()), &error).next(A_LOG)
            })?;
            let (setting, actions) = action::parse(&text, SERVERS)
                .map_err(|error| Failure::new(format!("{}: {error}", path.display())).next(A_LOG))?;
            (setting, Some(actions))
        }
    };
    setting.clients = args.clients.map_or(setting.clients, usize::from);
    setting.rate = args.rate.unwrap_or(setting.rate);
    setting.for_ms = args.for_ms.unwrap_or(setting.for_ms);
    Ok((setting, actions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_or_is_of_seconds() {
        let good = [("60s", 60_000), ("7", 7_000), ("800ms", 800), ("5m", 300_000), ("24h", FOR_MAX_MS)];
        for (text, ms) in good {
            assert_eq!(duration_ms(text), Ok(ms), "{text}");
        }
        let bad = [
            ("0", "no time"),
            ("0ms", "no time"),
            ("", "whole number"),
            ("s", "whole number"),
            ("1.5s", "whole number"),
            ("-1s", "whole number"),
            ("5d", "unit"),
            ("25h", "longer than a day"),
            ("99999999999999999999s", "whole number"),
            ("9999999999999999999h", "longer than a day"),
        ];
        for (text, says) in bad {
            let error = duration_ms(text).unwrap_err();
            assert!(error.contains(says), "{text:?} gave {error:?}");
        }
    }
}
