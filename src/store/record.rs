//! One record of a device's log, and what can stand where a record should.
//!
//! ```text
//! record = length of the payload u32 | head check 4 bytes | body check 4 bytes | payload
//!
//! head check = first bytes of the hash of the length, after the chain before the record
//! chain      = hash of the payload, after the chain before; its first bytes are the body check
//! ```
//!
//! The length has a check of its own, so that a flipped length is not taken for a record that was cut
//! short. The checks are chained, so that no record can be moved, repeated or left out. Which hash it is, a log's
//! version says ([`Checks`]); it guards against damage, not against malice: who may write a log may write it anew.

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::keys::Chain;

/// The hash of a log's checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checks {
    /// BLAKE3, keyed with the chain before: logs of version 1, which go on as they began.
    Blake3,
    /// XXH3, of which the chain before is the seed: half the time that it takes to read a log was its checks before.
    Xxh3,
}

impl Checks {
    fn of_head(self, before: &Chain, length: &[u8]) -> [u8; 4] {
        match self {
            Self::Blake3 => first_4(blake3::keyed_hash(before, length).as_bytes()),
            Self::Xxh3 => first_4(&xxh3_64_with_seed(length, seed(before)).to_le_bytes()),
        }
    }

    fn chain(self, before: &Chain, payload: &[u8]) -> Chain {
        match self {
            Self::Blake3 => *blake3::keyed_hash(before, payload).as_bytes(),
            Self::Xxh3 => {
                let mut chain = Chain::default();
                chain[..16].copy_from_slice(&xxh3_128_with_seed(payload, seed(before)).to_le_bytes());
                chain
            }
        }
    }
}

fn first_4(hash: &[u8]) -> [u8; 4] {
    hash.first_chunk().copied().unwrap_or_default()
}

fn seed(before: &Chain) -> u64 {
    before.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

/// A record's bytes before its payload.
pub(super) const HEAD_BYTES: usize = 12;

/// Longest payload: an entry around the largest event, with room to spare.
pub(super) const PAYLOAD_MAX_BYTES: usize = crate::limits::EVENT_MAX_BYTES + 4096;

/// What stands at one place of a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A record: its payload, and the chain after it.
    Record(&'a [u8], Chain),
    /// The log's end.
    End,
    /// A record that was not written to its end; nothing after it.
    Unfinished,
    /// Something that no crash of the program leaves there.
    Damage(&'static str),
}

/// Makes a record of a payload that stands behind [`HEAD_BYTES`] bytes: fills these, and answers the chain after it;
/// `None` if the payload is empty or too long.
pub(super) fn seal(checks: Checks, before: &Chain, record: &mut [u8]) -> Option<Chain> {
    let (head, payload) = record.split_first_chunk_mut::<HEAD_BYTES>()?;
    if payload.is_empty() || payload.len() > PAYLOAD_MAX_BYTES {
        return None;
    }
    let length = u32::try_from(payload.len()).ok()?.to_le_bytes();
    let after = checks.chain(before, payload);
    head[..4].copy_from_slice(&length);
    head[4..8].copy_from_slice(&checks.of_head(before, &length));
    head[8..].copy_from_slice(&after[..4]);
    Some(after)
}

/// Looks at what stands before the end of a file; `bytes` go to that end.
pub(super) fn decode<'a>(checks: Checks, before: &Chain, bytes: &'a [u8]) -> Found<'a> {
    if bytes.is_empty() {
        return Found::End;
    }
    if bytes.iter().all(|byte| *byte == 0) {
        // The file had grown when the power went, and its bytes had not arrived.
        return Found::Unfinished;
    }
    let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES) else { return Found::Unfinished };
    let (length, found) = head.split_at(4);
    if found[..4] != checks.of_head(before, length) {
        return Found::Damage("the length of the entry fails its checksum");
    }
    let bytes = length.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let Some(payload) = rest.get(..bytes) else { return Found::Unfinished };
    let after = checks.chain(before, payload);
    if found[4..] != after[..4] {
        return Found::Damage("the entry fails its checksum");
    }
    Found::Record(payload, after)
}
