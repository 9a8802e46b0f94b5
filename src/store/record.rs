//! One record of a device's log, and what can stand where a record should.
//!
//! ```text
//! record = length of the payload u32 | head check 4 bytes | body check 4 bytes | payload
//!
//! head check = first bytes of BLAKE3 of the length, keyed with the chain before the record
//! chain      = BLAKE3 of the payload, keyed with the chain before; its first bytes are the body check
//! ```
//!
//! The length has a check of its own, so that a flipped length is not taken for a record that was cut
//! short. The checks are chained, so that no record can be moved, repeated or left out.

use super::keys::Chain;

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

/// A payload as a record, with the chain after it; `None` if it is empty or too long.
pub(super) fn encode(before: &Chain, payload: &[u8]) -> Option<(Vec<u8>, Chain)> {
    if payload.is_empty() || payload.len() > PAYLOAD_MAX_BYTES {
        return None;
    }
    let length = u32::try_from(payload.len()).ok()?.to_le_bytes();
    let after = chain(before, payload);
    let record = [length.as_slice(), &head_check(before, &length), &after[..4], payload].concat();
    Some((record, after))
}

/// Looks at what stands before the end of a file; `bytes` go to that end.
pub(super) fn decode<'a>(before: &Chain, bytes: &'a [u8]) -> Found<'a> {
    if bytes.is_empty() {
        return Found::End;
    }
    if bytes.iter().all(|byte| *byte == 0) {
        // The file had grown when the power went, and its bytes had not arrived.
        return Found::Unfinished;
    }
    let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES) else { return Found::Unfinished };
    let (length, checks) = head.split_at(4);
    if checks[..4] != head_check(before, length) {
        return Found::Damage("the length of the entry fails its checksum");
    }
    let bytes = length.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let Some(payload) = rest.get(..bytes) else { return Found::Unfinished };
    let after = chain(before, payload);
    if checks[4..] != after[..4] {
        return Found::Damage("the entry fails its checksum");
    }
    Found::Record(payload, after)
}

fn head_check(before: &Chain, length: &[u8]) -> [u8; 4] {
    let hash = blake3::keyed_hash(before, length);
    let [a, b, c, d, ..] = *hash.as_bytes();
    [a, b, c, d]
}

fn chain(before: &Chain, payload: &[u8]) -> Chain {
    *blake3::keyed_hash(before, payload).as_bytes()
}
