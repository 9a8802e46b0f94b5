//! `tercet verify`: checks everybody's logs against what tercet promises.

mod progress;
mod read;
mod render;

use std::path::PathBuf;

use super::failure::{Failure, Outcome};
use super::files;
use super::home::{Cluster, Home};
use super::replay::Sources;
use super::screen;
use crate::evidence::Evidence;
use crate::export_adya::adya;
use crate::export_jsonl::jsonl;
use crate::export_shiviz::shiviz;
use crate::page::page;
use crate::verify::{Report, Verdict, judge};
use progress::{reading, working};
pub use read::of_cluster;
pub use render::render;

/// What `verify` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Device logs and store folders to check, or folders that hold such, copied here from anywhere
    /// [default: all of the cluster's].
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// Also write the report as one HTML page, with the history as a diagram.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print the history for another program instead of the report.
    #[arg(long, value_name = "FORMAT", conflicts_with = "json")]
    pub export: Option<Format>,
}

/// What other programs read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Transactions on lists, for the checkers adya and Elle.
    Adya,
    /// A log with vector clocks, for ShiViz.
    Shiviz,
    /// Everything, as JSON Lines.
    Jsonl,
}

/// Checks and reports.
///
/// # Errors
/// When it could not run.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    let sources =
        if args.paths.is_empty() { of_cluster(&Cluster::load(home)?)? } else { read::of_paths(&args.paths)? };
    if args.report.is_none() && args.export.is_none() {
        let report = reading("reading and checking logs", |progress| sources.judge(progress));
        let text = match args.json {
            true => json(&report)?,
            false => render(&report),
        };
        screen::say(&text)?;
        return Ok(outcome(&report));
    }
    tell(args, sources)
}

/// Writes the page, or the history in another form: both are made of the plain history.
fn tell(args: &Args, sources: Sources) -> Result<Outcome, Failure> {
    let history = working("reading logs", || sources.history());
    let evidence = working("checking signatures", || Evidence::of(&history));
    let report = working("checking the promises", || judge(&evidence));
    if let Some(file) = &args.report {
        let page = working("drawing the page", || page(&evidence, &report));
        files::write_in_place(file, page.as_bytes()).map_err(|error| {
            Failure::io(format!("write the report {}", file.display()), &error)
                .next("name a file in a folder that is there and may be written")
        })?;
        screen::note(&format!("the report is in {}", file.display()));
    }
    match args.export {
        Some(format) => {
            let text = working("exporting", || match format {
                Format::Adya => adya(&evidence),
                Format::Shiviz => shiviz(&evidence),
                Format::Jsonl => jsonl(&evidence),
            });
            screen::note(&render::verdict(&report));
            screen::say(text.trim_end_matches('\n'))?;
        }
        None if args.json => screen::say(&json(&report)?)?,
        None => screen::say(&render(&report))?,
    }
    Ok(outcome(&report))
}

fn json(report: &Report) -> Result<String, Failure> {
    report.to_json().map_err(|error| Failure::new(format!("the report cannot be encoded: {error}")))
}

/// The program's outcome for a report.
pub fn outcome(report: &Report) -> Outcome {
    match report.verdict() {
        Verdict::Valid => Outcome::Done,
        Verdict::Violation => Outcome::Negative,
        Verdict::Unknown => Outcome::Unknown,
    }
}
