//! One attempt to reach a server: resolve, connect, TLS, `Hello`, `Welcome`.
//!
//! **Invariant**: nothing is sent to a server whose key is not the expected one, not even the client's own
//! key; the whole attempt ends within the time it was given.
//!
//! What this module must not know: whether to try again.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::codec::{self, Reader, WireError, Writer};
use super::tls::{Identity, KeyMismatch};
use crate::frame::{Refusal, ToClient, ToServer};
use crate::id::{Incarnation, Position, ServerId};
use crate::text::os_error;
use crate::view::{Member, ViewId};

/// Why a server was not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Nobody takes the connection.
    #[error("cannot reach {address} ({why}); is it running?")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What the operating system says.
        why: String,
    },
    /// Somebody takes the connection and then says nothing.
    #[error("{address} took the connection but did not answer within {} ms; the server may be hung", .waited.as_millis())]
    Silent {
        /// Where it is.
        address: String,
        /// How long the whole attempt was given.
        waited: Duration,
    },
    /// Whoever answers has another key than the cluster file says.
    #[error(
        "refused to connect: the server's key is not the one in the cluster file.\n  \
         expected  {expected}\n  presented {presented}\n\
         Either the server's key has changed or someone else is answering at its address. Nothing was sent.\n\
         Ask whoever runs the cluster for the new cluster file; if the change is expected, replace the file."
    )]
    WrongKey {
        /// The key in the cluster file.
        expected: ServerId,
        /// The key that was presented.
        presented: ServerId,
    },
    /// The connection ended before the server's answer.
    #[error("{address} closed the connection before it answered: {why}; try again, or see the server's log")]
    Closed {
        /// Where it is.
        address: String,
        /// What is known of the reason.
        why: String,
    },
    /// The server answered, and does not want this client.
    #[error(transparent)]
    Refused(Refusal),
    /// Whoever answers does not speak as a tercet server does.
    #[error("{address} does not speak tercet: {why}; check the address in the cluster file")]
    Protocol {
        /// Where it is.
        address: String,
        /// What was wrong.
        why: String,
    },
}

/// What a server says of itself when it takes a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Welcome {
    /// The protocol version that both will speak.
    pub version: u16,
    /// The life of its log.
    pub incarnation: Incarnation,
    /// The last position that is on its disk.
    pub position: Position,
    /// The view it knows.
    pub view: ViewId,
    /// Its wall clock, Unix milliseconds.
    pub time_ms: u64,
}

impl Welcome {
    /// As the frame that it came in.
    pub fn frame(&self) -> ToClient {
        let Self { version, incarnation, position, view, time_ms } = *self;
        ToClient::Welcome { version, incarnation, position, view, time_ms }
    }
}

pub(super) type Stream = TlsStream<TcpStream>;

/// A connection whose `Hello` was welcome.
#[derive(Debug)]
pub(super) struct Dialled {
    pub(super) reader: Reader<Stream, ToClient>,
    pub(super) writer: Writer<Stream, ToServer>,
    pub(super) welcome: Welcome,
}

/// Reaches a server within `limit`.
pub(super) async fn dial(
    member: &Member,
    identity: &Identity,
    hello: &ToServer,
    limit: Duration,
) -> Result<Dialled, DialError> {
    let deadline = Instant::now() + limit;
    let address = || member.address.clone();
    let tcp = connect(&member.address, deadline)
        .await
        .map_err(|error| DialError::Unreachable { address: address(), why: os_error(&error) })?;
    timeout_at(deadline, introduce(tcp, member, identity, hello, limit))
        .await
        .unwrap_or_else(|_| Err(DialError::Silent { address: address(), waited: limit }))
}

async fn introduce(
    tcp: TcpStream,
    member: &Member,
    identity: &Identity,
    hello: &ToServer,
    limit: Duration,
) -> Result<Dialled, DialError> {
    let failed = |error: WireError| explain(&member.address, error);
    let config = identity
        .client_config(member.id)
        .map_err(|error| DialError::Protocol { address: member.address.clone(), why: error.to_string() })?;
    // The name is not sent: the key alone says who the server is.
    let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into());
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .map_err(|error| failed(error.into()))?;
    let (mut reader, mut writer) = codec::split(stream);
    // A server that has already refused can be gone before it takes the Hello: its answer counts, and if
    // there is none, reading says why.
    let _ = writer.send(hello, limit).await;
    let welcome = match reader.next(limit).await.map_err(failed)? {
        Some(frame) => welcome(&member.address, frame)?,
        None => {
            return Err(DialError::Closed {
                address: member.address.clone(),
                why: "without a word".to_owned(),
            });
        }
    };
    Ok(Dialled { reader, writer, welcome })
}

fn welcome(address: &str, frame: ToClient) -> Result<Welcome, DialError> {
    match frame {
        ToClient::Welcome { version, incarnation, position, view, time_ms } => {
            Ok(Welcome { version, incarnation, position, view, time_ms })
        }
        ToClient::Refused(refusal) => Err(DialError::Refused(refusal)),
        _ => Err(DialError::Protocol {
            address: address.to_owned(),
            why: "its first frame is neither a welcome nor a refusal".to_owned(),
        }),
    }
}

/// Tells apart what stands behind a failed handshake or first read.
fn explain(address: &str, error: WireError) -> DialError {
    let address = address.to_owned();
    if let WireError::Io(io) = &error
        && let Some(KeyMismatch { expected, presented }) = mismatch(io)
    {
        return DialError::WrongKey { expected: *expected, presented: *presented };
    }
    match error {
        WireError::Silent(waited) | WireError::Stalled(waited) => DialError::Silent { address, waited },
        error if error.is_protocol() => DialError::Protocol { address, why: error.to_string() },
        error => DialError::Closed { address, why: error.to_string() },
    }
}

fn mismatch(error: &io::Error) -> Option<&KeyMismatch> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::Other(other) => other.0.downcast_ref(),
        _ => None,
    }
}

/// Tries each of the name's addresses, each with its share of the time that is left.
async fn connect(address: &str, deadline: Instant) -> io::Result<TcpStream> {
    let timed_out = |what| io::Error::new(io::ErrorKind::TimedOut, what);
    let addresses: Vec<SocketAddr> = timeout_at(deadline, tokio::net::lookup_host(address))
        .await
        .map_err(|_| timed_out("looking up its name took too long"))??
        .collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let others = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match timeout_at(Instant::now() + left / others, connect_to(*address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = timed_out("no answer"),
        }
    }
    Err(last)
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Our end may have been given the port of a server that is down; it must be able to bind it again.
    socket.set_reuseaddr(true)?;
    let stream = socket.connect(address).await?;
    if connected_to_itself(&stream)? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whether the operating system, for want of a listener, has given our end the very port it was to reach.
fn connected_to_itself(stream: &TcpStream) -> io::Result<bool> {
    Ok(stream.local_addr()? == stream.peer_addr()?)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_socket_that_has_met_itself_is_told_from_one_that_has_met_a_server() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let own = socket.local_addr().unwrap();
        assert!(connected_to_itself(&socket.connect(own).await.unwrap()).unwrap());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let met = connect_to(listener.local_addr().unwrap()).await.unwrap();
        assert!(!connected_to_itself(&met).unwrap());
    }
}
