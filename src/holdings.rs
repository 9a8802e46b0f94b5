//! What a device holds: every event it wrote or received, conversation by conversation, with what they add up to.
//!
//! **Invariant**: what is held is causally closed, since [`crate::client`] takes an event only after its parents.
//! All of it follows from the device's log, so a restarted client holds what it held.
//!
//! What is asked for while people look at the screen is noted when an event comes, not gathered from all of them when it
//! is asked for: a conversation's [`Thread`], names, members, invitations.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::clock::Time;
use crate::content::Past;
use crate::directory::{Change, Directory};
use crate::erasure::{Deletions, messages_of};
use crate::event::{Conversation, Event, Kind};
use crate::id::{AccountId, ConversationId, EventId, RoomId};
use crate::order::{Key, Transcript};
use crate::rooms::{followed, follows_by};
use crate::thread::Thread;

/// What is to be read where nothing is.
static NOTHING: Thread = Thread::new();

/// Everything a device holds. See the module.
#[derive(Debug, Clone, Hash)]
pub struct Holdings {
    account: AccountId,
    held: BTreeMap<EventId, Held>,
    transcripts: BTreeMap<ConversationId, (Conversation, Transcript)>,
    /// What there is to read: of each conversation the events that may be told and are for this account.
    threads: BTreeMap<ConversationId, Thread>,
    /// Whether an event may be told only once it is vouched for.
    needs_vouching: bool,
    directory: Directory,
    /// Something has come to the directory before its end.
    directory_is_stale: bool,
    deletions: Deletions,
    /// Events without their body that no deletion here is about.
    hollow: BTreeSet<EventId>,
    /// The same, each under every message whose deletion would excuse it.
    hollow_of: BTreeSet<(EventId, EventId)>,
    closed: BTreeMap<RoomId, Closed>,
    /// The rooms that the account follows, each since when.
    followed: BTreeMap<RoomId, Time>,
    /// The rooms that have events here.
    rooms: BTreeSet<RoomId>,
    /// The rooms that others have invited the account to.
    invited: BTreeSet<RoomId>,
    /// The conversations in which the account has written something.
    written: BTreeSet<ConversationId>,
}

/// A room whose past is closed.
#[derive(Debug, Clone, Default, Hash)]
struct Closed {
    /// The account was a member, and then was not.
    left: bool,
    /// How many messages that may be from before it came are here without their words.
    kept: usize,
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
    /// Whether it is, or follows from, a coming of the account to the event's room.
    after_coming: bool,
    /// As many servers as it takes had told of it at one time, or it was shown; what they lose later does not unsay
    /// it.
    vouched: bool,
}

impl Holdings {
    /// Nothing yet, on a device of this account; whether an event may be told only once it is vouched for.
    pub fn new(account: AccountId, needs_vouching: bool) -> Self {
        Self {
            account,
            held: BTreeMap::new(),
            transcripts: BTreeMap::new(),
            threads: BTreeMap::new(),
            needs_vouching,
            directory: Directory::default(),
            directory_is_stale: false,
            deletions: Deletions::default(),
            hollow: BTreeSet::new(),
            hollow_of: BTreeSet::new(),
            closed: BTreeMap::new(),
            followed: BTreeMap::new(),
            rooms: BTreeSet::new(),
            invited: BTreeSet::new(),
            written: BTreeSet::new(),
        }
    }

    /// Takes an event whose parents are here. Names are as they were until [`Holdings::read_names`].
    pub fn take(&mut self, event: Arc<Event>) {
        let (conversation, is_line) = (event.conversation(), self.is_line(&event));
        let (_, transcript) = self
            .transcripts
            .entry(conversation.id())
            .or_insert_with(|| (conversation, Transcript::default()));
        transcript.insert(&event);
        let is_last = transcript.keys().next_back() == Some(event.key());
        let after_coming = self.is_coming(&event) || self.follows_coming(&event);
        if let Conversation::Room(room) = conversation {
            self.rooms.insert(room);
        }
        self.note_closed(&event);
        self.note_body(&event);
        let taken = Arc::clone(&event);
        self.held.insert(taken.id(), Held { event, at: 0, told: 0, is_line, after_coming, vouched: false });
        self.note_kept(&taken);
        self.note_readable(&taken);
        if taken.account() == self.account {
            self.written.insert(conversation.id());
        }
        match taken.kind() {
            Kind::Register | Kind::Close => self.note_name(&taken, is_last),
            Kind::Follow | Kind::Unfollow => self.note_followed(&taken, is_last),
            Kind::Invite if taken.account() != self.account => self.invited.extend(taken.room()),
            _ => {}
        }
    }

    /// Takes the whole of an event that is here without its body.
    pub fn fill(&mut self, whole: Arc<Event>) {
        self.forget_hollow(&whole);
        if let Some(held) = self.held.get_mut(&whole.id()).filter(|held| !held.event.has_body()) {
            held.event = whole;
            let whole = Arc::clone(&held.event);
            self.note_readable(&whole);
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
    /// closed, by another, and not by somebody who knew that the account had come. For all that such a person says, the
    /// coming comes first in every server's log; what was said meanwhile each server has where it came.
    pub fn is_kept(&self, event: &Event) -> bool {
        self.hides(event).is_some() && !event.has_body() && !self.follows_coming(event)
    }

    /// Whether servers may keep the body of an event from this account: as [`Holdings::is_kept`], or because the
    /// account was away when it was said, or may have been.
    pub fn may_be_kept(&self, event: &Event) -> bool {
        self.is_kept(event) || self.hides(event).is_some_and(|closed| closed.left)
    }

    /// The room that may keep from this account what an event says: never what it has said itself, on whatever device.
    fn hides(&self, event: &Event) -> Option<&Closed> {
        self.closed_room_of(event).filter(|_| event.account() != self.account)
    }

    /// Whether a server may have an event without its body though nobody took it back: said in a room whose past is
    /// closed, it is handed on without by members from whom the body is kept.
    pub fn may_be_bare_elsewhere(&self, id: &EventId) -> bool {
        self.event(id).is_some_and(|event| self.closed_room_of(event).is_some())
    }

    /// Whether what somebody said in such a room is here, and nobody took it back.
    pub fn has_words_of(&self, id: &EventId) -> bool {
        self.event(id).is_some_and(|event| {
            let has_words = event.kind().is_said() && event.has_body() && !self.is_taken_back(event);
            has_words && self.closed_room_of(event).is_some()
        })
    }

    fn closed_room_of(&self, event: &Event) -> Option<&Closed> {
        let Conversation::Room(room) = event.conversation() else { return None };
        self.closed.get(&room)
    }

    /// How many messages of a conversation are kept from this account.
    pub fn kept(&self, conversation: Conversation) -> usize {
        let Conversation::Room(room) = conversation else { return 0 };
        self.closed.get(&room).map_or(0, |closed| closed.kept)
    }

    /// Whether the account comes to a room with this event.
    fn is_coming(&self, event: &Event) -> bool {
        event.account() == self.account && matches!(event.kind(), Kind::Create | Kind::Join)
    }

    fn follows_coming(&self, event: &Event) -> bool {
        let parents = event.parents().iter().filter_map(|id| self.held.get(id));
        parents.into_iter().any(|parent| parent.after_coming)
    }

    /// A room whose past is closed begins, or the account leaves one.
    fn note_closed(&mut self, event: &Event) {
        let Conversation::Room(room) = event.conversation() else { return };
        if event.charter().is_some_and(|charter| charter.history == Past::SinceJoining) {
            self.closed.entry(room).or_default();
        }
        let leaves = event.account() == self.account && event.kind() == Kind::Leave;
        if let Some(closed) = self.closed.get_mut(&room).filter(|_| leaves) {
            closed.left = true;
            let hollow = self.hollow.iter().filter_map(|id| self.event(id));
            let is_excused = |hollow: &&Arc<Event>| {
                hollow.conversation() == event.conversation() && hollow.account() != self.account
            };
            let excused: Vec<_> = hollow.filter(is_excused).cloned().collect();
            excused.iter().for_each(|event| self.forget_hollow(event));
        }
    }

    fn note_kept(&mut self, event: &Event) {
        if !event.kind().is_message() || !self.is_kept(event) {
            return;
        }
        if let Conversation::Room(room) = event.conversation()
            && let Some(closed) = self.closed.get_mut(&room)
        {
            closed.kept += 1;
        }
    }

    /// An event is one to be read, if it may be told and is for this account.
    fn note_readable(&mut self, event: &Event) {
        if (self.needs_vouching && !self.is_vouched(&event.id())) || self.is_kept(event) {
            return;
        }
        let place = |id: &EventId| self.held.get(id).map(|held| held.event.key());
        self.threads.entry(event.conversation().id()).or_default().add(event, place);
    }

    fn note_body(&mut self, event: &Event) {
        let find = |id: &EventId| self.held.get(id).map(|held| held.event.as_ref());
        let taken_back = self.deletions.note(event, find);
        if !event.has_body() && !self.deletions.excuse(event) && !self.may_be_kept(event) {
            self.hollow.insert(event.id());
            self.hollow_of.extend(messages_of(event).into_iter().map(|message| (message, event.id())));
        }
        let hollow_of = |message: EventId| {
            let from = self.hollow_of.range((message, EventId::new([0; 32]))..);
            from.take_while(move |(of, _)| *of == message).filter_map(|(_, id)| self.event(id).cloned())
        };
        let about = taken_back.into_iter().flat_map(hollow_of);
        let excused: Vec<_> = about.filter(|event| self.deletions.excuse(event)).collect();
        excused.iter().for_each(|event| self.forget_hollow(event));
    }

    fn forget_hollow(&mut self, event: &Event) {
        if self.hollow.remove(&event.id()) {
            for message in messages_of(event).into_iter().chain(event.parents().iter().copied()) {
                self.hollow_of.remove(&(message, event.id()));
            }
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

    /// The first of an event's parents that is not here.
    pub fn missing_parent(&self, event: &Event) -> Option<EventId> {
        event.parents().iter().find(|id| !self.holds(id)).copied()
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
    pub fn conversations(&self) -> impl ExactSizeIterator<Item = (Conversation, &Transcript)> {
        self.transcripts.values().map(|(conversation, transcript)| (*conversation, transcript))
    }

    /// What there is to read in a conversation.
    pub fn thread(&self, conversation: Conversation) -> &Thread {
        self.threads.get(&conversation.id()).unwrap_or(&NOTHING)
    }

    /// The rooms that have events here, and so their beginnings.
    pub fn rooms(&self) -> impl ExactSizeIterator<Item = RoomId> {
        self.rooms.iter().copied()
    }

    /// The rooms that others have invited the account to.
    pub fn invited(&self) -> impl Iterator<Item = RoomId> {
        self.invited.iter().copied()
    }

    /// Whether the account has written something in a conversation, on any of its devices.
    pub fn has_written(&self, conversation: Conversation) -> bool {
        self.written.contains(&conversation.id())
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

    /// What is here of home and of rooms' beginnings, or of a room, and known to be at none of these servers, one bit each;
    /// parents first. What lacks its body here though nobody took it back is left out, with all that follows from it: others
    /// may have the whole. In a room whose past is closed, some may never have.
    pub fn lacking_at(&self, servers: u32, room: Option<RoomId>) -> Vec<Key> {
        let (mut lacking, mut left_out) = (Vec::new(), BTreeSet::new());
        for Held { event, .. } in self.told_with(room).filter(|held| held.at & servers == 0) {
            let is_whole = event.has_body() || self.is_taken_back(event) || self.may_be_kept(event);
            if is_whole && !event.parents().iter().any(|id| left_out.contains(id)) {
                lacking.push(event.key());
            } else {
                left_out.insert(event.id());
            }
        }
        lacking
    }

    /// All of a room; or of home and, of each room, the beginning: of a private one a server tells nobody until it has
    /// that, and so knows who may read the room.
    fn told_with(&self, room: Option<RoomId>) -> impl Iterator<Item = &Held> {
        let is_told = move |of: Conversation| match of {
            Conversation::Room(of) => room.is_none_or(|room| of == room),
            _ => room.is_none(),
        };
        let transcripts = self.transcripts.values().filter(move |(of, _)| is_told(*of));
        let keys = transcripts.flat_map(move |(of, transcript)| {
            let is_beginning = room.is_none() && matches!(of, Conversation::Room(_));
            transcript.keys().take(if is_beginning { 1 } else { usize::MAX })
        });
        keys.filter_map(|key| self.held.get(&key.id))
    }

    /// A server told of an event. Answers how many have, if that is news and counts for something: once `quorum` have,
    /// nothing more does.
    pub fn note_told(&mut self, id: &EventId, server: usize, quorum: usize) -> Option<usize> {
        let held = self.held.get_mut(id).filter(|held| !held.vouched && held.told & (1 << server) == 0)?;
        held.told |= 1 << server;
        let told = held.told.count_ones() as usize;
        held.vouched = told >= quorum;
        if held.vouched {
            let event = Arc::clone(&held.event);
            self.note_readable(&event);
        }
        Some(told)
    }

    /// An event is not to be shown any more.
    pub fn note_left(&mut self, id: &EventId) {
        if let Some(held) = self.held.get_mut(id) {
            held.is_line = false;
        }
    }

    /// An event has had its quorum, or was shown.
    pub fn note_vouched(&mut self, id: &EventId) {
        let Some(held) = self.held.get_mut(id) else { return };
        let is_news = !std::mem::replace(&mut held.vouched, true);
        if is_news && self.needs_vouching {
            let event = Arc::clone(&held.event);
            self.note_readable(&event);
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

    /// A note of the account to itself. One that comes before others has all of them read again.
    fn note_followed(&mut self, event: &Event, is_last: bool) {
        if is_last {
            event.room().into_iter().for_each(|room| {
                follows_by(&mut self.followed, event.kind(), room, event.time());
            });
            return;
        }
        let notes = self.events(Conversation::direct(self.account, self.account));
        self.followed = followed(notes.filter_map(|note| Some((note.kind(), note.room()?, note.time()))));
    }

    /// Something is new in the directory. What comes at its end is added to it; else it is read again, once for all
    /// that has come.
    fn note_name(&mut self, event: &Event, is_last: bool) {
        match Change::of(event.kind(), event.text()) {
            Some(change) if is_last && !self.directory_is_stale => {
                self.directory.add(event.account(), change);
            }
            _ => self.directory_is_stale = true,
        }
    }

    /// Brings the directory up to what is here.
    pub fn read_names(&mut self) {
        if !std::mem::take(&mut self.directory_is_stale) {
            return;
        }
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

#[cfg(test)]
mod tests;
