//! What logs say about events, in words: each [`Step`] of a story is a place in a log, and its words come from
//! the entry that stands there, so that a story cannot say what its place does not show.

use crate::anomaly::Place;
use crate::event::{Conversation, Event};
use crate::evidence::{Evidence, Observer};
use crate::excerpt::Parting;
use crate::history::{Entry, ServerHistory};
use crate::id::{EventId, Position};
use crate::names::Names;
use crate::story::Step;
use crate::view::{Member, Retired, SignedView};

/// All logs, and what things in them are called.
pub(crate) struct Testimony<'a> {
    pub(crate) evidence: &'a Evidence<'a>,
    pub(crate) partings: &'a [Parting],
    pub(crate) names: Names<'a>,
}

impl Testimony<'_> {
    /// The entry at a place, in words.
    pub(crate) fn step(&self, at: &Place) -> Step {
        let what = match (self.observer(at), self.store(at)) {
            (Some(observer), _) => {
                let index = usize::try_from(at.entry).unwrap_or(usize::MAX).checked_sub(1);
                let entry = index.and_then(|index| observer.entry(index));
                entry.map(|entry| self.entry(entry))
            }
            (None, Some(_)) => self.event_at(at).map(|id| format!("stores {}", self.names.event(&id))),
            (None, None) => None,
        };
        let what = what.unwrap_or_else(|| "has nothing there".to_owned());
        Step { who: self.owner(at), what, at: Some(at.clone()) }
    }

    pub(crate) fn entry(&self, entry: &Entry) -> String {
        let server = |server| self.evidence.history.name_of(server);
        let of = |bytes: &[u8]| match Event::from_own_store(bytes) {
            Ok(event) => self.names.name(&event),
            Err(_) => "bytes that are no event".to_owned(),
        };
        match entry {
            Entry::Begun { .. } => "began this log".to_owned(),
            Entry::Opened { window_ms, quorum: 0 | 1, .. } => {
                format!("started, with a reorder window of {window_ms} ms")
            }
            Entry::Opened { window_ms, quorum, .. } => {
                format!("started, with a reorder window of {window_ms} ms and a quorum of {quorum} servers")
            }
            Entry::Authored { event, .. } => format!("wrote {}", of(event)),
            Entry::Received { event, server: from, .. } => {
                format!("received {} from server {}", of(event), server(*from))
            }
            Entry::Body { event, server: from, .. } => {
                format!("received the body of {} from server {}", of(event), server(*from))
            }
            Entry::Incarnation { server: of, incarnation, .. } => {
                format!("noted log {} of server {} as its current one", incarnation.short(), server(*of))
            }
            Entry::Receipt { server: of, incarnation, id, position } => format!(
                "had a receipt: {} is at {position} in log {} of server {}",
                self.names.event(id),
                incarnation.short(),
                server(*of)
            ),
            Entry::Told { server: of, incarnation, id } => format!(
                "was told of {} by log {} of server {}",
                self.names.event(id),
                incarnation.short(),
                server(*of)
            ),
            Entry::Cursor { server: of, incarnation, position, .. } => {
                format!("had read log {} of server {} up to {position}", incarnation.short(), server(*of))
            }
            Entry::Displayed { id, late: false, .. } => format!("was shown {}", self.names.event(id)),
            Entry::Displayed { id, late: true, .. } => {
                format!("was shown {}, marked late", self.names.event(id))
            }
            Entry::Level { id, copies, servers } => {
                format!("was told {copies}/{servers} for {}", self.names.event(id))
            }
            Entry::View { view, .. } => format!("learned of {}", view_of(view)),
        }
    }

    /// A place as the story's sentence names it; its path stands in a step.
    pub(crate) fn place(&self, at: &Place) -> String {
        format!("{}'s log, entry {}", self.owner(at), at.entry)
    }

    pub(crate) fn owner(&self, at: &Place) -> String {
        match (self.observer(at), self.store(at)) {
            (Some(observer), _) => self.names.observer(observer),
            (None, Some(store)) => server_name(&self.evidence.history.name_of(store.server)),
            (None, None) => at.source.clone(),
        }
    }

    pub(crate) fn observer(&self, at: &Place) -> Option<&Observer<'_>> {
        self.evidence.observers.iter().find(|observer| observer.history.source == at.source)
    }

    pub(crate) fn store(&self, at: &Place) -> Option<&ServerHistory> {
        self.evidence.history.servers.iter().find(|server| server.source == at.source)
    }

    pub(crate) fn server(&self, name: &str) -> Option<&ServerHistory> {
        let history = self.evidence.history;
        history.servers.iter().find(|server| history.name_of(server.server) == name)
    }

    /// An event's conversation; of one that is in no log, by the index that names it.
    pub(crate) fn conversation_of(&self, id: &EventId) -> Option<Conversation> {
        if let Some(event) = self.evidence.events.get(id) {
            return Some(event.conversation());
        }
        let indexes = self.evidence.history.servers.iter().filter_map(|server| server.canonical.as_ref());
        let (named, _) = indexes.flatten().find(|(_, key)| key.id == *id)?;
        let conversations = self.evidence.events.values().map(|event| event.conversation());
        conversations.into_iter().find(|conversation| conversation.id() == *named)
    }

    pub(crate) fn author(&self, event: &EventId) -> Option<&Observer<'_>> {
        let event = self.evidence.events.get(event)?;
        let origin = (Some(event.account()), Some(event.device()));
        self.evidence.observers.iter().find(|observer| (observer.account, observer.device) == origin)
    }

    /// The event that stands at a place.
    pub(crate) fn event_at(&self, at: &Place) -> Option<EventId> {
        if let Some(observer) = self.observer(at) {
            let index = usize::try_from(at.entry).ok()?.checked_sub(1)?;
            return match observer.entry(index)? {
                Entry::Displayed { id, .. } | Entry::Receipt { id, .. } | Entry::Level { id, .. } => {
                    Some(*id)
                }
                _ => observer.stands.iter().find(|(stands, _)| *stands == index).map(|(_, id)| *id),
            };
        }
        let stored = self.store(at)?.log.iter().find(|stored| stored.position == at.entry)?;
        Some(stored.event.id())
    }

    pub(crate) fn entered(&self, observer: &Observer<'_>, event: &EventId) -> Option<Place> {
        observer.entered.get(event).map(|index| observer.history.place(*index))
    }

    pub(crate) fn shown(&self, observer: &Observer<'_>, event: &EventId) -> Option<Place> {
        let line = observer.shown.iter().find(|(_, id, _, _)| id == event)?;
        Some(observer.history.place(line.0))
    }

    pub(crate) fn place_in(&self, server: &ServerHistory, event: &EventId) -> Option<Place> {
        let stored = server.log.iter().find(|stored| stored.event.id() == *event)?;
        Some(server.place(stored.position))
    }

    /// Where its author wrote an event, if that log was read and says so.
    pub(crate) fn written(&self, event: &EventId) -> Vec<Step> {
        let place = self.author(event).and_then(|author| self.entered(author, event));
        place.iter().map(|place| self.step(place)).collect()
    }

    /// Where an event is told best: by its author, or else by any log that holds it.
    pub(crate) fn held_somewhere(&self, id: &EventId) -> Step {
        let author = self.author(id).and_then(|author| self.entered(author, id));
        let device = || self.evidence.observers.iter().find_map(|observer| self.entered(observer, id));
        let server = || self.evidence.history.servers.iter().find_map(|server| self.place_in(server, id));
        let mut step = match author.or_else(device).or_else(server) {
            Some(place) => self.step(&place),
            None => {
                Step { who: "nobody".to_owned(), what: format!("holds {}", self.names.event(id)), at: None }
            }
        };
        if let Some(event) = self.evidence.events.get(id) {
            let conversation = self.names.conversation(event.conversation());
            step.what.push_str(&format!(" of time {} in \"{conversation}\"", event.time()));
        }
        step
    }

    pub(crate) fn shown_before(&self, at: &Place, event: &EventId) -> Option<Step> {
        let observer = self.observer(at)?;
        self.shown(observer, event).map(|place| self.step(&place))
    }

    /// The last line of the same conversation before a place.
    pub(crate) fn line_before(&self, at: &Place, event: &EventId) -> Option<Place> {
        let observer = self.observer(at)?;
        let conversation = self.evidence.events.get(event)?.conversation();
        let line = observer.shown.iter().rfind(|(index, id, _, _)| {
            (*index as u64) + 1 < at.entry
                && self.evidence.events.get(id).is_some_and(|event| event.conversation() == conversation)
        });
        line.map(|line| observer.history.place(line.0))
    }

    /// How an event came into the log of a place.
    pub(crate) fn came(&self, at: &Place, event: &EventId) -> Step {
        let observer = self.observer(at);
        match observer.and_then(|observer| self.entered(observer, event)) {
            Some(place) => self.step(&place),
            None => {
                let what = format!("never wrote or received {}", self.names.event(event));
                Step { who: self.owner(at), what, at: None }
            }
        }
    }

    /// Where a parent stands in the log of a place, after it or not at all.
    pub(crate) fn parent_in(&self, at: &Place, parent: &EventId) -> Step {
        let place = match (self.observer(at), self.store(at)) {
            (Some(observer), _) => self.entered(observer, parent),
            (None, Some(store)) => self.place_in(store, parent),
            (None, None) => None,
        };
        match place {
            Some(place) => self.step(&place),
            None => {
                let what = format!("does not hold {}, which is its parent", self.names.event(parent));
                Step { who: self.owner(at), what, at: None }
            }
        }
    }

    /// The receipts for an event in the log of a place, before it.
    pub(crate) fn receipts(&self, at: &Place, event: &EventId) -> Vec<Step> {
        let Some(observer) = self.observer(at) else { return Vec::new() };
        let before = observer.before(usize::try_from(at.entry).unwrap_or(usize::MAX).saturating_sub(1));
        let receipts = before.filter(|(_, entry)| matches!(entry, Entry::Receipt { id, .. } if id == event));
        receipts.map(|(index, _)| self.step(&observer.history.place(index))).collect()
    }

    pub(crate) fn stored(&self, server: &ServerHistory, event: &EventId) -> Step {
        match self.place_in(server, event) {
            Some(place) => self.step(&place),
            None => {
                let log = server.incarnation.short();
                let what = format!("does not hold {} in its log {log}", self.names.event(event));
                self.nothing(server, what)
            }
        }
    }

    /// What a server has now at a position.
    pub(crate) fn now_at(&self, server: &str, position: Position) -> Option<Step> {
        let server = self.server(server)?;
        let last = server.log.last().map_or(0, |stored| stored.position);
        if server.log.iter().any(|stored| stored.position == position) {
            return Some(self.step(&server.place(position)));
        }
        Some(self.nothing(server, format!("has nothing at {position}: its log ends at {last}")))
    }

    pub(crate) fn nothing(&self, server: &ServerHistory, what: String) -> Step {
        Step { who: server_name(&self.evidence.history.name_of(server.server)), what, at: None }
    }

    pub(crate) fn absent(&self, observer: &Observer<'_>, what: String) -> Step {
        Step { who: self.names.observer(observer), what, at: None }
    }
}

/// What a store says of its view.
pub(crate) fn acts_on(view: &[u8]) -> String {
    format!("acts on {}", view_of(view))
}

/// A view in words: which it is, and who is in it.
fn view_of(bytes: &[u8]) -> String {
    let Ok(signed) = SignedView::read(bytes) else { return "what is no view".to_owned() };
    let view = signed.view();
    let member = |member: &Member| format!("{}{}", member.name, if member.sealed { " (sealed)" } else { "" });
    let members: Vec<_> = view.servers().iter().map(member).collect();
    let left = |retired: &Retired| match retired.drained.is_empty() {
        true => format!("; {} was removed as lost", retired.name),
        false => format!("; {} left, sealed at {}", retired.name, retired.position),
    };
    let left: String = view.retired().iter().map(left).collect();
    format!("view {}: servers {}{left}", view.epoch(), members.join(", "))
}

pub(crate) fn server_name(name: &str) -> String {
    format!("server {name}")
}
