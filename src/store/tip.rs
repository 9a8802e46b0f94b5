//! The tip: how far a log was synced, kept beside the log as a check on it.
//!
//! **Invariant**: a valid tip never claims more than was durable when it was written. It is overwritten in
//! place after each sync, without a sync of its own, so it may be old, torn or missing after a power loss,
//! and then says less. What it does say holds: a log that ends before its tip has lost synced entries,
//! which a log alone cannot know of itself.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

const BYTES: usize = 16 + 8 + 32 + 8;
const CHECKED: usize = BYTES - 8;

/// How far one log was synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    /// Which log.
    pub(super) log: [u8; 16],
    /// Up to where, in the log's own measure.
    pub(super) upto: u64,
    /// The hash that chains everything up to there.
    pub(super) chain: [u8; 32],
}

impl Tip {
    /// Reads a tip; `None` if there is none, or if its writing was cut short.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn encode(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..16].copy_from_slice(&self.log);
        bytes[16..24].copy_from_slice(&self.upto.to_be_bytes());
        bytes[24..CHECKED].copy_from_slice(&self.chain);
        let check = blake3::hash(&bytes[..CHECKED]);
        bytes[CHECKED..].copy_from_slice(&check.as_bytes()[..BYTES - CHECKED]);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let tip = Self {
            log: bytes.get(..16)?.try_into().ok()?,
            upto: u64::from_be_bytes(bytes.get(16..24)?.try_into().ok()?),
            chain: bytes.get(24..CHECKED)?.try_into().ok()?,
        };
        (tip.encode() == bytes).then_some(tip)
    }
}

/// A tip that is kept up to date.
#[derive(Debug)]
pub(super) struct TipFile(File);

impl TipFile {
    /// Opens the tip for writing, and leaves what it says.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(Self)
    }

    /// Overwrites the tip in the page cache: a crash of the program keeps it, a power loss may not.
    pub(super) fn write(&self, tip: &Tip) -> io::Result<()> {
        self.0.write_all_at(&tip.encode(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_byte_and_every_missing_one_voids_a_tip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tip");
        assert_eq!(Tip::read(&path).unwrap(), None);
        let tip = Tip { log: [1; 16], upto: 240, chain: [7; 32] };
        TipFile::open(&path).unwrap().write(&tip).unwrap();
        assert_eq!(Tip::read(&path).unwrap(), Some(tip));
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!(Tip::decode(&flipped), None, "byte {at}");
            assert_eq!(Tip::decode(&bytes[..at]), None, "cut at {at}");
        }
    }
}
