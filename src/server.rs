//! placeholder: the server machine is being written
use crate::event::Event;
use crate::id::{AccountId, ConversationId, DeviceId, EventId, Position, RoomId, Seq};
use std::sync::Arc;

/// One reader's stream within a server's log: the events that the same set of readers receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Everybody's.
    Directory,
    /// Direct conversations of one account.
    Inbox(AccountId),
    /// A room's members'.
    Room(RoomId),
}

/// What the machine asks of the log below it. Answers cover what is durable, nothing else.
pub trait Log {
    /// Why the log cannot answer; ends the server.
    type Error;
    /// Where an event stands.
    fn position(&self, id: &EventId) -> Result<Option<Position>, Self::Error>;
    /// The event of this device and number that was stored first.
    fn of_device(&self, device: DeviceId, seq: Seq) -> Result<Option<EventId>, Self::Error>;
    /// The event at a position.
    fn event(&self, position: Position) -> Result<Option<Arc<Event>>, Self::Error>;
    /// At most `limit` places of a stream after `after` and up to `upto`, in log order.
    fn scan(
        &self,
        stream: Stream,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<(Position, EventId)>, Self::Error>;
    /// Every device's cursor.
    fn cursors(&self) -> Result<Vec<crate::frame::DeviceCursor>, Self::Error>;
}

/// One thing to be written; a batch of them is synced before [`Input::Synced`] comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The log's next event.
    Append {
        /// Its position: the next after the last.
        position: Position,
        /// The event.
        event: Arc<Event>,
        /// Whether another event has the same device and sequence number (rule 6).
        fork: bool,
    },
    /// A device's cursor has moved.
    Cursor(crate::frame::DeviceCursor),
}
#[allow(dead_code)]
type Unused = ConversationId;
