//! `tercet completions`: what a shell needs to complete the command line. Made from the same definitions as
//! the help; `completions/` holds it for packagers, and a test compares the two.

use clap::CommandFactory;
use clap_complete::Shell;

use super::failure::{Failure, Outcome};
use super::{Cli, screen};

/// What `completions` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tercet completions bash > ~/.local/share/bash-completion/completions/tercet\n  \
    tercet completions zsh > \"${fpath[1]}/_tercet\"\n  \
    tercet completions fish > ~/.config/fish/completions/tercet.fish")]
pub struct Args {
    /// For which shell.
    pub shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    screen::say(script(args.shell).trim_end())?;
    Ok(Outcome::Done)
}

/// The script for a shell.
pub fn script(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tercet", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
