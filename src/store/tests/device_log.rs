//! A device's log as it is meant to be used, and every way to damage a small one.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_bytes::ByteBuf;

use super::{event, flip, key};
use crate::event::account_of;
use crate::history::Entry;
use crate::id::{ClusterId, DeviceId, EventId};
use crate::store::{DeviceLog, LogError, files};

fn entries(count: u64) -> Vec<Entry> {
    let begun = Entry::Begun {
        cluster: ClusterId::new([1; 16]),
        account: account_of(&key(1)),
        device: DeviceId::new([1; 16]),
        name: "ann".to_owned(),
        at_ms: 1,
    };
    let authored = |seq| Entry::Authored { event: ByteBuf::from(event(seq).bytes()), at_ms: seq };
    std::iter::once(begun).chain((2..=count).map(authored)).collect()
}

/// A closed and synced log with these entries.
fn written(path: &Path, entries: &[Entry]) {
    let (mut log, _) = DeviceLog::open(path).unwrap();
    for batch in entries.chunks(2) {
        log.append(batch).unwrap();
        log.sync().unwrap();
    }
}

/// Copies a log with its tip.
fn copy(from: &Path, to: &Path) -> PathBuf {
    for ending in ["", ".tip"] {
        files::copy_file(&files::beside(from, ending), &files::beside(to, ending)).unwrap();
    }
    to.to_owned()
}

fn open_all(path: &Path) -> Result<Vec<Entry>, LogError> {
    DeviceLog::open(path).map(|(_, entries)| entries)
}

/// Opens a log that was tampered with: all its synced entries, or a refusal that leaves it as it was.
fn is_refused(path: &Path, synced: &[Entry], what: &str) -> bool {
    let before = std::fs::read(path).unwrap();
    let read = DeviceLog::read(path);
    match DeviceLog::open(path) {
        Ok((_, found)) => {
            assert_eq!(found, synced, "{what}");
            assert_eq!(read.unwrap(), synced, "{what}");
            false
        }
        Err(LogError::Damaged { .. } | LogError::NotALog { .. } | LogError::Version { .. }) => {
            assert!(read.is_err(), "{what}");
            assert_eq!(std::fs::read(path).unwrap(), before, "{what}: a refused log has changed");
            true
        }
        Err(other) => panic!("{what}: {other}"),
    }
}

#[test]
fn reopened_log_holds_all_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("below/ann.log");
    let all = entries(9);
    let (mut log, found) = DeviceLog::open(&path).unwrap();
    assert_eq!(found, []);
    for (index, entry) in all.iter().enumerate() {
        log.append(std::slice::from_ref(entry)).unwrap();
        log.sync().unwrap();
        assert_eq!(DeviceLog::read(&path).unwrap(), all[..=index], "a running chat's log can be read");
        if index % 3 == 0 {
            drop(log);
            let (again, found) = DeviceLog::open(&path).unwrap();
            assert_eq!(found, all[..=index]);
            log = again;
        }
    }
    log.append(&[]).unwrap();
    drop(log);
    assert_eq!(open_all(&path).unwrap(), all);
}

#[test]
fn some_entries_are_read_without_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ann.log");
    let all = entries(9);
    written(&path, &all);
    let some = DeviceLog::read_some(&path, &[0, 3, 99].into()).unwrap();
    assert_eq!(some, [(0, all[0].clone()), (3, all[3].clone())]);
    assert_eq!(DeviceLog::read_some(&path, &[].into()).unwrap(), []);
    flip(&path, std::fs::metadata(&path).unwrap().len() - 1, 1);
    assert_eq!(DeviceLog::read_some(&path, &[0, 3].into()).unwrap().len(), 2, "nothing behind them is read");
    assert!(DeviceLog::read_some(&path, &[0, 8].into()).is_err());
}

#[test]
fn second_open_is_refused_with_the_holder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ann.log");
    let first = DeviceLog::open(&path).unwrap();
    let text = DeviceLog::open(&path).unwrap_err().to_string();
    let holder = format!("already open in another chat (process {})", std::process::id());
    assert!(text.contains(&holder), "{text}");
    drop(first);
    DeviceLog::open(&path).unwrap();
}

#[test]
fn every_flipped_bit_is_refused_and_without_a_tip_too() {
    let folder = tempfile::tempdir().unwrap();
    let all = entries(3);
    let original = folder.path().join("ann.log");
    written(&original, &all);
    let length = std::fs::metadata(&original).unwrap().len();
    for with_tip in [true, false] {
        for at in 0..length {
            let path = copy(&original, &folder.path().join("flipped.log"));
            if !with_tip {
                std::fs::remove_file(files::beside(&path, ".tip")).unwrap();
            }
            flip(&path, at, 1 << (at % 8));
            assert!(is_refused(&path, &all, &format!("byte {at} of {length}, tip {with_tip}")));
        }
    }
    let path = copy(&original, &folder.path().join("flipped.log"));
    assert!(!is_refused(&path, &all, "nothing flipped"));
}

#[test]
fn log_cut_anywhere_is_refused_while_its_tip_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let all = entries(3);
    let original = folder.path().join("ann.log");
    written(&original, &all);
    let bytes = std::fs::read(&original).unwrap();
    for kept in 0..bytes.len() {
        let path = copy(&original, &folder.path().join("cut.log"));
        std::fs::write(&path, &bytes[..kept]).unwrap();
        assert!(is_refused(&path, &all, &format!("{kept} of {} bytes", bytes.len())));
    }
}

#[test]
fn unfinished_entry_after_the_last_sync_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("ann.log");
    let all = entries(4);
    written(&original, &all[..3]);
    let synced = copy(&original, &folder.path().join("synced.log"));
    let length = usize::try_from(std::fs::metadata(&synced).unwrap().len()).unwrap();
    let (mut log, _) = DeviceLog::open(&original).unwrap();
    log.append(&all[3..]).unwrap();
    let next = std::fs::read(&original).unwrap();
    for kept in length..next.len() {
        for zeros in [false, true] {
            let path = copy(&synced, &folder.path().join("torn.log"));
            let mut torn = next[..if zeros { length } else { kept }].to_vec();
            torn.resize(kept, 0);
            std::fs::write(&path, torn).unwrap();
            assert!(!is_refused(&path, &all[..3], &format!("{kept} bytes, zeros: {zeros}")));
            assert_eq!(std::fs::metadata(&path).unwrap().len(), length as u64);
            written(&path, &all[3..]);
            assert_eq!(open_all(&path).unwrap(), all);
        }
    }
    let path = copy(&synced, &folder.path().join("whole.log"));
    std::fs::write(&path, next).unwrap();
    assert!(!is_refused(&path, &all, "an entry that was whole, though not synced"));
}

#[test]
fn refusal_names_entry_and_byte_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ann.log");
    written(&path, &entries(3));
    let third = std::fs::metadata(&path).unwrap().len() - 1;
    flip(&path, third, 4);
    let text = open_all(&path).unwrap_err().to_string();
    for part in ["ann.log", "entry 3 (byte ", "fails its checksum", "Nothing in it was changed"] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn new_log_is_not_held_to_the_tip_of_the_one_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ann.log");
    written(&path, &entries(5));
    std::fs::rename(&path, folder.path().join("away")).unwrap();
    std::fs::write(files::beside(&path, ".new"), "what a crash left").unwrap();
    assert_eq!(open_all(&path).unwrap(), []);
    written(&path, &entries(2));
    assert_eq!(open_all(&path).unwrap(), entries(2));
}

#[test]
fn log_takes_nothing_after_a_write_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ann.log");
    let (mut log, _) = DeviceLog::open(&path).unwrap();
    log.append(&entries(1)).unwrap();
    log.sync().unwrap();
    log.break_file();
    assert!(matches!(log.append(&entries(1)).unwrap_err(), LogError::Full { .. }));
    assert!(matches!(log.append(&entries(1)).unwrap_err(), LogError::Stopped { .. }));
    assert!(matches!(log.sync().unwrap_err(), LogError::Stopped { .. }));
    drop(log);
    assert_eq!(open_all(&path).unwrap(), entries(1));
}

#[test]
fn entry_that_is_too_long_is_refused_before_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ann.log");
    let (mut log, _) = DeviceLog::open(&path).unwrap();
    let long = Entry::Authored { event: ByteBuf::from(vec![0; 40_000]), at_ms: 1 };
    assert!(matches!(log.append(&[long]).unwrap_err(), LogError::TooLong { .. }));
    drop(log);
    assert_eq!(open_all(&path).unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn several_overwritten_bytes_never_yield_other_entries(at in 0_usize..1_000, junk in prop::collection::vec(any::<u8>(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ann.log");
        let all = entries(4);
        written(&path, &all);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at % bytes.len();
        let end = (at + junk.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&junk[..end - at]);
        std::fs::write(&path, bytes).unwrap();
        is_refused(&path, &all, "overwritten");
    }
}

/// A log of version 1 with two entries, and its tip, as they were written when there was no other version.
const VERSION_1: [&str; 2] = [
    "7465726365746c01\
     5300000060abbe807575a830\
     81a5426567756e95c41001010101010101010101010101010101c4208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94\
     121bf3748801b40f6f5cc41001010101010101010101010101010101a3616e6e01\
     2c000000b23e9737939b0019\
     81a54c6576656c93c42003030303030303030303030303030303030303030303030303030303030303030203",
    "74657263657420646576696365206c67000000000000009f939b0019da9376c62922f70b19be9fa21b583d039c99c5071efc\
     29e56112c104df7ae345fb6edf06",
];

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap();
    text.as_bytes()
        .chunks(2)
        .map(|pair| (digit(&pair[0]) << 4 | digit(&pair[1])).try_into().unwrap())
        .collect()
}

#[test]
fn a_log_of_version_1_is_read_and_goes_on_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ann.log");
    let [log, tip] = VERSION_1.map(from_hex);
    std::fs::write(&path, &log).unwrap();
    std::fs::write(files::beside(&path, ".tip"), tip).unwrap();
    let level = Entry::Level { id: EventId::new([3; 32]), copies: 2, servers: 3 };
    let mut all = vec![entries(1).remove(0), level];
    assert_eq!(open_all(&path).unwrap(), all);

    let (mut opened, _) = DeviceLog::open(&path).unwrap();
    let more = entries(3).split_off(1);
    opened.append(&more).unwrap();
    opened.sync().unwrap();
    drop(opened);
    all.extend(more);
    assert_eq!(open_all(&path).unwrap(), all);
    let now = std::fs::read(&path).unwrap();
    assert_eq!(now[..log.len()], log, "what was written stays as it was");
    assert_eq!(now[7], 1);

    let other = folder.path().join("other.log");
    written(&other, &all);
    let newer = std::fs::read(&other).unwrap();
    assert_eq!((newer[7], newer.len()), (2, now.len()));
    for (bytes, version) in [(now, 2), (newer, 1)] {
        let mixed = folder.path().join("mixed.log");
        std::fs::write(&mixed, [&bytes[..7], &[version], &bytes[8..]].concat()).unwrap();
        let read = DeviceLog::read(&mixed).unwrap_err().to_string();
        assert!(read.contains("the length of the entry fails its checksum"), "as version {version}: {read}");
    }
}
