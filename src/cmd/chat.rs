//! `tercet chat`: one person's device.

use super::failure::{Failure, Outcome};
use super::home::Home;
use crate::limits::REORDER_WINDOW_MS;

/// What `chat` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Who you are; a new name is registered on first use.
    pub name: String,
    /// Without a terminal: how long to wait at the end for messages to be safe.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub timeout: u64,
    /// How long the display holds a message so that its place is settled.
    #[arg(long, value_name = "MS", default_value_t = REORDER_WINDOW_MS)]
    pub window_ms: u64,
}

/// Chats until ctrl-D, `/quit` or the end of input.
///
/// # Errors
/// When it cannot start.
pub fn run(_args: &Args, _home: &Home) -> Result<Outcome, Failure> {
    Err(Failure::new("chat is not built yet"))
}
