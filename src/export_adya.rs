//! A history as transactions on lists, for a checker that knows nothing of tercet: `adya check -m list-append
//! -c strong-session-serializable`, or Jepsen's Elle, whose format it is.
//!
//! | In tercet | In the export |
//! | --- | --- |
//! | a conversation | a list |
//! | a device in a conversation | a process, whose posts are appends in the order of its log |
//! | what its author had seen | reads, in the same transaction, of the marks that those posts left |
//! | what a device's screen comes to: its lines, late ones in their place, and what is held for the window | its process's last transaction: a read of the list |
//! | what a server's canonical index holds | a read of the list by a process of its own |
//!
//! Transactions that can be put into one order explain all this: each sender's order (P3, the session), causes
//! first (P4, the marks), one order for all (P5, P6, the reads). Of a log that has not caught up, the part is
//! read that is settled: up to the first post that it neither has nor claims to have. What lists cannot say is
//! left to [`crate::verify`]: durability, windows, signatures.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::event::{Conversation, Event};
use crate::evidence::{Evidence, Observer};
use crate::history::{Entry, ServerHistory};
use crate::id::{AccountId, DeviceId, EventId};
use crate::names::Names;
use crate::order::Key;

/// The history as JSON Lines: an `invoke` and an `ok` for each transaction.
pub fn adya(evidence: &Evidence<'_>) -> String {
    let export = Export::of(evidence);
    let mut lines = Lines::default();
    for (conversation, posts) in export.posts() {
        for ((account, device), own) in export.authors(&posts) {
            let transactions = own.iter().map(|event| export.post(event));
            lines.process(&export.names.device(account, device), transactions);
            // A device's reads are of the same session as its posts; of a copied log there are two.
            for observer in export.logs(account, device) {
                let read = export.read(conversation, &export.screen(observer, &posts));
                lines.go_on(&export.names.device(account, device), &read);
            }
        }
        for observer in &evidence.observers {
            let wrote = |event: &&&Event| {
                (observer.account, observer.device) == (Some(event.account()), Some(event.device()))
            };
            let screen = export.screen(observer, &posts);
            if posts.iter().find(wrote).is_none() && !screen.is_empty() {
                let read = export.read(conversation, &screen);
                lines.process(&export.names.observer(observer), [read]);
            }
        }
        for server in &evidence.history.servers {
            let read = export.read(conversation, &export.index(server, &posts));
            lines.process(&format!("server {}", evidence.history.name_of(server.server)), [read]);
        }
    }
    lines.text
}

struct Export<'a> {
    evidence: &'a Evidence<'a>,
    names: Names<'a>,
    /// What more than one event, or more than one conversation, is called: names come from people.
    shared: BTreeSet<String>,
}

impl<'a> Export<'a> {
    fn of(evidence: &'a Evidence<'a>) -> Self {
        let names = Names::of(evidence);
        let conversations: BTreeSet<_> = evidence.events.values().map(|event| event.conversation()).collect();
        let called = conversations.iter().map(|conversation| names.conversation(*conversation));
        let called = called.chain(evidence.events.values().map(|event| names.name(event)));
        let mut seen = BTreeSet::new();
        let shared = called.filter(|name| !seen.insert(name.clone())).collect();
        Self { evidence, names, shared }
    }

    /// What is shown of each direct conversation, in canonical order. Rooms are left out: a display of a room
    /// begins where the room was followed, and a list that is read from its middle is not one that adya knows.
    fn posts(&self) -> BTreeMap<Conversation, Vec<&'a Event>> {
        let mut posts: BTreeMap<_, Vec<&Event>> = BTreeMap::new();
        let is_line = |event: &&Arc<Event>| {
            event.kind().is_shown() && !matches!(event.conversation(), Conversation::Room(_))
        };
        for event in self.evidence.events.values().filter(is_line) {
            posts.entry(event.conversation()).or_default().push(event);
        }
        posts.values_mut().for_each(|posts| posts.sort_unstable_by_key(|event| event.key()));
        posts
    }

    fn logs(&self, account: AccountId, device: DeviceId) -> impl Iterator<Item = &'a Observer<'a>> {
        let is_it = move |log: &&Observer<'_>| (log.account, log.device) == (Some(account), Some(device));
        self.evidence.observers.iter().filter(is_it)
    }

    /// What each device wrote: in the order of its log; without its log, by number, whatever others hold.
    fn authors<'e>(&self, posts: &[&'e Event]) -> BTreeMap<(AccountId, DeviceId), Vec<&'e Event>> {
        let mut authors: BTreeMap<_, Vec<&Event>> = BTreeMap::new();
        for event in posts {
            authors.entry((event.account(), event.device())).or_default().push(event);
        }
        for ((account, device), own) in &mut authors {
            let mut written: BTreeMap<EventId, usize> = BTreeMap::new();
            let mut has_log = false;
            for observer in self.logs(*account, *device) {
                has_log = true;
                written.extend(observer.stands.iter().filter_map(|(index, id)| {
                    let is_own = matches!(observer.history.entries[*index], Entry::Authored { .. });
                    is_own.then_some((*id, *index))
                }));
            }
            own.retain(|event| !has_log || written.contains_key(&event.id()));
            own.sort_by_key(|event| (written.get(&event.id()).copied(), event.seq()));
        }
        authors
    }

    /// A post: what its author had seen is read, then it is appended and leaves its mark.
    fn post(&self, event: &Event) -> Vec<Value> {
        let is_post =
            |id: &EventId| self.evidence.events.get(id).is_some_and(|event| event.kind().is_shown());
        let seen = self.evidence.shown_ancestors(event).into_iter().filter(is_post);
        let (name, list) = (self.element(&event.id()), self.list(event.conversation()));
        let mut steps: Vec<_> = seen
            .map(|id| {
                let name = self.element(&id);
                json!(["r", mark(&name), [name]])
            })
            .collect();
        steps.push(json!(["append", list, name]));
        steps.push(json!(["append", mark(&name), name]));
        steps
    }

    fn read(&self, conversation: Conversation, ids: &[EventId]) -> Vec<Value> {
        let elements: Vec<_> = ids.iter().map(|id| self.element(id)).collect();
        vec![json!(["r", self.list(conversation), elements])]
    }

    /// An event's name, with its id where the name alone does not say which.
    fn element(&self, id: &EventId) -> String {
        let name = self.names.event(id);
        let is_known = self.evidence.events.contains_key(id);
        if is_known && !self.shared.contains(&name) { name } else { format!("{name} {id}") }
    }

    fn list(&self, conversation: Conversation) -> String {
        let name = self.names.conversation(conversation);
        if self.shared.contains(&name) { format!("{name} {}", conversation.id()) } else { name }
    }

    /// What a screen comes to: its lines as they were shown, those marked late moved to their place, then what
    /// is at hand and waits for its window to pass.
    fn screen(&self, observer: &Observer<'_>, posts: &[&Event]) -> Vec<EventId> {
        let keys: BTreeMap<_, _> = posts.iter().map(|event| (event.id(), event.key())).collect();
        let passed = self.passed(observer);
        let has = |id: &EventId| observer.entered.contains_key(id) || passed.contains(id);
        let end = posts.iter().find(|event| !has(&event.id())).map(|event| event.key());
        let mut lines: Vec<Key> = Vec::new();
        let shown = observer.shown.iter().filter_map(|(_, id, late, _)| Some((*keys.get(id)?, *late)));
        for (key, late) in shown {
            if late {
                let place = lines.iter().position(|line| *line > key).unwrap_or(lines.len());
                lines.insert(place, key);
            } else {
                lines.push(key);
            }
        }
        let last = lines.iter().max().copied();
        let waits = |key: &Key| observer.entered.contains_key(&key.id) && last.is_none_or(|last| *key > last);
        lines.extend(posts.iter().map(|event| event.key()).filter(waits));
        lines.into_iter().filter(|key| end.is_none_or(|end| *key < end)).map(|key| key.id).collect()
    }

    /// What a device said it had read, by its cursors in the logs that were found.
    fn passed(&self, observer: &Observer<'_>) -> BTreeSet<EventId> {
        let mut furthest = BTreeMap::new();
        for entry in &observer.history.entries {
            if let Entry::Cursor { server, incarnation, position, room: None } = entry {
                let most = furthest.entry((*server, *incarnation)).or_insert(*position);
                *most = (*most).max(*position);
            }
        }
        let logs = self.evidence.history.servers.iter().filter_map(|server| {
            let upto = *furthest.get(&(server.server, server.incarnation))?;
            Some(server.log.iter().filter(move |stored| stored.position <= upto))
        });
        logs.flatten().map(|stored| stored.event.id()).collect()
    }

    /// A server's canonical order: its index, or what its log makes if the index could not be read.
    fn index(&self, server: &ServerHistory, posts: &[&Event]) -> Vec<EventId> {
        let ids: BTreeSet<_> = posts.iter().map(|event| event.id()).collect();
        let conversation = posts.first().map(|event| event.conversation().id());
        let held: BTreeSet<_> = server.log.iter().map(|stored| stored.event.id()).collect();
        let acked = self.acked(server);
        let has = |id: &EventId| held.contains(id) || acked.contains(id);
        let end = posts.iter().find(|event| !has(&event.id())).map(|event| event.key());
        let keys: Vec<Key> = match &server.canonical {
            Some(index) => {
                index.iter().filter(|(of, _)| Some(*of) == conversation).map(|(_, key)| *key).collect()
            }
            None => posts.iter().map(|event| event.key()).filter(|key| held.contains(&key.id)).collect(),
        };
        let is_post = |key: &Key| ids.contains(&key.id) || !self.evidence.events.contains_key(&key.id);
        let keys = keys.into_iter().filter(is_post).filter(|key| end.is_none_or(|end| *key < end));
        keys.map(|key| key.id).collect()
    }

    /// What somebody has a receipt for, from this life of a server's log.
    fn acked(&self, of: &ServerHistory) -> BTreeSet<EventId> {
        let entries = self.evidence.history.clients.iter().flat_map(|client| &client.entries);
        let acked = entries.filter_map(|entry| match entry {
            Entry::Receipt { server, incarnation, id, .. } => {
                ((*server, *incarnation) == (of.server, of.incarnation)).then_some(*id)
            }
            _ => None,
        });
        acked.collect()
    }
}

/// The list that shows that a post was there.
fn mark(name: &str) -> String {
    format!("seen: {name}")
}

#[derive(Default)]
struct Lines {
    text: String,
    processes: usize,
    index: usize,
}

impl Lines {
    /// A new process with its transactions, one after the other.
    fn process(&mut self, name: &str, transactions: impl IntoIterator<Item = Vec<Value>>) {
        self.processes += 1;
        transactions.into_iter().for_each(|transaction| self.go_on(name, &transaction));
    }

    /// One more transaction of the last process. What it will read is not known when it is invoked.
    fn go_on(&mut self, name: &str, transaction: &[Value]) {
        let asked = transaction.iter().map(|step| match step.get(0).and_then(Value::as_str) {
            Some("r") => json!(["r", step[1], null]),
            _ => step.clone(),
        });
        self.line("invoke", name, &asked.collect::<Vec<_>>());
        self.line("ok", name, transaction);
    }

    fn line(&mut self, kind: &str, name: &str, value: &[Value]) {
        let (index, process) = (self.index, self.processes - 1);
        let line = json!({ "index": index, "type": kind, "process": process, "f": "txn", "value": value, "who": name });
        _ = writeln!(self.text, "{line}");
        self.index += 1;
    }
}
