//! What a report calls things: "alice #4", "alice, bob", "server 2".
//!
//! An event is called by its author and its number, which is unique but for a fork; of a forked number, and of
//! nobody's event, the id's first digits say which one is meant. Names come from people and are not inert yet:
//! whoever shows them makes them so.

use std::collections::{BTreeMap, BTreeSet};

use crate::agreement::label;
use crate::content::Charter;
use crate::directory::Directory;
use crate::event::{Conversation, Event, Origin};
use crate::evidence::{Evidence, Observer};
use crate::id::{AccountId, DeviceId, EventId, RoomId};

/// How many characters of a message are quoted.
const QUOTED_CHARS: usize = 48;

/// Names for everything in a history.
#[derive(Debug)]
pub struct Names<'a> {
    evidence: &'a Evidence<'a>,
    directory: Directory,
    charters: BTreeMap<RoomId, Charter>,
    /// What device logs say their people are called, for those whom the directory does not name.
    begun: BTreeMap<AccountId, &'a str>,
    devices: BTreeMap<AccountId, BTreeSet<DeviceId>>,
    forked: BTreeSet<Origin>,
}

impl<'a> Names<'a> {
    /// The names that the evidence gives.
    pub fn of(evidence: &'a Evidence<'a>) -> Self {
        let (mut devices, mut begun) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeMap::new());
        let (mut origins, mut forked) = (BTreeSet::new(), BTreeSet::new());
        for event in evidence.events.values() {
            devices.entry(event.account()).or_default().insert(event.device());
            if !origins.insert(event.origin()) {
                forked.insert(event.origin());
            }
        }
        for observer in &evidence.observers {
            if let Some((account, device)) = observer.account.zip(observer.device) {
                devices.entry(account).or_default().insert(device);
                begun.insert(account, observer.name.as_str());
            }
        }
        Self {
            evidence,
            directory: evidence.directory(),
            charters: evidence.charters(),
            begun,
            devices,
            forked,
        }
    }

    /// A person.
    pub fn account(&self, account: AccountId) -> String {
        let is_nameless = self.directory.called(account).is_none();
        match self.begun.get(&account) {
            // Who has lost a name to somebody else must not be taken for them.
            Some(begun) if is_nameless && self.directory.account(begun).is_none() => (*begun).to_owned(),
            _ => self.directory.name(account),
        }
    }

    /// A person's device; the device is named only if the person has several.
    pub fn device(&self, account: AccountId, device: DeviceId) -> String {
        let name = self.account(account);
        match self.devices.get(&account) {
            Some(devices) if devices.len() > 1 => format!("{name} ({})", device.short()),
            _ => name,
        }
    }

    /// Whose log it is.
    pub fn observer(&self, observer: &Observer<'_>) -> String {
        match observer.account.zip(observer.device) {
            Some((account, device)) => self.device(account, device),
            None => observer.name.clone(),
        }
    }

    /// An event: "alice #4".
    pub fn event(&self, id: &EventId) -> String {
        match self.evidence.events.get(id) {
            Some(event) => self.name(event),
            None => format!("event {}", id.short()),
        }
    }

    /// The same for one that is at hand.
    pub fn name(&self, event: &Event) -> String {
        let name = format!("{} #{}", self.device(event.account(), event.device()), event.seq());
        if self.forked.contains(&event.origin()) { format!("{name} [{}]", event.id().short()) } else { name }
    }

    /// A conversation, by those who have part in it.
    pub fn conversation(&self, conversation: Conversation) -> String {
        label(conversation, &self.directory, &self.charters)
    }
}

/// What stands for the words of a message without its body.
pub const WITHOUT: &str = "(deleted)";

/// The first words of a message.
pub fn first_words(event: &Event) -> String {
    if !event.has_body() {
        return WITHOUT.to_owned();
    }
    let text = event.text().unwrap_or_default();
    let mut words: String = text.chars().take(QUOTED_CHARS).collect();
    if words.len() < text.len() {
        words.push('…');
    }
    words
}
