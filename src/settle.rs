//! From what was taken in to [`Ledger`]: which events are valid, and numbers that mean something.
//!
//! Events are numbered by conversation and canonical order. So a transcript is a range of numbers, "later in
//! canonical order" is a comparison of two numbers of one conversation, and what somebody holds is a set of
//! bits. Ids whose event nobody has come after all events, in the order of ids.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::anomaly::Anomaly;
use crate::bits::Bits;
use crate::clock::Time;
use crate::event::{EventError, Kind};
use crate::id::{AccountId, DeviceId, EventId, ServerId};
use crate::intake::{self, Entry, Held, Intake, Number, Taken};
use crate::ledger::{Events, Ledger};
use crate::taken::{ClientLog, Seen, ServerLog};

impl Intake {
    /// The evidence of these logs, all of them taken in here; `names` are what people call the servers, and
    /// `absent` says what could not be read.
    pub fn settle(
        self,
        servers: Vec<ServerLog>,
        clients: Vec<ClientLog>,
        names: BTreeMap<ServerId, String>,
        absent: Vec<String>,
    ) -> Ledger {
        let taken = self.close();
        let mut settling = Settling { servers, clients, corrupt: Vec::new() };
        settling.refuse_wrong_signatures(&taken);
        let standing = settling.standing(&taken);
        let (events, numbers) = number(&taken, &standing);
        settling.renumber(&taken, &numbers);
        let Settling { servers, clients, corrupt } = settling;
        Ledger { names, absent, servers, clients, events, corrupt }
    }
}

struct Settling {
    servers: Vec<ServerLog>,
    clients: Vec<ClientLog>,
    corrupt: Vec<Anomaly>,
}

impl Settling {
    /// Finds what is no valid event in each log, in its order.
    fn refuse_wrong_signatures(&mut self, taken: &Taken) {
        for log in &self.servers {
            let wrong = log.log().filter(|(_, event)| !taken.is_right(*event));
            self.corrupt.extend(wrong.map(|(position, event)| {
                let (at, why) = (log.place(position), why(taken, event));
                Anomaly::Corrupt { at, why }
            }));
            self.corrupt.extend(gap(log));
        }
        for log in &mut self.clients {
            for (index, seen) in log.seen.iter_mut().enumerate() {
                if let Some(event) = seen.stands().filter(|event| !taken.is_right(*event)) {
                    log.corrupt.push((index, why(taken, event)));
                    *seen = Seen::Nothing;
                }
            }
            log.corrupt.sort_by_key(|(index, _)| *index);
            let corrupt = std::mem::take(&mut log.corrupt).into_iter();
            self.corrupt.extend(corrupt.map(|(index, why)| Anomaly::Corrupt { at: log.place(index), why }));
        }
    }

    /// Which events stand in one of these logs with a right signature; what only a log had that was given
    /// up does not count.
    fn standing(&self, taken: &Taken) -> Vec<Bits> {
        let mut standing: Vec<_> = taken.shards.iter().map(|shard| Bits::new(shard.entries.len())).collect();
        let mut note = |event: Number| {
            if taken.is_right(event) {
                let (shard, local) = intake::place(taken.root(event));
                standing[shard].insert(u32::try_from(local).unwrap_or(u32::MAX));
            }
        };
        self.servers.iter().flat_map(|log| &log.events).for_each(|event| note(*event));
        self.clients.iter().flat_map(|log| &log.seen).filter_map(|seen| seen.stands()).for_each(note);
        standing
    }

    fn renumber(&mut self, taken: &Taken, numbers: &[Vec<Number>]) {
        let renumber = |event: &mut Number| {
            let (shard, local) = intake::place(taken.root(*event));
            *event = numbers[shard][local];
        };
        self.servers.iter_mut().flat_map(|log| &mut log.events).for_each(renumber);
        self.clients.iter_mut().flat_map(|log| &mut log.seen).filter_map(Seen::event_mut).for_each(renumber);
    }
}

fn why(taken: &Taken, event: Number) -> String {
    let (shard, local) = intake::place(taken.root(event));
    let author = taken.shards[shard].entries[local].held.map(|held| held.author);
    let account = taken.authors.iter().find(|(_, number)| Some(**number) == author);
    account.map_or_else(String::new, |((account, _), _)| EventError::Signature(*account).to_string())
}

/// The first place where a log's positions do not count 1, 2, 3.
fn gap(log: &ServerLog) -> Option<Anomaly> {
    let (expected, position) =
        (1..).zip(log.positions.as_ref()?).find(|(expected, position)| expected != *position)?;
    let why = format!("position {position} stands where {expected} should");
    Some(Anomaly::Corrupt { at: log.place(expected), why })
}

/// Numbers all events and ids; also answers which number each entry of each shard has.
fn number(taken: &Taken, standing: &[Bits]) -> (Events, Vec<Vec<Number>>) {
    let mut conversations: Vec<_> = taken
        .conversations
        .iter()
        .map(|(conversation, number)| (conversation.id(), *conversation, *number))
        .collect();
    conversations.sort_unstable();
    let mut ranks = vec![0; conversations.len()];
    for (rank, (.., number)) in (0..).zip(&conversations) {
        ranks[*number as usize] = rank;
    }
    let mut authors = vec![None; taken.authors.len()];
    for (author, number) in &taken.authors {
        authors[*number as usize] = Some(*author);
    }
    let authors: Vec<_> = authors.into_iter().flatten().collect();

    let mut known = Vec::new();
    let mut named = Vec::new();
    for (shard, part) in taken.shards.iter().enumerate() {
        for (local, Entry { id, held }) in part.entries.iter().enumerate() {
            let number = intake::number(shard, local);
            match held {
                Some(held) if standing[shard].contains(u32::try_from(local).unwrap_or(u32::MAX)) => {
                    let conversation = ranks[held.conversation as usize];
                    known.push(Known { conversation, number, time: held.time, id, held });
                }
                _ => named.push((*id, number)),
            }
        }
    }
    known.sort_unstable_by(|one, other| one.order(other, &authors));
    named.sort_unstable();

    let mut numbers: Vec<_> = taken.shards.iter().map(|shard| vec![0; shard.entries.len()]).collect();
    let all = known.iter().map(|known| known.number).chain(named.iter().map(|(_, number)| *number));
    for (new, old) in (0..).zip(all) {
        let (shard, local) = intake::place(old);
        numbers[shard][local] = new;
    }
    let table = conversations.iter().map(|(id, conversation, _)| (*id, *conversation));
    let mut events = Events::new(table, authors, known.len());
    for Known { conversation, number, id, held, .. } in known {
        let (shard, local) = intake::place(number);
        let part = &taken.shards[shard];
        let parents = part.parents[held.parents.0 as usize..].iter().take(held.parents.1.into());
        let parents = parents.map(|parent| {
            let (shard, local) = intake::place(*parent);
            numbers[shard][local]
        });
        let name = part.names.get(&local).filter(|_| held.kind == Kind::Register);
        events.push(conversation, id, held, parents, name.cloned());
    }
    named.into_iter().for_each(|(id, _)| events.push_named(id));
    (events, numbers)
}

/// An event, with what places it.
struct Known<'a> {
    /// The conversation's rank among all.
    conversation: u32,
    number: Number,
    time: Time,
    id: &'a EventId,
    held: &'a Held,
}

impl Known<'_> {
    /// By conversation, and within it as [`crate::order::Key`] sorts.
    fn order(&self, other: &Self, authors: &[(AccountId, DeviceId)]) -> Ordering {
        let tie = |event: &Self| (authors[event.held.author as usize].1, event.held.seq, *event.id);
        let coarse = (self.conversation, self.time).cmp(&(other.conversation, other.time));
        coarse.then_with(|| tie(self).cmp(&tie(other)))
    }
}
