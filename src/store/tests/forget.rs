//! Bodies that are taken back leave the store: its rows at once, its files at the next start.

use super::*;
use crate::content::{SharedFile, about, chunk};
use crate::store::{check, index::Index, keys, open};

const SECRET: &str = "the quick brown secret";

fn place() -> Conversation {
    Conversation::direct(account_of(&key(1)), account_of(&key(2)))
}

fn says(person: u8, seq: Seq, kind: Kind, target: Option<&Event>, text: &str) -> Arc<Event> {
    let draft = Draft {
        device: DeviceId::new([person; 16]),
        seq,
        parents: target.map(Event::id).into_iter().collect(),
        time: Time::from_millis(1_000 + seq),
        conversation: place(),
        kind,
        body: target.map_or_else(|| text.as_bytes().to_vec(), |target| about(target.id(), text)),
    };
    Arc::new(draft.sign(&key(person)).unwrap())
}

/// A message, another's answer, an edit, the deletion, and an edit that comes after it.
fn story() -> [Arc<Event>; 5] {
    let post = says(1, 1, Kind::Post, None, &format!("{SECRET} 1"));
    let reply = says(2, 2, Kind::Reply, Some(&post), "an answer that stays");
    let edit = says(1, 3, Kind::Edit, Some(&post), &format!("{SECRET} 2"));
    let delete = says(1, 4, Kind::Delete, Some(&post), "");
    let late = says(1, 5, Kind::Edit, Some(&post), &format!("{SECRET} 3"));
    [post, reply, edit, delete, late]
}

/// A file in three parts, what it is called, and its deletion.
fn file() -> [Arc<Event>; 5] {
    let writes = |seq: Seq, before: Option<&Event>, kind, body| {
        let draft = Draft {
            device: DeviceId::new([1; 16]),
            seq,
            parents: before.map(Event::id).into_iter().collect(),
            time: Time::from_millis(1_000 + seq),
            conversation: place(),
            kind,
            body,
        };
        Arc::new(draft.sign(&key(1)).unwrap())
    };
    let part = |number| format!("{SECRET} part {number}");
    let first = writes(1, None, Kind::Chunk, chunk(None, part(1).as_bytes()));
    let second = writes(2, Some(&first), Kind::Chunk, chunk(Some(first.id()), part(2).as_bytes()));
    let third = writes(3, Some(&second), Kind::Chunk, chunk(Some(second.id()), part(3).as_bytes()));
    let name = format!("{SECRET}.txt");
    let file = SharedFile { last: third.id(), hash: [7; 32], bytes: 84, name: &name }.encode();
    let file = writes(4, Some(&third), Kind::File, file);
    let delete = says(1, 5, Kind::Delete, Some(&file), "");
    [first, second, third, file, delete]
}

#[test]
fn a_file_that_is_taken_back_goes_with_its_parts_in_whatever_batches_and_from_every_file_of_the_store() {
    for batch in [1, 2, 3, 5] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let replica = Replica::open(&path, SERVER).unwrap();
        let story = file();
        let writes = appends(&story);
        writes[..4].chunks(batch).for_each(|writes| replica.commit(writes).unwrap());
        assert_eq!(bodies(&replica, &story[..4]), [true; 4], "nobody has taken it back");
        replica.commit(&writes[4..]).unwrap();
        let gone = [false, false, false, false, true];
        assert_eq!(bodies(&replica, &story), gone, "batches of {batch}");
        replica.commit(&[Write::Body(Arc::clone(&story[1]))]).unwrap();
        assert_eq!(bodies(&replica, &story), gone, "what was deleted is not put back");
        assert_eq!(replica.hollow(0, 9).unwrap(), []);
        drop(replica);
        assert_ne!(files_with(&path, SECRET), [""; 0], "it was on the disk");
        let replica = Replica::open(&path, SERVER).unwrap();
        assert_eq!(bodies(&replica, &story), gone, "reopened");
        drop(replica);
        assert_eq!(files_with(&path, SECRET), [""; 0], "batches of {batch}");
        assert_eq!(Replica::read(&path).unwrap().log.len(), 5);
    }
}

#[test]
fn parts_without_their_bodies_are_hollow_until_the_file_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let replica = Replica::open(&folder.path().join("store"), SERVER).unwrap();
    let story = file();
    let without: Vec<_> = story[..4].iter().map(|event| Arc::new(event.without_body().unwrap())).collect();
    replica.commit(&appends(&without)).unwrap();
    let places: Vec<_> = (1..).zip(&without).map(|(position, event)| (position, event.id())).collect();
    assert_eq!(replica.hollow(0, 9).unwrap(), places);
    replica.commit(&[Write::Body(Arc::clone(&story[0]))]).unwrap();
    assert_eq!(replica.hollow(0, 9).unwrap(), places[1..]);
    replica.commit(&[append(5, Arc::clone(&story[4]))]).unwrap();
    assert_eq!(replica.hollow(0, 9).unwrap(), []);
    assert_eq!(bodies(&replica, &story), [false, false, false, false, true]);
}

#[test]
fn a_store_whose_deletions_took_no_parts_is_read_once_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let replica = Replica::open(&path, SERVER).unwrap();
    let story = file();
    replica.commit(&appends(&story)).unwrap();
    drop(replica);
    let opened = open::open(&path, None).unwrap();
    as_it_was(&opened.index, &story);
    opened.index.meta.insert("bodies", []).unwrap();
    drop(opened);
    let replica = Replica::open(&path, SERVER).unwrap();
    assert_eq!(bodies(&replica, &story), [false, false, false, false, true]);
    drop(replica);
    assert_eq!(files_with(&path, SECRET), [""; 0]);
}

fn appends(events: &[Arc<Event>]) -> Vec<Write> {
    (1..).zip(events).map(|(position, event)| append(position, Arc::clone(event))).collect()
}

/// Which of the events have their bodies, all of them being there.
fn bodies(replica: &Replica, events: &[Arc<Event>]) -> Vec<bool> {
    let stored = (1..).zip(events).map(|(position, event)| {
        let stored = replica.event(position).unwrap().unwrap();
        assert_eq!((stored.id(), replica.position(&event.id()).unwrap()), (event.id(), Some(position)));
        stored.has_body()
    });
    stored.collect()
}

/// The files under a folder in which a text stands.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if holds(&std::fs::read(&path).unwrap(), text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// Journals are mostly zeros, which are passed over quickly.
fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.split(|byte| *byte == 0).any(|part| part.windows(text.len()).any(|window| window == text))
}

#[test]
fn what_is_taken_back_has_no_body_from_the_same_batch_on_and_after_a_restart() {
    for batch in [1, 2, 5] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let replica = Replica::open(&path, SERVER).unwrap();
        let story = story();
        appends(&story).chunks(batch).for_each(|writes| replica.commit(writes).unwrap());
        let expected = [false, true, false, true, false];
        assert_eq!(bodies(&replica, &story), expected, "batches of {batch}");
        assert_eq!(replica.hollow(0, 9).unwrap(), []);
        drop(replica);
        let replica = Replica::open(&path, SERVER).unwrap();
        assert_eq!(bodies(&replica, &story), expected, "reopened, batches of {batch}");
        drop(replica);
        assert_eq!(Replica::read(&path).unwrap().log.len(), 5);
    }
}

#[test]
fn a_forgotten_body_is_in_no_file_of_the_store_after_the_next_start() {
    for flush_first in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let replica = Replica::open(&path, SERVER).unwrap();
        let story = story();
        let writes = appends(&story);
        replica.commit(&writes[..3]).unwrap();
        if flush_first {
            replica.flush_tables();
        }
        replica.commit(&writes[3..]).unwrap();
        drop(replica);
        assert_ne!(files_with(&path, SECRET), [""; 0], "it was on the disk");
        drop(Replica::open(&path, SERVER).unwrap());
        assert_eq!(files_with(&path, SECRET), [""; 0], "flushed before: {flush_first}");
        assert_ne!(files_with(&path, "an answer that stays"), [""; 0]);
        let replica = Replica::open(&path, SERVER).unwrap();
        assert_eq!(bodies(&replica, &story), [false, true, false, true, false]);
        replica.commit(&[append(6, event(9))]).unwrap();
        drop(replica);
        assert_eq!(Replica::read(&path).unwrap().log.len(), 6);
    }
}

#[test]
fn a_store_from_before_deletions_were_honoured_is_read_once_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let replica = Replica::open(&path, SERVER).unwrap();
    let story = story();
    replica.commit(&appends(&story)).unwrap();
    drop(replica);
    let opened = open::open(&path, None).unwrap();
    as_it_was(&opened.index, &story);
    drop(opened);
    let read = Replica::read(&path).unwrap();
    assert!(read.log.iter().all(|stored| stored.event.has_body()), "{read:?}");
    let replica = Replica::open(&path, SERVER).unwrap();
    assert_eq!(bodies(&replica, &story), [false, true, false, true, false]);
    drop(replica);
    assert_eq!(files_with(&path, SECRET), [""; 0]);
}

/// Whole rows, and none of what is known of bodies.
fn as_it_was(index: &Index, events: &[Arc<Event>]) {
    for (position, event) in (1..).zip(events) {
        let value = index.log.get(keys::position(position)).unwrap().unwrap();
        let (chain, _) = keys::read_log_value(&value).unwrap();
        index.log.insert(keys::position(position), keys::log_value(&chain, event.bytes())).unwrap();
    }
    let known = ["bodies", "deleted ", "edit ", "hollow ", "forget"];
    for row in index.meta.iter() {
        let key = row.key().unwrap();
        if known.iter().any(|known| key.starts_with(known.as_bytes())) {
            index.meta.remove(key).unwrap();
        }
    }
    let check = check::Check { index, snapshot: index.snapshot() };
    assert!(check.last().is_ok_and(|last| last == events.len() as u64));
}

#[test]
fn an_event_without_its_body_is_hollow_until_the_body_or_the_deletion_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let replica = Replica::open(&path, SERVER).unwrap();
    let [post, reply, edit, delete, _] = story();
    let without = |event: &Event| Arc::new(event.without_body().unwrap());
    let others = [without(&post), without(&reply), without(&edit)];
    replica.commit(&appends(&others)).unwrap();
    let places = [(1, post.id()), (2, reply.id()), (3, edit.id())];
    assert_eq!(replica.hollow(0, 9).unwrap(), places);
    assert_eq!(replica.hollow(1, 1).unwrap(), places[1..2]);
    replica.commit(&[Write::Body(Arc::clone(&reply))]).unwrap();
    assert_eq!(replica.event(2).unwrap(), Some(Arc::clone(&reply)));
    assert_eq!(replica.hollow(0, 9).unwrap(), [places[0], places[2]]);
    replica.commit(&[append(4, Arc::clone(&delete))]).unwrap();
    assert_eq!(replica.hollow(0, 9).unwrap(), []);
    replica.commit(&[Write::Body(Arc::clone(&post)), Write::Body(edit)]).unwrap();
    drop(replica);
    let replica = Replica::open(&path, SERVER).unwrap();
    let all = [post, reply, others[2].clone(), delete];
    assert_eq!(bodies(&replica, &all), [false, true, false, true], "what was deleted is not put back");
}

#[test]
fn a_body_may_come_in_the_batch_that_brings_the_event_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let replica = Replica::open(&path, SERVER).unwrap();
    let [post, ..] = story();
    let without = Arc::new(post.without_body().unwrap());
    replica.commit(&[append(1, without), Write::Body(Arc::clone(&post))]).unwrap();
    assert_eq!(replica.event(1).unwrap(), Some(Arc::clone(&post)));
    drop(replica);
    let replica = Replica::open(&path, SERVER).unwrap();
    assert_eq!((replica.event(1).unwrap(), replica.hollow(0, 9).unwrap()), (Some(post), vec![]));
}
