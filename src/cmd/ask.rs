//! Asking running servers: how they are, and which view they know; [`crate::cmd::live_log`] asks for their logs.
//!
//! Who holds one of the cluster's server keys, or its administration key, may ask as a peer does; on this machine that
//! is whoever may read the cluster folder. Any such key will do for all servers.

use std::time::Duration;

use serde_bytes::ByteBuf;

use super::failure::Failure;
use super::home::Cluster;
use super::keys;
use crate::frame::{Refusal, Role, ServerStatus, ToClient, ToServer};
use crate::limits::{PROTOCOL_VERSION, SILENCE_MS};
use crate::net::ask::{AskError, Conn};
use crate::net::dial::Welcome;
use crate::net::tls::Identity;
use crate::view::{Member, SignedView};

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

/// Tells a server of the cluster file's view if that is newer than its own, and returns once the server acts on it. If
/// the server's is the newer one, it is returned.
///
/// # Errors
/// When the server does not answer in time, or refuses the view.
pub fn exchange_views(cluster: &Cluster, server: &Member) -> Result<Option<SignedView>, Failure> {
    let identity = identity(cluster)?;
    let failed = |error: AskError| told_of(server, &error);
    block_on(async {
        let (mut conn, welcome) = open(cluster, server, &identity).await?;
        let own = cluster.view();
        if own.admin().is_none() || welcome.view == own.id() {
            conn.close().await;
            return Ok(None);
        }
        if let Some(signed) = own.signed().filter(|signed| welcome.view < signed.view().id()) {
            let frame = ToServer::View(ByteBuf::from(signed.bytes()));
            conn.send(&frame, PATIENCE).await.map_err(failed)?;
        }
        loop {
            match conn.recv(PATIENCE).await {
                // It tells everybody of a view that it has begun to act on.
                Ok(ToClient::View(bytes)) => {
                    conn.close().await;
                    return Ok(SignedView::newer(&bytes, own)?);
                }
                Ok(_) => {}
                // It acts on a view in which it, or we, have no place.
                Err(AskError::Refused(Refusal::Retired | Refusal::NotAPeer)) => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
        }
    })
}

fn told_of(server: &Member, error: &AskError) -> Failure {
    Failure::new(format!("server {}: {}", server.name, Failure::of(error).what()))
}

/// Who asks: any key of the cluster that is on this machine.
pub(super) fn identity(cluster: &Cluster) -> Result<Identity, Failure> {
    let mut first = None;
    let servers = cluster.names().into_iter().map(|name| cluster.home().server(name).key());
    for key in servers.chain([cluster.home().cluster_key()]) {
        match keys::load(&key) {
            Ok(key) => return Identity::new(&key).map_err(|error| Failure::of(&error)),
            Err(failure) => first = first.or(Some(failure)),
        }
    }
    Err(first.unwrap_or_else(|| Failure::new("no server's key is on this machine")))
}

/// Connects to a server and is welcomed there.
pub(super) async fn open(
    cluster: &Cluster,
    server: &Member,
    identity: &Identity,
) -> Result<(Conn, Welcome), Failure> {
    let view = cluster.view();
    let hello = ToServer::Hello {
        version: PROTOCOL_VERSION,
        cluster: view.cluster(),
        view: view.id(),
        role: Role::Peer,
    };
    Conn::open(server, identity, &hello, PATIENCE).await.map_err(|error| Failure::of(&error))
}

/// Asks one thing and waits for the answer, [`SILENCE_MS`] at most.
pub(super) async fn request(conn: &mut Conn, server: &Member, frame: &ToServer) -> Result<ToClient, Failure> {
    let failed = |error: AskError| told_of(server, &error);
    conn.send(frame, PATIENCE).await.map_err(failed)?;
    loop {
        match conn.recv(PATIENCE).await.map_err(failed)? {
            ToClient::View(_) => {} // the server tells it of its own accord
            answer => return Ok(answer),
        }
    }
}

/// Waits for an answer, from a plain thread.
pub(super) fn block_on<T>(asking: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("start the runtime", &error))?
        .block_on(asking)
}
