//! The server's machine, one rule at a time, over a log in memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use tercet::clock::Time;
use tercet::event::{Conversation, Draft, Event, Kind, account_of};
use tercet::frame::{Receipt, Refusal, Rejection, Role, ToClient, ToServer, Token};
use tercet::id::{ClusterId, DeviceId, EventId, Incarnation, Position, Seq, ServerId};
use tercet::limits::{CLOCK_AHEAD_MAX_MS, FEED_WINDOW, FOLLOWER_STALL_MS, SYNC_AFTER_MS};
use tercet::log::Write;
use tercet::order::Digest;
use tercet::server::{Config, ConnId, Input, Output, Request};
use tercet::view::{Member, View};

use shared::{Bench, Memory};

const NOW_MS: u64 = 1_700_000_000_000;
const CLUSTER: ClusterId = ClusterId::new([7; 16]);
const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;

fn key(person: u8) -> SigningKey {
    SigningKey::from_bytes(&[person; 32])
}

fn device(person: u8) -> DeviceId {
    DeviceId::new([person; 16])
}

fn direct(one: u8, other: u8) -> Conversation {
    Conversation::direct(account_of(&key(one)), account_of(&key(other)))
}

fn post(author: u8, to: u8, seq: Seq, ms: u64, parents: &[EventId]) -> Arc<Event> {
    let draft = Draft {
        device: device(author),
        seq,
        parents: parents.iter().copied().collect::<BTreeSet<_>>(),
        time: Time::from_millis(ms),
        conversation: direct(author, to),
        kind: Kind::Post,
        body: format!("{seq}").into_bytes(),
    };
    Arc::new(draft.sign(&key(author)).unwrap())
}

fn first() -> View {
    let member = |n: u8| Member {
        name: n.to_string(),
        address: format!("host:{n}"),
        id: ServerId::new([n; 32]),
        sealed: false,
    };
    View::new(CLUSTER, 1, [10, 11, 12].map(member).into()).unwrap()
}

impl Bench {
    fn new() -> Self {
        let config = Config {
            server: ServerId::new([10; 32]),
            token: Token::new([5; 32]),
            view: first(),
            incarnation: Incarnation::new([1; 16]),
            started_ms: NOW_MS,
            sealed: false,
            asks: false,
        };
        Self::start(config, Memory::default())
    }

    /// A person's device connects; the connection has the person's number.
    fn welcomes(&mut self, person: u8) {
        let role = Role::Device { device: device(person), token: Token::new([5; 32]) };
        let answer = self.opens(person.into(), *account_of(&key(person)).as_bytes(), &first(), role);
        assert!(
            matches!(answer.as_slice(), [Output::Send { frame: ToClient::Welcome { .. }, .. }]),
            "{answer:?}"
        );
    }

    fn uploads(&mut self, conn: u8, events: &[&Arc<Event>]) -> Vec<Output> {
        let events = events.iter().map(|event| ByteBuf::from(event.bytes())).collect();
        self.says(conn.into(), ToServer::Upload { events })
    }
}

fn sent(outputs: &[Output]) -> BTreeMap<ConnId, Vec<ToClient>> {
    let mut sent: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for output in outputs {
        if let Output::Send { conn, frame } = output {
            sent.entry(*conn).or_default().push(frame.clone());
        }
    }
    sent
}

fn refusal(outputs: &[Output]) -> &Refusal {
    match outputs {
        [Output::Refuse { refusal, .. }] => refusal,
        other => panic!("{other:?} refuses nothing"),
    }
}

/// The ids of a feed, each with whether it came whole.
fn fed(frames: &[ToClient]) -> Vec<(EventId, bool)> {
    let items = frames.iter().flat_map(|frame| match frame {
        ToClient::Feed { room: None, items, .. } => items.clone(),
        _ => Vec::new(),
    });
    items.map(|item| (item.id, item.event.is_some())).collect()
}

#[test]
fn nobody_hears_of_an_event_before_it_is_synced() {
    let mut bench = Bench::new();
    bench.welcomes(ALICE);
    bench.welcomes(BOB);
    bench.says(BOB.into(), ToServer::Follow { room: None, after: 0, bodies: true });
    let event = post(ALICE, BOB, 1, NOW_MS, &[]);
    assert_eq!(bench.uploads(ALICE, &[&event]), [], "no receipt, no feed");
    let after = sent(&bench.syncs());
    assert_eq!(after[&ALICE.into()], [ToClient::Receipts(vec![Receipt { id: event.id(), position: 1 }])]);
    assert_eq!(fed(&after[&BOB.into()]), [(event.id(), true)]);
}

#[test]
fn a_second_upload_is_answered_like_the_first_and_written_once() {
    let mut bench = Bench::new();
    bench.welcomes(ALICE);
    let event = post(ALICE, BOB, 1, NOW_MS, &[]);
    let receipt = ToClient::Receipts(vec![Receipt { id: event.id(), position: 1 }]);
    bench.uploads(ALICE, &[&event, &event]);
    assert_eq!(bench.gathered.len(), 1);
    assert_eq!(sent(&bench.syncs())[&ALICE.into()], std::slice::from_ref(&receipt));
    assert_eq!(sent(&bench.uploads(ALICE, &[&event]))[&ALICE.into()], [receipt]);
    assert!(bench.gathered.is_empty());
}

#[test]
fn an_event_without_its_parent_is_sent_back_for_it() {
    let mut bench = Bench::new();
    bench.welcomes(ALICE);
    let first = post(ALICE, BOB, 1, NOW_MS, &[]);
    let second = post(ALICE, BOB, 2, NOW_MS + 1, &[first.id()]);
    let missing = ToClient::Missing { id: second.id(), parents: vec![first.id()] };
    assert_eq!(sent(&bench.uploads(ALICE, &[&second]))[&ALICE.into()], [missing]);
    assert_eq!(bench.uploads(ALICE, &[&first, &second]), [], "a staged parent is parent enough");
    let order: Vec<_> = {
        bench.syncs();
        bench.log.events.iter().map(|event| event.id()).collect()
    };
    assert_eq!(order, [first.id(), second.id()]);
}

#[test]
fn events_that_do_not_fit_their_parents_end_the_connection() {
    let parent = post(ALICE, BOB, 1, NOW_MS, &[]);
    let cases = [
        (post(ALICE, BOB, 2, NOW_MS, &[parent.id()]), "not after its parents'"),
        (post(ALICE, CAROL, 2, NOW_MS + 1, &[parent.id()]), "another conversation"),
    ];
    for (child, why) in cases {
        let mut bench = Bench::new();
        bench.welcomes(ALICE);
        let answer = bench.uploads(ALICE, &[&parent, &child]);
        assert!(refusal(&answer).to_string().contains(why), "{answer:?}");
        assert_eq!(bench.uploads(ALICE, &[&child]), [], "the connection is forgotten");
    }
}

#[test]
fn only_an_authors_own_upload_is_judged_by_the_clock() {
    let mut bench = Bench::new();
    bench.welcomes(ALICE);
    bench.welcomes(BOB);
    let ahead_ms = CLOCK_AHEAD_MAX_MS + 1;
    let event = post(ALICE, BOB, 1, NOW_MS + ahead_ms, &[]);
    let rejected = ToClient::Rejected { id: event.id(), why: Rejection::ClockAhead { ahead_ms } };
    assert_eq!(sent(&bench.uploads(ALICE, &[&event]))[&ALICE.into()], [rejected]);
    assert_eq!(bench.uploads(BOB, &[&event]), [], "who brings another's event is believed");
    assert_eq!(bench.gathered.len(), 1);
    let later = post(ALICE, BOB, 2, NOW_MS + ahead_ms - 1, &[]);
    assert_eq!(bench.uploads(ALICE, &[&later]), [], "within the bound it is taken");
}

#[test]
fn of_two_events_with_one_number_both_are_kept_and_the_second_is_flagged() {
    let mut bench = Bench::new();
    bench.welcomes(ALICE);
    let events = [NOW_MS, NOW_MS + 1, NOW_MS + 2].map(|ms| post(ALICE, BOB, 1, ms, &[]));
    bench.uploads(ALICE, &[&events[0], &events[1]]);
    let flags = |bench: &Bench| -> Vec<bool> {
        bench.gathered.iter().map(|write| matches!(write, Write::Append { fork: true, .. })).collect()
    };
    assert_eq!(flags(&bench), [false, true], "against one that is staged");
    bench.syncs();
    bench.uploads(ALICE, &[&events[2]]);
    assert_eq!(flags(&bench), [true], "against one in the log");
    let status = sent(&bench.says(ALICE.into(), ToServer::Status));
    assert!(matches!(&status[&ALICE.into()][..], [ToClient::Status(status)] if status.forks == 2));
}

#[test]
fn a_stranger_who_names_a_device_takes_none_of_its_numbers() {
    let mut bench = Bench::new();
    bench.welcomes(ALICE);
    bench.welcomes(CAROL);
    let draft = Draft {
        device: device(ALICE),
        seq: 1,
        parents: BTreeSet::new(),
        time: Time::from_millis(NOW_MS),
        conversation: direct(CAROL, ALICE),
        kind: Kind::Post,
        body: b"squatting".to_vec(),
    };
    let squatter = Arc::new(draft.sign(&key(CAROL)).unwrap());
    let event = post(ALICE, BOB, 1, NOW_MS, &[]);
    bench.uploads(CAROL, &[&squatter]);
    bench.uploads(ALICE, &[&event]);
    assert!(bench.gathered.iter().all(|write| matches!(write, Write::Append { fork: false, .. })));
    bench.syncs();
    let follow = bench.says(ALICE.into(), ToServer::Follow { room: None, after: 0, bodies: true });
    let fed = fed(&sent(&follow)[&ALICE.into()]);
    assert_eq!(fed, [(squatter.id(), true), (event.id(), false)], "what she did not write comes whole");
}

#[test]
fn a_conversation_is_given_only_to_its_two_accounts() {
    let mut bench = Bench::new();
    for person in [ALICE, BOB, CAROL] {
        bench.welcomes(person);
        bench.says(person.into(), ToServer::Follow { room: None, after: 0, bodies: true });
    }
    let event = post(ALICE, BOB, 1, NOW_MS, &[]);
    bench.uploads(ALICE, &[&event]);
    let live = sent(&bench.syncs());
    assert_eq!(fed(&live[&BOB.into()]), [(event.id(), true)]);
    assert_eq!(fed(&live[&ALICE.into()]), [(event.id(), false)], "its author has it: an id is enough");
    assert!(!live.contains_key(&CAROL.into()));
    for (person, bodies) in [(BOB, 1), (CAROL, 0)] {
        let fetched = sent(&bench.says(person.into(), ToServer::Fetch { ids: vec![event.id()] }));
        assert!(matches!(&fetched[&person.into()][..], [ToClient::Bodies(events)] if events.len() == bodies));
        let again = sent(&bench.says(person.into(), ToServer::Follow { room: None, after: 0, bodies: true }));
        assert_eq!(fed(&again[&person.into()]).len(), bodies, "person {person} from the start");
    }
}

#[test]
fn a_digest_is_told_to_whoever_may_read_the_conversation() {
    let mut bench = Bench::new();
    [ALICE, BOB, CAROL].into_iter().for_each(|person| bench.welcomes(person));
    let first = post(ALICE, BOB, 1, NOW_MS, &[]);
    let second = post(BOB, ALICE, 1, NOW_MS + 1, &[first.id()]);
    let elsewhere = post(ALICE, CAROL, 2, NOW_MS, &[]);
    bench.uploads(ALICE, &[&first, &elsewhere, &second]);
    let conversation = direct(ALICE, BOB);
    let answer = |events, ids: &[EventId]| {
        let digest = Some(Digest::of(ids.iter().copied()));
        vec![ToClient::Digest { conversation, events, digest, whole: true }]
    };
    let ask = |bench: &mut Bench, person: u8| {
        sent(&bench.says(person.into(), ToServer::Digest { conversation }))[&person.into()].clone()
    };
    assert_eq!(ask(&mut bench, ALICE), answer(0, &[]), "what is not on the disk is not told of");
    bench.syncs();
    assert_eq!(ask(&mut bench, ALICE), answer(2, &[first.id(), second.id()]));
    assert_eq!(ask(&mut bench, BOB), answer(2, &[first.id(), second.id()]));
    assert_eq!(ask(&mut bench, CAROL), answer(0, &[]), "as of one that does not exist");
}

#[test]
fn a_follower_gets_no_more_than_its_window_until_its_cursor_moves() {
    let mut bench = Bench::new();
    let total = FEED_WINDOW as u64 + 300;
    bench.log.events = (1..=total).map(|seq| post(ALICE, BOB, seq, NOW_MS + seq, &[])).collect();
    bench.step(Input::Synced { upto: total });
    bench.welcomes(BOB);
    let first = sent(&bench.says(BOB.into(), ToServer::Follow { room: None, after: 0, bodies: false }));
    let ids = fed(&first[&BOB.into()]);
    assert_eq!(ids.len(), FEED_WINDOW);
    let rest =
        sent(&bench.says(BOB.into(), ToServer::Cursor { room: None, position: ids.len() as Position }));
    assert_eq!(fed(&rest[&BOB.into()]).len(), 300);
    bench.now_ms += FOLLOWER_STALL_MS + 1;
    assert_eq!(refusal(&bench.step(Input::Tick)), &Refusal::TooSlow, "nobody waits for it");
}

#[test]
fn strangers_and_impostors_are_told_why_they_are_refused() {
    let alice = *account_of(&key(ALICE)).as_bytes();
    let device_with = |token| Role::Device { device: device(ALICE), token: Token::new([token; 32]) };
    let hello = |version, cluster, role| ToServer::Hello { version, cluster, view: first().id(), role };
    let other = ClusterId::new([8; 16]);
    let cases = [
        (alice, hello(2, CLUSTER, device_with(5)), Refusal::Version { server: 1 }),
        (alice, hello(1, other, device_with(5)), Refusal::Cluster(CLUSTER)),
        (alice, hello(1, CLUSTER, device_with(6)), Refusal::Token),
        (alice, hello(1, CLUSTER, Role::Peer), Refusal::NotAPeer),
        (alice, ToServer::Ping, Refusal::Protocol("the first frame must be Hello".to_owned())),
    ];
    for (key, frame, expected) in cases {
        let mut bench = Bench::new();
        bench.step(Input::Opened { conn: 1, key });
        assert_eq!(refusal(&bench.says(1, frame)), &expected);
    }
    let mut bench = Bench::new();
    bench.welcomes(ALICE);
    assert_eq!(refusal(&bench.says(ALICE.into(), ToServer::Pull { after: 0 })), &Refusal::NotAPeer);
    for frame in [
        ToServer::Follow { room: None, after: 1, bodies: true },
        ToServer::Cursor { room: None, position: 1 },
    ] {
        let mut bench = Bench::new();
        bench.welcomes(ALICE);
        let answer = bench.says(ALICE.into(), frame);
        assert!(
            matches!(refusal(&answer), Refusal::Protocol(why) if why.contains("beyond the end")),
            "{answer:?}"
        );
    }
}

#[test]
fn an_altered_event_never_reaches_the_machine() {
    let event = post(ALICE, BOB, 1, NOW_MS, &[]);
    let mut bytes = event.bytes().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let refused = Request::from_frame(ToServer::Upload { events: vec![ByteBuf::from(bytes)] });
    assert!(
        matches!(refused, Err(Refusal::InvalidEvent(why)) if why.contains("not the one that was signed"))
    );
}

// ---- peers --------------------------------------------------------------------------------------------

const PEER: ServerId = ServerId::new([11; 32]);

fn announce(bench: &mut Bench, events: &[&Arc<Event>], caught_up: bool) -> Vec<Output> {
    let item = |(position, event): (Position, &&Arc<Event>)| tercet::frame::Item {
        position,
        id: event.id(),
        event: None,
    };
    let items: Vec<_> = (1..).zip(events).map(item).collect();
    let upto = items.len() as Position;
    bench.step(Input::PeerFrame {
        peer: PEER,
        frame: ToClient::Feed { room: None, items, after: 0, upto, caught_up },
    })
}

fn bring(bench: &mut Bench, events: &[&Arc<Event>]) -> Vec<Output> {
    let bodies = events.iter().map(|event| ByteBuf::from(event.bytes())).collect();
    bench.step(Input::PeerFrame { peer: PEER, frame: ToClient::Bodies(bodies) })
}

fn to_peer(frame: ToServer) -> Output {
    Output::SendPeer { peer: PEER, frame }
}

#[test]
fn a_server_that_was_away_fetches_what_a_peer_has_and_moves_its_cursor_when_it_is_durable() {
    let mut bench = Bench::new();
    let incarnation = Incarnation::new([9; 16]);
    let follow = to_peer(ToServer::Follow { room: None, after: 0, bodies: false });
    assert_eq!(bench.step(Input::PeerUp { peer: PEER, incarnation }), [follow]);
    let first = post(ALICE, BOB, 1, NOW_MS, &[]);
    let second = post(BOB, ALICE, 1, NOW_MS + 1, &[first.id()]);
    let fetch = to_peer(ToServer::Fetch { ids: vec![first.id(), second.id()] });
    assert_eq!(
        announce(&mut bench, &[&first, &second], false),
        [fetch],
        "at once: the peer has had them for long"
    );
    assert_eq!(bring(&mut bench, &[&second]), [], "it waits for its parent");
    assert!(bench.gathered.is_empty());
    assert_eq!(bring(&mut bench, &[&first]), [], "no cursor moves before the sync");
    assert_eq!(bench.syncs(), [to_peer(ToServer::Cursor { room: None, position: 2 })]);
    assert_eq!(bench.log.events, [first, second]);
    bench.step(Input::Tick);
    assert!(
        matches!(&bench.gathered[..], [Write::Peer(cursor)] if cursor.position == 2 && cursor.peer == PEER)
    );
}

#[test]
fn an_event_that_comes_asks_the_log_nothing_about_those_that_wait() {
    let mut bench = Bench::new();
    bench.step(Input::PeerUp { peer: PEER, incarnation: Incarnation::new([9; 16]) });
    let mut chain = vec![post(ALICE, BOB, 1, NOW_MS, &[])];
    for seq in 2..=300 {
        let before = chain.last().unwrap().id();
        chain.push(post(ALICE, BOB, seq, NOW_MS + seq, &[before]));
    }
    let other = post(CAROL, BOB, 1, NOW_MS, &[]);
    let (first, rest) = chain.split_first().unwrap();
    announce(&mut bench, &chain.iter().chain([&other]).collect::<Vec<_>>(), false);
    bring(&mut bench, &rest.iter().rev().collect::<Vec<_>>());
    assert!(bench.gathered.is_empty(), "all wait");
    let before = bench.log.looked_up.get();
    bring(&mut bench, &[&other]);
    bench.syncs();
    let asked = bench.log.looked_up.get() - before;
    assert!(asked < 10, "{asked} questions for one event, while {} wait", rest.len());
    bring(&mut bench, &[first]);
    bench.syncs();
    assert_eq!(bench.log.events, [&[other], &chain[..]].concat(), "each after its parent");
}

#[test]
fn in_the_steady_state_no_body_is_fetched() {
    let mut bench = Bench::new();
    bench.welcomes(ALICE);
    bench.step(Input::PeerUp { peer: PEER, incarnation: Incarnation::new([9; 16]) });
    let event = post(ALICE, BOB, 1, NOW_MS, &[]);
    assert_eq!(announce(&mut bench, &[&event], true), [], "the author's upload is given time");
    bench.uploads(ALICE, &[&event]);
    let settled = bench.syncs();
    assert!(settled.contains(&to_peer(ToServer::Cursor { room: None, position: 1 })), "{settled:?}");
    bench.now_ms += SYNC_AFTER_MS;
    assert_eq!(bench.step(Input::Tick), [], "nothing is left to fetch");

    let other = post(ALICE, BOB, 2, NOW_MS + 1, &[event.id()]);
    announce(&mut bench, &[&event, &other], true);
    bench.now_ms += SYNC_AFTER_MS;
    assert_eq!(bench.step(Input::Tick), [to_peer(ToServer::Fetch { ids: vec![other.id()] })]);
}

#[test]
fn a_cursor_is_not_held_up_by_what_became_durable_before_its_turn() {
    let mut bench = Bench::new();
    bench.welcomes(ALICE);
    bench.welcomes(BOB);
    bench.step(Input::PeerUp { peer: PEER, incarnation: Incarnation::new([9; 16]) });
    let [first, second] = [post(ALICE, BOB, 1, NOW_MS, &[]), post(BOB, ALICE, 1, NOW_MS, &[])];
    for (position, event) in (1..).zip([&first, &second]) {
        let items = vec![tercet::frame::Item { position, id: event.id(), event: None }];
        let frame = ToClient::Feed { room: None, items, after: 0, upto: position, caught_up: true };
        bench.step(Input::PeerFrame { peer: PEER, frame });
    }
    bench.uploads(BOB, &[&second]);
    let moved =
        |outputs: &[Output], position| outputs.contains(&to_peer(ToServer::Cursor { room: None, position }));
    let settled = bench.syncs();
    assert!(!moved(&settled, 1) && !moved(&settled, 2), "{settled:?}");
    bench.uploads(ALICE, &[&first]);
    let settled = bench.syncs();
    assert!(moved(&settled, 2), "{settled:?}");
}

#[test]
fn a_peer_with_a_new_log_is_read_from_its_start() {
    let mut bench = Bench::new();
    let event = post(ALICE, BOB, 1, NOW_MS, &[]);
    bench.log.events.push(Arc::clone(&event));
    bench.step(Input::Synced { upto: 1 });
    let up = |n| Input::PeerUp { peer: PEER, incarnation: Incarnation::new([n; 16]) };
    bench.step(up(1));
    assert_eq!(
        announce(&mut bench, &[&event], true),
        [to_peer(ToServer::Cursor { room: None, position: 1 })]
    );
    bench.step(Input::PeerDown { peer: PEER });
    assert_eq!(bench.step(up(1)), [to_peer(ToServer::Follow { room: None, after: 1, bodies: false })]);
    assert_eq!(bench.step(up(2)), [to_peer(ToServer::Follow { room: None, after: 0, bodies: false })]);
}

#[test]
fn a_peer_that_sends_rubbish_is_named_and_dropped() {
    let parent = post(ALICE, BOB, 1, NOW_MS, &[]);
    let backwards = post(ALICE, BOB, 2, NOW_MS, &[parent.id()]);
    let mut altered = parent.bytes().to_vec();
    altered[40] ^= 1;
    let cases = [
        vec![ByteBuf::from(altered)],
        [&parent, &backwards].map(|event| ByteBuf::from(event.bytes())).into(),
    ];
    for bodies in cases {
        let bodies: Vec<ByteBuf> = bodies;
        let mut bench = Bench::new();
        bench.step(Input::PeerUp { peer: PEER, incarnation: Incarnation::new([9; 16]) });
        let answer = bench.step(Input::PeerFrame { peer: PEER, frame: ToClient::Bodies(bodies) });
        assert!(matches!(answer.as_slice(), [Output::DropPeer { peer: PEER, .. }]), "{answer:?}");
    }
}

#[test]
fn a_peer_follows_and_fetches_the_whole_log() {
    let mut bench = Bench::new();
    bench.welcomes(ALICE);
    bench.opens(50, *PEER.as_bytes(), &first(), Role::Peer);
    bench.says(50, ToServer::Follow { room: None, after: 0, bodies: false });
    let event = post(ALICE, BOB, 1, NOW_MS, &[]);
    bench.uploads(ALICE, &[&event]);
    assert_eq!(fed(&sent(&bench.syncs())[&50]), [(event.id(), false)]);
    let fetched = sent(&bench.says(50, ToServer::Fetch { ids: vec![event.id()] }));
    assert_eq!(fetched[&50], [ToClient::Bodies(vec![ByteBuf::from(event.bytes())])]);
    let pulled = sent(&bench.says(50, ToServer::Pull { after: 0 }));
    assert!(matches!(&pulled[&50][..], [ToClient::Log { items, tip: 1, .. }] if items.len() == 1));
}

// ---- bodies -------------------------------------------------------------------------------------------

fn without(event: &Event) -> Arc<Event> {
    Arc::new(event.without_body().unwrap())
}

fn delete(author: u8, to: u8, seq: Seq, message: &Event) -> Arc<Event> {
    let draft = Draft {
        device: device(author),
        seq,
        parents: [message.id()].into(),
        time: Time::from_millis(message.time().millis() + 1),
        conversation: direct(author, to),
        kind: Kind::Delete,
        body: message.id().as_bytes().to_vec(),
    };
    Arc::new(draft.sign(&key(author)).unwrap())
}

#[test]
fn a_whole_event_is_acked_when_its_body_is_on_the_disk_though_the_event_was() {
    for is_staged in [false, true] {
        let mut bench = Bench::new();
        bench.welcomes(ALICE);
        bench.step(Input::PeerUp { peer: PEER, incarnation: Incarnation::new([9; 16]) });
        let event = post(ALICE, BOB, 1, NOW_MS, &[]);
        announce(&mut bench, &[&event], false);
        bring(&mut bench, &[&without(&event)]);
        if !is_staged {
            bench.syncs();
            assert!(!bench.log.events[0].has_body(), "it is taken on its signature's word");
        }
        assert_eq!(bench.uploads(ALICE, &[&event]), [], "no receipt for what is not on the disk");
        let receipt = ToClient::Receipts(vec![Receipt { id: event.id(), position: 1 }]);
        assert_eq!(sent(&bench.syncs())[&ALICE.into()], std::slice::from_ref(&receipt));
        assert_eq!(bench.log.events, [Arc::clone(&event)]);
        assert_eq!(sent(&bench.uploads(ALICE, &[&without(&event)]))[&ALICE.into()], [receipt]);
    }
}

#[test]
fn what_was_deleted_is_acked_and_not_taken_back_in() {
    let mut bench = Bench::new();
    bench.welcomes(ALICE);
    let event = post(ALICE, BOB, 1, NOW_MS, &[]);
    let gone = delete(ALICE, BOB, 2, &event);
    bench.uploads(ALICE, &[&event, &gone]);
    bench.syncs();
    let receipt = ToClient::Receipts(vec![Receipt { id: event.id(), position: 1 }]);
    assert_eq!(sent(&bench.uploads(ALICE, &[&event]))[&ALICE.into()], [receipt]);
    assert!(bench.gathered.is_empty());
    bench.welcomes(BOB);
    let told = bench.says(BOB.into(), ToServer::Follow { room: None, after: 0, bodies: true });
    let bytes = |event: &Event| Some(ByteBuf::from(event.bytes()));
    let fed: Vec<_> = match &sent(&told)[&BOB.into()][..] {
        [ToClient::Feed { items, .. }] => items.iter().map(|item| item.event.clone()).collect(),
        other => panic!("{other:?}"),
    };
    assert_eq!(fed, [bytes(&without(&event)), bytes(&gone)]);
    assert_eq!(bench.step(Input::Tick), [], "nobody is asked for it");
}

#[test]
fn a_body_that_lacks_without_a_deletion_is_asked_for_at_every_peer_until_it_comes() {
    let mut bench = Bench::new();
    let other = ServerId::new([12; 32]);
    for peer in [PEER, other] {
        bench.step(Input::PeerUp { peer, incarnation: Incarnation::new([9; 16]) });
    }
    let event = post(ALICE, BOB, 1, NOW_MS, &[]);
    announce(&mut bench, &[&event], false);
    bring(&mut bench, &[&without(&event)]);
    bench.syncs();
    let mut asked = BTreeSet::new();
    for _ in 0..4 {
        for output in bench.step(Input::Tick) {
            let Output::SendPeer { peer, frame } = output else { continue };
            assert_eq!(frame, ToServer::Fetch { ids: vec![event.id()] });
            asked.insert(peer);
        }
        bring(&mut bench, &[&without(&event)]);
        bench.syncs();
    }
    assert_eq!(asked, [PEER, other].into(), "whoever dropped it is not the only one to be asked");
    bring(&mut bench, &[&event]);
    bench.syncs();
    assert_eq!(bench.log.events, [event]);
    let more: Vec<_> = (0..3).flat_map(|_| bench.step(Input::Tick)).collect();
    assert_eq!(more, []);
}

#[test]
fn an_edit_without_its_body_follows_from_a_message_of_its_author_and_fits_when_the_body_comes() {
    let edit = |author: u8, target: &Event| {
        let draft = Draft {
            device: device(author),
            seq: 7,
            parents: [target.id()].into(),
            time: Time::from_millis(target.time().millis() + 1),
            conversation: direct(ALICE, BOB),
            kind: Kind::Edit,
            body: tercet::content::about(target.id(), "better"),
        };
        Arc::new(draft.sign(&key(author)).unwrap())
    };
    let message = post(ALICE, BOB, 1, NOW_MS, &[]);
    for (author, fits) in [(ALICE, true), (BOB, false)] {
        let mut bench = Bench::new();
        bench.welcomes(author);
        let edit = edit(author, &message);
        let answer = bench.uploads(author, &[&message, &without(&edit)]);
        assert_eq!(answer.is_empty(), fits, "{answer:?}");
        bench.syncs();
        let whole = bench.uploads(author, &[&edit]);
        bench.syncs();
        assert_eq!(whole, []);
        assert_eq!(bench.log.events.contains(&edit), fits);
    }
}
