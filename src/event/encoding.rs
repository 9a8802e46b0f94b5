//! An event's one encoding: what is signed, what is stored and sent, and what can be told of either alone.
//!
//! There are two ways to decode. The quick one takes the canonical encoding only, which is what every event has that this
//! program wrote; the careful one takes any and then says what is wrong with it.

use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer, U64Deserializer};
use serde::{Deserialize, Serialize};

use super::{Conversation, EventError, Kind, Origin};
use crate::canonical::Reader;
use crate::clock::Time;
use crate::content::Content;
use crate::id::{AccountId, DeviceId, EventId, RoomId, Seq, bytes_or_hex};
use crate::limits::PARENTS_MAX;
use crate::order::Key;

/// The encoding that this module writes, and the only one it reads.
pub(super) const VERSION: u8 = 1;
/// MessagePack's nothing, in the place of a body that is not there.
const NIL: &[u8] = &[0xc0];

/// The fields that are signed, in the order in which they are encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) device: DeviceId,
    pub(super) seq: Seq,
    pub(super) parents: Vec<EventId>,
    pub(super) time: Time,
    pub(super) account: AccountId,
    pub(super) conversation: Conversation,
    pub(super) kind: Kind,
    #[serde(with = "bytes_or_hex")]
    pub(super) body_hash: [u8; 32],
    pub(super) body_bytes: u32,
}

/// The event as it is stored and sent.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(with = "serde_bytes")]
    pub(super) signed: &'a [u8],
    #[serde(with = "serde_bytes")]
    pub(super) signature: &'a [u8],
    #[serde(with = "serde_bytes")]
    pub(super) body: Option<&'a [u8]>,
}

impl<'a> Envelope<'a> {
    /// Decodes the canonical encoding, as every event has it that this program wrote; `None` for anything
    /// else, of which [`Envelope::any`] says what is wrong with it.
    pub(super) fn canonical(bytes: &'a [u8]) -> Option<(Self, Header)> {
        let mut reader = Reader::new(bytes);
        reader.exactly(&[0x93])?;
        let (signed, signature) = (reader.bin()?, reader.bin()?);
        let body = if reader.exactly(NIL).is_some() { None } else { Some(reader.bin()?) };
        let envelope = Self { signed, signature, body };
        reader.end()?;
        let header = Header::canonical(envelope.signed)?;
        Some((envelope, header))
    }

    /// Decodes any encoding, and then refuses all but one.
    pub(super) fn any(bytes: &'a [u8]) -> Result<(Self, Header), EventError> {
        let envelope: Self =
            rmp_serde::from_slice(bytes).map_err(|error| EventError::Malformed(error.to_string()))?;
        let header = Header::from_signed_bytes(envelope.signed)?;
        if encode(&envelope) != bytes {
            return Err(EventError::NotCanonical);
        }
        Ok((envelope, header))
    }
}

impl Header {
    pub(super) fn origin(&self) -> Origin {
        Origin { account: self.account, device: self.device, seq: self.seq }
    }

    pub(super) fn key(&self, id: EventId) -> Key {
        Key { time: self.time, device: self.device, seq: self.seq, id }
    }

    /// See [`Envelope::canonical`].
    fn canonical(signed: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(signed);
        reader.exactly(&[VERSION, 0x99])?;
        let header = Self {
            device: DeviceId::new(reader.id()?),
            seq: reader.uint()?,
            parents: {
                let count = reader.array()?;
                (0..count).map(|_| reader.id().map(EventId::new)).collect::<Option<_>>()?
            },
            time: {
                let time: U64Deserializer<ValueError> = reader.uint()?.into_deserializer();
                Time::deserialize(time).ok()?
            },
            account: AccountId::new(reader.id()?),
            conversation: Conversation::canonical(&mut reader)?,
            kind: {
                let name: StrDeserializer<'_, ValueError> = reader.text()?.into_deserializer();
                Kind::deserialize(name).ok()?
            },
            body_hash: reader.id()?,
            body_bytes: reader.uint()?.try_into().ok()?,
        };
        reader.end()?;
        Some(header)
    }

    pub(super) fn to_signed_bytes(&self) -> Vec<u8> {
        let mut signed = Vec::with_capacity(SIGNED_USUAL_BYTES);
        signed.push(VERSION);
        encode_to(self, &mut signed);
        signed
    }

    fn from_signed_bytes(signed: &[u8]) -> Result<Self, EventError> {
        let (version, rest) =
            signed.split_first().ok_or_else(|| EventError::Malformed("no header".to_owned()))?;
        if *version != VERSION {
            return Err(EventError::Version(*version));
        }
        let header: Self =
            rmp_serde::from_slice(rest).map_err(|error| EventError::Malformed(error.to_string()))?;
        if header.to_signed_bytes() != signed {
            return Err(EventError::NotCanonical);
        }
        Ok(header)
    }

    pub(super) fn check(&self, body: Option<&[u8]>) -> Result<(), EventError> {
        if self.seq == 0 {
            return Err(EventError::NoSeq);
        }
        if self.parents.len() > PARENTS_MAX {
            return Err(EventError::TooManyParents(self.parents.len()));
        }
        if !self.parents.is_sorted_by(|left, right| left < right) {
            return Err(EventError::ParentsUnsorted);
        }
        if !self.conversation.admits(self.account) {
            return Err(EventError::NotAMember(self.account));
        }
        if matches!(self.conversation, Conversation::Direct(low, high) if low > high) {
            return Err(EventError::ConversationUnsorted);
        }
        self.check_place()?;
        let Some(body) = body else { return self.check_without_body() };
        self.check_content(body)?;
        if self.body_bytes as usize != body.len() || self.body_hash != *blake3::hash(body).as_bytes() {
            return Err(EventError::BodyMismatch);
        }
        Ok(())
    }

    /// What can be told of a body that is not here: that it may be left out, and how long it was.
    fn check_without_body(&self) -> Result<(), EventError> {
        if !self.kind.is_said() {
            return Err(EventError::BodyMissing(self.kind));
        }
        let bytes = self.body_bytes as usize;
        match self.kind {
            kind if !kind.said_bytes().contains(&bytes) => Err(EventError::TooMuch(kind, bytes)),
            // One of its parents is what it is about.
            kind if kind.is_about_a_parent() && self.parents.is_empty() => Err(EventError::TargetNotParent),
            _ => Ok(()),
        }
    }

    /// Whether such an event belongs where it stands; a room's events all follow from its first.
    fn check_place(&self) -> Result<(), EventError> {
        if !self.kind.belongs_in(self.conversation) {
            return Err(EventError::Misplaced(self.kind));
        }
        let Conversation::Room(room) = self.conversation else { return Ok(()) };
        let begins = self.kind == Kind::Create && room == RoomId::of(self.origin());
        if begins == self.parents.is_empty() && begins == (self.kind == Kind::Create) {
            Ok(())
        } else {
            Err(EventError::Rootless)
        }
    }

    fn check_content(&self, body: &[u8]) -> Result<(), EventError> {
        match Content::read(self.kind, body)?.target() {
            Some(target) if self.parents.binary_search(&target).is_err() => Err(EventError::TargetNotParent),
            _ => Ok(()),
        }
    }
}

pub(super) fn id_of(signed: &[u8]) -> EventId {
    EventId::new(*blake3::hash(signed).as_bytes())
}

/// Room for a header with two parents and its version.
const SIGNED_USUAL_BYTES: usize = 384;
/// What an envelope has around its three parts, at most.
const FRAMING_BYTES: usize = 1 + 3 * 5;

#[expect(
    clippy::expect_used,
    reason = "these shapes hold integers and bytes, which MessagePack always takes"
)]
fn encode_to<T: Serialize>(value: &T, bytes: &mut Vec<u8>) {
    rmp_serde::encode::write(bytes, value).expect("plain values encode into memory");
}

/// The bytes of an envelope.
pub(super) fn encode(envelope: &Envelope<'_>) -> Vec<u8> {
    let Envelope { signed, signature, body } = envelope;
    let mut bytes =
        Vec::with_capacity(signed.len() + signature.len() + body.map_or(0, <[u8]>::len) + FRAMING_BYTES);
    encode_to(envelope, &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

    use super::*;

    const KINDS: [Kind; 19] = {
        use Kind::*;
        [
            Register, Post, Merge, Create, Join, Leave, Topic, Invite, Follow, Unfollow, Edit, Reply, Delete,
            Read, React, Unreact, Close, Chunk, File,
        ]
    };

    fn compare(bytes: &[u8]) {
        let (quick, careful) = (Envelope::canonical(bytes), Envelope::any(bytes));
        let show = |(envelope, header): (Envelope<'_>, Header)| format!("{envelope:?} {header:?}");
        assert_eq!(quick.map(show), careful.ok().map(show), "{bytes:02x?}");
    }

    proptest! {
        /// Both ways to decode take the same bytes and make the same of them, altered ones included.
        #[test]
        fn the_quick_way_to_decode_is_the_careful_one(
            device in any::<[u8; 16]>(),
            seq in prop_oneof![any::<u64>(), 1..300_u64, Just(65_535), Just(65_536), Just(1 << 32)],
            parents in prop::collection::btree_set(any::<[u8; 32]>().prop_map(EventId::new), 0..=PARENTS_MAX),
            ms in any::<u64>(),
            conversation in prop_oneof![
                Just(Conversation::Directory),
                any::<[u8; 32]>().prop_map(|id| Conversation::direct(AccountId::new(id), AccountId::new([7; 32]))),
                any::<[u8; 16]>().prop_map(|id| Conversation::Room(RoomId::new(id))),
            ],
            kind in prop::sample::select(&KINDS),
            body in prop::collection::vec(any::<u8>(), 0..400),
            has_body in any::<bool>(),
            at in any::<prop::sample::Index>(),
            cut in 0..4_usize,
            put in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            let header = Header {
                device: DeviceId::new(device),
                seq,
                parents: parents.into_iter().collect(),
                time: Time::from_millis(ms),
                account: AccountId::new([3; 32]),
                conversation,
                kind,
                body_hash: *blake3::hash(&body).as_bytes(),
                body_bytes: u32::try_from(body.len()).unwrap(),
            };
            let signed = header.to_signed_bytes();
            let body = has_body.then_some(&body[..]);
            let bytes = encode(&Envelope { signed: &signed, signature: &[9; 64], body });
            assert!(Envelope::canonical(&bytes).is_some());
            compare(&bytes);
            let (from, inner) = (at.index(bytes.len()), at.index(signed.len()));
            compare(&[&bytes[..from], &put, &bytes[bytes.len().min(from + cut)..]].concat());
            let spliced = [&signed[..inner], &put, &signed[signed.len().min(inner + cut)..]].concat();
            compare(&encode(&Envelope { signed: &spliced, signature: &[9; 64], body }));
        }
    }
}
