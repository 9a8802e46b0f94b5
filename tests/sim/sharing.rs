//! What people do now and then: they share files and take them back, take other names, and close their accounts.
//!
//! When, who and what is drawn from a stream of its own ([`crate::swarm::Swarm::apart`]), so that a run in which nobody
//! does such a thing is what its seed always made of it.

use tercet::client::{Client, Effects, Input};
use tercet::content::{Content, about};
use tercet::event::{Conversation, Event, Kind, account_of};
use tercet::id::RoomId;
use tercet::limits::CHUNK_MAX_BYTES;

use crate::judge::Failure;
use crate::regressions::{connected, notes};
use crate::world::{EPOCH_MS, What, World};

/// A file that nobody has taken back cannot be put together.
pub const TORN: &str = "torn-file";

/// Most bytes of a file beyond its first part: a run has many readers for each.
const MORE_MAX_BYTES: usize = 3 * CHUNK_MAX_BYTES;

impl World {
    /// Has all that happen at some time before the faults end.
    pub fn plan_apart(&mut self) {
        let clients = self.clients.len();
        let plans = [(self.swarm.files, What::Share as fn(usize) -> What), (self.swarm.names, What::Name)];
        for (times, what) in plans {
            for _ in 0..times {
                let client = self.swarm.apart.usize(..clients);
                let at_ms = self.swarm.apart.u64(..self.swarm.fault_ms);
                self.after(at_ms, what(client));
            }
        }
    }

    /// Shares a file with somebody or in a room, and perhaps takes one back later.
    pub fn share(&mut self, client: usize) {
        let Some(machine) = self.typing(client, What::Share(client)) else { return };
        // Of a room that another of the person's devices follows, this one may not know the beginning yet.
        let is_here = |room: &RoomId| machine.transcript(Conversation::Room(*room)).is_some();
        let followed: Vec<_> = machine.followed().filter(is_here).collect();
        let account = machine.account();
        let apart = &mut self.swarm.apart;
        let room = apart.choice(&followed).copied().filter(|_| apart.bool());
        let other = account_of(&self.clients[apart.usize(..self.clients.len())].key);
        let conversation = room.map_or_else(|| Conversation::direct(account, other), Conversation::Room);
        let more = if apart.bool() { apart.usize(..MORE_MAX_BYTES) } else { 0 };
        let bytes: Vec<u8> = (0..apart.usize(1..100) + more).map(|at| at.to_le_bytes()[0]).collect();
        let name = format!("file{}", apart.u32(..1_000));
        let takes_back_after_ms = apart.bool().then(|| apart.u64(..5_000));
        self.saw("a file is shared");
        self.note(|| format!("client {client}: {name}, {} bytes, in {conversation:?}", bytes.len()));
        self.client_step(client, Input::Share { conversation, name, bytes });
        if let Some(after_ms) = takes_back_after_ms {
            self.after(after_ms, What::TakeBack(client));
        }
    }

    /// Takes back the last file of its own that is still there.
    pub fn take_back(&mut self, client: usize) {
        let Some(machine) = self.typing(client, What::TakeBack(client)) else { return };
        let is_own = |event: &&Event| event.account() == machine.account() && !machine.is_taken_back(event);
        let Some(file) = files_of(machine).filter(is_own).max_by_key(|event| event.key()) else { return };
        let (conversation, body) = (file.conversation(), about(file.id(), ""));
        self.saw("a file is taken back");
        self.client_step(client, Input::Say { conversation, kind: Kind::Delete, body });
    }

    /// Takes another name, which may be somebody else's, or closes its account.
    pub fn rename(&mut self, client: usize) {
        if self.typing(client, What::Name(client)).is_none() {
            return;
        }
        let apart = &mut self.swarm.apart;
        let (kind, body) = match apart.u32(..3) {
            0 => (Kind::Close, Vec::new()),
            _ => (Kind::Register, format!("account{}", apart.usize(..self.swarm.accounts + 2)).into_bytes()),
        };
        self.saw(if kind == Kind::Close { "an account is closed" } else { "an account takes another name" });
        self.client_step(client, Input::Say { conversation: Conversation::Directory, kind, body });
    }

    /// The machine of a client that can be typed into; else this is to happen later.
    fn typing(&mut self, client: usize, what: What) -> Option<&Client> {
        if self.clients[client].machine.is_none() || self.clients[client].suspended {
            self.after(300, what);
            return None;
        }
        self.clients[client].machine.as_ref()
    }
}

/// The files that a client holds.
fn files_of(machine: &Client) -> impl Iterator<Item = &Event> {
    let keys = machine.conversations().flat_map(|(_, transcript)| transcript.keys());
    let events = keys.filter_map(|key| machine.event(&key.id)).map(AsRef::as_ref);
    events.filter(|event: &&Event| event.kind() == Kind::File)
}

/// Whoever holds a file that was not taken back can put it together.
pub fn torn(world: &World) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (index, machine) in world.clients.iter().map(|host| &host.machine).enumerate() {
        let Some(machine) = machine else { continue };
        for file in files_of(machine).filter(|file| file.has_body() && !machine.is_taken_back(file)) {
            if let Err(why) = put_together(machine, file) {
                let what = format!("client {index} cannot read file {}: {why}", file.id().short());
                failures.push(Failure::new(TORN, what));
            }
        }
    }
    failures
}

/// As whoever saves it does: from its last part back, each naming the one before.
fn put_together(machine: &Client, file: &Event) -> Result<(), String> {
    let Content::File(about) = file.content() else { return Err("it says nothing".to_owned()) };
    let (mut parts, mut next) = (Vec::new(), Some(about.last));
    while let Some(part) = next {
        let Some(Content::Chunk(before, bytes)) = machine.event(&part).map(|part| part.content()) else {
            return Err(format!("part {} has no bytes", part.short()));
        };
        parts.push(bytes);
        next = before;
    }
    parts.reverse();
    let bytes = parts.concat();
    match *blake3::hash(&bytes).as_bytes() == about.hash {
        true => Ok(()),
        false => Err(format!("{} bytes in {} parts are not the file", bytes.len(), parts.len())),
    }
}

#[test]
fn a_file_whose_parts_are_not_there_is_torn() {
    let (mut author, stranger) = (connected(), connected());
    let bytes = vec![7; CHUNK_MAX_BYTES + 1];
    let input = Input::Share { conversation: notes(), name: "two parts".to_owned(), bytes };
    author.step(EPOCH_MS, input, &mut Effects::default()).unwrap();
    let file = files_of(&author).next().unwrap();
    assert_eq!(put_together(&author, file), Ok(()));
    assert!(put_together(&stranger, file).is_err_and(|why| why.ends_with("has no bytes")));
}
