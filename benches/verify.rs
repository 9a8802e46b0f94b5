//! How long `tercet verify` takes over a history of any size, and where the time goes.
//!
//!     cargo bench --bench verify -- [EVENTS [FOLDER]]
//!
//! Two people write to each other, and three servers store it all: five logs, written by the program's own
//! writers, and then read by `tercet verify` as a process of its own. EVENTS (2,000 if not said) is how many
//! distinct events there are; each stands in all five logs. In FOLDER the logs are kept, and used again by
//! the next run that names it. `TERCET=FILE` measures another program than the one of this tree, and no steps.
//! `BROKEN=1` has one line shown twice in one of the logs, and measures what it takes to find and to tell that.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on has failed")]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use tercet::clock::Time;
use tercet::event::{Claim, Conversation, Draft, Event, Kind, account_of};
use tercet::frame::DeviceCursor;
use tercet::history::{ClientHistory, Entry, History};
use tercet::id::{ClusterId, DeviceId, EventId, Incarnation, Position, Seq, ServerId};
use tercet::ledger::Ledger;
use tercet::log::Write;
use tercet::signature;
use tercet::store::{DeviceLog, Replica};
use tercet::verify::{CHECKS, Verdict, check};

const SERVERS: u8 = 3;
const BODY_BYTES: usize = 200;
const WINDOW_MS: u64 = 400;
/// Events that are stored and written at once, after which readers move their cursors.
const BATCH: u64 = 1_024;
/// Every so many events two are written at the same time, and stored in different orders.
const CONCURRENT: u64 = 8;
/// More events than this say no more about a single step.
const STEPS_MAX: u64 = 20_000;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let events = args.next().map_or(2_000, |count| count.parse().unwrap());
    let kept = args.next().map(PathBuf::from);
    let scratch = tempfile::tempdir().unwrap();
    let folder = kept.as_deref().unwrap_or(scratch.path());
    if !folder.join("log-0").exists() {
        let started = Instant::now();
        write(folder, events);
        println!("{events} events in five logs, written in {:.1} s", started.elapsed().as_secs_f64());
    }
    let other = std::env::var("TERCET").ok();
    if other.is_none() {
        steps(events.min(STEPS_MAX));
    }
    let mut logs = logs(folder);
    let is_broken = std::env::var_os("BROKEN").is_some();
    if is_broken {
        logs.pop();
        logs.push(broken(folder));
    }
    let program = other.unwrap_or_else(|| env!("CARGO_BIN_EXE_tercet").to_owned());
    whole(&logs, events, &program, if is_broken { 1 } else { 0 });
}

/// The last device's log in which its last line was shown once more.
fn broken(folder: &Path) -> PathBuf {
    let (good, broken) = (folder.join("log-1"), folder.join("log-broken"));
    if broken.exists() {
        return broken;
    }
    std::fs::copy(&good, &broken).unwrap();
    std::fs::copy(folder.join("log-1.tip"), folder.join("log-broken.tip")).unwrap();
    let (mut log, entries) = DeviceLog::open(&broken).unwrap();
    let is_line = |entry: &&Entry| matches!(entry, Entry::Displayed { .. });
    log.append(&[entries.iter().rfind(is_line).unwrap().clone()]).unwrap();
    log.sync().unwrap();
    broken
}

// ---- the program as a whole ---------------------------------------------------------------------------

/// Runs the program over some logs, and prints what it took.
fn whole(logs: &[PathBuf], events: u64, program: &str, outcome: i32) {
    let started = Instant::now();
    let mut child = Command::new(program).arg("verify").args(logs).stdout(Stdio::piped()).spawn().unwrap();
    let (cpu, peak_kib) = watch(&child);
    let output = child.stdout.take().map(|stdout| std::io::read_to_string(stdout).unwrap());
    let status = child.wait().unwrap();
    let wall = started.elapsed().as_secs_f64();
    println!("{}", output.unwrap_or_default().lines().last().unwrap_or_default());
    assert_eq!(status.code(), Some(outcome), "a good history is valid, and a broken one is a violation");
    let per = |count: u64| count as f64 / wall;
    println!(
        "verify: {wall:.2} s, {:.2} s of CPU, at most {} MiB; {:.0} events/s, {:.0} of each log",
        cpu.as_secs_f64(),
        peak_kib / 1024,
        per(events * u64::from(SERVERS + 2)),
        per(events),
    );
}

/// What a child has used of CPU and memory when it ends.
fn watch(child: &Child) -> (Duration, u64) {
    let of = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default();
    let mut peak_kib = 0;
    loop {
        let status = of("status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
        peak_kib = peak.and_then(|kib| kib.trim().parse().ok()).unwrap_or(peak_kib);
        let stat = of("stat");
        // The name in brackets may hold anything; what counts comes after it.
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        if fields.first().is_none_or(|state| *state == "Z") {
            let ticks =
                |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
            return (Duration::from_millis(10 * (ticks(11) + ticks(12))), peak_kib);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    let stores = (0..SERVERS).map(|server| folder.join(format!("store-{server}")));
    stores.chain((0..2).map(|person| folder.join(format!("log-{person}")))).collect()
}

// ---- its steps ------------------------------------------------------------------------------------------

/// Times single steps over a history that is in memory.
fn steps(events: u64) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), events);
    let logs = logs(folder.path());
    let history = History {
        servers: logs[..usize::from(SERVERS)].iter().map(|store| Replica::read(store).unwrap()).collect(),
        clients: logs[usize::from(SERVERS)..].iter().map(|log| client(log)).collect(),
        ..History::default()
    };
    let bytes: Vec<_> = history.servers[0].log.iter().map(|stored| stored.event.bytes()).collect();
    let claims: Vec<_> = bytes.iter().map(|bytes| Claim::of(bytes).unwrap()).collect();
    println!("one step over {events} events, in µs for each:");
    time("decode an event", events, || bytes.iter().map(|bytes| Claim::of(bytes).unwrap().id()).max());
    time("hash what was signed", events, || claims.iter().map(Claim::unchecked).count());
    let unchecked: Vec<_> = claims.iter().map(Claim::unchecked).collect();
    let some = &unchecked[..unchecked.len().min(1_000)];
    time("check one signature", some.len() as u64, || {
        assert!(some.iter().all(|unchecked| unchecked.clone().is_valid()));
    });
    time("check signatures together", events, || assert!(signature::invalid(&unchecked).is_empty()));
    time("take five logs in and number the events", events, || Ledger::of(&history));
    let ledger = Ledger::of(&history);
    for check in CHECKS {
        let named = check(&ledger).first().map_or("", |outcome| outcome.check);
        time(named, events, || check(&ledger));
    }
    assert_eq!(check(&history).verdict(), Verdict::Valid);
}

fn client(log: &Path) -> ClientHistory {
    ClientHistory { source: log.display().to_string(), entries: DeviceLog::read(log).unwrap() }
}

fn time<T>(what: &str, count: u64, work: impl FnOnce() -> T) {
    let started = Instant::now();
    black_box(work());
    println!("  {:8.3}  {what}", started.elapsed().as_secs_f64() * 1e6 / count as f64);
}

// ---- a history ------------------------------------------------------------------------------------------

struct Person {
    key: SigningKey,
    device: DeviceId,
    seq: Seq,
    log: DeviceLog,
    entries: Vec<Entry>,
}

struct World {
    people: [Person; 2],
    stores: Vec<Replica>,
    writes: Vec<Vec<Write>>,
    /// The last position in every store.
    tip: Position,
    heads: BTreeSet<EventId>,
    registered: BTreeSet<EventId>,
    now_ms: u64,
}

/// Writes the logs of a history of so many events into a folder.
fn write(folder: &Path, events: u64) {
    std::fs::create_dir_all(folder).unwrap();
    let stores: Vec<_> = (0..SERVERS)
        .map(|server| {
            Replica::open(&folder.join(format!("store-{server}")), ServerId::new([server; 32])).unwrap()
        })
        .collect();
    let person = |person: u8| {
        let (log, _) = DeviceLog::open(&folder.join(format!("log-{person}"))).unwrap();
        let (key, device) = (SigningKey::from_bytes(&[person + 1; 32]), DeviceId::new([person; 16]));
        let servers = stores.iter().map(Replica::server).collect();
        let begun = Entry::Begun {
            cluster: ClusterId::new([7; 16]),
            account: account_of(&key),
            device,
            name: ["alice", "bob"][usize::from(person)].to_owned(),
            at_ms: 0,
        };
        let mut entries = vec![begun, Entry::Opened { at_ms: 0, window_ms: WINDOW_MS, servers, quorum: 1 }];
        entries.extend(stores.iter().map(|store| {
            let (server, incarnation) = (store.server(), store.incarnation());
            Entry::Incarnation { server, incarnation, at_ms: 0 }
        }));
        Person { key, device, seq: 0, log, entries }
    };
    let writes = vec![Vec::new(); stores.len()];
    let people = [person(0), person(1)];
    let mut world =
        World { people, stores, writes, tip: 0, registered: [].into(), heads: [].into(), now_ms: 1_000_000 };
    for (person, name) in ["alice", "bob"].into_iter().enumerate() {
        world.now_ms += 10;
        let event = world.sign(person, Conversation::Directory, Kind::Register, name.as_bytes().to_vec());
        world.registered = [event.id()].into();
        world.spread(&[(person, event)]);
    }
    let mut written = 2;
    while written < events {
        world.now_ms += 10;
        let both = written % CONCURRENT == 0 && written + 1 < events;
        let authors = if both { vec![0, 1] } else { vec![usize::from(written % 2 == 1)] };
        let said: Vec<_> = authors.iter().map(|author| (*author, world.say(*author, written))).collect();
        let heads = said.iter().map(|(_, event)| event.id()).collect();
        world.spread(&said);
        world.heads = heads;
        written += said.len() as u64;
        if world.writes[0].len() as u64 >= BATCH {
            world.flush();
        }
    }
    world.flush();
    // As servers do that are stopped in order.
    world.stores.into_iter().for_each(|store| store.close().unwrap());
}

impl World {
    fn say(&mut self, person: usize, number: u64) -> Arc<Event> {
        let accounts = [0, 1].map(|person: usize| account_of(&self.people[person].key));
        let mut text = format!("{number}: ");
        while text.len() < BODY_BYTES {
            text.push_str("what people say to each other ");
        }
        text.truncate(BODY_BYTES);
        self.sign(person, Conversation::direct(accounts[0], accounts[1]), Kind::Post, text.into_bytes())
    }

    fn sign(&mut self, person: usize, conversation: Conversation, kind: Kind, body: Vec<u8>) -> Arc<Event> {
        let parents = if kind == Kind::Post { &self.heads } else { &self.registered }.clone();
        let time = Time::from_millis(self.now_ms);
        let author = &mut self.people[person];
        author.seq += 1;
        let draft = Draft { device: author.device, seq: author.seq, parents, time, conversation, kind, body };
        Arc::new(draft.sign(&author.key).unwrap())
    }

    /// Events of one moment get to all servers, their authors and their readers.
    fn spread(&mut self, events: &[(usize, Arc<Event>)]) {
        let at_ms = self.now_ms;
        for (author, event) in events {
            self.people[*author].entries.push(Entry::Authored { event: bytes(event), at_ms });
        }
        for server in 0..self.stores.len() {
            // One of the servers has them in another order.
            let mut stored: Vec<_> = events.iter().collect();
            if server == 1 {
                stored.reverse();
            }
            let (store, life) = (self.stores[server].server(), self.stores[server].incarnation());
            for (position, (author, event)) in (self.tip + 1..).zip(stored) {
                let write = Write::Append { position, event: Arc::clone(event), fork: false };
                self.writes[server].push(write);
                self.people[*author].acked(event, (store, life), position, server);
            }
        }
        self.tip += events.len() as Position;
        let (server, incarnation) = (self.stores[0].server(), self.stores[0].incarnation());
        for (author, event) in events {
            let entry = Entry::Received { event: bytes(event), server, incarnation, at_ms };
            self.people[1 - *author].entries.push(entry);
        }
        let mut shown: Vec<_> = events.iter().filter(|(_, event)| event.kind() == Kind::Post).collect();
        shown.sort_unstable_by_key(|(_, event)| event.key());
        for person in &mut self.people {
            person.entries.extend(shown.iter().map(|(_, event)| Entry::Displayed {
                id: event.id(),
                late: false,
                at_ms: event.time().millis() + WINDOW_MS + 1,
            }));
        }
    }

    /// All that was written goes to the disks, and readers say how far they are.
    fn flush(&mut self) {
        for (store, writes) in self.stores.iter().zip(&mut self.writes) {
            let lives = (store.server(), store.incarnation());
            for person in &mut self.people {
                let (account, device, position) = (account_of(&person.key), person.device, self.tip);
                writes.push(Write::Cursor(DeviceCursor { account, device, room: None, position }));
                let (server, incarnation) = lives;
                person.entries.push(Entry::Cursor { server, incarnation, position, room: None });
            }
            store.commit(writes).unwrap();
            writes.clear();
        }
        for person in &mut self.people {
            person.log.append(&person.entries).unwrap();
            person.log.sync().unwrap();
            person.entries.clear();
        }
    }
}

impl Person {
    fn acked(&mut self, event: &Event, life: (ServerId, Incarnation), position: Position, server: usize) {
        let (id, (server_id, incarnation)) = (event.id(), life);
        self.entries.push(Entry::Receipt { server: server_id, incarnation, id, position });
        let copies = u32::try_from(server + 1).unwrap();
        self.entries.push(Entry::Level { id, copies, servers: SERVERS.into() });
    }
}

fn bytes(event: &Event) -> ByteBuf {
    ByteBuf::from(event.bytes())
}
