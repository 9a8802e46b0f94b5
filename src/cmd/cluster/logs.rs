//! `tercet cluster logs`: what a server's process said, made safe for a terminal.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::thread::sleep;
use std::time::Duration;

use crate::cmd::complete;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::{Cluster, Home};
use crate::cmd::screen::{note, say};
use crate::text::inert;

const FOLLOW_POLL: Duration = Duration::from_millis(100);

/// What `cluster logs` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A server by name [default: the only one].
    #[arg(value_name = "NODE", add = complete::nodes())]
    pub node: Option<String>,
    /// Go on as it says more, until ctrl-C.
    #[arg(short, long)]
    pub follow: bool,
    /// How many of its last lines.
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 50)]
    pub lines: usize,
}

/// Shows the last lines.
///
/// # Errors
/// When the server is unknown, or none of several is named, or its log cannot be read.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    let cluster = Cluster::load(home)?;
    let node = meant(args, &cluster)?;
    if cluster.left(node).is_none() {
        cluster.member(node)?;
    }
    let path = home.server(node).log();
    let failed = |error| Failure::io(format!("read {}", path.display()), &error);
    let mut log = match File::open(&path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            note(&format!("server {node} has not said anything yet"));
            return Ok(Outcome::Done);
        }
        Err(error) => return Err(failed(error)),
    };
    let mut last = VecDeque::new();
    let mut line = Vec::new();
    while log.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        last.push_back(std::mem::take(&mut line));
        if last.len() > args.lines {
            last.pop_front();
        }
    }
    // A line whose end is not written yet waits for it, if somebody waits.
    let unfinished =
        if args.follow { last.pop_back_if(|line: &mut Vec<u8>| !line.ends_with(b"\n")) } else { None };
    for line in last {
        show(&line)?;
    }
    if !args.follow {
        return Ok(Outcome::Done);
    }
    let mut line = unfinished.unwrap_or_default();
    loop {
        if log.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            sleep(FOLLOW_POLL);
        } else if line.ends_with(b"\n") {
            show(&std::mem::take(&mut line))?;
        }
    }
}

fn meant<'a>(args: &'a Args, cluster: &'a Cluster) -> Result<&'a str, Failure> {
    match (args.node.as_deref(), cluster.names().as_slice()) {
        (Some(node), _) => Ok(node),
        (None, [only]) => Ok(only),
        (None, names) => Err(Failure::new(format!("which server's? there are {}", names.join(", ")))
            .next(format!("tercet cluster logs {}", names.first().unwrap_or(&"NODE")))),
    }
}

fn show(line: &[u8]) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(line);
    say(&inert(text.strip_suffix('\n').unwrap_or(&text)))
}
