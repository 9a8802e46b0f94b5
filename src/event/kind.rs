//! What an event does, and what goes with it: where it may stand, what it may be about, whether it is shown.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::Conversation;
use crate::content::SharedFile;
use crate::id::EventId;
use crate::limits::{CHUNK_MAX_BYTES, FILE_NAME_MAX_BYTES, MESSAGE_MAX_BYTES};

/// What an event does. What its body holds, by kind, is in [`crate::content`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// An account takes a name. In the directory only.
    Register,
    /// A person says something: 1 to [`MESSAGE_MAX_BYTES`] bytes of UTF-8.
    Post,
    /// Joins heads, so that an author who has seen many can name them all.
    Merge,
    /// A room begins: its first event, and the only one without a parent. Its id names its author's device and
    /// number ([`crate::id::RoomId::of`]), so that nobody else can begin it.
    Create,
    /// An account becomes a member of a room.
    Join,
    /// An account is no longer a member of a room.
    Leave,
    /// A room is about something else from here on.
    Topic,
    /// The other side of a direct conversation may read a room.
    Invite,
    /// A note to oneself, for all of one's devices: follow a room.
    Follow,
    /// A note to oneself: follow it no more.
    Unfollow,
    /// The author of a message puts other words in its place.
    Edit,
    /// A message that answers another.
    Reply,
    /// The author of a message takes it back.
    Delete,
    /// A person has read up to this event.
    Read,
    /// A person likes a message, or says so with another sign.
    React,
    /// They take that back.
    Unreact,
    /// An account is used no more. In the directory only.
    Close,
    /// A part of a file, up to [`CHUNK_MAX_BYTES`], after the one before it.
    Chunk,
    /// A person shares the file that ends with this chunk.
    File,
}

impl Kind {
    /// Whether it is a line of a conversation's display.
    pub fn is_shown(self) -> bool {
        match self {
            Self::Post | Self::Reply | Self::File | Self::Edit | Self::Delete | Self::React => true,
            Self::Join | Self::Leave | Self::Topic | Self::Invite => true,
            Self::Register | Self::Merge | Self::Create | Self::Follow | Self::Unfollow => false,
            Self::Read | Self::Unreact | Self::Close | Self::Chunk => false,
        }
    }

    /// Whether a person says something with it that can be deleted, answered or reacted to.
    pub fn is_message(self) -> bool {
        matches!(self, Self::Post | Self::Reply | Self::File)
    }

    /// Whether its body is what a person said to others, or shared with them, so that the event may stand without it.
    pub fn is_said(self) -> bool {
        matches!(self, Self::Post | Self::Reply | Self::Edit | Self::Chunk | Self::File)
    }

    /// How many bytes a body of this kind may have, if it may be left out.
    pub(super) fn said_bytes(self) -> RangeInclusive<usize> {
        let (before, most) = match self {
            Self::Post => (0, MESSAGE_MAX_BYTES),
            Self::Chunk => (EventId::BYTES, CHUNK_MAX_BYTES),
            Self::File => (SharedFile::BYTES_BEFORE_NAME, FILE_NAME_MAX_BYTES),
            _ => (EventId::BYTES, MESSAGE_MAX_BYTES),
        };
        before + 1..=before + most
    }

    /// Whether such an event is about another, also where its body, which says which, is not here.
    pub(crate) fn is_about_a_parent(self) -> bool {
        matches!(self, Self::Edit | Self::Reply | Self::File)
    }

    /// Whether such an event may be about one of this kind, by the same account or another's.
    pub fn may_be_about(self, target: Self, is_own: bool) -> bool {
        match self {
            Self::Edit => matches!(target, Self::Post | Self::Reply) && is_own,
            Self::Delete => target.is_message() && is_own,
            Self::Chunk | Self::File => target == Self::Chunk && is_own,
            Self::Reply | Self::React | Self::Unreact => target.is_message(),
            _ => true,
        }
    }

    /// Whether such an event may stand in a conversation.
    pub(super) fn belongs_in(self, conversation: Conversation) -> bool {
        let to_oneself = matches!(conversation, Conversation::Direct(low, high) if low == high);
        match (self, conversation) {
            (Self::Merge, _) => true,
            (Self::Register | Self::Close, Conversation::Directory) => true,
            (Self::Register | Self::Close, _) | (_, Conversation::Directory) => false,
            (Self::Create | Self::Join | Self::Leave | Self::Topic, Conversation::Room(_)) => true,
            (Self::Create | Self::Join | Self::Leave | Self::Topic, _) => false,
            (Self::Invite, _) => matches!(conversation, Conversation::Direct(..)) && !to_oneself,
            (Self::Follow | Self::Unfollow, _) => to_oneself,
            (Self::Post | Self::Reply | Self::Edit | Self::Delete, _) => true,
            (Self::Read | Self::React | Self::Unreact | Self::Chunk | Self::File, _) => true,
        }
    }
}
