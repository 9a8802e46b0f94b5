//! The client's side: one task per server, which dials it for as long as it is wanted.
//!
//! ```text
//! dial --welcome--> Up, frames ... --> Down(why) --wait--> dial
//!   '----failed---> Down(why), once per change of reason --wait--> dial
//! ```
//!
//! **Invariant**: between an `Up` and the next `Up` of one server there is a `Down`; frames come only while
//! it is up. A server that is silent is found within [`SILENCE_MS`], although the operating system may keep
//! a stopped process's connections open for ever.
//!
//! What this module must not know: what other servers do, and what a client owes to this one. The queue of
//! a lost connection is lost with it (outboxes send again what was not acked, rule 9).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::backoff::{Backoff, jittered};
use super::codec::{Reader, WireError};
use super::dial::{self, DialError, Dialled, Welcome};
use super::queue::{self, LinkQueue};
use super::tls::Identity;
use super::writer::{KeepAlive, write_queue};
use crate::frame::{Refusal, ToClient, ToServer};
use crate::id::ServerId;
use crate::limits::{
    CLOSE_MS, GOODBYE_MS, HANDSHAKE_MS, PING_MS, REDIAL_MAX_MS, REFUSED_AGAIN_MS, SEND_QUEUE_FRAMES,
    SILENCE_MS, WRITE_STALL_MS,
};
use crate::view::Member;

/// What a link tells the client.
#[derive(Debug)]
pub enum LinkEvent {
    /// The server is there and has taken the `Hello`.
    Up {
        /// Which server.
        server: ServerId,
        /// What it says of itself.
        welcome: Welcome,
        /// Where to send to it, until its `Down`. Whoever closes it or drops the last clone ends the
        /// connection, which is then made anew.
        queue: LinkQueue,
    },
    /// The server sent a frame, `Pong` included.
    Frame {
        /// Which server.
        server: ServerId,
        /// What it sent; never `Welcome` or `Refused`.
        frame: ToClient,
    },
    /// The server is not there; it is being dialled.
    Down {
        /// Which server.
        server: ServerId,
        /// Why.
        why: Down,
    },
}

/// Why a server is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Down {
    /// Nobody takes the connection.
    #[error("{0}")]
    Unreachable(String),
    /// It is connected but says nothing, or takes nothing: stopped, overloaded, or cut off.
    #[error("the server does not answer; it may be hung, or the network cut")]
    Hung,
    /// The connection ended.
    #[error("the connection was closed")]
    Closed,
    /// Somebody with another key answers; see [`DialError::WrongKey`].
    #[error("{}", DialError::WrongKey { expected: *expected, presented: *presented })]
    WrongKey {
        /// The key in the cluster file.
        expected: ServerId,
        /// The key that was presented.
        presented: ServerId,
    },
    /// The server does not want this client.
    #[error(transparent)]
    Refused(Refusal),
    /// The server sends what is no frame, or out of place.
    #[error("{0}")]
    Protocol(String),
}

impl Down {
    /// Whether a person has to do something first, so that dialling fast is of no use.
    fn needs_a_person(&self) -> bool {
        match self {
            Self::WrongKey { .. } => true,
            Self::Refused(refusal) => !matches!(refusal, Refusal::Stopping | Refusal::TooSlow),
            Self::Unreachable(_) | Self::Hung | Self::Closed | Self::Protocol(_) => false,
        }
    }
}

impl From<DialError> for Down {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Unreachable { .. } => Self::Unreachable(error.to_string()),
            DialError::Silent { .. } => Self::Hung,
            DialError::WrongKey { expected, presented } => Self::WrongKey { expected, presented },
            DialError::Closed { .. } => Self::Closed,
            DialError::Refused(refusal) => Self::Refused(refusal),
            DialError::Protocol { .. } => Self::Protocol(error.to_string()),
        }
    }
}

impl From<WireError> for Down {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Silent(_) | WireError::Stalled(_) => Self::Hung,
            error if error.is_protocol() => Self::Protocol(error.to_string()),
            _ => Self::Closed,
        }
    }
}

/// Keeps a link alive; dropping it ends the link and its connection.
#[derive(Debug)]
pub struct LinkHandle {
    redial: Arc<Notify>,
    task: JoinHandle<()>,
    _wanted: DropGuard,
}

impl LinkHandle {
    /// Cuts short the wait before the next attempt, if the link is waiting or about to.
    pub fn redial_now(&self) {
        self.redial.notify_one();
    }

    /// Ends the link with a goodbye, by which the server can tell its end from a cut. Returns when the server
    /// has taken it, at the latest after [`GOODBYE_MS`]; frames still queued go out before it, if in time.
    pub async fn close(self) {
        close_all(vec![self]).await;
    }
}

/// As [`LinkHandle::close`], all at once.
pub async fn close_all(links: Vec<LinkHandle>) {
    // Each guard that is dropped here ends one link.
    let tasks: Vec<_> = links.into_iter().map(|LinkHandle { task, .. }| task).collect();
    for task in tasks {
        let _ended = task.await; // a link that broke off has ended, too
    }
}

/// Starts a link to one server in a task of its own. It ends with the handle, or when nobody listens to
/// `events` any more. It must be called within a tokio runtime.
pub fn spawn_link(
    member: Member,
    identity: Arc<Identity>,
    hello: ToServer,
    events: mpsc::Sender<LinkEvent>,
) -> LinkHandle {
    let redial = Arc::new(Notify::new());
    let wanted = CancellationToken::new();
    let unwanted = wanted.clone();
    let link = Link { member, identity, hello, events, unwanted, redial: redial.clone() };
    let task = tokio::spawn(async move {
        let Err(Deaf) = link.run().await;
    });
    LinkHandle { redial, task, _wanted: wanted.drop_guard() }
}

/// Nobody listens any more, or wants the link.
struct Deaf;

struct Link {
    member: Member,
    identity: Arc<Identity>,
    hello: ToServer,
    events: mpsc::Sender<LinkEvent>,
    unwanted: CancellationToken,
    redial: Arc<Notify>,
}

impl Link {
    async fn run(&self) -> Result<Infallible, Deaf> {
        let mut backoff = Backoff::new();
        let mut told = None;
        loop {
            let limit = Duration::from_millis(HANDSHAKE_MS);
            let dialled = tokio::select! {
                dialled = dial::dial(&self.member, &self.identity, &self.hello, limit) => dialled,
                () = self.unwanted.cancelled() => return Err(Deaf),
            };
            let why = match dialled {
                Err(error) => Down::from(error),
                Ok(dialled) => {
                    let up = Instant::now();
                    let why = self.converse(dialled).await?;
                    // A server that welcomes and falls at once must not be dialled as fast as it falls.
                    if up.elapsed() > Duration::from_millis(REDIAL_MAX_MS) {
                        backoff.reset();
                    }
                    told = None;
                    why
                }
            };
            let wait = if why.needs_a_person() { jittered(REFUSED_AGAIN_MS) } else { backoff.step() };
            if told.as_ref() != Some(&why) {
                self.tell(LinkEvent::Down { server: self.member.id, why: why.clone() }).await?;
                told = Some(why);
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = self.redial.notified() => {}
                () = self.events.closed() => return Err(Deaf),
                () = self.unwanted.cancelled() => return Err(Deaf),
            }
        }
    }

    async fn tell(&self, event: LinkEvent) -> Result<(), Deaf> {
        tokio::select! {
            told = self.events.send(event) => told.map_err(|_| Deaf),
            () = self.unwanted.cancelled() => Err(Deaf),
        }
    }

    /// From `Up` to the reason of the `Down`.
    async fn converse(&self, dialled: Dialled) -> Result<Down, Deaf> {
        let Dialled { mut reader, writer, welcome } = dialled;
        let (queue, backlog) = queue::queue(SEND_QUEUE_FRAMES);
        let own = queue.downgrade();
        let keep_alive = KeepAlive::new(ToServer::Ping, Duration::from_millis(PING_MS));
        let stall = Duration::from_millis(WRITE_STALL_MS);
        let writing = write_queue(writer, backlog, stall, Some(keep_alive));
        tokio::pin!(writing);
        let conversing = async {
            self.tell(LinkEvent::Up { server: self.member.id, welcome, queue }).await?;
            tokio::select! {
                why = self.read(&mut reader) => why,
                written = &mut writing => match written {
                    Ok(()) => {
                        let _ = timeout(Duration::from_millis(CLOSE_MS), reader.discard()).await;
                        Ok(Down::Closed)
                    }
                    // A server that refuses and hangs up breaks our writing; its last words say more.
                    Err(error) => Ok(self.last_words(&mut reader, error).await.unwrap_or(Down::Closed)),
                },
                () = own.overflowed() => Ok(Down::Hung),
                () = self.unwanted.cancelled() => Err(Deaf),
            }
        };
        let why = conversing.await;
        if why.is_err() {
            // Only where the writer has not ended: it still has its goodbye to say.
            own.finish(None);
            let parting = async { tokio::join!(writing, reader.discard()) };
            let _ = timeout(Duration::from_millis(GOODBYE_MS), parting).await;
        }
        why
    }

    async fn read(&self, reader: &mut Reader<dial::Stream, ToClient>) -> Result<Down, Deaf> {
        let server = self.member.id;
        loop {
            match reader.next(Duration::from_millis(SILENCE_MS)).await {
                Ok(Some(ToClient::Refused(refusal))) => return Ok(Down::Refused(refusal)),
                Ok(Some(ToClient::Welcome { .. })) => {
                    return Ok(Down::Protocol("the server said welcome twice".to_owned()));
                }
                Ok(Some(frame)) => self.tell(LinkEvent::Frame { server, frame }).await?,
                Ok(None) => return Ok(Down::Closed),
                Err(error) => return Ok(error.into()),
            }
        }
    }

    async fn last_words(
        &self,
        reader: &mut Reader<dial::Stream, ToClient>,
        error: WireError,
    ) -> Result<Down, Deaf> {
        if matches!(error, WireError::Stalled(_)) {
            return Ok(error.into());
        }
        let patience = Duration::from_millis(CLOSE_MS);
        timeout(patience, self.read(reader)).await.unwrap_or_else(|_| Ok(error.into()))
    }
}
