//! A plain connection for tools: one question, one answer, no redial.
//!
//! What this module must not know: which answer belongs to which question. A server answers in order, but
//! whoever follows a log also gets frames it did not ask for.

use std::time::Duration;

use tokio::time::timeout;

use super::codec::{Reader, WireError, Writer};
use super::dial::{self, DialError, Dialled, Welcome};
use super::tls::Identity;
use crate::frame::{Refusal, ToClient, ToServer};
use crate::limits::GOODBYE_MS;
use crate::view::Member;

/// A connection to one server.
///
/// It sends no keep-alives by itself: whoever holds it sends something at least every
/// [`crate::limits::CLIENT_SILENCE_MS`], a `Ping` if need be.
#[derive(Debug)]
pub struct Conn {
    address: String,
    reader: Reader<dial::Stream, ToClient>,
    writer: Writer<dial::Stream, ToServer>,
}

/// Why there is no answer. Whether the server acted on what was sent is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The time is over.
    #[error("{address} did not answer within {} ms; it may be hung or busy, ask again", .waited.as_millis())]
    Silent {
        /// Whom.
        address: String,
        /// How long it was given.
        waited: Duration,
    },
    /// The connection is gone.
    #[error("{address} closed the connection: {why}; connect again")]
    Closed {
        /// Whom.
        address: String,
        /// What is known of the reason.
        why: String,
    },
    /// The server ended the connection and says why.
    #[error(transparent)]
    Refused(Refusal),
    /// What was sent or came is no frame.
    #[error("{address} and this program do not understand each other: {why}; use the same tercet on both")]
    Protocol {
        /// Whom.
        address: String,
        /// What was wrong.
        why: String,
    },
}

impl Conn {
    /// Connects to a server and waits for its welcome, at most `limit` for everything.
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn open(
        member: &Member,
        identity: &Identity,
        hello: &ToServer,
        limit: Duration,
    ) -> Result<(Self, Welcome), DialError> {
        let Dialled { reader, writer, welcome } = dial::dial(member, identity, hello, limit).await?;
        Ok((Self { address: member.address.clone(), reader, writer }, welcome))
    }

    /// Sends one frame, waiting at most `limit` for the server to take it.
    ///
    /// # Errors
    /// See [`AskError`]; the connection is then of no more use.
    pub async fn send(&mut self, frame: &ToServer, limit: Duration) -> Result<(), AskError> {
        let sent = self.writer.send(frame, limit).await;
        sent.map_err(|error| self.explain(error))
    }

    /// The next frame, whatever it is, if it comes within `limit`.
    ///
    /// # Errors
    /// See [`AskError`]; after [`AskError::Silent`] it may be called again, after the others not.
    pub async fn recv(&mut self, limit: Duration) -> Result<ToClient, AskError> {
        let next = timeout(limit, self.reader.next(limit)).await;
        match next.unwrap_or(Err(WireError::Silent(limit))) {
            Ok(Some(ToClient::Refused(refusal))) => Err(AskError::Refused(refusal)),
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => {
                Err(AskError::Closed { address: self.address.clone(), why: "without a word".to_owned() })
            }
            Err(error) => Err(self.explain(error)),
        }
    }

    /// Ends the connection with a goodbye, by which the server can tell its end from a cut. Waits until the
    /// server has taken it, at the latest after [`GOODBYE_MS`].
    pub async fn close(mut self) {
        let limit = Duration::from_millis(GOODBYE_MS);
        // Whether it arrives is of no consequence for what was asked.
        if self.writer.close(limit).await.is_ok() {
            let _ = timeout(limit, self.reader.discard()).await;
        }
    }

    fn explain(&self, error: WireError) -> AskError {
        let address = self.address.clone();
        match error {
            WireError::Silent(waited) | WireError::Stalled(waited) => AskError::Silent { address, waited },
            error if error.is_protocol() => AskError::Protocol { address, why: error.to_string() },
            error => AskError::Closed { address, why: error.to_string() },
        }
    }
}
