//! What clients saw and servers stored, as plain values.
//!
//! A device appends an [`Entry`] to its log for everything that happens to it. The log is the device's
//! memory (replaying it through [`crate::client::Client::resume`] rebuilds the state, since the running
//! client changes state by the same entries) and its testimony ([`crate::verify`] reads nothing else of
//! a client).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::event::Event;
use crate::frame::DeviceCursor;
use crate::id::{AccountId, ClusterId, DeviceId, EventId, Incarnation, Position, RoomId, ServerId};
use crate::order::Key;

/// One entry of a device's log. Times are Unix milliseconds of the device's wall clock.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Entry {
    /// The log begins; exactly the first entry.
    Begun {
        /// The cluster this device talks to.
        cluster: ClusterId,
        /// Whose device it is.
        account: AccountId,
        /// Which device.
        device: DeviceId,
        /// The name under which the account came.
        name: String,
        /// When.
        at_ms: u64,
    },
    /// The program started with this log.
    Opened {
        /// When.
        at_ms: u64,
        /// The reorder window Δ of its display, in milliseconds.
        window_ms: u64,
        /// The servers of its view.
        servers: Vec<ServerId>,
        /// Of how many of them it waits to be told of a line before it shows it; 1 is no wait, as in every log from
        /// before there was a choice. From one that is higher than the last on, the servers' logs are read anew.
        #[serde(default = "no_quorum")]
        quorum: u32,
    },
    /// This device wrote an event. On disk before a byte of it leaves (rule 1).
    Authored {
        /// The event.
        event: ByteBuf,
        /// When.
        at_ms: u64,
    },
    /// An event of another device arrived for the first time.
    Received {
        /// The event.
        event: ByteBuf,
        /// From whom.
        server: ServerId,
        /// From which life of its log.
        incarnation: Incarnation,
        /// When.
        at_ms: u64,
    },
    /// The body has come of an event that stands here without it.
    Body {
        /// The event, whole.
        event: ByteBuf,
        /// From whom.
        server: ServerId,
        /// From which life of its log.
        incarnation: Incarnation,
        /// When.
        at_ms: u64,
    },
    /// A server answered with an incarnation that this device had not seen current before; receipts and
    /// cursors of the server's earlier incarnations are void from here on (rule 8).
    Incarnation {
        /// Which server.
        server: ServerId,
        /// Its log's life.
        incarnation: Incarnation,
        /// When.
        at_ms: u64,
    },
    /// A server has this event, one of the device's own, on disk.
    Receipt {
        /// Who says so.
        server: ServerId,
        /// Of which life of its log.
        incarnation: Incarnation,
        /// Which event.
        id: EventId,
        /// Where in that log.
        position: Position,
    },
    /// A server told of an event of another device. Only devices with a quorum note it, and only until the event
    /// has its quorum.
    Told {
        /// Who.
        server: ServerId,
        /// In which life of its log.
        incarnation: Incarnation,
        /// Which event.
        id: EventId,
    },
    /// The device holds all that is its own in a server's log up to here.
    Cursor {
        /// Whose log.
        server: ServerId,
        /// Which life of it.
        incarnation: Incarnation,
        /// Up to where.
        position: Position,
        /// Of which room; none means home, as in every log from before there were rooms.
        #[serde(default)]
        room: Option<RoomId>,
    },
    /// The person was shown an event, as the next line of the display.
    Displayed {
        /// Which event.
        id: EventId,
        /// Whether it was marked late.
        late: bool,
        /// When.
        at_ms: u64,
    },
    /// The person was told that k of N servers have a message of theirs.
    Level {
        /// Which message.
        id: EventId,
        /// Copies.
        copies: u32,
        /// Servers in the view that are not sealed.
        servers: u32,
    },
    /// The device learned of a newer view. Receipts and cursors of servers that it does not name are void from
    /// here on, and sealed ones count no more.
    View {
        /// [`SignedView::bytes`](crate::view::SignedView::bytes).
        view: ByteBuf,
        /// When.
        at_ms: u64,
    },
}

fn no_quorum() -> u32 {
    1
}

/// One device's log, read back.
#[derive(Debug, Clone)]
pub struct ClientHistory {
    /// Where it was read, for a person.
    pub source: String,
    /// Its entries in order.
    pub entries: Vec<Entry>,
}

/// One place of a server's log.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Where.
    pub position: Position,
    /// What.
    pub event: Arc<Event>,
}

/// One server's log, read back.
#[derive(Debug, Clone)]
pub struct ServerHistory {
    /// Where it was read, for a person.
    pub source: String,
    /// Which server.
    pub server: ServerId,
    /// Which life of its log.
    pub incarnation: Incarnation,
    /// Whether it was read from a running server: then device logs, read after it, may know more.
    pub live: bool,
    /// The log in its order.
    pub log: Vec<Stored>,
    /// The canonical index, if it could be read: every key the server holds, in index order with the
    /// conversation each stands under, as raw evidence.
    pub canonical: Option<Vec<(crate::id::ConversationId, Key)>>,
    /// How far each device had read.
    pub cursors: Vec<DeviceCursor>,
    /// The view that it acted on, as [`SignedView::bytes`](crate::view::SignedView::bytes), if it is not the
    /// cluster's first.
    pub view: Option<Vec<u8>>,
}

impl History {
    /// What people call a server; its key's first digits if nobody said.
    pub fn name_of(&self, server: ServerId) -> String {
        self.names.get(&server).cloned().unwrap_or_else(|| server.short())
    }
}

/// Everything that `verify` looks at.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What people call the servers.
    pub names: BTreeMap<ServerId, String>,
    /// Device logs.
    pub clients: Vec<ClientHistory>,
    /// Server logs.
    pub servers: Vec<ServerHistory>,
    /// What was expected and could not be read, each as a sentence.
    pub absent: Vec<String>,
}
