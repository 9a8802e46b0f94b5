//! Bytes as words that people can say to each other: fingerprints of keys, and codes that protect a file.
//!
//! Two bytes are one word of five letters, consonants and vowels in turn, so each word can be pronounced in
//! most languages and no list of words is needed.
//!
//! ```text
//! bits   4          2      4          2      4
//! word   consonant  vowel  consonant  vowel  consonant     b d f g h j k l m n p r s t v z    a i o u
//! ```
//!
//! Source: Wilkerson, "A Proposal for Proquints: Identifiers that are Readable, Spellable, and Pronounceable",
//! 2009 (arXiv:0901.4016).

use crate::id::AccountId;

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";
/// Where a word's letters lie in its 16 bits, from the first letter on: how far from the right, and how many bits.
const LETTERS: [(u32, u16); 5] = [(12, 4), (10, 2), (6, 4), (4, 2), (0, 4)];

/// Bytes of a fingerprint: finding another key with the same takes 2^96 trials.
const FINGERPRINT_BYTES: usize = 12;
/// Random bytes of a code.
pub const CODE_BYTES: usize = 8;

/// Why words are not a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// A code has four words and one to check them.
    #[error("a code has {expected} words, these are {0}", expected = CODE_BYTES / 2 + 1)]
    Length(usize),
    /// Not a word of this scheme; counted from 1.
    #[error("word {0} is none that a code can hold")]
    Word(usize),
    /// Words of the scheme, but not together.
    #[error("the words do not fit together: one of them is another, or two have changed places")]
    Check,
}

/// The words for bytes, with hyphens between them; the last of an odd number of bytes is left out.
pub fn speak(bytes: &[u8]) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.iter().map(|pair| word(u16::from_be_bytes(*pair))).collect::<Vec<_>>().join("-")
}

/// An account's key in six words, for two people to compare.
pub fn fingerprint(account: AccountId) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"tercet account fingerprint").update(account.as_bytes());
    speak(&hasher.finalize().as_bytes()[..FINGERPRINT_BYTES])
}

/// Random bytes as a code of five words; the last one checks the others.
pub fn code(random: [u8; CODE_BYTES]) -> String {
    format!("{}-{}", speak(&random), speak(&check(random)))
}

/// A code as [`code`] writes it, from what a person has typed: in capitals, with spaces or without hyphens.
///
/// # Errors
/// See [`CodeError`]; a slip of the fingers is found, but for one in 65,536.
pub fn read_code(typed: &str) -> Result<String, CodeError> {
    let letters: String =
        typed.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let letters = letters.as_bytes();
    let words = letters.chunks(LETTERS.len());
    if letters.len() != LETTERS.len() * (CODE_BYTES / 2 + 1) {
        return Err(CodeError::Length(words.len()));
    }
    let mut bytes = Vec::new();
    for (number, word) in (1..).zip(words) {
        bytes.extend(value(word).ok_or(CodeError::Word(number))?.to_be_bytes());
    }
    let (random, given) = bytes.split_first_chunk().ok_or(CodeError::Check)?;
    if *given != check(*random) {
        return Err(CodeError::Check);
    }
    Ok(code(*random))
}

fn check(random: [u8; CODE_BYTES]) -> [u8; 2] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"tercet code").update(&random);
    let hash = hasher.finalize();
    [hash.as_bytes()[0], hash.as_bytes()[1]]
}

fn alphabet(bits: u16) -> &'static [u8] {
    if bits == 4 { CONSONANTS } else { VOWELS }
}

fn word(value: u16) -> String {
    let letter = |(shift, bits): (u32, u16)| {
        let alphabet = alphabet(bits);
        char::from(alphabet[usize::from(value >> shift) % alphabet.len()])
    };
    LETTERS.map(letter).into_iter().collect()
}

fn value(word: &[u8]) -> Option<u16> {
    let mut value = 0;
    for ((shift, bits), letter) in LETTERS.into_iter().zip(word) {
        let place = alphabet(bits).iter().position(|known| known == letter)?;
        value |= u16::try_from(place).ok()? << shift;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_proposal() {
        // The examples of the paper: addresses of four bytes.
        for (bytes, words) in [
            ([127, 0, 0, 1], "lusab-babad"),
            ([63, 84, 220, 193], "gutih-tugad"),
            ([147, 67, 119, 2], "natag-lisaf"),
            ([216, 35, 68, 215], "tobog-higil"),
            ([216, 68, 232, 21], "todah-vobij"),
        ] {
            assert_eq!(speak(&bytes), words);
        }
    }

    #[test]
    fn every_word_is_read_as_it_was_written() {
        for number in 0..=u16::MAX {
            assert_eq!(value(word(number).as_bytes()), Some(number));
        }
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = code([7, 1, 200, 33, 90, 4, 255, 0]);
        assert_eq!(code.split('-').count(), 5);
        for typed in [code.clone(), code.to_uppercase(), code.replace('-', " "), code.replace('-', "")] {
            assert_eq!(read_code(&typed), Ok(code.clone()), "{typed}");
        }
    }

    #[test]
    fn slips_in_a_code_are_found() {
        let code = code([7, 1, 200, 33, 90, 4, 255, 0]);
        let words: Vec<&str> = code.split('-').collect();
        let other = if words[2].starts_with('b') { "d" } else { "b" };
        let slip = code.replacen(words[2], &format!("{other}{}", &words[2][1..]), 1);
        let swapped = [words[1], words[0], words[2], words[3], words[4]].join("-");
        let foreign = code.replacen(words[1], "queue", 1);
        for (typed, error) in [
            (slip, CodeError::Check),
            (swapped, CodeError::Check),
            (foreign, CodeError::Word(2)),
            (words[..4].join("-"), CodeError::Length(4)),
            (String::new(), CodeError::Length(0)),
            ("é".repeat(25), CodeError::Length(10)),
        ] {
            assert_eq!(read_code(&typed), Err(error), "{typed}");
        }
    }

    #[test]
    fn fingerprints_of_two_keys_differ() {
        let [one, two] = [1, 2].map(|n| fingerprint(AccountId::new([n; 32])));
        assert_ne!(one, two);
        assert_eq!(one.split('-').count(), 6);
    }
}
