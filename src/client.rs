//! The endpoint as a state machine: it writes to every server, reads from every server, and shows each event
//! once, in its place.
//!
//! ```text
//!   Say --> sign --> log --> outbox of every server --> Upload ...  Receipts --> copies k of N
//!   Feed (whole events) --+
//!   Feed (ids) -- Fetch --+--> held? --> log --> transcript, reorder window --> Show
//!                                         |
//!                                         +--> cursor of every server that told of it
//! ```
//!
//! **Invariants**
//! - State changes only through [`Entry`]s, live ([`Effects::log`]) and on replay alike, so a restarted
//!   client is the one that stopped. What a connection alone knows is not in the log and starts anew.
//! - Whoever carries out [`Effects`] appends `log`, and syncs it if [`Effects::must_sync`], before any of
//!   `actions`: an event of our own is on our disk before a byte of it leaves (rule 1), and one of another's
//!   before a cursor passes it (rule 14).
//! - What is held is causally closed. An event whose parents are not here yet waits for them.
//!
//! The machine knows no socket, no file, no terminal and no clock. What it says of copies counts receipts of
//! current incarnations and nothing else (rule 12).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_bytes::ByteBuf;

use crate::clock::Clock;
use crate::content::{Content, SharedFile, chunk};
use crate::delivery::Delivery;
use crate::directory::Directory;
use crate::display::Display;
pub use crate::effects::{Action, Config, Effects, Input, ResumeError};
use crate::event::{Conversation, Draft, Event, EventError, Kind, Origin, account_of};
use crate::frame::{Item, Receipt, Rejection, ToClient, ToServer};
use crate::history::Entry;
use crate::holdings::Holdings;
use crate::id::{AccountId, DeviceId, EventId, Incarnation, RoomId, Seq, ServerId};
use crate::limits::{
    CATCH_UP_HOLD_MS, CHUNK_MAX_BYTES, FEED_SILENT_MS, FETCH_AFTER_MS, FETCH_AGAIN_MS, FETCH_MAX,
    FRAME_EVENTS, FRAME_EVENTS_BYTES, PARENTS_MAX, REFUSED_AGAIN_MS, ROOMS_FOLLOWED_MAX, UPLOAD_WINDOW,
    WAITING_MAX,
};
use crate::links::{Link, carry_over, links_of};
use crate::order::{Key, Transcript};
use crate::outbox::Outbox;
use crate::quorum::Quorum;
use crate::server::fits_ancestors;
use crate::view::{SignedView, View, ViewId};
use crate::wanted::Wanted;

/// The machine. See the module.
#[derive(Debug, Clone, Hash)]
pub struct Client {
    config: Config,
    account: AccountId,
    clock: Clock,
    last_seq: Seq,
    holdings: Holdings,
    own: BTreeSet<Key>,
    display: Display,
    reported: BTreeMap<EventId, usize>,
    links: Vec<Link>,
    feed: Option<usize>,
    /// While the feed catches up, the display waits, at most until then.
    catching_up_until_ms: Option<u64>,
    caught_up: bool,
    caught_up_ms: u64,
    waiting: BTreeMap<EventId, (Arc<Event>, usize)>,
    wanted: Wanted,
    /// Bodies that are not here though no deletion is: when they are asked for again, after which event, and where
    /// they were asked for last.
    bodies_due_ms: Option<u64>,
    bodies_asked: (Option<EventId>, usize),
    overtaken: Option<EventId>,
    quorum: Quorum,
}

impl Client {
    /// Goes on from a device's log, empty or not. The effects are what opening adds to it.
    ///
    /// # Errors
    /// See [`ResumeError`]; the log is left as it is.
    pub fn resume(now_ms: u64, config: Config, entries: &[Entry]) -> Result<(Self, Effects), ResumeError> {
        let config = Config { view: newest(&config.view, entries), ..config };
        let servers: Vec<_> = config.view.servers().iter().map(|member| member.id).collect();
        let links = links_of(&config.view);
        let (account, quorum) = (account_of(&config.key), Quorum::new(config.quorum));
        let mut client = Self {
            account,
            config,
            clock: Clock::default(),
            last_seq: 0,
            holdings: Holdings::new(account),
            own: BTreeSet::new(),
            display: Display::default(),
            reported: BTreeMap::new(),
            links,
            feed: None,
            catching_up_until_ms: None,
            caught_up: false,
            caught_up_ms: now_ms,
            waiting: BTreeMap::new(),
            wanted: Wanted::default(),
            bodies_due_ms: None,
            bodies_asked: (None, 0),
            overtaken: None,
            quorum,
        };
        client.check_owner(entries)?;
        for (index, entry) in entries.iter().enumerate() {
            client.replay(entry).map_err(|why| ResumeError::Event { number: index + 1, why })?;
        }
        let mut effects = Effects::default();
        if entries.is_empty() {
            effects.log.push(Entry::Begun {
                cluster: client.config.view.cluster(),
                account: client.account,
                device: client.config.device,
                name: client.config.name.clone(),
                at_ms: now_ms,
            });
        }
        let (window_ms, quorum) = (client.config.window_ms, client.quorum());
        client.apply_quorum(quorum);
        let quorum = u32::try_from(quorum).unwrap_or(u32::MAX);
        effects.log.push(Entry::Opened { at_ms: now_ms, window_ms, servers, quorum });
        effects.log.extend(client.news_to(entries, now_ms));
        Ok((client, effects))
    }

    /// The view of the cluster file, if the log does not know it.
    fn news_to(&self, entries: &[Entry], now_ms: u64) -> Option<Entry> {
        let view = ByteBuf::from(self.config.view.signed()?.bytes());
        let is_known =
            entries.iter().any(|entry| matches!(entry, Entry::View { view: known, .. } if *known == view));
        (!is_known).then_some(Entry::View { view, at_ms: now_ms })
    }

    fn check_owner(&self, entries: &[Entry]) -> Result<(), ResumeError> {
        let Some(first) = entries.first() else { return Ok(()) };
        let Entry::Begun { cluster, account, device, .. } = first else {
            return Err(ResumeError::NoBeginning);
        };
        let check = |what, theirs: String, ours: String| {
            if theirs == ours { Ok(()) } else { Err(ResumeError::Foreign { what, theirs, ours }) }
        };
        check("cluster", cluster.to_string(), self.config.view.cluster().to_string())?;
        check("account", account.to_string(), self.account.to_string())?;
        check("device", device.to_string(), self.config.device.to_string())
    }

    /// Takes one input.
    ///
    /// # Errors
    /// [`EventError`] if what is to be said cannot be: nothing has changed then. No other input fails.
    pub fn step(&mut self, now_ms: u64, input: Input, effects: &mut Effects) -> Result<(), EventError> {
        match input {
            Input::Say { conversation, kind, body } => {
                self.say(now_ms, conversation, kind, body, effects)?;
            }
            Input::Share { conversation, name, bytes } => {
                self.share(now_ms, conversation, &name, &bytes, effects)?;
            }
            Input::Begin { charter } => {
                let origin =
                    Origin { account: self.account, device: self.config.device, seq: self.last_seq + 1 };
                let room = RoomId::of(origin);
                self.say(now_ms, Conversation::Room(room), Kind::Create, charter.encode(), effects)?;
                let own = Conversation::direct(self.account, self.account);
                self.say(now_ms, own, Kind::Follow, room.as_bytes().to_vec(), effects)?;
            }
            Input::Up { server, incarnation } => {
                if let Some(link) = self.link_of(server) {
                    self.up(now_ms, link, incarnation, effects);
                }
            }
            Input::Down { server } => {
                if let Some(link) = self.link_of(server) {
                    self.down(now_ms, link, effects);
                }
            }
            Input::Frame { server, frame } => {
                if let Some(link) = self.link_of(server).filter(|link| self.links[*link].up) {
                    self.links[link].heard_ms = now_ms;
                    if let Err(why) = self.frame(now_ms, link, frame, effects) {
                        effects.actions.push(Action::Drop { server, why });
                        self.down(now_ms, link, effects);
                    }
                }
            }
            Input::Tick => {}
        }
        self.settle(effects);
        for link in 0..self.links.len() {
            if self.links[link].up {
                self.follow_more(link, effects);
            }
        }
        self.tick(now_ms, effects);
        self.upload(effects);
        Ok(())
    }

    // ---- what others ask ----------------------------------------------------------------------------

    /// The account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The device.
    pub fn device(&self) -> DeviceId {
        self.config.device
    }

    /// The newest view that is known: the servers to connect to. [`Action::View`] says when it changes, and with
    /// it the places of servers.
    pub fn view(&self) -> &View {
        &self.config.view
    }

    /// The rooms that the account follows.
    pub fn followed(&self) -> impl Iterator<Item = RoomId> {
        self.holdings.followed()
    }

    /// Who is who.
    pub fn directory(&self) -> &Directory {
        self.holdings.directory()
    }

    /// Whether a feed has been read to its end since the program started.
    pub fn is_caught_up(&self) -> bool {
        self.caught_up
    }

    /// Whether a server is connected, by its place in the view.
    pub fn is_up(&self, index: usize) -> bool {
        self.links.get(index).is_some_and(|link| link.up)
    }

    /// How many own events a server has not acked, by its place in the view; a sealed one is owed none.
    pub fn owed(&self, index: usize) -> usize {
        self.links.get(index).map_or(0, Link::owed)
    }

    /// How many servers' current incarnations have acked an own event, sealed servers not counted.
    pub fn copies(&self, id: &EventId) -> usize {
        self.event(id).map_or(0, |event| self.copies_of(&event.key()))
    }

    /// The servers, by their place in the view, whose current log is known to have an event.
    pub fn holders(&self, id: &EventId) -> Vec<usize> {
        (0..self.links.len()).filter(|link| self.holdings.is_at(id, *link)).collect()
    }

    /// How many servers must have told of a line before it is shown; 1 is no wait.
    pub fn quorum(&self) -> usize {
        self.quorum.servers()
    }

    /// Whether as many servers have told of an event as it takes, or it was shown: only then may a person be told
    /// what it says. Always so without a quorum.
    pub fn is_vouched(&self, id: &EventId) -> bool {
        self.quorum.is_met(&self.holdings, id)
    }

    /// How many lines, due or not, lack their quorum, and how many servers have told of the one of which most have.
    pub fn waiting_for_quorum(&self) -> (usize, usize) {
        self.quorum.lacking(&self.holdings, self.display.keys())
    }

    /// Own events that fewer than `copies` servers have acked, in order.
    pub fn unsafe_below(&self, copies: usize) -> Vec<Arc<Event>> {
        let owed: BTreeSet<_> = self.counted().flat_map(|link| link.outbox.owed_keys()).collect();
        let lacking = owed.into_iter().filter(|key| self.copies_of(key) < copies);
        lacking.filter_map(|key| self.event(&key.id)).cloned().collect()
    }

    /// An event of this device that its log does not hold, if a server had one: the log was taken back to an
    /// earlier state, or another copy of it is in use. Nothing may be written with it (rule 2).
    pub fn overtaken(&self) -> Option<EventId> {
        self.overtaken
    }

    /// Events that wait for their window, a parent or a body.
    pub fn unsettled(&self) -> usize {
        self.display.waiting() + self.waiting.len() + self.wanted.len()
    }

    /// An event that is here.
    pub fn event(&self, id: &EventId) -> Option<&Arc<Event>> {
        self.holdings.event(id)
    }

    /// Whether its author has taken an event back, or the message that it edits, by what is here.
    pub fn is_taken_back(&self, event: &Event) -> bool {
        self.holdings.is_taken_back(event)
    }

    /// Whether an event is here without its body because that is kept from this account.
    pub fn is_kept(&self, event: &Event) -> bool {
        self.holdings.is_kept(event)
    }

    /// A conversation in canonical order.
    pub fn transcript(&self, conversation: Conversation) -> Option<&Transcript> {
        self.holdings.transcript(conversation)
    }

    /// The conversations that have events here.
    pub fn conversations(&self) -> impl Iterator<Item = (Conversation, &Transcript)> {
        self.holdings.conversations()
    }

    /// When [`Input::Tick`] is due, Unix milliseconds; sooner does no harm.
    pub fn next_wake_ms(&self, now_ms: u64) -> u64 {
        let hold_ms = self.catching_up_until_ms.unwrap_or(0);
        let display = self.display.next_due_ms(self.config.window_ms).map(|due_ms| due_ms.max(hold_ms));
        let wanted = (!self.wanted.is_empty()).then_some(now_ms + FETCH_AFTER_MS / 4);
        let parked = self.links.iter().filter_map(|link| link.outbox.parked_until_ms()).min();
        let silence = now_ms + FEED_SILENT_MS / 4;
        [display, wanted, parked].into_iter().flatten().fold(silence, u64::min)
    }

    fn copies_of(&self, key: &Key) -> usize {
        self.counted().filter(|link| link.outbox.has_acked(key)).count()
    }

    /// The servers that are written to: the N of k/N.
    fn counted(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(|link| !link.sealed)
    }

    fn link_of(&self, server: ServerId) -> Option<usize> {
        self.config.view.index_of(server)
    }

    fn server(&self, link: usize) -> ServerId {
        self.config.view.servers()[link].id
    }

    // ---- state that the log carries -----------------------------------------------------------------

    fn replay(&mut self, entry: &Entry) -> Result<(), EventError> {
        match entry {
            // Views are the one state that is not replayed: all of it is under the newest, since servers that left do
            // not come back.
            Entry::Begun { .. } | Entry::View { .. } => {}
            Entry::Opened { quorum, .. } => self.apply_quorum(*quorum as usize),
            Entry::Authored { event, .. } => self.apply_own(Arc::new(Event::from_own_store(event)?)),
            Entry::Received { event, .. } => self.apply_event(Arc::new(Event::from_own_store(event)?)),
            Entry::Body { event, .. } => self.holdings.fill(Arc::new(Event::from_own_store(event)?)),
            Entry::Incarnation { server, incarnation, .. } => {
                if let Some(link) = self.link_of(*server) {
                    self.apply_incarnation(link, *incarnation);
                }
            }
            Entry::Receipt { server, incarnation, id, .. } => {
                if let Some(link) =
                    self.link_of(*server).filter(|link| self.links[*link].incarnation == Some(*incarnation))
                {
                    self.apply_receipt(link, id);
                }
            }
            Entry::Cursor { server, incarnation, position, room } => {
                if let Some(link) =
                    self.link_of(*server).filter(|link| self.links[*link].incarnation == Some(*incarnation))
                {
                    self.links[link].deliveries.insert(*room, Delivery::resume(*position));
                }
            }
            Entry::Told { server, incarnation, id } => {
                if let Some(link) =
                    self.link_of(*server).filter(|link| self.links[*link].incarnation == Some(*incarnation))
                {
                    self.apply_told(link, id);
                }
            }
            Entry::Displayed { id, .. } => self.apply_displayed(id),
            Entry::Level { id, copies, .. } => {
                self.reported.insert(*id, *copies as usize);
            }
        }
        Ok(())
    }

    fn apply_event(&mut self, event: Arc<Event>) {
        self.clock.observe(event.time());
        self.wanted.remove(&event.id());
        if self.holdings.is_line(&event) {
            self.display.hold(event.key(), event.conversation().id());
        }
        self.holdings.take(event);
    }

    fn apply_own(&mut self, event: Arc<Event>) {
        let key = event.key();
        self.last_seq = self.last_seq.max(event.seq());
        self.own.insert(key);
        for link in &mut self.links {
            link.outbox.owe(key, link.up);
        }
        self.apply_event(event);
    }

    /// Returns how many acked events the server has lost.
    fn apply_incarnation(&mut self, link: usize, incarnation: Incarnation) -> usize {
        let own = &self.own;
        let entry = &mut self.links[link];
        let acked = own.len() - entry.outbox.owed();
        entry.incarnation = Some(incarnation);
        entry.deliveries.clear();
        entry.outbox = Outbox::default();
        own.iter().for_each(|key| entry.outbox.owe(*key, false));
        self.holdings.forget_server(link);
        acked
    }

    /// Returns whether it is news of an own event.
    fn apply_receipt(&mut self, link: usize, id: &EventId) -> bool {
        let Some(key) = self.holdings.note_at(id, link) else { return false };
        if self.quorum.counts() && self.own.contains(&key) {
            self.apply_told(link, id);
        }
        self.links[link].outbox.acked(&key)
    }

    /// Under a higher quorum than before, who told of what is not known well enough: all logs are read anew.
    fn apply_quorum(&mut self, quorum: usize) {
        if self.quorum.opened(quorum) {
            self.links.iter_mut().for_each(|link| link.deliveries.clear());
        }
    }

    /// Returns whether it is news that counts; without a quorum none is.
    fn apply_told(&mut self, link: usize, id: &EventId) -> bool {
        if !self.quorum.counts() {
            return false;
        }
        let quorum = self.quorum.servers();
        let Some(told) = self.holdings.note_told(id, link, quorum) else { return false };
        if told >= quorum
            && let Some(event) = self.holdings.event(id)
        {
            self.display.take_back(event.key(), event.conversation().id());
        }
        true
    }

    fn apply_displayed(&mut self, id: &EventId) {
        if let Some(event) = self.event(id) {
            let (key, conversation) = (event.key(), event.conversation().id());
            self.display.shown(key, conversation);
            self.holdings.note_shown(id);
        }
    }

    // ---- writing ------------------------------------------------------------------------------------

    fn say(
        &mut self,
        now_ms: u64,
        conversation: Conversation,
        kind: Kind,
        body: Vec<u8>,
        effects: &mut Effects,
    ) -> Result<(), EventError> {
        let target = Content::read(kind, &body)?.target();
        if target.is_some_and(|target| self.holdings.place_of(&target) != Some(conversation)) {
            return Err(EventError::TargetNotParent);
        }
        // Whether it can be said is found out before anything is written, merges included.
        if self.holdings.heads(conversation) >= PARENTS_MAX {
            let parents = self.holdings.parents(conversation, target, PARENTS_MAX);
            self.draft(now_ms, conversation, kind, body.clone(), parents).sign(&self.config.key)?;
        }
        while self.holdings.heads(conversation) >= PARENTS_MAX {
            let some = self.holdings.parents(conversation, None, PARENTS_MAX);
            self.write(now_ms, conversation, Kind::Merge, Vec::new(), some, effects)?;
        }
        let parents = self.holdings.parents(conversation, target, PARENTS_MAX);
        self.write(now_ms, conversation, kind, body, parents, effects)
    }

    /// All chunks and the file that they make, so that they are written and synced in one go.
    fn share(
        &mut self,
        now_ms: u64,
        conversation: Conversation,
        name: &str,
        bytes: &[u8],
        effects: &mut Effects,
    ) -> Result<(), EventError> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let file =
            |last| SharedFile { last, hash: *blake3::hash(bytes).as_bytes(), bytes: length, name }.encode();
        // Whether it can be said is found out before anything is written.
        Content::read(Kind::File, &file(EventId::new([0; 32])))?;
        let mut last = None;
        for part in bytes.chunks(CHUNK_MAX_BYTES) {
            self.say(now_ms, conversation, Kind::Chunk, chunk(last, part), effects)?;
            last = self.own.last().map(|key| key.id);
        }
        let last = last.ok_or(EventError::Body(Kind::File))?;
        self.say(now_ms, conversation, Kind::File, file(last), effects)
    }

    fn draft(
        &self,
        now_ms: u64,
        conversation: Conversation,
        kind: Kind,
        body: Vec<u8>,
        parents: BTreeSet<EventId>,
    ) -> Draft {
        let time = self.clock.clone().tick(now_ms);
        Draft { device: self.config.device, seq: self.last_seq + 1, parents, time, conversation, kind, body }
    }

    fn write(
        &mut self,
        now_ms: u64,
        conversation: Conversation,
        kind: Kind,
        body: Vec<u8>,
        parents: BTreeSet<EventId>,
        effects: &mut Effects,
    ) -> Result<(), EventError> {
        let draft = self.draft(now_ms, conversation, kind, body, parents);
        let event = Arc::new(draft.sign(&self.config.key)?);
        effects.log.push(Entry::Authored { event: ByteBuf::from(event.bytes()), at_ms: now_ms });
        self.apply_own(event);
        Ok(())
    }

    /// Fills every connection's window.
    fn upload(&mut self, effects: &mut Effects) {
        for link in 0..self.links.len() {
            while self.links[link].up && !self.links[link].sealed {
                let events = self.next_upload(link);
                if events.is_empty() {
                    break;
                }
                let server = self.server(link);
                effects.actions.push(Action::Send { server, frame: ToServer::Upload { events } });
            }
        }
    }

    fn next_upload(&mut self, link: usize) -> Vec<ByteBuf> {
        let mut events = Vec::new();
        let mut bytes = 0;
        let outbox = &mut self.links[link].outbox;
        for key in outbox.take(FRAME_EVENTS) {
            let Some(event) = self.holdings.event(&key.id) else { continue };
            bytes += event.bytes().len();
            if bytes > FRAME_EVENTS_BYTES {
                outbox.put_back(key);
            } else {
                events.push(ByteBuf::from(event.bytes()));
            }
        }
        events
    }

    fn receipt(&mut self, link: usize, receipt: Receipt, effects: &mut Effects) {
        self.links[link].missing = 0;
        // Of what it was sent as an ancestor of ours it tells by the receipt alone.
        self.hear_of(link, &receipt.id, effects);
        if !self.apply_receipt(link, &receipt.id) {
            return;
        }
        let Some(incarnation) = self.links[link].incarnation else { return };
        let Receipt { id, position } = receipt;
        effects.log.push(Entry::Receipt { server: self.server(link), incarnation, id, position });
        self.report(id, effects);
    }

    /// Tells the person of a message's copies, if they have grown beyond what was told.
    fn report(&mut self, id: EventId, effects: &mut Effects) {
        let copies = self.copies(&id);
        let is_shown = self.event(&id).is_some_and(|event| event.kind().is_shown());
        if !is_shown || copies <= self.reported.get(&id).copied().unwrap_or(0) {
            return;
        }
        self.reported.insert(id, copies);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        effects.log.push(Entry::Level { id, copies: count(copies), servers: count(self.counted().count()) });
        effects.actions.push(Action::Copies { id, copies });
    }

    /// The server lacks ancestors: collects those that it is not known to have, back to the ones it has.
    fn missing(&mut self, link: usize, id: EventId, parents: Vec<EventId>) -> Result<(), String> {
        let Some(child) = self.event(&id).map(|event| event.key()) else {
            return Err(format!("it speaks of event {} that it was not sent", id.short()));
        };
        for parent in &parents {
            if !self.holdings.note_missing(parent, link) {
                return Err(format!("it lacks {}, which is no ancestor of ours", parent.short()));
            }
        }
        let mut ancestors = BTreeSet::new();
        let mut open = parents;
        while let Some(next) = open.pop() {
            let Some(event) = self.event(&next).filter(|_| !self.holdings.is_at(&next, link)) else {
                continue;
            };
            let key = event.key();
            if ancestors.insert(key) && !self.links[link].outbox.is_on_its_way(&key) {
                open.extend(event.parents());
            }
        }
        let ancestors: Vec<_> = ancestors.into_iter().collect();
        if self.links[link].outbox.supply(child, &ancestors) {
            self.links[link].missing += 1;
        }
        if self.links[link].missing > 4 * UPLOAD_WINDOW {
            return Err("it keeps lacking ancestors that it was sent".to_owned());
        }
        Ok(())
    }

    // ---- connections --------------------------------------------------------------------------------

    fn up(&mut self, now_ms: u64, link: usize, incarnation: Incarnation, effects: &mut Effects) {
        let server = self.server(link);
        // What was meant for an earlier connection and has not left yet must not reach this one.
        effects.actions.retain(|action| {
            !matches!(action, Action::Send { server: to, .. } | Action::Drop { server: to, .. } if *to == server)
        });
        let known = self.links[link].incarnation;
        if known != Some(incarnation) {
            effects.log.push(Entry::Incarnation { server, incarnation, at_ms: now_ms });
            let acked = self.apply_incarnation(link, incarnation);
            if known.is_some() {
                effects.actions.push(Action::LogLost { server, acked });
            }
        }
        let entry = &mut self.links[link];
        entry.up = true;
        entry.heard_ms = now_ms;
        entry.missing = 0;
        entry.outbox.connect();
        entry.disconnect();
        self.forget_unannounced();
        if self.feed.is_none() {
            self.make_feed(now_ms, link, effects);
        } else {
            self.follow(link, effects);
        }
    }

    fn down(&mut self, now_ms: u64, link: usize, effects: &mut Effects) {
        let entry = &mut self.links[link];
        entry.up = false;
        entry.outbox.disconnect();
        entry.disconnect();
        self.forget_unannounced();
        if self.feed == Some(link) {
            self.feed = None;
            self.catching_up_until_ms = None;
            if let Some(next) = self.links.iter().position(|link| link.up) {
                self.make_feed(now_ms, next, effects);
            }
        }
    }

    // ---- views --------------------------------------------------------------------------------------

    /// Tells a server that knows this view of a newer one, if there is one.
    fn tell_view(&self, link: usize, known: ViewId, effects: &mut Effects) {
        if let Some(signed) = self.config.view.signed().filter(|signed| signed.view().id() > known) {
            let frame = ToServer::View(ByteBuf::from(signed.bytes()));
            effects.actions.push(Action::Send { server: self.server(link), frame });
        }
    }

    fn told_view(&mut self, now_ms: u64, bytes: &[u8], effects: &mut Effects) -> Result<(), String> {
        if self.config.view.admin().is_none() {
            return Ok(()); // a cluster file from before there were views: this client keeps the first
        }
        let newer = SignedView::newer(bytes, &self.config.view).map_err(|why| why.to_string())?;
        let Some(signed) = newer else { return Ok(()) };
        let known = self.config.view.id();
        effects.log.push(Entry::View { view: ByteBuf::from(signed.bytes()), at_ms: now_ms });
        let orphaned = self.apply_view(signed.view().clone());
        // Whoever else announced them is asked.
        orphaned.into_iter().for_each(|id| self.wanted.add(id, now_ms));
        self.forget_unannounced();
        effects.actions.push(Action::View(signed));
        for link in (0..self.links.len()).filter(|link| self.links[*link].up) {
            self.tell_view(link, known, effects);
        }
        if self.feed.is_none() {
            self.catching_up_until_ms = None;
            if let Some(next) = self.links.iter().position(|link| link.up) {
                self.make_feed(now_ms, next, effects);
            }
        }
        Ok(())
    }

    /// Servers that are not in the view are forgotten with all that is known of them; new ones are owed all.
    /// Returns what waited for a parent and came from a server that is forgotten.
    fn apply_view(&mut self, view: View) -> Vec<EventId> {
        let (links, was) = carry_over(&self.config.view, std::mem::take(&mut self.links), &view);
        let now_at = |old: usize| was.iter().position(|was| *was == Some(old));
        self.feed = self.feed.and_then(now_at);
        let waiting = std::mem::take(&mut self.waiting);
        let mut orphaned = Vec::new();
        for (id, (event, link)) in waiting {
            match now_at(link) {
                Some(link) => drop(self.waiting.insert(id, (event, link))),
                None => orphaned.push(id),
            }
        }
        self.holdings.move_servers(&was);
        self.links = links;
        let fresh = self.links.iter_mut().zip(&was).filter(|(_, was)| was.is_none());
        fresh.for_each(|(link, _)| self.own.iter().for_each(|key| link.outbox.owe(*key, false)));
        self.config.view = view;
        orphaned
    }

    /// What no connected server announces any more cannot be fetched, and may wait for a parent that nobody
    /// has any more; whoever has it will tell again.
    fn forget_unannounced(&mut self) {
        let links = &self.links;
        let is_announced = |id: &EventId| links.iter().any(|link| link.lacks(id));
        self.wanted.retain(is_announced);
        self.waiting.retain(|id, _| is_announced(id));
    }

    fn make_feed(&mut self, now_ms: u64, link: usize, effects: &mut Effects) {
        self.feed = Some(link);
        self.catching_up_until_ms = Some(now_ms + CATCH_UP_HOLD_MS);
        self.follow(link, effects);
    }

    /// Follows home and every room on a connection, anew if need be.
    fn follow(&mut self, link: usize, effects: &mut Effects) {
        self.links[link].following.clear();
        self.follow_more(link, effects);
    }

    /// Asks a connection for what is followed and was not asked for yet, and for no more of what is not.
    fn follow_more(&mut self, link: usize, effects: &mut Effects) {
        let (server, bodies) = (self.server(link), self.feed == Some(link));
        let wanted = || std::iter::once(None).chain(self.holdings.followed().map(Some));
        let entry = &mut self.links[link];
        let mut send = |frame| effects.actions.push(Action::Send { server, frame });
        for room in wanted().take(ROOMS_FOLLOWED_MAX) {
            if entry.following.insert(room) {
                let after = entry.deliveries.entry(room).or_default().cursor();
                send(ToServer::Follow { room, after, bodies });
            }
        }
        let is_left = |room: &Option<RoomId>| room.is_some_and(|room| !self.holdings.follows(room));
        let left: Vec<_> = entry.following.iter().copied().filter(is_left).collect();
        for room in &left {
            entry.following.remove(room);
            entry.deliveries.entry(*room).or_default().disconnect();
            if let Some(room) = *room {
                send(ToServer::Unfollow { room });
            }
        }
        if !left.is_empty() {
            self.forget_unannounced();
        }
    }

    // ---- reading ------------------------------------------------------------------------------------

    fn frame(
        &mut self,
        now_ms: u64,
        link: usize,
        frame: ToClient,
        effects: &mut Effects,
    ) -> Result<(), String> {
        match frame {
            ToClient::Pong | ToClient::Refused(_) => Ok(()),
            ToClient::Welcome { view, .. } => {
                self.tell_view(link, view, effects);
                Ok(())
            }
            ToClient::View(bytes) => self.told_view(now_ms, &bytes, effects),
            ToClient::Receipts(receipts) => {
                receipts.into_iter().for_each(|receipt| self.receipt(link, receipt, effects));
                Ok(())
            }
            ToClient::Missing { id, parents } => self.missing(link, id, parents),
            ToClient::Rejected { id, why } => {
                if let Some(event) = self.holdings.event(&id) {
                    self.links[link].outbox.park(event.key(), now_ms + REFUSED_AGAIN_MS);
                }
                if self.holdings.holds(&id) && why != Rejection::Sealed {
                    effects.actions.push(Action::Rejected { server: self.server(link), id, why });
                }
                Ok(())
            }
            ToClient::Feed { room, items, upto, caught_up } => {
                if !self.links[link].following.contains(&room) {
                    return Ok(()); // it crossed with our Unfollow
                }
                let lacking = self.told(now_ms, link, items, effects)?;
                self.links[link].deliveries.entry(room).or_default().told(upto, lacking);
                // Every later frame of a live feed says so too; the moment that counts is the first.
                let is_first = room.is_none() && caught_up && self.feed == Some(link);
                if is_first && self.catching_up_until_ms.take().is_some() {
                    self.caught_up = true;
                    self.caught_up_ms = now_ms;
                }
                Ok(())
            }
            ToClient::Bodies(events) => {
                let events = Event::all_from_bytes(events.iter().map(|bytes| bytes.as_slice()));
                for event in events.map_err(|error| error.to_string())? {
                    self.receive(now_ms, link, Arc::new(event), effects)?;
                }
                Ok(())
            }
            ToClient::Log { .. } | ToClient::Status(_) | ToClient::Digest { .. } | ToClient::Present(_) => {
                Err("it answers what was not asked".to_owned())
            }
        }
    }

    fn told(
        &mut self,
        now_ms: u64,
        link: usize,
        items: Vec<Item>,
        effects: &mut Effects,
    ) -> Result<BTreeSet<EventId>, String> {
        let is_needed = |id: &EventId| !self.holdings.holds(id) || self.holdings.is_hollow(id);
        let needed = items.iter().filter(|item| is_needed(&item.id));
        let (ids, bytes): (Vec<_>, Vec<_>) =
            needed.filter_map(|item| Some((item.id, item.event.as_ref()?.as_slice()))).unzip();
        let events = Event::all_from_bytes(bytes.into_iter()).map_err(|error| error.to_string())?;
        for (id, event) in ids.into_iter().zip(events) {
            if event.id() != id {
                return Err(format!("it announced {} and sent {}", id.short(), event.id().short()));
            }
            self.receive(now_ms, link, Arc::new(event), effects)?;
        }
        let mut lacking = BTreeSet::new();
        for Item { position, id, .. } in items {
            if self.holdings.holds(&id) {
                self.receipt(link, Receipt { id, position }, effects);
            } else {
                lacking.insert(id);
                if !self.waiting.contains_key(&id) {
                    self.wanted.add(id, now_ms + FETCH_AFTER_MS);
                }
            }
        }
        Ok(lacking)
    }

    /// An event of another device has come: holds it, and whatever waited for it.
    fn receive(
        &mut self,
        now_ms: u64,
        link: usize,
        event: Arc<Event>,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let id = event.id();
        if self.holdings.holds(&id) {
            return self.fill(now_ms, link, event, effects);
        }
        if let Some((waiting, _)) = self.waiting.get_mut(&id) {
            if event.has_body() && !waiting.has_body() {
                *waiting = event;
            }
            return Ok(());
        }
        if !self.holdings.is_ours(&event) {
            return match event.conversation() {
                Conversation::Room(_) => Ok(()), // it crossed with our Unfollow
                _ => Err(format!("it sent event {} of a conversation that is not ours", id.short())),
            };
        }
        // Another account may name any device it likes; ours can only have signed this with a later log.
        if event.device() == self.config.device && event.account() == self.account {
            self.overtaken = Some(id);
            return Err(format!("it sent event {} as ours, which this device has not written", id.short()));
        }
        if !self.holdings.has_parents(&event) {
            if self.waiting.len() < WAITING_MAX {
                self.wanted.remove(&id);
                self.waiting.insert(id, (event, link));
            }
            return Ok(());
        }
        self.hold(now_ms, link, event, effects)?;
        while let Some(id) = self.ready() {
            let Some((event, link)) = self.waiting.remove(&id) else { break };
            self.hold(now_ms, link, event, effects)?;
        }
        Ok(())
    }

    fn hold(
        &mut self,
        now_ms: u64,
        link: usize,
        event: Arc<Event>,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let parents = event.parents().iter().filter_map(|id| self.event(id)).map(Arc::as_ref);
        fits_ancestors(&event, parents).map_err(|why| format!("event {}: {why}", event.id().short()))?;
        let Some(incarnation) = self.links[link].incarnation else { return Ok(()) };
        let server = self.server(link);
        effects.log.push(Entry::Received {
            event: ByteBuf::from(event.bytes()),
            server,
            incarnation,
            at_ms: now_ms,
        });
        self.apply_event(event);
        Ok(())
    }

    /// An event has come that is here already; its body is taken if it is lacking.
    fn fill(
        &mut self,
        now_ms: u64,
        link: usize,
        whole: Arc<Event>,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let Some(incarnation) = self.links[link].incarnation else { return Ok(()) };
        if !whole.has_body() || !self.holdings.is_hollow(&whole.id()) {
            return Ok(());
        }
        let parents = whole.parents().iter().filter_map(|id| self.event(id)).map(Arc::as_ref);
        fits_ancestors(&whole, parents).map_err(|why| format!("event {}: {why}", whole.id().short()))?;
        let (event, server) = (ByteBuf::from(whole.bytes()), self.server(link));
        effects.log.push(Entry::Body { event, server, incarnation, at_ms: now_ms });
        self.holdings.fill(whole);
        Ok(())
    }

    /// A server told of an event that is held. Own ones are counted by their receipts.
    fn hear_of(&mut self, link: usize, id: &EventId, effects: &mut Effects) {
        let Some(incarnation) = self.links[link].incarnation.filter(|_| self.quorum.counts()) else { return };
        let is_own = self.event(id).is_some_and(|event| self.own.contains(&event.key()));
        if !is_own && self.apply_told(link, id) {
            effects.log.push(Entry::Told { server: self.server(link), incarnation, id: *id });
        }
    }

    fn ready(&self) -> Option<EventId> {
        self.waiting.iter().find(|(_, (event, _))| self.holdings.has_parents(event)).map(|(id, _)| *id)
    }

    /// Moves every cursor as far as what is held allows.
    fn settle(&mut self, effects: &mut Effects) {
        for link in 0..self.links.len() {
            let server = self.server(link);
            let (holdings, counts) = (&self.holdings, self.quorum.counts());
            let entry = &mut self.links[link];
            let Some(incarnation) = entry.incarnation else { continue };
            let (mut told, mut moved) = (Vec::new(), Vec::new());
            for (room, delivery) in &mut entry.deliveries {
                let room = *room;
                let settled = delivery.settle(|id| {
                    let holds = holdings.holds(id);
                    told.extend((holds && counts).then_some(*id));
                    holds
                });
                let Some(position) = settled else { continue };
                moved.push(Entry::Cursor { server, incarnation, position, room });
                if entry.up && entry.following.contains(&room) {
                    let frame = ToServer::Cursor { room, position };
                    effects.actions.push(Action::Send { server, frame });
                }
            }
            // A cursor stands for all that was told before it, so that is noted first.
            told.iter().for_each(|id| self.hear_of(link, id, effects));
            effects.log.extend(moved);
        }
    }

    // ---- time ---------------------------------------------------------------------------------------

    fn tick(&mut self, now_ms: u64, effects: &mut Effects) {
        self.show_due(now_ms, effects);
        let waits = self.quorum.look(now_ms, self.config.window_ms, &self.holdings, &self.display);
        effects.actions.extend(waits);
        self.replace_silent_feed(now_ms, effects);
        self.fetch_overdue(now_ms, effects);
        self.ask_for_bodies(now_ms, effects);
        self.links.iter_mut().for_each(|link| link.outbox.unpark(now_ms));
    }

    /// Whether the display and fetches wait for the feed to catch up. A wait that seems longer than any began
    /// before the clock was set back.
    fn is_held_up(&self, now_ms: u64) -> bool {
        let waits = |until_ms: u64| (1..=CATCH_UP_HOLD_MS).contains(&until_ms.saturating_sub(now_ms));
        self.catching_up_until_ms.is_some_and(waits)
    }

    fn show_due(&mut self, now_ms: u64, effects: &mut Effects) {
        if self.is_held_up(now_ms) {
            return;
        }
        while let Some((key, conversation)) = self.display.due(now_ms, self.config.window_ms) {
            if self.quorum.sets_aside(&self.holdings, &mut self.display, (key, conversation)) {
                continue;
            }
            let late = self.display.is_late(key, conversation);
            effects.log.push(Entry::Displayed { id: key.id, late, at_ms: now_ms });
            self.display.shown(key, conversation);
            self.holdings.note_shown(&key.id);
            if let Some(event) = self.event(&key.id).cloned() {
                effects.actions.push(Action::Show { event, late });
            }
        }
    }

    /// Another server becomes the feed if this one is silent, or sealed.
    fn replace_silent_feed(&mut self, now_ms: u64, effects: &mut Effects) {
        // What is new never comes from a sealed one.
        let is_fit = |link: &Link| link.answers(now_ms) && !link.sealed;
        let Some(feed) = self.feed.filter(|feed| !is_fit(&self.links[*feed])) else { return };
        let is_silent = !self.links[feed].answers(now_ms);
        let spare = || self.links.iter().position(|link| is_silent && link.answers(now_ms));
        let Some(next) = self.links.iter().position(is_fit).or_else(spare) else { return };
        self.make_feed(now_ms, next, effects);
        self.follow(feed, effects);
    }

    /// Asks one server after the other for bodies that are not here though no deletion is. Whoever sent an event
    /// without may have had no right to ([`crate::erasure`]).
    fn ask_for_bodies(&mut self, now_ms: u64, effects: &mut Effects) {
        let (last, asked) = self.bodies_asked;
        let ids: Vec<_> = self.holdings.hollow_after(last).take(FETCH_MAX).collect();
        if ids.is_empty() {
            self.bodies_due_ms = None;
            return;
        }
        // At first, the deletion may be on its way behind it.
        let due_ms = *self.bodies_due_ms.get_or_insert(now_ms + FETCH_AGAIN_MS);
        let waits = (1..=FETCH_AGAIN_MS).contains(&due_ms.saturating_sub(now_ms));
        let mut in_turn = (1..=self.links.len()).map(|offset| (asked + offset) % self.links.len());
        let Some(link) = in_turn.find(|link| self.links[*link].up).filter(|_| !waits) else { return };
        self.bodies_due_ms = Some(now_ms + FETCH_AGAIN_MS);
        self.bodies_asked = (ids.last().copied(), link);
        effects.actions.push(Action::Send { server: self.server(link), frame: ToServer::Fetch { ids } });
    }

    /// Fetches announced events that the feed has not brought, each from a server that announced it.
    fn fetch_overdue(&mut self, now_ms: u64, effects: &mut Effects) {
        if self.is_held_up(now_ms) {
            return;
        }
        // While the feed was catching up, what others announced was on its way from there.
        let not_before_ms = self.caught_up_ms + FETCH_AFTER_MS;
        let links = &self.links;
        let has =
            |link: usize, id: &EventId| links.get(link).is_some_and(|link: &Link| link.up && link.lacks(id));
        for (link, ids) in self.wanted.asks(now_ms, not_before_ms, links.len(), has) {
            effects.actions.push(Action::Send { server: self.server(link), frame: ToServer::Fetch { ids } });
        }
    }
}

/// The newest of a cluster file's view and those in a log. One in the log that this file's administrator did not
/// sign counts for nothing: it is the file that says whom to believe.
fn newest(file: &View, entries: &[Entry]) -> View {
    let mut newest = file.clone();
    for entry in entries {
        if let Entry::View { view, .. } = entry
            && let Ok(Some(signed)) = SignedView::newer(view, &newest)
        {
            newest = signed.into_view();
        }
    }
    newest
}
