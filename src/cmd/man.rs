//! `tercet man`: the manual pages, one for each subcommand. Made from the same definitions as the help; `man/`
//! holds them for packagers, and a test compares the two.

use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::failure::{Failure, Outcome};
use super::{Cli, files, screen};

/// What `man` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tercet man ~/.local/share/man/man1 && man tercet-chat")]
pub struct Args {
    /// Where the pages go; the folder is made if it is absent.
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Writes the pages.
///
/// # Errors
/// Names the folder.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    write(&args.folder)?;
    let pages = files::list(&args.folder)?.len();
    screen::say(&format!("{pages} manual pages are in {}", args.folder.display()))?;
    Ok(Outcome::Done)
}

/// Writes every page into a folder: `tercet.1`, `tercet-chat.1`, ...
///
/// # Errors
/// Names the folder.
pub fn write(folder: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::io(format!("write manual pages to {}", folder.display()), &error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)
}
