//! What clients and servers say to each other: one MessagePack value per length-delimited frame.
//!
//! `docs/protocol.md` describes each frame and the rules around it; a test holds the two together.
//! Events travel as their own bytes ([`crate::event`]), encoded once by their author and never again.
//! Decoding a frame checks its shape only: whoever takes an event out of it calls [`Event::from_bytes`].
//!
//! [`Event::from_bytes`]: crate::event::Event::from_bytes

use std::io::Write;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

use crate::event::Conversation;
use crate::id::{
    AccountId, ClusterId, DeviceId, EventId, Incarnation, Position, RoomId, ServerId, bytes_or_hex,
};
use crate::limits::FRAME_MAX_BYTES;
use crate::order::Digest;
use crate::view::ViewId;

/// The cluster's secret that admits accounts. Never printed: it has no `Display`, and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(#[serde(with = "bytes_or_hex")] [u8; 32]);

impl Token {
    /// The token made of these random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Compares in a time that does not tell where two tokens differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(secret)")
    }
}

/// Who opens a connection. Its key is the connection's TLS key and is not repeated here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A person's device.
    Device {
        /// Which of the account's devices.
        device: DeviceId,
        /// Proof of invitation.
        token: Token,
    },
    /// A holder of one of the cluster's server keys or of its administration key: another server, or whoever
    /// administers one.
    Peer,
}

/// What a client (or a peer) says to a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToServer {
    /// The first frame of a connection.
    Hello {
        /// The newest protocol version that the client speaks.
        version: u16,
        /// The cluster it means to reach.
        cluster: ClusterId,
        /// The newest view that it knows.
        view: ViewId,
        /// Who it is.
        role: Role,
    },
    /// A newer view than yours: [`SignedView::bytes`](crate::view::SignedView::bytes).
    View(ByteBuf),
    /// Events to be stored: the author's own, or ancestors that this server was missing.
    Upload {
        /// Encoded events, parents before children.
        events: Vec<ByteBuf>,
    },
    /// Send me what is mine after this position of your log, from now on.
    Follow {
        /// Which room; none means home, the directory and the account's direct conversations.
        room: Option<RoomId>,
        /// The cursor: how far this device has durably read this log, of this room or home.
        after: Position,
        /// Whether to send whole events (a feed) or their ids (announcements).
        bodies: bool,
    },
    /// I want no more of a room.
    Unfollow {
        /// Which room.
        room: RoomId,
    },
    /// Everything up to this position, of this room or home, is durable on the device.
    Cursor {
        /// Which room; none means home.
        room: Option<RoomId>,
        /// The new cursor.
        position: Position,
    },
    /// Send me these events whole.
    Fetch {
        /// Ids that this server announced.
        ids: Vec<EventId>,
    },
    /// Peers only: send me your log after this position.
    Pull {
        /// How far the peer has read.
        after: Position,
    },
    /// Whether my person is here, and who may know that as long as this connection stands.
    Present {
        /// Here, away, or, to say no more of it, gone.
        presence: Presence,
        /// Since when, Unix milliseconds by this device's clock.
        at_ms: u64,
        /// Who may know.
        tell: Vec<AccountId>,
    },
    /// What have you of this conversation? Asked again until the answer is whole.
    Digest {
        /// Which one.
        conversation: Conversation,
    },
    /// How are you?
    Status,
    /// I am here.
    Ping,
}

/// One place in a log, as a follower is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Where in the server's log.
    pub position: Position,
    /// Which event.
    pub id: EventId,
    /// The event, unless only announced.
    pub event: Option<ByteBuf>,
}

/// A server's durable ack of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Receipt {
    /// Which event.
    pub id: EventId,
    /// Where it stands in the server's log.
    pub position: Position,
}

/// Why a server does not take an event for the time being.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    /// The author's clock runs ahead of the server's by more than the bound.
    #[error("its time is {ahead_ms} ms ahead of the server's clock; set this machine's clock")]
    ClockAhead {
        /// By how many milliseconds.
        ahead_ms: u64,
    },
    /// The server appends nothing more; its view says so.
    #[error("the server is sealed: it is about to leave the cluster")]
    Sealed,
}

/// Why a server ends a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// No protocol version in common.
    #[error("the server speaks protocol version {server}, this program another; use the same tercet on both")]
    Version {
        /// The newest that the server speaks.
        server: u16,
    },
    /// The client means another cluster.
    #[error("the server belongs to another cluster ({}); check the address in the cluster file", .0.short())]
    Cluster(ClusterId),
    /// The token is not the cluster's.
    #[error("the server does not know this cluster token; ask for the cluster file again")]
    Token,
    /// The connection's key is not one of the cluster's servers.
    #[error("only a server of this cluster may do that")]
    NotAPeer,
    /// An uploaded event is not valid.
    #[error("the server refused an event: {0}")]
    InvalidEvent(String),
    /// A frame that has no business here.
    #[error("the server could not understand: {0}")]
    Protocol(String),
    /// The server holds as many connections as it may.
    #[error("the server is full")]
    Full,
    /// The follower leaves its deliveries unacknowledged.
    #[error("the connection was too slow")]
    TooSlow,
    /// The server is about to stop.
    #[error("the server is stopping")]
    Stopping,
    /// The server was retired: its view does not name it.
    #[error("the server does not belong to the cluster any more; ask for the cluster file again")]
    Retired,
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Its key.
    pub server: ServerId,
    /// The life of its log.
    pub incarnation: Incarnation,
    /// The last position that is on its disk.
    pub position: Position,
    /// Connections it holds, the asking one included.
    pub connections: u64,
    /// Pairs of events that share device and sequence number.
    pub forks: u64,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// How long the log is that it catches up with; `None` while it is in step with all that answer.
    pub syncing_to: Option<Position>,
    /// Batches that it has synced since then.
    pub syncs: u64,
    /// The view that it acts on.
    pub view: ViewId,
    /// Where its log ends for ever, if it is sealed; `None` until all that it had taken is on the disk.
    pub sealed: Option<Position>,
    /// How far it has its peers' logs on its own disk.
    pub peers: Vec<PeerCursor>,
}

/// How far a server has read a peer's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PeerCursor {
    /// Whose log.
    pub peer: ServerId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Up to where: everything up to there is durable here.
    pub position: Position,
}

/// How far one device has read a server's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeviceCursor {
    /// Whose device.
    pub account: AccountId,
    /// Which device.
    pub device: DeviceId,
    /// Of which room; none means home.
    pub room: Option<RoomId>,
    /// Up to where.
    pub position: Position,
}

/// Whether a person is there; the better first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Presence {
    /// They typed a moment ago.
    Here,
    /// They are connected and have not typed for a while.
    Away,
    /// The connection is gone, or they say no more.
    Gone,
}

/// What a device says of its person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Present {
    /// Who.
    pub account: AccountId,
    /// Which of their devices.
    pub device: DeviceId,
    /// Whether they are there.
    pub presence: Presence,
    /// Since when, Unix milliseconds by that device's clock; with `Gone`, of its word before.
    pub at_ms: u64,
}

/// What a server says to a client (or a peer).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToClient {
    /// The answer to a `Hello` that is welcome.
    Welcome {
        /// The version both will speak.
        version: u16,
        /// The life of its log.
        incarnation: Incarnation,
        /// The last position that is on its disk.
        position: Position,
        /// The view that it acts on.
        view: ViewId,
        /// Its wall clock, Unix milliseconds.
        time_ms: u64,
    },
    /// The last frame of a connection that the server ends.
    Refused(Refusal),
    /// These events are on this server's disk.
    Receipts(Vec<Receipt>),
    /// An uploaded event's parents are not in the log; send them first, then it again.
    Missing {
        /// The event that was not taken.
        id: EventId,
        /// The parents that are lacking.
        parents: Vec<EventId>,
    },
    /// An uploaded event is not taken for the time being.
    Rejected {
        /// Which event.
        id: EventId,
        /// Why.
        why: Rejection,
    },
    /// The follower's next items, in log order.
    Feed {
        /// Of which room; none means home.
        room: Option<RoomId>,
        /// What is new to the follower, possibly nothing.
        items: Vec<Item>,
        /// The follower was told of all that is its own up to here, or has said that it holds it.
        after: Position,
        /// With these, the follower has all that is its own up to here.
        upto: Position,
        /// Whether that is the end of the log at the moment.
        caught_up: bool,
    },
    /// The events of a `Fetch`, as far as the server has them and the account may read them.
    Bodies(Vec<ByteBuf>),
    /// The answer to a `Pull`.
    Log {
        /// Entries in log order, each with its event.
        items: Vec<Item>,
        /// The last position on the server's disk.
        tip: Position,
        /// How far each device has read; only with the last entries.
        cursors: Vec<DeviceCursor>,
    },
    /// What other devices say of their persons, as far as this account may know it.
    Present(Vec<Present>),
    /// The answer to a `Digest`.
    Digest {
        /// Of which conversation.
        conversation: Conversation,
        /// How many events of it were found so far; none of one that the account may not read.
        events: u64,
        /// Of all of them in canonical order; none until the answer is whole, or if there are too many.
        digest: Option<Digest>,
        /// Whether the log was read to its end.
        whole: bool,
    },
    /// The answer to a `Status`.
    Status(ServerStatus),
    /// A newer view than yours: [`SignedView::bytes`](crate::view::SignedView::bytes).
    View(ByteBuf),
    /// The answer to a `Ping`.
    Pong,
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not MessagePack, or no frame of this protocol.
    #[error("not a frame of this protocol: {0}")]
    Malformed(String),
    /// More than [`FRAME_MAX_BYTES`].
    #[error("a frame of {0} bytes; the limit is {FRAME_MAX_BYTES}")]
    TooLarge(usize),
}

/// Encodes one frame, without its length.
///
/// # Errors
/// [`FrameError::TooLarge`]; a sender that keeps to [`crate::limits`] never sees it.
pub fn encode<T: Serialize>(frame: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = Vec::new();
    encode_to(frame, &mut bytes)?;
    if bytes.len() > FRAME_MAX_BYTES {
        return Err(FrameError::TooLarge(bytes.len()));
    }
    Ok(bytes)
}

/// As [`encode`], to where the frame is to go; its length is not looked at.
pub(crate) fn encode_to<T: Serialize>(frame: &T, to: &mut impl Write) -> Result<(), FrameError> {
    rmp_serde::encode::write(to, frame).map_err(|error| FrameError::Malformed(error.to_string()))
}

/// Decodes one frame, without its length.
///
/// # Errors
/// [`FrameError::TooLarge`]; [`FrameError::Malformed`] for anything that is no frame, bytes after its end
/// included.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    if bytes.len() > FRAME_MAX_BYTES {
        return Err(FrameError::TooLarge(bytes.len()));
    }
    let malformed = |error: rmp_serde::decode::Error| FrameError::Malformed(error.to_string());
    let mut rest = bytes;
    let frame = rmp_serde::from_read(&mut rest).map_err(malformed)?;
    if rest.is_empty() { Ok(frame) } else { Err(FrameError::Malformed("bytes after its end".to_owned())) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{any, prop, proptest};

    use super::*;

    const ID: EventId = EventId::new([3; 32]);
    const ROOM: RoomId = RoomId::new([8; 16]);
    const VIEW: ViewId = ViewId { epoch: 1, hash: [7; 32] };

    /// One value or more of each variant, with its name; a variant that is added does not compile until it is
    /// listed, and does not pass until it has a value.
    macro_rules! samples {
        ($type:ident: $($variant:ident $(=> $value:expr)+;)*) => {{
            let samples = vec![$($($value),+),*];
            let name = |frame: &$type| match frame { $($type::$variant { .. } => stringify!($variant)),* };
            let shown: BTreeSet<_> = samples.iter().map(name).collect();
            assert_eq!(shown, BTreeSet::from([$(stringify!($variant)),*]), "a variant without a value");
            samples
        }};
    }

    fn to_server() -> Vec<ToServer> {
        let cluster = ClusterId::new([1; 16]);
        let device = Role::Device { device: DeviceId::new([2; 16]), token: Token::new([9; 32]) };
        samples! { ToServer:
            Hello
                => ToServer::Hello { version: 1, cluster, view: VIEW, role: device }
                => ToServer::Hello { version: u16::MAX, cluster, view: VIEW, role: Role::Peer };
            View => ToServer::View(ByteBuf::from([1; 9]));
            Upload
                => ToServer::Upload { events: vec![] }
                => ToServer::Upload { events: vec![ByteBuf::from([0; 300]), ByteBuf::new()] };
            Follow
                => ToServer::Follow { room: None, after: 0, bodies: true }
                => ToServer::Follow { room: Some(ROOM), after: u64::MAX, bodies: false };
            Unfollow => ToServer::Unfollow { room: ROOM };
            Cursor
                => ToServer::Cursor { room: None, position: 77 }
                => ToServer::Cursor { room: Some(ROOM), position: 77 };
            Fetch => ToServer::Fetch { ids: vec![ID, ID] };
            Pull => ToServer::Pull { after: 1 << 40 };
            Present
                => ToServer::Present { presence: Presence::Gone, at_ms: 0, tell: vec![] }
                => ToServer::Present { presence: Presence::Away, at_ms: 1 << 41, tell: vec![AccountId::new([5; 32])] };
            Digest => ToServer::Digest { conversation: Conversation::Room(ROOM) };
            Status => ToServer::Status;
            Ping => ToServer::Ping;
        }
    }

    fn refusals() -> Vec<Refusal> {
        samples! { Refusal:
            Version => Refusal::Version { server: 1 };
            Cluster => Refusal::Cluster(ClusterId::new([1; 16]));
            Token => Refusal::Token;
            NotAPeer => Refusal::NotAPeer;
            InvalidEvent => Refusal::InvalidEvent("its time".to_owned());
            Protocol => Refusal::Protocol(String::new());
            Full => Refusal::Full;
            TooSlow => Refusal::TooSlow;
            Stopping => Refusal::Stopping;
            Retired => Refusal::Retired;
        }
    }

    fn to_client() -> Vec<ToClient> {
        let incarnation = Incarnation::new([4; 16]);
        let whole = Item { position: 1, id: ID, event: Some(ByteBuf::from([7; 9])) };
        let announced = Item { position: 2, id: ID, event: None };
        let (account, device) = (AccountId::new([5; 32]), DeviceId::new([6; 16]));
        let cursors = vec![DeviceCursor { account, device, room: Some(ROOM), position: 9 }];
        let status = ServerStatus {
            server: ServerId::new([8; 32]),
            incarnation,
            position: 10,
            connections: 2,
            forks: 1,
            uptime_ms: 1_000,
            syncing_to: Some(12),
            syncs: 7,
            view: VIEW,
            sealed: Some(10),
            peers: vec![PeerCursor { peer: ServerId::new([9; 32]), incarnation, position: 4 }],
        };
        let direct = Conversation::direct(account, AccountId::new([4; 32]));
        let mut frames = samples! { ToClient:
            Welcome => ToClient::Welcome { version: 1, incarnation, position: 3, view: VIEW, time_ms: 1 << 41 };
            Refused => ToClient::Refused(Refusal::Full);
            Receipts => ToClient::Receipts(vec![Receipt { id: ID, position: 1 }]);
            Missing => ToClient::Missing { id: ID, parents: vec![ID] };
            Rejected
                => ToClient::Rejected { id: ID, why: Rejection::ClockAhead { ahead_ms: 60_001 } }
                => ToClient::Rejected { id: ID, why: Rejection::Sealed };
            Feed
                => ToClient::Feed { room: Some(ROOM), items: vec![whole.clone(), announced], after: 0, upto: 2, caught_up: true }
                => ToClient::Feed { room: None, items: vec![], after: 3, upto: 5, caught_up: false };
            Bodies => ToClient::Bodies(vec![ByteBuf::from([1; 40])]);
            Log => ToClient::Log { items: vec![whole], tip: 8, cursors };
            Present => ToClient::Present(vec![Present { account, device, presence: Presence::Here, at_ms: 1 << 41 }]);
            Digest
                => ToClient::Digest { conversation: Conversation::Directory, events: 0, digest: None, whole: false }
                => ToClient::Digest { conversation: direct, events: 1, digest: Some(Digest::of([ID])), whole: true };
            Status => ToClient::Status(status);
            View => ToClient::View(ByteBuf::from([1; 9]));
            Pong => ToClient::Pong;
        };
        frames.extend(refusals().into_iter().map(ToClient::Refused));
        frames
    }

    /// A frame comes back as it went; cut short or with a byte more it is refused.
    fn assert_round_trip<T>(frames: &[T])
    where
        T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        for frame in frames {
            let mut bytes = encode(frame).unwrap();
            assert_eq!(decode::<T>(&bytes).as_ref(), Ok(frame));
            for end in 0..bytes.len() {
                let cut = decode::<T>(&bytes[..end]);
                assert!(matches!(cut, Err(FrameError::Malformed(_))), "{frame:?} cut at {end}: {cut:?}");
            }
            bytes.push(0xc0);
            let longer = decode::<T>(&bytes);
            assert!(matches!(longer, Err(FrameError::Malformed(_))), "{frame:?} and a byte: {longer:?}");
        }
    }

    #[test]
    fn every_frame_comes_back_as_it_went_and_in_no_other_length() {
        assert_round_trip(&to_server());
        assert_round_trip(&to_client());
    }

    #[test]
    fn every_refusal_tells_a_person_what_is_wrong() {
        for refusal in refusals() {
            assert!(refusal.to_string().len() > 10, "{refusal:?}");
        }
    }

    #[test]
    fn a_token_shows_itself_nowhere() {
        let token = Token::new([0xab; 32]);
        let role = Role::Device { device: DeviceId::new([2; 16]), token: token.clone() };
        let shown = format!("{token:?} {role:?}");
        assert!(!shown.contains("ab") && !shown.contains("171"), "{shown}");
    }

    #[test]
    fn tokens_match_only_themselves() {
        let token = Token::new([1; 32]);
        assert!(token.matches(&token.clone()));
        for byte in 0..32 {
            let mut other = [1; 32];
            other[byte] ^= 0x80;
            assert!(!token.matches(&Token::new(other)), "byte {byte} was not compared");
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_neither_made_nor_read() {
        let frame = |bytes| ToServer::Upload { events: vec![ByteBuf::from(vec![0; bytes])] };
        let overhead = encode(&frame(FRAME_MAX_BYTES / 2)).unwrap().len() - FRAME_MAX_BYTES / 2;
        let largest = encode(&frame(FRAME_MAX_BYTES - overhead)).unwrap();
        assert_eq!(largest.len(), FRAME_MAX_BYTES);
        assert!(decode::<ToServer>(&largest).is_ok());
        let too_large = FrameError::TooLarge(FRAME_MAX_BYTES + 1);
        assert_eq!(encode(&frame(FRAME_MAX_BYTES - overhead + 1)), Err(too_large.clone()));
        assert_eq!(decode::<ToServer>(&vec![0; FRAME_MAX_BYTES + 1]), Err(too_large));
    }

    #[test]
    fn a_length_that_is_a_lie_is_refused_without_making_room_for_it() {
        let mut bytes = encode(&ToServer::Upload { events: vec![ByteBuf::from([0; 300])] }).unwrap();
        let length = bytes.len() - 303;
        assert_eq!(bytes[length], 0xc5, "a two-byte length stands here");
        bytes.splice(length..length + 3, [0xc6, 0xff, 0xff, 0xff, 0xff]);
        assert!(matches!(decode::<ToServer>(&bytes), Err(FrameError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = decode::<ToServer>(&bytes);
            let _ = decode::<ToClient>(&bytes);
        }

        #[test]
        fn no_alteration_of_a_frame_panics(
            which in any::<prop::sample::Index>(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let frames = to_client();
            let mut bytes = encode(which.get(&frames)).unwrap();
            *at.get_mut(&mut bytes) = byte;
            if let Ok(frame) = decode::<ToClient>(&bytes) {
                assert!(encode(&frame).is_ok(), "{frame:?} was taken and cannot be sent");
            }
        }
    }
}
