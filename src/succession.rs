//! The checks of rule 15: servers come and go one view after the other, a sealed log ends where its seal says, and
//! what a server had when it left is where its view says.

use std::collections::{BTreeMap, BTreeSet};

use crate::anomaly::{Anomaly, Place};
use crate::bits::Bits;
use crate::id::{AdminKey, EventId, Position, ServerId};
use crate::ledger::Ledger;
use crate::report::Outcome;
use crate::taken::{Life, Seen, ServerLog};
use crate::view::{Retired, SignedView, View, ViewError, ViewId};

/// Every view that a log or store names, and what follows from them.
#[derive(Debug, Default)]
pub(crate) struct Succession {
    views: BTreeMap<ViewId, (View, Place)>,
    /// Bytes that are no signed view, each with where they stand.
    wrong: Vec<(Place, ViewError)>,
}

impl Succession {
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let mut succession = Self::default();
        let devices = ledger.clients.iter().flat_map(|log| {
            log.seen.iter().enumerate().filter_map(|(index, seen)| match seen {
                Seen::View { number, .. } => Some((log.views.get(*number as usize)?, log.place(index))),
                _ => None,
            })
        });
        devices.for_each(|(bytes, place)| succession.take(bytes, place));
        // Devices took views only from the administrator whom their cluster file names.
        let believed = succession.administrators();
        for log in &ledger.servers {
            let Some(bytes) = &log.view else { continue };
            let is_believed = |view: &View| {
                believed.is_empty() || view.admin().is_some_and(|admin| believed.contains(&admin))
            };
            match SignedView::read(bytes) {
                Ok(signed) if !is_believed(signed.view()) => {
                    succession.wrong.push((end(log), ViewError::Signature));
                }
                _ => succession.take(bytes, end(log)),
            }
        }
        succession
    }

    fn take(&mut self, bytes: &[u8], place: Place) {
        match SignedView::read(bytes) {
            Ok(signed) => {
                self.views.entry(signed.view().id()).or_insert((signed.into_view(), place));
            }
            Err(error) => self.wrong.push((place, error)),
        }
    }

    fn administrators(&self) -> BTreeSet<AdminKey> {
        self.views.values().filter_map(|(view, _)| view.admin()).collect()
    }

    fn newest(&self) -> Option<&View> {
        self.views.last_key_value().map(|(_, (view, _))| view)
    }

    /// Whether a server is to hold all that there is: it belongs to the newest view and is not sealed.
    pub(crate) fn is_to_hold_all(&self, server: ServerId) -> bool {
        self.newest().is_none_or(|view| view.writable().any(|member| member.id == server))
    }

    /// A server that has left. Views forget those that left long ago, so the older ones are asked, too.
    pub(crate) fn retired(&self, server: ServerId) -> Option<&Retired> {
        let mut views = self.views.values().rev();
        views.find_map(|(view, _)| view.retired().iter().find(|retired| retired.id == server))
    }

    fn all_retired(&self) -> impl Iterator<Item = &Retired> {
        let ids: BTreeSet<_> = self
            .views
            .values()
            .flat_map(|(view, _)| view.retired().iter().map(|retired| retired.id))
            .collect();
        ids.into_iter().filter_map(|id| self.retired(id))
    }

    /// Whether nothing is unsure about a server though its log was not read: it was removed as lost, or somebody
    /// who was to hold all that it had was read, or has left in turn and is accounted for. Of one whose disk was
    /// replaced since then, it is known that it lost all that.
    pub(crate) fn accounts_for(&self, server: ServerId, ledger: &Ledger) -> bool {
        let mut open = vec![server];
        let mut seen = BTreeSet::new();
        while let Some(server) = open.pop() {
            let Some(retired) = self.retired(server) else { continue };
            let stand_ins = || retired.drained.iter().map(|(server, _)| *server);
            let is_read = |server| ledger.servers.iter().any(|log| log.life.0 == server);
            if retired.drained.is_empty() || stand_ins().any(is_read) {
                return true;
            }
            open.extend(stand_ins().filter(|server| seen.insert(*server)));
        }
        false
    }
}

/// Where a store's view is told to stand: with the last event that it has.
fn end(log: &ServerLog) -> Place {
    log.place(log.log().last().map_or(0, |(position, _)| position))
}

/// Rule 15. Nothing is said of a cluster whose servers never changed.
pub(crate) fn succession(ledger: &Ledger) -> Vec<Outcome> {
    let succession = Succession::of(ledger);
    if succession.views.is_empty() && succession.wrong.is_empty() {
        return Vec::new();
    }
    let mut outcome = Outcome::new("a sealed log ends there, and none of it is lost", "rule 15", "views");
    outcome.examined = succession.views.len();
    let wrong = succession.wrong.iter();
    outcome
        .anomalies
        .extend(wrong.map(|(at, why)| Anomaly::Corrupt { at: at.clone(), why: why.to_string() }));
    outcome.anomalies.extend(twins(&succession));
    for retired in succession.all_retired() {
        if let Some(incarnation) = retired.incarnation {
            let sealed = Sealed { retired, life: (retired.id, incarnation), ledger };
            outcome.anomalies.extend(sealed.beyond());
            outcome.anomalies.extend(sealed.not_drained());
        }
    }
    vec![outcome]
}

/// Views of one epoch.
fn twins(succession: &Succession) -> Vec<Anomaly> {
    let views: Vec<_> = succession.views.values().collect();
    let twins = views.windows(2).filter(|pair| pair[0].0.epoch() == pair[1].0.epoch());
    let anomaly = |pair: &[&(View, Place)]| Anomaly::TwoViews {
        epoch: pair[0].0.epoch(),
        one: pair[0].1.clone(),
        other: pair[1].1.clone(),
    };
    twins.map(anomaly).collect()
}

/// A log that was sealed, and whose server has left.
struct Sealed<'a> {
    retired: &'a Retired,
    life: Life,
    ledger: &'a Ledger,
}

impl Sealed<'_> {
    fn name(&self) -> String {
        self.retired.name.clone()
    }

    /// What was acked or stored after the seal, each with where that stands.
    fn beyond(&self) -> Vec<Anomaly> {
        let receipts = self.receipts().filter(|(position, ..)| *position > self.retired.position);
        let stored = self.stored().filter(|(position, ..)| *position > self.retired.position);
        let anomaly = |(position, event, at)| Anomaly::AfterSeal {
            event: self.ledger.events.id(event),
            server: self.name(),
            position,
            sealed: self.retired.position,
            at,
        };
        // The first of each log is enough: all that follow are beyond as well.
        let mut seen = BTreeSet::new();
        let firsts = receipts.chain(stored).filter(|(.., at): &(_, _, Place)| seen.insert(at.source.clone()));
        firsts.map(anomaly).collect()
    }

    /// What is known to have been in the log, and lacks in one that is said to hold all of it.
    fn not_drained(&self) -> Vec<Anomaly> {
        let within = self.receipts().chain(self.stored());
        let mut known: BTreeMap<EventId, (Position, u32, Place)> = BTreeMap::new();
        for (position, event, at) in within.filter(|(position, ..)| *position <= self.retired.position) {
            known.entry(self.ledger.events.id(event)).or_insert((position, event, at));
        }
        let drained = self.ledger.servers.iter().filter(|log| self.retired.drained.contains(&log.life));
        let mut anomalies = Vec::new();
        // What a running server told was perhaps told before it had read the sealed log.
        for log in drained.filter(|log| !log.live) {
            let held = held(log, self.ledger);
            let lacking = known.iter().filter(|(_, (_, event, _))| !held.contains(*event));
            anomalies.extend(lacking.map(|(event, (position, _, at))| Anomaly::NotDrained {
                event: *event,
                retired: self.name(),
                position: *position,
                server: self.ledger.name_of(log.life.0),
                at: at.clone(),
            }));
        }
        anomalies
    }

    fn receipts(&self) -> impl Iterator<Item = (Position, u32, Place)> {
        self.ledger.clients.iter().flat_map(|log| {
            log.seen.iter().enumerate().filter_map(|(index, seen)| match *seen {
                Seen::Receipt { life, event, position } if log.lives[usize::from(life)] == self.life => {
                    Some((position, event, log.place(index)))
                }
                _ => None,
            })
        })
    }

    fn stored(&self) -> impl Iterator<Item = (Position, u32, Place)> {
        let logs = self.ledger.servers.iter().filter(|log| log.life == self.life);
        logs.flat_map(|log| log.log().map(|(position, event)| (position, event, log.place(position))))
    }
}

fn held(log: &ServerLog, ledger: &Ledger) -> Bits {
    let mut held = Bits::new(ledger.events.numbers());
    log.events.iter().for_each(|event| _ = held.insert(*event));
    held
}
