//! One virtual cluster: its time, its accidents, and the order in which things happen, all out of one seed.
//!
//! ```text
//!   queue --> server_host --> server::Server --> disk, network
//!         --> client_host --> client::Client --> tape, network
//!         --> nemesis     --> network, crashes, clocks
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use fastrand::Rng;
use tercet::event::Event;
use tercet::frame::Token;
use tercet::id::{ClusterId, EventId, Incarnation, Position, ServerId};
use tercet::limits::SILENCE_MS;
use tercet::server::{ConnId, Input};
use tercet::view::{Member, SignedView, View};

use crate::admin::Admin;
use crate::client_host::ClientHost;
use crate::judge::{self, Failure, NO_REST};
use crate::liars::Rumours;
use crate::links::Link;
use crate::mutants::Memory;
use crate::nemesis::{Fault, Remedy};
use crate::network::{Caller, Network, Way};
use crate::server_host::ServerHost;
use crate::sharing;
use crate::swarm::Swarm;

/// Unix milliseconds at which every run begins.
pub const EPOCH_MS: u64 = 1_800_000_000_000;
/// By then a healed cluster must be at rest.
const REST_MS: u64 = 20_000;
/// So much longer it may take if clocks were wrong: events may lie that far ahead.
const SKEW_MAX_MS: u64 = 300_000;
/// How long it is watched after that.
const AFTERMATH_MS: u64 = SILENCE_MS + 1_000;
const LOOK_EVERY_MS: u64 = 250;

/// What happens at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Arrive {
        conn: ConnId,
        way: Way,
    },
    /// An end learns that the connection is over.
    Fin {
        conn: ConnId,
        way: Way,
    },
    Dial {
        caller: Caller,
        server: usize,
        boot: u64,
    },
    Ping {
        conn: ConnId,
    },
    Synced {
        server: usize,
        boot: u64,
    },
    ServerTick {
        server: usize,
        boot: u64,
    },
    ToldSynced {
        server: usize,
        boot: u64,
        upto: Position,
    },
    Wake {
        client: usize,
        boot: u64,
    },
    Turn {
        client: usize,
        boot: u64,
    },
    Say {
        client: usize,
        texts: usize,
    },
    /// This client shares a file.
    Share(usize),
    /// It takes one back.
    TakeBack(usize),
    /// It takes another name, or closes its account.
    Name(usize),
    Fault,
    /// A test has this go wrong.
    Strike {
        fault: Fault,
        client: usize,
        server: usize,
    },
    Remedy(Remedy),
    Heal,
    /// The administrator goes on with what is to be done.
    Administer,
    /// Somebody hands one of [`World::handed`] to a server.
    Handed {
        server: usize,
        view: usize,
    },
    /// By now the servers must have given each other what any of them had when all healed.
    Converge,
    Look,
}

pub struct World {
    pub now_ms: u64,
    pub rng: Rng,
    pub swarm: Swarm,
    pub net: Network,
    /// The connections as who dialled them sees them.
    pub links: BTreeMap<(Caller, usize), Link>,
    pub servers: Vec<ServerHost>,
    pub clients: Vec<ClientHost>,
    /// Every server that there ever may be, under the numbers that they have here.
    pub view: View,
    /// What everybody's cluster file says at first.
    pub first: View,
    pub admin: Admin,
    /// Views that a test hands to servers beside those that the administrator does.
    pub handed: Vec<SignedView>,
    pub token: Token,
    pub healed: bool,
    /// What any server had when all healed.
    pub held_at_heal: BTreeSet<EventId>,
    pub devices_lost: usize,
    /// Uploaded events whose signatures were looked at, by the hash of their bytes.
    pub found_valid: BTreeMap<[u8; 32], Arc<Event>>,
    /// What the mutant of this run, if there is one, keeps in mind.
    pub memory: Memory,
    /// What everybody was told, and by whom.
    pub rumours: Rumours,
    /// What went wrong that no fault explains.
    pub failures: Vec<Failure>,
    /// How often the rarer things happened: a sweep that never saw one has not tested it.
    pub seen: BTreeMap<&'static str, u64>,
    pub trace: bool,
    /// A fingerprint of everything that happened, in order.
    pub story: blake3::Hasher,
    queue: BinaryHeap<Reverse<(u64, u64, What)>>,
    queued: u64,
    rests_since_ms: Option<u64>,
}

impl World {
    pub fn new(seed: u64, mut rng: Rng, swarm: Swarm, trace: bool) -> Self {
        let mut bytes = || {
            let mut bytes = [0; 32];
            rng.fill(&mut bytes);
            bytes
        };
        let (token, cluster) = (Token::new(bytes()), ClusterId::new([7; 16]));
        let member = |index: usize, key: [u8; 32]| Member {
            name: (index + 1).to_string(),
            address: format!("server{}:1", index + 1),
            id: ServerId::new(SigningKey::from_bytes(&key).verifying_key().to_bytes()),
            sealed: false,
        };
        let mut members: Vec<_> = (0..swarm.servers).map(|index| member(index, bytes())).collect();
        let first = View::new(cluster, 1, members.clone()).unwrap();
        let (admin, first) = Admin::new(first, swarm.changes);
        let spares = swarm.servers..swarm.servers + swarm.changes;
        members.extend(spares.map(|index| member(index, bytes())));
        let view = View::new(cluster, 1, members).unwrap();
        let keys: Vec<_> = (0..swarm.accounts).map(|_| SigningKey::from_bytes(&bytes())).collect();
        let mut world = Self {
            now_ms: 0,
            rng,
            net: Network::default(),
            links: BTreeMap::new(),
            servers: Vec::new(),
            clients: Vec::new(),
            view,
            first,
            admin,
            handed: Vec::new(),
            token,
            healed: false,
            held_at_heal: BTreeSet::new(),
            devices_lost: 0,
            found_valid: BTreeMap::new(),
            memory: Memory::default(),
            rumours: Rumours::default(),
            failures: Vec::new(),
            seen: BTreeMap::new(),
            trace,
            story: blake3::Hasher::new(),
            queue: BinaryHeap::new(),
            queued: 0,
            rests_since_ms: None,
            swarm,
        };
        world.note(|| format!("seed {seed}"));
        for server in 0..world.view.servers().len() {
            let incarnation = world.incarnation();
            world.servers.push(ServerHost::new(incarnation, world.first.clone()));
            world.servers[server].deployed = server < world.swarm.servers;
        }
        for (account, key) in keys.iter().enumerate() {
            for _ in 0..world.swarm.devices_each {
                let host = ClientHost::new(account, key, world.servers.len(), &world.first, &mut world.rng);
                world.clients.push(host);
            }
        }
        world.plan();
        world
    }

    fn plan(&mut self) {
        let fault_ms = self.swarm.fault_ms;
        (0..self.servers.len()).for_each(|server| self.start_server(server));
        for client in 0..self.clients.len() {
            if self.swarm.all_apart {
                for server in 0..self.servers.len() {
                    for way in Way::BOTH {
                        let caller = Caller::Client(client);
                        self.net.block(caller, server, way);
                        self.after(1_000, What::Remedy(Remedy::Unblock { caller, server, way }));
                    }
                }
                self.after(500, What::Say { client, texts: 1 });
            }
            self.start_client(client);
        }
        for _ in 0..self.swarm.says {
            let client = self.rng.usize(..self.clients.len());
            let texts = if self.rng.u32(..4) == 0 { self.swarm.burst } else { 1 };
            // One long burst is enough: each signature in it is checked by everybody.
            self.swarm.burst = if texts > 20 { 5 } else { self.swarm.burst };
            let at_ms = self.rng.u64(..fault_ms);
            self.after(at_ms, What::Say { client, texts });
        }
        self.after(self.swarm.fault_every_ms, What::Fault);
        self.after(fault_ms, What::Heal);
        if self.swarm.changes > 0 {
            self.after(self.swarm.fault_every_ms, What::Administer);
        }
        self.after(fault_ms + LOOK_EVERY_MS, What::Look);
        self.plan_apart();
    }

    /// Runs to the end; returns what is wrong.
    pub fn run(&mut self) -> Vec<Failure> {
        let skew_ms = if self.clocks_lie() { SKEW_MAX_MS } else { 0 };
        let deadline_ms = self.swarm.fault_ms + REST_MS + skew_ms;
        while let Some(Reverse((at_ms, _, what))) = self.queue.pop() {
            self.now_ms = at_ms;
            if self.rests_since_ms.is_some_and(|since_ms| at_ms > since_ms + AFTERMATH_MS) {
                // Somebody may have taken a file back since the last look.
                if judge::unrest(self).is_none() {
                    break;
                }
                self.rests_since_ms = None;
            }
            if at_ms > deadline_ms || self.is_decided() {
                break;
            }
            self.happen(what);
        }
        let mut failures = std::mem::take(&mut self.failures);
        if failures.is_empty() || self.swarm.mutant.is_some() {
            failures.extend(judge::unrest(self).map(|why| Failure::new(NO_REST, why)));
            failures.extend(judge::verify(self));
            failures.extend(judge::screens(self));
            failures.extend(sharing::torn(self));
        }
        if failures.is_empty() {
            failures.extend(judge::replay(self));
        }
        failures
    }

    /// Whether nothing more can come of going on: what went wrong is what the mutant must show as, or there is
    /// none that it might be.
    fn is_decided(&self) -> bool {
        let decides =
            |failure: &Failure| self.swarm.mutant.is_none_or(|mutant| mutant.shows_as() == failure.class);
        self.failures.iter().any(decides)
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Arrive { conn, way } => self.arrive(conn, way),
            What::Fin { conn, way } => self.fin(conn, way),
            What::Dial { caller, server, boot } => self.dial(caller, server, boot),
            What::Ping { conn } => self.ping(conn),
            What::Synced { server, boot } => self.synced(server, boot),
            What::ServerTick { server, boot } => self.server_tick(server, boot),
            What::ToldSynced { server, boot, upto } => self.told_synced(server, boot, upto),
            What::Wake { client, boot } => self.wake(client, boot),
            What::Turn { client, boot } => self.turn(client, boot),
            What::Say { client, texts } => self.say(client, texts),
            What::Share(client) => self.share(client),
            What::TakeBack(client) => self.take_back(client),
            What::Name(client) => self.rename(client),
            What::Fault => self.go_wrong(),
            What::Strike { fault, client, server } => self.strike(fault, client, server),
            What::Remedy(remedy) => self.put_right(remedy),
            What::Administer => self.administer(),
            What::Handed { server, view } => {
                self.server_step(server, Input::View(self.handed[view].clone()));
            }
            What::Heal => {
                self.heal();
                self.held_at_heal = judge::stored(self).into_keys().collect();
                self.after(REST_MS, What::Converge);
            }
            What::Converge => self.failures.extend(judge::still_apart(self)),
            What::Look => {
                // A connection may stand and be dead: rest counts once it has outlasted every silence.
                let rests = judge::unrest(self).is_none();
                self.rests_since_ms = self.rests_since_ms.or(Some(self.now_ms)).filter(|_| rests);
                self.after(LOOK_EVERY_MS, What::Look);
            }
        }
    }

    pub fn after(&mut self, delay_ms: u64, what: What) {
        self.queued += 1;
        self.queue.push(Reverse((self.now_ms + delay_ms, self.queued, what)));
    }

    pub fn note(&mut self, what: impl FnOnce() -> String) {
        if self.trace {
            let what = what();
            self.story.update(what.as_bytes());
            println!("{:>7} {what}", self.now_ms);
        }
    }

    pub fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
        self.note(|| what.to_owned());
    }

    pub fn clocks_lie(&self) -> bool {
        self.swarm.faults.contains(&Fault::Clock)
    }

    pub fn incarnation(&mut self) -> Incarnation {
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        Incarnation::new(bytes)
    }

    /// The clock of a node that is off by so much, Unix milliseconds.
    pub fn clock_ms(&self, skew_ms: i64) -> u64 {
        (EPOCH_MS + self.now_ms).saturating_add_signed(skew_ms)
    }
}
