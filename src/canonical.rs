//! MessagePack, read in its one shortest form.
//!
//! An event has one encoding, so that it has one id. Reading it here takes a tenth of the time of decoding
//! any MessagePack and writing it anew to compare; whatever is not in the shortest form, or not what is asked
//! for, is `None`, and left to a decoder that can say why.

/// What is left to read.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these bytes from the start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Exactly these bytes come next; nothing is read if not.
    pub fn exactly(&mut self, bytes: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(bytes)?;
        Some(())
    }

    /// Nothing is left.
    pub fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    /// An unsigned integer.
    pub fn uint(&mut self) -> Option<u64> {
        let (value, least) = match self.byte()? {
            small @ 0..=0x7f => return Some(small.into()),
            0xcc => (self.be::<1>()?, 0x80),
            0xcd => (self.be::<2>()?, 1 << 8),
            0xce => (self.be::<4>()?, 1 << 16),
            0xcf => (self.be::<8>()?, 1 << 32),
            _ => return None,
        };
        (value >= least).then_some(value)
    }

    /// True or false.
    pub fn bool(&mut self) -> Option<bool> {
        match self.byte()? {
            0xc2 => Some(false),
            0xc3 => Some(true),
            _ => None,
        }
    }

    /// Binary bytes.
    pub fn bin(&mut self) -> Option<&'a [u8]> {
        let (bytes, least) = match self.byte()? {
            0xc4 => (self.be::<1>()?, 0),
            0xc5 => (self.be::<2>()?, 1 << 8),
            0xc6 => (self.be::<4>()?, 1 << 16),
            _ => return None,
        };
        if bytes < least {
            return None;
        }
        self.take(usize::try_from(bytes).ok()?)
    }

    /// Binary bytes of a length below 256, known beforehand.
    pub fn id<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.bin()?;
        bytes.try_into().ok()
    }

    /// A text of less than 32 bytes.
    pub fn text(&mut self) -> Option<&'a str> {
        let bytes = self.byte()?.checked_sub(0xa0).filter(|bytes| *bytes < 0x20)?;
        std::str::from_utf8(self.take(bytes.into())?).ok()
    }

    /// The number of elements of an array that begins here, below 65,536.
    pub fn array(&mut self) -> Option<usize> {
        match self.byte()? {
            short @ 0x90..=0x9f => Some(usize::from(short - 0x90)),
            0xdc => usize::try_from(self.be::<2>()?).ok().filter(|count| *count > 0xf),
            _ => None,
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn be<const N: usize>(&mut self) -> Option<u64> {
        let bytes = self.take(N)?;
        Some(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use serde_bytes::Bytes;

    use super::*;

    #[test]
    fn integers_are_taken_in_their_shortest_form_only() {
        for value in (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]).chain([u64::MAX])
        {
            let bytes = rmp_serde::to_vec(&value).unwrap();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.uint().zip(reader.end()), Some((value, ())), "{value}");
        }
        let wide: [&[u8]; 5] = [
            &[0xcc, 0x7f],
            &[0xcd, 0, 0xff],
            &[0xce, 0, 0, 0xff, 0xff],
            &[0xcf, 0, 0, 0, 0, 1, 1, 1, 1],
            &[0xd0, 1],
        ];
        for bytes in wide {
            assert_eq!(Reader::new(bytes).uint(), None, "{bytes:?}");
        }
    }

    #[test]
    fn bytes_texts_and_arrays_are_taken_in_their_shortest_form_only() {
        for length in [0, 1, 255, 256, 65_535, 65_536] {
            let content = vec![7; length];
            let bytes = rmp_serde::to_vec(Bytes::new(&content)).unwrap();
            assert_eq!(Reader::new(&bytes).bin(), Some(&content[..]));
            assert_eq!(Reader::new(&bytes[..bytes.len() - 1]).bin(), None, "{length}");
        }
        let wide: [&[u8]; 3] = [&[0xc5, 0, 1, 7], &[0xc6, 0, 0, 0, 1, 7], &[0xa1, b'x']];
        for bytes in wide {
            assert_eq!(Reader::new(bytes).bin(), None, "{bytes:?}");
        }
        assert_eq!(Reader::new(&[0xc4, 2, 1, 2]).id(), Some([1, 2]));
        assert_eq!(Reader::new(&[0xc4, 2, 1, 2]).id::<3>(), None);
        assert_eq!(Reader::new(b"\xa2hi").text(), Some("hi"));
        assert_eq!(Reader::new(b"\xd9\x02hi").text(), None);
        assert_eq!(Reader::new(b"\xa1\xff").text(), None);
        for length in [0_u8, 15, 16, 200] {
            let bytes = rmp_serde::to_vec(&vec![1_u8; length.into()]).unwrap();
            assert_eq!(Reader::new(&bytes).array(), Some(length.into()));
        }
        assert_eq!(Reader::new(&[0xdc, 0, 15]).array(), None);
        let bools = [&[0xc2][..], &[0xc3], &[1], &[]].map(|bytes| Reader::new(bytes).bool());
        assert_eq!(bools, [Some(false), Some(true), None, None]);
    }

    #[test]
    fn what_is_asked_for_comes_next_or_is_left_there() {
        let mut reader = Reader::new(b"abc");
        assert_eq!((reader.exactly(b"abd"), reader.end()), (None, None));
        assert_eq!(
            (reader.exactly(b"ab"), reader.exactly(b"c"), reader.end()),
            (Some(()), Some(()), Some(()))
        );
    }
}
