//! What people say and do: the signed, hash-linked event.
//!
//! ```text
//! event bytes  = MessagePack [ signed bytes, signature, body or nil ]     the signature: [`crate::signature`]
//! signed bytes = version byte, MessagePack [ device, seq, parents, time, account, conversation, kind,
//!                                            BLAKE3(body), length of body ]
//! id           = BLAKE3(signed bytes)
//! ```
//!
//! The signed bytes carry the body's hash and length in the body's place, so that a deleted body can leave
//! the disks while the event still verifies where it stands: what a person said ([`Kind::is_said`]) may come
//! without it. Whether it should is not seen from the event; [`crate::erasure`] says which bodies go.
//!
//! **Invariant**: an [`Event`] exists only if everything that can be told from it alone is right: canonical
//! encoding, bounds, who may write what where, the body's hash if it is here, the signature. What depends on its
//! ancestors (closure, time) is [`crate::server`]'s and [`crate::client`]'s. Validity never depends on who
//! reads it or when.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

use ed25519_dalek::{Signer, SigningKey};
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer, U64Deserializer};
use serde::{Deserialize, Serialize};

use crate::canonical::Reader;
use crate::clock::Time;
use crate::content::{Charter, Content, SharedFile};
use crate::id::{AccountId, ConversationId, DeviceId, EventId, RoomId, Seq, bytes_or_hex};
use crate::limits::{CHUNK_MAX_BYTES, EVENT_MAX_BYTES, FILE_NAME_MAX_BYTES, MESSAGE_MAX_BYTES, PARENTS_MAX};
use crate::order::Key;
use crate::signature::{self, Unchecked};
use crate::text::NameError;

/// The encoding that this module writes, and the only one it reads.
const VERSION: u8 = 1;
/// MessagePack's nothing, in the place of a body that is not there.
const NIL: &[u8] = &[0xc0];

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

    /// See [`Envelope::canonical`].
    fn canonical(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.exactly(b"\x81\xa6Direct\x92").is_some() {
            return Some(Self::Direct(AccountId::new(reader.id()?), AccountId::new(reader.id()?)));
        }
        if reader.exactly(b"\x81\xa4Room").is_some() {
            return Some(Self::Room(RoomId::new(reader.id()?)));
        }
        reader.exactly(b"\xa9Directory").map(|()| Self::Directory)
    }

    /// Whether an account may write here, as far as the conversation alone can tell.
    fn admits(&self, account: AccountId) -> bool {
        match self {
            Self::Directory | Self::Room(_) => true,
            Self::Direct(low, high) => account == *low || account == *high,
        }
    }
}

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
    /// number ([`RoomId::of`]), so that nobody else can begin it.
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
    /// A part of a file, up to [`CHUNK_MAX_BYTES`](crate::limits::CHUNK_MAX_BYTES), after the one before it.
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
    fn said_bytes(self) -> RangeInclusive<usize> {
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
    fn belongs_in(self, conversation: Conversation) -> bool {
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

/// The fields that are signed, in the order in which they are encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    device: DeviceId,
    seq: Seq,
    parents: Vec<EventId>,
    time: Time,
    account: AccountId,
    conversation: Conversation,
    kind: Kind,
    #[serde(with = "bytes_or_hex")]
    body_hash: [u8; 32],
    body_bytes: u32,
}

/// The event as it is stored and sent.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Envelope<'a> {
    #[serde(with = "serde_bytes")]
    signed: &'a [u8],
    #[serde(with = "serde_bytes")]
    signature: &'a [u8],
    #[serde(with = "serde_bytes")]
    body: Option<&'a [u8]>,
}

/// Why bytes are not an event, or a draft cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not MessagePack, or not of the event's shape.
    #[error("it cannot be decoded: {0}")]
    Malformed(String),
    /// An encoding version this program does not know.
    #[error("its encoding version is {0}, this program knows {VERSION}; a newer tercet may have written it")]
    Version(u8),
    /// The same values in other bytes: an id must have one encoding.
    #[error("it is not in the canonical encoding")]
    NotCanonical,
    /// Longer than [`EVENT_MAX_BYTES`].
    #[error("it has {0} bytes, the limit is {EVENT_MAX_BYTES}")]
    TooLong(usize),
    /// `seq` starts at 1.
    #[error("its sequence number is 0, the first is 1")]
    NoSeq,
    /// More parents than [`PARENTS_MAX`].
    #[error("it names {0} parents, the limit is {PARENTS_MAX}")]
    TooManyParents(usize),
    /// Parents must be sorted and distinct.
    #[error("its parents are not in ascending order")]
    ParentsUnsorted,
    /// Body and signed hash or length differ.
    #[error("its body is not the one that was signed")]
    BodyMismatch,
    /// Only what a person said may stand without its body.
    #[error("an event of kind {0:?} has no meaning without its body")]
    BodyMissing(Kind),
    /// The signature does not belong to the account and these bytes.
    #[error("its signature is not valid for account {}", .0.short())]
    Signature(AccountId),
    /// The account is not one of the conversation's two.
    #[error("account {} has no part in this conversation", .0.short())]
    NotAMember(AccountId),
    /// The kind does not belong in this conversation.
    #[error("an event of kind {0:?} does not belong in this conversation")]
    Misplaced(Kind),
    /// The body is not what one of this kind must be.
    #[error("its body is not that of an event of kind {0:?}")]
    Body(Kind),
    /// A body longer than one of this kind may be.
    #[error("the text of an event of kind {0:?} has {1} bytes, which is more than it may have")]
    TooMuch(Kind, usize),
    /// What an event is about must be among its parents.
    #[error("the event that it is about is not among its parents")]
    TargetNotParent,
    /// A room's first event is its only one without a parent, and its author's number makes the room's id.
    #[error("it does not follow from the first event of its room")]
    Rootless,
    /// The two accounts of a direct conversation are in the wrong order.
    #[error("the accounts of its conversation are not in ascending order")]
    ConversationUnsorted,
    /// A message without text.
    #[error("the message is empty")]
    EmptyMessage,
    /// A message over [`MESSAGE_MAX_BYTES`].
    #[error("the message has {0} bytes, the limit is {MESSAGE_MAX_BYTES}; send it in parts")]
    MessageTooLong(usize),
    /// A body that must be text is not.
    #[error("its text is not UTF-8")]
    NotUtf8,
    /// A merge has no body.
    #[error("a merge event has no body")]
    UnexpectedBody,
    /// A register event whose name is not one.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Which event of which device of which account. It never names two events, whatever crashes (rule 1). A device
/// is one of its account's: nobody can take another's numbers by naming another's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Whose.
    pub account: AccountId,
    /// From where.
    pub device: DeviceId,
    /// Which one.
    pub seq: Seq,
}

/// What an author decides; [`Draft::sign`] makes it an event.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The author's device.
    pub device: DeviceId,
    /// Which event of the device.
    pub seq: Seq,
    /// The heads that the author had seen, at most [`PARENTS_MAX`].
    pub parents: BTreeSet<EventId>,
    /// After every parent's time.
    pub time: Time,
    /// Where it belongs.
    pub conversation: Conversation,
    /// What it does.
    pub kind: Kind,
    /// What it says, by kind.
    pub body: Vec<u8>,
}

impl Draft {
    /// Signs the draft for the account whose key this is.
    ///
    /// # Errors
    /// Whatever [`Event::from_bytes`] would refuse.
    pub fn sign(self, key: &SigningKey) -> Result<Event, EventError> {
        let unsigned = self.unsigned(account_of(key))?;
        let signature = key.sign(&unsigned.signed).to_bytes();
        Ok(unsigned.with(&signature))
    }

    /// Signs several drafts for the account whose key this is, with hardly more work than one takes
    /// ([`crate::signature`]). The events do not depend on each other.
    ///
    /// # Errors
    /// As [`Draft::sign`], for any of them.
    pub fn sign_all(drafts: Vec<Self>, key: &SigningKey) -> Result<Vec<Event>, EventError> {
        let account = account_of(key);
        let unsigned = drafts.into_iter().map(|draft| draft.unsigned(account)).collect::<Result<_, _>>()?;
        Ok(Unsigned::sign_all(unsigned, key))
    }

    /// All of an event of this account but its signature.
    ///
    /// # Errors
    /// As [`Draft::sign`].
    pub(crate) fn unsigned(self, account: AccountId) -> Result<Unsigned, EventError> {
        let header = Header {
            device: self.device,
            seq: self.seq,
            parents: self.parents.into_iter().collect(),
            time: self.time,
            account,
            conversation: self.conversation,
            kind: self.kind,
            body_hash: *blake3::hash(&self.body).as_bytes(),
            body_bytes: u32::try_from(self.body.len()).unwrap_or(u32::MAX),
        };
        header.check(Some(&self.body))?;
        let signed = header.to_signed_bytes();
        Ok(Unsigned { id: id_of(&signed), header, signed, body: self.body })
    }
}

/// An event that is right in itself but for its signature, which is still to be made. Its id is known already.
#[derive(Debug)]
pub(crate) struct Unsigned {
    id: EventId,
    header: Header,
    signed: Vec<u8>,
    body: Vec<u8>,
}

impl Unsigned {
    /// As [`Event::id`].
    pub(crate) fn id(&self) -> EventId {
        self.id
    }

    /// As [`Event::time`].
    pub(crate) fn time(&self) -> Time {
        self.header.time
    }

    /// Signs all of them with the key of the account that they are of.
    pub(crate) fn sign_all(all: Vec<Self>, key: &SigningKey) -> Vec<Event> {
        let texts: Vec<_> = all.iter().map(|one| (&one.signed[..], *one.id.as_bytes())).collect();
        let signatures = signature::sign_all(key, &texts);
        all.into_iter().zip(signatures).map(|(unsigned, signature)| unsigned.with(&signature)).collect()
    }

    fn with(self, signature: &[u8]) -> Event {
        let Self { id, header, signed, body } = self;
        let bytes = encode(&Envelope { signed: &signed, signature, body: Some(&body) });
        Event { id, header, body: Some(body), bytes }
    }
}

/// An event that is right in itself. See the module for what that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    id: EventId,
    header: Header,
    body: Option<Vec<u8>>,
    bytes: Vec<u8>,
}

/// By its id, which is a hash already; events that differ in the signature alone, or in whether the body is here,
/// are told apart by `Eq`.
impl Hash for Event {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// What bytes claim to be: an event that is right in everything but its signature, which nobody has checked
/// yet. It borrows the bytes, so that whoever has read thousands of them can throw most away.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    id: EventId,
    header: Header,
    envelope: Envelope<'a>,
    bytes: &'a [u8],
}

impl<'a> Claim<'a> {
    /// Decodes bytes, and checks everything but the signature.
    ///
    /// # Errors
    /// The first thing that is wrong with the bytes.
    pub fn of(bytes: &'a [u8]) -> Result<Self, EventError> {
        if bytes.len() > EVENT_MAX_BYTES {
            return Err(EventError::TooLong(bytes.len()));
        }
        let (envelope, header) = match Envelope::canonical(bytes) {
            Some(decoded) => decoded,
            None => Envelope::any(bytes)?,
        };
        header.check(envelope.body)?;
        Ok(Self { id: id_of(envelope.signed), header, envelope, bytes })
    }

    /// The bytes that were decoded.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The signature, to be checked.
    pub fn unchecked(&self) -> Unchecked {
        let Envelope { signed, signature, .. } = self.envelope;
        Unchecked::of_hashed(self.header.account, signed, self.id.as_bytes(), signature)
    }

    /// The event itself, by the word of whoever has checked the signature.
    pub(crate) fn event(self) -> Event {
        Event {
            id: self.id,
            header: self.header,
            body: self.envelope.body.map(<[u8]>::to_vec),
            bytes: self.bytes.to_vec(),
        }
    }

    /// As [`Event::id`].
    pub fn id(&self) -> EventId {
        self.id
    }

    /// As [`Event::parents`].
    pub fn parents(&self) -> &[EventId] {
        &self.header.parents
    }

    /// As [`Event::conversation`].
    pub fn conversation(&self) -> Conversation {
        self.header.conversation
    }

    /// As [`Event::kind`].
    pub fn kind(&self) -> Kind {
        self.header.kind
    }

    /// As [`Event::body`].
    pub fn body(&self) -> &'a [u8] {
        self.envelope.body.unwrap_or_default()
    }

    /// As [`Event::has_body`].
    pub fn has_body(&self) -> bool {
        self.envelope.body.is_some()
    }

    /// The signature's bytes, of whatever length.
    pub fn signature(&self) -> &'a [u8] {
        self.envelope.signature
    }

    /// As [`Event::origin`].
    pub fn origin(&self) -> Origin {
        self.header.origin()
    }

    /// As [`Event::key`].
    pub fn key(&self) -> Key {
        self.header.key(self.id)
    }
}

impl Event {
    /// Decodes and checks everything, the signature included (about 40 µs).
    ///
    /// # Errors
    /// The first thing that is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EventError> {
        let claim = Claim::of(bytes)?;
        if !claim.unchecked().is_valid() {
            return Err(EventError::Signature(claim.header.account));
        }
        Ok(claim.event())
    }

    /// As [`Event::from_bytes`] for many, whose signatures are checked at once: in half of the time or less.
    ///
    /// # Errors
    /// Something that is wrong with one of them.
    pub fn all_from_bytes<'a>(all: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Self>, EventError> {
        let claims = all.map(Claim::of).collect::<Result<Vec<_>, _>>()?;
        let unchecked: Vec<_> = claims.iter().map(Claim::unchecked).collect();
        match signature::invalid(&unchecked).first() {
            Some(wrong) => Err(EventError::Signature(claims[*wrong].header.account)),
            None => Ok(claims.into_iter().map(Claim::event).collect()),
        }
    }

    /// Decodes bytes whose signature this process checked before it stored them, behind a checksum.
    ///
    /// # Errors
    /// As [`Event::from_bytes`], but for the signature.
    pub fn from_own_store(bytes: &[u8]) -> Result<Self, EventError> {
        Claim::of(bytes).map(Claim::event)
    }

    /// The event's name: BLAKE3 of its signed bytes.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The author's device.
    pub fn device(&self) -> DeviceId {
        self.header.device
    }

    /// Which event of its device.
    pub fn seq(&self) -> Seq {
        self.header.seq
    }

    /// What the author had seen of the conversation, in ascending order.
    pub fn parents(&self) -> &[EventId] {
        &self.header.parents
    }

    /// When, by the author's hybrid logical clock.
    pub fn time(&self) -> Time {
        self.header.time
    }

    /// The author.
    pub fn account(&self) -> AccountId {
        self.header.account
    }

    /// Where it belongs.
    pub fn conversation(&self) -> Conversation {
        self.header.conversation
    }

    /// What it does.
    pub fn kind(&self) -> Kind {
        self.header.kind
    }

    /// What it says; nothing if its body is not here.
    pub fn body(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
    }

    /// Whether its body is here, also one that is empty.
    pub fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// The same event without its body; `None` for a kind that has no meaning without it.
    pub fn without_body(&self) -> Option<Self> {
        let (envelope, header) = Envelope::canonical(&self.bytes).filter(|_| self.kind().is_said())?;
        let bytes = encode(&Envelope { body: None, ..envelope });
        Some(Self { id: self.id, header, body: None, bytes })
    }

    /// What its body says; nothing if that is not here.
    pub fn content(&self) -> Content<'_> {
        Content::read(self.header.kind, self.body()).unwrap_or(Content::Nothing)
    }

    /// What it says, if its kind holds text: always so for a registration, whose name it is, and for a message
    /// whose body is here; for a file it is its name.
    pub fn text(&self) -> Option<&str> {
        match self.content() {
            Content::Text(text) | Content::About(_, text) => Some(text),
            Content::Name(_) => std::str::from_utf8(self.body()).ok(),
            Content::File(file) => Some(file.name),
            Content::Nothing | Content::Charter(_) | Content::Room(_) | Content::Chunk(..) => None,
        }
    }

    /// What it is about; always one of its parents. Not known while its body is not here.
    pub fn target(&self) -> Option<EventId> {
        self.content().target()
    }

    /// Which room it speaks of, if its kind speaks of one.
    pub fn room(&self) -> Option<RoomId> {
        match self.content() {
            Content::Room(room) => Some(room),
            _ => None,
        }
    }

    /// What the room is that begins with it.
    pub fn charter(&self) -> Option<Charter> {
        match self.content() {
            Content::Charter(charter) => Some(charter),
            _ => None,
        }
    }

    /// The bytes in which it is stored and sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Which event of which device it is.
    pub fn origin(&self) -> Origin {
        self.header.origin()
    }

    /// Its place in the canonical order.
    pub fn key(&self) -> Key {
        self.header.key(self.id)
    }
}

impl<'a> Envelope<'a> {
    /// Decodes the canonical encoding, as every event has it that this program wrote; `None` for anything
    /// else, of which [`Envelope::any`] says what is wrong with it.
    fn canonical(bytes: &'a [u8]) -> Option<(Self, Header)> {
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
    fn any(bytes: &'a [u8]) -> Result<(Self, Header), EventError> {
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
    fn origin(&self) -> Origin {
        Origin { account: self.account, device: self.device, seq: self.seq }
    }

    fn key(&self, id: EventId) -> Key {
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

    fn to_signed_bytes(&self) -> Vec<u8> {
        let mut signed = vec![VERSION];
        signed.extend(encode(self));
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

    fn check(&self, body: Option<&[u8]>) -> Result<(), EventError> {
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
        let origin = Origin { account: self.account, device: self.device, seq: self.seq };
        let begins = self.kind == Kind::Create && room == RoomId::of(origin);
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

/// The account whose private key this is.
pub fn account_of(key: &SigningKey) -> AccountId {
    AccountId::new(key.verifying_key().to_bytes())
}

fn id_of(signed: &[u8]) -> EventId {
    EventId::new(*blake3::hash(signed).as_bytes())
}

#[expect(
    clippy::expect_used,
    reason = "these shapes hold integers and bytes, which MessagePack always takes"
)]
fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec(value).expect("plain values encode into memory")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

    use super::*;

    const KINDS: [Kind; 16] = {
        use Kind::*;
        [
            Register, Post, Merge, Create, Join, Leave, Topic, Invite, Follow, Unfollow, Edit, Reply, Delete,
            Read, React, Unreact,
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
