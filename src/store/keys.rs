//! The keys and values of every keyspace. Integers are big-endian, so that key order is their order.
//!
//! ```text
//! log        position                              -> chain hash, event
//! ids        id                                    -> position
//! streams    stream, position                      -> id
//! canonical  conversation, time, device, seq, id   -> position
//! devices    device, seq                           -> id of the first such event
//! forks      device, seq, id                       -> (every later one)
//! cursors    device, room if it is not home        -> account, position
//! meta       "identity", "end", "view"             -> Identity, End, the signed view; see also [`super::bodies`]
//! meta       "sealed"                              -> (this life of the log has ended)
//! ```
//!
//! The chain hash at a position is BLAKE3 of the one before it and the event's id; before the first event
//! it is zero. Decoders answer `None` for bytes that no encoder here makes.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, U64Deserializer};

use crate::clock::Time;
use crate::event::Origin;
use crate::frame::DeviceCursor;
use crate::id::{AccountId, ConversationId, DeviceId, EventId, Incarnation, Position, RoomId, Seq, ServerId};
use crate::log::Stream;
use crate::order::Key;
use crate::sync::PeerCursor;

/// The log was read for what its deletions are about, the parts of files included.
pub(super) const BODIES: &[u8] = b"bodies, files";
/// Bodies have left the log that may still be in the engine's files.
pub(super) const FORGET: &[u8] = b"forget";
/// Means nothing; it is written so that something is.
pub(super) const FLUSH: &[u8] = b"flush";

/// A hash over everything up to one position.
pub(super) type Chain = [u8; 32];

/// What a peer's key starts with, among what is known of the store.
pub(super) const PEER: &[u8] = b"peer ";

/// The hash before the first event.
pub(super) const CHAIN_START: Chain = [0; 32];

/// The hash after one more event.
pub(super) fn chain(before: &Chain, id: &EventId) -> Chain {
    let mut both = [0; 64];
    both[..32].copy_from_slice(before);
    both[32..].copy_from_slice(id.as_bytes());
    *blake3::hash(&both).as_bytes()
}

/// A position as key or value.
pub(super) fn position(position: Position) -> [u8; 8] {
    position.to_be_bytes()
}

/// A position read back.
pub(super) fn read_position(bytes: &[u8]) -> Option<Position> {
    bytes.try_into().ok().map(Position::from_be_bytes)
}

/// An id read back.
pub(super) fn read_id(bytes: &[u8]) -> Option<EventId> {
    bytes.try_into().ok().map(EventId::new)
}

/// A row of the log.
pub(super) fn log_value(chain: &Chain, event: &[u8]) -> Vec<u8> {
    [chain.as_slice(), event].concat()
}

/// A row of the log read back: the chain hash and the event's bytes.
pub(super) fn read_log_value(bytes: &[u8]) -> Option<(Chain, &[u8])> {
    bytes.split_first_chunk().map(|(chain, event)| (*chain, event))
}

/// Length of [`origin`].
pub(super) const ORIGIN_BYTES: usize = AccountId::BYTES + DeviceId::BYTES + size_of::<Seq>();

/// Where an event comes from.
pub(super) fn origin(origin: Origin) -> [u8; ORIGIN_BYTES] {
    let Origin { account, device, seq } = origin;
    joined([account.as_bytes().as_slice(), device.as_bytes(), &seq.to_be_bytes()])
}

/// The number of an [`origin`].
pub(super) fn read_seq(origin: &[u8]) -> Option<Seq> {
    origin.last_chunk().filter(|_| origin.len() == ORIGIN_BYTES).map(|bytes| Seq::from_be_bytes(*bytes))
}

/// Parts that make up a key of a length that is known; so no key of the log's many is put on the heap.
fn joined<const N: usize, const PARTS: usize>(parts: [&[u8]; PARTS]) -> [u8; N] {
    let (mut key, mut end) = ([0; N], 0);
    for part in parts {
        key[end..end + part.len()].copy_from_slice(part);
        end += part.len();
    }
    key
}

/// One of several events of the same origin.
pub(super) fn fork(of: Origin, id: &EventId) -> Vec<u8> {
    [origin(of).as_slice(), id.as_bytes()].concat()
}

/// One place of a stream. The tag keeps streams apart whose names are of different lengths.
pub(super) fn stream(stream: Stream, position: Position) -> Vec<u8> {
    let (tag, name): (u8, &[u8]) = match &stream {
        Stream::Directory => (0, &[]),
        Stream::Inbox(account) => (1, account.as_bytes()),
        Stream::Room(room) => (2, room.as_bytes()),
        Stream::Everything => (3, &[]), // no row: it is the log itself
        Stream::Access => (4, &[]),
    };
    [&[tag], name, &position.to_be_bytes()].concat()
}

/// The position at the end of a key, of a stream for instance.
pub(super) fn read_last_position(key: &[u8]) -> Option<Position> {
    key.last_chunk().map(|bytes| Position::from_be_bytes(*bytes))
}

/// An event's place in its conversation's canonical order.
pub(super) fn canonical(conversation: ConversationId, key: &Key) -> [u8; CANONICAL_BYTES] {
    let (time, seq) = (key.time.to_be_bytes(), key.seq.to_be_bytes());
    joined([conversation.as_bytes().as_slice(), &time, key.device.as_bytes(), &seq, key.id.as_bytes()])
}

/// Length of [`canonical`].
const CANONICAL_BYTES: usize =
    ConversationId::BYTES + 8 + DeviceId::BYTES + size_of::<Seq>() + EventId::BYTES;

/// A canonical place read back.
pub(super) fn read_canonical(bytes: &[u8]) -> Option<(ConversationId, Key)> {
    let (conversation, rest) = bytes.split_first_chunk()?;
    let (time, rest) = rest.split_first_chunk()?;
    let (device, rest) = rest.split_first_chunk()?;
    let (seq, rest) = rest.split_first_chunk()?;
    // A Time is made from milliseconds or read by serde, and this is neither; serde is the one that is exact.
    let time: U64Deserializer<ValueError> = u64::from_be_bytes(*time).into_deserializer();
    let key = Key {
        time: Time::deserialize(time).ok()?,
        device: DeviceId::new(*device),
        seq: Seq::from_be_bytes(*seq),
        id: read_id(rest)?,
    };
    Some((ConversationId::new(*conversation), key))
}

/// Where a device's cursor stands: of its home, or of a room.
pub(super) fn cursor(cursor: &DeviceCursor) -> Vec<u8> {
    let room = cursor.room.as_ref().map_or(&[][..], |room| room.as_bytes());
    [cursor.device.as_bytes(), room].concat()
}

/// A cursor's value; its key is [`cursor`].
pub(super) fn cursor_value(cursor: &DeviceCursor) -> Vec<u8> {
    [cursor.account.as_bytes().as_slice(), &cursor.position.to_be_bytes()].concat()
}

/// A cursor read back.
pub(super) fn read_cursor(key: &[u8], value: &[u8]) -> Option<DeviceCursor> {
    let (account, position) = value.split_first_chunk()?;
    let (device, room) = key.split_first_chunk()?;
    Some(DeviceCursor {
        account: AccountId::new(*account),
        device: DeviceId::new(*device),
        room: if room.is_empty() { None } else { Some(RoomId::new(room.try_into().ok()?)) },
        position: read_position(position)?,
    })
}

/// Who has taken which message back, among what else is known of the store.
pub(super) fn deleted(message: &EventId, account: &AccountId) -> Vec<u8> {
    [b"deleted ".as_slice(), message.as_bytes(), account.as_bytes()].concat()
}

/// Where the edits of a message stand: what their keys begin with.
pub(super) fn edits(message: &EventId) -> Vec<u8> {
    [b"edit ".as_slice(), message.as_bytes()].concat()
}

/// Where one of them stands.
pub(super) fn edit(message: &EventId, position: Position) -> Vec<u8> {
    [edits(message).as_slice(), &position.to_be_bytes()].concat()
}

/// Where an event stands that lacks its body without a deletion.
pub(super) fn hollow(position: Position) -> Vec<u8> {
    [b"hollow ".as_slice(), &position.to_be_bytes()].concat()
}

/// Where a peer's cursor stands, among what else is known of the store.
pub(super) fn peer(peer: ServerId) -> Vec<u8> {
    [PEER, peer.as_bytes()].concat()
}

/// A peer's cursor, but for whose it is.
pub(super) fn peer_value(cursor: &PeerCursor) -> Vec<u8> {
    [cursor.incarnation.as_bytes().as_slice(), &cursor.position.to_be_bytes()].concat()
}

/// A peer's cursor read back.
pub(super) fn read_peer(key: &[u8], value: &[u8]) -> Option<PeerCursor> {
    let (incarnation, position) = value.split_first_chunk()?;
    Some(PeerCursor {
        peer: ServerId::new(key.strip_prefix(PEER)?.try_into().ok()?),
        incarnation: Incarnation::new(*incarnation),
        position: read_position(position)?,
    })
}

/// How far a log goes; written with every batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// The last position.
    pub(super) position: Position,
    /// The chain hash there.
    pub(super) chain: Chain,
    /// How many events came under a number that was taken.
    pub(super) forks: u64,
}

impl End {
    /// Of an empty log.
    pub(super) const START: Self = Self { position: 0, chain: CHAIN_START, forks: 0 };

    /// As a value.
    pub(super) fn encode(&self) -> Vec<u8> {
        [self.position.to_be_bytes().as_slice(), &self.chain, &self.forks.to_be_bytes()].concat()
    }

    /// Read back.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (position, rest) = bytes.split_first_chunk()?;
        let (chain, forks) = rest.split_first_chunk()?;
        Some(Self {
            position: Position::from_be_bytes(*position),
            chain: *chain,
            forks: u64::from_be_bytes(forks.try_into().ok()?),
        })
    }
}
