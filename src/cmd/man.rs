//! `tercet man`: the manual pages, one for each subcommand. Made from the same definitions as the help; `man/`
//! holds them for packagers, and a test compares the two.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::examples::exit_status;
use super::failure::{Failure, Outcome};
use super::{files, screen};

/// What the first page says of `config.toml`; a test reads the example.
const FILES: &str = r#".SH FILES
.TP
$XDG_CONFIG_HOME/tercet/config.toml
What you have set for all commands. A flag goes before the environment, that before the profile, and that
before the default. Keys that are not known are refused.
.nf
default = "work"             # the profile without \-\-profile; else the one named default

[profile.work]
cluster = "~/clusters/work"  # as \-\-dir; relative to this file
name = "ada"                 # as \-\-as
.fi
.SH ENVIRONMENT
TERCET_DIR is as \-\-dir, TERCET_PROFILE as \-\-profile, TERCET_NAME as \-\-as.
"#;

/// What `man` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the pages go; made if it is absent [default: where `man` looks, $XDG_DATA_HOME/man/man1].
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// Writes the pages.
///
/// # Errors
/// Names the folder.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let own = || Some(etcetera::base_strategy::Xdg::new().ok()?.data_dir().join("man/man1"));
    let folder = args.folder.clone().or_else(own).ok_or_else(|| {
        Failure::new("there is no home folder for manual pages").next("name a folder: tercet man FOLDER")
    })?;
    write(&folder)?;
    let pages = files::list(&folder)?.iter().filter(|path| is_ours(path)).count();
    screen::say(&format!("{pages} manual pages are in {}", folder.display()))?;
    screen::note("-- read them with: man tercet, man tercet-chat");
    Ok(Outcome::Done)
}

fn is_ours(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tercet"))
}

/// Writes every page into a folder: `tercet.1`, `tercet-chat.1`, ...
///
/// # Errors
/// Names the folder.
pub fn write(folder: &Path) -> Result<(), Failure> {
    let failed = |error| {
        Failure::io(format!("write manual pages to {}", folder.display()), &error)
            .next("give a folder that you may write to: tercet man FOLDER")
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(super::definitions(), folder).map_err(failed)?;
    for path in files::list(folder)?.iter().filter(|path| is_ours(path)) {
        let page = std::fs::read_to_string(path).map_err(failed)?;
        let is_first = path.file_stem().is_some_and(|stem| stem == "tercet");
        std::fs::write(path, with_sections(&page, is_first)).map_err(failed)?;
    }
    Ok(())
}

/// clap knows one extra section; what stands there are examples. The first page has the exit statuses.
fn with_sections(page: &str, is_first: bool) -> String {
    let page = page.replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n");
    if !is_first || page.contains(".SH EXIT STATUS") {
        return page;
    }
    let status: String = exit_status()
        .lines()
        .skip(1)
        .filter_map(|line| line.trim_start().split_once("  "))
        .map(|(code, meaning)| format!(".TP\n{code}\n{meaning}\n"))
        .collect();
    format!("{page}{FILES}.SH EXIT STATUS\n{status}")
}
