//! What is no event: each way in which bytes or a draft can be wrong is refused by its name, and nothing that
//! is a byte away from an event is one.
//!
//! [`Raw`] writes the encoding a second time, field by field, so that it can be wrong where a [`Draft`]
//! cannot.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use serde::Serialize;
use serde_bytes::{ByteBuf, Bytes};
use tercet::clock::Time;
use tercet::content::{Charter, Past};
use tercet::event::{Conversation, Draft, Event, EventError, Kind, Origin, account_of};
use tercet::id::{AccountId, DeviceId, EventId, RoomId};
use tercet::limits::{EVENT_MAX_BYTES, MESSAGE_MAX_BYTES, NAME_MAX_BYTES, PARENTS_MAX, TOPIC_MAX_BYTES};

/// An event's fields as they are signed, and what goes around them.
#[derive(Clone, Serialize)]
struct Raw {
    device: DeviceId,
    seq: u64,
    parents: Vec<EventId>,
    time: Time,
    account: AccountId,
    conversation: Conversation,
    kind: Kind,
    body_hash: ByteBuf,
    body_bytes: u32,
}

const BODY: &[u8] = b"hello";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn room() -> Conversation {
    Conversation::Room(RoomId::new([5; 16]))
}

fn id(n: u8) -> EventId {
    EventId::new([n; 32])
}

fn ids(count: usize) -> impl Iterator<Item = EventId> {
    (0..=u8::MAX).map(id).take(count)
}

fn raw() -> Raw {
    Raw {
        device: DeviceId::new([2; 16]),
        seq: 1,
        parents: vec![id(1), id(2)],
        time: Time::from_millis(1_000),
        account: account_of(&key()),
        conversation: room(),
        kind: Kind::Post,
        body_hash: hash(BODY),
        body_bytes: 5,
    }
}

fn draft() -> Draft {
    Draft {
        device: DeviceId::new([2; 16]),
        seq: 1,
        parents: BTreeSet::from([id(1), id(2)]),
        time: Time::from_millis(1_000),
        conversation: room(),
        kind: Kind::Post,
        body: BODY.to_vec(),
    }
}

fn hash(body: &[u8]) -> ByteBuf {
    ByteBuf::from(blake3::hash(body).as_bytes())
}

/// The version byte and the fields.
fn signed(raw: &Raw) -> Vec<u8> {
    [vec![1], rmp_serde::to_vec(raw).unwrap()].concat()
}

/// Signed bytes, whatever they are, with a signature that fits them.
fn sealed(signed: &[u8], body: &[u8]) -> Vec<u8> {
    envelope(signed, &key().sign(signed).to_bytes(), body)
}

fn envelope(signed: &[u8], signature: &[u8], body: &[u8]) -> Vec<u8> {
    rmp_serde::to_vec(&(Bytes::new(signed), Bytes::new(signature), Bytes::new(body))).unwrap()
}

fn altered(alter: impl FnOnce(&mut Raw)) -> Vec<u8> {
    let mut raw = raw();
    alter(&mut raw);
    sealed(&signed(&raw), BODY)
}

/// As [`altered`], with nothing in the body's place.
fn without_body(alter: impl FnOnce(&mut Raw)) -> Vec<u8> {
    let mut raw = raw();
    alter(&mut raw);
    let signed = signed(&raw);
    let signature = key().sign(&signed).to_bytes();
    rmp_serde::to_vec(&(Bytes::new(&signed), Bytes::new(&signature), ())).unwrap()
}

/// As [`altered`], with another body and its right hash and length.
fn with_body(body: &[u8], alter: impl FnOnce(&mut Raw)) -> Vec<u8> {
    let mut raw = Raw { body_hash: hash(body), body_bytes: u32::try_from(body.len()).unwrap(), ..raw() };
    alter(&mut raw);
    sealed(&signed(&raw), body)
}

#[test]
fn the_encoding_written_here_is_the_programs() {
    let event = draft().sign(&key()).unwrap();
    assert_eq!(altered(|_| {}), event.bytes());
    assert_eq!(Event::from_bytes(event.bytes()), Ok(event.clone()));
    assert_eq!(Event::from_own_store(event.bytes()), Ok(event));
}

/// Names every variant of [`EventError`]: one that is added does not compile until it is listed, and does not
/// pass until something is refused with it.
macro_rules! variants {
    ($($variant:ident),* $(,)?) => {
        const VARIANTS: &[&str] = &[$(stringify!($variant)),*];

        fn variant_of(error: &EventError) -> &'static str {
            match error {
                $(EventError::$variant { .. } => stringify!($variant)),*
            }
        }
    };
}

variants! {
    Malformed, Version, NotCanonical, TooLong, NoSeq, TooManyParents, ParentsUnsorted, BodyMismatch, Signature,
    NotAMember, Misplaced, ConversationUnsorted, EmptyMessage, MessageTooLong, NotUtf8, UnexpectedBody, Name,
    Body, TooMuch, TargetNotParent, TargetUnfit, Rootless, BodyMissing,
}

fn wrong_bytes() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let event = altered(|_| {});
    let good = signed(&raw());
    let other = SigningKey::from_bytes(&[3; 32]);
    let (low, high) = {
        let one = account_of(&key());
        let two = account_of(&other);
        (one.min(two), one.max(two))
    };
    let direct = Conversation::Direct(low, high);
    let register = |raw: &mut Raw| (raw.conversation, raw.kind) = (Conversation::Directory, Kind::Register);
    let merge = |raw: &mut Raw| raw.kind = Kind::Merge;
    let parents = |count: usize| move |raw: &mut Raw| raw.parents = ids(count).collect();
    vec![
        ("nothing", "Malformed", vec![]),
        ("no MessagePack", "Malformed", vec![0xc1]),
        ("half an event", "Malformed", event[..event.len() / 2].to_vec()),
        ("two parts", "Malformed", rmp_serde::to_vec(&(Bytes::new(&good), Bytes::new(&[0; 64]))).unwrap()),
        ("no signed bytes", "Malformed", sealed(&[], BODY)),
        ("a version and nothing else", "Malformed", sealed(&[1], BODY)),
        ("half the fields", "Malformed", sealed(&good[..good.len() / 2], BODY)),
        ("a hash of another length", "Malformed", altered(|raw| raw.body_hash = ByteBuf::from([0; 31]))),
        ("version 0", "Version", sealed(&[&[0], &good[1..]].concat(), BODY)),
        ("version 2", "Version", sealed(&[&[2], &good[1..]].concat(), BODY)),
        ("a byte after it", "NotCanonical", [&event[..], &[0]].concat()),
        ("a byte after its fields", "NotCanonical", sealed(&[&good[..], &[0]].concat(), BODY)),
        ("four parts", "Malformed", four_parts(&good)),
        ("one field more", "Malformed", sealed(&one_field_more(&good), BODY)),
        ("a wide integer", "NotCanonical", sealed(&wide_seq(&good), BODY)),
        ("a wide array length", "NotCanonical", sealed(&wide_array(&good), BODY)),
        ("a wide length of its body", "NotCanonical", wide_body(&event)),
        ("its fields as a map", "NotCanonical", sealed(&as_map(), BODY)),
        ("its parts as a map", "NotCanonical", parts_as_map(&good)),
        ("its body as text", "NotCanonical", body_as_text(&good)),
        ("a body over every limit", "TooLong", sealed(&good, &vec![b'x'; EVENT_MAX_BYTES])),
        ("number 0", "NoSeq", altered(|raw| raw.seq = 0)),
        ("a parent too many", "TooManyParents", altered(parents(PARENTS_MAX + 1))),
        ("parents in descending order", "ParentsUnsorted", altered(|raw| raw.parents.reverse())),
        ("a parent twice", "ParentsUnsorted", altered(|raw| raw.parents = vec![id(1), id(1)])),
        ("another body of that length", "BodyMismatch", sealed(&good, b"hullo")),
        ("a longer body", "BodyMismatch", sealed(&good, b"hello!")),
        ("another length of the body", "BodyMismatch", altered(|raw| raw.body_bytes = 6)),
        ("another hash of the body", "BodyMismatch", altered(|raw| raw.body_hash = hash(b"hullo"))),
        ("another's signature", "Signature", envelope(&good, &other.sign(&good).to_bytes(), BODY)),
        ("no signature", "Signature", envelope(&good, &[], BODY)),
        ("half a signature", "Signature", envelope(&good, &key().sign(&good).to_bytes()[..32], BODY)),
        ("another's account", "Signature", altered(|raw| raw.account = account_of(&other))),
        ("an account that is no key", "Signature", altered(|raw| raw.account = AccountId::new([2; 32]))),
        ("a signature of the body", "Signature", envelope(&good, &key().sign(BODY).to_bytes(), BODY)),
        ("a signature under the weak key 1", "Signature", under_weak_key()),
        (
            "a stranger in a direct conversation",
            "NotAMember",
            altered(|raw| {
                let two = account_of(&SigningKey::from_bytes(&[4; 32]));
                raw.conversation = Conversation::direct(account_of(&other), two);
            }),
        ),
        (
            "a direct conversation from its high to its low end",
            "ConversationUnsorted",
            altered(|raw| raw.conversation = Conversation::Direct(high, low)),
        ),
        ("a post in the directory", "Misplaced", altered(|raw| raw.conversation = Conversation::Directory)),
        ("a registration in a room", "Misplaced", altered(|raw| raw.kind = Kind::Register)),
        ("an empty post", "EmptyMessage", with_body(b"", |_| {})),
        ("a post too long", "MessageTooLong", with_body(&vec![b'x'; MESSAGE_MAX_BYTES + 1], |_| {})),
        ("a post that is no text", "NotUtf8", with_body(&[0xff], |_| {})),
        ("a surrogate in a post", "NotUtf8", with_body(&[0xed, 0xa0, 0x80], |_| {})),
        ("a name that is no text", "NotUtf8", with_body(&[0xff], register)),
        ("a merge that says something", "UnexpectedBody", with_body(b"x", merge)),
        (
            "an invitation to no room",
            "Body",
            with_body(b"den", |raw| {
                (raw.conversation, raw.kind) = (direct, Kind::Invite);
            }),
        ),
        (
            "a long topic",
            "TooMuch",
            with_body(&vec![b'x'; TOPIC_MAX_BYTES + 1], |raw| raw.kind = Kind::Topic),
        ),
        (
            "a reply to what is no parent",
            "TargetNotParent",
            with_body(&[7; 40], |raw| raw.kind = Kind::Reply),
        ),
        ("a room's post without a parent", "Rootless", altered(|raw| raw.parents.clear())),
        (
            "a room begun under another's id",
            "Rootless",
            with_body(b"\x01den", |raw| {
                (raw.kind, raw.parents) = (Kind::Create, vec![]);
            }),
        ),
        (
            "a room begun twice",
            "Rootless",
            with_body(b"\x01den", |raw| {
                (raw.kind, raw.conversation) = (Kind::Create, Conversation::Room(own_room()));
            }),
        ),
        (
            "a room begun in a direct conversation",
            "Misplaced",
            with_body(b"\x01den", |raw| {
                (raw.kind, raw.conversation) = (Kind::Create, direct);
            }),
        ),
        ("an invitation in a room", "Misplaced", with_body(&[0; 16], |raw| raw.kind = Kind::Invite)),
        (
            "a note to another",
            "Misplaced",
            with_body(&[0; 16], |raw| {
                (raw.conversation, raw.kind) = (direct, Kind::Follow);
            }),
        ),
        ("a registration without its body", "BodyMissing", without_body(register)),
        ("a reaction without its body", "BodyMissing", without_body(|raw| raw.kind = Kind::React)),
        (
            "a post without the body that it cannot have had",
            "TooMuch",
            without_body(|raw| raw.body_bytes = 0),
        ),
        (
            "an edit without a body too short for a target",
            "TooMuch",
            without_body(|raw| (raw.kind, raw.body_bytes) = (Kind::Edit, 32)),
        ),
        (
            "a reply without its body and with nothing to answer",
            "TargetNotParent",
            without_body(|raw| {
                (raw.kind, raw.body_bytes, raw.conversation) = (Kind::Reply, 40, own_chat());
                raw.parents.clear();
            }),
        ),
        (
            "a chunk without a body too short for anything but the one before it",
            "TooMuch",
            without_body(|raw| (raw.kind, raw.body_bytes) = (Kind::Chunk, 32)),
        ),
        (
            "a file without a body too short for a name",
            "TooMuch",
            without_body(|raw| (raw.kind, raw.body_bytes) = (Kind::File, 68)),
        ),
        (
            "a file without its body and without a chunk",
            "TargetNotParent",
            without_body(|raw| {
                (raw.kind, raw.body_bytes, raw.conversation) = (Kind::File, 80, own_chat());
                raw.parents.clear();
            }),
        ),
        ("a byte after a body that is not there", "NotCanonical", [&without_body(|_| {})[..], &[0]].concat()),
        ("no name", "Name", with_body(b"", register)),
        ("a name with a space", "Name", with_body(b"a b", register)),
        ("a name too long", "Name", with_body(&[b'n'; NAME_MAX_BYTES + 1], register)),
    ]
}

fn own_chat() -> Conversation {
    Conversation::direct(account_of(&key()), account_of(&SigningKey::from_bytes(&[3; 32])))
}

#[test]
fn what_a_person_said_stands_without_its_body_too() {
    let whole = draft().sign(&key()).unwrap();
    let without = whole.without_body().unwrap();
    assert_eq!(without.bytes(), without_body(|_| {}), "nil stands in its place");
    assert_eq!(Event::from_bytes(without.bytes()), Ok(without.clone()));
    assert_eq!(Event::from_own_store(without.bytes()), Ok(without.clone()));
    assert_eq!((without.id(), without.key(), without.parents()), (whole.id(), whole.key(), whole.parents()));
    assert_eq!((without.has_body(), without.body(), without.text()), (false, &[][..], None));
    assert!(whole.has_body() && whole != without);
    assert!(without.bytes().windows(BODY.len()).all(|window| window != BODY));
    assert_eq!(without.without_body(), Some(without), "once more changes nothing");
    let merge = Draft { kind: Kind::Merge, body: vec![], ..draft() }.sign(&key()).unwrap();
    assert_eq!((merge.has_body(), merge.without_body()), (true, None));
}

/// The room that begins with the event that [`raw`] describes.
fn own_room() -> RoomId {
    let Raw { account, device, seq, .. } = raw();
    RoomId::of(Origin { account, device, seq })
}

#[test]
fn a_room_begins_with_its_authors_event() {
    let begin = |raw: &mut Raw| {
        (raw.kind, raw.conversation, raw.parents) = (Kind::Create, Conversation::Room(own_room()), vec![]);
    };
    let event = Event::from_bytes(&with_body(b"\x01den", begin)).unwrap();
    let name = "den".parse().unwrap();
    assert_eq!(event.charter(), Some(Charter { name, public: true, history: Past::Open }));
}

/// The identity point as a key: without strict verification one signature fits every message.
fn under_weak_key() -> Vec<u8> {
    let mut identity = [0; 32];
    identity[0] = 1;
    let signed = signed(&Raw { account: AccountId::new(identity), ..raw() });
    let signature = [identity, [0; 32]].concat();
    envelope(&signed, &signature, BODY)
}

fn four_parts(signed: &[u8]) -> Vec<u8> {
    let signature = key().sign(signed).to_bytes();
    let parts = (Bytes::new(signed), Bytes::new(&signature), Bytes::new(BODY), 0);
    rmp_serde::to_vec(&parts).unwrap()
}

fn parts_as_map(signed: &[u8]) -> Vec<u8> {
    let signature = key().sign(signed).to_bytes();
    let parts = [("signed", signed), ("signature", &signature[..]), ("body", BODY)];
    rmp_serde::to_vec(
        &parts.map(|(name, part)| (name, Bytes::new(part))).into_iter().collect::<BTreeMap<_, _>>(),
    )
    .unwrap()
}

fn body_as_text(signed: &[u8]) -> Vec<u8> {
    let signature = key().sign(signed).to_bytes();
    rmp_serde::to_vec(&(Bytes::new(signed), Bytes::new(&signature), "hello")).unwrap()
}

fn as_map() -> Vec<u8> {
    [vec![1], rmp_serde::to_vec_named(&raw()).unwrap()].concat()
}

/// Nine fields are announced in one byte; ten likewise.
fn one_field_more(signed: &[u8]) -> Vec<u8> {
    assert_eq!(signed[1], 0x99, "an array of nine");
    [&[signed[0], 0x9a], &signed[2..], &[0xc0]].concat()
}

fn wide_array(signed: &[u8]) -> Vec<u8> {
    [&[signed[0], 0xdc, 0, 9], &signed[2..]].concat()
}

/// The number 1 stands in one byte after the device's eighteen; it could stand in two.
fn wide_seq(signed: &[u8]) -> Vec<u8> {
    assert_eq!(signed[20], 1, "the number");
    [&signed[..20], &[0xcc, 1], &signed[21..]].concat()
}

fn wide_body(event: &[u8]) -> Vec<u8> {
    let at = event.len() - BODY.len() - 2;
    assert_eq!(event[at..at + 2], [0xc4, 5], "the body's length");
    [&event[..at], &[0xc5, 0, 5], BODY].concat()
}

#[test]
fn whatever_is_wrong_with_bytes_is_refused_by_its_name() {
    let mut refused = BTreeSet::new();
    for (name, expected, bytes) in wrong_bytes() {
        let error = Event::from_bytes(&bytes).expect_err(name);
        assert_eq!(variant_of(&error), expected, "{name}: {error}");
        assert!(error.to_string().len() > 10, "{name}: {error}");
        refused.insert(variant_of(&error));
        // A store's own bytes are held to the same, but for the signature.
        let own = Event::from_own_store(&bytes);
        assert_eq!(own.is_ok(), expected == "Signature", "{name}: {own:?}");
    }
    // Bytes do not show of what kind a parent is; `tests/client.rs` has what refuses to write such an event.
    refused.insert("TargetUnfit");
    assert_eq!(refused, VARIANTS.iter().copied().collect(), "a variant that refuses nothing");
}

#[test]
fn a_draft_that_cannot_be_an_event_is_not_signed() {
    let strangers = Conversation::direct(
        account_of(&SigningKey::from_bytes(&[3; 32])),
        account_of(&SigningKey::from_bytes(&[4; 32])),
    );
    type Alter = fn(&mut Draft);
    let wrong: [(&str, Alter); 9] = [
        ("NoSeq", |draft| draft.seq = 0),
        ("TooManyParents", |draft| draft.parents = ids(PARENTS_MAX + 1).collect()),
        ("Misplaced", |draft| draft.conversation = Conversation::Directory),
        ("Misplaced", |draft| draft.kind = Kind::Register),
        ("EmptyMessage", |draft| draft.body.clear()),
        ("MessageTooLong", |draft| draft.body = vec![b'x'; MESSAGE_MAX_BYTES + 1]),
        ("NotUtf8", |draft| draft.body = vec![0x80]),
        ("UnexpectedBody", |draft| draft.kind = Kind::Merge),
        ("Name", |draft| {
            (draft.conversation, draft.kind, draft.body) =
                (Conversation::Directory, Kind::Register, b"#room".to_vec());
        }),
    ];
    for (expected, alter) in wrong {
        let mut draft = draft();
        alter(&mut draft);
        assert_eq!(variant_of(&draft.sign(&key()).unwrap_err()), expected);
    }
    let outside = Draft { conversation: strangers, ..draft() };
    assert_eq!(outside.sign(&key()), Err(EventError::NotAMember(account_of(&key()))));
}

#[test]
fn no_altered_byte_makes_another_event() {
    let event = draft().sign(&key()).unwrap();
    for at in 0..event.bytes().len() {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
            let mut bytes = event.bytes().to_vec();
            bytes[at] ^= flip;
            assert!(Event::from_bytes(&bytes).is_err(), "byte {at} ^ {flip} makes another event");
        }
        assert!(Event::from_bytes(&event.bytes()[..at]).is_err(), "its first {at} bytes make an event");
    }
}

#[test]
fn the_largest_event_fits_its_limit() {
    let (one, two) = (key(), SigningKey::from_bytes(&[3; 32]));
    let largest = Draft {
        seq: u64::MAX,
        parents: ids(PARENTS_MAX).collect(),
        time: Time::from_millis(u64::MAX),
        conversation: Conversation::direct(account_of(&one), account_of(&two)),
        body: vec![b'x'; MESSAGE_MAX_BYTES],
        ..draft()
    };
    let event = largest.sign(&one).unwrap();
    assert!(event.bytes().len() <= EVENT_MAX_BYTES, "{} bytes", event.bytes().len());
    assert_eq!(Event::from_bytes(event.bytes()), Ok(event));
}

#[test]
fn a_note_to_oneself_is_a_conversation() {
    let own = account_of(&key());
    let event = Draft { conversation: Conversation::direct(own, own), ..draft() }.sign(&key()).unwrap();
    assert_eq!(event.conversation().other(own), Some(own));
    assert_eq!(Event::from_bytes(event.bytes()), Ok(event));
}

fn drafts() -> impl Strategy<Value = Draft> {
    let other =
        prop::array::uniform32(any::<u8>()).prop_map(|seed| account_of(&SigningKey::from_bytes(&seed)));
    let own = account_of(&key());
    let chat = prop_oneof![
        other.prop_map(move |other| Conversation::direct(own, other)),
        any::<[u8; 16]>().prop_map(|room| Conversation::Room(RoomId::new(room))),
    ];
    let what = prop_oneof![
        (chat.clone(), "(?s).{1,300}").prop_map(|(chat, text)| (chat, Kind::Post, text)),
        chat.prop_map(|chat| (chat, Kind::Merge, String::new())),
        (Just(Conversation::Directory), "[a-zé李][a-z0-9]{0,20}").prop_map(|(directory, name)| (
            directory,
            Kind::Register,
            name
        )),
    ];
    let parents = prop::collection::btree_set(any::<[u8; 32]>().prop_map(EventId::new), 1..=PARENTS_MAX);
    (any::<[u8; 16]>(), 1..=u64::MAX, parents, any::<u64>(), what).prop_map(
        |(device, seq, parents, ms, (conversation, kind, text))| Draft {
            device: DeviceId::new(device),
            seq,
            parents,
            time: Time::from_millis(ms),
            conversation,
            kind,
            body: text.into_bytes(),
        },
    )
}

proptest! {
    #[test]
    fn every_draft_that_is_signed_comes_back_whole(draft in drafts()) {
        let event = draft.clone().sign(&key()).unwrap();
        let read = Event::from_bytes(event.bytes()).unwrap();
        assert_eq!(read, event);
        assert_eq!((read.device(), read.seq(), read.time()), (draft.device, draft.seq, draft.time));
        assert_eq!(read.parents(), draft.parents.into_iter().collect::<Vec<_>>());
        assert_eq!((read.conversation(), read.kind()), (draft.conversation, draft.kind));
        assert_eq!((read.account(), read.body()), (account_of(&key()), &draft.body[..]));
        let text = (read.kind() != Kind::Merge).then(|| std::str::from_utf8(&draft.body).unwrap());
        assert_eq!(read.text(), text);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        assert!(Event::from_bytes(&bytes).is_err());
    }

    #[test]
    fn no_signed_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert!(Event::from_bytes(&sealed(&[&[1], &bytes[..]].concat(), BODY)).is_err());
    }

    #[test]
    fn no_splice_of_an_event_is_another(
        at in any::<prop::sample::Index>(),
        cut in 0..4usize,
        put in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let event = altered(|_| {});
        let from = at.index(event.len());
        let to = event.len().min(from + cut);
        let spliced = [&event[..from], &put[..], &event[to..]].concat();
        assert!(spliced == event || Event::from_bytes(&spliced).is_err(), "{spliced:?}");
    }
}
