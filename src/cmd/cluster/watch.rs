//! The foreground of `cluster up`: tells who dies and who comes back, and stops the servers at the end. With a
//! [`Healer`], it also sees to it that they come back.

use std::collections::BTreeMap;
use std::time::Duration;

use super::heal::Healer;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::Cluster;
use crate::cmd::interrupts::Interrupts;
use crate::cmd::nodes::State;
use crate::cmd::screen::{GREEN, RED, YELLOW, note};
use crate::cmd::starting::Started;

const LOOK: Duration = Duration::from_millis(100);

/// Watches until ctrl-C, SIGTERM, the terminal's end, or until somebody has stopped all servers.
pub(super) fn run(
    cluster: &Cluster,
    started: Vec<Started>,
    healer: Option<Healer>,
    interrupts: &mut Interrupts,
) -> Result<Outcome, Failure> {
    if healer.is_some() {
        note("servers that die are started again");
    }
    note("ctrl-C stops all servers of this cluster; in another terminal: tercet chat NAME");
    if watch(cluster, started, healer, interrupts)? == Ended::AllStopped {
        note("all servers were stopped");
        return Ok(Outcome::Done);
    }
    note("stopping the servers");
    let _lock = cluster.home().lock()?;
    for server in cluster.again()?.stop_all()? {
        let how = if server.killed { "did not stop in time and was killed" } else { "stopped" };
        note(&format!("server {} (pid {}) {how}", server.name, server.process.pid()));
    }
    Ok(Outcome::Done)
}

#[derive(PartialEq, Eq)]
enum Ended {
    Interrupted,
    AllStopped,
}

fn watch(
    cluster: &Cluster,
    mut started: Vec<Started>,
    mut healer: Option<Healer>,
    interrupts: &mut Interrupts,
) -> Result<Ended, Failure> {
    let mut known: BTreeMap<String, State> = cluster.states()?.into_iter().collect();
    loop {
        if interrupts.come_within(LOOK) {
            if let Some(healer) = healer {
                healer.abandon();
            }
            return Ok(Ended::Interrupted);
        }
        let cluster = &cluster.again()?;
        let now = cluster.states()?;
        for (name, state) in &now {
            match known.insert(name.clone(), *state) {
                Some(before) if before != *state => tell(name, before, *state, &mut started),
                None => tell_time(&format!("{GREEN}server {name} has joined{GREEN:#}")),
                Some(_) => {}
            }
        }
        let left = known.extract_if(.., |name, _| now.iter().all(|(there, _)| there != name));
        left.for_each(|(name, _)| tell_time(&format!("{YELLOW}server {name} has left{YELLOW:#}")));
        // Our own children have to be waited for, also when they end by themselves.
        started.retain_mut(|server| {
            now.iter().any(|(name, _)| *name == server.name)
                || !matches!(server.child.try_wait(), Ok(Some(_)))
        });
        if let Some(healer) = &mut healer {
            healer.step(cluster, &now, &mut started);
        }
        if all_stopped(&now) && stay_stopped(cluster)? {
            return Ok(Ended::AllStopped);
        }
    }
}

fn all_stopped(states: &[(String, State)]) -> bool {
    states.iter().all(|(_, state)| matches!(state, State::Stopped | State::Elsewhere))
}

/// Whoever restarts the only server holds the lock from its end until it is up again.
fn stay_stopped(cluster: &Cluster) -> Result<bool, Failure> {
    // After a purge there is nothing left to lock.
    let _lock = cluster.home().holds_a_cluster().then(|| cluster.home().lock()).transpose();
    Ok(all_stopped(&cluster.again()?.states()?))
}

/// Says what has happened, and when.
pub(super) fn tell_time(what: &str) {
    note(&format!("{} {what}", jiff::Zoned::now().strftime("%H:%M:%S")));
}

fn tell(name: &str, before: State, now: State, started: &mut [Started]) {
    let was = before.process();
    if let Some(was) = was
        && now.process() != Some(was)
    {
        // Our own children have to be waited for, and then say how they ended.
        let child = started.iter_mut().find(|server| server.process == was);
        let status = child.and_then(|server| server.child.try_wait().ok().flatten());
        let how = status.map(|status| format!(": {status}")).unwrap_or_default();
        let pid = was.pid();
        match now {
            State::Stopped | State::Elsewhere => {
                tell_time(&format!("{YELLOW}server {name} (pid {pid}) stopped{how}{YELLOW:#}"));
            }
            _ => tell_time(&format!("{RED}server {name} (pid {pid}) died{how}{RED:#}")),
        }
    }
    match now {
        State::Up(process) if was == Some(process) => {
            tell_time(&format!("{GREEN}server {name} goes on{GREEN:#}"));
        }
        State::Up(process) => {
            tell_time(&format!("{GREEN}server {name} is up again (pid {}){GREEN:#}", process.pid()));
        }
        State::Paused(process) => {
            tell_time(&format!("{YELLOW}server {name} (pid {}) is paused{YELLOW:#}", process.pid()));
        }
        State::Stopped | State::Dead(_) | State::Elsewhere => {}
    }
}
