//! Reads again what the stories of a report cite, and nothing else: of millions of entries a few thousand
//! ([`crate::excerpt`]).

use std::collections::BTreeSet;

use super::failure::Failure;
use super::replay::{Server, Sources, on_all_cores};
use crate::excerpt::{Indexes, Wanted};
use crate::history::{Entry, Stored};
use crate::id::{ConversationId, Position};
use crate::ledger::Ledger;
use crate::order::Key;
use crate::store::{DeviceLog, Replica};
use crate::taken::ServerLog;
use crate::text::inert;
use crate::verify::{Report, tell};

/// Tells the stories of a report. What cannot be read a second time is missing in them, and the report says so.
pub(super) fn tell_of(sources: &Sources, ledger: &Ledger, report: &mut Report) {
    let mut unread = Vec::new();
    let indexes = indexes(sources, ledger, report, &mut unread);
    let wanted = Wanted::of(indexes, &report.outcomes);
    let clients: Vec<_> = (0..ledger.clients.len()).collect();
    let clients = on_all_cores(&clients, |client| {
        entries(sources, &ledger.clients[*client].source, wanted.entries(*client))
    });
    let servers = (0..ledger.servers.len())
        .map(|server| rows(sources, &ledger.servers[server], wanted.positions(server)));
    let servers: Vec<_> = servers.collect();
    let clients = clients.into_iter().map(|read| or_nothing(read, &mut unread)).collect();
    let servers = servers.into_iter().map(|read| or_nothing(read, &mut unread)).collect();
    tell(&wanted.excerpt(clients, servers), report);
    if let Some(evidence) = report.outcomes.first_mut() {
        evidence.unknowns.extend(unread);
    }
}

/// The indexes that a story compares with their logs.
fn indexes<'a>(
    sources: &Sources,
    ledger: &'a Ledger,
    report: &Report,
    unread: &mut Vec<String>,
) -> Indexes<'a> {
    let mut indexes = Indexes::of(ledger, &report.outcomes);
    for (number, log) in ledger.servers.iter().enumerate() {
        if indexes.needs(number) {
            let read = index(sources, log, &mut |conversation, key| {
                indexes.take(number, conversation, key);
            });
            or_nothing(read, unread);
        }
    }
    indexes
}

fn index(
    sources: &Sources,
    log: &ServerLog,
    take: &mut dyn FnMut(ConversationId, &Key),
) -> Result<(), Failure> {
    match server(sources, &log.source) {
        Some(Server::Stored { store, .. }) => {
            Replica::read_index(store, log.life.1, take).map_err(|error| Failure::of(&error))
        }
        // A running server does not tell its index.
        Some(Server::Running(_)) | None => Ok(()),
    }
}

fn rows(sources: &Sources, log: &ServerLog, positions: &BTreeSet<Position>) -> Result<Vec<Stored>, Failure> {
    match server(sources, &log.source) {
        Some(Server::Running(running)) => running.rows(log.life.1, positions),
        Some(Server::Stored { store, .. }) => {
            Replica::read_rows(store, log.life.1, positions).map_err(|error| Failure::of(&error))
        }
        None => Ok(Vec::new()),
    }
}

fn entries(
    sources: &Sources,
    source: &str,
    numbers: &BTreeSet<usize>,
) -> Result<Vec<(usize, Entry)>, Failure> {
    match sources.devices.iter().find(|(_, known)| known == source) {
        Some((path, _)) => DeviceLog::read_some(path, numbers).map_err(|error| Failure::of(&error)),
        None => Ok(Vec::new()),
    }
}

fn server<'a>(sources: &'a Sources, source: &str) -> Option<&'a Server> {
    sources.servers.iter().find(|server| server.source() == source)
}

fn or_nothing<T: Default>(read: Result<T, Failure>, unread: &mut Vec<String>) -> T {
    read.unwrap_or_else(|failure| {
        unread.push(format!("what is broken could not be looked up again: {}", inert(failure.what())));
        T::default()
    })
}
