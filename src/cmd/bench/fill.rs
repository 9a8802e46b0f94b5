//! Stores with many events in them, made without servers.
//!
//! The events are real: signed, each with its predecessor as parent. They are written straight into the
//! stores, by the same commit as a server's, because sending them would take longer than measuring.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use tokio::task::{block_in_place, yield_now};

use crate::clock::Clock;
use crate::cmd::failure::Failure;
use crate::cmd::home::Cluster;
use crate::cmd::keys;
use crate::cmd::session::now_ms;
use crate::event::{Conversation, Draft, Event, Kind, account_of};
use crate::id::{AccountId, DeviceId, EventId};
use crate::limits::{FRAME_EVENTS, MESSAGE_MAX_BYTES};
use crate::log::Write;
use crate::store::Replica;

/// Over how many conversations the events spread.
const CONVERSATIONS: usize = 64;
/// Events in one batch.
const BATCH: u64 = 4 * FRAME_EVENTS as u64;
const BODY_BYTES: usize = if MESSAGE_MAX_BYTES < 200 { MESSAGE_MAX_BYTES } else { 200 };

/// Puts equal events into the stores of all servers, none of which runs.
pub(super) async fn all(cluster: &Cluster, events: u64) -> Result<(), Failure> {
    some(cluster, &cluster.names(), events).await
}

/// Puts equal events into the stores of these servers.
pub(super) async fn some(cluster: &Cluster, names: &[&str], events: u64) -> Result<(), Failure> {
    let mut stores = Vec::new();
    for name in names {
        let (id, folder) = (cluster.member(name)?.id, cluster.home().server(name).store());
        stores.push(Replica::open(&folder, id).map_err(|error| Failure::of(&error))?);
    }
    let mut author = Author::new()?;
    let mut position = 0;
    while position < events {
        let batch = block_in_place(|| author.batch(position, BATCH.min(events - position)))?;
        position += batch.len() as u64;
        block_in_place(|| commit(&stores, &batch))?;
        yield_now().await; // so that whoever wants to end it is heard
    }
    Ok(())
}

/// Writes a batch to all stores at once.
fn commit(stores: &[Replica], batch: &[Write]) -> Result<(), Failure> {
    std::thread::scope(|scope| {
        let writing: Vec<_> = stores.iter().map(|store| scope.spawn(|| store.commit(batch))).collect();
        for thread in writing {
            let written = thread.join().map_err(|_| Failure::new("writing a store broke off"))?;
            written.map_err(|error| Failure::of(&error))?;
        }
        Ok(())
    })
}

/// Who says it all.
struct Author {
    key: SigningKey,
    device: DeviceId,
    clock: Clock,
    conversations: Vec<(Conversation, Option<EventId>)>,
}

impl Author {
    fn new() -> Result<Self, Failure> {
        let key = SigningKey::from_bytes(&keys::random()?);
        let own = account_of(&key);
        let with = |_| Ok((Conversation::direct(own, AccountId::new(keys::random()?)), None));
        let conversations = (0..CONVERSATIONS).map(with).collect::<Result<_, Failure>>()?;
        Ok(Self { key, device: DeviceId::new(keys::random()?), clock: Clock::default(), conversations })
    }

    fn batch(&mut self, after: u64, count: u64) -> Result<Vec<Write>, Failure> {
        let now_ms = now_ms();
        (after + 1..=after + count)
            .map(|position| {
                let event = Arc::new(self.next(position, now_ms)?);
                Ok(Write::Append { position, event, fork: false })
            })
            .collect()
    }

    fn next(&mut self, seq: u64, now_ms: u64) -> Result<Event, Failure> {
        let place = usize::try_from(seq).unwrap_or(0) % CONVERSATIONS;
        let (conversation, last) = self.conversations[place];
        let draft = Draft {
            device: self.device,
            seq,
            parents: last.into_iter().collect(),
            time: self.clock.tick(now_ms),
            conversation,
            kind: Kind::Post,
            body: vec![b'x'; BODY_BYTES],
        };
        let event = draft.sign(&self.key).map_err(|error| Failure::of(&error))?;
        self.conversations[place].1 = Some(event.id());
        Ok(event)
    }
}
