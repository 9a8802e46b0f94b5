//! Asking running servers: how they are, and for their whole log.
//!
//! Who holds one of the cluster's server keys may ask as a peer does; on this machine that is whoever may
//! read the cluster folder. Any server's key will do for all of them.

use std::sync::Arc;
use std::time::Duration;

use super::failure::Failure;
use super::home::Cluster;
use super::keys;
use crate::event::Event;
use crate::frame::{Role, ServerStatus, ToClient, ToServer};
use crate::history::{ServerHistory, Stored};
use crate::limits::{PROTOCOL_VERSION, SILENCE_MS};
use crate::net::ask::Conn;
use crate::net::dial::Welcome;
use crate::net::tls::Identity;
use crate::view::Member;

const PATIENCE: Duration = Duration::from_millis(SILENCE_MS);

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It said this.
    Says(ServerStatus),
    /// It did not answer in time.
    Silent,
    /// Nobody asked it.
    NotAsked,
}

/// Asks one server for its numbers, for at most [`crate::limits::SILENCE_MS`]; called from a plain thread,
/// for all servers at once.
pub fn ask_status(cluster: &Cluster, server: &Member) -> Answer {
    let Ok(identity) = identity(cluster) else { return Answer::NotAsked };
    let asking = async {
        let (mut conn, _) = open(cluster, server, &identity).await?;
        let answer = request(&mut conn, server, &ToServer::Status).await?;
        conn.close().await;
        Ok(answer)
    };
    match block_on(asking) {
        Ok(ToClient::Status(status)) => Answer::Says(status),
        _ => Answer::Silent,
    }
}

/// Reads a running server's whole log, each event's signature checked.
///
/// # Errors
/// When no server's key is on this machine, the server does not answer, or sends what is no event.
pub fn read_log(
    cluster: &Cluster,
    server: &Member,
    heard: impl Fn(u64, u64),
) -> Result<ServerHistory, Failure> {
    let identity = identity(cluster)?;
    block_on(async {
        let (mut conn, welcome) = open(cluster, server, &identity).await?;
        let mut log: Vec<Stored> = Vec::new();
        let own = cluster.view().signed();
        loop {
            let after = log.last().map_or(0, |stored| stored.position);
            let ToClient::Log { items, tip, cursors } =
                request(&mut conn, server, &ToServer::Pull { after }).await?
            else {
                return Err(Failure::new(format!(
                    "server {} answers something else than its log",
                    server.name
                )));
            };
            for item in items {
                let bytes = item.event.unwrap_or_default();
                let event = Event::from_bytes(&bytes).map_err(|error| {
                    Failure::new(format!("server {}, position {}: {error}", server.name, item.position))
                })?;
                log.push(Stored { position: item.position, event: Arc::new(event) });
            }
            let reached = log.last().map_or(0, |stored| stored.position);
            heard(reached, tip);
            // What is appended from now on is beyond what this verify looks at.
            if reached >= welcome.position.max(after) || reached == after {
                conn.close().await;
                return Ok(ServerHistory {
                    source: format!("server {} (running)", server.name),
                    server: server.id,
                    incarnation: welcome.incarnation,
                    live: true,
                    log,
                    canonical: None,
                    cursors,
                    view: own.filter(|own| own.view().id() == welcome.view).map(|own| own.bytes()),
                });
            }
        }
    })
}

fn identity(cluster: &Cluster) -> Result<Identity, Failure> {
    let mut first = None;
    for name in cluster.names() {
        match keys::load(&cluster.home().server(name).key()) {
            Ok(key) => return Identity::new(&key).map_err(|error| Failure::of(&error)),
            Err(failure) => first = first.or(Some(failure)),
        }
    }
    Err(first.unwrap_or_else(|| Failure::new("no server's key is on this machine")))
}

async fn open(cluster: &Cluster, server: &Member, identity: &Identity) -> Result<(Conn, Welcome), Failure> {
    let view = cluster.view();
    let hello = ToServer::Hello {
        version: PROTOCOL_VERSION,
        cluster: view.cluster(),
        view: view.id(),
        role: Role::Peer,
    };
    Conn::open(server, identity, &hello, PATIENCE).await.map_err(|error| Failure::of(&error))
}

async fn request(conn: &mut Conn, server: &Member, frame: &ToServer) -> Result<ToClient, Failure> {
    let failed = |error| Failure::new(format!("server {}: {}", server.name, Failure::of(&error).what()));
    conn.send(frame, PATIENCE).await.map_err(failed)?;
    loop {
        match conn.recv(PATIENCE).await.map_err(failed)? {
            ToClient::View(_) => {} // the server tells it of its own accord
            answer => return Ok(answer),
        }
    }
}

fn block_on<T>(asking: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("start the runtime", &error))?
        .block_on(asking)
}
