//! What a run shows while it goes on: lines of what happens, and below them, on a terminal, how it stands.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::tally::Counts;
use crate::cmd::failure::Failure;
use crate::cmd::screen::{self, DIM, GREEN, RED, YELLOW};

/// How often a reader that is no terminal is told how it stands.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// The view.
#[derive(Debug)]
pub struct Live {
    start: Mutex<Instant>,
    bar: ProgressBar,
    /// Whether standard output is for the report alone.
    aside: bool,
    plain: Option<Mutex<Instant>>,
}

impl Live {
    /// Times are counted from now; the bar ends after `for_ms`. With `aside`, lines go to standard error.
    ///
    /// # Errors
    /// When the bar's template is none.
    pub fn begin(for_ms: u64, aside: bool) -> Result<Self, Failure> {
        let style = ProgressStyle::with_template("{bar:32} {msg}")
            .map_err(|error| Failure::new(format!("the progress bar: {error}")))?;
        let start = Instant::now();
        let plain = (!std::io::stderr().is_terminal()).then(|| Mutex::new(start));
        Ok(Self { start: Mutex::new(start), bar: ProgressBar::new(for_ms).with_style(style), aside, plain })
    }

    /// From now on times are counted from now.
    pub fn begin_anew(&self) {
        *self.start.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Since the beginning, milliseconds.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.start.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Something has happened.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn tell(&self, what: &str) -> Result<(), Failure> {
        let line = format!("{DIM}{:>5.1} s{DIM:#}  {what}", self.elapsed().as_secs_f32());
        self.bar.suspend(|| {
            if self.aside {
                screen::note(&line);
                return Ok(());
            }
            screen::say(&line)
        })
    }

    /// How it stands.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn show(&self, counts: &Counts, faults: &[String]) -> Result<(), Failure> {
        let faults = if faults.is_empty() {
            format!("{GREEN}no fault{GREEN:#}")
        } else {
            format!("{RED}{}{RED:#}", faults.join(", "))
        };
        let elapsed = self.elapsed_ms();
        let total = self.bar.length().unwrap_or(elapsed);
        self.bar.set_position(elapsed.min(total));
        let seconds = |ms: u64| ms / 1_000;
        self.bar.set_message(format!(
            "{}/{} s  {faults}\n  {}",
            seconds(elapsed.min(total)),
            seconds(total),
            numbers(counts)
        ));
        if let Some(last) = &self.plain {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.elapsed() >= PLAIN_EVERY {
                *last = Instant::now();
                drop(last);
                return self.tell(&format!("{}; {faults}", numbers(counts)));
            }
        }
        Ok(())
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// The counts in one line.
pub fn numbers(counts: &Counts) -> String {
    let Counts { sent, on_all, at_risk, shown, late } = counts;
    let at_risk = if *at_risk > 0 {
        format!("{YELLOW}{at_risk} at risk{YELLOW:#}")
    } else {
        format!("{at_risk} at risk")
    };
    format!("{sent} sent, {on_all} acked by all, {at_risk}; {shown} lines shown, {late} late")
}
