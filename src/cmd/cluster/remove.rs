//! `tercet cluster remove`: one server less, and nothing lost with it.
//!
//! ```text
//! seal: it appends nothing more --> drain: d others hold all of its log --> retire: no view names it, it stops
//! ```
//!
//! A server that is dead cannot be drained. Removing it all the same is what losing its disk is, so it takes `--force`.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Instant;

use super::change::{Change, Told, listed, view_line};
use crate::cmd::ask::{Answer, ask_status};
use crate::cmd::complete;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::{Cluster, Home};
use crate::cmd::nodes::{STOP_PATIENCE, State};
use crate::cmd::screen::{note, say, warn};
use crate::frame::ServerStatus;
use crate::id::{Incarnation, Position, ServerId};
use crate::limits::SENT_AT;
use crate::store::Replica;
use crate::text::{count, inert};
use crate::view::Member;

/// What `cluster remove` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A server by name.
    #[arg(value_name = "NODE", add = complete::nodes())]
    pub node: String,
    /// How it is let go.
    #[command(flatten)]
    pub how: How,
}

/// How a server is let go.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct How {
    /// How many of the others must hold all that it holds before it goes [default: 2, or all of fewer].
    #[arg(long, value_name = "COPIES")]
    pub copies: Option<usize>,
    /// Remove a server that is dead. What it alone holds is lost, unless its author still has it.
    #[arg(long)]
    pub force: bool,
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(copies) = self.copies {
            write!(f, " --copies {copies}")?;
        }
        f.write_str(if self.force { " --force" } else { "" })
    }
}

/// Removes a server, or goes on with removing it.
///
/// # Errors
/// When the servers cannot change, it is unknown, the last or dead, or the others do not get what it holds; ctrl-C.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    let mut change = Change::begin(home, format!("tercet cluster remove {}{}", args.node, args.how))?;
    leave(&mut change, &args.node, args.how)?;
    Ok(Outcome::Done)
}

/// Removes a server; what of that has been done is not done again.
///
/// # Errors
/// As [`run`].
pub(super) fn leave(change: &mut Change, name: &str, how: How) -> Result<(), Failure> {
    if change.cluster().left(name).is_none() {
        let before = change.cluster().clone();
        let member = before.member(name)?.clone();
        let others = before.view().writable().filter(|other| other.id != member.id).count();
        match may_leave(&before, &member, how, others)? {
            Standing::Answers => drain(change, &member, how)?,
            Standing::Dead => {
                let next = before.view().retire(member.id, None, Vec::new())?;
                tell_what_force_means(&before, &member)?;
                change.step(next)?;
            }
        }
        say(&format!("server {} has left; {}", inert(name), view_line(change.cluster().view())))?;
        stop(change, &member)?;
    } else {
        note(&format!("server {} has left already", inert(name)));
        change.announce(&[])?;
        stop_straggler(change, name)?;
    }
    tell_what_stays(change.cluster(), name);
    Ok(())
}

fn tell_what_stays(cluster: &Cluster, name: &str) {
    let folder = cluster.home().server(name);
    if !folder.dir().exists() {
        return;
    }
    let dir = folder.dir().display();
    note(&match cluster.left(name).is_some_and(|retired| retired.drained.is_empty()) {
        true => {
            format!("its folder stays: what its store holds may be nowhere else; to delete it: rm -r {dir}")
        }
        false => format!("its folder stays, for verify to read; nothing else needs it: rm -r {dir}"),
    });
}

/// Whether a server can still hand over what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It answers.
    Answers,
    /// It does not, and whoever removes it knows what that means.
    Dead,
}

/// Whether a server may leave so many others that take messages; changes nothing.
///
/// # Errors
/// When it is the last that takes messages, too few others are left, or it is dead and that was not said.
pub(super) fn may_leave(
    cluster: &Cluster,
    member: &Member,
    how: How,
    others: usize,
) -> Result<Standing, Failure> {
    let name = inert(&member.name);
    if others == 0 {
        return Err(Failure::new(format!("server {name} is the last: without it there is no cluster")).next(
            "add another first, with tercet cluster add; or take the cluster down: tercet cluster down",
        ));
    }
    if let Some(copies) = how.copies.filter(|copies| !(1..=others).contains(copies)) {
        return Err(Failure::new(format!(
            "--copies {copies} cannot be had: {} stay",
            count(others, "server")
        ))
        .next(format!("give --copies a number from 1 to {others}")));
    }
    let state = cluster.state(&member.name)?;
    let answers = matches!(state, State::Up(_) | State::Elsewhere)
        && matches!(ask_status(cluster, member), Answer::Says(_));
    match (answers, how.force) {
        (true, _) => Ok(Standing::Answers),
        (false, true) => Ok(Standing::Dead),
        (false, false) => Err(Failure::new(format!(
            "server {name} does not answer, so nobody can fetch what only it holds; nothing was changed"
        ))
        .next(format!(
            "bring it back, for example with tercet cluster start {name}, and run the same again; if its disk is \
             lost: tercet cluster remove {name} --force"
        ))),
    }
}

/// Seals it and waits until enough of the others hold all of its log; then retires it.
fn drain(change: &mut Change, member: &Member, how: How) -> Result<(), Failure> {
    let name = inert(&member.name);
    if !member.sealed {
        let next = change.cluster().view().seal(member.id)?;
        change.step(next)?;
        say(&format!(
            "server {name} is sealed: it takes nothing more (view epoch {})",
            change.cluster().view().epoch()
        ))?;
    } else {
        change.announce(&[])?;
    }
    let others = change.cluster().view().writable().count();
    let copies = how.copies.unwrap_or_else(|| SENT_AT.min(others));
    let mut told = Told::default();
    let drained = loop {
        let answers = ask_all(change.cluster());
        let staying = change.cluster().view().writable().map(|member| member.id).collect();
        if let Some(sealed) = Sealed::of(&answers, member.id, staying) {
            let holders = sealed.holders(&answers);
            told.tell(format!(
                "server {name}: drained {} of {} by {} of {copies}",
                sealed.reached(&answers, copies),
                sealed.position,
                holders.len().min(copies),
            ));
            if holders.len() >= copies {
                break (sealed, holders);
            }
        } else {
            told.tell(format!("server {name}: does not say where its log ends"));
        }
        if told.stands_still() {
            return Err(Failure::new(format!(
                "server {name} is sealed and not drained: nothing new for a while"
            ))
            .next(format!(
                "see to it that it and {copies} of the others run (tercet cluster status), then run the same again: {}; \
                 if its disk is lost: tercet cluster remove {name} --force",
                change.again()
            )));
        }
        change.pause()?;
    };
    let (sealed, holders) = drained;
    let holds = |member: &&Member| holders.iter().any(|(id, _)| *id == member.id);
    let names = change.cluster().view().servers().iter().filter(holds).map(|member| inert(&member.name));
    let names: Vec<String> = names.collect();
    let next =
        change.cluster().view().retire(member.id, Some((sealed.incarnation, sealed.position)), holders)?;
    change.step(next)?;
    let events = count(usize::try_from(sealed.position).unwrap_or(usize::MAX), "event");
    say(&format!("server {name} is drained: {} of its log, all held by {}", events, listed(&names)))
}

/// What every server says of itself that is in the view and answers.
type Answers = BTreeMap<ServerId, ServerStatus>;

fn ask_all(cluster: &Cluster) -> Answers {
    thread::scope(|scope| {
        let asked: Vec<_> = cluster
            .view()
            .servers()
            .iter()
            .filter(|member| matches!(cluster.state(&member.name), Ok(State::Up(_) | State::Elsewhere)))
            .map(|member| (member.id, scope.spawn(|| ask_status(cluster, member))))
            .collect();
        let answer = |(id, thread): (ServerId, thread::ScopedJoinHandle<'_, Answer>)| match thread.join() {
            Ok(Answer::Says(status)) => Some((id, status)),
            _ => None,
        };
        asked.into_iter().filter_map(answer).collect()
    })
}

/// A log that ends for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sealed {
    server: ServerId,
    incarnation: Incarnation,
    position: Position,
    /// Those that stay.
    staying: BTreeSet<ServerId>,
}

impl Sealed {
    /// What a sealed server says of its log, once it can.
    fn of(answers: &Answers, server: ServerId, staying: BTreeSet<ServerId>) -> Option<Self> {
        let status = answers.get(&server)?;
        Some(Self { server, incarnation: status.incarnation, position: status.sealed?, staying })
    }

    /// How far a server that stays has this log on its own disk.
    fn held_by(&self, status: &ServerStatus) -> Position {
        let read = status.peers.iter().find(|cursor| cursor.peer == self.server);
        read.filter(|cursor| cursor.incarnation == self.incarnation).map_or(0, |cursor| cursor.position)
    }

    fn staying<'a>(&'a self, answers: &'a Answers) -> impl Iterator<Item = (&'a ServerId, &'a ServerStatus)> {
        answers.iter().filter(|(id, _)| self.staying.contains(id))
    }

    /// Who holds all of it, each with the life of its own log.
    fn holders(&self, answers: &Answers) -> Vec<(ServerId, Incarnation)> {
        let all = self.staying(answers).filter(|(_, status)| self.held_by(status) >= self.position);
        all.map(|(id, status)| (*id, status.incarnation)).collect()
    }

    /// How much of it `copies` servers hold.
    fn reached(&self, answers: &Answers, copies: usize) -> Position {
        let mut held: Vec<_> = self.staying(answers).map(|(_, status)| self.held_by(status)).collect();
        held.sort_unstable_by(|a, b| b.cmp(a));
        held.get(copies.saturating_sub(1)).copied().unwrap_or(0)
    }
}

/// Says before a dead server is removed what is lost with it, as far as anybody can know.
fn tell_what_force_means(cluster: &Cluster, member: &Member) -> Result<(), Failure> {
    let name = inert(&member.name);
    let store = cluster.home().server(&member.name).store();
    let held = Replica::acked(&store).unwrap_or_default();
    let answers = ask_all(cluster);
    let cursors = answers.values().flat_map(|status| &status.peers).filter(|cursor| cursor.peer == member.id);
    let read = cursors.map(|cursor| cursor.position).max().unwrap_or(0);
    warn(&format!(
        "server {name} is removed undrained. That is what losing its disk would be: what it alone holds is lost,"
    ));
    warn("unless a device that wrote it sends it again, as devices do for all that a server lacks.");
    warn(&match held.map(|held| (held, held.saturating_sub(read))) {
        Some((held, 0)) => format!("Of its {held} events the others are known to hold all."),
        Some((held, lacking)) => format!(
            "Of its {held} events the others are known to have fetched {read}; {lacking} more may be nowhere else, but for \
             those that their authors have sent to other servers as well."
        ),
        None => format!(
            "How many that are cannot be known: its store is not here. The others have fetched {read} of its events."
        ),
    });
    Ok(())
}

/// Waits until its process has ended by itself, if it is on this machine; stops it otherwise.
fn stop(change: &mut Change, member: &Member) -> Result<(), Failure> {
    let began = Instant::now();
    while matches!(change.cluster().state(&member.name)?, State::Up(_)) && began.elapsed() < STOP_PATIENCE {
        change.pause()?;
    }
    stop_straggler(change, &member.name)
}

fn stop_straggler(change: &Change, name: &str) -> Result<(), Failure> {
    let cluster = change.cluster();
    let _folder = cluster.home().lock()?;
    for server in cluster.stop(&[name])? {
        let how = if server.killed { "killed, for it did not stop in time" } else { "stopped" };
        note(&format!("server {} (pid {}) was {how}", inert(name), server.process.pid()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PeerCursor;
    use crate::view::ViewId;

    const LIFE: Incarnation = Incarnation::new([7; 16]);

    fn status(
        server: u8,
        sealed: Option<Position>,
        read: &[(u8, Incarnation, Position)],
    ) -> (ServerId, ServerStatus) {
        let id = ServerId::new([server; 32]);
        let cursor = |(peer, incarnation, position): &(u8, Incarnation, Position)| PeerCursor {
            peer: ServerId::new([*peer; 32]),
            incarnation: *incarnation,
            position: *position,
        };
        let status = ServerStatus {
            server: id,
            incarnation: LIFE,
            position: 9,
            connections: 1,
            forks: 0,
            uptime_ms: 9,
            syncing_to: None,
            syncs: 0,
            view: ViewId { epoch: 2, hash: [0; 32] },
            sealed,
            peers: read.iter().map(cursor).collect(),
        };
        (id, status)
    }

    #[test]
    fn a_sealed_log_is_held_by_those_that_stay_and_have_read_all_of_this_very_life() {
        let other_life = Incarnation::new([8; 16]);
        let answers: Answers = [
            status(1, Some(9), &[]),
            status(2, None, &[(1, LIFE, 9)]),
            status(3, None, &[(1, LIFE, 8)]),
            status(4, None, &[(1, other_life, 9), (2, LIFE, 9)]),
            status(5, Some(3), &[(1, LIFE, 9)]),
        ]
        .into();
        // The fifth is about to leave, too.
        let staying: BTreeSet<_> = [2, 3, 4].map(|server| ServerId::new([server; 32])).into();
        let sealed = Sealed::of(&answers, ServerId::new([1; 32]), staying.clone()).unwrap();
        assert_eq!(sealed.holders(&answers), [(ServerId::new([2; 32]), LIFE)]);
        let reached = [1, 2, 3, 4].map(|copies| sealed.reached(&answers, copies));
        assert_eq!(reached, [9, 8, 0, 0]);
        for (server, why) in [(2, "it is not sealed"), (9, "it does not answer")] {
            assert_eq!(Sealed::of(&answers, ServerId::new([server; 32]), staying.clone()), None, "{why}");
        }
    }
}
