//! A store whose files are flipped, cut or lost: what was acked is all there, or the store is refused and
//! left as it was.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::replica::tree;
use super::*;
use crate::log::Stream;
use crate::store::{StoreError, files, journal};

const ACKED: Position = 24;

struct Sample {
    folder: tempfile::TempDir,
    runs: u32,
}

impl Sample {
    /// A stopped store with [`ACKED`] events. Opened twice, so that its journal has no preallocated end.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        fill(&Replica::open(&path, SERVER).unwrap(), 1, ACKED / 2);
        fill(&Replica::open(&path, SERVER).unwrap(), ACKED / 2 + 1, ACKED);
        Self { folder, runs: 0 }
    }

    fn copy(&mut self) -> PathBuf {
        self.runs += 1;
        let copy = self.folder.path().join(format!("copy-{}", self.runs));
        files::copy_folder(&self.folder.path().join("store"), &copy, None).unwrap();
        copy
    }
}

fn journal_of(path: &Path) -> PathBuf {
    journal::files(&path.join("engine")).unwrap().pop().unwrap()
}

/// All files but the lock, and but the engine's version files: it removes those that are out of date.
fn contents(path: &Path) -> BTreeMap<PathBuf, String> {
    let counts = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name != "lock" && name.strip_prefix('v').is_none_or(|number| number.parse::<u64>().is_err())
    };
    tree(path).into_iter().filter(|(path, _)| counts(path)).collect()
}

/// Opens a store that was tampered with; answers whether it was refused.
fn is_refused(path: &Path, what: &str) -> bool {
    let before = contents(path);
    match Replica::open(path, SERVER) {
        Ok(replica) => {
            assert_holds(&replica, ACKED);
            assert_eq!(replica.cursors().unwrap().len(), 1, "{what}");
            fill(&replica, ACKED + 1, ACKED + 1);
            drop(replica);
            let replica = Replica::open(path, SERVER).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_holds(&replica, ACKED + 1);
            false
        }
        Err(StoreError::Damaged { .. } | StoreError::Version { .. }) => {
            assert!(contents(path) == before, "{what}: a refused store has changed");
            true
        }
        Err(other) => panic!("{what}: {other}"),
    }
}

#[test]
fn flipped_journal_bytes_are_refused_or_harmless() {
    let mut sample = Sample::new();
    let length = std::fs::metadata(journal_of(&sample.folder.path().join("store"))).unwrap().len();
    let (mut refused, step) = (0, length / 300);
    for round in 0..300 {
        let at = round * step + round % step.max(1);
        let copy = sample.copy();
        flip(&journal_of(&copy), at, 1 << (round % 8));
        refused += u32::from(is_refused(&copy, &format!("byte {at} of {length}, bit {}", round % 8)));
        std::fs::remove_dir_all(copy).unwrap();
    }
    assert!(refused > 280, "only {refused} of 300");
}

#[test]
fn every_flipped_byte_of_the_first_and_last_framing_is_refused_or_harmless() {
    let mut sample = Sample::new();
    let length = std::fs::metadata(journal_of(&sample.folder.path().join("store"))).unwrap().len();
    for at in (0..40).chain(length - 40..length) {
        for mask in [1, 0x80] {
            let copy = sample.copy();
            flip(&journal_of(&copy), at, mask);
            is_refused(&copy, &format!("byte {at} of {length}, mask {mask}"));
            std::fs::remove_dir_all(copy).unwrap();
        }
    }
}

#[test]
fn journal_cut_anywhere_is_refused_with_what_is_left() {
    let mut sample = Sample::new();
    let length = std::fs::metadata(journal_of(&sample.folder.path().join("store"))).unwrap().len();
    for round in 0..100 {
        let copy = sample.copy();
        let at = round * (length / 100) + round;
        std::fs::OpenOptions::new().write(true).open(journal_of(&copy)).unwrap().set_len(at).unwrap();
        assert!(is_refused(&copy, &format!("cut at {at} of {length}")));
        let text = Replica::open(&copy, SERVER).unwrap_err().to_string();
        assert!(text.contains(&format!("of the {ACKED} events that it acked")), "{text}");
        assert!(
            text.contains("Its data was left as it is") && text.contains("Move the folder away"),
            "{text}"
        );
        std::fs::remove_dir_all(copy).unwrap();
    }
}

#[test]
fn unfinished_batch_is_cut_off_and_the_rest_goes_on() {
    let mut sample = Sample::new();
    let whole = std::fs::read(journal_of(&sample.copy())).unwrap();
    let next = {
        let copy = sample.copy();
        fill(&Replica::open(&copy, SERVER).unwrap(), ACKED + 1, ACKED + 1);
        std::fs::read(journal_of(&copy)).unwrap()
    };
    assert!(next.starts_with(&whole));
    for (round, kept) in (whole.len() + 1..next.len()).step_by(13).enumerate() {
        let copy = sample.copy();
        let mut torn = next[..kept].to_vec();
        // In a journal's first life the space after its end is preallocated.
        torn.resize(kept + if round % 2 == 0 { 0 } else { 9000 }, 0);
        std::fs::write(journal_of(&copy), torn).unwrap();
        assert!(!is_refused(&copy, &format!("{kept} of {} bytes", next.len())));
        std::fs::remove_dir_all(copy).unwrap();
    }
}

#[test]
fn journals_kept_by_an_interrupted_open_are_put_back() {
    let mut sample = Sample::new();
    let copy = sample.copy();
    let engine = copy.join("engine");
    std::mem::forget(crate::store::set_aside::SetAside::make(&copy, &engine).unwrap());
    // The open was interrupted after fjall had cut the journal in two.
    let journal = journal_of(&copy);
    let half = std::fs::metadata(&journal).unwrap().len() / 2;
    std::fs::OpenOptions::new().write(true).open(&journal).unwrap().set_len(half).unwrap();
    assert_holds(&Replica::open(&copy, SERVER).unwrap(), ACKED);
    assert!(!copy.join("journals-as-found").exists());

    let copy = sample.copy();
    let partial = copy.join("journals-as-found.partial");
    std::fs::create_dir(&partial).unwrap();
    std::fs::write(partial.join("0.jnl"), "half a copy").unwrap();
    assert_holds(&Replica::open(&copy, SERVER).unwrap(), ACKED);
    assert!(!partial.exists());
}

#[test]
fn tip_may_be_missing_torn_or_old_but_not_contradict() {
    let mut sample = Sample::new();
    let copy = sample.copy();
    std::fs::remove_file(copy.join("tip")).unwrap();
    assert!(!is_refused(&copy, "no tip"));
    let copy = sample.copy();
    flip(&copy.join("tip"), 20, 1);
    assert!(!is_refused(&copy, "torn tip"));

    let old = sample.copy();
    let tip = std::fs::read(old.join("tip")).unwrap();
    fill(&Replica::open(&old, SERVER).unwrap(), ACKED + 1, ACKED + 9);
    let newer_tip = std::fs::read(old.join("tip")).unwrap();
    std::fs::write(old.join("tip"), &tip).unwrap();
    assert_holds(&Replica::open(&old, SERVER).unwrap(), ACKED + 9);

    let copy = sample.copy();
    std::fs::write(copy.join("tip"), newer_tip).unwrap();
    assert!(is_refused(&copy, "a tip beyond the log"));
    let stranger = sample.folder.path().join("stranger");
    fill(&Replica::open(&stranger, SERVER).unwrap(), 1, 3);
    let copy = sample.copy();
    std::fs::copy(stranger.join("tip"), copy.join("tip")).unwrap();
    assert!(is_refused(&copy, "another store's tip"));
}

#[test]
fn damage_that_only_a_read_finds_is_marked_and_the_store_makes_room_for_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let replica = Replica::open(&store, SERVER).unwrap();
    let incarnation = replica.incarnation();
    fill(&replica, 1, 300);
    replica.flush_tables();
    replica.compact_tables();
    fill(&replica, 301, 310);
    replica.flush_tables();
    drop(replica);
    let room = Stream::of(&event(1)).next().unwrap();
    let is_of_streams = |path: &PathBuf| path.parent().unwrap().ends_with("3/tables");
    let size = |path: &PathBuf| std::fs::metadata(path).unwrap().len();
    let table = tree(&store).into_keys().filter(is_of_streams).max_by_key(size).unwrap();
    // Not every place will do: what an open reads, it finds. Of the streams it reads the newest places.
    let found = (0..size(&table)).step_by(577).find_map(|at| {
        flip(&table, at, 1);
        let found = Replica::open(&store, SERVER)
            .ok()
            .and_then(|replica| Some((replica.scan(room, 0, 310, 500).err()?, replica)));
        if found.is_none() {
            flip(&table, at, 1);
        }
        found
    });
    let Some((StoreError::Damaged { path, what }, replica)) = found else { panic!("{found:?}") };
    Replica::mark_damaged(&path, &what).unwrap();
    assert!(matches!(Replica::move_away(&store), Err(StoreError::InUse { .. })), "not while it is open");
    drop(replica);
    let before = tree(&store);
    let error = Replica::open(&store, SERVER).unwrap_err().to_string();
    assert!(error.contains(&what) && error.contains("as its file 'damaged' says"), "{error}");
    assert_eq!(Replica::acked(&store).unwrap(), Some(310));
    for number in 1..=3 {
        let before = if number == 1 { before.len() } else { tree(&store).len() };
        let away = Replica::move_away(&store).unwrap();
        assert_eq!(away, folder.path().join(format!("store.damaged-{number}")));
        assert_eq!(tree(&away).len(), before);
        let anew = Replica::open(&store, SERVER).unwrap();
        assert_eq!(anew.durable(), 0);
        assert_ne!(anew.incarnation(), incarnation);
    }
    let away = folder.path().join("store.damaged-1");
    let bytes = |tree: &BTreeMap<PathBuf, String>| tree.values().cloned().collect::<Vec<_>>();
    let lock = |path: &PathBuf, _: &mut String| !path.ends_with("lock");
    let (mut before, mut after) = (before, tree(&away));
    before.retain(lock);
    after.retain(lock);
    assert_eq!(bytes(&after), bytes(&before), "what is set aside stays as it was");
}

#[test]
fn only_damage_is_called_damage() {
    use std::io::{Error, ErrorKind};
    let path = Path::new("store");
    let of = |kind: ErrorKind| StoreError::engine(path, "read")(fjall::Error::Io(Error::from(kind)));
    assert!(matches!(of(ErrorKind::StorageFull), StoreError::Full { .. }));
    assert!(matches!(of(ErrorKind::QuotaExceeded), StoreError::Full { .. }));
    assert!(matches!(of(ErrorKind::PermissionDenied), StoreError::Io { .. }));
    assert!(matches!(of(ErrorKind::ReadOnlyFilesystem), StoreError::Io { .. }));
    assert!(matches!(of(ErrorKind::OutOfMemory), StoreError::Io { .. }));
    assert!(matches!(StoreError::engine(path, "read")(fjall::Error::Locked), StoreError::InUse { .. }));
    assert!(matches!(of(ErrorKind::UnexpectedEof), StoreError::Damaged { .. }));
    assert!(matches!(of(ErrorKind::NotFound), StoreError::Damaged { .. }));
}

#[test]
fn lost_files_are_refused() {
    let mut sample = Sample::new();
    for name in ["engine/version", "engine/keyspaces/1", "identity"] {
        let copy = sample.copy();
        let gone = copy.join(name);
        if gone.is_dir() { std::fs::remove_dir_all(gone) } else { std::fs::remove_file(gone) }.unwrap();
        assert!(Replica::open(&copy, SERVER).is_err(), "{name}");
    }
    let copy = sample.copy();
    std::fs::remove_file(journal_of(&copy)).unwrap();
    assert!(is_refused(&copy, "no journal"));
    let copy = sample.copy();
    std::fs::create_dir(copy.join("engine/keyspaces/notes")).unwrap();
    assert!(is_refused(&copy, "a stray folder"));
}

#[test]
fn flipped_table_bytes_are_an_error_or_harmless_and_never_another_event() {
    let mut sample = Sample::new();
    let store = sample.folder.path().join("store");
    let replica = Replica::open(&store, SERVER).unwrap();
    replica.flush_tables();
    drop(replica);
    let tables: Vec<PathBuf> = tree(&store.join("engine/keyspaces")).into_keys().collect();
    assert!(tables.iter().any(|path| path.components().any(|part| part.as_os_str() == "tables")));
    let mut refused = 0;
    for round in 0..240_usize {
        let copy = sample.copy();
        let file = copy.join(tables[round % tables.len()].strip_prefix(&store).unwrap());
        let length = std::fs::metadata(&file).unwrap().len();
        let at = (round as u64 * 7919) % length.max(1);
        flip(&file, at, 1 << (round % 8));
        let what = format!("byte {at} of {length} in {}", file.display());
        match Replica::open(&copy, SERVER) {
            Err(error) => {
                assert!(matches!(error, StoreError::Damaged { .. }), "{what}: {error}");
                refused += 1;
            }
            Ok(replica) => assert_holds(&replica, ACKED),
        }
        std::fs::remove_dir_all(copy).unwrap();
    }
    assert!(refused > 20, "only {refused} were noticed");
}
