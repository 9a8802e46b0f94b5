//! Who may read which room, as one log tells it.
//!
//! Everybody may read a public room. A private room is read by the account that began it and by whom a reader
//! invited. An invitation is a chain to the room's beginning, and nothing takes one back; so the set of readers
//! only grows with the log, and logs that hold the same events say the same, whatever their order. An
//! invitation that comes before the one it hangs on counts as soon as that one comes.
//!
//! Of a room whose past is closed ([`Past::SinceJoining`]) a reader gets what was said while it was a member, by the
//! order of this log, and of the rest the events without their bodies: it has no part in them, and yet their places,
//! so that nothing is out of order and all of it verifies. A `Join` cannot be dated back into a log.
//!
//! Writing needs no list: every event of a room but the first names a parent there ([`crate::event`]), whose id
//! nobody can know who was never let in.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Time;
use crate::content::Past;
use crate::event::{Conversation, Event, Kind};
use crate::id::{AccountId, Position, RoomId};

/// The rooms of a log and their readers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Rooms(BTreeMap<RoomId, Room>);

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Room {
    /// Who began it, and whether it is public.
    begun: Option<(AccountId, bool)>,
    /// Who invited whom.
    invited: BTreeMap<AccountId, BTreeSet<AccountId>>,
    /// If its past is closed: where each account came and left, in the log's order.
    members: Option<BTreeMap<AccountId, Vec<(Position, bool)>>>,
}

impl Rooms {
    /// Takes notice of an event; returns the room whose readers may be more now.
    pub fn note(&mut self, event: &Event) -> Option<RoomId> {
        let author = event.account();
        match (event.kind(), event.conversation()) {
            (Kind::Create, Conversation::Room(room)) => {
                let charter = event.charter();
                self.begin(room, author, charter.as_ref().is_some_and(|charter| charter.public));
                if charter.is_some_and(|charter| charter.history == Past::SinceJoining) {
                    self.0.entry(room).or_default().members.get_or_insert_default();
                }
                Some(room)
            }
            (Kind::Invite, conversation) => {
                let (guest, room) = conversation.other(author).zip(event.room())?;
                self.invite(room, author, guest);
                Some(room)
            }
            _ => None,
        }
    }

    /// Takes notice of who comes to a room and leaves it, in the log's order.
    pub fn note_member(&mut self, position: Position, event: &Event) {
        let (Conversation::Room(room), Kind::Join | Kind::Leave) = (event.conversation(), event.kind())
        else {
            return;
        };
        let members = self.0.get_mut(&room).and_then(|room| room.members.as_mut());
        let changes = members.map(|members| members.entry(event.account()).or_default());
        if let Some(changes) = changes.filter(|changes| changes.last().is_none_or(|(at, _)| *at < position)) {
            changes.push((position, event.kind() == Kind::Join));
        }
    }

    /// Whether a room's past is closed to those who come later.
    pub fn is_closed(&self, room: RoomId) -> bool {
        self.0.get(&room).is_some_and(|room| room.members.is_some())
    }

    /// Whether what was said at a position of the log is for an account that may read the room. Whoever began it is
    /// a member from then on.
    pub fn may_hear(&self, account: AccountId, room: RoomId, position: Position) -> bool {
        let Some(Room { begun, members: Some(members), .. }) = self.0.get(&room) else { return true };
        let changes = members.get(&account).map_or(&[][..], Vec::as_slice);
        let last = changes.iter().rev().find(|(at, _)| *at < position);
        last.map_or(begun.is_some_and(|(creator, _)| creator == account), |(_, joined)| *joined)
    }

    pub(crate) fn begin(&mut self, room: RoomId, creator: AccountId, public: bool) {
        self.0.entry(room).or_default().begun = Some((creator, public));
    }

    pub(crate) fn invite(&mut self, room: RoomId, host: AccountId, guest: AccountId) {
        self.0.entry(room).or_default().invited.entry(host).or_default().insert(guest);
    }

    /// Whether an account may read a room.
    pub fn may_read(&self, account: AccountId, room: RoomId) -> bool {
        let Some(Room { begun: Some((creator, public)), invited, .. }) = self.0.get(&room) else {
            return false;
        };
        *public || admitted(*creator, invited).contains(&account)
    }
}

/// Everybody to whom a chain of invitations leads.
fn admitted(creator: AccountId, invited: &BTreeMap<AccountId, BTreeSet<AccountId>>) -> BTreeSet<AccountId> {
    let mut admitted = BTreeSet::new();
    let mut open = vec![creator];
    while let Some(account) = open.pop() {
        if admitted.insert(account) {
            open.extend(invited.get(&account).into_iter().flatten());
        }
    }
    admitted
}

/// The rooms that an account follows by its notes to itself, given in canonical order; each with the time of the
/// note since when it does.
pub fn followed(notes: impl IntoIterator<Item = (Kind, RoomId, Time)>) -> BTreeMap<RoomId, Time> {
    let mut followed = BTreeMap::new();
    notes.into_iter().for_each(|(kind, room, time)| follows_by(&mut followed, kind, room, time));
    followed
}

/// What one note more makes of the rooms that are followed.
pub(crate) fn follows_by(followed: &mut BTreeMap<RoomId, Time>, kind: Kind, room: RoomId, time: Time) {
    match kind {
        Kind::Follow => _ = followed.entry(room).or_insert(time),
        Kind::Unfollow => _ = followed.remove(&room),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::content::Charter;
    use crate::content::Past;
    use crate::event::{Draft, Origin, account_of};
    use crate::id::DeviceId;

    const DEVICE: DeviceId = DeviceId::new([1; 16]);

    fn key(person: u8) -> SigningKey {
        SigningKey::from_bytes(&[person; 32])
    }

    fn account(person: u8) -> AccountId {
        account_of(&key(person))
    }

    fn room() -> RoomId {
        RoomId::of(Origin { account: account(1), device: DEVICE, seq: 1 })
    }

    fn sign(person: u8, conversation: Conversation, kind: Kind, body: Vec<u8>) -> Event {
        let (parents, time) = (BTreeSet::new(), Time::from_millis(1));
        let draft = Draft { device: DEVICE, seq: 1, parents, time, conversation, kind, body };
        draft.sign(&key(person)).unwrap()
    }

    fn begin(public: bool) -> Event {
        let charter = Charter { name: "lab".parse().unwrap(), public, history: Past::Open };
        sign(1, Conversation::Room(room()), Kind::Create, charter.encode())
    }

    fn invite(from: u8, to: u8) -> Event {
        let conversation = Conversation::direct(account(from), account(to));
        sign(from, conversation, Kind::Invite, room().as_bytes().to_vec())
    }

    fn readers(events: &[&Event]) -> Vec<u8> {
        let mut rooms = Rooms::default();
        events.iter().for_each(|event| _ = rooms.note(event));
        (1..=5).filter(|person| rooms.may_read(account(*person), room())).collect()
    }

    #[test]
    fn everybody_reads_a_public_room_and_nobody_one_that_has_not_begun() {
        assert_eq!(readers(&[&begin(true)]), [1, 2, 3, 4, 5]);
        assert_eq!(readers(&[&invite(1, 2)]), [] as [u8; 0]);
    }

    #[test]
    fn a_private_room_is_read_by_whom_a_reader_invited() {
        assert_eq!(readers(&[&begin(false)]), [1]);
        assert_eq!(readers(&[&begin(false), &invite(1, 2), &invite(2, 3)]), [1, 2, 3]);
        assert_eq!(readers(&[&begin(false), &invite(4, 5), &invite(4, 4 - 1)]), [1], "4 is no reader");
    }

    #[test]
    fn the_order_of_the_log_does_not_matter() {
        let (begin, first, second) = (begin(false), invite(1, 2), invite(2, 3));
        for log in [[&begin, &first, &second], [&second, &first, &begin], [&second, &begin, &first]] {
            assert_eq!(readers(&log), [1, 2, 3]);
        }
    }
}
