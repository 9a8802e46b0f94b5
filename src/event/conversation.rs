//! Where an event belongs, and the names of such places.

use serde::{Deserialize, Serialize};

use super::Origin;
use crate::canonical::Reader;
use crate::id::{AccountId, ConversationId, RoomId};

/// Where an event belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Conversation {
    /// Who is who: names and their accounts. Everybody reads it.
    Directory,
    /// Two accounts, the lower first; make it with [`Conversation::direct`].
    Direct(AccountId, AccountId),
    /// Many accounts.
    Room(RoomId),
}

impl Conversation {
    /// The conversation of two accounts, the same whoever of them asks.
    pub fn direct(one: AccountId, other: AccountId) -> Self {
        Self::Direct(one.min(other), one.max(other))
    }

    /// A fixed-length name for keys and comparison.
    pub fn id(&self) -> ConversationId {
        let mut hasher = blake3::Hasher::new();
        match self {
            Self::Directory => hasher.update(b"tercet directory"),
            Self::Direct(low, high) => {
                hasher.update(b"tercet direct").update(low.as_bytes()).update(high.as_bytes())
            }
            Self::Room(room) => hasher.update(b"tercet room").update(room.as_bytes()),
        };
        ConversationId::new(*hasher.finalize().as_bytes())
    }

    /// The other side of a direct conversation; `None` if it is not one of this account's.
    pub fn other(&self, account: AccountId) -> Option<AccountId> {
        match self {
            Self::Direct(low, high) if *low == account => Some(*high),
            Self::Direct(low, high) if *high == account => Some(*low),
            _ => None,
        }
    }

    /// Reads one in the canonical encoding.
    pub(super) fn canonical(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.exactly(b"\x81\xa6Direct\x92").is_some() {
            return Some(Self::Direct(AccountId::new(reader.id()?), AccountId::new(reader.id()?)));
        }
        if reader.exactly(b"\x81\xa4Room").is_some() {
            return Some(Self::Room(RoomId::new(reader.id()?)));
        }
        reader.exactly(b"\xa9Directory").map(|()| Self::Directory)
    }

    /// Whether an account may write here, as far as the conversation alone can tell.
    pub(super) fn admits(&self, account: AccountId) -> bool {
        match self {
            Self::Directory | Self::Room(_) => true,
            Self::Direct(low, high) => account == *low || account == *high,
        }
    }
}

impl RoomId {
    /// The room that begins with this event.
    pub fn of(first: Origin) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"tercet room begun by").update(first.account.as_bytes());
        hasher.update(first.device.as_bytes()).update(&first.seq.to_be_bytes());
        let mut id = [0; Self::BYTES];
        hasher.finalize_xof().fill(&mut id);
        Self::new(id)
    }
}
