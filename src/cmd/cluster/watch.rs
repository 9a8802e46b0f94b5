//! The foreground of `cluster up`: tells who dies and who comes back, and stops the servers at the end.

use std::collections::BTreeMap;
use std::time::Duration;

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
    interrupts: &mut Interrupts,
) -> Result<Outcome, Failure> {
    note("ctrl-C stops all servers of this cluster; in another terminal: tercet chat NAME");
    if watch(cluster, started, interrupts)? == Ended::AllStopped {
        note("all servers were stopped");
        return Ok(Outcome::Done);
    }
    note("stopping the servers");
    let _lock = cluster.home().lock()?;
    for server in cluster.stop_all()? {
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
    interrupts: &mut Interrupts,
) -> Result<Ended, Failure> {
    let mut known: BTreeMap<String, State> = cluster.states()?.into_iter().collect();
    loop {
        if interrupts.come_within(LOOK) {
            return Ok(Ended::Interrupted);
        }
        let now = cluster.states()?;
        for (name, state) in &now {
            if let Some(before) = known.insert(name.clone(), *state)
                && before != *state
            {
                tell(name, before, *state, &mut started);
            }
        }
        if now.iter().all(|(_, state)| matches!(state, State::Stopped | State::Elsewhere)) {
            return Ok(Ended::AllStopped);
        }
    }
}

fn tell(name: &str, before: State, now: State, started: &mut [Started]) {
    let time = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
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
                note(&format!("{time} {YELLOW}server {name} (pid {pid}) stopped{how}{YELLOW:#}"));
            }
            _ => note(&format!("{time} {RED}server {name} (pid {pid}) died{how}{RED:#}")),
        }
    }
    match now {
        State::Up(process) if was == Some(process) => {
            note(&format!("{time} {GREEN}server {name} goes on{GREEN:#}"));
        }
        State::Up(process) => {
            note(&format!("{time} {GREEN}server {name} is up again (pid {}){GREEN:#}", process.pid()));
        }
        State::Paused(process) => {
            note(&format!("{time} {YELLOW}server {name} (pid {}) is paused{YELLOW:#}", process.pid()));
        }
        State::Stopped | State::Dead(_) | State::Elsewhere => {}
    }
}
