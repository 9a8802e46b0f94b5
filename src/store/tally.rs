//! Whether a table holds the rows that the log demands, without looking each of them up.
//!
//! Rows are summed up, each as a hash of 128 bits, so their order does not matter: the log is in the order of
//! positions, and a table in that of its keys. Equal sums mean equal rows, but for damage that happens to
//! leave the sum as it was, which is one case in 2^64: so much of a key is in its row's hash. It guards against damage,
//! not against malice: who may write one table may write them all.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

/// The sum of some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    sum: u128,
    pub(super) rows: usize,
}

impl Tally {
    /// One more row.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.sum = self.sum.wrapping_add(hash(key, value));
        self.rows += 1;
    }
}

fn hash(key: &[u8], value: &[u8]) -> u128 {
    xxh3_128_with_seed(value, xxh3_64(key))
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
