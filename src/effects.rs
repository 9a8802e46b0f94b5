//! What the client's machine takes and gives: what it is told before it starts, what happens to it, and what it
//! wants done ([`crate::client`]).

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use ed25519_dalek::SigningKey;

use crate::content::Charter;
use crate::event::{Conversation, Event, EventError, Kind};
use crate::frame::{Rejection, ToClient, ToServer};
use crate::history::Entry;
use crate::id::{DeviceId, EventId, Incarnation, ServerId};
use crate::view::{SignedView, View};

/// What a client knows before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// The account's private key.
    pub key: SigningKey,
    /// The name under which the account comes.
    pub name: String,
    /// The device whose log this is.
    pub device: DeviceId,
    /// The servers, as the cluster file has them; a newer view in the log counts for more.
    pub view: View,
    /// The reorder window Δ, milliseconds.
    pub window_ms: u64,
    /// How many servers must have told of a line before it is shown; 0 and 1 are no wait.
    pub quorum: usize,
}

/// All but the key, of which the account is the public half.
impl Hash for Config {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, self.device, &self.view, self.window_ms, self.quorum).hash(state);
    }
}

/// What happens to the client.
#[derive(Debug)]
pub enum Input {
    /// The person, or the program for them, does something.
    Say {
        /// Where.
        conversation: Conversation,
        /// What.
        kind: Kind,
        /// With which body.
        body: Vec<u8>,
    },
    /// The person shares a file: 1 to [`FILE_MAX_BYTES`](crate::limits::FILE_MAX_BYTES) bytes.
    Share {
        /// Where.
        conversation: Conversation,
        /// What it is called.
        name: String,
        /// What it holds.
        bytes: Vec<u8>,
    },
    /// The person begins a room, and follows it.
    Begin {
        /// What it is to be.
        charter: Charter,
    },
    /// A server's `Welcome` has come.
    Up {
        /// Which server.
        server: ServerId,
        /// The life of its log.
        incarnation: Incarnation,
    },
    /// A server's connection is gone.
    Down {
        /// Which server.
        server: ServerId,
    },
    /// A server says something.
    Frame {
        /// Which server.
        server: ServerId,
        /// What it says.
        frame: ToClient,
    },
    /// The time that [`crate::client::Client::next_wake_ms`] named has come.
    Tick,
}

impl Input {
    /// Whether it says something in this conversation that is about no other message.
    pub(crate) fn is_post_to(&self, place: Conversation) -> bool {
        matches!(self, Self::Say { conversation, kind: Kind::Post, .. } if *conversation == place)
    }
}

/// What the client wants done, in this order, once [`Effects::log`] is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a frame.
    Send {
        /// To whom.
        server: ServerId,
        /// What.
        frame: ToServer,
    },
    /// Show the person the next line.
    Show {
        /// Which event.
        event: Arc<Event>,
        /// Whether to mark it late.
        late: bool,
    },
    /// Tell the person how many servers have a message of theirs.
    Copies {
        /// Which message.
        id: EventId,
        /// How many.
        copies: usize,
    },
    /// Tell the person that lines have waited long for their quorum.
    Waits {
        /// How many lines.
        lines: usize,
        /// How many servers have told of the one of which most have.
        told: usize,
        /// How many must.
        quorum: usize,
    },
    /// A server does not take an event for the time being.
    Rejected {
        /// Which server.
        server: ServerId,
        /// Which event.
        id: EventId,
        /// Why.
        why: Rejection,
    },
    /// A server lost its log: what it had acked is owed to it again.
    LogLost {
        /// Which server.
        server: ServerId,
        /// How many events of this device it had acked.
        acked: usize,
    },
    /// This view is in force: connect to its servers, and to no others.
    View(SignedView),
    /// A server breaks the protocol: end the connection.
    Drop {
        /// Which server.
        server: ServerId,
        /// What it did.
        why: String,
    },
}

/// What one step brings about.
#[derive(Debug, Default)]
pub struct Effects {
    /// To be appended to the device's log before any action.
    pub log: Vec<Entry>,
    /// To be done then.
    pub actions: Vec<Action>,
}

impl Effects {
    /// Whether the log must be on the disk before the actions: it holds events, or what was shown.
    pub fn must_sync(&self) -> bool {
        self.log.iter().any(|entry| {
            matches!(
                entry,
                Entry::Begun { .. }
                    | Entry::Authored { .. }
                    | Entry::Received { .. }
                    | Entry::Displayed { .. }
                    | Entry::View { .. }
            )
        })
    }
}

/// Why a log cannot be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// It does not say whose it is.
    #[error("its first entry does not say whose log it is")]
    NoBeginning,
    /// It is another's.
    #[error("it belongs to {what} {theirs}, not {ours}")]
    Foreign {
        /// `account`, `device` or `cluster`.
        what: &'static str,
        /// Its owner.
        theirs: String,
        /// Who wants to use it.
        ours: String,
    },
    /// An event in it is not one.
    #[error("entry {number} holds no valid event: {why}")]
    Event {
        /// Which entry; the first is 1.
        number: usize,
        /// What is wrong with it.
        why: EventError,
    },
}
