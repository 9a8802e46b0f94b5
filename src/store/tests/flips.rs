//! Thousands of damages to the files of a real store and of a device's log, one at a time: a byte that
//! changes, a file that ends early. Each is refused at the open, found by a read, or harmless: then all that
//! was stored is read back, and the store goes on. Never a panic, an abort, or a shorter log without a word.
//!
//! The engine under a store may abort its process, so samples are taken in child processes, many in each; one
//! that ends is a failure, named by its sample, and the next goes on behind it.
//!
//! `TERCET_DAMAGES=20000 cargo test --lib store::tests::flips` takes more; `TERCET_SEED` repeats a run's
//! choices, which it prints. (A store's incarnation is random, so other bytes stand in the same places.)

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, setrlimit};
use serde_bytes::ByteBuf;

use super::child::{Child, role, say};
use super::*;
use crate::frame::DeviceCursor;
use crate::history::Entry;
use crate::id::{EventId, Incarnation};
use crate::log::Stream;
use crate::store::{DeviceLog, LogError, StoreError, files};
use crate::sync::PeerCursor;

/// Samples, unless `TERCET_DAMAGES` says otherwise.
const SAMPLES: usize = 2_000;
/// Child processes at once.
const LANES: usize = 2;
/// A flipped length must not make a process ask for all the memory there is.
const MEMORY_MAX_BYTES: u64 = 4 << 30;

const EVENTS: Position = 150;
const ENTRIES: u64 = 60;

/// What a file is for, and how often it is damaged in proportion to others.
const KINDS: [(&str, u32); 9] = [
    ("journal", 5),
    ("table", 6),
    ("list of tables", 3),
    ("current", 2),
    ("tip", 1),
    ("identity", 1),
    ("marker", 1),
    ("device log", 3),
    ("device tip", 1),
];

fn kind(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    let below = path.parent()?.file_name()?.to_str()?;
    Some(match (below, name) {
        ("device", "log") => "device log",
        ("device", "log.tip") => "device tip",
        ("store", "tip") => "tip",
        ("store", "identity") => "identity",
        ("engine", "version") => "marker",
        ("tables", _) => "table",
        (_, "current") => "current",
        (_, name) if name.ends_with(".jnl") => "journal",
        (_, name) if name.starts_with('v') => "list of tables",
        _ => return None,
    })
}

/// A folder on a disk of memory if there is one: what is tested are bytes, and syncs take time.
fn quick_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn writes() -> Vec<Write> {
    let (ann, bob) = (account_of(&key(1)), account_of(&key(2)));
    let of = |position: Position| match position {
        1 => event_in(Conversation::Directory, 1, 1, "ann"),
        2 => event_in(Conversation::Directory, 2, 1, "bob"),
        position if position.is_multiple_of(3) => {
            event_in(Conversation::direct(ann, bob), 2, position, &format!("to ann {position}"))
        }
        position => event(position),
    };
    let append = |position| match position {
        EVENTS => {
            Write::Append { position, event: event_in(event(1).conversation(), 1, 5, "a fork"), fork: true }
        }
        position => append(position, of(position)),
    };
    (1..=EVENTS).map(append).collect()
}

fn entries() -> Vec<Entry> {
    let authored = |seq| Entry::Authored { event: ByteBuf::from(event(seq).bytes()), at_ms: seq };
    (1..=ENTRIES).map(authored).collect()
}

/// A store with several tables for each keyspace and more in its journal, and a device's log.
fn make(folder: &Path) {
    let store = folder.join("store");
    let replica = Replica::open(&store, SERVER).unwrap();
    for (round, some) in writes().chunks(10).enumerate() {
        let position = 10 * round as u64;
        let peer =
            PeerCursor { peer: ServerId::new([3; 32]), incarnation: Incarnation::new([4; 16]), position };
        replica.commit(&[some, &[Write::Cursor(cursor(position)), Write::Peer(peer)]].concat()).unwrap();
        if [5, 8, 10].contains(&round) {
            replica.flush_tables();
        }
        if round == 8 {
            replica.compact_tables();
        }
    }
    drop(replica);
    // The second open cuts the space that the journal has in stock.
    drop(Replica::open(&store, SERVER).unwrap());
    let (mut log, _) = DeviceLog::open(&folder.join("device/log")).unwrap();
    for some in entries().chunks(3) {
        log.append(some).unwrap();
        log.sync().unwrap();
    }
}

/// All that a store can be asked.
#[derive(Debug, PartialEq)]
struct Seen {
    incarnation: Incarnation,
    ends: (Position, u64),
    events: Vec<Option<Arc<Event>>>,
    positions: Vec<Option<Position>>,
    firsts: Vec<Option<EventId>>,
    streams: Vec<Vec<(Position, EventId)>>,
    cursors: Vec<DeviceCursor>,
    peers: Vec<PeerCursor>,
}

fn ask(replica: &Replica, known: &[Arc<Event>]) -> Result<Seen, StoreError> {
    let (ann, bob) = (account_of(&key(1)), account_of(&key(2)));
    let first = event(1);
    let room = Stream::of(&first);
    let streams = room.chain([Stream::Directory, Stream::Inbox(ann), Stream::Inbox(bob), Stream::Everything]);
    Ok(Seen {
        incarnation: replica.incarnation(),
        ends: (replica.durable(), replica.forks()),
        events: (1..=EVENTS + 1).map(|position| replica.event(position)).collect::<Result<_, _>>()?,
        positions: known.iter().map(|event| replica.position(&event.id())).collect::<Result<_, _>>()?,
        firsts: known.iter().map(|event| replica.first_of(event.origin())).collect::<Result<_, _>>()?,
        streams: streams.map(|stream| replica.scan(stream, 0, EVENTS, 500)).collect::<Result<_, _>>()?,
        cursors: replica.cursors()?,
        peers: replica.peers()?,
    })
}

struct Sampler {
    source: PathBuf,
    scratch: tempfile::TempDir,
    files: BTreeMap<&'static str, Vec<PathBuf>>,
    known: Vec<Arc<Event>>,
    seen: Seen,
    entries: Vec<Entry>,
}

impl Sampler {
    fn new(source: &Path) -> Self {
        let scratch = quick_folder();
        let known = writes().into_iter().filter_map(|write| match write {
            Write::Append { event, .. } => Some(event),
            _ => None,
        });
        let known: Vec<Arc<Event>> = known.collect();
        let copy = scratch.path().join("whole");
        files::copy_folder(source, &copy, None).unwrap();
        let seen = ask(&Replica::open(&copy.join("store"), SERVER).unwrap(), &known).unwrap();
        assert_eq!(seen.ends, (EVENTS, 1));
        assert!(seen.events.iter().flatten().eq(&known), "the sample holds what was written");
        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for path in replica::tree(source).into_keys() {
            let is_empty = std::fs::metadata(&path).unwrap().len() == 0;
            if let Some(kind) = kind(&path).filter(|_| !is_empty) {
                found.entry(kind).or_default().push(path.strip_prefix(source).unwrap().to_owned());
            }
        }
        assert_eq!(found.len(), KINDS.len(), "{found:?}");
        Self { source: source.to_owned(), scratch, files: found, known, seen, entries: entries() }
    }

    /// Takes one sample: says which, and what came of it.
    fn sample(&self, number: usize, rng: &mut fastrand::Rng) {
        let mut pick = rng.u32(..KINDS.iter().map(|(_, weight)| weight).sum::<u32>());
        let (kind, _) = KINDS
            .iter()
            .find(|(_, weight)| pick.checked_sub(*weight).map(|rest| pick = rest).is_none())
            .unwrap();
        let files = &self.files[kind];
        let file = &files[rng.usize(..files.len())];
        let mut bytes = std::fs::read(self.source.join(file)).unwrap();
        let at = rng.usize(..bytes.len());
        let what = if rng.u8(..4) == 0 {
            bytes.truncate(at);
            format!("cut at {at}")
        } else {
            let mask = if rng.bool() { 1 << rng.u8(..8) } else { rng.u8(1..) };
            bytes[at] ^= mask;
            format!("byte {at} changed by {mask:#04x}")
        };
        say(&format!("sample {number}\t{kind}\t{} {what}", file.display()));
        let copy = self.scratch.path().join("copy");
        files::remove_folder(&copy).unwrap();
        files::copy_folder(&self.source, &copy, None).unwrap();
        std::fs::write(copy.join(file), bytes).unwrap();
        let verdict =
            if kind.starts_with("device") { self.judge_log(&copy) } else { self.judge_store(&copy, number) };
        say(&format!("verdict {verdict}"));
    }

    fn judge_log(&self, copy: &Path) -> &'static str {
        let path = copy.join("device/log");
        let read = DeviceLog::read(&path);
        match DeviceLog::open(&path) {
            Ok((_, found)) => {
                assert!(found == self.entries, "{} entries of {}", found.len(), self.entries.len());
                assert!(read.unwrap() == self.entries, "read and open differ");
                "harmless"
            }
            Err(LogError::Damaged { .. } | LogError::NotALog { .. } | LogError::Version { .. }) => {
                assert!(read.is_err(), "refused, and read all the same");
                "refused"
            }
            Err(other) => panic!("refused as {other}"),
        }
    }

    fn judge_store(&self, copy: &Path, number: usize) -> &'static str {
        let path = copy.join("store");
        // What `verify` reads; it works on a copy of its own, which takes its time.
        let verified = number.is_multiple_of(4).then(|| Replica::read(&path));
        let verdict = self.judge_open(&path);
        match verified {
            Some(Ok(history)) => {
                assert_ne!(verdict, "refused", "refused, and verified all the same");
                assert!(
                    history.log.iter().map(|stored| &stored.event).eq(&self.known),
                    "verify reads other events"
                );
            }
            Some(Err(error)) => assert!(is_damage(&error), "verify fails with {error}"),
            None => {}
        }
        verdict
    }

    fn judge_open(&self, path: &Path) -> &'static str {
        let replica = match Replica::open(path, SERVER) {
            Ok(replica) => replica,
            Err(error) if is_damage(&error) => return "refused",
            Err(other) => panic!("refused as {other}"),
        };
        match ask(&replica, &self.known) {
            Ok(seen) => assert!(seen == self.seen, "it reads other things, and {} events", seen.ends.0),
            Err(error) if is_damage(&error) => return "found by a read",
            Err(other) => panic!("the read fails with {other}"),
        }
        fill(&replica, EVENTS + 1, EVENTS + 1);
        drop(replica);
        match Replica::open(path, SERVER) {
            Ok(replica) => assert_eq!(replica.durable(), EVENTS + 1),
            Err(error) => panic!("it went on, and then: {error}"),
        }
        "harmless"
    }
}

fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Damaged { .. } | StoreError::Version { .. })
}

#[test]
fn child_that_takes_samples() {
    let Some(args) = role("flips::child_that_takes_samples") else { return };
    let [source, seed, from, upto] = &args[..] else { panic!("{args:?}") };
    setrlimit(Resource::As, Rlimit { current: Some(MEMORY_MAX_BYTES), maximum: Some(MEMORY_MAX_BYTES) })
        .unwrap();
    let report = std::panic::take_hook();
    // A panic in a thread of the engine would otherwise pass in silence.
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        std::process::abort();
    }));
    let sampler = Sampler::new(Path::new(source));
    let seed: u64 = seed.parse().unwrap();
    for number in from.parse::<usize>().unwrap()..upto.parse().unwrap() {
        sampler.sample(number, &mut fastrand::Rng::with_seed(seed.wrapping_add(number as u64)));
    }
    say("done");
}

#[derive(Default)]
struct Tally {
    verdicts: BTreeMap<(String, String), usize>,
    failures: Vec<String>,
}

impl Tally {
    /// Takes these samples, each child going on behind the sample at which the one before it ended.
    fn take(&mut self, source: &Path, seed: u64, mut from: usize, upto: usize) {
        while from < upto {
            let (seed, first, end) = (seed.to_string(), from.to_string(), upto.to_string());
            let child = Child::start(
                "flips::child_that_takes_samples",
                &[source.to_str().unwrap(), &seed, &first, &end],
            );
            let mut sample = String::new();
            while let Some(line) = child.hear() {
                if let Some(verdict) = line.strip_prefix("verdict ") {
                    let kind = sample.split('\t').nth(1).unwrap_or_default().to_owned();
                    *self.verdicts.entry((kind, verdict.to_owned())).or_default() += 1;
                    from += 1;
                } else {
                    sample = line;
                }
            }
            if sample != "done" {
                let (status, errors) = child.end();
                self.failures.push(format!("{sample}: {status}\n{}", errors.trim()));
                from += 1;
            }
        }
    }

    fn count(&self, wanted: &str) -> usize {
        self.verdicts.iter().filter(|((_, verdict), _)| verdict == wanted).map(|(_, count)| count).sum()
    }
}

#[test]
fn every_damage_to_one_file_is_refused_or_found_or_harmless() {
    let samples = std::env::var("TERCET_DAMAGES").map_or(SAMPLES, |count| count.parse().unwrap());
    let seed = std::env::var("TERCET_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("damages: TERCET_SEED={seed}");
    let folder = quick_folder();
    make(folder.path());
    let source = folder.path();
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let lane = |lane: usize| {
            scope.spawn(move || {
                let mut tally = Tally::default();
                tally.take(source, seed, samples * lane / LANES, samples * (lane + 1) / LANES);
                tally
            })
        };
        let lanes: Vec<_> = (0..LANES).map(lane).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).collect()
    });
    let mut all = Tally::default();
    for tally in tallies {
        tally.verdicts.into_iter().for_each(|(key, count)| *all.verdicts.entry(key).or_default() += count);
        all.failures.extend(tally.failures);
    }
    for ((kind, verdict), count) in &all.verdicts {
        println!("{count:6}  {kind}: {verdict}");
    }
    assert!(all.failures.is_empty(), "{} of {samples}:\n{}", all.failures.len(), all.failures.join("\n"));
    let judged: usize = all.verdicts.values().sum();
    assert_eq!(judged, samples);
    for verdict in ["refused", "found by a read", "harmless"] {
        assert!(all.count(verdict) > 0, "no sample was {verdict}");
    }
}

#[test]
fn a_loss_a_panic_and_an_abort_are_each_found_out() {
    let folder = quick_folder();
    make(folder.path());
    let sampler = Sampler::new(folder.path());
    // A store that has lost its last events and its tip is whole to itself, and a loss to the sampler.
    let short = quick_folder();
    let path = short.path().join("store");
    let replica = Replica::open(&path, SERVER).unwrap();
    replica.commit(&writes()[..10]).unwrap();
    drop(replica);
    let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sampler.judge_open(&path)));
    assert!(judged.is_err());
    // A child that ends at once takes no sample, and each is a failure.
    let mut tally = Tally::default();
    tally.take(&folder.path().join("nothing"), 1, 0, 2);
    assert_eq!((tally.failures.len(), tally.verdicts.len()), (2, 0));
}

#[test]
fn a_table_that_claims_billions_of_parts_is_refused_before_room_is_made_for_them() {
    let folder = quick_folder();
    let store = folder.path().join("store");
    let replica = Replica::open(&store, SERVER).unwrap();
    replica.commit(&[append(1, event(1))]).unwrap();
    replica.flush_tables();
    drop(replica);
    let tables = std::fs::read_dir(store.join("engine/keyspaces/1/tables")).unwrap();
    let table = tables.map(|table| table.unwrap().path()).next().expect("a table");
    let mut bytes = std::fs::read(&table).unwrap();
    let begins = u64::from_le_bytes(*bytes[..bytes.len() - 8].last_chunk().unwrap());
    // "TOC!", and how many parts there are, of which this is the highest byte.
    bytes[usize::try_from(begins).unwrap() + 7] ^= 0x7f;
    std::fs::write(&table, bytes).unwrap();
    let refused = Replica::open(&store, SERVER).unwrap_err().to_string();
    assert!(refused.contains("a table file in 'keyspaces/1'"), "{refused}");
}
