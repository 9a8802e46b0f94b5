//! Stores with many events in them, made without servers.
//!
//! The events are real: signed, each with its predecessor as parent. They are written straight into the
//! stores, by the same commit as a server's, because sending them would take longer than measuring.

use std::collections::BTreeSet;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use tokio::task::{block_in_place, yield_now};

use crate::clock::Clock;
use crate::cmd::failure::Failure;
use crate::cmd::home::Cluster;
use crate::cmd::keys;
use crate::cmd::session::now_ms;
use crate::content::{Charter, Past};
use crate::event::{Conversation, Draft, Event, Kind, Origin, account_of};
use crate::id::{AccountId, DeviceId, EventId, RoomId, Seq};
use crate::limits::{FRAME_EVENTS, MESSAGE_MAX_BYTES};
use crate::log::Write;
use crate::store::Replica;
use crate::sync::PeerCursor;

/// Over how many conversations the events spread, unless told otherwise.
pub(super) const CONVERSATIONS: usize = 64;
/// Events in one batch.
pub(super) const BATCH: u64 = 4 * FRAME_EVENTS as u64;
const BODY_BYTES: usize = if MESSAGE_MAX_BYTES < 200 { MESSAGE_MAX_BYTES } else { 200 };

/// Puts equal events into the stores of these servers, none of which runs.
pub(super) async fn some(
    cluster: &Cluster,
    names: &[&str],
    events: u64,
    conversations: usize,
) -> Result<(), Failure> {
    let stores = Stores::open(cluster, names)?;
    let mut author = Author::to_strangers(conversations)?;
    let mut left = events.saturating_sub(BATCH);
    let mut batch = block_in_place(|| author.batch(BATCH.min(events)))?;
    while !batch.is_empty() {
        let next = BATCH.min(left);
        left -= next;
        batch = block_in_place(|| stores.commit(&batch, || author.batch(next)))?;
        yield_now().await; // so that whoever wants to end it is heard
    }
    block_in_place(|| stores.settle())
}

/// A room that is in the stores, and who is a member of it.
#[derive(Clone)]
pub(super) struct Room {
    pub(super) id: RoomId,
    pub(super) members: Vec<SigningKey>,
}

/// Puts a public room with so many members into the stores of all servers, none of which runs.
pub(super) fn room(cluster: &Cluster, members: usize) -> Result<Room, Failure> {
    let stores = Stores::open(cluster, &cluster.names())?;
    let new_key = |_| Ok(SigningKey::from_bytes(&keys::random()?));
    let members = (0..members.max(1)).map(new_key).collect::<Result<Vec<_>, Failure>>()?;
    let name = "bench".parse().map_err(|error| Failure::of(&error))?;
    let charter = Charter { name, public: true, history: Past::Open };
    let mut author = Author::new(members[0].clone(), Vec::new())?;
    let id = RoomId::of(Origin { account: account_of(&author.key), device: author.device, seq: 1 });
    let conversation = Conversation::Room(id);
    let mut events = vec![author.say(conversation, None, Kind::Create, charter.encode())?];
    for member in &members[1..] {
        let last = events.last().map(Event::id);
        (author.key, author.device, author.last) = (member.clone(), DeviceId::new(keys::random()?), 0);
        events.push(author.say(conversation, last, Kind::Join, Vec::new())?);
    }
    stores.commit(&events, || Ok(()))?;
    stores.settle()?;
    Ok(Room { id, members })
}

struct Stores(Vec<Replica>);

impl Stores {
    fn open(cluster: &Cluster, names: &[&str]) -> Result<Self, Failure> {
        let open = |name: &&str| {
            let (id, folder) = (cluster.member(name)?.id, cluster.home().server(name).store());
            Replica::open(&folder, id).map_err(|error| Failure::of(&error))
        };
        names.iter().map(open).collect::<Result<_, _>>().map(Self)
    }

    /// Has each know that the others hold what it holds, as servers do that have run together, and closes them in order.
    fn settle(self) -> Result<(), Failure> {
        let failed = |error| Failure::of(&error);
        for store in &self.0 {
            let others = self.0.iter().filter(|other| other.server() != store.server());
            let read = |other: &Replica| {
                let (peer, incarnation, position) = (other.server(), other.incarnation(), other.durable());
                Write::Peer(PeerCursor { peer, incarnation, position })
            };
            store.commit(&others.map(read).collect::<Vec<_>>()).map_err(failed)?;
        }
        self.0.into_iter().try_for_each(Replica::close).map_err(failed)
    }

    /// Writes events to all stores at once, and does something else meanwhile.
    fn commit<T>(
        &self,
        events: &[Event],
        meanwhile: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let after = self.0.first().map_or(0, Replica::durable);
        let append = |(position, event): (u64, &Event)| Write::Append {
            position,
            event: Arc::new(event.clone()),
            fork: false,
        };
        let batch: Vec<_> = (after + 1..).zip(events).map(append).collect();
        std::thread::scope(|scope| {
            let writing: Vec<_> = self.0.iter().map(|store| scope.spawn(|| store.commit(&batch))).collect();
            let done = meanwhile()?;
            for thread in writing {
                let written = thread.join().map_err(|_| Failure::new("writing a store broke off"))?;
                written.map_err(|error| Failure::of(&error))?;
            }
            Ok(done)
        })
    }
}

/// Who says it all.
pub(super) struct Author {
    key: SigningKey,
    device: DeviceId,
    /// The number of its last event.
    last: Seq,
    clock: Clock,
    conversations: Vec<(Conversation, Option<EventId>)>,
}

impl Author {
    /// Somebody who writes to these accounts in turn.
    pub(super) fn new(key: SigningKey, to: Vec<AccountId>) -> Result<Self, Failure> {
        let own = account_of(&key);
        let conversations = to.into_iter().map(|other| (Conversation::direct(own, other), None)).collect();
        Ok(Self {
            key,
            device: DeviceId::new(keys::random()?),
            last: 0,
            clock: Clock::default(),
            conversations,
        })
    }

    fn to_strangers(count: usize) -> Result<Self, Failure> {
        let strangers = (0..count).map(|_| Ok(AccountId::new(keys::random()?)));
        Self::new(SigningKey::from_bytes(&keys::random()?), strangers.collect::<Result<_, Failure>>()?)
    }

    /// The next events.
    pub(super) fn batch(&mut self, count: u64) -> Result<Vec<Event>, Failure> {
        (0..count)
            .map(|_| {
                let place = usize::try_from(self.last).unwrap_or(0) % self.conversations.len();
                let (conversation, last) = self.conversations[place];
                let event = self.say(conversation, last, Kind::Post, vec![b'x'; BODY_BYTES])?;
                self.conversations[place].1 = Some(event.id());
                Ok(event)
            })
            .collect()
    }

    fn say(
        &mut self,
        conversation: Conversation,
        after: Option<EventId>,
        kind: Kind,
        body: Vec<u8>,
    ) -> Result<Event, Failure> {
        self.last += 1;
        let (device, seq, time) = (self.device, self.last, self.clock.tick(now_ms()));
        let parents: BTreeSet<_> = after.into_iter().collect();
        let draft = Draft { device, seq, parents, time, conversation, kind, body };
        draft.sign(&self.key).map_err(|error| Failure::of(&error))
    }
}
