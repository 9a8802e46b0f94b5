//! Views as servers and clients deal with them (rule 15): one machine at a time, with others that are only names.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod shared;

use std::collections::BTreeSet;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use tercet::client::{Action, Client, Effects, Input as ClientInput};
use tercet::clock::Time;
use tercet::event::{Conversation, Draft, Event, Kind, account_of};
use tercet::frame::{
    Item, PeerCursor, Receipt, Refusal, Rejection, Role, ServerStatus, ToClient, ToServer, Token,
};
use tercet::history::Entry;
use tercet::id::{AdminKey, ClusterId, DeviceId, EventId, Incarnation, Position, Seq, ServerId};
use tercet::limits::{GUEST_MS, WORD_MS};
use tercet::server::{Config, ConnId, Input, Output, Server};
use tercet::view::{Member, SignedView, View};

use shared::{Bench, Memory};

const CLUSTER: ClusterId = ClusterId::new([7; 16]);
const NOW_MS: u64 = 1_700_000_000_000;
const LIFE: Incarnation = Incarnation::new([1; 16]);

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn server(n: u8) -> ServerId {
    ServerId::new(key(100 + n).verifying_key().to_bytes())
}

fn member(n: u8) -> Member {
    Member { name: n.to_string(), address: format!("host:{n}"), id: server(n), sealed: false }
}

/// Servers 1, 2 and 3; key 99 administers them.
fn first() -> View {
    let view = View::new(CLUSTER, 1, [1, 2, 3].map(member).into()).unwrap();
    view.with_admin(AdminKey::new(key(99).verifying_key().to_bytes())).unwrap()
}

fn signed(view: View) -> SignedView {
    view.sign(&key(99)).unwrap()
}

fn by_alice(seq: Seq) -> Arc<Event> {
    let draft = Draft {
        device: DeviceId::new([1; 16]),
        seq,
        parents: BTreeSet::new(),
        time: Time::from_millis(NOW_MS + seq),
        conversation: Conversation::direct(account_of(&key(1)), account_of(&key(2))),
        kind: Kind::Post,
        body: b"hi".to_vec(),
    };
    Arc::new(draft.sign(&key(1)).unwrap())
}

fn by_bob() -> Event {
    let draft = Draft {
        device: DeviceId::new([2; 16]),
        seq: 1,
        parents: BTreeSet::new(),
        time: Time::from_millis(NOW_MS),
        conversation: Conversation::direct(account_of(&key(1)), account_of(&key(2))),
        kind: Kind::Post,
        body: b"hello".to_vec(),
    };
    draft.sign(&key(2)).unwrap()
}

// ---- a server -----------------------------------------------------------------------------------------

const ALICE: ConnId = 1;
const TWO: ConnId = 2;

impl Bench {
    fn new() -> Self {
        Self::over(Memory::default())
    }

    /// Server 1 over this log.
    fn over(log: Memory) -> Self {
        let view = log.view.clone().map_or_else(first, View::from);
        let token = Token::new([5; 32]);
        let config = Config {
            server: server(1),
            token,
            view,
            incarnation: LIFE,
            sealed: log.sealed,
            started_ms: NOW_MS,
            asks: false,
        };
        Self::start(config, log)
    }

    /// Server 1 over a new log.
    fn anew() -> Self {
        let mut bench = Self::new();
        let (token, view) = (Token::new([5; 32]), first());
        let (incarnation, started_ms) = (LIFE, NOW_MS);
        let config =
            Config { server: server(1), token, view, incarnation, sealed: false, started_ms, asks: true };
        bench.server = Server::new(config, 0, 0, &[]);
        bench
    }

    /// Alice's device connects, who knows this view.
    fn alice(&mut self, knows: &View) -> Vec<Output> {
        let role = Role::Device { device: DeviceId::new([1; 16]), token: Token::new([5; 32]) };
        self.opens(ALICE, *account_of(&key(1)).as_bytes(), knows, role)
    }

    /// Another server connects, which knows this view.
    fn peer(&mut self, conn: ConnId, n: u8, knows: &View) -> Vec<Output> {
        self.opens(conn, *server(n).as_bytes(), knows, Role::Peer)
    }

    fn uploads(&mut self, seqs: &[Seq]) -> Vec<Output> {
        let events = seqs.iter().map(|seq| ByteBuf::from(by_alice(*seq).bytes())).collect();
        self.says(ALICE, ToServer::Upload { events })
    }

    fn learns(&mut self, signed: &SignedView) -> Vec<Output> {
        assert!(self.step(Input::View(signed.clone())).is_empty(), "nobody hears of it before it is synced");
        self.syncs()
    }

    fn status(&mut self, conn: ConnId) -> ServerStatus {
        match &self.says(conn, ToServer::Status)[..] {
            [Output::Send { frame: ToClient::Status(status), .. }] => status.clone(),
            other => panic!("{other:?}"),
        }
    }
}

fn rejected(outputs: &[Output]) -> Vec<EventId> {
    let rejected = outputs.iter().filter_map(|output| match output {
        Output::Send { frame: ToClient::Rejected { id, why: Rejection::Sealed }, .. } => Some(*id),
        _ => None,
    });
    rejected.collect()
}

fn acked(outputs: &[Output]) -> Vec<EventId> {
    let receipts = outputs.iter().flat_map(|output| match output {
        Output::Send { frame: ToClient::Receipts(receipts), .. } => receipts.clone(),
        _ => Vec::new(),
    });
    receipts.map(|receipt| receipt.id).collect()
}

/// To whom a view is sent: connections, and servers that were dialled.
fn told(outputs: &[Output]) -> (Vec<ConnId>, Vec<ServerId>) {
    let mut told = (Vec::new(), Vec::new());
    for output in outputs {
        match output {
            Output::Send { conn, frame: ToClient::View(_) } => told.0.push(*conn),
            Output::SendPeer { peer, frame: ToServer::View(_) } => told.1.push(*peer),
            _ => {}
        }
    }
    told
}

fn refusals(outputs: &[Output]) -> Vec<(ConnId, Refusal)> {
    let refusals = outputs.iter().filter_map(|output| match output {
        Output::Refuse { conn, refusal } => Some((*conn, refusal.clone())),
        _ => None,
    });
    refusals.collect()
}

#[test]
fn a_sealed_server_acks_what_it_has_and_appends_nothing_more() {
    let mut bench = Bench::new();
    bench.alice(&first());
    bench.peer(TWO, 2, &first());
    bench.uploads(&[1]);
    bench.syncs();
    let sealed = signed(first().seal(server(1)).unwrap());
    bench.step(Input::View(sealed.clone()));
    bench.reaches_the_disk();
    bench.uploads(&[2]); // the view is durable, and the server has not heard so yet
    let told_now = bench.step(Input::Synced { upto: 1 });
    assert_eq!(told(&told_now).0, [ALICE, TWO]);
    assert_eq!(bench.status(TWO).sealed, None, "event 2 is not on the disk");
    assert_eq!(acked(&bench.syncs()), [by_alice(2).id()]);
    assert_eq!(bench.status(TWO).sealed, Some(2));
    let answer = bench.uploads(&[2, 3]);
    assert_eq!((acked(&answer), rejected(&answer)), (vec![by_alice(2).id()], vec![by_alice(3).id()]));
    assert!(bench.gathered.is_empty(), "{:?}", bench.gathered);

    let mut again = Bench::over(bench.log);
    again.alice(sealed.view());
    assert_eq!(again.status(ALICE).sealed, Some(2), "it is sealed after a restart, too");
    assert_eq!(rejected(&again.uploads(&[3])), [by_alice(3).id()]);
}

/// Two views of one epoch, the one that counts for less first: it seals server 1, the other server 2.
fn twins() -> (SignedView, SignedView) {
    // The one with the greater hash counts for less: another fourth server, other hashes.
    let twins = (4..).map(|n: u8| {
        let before = first().add(member(n)).unwrap();
        let seals = |n| signed(before.seal(server(n)).unwrap());
        (seals(1), seals(2))
    });
    let (one, other) = twins.into_iter().find(|(one, other)| one.view().id() < other.view().id()).unwrap();
    assert_eq!(one.view().epoch(), other.view().epoch());
    (one, other)
}

#[test]
fn a_log_that_was_sealed_stays_so_under_a_twin_that_counts_for_more() {
    let (seals, spares) = twins();
    let mut bench = Bench::new();
    bench.alice(&first());
    bench.uploads(&[1]);
    bench.syncs();
    assert!(!bench.learns(&seals).contains(&Output::Renew));
    assert_eq!(bench.status(ALICE).sealed, Some(1), "whoever drains it may rely on that");
    let outputs = bench.learns(&spares);
    assert!(outputs.contains(&Output::View(spares.clone())), "it acts on the view that counts: {outputs:?}");
    assert_eq!(outputs.last(), Some(&Output::Renew));
    assert_eq!((bench.status(ALICE).sealed, bench.status(ALICE).view), (Some(1), spares.view().id()));
    assert_eq!(rejected(&bench.uploads(&[2])), [by_alice(2).id()]);
    assert!(bench.gathered.is_empty(), "{:?}", bench.gathered);

    // Started again with the same life of its log, which nobody should do, it is sealed still.
    let mut again = Bench::over(bench.log);
    again.alice(spares.view());
    assert_eq!(again.status(ALICE).sealed, Some(1));
    assert_eq!(rejected(&again.uploads(&[2])), [by_alice(2).id()]);

    // Another life of it goes on.
    again.log.sealed = false;
    let mut other = Bench::over(again.log);
    other.alice(spares.view());
    other.uploads(&[2]);
    assert_eq!(acked(&other.syncs()), [by_alice(2).id()]);
}

#[test]
fn a_view_that_is_overtaken_on_its_way_to_the_disk_seals_what_the_disk_says() {
    let (seals, spares) = twins();
    let mut bench = Bench::new();
    bench.alice(&first());
    bench.step(Input::View(seals));
    bench.step(Input::View(spares));
    assert_eq!(bench.syncs().last(), Some(&Output::Renew), "after a crash it would be sealed as well");
    assert!(bench.log.sealed);
}

#[test]
fn over_a_new_log_devices_are_welcomed_once_a_peer_has_told_its_view() {
    let welcome = |view: &View| ToClient::Welcome {
        version: 1,
        incarnation: LIFE,
        position: 0,
        view: view.id(),
        time_ms: NOW_MS,
    };
    let hears = |bench: &mut Bench, frame| bench.step(Input::PeerFrame { peer: server(2), frame });
    let is_welcome = |outputs: &[Output]| {
        outputs
            .iter()
            .any(|output| matches!(output, Output::Send { conn: ALICE, frame: ToClient::Welcome { .. } }))
    };

    let mut bench = Bench::anew();
    assert_eq!(bench.alice(&first()), []);
    let pong = Output::Send { conn: ALICE, frame: ToClient::Pong };
    assert_eq!(bench.says(ALICE, ToServer::Ping), [pong], "it has not hung up");
    assert!(!bench.peer(TWO, 2, &first()).is_empty(), "peers never wait for each other");
    let outputs = hears(&mut bench, welcome(&first()));
    assert!(is_welcome(&outputs), "{outputs:?}");
    bench.uploads(&[1]);
    assert_eq!(acked(&bench.syncs()), [by_alice(1).id()]);

    // It has left while it was away.
    let mut bench = Bench::anew();
    bench.alice(&first());
    let gone = signed(first().retire(server(1), None, Vec::new()).unwrap());
    assert!(!is_welcome(&hears(&mut bench, welcome(gone.view()))), "the view itself is on its way");
    hears(&mut bench, ToClient::View(ByteBuf::from(gone.bytes())));
    assert_eq!(told(&bench.syncs()).0, [ALICE], "she is told who left");
    assert_eq!(refusals(&bench.uploads(&[1])), [(ALICE, Refusal::Retired)]);

    // Nobody answers.
    let mut bench = Bench::anew();
    bench.alice(&first());
    bench.now_ms += WORD_MS;
    assert_eq!(bench.step(Input::Tick), []);
    bench.now_ms += 1;
    let outputs = bench.step(Input::Tick);
    assert!(is_welcome(&outputs) && outputs.contains(&Output::NoWord), "{outputs:?}");
    assert_eq!(bench.step(Input::Tick), [], "that is said once");
}

#[test]
fn a_sealed_server_takes_nothing_from_peers_that_it_had_asked() {
    let mut bench = Bench::new();
    let up = bench.step(Input::PeerUp { peer: server(2), incarnation: LIFE });
    assert!(matches!(&up[..], [Output::SendPeer { frame: ToServer::Follow { .. }, .. }]), "{up:?}");
    let event = by_alice(1);
    let items = vec![Item { position: 1, id: event.id(), event: None }];
    let feed = ToClient::Feed { room: None, items, after: 0, upto: 1, caught_up: false };
    let asks = bench.step(Input::PeerFrame { peer: server(2), frame: feed });
    assert!(matches!(&asks[..], [Output::SendPeer { frame: ToServer::Fetch { .. }, .. }]), "{asks:?}");
    let outputs = bench.learns(&signed(first().seal(server(1)).unwrap()));
    let hangs_up = |n: u8| outputs.contains(&Output::HangUp { peer: server(n) });
    assert!([2, 3].into_iter().all(hangs_up), "whom it followed must not wait for its cursors: {outputs:?}");
    let bodies = ToClient::Bodies(vec![ByteBuf::from(event.bytes())]);
    assert!(bench.step(Input::PeerFrame { peer: server(2), frame: bodies }).is_empty());
    assert!(bench.gathered.is_empty(), "{:?}", bench.gathered);
    let up = bench.step(Input::PeerUp { peer: server(2), incarnation: LIFE });
    assert!(up.is_empty(), "it follows nobody: {up:?}");
}

#[test]
fn views_pass_between_servers_whichever_of_them_is_behind() {
    let mut bench = Bench::new();
    let next = signed(first().add(member(4)).unwrap());
    let frame = |view: &View| ToClient::Welcome {
        version: 1,
        incarnation: LIFE,
        position: 0,
        view: view.id(),
        time_ms: NOW_MS,
    };
    bench.step(Input::PeerUp { peer: server(2), incarnation: LIFE });
    let brings = ToClient::View(ByteBuf::from(next.bytes()));
    bench.step(Input::PeerFrame { peer: server(2), frame: brings.clone() });
    let told_now = bench.syncs();
    assert_eq!(told(&told_now).1, [server(2)]);
    assert!(told_now.contains(&Output::View(next.clone())));
    assert_eq!(told(&bench.alice(&first())).0, [ALICE], "a Hello of one that is behind");
    assert_eq!(told(&bench.peer(TWO, 2, next.view())).0, [] as [ConnId; 0]);
    bench.step(Input::PeerUp { peer: server(3), incarnation: LIFE });
    let answer = bench.step(Input::PeerFrame { peer: server(3), frame: frame(&first()) });
    assert_eq!(told(&answer).1, [server(3)], "a Welcome of one that is behind");
    let answer = bench.step(Input::PeerFrame { peer: server(3), frame: frame(next.view()) });
    assert_eq!(told(&answer).1, []);
    bench.step(Input::PeerFrame { peer: server(3), frame: brings });
    assert!(bench.gathered.is_empty(), "what is known is not written again");
}

#[test]
fn a_view_that_the_administrator_did_not_sign_ends_its_bearers_connection() {
    let mut bench = Bench::new();
    bench.alice(&first());
    let mut bytes = signed(first().seal(server(1)).unwrap()).bytes();
    *bytes.last_mut().unwrap() ^= 1;
    let answer = bench.says(ALICE, ToServer::View(ByteBuf::from(bytes.clone())));
    assert!(matches!(&refusals(&answer)[..], [(ALICE, Refusal::Protocol(_))]), "{answer:?}");
    bench.step(Input::PeerUp { peer: server(2), incarnation: LIFE });
    let answer =
        bench.step(Input::PeerFrame { peer: server(2), frame: ToClient::View(ByteBuf::from(bytes)) });
    assert!(matches!(&answer[..], [Output::DropPeer { .. }]), "{answer:?}");
    assert!(bench.gathered.is_empty());
}

#[test]
fn a_retired_server_tells_the_view_and_serves_nobody() {
    let mut bench = Bench::new();
    bench.alice(&first());
    let gone = signed(first().retire(server(1), None, vec![]).unwrap());
    let outputs = bench.learns(&gone);
    assert_eq!((told(&outputs).0, refusals(&outputs)), (vec![ALICE], vec![(ALICE, Refusal::Retired)]));
    assert_eq!(told(&bench.alice(&first())).0, [ALICE]);
    assert_eq!(refusals(&bench.uploads(&[1])), [(ALICE, Refusal::Retired)]);
    assert!(bench.gathered.is_empty());
}

#[test]
fn a_server_that_left_is_no_peer_any_more_and_learns_why() {
    let mut bench = Bench::new();
    bench.peer(TWO, 2, &first());
    let without = signed(first().retire(server(2), None, vec![]).unwrap());
    let outputs = bench.learns(&without);
    assert_eq!((told(&outputs).0, refusals(&outputs)), (vec![TWO], vec![(TWO, Refusal::NotAPeer)]));
    assert_eq!(told(&bench.peer(TWO, 2, &first())).0, [TWO]);
    assert_eq!(refusals(&bench.says(TWO, ToServer::Pull { after: 0 })), [(TWO, Refusal::NotAPeer)]);
    assert_eq!(refusals(&bench.peer(TWO, 2, without.view())), [(TWO, Refusal::NotAPeer)], "it knows already");
}

#[test]
fn a_server_that_only_a_newer_view_names_is_let_in_once_it_has_brought_it() {
    let mut bench = Bench::new();
    let next = signed(first().add(member(4)).unwrap());
    let welcome = bench.peer(4, 4, next.view());
    assert!(matches!(&welcome[..], [Output::Send { frame: ToClient::Welcome { .. }, .. }]), "{welcome:?}");
    let follow = ToServer::Follow { room: None, after: 0, bodies: false };
    assert!(bench.says(4, follow.clone()).is_empty(), "it is told nothing");
    bench.says(4, ToServer::View(ByteBuf::from(next.bytes())));
    assert_eq!(refusals(&bench.syncs()), [(4, Refusal::NotAPeer)]);
    bench.peer(5, 4, next.view());
    assert!(matches!(&bench.says(5, follow)[..], [Output::Send { frame: ToClient::Feed { .. }, .. }]));
}

#[test]
fn who_may_only_exchange_views_does_not_stay() {
    let mut bench = Bench::new();
    bench.peer(4, 4, signed(first().add(member(4)).unwrap()).view());
    bench.now_ms += GUEST_MS;
    assert!(bench.step(Input::Tick).is_empty());
    bench.now_ms += 1;
    assert_eq!(refusals(&bench.step(Input::Tick)), [(4, Refusal::NotAPeer)]);
}

#[test]
fn a_status_says_how_much_of_each_peers_log_is_durable_here() {
    let mut bench = Bench::new();
    bench.step(Input::PeerUp { peer: server(2), incarnation: LIFE });
    let event = by_alice(1);
    let items = vec![Item { position: 4, id: event.id(), event: None }];
    bench.step(Input::PeerFrame {
        peer: server(2),
        frame: ToClient::Feed { room: None, items, after: 0, upto: 4, caught_up: false },
    });
    bench.step(Input::PeerFrame {
        peer: server(2),
        frame: ToClient::Bodies(vec![ByteBuf::from(event.bytes())]),
    });
    bench.peer(TWO, 2, &first());
    let read = |position| PeerCursor { peer: server(2), incarnation: LIFE, position };
    assert_eq!(bench.status(TWO).peers, [read(0)], "it is on its way to the disk");
    bench.syncs();
    assert_eq!(bench.status(TWO).peers, [read(4)]);
}

// ---- a client -----------------------------------------------------------------------------------------

/// Alice's client and its log.
struct Alice {
    client: Client,
    log: Vec<Entry>,
}

impl Alice {
    fn new() -> Self {
        Self::resume(&first(), Vec::new())
    }

    fn resume(file: &View, log: Vec<Entry>) -> Self {
        Self::with_quorum(1, file, log)
    }

    fn with_quorum(quorum: usize, file: &View, mut log: Vec<Entry>) -> Self {
        let config = tercet::client::Config {
            key: key(1),
            name: "alice".to_owned(),
            device: DeviceId::new([1; 16]),
            view: file.clone(),
            window_ms: 400,
            quorum,
        };
        let (client, effects) = Client::resume(NOW_MS, config, &log).unwrap();
        log.extend(effects.log);
        Self { client, log }
    }

    fn connected() -> Self {
        let mut alice = Self::new();
        [1, 2, 3].into_iter().for_each(|n| drop(alice.up(n)));
        alice
    }

    fn step(&mut self, input: ClientInput) -> Vec<Action> {
        let mut effects = Effects::default();
        self.client.step(NOW_MS, input, &mut effects).unwrap();
        self.log.extend(effects.log);
        effects.actions
    }

    /// A server tells of its first event, whole or by id.
    fn feed(&mut self, n: u8, event: &Event, whole: bool) -> Vec<Action> {
        let bytes = whole.then(|| ByteBuf::from(event.bytes()));
        let items = vec![Item { position: 1, id: event.id(), event: bytes }];
        self.hears(n, ToClient::Feed { room: None, items, after: 0, upto: 1, caught_up: true })
    }

    fn up(&mut self, n: u8) -> Vec<Action> {
        self.step(ClientInput::Up { server: server(n), incarnation: LIFE })
    }

    fn hears(&mut self, n: u8, frame: ToClient) -> Vec<Action> {
        self.step(ClientInput::Frame { server: server(n), frame })
    }

    fn learns(&mut self, n: u8, signed: &SignedView) -> Vec<Action> {
        self.hears(n, ToClient::View(ByteBuf::from(signed.bytes())))
    }

    /// Says something; returns which event it is, and to whom it goes.
    fn says(&mut self) -> (EventId, Vec<ServerId>) {
        let conversation = Conversation::direct(account_of(&key(1)), account_of(&key(2)));
        let actions = self.step(ClientInput::Say { conversation, kind: Kind::Post, body: b"hello".to_vec() });
        let written = self.log.iter().rev().find_map(|entry| match entry {
            Entry::Authored { event, .. } => Some(Event::from_bytes(event).unwrap().id()),
            _ => None,
        });
        (written.unwrap(), uploaded_to(&actions))
    }

    fn receipt(&mut self, n: u8, id: EventId, position: Position) {
        self.hears(n, ToClient::Receipts(vec![Receipt { id, position }]));
    }

    fn owed(&self) -> Vec<usize> {
        (0..self.client.view().servers().len()).map(|index| self.client.owed(index)).collect()
    }
}

fn uploaded_to(actions: &[Action]) -> Vec<ServerId> {
    let uploads = actions.iter().filter_map(|action| match action {
        Action::Send { server, frame: ToServer::Upload { .. } } => Some(*server),
        _ => None,
    });
    uploads.collect()
}

/// Which servers are asked for whole events.
fn feeds(actions: &[Action]) -> Vec<ServerId> {
    let feeds = actions.iter().filter_map(|action| match action {
        Action::Send { server, frame: ToServer::Follow { bodies: true, .. } } => Some(*server),
        _ => None,
    });
    feeds.collect()
}

#[test]
fn a_sealed_server_is_read_from_and_neither_written_to_nor_counted() {
    let mut alice = Alice::connected();
    let (old, _) = alice.says();
    [1, 2].into_iter().for_each(|n| alice.receipt(n, old, 1));
    assert_eq!((alice.client.copies(&old), alice.owed()), (2, vec![0, 0, 1]));
    let sealed = signed(first().seal(server(1)).unwrap());
    let actions = alice.learns(2, &sealed);
    assert!(actions.contains(&Action::View(sealed)), "{actions:?}");
    assert_eq!(feeds(&actions), [server(2)], "what is new does not come from a sealed one");
    assert_eq!(alice.client.copies(&old), 1);
    assert_eq!(alice.client.unsafe_below(2).len(), 1);
    let (new, to) = alice.says();
    assert_eq!(to, [server(2), server(3)]);
    [1, 2].into_iter().for_each(|n| alice.receipt(n, new, 2));
    assert_eq!((alice.client.copies(&new), alice.owed()), (1, vec![0, 0, 2]));
    let level = alice.log.iter().rev().find_map(|entry| match entry {
        Entry::Level { copies, servers, .. } => Some((*copies, *servers)),
        _ => None,
    });
    assert_eq!(level, Some((1, 2)));
    assert!(uploaded_to(&alice.up(1)).is_empty());
    assert!(alice.client.is_up(0));
}

#[test]
fn a_retired_server_is_forgotten_and_a_new_one_is_owed_everything() {
    let mut alice = Alice::connected();
    let (id, _) = alice.says();
    [2, 3].into_iter().for_each(|n| alice.receipt(n, id, 1));
    let next = first().add(member(4)).unwrap().retire(server(1), None, vec![]).unwrap();
    let next = signed(next);
    alice.learns(3, &next);
    assert_eq!((alice.client.copies(&id), alice.owed()), (2, vec![0, 0, 1]));
    assert_eq!(alice.client.holders(&id), [0, 1], "servers 2 and 3, in their new places");
    assert_eq!([0, 1, 2].map(|index| alice.client.is_up(index)), [true, true, false]);
    alice.receipt(1, id, 9);
    assert_eq!(alice.client.copies(&id), 2, "who is not in the view counts for nothing");
    assert_eq!(uploaded_to(&alice.up(4)), [server(4)]);

    let again = Alice::resume(&first(), alice.log.clone());
    assert_eq!(
        (again.client.view(), again.client.copies(&id), again.owed()),
        (next.view(), 2, vec![0, 0, 1])
    );
}

/// Found by the simulator, seeds 8010031 and 10008296: enough servers had told of a line that was not due yet, one of them
/// left, and the chat was started again. Nobody tells of it again, since every cursor has passed it.
#[test]
fn what_has_had_its_quorum_keeps_it_over_a_restart_though_one_who_told_has_left() {
    let mut alice = Alice::with_quorum(2, &first(), Vec::new());
    let event = by_bob();
    for n in [1, 2, 3] {
        alice.up(n);
        alice.feed(n, &event, n == 1);
    }
    let told = |alice: &Alice| alice.log.iter().filter(|entry| matches!(entry, Entry::Told { .. })).count();
    assert_eq!((alice.client.is_vouched(&event.id()), told(&alice)), (true, 2), "a third counts for nothing");
    let next = signed(first().retire(server(2), None, vec![]).unwrap());
    alice.learns(3, &next);
    assert!(alice.client.is_vouched(&event.id()));

    let again = Alice::with_quorum(2, &first(), alice.log.clone());
    assert!(again.client.is_vouched(&event.id()));
    let stricter = Alice::with_quorum(3, &first(), alice.log);
    assert!(!stricter.client.is_vouched(&event.id()), "two are not three, and all is read anew");
}

#[test]
fn a_newer_cluster_file_counts_for_more_than_the_log_and_is_noted_there_once() {
    let next = signed(first().retire(server(1), None, vec![]).unwrap());
    let views = |alice: &Alice| alice.log.iter().filter(|entry| matches!(entry, Entry::View { .. })).count();
    let mut alice = Alice::connected();
    let (id, _) = alice.says();
    [1, 2].into_iter().for_each(|n| alice.receipt(n, id, 1));
    let again = Alice::resume(next.view(), alice.log);
    assert_eq!((again.client.view(), again.client.copies(&id), views(&again)), (next.view(), 1, 1));
    let third = Alice::resume(next.view(), again.log);
    assert_eq!(views(&third), 1);
    let fourth = Alice::resume(&first(), third.log);
    assert_eq!((fourth.client.view(), views(&fourth)), (next.view(), 1), "an older file takes nothing back");
}

#[test]
fn a_client_carries_the_view_to_servers_that_were_away() {
    let mut alice = Alice::connected();
    let next = signed(first().add(member(4)).unwrap());
    let brought = |actions: &[Action]| -> Vec<ServerId> {
        let views = actions.iter().filter_map(|action| match action {
            Action::Send { server, frame: ToServer::View(_) } => Some(*server),
            _ => None,
        });
        views.collect()
    };
    alice.step(ClientInput::Down { server: server(3) });
    assert_eq!(brought(&alice.learns(2, &next)), [server(1), server(2)]);
    assert!(brought(&alice.learns(1, &next)).is_empty(), "once");
    alice.up(3);
    let welcome = |view: &View| ToClient::Welcome {
        version: 1,
        incarnation: LIFE,
        position: 0,
        view: view.id(),
        time_ms: NOW_MS,
    };
    assert_eq!(brought(&alice.hears(3, welcome(&first()))), [server(3)]);
    assert!(brought(&alice.hears(3, welcome(next.view()))).is_empty());
}

#[test]
fn a_server_that_makes_up_a_view_is_dropped() {
    let mut alice = Alice::connected();
    let mut bytes = signed(first().seal(server(2)).unwrap()).bytes();
    *bytes.last_mut().unwrap() ^= 1;
    let actions = alice.hears(1, ToClient::View(ByteBuf::from(bytes)));
    assert!(actions.iter().any(|action| matches!(action, Action::Drop { .. })), "{actions:?}");
    assert_eq!(alice.client.view(), &first());
}
