//! Takes events in from many logs at once, each event only once.
//!
//! The same events stand in every log, a million of them in five logs perhaps. Each is decoded where it is
//! found, known again by its id and signature, and numbered; logs then hold numbers ([`crate::taken`]).
//! Whoever brings an event first has its signature checked, with a thousand others
//! ([`mod@crate::signature`]). Readers of different logs may do all this at the same time: an [`Intake`] is
//! shared, and locked piece by piece. The numbers depend on who was first; [`crate::settle`] gives others
//! that do not.
//!
//! **Invariant**: an event counts only after its signature was found right. What is still [`State::Pending`]
//! when all readers have ended counts as wrong.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Time;
use crate::content::Content;
use crate::event::{Claim, Conversation, Kind};
use crate::id::{AccountId, DeviceId, EventId, Seq};
use crate::signature::{self, BATCH, Unchecked};

/// Which event, among those of one intake or one [`crate::ledger::Ledger`].
pub type Number = u32;

/// Set in the number of an event's bytes that differ from those with that id which came first, in the
/// signature; the rest of it is an index into [`Intake::variants`].
const VARIANT: Number = 1 << 31;

/// How many pieces can be locked one by one.
const SHARDS: usize = 64;

/// All events of many logs.
#[derive(Debug)]
pub struct Intake {
    shards: Vec<Mutex<Shard>>,
    conversations: Mutex<BTreeMap<Conversation, u32>>,
    authors: Mutex<BTreeMap<(AccountId, DeviceId), u32>>,
    variants: Mutex<Vec<Variant>>,
}

/// A part of the events, by the first byte of their ids.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    slots: Slots,
    pub(crate) entries: Vec<Entry>,
    /// The parents of all entries, one after the other.
    pub(crate) parents: Vec<Number>,
    /// What those events say that others are judged by, by their entries.
    pub(crate) bodies: BTreeMap<usize, Vec<u8>>,
    /// What events are about, by their entries.
    pub(crate) targets: BTreeMap<usize, Number>,
}

/// An id that was heard of.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: EventId,
    /// `None` as long as nobody had the event itself.
    pub(crate) held: Option<Held>,
}

/// An event's fields, with accounts, conversations and events as numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    seal: Seal,
    pub(crate) state: State,
    pub(crate) kind: Kind,
    pub(crate) parents: (u32, u8),
    pub(crate) time: Time,
    pub(crate) seq: Seq,
    pub(crate) author: u32,
    pub(crate) conversation: u32,
}

/// The same event under another signature.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) of: Number,
    seal: Seal,
    pub(crate) state: State,
}

/// What came of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Right,
    Wrong,
}

/// A signature's hash.
type Seal = [u8; 16];

/// What is left when all logs were read.
pub(crate) struct Taken {
    pub(crate) shards: Vec<Shard>,
    pub(crate) conversations: BTreeMap<Conversation, u32>,
    pub(crate) authors: BTreeMap<(AccountId, DeviceId), u32>,
    pub(crate) variants: Vec<Variant>,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            conversations: Mutex::default(),
            authors: Mutex::default(),
            variants: Mutex::default(),
        }
    }
}

impl Intake {
    /// The number of an id, whether anybody has its event or not.
    pub(crate) fn name(&self, id: &EventId) -> Number {
        let shard = shard_of(id);
        let local = lock(&self.shards[shard]).entry(id);
        number(shard, local)
    }

    /// The number of an event, and whether its signature is still to be checked by whoever brings it.
    pub(crate) fn hold(&self, claim: &Claim<'_>) -> (Number, bool) {
        let (id, seal) = (claim.id(), seal(claim.signature()));
        let shard = shard_of(&id);
        if let Some(known) = self.known(shard, &id, &seal) {
            return known;
        }
        let parents: Vec<_> = claim.parents().iter().map(|parent| self.name(parent)).collect();
        let target = Content::read(claim.kind(), claim.body()).ok().and_then(|content| content.target());
        let target = target.map(|target| self.name(&target));
        let (origin, key) = (claim.origin(), claim.key());
        let author = intern(&self.authors, (origin.account, origin.device));
        let conversation = intern(&self.conversations, claim.conversation());
        let mut locked = lock(&self.shards[shard]);
        let local = locked.entry(&id);
        if locked.entries[local].held.is_some() {
            drop(locked); // another reader was quicker
            return self.known(shard, &id, &seal).unwrap_or((number(shard, local), false));
        }
        let start = u32::try_from(locked.parents.len()).unwrap_or(u32::MAX);
        // An event has at most `PARENTS_MAX` parents.
        let count = u8::try_from(parents.len()).unwrap_or(u8::MAX);
        locked.parents.extend(parents);
        if is_judged_by(claim.kind()) {
            locked.bodies.insert(local, claim.body().to_vec());
        }
        if let Some(target) = target {
            locked.targets.insert(local, target);
        }
        locked.entries[local].held = Some(Held {
            seal,
            state: State::Pending,
            kind: claim.kind(),
            parents: (start, count),
            time: key.time,
            seq: key.seq,
            author,
            conversation,
        });
        (number(shard, local), true)
    }

    fn known(&self, shard: usize, id: &EventId, seal: &Seal) -> Option<(Number, bool)> {
        let locked = lock(&self.shards[shard]);
        let local = locked.find(id)?;
        let held = locked.entries[local].held.as_ref()?;
        let (of, is_same) = (number(shard, local), held.seal == *seal);
        drop(locked);
        Some(if is_same { (of, false) } else { self.variant(of, seal) })
    }

    /// Rare: only the author can sign the same event twice, and only damage makes a wrong signature.
    fn variant(&self, of: Number, seal: &Seal) -> (Number, bool) {
        let mut variants = lock(&self.variants);
        let known = variants.iter().position(|variant| variant.of == of && variant.seal == *seal);
        let index = known.unwrap_or(variants.len());
        if known.is_none() {
            variants.push(Variant { of, seal: *seal, state: State::Pending });
        }
        (VARIANT | u32::try_from(index).unwrap_or(!VARIANT), known.is_none())
    }

    fn decide(&self, number: Number, state: State) {
        if number & VARIANT != 0 {
            lock(&self.variants)[(number & !VARIANT) as usize].state = state;
        } else {
            let (shard, local) = place(number);
            if let Some(held) = &mut lock(&self.shards[shard]).entries[local].held {
                held.state = state;
            }
        }
    }

    /// All that was taken in.
    pub(crate) fn close(self) -> Taken {
        let open = |shard: Mutex<Shard>| shard.into_inner().unwrap_or_else(PoisonError::into_inner);
        Taken {
            shards: self.shards.into_iter().map(open).collect(),
            conversations: self.conversations.into_inner().unwrap_or_else(PoisonError::into_inner),
            authors: self.authors.into_inner().unwrap_or_else(PoisonError::into_inner),
            variants: self.variants.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Taken {
    /// Which event a number stands for, whatever its signature.
    pub(crate) fn root(&self, number: Number) -> Number {
        if number & VARIANT == 0 { number } else { self.variants[(number & !VARIANT) as usize].of }
    }

    /// Whether bytes with this number were found, and their signature right.
    pub(crate) fn is_right(&self, number: Number) -> bool {
        let state = if number & VARIANT == 0 {
            let (shard, local) = place(number);
            self.shards[shard].entries[local].held.map(|held| held.state)
        } else {
            Some(self.variants[(number & !VARIANT) as usize].state)
        };
        state == Some(State::Right)
    }
}

/// Where the entry with a number is; the number is no variant's.
pub(crate) fn place(number: Number) -> (usize, usize) {
    (number as usize % SHARDS, number as usize / SHARDS)
}

pub(crate) fn number(shard: usize, local: usize) -> Number {
    u32::try_from(local * SHARDS + shard).unwrap_or(!VARIANT)
}

/// Whether other events are judged by what one of this kind says: who is called what, who may read which room,
/// and which rooms a device follows.
fn is_judged_by(kind: Kind) -> bool {
    use Kind::{Close, Create, Follow, Invite, Register, Unfollow};
    matches!(kind, Register | Close | Create | Invite | Follow | Unfollow)
}

fn shard_of(id: &EventId) -> usize {
    usize::from(id.as_bytes()[0]) % SHARDS
}

fn seal(signature: &[u8]) -> Seal {
    let mut seal = [0; 16];
    seal.copy_from_slice(&blake3::hash(signature).as_bytes()[..16]);
    seal
}

fn intern<K: Ord>(table: &Mutex<BTreeMap<K, u32>>, key: K) -> u32 {
    let mut table = lock(table);
    let next = u32::try_from(table.len()).unwrap_or(u32::MAX);
    *table.entry(key).or_insert(next)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn find(&self, id: &EventId) -> Option<usize> {
        self.slots.find(id, &self.entries).ok()
    }

    fn entry(&mut self, id: &EventId) -> usize {
        match self.slots.find(id, &self.entries) {
            Ok(local) => local,
            Err(slot) => {
                self.entries.push(Entry { id: *id, held: None });
                self.slots.fill(slot, &self.entries);
                self.entries.len() - 1
            }
        }
    }
}

/// Finds an entry by its id: open addressing over the entries' indexes. An id is a hash already.
#[derive(Debug, Default)]
struct Slots(Vec<u32>);

impl Slots {
    const EMPTY: u32 = u32::MAX;

    /// The entry with this id, or the slot where it belongs.
    fn find(&self, id: &EventId, entries: &[Entry]) -> Result<usize, usize> {
        if self.0.is_empty() {
            return Err(0);
        }
        let mask = self.0.len() - 1;
        let mut slot = hash(id) & mask;
        loop {
            match self.0[slot] {
                Self::EMPTY => return Err(slot),
                index if entries[index as usize].id == *id => return Ok(index as usize),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// Puts the last entry into a slot that is free.
    fn fill(&mut self, slot: usize, entries: &[Entry]) {
        let last = u32::try_from(entries.len() - 1).unwrap_or(Self::EMPTY);
        if entries.len() * 3 < self.0.len() * 2 {
            self.0[slot] = last;
            return;
        }
        self.0 = vec![Self::EMPTY; (self.0.len() * 2).max(16)];
        for (index, entry) in (0..).zip(entries) {
            if let Err(slot) = self.find(&entry.id, entries) {
                self.0[slot] = index;
            }
        }
    }
}

fn hash(id: &EventId) -> usize {
    let bytes = &id.as_bytes()[1..9];
    bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// Signatures that one reader has gathered. They are checked when there are enough of them, and at the
/// latest when this is dropped.
#[derive(Debug)]
pub(crate) struct Gathered<'a> {
    intake: &'a Intake,
    numbers: Vec<Number>,
    unchecked: Vec<Unchecked>,
}

impl<'a> Gathered<'a> {
    pub(crate) fn new(intake: &'a Intake) -> Self {
        Self { intake, numbers: Vec::new(), unchecked: Vec::new() }
    }

    pub(crate) fn intake(&self) -> &'a Intake {
        self.intake
    }

    /// The number of an event, whose signature is checked some time.
    pub(crate) fn hold(&mut self, claim: &Claim<'_>) -> Number {
        let (number, is_new) = self.intake.hold(claim);
        if is_new {
            self.numbers.push(number);
            self.unchecked.push(claim.unchecked());
            if self.unchecked.len() == BATCH {
                self.check();
            }
        }
        number
    }

    fn check(&mut self) {
        let mut wrong = signature::invalid(&self.unchecked).into_iter().peekable();
        for (place, number) in self.numbers.drain(..).enumerate() {
            let is_wrong = wrong.next_if_eq(&place).is_some();
            self.intake.decide(number, if is_wrong { State::Wrong } else { State::Right });
        }
        self.unchecked.clear();
    }
}

impl Drop for Gathered<'_> {
    fn drop(&mut self) {
        self.check();
    }
}
