//! What `add`, `remove` and `replace` share: whoever administers the cluster, and one step from a view to the next.
//!
//! ```text
//! the newest view of file and servers -> next, signed -> cluster.toml, synced -> every server that answers
//! ```
//!
//! **Invariant**: a view is in the cluster file before any server hears of it, so that after an interruption at any
//! moment the file names the newest view that this folder has issued. Every command looks at what is so and does what
//! is missing; that makes it safe to repeat.

use std::thread;
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;

use super::survey::{CatchUp, Progress, survey};
use crate::cmd::ask::exchange_views;
use crate::cmd::config::ClusterFile;
use crate::cmd::failure::Failure;
use crate::cmd::home::{Cluster, Home, Lock};
use crate::cmd::interrupts::Interrupts;
use crate::cmd::keys;
use crate::cmd::nodes::State;
use crate::cmd::screen::note;
use crate::event::account_of;
use crate::text::{count, inert};
use crate::view::{Member, SignedView, View};

/// How long something may stand still before the command gives up.
const STANDSTILL_PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// What came of exchanging views with a server: its own, if that is newer.
type Exchanged = Result<Option<SignedView>, Failure>;

/// An administrator at work. Nobody else changes the servers of this folder meanwhile.
pub(super) struct Change {
    cluster: Cluster,
    key: SigningKey,
    interrupts: Interrupts,
    again: String,
    _lock: Lock,
}

impl Change {
    /// Begins with the newest view that the cluster file or a server knows. `again`: the command, for whoever has to
    /// repeat it.
    ///
    /// # Errors
    /// When there is no cluster, its servers cannot change, or not from this folder.
    pub(super) fn begin(home: &Home, again: String) -> Result<Self, Failure> {
        let key = administration_key(&Cluster::load(home)?)?;
        let lock = home.lock_servers()?;
        let interrupts = Interrupts::listen()?;
        let mut change = Self { cluster: Cluster::load(home)?, key, interrupts, again, _lock: lock };
        change.catch_up()?;
        Ok(change)
    }

    /// The cluster as it is now.
    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The command that goes on with this.
    pub(super) fn again(&self) -> &str {
        &self.again
    }

    /// Makes this the cluster's view: signed, and in the cluster file. No server has heard of it yet.
    ///
    /// # Errors
    /// When it cannot be signed or written.
    pub(super) fn issue(&mut self, next: View, _folder: &Lock) -> Result<(), Failure> {
        let signed = next.sign(&self.key)?;
        self.write(signed)
    }

    /// As [`Change::issue`], and tells the servers.
    ///
    /// # Errors
    /// As [`Change::issue`].
    pub(super) fn step(&mut self, next: View) -> Result<(), Failure> {
        let lock = self.cluster.home().lock()?;
        let before: Vec<Member> = self.cluster.view().servers().to_vec();
        self.issue(next, &lock)?;
        drop(lock);
        self.announce(&before)
    }

    /// Tells the view to its servers and to these; says who could not be told.
    ///
    /// # Errors
    /// When a pid file cannot be read.
    pub(super) fn announce(&self, others: &[Member]) -> Result<(), Failure> {
        let view = self.cluster.view();
        let left = others.iter().filter(|member| view.member(member.id).is_none());
        let told = self.exchange(view.servers().iter().chain(left))?;
        for failure in told.into_iter().filter_map(Result::err) {
            note(&format!(
                "not told of view epoch {} yet, and told by the others later: {failure}",
                view.epoch()
            ));
        }
        Ok(())
    }

    /// Takes a newer view than the cluster file's from a server that has one, and tells the others.
    fn catch_up(&mut self) -> Result<(), Failure> {
        let told = self.exchange(self.cluster.view().servers().iter())?;
        let newest = told.into_iter().filter_map(|told| told.ok().flatten());
        if let Some(signed) = newest.max_by_key(|signed| signed.view().id()) {
            let _folder = self.cluster.home().lock()?;
            self.write(signed)?;
            note(&format!(
                "the servers knew a newer view (epoch {}); it is in {} now",
                self.cluster.view().epoch(),
                self.cluster.home().cluster_file().display()
            ));
        }
        Ok(())
    }

    fn write(&mut self, signed: SignedView) -> Result<(), Failure> {
        let file = ClusterFile::new(signed.into_view(), self.cluster.token().clone());
        file.write(&self.cluster.home().cluster_file())?;
        self.cluster = self.cluster.again()?;
        Ok(())
    }

    /// Exchanges views with those of these servers that may answer, at once.
    fn exchange<'a>(&self, members: impl Iterator<Item = &'a Member>) -> Result<Vec<Exchanged>, Failure> {
        let mut to_ask = Vec::new();
        for member in members {
            if matches!(self.cluster.state(&member.name)?, State::Up(_) | State::Elsewhere) {
                to_ask.push(member);
            }
        }
        let cluster = &self.cluster;
        Ok(thread::scope(|scope| {
            let asked: Vec<_> = to_ask
                .into_iter()
                .map(|member| scope.spawn(move || exchange_views(cluster, member)))
                .collect();
            let answer = |thread: thread::ScopedJoinHandle<'_, Exchanged>| {
                thread.join().unwrap_or_else(|_| Err(Failure::new("asking a server broke off")))
            };
            asked.into_iter().map(answer).collect()
        }))
    }

    /// Returns when it is time for another look, unless ctrl-C comes.
    ///
    /// # Errors
    /// [`Change::interrupted`].
    pub(super) fn pause(&mut self) -> Result<(), Failure> {
        if self.interrupts.come_within(LOOK) { Err(self.interrupted()) } else { Ok(()) }
    }

    fn interrupted(&self) -> Failure {
        Failure::new("interrupted; the cluster works as it is, and this is not finished")
            .next(format!("run the same again to go on: {}", self.again))
    }

    /// Waits until a server holds what the others held when it first answered; returns how many events it holds then.
    ///
    /// # Errors
    /// When it gets nothing new for too long, or ctrl-C comes.
    pub(super) fn wait_until_in_step(&mut self, name: &str) -> Result<u64, Failure> {
        let mut catching_up = CatchUp::new(name);
        let mut told = Told::default();
        loop {
            match catching_up.look(&survey(&self.cluster)?) {
                Progress::InStep { held } => {
                    let events = count(usize::try_from(held).unwrap_or(usize::MAX), "event");
                    note(&format!("server {} is in step: {events}", inert(name)));
                    return Ok(held);
                }
                Progress::Syncing { held, of } => {
                    told.tell(format!("server {}: syncing {held} of {of}", inert(name)));
                }
                Progress::Unknown => told.tell(format!("server {}: no answer yet", inert(name))),
            }
            if told.stands_still() {
                let what = format!("server {} has not caught up: nothing new for a while", inert(name));
                return Err(Failure::new(what).next(format!(
                    "see tercet cluster status, and tercet cluster logs {name}; then run the same again: {}",
                    self.again
                )));
            }
            self.pause()?;
        }
    }
}

/// Progress that is told when it changes, and when it last did.
pub(super) struct Told {
    last: String,
    since: Instant,
}

impl Default for Told {
    fn default() -> Self {
        Self { last: String::new(), since: Instant::now() }
    }
}

impl Told {
    /// Tells it, if it is news.
    pub(super) fn tell(&mut self, what: String) {
        if what != self.last {
            note(&what);
            *self = Self { last: what, since: Instant::now() };
        }
    }

    /// Whether there has been nothing new for too long.
    pub(super) fn stands_still(&self) -> bool {
        self.since.elapsed() > STANDSTILL_PATIENCE
    }
}

/// The key that signs the cluster's views.
fn administration_key(cluster: &Cluster) -> Result<SigningKey, Failure> {
    let (home, path) = (cluster.home(), cluster.home().cluster_key());
    let Some(admin) = cluster.view().admin() else {
        return Err(Failure::new(format!(
            "{} names no administration key: a cluster that an earlier tercet made keeps its servers",
            home.cluster_file().display()
        ))
        .next("make another cluster with: tercet cluster up --dir DIR"));
    };
    if !path.exists() {
        return Err(Failure::new(format!(
            "this machine does not have the administration key: there is no {}",
            path.display()
        ))
        .next(
            "do it where the cluster was made: cluster.key lies in the folder of `tercet cluster up` or `init`, beside \
             cluster.toml",
        ));
    }
    let key = keys::load(&path)?;
    if account_of(&key).as_bytes() != admin.as_bytes() {
        return Err(Failure::new(format!(
            "{} is not the administration key that {} names",
            path.display(),
            home.cluster_file().display()
        ))
        .next("put back the cluster's own key; nothing else can stand in for it"));
    }
    Ok(key)
}

/// A view in one line: `view epoch 3: servers 1, 2 and 3`.
pub(super) fn view_line(view: &View) -> String {
    let names: Vec<String> = view.writable().map(|member| inert(&member.name)).collect();
    format!(
        "view epoch {}: {} {}",
        view.epoch(),
        if names.len() == 1 { "server" } else { "servers" },
        listed(&names)
    )
}

/// `1`, `1 and 2`, `1, 2 and 3`.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_as_people_do() {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (all, expected) in
            [(&[][..], "nobody"), (&["1"], "1"), (&["1", "2"], "1 and 2"), (&["1", "2", "x"], "1, 2 and x")]
        {
            assert_eq!(listed(&names(all)), expected);
        }
    }
}
