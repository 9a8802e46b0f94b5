//! What the server's machine asks of the log below it, and what it wants written there.
//!
//! The machine ([`crate::server`]) decides; the log stores, indexes and answers. In a running server it is
//! `store::Replica` over a disk, in the simulator a few maps.

use std::sync::Arc;

use crate::event::{Conversation, Event, Origin};
use crate::frame::DeviceCursor;
use crate::id::{AccountId, EventId, Position, RoomId};
use crate::sync::PeerCursor;

/// The events of a log that the same readers receive. A reader follows several and merges them by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Everybody's.
    Directory,
    /// The direct conversations of one account.
    Inbox(AccountId),
    /// A room's members'.
    Room(RoomId),
    /// A peer's: the whole log. No event is indexed under it.
    Everything,
}

impl Stream {
    /// The streams that an event belongs to: one, or both sides' inboxes.
    pub fn of(conversation: Conversation) -> impl Iterator<Item = Self> {
        let (first, second) = match conversation {
            Conversation::Directory => (Self::Directory, None),
            Conversation::Direct(low, high) if low == high => (Self::Inbox(low), None),
            Conversation::Direct(low, high) => (Self::Inbox(low), Some(Self::Inbox(high))),
            Conversation::Room(room) => (Self::Room(room), None),
        };
        std::iter::once(first).chain(second)
    }

    /// The streams that an account reads.
    pub fn read_by(account: AccountId) -> [Self; 2] {
        [Self::Directory, Self::Inbox(account)]
    }
}

/// What the machine asks of the log below it. Answers cover what is durable, nothing else.
pub trait Log {
    /// Why the log cannot answer; it ends the server.
    type Error;

    /// Where an event stands.
    ///
    /// # Errors
    /// The log's own, as for every method here.
    fn position(&self, id: &EventId) -> Result<Option<Position>, Self::Error>;

    /// The event of this origin that was stored first.
    ///
    /// # Errors
    /// See [`Log::position`].
    fn first_of(&self, origin: Origin) -> Result<Option<EventId>, Self::Error>;

    /// The event at a position.
    ///
    /// # Errors
    /// See [`Log::position`].
    fn event(&self, position: Position) -> Result<Option<Arc<Event>>, Self::Error>;

    /// At most `limit` places of a stream after `after` and up to `upto`, in log order.
    ///
    /// # Errors
    /// See [`Log::position`].
    fn scan(
        &self,
        stream: Stream,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<(Position, EventId)>, Self::Error>;

    /// Every device's cursor.
    ///
    /// # Errors
    /// See [`Log::position`].
    fn cursors(&self) -> Result<Vec<DeviceCursor>, Self::Error>;
}

/// One thing to be written. A batch of them is synced before [`Input::Synced`](crate::server::Input::Synced) comes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Write {
    /// The log's next event.
    Append {
        /// Its position: the next after the last.
        position: Position,
        /// The event.
        event: Arc<Event>,
        /// Whether another event has the same origin (rule 6).
        fork: bool,
    },
    /// A device's cursor has moved.
    Cursor(DeviceCursor),
    /// This server's cursor in a peer's log has moved; it replaces the one before.
    Peer(PeerCursor),
}
