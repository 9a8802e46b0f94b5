//! A store as it is meant to be used, and what it refuses.

use std::os::unix::fs::symlink;

use super::*;
use crate::id::EventId;
use crate::intake::Intake;
use crate::log::Stream;
use crate::store::{StoreError, files, journal};

#[test]
fn reopened_store_holds_all_and_keeps_its_incarnation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("below/store");
    let replica = Replica::open(&path, SERVER).unwrap();
    let incarnation = replica.incarnation();
    assert_eq!((replica.durable(), replica.forks()), (0, 0));
    fill(&replica, 1, 20);
    assert_holds(&replica, 20);
    drop(replica);
    for round in 0..3 {
        let replica = Replica::open(&path, SERVER).unwrap();
        assert_eq!(replica.incarnation(), incarnation);
        assert_holds(&replica, 20 + round);
        assert_eq!(replica.cursors().unwrap(), [cursor(if round == 0 { 19 } else { 20 + round })]);
        fill(&replica, 21 + round, 21 + round);
    }
}

fn journal_bytes(store: &Path) -> Vec<u64> {
    let journals = journal::files(&store.join("engine")).unwrap();
    journals.iter().map(|path| path.metadata().unwrap().len()).collect()
}

/// Commits events `from..=upto` of some kilobytes, all in one batch.
fn fill_much(replica: &Replica, from: Position, upto: Position) {
    let body = "much ".repeat(2_000);
    let long = |seq| event_in(Conversation::Room(RoomId::new([5; 16])), 1, seq, &format!("{body}{seq}"));
    replica
        .commit(&(from..=upto).map(|position| append(position, long(position))).collect::<Vec<_>>())
        .unwrap();
}

#[test]
fn numbers_are_known_for_given_or_not_across_commits_gaps_and_openings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let first_of = |replica: &Replica, seq| replica.first_of(event(seq).origin()).unwrap();
    let replica = Replica::open(&path, SERVER).unwrap();
    assert_eq!(first_of(&replica, 1), None);
    replica.commit(&[append(1, event(1)), append(2, event(5))]).unwrap();
    let replica = {
        let held =
            |replica: &Replica| (1..=6).map(|seq| first_of(replica, seq).is_some()).collect::<Vec<_>>();
        assert_eq!(held(&replica), [true, false, false, false, true, false]);
        drop(replica);
        let replica = Replica::open(&path, SERVER).unwrap();
        assert_eq!(held(&replica), [true, false, false, false, true, false], "before anything was written");
        replica
    };
    // Numbers that others have passed are none that were given.
    replica.commit(&[append(3, event(3)), append(4, event(6))]).unwrap();
    assert_eq!((first_of(&replica, 3), first_of(&replica, 6)), (Some(event(3).id()), Some(event(6).id())));
    assert_eq!((first_of(&replica, 2), first_of(&replica, 7)), (None, None));
    // One that was given is refused, in a batch of its own and beside its successor.
    let again = event_in(Conversation::Room(RoomId::new([5; 16])), 1, 6, "otherwise");
    assert!(matches!(
        replica.commit(&[append(5, event(7)), append(6, again)]),
        Err(StoreError::Misfit { .. })
    ));
}

#[test]
fn store_closed_in_order_leaves_no_journal_to_replay_and_holds_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    for round in 0..3 {
        let replica = Replica::open(&path, SERVER).unwrap();
        let from = round * 300;
        assert_eq!(replica.durable(), from);
        fill_much(&replica, from + 1, from + 300);
        let other = replica.clone();
        replica.close().unwrap();
        assert_ne!(journal_bytes(&path), [0], "another handle has it open still");
        other.close().unwrap();
        assert_eq!(journal_bytes(&path), [0]);
    }
    let history = Replica::read(&path).unwrap();
    assert_eq!(history.log.len(), 900);
}

#[test]
fn little_is_left_in_the_journal_and_so_is_what_a_failed_writer_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let replica = Replica::open(&path, SERVER).unwrap();
    fill(&replica, 1, 20);
    replica.close().unwrap();
    assert_ne!(journal_bytes(&path), [0]);
    let replica = Replica::open(&path, SERVER).unwrap();
    assert_holds(&replica, 20);
    fill_much(&replica, 21, 320);
    assert!(replica.commit(&[append(9, event(9))]).is_err());
    replica.close().unwrap();
    assert_ne!(journal_bytes(&path), [0]);
    assert_eq!(Replica::open(&path, SERVER).unwrap().durable(), 320);
}

#[test]
fn the_last_view_that_was_written_is_kept_and_read_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let replica = Replica::open(&path, SERVER).unwrap();
    assert_eq!(replica.view().unwrap(), None);
    for epoch in [2, 3] {
        replica.commit(&[Write::View(view(epoch)), append(epoch - 1, event(epoch - 1))]).unwrap();
        assert_eq!(replica.view().unwrap(), Some(view(epoch).bytes()));
    }
    drop(replica);
    assert_eq!(Replica::open(&path, SERVER).unwrap().view().unwrap(), Some(view(3).bytes()));
    assert_eq!(Replica::read(&path).unwrap().view, Some(view(3).bytes()));
    assert_eq!(Replica::take_in(&path, &Intake::default()).unwrap().view, Some(view(3).bytes()));
}

#[test]
fn new_store_in_an_empty_folder_has_an_incarnation_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let one = Replica::open(&folder.path().join("one"), SERVER).unwrap();
    std::fs::create_dir(folder.path().join("two")).unwrap();
    let two = Replica::open(&folder.path().join("two"), SERVER).unwrap();
    assert_ne!(one.incarnation(), two.incarnation());
}

#[test]
fn events_stand_in_the_streams_of_their_readers() {
    let folder = tempfile::tempdir().unwrap();
    let replica = Replica::open(&folder.path().join("store"), SERVER).unwrap();
    let (ann, bob) = (account_of(&key(1)), account_of(&key(2)));
    let room = RoomId::new([5; 16]);
    let events = [
        event_in(Conversation::Directory, 1, 1, "ann"),
        event_in(Conversation::direct(ann, bob), 1, 2, "hello"),
        event_in(Conversation::direct(ann, ann), 1, 3, "a note to myself"),
        event_in(Conversation::Room(room), 2, 1, "all"),
    ];
    let writes: Vec<Write> =
        (1..).zip(&events).map(|(position, event)| append(position, event.clone())).collect();
    replica.commit(&writes).unwrap();
    let places = |stream| -> Vec<Position> {
        replica.scan(stream, 0, 4, 9).unwrap().into_iter().map(|(position, _)| position).collect()
    };
    assert_eq!(places(Stream::Directory), [1]);
    assert_eq!(places(Stream::Inbox(ann)), [2, 3]);
    assert_eq!(places(Stream::Inbox(bob)), [2]);
    assert_eq!(places(Stream::Room(room)), [4]);
    assert_eq!(places(Stream::Room(RoomId::new([6; 16]))), [] as [Position; 0]);
    let inbox = Stream::Inbox(ann);
    assert_eq!(replica.scan(inbox, 2, 4, 9).unwrap(), [(3, events[2].id())]);
    assert_eq!(replica.scan(inbox, 0, 2, 9).unwrap(), [(2, events[1].id())]);
    assert_eq!(replica.scan(inbox, 0, 4, 1).unwrap().len(), 1);
    assert_eq!(replica.scan(inbox, Position::MAX, Position::MAX, 1).unwrap(), []);
    assert_eq!(replica.first_of(events[1].origin()).unwrap(), Some(events[1].id()));
    assert_eq!(replica.position(&EventId::new([0; 32])).unwrap(), None);
}

#[test]
fn both_events_of_a_fork_are_kept_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let replica = Replica::open(&path, SERVER).unwrap();
    let other = event_in(event(1).conversation(), 1, 1, "another under the same number");
    replica.commit(&[append(1, event(1))]).unwrap();
    replica.commit(&[Write::Append { position: 2, event: other.clone(), fork: true }]).unwrap();
    drop(replica);
    let replica = Replica::open(&path, SERVER).unwrap();
    assert_eq!((replica.forks(), replica.durable()), (1, 2));
    assert_eq!(replica.first_of(other.origin()).unwrap(), Some(event(1).id()));
    drop(replica);
    assert_eq!(Replica::read(&path).unwrap().log.len(), 2);
}

#[test]
fn batches_that_do_not_continue_the_log_are_refused_and_end_the_writing() {
    let twice_in_a_batch = vec![append(3, event(3)), append(4, event(3))];
    let unmarked_fork = event_in(event(1).conversation(), 1, 1, "another");
    let cases = [
        ("gap", vec![append(4, event(3))]),
        ("position again", vec![append(2, event(3))]),
        ("event again", vec![append(3, event(1))]),
        ("event twice in a batch", twice_in_a_batch),
        ("fork without its mark", vec![append(3, unmarked_fork)]),
        ("mark without a fork", vec![Write::Append { position: 3, event: event(3), fork: true }]),
    ];
    for (name, writes) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let replica = Replica::open(&path, SERVER).unwrap();
        fill(&replica, 1, 2);
        let error = replica.commit(&writes).unwrap_err();
        assert!(matches!(error, StoreError::Misfit { .. }), "{name}: {error}");
        let error = replica.commit(&[append(3, event(3))]).unwrap_err();
        assert!(matches!(error, StoreError::Stopped { .. }), "{name}: {error}");
        assert_holds(&replica, 2);
        drop(replica);
        assert_holds(&Replica::open(&path, SERVER).unwrap(), 2);
    }
}

#[test]
fn second_open_is_refused_until_the_last_handle_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let replica = Replica::open(&path, SERVER).unwrap();
    let clone = replica.clone();
    for _ in 0..2 {
        let error = Replica::open(&path, SERVER).unwrap_err();
        assert!(matches!(error, StoreError::InUse { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("already in use") && text.contains(&std::process::id().to_string()), "{text}");
    }
    drop(replica);
    assert!(Replica::open(&path, SERVER).is_err());
    drop(clone);
    Replica::open(&path, SERVER).unwrap();
}

#[test]
fn other_folders_and_other_stores_are_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    drop(Replica::open(&path, SERVER).unwrap());
    let error = Replica::open(&path, ServerId::new([8; 32])).unwrap_err();
    assert!(matches!(error, StoreError::OtherServer { found: SERVER, .. }), "{error}");
    drop(Replica::open(&path, SERVER).unwrap());

    let identity = path.join("identity");
    flip(&identity, 7, 3);
    let error = Replica::open(&path, SERVER).unwrap_err();
    assert!(matches!(error, StoreError::Version { found: 2, known: 1, .. }), "{error}");
    flip(&identity, 7, 3);
    std::fs::remove_file(&identity).unwrap();
    assert!(matches!(Replica::open(&path, SERVER).unwrap_err(), StoreError::Damaged { .. }));

    let letters = folder.path().join("letters");
    std::fs::create_dir(&letters).unwrap();
    std::fs::write(letters.join("one"), "dear").unwrap();
    assert!(matches!(Replica::open(&letters, SERVER).unwrap_err(), StoreError::NotAStore { .. }));
    assert_eq!(std::fs::read_dir(&letters).unwrap().count(), 1);
    let file = letters.join("one");
    assert!(matches!(Replica::open(&file, SERVER).unwrap_err(), StoreError::Io { .. }));
    assert!(matches!(Replica::read(&letters).unwrap_err(), StoreError::Absent { .. }));
}

#[test]
fn place_that_takes_no_files_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proc/store");
    symlink("/proc", folder.path().join("proc")).unwrap();
    let error = Replica::open(&path, SERVER).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(error.to_string().contains("proc/store"), "{error}");
}

#[test]
fn what_a_crash_leaves_of_a_new_store_is_wiped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    drop(Replica::open(&path, SERVER).unwrap());
    // A store whose making was cut short is some of a store's files under the unfinished name.
    for missing in ["engine/version", "engine/keyspaces/0", "identity", "engine/0.jnl", "lock"] {
        let other = tempfile::tempdir().unwrap();
        let unfinished = other.path().join("store.new");
        files::copy_folder(&path, &unfinished, None).unwrap();
        let gone = unfinished.join(missing);
        if gone.is_dir() { std::fs::remove_dir_all(gone) } else { std::fs::remove_file(gone) }.unwrap();
        let replica = Replica::open(&other.path().join("store"), SERVER).unwrap();
        fill(&replica, 1, 1);
        assert!(!unfinished.exists());
    }
}

#[test]
fn store_that_another_process_is_making_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let unfinished = folder.path().join("store.new");
    std::fs::create_dir(&unfinished).unwrap();
    let _maker = crate::store::lock::Lock::take(&unfinished.join("lock")).unwrap();
    let error = Replica::open(&folder.path().join("store"), SERVER).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
}

#[test]
fn copies_of_a_live_store_hold_all_that_was_acked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let replica = Replica::open(&path, SERVER).unwrap();
    for acked in 1..=12 {
        fill(&replica, acked, acked);
        // The state in which kill -9 leaves the files: everything written so far, and nothing closed.
        let copy = folder.path().join(format!("killed-{acked}"));
        files::copy_folder(&path, &copy, None).unwrap();
        let killed = Replica::open(&copy, SERVER).unwrap();
        assert_holds(&killed, acked);
        fill(&killed, acked + 1, acked + 2);
    }
    let history = Replica::read(&path).unwrap();
    assert_eq!(history.log.len(), 12, "a running store can be read");
    assert!(history.live, "and device logs, read after it, may know more");
    assert_holds(&replica, 12);
}

#[test]
fn history_is_the_whole_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let replica = Replica::open(&path, SERVER).unwrap();
    fill(&replica, 1, 100);
    let incarnation = replica.incarnation();
    drop(replica);
    let before = tree(&path);
    let history = Replica::read(&path).unwrap();
    assert_eq!(tree(&path), before, "reading changes nothing");
    assert!(!history.live, "nobody appends to it any more");
    assert_eq!((history.server, history.incarnation), (SERVER, incarnation));
    let ids: Vec<EventId> = history.log.iter().map(|stored| stored.event.id()).collect();
    assert_eq!(ids, (1..=100).map(|seq| event(seq).id()).collect::<Vec<_>>());
    let keys = (1..=100).map(|seq| (event(1).conversation().id(), event(seq).key()));
    assert_eq!(history.canonical.unwrap(), keys.collect::<Vec<_>>());
    assert_eq!(history.cursors, [cursor(100)]);
}

/// Every file below a folder with its bytes' hash.
pub(super) fn tree(path: &Path) -> std::collections::BTreeMap<std::path::PathBuf, String> {
    let mut found = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, blake3::hash(&bytes).to_hex().to_string());
        }
    }
    found
}
