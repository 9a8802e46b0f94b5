//! What a device holds: every event it wrote or received, conversation by conversation, with what they add up to.
//!
//! **Invariant**: what is held is causally closed, since [`crate::client`] takes an event only after its parents.
//! All of it follows from the device's log, so a restarted client holds what it held.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::clock::Time;
use crate::content::Past;
use crate::directory::{Change, Directory};
use crate::erasure::Deletions;
use crate::event::{Conversation, Event, Kind};
use crate::id::{AccountId, ConversationId, EventId, RoomId};
use crate::order::{Key, Transcript};
use crate::rooms::followed;

/// Everything a device holds. See the module.
#[derive(Debug, Clone, Hash)]
pub struct Holdings {
    account: AccountId,
    held: BTreeMap<EventId, Held>,
    transcripts: BTreeMap<ConversationId, (Conversation, Transcript)>,
    directory: Directory,
    deletions: Deletions,
    /// Events without their body that no deletion here is about.
    hollow: BTreeSet<EventId>,
    /// The rooms whose past is closed, each with the place of the account's first coming.
    closed: BTreeMap<RoomId, Option<Key>>,
    /// The rooms that the account follows, each since when.
    followed: BTreeMap<RoomId, Time>,
}

/// An event with the servers whose current incarnation is known to have it, and with those that told of it, one bit
/// each.
#[derive(Debug, Clone, Hash)]
struct Held {
    event: Arc<Event>,
    at: u32,
    told: u32,
    /// Whether it was, or is to be, shown as a line of the display.
    is_line: bool,
    /// As many servers as it takes had told of it at one time, or it was shown; what they lose later does not unsay
    /// it.
    vouched: bool,
}

impl Holdings {
    /// Nothing yet, on a device of this account.
    pub fn new(account: AccountId) -> Self {
        Self {
            account,
            held: BTreeMap::new(),
            transcripts: BTreeMap::new(),
            directory: Directory::default(),
            deletions: Deletions::default(),
            hollow: BTreeSet::new(),
            closed: BTreeMap::new(),
            followed: BTreeMap::new(),
        }
    }

    /// Takes an event whose parents are here.
    pub fn take(&mut self, event: Arc<Event>) {
        let (conversation, kind, is_line) = (event.conversation(), event.kind(), self.is_line(&event));
        let (_, transcript) = self
            .transcripts
            .entry(conversation.id())
            .or_insert_with(|| (conversation, Transcript::default()));
        transcript.insert(&event);
        self.note_coming(&event);
        self.note_body(&event);
        self.held.insert(event.id(), Held { event, at: 0, told: 0, is_line, vouched: false });
        match kind {
            Kind::Register | Kind::Close => self.read_directory(),
            Kind::Follow | Kind::Unfollow => self.read_followed(),
            _ => {}
        }
    }

    /// Takes the whole of an event that is here without its body.
    pub fn fill(&mut self, whole: Arc<Event>) {
        self.hollow.remove(&whole.id());
        if let Some(held) = self.held.get_mut(&whole.id()).filter(|held| !held.event.has_body()) {
            held.event = whole;
        }
    }

    /// Whether its author has taken an event back, or the message that it edits.
    pub fn is_taken_back(&self, event: &Event) -> bool {
        self.deletions.excuse(event)
    }

    /// Whether an event is here without its body, and no deletion is about it.
    pub fn is_hollow(&self, id: &EventId) -> bool {
        self.hollow.contains(id)
    }

    /// All such events after one, by id, and then from the start again.
    pub fn hollow_after(&self, last: Option<EventId>) -> impl Iterator<Item = EventId> {
        let (upto, after) = match last {
            Some(last) => (Bound::Included(last), Bound::Excluded(last)),
            None => (Bound::Excluded(EventId::new([0; 32])), Bound::Unbounded),
        };
        let later = self.hollow.range((after, Bound::Unbounded));
        later.chain(self.hollow.range((Bound::Unbounded, upto))).copied()
    }

    /// Whether the body of an event, if it is not here, is kept from this account: it was said in a room whose past is
    /// closed, before the account came.
    pub fn is_kept(&self, event: &Event) -> bool {
        let Conversation::Room(room) = event.conversation() else { return false };
        let came = self.closed.get(&room);
        !event.has_body() && came.is_some_and(|came| came.is_none_or(|came| event.key() < came))
    }

    fn note_coming(&mut self, event: &Event) {
        let Conversation::Room(room) = event.conversation() else { return };
        if event.charter().is_some_and(|charter| charter.history == Past::SinceJoining) {
            self.closed.entry(room).or_default();
        }
        if event.account() == self.account
            && matches!(event.kind(), Kind::Create | Kind::Join)
            && let Some(came) = self.closed.get_mut(&room)
        {
            *came = Some(came.map_or(event.key(), |before| before.min(event.key())));
        }
    }

    fn note_body(&mut self, event: &Event) {
        let find = |id: &EventId| self.held.get(id).map(|held| held.event.as_ref());
        self.deletions.note(event, find);
        if !event.has_body() && !self.deletions.excuse(event) && !self.is_kept(event) {
            self.hollow.insert(event.id());
        }
        if event.kind() == Kind::Delete {
            let (deletions, held) = (&self.deletions, &self.held);
            self.hollow.retain(|id| held.get(id).is_none_or(|held| !deletions.excuse(&held.event)));
        }
    }

    /// Whether an event that comes now is a line of the display. What was said in a room before the account
    /// followed it is read back, not displayed.
    pub fn is_line(&self, event: &Event) -> bool {
        let is_history = |room| self.followed.get(&room).is_none_or(|since| event.time() < *since);
        event.kind().is_shown()
            && !matches!(event.conversation(), Conversation::Room(room) if is_history(room))
    }

    /// Whether an event is for this account: of the directory, of a direct conversation of its own, of a room that
    /// it follows, or the beginning of a public one.
    pub fn is_ours(&self, event: &Event) -> bool {
        match event.conversation() {
            Conversation::Directory => true,
            Conversation::Direct(..) => event.conversation().other(self.account).is_some(),
            Conversation::Room(room) => {
                self.follows(room) || event.charter().is_some_and(|charter| charter.public)
            }
        }
    }

    /// An event that is here.
    pub fn event(&self, id: &EventId) -> Option<&Arc<Event>> {
        self.held.get(id).map(|held| &held.event)
    }

    /// Whether an event is here.
    pub fn holds(&self, id: &EventId) -> bool {
        self.held.contains_key(id)
    }

    /// Whether all of an event's parents are here.
    pub fn has_parents(&self, event: &Event) -> bool {
        event.parents().iter().all(|id| self.holds(id))
    }

    /// The conversation that an event belongs to.
    pub fn place_of(&self, id: &EventId) -> Option<Conversation> {
        self.event(id).map(|event| event.conversation())
    }

    /// A conversation in canonical order.
    pub fn transcript(&self, conversation: Conversation) -> Option<&Transcript> {
        self.transcripts.get(&conversation.id()).map(|(_, transcript)| transcript)
    }

    /// The conversations that have events here.
    pub fn conversations(&self) -> impl Iterator<Item = (Conversation, &Transcript)> {
        self.transcripts.values().map(|(conversation, transcript)| (*conversation, transcript))
    }

    /// How many events of a conversation nobody has answered.
    pub fn heads(&self, conversation: Conversation) -> usize {
        self.transcript(conversation).map_or(0, |transcript| transcript.heads().count())
    }

    /// What an event is about, and the heads of its conversation, at most so many in all.
    pub fn parents(
        &self,
        conversation: Conversation,
        target: Option<EventId>,
        most: usize,
    ) -> BTreeSet<EventId> {
        let heads = self.transcript(conversation).into_iter().flat_map(Transcript::heads);
        let room = most - usize::from(target.is_some());
        target.into_iter().chain(heads.take(room)).collect()
    }

    /// Who is who.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The rooms that the account follows.
    pub fn followed(&self) -> impl Iterator<Item = RoomId> {
        self.followed.keys().copied()
    }

    /// Whether the account follows a room.
    pub fn follows(&self, room: RoomId) -> bool {
        self.followed.contains_key(&room)
    }

    /// Whether an event follows from one that waits, as `waits` says of keys from `first` on. Behind a line that does
    /// not wait none does, since that was shown after all that it follows from; what is no line tells nothing of that.
    pub fn comes_after(&self, id: &EventId, first: Key, waits: impl Fn(Key) -> bool) -> bool {
        let mut open: Vec<_> = self.event(id).into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(event) = open.pop() {
            for Held { event: parent, is_line, .. } in
                event.parents().iter().filter_map(|id| self.held.get(id))
            {
                if parent.key() < first || !seen.insert(parent.id()) {
                    continue;
                }
                if waits(parent.key()) {
                    return true;
                }
                if !is_line {
                    open.push(parent);
                }
            }
        }
        false
    }

    /// A server, by its place in the view, has an event; returns the event's key if it is here.
    pub fn note_at(&mut self, id: &EventId, server: usize) -> Option<Key> {
        let held = self.held.get_mut(id)?;
        held.at |= 1 << server;
        Some(held.event.key())
    }

    /// A server lacks an event; answers whether it is here.
    pub fn note_missing(&mut self, id: &EventId, server: usize) -> bool {
        let Some(held) = self.held.get_mut(id) else { return false };
        held.at &= !(1 << server);
        true
    }

    /// Whether a server's current incarnation is known to have an event.
    pub fn is_at(&self, id: &EventId, server: usize) -> bool {
        self.held.get(id).is_some_and(|held| held.at & (1 << server) != 0)
    }

    /// What is here of home, or of a room, and not known to be at a server, parents first. What lacks its body here
    /// though nobody took it back is left out, with all that follows from it: others may have the whole.
    pub fn lacking_at(&self, server: usize, room: Option<RoomId>) -> Vec<Key> {
        let (mut lacking, mut left_out) = (Vec::new(), BTreeSet::new());
        let keys = self.transcripts.values().flat_map(|(_, transcript)| transcript.keys());
        let held = keys.filter_map(|key| self.held.get(&key.id));
        for Held { event, .. } in held.filter(|held| held.at & (1 << server) == 0) {
            let is_told_there = match (event.conversation(), room) {
                (Conversation::Room(of), Some(room)) => of == room,
                (Conversation::Room(_), None) => event.charter().is_some_and(|charter| charter.public),
                (_, room) => room.is_none(),
            };
            if !is_told_there {
                continue;
            }
            let is_whole = event.has_body() || self.is_taken_back(event);
            if is_whole && !event.parents().iter().any(|id| left_out.contains(id)) {
                lacking.push(event.key());
            } else {
                left_out.insert(event.id());
            }
        }
        lacking
    }

    /// A server told of an event. Answers how many have, if that is news and counts for something: once `quorum` have,
    /// nothing more does.
    pub fn note_told(&mut self, id: &EventId, server: usize, quorum: usize) -> Option<usize> {
        let held = self.held.get_mut(id).filter(|held| !held.vouched && held.told & (1 << server) == 0)?;
        held.told |= 1 << server;
        let told = held.told.count_ones() as usize;
        held.vouched = told >= quorum;
        Some(told)
    }

    /// An event is not to be shown any more.
    pub fn note_left(&mut self, id: &EventId) {
        if let Some(held) = self.held.get_mut(id) {
            held.is_line = false;
        }
    }

    /// An event was shown.
    pub fn note_shown(&mut self, id: &EventId) {
        if let Some(held) = self.held.get_mut(id) {
            held.vouched = true;
        }
    }

    /// Whether an event has had its quorum.
    pub fn is_vouched(&self, id: &EventId) -> bool {
        self.held.get(id).is_some_and(|held| held.vouched)
    }

    /// How many servers, with their current logs, have told of an event.
    pub fn tellers(&self, id: &EventId) -> usize {
        self.held.get(id).map_or(0, |held| held.told.count_ones() as usize)
    }

    /// A server's log is another one: what it has is not known any more, and what it told counts no more.
    pub fn forget_server(&mut self, server: usize) {
        for held in self.held.values_mut() {
            held.at &= !(1 << server);
            held.told &= !(1 << server);
        }
    }

    /// The servers have other places now: `was` tells for each where it was, `None` if it is new.
    pub fn move_servers(&mut self, was: &[Option<usize>]) {
        for held in self.held.values_mut() {
            let moved = |bits: u32| {
                let bit = |(now, was): (usize, &Option<usize>)| {
                    was.filter(|was| bits & (1 << was) != 0).map_or(0, |_| 1 << now)
                };
                was.iter().enumerate().map(bit).fold(0, |moved, bit: u32| moved | bit)
            };
            (held.at, held.told) = (moved(held.at), moved(held.told));
        }
    }

    /// What the account's notes to itself say, the last for each room.
    fn read_followed(&mut self) {
        let notes = self.events(Conversation::direct(self.account, self.account));
        self.followed = followed(notes.filter_map(|note| Some((note.kind(), note.room()?, note.time()))));
    }

    fn read_directory(&mut self) {
        let changes = self
            .events(Conversation::Directory)
            .filter_map(|event| Some((event.account(), Change::of(event.kind(), event.text())?)));
        self.directory = Directory::of(changes);
    }

    /// A conversation's events, in canonical order.
    fn events(&self, conversation: Conversation) -> impl Iterator<Item = &Arc<Event>> {
        let keys = self.transcript(conversation).into_iter().flat_map(Transcript::keys);
        keys.filter_map(|key| self.event(&key.id))
    }
}
