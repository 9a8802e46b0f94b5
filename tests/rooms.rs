//! Rooms, through the machines: who is told of what, and what a device displays.

#![expect(clippy::unwrap_used, reason = "this is a test")]

mod shared;

use std::collections::BTreeSet;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use tercet::client::{Action, Client, Config as ClientConfig, Effects, Input as ClientInput};
use tercet::clock::Time;
use tercet::content::{Charter, Past};
use tercet::event::{Conversation, Draft, Event, Kind, Origin, account_of};
use tercet::frame::{Item, Role, ToClient, ToServer, Token};
use tercet::history::Entry;
use tercet::id::{ClusterId, DeviceId, EventId, Incarnation, Position, RoomId, Seq, ServerId};
use tercet::server::{Config, ConnId, Input, Output, Request};
use tercet::view::{Member, View};

use shared::{Bench, Memory};

const NOW_MS: u64 = 1_000_000;
const CLUSTER: ClusterId = ClusterId::new([7; 16]);
const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
const DAVE: u8 = 4;

fn key(person: u8) -> SigningKey {
    SigningKey::from_bytes(&[person; 32])
}

/// The room that alice begins with her first event.
fn room() -> RoomId {
    RoomId::of(Origin { account: account_of(&key(ALICE)), device: DeviceId::new([ALICE; 16]), seq: 1 })
}

fn event(
    person: u8,
    seq: Seq,
    parents: &[&Event],
    place: Conversation,
    kind: Kind,
    body: &[u8],
) -> Arc<Event> {
    let draft = Draft {
        device: DeviceId::new([person; 16]),
        seq,
        parents: parents.iter().map(|parent| parent.id()).collect::<BTreeSet<_>>(),
        time: Time::from_millis(NOW_MS - 1_000 + seq),
        conversation: place,
        kind,
        body: body.to_vec(),
    };
    Arc::new(draft.sign(&key(person)).unwrap())
}

fn begin(public: bool) -> Arc<Event> {
    let charter = Charter { name: "lab".parse().unwrap(), public, history: Past::Open };
    event(ALICE, 1, &[], Conversation::Room(room()), Kind::Create, &charter.encode())
}

fn post(seq: Seq, after: &Event) -> Arc<Event> {
    event(ALICE, seq, &[after], Conversation::Room(room()), Kind::Post, b"hello")
}

fn invite(from: u8, to: u8, seq: Seq) -> Arc<Event> {
    let place = Conversation::direct(account_of(&key(from)), account_of(&key(to)));
    event(from, seq, &[], place, Kind::Invite, room().as_bytes())
}

// ---- a server -----------------------------------------------------------------------------------------

fn view() -> View {
    let member = |n: u8| Member {
        name: n.to_string(),
        address: format!("host:{n}"),
        id: ServerId::new([n; 32]),
        sealed: false,
    };
    View::new(CLUSTER, 1, [10, 11].map(member).into()).unwrap()
}

impl Bench {
    fn new() -> Self {
        Self::over(Memory::default())
    }

    fn over(log: Memory) -> Self {
        let config = Config {
            server: ServerId::new([10; 32]),
            token: Token::new([5; 32]),
            view: view(),
            incarnation: Incarnation::new([1; 16]),
            started_ms: NOW_MS,
            sealed: false,
            asks: false,
        };
        Self::start(config, log)
    }

    /// A person's device connects; the connection has the person's number.
    fn welcomes(&mut self, person: u8) {
        let role = Role::Device { device: DeviceId::new([person; 16]), token: Token::new([5; 32]) };
        self.opens(person.into(), *account_of(&key(person)).as_bytes(), &view(), role);
    }

    fn follows(&mut self, person: u8, after: Position) -> Vec<EventId> {
        let outputs = self.says(person.into(), ToServer::Follow { room: Some(room()), after, bodies: true });
        told(&outputs, person)
    }

    /// Alice's connection uploads an event and the disk takes it; what that brings about.
    fn takes(&mut self, event: &Arc<Event>) -> Vec<Output> {
        let conn = ConnId::from(ALICE);
        let request = Request::Upload(vec![Arc::clone(event)]);
        for output in self.step(Input::Request { conn, request }) {
            let refused = matches!(
                output,
                Output::Send { frame: ToClient::Missing { .. }, .. } | Output::Refuse { .. }
            );
            assert!(!refused, "the event is not taken: {output:?}");
        }
        self.syncs()
    }
}

/// What somebody is told of the room.
fn told(outputs: &[Output], person: u8) -> Vec<EventId> {
    let items = outputs.iter().flat_map(|output| match output {
        Output::Send { conn, frame: ToClient::Feed { room: Some(of), items, .. } }
            if *conn == ConnId::from(person) && *of == room() =>
        {
            items.iter().map(|item| item.id).collect()
        }
        _ => Vec::new(),
    });
    items.collect()
}

#[test]
fn a_public_room_is_told_to_whoever_follows_it_and_to_nobody_else() {
    let mut bench = Bench::new();
    [ALICE, BOB, CAROL].into_iter().for_each(|person| bench.welcomes(person));
    let (first, second) = (begin(true), post(2, &begin(true)));
    bench.takes(&first);
    assert_eq!(bench.follows(BOB, 0), [first.id()]);
    let outputs = bench.takes(&second);
    assert_eq!(told(&outputs, BOB), [second.id()]);
    assert_eq!(told(&outputs, CAROL), []);
    bench.says(BOB.into(), ToServer::Unfollow { room: room() });
    assert_eq!(told(&bench.takes(&post(3, &second)), BOB), []);
}

#[test]
fn everybodys_home_tells_of_a_public_rooms_beginning_and_of_no_private_one() {
    for public in [true, false] {
        let mut bench = Bench::new();
        [ALICE, BOB].into_iter().for_each(|person| bench.welcomes(person));
        bench.says(BOB.into(), ToServer::Follow { room: None, after: 0, bodies: true });
        let outputs = bench.takes(&begin(public));
        let is_told = |output: &Output| {
            matches!(output, Output::Send { conn, frame: ToClient::Feed { room: None, items, .. } }
                if *conn == ConnId::from(BOB) && !items.is_empty())
        };
        assert_eq!(outputs.iter().any(is_told), public);
    }
}

#[test]
fn a_private_room_is_silent_until_its_reader_is_invited() {
    let mut bench = Bench::new();
    [ALICE, BOB, CAROL].into_iter().for_each(|person| bench.welcomes(person));
    let first = begin(false);
    bench.takes(&first);
    assert_eq!(bench.follows(BOB, 0), []);
    assert_eq!(bench.follows(CAROL, 0), []);
    let fetch = ToServer::Fetch { ids: vec![first.id()] };
    let fetched = |outputs: Vec<Output>| {
        outputs.iter().any(|output| {
            matches!(output, Output::Send { frame: ToClient::Bodies(bodies), .. } if !bodies.is_empty())
        })
    };
    assert!(!fetched(bench.says(BOB.into(), fetch.clone())), "who may not read may not fetch");
    // Carol's place in the chain comes before bob's, which it hangs on.
    assert_eq!(told(&bench.takes(&invite(BOB, CAROL, 1)), CAROL), []);
    let outputs = bench.takes(&invite(ALICE, BOB, 2));
    assert_eq!(told(&outputs, BOB), [first.id()]);
    assert_eq!(told(&outputs, CAROL), [first.id()]);
    assert!(fetched(bench.says(BOB.into(), fetch)));
    let second = post(3, &first);
    assert_eq!(told(&bench.takes(&second), BOB), [second.id()]);
}

#[test]
fn a_server_that_starts_knows_who_was_invited() {
    let log = Memory { events: vec![begin(false), invite(ALICE, BOB, 2)], ..Memory::default() };
    let mut bench = Bench::over(log);
    [BOB, CAROL].into_iter().for_each(|person| bench.welcomes(person));
    assert_eq!(bench.follows(BOB, 0), [begin(false).id()]);
    assert_eq!(bench.follows(CAROL, 0), []);
}

// ---- a client -----------------------------------------------------------------------------------------

/// Bob's client, connected to its one server.
struct Bob {
    client: Client,
    log: Vec<Entry>,
    config: ClientConfig,
}

impl Bob {
    fn new() -> Self {
        Self::with(0, 1)
    }

    /// He is shown a line after its window, and after so many servers have told of it.
    fn with(window_ms: u64, quorum: usize) -> Self {
        let member = Member {
            name: "1".to_owned(),
            address: "host:1".to_owned(),
            id: ServerId::new([10; 32]),
            sealed: false,
        };
        let config = ClientConfig {
            key: key(BOB),
            name: "bob".to_owned(),
            device: DeviceId::new([BOB; 16]),
            view: View::new(CLUSTER, 1, vec![member]).unwrap(),
            window_ms,
            quorum,
        };
        let (client, effects) = Client::resume(NOW_MS, config.clone(), &[]).unwrap();
        let mut bob = Self { client, log: effects.log, config };
        bob.step(ClientInput::Up { server: ServerId::new([10; 32]), incarnation: Incarnation::new([1; 16]) });
        bob.feed(None, &[], 0);
        bob
    }

    fn step(&mut self, input: ClientInput) -> Vec<Action> {
        let mut effects = Effects::default();
        self.client.step(NOW_MS, input, &mut effects).unwrap();
        self.log.extend(effects.log);
        effects.actions
    }

    fn feed(&mut self, room: Option<RoomId>, events: &[&Arc<Event>], upto: Position) -> Vec<Action> {
        self.feed_after(0, room, events, upto)
    }

    fn feed_after(
        &mut self,
        after: Position,
        room: Option<RoomId>,
        events: &[&Arc<Event>],
        upto: Position,
    ) -> Vec<Action> {
        let item = |(position, event): (Position, &&Arc<Event>)| Item {
            position,
            id: event.id(),
            event: Some(ByteBuf::from(event.bytes())),
        };
        let items = (after + 1..).zip(events).map(item).collect();
        let frame = ToClient::Feed { room, items, after, upto, caught_up: true };
        self.step(ClientInput::Frame { server: ServerId::new([10; 32]), frame })
    }

    fn notes(&mut self, kind: Kind) -> Vec<Action> {
        let own = Conversation::direct(account_of(&key(BOB)), account_of(&key(BOB)));
        self.step(ClientInput::Say { conversation: own, kind, body: room().as_bytes().to_vec() })
    }
}

fn frames(actions: &[Action]) -> Vec<&ToServer> {
    let frames = actions.iter().filter_map(|action| match action {
        Action::Send { frame: ToServer::Upload { .. }, .. } => None,
        Action::Send { frame, .. } => Some(frame),
        _ => None,
    });
    frames.collect()
}

fn shown(actions: &[Action]) -> Vec<EventId> {
    let shown = |action: &Action| match action {
        Action::Show { event, .. } => Some(event.id()),
        _ => None,
    };
    actions.iter().filter_map(shown).collect()
}

#[test]
fn a_note_to_oneself_makes_a_device_follow_a_room_and_let_go_of_it() {
    let mut bob = Bob::new();
    let follow = ToServer::Follow { room: Some(room()), after: 0, bodies: true };
    assert_eq!(frames(&bob.notes(Kind::Follow)), [&follow]);
    assert_eq!(frames(&bob.notes(Kind::Follow)), [] as [&ToServer; 0], "it is followed already");
    assert_eq!(frames(&bob.notes(Kind::Unfollow)), [&ToServer::Unfollow { room: room() }]);
    // What crossed with that is ignored, and ends no connection.
    assert_eq!(bob.feed(Some(room()), &[&begin(true)], 1), []);
    assert!(bob.client.event(&begin(true).id()).is_none());
}

#[test]
fn frames_that_cross_with_leaving_and_coming_back_move_no_cursor_past_what_was_ignored() {
    let mut bob = Bob::new();
    let (first, second) = (begin(true), post(2, &begin(true)));
    bob.notes(Kind::Follow);
    bob.notes(Kind::Unfollow);
    // The server has not read of that yet: it sends one frame before it hears of the second Follow, one after.
    bob.feed_after(0, Some(room()), &[&first], 1);
    let follow = ToServer::Follow { room: Some(room()), after: 0, bodies: true };
    assert_eq!(frames(&bob.notes(Kind::Follow)), [&follow]);
    assert_eq!(frames(&bob.feed_after(1, Some(room()), &[], 2)), [] as [&ToServer; 0]);
    let moved = ToServer::Cursor { room: Some(room()), position: 2 };
    assert_eq!(frames(&bob.feed(Some(room()), &[&first, &second], 2)), [&moved]);
}

#[test]
fn a_rooms_cursor_is_its_own_and_survives_the_connection() {
    let mut bob = Bob::new();
    bob.notes(Kind::Follow);
    let actions = bob.feed(Some(room()), &[&begin(true)], 9);
    assert_eq!(frames(&actions), [&ToServer::Cursor { room: Some(room()), position: 9 }]);
    bob.step(ClientInput::Down { server: ServerId::new([10; 32]) });
    let actions =
        bob.step(ClientInput::Up { server: ServerId::new([10; 32]), incarnation: Incarnation::new([1; 16]) });
    let home = ToServer::Follow { room: None, after: 0, bodies: true };
    let there = ToServer::Follow { room: Some(room()), after: 9, bodies: true };
    assert_eq!(frames(&actions), [&home, &there]);
}

#[test]
fn what_was_said_before_a_room_is_followed_is_read_back_and_not_displayed() {
    let mut bob = Bob::new();
    bob.notes(Kind::Follow);
    let (first, old) = (begin(true), post(2, &begin(true)));
    // Said after the note: its number makes its time.
    let new = post(2_000, &old);
    let mut displayed = shown(&bob.feed(Some(room()), &[&first, &old, &new], 3));
    let mut effects = Effects::default();
    bob.client.step(NOW_MS + 2_000, ClientInput::Tick, &mut effects).unwrap();
    displayed.extend(shown(&effects.actions));
    assert_eq!(displayed, [new.id()]);
    let transcript = bob.client.transcript(Conversation::Room(room())).unwrap();
    assert_eq!(transcript.keys().map(|key| key.id).collect::<Vec<_>>(), [first.id(), old.id(), new.id()]);
}

/// Nobody tells of a room that is left: what lacks its quorum would wait for ever.
#[test]
fn who_leaves_a_room_waits_for_nothing_of_it_but_what_they_wrote_themselves() {
    for (window_ms, quorum) in [(0, 2), (5_000, 2), (5_000, 1)] {
        let mut bob = Bob::with(window_ms, quorum);
        bob.notes(Kind::Follow);
        let first = begin(true);
        let (unsure, elsewhere) = (post(2_000, &first), invite(ALICE, BOB, 2_001));
        bob.feed(Some(room()), &[&first, &unsure], 2);
        bob.feed(None, &[&elsewhere], 3);
        let own = ClientInput::Say {
            conversation: Conversation::Room(room()),
            kind: Kind::Post,
            body: b"goodbye".to_vec(),
        };
        bob.step(own);
        let mut effects = Effects::default();
        bob.client.step(NOW_MS + 4_000, ClientInput::Tick, &mut effects).unwrap();
        assert_eq!((shown(&effects.actions), bob.client.unsettled()), (Vec::new(), 3));

        bob.notes(Kind::Unfollow);
        assert_eq!(bob.client.unsettled(), 2, "his own line, and what is said elsewhere");
        let (resumed, _) = Client::resume(NOW_MS, bob.config.clone(), &bob.log).unwrap();
        assert_eq!(resumed.unsettled(), 2, "window {window_ms} ms, quorum {quorum}");
        bob.notes(Kind::Follow);
        assert_eq!(bob.client.unsettled(), 2, "what was said before is read back");
    }
}

#[test]
fn an_event_about_another_names_it_as_a_parent() {
    let mut bob = Bob::new();
    bob.notes(Kind::Follow);
    let (first, said) = (begin(true), post(2, &begin(true)));
    let next = post(3, &said);
    bob.feed(Some(room()), &[&first, &said, &next], 3);
    let (conversation, body) = (Conversation::Room(room()), tercet::content::about(said.id(), "+1"));
    bob.step(ClientInput::Say { conversation, kind: Kind::React, body: body.clone() });
    let Some(Entry::Authored { event, .. }) =
        bob.log.iter().rev().find(|entry| matches!(entry, Entry::Authored { .. }))
    else {
        panic!("nothing was written")
    };
    let react = Event::from_bytes(event).unwrap();
    assert_eq!(react.parents().iter().collect::<BTreeSet<_>>(), BTreeSet::from([&said.id(), &next.id()]));
    // And what it is about must be here, in that conversation.
    let elsewhere = Conversation::direct(account_of(&key(ALICE)), account_of(&key(BOB)));
    let mut effects = Effects::default();
    let input = ClientInput::Say { conversation: elsewhere, kind: Kind::React, body };
    assert!(bob.client.step(NOW_MS, input, &mut effects).is_err());
    assert_eq!(effects.log, []);
}

// ---- rooms whose past is closed -----------------------------------------------------------------------

fn begin_closed() -> Arc<Event> {
    let charter = Charter { name: "lab".parse().unwrap(), public: true, history: Past::SinceJoining };
    event(ALICE, 1, &[], Conversation::Room(room()), Kind::Create, &charter.encode())
}

fn moves(person: u8, seq: Seq, after: &Event, kind: Kind) -> Arc<Event> {
    event(person, seq, &[after], Conversation::Room(room()), kind, b"")
}

/// The said events that a person is given from the room's start, each with whether it came whole.
fn heard(bench: &mut Bench, person: u8) -> Vec<(EventId, bool)> {
    bench.says(person.into(), ToServer::Unfollow { room: room() });
    let outputs = bench.says(person.into(), ToServer::Follow { room: Some(room()), after: 0, bodies: true });
    let items = outputs.into_iter().filter_map(|output| match output {
        Output::Send { frame: ToClient::Feed { items, .. }, .. } => Some(items),
        _ => None,
    });
    let events = items.flatten().filter_map(|item| item.event);
    let events = events.map(|bytes| Event::from_bytes(&bytes).unwrap());
    events.filter(|event| event.kind().is_said()).map(|event| (event.id(), event.has_body())).collect()
}

#[test]
fn of_a_closed_past_members_get_what_was_said_while_they_were() {
    let mut bench = Bench::new();
    let everybody = [ALICE, BOB, CAROL, DAVE];
    everybody.into_iter().for_each(|person| bench.welcomes(person));
    let mut log = vec![begin_closed()];
    log.push(moves(DAVE, 2, &log[0], Kind::Join));
    let say = |log: &mut Vec<Arc<Event>>| {
        let seq = log.len() as Seq + 1;
        let said = post(seq, log.last().unwrap());
        log.push(Arc::clone(&said));
        said.id()
    };
    let go = |log: &mut Vec<Arc<Event>>, kind| {
        let seq = log.len() as Seq + 1;
        let moved = moves(BOB, seq, log.last().unwrap(), kind);
        log.push(moved);
    };
    let before = say(&mut log);
    go(&mut log, Kind::Join);
    let during = say(&mut log);
    go(&mut log, Kind::Leave);
    let away = say(&mut log);
    go(&mut log, Kind::Join);
    let again = say(&mut log);
    log.iter().for_each(|event| _ = bench.takes(event));

    let all = [before, during, away, again];
    let expected = |whole: [bool; 4]| all.into_iter().zip(whole).collect::<Vec<_>>();
    for restarted in [false, true] {
        if restarted {
            bench = Bench::over(std::mem::take(&mut bench.log));
            everybody.into_iter().for_each(|person| bench.welcomes(person));
        }
        assert_eq!(heard(&mut bench, DAVE), expected([true; 4]), "all along; restarted: {restarted}");
        assert_eq!(heard(&mut bench, BOB), expected([false, true, false, true]), "restarted: {restarted}");
        assert_eq!(heard(&mut bench, CAROL), expected([false; 4]), "no member; restarted: {restarted}");
        let fetched = bench.says(BOB.into(), ToServer::Fetch { ids: all.to_vec() });
        let [Output::Send { frame: ToClient::Bodies(bodies), .. }] = &fetched[..] else {
            panic!("{fetched:?}");
        };
        let whole: Vec<_> = bodies.iter().map(|bytes| Event::from_bytes(bytes).unwrap().has_body()).collect();
        assert_eq!(whole, [false, true, false, true], "a Fetch gives no more");
    }
}

#[test]
fn a_coming_that_is_dated_back_opens_nothing() {
    let mut bench = Bench::new();
    [ALICE, BOB].into_iter().for_each(|person| bench.welcomes(person));
    let begin = begin_closed();
    let said = post(5, &post(4, &post(3, &begin)));
    let chain = [begin.clone(), post(3, &begin), post(4, &post(3, &begin)), said];
    chain.iter().for_each(|event| _ = bench.takes(event));
    let early = moves(BOB, 2, &begin, Kind::Join);
    assert!(early.time() < chain[2].time(), "it sorts before what was said");
    bench.takes(&early);
    assert!(heard(&mut bench, BOB).iter().all(|(_, whole)| !whole));
}

#[test]
fn what_is_said_while_a_newcomer_listens_comes_whole_from_its_coming_on() {
    let mut bench = Bench::new();
    [ALICE, BOB].into_iter().for_each(|person| bench.welcomes(person));
    let begin = begin_closed();
    bench.takes(&begin);
    heard(&mut bench, BOB);
    let before = post(2, &begin);
    let comes = moves(BOB, 3, &before, Kind::Join);
    let after = post(4, &comes);
    let whole = |outputs: &[Output]| -> Vec<bool> {
        let items = outputs.iter().filter_map(|output| match output {
            Output::Send { conn, frame: ToClient::Feed { items, .. } } if *conn == ConnId::from(BOB) => {
                Some(items.clone())
            }
            _ => None,
        });
        let events = items.flatten().filter_map(|item| item.event);
        events.map(|bytes| Event::from_bytes(&bytes).unwrap().has_body()).collect()
    };
    assert_eq!(whole(&bench.takes(&before)), [false]);
    bench.takes(&comes);
    assert_eq!(whole(&bench.takes(&after)), [true]);
}
