//! Which bodies were lost with the disks that had them: P2 promises an event for as long as fewer disks are lost than
//! had acked it.

use std::collections::{BTreeMap, BTreeSet};

use crate::bits::Bits;
use crate::id::{AccountId, DeviceId};
use crate::intake::Number;
use crate::ledger::Ledger;
use crate::succession::Succession;
use crate::taken::{Life, Seen};

/// What lost disks explain of a body that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing: it is on a server's disk, a server that acked it should have it, or no disk was lost.
    None,
    /// No log tells who acked it. Disks were lost, or the log of the device that wrote it, and no disk that is left has it.
    Maybe,
    /// Every server that acked it has lost its disk since, and it is on none that is left.
    All,
}

/// What is known of some bodies, and of lost disks.
pub(crate) struct Losses<'a> {
    ledger: &'a Ledger,
    succession: Succession,
    /// The events that stand on a server's disk with their bodies.
    whole: Bits,
    acked: BTreeMap<Number, BTreeSet<Life>>,
    /// Whether any life of a log that a device ever heard of is lost.
    any: bool,
    /// The devices whose logs were read.
    logs: BTreeSet<(AccountId, DeviceId)>,
}

impl<'a> Losses<'a> {
    /// What bears on the bodies of these events.
    pub(crate) fn of(ledger: &'a Ledger, events: &BTreeSet<Number>) -> Self {
        let mut acked: BTreeMap<_, _> = events.iter().map(|event| (*event, BTreeSet::new())).collect();
        for log in &ledger.clients {
            for seen in &log.seen {
                if let Seen::Receipt { life, event, .. } = seen
                    && let Some(lives) = acked.get_mut(event)
                {
                    lives.insert(log.lives[usize::from(*life)]);
                }
            }
        }
        let (succession, whole) = (Succession::of(ledger), Bits::new(ledger.events.numbers()));
        let logs = ledger.clients.iter().filter_map(|log| log.account.zip(log.device)).collect();
        let mut losses = Self { ledger, succession, whole, acked, any: false, logs };
        for log in ledger.servers.iter().filter(|log| losses.succession.retired(log.life.0).is_none()) {
            let mut bare = log.bare.iter().peekable();
            for (index, event) in log.events.iter().enumerate() {
                if bare.next_if(|bare| **bare as usize == index).is_none() {
                    losses.whole.insert(*event);
                }
            }
        }
        losses.any = ledger.clients.iter().flat_map(|log| &log.lives).any(|life| losses.is_lost(*life));
        losses
    }

    /// What lost disks explain of an event's missing body.
    pub(crate) fn explain(&self, event: Number) -> Loss {
        if self.whole.contains(event) {
            return Loss::None;
        }
        match self.acked.get(&event).filter(|lives| !lives.is_empty()) {
            Some(lives) if lives.iter().all(|life| self.is_lost(*life)) => Loss::All,
            None if self.any || !self.logs.contains(&self.ledger.events.author(event)) => Loss::Maybe,
            _ => Loss::None,
        }
    }

    /// Whether all that a life of a server's log had is lost with its disk. Of a server that has left, others have it,
    /// unless it was removed as lost.
    fn is_lost(&self, life: Life) -> bool {
        let (mut open, mut seen) = (vec![life], BTreeSet::from([life]));
        while let Some(life) = open.pop() {
            match self.succession.retired(life.0) {
                Some(retired) => open.extend(retired.drained.iter().filter(|life| seen.insert(**life))),
                None => match self.ledger.servers.iter().find(|log| log.life.0 == life.0) {
                    Some(log) if log.life != life => {}
                    _ => return false,
                },
            }
        }
        true
    }
}
