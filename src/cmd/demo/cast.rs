//! The people of a demo: a running session each, and what they know together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::script::Line;
use crate::cmd::failure::Failure;
use crate::cmd::home::Cluster;
use crate::cmd::session::{Notice, Options, Session};
use crate::event::Conversation;
use crate::id::AccountId;
use crate::limits::{REORDER_WINDOW_MS, SENT_AT};
use crate::text::{Name, count};

const SIGN_IN_PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// Everybody who has something to say.
pub fn people(lines: &[Line]) -> BTreeSet<&Name> {
    lines.iter().flat_map(|line| [&line.from, &line.to]).collect()
}

struct Person {
    session: Session,
    account: AccountId,
    seen: Arc<Seen>,
}

/// What was shown to one person.
#[derive(Default)]
struct Seen {
    lines: AtomicUsize,
    late: AtomicUsize,
}

/// The people, signed in.
pub struct Cast {
    people: BTreeMap<Name, Person>,
    servers: usize,
    /// How many lines are to be shown in the end, to all together.
    due: AtomicUsize,
}

impl Cast {
    /// Opens a session for everybody and waits until each knows the names of all.
    pub async fn sign_in(cluster: &Cluster, lines: &[Line]) -> Result<Self, Failure> {
        let mut people = BTreeMap::new();
        for name in self::people(lines) {
            let options = Options { window_ms: REORDER_WINDOW_MS, new_device: false, quorum: None };
            let (session, notices) = Session::open(cluster, name, options)?;
            let account = session.ask(crate::client::Client::account).await?;
            let seen = Arc::new(Seen::default());
            tokio::spawn(watch(notices, Arc::clone(&seen)));
            people.insert(name.clone(), Person { session, account, seen });
        }
        let cast = Self { people, servers: cluster.names().len(), due: AtomicUsize::new(0) };
        let deadline = Instant::now() + SIGN_IN_PATIENCE;
        let everybody = cast.people.len();
        for person in cast.people.values() {
            while person.session.ask(|client| client.directory().all().count()).await? < everybody {
                if Instant::now() > deadline {
                    return Err(
                        Failure::new("the people could not sign in within 20 s").next("tercet demo --keep")
                    );
                }
                sleep(POLL).await;
            }
        }
        Ok(cast)
    }

    fn person(&self, name: &Name) -> Result<&Person, Failure> {
        self.people.get(name).ok_or_else(|| Failure::new(format!("nobody is called {name}")))
    }

    /// Has a line said.
    pub async fn say(&self, line: &Line) -> Result<(), Failure> {
        let (from, to) = (self.person(&line.from)?, self.person(&line.to)?);
        let conversation = Conversation::direct(from.account, to.account);
        let said = from.session.say(conversation, line.text.clone()).await?;
        self.due.fetch_add(if from.account == to.account { 1 } else { 2 }, Ordering::Relaxed);
        said.map_err(|error| Failure::of(&error))
    }

    /// Messages that too few servers have.
    pub async fn at_risk(&self) -> Result<usize, Failure> {
        let mut at_risk = 0;
        for person in self.people.values() {
            at_risk += person.session.ask(|client| client.unsafe_below(SENT_AT).len()).await?;
        }
        Ok(at_risk)
    }

    /// How it stands, in a few words.
    pub async fn summary(&self) -> Result<String, Failure> {
        let Some(person) = self.people.values().next() else { return Ok(String::new()) };
        let servers = self.servers;
        let up = person
            .session
            .ask(move |client| {
                (0..servers).map(|index| if client.is_up(index) { '●' } else { '○' }).collect::<String>()
            })
            .await?;
        let shown = self.sum(|seen| &seen.lines);
        Ok(format!("servers {up}  shown {shown}  at risk {}", self.at_risk().await?))
    }

    fn sum(&self, field: fn(&Seen) -> &AtomicUsize) -> usize {
        self.people.values().map(|person| field(&person.seen).load(Ordering::Relaxed)).sum()
    }

    /// Copies that are owed to servers, and events that somebody has not read.
    pub async fn unsettled(&self) -> Result<(usize, usize), Failure> {
        let servers = self.servers;
        let (mut owed, mut unread) = (0, 0);
        let mut most: BTreeMap<Conversation, usize> = BTreeMap::new();
        let mut held: Vec<(Conversation, usize)> = Vec::new();
        for person in self.people.values() {
            let (owes, waits, has) = person
                .session
                .ask(move |client| {
                    let owes = (0..servers).map(|index| client.owed(index)).sum::<usize>();
                    let has: Vec<_> = client
                        .conversations()
                        .map(|(conversation, transcript)| (conversation, transcript.keys().len()))
                        .collect();
                    (owes, client.unsettled(), has)
                })
                .await?;
            owed += owes;
            unread += waits;
            for (conversation, events) in has {
                let entry = most.entry(conversation).or_default();
                *entry = events.max(*entry);
                held.push((conversation, events));
            }
        }
        // The session is done with a line a moment before it is counted here.
        unread += self.due.load(Ordering::Relaxed).saturating_sub(self.sum(|seen| &seen.lines));
        unread += held.iter().map(|(conversation, events)| most[conversation] - events).sum::<usize>();
        Ok((owed, unread))
    }

    /// Ends all sessions.
    pub async fn leave(self) -> Result<(), Failure> {
        for person in self.people.into_values() {
            person.session.close().await?;
        }
        Ok(())
    }

    /// How many lines were shown to how many people, and how many of them late.
    pub fn shown(&self) -> String {
        format!("{} shown, {} late", count(self.sum(|seen| &seen.lines), "line"), self.sum(|seen| &seen.late))
    }
}

async fn watch(mut notices: mpsc::Receiver<Notice>, seen: Arc<Seen>) {
    while let Some(notice) = notices.recv().await {
        if let Notice::Show(shown) = notice {
            seen.lines.fetch_add(1, Ordering::Relaxed);
            seen.late.fetch_add(usize::from(shown.late), Ordering::Relaxed);
        }
    }
}
