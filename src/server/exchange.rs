//! What the server's machine takes and gives: what it knows before it starts, what happens to it, and what it wants
//! done ([`crate::server`]).

use std::hash::Hash;
use std::sync::Arc;

use crate::event::Event;
use crate::frame::{Refusal, ToClient, ToServer, Token};
use crate::id::{Incarnation, Position, ServerId};
use crate::log::Write;
use crate::view::{SignedView, View};

/// One connection, as long as it lasts; never used twice.
pub type ConnId = u64;

/// A frame to the server whose events have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// [`ToServer::Upload`], each event right in itself.
    Upload(Vec<Arc<Event>>),
    /// Any other frame as it came.
    Plain(ToServer),
}

impl Request {
    /// Checks the events of one upload; [`crate::admission`] does so with many.
    ///
    /// # Errors
    /// [`Refusal::InvalidEvent`]; an honest client never uploads such an event.
    pub fn from_frame(frame: ToServer) -> Result<Self, Refusal> {
        let ToServer::Upload { events } = frame else {
            return Ok(Self::Plain(frame));
        };
        Event::all_from_bytes(events.iter().map(|bytes| bytes.as_slice()))
            .map(|events| Self::Upload(events.into_iter().map(Arc::new).collect()))
            .map_err(|error| Refusal::InvalidEvent(error.to_string()))
    }
}

/// What happens to the server.
#[derive(Debug)]
pub enum Input {
    /// A connection stands; its TLS handshake proved that the other end holds this key.
    Opened {
        /// The new connection.
        conn: ConnId,
        /// The other end's Ed25519 public key.
        key: [u8; 32],
    },
    /// A connection says something.
    Request {
        /// Which connection.
        conn: ConnId,
        /// What it says.
        request: Request,
    },
    /// A connection is gone.
    Closed {
        /// Which connection.
        conn: ConnId,
    },
    /// A peer that this server dialled has answered.
    PeerUp {
        /// Which peer.
        peer: ServerId,
        /// The life of its log.
        incarnation: Incarnation,
    },
    /// How far a peer's log went when it answered; comes after [`Input::PeerUp`].
    PeerEnds {
        /// Which peer.
        peer: ServerId,
        /// Its last durable position.
        position: Position,
    },
    /// A peer that this server dialled says something; its `Welcome` comes after [`Input::PeerUp`].
    PeerFrame {
        /// Which peer.
        peer: ServerId,
        /// What it says.
        frame: ToClient,
    },
    /// The connection to a peer is gone.
    PeerDown {
        /// Which peer.
        peer: ServerId,
    },
    /// Everything that was to be written up to this position is on the disk.
    Synced {
        /// The last durable position.
        upto: Position,
    },
    /// Whoever runs this server hands it a view; connections bring views in frames.
    View(SignedView),
    /// Time has passed; comes about once a second.
    Tick,
}

/// What the server wants done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Put this into the next batch.
    Write(Write),
    /// Send a frame. It may leave at once: its condition is met.
    Send {
        /// To whom.
        conn: ConnId,
        /// What.
        frame: ToClient,
    },
    /// Send a frame to a peer that this server dialled.
    SendPeer {
        /// To whom.
        peer: ServerId,
        /// What.
        frame: ToServer,
    },
    /// A peer sends what cannot be right: end the connection to it, and tell whoever runs this server.
    DropPeer {
        /// Which peer.
        peer: ServerId,
        /// What it sent.
        why: String,
    },
    /// End the connection to a peer, and dial it anew: what it was asked for does not apply any more.
    HangUp {
        /// Which peer.
        peer: ServerId,
    },
    /// This view is durable and in force: dial its other servers, and no others; nobody, if it does not name this
    /// server.
    View(SignedView),
    /// The view in force has this server append, and its log was sealed by one that counts for less: stop, and start
    /// over a new life of the log, with the same events. Until then it appends nothing.
    Renew,
    /// No peer has told in time which view is the newest: devices are welcomed by the one that is known here.
    NoWord,
    /// End a connection, with this as its last frame.
    Refuse {
        /// Which connection.
        conn: ConnId,
        /// Why.
        refusal: Refusal,
    },
}

/// What a server knows before it starts.
#[derive(Debug, Clone, Hash)]
pub struct Config {
    /// Its key.
    pub server: ServerId,
    /// What admits accounts.
    pub token: Token,
    /// The newest view on its disk: of its cluster file and its log. The members' keys may speak as peers.
    pub view: View,
    /// The life of its log.
    pub incarnation: Incarnation,
    /// Whether the log was sealed in this life ([`Write::Seal`]).
    pub sealed: bool,
    /// When it started, Unix milliseconds.
    pub started_ms: u64,
    /// Whether this life of the log is so young that there may be news of the cluster from before it: a disk was
    /// replaced, or set back. Devices then wait until a peer has told its view, at most
    /// [`WORD_MS`](crate::limits::WORD_MS).
    pub asks: bool,
}
