//! What comes in another order than it was written adds up to the same.

use ed25519_dalek::SigningKey;

use super::*;
use crate::content::{Charter, about};
use crate::event::{Draft, Origin, account_of};
use crate::id::DeviceId;

fn key(person: u8) -> SigningKey {
    SigningKey::from_bytes(&[person; 32])
}

fn who(person: u8) -> AccountId {
    account_of(&key(person))
}

/// An event of person 1, 2, ... at a millisecond, after others.
fn event(
    person: u8,
    ms: u64,
    conversation: Conversation,
    kind: Kind,
    after: &[&Event],
    body: &[u8],
) -> Arc<Event> {
    let draft = Draft {
        device: DeviceId::new([person; 16]),
        seq: ms,
        parents: after.iter().map(|parent| parent.id()).collect(),
        time: Time::from_millis(ms),
        conversation,
        kind,
        body: body.to_vec(),
    };
    Arc::new(draft.sign(&key(person)).unwrap())
}

fn hollow(event: &Event) -> Arc<Event> {
    Arc::new(event.without_body().unwrap())
}

/// What person 1 holds of these, taken in this order.
fn holding<'a>(events: impl IntoIterator<Item = &'a Arc<Event>>) -> Holdings {
    let mut holdings = Holdings::new(who(1), false);
    events.into_iter().for_each(|event| holdings.take(Arc::clone(event)));
    holdings
}

/// All orders of so many things.
fn orders(things: usize) -> Vec<Vec<usize>> {
    let Some(last) = things.checked_sub(1) else { return vec![Vec::new()] };
    let with_last =
        |order: Vec<usize>| (0..things).map(move |at| [&order[..at], &[last], &order[at..]].concat());
    orders(last).into_iter().flat_map(with_last).collect()
}

#[test]
fn names_are_those_of_the_canonical_order_whatever_order_they_came_in() {
    let says =
        |person, ms, kind, name: &str| event(person, ms, Conversation::Directory, kind, &[], name.as_bytes());
    let events = [
        says(1, 1, Kind::Register, "alice"),
        says(2, 2, Kind::Register, "alice"),
        says(1, 3, Kind::Close, ""),
        says(1, 4, Kind::Register, "zoe"),
    ];
    let takes = Change::Takes;
    let changes = [
        (who(1), takes("alice")),
        (who(2), takes("alice")),
        (who(1), Change::Closes),
        (who(1), takes("zoe")),
    ];
    let expected = Directory::of(changes);
    for order in orders(events.len()) {
        let mut holdings = holding(order.iter().map(|place| &events[*place]));
        assert_eq!(
            *holdings.directory() == expected,
            order.is_sorted(),
            "{order:?}: until they are read again"
        );
        holdings.read_names();
        assert_eq!(*holdings.directory(), expected, "{order:?}");
    }
}

#[test]
fn rooms_are_followed_by_the_last_note_whatever_order_they_came_in() {
    let (own, room) = (Conversation::direct(who(1), who(1)), RoomId::new([7; 16]));
    let notes = [(1, Kind::Follow), (2, Kind::Unfollow), (3, Kind::Follow), (4, Kind::Follow)];
    let events = notes.map(|(ms, kind)| event(1, ms, own, kind, &[], room.as_bytes()));
    for order in orders(events.len()) {
        let holdings = holding(order.iter().map(|place| &events[*place]));
        assert_eq!(holdings.followed, BTreeMap::from([(room, Time::from_millis(3))]), "{order:?}");
    }
}

#[test]
fn a_deletion_makes_up_for_the_bodies_of_a_message_and_its_edits_and_no_others() {
    let talk = Conversation::direct(who(1), who(2));
    let post = event(2, 1, talk, Kind::Post, &[], b"helo");
    let other = event(2, 2, talk, Kind::Post, &[], b"still here");
    let edit = event(2, 3, talk, Kind::Edit, &[&post, &other], &about(post.id(), "hello"));
    let deletion = event(2, 4, talk, Kind::Delete, &[&post], &about(post.id(), ""));
    let bare = [&post, &other, &edit].map(|event| hollow(event));
    let mut holdings = holding(&bare);
    assert!(bare.iter().all(|event| holdings.is_hollow(&event.id())));
    holdings.take(Arc::clone(&deletion));
    assert_eq!(holdings.hollow_after(None).collect::<Vec<_>>(), [other.id()]);
    holdings.fill(Arc::clone(&other));
    assert!(holdings.hollow.is_empty() && holdings.hollow_of.is_empty());
    let find = |id: &EventId| holdings.event(id).map(Arc::as_ref);
    let said =
        holdings.thread(talk).messages().map(|key| holdings.thread(talk).message(&key.id, find).unwrap());
    assert_eq!(said.map(|message| message.text).collect::<Vec<_>>(), [None, Some("still here".to_owned())]);
}

#[test]
fn a_rooms_past_is_kept_and_what_was_said_by_those_who_did_not_know_that_the_account_had_come() {
    let first = Origin { account: who(2), device: DeviceId::new([2; 16]), seq: 1 };
    let room = Conversation::Room(RoomId::of(first));
    let charter = Charter { name: "lab".parse().unwrap(), public: true, history: Past::SinceJoining };
    let create = event(2, 1, room, Kind::Create, &[], &charter.encode());
    let join = event(1, 3, room, Kind::Join, &[&create], b"");
    let says = |ms, parent| event(2, ms, room, Kind::Post, &[parent], b"hello");
    let [before, aside, after] =
        [(2, &create), (4, &create), (5, &join)].map(|(ms, of)| hollow(&says(ms, of)));
    let whole = says(6, &create);
    let read = |holdings: &Holdings| (holdings.kept(room), holdings.thread(room).count());
    assert_eq!(read(&holding([&create, &before, &aside])), (2, 0));
    let mut holdings = holding([&create, &before, &join, &aside, &after, &whole]);
    // The servers may have had what was said aside before the coming, whatever its time.
    assert_eq!(read(&holdings), (2, 2));
    assert_eq!(holdings.hollow_after(None).collect::<Vec<_>>(), [after.id()]);

    holdings.take(event(1, 7, room, Kind::Leave, &[&after], b""));
    let away = hollow(&says(8, &after));
    holdings.take(Arc::clone(&away));
    assert!(
        holdings.hollow.is_empty() && holdings.hollow_of.is_empty(),
        "nobody owes what was said meanwhile"
    );
    assert!(!holdings.is_kept(&away), "it is no past that one came after");
}

#[test]
fn what_the_account_itself_said_is_not_kept_from_it_and_is_asked_for() {
    let first = Origin { account: who(2), device: DeviceId::new([2; 16]), seq: 1 };
    let room = Conversation::Room(RoomId::of(first));
    let charter = Charter { name: "lab".parse().unwrap(), public: true, history: Past::SinceJoining };
    let create = event(2, 1, room, Kind::Create, &[], &charter.encode());
    let said = |person, ms| hollow(&event(person, ms, room, Kind::Post, &[&create], b"hello"));
    // On a device that was lost since, as its coming was; nobody can tell that it was one of them.
    let (own, other, later) = (said(1, 2), said(2, 3), said(1, 5));
    let mut holdings = holding([&create, &own, &other]);
    assert!(!holdings.may_be_kept(&own) && holdings.may_be_kept(&other));
    assert_eq!(holdings.hollow_after(None).collect::<Vec<_>>(), [own.id()]);
    let leave = event(1, 4, room, Kind::Leave, &[&own], b"");
    [leave, Arc::clone(&later)].into_iter().for_each(|event| holdings.take(event));
    assert!(!holdings.may_be_kept(&later));
    assert_eq!(holdings.hollow, [own.id(), later.id()].into());
}

#[test]
fn with_a_quorum_nothing_is_read_before_it_is_vouched_for() {
    let talk = Conversation::direct(who(1), who(2));
    let [one, two] = [1, 2].map(|ms| event(2, ms, talk, Kind::Post, &[], b"hello"));
    let mut holdings = Holdings::new(who(1), true);
    [&one, &two].into_iter().for_each(|event| holdings.take(Arc::clone(event)));
    let read = |holdings: &Holdings| holdings.thread(talk).messages().map(|key| key.id).collect::<Vec<_>>();
    assert_eq!(read(&holdings), []);
    holdings.note_told(&two.id(), 0, 2);
    assert_eq!(read(&holdings), []);
    holdings.note_told(&two.id(), 1, 2);
    assert_eq!(read(&holdings), [two.id()]);
    holdings.note_vouched(&one.id());
    assert_eq!(read(&holdings), [one.id(), two.id()]);
}
