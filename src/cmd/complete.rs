//! What the shell may complete: names of servers, people, rooms and profiles. From files of this machine alone, since
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

/// One that only clap_complete's script for bash sets; the one above is gone by then.
const BASH_VARIABLE: &str = "_CLAP_COMPLETE_COMP_TYPE";

/// Servers of the cluster.
pub fn nodes() -> ArgValueCompleter {
    candidates(|settings| {
        let file = ClusterFile::load(&settings.home().cluster_file()).ok().flatten();
        let names =
            |file: ClusterFile| file.view().servers().iter().map(|member| member.name.clone()).collect();
        file.map(names).unwrap_or_default()
    })
}

/// Everybody whom a device on this machine has heard of, and every room.
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
    let in_bash = std::env::var_os(BASH_VARIABLE).is_some();
    let words = words.into_iter().map(|word| if in_bash { quoted(word, &typed) } else { word });
    let fits = words.filter(|word| word.starts_with(&*typed));
    fits.map(CompletionCandidate::new).collect()
}

/// A word as bash has to read it: it puts candidates into the line as they are, where `#` begins a comment. The
/// other shells quote by themselves.
fn quoted(word: String, typed: &str) -> String {
    let is_open = typed.starts_with(['\'', '"']);
    match word.strip_prefix('#') {
        Some(_) if is_open => format!("{}{word}", &typed[..1]),
        Some(_) if typed.starts_with('#') => word, // a comment already: what is in the line cannot be mended
        Some(room) => format!("\\#{room}"),
        None => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_no_comment_in_bash() {
        let cases = [
            ("", "#lab", "\\#lab"),
            ("\\#l", "#lab", "\\#lab"),
            ("'#l", "#lab", "'#lab"),
            ("\"#l", "#lab", "\"#lab"),
            ("", "bob", "bob"),
        ];
        for (typed, word, line) in cases {
            assert_eq!(quoted(word.to_owned(), typed), line, "{typed:?}");
        }
    }
}
