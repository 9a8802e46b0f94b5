//! How all servers are at one moment: their processes, what they say, what they have on disk. Prints nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;

use serde::Serialize;

use crate::cmd::ask::{Answer, ask_status};
use crate::cmd::failure::Failure;
use crate::cmd::home::Cluster;
use crate::cmd::nodes::State;
use crate::view::Member;

/// What a file's size in blocks is counted in; see stat(2).
const BLOCK_BYTES: u64 = 512;

/// One server at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Server {
    pub name: String,
    /// A word for it; see [`word_for`].
    pub state: &'static str,
    pub address: String,
    pub pid: Option<u32>,
    /// How many events it has on disk.
    pub position: Option<u64>,
    /// By how many events the furthest server that answers is ahead.
    pub behind: Option<u64>,
    /// How long the log is that it catches up with.
    pub syncing_to: Option<u64>,
    pub connections: Option<u64>,
    /// What its store takes on this machine's disk.
    pub stored_bytes: Option<u64>,
    pub uptime_ms: Option<u64>,
    /// Whether it takes nothing more, and is about to leave.
    pub sealed: bool,
    /// The epoch of the view that it acts on.
    pub epoch: Option<u64>,
}

/// Asks all servers at once. A hung one makes that take [`crate::limits::SILENCE_MS`].
///
/// # Errors
/// When a pid file cannot be read.
pub(super) fn survey(cluster: &Cluster) -> Result<Vec<Server>, Failure> {
    let members = cluster.view().servers();
    let states = cluster.states()?;
    // A paused server would only make the person wait; a dead one cannot answer.
    let ask = |state: &State| matches!(state, State::Up(_) | State::Elsewhere);
    let answers: Vec<Answer> = thread::scope(|scope| {
        let asked: Vec<_> = members
            .iter()
            .zip(&states)
            .map(|(member, (_, state))| ask(state).then(|| scope.spawn(|| ask_status(cluster, member))))
            .collect();
        let answer = |thread: Option<thread::ScopedJoinHandle<'_, Answer>>| match thread {
            Some(thread) => thread.join().unwrap_or(Answer::Silent),
            None => Answer::NotAsked,
        };
        asked.into_iter().map(answer).collect()
    });
    let furthest = answers.iter().filter_map(position_in).max();
    let server = |((member, (_, state)), answer): ((&Member, &(String, State)), Answer)| {
        let (word, position) = (word_for(*state, &answer), position_in(&answer));
        let status = if let Answer::Says(status) = answer { Some(status) } else { None };
        Server {
            name: member.name.clone(),
            state: word,
            address: member.address.clone(),
            pid: state.process().map(|process| process.pid()),
            position,
            behind: position.zip(furthest).map(|(held, furthest)| furthest - held),
            syncing_to: status.as_ref().and_then(|status| status.syncing_to),
            connections: status.as_ref().map(|status| status.connections),
            stored_bytes: bytes_on_disk(&cluster.home().server(&member.name).store()),
            uptime_ms: status.as_ref().map(|status| status.uptime_ms),
            sealed: member.sealed,
            epoch: status.as_ref().map(|status| status.view.epoch),
        }
    };
    Ok(members.iter().zip(&states).zip(answers).map(server).collect())
}

fn position_in(answer: &Answer) -> Option<u64> {
    if let Answer::Says(status) = answer { Some(status.position) } else { None }
}

/// One word for how a server is.
pub(super) fn word_for(state: State, answer: &Answer) -> &'static str {
    match (state, answer) {
        (State::Up(_), Answer::Silent) => "hung",
        (State::Up(_), _) => "up",
        (State::Paused(_), _) => "paused",
        (State::Stopped, _) => "stopped",
        (State::Dead(_), _) => "dead",
        (State::Elsewhere, Answer::Says(_)) => "up",
        (State::Elsewhere, Answer::Silent) => "unreachable",
        (State::Elsewhere, Answer::NotAsked) => "elsewhere",
    }
}

/// What a folder takes on the disk, preallocated files by what is in them; `None` if it is not there. What
/// vanishes meanwhile does not count.
fn bytes_on_disk(folder: &Path) -> Option<u64> {
    let entries = fs::read_dir(folder).ok()?;
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_on_disk(&entry.path()).unwrap_or(0),
        Ok(metadata) => metadata.blocks() * BLOCK_BYTES,
        Err(_) => 0,
    };
    Some(entries.flatten().map(bytes).sum())
}

/// A server that came back and has to get what the others held then.
#[derive(Debug)]
pub(super) struct CatchUp {
    name: String,
    goal: Option<u64>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It does not answer.
    Unknown,
    /// It holds so many of so many events.
    Syncing { held: u64, of: u64 },
    /// It holds this many, and that is what the others held, or more.
    InStep { held: u64 },
}

impl CatchUp {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), goal: None }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How far it is by this survey. The first one in which it answers sets the goal, which then stays: under
    /// traffic the furthest is always some events ahead. Its own word does not do for that, since it says that
    /// it is in step with all that answer before any has answered it.
    pub(super) fn look(&mut self, servers: &[Server]) -> Progress {
        let Some(own) = servers.iter().find(|server| server.name == self.name) else {
            return Progress::Unknown;
        };
        let Some(held) = own.position else { return Progress::Unknown };
        let furthest = servers.iter().filter_map(|server| server.position).max().unwrap_or(held);
        let goal = *self.goal.get_or_insert(furthest);
        match own.syncing_to {
            None if held >= goal => Progress::InStep { held },
            of => Progress::Syncing { held, of: goal.max(of.unwrap_or(0)) },
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::cmd::cluster) fn server(
        name: &str,
        position: Option<u64>,
        syncing_to: Option<u64>,
    ) -> Server {
        Server {
            name: name.to_owned(),
            state: "up",
            address: String::new(),
            pid: None,
            position,
            behind: None,
            syncing_to,
            connections: None,
            stored_bytes: None,
            uptime_ms: None,
            sealed: false,
            epoch: None,
        }
    }

    #[test]
    fn who_comes_back_is_in_step_when_it_holds_what_the_others_held_and_not_when_it_says_so() {
        let mut empty = CatchUp::new("2");
        let mut look = |own, syncing_to, other| {
            empty.look(&[server("1", Some(other), None), server("2", own, syncing_to)])
        };
        assert_eq!(look(None, None, 40), Progress::Unknown);
        assert_eq!(look(Some(0), None, 40), Progress::Syncing { held: 0, of: 40 });
        assert_eq!(look(Some(10), Some(50), 50), Progress::Syncing { held: 10, of: 50 });
        assert_eq!(look(Some(41), Some(50), 60), Progress::Syncing { held: 41, of: 50 });
        assert_eq!(look(Some(50), None, 60), Progress::InStep { held: 50 });
        assert_eq!(CatchUp::new("3").look(&[server("1", Some(1), None)]), Progress::Unknown);
    }

    #[test]
    fn a_folder_weighs_what_is_in_it_and_in_its_folders() {
        let dir = tempfile::tempdir().unwrap();
        let empty = bytes_on_disk(dir.path()).unwrap();
        fs::create_dir(dir.path().join("inner")).unwrap();
        fs::write(dir.path().join("inner/file"), vec![7; 100_000]).unwrap();
        let full = bytes_on_disk(dir.path()).unwrap();
        assert!(full >= empty + 100_000, "{empty} {full}");
        let sparse = fs::File::create(dir.path().join("sparse")).unwrap();
        sparse.set_len(1 << 30).unwrap();
        assert!(bytes_on_disk(dir.path()).unwrap() < 1 << 30);
        assert_eq!(bytes_on_disk(&dir.path().join("nothing")), None);
    }
}
