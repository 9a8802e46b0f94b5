//! Reads fjall's journals before fjall does, and changes nothing.
//!
//! fjall cuts a journal at the first bytes that it cannot read, on disk, without an error; from a flipped
//! length it may ask for 4 GiB of memory, and its debug build panics. So a journal's framing is checked
//! here first: what is not the unfinished end of the last journal is damage, and fjall never sees it. The
//! contents of each batch are under fjall's own checksum, whose failure is an error and cuts nothing; the
//! sequence number is not, hence the checks on it here.
//!
//! ```text
//! batch = 1, count u32, sequence number u64,
//!         count x (2, value type 0 or 1, compression 0, keyspace u64, key bytes u16, value bytes u32, the same
//!                  again u32, key, value),
//!         3, checksum u64, "FJL\x03"                                             (little-endian)
//! ```
//!
//! Source: fjall 3.1, `src/journal/{entry,writer,batch_reader}.rs`; a test here fails if that changes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// The type of an item that writes a row, and of one that removes it and has an empty value.
const ROW: u8 = 0;
const REMOVED: u8 = 1;
const TRAILER: &[u8; 4] = b"FJL\x03";
/// What the engine makes a new journal as long as.
const BLANK_BYTES: u64 = 64 * 1024 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;
/// Between one batch and the next the engine takes some numbers for itself, but never so many.
const SEQNO_STEP_MAX: u64 = 1 << 24;
/// The engine panics at 2^63; no store that is written to at any speed gets half way.
const SEQNO_MAX: u64 = 1 << 62;

/// What the journals hold, as far as their framing tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// For each keyspace by its number: its rows and the first one's key.
    pub(super) rows: BTreeMap<u64, Rows>,
    /// The last journal, and where it has to be cut, if its last batch is unfinished.
    pub(super) torn: Option<(PathBuf, u64)>,
}

/// The rows of one keyspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) first_key: Vec<u8>,
    pub(super) count: usize,
}

/// Why the journals must not be opened.
#[derive(Debug)]
pub(super) enum ScanError {
    Damaged(String),
    Io(PathBuf, io::Error),
}

/// The journals of an engine's folder, oldest first.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "jnl") {
            continue;
        }
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "a journal without a number");
        found.insert(number.ok_or_else(wrong)?, path);
    }
    Ok(found.into_values().collect())
}

/// Begins another journal behind those that are there, blank as the engine itself makes it.
pub(super) fn begin_another(folder: &Path) -> io::Result<()> {
    let last = files(folder)?.pop().and_then(|path| path.file_stem()?.to_str()?.parse::<u64>().ok());
    let path = folder.join(format!("{}.jnl", last.map_or(0, |last| last + 1)));
    let file = File::create_new(path)?;
    file.set_len(BLANK_BYTES)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()
}

/// Checks all journals of an engine's folder.
pub(super) fn scan(folder: &Path) -> Result<Scan, ScanError> {
    let paths = files(folder).map_err(|error| ScanError::Io(folder.to_owned(), error))?;
    let mut scan = Scan::default();
    let mut last_seqno = None;
    for (index, path) in paths.iter().enumerate() {
        let failed = |error| ScanError::Io(path.clone(), error);
        let mut reader = Reader::open(path).map_err(failed)?;
        let cut = reader.read_batches(&mut scan.rows, &mut last_seqno).map_err(failed)?;
        let Some(cut) = cut else { continue };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if index + 1 < paths.len() {
            return Err(ScanError::Damaged(format!(
                "its journal {name}, which was complete, breaks off at byte {cut}"
            )));
        }
        if reader.has_batch_after(cut, last_seqno).map_err(failed)? {
            let what = format!("its journal {name} is unreadable at byte {cut}, with more batches after it");
            return Err(ScanError::Damaged(what));
        }
        scan.torn = Some((path.clone(), cut));
    }
    Ok(scan)
}

struct Reader {
    file: BufReader<File>,
    at: u64,
    bytes: u64,
}

/// `None` where bytes are missing or are not what must stand there.
type Found<T> = io::Result<Option<T>>;

impl Reader {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file: BufReader::with_capacity(BUFFER_BYTES, file), at: 0, bytes })
    }

    /// Reads batches up to the end of what was written; answers where they break off, if they do.
    fn read_batches(&mut self, rows: &mut BTreeMap<u64, Rows>, last: &mut Option<u64>) -> Found<u64> {
        loop {
            let start = self.at;
            let mut keys = Vec::new();
            if self.read_batch(last, &mut keys)?.is_none() {
                return Ok(if self.is_blank_after(start)? { None } else { Some(start) });
            }
            for (keyspace, key) in keys {
                rows.entry(keyspace).or_insert(Rows { first_key: key, count: 0 }).count += 1;
            }
        }
    }

    fn read_batch(&mut self, last: &mut Option<u64>, keys: &mut Vec<(u64, Vec<u8>)>) -> Found<()> {
        let Some([1, head @ ..]) = self.take::<13>()? else { return Ok(None) };
        let (count, seqno) = (u32_at(&head, 0), u64_at(&head, 4));
        let follows = last.is_none_or(|last| seqno > last && seqno - last <= SEQNO_STEP_MAX);
        if count == 0 || !follows || seqno > SEQNO_MAX {
            return Ok(None);
        }
        for _ in 0..count {
            match self.read_item()? {
                Some(row) => keys.push(row),
                None => return Ok(None),
            }
        }
        let Some([3, end @ ..]) = self.take::<13>()? else { return Ok(None) };
        if !end.ends_with(TRAILER) {
            return Ok(None);
        }
        *last = Some(seqno);
        Ok(Some(()))
    }

    fn read_item(&mut self) -> Found<(u64, Vec<u8>)> {
        let Some([2, kind @ (ROW | REMOVED), 0, head @ ..]) = self.take::<21>()? else { return Ok(None) };
        let keyspace = u64_at(&head, 0);
        let (key_bytes, value_bytes) = (u16::from_le_bytes([head[8], head[9]]), u32_at(&head, 10));
        if value_bytes != u32_at(&head, 14) || (kind == REMOVED && value_bytes > 0) {
            return Ok(None);
        }
        let end = self.at + u64::from(key_bytes) + u64::from(value_bytes);
        if end > self.bytes {
            return Ok(None);
        }
        let mut key = vec![0; usize::from(key_bytes)];
        self.file.read_exact(&mut key)?;
        self.file.seek_relative(i64::from(value_bytes))?;
        self.at = end;
        Ok(Some((keyspace, key)))
    }

    fn take<const N: usize>(&mut self) -> Found<[u8; N]> {
        if self.at + N as u64 > self.bytes {
            return Ok(None);
        }
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(Some(bytes))
    }

    fn go_to(&mut self, at: u64) -> io::Result<()> {
        self.at = self.file.seek(SeekFrom::Start(at))?;
        Ok(())
    }

    /// Whether nothing was ever written from here on: preallocated zeros, most of them a hole.
    fn is_blank_after(&mut self, start: u64) -> io::Result<bool> {
        if start >= self.bytes {
            return Ok(true);
        }
        let data = match rustix::fs::seek(self.file.get_ref(), rustix::fs::SeekFrom::Data(start)) {
            Ok(data) => data,
            Err(Errno::NXIO) => return Ok(true),
            Err(_) => start,
        };
        self.go_to(data)?;
        let zeros = vec![0; BUFFER_BYTES];
        let mut chunk = vec![0; BUFFER_BYTES];
        loop {
            let read = self.file.read(&mut chunk)?;
            if read == 0 {
                return Ok(true);
            }
            if chunk[..read] != zeros[..read] {
                return Ok(false);
            }
        }
    }

    /// Whether a whole batch stands anywhere after a broken one, which an unfinished end cannot have.
    fn has_batch_after(&mut self, broken: u64, last: Option<u64>) -> io::Result<bool> {
        self.go_to(broken)?;
        let mut rest = Vec::new();
        self.file.read_to_end(&mut rest)?;
        let starts = (1..rest.len()).filter(|&at| rest[at] == 1);
        for start in starts {
            self.go_to(broken + start as u64)?;
            if self.read_batch(&mut last.clone(), &mut Vec::new())?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use fjall::{Database, KeyspaceCreateOptions, PersistMode};

    use super::*;

    #[test]
    fn the_engine_still_writes_the_framing_that_is_read_here() {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::builder(folder.path()).open().unwrap();
        let numbers = db.keyspace("numbers", KeyspaceCreateOptions::default).unwrap();
        for round in 0..3_u8 {
            let mut batch = db.batch().durability(Some(PersistMode::SyncData));
            batch.insert(&numbers, [round, 1], [round; 5000]);
            batch.insert(&numbers, [round, 2], [round; 50]);
            batch.commit().unwrap();
        }
        let mut batch = db.batch().durability(Some(PersistMode::SyncData));
        batch.remove(&numbers, [0, 2]);
        batch.commit().unwrap();
        let found = scan(folder.path()).unwrap();
        assert_eq!(found.torn, None);
        assert_eq!(found.rows[&numbers.id()], Rows { first_key: vec![0, 1], count: 7 });
    }
}
