//! A good history made by hand, and the means to break it in one place.
//!
//! Two people with a device each, three servers. [`World`] plays what they do, with real signatures, and
//! leaves [`History`] as plain values that a test may alter as it likes before `verify` sees them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use tercet::anomaly::{Anomaly, Place};
use tercet::clock::{Clock, Time};
use tercet::event::{Conversation, Draft, Event, Kind, account_of};
use tercet::excerpt::Excerpt;
use tercet::frame::DeviceCursor;
use tercet::history::{ClientHistory, Entry, History, ServerHistory, Stored};
use tercet::id::{AccountId, ClusterId, DeviceId, EventId, Incarnation, Position, Seq, ServerId};
use tercet::intake::Intake;
use tercet::ledger::Ledger;
use tercet::order::Transcript;
use tercet::verify::{CHECKS, Outcome, Report, Verdict, check, tell};

pub const ALICE: usize = 0;
pub const BOB: usize = 1;
pub const SERVERS: [usize; 3] = [0, 1, 2];
pub const WINDOW_MS: u64 = 400;

/// A person with one device.
pub struct Person {
    pub key: SigningKey,
    pub device: DeviceId,
    pub seq: Seq,
    clock: Clock,
    transcripts: BTreeMap<Conversation, Transcript>,
}

/// The history under construction, and what its makers know.
pub struct World {
    pub history: History,
    pub people: Vec<Person>,
    pub events: BTreeMap<EventId, Arc<Event>>,
    pub now_ms: u64,
}

pub fn key(person: usize) -> SigningKey {
    SigningKey::from_bytes(&[0xa0 + u8::try_from(person).unwrap(); 32])
}

pub fn device(person: usize) -> DeviceId {
    DeviceId::new([0xd0 + u8::try_from(person).unwrap(); 16])
}

pub fn server_id(server: usize) -> ServerId {
    ServerId::new([0x50 + u8::try_from(server).unwrap(); 32])
}

pub fn incarnation(server: usize) -> Incarnation {
    Incarnation::new([u8::try_from(server).unwrap(); 16])
}

/// What a server's log is called once its disk was replaced.
pub fn next_incarnation(server: usize) -> Incarnation {
    Incarnation::new([0xf0 + u8::try_from(server).unwrap(); 16])
}

pub fn chat() -> Conversation {
    Conversation::direct(account_of(&key(ALICE)), account_of(&key(BOB)))
}

pub const NAMES: [&str; 3] = ["alice", "bob", "carol"];

impl World {
    /// Two people who have begun a log and know three empty servers.
    pub fn new() -> Self {
        let mut world = Self {
            history: History::default(),
            people: Vec::new(),
            events: BTreeMap::new(),
            now_ms: 1_000_000,
        };
        for server in SERVERS {
            world.history.names.insert(server_id(server), format!("{}", server + 1));
            world.history.servers.push(ServerHistory {
                source: format!("store {}", server + 1),
                server: server_id(server),
                incarnation: incarnation(server),
                live: false,
                log: Vec::new(),
                canonical: Some(Vec::new()),
                cursors: Vec::new(),
                view: None,
            });
        }
        world.join(ALICE);
        world.join(BOB);
        world
    }

    /// The next person's device begins its log.
    pub fn join(&mut self, person: usize) {
        assert_eq!(person, self.people.len(), "people join in order");
        let (account, device) = (account_of(&key(person)), device(person));
        let mut entries = vec![
            Entry::Begun {
                cluster: ClusterId::new([7; 16]),
                account,
                device,
                name: NAMES[person].to_owned(),
                at_ms: self.now_ms,
            },
            Entry::Opened {
                at_ms: self.now_ms,
                window_ms: WINDOW_MS,
                servers: SERVERS.map(server_id).to_vec(),
                quorum: 1,
            },
        ];
        entries.extend(self.history.servers.iter().map(|server| Entry::Incarnation {
            server: server.server,
            incarnation: server.incarnation,
            at_ms: self.now_ms,
        }));
        let source = format!("{} log", NAMES[person]);
        self.history.clients.push(ClientHistory { source, entries });
        self.people.push(Person {
            key: key(person),
            device,
            seq: 0,
            clock: Clock::default(),
            transcripts: BTreeMap::new(),
        });
    }

    pub fn account(&self, person: usize) -> AccountId {
        account_of(&self.people[person].key)
    }

    pub fn log(&mut self, person: usize) -> &mut Vec<Entry> {
        &mut self.history.clients[person].entries
    }

    pub fn store(&mut self, server: usize) -> &mut ServerHistory {
        &mut self.history.servers[server]
    }

    // ---- what people and servers do -----------------------------------------------------------------

    /// What a person would sign next in a conversation: their heads, their clock, their number.
    pub fn draft(&mut self, person: usize, conversation: Conversation, kind: Kind, body: &[u8]) -> Draft {
        let now_ms = self.now_ms;
        let person = &mut self.people[person];
        let heads = person.transcripts.entry(conversation).or_default().heads().collect();
        Draft {
            device: person.device,
            seq: person.seq + 1,
            parents: heads,
            time: person.clock.tick(now_ms),
            conversation,
            kind,
            body: body.to_vec(),
        }
    }

    /// Signs a draft without anybody's log taking notice.
    pub fn sign(&mut self, person: usize, draft: Draft) -> EventId {
        let event = Arc::new(draft.sign(&self.people[person].key).unwrap());
        self.events.insert(event.id(), Arc::clone(&event));
        event.id()
    }

    /// A person writes a drafted event into their log.
    pub fn author(&mut self, person: usize, draft: Draft) -> EventId {
        let id = self.sign(person, draft);
        self.take(person, id);
        self.people[person].seq = self.people[person].seq.max(self.events[&id].seq());
        let entry = Entry::Authored { event: self.bytes(id), at_ms: self.now_ms };
        self.log(person).push(entry);
        id
    }

    pub fn write(&mut self, person: usize, conversation: Conversation, kind: Kind, body: &[u8]) -> EventId {
        self.now_ms += 10;
        let draft = self.draft(person, conversation, kind, body);
        self.author(person, draft)
    }

    /// A person says something in the chat; nobody else has it yet.
    pub fn say(&mut self, person: usize, text: &str) -> EventId {
        self.write(person, chat(), Kind::Post, text.as_bytes())
    }

    /// A person registers their name with all servers.
    pub fn register(&mut self, person: usize) -> EventId {
        let id = self.write(person, Conversation::Directory, Kind::Register, NAMES[person].as_bytes());
        SERVERS.into_iter().for_each(|server| self.upload(person, server, id));
        id
    }

    /// The next number and position; the author has a receipt. Nobody is told of a level.
    pub fn upload(&mut self, person: usize, server: usize, id: EventId) {
        let position = self.append(server, id);
        self.receipt(person, server, id, position);
    }

    pub fn append(&mut self, server: usize, id: EventId) -> Position {
        let event = Arc::clone(&self.events[&id]);
        let store = self.store(server);
        let position = store.log.len() as Position + 1;
        store.log.push(Stored { position, event });
        position
    }

    pub fn receipt(&mut self, person: usize, server: usize, id: EventId, position: Position) {
        let incarnation = self.store(server).incarnation;
        let server = server_id(server);
        self.log(person).push(Entry::Receipt { server, incarnation, id, position });
    }

    /// A server's current log tells a person of an event.
    pub fn told(&mut self, person: usize, server: usize, id: EventId) {
        let incarnation = self.store(server).incarnation;
        self.log(person).push(Entry::Told { server: server_id(server), incarnation, id });
    }

    pub fn level(&mut self, person: usize, id: EventId, copies: u32) {
        self.log(person).push(Entry::Level { id, copies, servers: 3 });
    }

    /// All servers store an event, and its author is told of each copy.
    pub fn send(&mut self, person: usize, id: EventId) {
        for (server, copies) in SERVERS.into_iter().zip(1..) {
            self.upload(person, server, id);
            self.level(person, id, copies);
        }
    }

    /// A person receives an event from server 1.
    pub fn receive(&mut self, person: usize, id: EventId) {
        self.take(person, id);
        let entry = Entry::Received {
            event: self.bytes(id),
            server: server_id(0),
            incarnation: self.store(0).incarnation,
            at_ms: self.now_ms,
        };
        self.log(person).push(entry);
    }

    /// A person reads all servers to their ends: receives what is theirs, moves every cursor.
    pub fn read(&mut self, person: usize) {
        self.now_ms += 5;
        let account = self.account(person);
        let logs: Vec<_> = SERVERS.iter().flat_map(|server| self.store(*server).log.clone()).collect();
        for Stored { event, .. } in logs {
            let held = self.people[person].transcripts.get(&event.conversation());
            let is_held = held.is_some_and(|held| held.keys().any(|key| key.id == event.id()));
            let is_theirs = event.conversation() == Conversation::Directory
                || event.conversation().other(account).is_some();
            if is_theirs && !is_held {
                self.receive(person, event.id());
            }
        }
        SERVERS.into_iter().for_each(|server| self.cursor(person, server));
    }

    /// A person's cursor moves to the end of a server's log.
    pub fn cursor(&mut self, person: usize, server: usize) {
        let (account, device) = (self.account(person), self.people[person].device);
        let store = self.store(server);
        let (incarnation, position) = (store.incarnation, store.log.len() as Position);
        store.cursors.retain(|cursor| cursor.device != device);
        store.cursors.push(DeviceCursor { account, device, room: None, position });
        let server = server_id(server);
        self.log(person).push(Entry::Cursor { server, incarnation, position, room: None });
    }

    /// A person's display shows these events as its next lines, once their windows have passed.
    pub fn show(&mut self, person: usize, ids: &[EventId]) {
        for id in ids {
            self.show_as(person, *id, false);
        }
    }

    pub fn show_as(&mut self, person: usize, id: EventId, late: bool) {
        let at_ms = (self.events[&id].time().millis() + WINDOW_MS + 1).max(self.now_ms);
        self.log(person).push(Entry::Displayed { id, late, at_ms });
    }

    /// An event is said, sent, read by the other person and shown to both.
    pub fn exchange(&mut self, person: usize, text: &str) -> EventId {
        let id = self.say(person, text);
        self.send(person, id);
        self.read(ALICE);
        self.read(BOB);
        self.show(ALICE, &[id]);
        self.show(BOB, &[id]);
        id
    }

    /// A server's disk is replaced by an empty one.
    pub fn lose_disk(&mut self, server: usize) {
        let store = self.store(server);
        store.incarnation = next_incarnation(server);
        store.log.clear();
        store.cursors.clear();
        let (server, incarnation, at_ms) = (server_id(server), next_incarnation(server), self.now_ms);
        for person in 0..self.people.len() {
            self.log(person).push(Entry::Incarnation { server, incarnation, at_ms });
        }
    }

    /// Every server's canonical index is what its log makes.
    pub fn index(&mut self) {
        for store in &mut self.history.servers {
            let mut index: Vec<_> = store
                .log
                .iter()
                .map(|stored| (stored.event.conversation().id(), stored.event.key()))
                .collect();
            index.sort_unstable();
            store.canonical = Some(index);
        }
    }

    // ---- what a test asks ---------------------------------------------------------------------------

    pub fn bytes(&self, id: EventId) -> ByteBuf {
        ByteBuf::from(self.events[&id].bytes())
    }

    /// An event's instant, moved by some milliseconds.
    pub fn time(&self, id: EventId, by_ms: i64) -> Time {
        Time::from_millis(self.events[&id].time().millis().saturating_add_signed(by_ms))
    }

    /// The index of the entry of a person's log for which this holds, the only one.
    pub fn find(&self, person: usize, is_it: impl Fn(&Entry) -> bool) -> usize {
        let entries = &self.history.clients[person].entries;
        let found: Vec<_> = (0..entries.len()).filter(|index| is_it(&entries[*index])).collect();
        assert_eq!(found.len(), 1, "the entry to be broken stands at {found:?}");
        found[0]
    }

    /// Where a person's log shows an event.
    pub fn line(&self, person: usize, event: EventId) -> usize {
        self.find(person, |entry| matches!(entry, Entry::Displayed { id, .. } if *id == event))
    }

    /// Where an event entered a person's log.
    pub fn entry_of(&self, person: usize, id: EventId) -> usize {
        let own = self.bytes(id);
        self.find(person, |entry| {
            matches!(entry, Entry::Authored { event, .. } | Entry::Received { event, .. } if *event == own)
        })
    }

    /// Where a person's log has a server's receipt for an event.
    pub fn receipt_of(&self, person: usize, from: usize, event: EventId) -> usize {
        self.find(person, |entry| {
            matches!(entry, Entry::Receipt { server, id, .. } if *server == server_id(from) && *id == event)
        })
    }

    /// The place of a person's entry, given from 0, as an anomaly names it.
    pub fn at(&self, person: usize, index: usize) -> Place {
        Place { source: format!("{} log", NAMES[person]), entry: index as u64 + 1 }
    }

    /// The place of the last entry of a person's log.
    pub fn at_end(&self, person: usize) -> Place {
        self.at(person, self.history.clients[person].entries.len() - 1)
    }

    pub fn in_store(&self, server: usize, position: Position) -> Place {
        Place { source: format!("store {}", server + 1), entry: position }
    }

    fn take(&mut self, person: usize, id: EventId) {
        let event = &self.events[&id];
        let person = &mut self.people[person];
        person.clock.observe(event.time());
        person.transcripts.entry(event.conversation()).or_default().insert(event);
    }
}

/// A history in which everything is as promised: both have registered, and three messages went to and fro.
pub struct Good {
    pub world: World,
    pub hello: EventId,
    pub answer: EventId,
    pub thanks: EventId,
}

pub fn good() -> Good {
    let mut world = World::new();
    world.register(ALICE);
    world.read(BOB);
    world.register(BOB);
    let hello = world.exchange(ALICE, "hello");
    let answer = world.exchange(BOB, "hello yourself");
    let thanks = world.exchange(ALICE, "thanks");
    world.index();
    Good { world, hello, answer, thanks }
}

// ---- judging ----------------------------------------------------------------------------------------

/// Every case of this folder.
pub const CASES_OF_ALL: [&[Case]; 8] = [
    crate::p1_nothing_invented::CASES,
    crate::p2_durable::CASES,
    crate::p2_bodies::CASES,
    crate::p3_sender_order::CASES,
    crate::p4_causal_order::CASES,
    crate::p5_one_order::CASES,
    crate::p6_honest_screens::CASES,
    crate::rule15_views::CASES,
];

/// A way to break a good history.
pub struct Case {
    /// What went wrong, for whoever reads the failure.
    pub name: &'static str,
    /// Breaks it; returns everything that `verify` must find, and nothing else may it find.
    pub spoil: fn(&mut Good) -> Vec<Anomaly>,
}

/// Each case must be refused with exactly its anomalies.
pub fn assert_refused(cases: &[Case]) {
    for Case { name, spoil } in cases {
        let mut history = good();
        let expected = spoil(&mut history);
        assert!(!expected.is_empty(), "{name}: a case must say what is broken");
        let report = check_both_ways(name, &history.world.history);
        let found: Vec<_> = report.anomalies().cloned().collect();
        assert_eq!(found, expected, "{name}: found\n{}", sentences(&report));
        assert_eq!(report.verdict(), Verdict::Violation, "{name}");
    }
}

/// A history must be found to be in order, with nothing left open.
pub fn assert_valid(name: &str, world: &World) {
    let report = check_both_ways(name, &world.history);
    assert_eq!(report.verdict(), Verdict::Valid, "{name}: found\n{}", sentences(&report));
}

/// A history must be found to lack something, and the report must say what.
pub fn assert_unknown(name: &str, history: &History, sentence: &str) {
    let report = check_both_ways(name, history);
    assert_eq!(report.verdict(), Verdict::Unknown, "{name}: found\n{}", sentences(&report));
    let unknowns: Vec<_> = report.outcomes.iter().flat_map(|outcome| &outcome.unknowns).collect();
    assert!(unknowns.iter().any(|unknown| *unknown == sentence), "{name}: it says {unknowns:#?}");
}

/// The report. An intake that knows bytes again, as the program's, must come to the same as one that decodes all,
/// and stories that are told from an excerpt, as the program's, to those that are told from all.
fn check_both_ways(name: &str, history: &History) -> Report {
    let report = check(history);
    let ledger = Ledger::taken_in(history, Intake::knowing_again(&[11; 32]));
    let outcomes: Vec<_> = CHECKS.iter().flat_map(|check| check(&ledger)).collect();
    let told = report.outcomes.iter().map(|outcome| Outcome { stories: Vec::new(), ..outcome.clone() });
    assert_eq!(outcomes, told.collect::<Vec<_>>(), "{name}: what is known again counts as it did");
    let mut by_excerpt = Report { outcomes, ..report.clone() };
    let excerpt = Excerpt::of(history, &ledger, &by_excerpt.outcomes);
    tell(&excerpt, &mut by_excerpt);
    assert_eq!(by_excerpt, report, "{name}: an excerpt tells the whole story");
    report
}

fn sentences(report: &Report) -> String {
    let broken = report.anomalies().map(ToString::to_string);
    let open = report.outcomes.iter().flat_map(|outcome| outcome.unknowns.clone());
    broken.chain(open).collect::<Vec<_>>().join("\n")
}

/// Names every variant of [`Anomaly`]: one that is added does not compile until it is listed here, and one
/// that is listed does not pass until a case is refused with it.
macro_rules! variants {
    ($($variant:ident),* $(,)?) => {
        pub const VARIANTS: &[&str] = &[$(stringify!($variant)),*];

        pub fn variant_of(anomaly: &Anomaly) -> &'static str {
            match anomaly {
                $(Anomaly::$variant { .. } => stringify!($variant)),*
            }
        }
    };
}

variants! {
    Invented, Corrupt, Twice, ShownUnheld, Leaked, Fork,
    LostAck, TooFewCopies, BodyKept, BodyMissing, Boast, TakenBack, StaleIncarnation,
    NotClosed, Overlooked, ForeignParent, TimeNotAfterParent, WrongTarget, SenderOrder, EffectBeforeCause, Unvouched,
    WrongIndex, Undelivered, CursorBack,
    AfterSeal, NotDrained, TwoViews,
    Unmarked, Skipped, UnjustifiedLate, Early,
}
