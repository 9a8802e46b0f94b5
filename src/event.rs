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
//! Where an event belongs ([`Conversation`]), what it does ([`Kind`]) and how it is encoded are in files of their own.
//!
//! **Invariant**: an [`Event`] exists only if everything that can be told from it alone is right: canonical
//! encoding, bounds, who may write what where, the body's hash if it is here, the signature. What depends on its
//! ancestors (closure, time) is [`crate::server`]'s and [`crate::client`]'s. Validity never depends on who
//! reads it or when.

mod conversation;
mod encoding;
mod kind;

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use ed25519_dalek::{Signer, SigningKey};

use crate::clock::Time;
use crate::content::{Charter, Content};
use crate::id::{AccountId, DeviceId, EventId, RoomId, Seq};
use crate::limits::{EVENT_MAX_BYTES, MESSAGE_MAX_BYTES, PARENTS_MAX};
use crate::order::Key;
use crate::signature::{self, Unchecked};
use crate::text::NameError;
pub use conversation::Conversation;
use encoding::{Envelope, Header, VERSION, encode, id_of};
pub use kind::Kind;

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
    /// What is about a message must be about one that it may be about ([`Kind::may_be_about`]); only ancestors show it,
    /// so it is found when something is written ([`crate::ancestors`] finds it in what others wrote).
    #[error("an event of kind {0:?} cannot be about that one")]
    TargetUnfit(Kind),
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
        Event { id, header, body_at: Some(bytes.len() - body.len()), bytes }
    }
}

/// An event that is right in itself. See the module for what that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    id: EventId,
    header: Header,
    /// Where the body begins, if it is here; it is the end of the bytes.
    body_at: Option<usize>,
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
        let body_at = self.envelope.body.map(|body| self.bytes.len() - body.len());
        Event { id: self.id, header: self.header, body_at, bytes: self.bytes.to_vec() }
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

    /// As [`Event::from_own_store`], keeping the bytes instead of copying them.
    ///
    /// # Errors
    /// As [`Event::from_own_store`].
    pub fn from_own_bytes(bytes: Vec<u8>) -> Result<Self, EventError> {
        let Claim { id, header, envelope, .. } = Claim::of(&bytes)?;
        let body_at = envelope.body.map(|body| bytes.len() - body.len());
        Ok(Self { id, header, body_at, bytes })
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
        self.body_at.and_then(|at| self.bytes.get(at..)).unwrap_or_default()
    }

    /// Whether its body is here, also one that is empty.
    pub fn has_body(&self) -> bool {
        self.body_at.is_some()
    }

    /// The same event without its body; `None` for a kind that has no meaning without it.
    pub fn without_body(&self) -> Option<Self> {
        let (envelope, header) = Envelope::canonical(&self.bytes).filter(|_| self.kind().is_said())?;
        let bytes = encode(&Envelope { body: None, ..envelope });
        Some(Self { id: self.id, header, body_at: None, bytes })
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

/// The account whose private key this is.
pub fn account_of(key: &SigningKey) -> AccountId {
    AccountId::new(key.verifying_key().to_bytes())
}
