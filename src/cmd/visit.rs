//! A session that one command opens for a moment: `send` and `tail` are made of it.
//!
//! **Invariant**: a visit that does not follow shows nothing, and so takes no line from the chat's display: its
//! reorder window never ends, and what comes in stays for the next chat to show.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::blocked::Blocked;
use super::chat::{
    self,
    known::Known,
    render::{Called, Eyes, is_grave},
};
use super::display_quorum::DisplayQuorum;
use super::failure::{Failure, Outcome};
use super::home::Cluster;
use super::place::{Place, find_room, follows, room_labels};
use super::runtime;
use super::screen;
use super::session::{Change, Notice, Options, Session, Shown};
use super::similar::did_you_mean;
use crate::client::Client;
use crate::event::Conversation;
use crate::limits::REORDER_WINDOW_MS;
use crate::text::Name;

/// How often a visit looks whether what it waits for has come.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// An open session, and what it has told so far.
pub struct Visit {
    /// The session.
    pub session: Session,
    /// How this person sees things.
    pub eyes: Eyes,
    name: Name,
    deadline: Instant,
    unusable: Arc<watch::Sender<Option<Unusable>>>,
    hearing: JoinHandle<()>,
}

/// Why nothing can be said with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unusable {
    NameTaken,
    Closed,
}

/// Runs a command's work on a runtime of its own.
///
/// # Errors
/// The work's own, and when there can be no runtime.
pub fn run(work: impl Future<Output = Result<Outcome, Failure>>) -> Result<Outcome, Failure> {
    let runtime = runtime::start()?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}

impl Visit {
    /// Opens a session that waits at most `patience` for anything, and shows nothing; `quorum` as in [`Options`].
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn open(
        cluster: &Cluster,
        name: &Name,
        patience: Duration,
        quorum: Option<DisplayQuorum>,
    ) -> Result<Self, Failure> {
        let options = Options { window_ms: u64::MAX, new_device: false, quorum };
        Self::start(cluster, name, patience, options, None).await
    }

    /// Opens a session that hands on each line as its place is settled.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn following(
        cluster: &Cluster,
        name: &Name,
        patience: Duration,
        quorum: Option<DisplayQuorum>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Shown>), Failure> {
        // Not a bounded channel: whoever reads it asks the session something first, and a session that waited for
        // room would not answer. It is bounded all the same. An event is shown once, and the client holds each in
        // memory for as long as it runs; so at worst, if nobody ever reads, every text is here a second time.
        let (lines, shown) = mpsc::unbounded_channel();
        let options = Options { window_ms: REORDER_WINDOW_MS, new_device: false, quorum };
        let visit = Self::start(cluster, name, patience, options, Some(lines)).await?;
        Ok((visit, shown))
    }

    async fn start(
        cluster: &Cluster,
        name: &Name,
        patience: Duration,
        options: Options,
        lines: Option<mpsc::UnboundedSender<Shown>>,
    ) -> Result<Self, Failure> {
        let is_new = !cluster.home().account_key(name).exists();
        let (session, notices) = Session::open(cluster, name, options)?;
        if is_new {
            // It may be a slip of the fingers.
            screen::note(&format!(
                "-- {name} is new on this machine: an account was made (tercet account list)"
            ));
        }
        let (unusable, _) = watch::channel(None);
        let unusable = Arc::new(unusable);
        let (account, called) = session.ask(chat::who).await?;
        let eyes = Eyes {
            account,
            view: Known::new(session.ask(|client| client.view().clone()).await?),
            zone: jiff::tz::TimeZone::system(),
            reads: false,
            window_ms: options.window_ms,
            name: Called::new(called.unwrap_or_else(|| name.to_string())),
            blocked: Blocked::load(&cluster.home().blocked(name))?,
        };
        let hearing = tokio::spawn(hear(notices, eyes.clone(), Arc::clone(&unusable), lines));
        Ok(Self { session, eyes, name: name.clone(), deadline: Instant::now() + patience, unusable, hearing })
    }

    /// Waits until the machine is in some state; `false` if it was not in time.
    ///
    /// # Errors
    /// When the session has ended, or nothing can be said with the account: its name turns out to be somebody
    /// else's, or it was deleted.
    pub async fn waits_for(
        &self,
        holds: impl Fn(&Client) -> bool + Clone + Send + 'static,
    ) -> Result<bool, Failure> {
        self.wait(holds, true).await
    }

    /// As [`Visit::waits_for`], whether anything can be said with the account or not.
    ///
    /// # Errors
    /// When the session has ended.
    pub async fn waits_anyway_for(
        &self,
        holds: impl Fn(&Client) -> bool + Clone + Send + 'static,
    ) -> Result<bool, Failure> {
        self.wait(holds, false).await
    }

    async fn wait(
        &self,
        holds: impl Fn(&Client) -> bool + Clone + Send + 'static,
        must_be_usable: bool,
    ) -> Result<bool, Failure> {
        loop {
            let unusable = *self.unusable.borrow();
            if let Some(why) = unusable.filter(|_| must_be_usable) {
                return Err(self.unusable(why));
            }
            if self.session.ask(holds.clone()).await? {
                return Ok(true);
            }
            if timeout_at(self.deadline, tokio::time::sleep(ASK_AGAIN)).await.is_err() {
                return Ok(false);
            }
        }
    }

    fn unusable(&self, why: Unusable) -> Failure {
        let name = &self.name;
        match why {
            Unusable::NameTaken => {
                Failure::new(format!("the name {name} belongs to somebody else in this cluster"))
                    .next(format!("take another: tercet account rename NEW --as {name}"))
            }
            Unusable::Closed => Failure::new(format!("the account {name} was deleted; nothing was written"))
                .next(format!("remove what is left of it here: tercet account delete --as {name}")),
        }
    }

    /// The conversation at a place, waiting for the servers if it is not known yet.
    ///
    /// # Errors
    /// When there is nobody or no room of that name, the room is not joined, or there is no server to ask.
    pub async fn conversation(&self, place: &Place) -> Result<Conversation, Failure> {
        match place {
            Place::Person(name) => self.person(name).await,
            Place::Room(name) => self.room(name).await,
        }
    }

    async fn room(&self, name: &Name) -> Result<Conversation, Failure> {
        let asked = name.clone();
        let known = move |client: &Client| {
            let is_mine = is_usable(client);
            let joined = find_room(client, &asked).is_some_and(|room| follows(client, room));
            let mut followed = client.followed();
            let all_begun = followed.all(|room| client.transcript(Conversation::Room(room)).is_some());
            is_mine && (joined || (client.is_caught_up() && all_begun))
        };
        let _in_time = self.waits_for(known).await?;
        let asked = name.clone();
        let (found, caught_up, labels) = self
            .session
            .ask(move |client| {
                let found = find_room(client, &asked).map(|room| (room, follows(client, room)));
                (found, client.is_caught_up(), room_labels(client))
            })
            .await?;
        let me = &self.name;
        match found {
            Some((room, true)) => Ok(Conversation::Room(room)),
            None if !caught_up => Err(Failure::new(format!(
                "#{name} is not known on this machine, and no server answered; nothing was written"
            ))
            .next("tercet cluster status")),
            Some(_) => Err(Failure::new(format!("{me} has not joined #{name}; nothing was written"))
                .next(format!("printf '/join #{name}\\n' | tercet chat {me}"))),
            None => {
                let meant = did_you_mean(&format!("#{name}"), labels.iter().map(String::as_str));
                Err(Failure::new(format!("there is no room #{name} for {me}; nothing was written")).next(
                    meant.unwrap_or_else(|| {
                        format!("tercet chat {me}, then /rooms lists them and /create #{name} opens it")
                    }),
                ))
            }
        }
    }

    async fn person(&self, other: &Name) -> Result<Conversation, Failure> {
        let name = other.to_string();
        let known = move |client: &Client| {
            is_usable(client) && (client.directory().account(&name).is_some() || client.is_caught_up())
        };
        let _in_time = self.waits_for(known).await?;
        let name = other.to_string();
        let (found, caught_up, names) = self
            .session
            .ask(move |client| {
                let names: Vec<String> = client.directory().all().map(|(name, _)| name.to_owned()).collect();
                let found = client.directory().account(&name);
                let closed = found.is_some_and(|account| client.directory().is_closed(account));
                (found.map(|account| (account, closed)), client.is_caught_up(), names)
            })
            .await?;
        if let Some((_, true)) = found {
            return Err(Failure::new(format!("{other} has deleted the account; nothing was written")).next(
                format!(
                    "nobody reads there any more; what was said is in: tercet chat {}, /dm {other}",
                    self.name
                ),
            ));
        }
        if let Some((account, _)) = found {
            return Ok(Conversation::direct(self.eyes.account, account));
        }
        if !caught_up {
            return Err(Failure::new(format!(
                "{other} is not known on this machine, and no server answered; nothing was written"
            ))
            .next("tercet cluster status"));
        }
        let meant = did_you_mean(other.as_str(), names.iter().map(String::as_str));
        Err(Failure::new(format!("there is nobody called {other} in this cluster; nothing was written"))
            .next(
                meant
                    .unwrap_or_else(|| format!("ask {other} to run `tercet chat` once: then they are known")),
            ))
    }

    /// Ends the session.
    ///
    /// # Errors
    /// What ended it earlier.
    pub async fn close(self) -> Result<(), Failure> {
        self.session.close().await?;
        drop(self.hearing.await); // it ends with the session
        Ok(())
    }
}

/// Whether something can be said with the account; if not, the session tells why.
fn is_usable(client: &Client) -> bool {
    let (directory, me) = (client.directory(), client.account());
    directory.called(me).is_some() && !directory.is_closed(me)
}

async fn hear(
    mut notices: mpsc::Receiver<Notice>,
    eyes: Eyes,
    unusable: Arc<watch::Sender<Option<Unusable>>>,
    lines: Option<mpsc::UnboundedSender<Shown>>,
) {
    while let Some(notice) = notices.recv().await {
        let grave = match &notice {
            Notice::Down { why, .. } => is_grave(why),
            Notice::Called { account, why, .. } => *account == eyes.account && *why == Change::FellBack,
            _ => false,
        };
        match (eyes.notice(&notice), &notice) {
            (Some(line), Notice::View { now, .. }) => {
                eyes.view.set(Arc::clone(now));
                screen::detail(&line);
            }
            (_, Notice::NameTaken) => drop(unusable.send_replace(Some(Unusable::NameTaken))),
            (_, Notice::AccountClosed) => drop(unusable.send_replace(Some(Unusable::Closed))),
            (_, Notice::SignedIn) => drop(unusable.send_replace(None)),
            (Some(line), Notice::OutOfReach { .. }) => screen::warn(&line),
            (Some(line), _) if grave => screen::warn(&line),
            (Some(line), _) => screen::detail(&line),
            (None, Notice::Show(shown)) => {
                if let Some(lines) = &lines {
                    let _unread = lines.send(shown.clone());
                }
            }
            (None, _) => {}
        }
    }
}
