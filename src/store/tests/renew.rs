//! A log that goes on under a new incarnation.

use super::*;
use crate::store::{StoreError, files};

#[test]
fn a_renewed_log_holds_the_same_events_under_another_incarnation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let replica = Replica::open(&path, SERVER).unwrap();
    let incarnation = replica.incarnation();
    fill(&replica, 1, 600);
    let again = event_in(Conversation::Room(RoomId::new([5; 16])), 1, 7, "number 7 a second time");
    replica.commit(&[Write::Append { position: 601, event: again.clone(), fork: true }]).unwrap();
    replica.commit(&[Write::View(view(3))]).unwrap();
    assert!(matches!(Replica::renew(&path, SERVER), Err(StoreError::InUse { .. })));
    drop(replica);
    let renewed = Replica::renew(&path, SERVER).unwrap();
    assert_eq!((renewed.from, renewed.events), (incarnation, 601));
    assert_ne!(renewed.to, incarnation);
    let replica = Replica::open(&path, SERVER).unwrap();
    assert_eq!((replica.incarnation(), replica.durable(), replica.forks()), (renewed.to, 601, 1));
    assert_eq!(replica.event(601).unwrap(), Some(again));
    for position in 1..=600 {
        assert_eq!(replica.event(position).unwrap(), Some(event(position)));
    }
    assert_eq!(replica.cursors().unwrap(), [], "they were in another log");
    assert_eq!(replica.view().unwrap(), Some(view(3).bytes()));
    assert_eq!(Replica::open(&renewed.before, SERVER).unwrap().incarnation(), incarnation);
}

#[test]
fn a_seal_outlasts_a_restart_and_ends_with_the_life_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let replica = Replica::open(&path, SERVER).unwrap();
    assert!(!replica.is_sealed().unwrap());
    replica.commit(&[Write::Seal, Write::View(view(2))]).unwrap();
    replica.commit(&[Write::View(view(3))]).unwrap();
    assert!(replica.is_sealed().unwrap());
    drop(replica);
    assert!(Replica::open(&path, SERVER).unwrap().is_sealed().unwrap(), "whatever views came since");
    Replica::renew(&path, SERVER).unwrap();
    let replica = Replica::open(&path, SERVER).unwrap();
    assert_eq!((replica.is_sealed().unwrap(), replica.view().unwrap()), (false, Some(view(3).bytes())));
}

#[test]
fn a_renewal_that_is_cut_short_ends_with_one_whole_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (renewed, before) = (files::beside(&path, ".renewed"), files::beside(&path, ".before-1"));
    assert!(matches!(Replica::renew(&path, SERVER), Err(StoreError::Absent { .. })));
    let holds = |incarnation| {
        Replica::finish_renewal(&path).unwrap();
        assert!(!renewed.exists());
        let replica = Replica::open(&path, SERVER).unwrap();
        assert_eq!(replica.incarnation(), incarnation);
        assert_holds(&replica, 9);
    };
    fill(&Replica::open(&path, SERVER).unwrap(), 1, 9);
    let done = Replica::renew(&path, SERVER).unwrap();
    assert_eq!(done.before, before);
    holds(done.to);
    // Between the two renames.
    std::fs::rename(&path, &renewed).unwrap();
    holds(done.to);
    // Before the first: the store may have grown since.
    files::copy_folder(&before, &renewed, None).unwrap();
    holds(done.to);
    // While the copy was being made.
    files::copy_folder(&before, &files::beside(&path, ".renewing"), None).unwrap();
    holds(done.to);
    let again = Replica::renew(&path, SERVER).unwrap();
    assert_eq!(again.from, done.to);
    holds(again.to);
}
