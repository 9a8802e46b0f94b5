//! What the shell may complete: names of servers, people and profiles. From files of this machine alone, since
//! whoever presses TAB does not want to wait for a network.
//!
//! The cluster's folder is found as the command would find it, but for a `--dir` or `--profile` that is typed
//! before: the shell does not hand it to a completer.

use std::ffi::OsStr;
use std::fs;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::config::ClusterFile;
use super::home::Home;
use super::settings::{self, Settings};
use crate::text::Name;

/// The variable by which a shell asks for candidates.
pub const VARIABLE: &str = "TERCET_COMPLETE";

/// Servers of the cluster.
pub fn nodes() -> ArgValueCompleter {
    candidates(|settings| {
        let file = ClusterFile::load(&settings.home().cluster_file()).ok().flatten();
        let names =
            |file: ClusterFile| file.view().servers().iter().map(|member| member.name.clone()).collect();
        file.map(names).unwrap_or_default()
    })
}

/// Everybody whom a device on this machine has heard of.
pub fn names() -> ArgValueCompleter {
    candidates(|settings| {
        let people = settings.people();
        let heard = people.iter().flat_map(|name| known_names(settings.home(), name));
        let mut names: Vec<String> = people.iter().map(Name::to_string).chain(heard).collect();
        names.sort();
        names.dedup();
        names
    })
}

/// People whose key is on this machine.
pub fn people() -> ArgValueCompleter {
    candidates(|settings| settings.people().iter().map(Name::to_string).collect())
}

/// Profiles of `config.toml`.
pub fn profiles() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| matching(typed, settings::profiles()))
}

fn known_names(home: &Home, name: &Name) -> Vec<String> {
    let list = fs::read_to_string(home.known_names(name)).unwrap_or_default();
    list.lines().map(str::to_owned).collect()
}

fn candidates(find: impl Fn(&Settings) -> Vec<String> + Send + Sync + 'static) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let dir = std::env::var_os("TERCET_DIR").map(Into::into);
        let profile = std::env::var("TERCET_PROFILE").ok();
        // A file that cannot be read is for the command to complain about.
        let settings = Settings::resolve(dir, profile.as_deref());
        settings.map_or_else(|_| Vec::new(), |settings| matching(typed, find(&settings)))
    })
}

fn matching(typed: &OsStr, words: Vec<String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let fits = words.into_iter().filter(|word| word.starts_with(&*typed));
    fits.map(CompletionCandidate::new).collect()
}
