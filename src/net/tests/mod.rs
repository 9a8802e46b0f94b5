//! Real sockets on 127.0.0.1. What is awaited is a condition, with a generous deadline; nothing sleeps to
//! let something happen.

mod doors;
mod handshake;
mod link;
mod listener;
mod raw;

use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::dial::{DialError, Dialled, dial};
use super::listener::{Bounds, ConnId, FromNet, serve_within};
use super::queue::Outbox;
use super::tls::Identity;
use crate::frame::{Refusal, Role, ToClient, ToServer};
use crate::id::{ClusterId, Incarnation, ServerId};
use crate::view::{Member, ViewId};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);

fn identity(seed: u8) -> Identity {
    Identity::new(&SigningKey::from_bytes(&[seed; 32])).unwrap()
}

fn id(seed: u8) -> ServerId {
    ServerId::new(identity(seed).public_key())
}

fn member(address: &impl ToString, seed: u8) -> Member {
    Member { name: seed.to_string(), address: address.to_string(), id: id(seed), sealed: false }
}

const VIEW: ViewId = ViewId { epoch: 1, hash: [6; 32] };

fn hello() -> ToServer {
    ToServer::Hello { version: 1, cluster: ClusterId::new([3; 16]), view: VIEW, role: Role::Peer }
}

fn welcome() -> ToClient {
    let incarnation = Incarnation::new([5; 16]);
    ToClient::Welcome { version: 1, incarnation, position: 7, view: VIEW, time_ms: 42 }
}

/// Frames as they come, but for `Status`, which these tests hold to be forbidden.
fn admit(frame: ToServer) -> Result<ToServer, Refusal> {
    match frame {
        ToServer::Status => Err(Refusal::InvalidEvent("no such thing here".to_owned())),
        frame => Ok(frame),
    }
}

async fn soon<T>(what: &str, condition: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, condition).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// A listener under test, with its key made of `SEED`, and the core's end of it.
struct Server {
    member: Member,
    inbound: mpsc::Receiver<FromNet<ToServer>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// The seed of the server's key.
const SEED: u8 = 1;
/// The seed of the usual client's key.
const CLIENT: u8 = 9;

impl Server {
    async fn start(bounds: Bounds) -> Self {
        Self::start_at(bounds, "127.0.0.1:0").await
    }

    async fn start_at(bounds: Bounds, address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let member = member(&listener.local_addr().unwrap(), SEED);
        let (sender, inbound) = mpsc::channel(16);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            serve_within(bounds, listener, &identity(SEED), admit, sender, shutdown).await.unwrap();
        });
        Self { member, inbound, stop, task }
    }

    async fn event(&mut self) -> FromNet<ToServer> {
        soon("an event", self.inbound.recv()).await.expect("the listener goes on")
    }

    async fn opened(&mut self) -> (ConnId, [u8; 32], Outbox) {
        match self.event().await {
            FromNet::Opened { conn, key, outbox } => (conn, key, outbox),
            other => panic!("{other:?}"),
        }
    }

    async fn frame(&mut self) -> (ConnId, ToServer) {
        match self.event().await {
            FromNet::Frame { conn, frame } => (conn, frame),
            other => panic!("{other:?}"),
        }
    }

    async fn closed(&mut self) -> (ConnId, Option<String>) {
        match self.event().await {
            FromNet::Closed { conn, why } => (conn, why),
            other => panic!("{other:?}"),
        }
    }

    /// Lets a client in, from its connection to its welcome.
    async fn let_in(&mut self, seed: u8) -> (ConnId, Outbox, Dialled) {
        let (member, identity) = (self.member.clone(), identity(seed));
        let dialling = tokio::spawn(async move { dial(&member, &identity, &hello(), LONG).await });
        let (conn, key, outbox) = self.opened().await;
        assert_eq!(key, super::tests::identity(seed).public_key());
        assert_eq!(self.frame().await, (conn, hello()));
        outbox.try_send(welcome()).unwrap();
        (conn, outbox, soon("the welcome", dialling).await.unwrap().unwrap())
    }

    /// Proves that the listener still takes clients.
    async fn still_works(&mut self) {
        let (conn, outbox, mut client) = self.let_in(CLIENT).await;
        client.writer.send(&ToServer::Ping, LONG).await.unwrap();
        assert_eq!(self.frame().await, (conn, ToServer::Ping));
        outbox.try_send(ToClient::Pong).unwrap();
        assert_eq!(client.reader.next(LONG).await.unwrap(), Some(ToClient::Pong));
        drop(client);
        assert_eq!(self.closed().await.0, conn);
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        soon("the end of the listener", self.task).await.unwrap();
    }
}

async fn dial_as(seed: u8, member: &Member) -> Result<Dialled, DialError> {
    dial(member, &identity(seed), &hello(), LONG).await
}

fn shared(seed: u8) -> Arc<Identity> {
    Arc::new(identity(seed))
}
