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
use super::chat::known::Known;
use super::chat::render::{Eyes, is_grave};
use super::failure::{Failure, Outcome};
use super::home::Cluster;
use super::place::{Place, find_room, follows, room_labels};
use super::screen;
use super::session::{Notice, Options, Session, Shown};
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
    name_taken: Arc<watch::Sender<bool>>,
    hearing: JoinHandle<()>,
}

/// Runs a command's work on a runtime of its own.
///
/// # Errors
/// The work's own, and when there can be no runtime.
pub fn run(work: impl Future<Output = Result<Outcome, Failure>>) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::io("start the runtime", &error))?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}

impl Visit {
    /// Opens a session that waits at most `patience` for anything, and shows nothing.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn open(cluster: &Cluster, name: &Name, patience: Duration) -> Result<Self, Failure> {
        Self::start(cluster, name, patience, u64::MAX, None).await
    }

    /// Opens a session that hands on each line as its place is settled.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn following(
        cluster: &Cluster,
        name: &Name,
        patience: Duration,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Shown>), Failure> {
        // Unbounded, since the session must not wait for whoever asks it something first; what is in it are
        // events that the session holds anyway.
        let (lines, shown) = mpsc::unbounded_channel();
        let visit = Self::start(cluster, name, patience, REORDER_WINDOW_MS, Some(lines)).await?;
        Ok((visit, shown))
    }

    async fn start(
        cluster: &Cluster,
        name: &Name,
        patience: Duration,
        window_ms: u64,
        lines: Option<mpsc::UnboundedSender<Shown>>,
    ) -> Result<Self, Failure> {
        let (session, notices) = Session::open(cluster, name, Options { window_ms, new_device: false })?;
        let (name_taken, _) = watch::channel(false);
        let name_taken = Arc::new(name_taken);
        let account = session.ask(Client::account).await?;
        let eyes = Eyes {
            account,
            view: Known::new(session.ask(|client| client.view().clone()).await?),
            zone: jiff::tz::TimeZone::system(),
            reads: false,
            name: name.to_string(),
            blocked: Blocked::load(&cluster.home().blocked(name))?,
        };
        let hearing = tokio::spawn(hear(notices, eyes.clone(), Arc::clone(&name_taken), lines));
        Ok(Self {
            session,
            eyes,
            name: name.clone(),
            deadline: Instant::now() + patience,
            name_taken,
            hearing,
        })
    }

    /// Waits until the machine is in some state; `false` if it was not in time.
    ///
    /// # Errors
    /// When the session has ended, or the name turns out to be somebody else's.
    pub async fn waits_for(
        &self,
        holds: impl Fn(&Client) -> bool + Clone + Send + 'static,
    ) -> Result<bool, Failure> {
        loop {
            if *self.name_taken.borrow() {
                return Err(Failure::new(format!(
                    "the name {} belongs to somebody else in this cluster",
                    self.name
                ))
                .next("choose another name with --as NAME"));
            }
            if self.session.ask(holds.clone()).await? {
                return Ok(true);
            }
            if timeout_at(self.deadline, tokio::time::sleep(ASK_AGAIN)).await.is_err() {
                return Ok(false);
            }
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
        let (asked, me) = (name.clone(), self.name.to_string());
        let known = move |client: &Client| {
            let is_mine = client.directory().account(&me) == Some(client.account());
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
        let (name, me) = (other.to_string(), self.name.to_string());
        let known = move |client: &Client| {
            let directory = client.directory();
            let met = directory.account(&name).is_some() && directory.account(&me) == Some(client.account());
            met || (client.is_caught_up() && directory.account(&me).is_some())
        };
        let _in_time = self.waits_for(known).await?;
        let name = other.to_string();
        let (found, caught_up, names) = self
            .session
            .ask(move |client| {
                let names: Vec<String> = client.directory().all().map(|(name, _)| name.to_owned()).collect();
                (client.directory().account(&name), client.is_caught_up(), names)
            })
            .await?;
        if let Some(account) = found {
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

async fn hear(
    mut notices: mpsc::Receiver<Notice>,
    eyes: Eyes,
    name_taken: Arc<watch::Sender<bool>>,
    lines: Option<mpsc::UnboundedSender<Shown>>,
) {
    while let Some(notice) = notices.recv().await {
        let grave = matches!(&notice, Notice::Down { why, .. } if is_grave(why));
        match (eyes.notice(&notice), &notice) {
            (Some(line), Notice::View { now, .. }) => {
                eyes.view.set(Arc::clone(now));
                screen::detail(&line);
            }
            (_, Notice::NameTaken) => drop(name_taken.send_replace(true)),
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
