//! What a reader of a log expects next, so that it need not decode what another log had.
//!
//! Logs that hold the same events hold them in nearly the same order. Whoever reads an event first notes which
//! one stood before it ([`Intake::follow`]); whoever reads the same event later expects the noted one next. An
//! event is taken for one that is known only if its bytes have that event's [`Fingerprint`], so an expectation
//! that is wrong costs time and nothing else.

use std::collections::VecDeque;

use crate::clock::Time;
use crate::event::Kind;
use crate::fingerprint::Fingerprint;
use crate::id::{EventId, Seq};
use crate::intake::{Intake, Number};

/// How many events are expected at once: concurrent ones stand in another order in each log.
const AHEAD: usize = 4;

/// How many others may come before an event is no longer expected.
const PATIENCE: u8 = 8;

/// An event that was decoded, and what to know it again by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) number: Number,
    pub(crate) print: Fingerprint,
    pub(crate) id: EventId,
    pub(crate) time: Time,
    pub(crate) seq: Seq,
    /// By the numbers of the intake, as the next one.
    pub(crate) author: u32,
    pub(crate) conversation: u32,
    pub(crate) kind: Kind,
    /// The event behind it, if some log had said so already.
    pub(crate) next: Option<Number>,
}

/// One reader's expectations.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    intake: &'a Intake,
    /// Each with how many came before it.
    next: VecDeque<(Known, u8)>,
    last: Option<Number>,
    /// The last event, if no log had another behind it yet.
    end: Option<Number>,
}

impl<'a> Expected<'a> {
    /// Nothing is expected yet.
    pub(crate) fn new(intake: &'a Intake) -> Self {
        Self { intake, next: VecDeque::new(), last: None, end: None }
    }

    /// The log's next event, if it is an expected one.
    pub(crate) fn take(&mut self, print: &Fingerprint) -> Option<Known> {
        let at = self.next.iter().position(|(known, _)| known.print == *print)?;
        let (known, _) = self.next.remove(at)?;
        self.passed(at);
        self.note(known.number);
        self.look_ahead();
        Some(known)
    }

    /// The log's next event had to be decoded.
    pub(crate) fn decoded(&mut self, number: Number) {
        self.note(number);
        if self.intake.next(number).is_some() {
            self.next.clear();
        } else {
            // It is new, and behind it may come what would have come in its place.
            self.end = Some(number);
            self.passed(self.next.len());
        }
        self.look_ahead();
    }

    fn note(&mut self, number: Number) {
        if let Some(end) = self.end.take() {
            self.intake.follow(end, number);
        }
        self.last = Some(number);
    }

    /// Another event came before the first of those that are expected.
    fn passed(&mut self, count: usize) {
        if count > 0 {
            self.next.iter_mut().take(count).for_each(|(_, others)| *others += 1);
            self.next.retain(|(_, others)| *others < PATIENCE);
        }
    }

    fn look_ahead(&mut self) {
        while self.next.len() < AHEAD {
            let next = match self.next.back() {
                Some((before, _)) => before.next.or_else(|| self.intake.next(before.number)),
                None => self.last.and_then(|before| self.intake.next(before)),
            };
            let Some(known) = next.and_then(|next| self.intake.look(next)) else { return };
            self.next.push_back((known, 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::anomaly::Anomaly;
    use crate::event::{Claim, Conversation, Draft, Event, account_of};
    use crate::history::Entry;
    use crate::id::{AccountId, DeviceId, Incarnation, ServerId};
    use crate::ledger::Ledger;
    use crate::taken::{ClientIntake, ServerIntake, ServerLog};

    const SECRET: [u8; 32] = [5; 32];

    fn event(seq: u64) -> Event {
        let key = SigningKey::from_bytes(&[9; 32]);
        let draft = Draft {
            device: DeviceId::new([1; 16]),
            seq,
            parents: [EventId::new([8; 32])].into(),
            time: Time::from_millis(seq),
            conversation: Conversation::direct(account_of(&key), AccountId::new([7; 32])),
            kind: Kind::Post,
            body: b"said".to_vec(),
        };
        draft.sign(&key).unwrap()
    }

    /// Takes a server's log in as a store does; also answers how many events need not be decoded, and the first
    /// that is none.
    fn server<'a>(
        intake: &Intake,
        number: u8,
        events: impl IntoIterator<Item = &'a [u8]>,
    ) -> (ServerLog, usize, Option<u64>) {
        let life = (ServerId::new([number; 32]), Incarnation::new([number; 16]));
        let mut log = ServerIntake::new(intake, format!("log {number}"), life, false);
        let mut again = 0;
        for (position, bytes) in (1..).zip(events) {
            match (log.again(position, bytes), Claim::of(bytes)) {
                (Some(placed), claim) => {
                    let claim = claim.unwrap();
                    assert_eq!((placed.key, placed.origin()), (claim.key(), claim.origin()));
                    assert_eq!((placed.conversation, placed.kind), (claim.conversation(), claim.kind()));
                    again += 1;
                }
                (None, Ok(claim)) => log.claimed(position, &claim),
                (None, Err(_)) => return (log.finish(), again, Some(position)),
            }
        }
        (log.finish(), again, None)
    }

    /// Of one log: the ids that stand in it, and the first event that is none.
    type Outcome = (Vec<EventId>, Option<u64>);

    /// What comes of five logs, and what is corrupt in them.
    fn outcome(intake: Intake, logs: &[Vec<Vec<u8>>; 5]) -> (Vec<Outcome>, Vec<Anomaly>) {
        let (mut servers, mut clients, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
        for (number, log) in (0..).zip(&logs[..3]) {
            let (log, _, none) = server(&intake, number, log.iter().map(Vec::as_slice));
            servers.push(log);
            damaged.push(none);
        }
        for (number, log) in (3..).zip(&logs[3..]) {
            let mut client = ClientIntake::new(&intake, format!("log {number}"));
            log.iter()
                .for_each(|bytes| client.entry(&Entry::Authored { event: bytes.clone().into(), at_ms: 0 }));
            clients.push(client.finish());
            damaged.push(None);
        }
        let ledger: Ledger = intake.settle(servers, clients, BTreeMap::new(), Vec::new());
        let ids = |events: Vec<Number>| events.into_iter().map(|event| ledger.events.id(event)).collect();
        let servers = ledger.servers.iter().map(|log| ids(log.events.clone()));
        let clients = ledger.clients.iter().map(|log| ids(log.stands().map(|(_, event)| event).collect()));
        (servers.chain(clients).zip(damaged).collect(), ledger.corrupt.clone())
    }

    #[test]
    fn an_altered_byte_in_any_of_five_logs_is_found_as_if_all_were_decoded() {
        let events: Vec<_> = (1..=6).map(|seq| event(seq).bytes().to_vec()).collect();
        let good: [_; 5] = std::array::from_fn(|_| events.clone());
        let (_, corrupt) = outcome(Intake::knowing_again(&SECRET), &good);
        assert_eq!(corrupt, []);
        // All bytes of one event in turn, spread over logs and places of it.
        for at in 0..events[0].len() {
            let (log, place) = (at % 5, at / 5 % events.len());
            let mut logs = good.clone();
            logs[log][place][at] ^= 1 << (at % 8);
            let quick = outcome(Intake::knowing_again(&SECRET), &logs);
            assert_eq!(quick, outcome(Intake::default(), &logs), "byte {at} of event {place} of log {log}");
            let (logs, corrupt) = quick;
            assert!(logs[log].1.is_some() || !corrupt.is_empty(), "byte {at} of event {place} of log {log}");
        }
    }

    #[test]
    fn what_another_log_had_is_decoded_only_where_the_order_is_new() {
        let events: Vec<_> = (1..=40).map(event).collect();
        let bytes = |order: &[usize]| order.iter().map(|at| events[*at].bytes()).collect::<Vec<_>>();
        let straight: Vec<_> = (0..40).collect();
        let swapped: Vec<_> = (0..40).map(|at| if at % 4 < 2 { at ^ 1 } else { at }).collect();
        let late: Vec<_> = (1..40).chain([0]).collect();
        let intake = Intake::knowing_again(&SECRET);
        for (number, (order, decoded)) in
            (0..).zip([(&straight, 40), (&straight, 1), (&swapped, 2), (&late, 2), (&straight, 1)])
        {
            let (log, again, none) = server(&intake, number, bytes(order));
            assert_eq!((log.events.len(), again, none), (40, 40 - decoded, None), "log {number}");
        }
        assert_eq!(server(&Intake::default(), 9, bytes(&straight)).1, 0);
    }

    #[test]
    fn what_others_are_judged_by_is_always_decoded() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let register = Draft {
            device: DeviceId::new([1; 16]),
            seq: 1,
            parents: [].into(),
            time: Time::from_millis(1),
            conversation: Conversation::Directory,
            kind: Kind::Register,
            body: b"alice".to_vec(),
        };
        let register = register.sign(&key).unwrap();
        let first = event(2);
        let intake = Intake::knowing_again(&SECRET);
        for number in 0..3 {
            let (log, again, _) = server(&intake, number, [first.bytes(), register.bytes()]);
            assert_eq!((log.events.len(), again), (2, 0), "log {number}");
        }
    }
}
