//! What others ask the client: what it holds, what of it is where, and when it wants to be woken.
//!
//! **Invariants**
//! - Nothing here changes anything.
//! - What is said of copies counts receipts of current incarnations of servers that are written to, and nothing else
//!   (rule 12).
//!
//! It must not know what is sent, or when.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::directory::Directory;
use crate::event::{Conversation, Event};
use crate::id::{AccountId, DeviceId, EventId, RoomId};
use crate::limits::{FEED_SILENT_MS, FETCH_AFTER_MS};
use crate::links::Link;
use crate::order::{Key, Transcript};
use crate::thread::{Message, Thread};
use crate::view::View;

use super::Client;

impl Client {
    /// The account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The device.
    pub fn device(&self) -> DeviceId {
        self.config.device
    }

    /// The newest view that is known: the servers to connect to. [`Action::View`](super::Action::View) says when it changes, and with
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

    /// As [`Holdings::may_be_kept`](crate::holdings::Holdings::may_be_kept).
    pub fn may_be_kept(&self, event: &Event) -> bool {
        self.holdings.may_be_kept(event)
    }

    /// A conversation in canonical order.
    pub fn transcript(&self, conversation: Conversation) -> Option<&Transcript> {
        self.holdings.transcript(conversation)
    }

    /// What there is to read in a conversation: of what is here all that is for this account, with a quorum only what has
    /// had it.
    pub fn thread(&self, conversation: Conversation) -> &Thread {
        self.holdings.thread(conversation)
    }

    /// A message as it reads now.
    pub fn message(&self, id: &EventId) -> Option<Message> {
        self.thread(self.event(id)?.conversation()).message(id, self.finds())
    }

    /// Whether the author of a message has taken it back, by what may be told.
    pub fn reads_as_taken_back(&self, id: &EventId) -> bool {
        let of = self.event(id).map(|event| self.thread(event.conversation()));
        of.is_some_and(|thread| thread.is_taken_back(id, self.finds()))
    }

    /// The messages of others that an account has not read in a conversation, leaving out those whose authors it does
    /// not hear.
    pub fn unread(
        &self,
        conversation: Conversation,
        account: AccountId,
        is_unheard: impl Fn(AccountId) -> bool,
    ) -> impl Iterator<Item = Key> {
        self.thread(conversation).unread(account, is_unheard, self.finds())
    }

    /// How many messages of a conversation are not for this account, which came later.
    pub fn kept(&self, conversation: Conversation) -> usize {
        self.holdings.kept(conversation)
    }

    /// The rooms that others have invited this account to.
    pub fn invited(&self) -> impl Iterator<Item = RoomId> {
        self.holdings.invited()
    }

    /// Whether this account has written something in a conversation, on any of its devices.
    pub fn has_written(&self, conversation: Conversation) -> bool {
        self.holdings.has_written(conversation)
    }

    fn finds<'a>(&'a self) -> impl Fn(&EventId) -> Option<&'a Event> {
        move |id| self.event(id).map(Arc::as_ref)
    }

    /// The conversations that have events here.
    pub fn conversations(&self) -> impl ExactSizeIterator<Item = (Conversation, &Transcript)> {
        self.holdings.conversations()
    }

    /// The rooms that have events here.
    pub fn rooms(&self) -> impl ExactSizeIterator<Item = RoomId> {
        self.holdings.rooms()
    }

    /// When [`Input::Tick`](super::Input::Tick) is due, Unix milliseconds; sooner does no harm.
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
    pub(super) fn counted(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(|link| !link.sealed)
    }
}
