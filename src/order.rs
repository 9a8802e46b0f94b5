//! The canonical order of a conversation, and what stands at its ends.
//!
//! Every device and every replica sorts by the same [`Key`], so equal sets of events are one sequence
//! everywhere, without a word between them. A key's time exceeds those of all ancestors
//! ([`crate::clock`]), so the order never shows an effect before its cause.

use std::collections::{BTreeMap, BTreeSet};

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

/// One conversation as one device holds it: causally closed, in canonical order, with its heads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Transcript {
    keys: BTreeSet<Key>,
    heads: BTreeMap<EventId, Key>,
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
        self.heads.insert(event.id(), event.key());
    }

    /// The events that no other event here names as a parent.
    pub fn heads(&self) -> impl Iterator<Item = EventId> {
        self.heads.keys().copied()
    }

    /// The latest time among the heads, which is the latest of all.
    pub fn latest(&self) -> Option<Time> {
        self.heads.values().map(|key| key.time).max()
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
