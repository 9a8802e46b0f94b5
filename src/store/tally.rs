//! Whether a table holds the rows that the log demands, without looking each of them up.
//!
//! Rows are summed up, each as a hash of 128 bits, so their order does not matter: the log is in the order of
//! positions, and a table in that of its keys. Equal sums mean equal rows, but for damage that happens to
//! leave the sum as it was, which is one case in 2^128. It guards against damage, not against malice: who may
//! write one table may write them all.

/// The sum of some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    sum: u128,
    pub(super) rows: usize,
}

impl Tally {
    /// One more row. Where key and value meet does not matter: a table's keys are all of one length.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.sum = self.sum.wrapping_add(hash(key, value));
        self.rows += 1;
    }
}

/// Odd numbers without a pattern: the first digits of pi.
const LANES: [u64; 2] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345];
const STEPS: [u64; 2] = [0xa409_3822_299f_31d1, 0x082e_fa98_ec4e_6c89];

fn hash(key: &[u8], value: &[u8]) -> u128 {
    let mut lanes = LANES;
    let mut take = |word: u64| {
        for (lane, step) in lanes.iter_mut().zip(STEPS) {
            *lane = fold(*lane ^ word, step).wrapping_add(word.rotate_left(32));
        }
    };
    for part in [key, value] {
        let (words, rest) = part.as_chunks();
        words.iter().for_each(|word| take(u64::from_be_bytes(*word)));
        take(rest.iter().fold(rest.len() as u64, |sum, byte| sum << 8 | u64::from(*byte)));
    }
    let [one, other] = lanes.map(|lane| fold(lane, STEPS[0] ^ STEPS[1]));
    u128::from(one) << 64 | u128::from(other)
}

/// Both halves of a product, so that each bit of it depends on all bits before.
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    let [low, high] = [product, product >> 64].map(|half| half & u128::from(u64::MAX));
    u64::try_from(low ^ high).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn tally(rows: &[(&[u8], &[u8])]) -> Tally {
        let mut tally = Tally::default();
        rows.iter().for_each(|(key, value)| tally.add(key, value));
        tally
    }

    #[test]
    fn the_order_of_rows_does_not_matter_and_everything_else_does() {
        let rows: [(&[u8], &[u8]); 3] =
            [(b"one", b"1"), (b"two", b"22"), (b"three, in more than a word", b"")];
        let [a, b, c] = rows;
        assert_eq!(tally(&[a, b, c]), tally(&[c, a, b]));
        let others: [&[(&[u8], &[u8])]; 5] = [
            &[a, b],
            &[a, b, b],
            &[a, a, c],
            &[a, b, (b"three, in more than b word", b"")],
            &[a, (b"two", b"12"), c],
        ];
        for other in others {
            assert_ne!(tally(&rows), tally(other), "{other:?}");
        }
    }

    #[test]
    fn every_flipped_bit_makes_another_hash() {
        let row = *b"a key of forty bytes, and then its value";
        let mut hashes = BTreeSet::from([hash(&row[..32], &row[32..])]);
        for bit in 0..row.len() * 8 {
            let mut flipped = row;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let hash = hash(&flipped[..32], &flipped[32..]);
            assert!(hashes.insert(hash), "bit {bit}");
            assert!((hash >> 64).count_ones() > 8 && (hash << 64).count_ones() > 8, "{hash:x}");
        }
    }
}
