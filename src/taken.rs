//! One log, taken in: what a server stored and a device saw, with events as numbers.
//!
//! An entry of a device's log takes 16 bytes here, a place of a server's log four. Numbers are those of the
//! [`Intake`] while logs are read, and those of [`crate::ledger::Events`] afterwards.

use std::collections::{BTreeMap, BTreeSet};

use crate::anomaly::Place;
use crate::event::Claim;
use crate::frame::DeviceCursor;
use crate::history::{Entry, ServerHistory};
use crate::id::{AccountId, ConversationId, DeviceId, Incarnation, Position, RoomId, ServerId};
use crate::intake::{Gathered, Intake, Number, Placed};
use crate::order::{Key, Sequence, Sequencer};
use crate::progress::Share;
use crate::view::SignedView;

/// What an entry of a device's log says, as far as it can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of `Entry`, with numbers for ids")]
pub enum Seen {
    Opened {
        quorum: u16,
        /// An index into [`ClientLog::members`].
        members: u32,
        window_ms: u64,
    },
    Authored {
        event: Number,
    },
    Received {
        event: Number,
    },
    Body {
        event: Number,
    },
    Incarnation {
        life: u16,
    },
    Receipt {
        life: u16,
        event: Number,
        position: Position,
    },
    Cursor {
        life: u16,
        /// An index into [`ClientLog::places`].
        place: u32,
        position: Position,
    },
    Displayed {
        late: bool,
        event: Number,
        at_ms: u64,
    },
    Told {
        life: u16,
        event: Number,
    },
    Level {
        copies: u32,
        event: Number,
    },
    View {
        /// An index into [`ClientLog::views`].
        number: u32,
        /// An index into [`ClientLog::members`].
        members: u32,
    },
    /// The log's beginning, or bytes that are no event.
    Nothing,
}

const _: () = assert!(size_of::<Seen>() == 16, "a log of millions of entries must fit into memory");

impl Seen {
    /// The event it is about.
    pub(crate) fn event_mut(&mut self) -> Option<&mut Number> {
        match self {
            Self::Authored { event }
            | Self::Received { event }
            | Self::Body { event }
            | Self::Receipt { event, .. }
            | Self::Told { event, .. }
            | Self::Displayed { event, .. }
            | Self::Level { event, .. } => Some(event),
            Self::Opened { .. }
            | Self::Incarnation { .. }
            | Self::Cursor { .. }
            | Self::View { .. }
            | Self::Nothing => None,
        }
    }

    /// The same by value.
    pub(crate) fn event(mut self) -> Option<Number> {
        self.event_mut().copied()
    }

    /// The event whose bytes it holds.
    pub(crate) fn bytes(self) -> Option<Number> {
        match self {
            Self::Authored { event } | Self::Received { event } | Self::Body { event } => Some(event),
            _ => None,
        }
    }

    /// The event whose body came with it, later than the event.
    pub(crate) fn filled(self) -> Option<Number> {
        match self {
            Self::Body { event } => Some(event),
            _ => None,
        }
    }

    /// The event that entered the log with it.
    pub(crate) fn stands(self) -> Option<Number> {
        match self {
            Self::Authored { event } | Self::Received { event } => Some(event),
            _ => None,
        }
    }
}

/// One life of one server's log.
pub type Life = (ServerId, Incarnation);

/// One device's log.
#[derive(Debug, Clone)]
pub struct ClientLog {
    /// Where it was read, for a person.
    pub source: String,
    /// Whose device, if the log says so.
    pub device: Option<DeviceId>,
    /// Whose account, if the log says so.
    pub account: Option<AccountId>,
    /// What a person calls it.
    pub name: String,
    /// Its entries in order.
    pub seen: Vec<Seen>,
    /// The lives of servers that it names, by the numbers in its entries.
    pub lives: Vec<Life>,
    /// What its cursors are of, by the numbers in its entries: its home, or a room.
    pub places: Vec<Option<RoomId>>,
    /// The views that it learned of, by the numbers in its entries.
    pub views: Vec<Vec<u8>>,
    /// The servers of the views that it was under, by the numbers in its entries.
    pub members: Vec<BTreeSet<ServerId>>,
    /// Entries whose event stands without its body, by number from 0, in order.
    pub(crate) bare: Vec<u32>,
    /// Entries that hold no event where one should be, by number from 0.
    pub(crate) corrupt: Vec<(usize, String)>,
    /// Whether it names more lives than can be numbered; entries about the others were left out.
    pub(crate) has_more_lives: bool,
}

/// One server's log.
#[derive(Debug, Clone)]
pub struct ServerLog {
    /// Where it was read, for a person.
    pub source: String,
    /// Which server, and which life of its log.
    pub life: Life,
    /// Whether it was read from a running server: then device logs, read after it, may know more.
    pub live: bool,
    /// The events in its order.
    pub events: Vec<Number>,
    /// Those that stand without their body, as indexes into `events`, in order.
    pub(crate) bare: Vec<u32>,
    /// Their positions, if they do not count 1, 2, 3.
    pub(crate) positions: Option<Vec<Position>>,
    /// The canonical index, if it could be read.
    pub canonical: Option<BTreeMap<ConversationId, Sequence>>,
    /// How far each device had read.
    pub cursors: Vec<DeviceCursor>,
    /// The signed view that it acted on, if it is not the cluster's first.
    pub view: Option<Vec<u8>>,
}

impl ClientLog {
    /// The place of an entry, given from 0.
    pub fn place(&self, index: usize) -> Place {
        Place { source: self.source.clone(), entry: index as u64 + 1 }
    }

    /// The events that entered it, in order: entry number from 0, event.
    pub fn stands(&self) -> impl Iterator<Item = (usize, Number)> {
        let stands = |(index, seen): (usize, &Seen)| Some((index, seen.stands()?));
        self.seen.iter().enumerate().filter_map(stands)
    }

    /// The displayed events in order: entry number from 0, event.
    pub fn shown(&self) -> impl Iterator<Item = (usize, Number)> {
        self.seen.iter().enumerate().filter_map(|(index, seen)| match seen {
            Seen::Displayed { event, .. } => Some((index, *event)),
            _ => None,
        })
    }
}

impl ServerLog {
    /// Takes a log in that was read already.
    pub fn of(history: &ServerHistory, intake: &Intake) -> Self {
        let life = (history.server, history.incarnation);
        let mut log = ServerIntake::new(intake, history.source.clone(), life, history.live);
        for stored in &history.log {
            let bytes = stored.event.bytes();
            if log.again(stored.position, bytes).is_some() {
                continue;
            }
            // An event's own bytes are always a claim.
            if let Ok(claim) = Claim::of(bytes) {
                log.claimed(stored.position, &claim);
            }
        }
        if let Some(canonical) = &history.canonical {
            log.has_index();
            let mut canonical: Vec<_> = canonical.iter().collect();
            canonical.sort_by_key(|(conversation, _)| *conversation); // each one's keys stay as they are
            canonical.into_iter().for_each(|(conversation, key)| log.canonical(*conversation, key));
        }
        history.cursors.iter().for_each(|cursor| log.cursor(*cursor));
        log.view(history.view.clone());
        log.finish()
    }

    /// The place of a position in it.
    pub fn place(&self, position: Position) -> Place {
        Place { source: self.source.clone(), entry: position }
    }

    /// The position of the event at an index from 0.
    pub fn position(&self, index: usize) -> Position {
        self.positions.as_ref().map_or(index as u64 + 1, |positions| positions[index])
    }

    /// The events with their positions, in the log's order.
    pub fn log(&self) -> impl Iterator<Item = (Position, Number)> {
        self.events.iter().enumerate().map(|(index, event)| (self.position(index), *event))
    }
}

/// Takes a device's log in, entry by entry.
#[derive(Debug)]
pub struct ClientIntake<'a> {
    gathered: Gathered<'a>,
    log: ClientLog,
    numbers: BTreeMap<Life, u16>,
    share: Share,
}

impl<'a> ClientIntake<'a> {
    /// An empty log.
    pub fn new(intake: &'a Intake, source: String) -> Self {
        let log = ClientLog {
            name: source.clone(),
            source,
            device: None,
            account: None,
            seen: Vec::new(),
            lives: Vec::new(),
            places: vec![None],
            views: Vec::new(),
            members: Vec::new(),
            bare: Vec::new(),
            corrupt: Vec::new(),
            has_more_lives: false,
        };
        let share = intake.progress.share();
        Self { gathered: Gathered::new(intake), log, numbers: BTreeMap::new(), share }
    }

    /// The log's next entry.
    pub fn entry(&mut self, entry: &Entry) {
        let seen = self.seen(entry).unwrap_or(Seen::Nothing);
        self.log.seen.push(seen);
        self.share.add();
    }

    /// The log, when that was all.
    pub fn finish(mut self) -> ClientLog {
        self.log.seen.shrink_to_fit();
        self.log
    }

    fn seen(&mut self, entry: &Entry) -> Option<Seen> {
        Some(match entry {
            Entry::Begun { account, device, name, .. } => {
                if self.log.seen.is_empty() {
                    (self.log.account, self.log.device) = (Some(*account), Some(*device));
                    self.log.name.clone_from(name);
                }
                return None;
            }
            Entry::View { view, .. } => {
                let members = self.members(SignedView::named_in(view).into_iter().flatten());
                self.log.views.push(view.to_vec());
                Seen::View { number: u32::try_from(self.log.views.len() - 1).unwrap_or(u32::MAX), members }
            }
            Entry::Opened { window_ms, servers, quorum, .. } => {
                let members = self.members(servers.iter().copied());
                let quorum = u16::try_from(*quorum).unwrap_or(u16::MAX).max(1);
                Seen::Opened { quorum, members, window_ms: *window_ms }
            }
            Entry::Authored { event, .. } => Seen::Authored { event: self.hold(event)? },
            Entry::Received { event, .. } => Seen::Received { event: self.hold(event)? },
            Entry::Body { event, .. } => Seen::Body { event: self.hold(event)? },
            Entry::Incarnation { server, incarnation, .. } => {
                Seen::Incarnation { life: self.life((*server, *incarnation))? }
            }
            Entry::Receipt { server, incarnation, id, position } => {
                let event = self.gathered.name(id);
                Seen::Receipt { life: self.life((*server, *incarnation))?, event, position: *position }
            }
            Entry::Told { server, incarnation, id } => {
                let event = self.gathered.name(id);
                Seen::Told { life: self.life((*server, *incarnation))?, event }
            }
            Entry::Cursor { server, incarnation, position, room } => {
                let place = self.place(*room);
                Seen::Cursor { life: self.life((*server, *incarnation))?, place, position: *position }
            }
            Entry::Displayed { id, late, at_ms } => {
                Seen::Displayed { late: *late, event: self.gathered.name(id), at_ms: *at_ms }
            }
            Entry::Level { id, copies, .. } => Seen::Level { copies: *copies, event: self.gathered.name(id) },
        })
    }

    fn hold(&mut self, bytes: &[u8]) -> Option<Number> {
        if let Some(known) = self.gathered.again(bytes) {
            return Some(known.number);
        }
        match Claim::of(bytes) {
            Ok(claim) => {
                if !claim.has_body() {
                    self.log.bare.push(u32::try_from(self.log.seen.len()).unwrap_or(u32::MAX));
                }
                Some(self.gathered.hold(&claim))
            }
            Err(error) => {
                self.log.corrupt.push((self.log.seen.len(), error.to_string()));
                None
            }
        }
    }

    fn place(&mut self, room: Option<RoomId>) -> u32 {
        let places = &mut self.log.places;
        let known = places.iter().position(|place| *place == room);
        let place = known.unwrap_or_else(|| {
            places.push(room);
            places.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    fn members(&mut self, servers: impl IntoIterator<Item = ServerId>) -> u32 {
        let servers = servers.into_iter().collect();
        let members = &mut self.log.members;
        if members.last() != Some(&servers) {
            members.push(servers);
        }
        u32::try_from(members.len() - 1).unwrap_or(u32::MAX)
    }

    fn life(&mut self, life: Life) -> Option<u16> {
        if let Some(number) = self.numbers.get(&life) {
            return Some(*number);
        }
        let Ok(number) = u16::try_from(self.log.lives.len()) else {
            self.log.has_more_lives = true;
            return None;
        };
        self.log.lives.push(life);
        self.numbers.insert(life, number);
        Some(number)
    }
}

/// Takes a server's log in, place by place.
#[derive(Debug)]
pub struct ServerIntake<'a> {
    gathered: Gathered<'a>,
    log: ServerLog,
    /// The conversation whose keys of the canonical index come now.
    indexed: Option<(ConversationId, Sequencer)>,
    share: Share,
}

impl<'a> ServerIntake<'a> {
    /// An empty log.
    pub fn new(intake: &'a Intake, source: String, life: Life, live: bool) -> Self {
        let log = ServerLog {
            source,
            life,
            live,
            events: Vec::new(),
            bare: Vec::new(),
            positions: None,
            canonical: None,
            cursors: Vec::new(),
            view: None,
        };
        let share = intake.progress.share();
        Self { gathered: Gathered::new(intake), log, indexed: None, share }
    }

    /// What stands at the log's next place, decoded but for its signature.
    pub fn claimed(&mut self, position: Position, claim: &Claim<'_>) {
        if !claim.has_body() {
            self.log.bare.push(u32::try_from(self.log.events.len()).unwrap_or(u32::MAX));
        }
        let event = self.gathered.hold(claim);
        self.push(position, event);
    }

    /// The bytes at the log's next place, if another log had just these and they need not be decoded.
    pub(crate) fn again(&mut self, position: Position, bytes: &[u8]) -> Option<Placed> {
        let known = self.gathered.again(bytes)?;
        let placed = self.gathered.placed(&known)?;
        self.push(position, known.number);
        Some(placed)
    }

    fn push(&mut self, position: Position, event: Number) {
        let count = self.log.events.len() as u64;
        if self.log.positions.is_none() && position != count + 1 {
            self.log.positions = Some((1..=count).collect());
        }
        if let Some(positions) = &mut self.log.positions {
            positions.push(position);
        }
        self.log.events.push(event);
        self.share.add();
    }

    /// The canonical index can be read; what it holds comes next.
    pub fn has_index(&mut self) {
        self.log.canonical.get_or_insert_default();
    }

    /// The next key of the canonical index, with the conversation under which it stands. The keys of a conversation
    /// come one after the other.
    pub fn canonical(&mut self, conversation: ConversationId, key: &Key) {
        if self.indexed.as_ref().is_none_or(|(current, _)| *current != conversation) {
            self.end_indexed();
        }
        let (_, sequence) = self.indexed.get_or_insert_with(|| (conversation, Sequencer::default()));
        sequence.push(key);
    }

    fn end_indexed(&mut self) {
        if let Some((conversation, sequence)) = self.indexed.take() {
            self.log.canonical.get_or_insert_default().insert(conversation, sequence.end());
        }
    }

    /// The signed view that it acted on.
    pub fn view(&mut self, view: Option<Vec<u8>>) {
        self.log.view = view;
    }

    /// How far a device had read.
    pub fn cursor(&mut self, cursor: DeviceCursor) {
        self.log.cursors.push(cursor);
    }

    /// The log, when that was all.
    pub fn finish(mut self) -> ServerLog {
        self.end_indexed();
        self.log.events.shrink_to_fit();
        self.log
    }
}
