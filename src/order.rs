//! The canonical order of a conversation, and what stands at its ends.
//!
//! Every device and every replica sorts by the same [`Key`], so equal sets of events are one sequence
//! everywhere, without a word between them. A key's time exceeds those of all ancestors
//! ([`crate::clock`]), so the order never shows an effect before its cause.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::event::Event;
use crate::id::{DeviceId, EventId, Seq, bytes_or_hex, write_hex};

/// An event's place: by time, then by fields that no two events share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The author's hybrid logical time.
    pub time: Time,
    /// The author's device.
    pub device: DeviceId,
    /// Which event of the device.
    pub seq: Seq,
    /// The event.
    pub id: EventId,
}

impl Key {
    /// No place is before this one.
    pub(crate) const FIRST: Self = Self {
        time: Time::from_millis(0),
        device: DeviceId::new([0; 16]),
        seq: 0,
        id: EventId::new([0; 32]),
    };
}

/// A fingerprint of a sequence of events; equal exactly if the sequences are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(#[serde(with = "bytes_or_hex")] [u8; 32]);

impl Digest {
    /// The fingerprint of these ids in this order.
    pub fn of(ids: impl IntoIterator<Item = EventId>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for id in ids {
            hasher.update(id.as_bytes());
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight hexadecimal digits.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_hex(f, &self.0)
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

/// What is equal for the same keys in the same order, and for no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    ids: Digest,
    keys: [u8; 32],
}

impl Sequence {
    /// The fingerprint of its events, as [`Digest::of`] makes it.
    pub fn digest(&self) -> Digest {
        self.ids
    }
}

/// A sequence as it grows, of which no key need be kept. It takes some kilobytes until its end.
#[derive(Debug, Clone, Default)]
pub struct Sequencer {
    ids: blake3::Hasher,
    keys: blake3::Hasher,
}

impl Sequencer {
    /// Adds a key at the end.
    pub fn push(&mut self, key: &Key) {
        self.ids.update(key.id.as_bytes());
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&key.time.to_be_bytes());
        bytes[8..24].copy_from_slice(key.device.as_bytes());
        bytes[24..].copy_from_slice(&key.seq.to_be_bytes());
        self.keys.update(&bytes);
    }

    /// All that was added.
    pub fn end(&self) -> Sequence {
        Sequence { ids: Digest(*self.ids.finalize().as_bytes()), keys: *self.keys.finalize().as_bytes() }
    }
}

/// One conversation as one device holds it: causally closed, in canonical order, with its heads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Transcript {
    keys: BTreeSet<Key>,
    heads: BTreeSet<EventId>,
}

impl Transcript {
    /// Adds an event whose parents are already here; one that is here already changes nothing.
    pub fn insert(&mut self, event: &Event) {
        if !self.keys.insert(event.key()) {
            return;
        }
        for parent in event.parents() {
            self.heads.remove(parent);
        }
        self.heads.insert(event.id());
    }

    /// The events that no other event here names as a parent.
    pub fn heads(&self) -> impl Iterator<Item = EventId> {
        self.heads.iter().copied()
    }

    /// Every event, in canonical order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = Key> + ExactSizeIterator {
        self.keys.iter().copied()
    }

    /// The fingerprint of the whole conversation.
    pub fn digest(&self) -> Digest {
        Digest::of(self.keys.iter().map(|key| key.id))
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::event::{Conversation, Draft, Kind, account_of};

    fn event(device: u8, seq: Seq, ms: u64, parents: &[&Event]) -> Event {
        let key = SigningKey::from_bytes(&[1; 32]);
        let account = account_of(&key);
        let draft = Draft {
            device: DeviceId::new([device; 16]),
            seq,
            parents: parents.iter().map(|parent| parent.id()).collect(),
            time: Time::from_millis(ms),
            conversation: Conversation::direct(account, account),
            kind: Kind::Post,
            body: b"said".to_vec(),
        };
        draft.sign(&key).unwrap()
    }

    fn transcript<'a>(events: impl IntoIterator<Item = &'a Event>) -> Transcript {
        let mut transcript = Transcript::default();
        events.into_iter().for_each(|event| transcript.insert(event));
        transcript
    }

    #[test]
    fn keys_sort_by_time_then_device_then_number_then_id() {
        let key = |ms, device, seq, id| Key {
            time: Time::from_millis(ms),
            device: DeviceId::new([device; 16]),
            seq,
            id: EventId::new([id; 32]),
        };
        let sorted = [key(1, 9, 9, 9), key(2, 1, 9, 9), key(2, 2, 1, 9), key(2, 2, 2, 1), key(2, 2, 2, 2)];
        assert!(sorted.is_sorted_by(|left, right| left < right), "{sorted:?}");
    }

    #[test]
    fn heads_are_what_nobody_has_answered() {
        let root = event(1, 1, 10, &[]);
        let (left, right) = (event(1, 2, 20, &[&root]), event(2, 1, 20, &[&root]));
        let both = event(1, 3, 30, &[&left, &right]);
        let heads = |events: &[&Event]| transcript(events.iter().copied()).heads().collect::<BTreeSet<_>>();
        assert_eq!(heads(&[]), BTreeSet::new());
        assert_eq!(heads(&[&root]), BTreeSet::from([root.id()]));
        assert_eq!(heads(&[&root, &left, &right]), BTreeSet::from([left.id(), right.id()]));
        assert_eq!(heads(&[&root, &left, &right, &both]), BTreeSet::from([both.id()]));
    }

    #[test]
    fn an_event_that_is_here_already_changes_nothing() {
        let root = event(1, 1, 10, &[]);
        let reply = event(2, 1, 20, &[&root]);
        assert_eq!(transcript([&root, &reply, &root, &reply]), transcript([&root, &reply]));
    }

    #[test]
    fn one_set_of_events_is_one_sequence_whatever_order_it_came_in() {
        let root = event(1, 1, 10, &[]);
        let branches = [event(1, 2, 20, &[&root]), event(2, 1, 20, &[&root]), event(3, 1, 15, &[&root])];
        let [a, b, c] = &branches;
        let expected: Vec<_> = [&root, c, a, b].map(Event::key).to_vec();
        for order in [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]] {
            let transcript = transcript(std::iter::once(&root).chain(order));
            assert_eq!(transcript.keys().collect::<Vec<_>>(), expected);
            assert_eq!(transcript.digest(), Digest::of(expected.iter().map(|key| key.id)));
        }
    }

    #[test]
    fn sequences_are_equal_if_every_field_of_every_key_is() {
        let of = |keys: &[Key]| {
            let mut sequence = Sequencer::default();
            keys.iter().for_each(|key| sequence.push(key));
            sequence.end()
        };
        let [one, two] = [event(1, 1, 10, &[]).key(), event(2, 1, 20, &[]).key()];
        assert_eq!(of(&[one, two]), of(&[one, two]));
        assert_eq!(of(&[one, two]).digest(), Digest::of([one.id, two.id]));
        let later = Key { time: Time::from_millis(11), ..one };
        let moved = Key { device: DeviceId::new([9; 16]), ..one };
        let next = Key { seq: 2, ..one };
        for keys in [&[two, one][..], &[one], &[one, two, two], &[later, two], &[moved, two], &[next, two]] {
            assert_ne!(of(keys), of(&[one, two]));
        }
    }

    #[test]
    fn a_digest_tells_sequences_apart() {
        let [one, two] = [1, 2].map(|n| EventId::new([n; 32]));
        let digests: BTreeSet<_> = [&[][..], &[one], &[two], &[one, two], &[two, one], &[one, two, two]]
            .map(|ids| Digest::of(ids.iter().copied()))
            .into();
        assert_eq!(digests.len(), 6);
        let digest = Digest::of([one]);
        assert_eq!(digest.to_string().len(), 64);
        assert!(digest.to_string().starts_with(&digest.short()) && digest.short().len() == 8);
    }
}
