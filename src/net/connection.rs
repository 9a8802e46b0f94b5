//! One connection of a server, in one task: handshake, then reading and writing side by side.
//!
//! **Invariant**: `Opened`, then frames, then `Closed`, in this order and each once. The reader waits for
//! the core, so that a core that is behind slows its clients down instead of piling up their frames; the
//! writer waits for the peer, never the core for the writer.

use std::pin::Pin;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::codec::{self, Reader, WireError};
use super::listener::{Admit, Bounds, ConnId, FromNet};
use super::queue::{self, WeakQueue};
use super::tls::peer_key;
use super::writer::write_queue;
use crate::frame::{Refusal, ToClient, ToServer};

type Stream = TlsStream<TcpStream>;

/// What a connection's task needs to know.
pub(super) struct Connection<R> {
    pub(super) conn: ConnId,
    pub(super) bounds: Bounds,
    pub(super) admit: Admit<R>,
    pub(super) inbound: mpsc::Sender<FromNet<R>>,
    pub(super) stopping: CancellationToken,
}

/// How a connection comes to its end.
enum End {
    /// The other side has gone, or there is nobody left to talk to: nothing more to be said.
    Gone(Option<String>),
    /// This side ends it; what is queued goes out first, and then this.
    Ours { last: Option<ToClient>, why: Option<String> },
}

impl End {
    fn gone(error: &WireError) -> Self {
        Self::Gone(Some(error.to_string()))
    }

    fn refused(refusal: Refusal) -> Self {
        let why = Some(refusal.to_string());
        Self::Ours { last: Some(ToClient::Refused(refusal)), why }
    }
}

impl<R> Connection<R> {
    /// Runs the connection to its end. `handshake` is this connection's place among the handshakes.
    pub(super) async fn run(self, tcp: TcpStream, acceptor: TlsAcceptor, handshake: OwnedSemaphorePermit) {
        // Whoever does not get through the handshake was never here: scanners are no news to the core.
        let Some((stream, key)) = self.shake_hands(tcp, acceptor).await else { return };
        drop(handshake);
        let (outbox, backlog) = queue::queue(self.bounds.queue_frames);
        let own = outbox.downgrade();
        if self.inbound.send(FromNet::Opened { conn: self.conn, key, outbox }).await.is_err() {
            return;
        }
        let (reader, writer) = codec::split(stream);
        let writing = write_queue(writer, backlog, self.bounds.write_stall, None);
        let why = self.converse(reader, writing, &own).await;
        // Without a core there is nobody to be told.
        let _ = self.inbound.send(FromNet::Closed { conn: self.conn, why }).await;
    }

    async fn shake_hands(&self, tcp: TcpStream, acceptor: TlsAcceptor) -> Option<(Stream, [u8; 32])> {
        tcp.set_nodelay(true).ok()?;
        let shaking = timeout(self.bounds.handshake, acceptor.accept(tcp));
        let stream = tokio::select! {
            stream = shaking => stream.ok()?.ok()?,
            () = self.stopping.cancelled() => return None,
        };
        let key = peer_key(stream.get_ref().1.peer_certificates())?;
        Some((stream, key))
    }

    /// Reads and writes until one of both ends, and says why if it was not in good order.
    async fn converse(
        &self,
        mut reader: Reader<Stream, ToServer>,
        writing: impl Future<Output = Result<(), WireError>>,
        own: &WeakQueue<ToClient>,
    ) -> Option<String> {
        tokio::pin!(writing);
        let mut written = false;
        let end = tokio::select! {
            end = self.read(&mut reader) => end,
            result = &mut writing => {
                written = true;
                match result {
                    Ok(()) => End::Ours { last: None, why: None },
                    Err(error) => End::gone(&error),
                }
            }
            () = own.overflowed() => End::Gone(Some("it left too many frames unread".to_owned())),
            () = self.stopping.cancelled() => End::Ours { last: None, why: None },
        };
        match end {
            End::Gone(why) => why,
            End::Ours { last, why } => {
                own.finish(last);
                self.part(&mut reader, (!written).then_some(writing)).await;
                why
            }
        }
    }

    async fn read(&self, reader: &mut Reader<Stream, ToServer>) -> End {
        loop {
            let frame = match reader.next(self.bounds.silence).await {
                Ok(Some(frame)) => frame,
                Ok(None) => return End::Gone(None),
                Err(WireError::Frame(error)) => return End::refused(Refusal::Protocol(error.to_string())),
                Err(error) => return End::gone(&error),
            };
            let frame = match (self.admit)(frame) {
                Ok(frame) => frame,
                Err(refusal) => return End::refused(refusal),
            };
            if self.inbound.send(FromNet::Frame { conn: self.conn, frame }).await.is_err() {
                return End::Gone(None);
            }
        }
    }

    /// Hands over the last frames and waits, for a bounded time, until the peer has hung up: see
    /// [`Reader::discard`].
    async fn part<W: Future<Output = Result<(), WireError>>>(
        &self,
        reader: &mut Reader<Stream, ToServer>,
        writing: Option<Pin<&mut W>>,
    ) {
        let writing = async {
            if let Some(writing) = writing {
                // The connection ends either way, and its reason is already known.
                let _ = writing.await;
            }
        };
        let _ = timeout(self.bounds.close, async { tokio::join!(writing, reader.discard()) }).await;
    }
}
