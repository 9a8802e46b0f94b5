//! How large a search is, which faults it holds, and which bug is planted in it.

use std::sync::OnceLock;

use ed25519_dalek::SigningKey;
use tercet::client;
use tercet::event::{Conversation, account_of};
use tercet::frame::Token;
use tercet::id::{ClusterId, DeviceId, Incarnation, ServerId};
use tercet::limits::{FEED_SILENT_MS, FETCH_AFTER_MS, REORDER_WINDOW_MS, SYNC_AFTER_MS};
use tercet::server;
use tercet::view::{Member, View};

/// Where every clock stands at first, Unix milliseconds.
pub const EPOCH_MS: u64 = 1_700_000_000_000;
/// How far a clock goes in one tick: past the reorder window and every wait for a body.
pub const TICK_MS: u64 = 1_000;

/// No search has more servers.
const SERVERS_MOST: usize = 4;

const _: () = assert!(TICK_MS > REORDER_WINDOW_MS && TICK_MS > FETCH_AFTER_MS && TICK_MS > SYNC_AFTER_MS);
const _: () = assert!(TICK_MS < FEED_SILENT_MS, "a server that answers each ping is never silent");

/// The bounds of one search. Counts of faults are totals, in any order and at any moment.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    pub clients: usize,
    pub servers: usize,
    /// Messages that each client says.
    pub says: [u8; 2],
    /// How often each clock may move.
    pub ticks: u8,
    /// Whether servers read each other's logs.
    pub peers: bool,
    /// Whether the log answers for what is durable before the machine is told.
    pub tells_later: bool,
    pub server_crashes: u8,
    pub client_crashes: u8,
    pub cuts: u8,
    pub disk_losses: u8,
    /// The only server that faults of servers and connections hit; `None` for any.
    pub hit: Option<usize>,
    /// Whether every order of moves is tried, also where the order cannot matter.
    pub unreduced: bool,
    pub plant: Option<Plant>,
}

/// Bugs put in on purpose, so that it shows that the search would find them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// The server's store says "synced" when it has only taken notice.
    AcksBeforeSync,
    /// A server whose disk was replaced goes on under its old incarnation.
    KeepsIncarnation,
    /// The device never waits for its disk.
    NeverSyncs,
    /// A frame with bodies gets lost in the middle of a connection, and nobody looks where the next begins.
    SwallowsFeeds,
}

impl Scope {
    /// Two clients that say one thing each to the other, and no faults.
    pub const fn of(servers: usize) -> Self {
        Self {
            clients: 2,
            servers,
            says: [1, 1],
            ticks: 0,
            peers: false,
            tells_later: false,
            server_crashes: 0,
            client_crashes: 0,
            cuts: 0,
            disk_losses: 0,
            hit: None,
            unreduced: false,
            plant: None,
        }
    }

    pub fn view(&self) -> View {
        let member = |index: usize| Member {
            name: (index + 1).to_string(),
            address: format!("127.0.0.1:{}", 7001 + index),
            id: self.server_id(index),
            sealed: false,
        };
        View::new(cluster(), 1, (0..self.servers).map(member).collect()).unwrap()
    }

    pub fn server_id(&self, index: usize) -> ServerId {
        static IDS: OnceLock<Vec<ServerId>> = OnceLock::new();
        let id = |index| ServerId::new(key(100 + index).verifying_key().to_bytes());
        IDS.get_or_init(|| (0..SERVERS_MOST).map(id).collect())[index]
    }

    pub fn server_config(&self, index: usize, incarnation: Incarnation) -> server::Config {
        server::Config {
            server: self.server_id(index),
            token: token(),
            view: self.view(),
            incarnation,
            started_ms: EPOCH_MS,
            sealed: false,
            asks: false,
        }
    }

    pub fn client_config(&self, index: usize) -> client::Config {
        client::Config {
            key: key(1 + index),
            name: format!("person{index}"),
            device: device(index),
            view: self.view(),
            window_ms: REORDER_WINDOW_MS,
            quorum: 1,
        }
    }

    /// Where everybody talks.
    pub fn conversation(&self) -> Conversation {
        static HERE: OnceLock<Conversation> = OnceLock::new();
        *HERE.get_or_init(|| Conversation::direct(account_of(&key(1)), account_of(&key(2))))
    }
}

pub fn cluster() -> ClusterId {
    ClusterId::new([9; 16])
}

pub fn token() -> Token {
    Token::new([7; 32])
}

pub fn device(client: usize) -> DeviceId {
    DeviceId::new([u8::try_from(client).unwrap() + 1; 16])
}

/// The key of a client (from 1) or of a server (from 100).
pub fn key(number: usize) -> SigningKey {
    SigningKey::from_bytes(&[u8::try_from(number).unwrap(); 32])
}
