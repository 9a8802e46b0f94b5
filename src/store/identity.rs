//! Whose store a folder is: a small file, written once when the store is made and never again.
//!
//! It is read before the storage engine is, so a store of another server or of a later format is refused
//! while nothing has been touched. The store's `meta` rows repeat it, so that two stores cannot be mixed.

use std::io;
use std::path::Path;

use super::error::StoreError;
use super::files;
use crate::id::{Incarnation, ServerId};

/// The store format that this program reads and writes.
pub(super) const VERSION: u8 = 1;

/// The file's name in the store's folder.
pub(super) const FILE: &str = "identity";

const MAGIC: &[u8; 7] = b"tercet\0";
const CHECKED: usize = 8 + 32 + 16;
const BYTES: usize = CHECKED + 32;

/// Whose store, and which life of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) server: ServerId,
    pub(super) incarnation: Incarnation,
}

impl Identity {
    /// A new life of a server's log.
    pub(super) fn new(server: ServerId) -> io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        Ok(Self { server, incarnation: Incarnation::new(random) })
    }

    /// Writes and syncs the file.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        files::write_synced(&folder.join(FILE), &self.encode())
    }

    /// Reads the file of the store in this folder.
    pub(super) fn read(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let bytes = std::fs::read(&path).map_err(StoreError::io(&path, "read"))?;
        Self::decode(&bytes, folder)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.server.as_bytes());
        bytes.extend_from_slice(self.incarnation.as_bytes());
        let check = blake3::hash(&bytes);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8], folder: &Path) -> Result<Self, StoreError> {
        let wrong = || StoreError::damaged(folder, format!("its file '{FILE}' fails its checksum"));
        let found = *bytes.get(MAGIC.len()).ok_or_else(wrong)?;
        if bytes.starts_with(MAGIC) && found != VERSION {
            return Err(StoreError::Version { path: folder.to_owned(), found, known: VERSION });
        }
        let fields = (bytes.get(8..40), bytes.get(40..CHECKED));
        let (Some(Ok(server)), Some(Ok(incarnation))) =
            (fields.0.map(TryInto::try_into), fields.1.map(TryInto::try_into))
        else {
            return Err(wrong());
        };
        let identity = Self { server: ServerId::new(server), incarnation: Incarnation::new(incarnation) };
        if identity.encode() == bytes { Ok(identity) } else { Err(wrong()) }
    }
}
