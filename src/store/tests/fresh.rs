//! Events that stand in the log and not yet in its indexes: whatever is asked, the answer is the same before and after.

use super::*;
use crate::event::Origin;
use crate::log::Stream;
use crate::store::open;

const ROOM: Conversation = Conversation::Room(RoomId::new([5; 16]));

/// What a log is to answer, by going through all of it.
#[derive(Default)]
struct Model(Vec<(Arc<Event>, bool)>);

impl Model {
    /// The next events, some of them under numbers that are taken; `count` of them.
    fn grow(&mut self, rng: &mut fastrand::Rng, count: usize) -> Vec<Write> {
        let mut writes = Vec::new();
        for _ in 0..count {
            let position = self.0.len() as u64 + 1;
            let (low, high) = (account_of(&key(1)), account_of(&key(2)));
            let places = [Conversation::Directory, Conversation::direct(low, high), ROOM];
            let (person, place) = (rng.u8(1..=3), places[rng.usize(..3)]);
            let is_fork = position > 5 && rng.u8(..8) == 0;
            let (person, seq) = match is_fork {
                true => {
                    let Origin { account, seq, .. } = self.0[rng.usize(..self.0.len())].0.origin();
                    ((1..=3).find(|person| account_of(&key(*person)) == account).unwrap(), seq)
                }
                false => (person, position),
            };
            let name = format!("name-{position}");
            let text = if place == Conversation::Directory { name } else { format!("said at {position}") };
            // Whoever is not of a direct conversation says it in the room.
            let place = if person == 3 && matches!(place, Conversation::Direct(..)) { ROOM } else { place };
            let event = event_in(place, person, seq, &text);
            self.0.push((Arc::clone(&event), is_fork));
            writes.push(Write::Append { position, event, fork: is_fork });
        }
        writes
    }

    fn scan(
        &self,
        stream: Stream,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Vec<(Position, EventId)> {
        let all = (1..).zip(&self.0).filter(|(position, _)| *position > after && *position <= upto);
        let of = all.filter(|(_, (event, _))| Stream::of(event).any(|one| one == stream));
        of.take(limit).map(|(position, (event, _))| (position, event.id())).collect()
    }

    /// Asks for everything, or for some of it.
    fn assert_answers(&self, replica: &Replica, rng: &mut fastrand::Rng, all: bool) {
        let end = self.0.len() as u64;
        assert_eq!(replica.durable(), end);
        for (position, (event, is_fork)) in (1..).zip(&self.0) {
            if !all && rng.u8(..8) > 0 {
                continue;
            }
            assert_eq!(replica.position(&event.id()).unwrap(), Some(position));
            let first = replica.first_of(event.origin()).unwrap();
            assert_eq!(first == Some(event.id()), !is_fork, "at {position}");
            assert!(first.is_some());
            let next = Origin { seq: end + 1, ..event.origin() };
            assert_eq!(replica.first_of(next).unwrap(), None);
        }
        let streams: std::collections::BTreeSet<_> =
            self.0.iter().flat_map(|(event, _)| Stream::of(event)).collect();
        for stream in streams {
            for _ in 0..6 {
                let (after, upto, limit) = (rng.u64(0..=end), rng.u64(0..=end), rng.usize(0..40));
                let expected = self.scan(stream, after, upto, limit);
                assert_eq!(replica.scan(stream, after, upto, limit).unwrap(), expected);
            }
            assert_eq!(
                replica.scan(stream, 0, end, usize::MAX).unwrap(),
                self.scan(stream, 0, end, usize::MAX)
            );
        }
    }
}

#[test]
fn whatever_is_asked_has_one_answer_before_and_after_it_is_indexed() {
    let seed = std::env::var("TERCET_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("TERCET_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut replica = Replica::open(&store, SERVER).unwrap();
    let mut model = Model::default();
    for _ in 0..60 {
        let count = if rng.u8(..10) == 0 { 80 } else { rng.usize(1..12) };
        replica.commit(&model.grow(&mut rng, count)).unwrap();
        model.assert_answers(&replica, &mut rng, false);
        match rng.u8(..12) {
            0 => drop(replica),
            1 => replica.close().unwrap(),
            2 => {
                replica.flush_tables();
                drop(replica);
            }
            _ => continue,
        }
        replica = Replica::open(&store, SERVER).unwrap();
        model.assert_answers(&replica, &mut rng, true);
    }
    drop(replica);
    assert_eq!(Replica::read(&store).unwrap().log.len(), model.0.len());
}

#[test]
fn what_is_not_indexed_yet_is_not_taken_twice_either() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let replica = Replica::open(&store, SERVER).unwrap();
    fill(&replica, 1, 70);
    drop(replica);
    // In a generation that is indexed, and in the one that is not.
    for seq in [1, 70] {
        let refused = |writes: &[Write]| {
            let error = Replica::open(&store, SERVER).unwrap().commit(writes).unwrap_err();
            error.to_string()
        };
        let error = refused(&[append(71, event(seq))]);
        assert!(error.contains("a second time"), "{error}");
        let other = event_in(ROOM, 1, seq, "another of that number");
        let error = refused(&[append(71, Arc::clone(&other))]);
        assert!(error.contains("with its fork mark wrong"), "{error}");
        let error = refused(&[Write::Append { position: 71, event: event(71), fork: true }]);
        assert!(error.contains("with its fork mark wrong"), "{error}");
    }
    assert_holds(&Replica::open(&store, SERVER).unwrap(), 70);
}

/// The note on how far the log is indexed, as it would be, or `None` as before there was one.
fn note(store: &Path, indexed: Option<Position>) {
    let index = open::open(store, None).unwrap().index;
    match indexed {
        Some(upto) => index.note_indexed(upto).unwrap(),
        None => index.meta.remove("indexed").unwrap(),
    }
    assert_eq!(index.indexed(&index.snapshot()).unwrap(), indexed);
}

#[test]
fn a_store_that_was_indexed_with_each_batch_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let replica = Replica::open(&store, SERVER).unwrap();
    fill(&replica, 1, 50);
    replica.flush_tables();
    drop(replica);
    note(&store, None);
    let replica = Replica::open(&store, SERVER).unwrap();
    assert_holds(&replica, 50);
    fill(&replica, 51, 60);
    drop(replica);
    let replica = Replica::open(&store, SERVER).unwrap();
    assert_holds(&replica, 60);
    drop(replica);
    assert_eq!(Replica::read(&store).unwrap().log.len(), 60);
}

#[test]
fn rows_that_were_written_and_not_noted_are_written_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let replica = Replica::open(&store, SERVER).unwrap();
    let mut model = Model::default();
    let mut rng = fastrand::Rng::with_seed(5);
    replica.commit(&model.grow(&mut rng, 100)).unwrap();
    replica.flush_tables();
    drop(replica);
    for indexed in [0, 1, 64, 99] {
        note(&store, Some(indexed));
        let replica = Replica::open(&store, SERVER).unwrap();
        model.assert_answers(&replica, &mut rng, true);
        replica.flush_tables();
        model.assert_answers(&replica, &mut rng, true);
        drop(replica);
        assert_eq!(Replica::read(&store).unwrap().log.len(), 100);
    }
}

#[test]
fn indexes_that_go_beyond_the_log_are_damage_and_so_is_one_that_lacks_its_newest_event() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    fill(&Replica::open(&store, SERVER).unwrap(), 1, 20);
    note(&store, Some(20));
    let error = Replica::open(&store, SERVER).unwrap_err().to_string();
    assert!(error.contains("its table 'ids' lacks event 1"), "{error}");
    let store = folder.path().join("other");
    fill(&Replica::open(&store, SERVER).unwrap(), 1, 20);
    note(&store, Some(21));
    let error = Replica::open(&store, SERVER).unwrap_err().to_string();
    assert!(error.contains("its indexes end at 21, and its log at 20"), "{error}");
}
