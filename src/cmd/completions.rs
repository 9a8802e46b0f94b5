//! `tercet completions`: makes a shell complete the command line, names of servers and people included.
//!
//! What is installed is one line that asks `tercet` itself for the script: the script and the program have to be
//! of one version. `--static` prints a script that needs no `tercet` to run and knows no names, for packagers;
//! `completions/` holds it, and a test compares the two.

use std::path::{Path, PathBuf};

use clap_complete::Shell;
use etcetera::BaseStrategy;

use super::complete::VARIABLE;
use super::failure::{Failure, Outcome};
use super::{files, screen};

/// What `completions` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// For which shell.
    pub shell: Shell,
    /// Print it instead of installing it.
    #[arg(long)]
    pub print: bool,
    /// Print a script that does not ask tercet and completes no names, for packages.
    #[arg(long = "static")]
    pub fixed: bool,
}

/// Installs or prints it.
///
/// # Errors
/// When it cannot be written.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    if args.fixed {
        screen::say(script(args.shell).trim_end())?;
        return Ok(Outcome::Done);
    }
    let loader = loader(args.shell);
    let place = place(args.shell).filter(|_| !args.print);
    let Some(path) = place else {
        screen::say(loader.trim_end())?;
        if !args.print {
            screen::note(&format!(
                "-- {} has no folder for this: put that line into its start file",
                args.shell
            ));
        }
        return Ok(Outcome::Done);
    };
    install(&path, &loader)?;
    screen::say(&format!("completions for {} are in {}", args.shell, path.display()))?;
    if let Some(hint) = hint(args.shell, &path) {
        screen::note(&format!("-- {hint}"));
    }
    Ok(Outcome::Done)
}

fn install(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::io(format!("make the folder {}", folder.display()), &error))?;
    }
    files::write(path, text.as_bytes())
}

/// What makes a shell ask tercet.
fn loader(shell: Shell) -> String {
    match shell {
        Shell::Zsh => format!(
            "#compdef tercet\nsource <({VARIABLE}=zsh tercet)\n_clap_dynamic_completer_tercet \"$@\"\n"
        ),
        Shell::Fish => format!("{VARIABLE}=fish tercet | source\n"),
        Shell::Elvish => format!("eval (E:{VARIABLE}=elvish tercet | slurp)\n"),
        Shell::PowerShell => format!(
            "$env:{VARIABLE} = \"powershell\"; tercet | Out-String | Invoke-Expression; Remove-Item Env:\\{VARIABLE}\n"
        ),
        other => format!("source <({VARIABLE}={other} tercet)\n"),
    }
}

/// Where a shell looks for completions of its user.
fn place(shell: Shell) -> Option<PathBuf> {
    let xdg = etcetera::base_strategy::Xdg::new().ok()?;
    match shell {
        Shell::Bash => {
            let folder = std::env::var_os("BASH_COMPLETION_USER_DIR").map(PathBuf::from);
            let folder = folder.unwrap_or_else(|| xdg.data_dir().join("bash-completion"));
            Some(folder.join("completions/tercet"))
        }
        Shell::Zsh => Some(xdg.data_dir().join("zsh/site-functions/_tercet")),
        Shell::Fish => Some(xdg.config_dir().join("fish/completions/tercet.fish")),
        _ => None,
    }
}

/// What a person has to do besides, if their shell does not do it already.
fn hint(shell: Shell, path: &Path) -> Option<String> {
    match shell {
        Shell::Bash => Some(format!(
            "new shells load it by the package bash-completion; without that, put into ~/.bashrc: source {}",
            path.display()
        )),
        Shell::Zsh => path
            .parent()
            .map(|folder| format!("put into ~/.zshrc, before compinit: fpath=({} $fpath)", folder.display())),
        _ => None,
    }
}

/// The script for a shell that does not ask tercet.
pub fn script(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut super::definitions(), "tercet", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
