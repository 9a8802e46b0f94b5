//! The encoding of events, held to its bytes: an event that was signed once has the same id for ever.
//!
//! `tests/golden/events.txt` holds a handful of events as hexadecimal. `UPDATE=1 cargo test --test golden`
//! writes it anew; a diff in it means that the encoding has changed and that old logs can no longer be read.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use tercet::clock::{Clock, Time};
use tercet::content::{Charter, Past, about};
use tercet::event::{Conversation, Draft, Event, Kind, Origin, account_of};
use tercet::id::{DeviceId, RoomId};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events.txt")
}

/// What the fixture holds: fixed keys, devices and times, every kind and every sort of conversation.
fn events() -> Vec<(&'static str, Event)> {
    let (alice, bob) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
    let (laptop, phone) = (DeviceId::new([0x11; 16]), DeviceId::new([0x22; 16]));
    let chat = Conversation::direct(account_of(&alice), account_of(&bob));
    let begins = Origin { account: account_of(&bob), device: phone, seq: 69_999 };
    let (room, alone) = (RoomId::of(begins), Conversation::direct(account_of(&bob), account_of(&bob)));
    let den = Conversation::Room(room);
    let mut clock = Clock::default();
    clock.observe(Time::from_millis(1_767_225_600_000));
    let mut sign = |key, device, seq, parents: &[&Event], conversation, kind, body: &[u8]| {
        let parents: BTreeSet<_> = parents.iter().map(|parent| parent.id()).collect();
        let (time, body) = (clock.tick(1_767_225_600_000), body.to_vec());
        let draft = Draft { device, seq, parents, time, conversation, kind, body };
        draft.sign(key).expect("a golden event is right")
    };
    let register = sign(&alice, laptop, 1, &[], Conversation::Directory, Kind::Register, "alice".as_bytes());
    let post = sign(&alice, laptop, 2, &[], chat, Kind::Post, "naïve ☕ 日本語 👩‍💻 e\u{301}".as_bytes());
    let reply =
        sign(&bob, phone, 1, &[&post], chat, Kind::Post, "two\nlines\u{1b}[31m, kept as typed".as_bytes());
    let second = sign(&alice, laptop, 3, &[&post], chat, Kind::Post, "at the same time".as_bytes());
    let merge = sign(&bob, phone, 300, &[&reply, &second], chat, Kind::Merge, "".as_bytes());
    let charter = Charter { name: "den".parse().expect("a name"), public: true, history: Past::Open };
    let create = sign(&bob, phone, 69_999, &[], den, Kind::Create, &charter.encode());
    let in_room = sign(&bob, phone, 70_000, &[&create], den, Kind::Post, "to a room".as_bytes());
    let about = |event: &Event, text| about(event.id(), text);
    let join = sign(&alice, laptop, 4, &[&create], den, Kind::Join, b"");
    let leave = sign(&alice, laptop, 5, &[&join], den, Kind::Leave, b"");
    let topic = sign(&bob, phone, 70_001, &[&in_room], den, Kind::Topic, "tea".as_bytes());
    let invite = sign(&bob, phone, 70_002, &[&merge], chat, Kind::Invite, room.as_bytes());
    let follow = sign(&bob, phone, 70_003, &[], alone, Kind::Follow, room.as_bytes());
    let unfollow = sign(&bob, phone, 70_004, &[&follow], alone, Kind::Unfollow, room.as_bytes());
    let edit = sign(&bob, phone, 70_005, &[&in_room], den, Kind::Edit, &about(&in_room, "to all"));
    let answer = sign(&alice, laptop, 6, &[&in_room], den, Kind::Reply, &about(&in_room, "yes"));
    let delete = sign(&bob, phone, 70_006, &[&in_room], den, Kind::Delete, &about(&in_room, ""));
    let read = sign(&alice, laptop, 7, &[&topic], den, Kind::Read, &about(&topic, ""));
    let react = sign(&alice, laptop, 8, &[&answer], den, Kind::React, &about(&answer, "👍"));
    let unreact = sign(&alice, laptop, 9, &[&answer, &react], den, Kind::Unreact, &about(&answer, "👍"));
    let bare = |event: &Event| event.without_body().expect("it may stand without");
    let close = sign(&alice, laptop, 10, &[&register], Conversation::Directory, Kind::Close, b"");
    let drafts = (70_010..70_013).map(|seq| Draft {
        device: phone,
        seq,
        parents: BTreeSet::from([merge.id()]),
        time: clock.tick(1_767_225_600_000),
        conversation: chat,
        kind: Kind::Post,
        body: format!("number {seq}, signed with others").into_bytes(),
    });
    let together = Draft::sign_all(drafts.collect(), &bob).expect("golden events are right");
    let [first, next, last] = together.try_into().expect("as many events as drafts");
    vec![
        ("post-bare", bare(&post)),
        ("edit-bare", bare(&edit)),
        ("answer-bare", bare(&answer)),
        ("register", register),
        ("post", post),
        ("reply", reply),
        ("second", second),
        ("merge", merge),
        ("create", create),
        ("room", in_room),
        ("join", join),
        ("leave", leave),
        ("topic", topic),
        ("invite", invite),
        ("follow", follow),
        ("unfollow", unfollow),
        ("edit", edit),
        ("answer", answer),
        ("delete", delete),
        ("read", read),
        ("react", react),
        ("unreact", unreact),
        ("close", close),
        ("together-first", first),
        ("together-next", next),
        ("together-last", last),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text takes everything");
        text
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn render(events: &[(&str, Event)]) -> String {
    let line = |(name, event): &(&str, Event)| format!("{name} {} {}\n", event.id(), hex(event.bytes()));
    events.iter().map(line).collect()
}

#[test]
fn events_are_encoded_and_decoded_as_they_always_were() {
    let events = events();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(fixture(), render(&events)).expect("the fixture can be written");
    }
    let text = fs::read_to_string(fixture()).expect("the fixture is there; UPDATE=1 writes it");
    assert_eq!(text.lines().count(), events.len(), "one line for each event; UPDATE=1 writes them anew");
    for (line, (name, event)) in text.lines().zip(events) {
        let [golden_name, id, encoded] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("not `name id bytes`: {line}");
        };
        assert_eq!(golden_name, name);
        assert_eq!(hex(event.bytes()), encoded, "{name} is encoded otherwise than in the fixture");
        assert_eq!(event.id().to_string(), id, "{name} has another id than in the fixture");
        let decoded = Event::from_bytes(&bytes(encoded)).expect("a golden event is valid");
        assert_eq!(decoded, event, "{name} is decoded otherwise than it was made");
    }
}
