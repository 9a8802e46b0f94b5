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

mod connections;
mod questions;
mod reading;
mod showing;
mod state;
mod views;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::state::newest;
use crate::clock::Clock;
use crate::display::Display;
pub use crate::effects::{Action, Config, Effects, Input, ResumeError};
use crate::event::{Conversation, Event, EventError, Kind, Origin, account_of};
use crate::frame::{Rejection, ToClient};
use crate::history::Entry;
use crate::holdings::Holdings;
use crate::id::{AccountId, EventId, RoomId, Seq, ServerId};
use crate::limits::REFUSED_AGAIN_MS;
use crate::links::{Link, links_of};
use crate::order::Key;
use crate::quorum::{PastTellers, Quorum};
use crate::waiting::Waiting;
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
    /// By the link that each came over.
    waiting: Waiting<usize>,
    wanted: Wanted,
    /// Bodies that are not here though no deletion is: when they are asked for again, after which event, and where
    /// they were asked for last.
    bodies_due_ms: Option<u64>,
    bodies_asked: (Option<EventId>, usize),
    overtaken: Option<EventId>,
    quorum: Quorum,
    /// Of home and of which rooms some server has told everything that is here. What comes later, one tells of; so this
    /// stays until a server loses its log or leaves.
    nothing_lost: BTreeSet<Option<RoomId>>,
}

impl Client {
    /// Goes on from a device's log, empty or not. The effects are what opening adds to it.
    ///
    /// # Errors
    /// See [`ResumeError`]; the log is left as it is.
    pub fn resume(now_ms: u64, config: Config, entries: &[Entry]) -> Result<(Self, Effects), ResumeError> {
        Self::resume_from(now_ms, config, entries.to_vec())
    }

    /// As [`Client::resume`], keeping the events' bytes instead of copying them: a long log is in memory once.
    ///
    /// # Errors
    /// See [`Client::resume`].
    pub fn resume_from(
        now_ms: u64,
        config: Config,
        entries: Vec<Entry>,
    ) -> Result<(Self, Effects), ResumeError> {
        let config = Config { view: newest(&config.view, &entries), ..config };
        let servers: Vec<_> = config.view.servers().iter().map(|member| member.id).collect();
        let links = links_of(&config.view);
        let (account, quorum) = (account_of(&config.key), Quorum::new(config.quorum));
        let mut client = Self {
            account,
            config,
            clock: Clock::default(),
            last_seq: 0,
            holdings: Holdings::new(account, quorum.counts()),
            own: BTreeSet::new(),
            display: Display::default(),
            reported: BTreeMap::new(),
            links,
            feed: None,
            catching_up_until_ms: None,
            caught_up: false,
            caught_up_ms: now_ms,
            waiting: Waiting::default(),
            wanted: Wanted::default(),
            bodies_due_ms: None,
            bodies_asked: (None, 0),
            overtaken: None,
            quorum,
            nothing_lost: BTreeSet::new(),
        };
        client.check_owner(&entries)?;
        let (is_empty, news) = (entries.is_empty(), client.news_to(&entries, now_ms));
        let mut tellers = PastTellers::of(&client.quorum);
        for (index, entry) in entries.into_iter().enumerate() {
            let vouched = tellers.take(&entry);
            client.replay(entry).map_err(|why| ResumeError::Event { number: index + 1, why })?;
            vouched.into_iter().for_each(|id| client.holdings.note_vouched(&id));
        }
        client.holdings.read_names();
        let mut effects = Effects::default();
        if is_empty {
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
        effects.log.extend(news);
        Ok((client, effects))
    }

    /// Takes one input.
    ///
    /// # Errors
    /// [`EventError`] if what is to be said cannot be: nothing has changed then. No other input fails.
    pub fn step(&mut self, now_ms: u64, input: Input, effects: &mut Effects) -> Result<(), EventError> {
        self.take(now_ms, input, effects)?;
        self.follow_up(now_ms, effects);
        Ok(())
    }

    /// Takes several inputs as [`Client::step`] would one after the other, with less work: what is posted to one
    /// conversation in a row is signed in one go, and what follows from all of them is done once. The answers are in
    /// the order of the inputs.
    pub fn steps(
        &mut self,
        now_ms: u64,
        inputs: Vec<Input>,
        effects: &mut Effects,
    ) -> Vec<Result<(), EventError>> {
        let mut answers = Vec::with_capacity(inputs.len());
        let mut inputs = inputs.into_iter().peekable();
        while let Some(input) = inputs.next() {
            let Input::Say { conversation, kind: Kind::Post, body } = input else {
                answers.push(self.take(now_ms, input, effects));
                continue;
            };
            let mut posts = vec![body];
            while let Some(Input::Say { body, .. }) = inputs.next_if(|next| next.is_post_to(conversation)) {
                posts.push(body);
            }
            answers.extend(self.say_all(now_ms, conversation, posts, effects));
        }
        self.follow_up(now_ms, effects);
        answers
    }

    fn take(&mut self, now_ms: u64, input: Input, effects: &mut Effects) -> Result<(), EventError> {
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
        Ok(())
    }

    fn follow_up(&mut self, now_ms: u64, effects: &mut Effects) {
        self.holdings.read_names();
        self.settle(effects);
        for link in 0..self.links.len() {
            if self.links[link].up {
                self.follow_more(link, effects);
            }
        }
        self.tick(now_ms, effects);
        self.upload(effects);
    }

    fn link_of(&self, server: ServerId) -> Option<usize> {
        self.config.view.index_of(server)
    }

    fn server(&self, link: usize) -> ServerId {
        self.config.view.servers()[link].id
    }

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
            ToClient::Feed { room, items, after, upto, caught_up } => {
                if !self.links[link].following.contains(&room) {
                    return Ok(()); // it crossed with our Unfollow
                }
                if self.links[link].deliveries.entry(room).or_default().leaves_out(after) {
                    return Ok(()); // of an earlier Follow, some of whose frames crossed with the Unfollow
                }
                let lacking = self.told(now_ms, link, items, effects)?;
                self.links[link].deliveries.entry(room).or_default().told(upto, lacking);
                // Every later frame of a live feed says so too; the moment that counts is the first.
                if caught_up {
                    self.restore(link, room);
                }
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

    fn tick(&mut self, now_ms: u64, effects: &mut Effects) {
        self.show_due(now_ms, effects);
        let waits = self.quorum.look(now_ms, self.config.window_ms, &self.holdings, &self.display);
        effects.actions.extend(waits);
        self.replace_silent_feed(now_ms, effects);
        self.fetch_overdue(now_ms, effects);
        self.ask_for_bodies(now_ms, effects);
        self.links.iter_mut().for_each(|link| link.outbox.unpark(now_ms));
    }
}
