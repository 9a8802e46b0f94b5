//! Stores and logs that are opened again, copied, cut and flipped.

mod child;
mod crash;
mod damage;
mod device_log;
mod flips;
mod forget;
mod fresh;
mod renew;
mod replica;

use std::path::Path;
use std::sync::Arc;

use ed25519_dalek::SigningKey;

use super::Replica;
use crate::clock::Time;
use crate::event::{Conversation, Draft, Event, Kind, account_of};
use crate::frame::DeviceCursor;
use crate::id::{AdminKey, ClusterId, DeviceId, EventId, Position, RoomId, Seq, ServerId};
use crate::log::{Log, Write};
use crate::view::{Member, SignedView, View};

const SERVER: ServerId = ServerId::new([9; 32]);

fn key(person: u8) -> SigningKey {
    SigningKey::from_bytes(&[person; 32])
}

fn event_in(conversation: Conversation, person: u8, seq: Seq, text: &str) -> Arc<Event> {
    let draft = Draft {
        device: DeviceId::new([person; 16]),
        seq,
        // A store asks nothing of parents; a room's event has one.
        parents: matches!(conversation, Conversation::Room(_))
            .then_some(EventId::new([8; 32]))
            .into_iter()
            .collect(),
        time: Time::from_millis(1_000 + seq),
        conversation,
        kind: if conversation == Conversation::Directory { Kind::Register } else { Kind::Post },
        body: text.as_bytes().to_vec(),
    };
    Arc::new(draft.sign(&key(person)).unwrap())
}

fn event(seq: Seq) -> Arc<Event> {
    event_in(Conversation::Room(RoomId::new([5; 16])), 1, seq, &format!("message {seq}"))
}

fn append(position: Position, event: Arc<Event>) -> Write {
    Write::Append { position, event, fork: false }
}

fn cursor(position: Position) -> DeviceCursor {
    DeviceCursor { account: account_of(&key(2)), device: DeviceId::new([2; 16]), room: None, position }
}

/// A view of this epoch, signed.
fn view(epoch: u64) -> SignedView {
    let member = Member { name: "1".to_owned(), address: "host:1".to_owned(), id: SERVER, sealed: false };
    let view = View::new(ClusterId::new([1; 16]), epoch, vec![member]).unwrap();
    view.with_admin(AdminKey::new(key(9).verifying_key().to_bytes())).unwrap().sign(&key(9)).unwrap()
}

/// Commits events `from..=upto`, three to a batch, each batch with a cursor.
fn fill(replica: &Replica, from: Position, upto: Position) {
    let positions: Vec<Position> = (from..=upto).collect();
    for batch in positions.chunks(3) {
        let mut writes: Vec<Write> =
            batch.iter().map(|position| append(*position, event(*position))).collect();
        writes.push(Write::Cursor(cursor(batch[0])));
        replica.commit(&writes).unwrap();
    }
}

/// Every event of [`fill`] up to here, and no other, is in its place.
fn assert_holds(replica: &Replica, upto: Position) {
    assert_eq!(replica.durable(), upto);
    for position in 1..=upto {
        let expected = event(position);
        assert_eq!(replica.event(position).unwrap().as_ref(), Some(&expected), "position {position}");
        assert_eq!(replica.position(&expected.id()).unwrap(), Some(position));
    }
    assert_eq!(replica.event(upto + 1).unwrap(), None);
}

fn flip(path: &Path, at: u64, mask: u8) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[usize::try_from(at).unwrap()] ^= mask;
    std::fs::write(path, bytes).unwrap();
}
