//! Takes events in from many logs at once, each event only once.
//!
//! The same events stand in every log, a million of them in five logs perhaps. Each is decoded where it is
//! found, known again by its id and signature, and numbered; logs then hold numbers ([`crate::taken`]). What is
//! byte for byte what another log had need not be decoded again (`crate::expected`).
//! Whoever brings an event first has its signature checked, with a thousand others
//! ([`mod@crate::signature`]). Readers of different logs may do all this at the same time: an [`Intake`] is
//! shared, and locked piece by piece. The numbers depend on who was first; [`crate::settle`] gives others
//! that do not.
//!
//! **Invariant**: an event counts only after its signature was found right. What is still `State::Pending`
//! when all readers have ended counts as wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bits::Bits;
use crate::clock::Time;
use crate::content::Content;
use crate::event::{Claim, Conversation, Kind, Origin};
use crate::expected::{Expected, Known};
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::id::{AccountId, DeviceId, EventId, Seq};
use crate::order::Key;
use crate::progress::Progress;
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
    conversations: Mutex<Table<Conversation>>,
    authors: Mutex<Table<(AccountId, DeviceId)>>,
    variants: Mutex<Vec<Variant>>,
    /// `None` if every event is to be decoded.
    prints: Option<Fingerprinter>,
    pub(crate) progress: Progress,
}

/// Values with a number each.
#[derive(Debug)]
struct Table<K> {
    numbers: BTreeMap<K, u32>,
    values: Vec<K>,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self { numbers: BTreeMap::new(), values: Vec::new() }
    }
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
    /// Events whose body nobody has brought so far, by their entries.
    bare: BTreeSet<usize>,
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
    /// Of its bytes; `None` if they are always decoded.
    print: Option<Fingerprint>,
    /// The event behind it in some log.
    next: Option<Next>,
}

/// What a log's index of events needs to know of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) key: Key,
    pub(crate) account: AccountId,
    pub(crate) conversation: Conversation,
    pub(crate) kind: Kind,
}

impl Placed {
    pub(crate) fn of(claim: &Claim<'_>) -> Self {
        let (key, account) = (claim.key(), claim.origin().account);
        Self { key, account, conversation: claim.conversation(), kind: claim.kind() }
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin { account: self.account, device: self.key.device, seq: self.key.seq }
    }
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

/// An event's number, so that none of them takes no more room than one.
#[derive(Debug, Clone, Copy)]
struct Next(NonZero<Number>);

impl Next {
    fn new(number: Number) -> Option<Self> {
        NonZero::new(!number).map(Self)
    }

    fn number(self) -> Number {
        !self.0.get()
    }
}

const _: () = assert!(size_of::<Entry>() <= 144, "a million of them must fit into memory");

/// What is left when all logs were read.
pub(crate) struct Taken {
    pub(crate) shards: Vec<Shard>,
    pub(crate) conversations: BTreeMap<Conversation, u32>,
    pub(crate) authors: BTreeMap<(AccountId, DeviceId), u32>,
    pub(crate) variants: Vec<Variant>,
    /// Which entries of each shard were found with a right signature: all that most questions are about, in little
    /// memory.
    right: Vec<Bits>,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            conversations: Mutex::default(),
            authors: Mutex::default(),
            variants: Mutex::default(),
            prints: None,
            progress: Progress::default(),
        }
    }
}

impl Intake {
    /// An intake that knows bytes again without decoding them. The secret must be drawn at random after all logs
    /// were written, and be told to nobody: see `crate::fingerprint`.
    pub fn knowing_again(secret: &[u8; 32]) -> Self {
        Self { prints: Some(Fingerprinter::new(secret)), ..Self::default() }
    }

    /// The same intake, where this says how far it is.
    #[must_use]
    pub fn telling(self, progress: Progress) -> Self {
        Self { progress, ..self }
    }

    /// Of some bytes, if bytes are known again.
    pub(crate) fn print(&self, bytes: &[u8]) -> Option<Fingerprint> {
        self.prints.as_ref()?.of(bytes)
    }

    /// What there is to know an event again by; `None` if it is always decoded.
    pub(crate) fn look(&self, number: Number) -> Option<Known> {
        let (shard, local) = place_of_bytes(number)?;
        let locked = lock(&self.shards[shard]);
        let Entry { id, held } = locked.entries.get(local)?;
        let held = held.as_ref()?;
        let Held { time, seq, author, conversation, kind, .. } = *held;
        let next = held.next.map(Next::number);
        Some(Known { number, print: held.print?, id: *id, time, seq, author, conversation, kind, next })
    }

    /// The event that stood behind this one in whichever log was the first to say.
    pub(crate) fn next(&self, number: Number) -> Option<Number> {
        let (shard, local) = place_of_bytes(number)?;
        lock(&self.shards[shard]).entries.get(local)?.held?.next.map(Next::number)
    }

    /// One event stands behind another in a log.
    pub(crate) fn follow(&self, number: Number, next: Number) {
        let Some((shard, local)) = place_of_bytes(number) else { return };
        if let Some(held) =
            lock(&self.shards[shard]).entries.get_mut(local).and_then(|entry| entry.held.as_mut())
        {
            held.next = held.next.or_else(|| Next::new(next));
        }
    }

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
            self.learn_target(shard, claim);
            return known;
        }
        let parents: Vec<_> = claim.parents().iter().map(|parent| self.name(parent)).collect();
        let target = self.target(claim);
        // What others are judged by is rare, and is always looked at in full; and so is what lacks its body.
        let is_plain = claim.has_body() && !is_judged_by(claim.kind());
        let print = if is_plain { self.print(claim.bytes()) } else { None };
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
        } else if !claim.has_body() {
            locked.bare.insert(local);
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
            print,
            next: None,
        });
        (number(shard, local), true)
    }

    fn target(&self, claim: &Claim<'_>) -> Option<Number> {
        let content = Content::read(claim.kind(), claim.body()).ok()?;
        content.target().map(|target| self.name(&target))
    }

    /// What an event is about, if it was found without its body before and is here with it.
    fn learn_target(&self, shard: usize, claim: &Claim<'_>) {
        if !claim.has_body() || lock(&self.shards[shard]).bare.is_empty() {
            return;
        }
        let target = self.target(claim);
        let mut locked = lock(&self.shards[shard]);
        let local = locked.find(&claim.id());
        if let Some(local) = local.filter(|local| locked.bare.remove(local)) {
            locked.targets.extend(target.map(|target| (local, target)));
        }
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
        let shards: Vec<_> = self.shards.into_iter().map(open).collect();
        Taken {
            right: shards.iter().map(Shard::right).collect(),
            shards,
            conversations: self.conversations.into_inner().unwrap_or_else(PoisonError::into_inner).numbers,
            authors: self.authors.into_inner().unwrap_or_else(PoisonError::into_inner).numbers,
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
        if number & VARIANT != 0 {
            return self.variants[(number & !VARIANT) as usize].state == State::Right;
        }
        let (shard, local) = place(number);
        u32::try_from(local).is_ok_and(|local| self.right[shard].contains(local))
    }
}

/// Where the entry with a number is; the number is no variant's.
pub(crate) fn place(number: Number) -> (usize, usize) {
    (number as usize % SHARDS, number as usize / SHARDS)
}

/// The same; `None` of a variant's number.
fn place_of_bytes(number: Number) -> Option<(usize, usize)> {
    (number & VARIANT == 0).then(|| place(number))
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

fn intern<K: Ord + Copy>(table: &Mutex<Table<K>>, key: K) -> u32 {
    let mut table = lock(table);
    if let Some(number) = table.numbers.get(&key) {
        return *number;
    }
    let number = u32::try_from(table.values.len()).unwrap_or(u32::MAX);
    table.numbers.insert(key, number);
    table.values.push(key);
    number
}

/// The value with a number, from a reader's own copy of the table, which grows when need be.
fn value<K: Copy>(copy: &mut Vec<K>, table: &Mutex<Table<K>>, number: u32) -> Option<K> {
    if copy.len() <= number as usize {
        copy.extend_from_slice(&lock(table).values[copy.len()..]);
    }
    copy.get(number as usize).copied()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn right(&self) -> Bits {
        let mut right = Bits::new(self.entries.len());
        for (local, entry) in (0..).zip(&self.entries) {
            if entry.held.is_some_and(|held| held.state == State::Right) {
                right.insert(local);
            }
        }
        right
    }

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
    expected: Expected<'a>,
    /// Numbers of ids that were asked for lately, each at a place of its own.
    named: Vec<Option<(EventId, Number)>>,
    authors: Vec<(AccountId, DeviceId)>,
    conversations: Vec<Conversation>,
}

/// Ids come several times in a row, with their events, receipts and lines; so many are remembered.
const NAMED: usize = 256;

impl<'a> Gathered<'a> {
    pub(crate) fn new(intake: &'a Intake) -> Self {
        Self {
            intake,
            numbers: Vec::new(),
            unchecked: Vec::new(),
            expected: Expected::new(intake),
            named: vec![None; NAMED],
            authors: Vec::new(),
            conversations: Vec::new(),
        }
    }

    /// As [`Intake::name`], without asking again what was asked for lately.
    pub(crate) fn name(&mut self, id: &EventId) -> Number {
        let [.., last] = *id.as_bytes();
        let remembered = &mut self.named[usize::from(last) % NAMED];
        match remembered {
            Some((known, number)) if known == id => *number,
            _ => remembered.insert((*id, self.intake.name(id))).1,
        }
    }

    /// An event whose very bytes another log had, if it is among those that come next; else it has to be decoded.
    pub(crate) fn again(&mut self, bytes: &[u8]) -> Option<Known> {
        let known = self.expected.take(&self.intake.print(bytes)?)?;
        let [.., last] = *known.id.as_bytes();
        self.named[usize::from(last) % NAMED] = Some((known.id, known.number));
        Some(known)
    }

    /// Where such an event belongs.
    pub(crate) fn placed(&mut self, known: &Known) -> Option<Placed> {
        let Known { id, time, seq, kind, .. } = *known;
        let (account, device) = value(&mut self.authors, &self.intake.authors, known.author)?;
        let conversation = value(&mut self.conversations, &self.intake.conversations, known.conversation)?;
        Some(Placed { key: Key { time, device, seq, id }, account, conversation, kind })
    }

    /// The number of an event, whose signature is checked some time.
    pub(crate) fn hold(&mut self, claim: &Claim<'_>) -> Number {
        let (number, is_new) = self.intake.hold(claim);
        self.expected.decoded(number);
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
