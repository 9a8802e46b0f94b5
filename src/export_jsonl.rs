//! A history as JSON Lines, for whoever wants to ask it something else: every log, every event, and everything
//! that happened, in an order that all logs and messages agree with. `docs/verify.md` lists the fields.

use serde::Serialize;

use crate::diagram::{Act, Diagram};
use crate::event::{Event, Kind};
use crate::evidence::Evidence;
use crate::id::{AccountId, ConversationId, DeviceId, EventId, Incarnation, Seq};
use crate::names::Names;

/// One line.
#[derive(Serialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
enum Line<'a> {
    Log {
        log: usize,
        name: &'a str,
        source: &'a str,
        is_server: bool,
        entries: usize,
        incarnation: Option<Incarnation>,
        live: bool,
    },
    Event {
        event: EventId,
        name: String,
        conversation: ConversationId,
        label: String,
        kind: Kind,
        account: AccountId,
        device: DeviceId,
        seq: Seq,
        time_ms: u64,
        time: String,
        parents: &'a [EventId],
        text: Option<&'a str>,
        deleted: bool,
    },
    Act {
        log: usize,
        entry: u64,
        act: &'static str,
        event: Option<EventId>,
        server: Option<String>,
        at_ms: Option<u64>,
        position: Option<u64>,
        copies: Option<u32>,
        servers: Option<u32>,
        again: bool,
        from_log: Option<usize>,
        from_entry: Option<u64>,
    },
}

/// The history's lines.
pub fn jsonl(evidence: &Evidence<'_>) -> String {
    let names = Names::of(evidence);
    let diagram = Diagram::of(evidence, &names);
    let mut text = String::new();
    let mut write = |line: &Line<'_>| {
        text.push_str(&serde_json::to_string(line).unwrap_or_default());
        text.push('\n');
    };
    let clients = evidence.history.clients.iter().map(|client| (client.entries.len(), None, false));
    let servers = evidence.history.servers.iter();
    let servers = servers.map(|server| (server.log.len(), Some(server.incarnation), server.live));
    for ((log, lane), (entries, incarnation, live)) in
        diagram.lanes.iter().enumerate().zip(clients.chain(servers))
    {
        let (name, source, is_server) = (&lane.name, &lane.source, lane.is_server);
        write(&Line::Log { log, name, source, is_server, entries, incarnation, live });
    }
    let mut events: Vec<&Event> = evidence.events.values().map(AsRef::as_ref).collect();
    events.sort_unstable_by_key(|event| event.key());
    for event in events {
        write(&Line::Event {
            event: event.id(),
            name: names.name(event),
            conversation: event.conversation().id(),
            label: names.conversation(event.conversation()),
            kind: event.kind(),
            account: event.account(),
            device: event.device(),
            seq: event.seq(),
            time_ms: event.time().millis(),
            time: event.time().to_string(),
            parents: event.parents(),
            text: event.text(),
            deleted: !event.has_body(),
        });
    }
    for mark in &diagram.marks {
        let (position, copies, servers) = match mark.act {
            Act::Receipt { position } | Act::Cursor { position } => (Some(position), None, None),
            Act::Level { copies, servers } => (None, Some(copies), Some(servers)),
            _ => (None, None, None),
        };
        let from = mark.source.and_then(|source| diagram.marks.get(source));
        write(&Line::Act {
            log: mark.lane,
            entry: mark.entry,
            act: mark.act.word(),
            event: mark.event,
            server: mark.server.map(|server| evidence.history.name_of(server)),
            at_ms: mark.at_ms,
            position,
            copies,
            servers,
            again: mark.is_again,
            from_log: from.map(|from| from.lane),
            from_entry: from.map(|from| from.entry),
        });
    }
    text
}
