//! Whether bytes are the same as others seen before, for a tenth of what a cryptographic hash costs.
//!
//! **Invariant**: under a key that was drawn at random after all bytes had been written, any two different
//! strings have the same [`Fingerprint`] in at most one case of 2^128, whoever wrote them. That holds for every
//! pair of strings, not only for usual ones: it follows from the sum's form. Whoever knows the key can make two
//! such strings, so it never leaves the process.
//!
//! Source: NH with words of 64 bits and its Toeplitz extension, in Black, Halevi, Krawczyk, Krovetz and Rogaway,
//! "UMAC: fast and secure message authentication", 1999, sections 4 and 5.

use crate::limits::EVENT_MAX_BYTES;

/// Two words are a pair, and each takes a word of the key.
const PAIR_BYTES: usize = 16;

/// A key for strings up to the length of the largest event.
#[derive(Debug)]
pub(crate) struct Fingerprinter {
    /// One pair more than the longest string has: the second sum starts one pair later.
    key: Vec<[u64; 2]>,
}

/// What stands for a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    sums: [[u8; 16]; 2],
    /// The sums of a string and of the same with zeros behind it are equal.
    bytes: u32,
}

impl Fingerprinter {
    /// Under a key that nobody knows and that was drawn after the strings were written.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let mut stream = blake3::Hasher::new_keyed(secret).finalize_xof();
        let mut word = || {
            let mut bytes = [0; 8];
            stream.fill(&mut bytes);
            u64::from_le_bytes(bytes)
        };
        Self { key: (0..=EVENT_MAX_BYTES.div_ceil(PAIR_BYTES)).map(|_| [word(), word()]).collect() }
    }

    /// `None` of a string that is longer than any event.
    pub(crate) fn of(&self, string: &[u8]) -> Option<Fingerprint> {
        if string.len() > EVENT_MAX_BYTES {
            return None;
        }
        let (pairs, rest) = string.as_chunks::<PAIR_BYTES>();
        let mut last = [0; PAIR_BYTES];
        last[..rest.len()].copy_from_slice(rest);
        let mut sums = [0_u128; 2];
        for (pair, keys) in pairs.iter().chain((!rest.is_empty()).then_some(&last)).zip(self.key.windows(2)) {
            let pair = words(pair);
            for (sum, key) in sums.iter_mut().zip(keys) {
                let [one, other] = [0, 1].map(|at| u128::from(pair[at].wrapping_add(key[at])));
                *sum = sum.wrapping_add(one * other);
            }
        }
        Some(Fingerprint { sums: sums.map(u128::to_le_bytes), bytes: u32::try_from(string.len()).ok()? })
    }
}

fn words(pair: &[u8; PAIR_BYTES]) -> [u64; 2] {
    let (words, _) = pair.as_chunks::<8>();
    [0, 1].map(|at| words.get(at).map_or(0, |word| u64::from_le_bytes(*word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(string: &[u8]) -> Fingerprint {
        Fingerprinter::new(&[1; 32]).of(string).unwrap()
    }

    #[test]
    fn every_flipped_bit_makes_another_fingerprint_in_both_sums() {
        let string: Vec<u8> = (0..75).collect();
        let prints = Fingerprinter::new(&[1; 32]);
        let original = prints.of(&string).unwrap();
        for bit in 0..string.len() * 8 {
            let mut flipped = string.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let other = prints.of(&flipped).unwrap();
            assert!((0..2).all(|sum| original.sums[sum] != other.sums[sum]), "bit {bit}");
        }
    }

    #[test]
    fn strings_of_other_lengths_and_orders_are_others() {
        assert_ne!(of(b""), of(b"\0"));
        assert_ne!(of(b"a"), of(b"a\0"));
        assert_ne!(of(&[0; 16]), of(&[0; 32]));
        let (one, other) = ([1; PAIR_BYTES], [2; PAIR_BYTES]);
        assert_ne!(of(&[one, other].concat()), of(&[other, one].concat()));
    }

    #[test]
    fn another_key_makes_another_fingerprint() {
        assert_ne!(Fingerprinter::new(&[2; 32]).of(b"said").unwrap(), of(b"said"));
    }

    #[test]
    fn the_longest_event_has_one_to_its_last_byte_and_longer_strings_have_none() {
        let mut string = vec![0; EVENT_MAX_BYTES];
        let zeros = of(&string);
        *string.last_mut().unwrap() = 1;
        assert_ne!(of(&string), zeros);
        string.push(0);
        assert_eq!(Fingerprinter::new(&[1; 32]).of(&string), None);
    }
}
