//! The server's side: who may come in, and how many.
//!
//! ```text
//! accept -- a place among CONNECTIONS_MAX? -- a place among HANDSHAKES_MAX -- one task per connection
//! ```
//!
//! **Invariant**: nothing that happens to one connection ends the server or another connection. Operating
//! system errors (no files left) pause accepting, they do not end it and do not spin.
//!
//! What this module must not know: what frames mean. A function that its caller hands in turns each frame
//! into what the core takes; it runs in the connection's task, so that events are decoded on every processor.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::queue::Outbox;
use super::tls::Identity;
use crate::frame::{Refusal, ToServer};
use crate::limits;

/// Which connection of a listener; never used again while it runs.
pub type ConnId = u64;

/// Turns a frame into what the core takes, or says why its connection must end.
pub type Admit<R> = fn(ToServer) -> Result<R, Refusal>;

/// What the network tells the core.
#[derive(Debug)]
pub enum FromNet<R> {
    /// Somebody has proved to hold a key.
    Opened {
        /// The connection, from now on.
        conn: ConnId,
        /// The Ed25519 public key of whoever opened it.
        key: [u8; 32],
        /// Where to send answers; dropping it ends the connection.
        outbox: Outbox,
    },
    /// A frame came in.
    Frame {
        /// From which connection.
        conn: ConnId,
        /// What it became.
        frame: R,
    },
    /// The connection is gone. Each `Opened` is followed by one, unless the listener itself ends.
    Closed {
        /// Which connection.
        conn: ConnId,
        /// What is known of the reason; `None` if the peer or the core closed it in good order.
        why: Option<String>,
    },
    /// The operating system does not hand over connections. Sent once when that begins; accepting goes on
    /// by itself.
    AcceptFailed {
        /// What the operating system says.
        why: String,
    },
}

impl<R> FromNet<R> {
    /// The same with another thing in a frame's place.
    pub fn map<S>(self, become_: impl FnOnce(R) -> S) -> FromNet<S> {
        match self {
            Self::Opened { conn, key, outbox } => FromNet::Opened { conn, key, outbox },
            Self::Frame { conn, frame } => FromNet::Frame { conn, frame: become_(frame) },
            Self::Closed { conn, why } => FromNet::Closed { conn, why },
            Self::AcceptFailed { why } => FromNet::AcceptFailed { why },
        }
    }
}

/// The listener's bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// Connections whose handshake is under way at once.
    pub handshakes: usize,
    /// Frames queued to one connection.
    pub queue_frames: usize,
    /// Longest handshake.
    pub handshake: Duration,
    /// Longest time without a byte from the peer.
    pub silence: Duration,
    /// Longest wait for the peer to take one frame.
    pub write_stall: Duration,
    /// Longest that a connection which is being closed may take to hand over its last frames.
    pub close: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: limits::CONNECTIONS_MAX,
            handshakes: limits::HANDSHAKES_MAX,
            queue_frames: limits::SEND_QUEUE_FRAMES,
            handshake: Duration::from_millis(limits::HANDSHAKE_MS),
            silence: Duration::from_millis(limits::CLIENT_SILENCE_MS),
            write_stall: Duration::from_millis(limits::WRITE_STALL_MS),
            close: Duration::from_millis(limits::CLOSE_MS),
        }
    }
}

/// The listener could not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for TLS connections: {0}; this server's key file may be damaged")]
pub struct ServeError(#[from] rustls::Error);

/// Where connections come from; a trait only so that tests can make it fail.
pub(super) trait Accept {
    /// The next connection. Cancel safe.
    fn accept(&mut self) -> impl Future<Output = io::Result<TcpStream>>;
}

impl Accept for TcpListener {
    async fn accept(&mut self) -> io::Result<TcpStream> {
        TcpListener::accept(self).await.map(|(stream, _)| stream)
    }
}

/// Takes connections until its doors are closed, from when on the operating system refuses newcomers.
struct Doorway {
    listener: Option<TcpListener>,
    closing: CancellationToken,
}

impl Accept for Doorway {
    async fn accept(&mut self) -> io::Result<TcpStream> {
        if let Some(listener) = &self.listener {
            tokio::select! {
                biased;
                () = self.closing.cancelled() => {}
                accepted = listener.accept() => return accepted.map(|(stream, _)| stream),
            }
        }
        self.listener = None;
        std::future::pending().await
    }
}

/// Takes connections until `closing`, and serves those it has until `shutdown`; then every connection's queue
/// is written out, for at most [`limits::CLOSE_MS`]. Dropping the future ends all connections at once.
///
/// # Errors
/// Only before the first connection: [`ServeError`].
pub async fn serve<R: Send + 'static>(
    listener: TcpListener,
    identity: &Identity,
    admit: Admit<R>,
    inbound: mpsc::Sender<FromNet<R>>,
    closing: CancellationToken,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let listener = Doorway { listener: Some(listener), closing };
    serve_within(Bounds::default(), listener, identity, admit, inbound, shutdown).await
}

/// [`serve`] with other bounds.
pub(super) async fn serve_within<R: Send + 'static>(
    bounds: Bounds,
    mut listener: impl Accept,
    identity: &Identity,
    admit: Admit<R>,
    inbound: mpsc::Sender<FromNet<R>>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let acceptor = TlsAcceptor::from(Arc::new(identity.server_config()?));
    let stopping = CancellationToken::new();
    let doors = Doors::new(bounds);
    let mut tasks = JoinSet::new();
    let mut next_conn: ConnId = 1;
    let mut failing = false;
    tokio::pin!(shutdown);
    loop {
        let entered = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = tasks.join_next() => continue,
            entered = doors.next(&mut listener, failing) => entered,
        };
        match entered {
            Ok(Some(entrant)) => {
                let Entrant { tcp, place, handshake } = entrant;
                let connection = Connection {
                    conn: next_conn,
                    bounds,
                    admit,
                    inbound: inbound.clone(),
                    stopping: stopping.clone(),
                };
                next_conn += 1;
                let acceptor = acceptor.clone();
                tasks.spawn(async move {
                    connection.run(tcp, acceptor, handshake).await;
                    drop(place);
                });
                failing = false;
            }
            Ok(None) => failing = false,
            Err(error) => {
                if !failing {
                    // A core that is too busy to be told is told by whoever cannot connect.
                    let _ = inbound.try_send(FromNet::AcceptFailed { why: error.to_string() });
                }
                failing = true;
            }
        }
    }
    drop(listener);
    stopping.cancel();
    let _ = timeout(bounds.close, async { while tasks.join_next().await.is_some() {} }).await;
    Ok(())
}

/// The two counts of those who come in.
struct Doors {
    places: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
}

/// Somebody who has come in.
struct Entrant {
    tcp: TcpStream,
    place: OwnedSemaphorePermit,
    handshake: OwnedSemaphorePermit,
}

impl Doors {
    fn new(bounds: Bounds) -> Self {
        Self {
            places: Arc::new(Semaphore::new(bounds.connections)),
            handshakes: Arc::new(Semaphore::new(bounds.handshakes)),
        }
    }

    /// The next connection; `None` for one that was closed because the server is full. While as many
    /// handshakes as may be are under way, newcomers wait in the operating system's queue. Cancel safe.
    async fn next(&self, listener: &mut impl Accept, failing: bool) -> io::Result<Option<Entrant>> {
        if failing {
            sleep(Duration::from_millis(limits::ACCEPT_PAUSE_MS)).await;
        }
        let handshake = self.handshakes.clone().acquire_owned().await.map_err(io::Error::other)?;
        let tcp = listener.accept().await?;
        let place = self.places.clone().try_acquire_owned();
        Ok(place.ok().map(|place| Entrant { tcp, place, handshake }))
    }
}
