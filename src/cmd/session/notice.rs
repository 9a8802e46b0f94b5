//! What a session tells whoever runs it, and a message as a display shows it.
//!
//! It must not know how either is painted.

use std::sync::Arc;
use std::time::Instant;

use crate::client::Client;
use crate::cmd::said::{Said, label};
use crate::event::Event;
use crate::frame::Rejection;
use crate::id::{AccountId, EventId, ServerId};
use crate::net::link::Down;
use crate::view::View;

/// A message as a display shows it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The message.
    pub event: Arc<Event>,
    /// Whether to mark it late.
    pub late: bool,
    /// How many servers have it, if it is this device's own.
    pub copies: Option<usize>,
    /// What its author is called.
    pub author: String,
    /// What its conversation is called: by the other side's name, or the room's.
    pub with: String,
    /// What it says.
    pub said: Said,
}

impl Shown {
    /// A message with everything that is known of it now.
    pub fn of(client: &Client, event: &Arc<Event>, late: bool) -> Self {
        let own = event.device() == client.device();
        Self {
            event: Arc::clone(event),
            late,
            copies: own.then(|| client.copies(&event.id())),
            author: client.directory().name(event.account()),
            with: label(client, event.conversation()),
            said: Said::of(client, event),
        }
    }
}

/// What the session tells whoever runs it, in the order in which it happened.
#[derive(Debug, Clone)]
pub enum Notice {
    /// The next line of the display.
    Show(Shown),
    /// A message has reached more servers.
    Copies {
        /// Which message.
        id: EventId,
        /// How many have it.
        copies: usize,
    },
    /// The servers are others from here on.
    View {
        /// Which they were.
        before: Arc<View>,
        /// Which they are.
        now: Arc<View>,
    },
    /// The servers are fewer from here on than must have told of a line.
    OutOfReach {
        /// How many must.
        quorum: usize,
        /// How many there are.
        servers: usize,
    },
    /// A server is connected.
    Up {
        /// Which server.
        server: ServerId,
        /// How far its clock is ahead of ours, milliseconds.
        ahead_ms: i64,
    },
    /// A server is not connected, or no longer.
    Down {
        /// Which server.
        server: ServerId,
        /// Why.
        why: Down,
    },
    /// A server does not take a message for the time being.
    Rejected {
        /// Which server.
        server: ServerId,
        /// Why.
        why: Rejection,
    },
    /// A server came back without its log.
    LogLost {
        /// Which server.
        server: ServerId,
        /// How many events of ours it had acked.
        acked: usize,
    },
    /// Lines have waited long for their quorum.
    Waits {
        /// How many.
        lines: usize,
        /// How many servers have told of the one of which most have.
        told: usize,
        /// How many must.
        quorum: usize,
    },
    /// The name belongs to another account; nothing can be sent under it.
    NameTaken,
    /// The account was deleted, here or by another device; nothing can be sent with it.
    AccountClosed,
    /// Somebody is shown otherwise than before.
    Called {
        /// Who.
        account: AccountId,
        /// As what until now.
        before: String,
        /// As what from now on.
        now: String,
        /// Why.
        why: Change,
    },
    /// The account has its name.
    SignedIn,
    /// The session has ended by itself; the last notice.
    Failed(String),
    /// Everybody who has a name, and the rooms with their `#`, anew after each change.
    Names(Vec<String>),
    /// Events of other devices are here: checked, in their place, and on this device's disk.
    Arrived {
        /// How many.
        events: usize,
        /// When they had been checked, which is before the disk had them.
        checked: Instant,
    },
}

/// Why somebody is shown otherwise than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// They have taken another name.
    Renamed,
    /// Their name turned out to be somebody else's, who had taken it earlier; they have none now.
    Lost,
    /// The same, and they are called by a name again that they had before.
    FellBack,
    /// They have deleted their account.
    Closed,
}
