//! A room of any size, as the log of one device has it that was there from the beginning: written with real events, in a
//! folder of a cluster whose servers cannot be reached.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use tercet::clock::Time;
use tercet::cmd::keys;
use tercet::content::{Charter, Past, about};
use tercet::event::{Conversation, Draft, Kind, Origin, account_of};
use tercet::history::Entry;
use tercet::id::{DeviceId, EventId, Incarnation, RoomId, Seq, ServerId};
use tercet::store::DeviceLog;

/// Whose log it is.
pub const READER: &str = "reader";
const BODY_BYTES: usize = 200;
/// When the first event was: Unix milliseconds.
const BEGINNING_MS: u64 = 1_767_225_600_000;

/// Makes the cluster, the reader, and the reader's log with the room `#lab` in it: the reader, `member0`, `member1`, and
/// so on, and what they said, `as before 0.`, `as before 1.`, ..., among it edits, deletions, reactions and read marks.
/// Returns how many events the log holds.
pub fn write(program: &str, folder: &Path, messages: u64, members: u64) -> u64 {
    let init = ["cluster", "init", "--server", "1=127.0.0.1:1"];
    assert!(Command::new(program).args(init).env("TERCET_DIR", folder).output().unwrap().status.success());
    let begun = Command::new(program)
        .args(["chat", READER, "--timeout", "0"])
        .env("TERCET_DIR", folder)
        .env("XDG_CONFIG_HOME", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let person = folder.join("people").join(READER);
    let (log, entries) = DeviceLog::open(&only(&person.join("devices")).join("log")).unwrap();
    let device = entries.iter().find_map(|entry| match entry {
        Entry::Begun { device, .. } => Some(*device),
        _ => None,
    });
    assert!(device.is_some(), "no log was begun: {begun:?}");
    let key = keys::load(&person.join("account.key")).unwrap();
    let mut reader = Author { key, device: device.unwrap(), seq: 0 };
    let servers = entries.iter().find_map(|entry| match entry {
        Entry::Opened { servers, .. } => servers.first().copied(),
        _ => None,
    });
    let life = (servers.unwrap(), Incarnation::new([7; 16]));
    let mut writing = Writing { log, entries: Vec::new(), life, now_ms: BEGINNING_MS, events: 0 };
    let (server, incarnation) = life;
    writing.entries.push(Entry::Incarnation { server, incarnation, at_ms: BEGINNING_MS });
    talk(&mut writing, &mut reader, messages, members);
    writing.log.append(&writing.entries).unwrap();
    writing.log.sync().unwrap();
    writing.events
}

/// Somebody who writes.
struct Author {
    key: SigningKey,
    device: DeviceId,
    seq: Seq,
}

/// A log that is being written, as the reader's device would have.
struct Writing {
    log: DeviceLog,
    entries: Vec<Entry>,
    life: (ServerId, Incarnation),
    now_ms: u64,
    events: u64,
}

impl Writing {
    /// An event that follows another and is about a third, or about nothing.
    fn event(
        &mut self,
        author: &mut Author,
        conversation: Conversation,
        kind: Kind,
        after: [Option<EventId>; 2],
        body: Vec<u8>,
    ) -> EventId {
        if self.entries.len() > 1_000 {
            self.log.append(&self.entries).unwrap();
            self.entries.clear();
        }
        author.seq += 1;
        self.now_ms += 1;
        self.events += 1;
        let (parents, time) =
            (after.into_iter().flatten().collect::<BTreeSet<_>>(), Time::from_millis(self.now_ms));
        let draft = Draft { device: author.device, seq: author.seq, parents, time, conversation, kind, body };
        let event = draft.sign(&author.key).unwrap();
        let ((server, incarnation), at_ms) = (self.life, self.now_ms);
        self.entries.push(Entry::Received {
            event: ByteBuf::from(event.bytes()),
            server,
            incarnation,
            at_ms,
        });
        if kind.is_shown() {
            self.entries.push(Entry::Displayed { id: event.id(), late: false, at_ms });
        }
        event.id()
    }

    /// An event of the reader's own.
    fn own(
        &mut self,
        reader: &mut Author,
        conversation: Conversation,
        kind: Kind,
        after: Option<EventId>,
        body: Vec<u8>,
    ) -> EventId {
        let id = self.event(reader, conversation, kind, [after, None], body);
        let taken = self.entries.iter().rposition(|entry| matches!(entry, Entry::Received { .. })).unwrap();
        if let Entry::Received { event, at_ms, .. } = self.entries[taken].clone() {
            self.entries[taken] = Entry::Authored { event, at_ms };
        }
        id
    }
}

fn talk(writing: &mut Writing, reader: &mut Author, messages: u64, members: u64) {
    let mut people: Vec<_> = (0..members).map(author).collect();
    let account = account_of(&reader.key);
    let mut name =
        writing.own(reader, Conversation::Directory, Kind::Register, None, READER.as_bytes().to_vec());
    for (number, person) in people.iter_mut().enumerate() {
        let taken = format!("member{number}").into_bytes();
        name = writing.event(person, Conversation::Directory, Kind::Register, [Some(name), None], taken);
    }
    let first = &mut people[0];
    let room =
        RoomId::of(Origin { account: account_of(&first.key), device: first.device, seq: first.seq + 1 });
    let own = Conversation::direct(account, account);
    writing.own(reader, own, Kind::Follow, None, room.as_bytes().to_vec());
    let room = Conversation::Room(room);
    let charter = Charter { name: "lab".parse().unwrap(), public: true, history: Past::Open };
    let mut last = writing.event(first, room, Kind::Create, [None; 2], charter.encode());
    last = writing.own(reader, room, Kind::Join, Some(last), Vec::new());
    for person in &mut people[1..] {
        last = writing.event(person, room, Kind::Join, [Some(last), None], Vec::new());
    }
    let mut places = (0..people.len()).cycle();
    for number in 0..messages {
        let place = places.next().unwrap();
        let mut text = format!("as before {number}.");
        text.push_str(&" and more".repeat(BODY_BYTES / 9));
        text.truncate(BODY_BYTES);
        let said = writing.event(&mut people[place], room, Kind::Post, [Some(last), None], text.into_bytes());
        last = said;
        let mut about = |kind, place: usize, text: &str| {
            last = writing.event(&mut people[place], room, kind, [Some(last), Some(said)], about(said, text));
        };
        match number % 100 {
            0 => about(Kind::Delete, place, ""),
            50 => about(Kind::Edit, place, "as it should have been"),
            ten if ten % 10 == 5 => about(Kind::React, 0, "+1"),
            some if some % 10 == 7 => about(Kind::Read, 1, ""),
            _ => {}
        }
    }
}

fn author(number: u64) -> Author {
    let hash = blake3::hash(&number.to_be_bytes());
    let [key, device] = [*hash.as_bytes(), *blake3::hash(hash.as_bytes()).as_bytes()];
    let device = device.first_chunk().copied().unwrap();
    Author { key: SigningKey::from_bytes(&key), device: DeviceId::new(device), seq: 0 }
}

fn only(folder: &Path) -> PathBuf {
    std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
}
