//! How long each of the hot pieces takes, alone.
//!
//!     cargo bench --bench pieces                # all; some minutes with building
//!     cargo bench --bench pieces -- verify      # those whose path holds "verify"
//!
//! What a message goes through, in this order: its author signs it and syncs its own log, a frame carries it, a
//! server decodes and checks it together with all that has gathered, and commits it; readers put it into its
//! place. The number beside a name is how many events at once, or how many bytes of text; a time is for all of
//! them. Texts are of 200 bytes if nothing else is said. The disk is the one that the `target` folder is on.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

use std::hint::black_box;
use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use tempfile::TempDir;
use tercet::clock::Time;
use tercet::event::{Claim, Conversation, Draft, Event, Kind, account_of};
use tercet::frame::{self, ToServer};
use tercet::history::Entry;
use tercet::id::{DeviceId, EventId, Position, Seq, ServerId};
use tercet::limits::{FRAME_EVENTS, TREE_MAX};
use tercet::log::Write;
use tercet::order::Transcript;
use tercet::signature::{self, Unchecked};
use tercet::store::{DeviceLog, Replica};

const BODY_BYTES: usize = 200;
/// A word, what people write, and the longest there is.
const BODIES: [usize; 3] = [20, BODY_BYTES, tercet::limits::MESSAGE_MAX_BYTES];
/// How many gather while a server is busy: from nothing to do to a flood.
const BATCHES: [usize; 4] = [1, 8, 64, 1_024];

fn main() {
    divan::main();
}

/// One device that goes on and on in one direct conversation.
struct Author {
    key: SigningKey,
    seq: Seq,
    last: Option<EventId>,
}

impl Author {
    fn new(person: u8) -> Self {
        Self { key: SigningKey::from_bytes(&[person; 32]), seq: 0, last: None }
    }

    fn draft(&mut self, body_bytes: usize) -> Draft {
        self.seq += 1;
        let [own, other] = [&self.key, &SigningKey::from_bytes(&[255; 32])].map(account_of);
        Draft {
            device: DeviceId::new([self.key.as_bytes()[0]; 16]),
            seq: self.seq,
            parents: self.last.into_iter().collect(),
            time: Time::from_millis(1_000_000 + self.seq),
            conversation: Conversation::direct(own, other),
            kind: Kind::Post,
            body: vec![b'x'; body_bytes],
        }
    }

    fn says(&mut self, body_bytes: usize) -> Arc<Event> {
        let event = self.draft(body_bytes).sign(&self.key).unwrap();
        self.last = Some(event.id());
        Arc::new(event)
    }
}

/// Events of so many authors in turn.
fn said(count: usize, authors: u8) -> Vec<Arc<Event>> {
    let mut authors: Vec<_> = (1..=authors).map(Author::new).collect();
    let mut next = (0..authors.len()).cycle();
    (0..count).filter_map(|_| next.next()).map(|author| authors[author].says(BODY_BYTES)).collect()
}

mod encode {
    use super::*;

    /// Encodes an event, hashes and signs it, by the length of its text.
    #[divan::bench(args = BODIES)]
    fn sign(bencher: Bencher, body_bytes: usize) {
        let mut author = Author::new(1);
        let key = author.key.clone();
        bencher
            .with_inputs(|| author.draft(body_bytes))
            .bench_local_values(|draft| draft.sign(&key).unwrap());
    }

    /// The same for several events at once, of which one signature is made.
    #[divan::bench(args = [1, 8, TREE_MAX])]
    fn sign_together(bencher: Bencher, events: usize) {
        let mut author = Author::new(1);
        let key = author.key.clone();
        bencher
            .counter(ItemsCount::new(events))
            .with_inputs(|| (0..events).map(|_| author.draft(BODY_BYTES)).collect())
            .bench_local_values(|drafts| Draft::sign_all(drafts, &key).unwrap());
    }

    /// Puts signed events into one frame.
    #[divan::bench(args = [1, 8, FRAME_EVENTS])]
    fn frame(bencher: Bencher, events: usize) {
        let upload = upload(events);
        bencher.counter(ItemsCount::new(events)).bench_local(|| frame::encode(black_box(&upload)).unwrap());
    }

    pub(super) fn upload(events: usize) -> ToServer {
        let events = said(events, 1).iter().map(|event| ByteBuf::from(event.bytes())).collect();
        ToServer::Upload { events }
    }
}

mod decode {
    use super::*;

    /// Takes a frame apart; the events in it stay bytes.
    #[divan::bench(args = [1, 8, FRAME_EVENTS])]
    fn frame(bencher: Bencher, events: usize) {
        let bytes = frame::encode(&encode::upload(events)).unwrap();
        let decode = || frame::decode::<ToServer>(black_box(&bytes)).unwrap();
        bencher.counter(ItemsCount::new(events)).bench_local(decode);
    }

    /// Decodes an event and finds its id; its signature is not looked at.
    #[divan::bench(args = BODIES)]
    fn event(bencher: Bencher, body_bytes: usize) {
        let event = Author::new(1).says(body_bytes);
        bencher.bench_local(|| Claim::of(black_box(event.bytes())).unwrap().id());
    }
}

mod verify {
    use super::*;

    /// Checks signatures of one account.
    #[divan::bench(args = BATCHES)]
    fn one_author(bencher: Bencher, events: usize) {
        check(bencher, events, 1);
    }

    /// Checks signatures of as many accounts, 64 at most.
    #[divan::bench(args = BATCHES)]
    fn many_authors(bencher: Bencher, events: usize) {
        check(bencher, events, u8::try_from(events.min(64)).unwrap());
    }

    /// The same where one signature stands for as many events as it may; their paths are followed, too.
    #[divan::bench(args = [8, TREE_MAX, 1024])]
    fn together(bencher: Bencher, events: usize) {
        let mut author = Author::new(1);
        let drafts = (0..events).map(|_| author.draft(BODY_BYTES)).collect();
        let signed = Draft::sign_all(drafts, &author.key).unwrap();
        let claims: Vec<_> = signed.iter().map(|event| Claim::of(event.bytes()).unwrap()).collect();
        let check = || signature::invalid(&claims.iter().map(Claim::unchecked).collect::<Vec<_>>());
        assert!(check().is_empty());
        bencher.counter(ItemsCount::new(events)).bench_local(check);
    }

    fn check(bencher: Bencher, events: usize, authors: u8) {
        let unchecked = |event: &Arc<Event>| Claim::of(event.bytes()).unwrap().unchecked();
        let batch: Vec<Unchecked> = said(events, authors).iter().map(unchecked).collect();
        assert!(signature::invalid(&batch).is_empty());
        bencher.counter(ItemsCount::new(events)).bench_local(|| signature::invalid(black_box(&batch)));
    }
}

mod append {
    use super::*;

    fn folder() -> TempDir {
        tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
    }

    /// A server's commit: log, indexes and one sync for the whole batch.
    #[divan::bench(args = BATCHES, sample_size = 1)]
    fn store(bencher: Bencher, events: usize) {
        let folder = folder();
        let store = Replica::open(&folder.path().join("store"), ServerId::new([1; 32])).unwrap();
        let (mut author, mut position) = (Author::new(1), 0);
        let mut append = || {
            position += 1;
            Write::Append { position, event: author.says(BODY_BYTES), fork: false }
        };
        bencher
            .counter(ItemsCount::new(events))
            .with_inputs(|| (0..events).map(|_| append()).collect::<Vec<_>>())
            .bench_local_refs(|writes| store.commit(writes).unwrap());
        assert_eq!(store.durable(), position as Position);
    }

    /// A device's own log: what its author wrote, and one sync.
    #[divan::bench(args = BATCHES, sample_size = 1)]
    fn device_log(bencher: Bencher, events: usize) {
        let folder = folder();
        let (mut log, _) = DeviceLog::open(&folder.path().join("log")).unwrap();
        let mut author = Author::new(1);
        let mut entry =
            || Entry::Authored { event: ByteBuf::from(author.says(BODY_BYTES).bytes()), at_ms: 1_000_000 };
        bencher
            .counter(ItemsCount::new(events))
            .with_inputs(|| (0..events).map(|_| entry()).collect::<Vec<_>>())
            .bench_local_refs(|entries| {
                log.append(entries).unwrap();
                log.sync().unwrap();
            });
    }
}

mod order {
    use super::*;

    /// Puts one event more into its place in a conversation of so many: now after the last, now in the middle.
    /// Few at a time, so that the conversation stays about as long as it says.
    #[divan::bench(args = [1_000, 10_000], sample_size = 4)]
    fn insert(bencher: Bencher, events: usize) {
        let (mut ours, mut others) = (Author::new(1), Author::new(2));
        let mut transcript = Transcript::default();
        (0..events).for_each(|_| transcript.insert(&ours.says(BODY_BYTES)));
        others.seq = events as Seq / 2;
        let mut is_last = false;
        let mut next = || {
            is_last = !is_last;
            if is_last { ours.says(BODY_BYTES) } else { others.says(BODY_BYTES) }
        };
        bencher.with_inputs(&mut next).bench_local_refs(|event| transcript.insert(event));
    }
}
