//! What a person's device takes for one page of `/history`, however long the conversation is.

use std::hint::black_box;
use std::time::Instant;

use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use tokio::task::{block_in_place, yield_now};

use super::fill::{Author, BATCH};
use crate::client::{Client, Config};
use crate::cmd::failure::Failure;
use crate::cmd::home::Cluster;
use crate::cmd::keys;
use crate::cmd::session::now_ms;
use crate::event::{Conversation, account_of};
use crate::history::Entry;
use crate::id::{DeviceId, Incarnation};
use crate::limits::REORDER_WINDOW_MS;

/// Messages on a page, as `/history` shows them unless told otherwise.
const PAGE: usize = 20;
/// How often a page is read; the median counts.
const PAGES: usize = 101;

/// Nanoseconds that it takes to find the last messages and to read each as it stands now, on a device that holds a
/// conversation of so many; painting is not in it.
pub(super) async fn page_ns(cluster: &Cluster, events: u64) -> Result<u64, Failure> {
    let (key, other) = (SigningKey::from_bytes(&keys::random()?), SigningKey::from_bytes(&keys::random()?));
    let device = DeviceId::new(keys::random()?);
    let account = account_of(&key);
    let config = Config {
        key,
        name: "reader".to_owned(),
        device,
        view: cluster.view().clone(),
        window_ms: REORDER_WINDOW_MS,
        quorum: 1,
    };
    let conversation = Conversation::direct(account, account_of(&other));
    let mut author = Author::new(other, vec![account])?;
    let (cluster_id, name, at_ms) = (cluster.view().cluster(), config.name.clone(), now_ms());
    let server = cluster.view().servers()[0].id;
    let incarnation = Incarnation::new(keys::random()?);
    let mut entries = vec![Entry::Begun { cluster: cluster_id, account, device, name, at_ms }];
    entries.push(Entry::Incarnation { server, incarnation, at_ms });
    let mut left = events;
    while left > 0 {
        let some = block_in_place(|| author.batch(BATCH.min(left)))?;
        left -= some.len() as u64;
        for event in some {
            let (id, event) = (event.id(), ByteBuf::from(event.bytes()));
            entries.push(Entry::Received { event, server, incarnation, at_ms });
            entries.push(Entry::Displayed { id, late: false, at_ms });
        }
        yield_now().await; // so that whoever wants to end it is heard
    }
    block_in_place(|| {
        let (client, _) = Client::resume_from(at_ms, config, entries).map_err(|error| Failure::of(&error))?;
        let page = || {
            let start = Instant::now();
            let last: Vec<_> = client.thread(conversation).messages().rev().take(PAGE).collect();
            black_box(last.iter().filter_map(|key| client.message(&key.id)).collect::<Vec<_>>());
            u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
        };
        let mut times: Vec<_> = (0..PAGES).map(|_| page()).collect();
        times.sort_unstable();
        Ok(super::round::percentile(&times, 50))
    })
}
