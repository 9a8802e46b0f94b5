//! `cluster up --heal`: servers that die, or lose their store, are started again.
//!
//! ```text
//!            dies                 its time comes               ready
//!   Well ------------> Due(at) ------------------> Starting ----------> Well, and it catches up
//!    ^                  |   ^                          |
//!    +------------------+   +-------- failed ----------+
//!      somebody else saw to it, or took it down
//! ```
//!
//! A store that vanishes under a running server is noticed, too: that server goes on to write into files that
//! nobody will find again, so it is killed before it acks more. Whoever was stopped on purpose stays stopped, and
//! a paused server is left alone.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::survey::{CatchUp, Progress, Server, survey};
use super::watch::tell_time;
use crate::cmd::failure::Failure;
use crate::cmd::home::{Cluster, Lock};
use crate::cmd::nodes::{Signal, State};
use crate::cmd::screen::{GREEN, RED, YELLOW};
use crate::cmd::starting::{Started, Starting};
use crate::text::count;

/// Wait before the first restart; each further one within a minute waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// How often one server is started within [`PERIOD`].
pub(super) const RESTARTS_MAX: usize = 5;
/// A minute.
const PERIOD: Duration = Duration::from_secs(60);
/// How long to wait between two looks at a server that catches up.
const CATCH_UP_LOOK: Duration = Duration::from_millis(500);

/// When one server was started within the last minute, and so when it may be started next.
#[derive(Debug, Default)]
struct Restarts(VecDeque<Instant>);

/// How long a restart has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// So long at most; it is to be shortened by chance.
    Backoff(Duration),
    /// So long, for the limit is reached.
    Limit(Duration),
}

impl Restarts {
    fn add(&mut self, now: Instant) {
        self.0.push_back(now);
    }

    fn wait(&mut self, now: Instant) -> Wait {
        while self.0.front().is_some_and(|at| now.duration_since(*at) >= PERIOD) {
            self.0.pop_front();
        }
        match self.0.front() {
            Some(oldest) if self.0.len() >= RESTARTS_MAX => {
                Wait::Limit(PERIOD.saturating_sub(now.duration_since(*oldest)))
            }
            _ => Wait::Backoff(self.0.iter().fold(FIRST_WAIT, |wait, _| wait * 2)),
        }
    }
}

/// Between half of this wait and all of it, so that servers which died together do not all return together.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// What is to be done for one server.
#[derive(Debug, Default)]
enum Plan {
    #[default]
    Well,
    Due(Instant),
    Starting(Starting),
}

#[derive(Debug, Default)]
struct Patient {
    plan: Plan,
    restarts: Restarts,
}

/// Looks after all servers.
#[derive(Debug, Default)]
pub(super) struct Healer {
    patients: BTreeMap<String, Patient>,
    /// Held while anybody is starting.
    lock: Option<Lock>,
    catching_up: Vec<(CatchUp, Progress)>,
    asked: Option<mpsc::Receiver<Vec<Server>>>,
    next_ask: Option<Instant>,
}

impl Healer {
    /// One look; never waits for a server. Those that have become ready go to `started`.
    pub(super) fn step(&mut self, cluster: &Cluster, states: &[(String, State)], started: &mut Vec<Started>) {
        let now = Instant::now();
        self.patients.retain(|one, _| states.iter().any(|(name, _)| name == one));
        for (name, state) in states {
            let mut patient = self.patients.remove(name).unwrap_or_default();
            patient.plan = match (std::mem::take(&mut patient.plan), state) {
                (Plan::Starting(starting), _) => {
                    self.look_at(cluster, starting, &mut patient.restarts, started)
                }
                (Plan::Well, State::Dead(_)) => due(name, &mut patient.restarts, now),
                (Plan::Due(at), State::Dead(_)) if now >= at => {
                    self.begin(cluster, name, &mut patient.restarts)
                }
                (Plan::Due(at), State::Dead(_)) => Plan::Due(at),
                (_, State::Up(_)) => {
                    kill_without_store(cluster, name);
                    Plan::Well
                }
                (_, State::Stopped | State::Elsewhere | State::Paused(_)) => Plan::Well,
            };
            self.patients.insert(name.clone(), patient);
        }
        if !self.patients.values().any(|patient| matches!(patient.plan, Plan::Starting(_))) {
            self.lock = None;
        }
        self.catching_up.retain(|(one, _)| {
            states.iter().any(|(name, state)| name == one.name() && matches!(state, State::Up(_)))
        });
        self.follow_up(cluster, now);
    }

    /// Whoever is still starting is given up; who is ready is as others are, and can be stopped as they are.
    pub(super) fn abandon(self) {
        for patient in self.patients.into_values() {
            if let Plan::Starting(mut starting) = patient.plan
                && let Ok(None) = starting.poll()
            {
                starting.abandon();
            }
        }
    }

    fn begin(&mut self, cluster: &Cluster, name: &str, restarts: &mut Restarts) -> Plan {
        let begun = self.begin_if_dead(cluster, name);
        let now = Instant::now();
        restarts.add(now);
        begun.unwrap_or_else(|failure| failed(name, &failure, restarts, now))
    }

    fn begin_if_dead(&mut self, cluster: &Cluster, name: &str) -> Result<Plan, Failure> {
        if self.lock.is_none() {
            self.lock = Some(cluster.home().lock()?);
        }
        // Whoever had the lock before may have taken the cluster down, or have started this server.
        if !matches!(cluster.state(name)?, State::Dead(_)) {
            return Ok(Plan::Well);
        }
        if is_without_store(&cluster.home().server(name).store()) {
            tell_time(&format!(
                "{YELLOW}server {name}: its store is gone; it starts a new one and fetches everything from the \
                 others{YELLOW:#}"
            ));
        }
        cluster.spawn(name).map(Plan::Starting)
    }

    fn look_at(
        &mut self,
        cluster: &Cluster,
        mut starting: Starting,
        restarts: &mut Restarts,
        started: &mut Vec<Started>,
    ) -> Plan {
        match starting.poll() {
            Ok(None) => Plan::Starting(starting),
            Ok(Some(process)) => {
                // Its name is told as up by whoever watches the states.
                self.catching_up.retain(|(one, _)| one.name() != starting.name());
                if cluster.names().len() > 1 {
                    self.catching_up.push((CatchUp::new(starting.name()), Progress::Unknown));
                }
                started.push(starting.started(process));
                Plan::Well
            }
            Err(failure) => {
                let name = starting.name().to_owned();
                failed(&name, &failure, restarts, Instant::now())
            }
        }
    }

    /// Asks, on a thread of its own, how far they are who catch up, and tells what has changed.
    fn follow_up(&mut self, cluster: &Cluster, now: Instant) {
        match self.asked.as_ref().map(mpsc::Receiver::try_recv) {
            Some(Ok(servers)) => {
                self.asked = None;
                self.catching_up.retain_mut(|(one, told)| !is_in_step(one, told, &servers));
            }
            Some(Err(mpsc::TryRecvError::Disconnected)) => self.asked = None,
            Some(Err(mpsc::TryRecvError::Empty)) => return,
            None => {}
        }
        if self.catching_up.is_empty() || self.next_ask.is_some_and(|at| now < at) {
            return;
        }
        self.next_ask = Some(now + CATCH_UP_LOOK);
        let (answer, asked) = mpsc::channel();
        let cluster = cluster.clone();
        thread::spawn(move || survey(&cluster).map(|servers| answer.send(servers)));
        self.asked = Some(asked);
    }
}

fn is_in_step(one: &mut CatchUp, told: &mut Progress, servers: &[Server]) -> bool {
    let progress = one.look(servers);
    let name = one.name().to_owned();
    if progress != *told {
        *told = progress;
        match progress {
            Progress::Syncing { held, of } => {
                tell_time(&format!("{YELLOW}server {name}: syncing {held} of {of}{YELLOW:#}"));
            }
            Progress::InStep { held } => {
                let held = count(usize::try_from(held).unwrap_or(usize::MAX), "event");
                tell_time(&format!("{GREEN}server {name} is in step: {held}{GREEN:#}"));
            }
            Progress::Unknown => {}
        }
    }
    matches!(progress, Progress::InStep { .. })
}

fn failed(name: &str, failure: &Failure, restarts: &mut Restarts, now: Instant) -> Plan {
    tell_time(&format!("{RED}server {name} could not be started:{RED:#} {failure}"));
    due(name, restarts, now)
}

fn due(name: &str, restarts: &mut Restarts, now: Instant) -> Plan {
    let wait = match restarts.wait(now) {
        Wait::Backoff(most) => {
            let wait = jittered(most);
            tell_time(&format!("server {name} is started again in {:.1} s", wait.as_secs_f32()));
            wait
        }
        Wait::Limit(wait) => {
            tell_time(&format!(
                "{RED}server {name} was started {RESTARTS_MAX} times within a minute;{RED:#} the next time is in \
                 {:.0} s; see: tercet cluster logs {name}",
                wait.as_secs_f32()
            ));
            wait
        }
    };
    Plan::Due(now + wait)
}

/// Whether a server's store is gone, folder and all or all that was in it. Only what surely is counts.
fn is_without_store(store: &Path) -> bool {
    match fs::read_dir(store) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn kill_without_store(cluster: &Cluster, name: &str) {
    if !is_without_store(&cluster.home().server(name).store()) {
        return;
    }
    tell_time(&format!("{RED}server {name} runs, and its store is gone: it is killed{RED:#}"));
    if let Err(failure) = cluster.kill(name, Signal::Kill) {
        tell_time(&failure.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_a_quiet_minute_forgives_all() {
        let start = Instant::now();
        let mut restarts = Restarts::default();
        let mut last = Duration::ZERO;
        for second in 0..RESTARTS_MAX {
            let now = start + Duration::from_secs(second as u64);
            let Wait::Backoff(wait) = restarts.wait(now) else { panic!("restart {second} is one too many") };
            assert!(wait == last * 2 || last.is_zero(), "{last:?} {wait:?}");
            restarts.add(now);
            last = wait;
        }
        let full = start + Duration::from_secs(10);
        assert_eq!(
            restarts.wait(full),
            Wait::Limit(Duration::from_secs(50)),
            "until the first is a minute old"
        );
        assert!(matches!(restarts.wait(start + PERIOD), Wait::Backoff(_)), "the first is forgiven");
        assert_eq!(restarts.wait(start + PERIOD * 2), Wait::Backoff(FIRST_WAIT));
    }

    #[test]
    fn a_store_is_gone_with_its_folder_or_with_all_that_was_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store");
        assert!(is_without_store(&store));
        fs::create_dir(&store).unwrap();
        assert!(is_without_store(&store));
        fs::write(store.join("lock"), "").unwrap();
        assert!(!is_without_store(&store));
        assert!(!is_without_store(&store.join("lock")), "what is no folder is no lost disk");
    }

    #[test]
    fn chance_shortens_a_wait_by_half_at_most() {
        let waits: Vec<Duration> = (0..100).map(|_| jittered(FIRST_WAIT)).collect();
        assert!(waits.iter().all(|wait| (FIRST_WAIT / 2..=FIRST_WAIT).contains(wait)), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait != waits[0]), "it is chance");
    }
}
