//! Six servers of which two lie: what a display quorum keeps from people, and what signatures do without one.
//!
//! The liars are run by the test itself, under the keys and at the addresses of two servers that were killed. Both
//! acknowledge all that they are sent. Server 5 alters whatever it tells of, server 6 tells of nothing, and both
//! hand out a message of somebody who colludes with them: one to the first device that asks, another under the
//! same number to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;

use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use tercet::clock::Time;
use tercet::cmd::session::now_ms;
use tercet::cmd::{Cluster, Home, keys};
use tercet::event::{Conversation, Draft, Event, Kind, account_of};
use tercet::evidence::Evidence;
use tercet::frame::{Item, Receipt, Role, ToClient, ToServer};
use tercet::id::{AccountId, DeviceId, Incarnation};
use tercet::limits::PROTOCOL_VERSION;
use tercet::net::listener::{ConnId, FromNet, serve};
use tercet::net::queue::Outbox;
use tercet::net::tls::Identity;
use tercet::view::ViewId;
use tokio_util::sync::CancellationToken;

use crate::people::{Chat, authored, cluster_with_people, displayed, entries, second_machine};
use crate::support::TestCluster;

/// What a chat cannot show, it does not wait for longer than that at its end.
const FOUR: [&str; 4] = ["--display-quorum", "4", "--timeout", "3"];
const TRUE: [&str; 5] = ["one.", "two.", "three.", "four.", "five."];

/// A server that lies until it is dropped.
struct Liar {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Liar {
    /// In place of the server of this name.
    fn start(dir: &Path, name: &str, alters: bool, twins: &[Event; 2]) -> Self {
        let cluster = Cluster::load(&Home::new(dir).unwrap()).unwrap();
        let address: SocketAddr = cluster.member(name).unwrap().address.parse().unwrap();
        let key = keys::load(&cluster.home().server(name).key()).unwrap();
        let core = Core {
            view: cluster.view().id(),
            alters,
            twins: twins.clone(),
            log: Vec::new(),
            readers: BTreeMap::new(),
            devices: Vec::new(),
        };
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(core.run(address, &Identity::new(&key).unwrap(), stopping));
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.stop.cancel();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()), "the liar has failed");
    }
}

/// One who is connected.
struct Reader {
    outbox: Outbox,
    account: AccountId,
    device: Option<DeviceId>,
    /// Whether it has asked to be told, and how much of the log it was told of.
    told: Option<usize>,
}

struct Core {
    view: ViewId,
    alters: bool,
    twins: [Event; 2],
    log: Vec<Event>,
    readers: BTreeMap<ConnId, Reader>,
    /// Who has asked, in that order.
    devices: Vec<(AccountId, DeviceId)>,
}

impl Core {
    async fn run(mut self, address: SocketAddr, identity: &Identity, stop: CancellationToken) {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let (inbound, mut inputs) = tokio::sync::mpsc::channel(64);
        let serving = serve(listener, identity, Ok, inbound, stop.clone(), stop.cancelled());
        let hearing = async {
            while let Some(input) = inputs.recv().await {
                match input {
                    FromNet::Opened { conn, key, outbox } => {
                        let account = AccountId::new(key);
                        self.readers.insert(conn, Reader { outbox, account, device: None, told: None });
                    }
                    FromNet::Frame { conn, frame } => self.hear(conn, frame),
                    FromNet::Closed { conn, .. } => drop(self.readers.remove(&conn)),
                    FromNet::AcceptFailed { .. } => {} // whoever cannot connect is heard by nobody
                }
            }
        };
        tokio::select! {
            served = serving => served.unwrap(),
            () = hearing => {}
        }
    }

    fn hear(&mut self, conn: ConnId, frame: ToServer) {
        let Some(reader) = self.readers.get_mut(&conn) else { return };
        let answer = match frame {
            ToServer::Hello { role, .. } => {
                if let Role::Device { device, .. } = role {
                    reader.device = Some(device);
                    self.devices.push((reader.account, device));
                }
                ToClient::Welcome {
                    version: PROTOCOL_VERSION,
                    incarnation: Incarnation::new([u8::from(self.alters); 16]),
                    position: 0,
                    view: self.view,
                    time_ms: now_ms(),
                }
            }
            ToServer::Ping => ToClient::Pong,
            ToServer::Follow { room: None, .. } => {
                reader.told = Some(0);
                return self.tell(conn);
            }
            ToServer::Upload { events } => {
                let receipts = events.iter().map(|bytes| self.take(bytes)).collect();
                self.say(conn, ToClient::Receipts(receipts));
                let everybody: Vec<_> = self.readers.keys().copied().collect();
                return everybody.into_iter().for_each(|conn| self.tell(conn));
            }
            _ => return,
        };
        self.say(conn, answer);
    }

    fn take(&mut self, bytes: &[u8]) -> Receipt {
        let event = Event::from_bytes(bytes).unwrap();
        let id = event.id();
        let known = self.log.iter().position(|known| known.id() == id);
        let index = known.unwrap_or_else(|| {
            self.log.push(event);
            self.log.len() - 1
        });
        Receipt { id, position: index as u64 + 1 }
    }

    /// What a reader is told of that is new to it.
    fn tell(&mut self, conn: ConnId) {
        let Some(reader) = self.readers.get_mut(&conn) else { return };
        let (Some(told), account) = (reader.told.replace(self.log.len()), reader.account) else { return };
        let mut items = Vec::new();
        if let Some(device) = reader.device {
            let mut devices: Vec<_> = Vec::new();
            for (_, other) in self.devices.iter().filter(|(of, _)| *of == account) {
                if !devices.contains(other) {
                    devices.push(*other);
                }
            }
            let twin = &self.twins[devices.iter().position(|other| *other == device).unwrap() % 2];
            let is_read = Evidence::is_home(account, twin) && twin.account() != account;
            items.extend(is_read.then(|| item(twin)));
            let news = self.log[told..].iter().filter(|event| Evidence::is_home(account, event));
            let posts = news.filter(|event| event.kind() == Kind::Post && event.account() != account);
            items.extend(posts.filter(|_| self.alters).map(altered));
        }
        let upto = self.log.len() as u64;
        self.say(conn, ToClient::Feed { room: None, items, after: 0, upto, caught_up: true });
    }

    fn say(&self, conn: ConnId, frame: ToClient) {
        if let Some(reader) = self.readers.get(&conn) {
            let _gone = reader.outbox.try_send(frame);
        }
    }
}

fn item(event: &Event) -> Item {
    Item { position: 1, id: event.id(), event: Some(ByteBuf::from(event.bytes())) }
}

/// Other words under the same signature.
fn altered(event: &Event) -> Item {
    let mut bytes = event.bytes().to_vec();
    let text = event.text().unwrap().as_bytes();
    let at = bytes.windows(text.len()).rposition(|window| window == text).unwrap();
    bytes[at..at + text.len()].fill(b'X');
    Item { position: 1, id: event.id(), event: Some(ByteBuf::from(bytes)) }
}

/// Two messages to bob under one number.
fn twins(dir: &Path, author: &str) -> [Event; 2] {
    let key = |name: &str| -> SigningKey {
        keys::load(&Home::new(dir).unwrap().account_key(&name.parse().unwrap())).unwrap()
    };
    ["we meet at six", "we meet at nine"].map(|text| {
        let draft = Draft {
            device: DeviceId::new([0xee; 16]),
            seq: 1,
            parents: BTreeSet::new(),
            time: Time::from_millis(now_ms()),
            conversation: Conversation::direct(account_of(&key(author)), account_of(&key("bob"))),
            kind: Kind::Post,
            body: text.as_bytes().to_vec(),
        };
        draft.sign(&key(author)).unwrap()
    })
}

/// Four honest servers, and two that lie.
fn six_of_which_two_lie() -> (TestCluster, [Liar; 2]) {
    let cluster = TestCluster::up(6);
    for name in ["alice", "bob", "carol", "alice"] {
        let ran = Chat::start(cluster.dir(), name, &["--copies", "6"]).finish();
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    cluster.run(&["kill", "5", "6"]).ok();
    let twins = twins(cluster.dir(), "carol");
    let liars =
        [("5", true), ("6", false)].map(|(name, alters)| Liar::start(cluster.dir(), name, alters, &twins));
    (cluster, liars)
}

#[test]
fn with_a_quorum_of_four_nothing_is_displayed_of_which_two_liars_told() {
    let (cluster, _liars) = six_of_which_two_lie();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &FOUR);
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &FOUR);
    for text in TRUE {
        alice.say(text);
    }
    bob.hears("alice: five.");
    bob.say("all of it.");
    alice.hears("bob: all of it.");
    bob.is_told("server 5 is down: ");
    bob.is_told("1 message waits: only 2 of 4 servers have told of it");
    alice.say("after that.");
    bob.hears("alice: after that.");
    bob.say("/view");
    bob.is_told("display quorum 4: a line is shown once 4 have told of it");
    bob.say("/dm carol");
    bob.say("/history");
    bob.is_told("talking to carol");
    for (chat, lines) in [(alice, &["bob"][..]), (bob, &["alice"])] {
        let heard = chat.heard_from(lines[0]);
        let expected: &[&str] =
            if lines[0] == "bob" { &["all of it."] } else { &[&TRUE[..], &["after that."]].concat() };
        assert_eq!(heard, expected);
        assert_eq!(chat.heard_from("carol"), Vec::<String>::new());
        assert_eq!(chat.finish().code, 0);
    }
    let said = ["alice", "bob"].map(|name| authored(&entries(cluster.dir(), name)));
    let said: BTreeSet<_> = said.iter().flatten().map(|(_, id, _)| *id).collect();
    for name in ["alice", "bob"] {
        assert_eq!(displayed(&entries(cluster.dir(), name)).into_iter().collect::<BTreeSet<_>>(), said);
    }
    let tail = cluster.run(&["tail", "--as", "bob", "--wait", "2"]);
    assert!(tail.err.contains("1 message waits: only 2 of 4") && !tail.out.contains("meet"), "{tail:?}");
}

#[test]
fn without_a_quorum_nothing_altered_is_displayed_but_each_device_is_told_another_thing() {
    let (cluster, _liars) = six_of_which_two_lie();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &[]);
    let first = Chat::start(cluster.dir(), "bob", &[]);
    // Who carol is may be told later than what she says.
    first.hears(": we meet at six");
    let machine = second_machine(&cluster, "bob");
    let second = Chat::start(machine.path(), "bob", &[]);
    second.hears(": we meet at nine");
    for text in TRUE {
        alice.say(text);
    }
    for (bob, told) in [(first, "six"), (second, "nine")] {
        bob.hears("alice: five.");
        assert_eq!(bob.heard_from("alice"), TRUE);
        let meetings = bob.lines().into_iter().filter(|line| line.contains("we meet"));
        assert!(
            meetings.clone().all(|line| line.ends_with(told)) && meetings.count() == 1,
            "{:#?}",
            bob.lines()
        );
        bob.is_told("server 5 is down: ");
    }
}

#[test]
fn when_fewer_servers_are_left_than_a_line_takes_the_chat_says_so_once_and_knows_it_next_time() {
    let cluster = cluster_with_people();
    // A machine whose cluster file goes on naming three servers.
    let machine = second_machine(&cluster, "bob");
    let mut bob = Chat::with(machine.path(), "bob", "alice", &["--display-quorum", "3", "--timeout", "3"]);
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &[]);
    alice.say("while there are three");
    bob.hears("alice: while there are three");
    cluster.run(&["cluster", "remove", "3"]).ok();
    let said = "nothing new can be shown: 3 servers must have told of a line, and the cluster has 2; leave and start \
                again with --display-quorum 2 or less";
    bob.is_told(said);
    bob.is_told("server 3 has left");
    alice.say("while there are two");
    alice.hears("while there are two  2/2");
    bob.say("/view");
    bob.is_told("display quorum 3");
    let ran = bob.finish();
    assert_eq!(ran.err.matches("nothing new can be shown").count(), 1, "{ran:?}");
    assert!(!ran.out.contains("while there are two"), "{ran:?}");
    assert!(!alice.words().concat().contains("nothing new can be shown"), "two are more than one");
    alice.finish();
    let as_bob = |quorum| Chat::start(machine.path(), "bob", &["--display-quorum", quorum]);
    let err = as_bob("3").finish().failed();
    assert!(
        err.contains("--display-quorum 3 cannot be had of 2 servers"),
        "its cluster file says three: {err}"
    );
    let bob = as_bob("2");
    bob.hears("alice: while there are two");
    bob.finish();
}

#[test]
fn a_quorum_of_servers_that_only_the_device_knows_of_can_be_had() {
    let cluster = cluster_with_people();
    let machine = second_machine(&cluster, "bob");
    let bob = Chat::start(machine.path(), "bob", &[]);
    cluster.run(&["cluster", "add"]).ok();
    bob.is_told("-- server 4 has joined: 4 servers now");
    assert_eq!(bob.finish().code, 0);
    let ran = Chat::start(machine.path(), "bob", &["--display-quorum", "4"]).finish();
    assert_eq!(ran.code, 0, "its cluster file names three: {ran:?}");
}

#[test]
fn a_quorum_that_the_servers_cannot_give_is_refused() {
    let cluster = TestCluster::up(3);
    for asked in ["4", "0"] {
        let err = cluster.run(&["chat", "alice", "--display-quorum", asked]).failed();
        assert!(err.contains(&format!("--display-quorum {asked} cannot be had of 3 servers")), "{err}");
        assert!(err.contains("next: give it a number from 1 to 3"), "{err}");
    }
    let folder = cluster.dir().join("tercet");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "[profile.default]\ndisplay_quorum = 9\n").unwrap();
    let err = cluster.run(&["chat", "alice"]).failed();
    assert!(err.contains("the profile's display_quorum = 9 cannot be had of 3 servers"), "{err}");
}
