//! The checks of P2: what was acked is on the disks that acked it, and nobody was told of more.

use std::collections::{BTreeMap, BTreeSet};

use crate::anomaly::{Anomaly, Place};
use crate::evidence::Evidence;
use crate::history::{Entry, ServerHistory};
use crate::id::{EventId, Incarnation, Position, RoomId, ServerId};
use crate::report::Outcome;
use crate::text::count;

/// What a server has now, in one incarnation.
pub(crate) struct Store<'a> {
    held: BTreeSet<EventId>,
    log: BTreeMap<Position, EventId>,
    pub(crate) tip: Position,
    pub(crate) history: &'a ServerHistory,
}

impl Store<'_> {
    /// Whether a receipt speaks of this log and names a place that the log does not bear out.
    fn belies(&self, incarnation: Incarnation, id: &EventId, position: Position) -> bool {
        let unread = self.history.live && position > self.tip;
        self.history.incarnation == incarnation && !unread && self.log.get(&position) != Some(id)
    }
}

/// What the servers have now, by server.
pub(crate) fn stores<'a>(evidence: &'a Evidence<'_>) -> BTreeMap<ServerId, Store<'a>> {
    let store = |history: &'a ServerHistory| {
        let log: BTreeMap<_, _> =
            history.log.iter().map(|stored| (stored.position, stored.event.id())).collect();
        let tip = log.last_key_value().map_or(0, |(position, _)| *position);
        Store { held: log.values().copied().collect(), log, tip, history }
    };
    evidence.history.servers.iter().map(|server| (server.server, store(server))).collect()
}

/// The most that a person was told of one message, and the receipts that stood behind it.
#[derive(Default)]
struct Told {
    copies: usize,
    index: usize,
    acks: BTreeMap<ServerId, Incarnation>,
}

/// P2: what a server acked is in its log, and enough copies are left.
pub(crate) fn durable(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("every acked event is on the disks that acked it", "P2", "receipts");
    let stores = stores(evidence);
    let mut unread: BTreeMap<ServerId, usize> = BTreeMap::new();
    for observer in &evidence.observers {
        let mut acks: BTreeMap<EventId, BTreeMap<ServerId, Incarnation>> = BTreeMap::new();
        let mut told: BTreeMap<EventId, Told> = BTreeMap::new();
        for (index, entry) in observer.history.entries.iter().enumerate() {
            match entry {
                Entry::Incarnation { server, .. } => {
                    acks.values_mut().for_each(|acks| {
                        acks.remove(server);
                    });
                }
                Entry::Receipt { server, incarnation, id, position } => {
                    outcome.examined += 1;
                    acks.entry(*id).or_default().insert(*server, *incarnation);
                    let Some(store) = stores.get(server) else {
                        *unread.entry(*server).or_default() += 1;
                        continue;
                    };
                    if store.belies(*incarnation, id, *position) {
                        outcome.anomalies.push(Anomaly::LostAck {
                            event: *id,
                            server: evidence.history.name_of(*server),
                            position: *position,
                            receipt: observer.history.place(index),
                        });
                    }
                }
                Entry::Level { id, copies, .. } => {
                    let most = told.entry(*id).or_default();
                    if *copies as usize >= most.copies {
                        let acks = acks.get(id).cloned().unwrap_or_default();
                        *most = Told { copies: *copies as usize, index, acks };
                    }
                }
                _ => {}
            }
        }
        for (event, most) in told {
            let at = observer.history.place(most.index);
            outcome.anomalies.extend(too_few(&stores, event, &most, at));
        }
    }
    outcome.unknowns.extend(unread.into_iter().map(|(server, receipts)| {
        format!(
            "the log of server {} was not read: {} cannot be checked",
            evidence.history.name_of(server),
            count(receipts, "receipt")
        )
    }));
    outcome
}

/// Whether copies are missing that neither a lost disk nor an unread log explains.
fn too_few(
    stores: &BTreeMap<ServerId, Store<'_>>,
    event: EventId,
    told: &Told,
    at: Place,
) -> Option<Anomaly> {
    let found = stores.values().filter(|store| store.held.contains(&event)).count();
    let (mut losses, mut unread) = (0, 0);
    for (server, incarnation) in &told.acks {
        match stores.get(server) {
            None => unread += 1,
            Some(store) if store.held.contains(&event) => {}
            Some(store) if store.history.incarnation != *incarnation => losses += 1,
            Some(store) => unread += usize::from(store.history.live),
        }
    }
    let told = told.copies;
    (found + losses + unread < told).then_some(Anomaly::TooFewCopies { event, told, found, losses, at })
}

/// P2: what a person was told of copies is what receipts said at the time.
pub(crate) fn honest_copies(evidence: &Evidence<'_>) -> Outcome {
    let mut outcome = Outcome::new("nobody is told of more copies than there are receipts", "P2", "notices");
    for observer in &evidence.observers {
        let mut current: BTreeMap<ServerId, Incarnation> = BTreeMap::new();
        let mut cursors: BTreeMap<(ServerId, Option<RoomId>), Position> = BTreeMap::new();
        let mut acks: BTreeMap<EventId, BTreeSet<ServerId>> = BTreeMap::new();
        for (index, entry) in observer.history.entries.iter().enumerate() {
            let at = || observer.history.place(index);
            match entry {
                Entry::Incarnation { server, incarnation, .. } => {
                    current.insert(*server, *incarnation);
                    cursors.retain(|(of, _), _| of != server);
                    acks.values_mut().for_each(|servers| {
                        servers.remove(server);
                    });
                }
                Entry::Receipt { server, incarnation, id, .. } => {
                    if current.get(server) == Some(incarnation) {
                        acks.entry(*id).or_default().insert(*server);
                    } else {
                        outcome.anomalies.push(Anomaly::StaleIncarnation {
                            at: at(),
                            server: evidence.history.name_of(*server),
                        });
                    }
                }
                Entry::Cursor { server, incarnation, position, room } => {
                    if current.get(server) != Some(incarnation) {
                        outcome.anomalies.push(Anomaly::StaleIncarnation {
                            at: at(),
                            server: evidence.history.name_of(*server),
                        });
                        continue;
                    }
                    let before = cursors.insert((*server, *room), *position).unwrap_or(0);
                    if before > *position {
                        let (server, from, to) = (evidence.history.name_of(*server), before, *position);
                        outcome.anomalies.push(Anomaly::CursorBack { server, from, to, at: at() });
                    }
                }
                Entry::Level { id, copies, .. } => {
                    outcome.examined += 1;
                    let (told, receipts) = (*copies as usize, acks.get(id).map_or(0, BTreeSet::len));
                    if told > receipts || told == 0 {
                        outcome.anomalies.push(Anomaly::Boast { event: *id, told, receipts, at: at() });
                    }
                }
                _ => {}
            }
        }
    }
    outcome
}
