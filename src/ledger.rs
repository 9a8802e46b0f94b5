//! What all logs together say, indexed: what [`crate::verify`] asks its questions of.
//!
//! It trusts nobody: each event was decoded and its signature checked once, whoever's log it was found in
//! ([`crate::intake`]). Events are numbered so that order is a comparison of numbers: see [`crate::settle`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::OnceLock;

use crate::anomaly::Anomaly;
use crate::bits::Bits;
use crate::clock::Time;
use crate::content::{Charter, Content};
use crate::directory::{Change, Directory};
use crate::event::{Conversation, Kind};
use crate::history::History;
use crate::id::{AccountId, ConversationId, DeviceId, EventId, RoomId, Seq, ServerId};
use crate::intake::{Held, Intake, Number};
use crate::order::{Key, Sequence, Sequencer};
use crate::rooms::{Rooms, followed};
use crate::taken::{ClientIntake, ClientLog, Seen, ServerLog};
use crate::text::Name;

/// Everything that was read.
#[derive(Debug)]
pub struct Ledger {
    /// What people call the servers.
    pub names: BTreeMap<ServerId, String>,
    /// What was expected and could not be read, each as a sentence.
    pub absent: Vec<String>,
    /// The servers' logs.
    pub servers: Vec<ServerLog>,
    /// The devices' logs.
    pub clients: Vec<ClientLog>,
    /// Every valid event that stands in any log.
    pub events: Events,
    /// What decoding alone found.
    pub corrupt: Vec<Anomaly>,
}

impl Ledger {
    /// Decodes and indexes a history.
    pub fn of(history: &History) -> Self {
        Self::taken_in(history, Intake::default())
    }

    /// The same with an intake that nothing was taken in before.
    pub fn taken_in(history: &History, intake: Intake) -> Self {
        let servers = history.servers.iter().map(|server| ServerLog::of(server, &intake));
        let servers = servers.collect();
        let clients = history.clients.iter().map(|client| {
            let mut log = ClientIntake::new(&intake, client.source.clone());
            client.entries.iter().for_each(|entry| log.entry(entry));
            log.finish()
        });
        let clients = clients.collect();
        intake.settle(servers, clients, history.names.clone(), history.absent.clone())
    }

    /// What people call a server; its key's first digits if nobody said.
    pub fn name_of(&self, server: ServerId) -> String {
        self.names.get(&server).cloned().unwrap_or_else(|| server.short())
    }

    /// Who is who, by all changes to the directory that were found.
    pub fn directory(&self) -> Directory {
        let changes = self.events.contents().filter_map(|(event, content)| {
            let kind = self.events.kind(event);
            let name = match content {
                Content::Name(name) => Some(name),
                _ => None,
            };
            (kind == Kind::Close || name.is_some()).then(|| (self.events.author(event).0, kind, name))
        });
        let changes: Vec<_> = changes.collect();
        Directory::of(changes.iter().filter_map(|(account, kind, name)| {
            Some((*account, Change::of(*kind, name.as_ref().map(Name::as_str))?))
        }))
    }

    /// What every room is, by all beginnings that were found.
    pub fn charters(&self) -> BTreeMap<RoomId, Charter> {
        let charters = self.events.contents().filter_map(|(event, content)| match content {
            Content::Charter(charter) => Some((self.events.room(event)?, charter)),
            _ => None,
        });
        charters.collect()
    }

    /// Who may read which room, by all invitations that were found.
    pub fn rooms(&self) -> Rooms {
        let mut rooms = Rooms::default();
        for (event, content) in self.events.contents() {
            let author = self.events.author(event).0;
            let place = self.events.place(event);
            match (self.events.kind(event), content) {
                (Kind::Create, Content::Charter(charter)) => {
                    if let Some(room) = self.events.room(event) {
                        rooms.begin(room, author, charter.public);
                    }
                }
                (Kind::Invite, Content::Room(room)) => {
                    if let Some(guest) = place.other(author) {
                        rooms.invite(room, author, guest);
                    }
                }
                _ => {}
            }
        }
        rooms
    }

    /// Which conversations an account may read, by their numbers; of a room it cannot see more than that it is
    /// public.
    pub(crate) fn read_by(&self, account: AccountId) -> Vec<bool> {
        let rooms = self.rooms();
        let may_read = |conversation: Conversation| match conversation {
            Conversation::Directory => true,
            Conversation::Direct(..) => conversation.other(account).is_some(),
            Conversation::Room(room) => rooms.may_read(account, room),
        };
        self.events.conversations.iter().map(|(_, conversation)| may_read(*conversation)).collect()
    }

    /// The beginnings of public rooms, which everybody is told of unasked.
    pub(crate) fn public_beginnings(&self) -> Bits {
        let mut beginnings = Bits::new(self.events.known());
        for (event, content) in self.events.contents() {
            if matches!(content, Content::Charter(Charter { public: true, .. })) {
                beginnings.insert(event);
            }
        }
        beginnings
    }
}

/// Which rooms a device follows, entry by entry of its log: see [`crate::rooms::followed`].
pub(crate) struct Following<'a> {
    events: &'a Events,
    notes: BTreeSet<Number>,
    /// Those that it follows now.
    pub(crate) now: BTreeMap<RoomId, Time>,
}

impl<'a> Following<'a> {
    pub(crate) fn of(events: &'a Events) -> Self {
        Self { events, notes: BTreeSet::new(), now: BTreeMap::new() }
    }

    /// An event enters the log.
    pub(crate) fn take(&mut self, event: Number) {
        let events = self.events;
        if !events.is_known(event) || !matches!(events.kind(event), Kind::Follow | Kind::Unfollow) {
            return;
        }
        self.notes.insert(event);
        // Notes are of one conversation, so their numbers are in canonical order.
        let notes = self.notes.iter().filter_map(|note| match events.content(*note) {
            Content::Room(room) => Some((events.kind(*note), room, events.time(*note))),
            _ => None,
        });
        self.now = followed(notes);
    }
}

/// Which events are lines of a device's display. What comes into a log while its room is not followed, or was said
/// before it was, is read back and not displayed; and what others said there and was not displayed when the room is
/// left, is not any more.
pub(crate) fn lines_of(events: &Events, log: &ClientLog) -> Bits {
    let (mut lines, mut entered) = (Bits::new(events.known()), Bits::new(events.known()));
    let mut following = Following::of(events);
    let mut waiting: BTreeMap<RoomId, BTreeSet<Number>> = BTreeMap::new();
    for seen in &log.seen {
        if let Seen::Displayed { event, .. } = *seen
            && events.is_known(event)
            && let Some(others) = events.room(event).and_then(|room| waiting.get_mut(&room))
        {
            others.remove(&event);
        }
        let Some(event) = seen.stands() else { continue };
        following.take(event);
        if let Some(room) = events.left_by(event).filter(|room| !following.now.contains_key(room)) {
            waiting.remove(&room).into_iter().flatten().for_each(|left| lines.remove(left));
        }
        if !entered.insert(event) || !events.is_line(event) {
            continue;
        }
        let Some(room) = events.room(event) else {
            lines.insert(event);
            continue;
        };
        if following.now.get(&room).is_some_and(|since| events.time(event) >= *since) {
            lines.insert(event);
            if !matches!(seen, Seen::Authored { .. }) {
                waiting.entry(room).or_default().insert(event);
            }
        }
    }
    lines
}

/// Events by number: conversation by conversation, in canonical order; then ids whose event nobody has.
#[derive(Debug)]
pub struct Events {
    ids: Vec<EventId>,
    times: Vec<Time>,
    seqs: Vec<Seq>,
    author_of: Vec<u32>,
    conversation_of: Vec<u32>,
    kinds: Vec<Kind>,
    /// Where each event's parents start; one more, where the last one's end.
    parents_from: Vec<u32>,
    parents: Vec<Number>,
    /// What those events say that others are judged by.
    bodies: BTreeMap<Number, Vec<u8>>,
    /// What events are about.
    targets: BTreeMap<Number, Number>,
    authors: Vec<(AccountId, DeviceId)>,
    conversations: Vec<(ConversationId, Conversation)>,
    sequences: OnceLock<Vec<Sequence>>,
}

impl Events {
    pub(crate) fn new(
        conversations: impl Iterator<Item = (ConversationId, Conversation)>,
        authors: Vec<(AccountId, DeviceId)>,
        count: usize,
    ) -> Self {
        Self {
            ids: Vec::with_capacity(count),
            times: Vec::with_capacity(count),
            seqs: Vec::with_capacity(count),
            author_of: Vec::with_capacity(count),
            conversation_of: Vec::with_capacity(count),
            kinds: Vec::with_capacity(count),
            parents_from: vec![0],
            parents: Vec::new(),
            bodies: BTreeMap::new(),
            targets: BTreeMap::new(),
            authors,
            conversations: conversations.collect(),
            sequences: OnceLock::new(),
        }
    }

    pub(crate) fn push(
        &mut self,
        conversation: u32,
        id: &EventId,
        held: &Held,
        parents: impl Iterator<Item = Number>,
        body: Option<Vec<u8>>,
        target: Option<Number>,
    ) {
        let own = number(self.times.len());
        self.bodies.extend(body.map(|body| (own, body)));
        self.targets.extend(target.map(|target| (own, target)));
        self.ids.push(*id);
        self.times.push(held.time);
        self.seqs.push(held.seq);
        self.author_of.push(held.author);
        self.conversation_of.push(conversation);
        self.kinds.push(held.kind);
        self.parents.extend(parents);
        self.parents_from.push(number(self.parents.len()));
    }

    pub(crate) fn push_named(&mut self, id: EventId) {
        self.ids.push(id);
    }

    /// How many valid events there are; their numbers are those below.
    pub fn known(&self) -> usize {
        self.times.len()
    }

    /// The numbers of all valid events.
    pub fn all(&self) -> Range<Number> {
        0..number(self.known())
    }

    /// How many numbers there are, those of ids without an event included.
    pub fn numbers(&self) -> usize {
        self.ids.len()
    }

    /// Whether a number is that of a valid event.
    pub fn is_known(&self, event: Number) -> bool {
        (event as usize) < self.known()
    }

    /// The id with a number.
    pub fn id(&self, event: Number) -> EventId {
        self.ids[event as usize]
    }

    /// Whose event, and from which device.
    pub fn author(&self, event: Number) -> (AccountId, DeviceId) {
        self.authors[self.author_of[event as usize] as usize]
    }

    /// Whose event, and from which device, as a number below [`Events::authors`].
    pub(crate) fn author_number(&self, event: Number) -> u32 {
        self.author_of[event as usize]
    }

    /// All authors, by their numbers.
    pub(crate) fn authors(&self) -> &[(AccountId, DeviceId)] {
        &self.authors
    }

    /// Which event of its device.
    pub fn seq(&self, event: Number) -> Seq {
        self.seqs[event as usize]
    }

    /// When.
    pub fn time(&self, event: Number) -> Time {
        self.times[event as usize]
    }

    /// What it does.
    pub fn kind(&self, event: Number) -> Kind {
        self.kinds[event as usize]
    }

    /// Whether it is a valid event that displays show.
    pub fn is_line(&self, event: Number) -> bool {
        self.kinds.get(event as usize).is_some_and(|kind| kind.is_shown())
    }

    /// What it is about.
    pub fn target(&self, event: Number) -> Option<Number> {
        self.targets.get(&event).copied()
    }

    /// What it says, if others are judged by it.
    pub fn content(&self, event: Number) -> Content<'_> {
        let body = self.bodies.get(&event);
        body.and_then(|body| Content::read(self.kind(event), body).ok()).unwrap_or(Content::Nothing)
    }

    /// All that others are judged by.
    fn contents(&self) -> impl Iterator<Item = (Number, Content<'_>)> {
        self.bodies.keys().map(|event| (*event, self.content(*event)))
    }

    /// Where it belongs.
    pub fn place(&self, event: Number) -> Conversation {
        self.conversations[self.conversation(event)].1
    }

    /// The room that somebody follows no more, if an event says so.
    pub(crate) fn left_by(&self, event: Number) -> Option<RoomId> {
        if !self.is_known(event) || self.kind(event) != Kind::Unfollow {
            return None;
        }
        match self.content(event) {
            Content::Room(room) => Some(room),
            _ => None,
        }
    }

    /// The room where it belongs, if it is one.
    fn room(&self, event: Number) -> Option<RoomId> {
        match self.place(event) {
            Conversation::Room(room) => Some(room),
            _ => None,
        }
    }

    /// Its place in the canonical order.
    pub fn key(&self, event: Number) -> Key {
        let (_, device) = self.author(event);
        Key { time: self.time(event), device, seq: self.seq(event), id: self.id(event) }
    }

    /// What its author had seen, in ascending order of ids. They need not be known.
    pub fn parents(&self, event: Number) -> &[Number] {
        let event = event as usize;
        &self.parents[self.parents_from[event] as usize..self.parents_from[event + 1] as usize]
    }

    /// Where it belongs, as an index into [`Events::conversations`].
    pub fn conversation(&self, event: Number) -> usize {
        self.conversation_of[event as usize] as usize
    }

    /// The conversations, by id.
    pub fn conversations(&self) -> &[(ConversationId, Conversation)] {
        &self.conversations
    }

    /// The events of a conversation, in canonical order.
    pub fn transcript(&self, conversation: usize) -> Range<Number> {
        let end =
            |conversation| number(self.conversation_of.partition_point(|of| (*of as usize) < conversation));
        end(conversation)..end(conversation + 1)
    }

    /// The keys of all events of a conversation.
    pub(crate) fn sequence(&self, conversation: usize) -> &Sequence {
        let all = || (0..self.conversations.len()).map(|place| self.sequence_of(self.transcript(place)));
        &self.sequences.get_or_init(|| all().collect())[conversation]
    }

    /// The keys of some events of one conversation, given in order.
    pub(crate) fn sequence_of(&self, events: impl Iterator<Item = Number>) -> Sequence {
        let mut sequence = Sequencer::default();
        events.for_each(|event| sequence.push(&self.key(event)));
        sequence.end()
    }

    /// Of how many events in each conversation somebody holds these.
    pub(crate) fn counts(&self, held: &Bits) -> Vec<usize> {
        let counts = (0..self.conversations.len())
            .map(|conversation| self.transcript(conversation).filter(|event| held.contains(*event)).count());
        counts.collect()
    }

    /// The nearest ancestors that a display shows, in ascending order of ids: parents, or theirs behind a
    /// merge.
    pub fn shown_ancestors(&self, event: Number) -> Vec<Number> {
        let mut nearest = Vec::new();
        let parents = self.parents(event);
        if parents.iter().all(|parent| self.is_line(*parent)) {
            nearest.extend(parents);
            return nearest;
        }
        let mut open = parents.to_vec();
        let mut seen = BTreeSet::new();
        while let Some(ancestor) = open.pop() {
            if !self.is_known(ancestor) || !seen.insert(ancestor) {
                continue;
            }
            if self.is_line(ancestor) {
                nearest.push(ancestor);
            } else {
                open.extend(self.parents(ancestor));
            }
        }
        nearest.sort_unstable_by_key(|event| self.id(*event));
        nearest
    }
}

/// Numbers count what is in memory, at 16 bytes or more each.
fn number(index: usize) -> Number {
    Number::try_from(index).unwrap_or(Number::MAX)
}
