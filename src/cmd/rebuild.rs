//! A server whose store is damaged: it starts anew from its peers, or not at all. And one whose store is a copy: it
//! goes on under a new incarnation.
//!
//! **Invariants**
//! - A damaged store is renamed at most, to `store.damaged-N`; nothing here changes or removes a byte of it.
//! - It is moved only while another server can stand in for it: one that answers, is not catching up itself,
//!   and holds at least as many events as this store is known to have acked. Otherwise this may be the last
//!   copy of something, and the server stops with a message that says what to do.
//! - Only damage counts: a store in use, a full disk or a missing permission stops the server as ever.
//!
//! The new store has a new incarnation, so everybody's receipts from the old one are void (rule 8), authors
//! send again what they still have, and [`crate::sync`] fetches the rest.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::config::ServerSetup;
use super::failure::Failure;
use super::screen;
use super::serve::timestamp;
use crate::frame::{Role, ServerStatus, ToClient, ToServer};
use crate::id::{Position, ServerId};
use crate::limits::{PROTOCOL_VERSION, SILENCE_MS};
use crate::log::Write;
use crate::net::ask::Conn;
use crate::net::tls::Identity;
use crate::store::{Renewed, Replica, StoreError};
use crate::text::inert;
use crate::view::{Member, SignedView, View};

/// How long the other servers are given to answer, for they may just be starting too.
const PEERS_PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two rounds of asking.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// Opens the server's store. One that is a copy gets a new incarnation; one that is damaged is moved away and a new
/// one made, if that loses nothing.
///
/// # Errors
/// The store cannot be opened, or is damaged and no other server can stand in for it.
pub(super) async fn open(setup: &ServerSetup, identity: &Arc<Identity>) -> Result<Replica, Failure> {
    let store = &setup.config.store;
    Replica::finish_renewal(store).map_err(|error| Failure::of(&error))?;
    if Replica::is_copied(store).map_err(|error| Failure::of(&error))? {
        renew_copy(setup)?;
    }
    let replica = open_whole(setup, identity).await?;
    Replica::note_place(store).map_err(|error| Failure::of(&error))?;
    Ok(replica)
}

/// A copy is of an earlier moment. One that is damaged is left to [`open_whole`].
fn renew_copy(setup: &ServerSetup) -> Result<(), Failure> {
    let store = &setup.config.store;
    match Replica::renew(store, setup.member.id) {
        Ok(renewed) => {
            screen::note(&format!("{} this store was made elsewhere, and copied here", timestamp()));
            screen::note(&renewed_words(store, &renewed));
            Ok(())
        }
        Err(StoreError::Damaged { .. }) => Ok(()),
        Err(error) => Err(Failure::of(&error)),
    }
}

/// Another life for a log that was sealed, whose server is to append by the view in force.
///
/// # Errors
/// It cannot be copied.
pub(super) fn renew_sealed(setup: &ServerSetup, view: &View) -> Result<Replica, Failure> {
    let (store, server) = (&setup.config.store, setup.member.id);
    let renewed = Replica::renew(store, server).map_err(|error| Failure::of(&error))?;
    screen::note(&format!(
        "{} this log was sealed by a view that counts for less than the one in force (epoch {})",
        timestamp(),
        view.epoch()
    ));
    screen::note(&renewed_words(store, &renewed));
    let replica = Replica::open(store, server).map_err(|error| Failure::of(&error))?;
    Replica::note_place(store).map_err(|error| Failure::of(&error))?;
    Ok(replica)
}

/// What became of a store that was renewed.
pub(super) fn renewed_words(store: &Path, renewed: &Renewed) -> String {
    format!(
        "{} the store {} has a new incarnation, {} (it had {}), and holds {} events. What it was is in {}, where \
         it stays until you delete it",
        timestamp(),
        store.display(),
        renewed.to.short(),
        renewed.from.short(),
        renewed.events,
        renewed.before.display()
    )
}

async fn open_whole(setup: &ServerSetup, identity: &Arc<Identity>) -> Result<Replica, Failure> {
    let (store, server) = (&setup.config.store, setup.member.id);
    let what = match Replica::open(store, server) {
        Err(StoreError::Damaged { what, .. }) => what,
        other => return other.map_err(|error| Failure::of(&error)),
    };
    let acked = Replica::acked(store).map_err(|error| Failure::of(&error))?;
    let mut search = Search { own: server, identity, acked, view: setup.cluster.view().clone() };
    let standin = match search.standin().await {
        Ok(standin) => standin,
        Err(why) => return Err(stopped(store, &what, &why)),
    };
    let away = Replica::move_away(store).map_err(|error| Failure::of(&error))?;
    screen::note(&format!(
        "{} the store {} is damaged: {}. It was moved to {}, where it stays until you delete it. This server \
         starts anew, under a new incarnation, and fetches everything from its peers: {standin}",
        timestamp(),
        store.display(),
        inert(&what),
        away.display(),
    ));
    let replica = Replica::open(store, server).map_err(|error| Failure::of(&error))?;
    search.keep_view(&replica)?;
    Ok(replica)
}

/// A search for a server that can stand in for this one's store. The store cannot be asked for the newest view, and the
/// cluster file may know an old one; so whoever is asked tells the newest that it knows, and who is in that is asked too.
struct Search<'a> {
    own: ServerId,
    identity: &'a Arc<Identity>,
    acked: Option<Position>,
    /// The newest that is known.
    view: View,
}

/// What a server said, or why it said nothing; and a newer view than it was told of, if it knows one.
struct Answer {
    name: String,
    news: Option<SignedView>,
    status: Result<ServerStatus, String>,
}

impl Search<'_> {
    /// Waits for a server that can stand in, and tells which; else says why none can.
    async fn standin(&mut self) -> Result<String, String> {
        let deadline = Instant::now() + PEERS_PATIENCE;
        loop {
            let before = self.view.id();
            let mut judged = Vec::new();
            for Answer { name, news, status } in self.ask_all().await {
                self.take(news);
                judged.push(judge(&name, status, self.acked));
            }
            if self.view.member(self.own).is_none() {
                return Err(format!("it has left the cluster (view epoch {})", self.view.epoch()));
            }
            if self.others().next().is_none() {
                return Err("it is the only server of its cluster, so this may be the last copy".to_owned());
            }
            let (standins, mut whys): (Vec<_>, Vec<_>) = judged.into_iter().partition(Result::is_ok);
            if let Some(Ok(standin)) = standins.into_iter().next() {
                return Ok(standin);
            }
            if self.view.id() > before {
                continue; // there may be others
            }
            if Instant::now() >= deadline {
                whys.sort();
                let whys: Vec<_> = whys.into_iter().filter_map(Result::err).collect();
                return Err(format!(
                    "no other server can stand in for it, so this may be the last copy ({})",
                    whys.join("; ")
                ));
            }
            sleep(ASK_AGAIN).await;
        }
    }

    /// Everybody else in the view is asked at once; returns what each said, in the order of answers.
    async fn ask_all(&self) -> Vec<Answer> {
        let mut asked = JoinSet::new();
        for member in self.others() {
            let (member, identity, view) = (member.clone(), Arc::clone(self.identity), self.view.clone());
            asked.spawn(async move { ask(&member, &identity, &view).await });
        }
        asked.join_all().await
    }

    fn others(&self) -> impl Iterator<Item = &Member> {
        self.view.servers().iter().filter(|member| member.id != self.own)
    }

    fn take(&mut self, news: Option<SignedView>) {
        if let Some(signed) = news.filter(|signed| signed.view().id() > self.view.id()) {
            self.view = signed.into_view();
        }
    }

    /// The newest view is the first thing in a new store: the server acts on no older one.
    fn keep_view(&self, replica: &Replica) -> Result<(), Failure> {
        let Some(signed) = self.view.signed() else { return Ok(()) };
        let seal = (!self.view.lets_append(self.own)).then_some(Write::Seal);
        let writes: Vec<_> = seal.into_iter().chain([Write::View(signed)]).collect();
        replica.commit(&writes).map_err(|error| Failure::of(&error))
    }
}

async fn ask(member: &Member, identity: &Identity, view: &View) -> Answer {
    let mut news = None;
    let status = ask_status(member, identity, view, &mut news).await;
    Answer { name: member.name.clone(), news, status }
}

async fn ask_status(
    member: &Member,
    identity: &Identity,
    view: &View,
    news: &mut Option<SignedView>,
) -> Result<ServerStatus, String> {
    let patience = Duration::from_millis(SILENCE_MS);
    let failed = |error: &dyn std::error::Error| Failure::of(error).what().to_owned();
    let hello = ToServer::Hello {
        version: PROTOCOL_VERSION,
        cluster: view.cluster(),
        view: view.id(),
        role: Role::Peer,
    };
    let (mut conn, _) =
        Conn::open(member, identity, &hello, patience).await.map_err(|error| failed(&error))?;
    conn.send(&ToServer::Status, patience).await.map_err(|error| failed(&error))?;
    loop {
        match conn.recv(patience).await.map_err(|error| failed(&error))? {
            // It tells it of its own accord to whoever knows an older one.
            ToClient::View(bytes) if view.admin().is_some() => {
                *news = SignedView::newer(&bytes, view).map_err(|error| failed(&error))?.or(news.take());
            }
            ToClient::View(_) => {}
            ToClient::Status(status) => {
                conn.close().await;
                return Ok(status);
            }
            _ => return Err("answers something else than how it is".to_owned()),
        }
    }
}

/// Whether a server that said this can stand in for a store that acked so many events.
fn judge(
    name: &str,
    answer: Result<ServerStatus, String>,
    acked: Option<Position>,
) -> Result<String, String> {
    let status = answer.map_err(|why| format!("server {name}: {}", inert(&why)))?;
    let held = status.position;
    if let Some(of) = status.syncing_to {
        return Err(format!("server {name} is itself syncing {held} of {of}"));
    }
    match acked {
        Some(acked) if held < acked => Err(format!("server {name} holds {held} of at least {acked} events")),
        _ if held == 0 => Err(format!("server {name} is empty itself")),
        _ => Ok(format!("server {name} holds {held} events")),
    }
}

fn stopped(store: &Path, what: &str, why: &str) -> Failure {
    let store = store.display();
    Failure::new(format!(
        "the store {store} is damaged: {}. It was left as it is, and the server does not start: {why}",
        inert(what)
    ))
    .next(format!(
        "start a server that holds everything, then this one again; or put a backup in place of {store} and give it \
         a new incarnation (tercet serve --new-incarnation); or, to go on with what people's devices and the other servers have: mv {store} {store}.lost"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Incarnation;

    #[test]
    fn only_a_server_that_holds_as_much_and_is_in_step_can_stand_in() {
        let status = |position, syncing_to| {
            Ok(ServerStatus {
                server: ServerId::new([1; 32]),
                incarnation: Incarnation::new([2; 16]),
                position,
                connections: 1,
                forks: 0,
                uptime_ms: 9,
                syncs: 0,
                view: crate::view::ViewId { epoch: 1, hash: [0; 32] },
                sealed: None,
                peers: Vec::new(),
                syncing_to,
            })
        };
        for (answer, acked, expected) in [
            (status(9, None), Some(9), Ok("server 2 holds 9 events")),
            (status(9, None), None, Ok("server 2 holds 9 events")),
            (status(8, None), Some(9), Err("server 2 holds 8 of at least 9 events")),
            (status(9, Some(12)), Some(9), Err("server 2 is itself syncing 9 of 12")),
            (status(0, None), None, Err("server 2 is empty itself")),
            (status(0, None), Some(0), Err("server 2 is empty itself")),
            (Err("no answer".to_owned()), Some(1), Err("server 2: no answer")),
        ] {
            let judged = judge("2", answer, acked);
            assert_eq!(judged.as_ref().map(String::as_str).map_err(String::as_str), expected);
        }
    }
}
