//! What the server's machine asks of the log below it, and what it wants written there.
//!
//! The machine ([`crate::server`]) decides; the log stores, indexes and answers. In a running server it is
//! `store::Replica` over a disk, in the simulator a few maps.

use std::sync::Arc;

use crate::content::{Charter, Content};
use crate::event::{Conversation, Event, Kind, Origin};
use crate::frame::DeviceCursor;
use crate::id::{AccountId, EventId, Position, RoomId};
use crate::sync::PeerCursor;
use crate::view::SignedView;

/// The events of a log that the same readers receive. A reader follows several and merges them by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Everybody's: names, and the beginnings of public rooms.
    Directory,
    /// The direct conversations of one account.
    Inbox(AccountId),
    /// A room, for those who follow it.
    Room(RoomId),
    /// What says who may read which room; the server itself reads it when it starts.
    Access,
    /// A peer's: the whole log. No event is indexed under it.
    Everything,
}

impl Stream {
    /// The streams that an event is indexed under.
    pub fn of(event: &Event) -> impl Iterator<Item = Self> + use<> {
        Self::among(event.conversation(), event.kind(), event.body())
    }

    /// The same by what makes the difference; the body matters only if others are judged by it.
    pub(crate) fn among(
        conversation: Conversation,
        kind: Kind,
        body: &[u8],
    ) -> impl Iterator<Item = Self> + use<> {
        let [first, second] = match conversation {
            Conversation::Directory => [Some(Self::Directory), None],
            Conversation::Direct(low, high) => {
                [Some(Self::Inbox(low)), (low != high).then_some(Self::Inbox(high))]
            }
            Conversation::Room(room) => {
                let everybodys = kind == Kind::Create
                    && matches!(
                        Content::read(kind, body),
                        Ok(Content::Charter(Charter { public: true, .. }))
                    );
                [Some(Self::Room(room)), everybodys.then_some(Self::Directory)]
            }
        };
        let access = matches!(kind, Kind::Create | Kind::Invite).then_some(Self::Access);
        [first, second, access].into_iter().flatten()
    }

    /// The streams that an account reads without asking for them.
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

    /// At most `limit` events after `after` that stand without their body though no deletion here is about them,
    /// in log order ([`crate::erasure`]).
    ///
    /// # Errors
    /// See [`Log::position`].
    fn hollow(&self, after: Position, limit: usize) -> Result<Vec<(Position, EventId)>, Self::Error>;

    /// Every device's cursor.
    ///
    /// # Errors
    /// See [`Log::position`].
    fn cursors(&self) -> Result<Vec<DeviceCursor>, Self::Error>;

    /// The view that was written last, as [`SignedView::bytes`](crate::view::SignedView::bytes).
    ///
    /// # Errors
    /// See [`Log::position`].
    fn view(&self) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// One thing to be written. A batch of them is synced before [`Input::Synced`](crate::server::Input::Synced) comes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Write {
    /// The log's next event. With a deletion, the bodies that it is about leave the log in the same batch; an edit
    /// that comes after the deletion of its message is stored without its own ([`crate::erasure`]).
    Append {
        /// Its position: the next after the last.
        position: Position,
        /// The event.
        event: Arc<Event>,
        /// Whether another event has the same origin (rule 6).
        fork: bool,
    },
    /// The whole of an event that stands in the log, or before this in the batch. If that lacks its body, and no
    /// deletion is about it, the body is put in its place; else nothing happens.
    Body(Arc<Event>),
    /// A device's cursor has moved.
    Cursor(DeviceCursor),
    /// This server's cursor in a peer's log has moved; it replaces the one before.
    Peer(PeerCursor),
    /// This life of the log ends where it ends now: nothing is appended to it any more, whatever views come.
    Seal,
    /// A newer view; it replaces the one before, and the server acts on it once it is durable.
    View(SignedView),
}
