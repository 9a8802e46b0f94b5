//! A device's log: an append-only file of [`Entry`] values.
//!
//! **Invariant**: what was synced is read back unaltered, or the log is refused; so a (device, seq) never
//! names two events (design rules 1 and 2). A refused log is left as it is, and its owner goes on as a new
//! device.
//!
//! Only what cannot have been synced is cut off: a last record that ends before its checked length says, or
//! trailing zeros, and only past the tip ([`super::tip`]), a sibling file that says how far the log was
//! synced. A last record of full length that fails its checksum may have been synced and then damaged, so
//! it is refused: a flipped byte and a torn write look alike.
//!
//! ```text
//! name        magic, version, records (super::record)     name.tip   synced bytes and their chain
//!                                                         name.lock  who has it open
//! ```

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::error::LogError;
use super::files;
use super::keys::{CHAIN_START, Chain};
use super::lock::{Lock, LockError};
use super::record::{self, Checks, Found};
use super::tip::{Tip, TipFile};
use crate::canonical::Reader;
use crate::history::Entry;
use crate::id::{EventId, Incarnation, ServerId};

const MAGIC: &[u8; 7] = b"tercetl";
/// What new logs are; those of version 1 go on as such.
const VERSION: u8 = 2;
const START: u64 = 8;
/// What most entries take at most, to have room for them at once.
const USUAL_BYTES: usize = 512;

/// A device's log, open for writing; nobody else can open it until this is dropped.
#[derive(Debug)]
pub struct DeviceLog {
    path: PathBuf,
    file: File,
    tip: TipFile,
    written: Reached,
    stopped: bool,
    _lock: Lock,
}

/// A place between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reached {
    checks: Checks,
    offset: u64,
    entries: u64,
    chain: Chain,
}

impl Reached {
    fn after(self, record_bytes: usize, chain: Chain) -> Self {
        Self { offset: self.offset + record_bytes as u64, entries: self.entries + 1, chain, ..self }
    }
}

impl DeviceLog {
    /// Whether some process has the log at this place open.
    pub fn is_in_use(path: &Path) -> bool {
        Lock::is_held(&files::beside(path, ".lock"))
    }

    /// Opens the log with all its entries; makes an empty one if there is none.
    ///
    /// # Errors
    /// The log is open elsewhere, damaged, of a later version or no log at all, and stays as it was; or the
    /// folder cannot be written.
    pub fn open(path: &Path) -> Result<(Self, Vec<Entry>), LogError> {
        let failed = |doing| LogError::io(path, doing);
        files::make_folder(files::parent(path)).map_err(failed("make the folder of"))?;
        let lock = lock(path)?;
        if !path.try_exists().map_err(failed("open"))? {
            make(path).map_err(failed("make"))?;
        }
        let mut entries = Vec::new();
        let written = read(path, &mut |entry| entries.push(entry))?;
        let mut file = OpenOptions::new().write(true).open(path).map_err(failed("open"))?;
        cut(&mut file, written.offset).map_err(failed("cut the unfinished end of"))?;
        let tip = TipFile::open(&tip_path(path)).map_err(failed("write the tip of"))?;
        let mut log = Self { path: path.to_owned(), file, tip, written, stopped: false, _lock: lock };
        log.sync()?;
        Ok((log, entries))
    }

    /// Reads the entries of a log, which a running chat may have open; an unfinished end is left out.
    ///
    /// # Errors
    /// There is no log, it cannot be read, or it is damaged.
    pub fn read(path: &Path) -> Result<Vec<Entry>, LogError> {
        let mut entries = Vec::new();
        Self::read_each(path, &mut |entry| entries.push(entry))?;
        Ok(entries)
    }

    /// As [`DeviceLog::read`], handing over one entry after the other, so that a log need not fit into
    /// memory. Those before the place of an error were handed over.
    ///
    /// # Errors
    /// As [`DeviceLog::read`].
    pub fn read_each(path: &Path, take: &mut dyn FnMut(Entry)) -> Result<(), LogError> {
        read(path, take).map(|_| ())
    }

    /// The entries with these numbers, counted from 0, as far as the log has them. The rest is not decoded.
    ///
    /// # Errors
    /// As [`DeviceLog::read`], if it is before the last of them.
    pub fn read_some(path: &Path, numbers: &BTreeSet<usize>) -> Result<Vec<(usize, Entry)>, LogError> {
        let mut wanted = numbers.iter().copied().peekable();
        let (mut found, mut number) = (Vec::new(), 0);
        walk(path, &mut |payload| {
            if wanted.next_if_eq(&number).is_some() {
                found.push((number, decode_entry(payload)?));
            }
            number += 1;
            Ok(if wanted.peek().is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// Hands entries to the operating system. They are safe from a crash of the program with that, and from
    /// a power loss after [`DeviceLog::sync`].
    ///
    /// # Errors
    /// The write failed, or one before it did: nothing is taken any more.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), LogError> {
        self.refuse_if_stopped()?;
        let mut bytes = Vec::with_capacity(entries.len() * USUAL_BYTES);
        let mut reached = self.written;
        for entry in entries {
            let before = bytes.len();
            let chain = self.encode(entry, &reached, &mut bytes)?;
            reached = reached.after(bytes.len() - before, chain);
        }
        let written = self.file.write_all(&bytes);
        self.stopping(written, "write")?;
        self.written = reached;
        Ok(())
    }

    /// Returns when everything appended is on disk.
    ///
    /// # Errors
    /// The sync failed, or something before it did: nothing is taken any more.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.refuse_if_stopped()?;
        let synced = self.file.sync_data();
        self.stopping(synced, "sync")?;
        let Reached { offset, chain, .. } = self.written;
        let noted = self.tip.write(&Tip { log: LOG, upto: offset, chain });
        self.stopping(noted, "write the tip of")
    }

    /// Adds an entry's record to the bytes; answers the chain after it.
    fn encode(&self, entry: &Entry, reached: &Reached, bytes: &mut Vec<u8>) -> Result<Chain, LogError> {
        let start = bytes.len();
        bytes.resize(start + record::HEAD_BYTES, 0);
        rmp_serde::encode::write(bytes, entry)
            .map_err(|error| LogError::io(&self.path, "encode an entry for")(io::Error::other(error)))?;
        let record = &mut bytes[start..];
        let sealed = record::seal(reached.checks, &reached.chain, record);
        let too_long =
            || LogError::TooLong { path: self.path.clone(), bytes: record.len() - record::HEAD_BYTES };
        sealed.ok_or_else(too_long)
    }

    fn refuse_if_stopped(&self) -> Result<(), LogError> {
        if self.stopped { Err(LogError::Stopped { path: self.path.clone() }) } else { Ok(()) }
    }

    /// Takes nothing more after a failure: how much of it reached the disk is not known.
    fn stopping(&mut self, result: io::Result<()>, doing: &'static str) -> Result<(), LogError> {
        self.stopped |= result.is_err();
        result.map_err(LogError::io(&self.path, doing))
    }
}

#[cfg(test)]
impl DeviceLog {
    /// From here on every write fails as on a full disk.
    pub(super) fn break_file(&mut self) {
        self.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    }
}

/// In a tip's place for a log's name; a device log has none of its own before its first entry.
const LOG: [u8; 16] = *b"tercet device lg";

fn tip_path(path: &Path) -> PathBuf {
    files::beside(path, ".tip")
}

fn lock(path: &Path) -> Result<Lock, LogError> {
    let lock_path = files::beside(path, ".lock");
    Lock::take(&lock_path).map_err(|error| match error {
        LockError::Held(holder) => LogError::InUse { path: path.to_owned(), holder },
        LockError::Io(error) => LogError::io(&lock_path, "lock")(error),
    })
}

/// A log is there whole or not at all. The tip of an earlier log at this place would contradict it.
fn make(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(tip_path(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let unfinished = files::beside(path, ".new");
    let mut head = MAGIC.to_vec();
    head.push(VERSION);
    files::write_synced(&unfinished, &head)?;
    std::fs::rename(&unfinished, path)?;
    files::sync_folder(files::parent(path))
}

fn cut(file: &mut File, end: u64) -> io::Result<()> {
    if file.metadata()?.len() > end {
        file.set_len(end)?;
        file.sync_all()?;
    }
    file.seek(SeekFrom::Start(end)).map(|_| ())
}

/// How much of a log is in memory at once, unless a record is longer.
const WINDOW_BYTES: usize = 256 * 1024;

/// The part of a file that is being read.
struct Window {
    file: File,
    bytes: Vec<u8>,
    /// What of it was used.
    used: usize,
    is_at_end: bool,
}

impl Window {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, bytes: Vec::new(), used: 0, is_at_end: false })
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    /// Reads on, as much as before or more.
    fn extend(&mut self) -> io::Result<()> {
        self.bytes.drain(..self.used);
        self.used = 0;
        let most = WINDOW_BYTES.max(self.bytes.len());
        let read = (&self.file).take(most as u64).read_to_end(&mut self.bytes)?;
        self.is_at_end = read < most;
        Ok(())
    }
}

/// Reads a log up to its end or to the unfinished record there.
fn read(path: &Path, take: &mut dyn FnMut(Entry)) -> Result<Reached, LogError> {
    walk(path, &mut |payload| {
        take(decode_entry(payload)?);
        Ok(ControlFlow::Continue(()))
    })
}

/// What is done with an entry's bytes: whether more are wanted, or why they are no entry.
type Take<'a> = &'a mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>, String>;

/// The same for bytes that were not decoded, as far as they are wanted.
fn walk(path: &Path, take: Take<'_>) -> Result<Reached, LogError> {
    // The tip first: a chat that is running moves it on only after the log.
    let tip = Tip::read(&tip_path(path)).map_err(LogError::io(path, "read the tip of"))?;
    let failed = || LogError::io(path, "read");
    let mut window = Window::open(path).map_err(failed())?;
    window.extend().map_err(failed())?;
    let checks = check_head(path, window.rest())?;
    window.used = MAGIC.len() + 1;
    let mut reached = Reached { checks, offset: START, entries: 0, chain: CHAIN_START };
    let mut tip_found = tip.is_none();
    loop {
        let damaged = |what: String| LogError::Damaged {
            path: path.to_owned(),
            entry: reached.entries + 1,
            offset: reached.offset,
            what,
        };
        tip_found |=
            tip.is_some_and(|tip| tip == Tip { log: LOG, upto: reached.offset, chain: reached.chain });
        match record::decode(checks, &reached.chain, window.rest()) {
            Found::Record(payload, chain) => {
                let is_enough = take(payload).map_err(damaged)?.is_break();
                let bytes = record::HEAD_BYTES + payload.len();
                reached = reached.after(bytes, chain);
                window.used += bytes;
                if is_enough {
                    return Ok(reached);
                }
            }
            Found::End | Found::Unfinished if !window.is_at_end => window.extend().map_err(failed())?,
            Found::End | Found::Unfinished if tip_found => return Ok(reached),
            Found::End | Found::Unfinished => {
                let synced = tip.map_or(0, |tip| tip.upto);
                return Err(damaged(format!(
                    "its entries end here, and {synced} bytes of it, or others in their place, were synced"
                )));
            }
            Found::Damage(what) => return Err(damaged(what.to_owned())),
        }
    }
}

fn check_head(path: &Path, bytes: &[u8]) -> Result<Checks, LogError> {
    match bytes.strip_prefix(MAGIC).and_then(<[u8]>::first) {
        Some(1) => Ok(Checks::Blake3),
        Some(&VERSION) => Ok(Checks::Xxh3),
        Some(&found) => Err(LogError::Version { path: path.to_owned(), found, known: VERSION }),
        None => Err(LogError::NotALog { path: path.to_owned() }),
    }
}

fn decode_entry(payload: &[u8]) -> Result<Entry, String> {
    if let Some(entry) = decode_frequent(payload) {
        return Ok(entry);
    }
    let mut rest = payload;
    match rmp_serde::from_read(&mut rest) {
        Ok(entry) if rest.is_empty() => Ok(entry),
        Ok(_) => Err("the entry has bytes after its end; a newer tercet may have written it".to_owned()),
        Err(error) => {
            Err(format!("the entry cannot be decoded ({error}); a newer tercet may have written it"))
        }
    }
}

/// MessagePack's nothing.
const NIL: u8 = 0xc0;

/// Decodes the entries of which a log holds most, in the encoding in which they are written here, in a tenth
/// of the time; `None` for all others.
fn decode_frequent(payload: &[u8]) -> Option<Entry> {
    let mut reader = Reader::new(payload);
    reader.exactly(&[0x81])?;
    let name = reader.text()?;
    let fields = reader.array()?;
    let entry = match (name, fields) {
        ("Receipt", 4) => Entry::Receipt {
            server: ServerId::new(reader.id()?),
            incarnation: Incarnation::new(reader.id()?),
            id: EventId::new(reader.id()?),
            position: reader.uint()?,
        },
        ("Level", 3) => Entry::Level {
            id: EventId::new(reader.id()?),
            copies: reader.uint()?.try_into().ok()?,
            servers: reader.uint()?.try_into().ok()?,
        },
        ("Displayed", 3) => {
            Entry::Displayed { id: EventId::new(reader.id()?), late: reader.bool()?, at_ms: reader.uint()? }
        }
        ("Cursor", 4) => {
            let (server, incarnation) = (ServerId::new(reader.id()?), Incarnation::new(reader.id()?));
            let position = reader.uint()?;
            reader.exactly(&[NIL])?; // of home; a room's are fewer
            Entry::Cursor { server, incarnation, position, room: None }
        }
        ("Authored", 2) => Entry::Authored { event: reader.bin()?.to_vec().into(), at_ms: reader.uint()? },
        ("Received", 4) => Entry::Received {
            event: reader.bin()?.to_vec().into(),
            server: ServerId::new(reader.id()?),
            incarnation: Incarnation::new(reader.id()?),
            at_ms: reader.uint()?,
        },
        _ => return None,
    };
    reader.end()?;
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways to decode make the same of an entry, and of one that is cut or altered.
    #[test]
    fn frequent_entries_are_decoded_as_any_others() {
        let (server, incarnation) = (ServerId::new([1; 32]), Incarnation::new([2; 16]));
        let id = EventId::new([3; 32]);
        let event = serde_bytes::ByteBuf::from(vec![7; 300]);
        let frequent = [
            Entry::Receipt { server, incarnation, id, position: 70_000 },
            Entry::Level { id, copies: 3, servers: 300 },
            Entry::Displayed { id, late: true, at_ms: 1 << 40 },
            Entry::Displayed { id, late: false, at_ms: 0 },
            Entry::Cursor { server, incarnation, position: u64::MAX, room: None },
            Entry::Authored { event: event.clone(), at_ms: 255 },
            Entry::Received { event, server, incarnation, at_ms: 65_535 },
        ];
        for entry in frequent {
            let payload = rmp_serde::to_vec(&entry).unwrap();
            assert_eq!(decode_frequent(&payload).as_ref(), Some(&entry));
            for at in 0..payload.len() {
                assert_eq!(decode_frequent(&payload[..at]), None);
                let mut altered = payload.clone();
                altered[at] ^= 1;
                let careful = rmp_serde::from_slice::<Entry>(&altered).ok();
                let quick = decode_frequent(&altered);
                assert!(quick.is_none() || quick == careful, "byte {at}: {quick:?}, not {careful:?}");
            }
            assert_eq!(decode_frequent(&[&payload[..], &[0]].concat()), None);
        }
        let rare = Entry::Incarnation { server, incarnation, at_ms: 1 };
        assert_eq!(decode_frequent(&rmp_serde::to_vec(&rare).unwrap()), None);
    }

    #[test]
    fn an_opening_from_before_there_was_a_quorum_had_none() {
        let servers = vec![ServerId::new([1; 32])];
        let before = std::collections::BTreeMap::from([("Opened", (5_u64, 400_u64, servers.clone()))]);
        let opened = Entry::Opened { at_ms: 5, window_ms: 400, servers, quorum: 1 };
        assert_eq!(decode_entry(&rmp_serde::to_vec(&before).unwrap()).unwrap(), opened);
        assert_eq!(decode_entry(&rmp_serde::to_vec(&opened).unwrap()).unwrap(), opened);
    }
}
