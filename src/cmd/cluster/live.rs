//! `tercet cluster status --watch`: on a terminal a table that is drawn again each second, otherwise one
//! block, or one JSON object on a line, for each change.

use std::io::{ErrorKind, IsTerminal, Write};
use std::time::Duration;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};

use super::status::{json, live_table};
use super::survey::{Server, survey};
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::Cluster;
use crate::cmd::interrupts::Interrupts;
use crate::cmd::screen::say;

const EVERY: Duration = Duration::from_secs(1);
/// Erases what was there before; see the standard ECMA-48, and DEC's private modes for the next two.
const TO_LINE_END: &str = "\x1b[K";
const TO_SCREEN_END: &str = "\x1b[J";
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// Watches until ctrl-C, SIGTERM or the terminal's end.
///
/// # Errors
/// When the servers' folders cannot be read, or nobody reads any more.
pub(super) fn run(cluster: &Cluster, as_json: bool) -> Result<Outcome, Failure> {
    let mut interrupts = Interrupts::listen()?;
    let can_redraw =
        std::io::stdout().is_terminal() && std::env::var_os("TERM").is_some_and(|it| it != "dumb");
    if can_redraw && !as_json {
        return redraw(cluster, &mut interrupts);
    }
    let mut before = None;
    loop {
        let cluster = &cluster.again()?;
        let now = survey(cluster)?;
        let what_counts = Some(without_the_clock(&now));
        if before != what_counts {
            if as_json {
                say(&json(cluster, &now, true)?)?;
            } else {
                // A line between two blocks, and none after the last.
                let gap = if before.is_some() { "\n" } else { "" };
                say(&format!("{gap}{}", block(&now)))?;
            }
            before = what_counts;
        }
        if interrupts.come_within(EVERY) {
            return Ok(Outcome::Done);
        }
    }
}

/// What was last seen stays when it ends.
fn redraw(cluster: &Cluster, interrupts: &mut Interrupts) -> Result<Outcome, Failure> {
    let plain = AutoStream::choice(&std::io::stdout()) == ColorChoice::Never;
    let mut above = 0;
    loop {
        let shown = block(&survey(&cluster.again()?)?);
        let shown = if plain { strip_str(&shown).to_string() } else { shown };
        match draw(&mut std::io::stdout().lock(), &shown, above) {
            Ok(()) => above = shown.lines().count(),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Err(Failure::reader_gone()),
            Err(error) => return Err(Failure::io("write to standard output", &error)),
        }
        if interrupts.come_within(EVERY) {
            say("")?; // past what the terminal shows of ctrl-C
            return Ok(Outcome::Done);
        }
    }
}

/// Draws over the last `above` lines. Lines do not wrap meanwhile, so that they are as many on a narrow terminal.
fn draw(out: &mut impl Write, shown: &str, above: usize) -> std::io::Result<()> {
    let mut bytes = NO_WRAP.to_owned();
    if above > 0 {
        bytes.push_str(&format!("\r\x1b[{above}A"));
    }
    shown.lines().for_each(|line| bytes.push_str(&format!("{line}{TO_LINE_END}\n")));
    // A server may have left.
    bytes.push_str(TO_SCREEN_END);
    bytes.push_str(WRAP);
    out.write_all(bytes.as_bytes()).and_then(|()| out.flush())
}

fn block(servers: &[Server]) -> String {
    format!("{}\n{}", jiff::Zoned::now().strftime("%H:%M:%S"), live_table(servers))
}

/// That time goes by is no change.
fn without_the_clock(servers: &[Server]) -> Vec<Server> {
    servers.iter().map(|server| Server { uptime_ms: None, ..server.clone() }).collect()
}
