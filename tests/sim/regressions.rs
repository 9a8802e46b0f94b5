//! What the simulator found, each in the fewest steps that show it.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::SigningKey;
use tercet::client::{Action, Client, Config, Effects, Input};
use tercet::clock::Time;
use tercet::content::{Charter, Past};
use tercet::event::{Conversation, Draft, Event, Kind, Origin, account_of};
use tercet::frame::{Item, Receipt, Rejection, ToClient, ToServer};
use tercet::id::{ClusterId, DeviceId, EventId, Incarnation, RoomId, ServerId};
use tercet::limits::REFUSED_AGAIN_MS;
use tercet::view::{Member, View};

use crate::world::EPOCH_MS;

const INCARNATION: Incarnation = Incarnation::new([1; 16]);

fn server() -> ServerId {
    ServerId::new(SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes())
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

pub fn notes() -> Conversation {
    Conversation::direct(account_of(&key()), account_of(&key()))
}

/// How a device of these servers starts.
fn config(servers: &[ServerId]) -> Config {
    let member = |(id, number): (&ServerId, usize)| Member {
        name: number.to_string(),
        address: format!("host:{number}"),
        id: *id,
        sealed: false,
    };
    let members = servers.iter().zip(1..).map(member).collect();
    let view = View::new(ClusterId::new([7; 16]), 1, members).unwrap();
    let device = DeviceId::new([1; 16]);
    Config { key: key(), name: "alice".to_owned(), device, view, window_ms: 0, quorum: 1 }
}

/// A client of one server, to which it is connected.
pub fn connected() -> Client {
    let (mut client, _) = Client::resume(EPOCH_MS, config(&[server()]), &[]).unwrap();
    step(&mut client, 0, Input::Up { server: server(), incarnation: INCARNATION }, &mut Effects::default());
    client
}

fn step(client: &mut Client, after_ms: u64, input: Input, effects: &mut Effects) {
    client.step(EPOCH_MS + after_ms, input, effects).unwrap();
}

fn hear(client: &mut Client, after_ms: u64, frame: ToClient, effects: &mut Effects) {
    step(client, after_ms, Input::Frame { server: server(), frame }, effects);
}

fn say(client: &mut Client, text: &str) -> EventId {
    let body = text.as_bytes().to_vec();
    let input = Input::Say { conversation: notes(), kind: Kind::Post, body };
    step(client, 0, input, &mut Effects::default());
    client.transcript(notes()).unwrap().heads().next().unwrap()
}

fn another_devices_event(device: u8, parents: BTreeSet<EventId>) -> Event {
    let draft = Draft {
        device: DeviceId::new([device; 16]),
        seq: 1,
        time: Time::from_millis(EPOCH_MS + parents.len() as u64),
        parents,
        conversation: notes(),
        kind: Kind::Post,
        body: b"hello".to_vec(),
    };
    draft.sign(&key()).unwrap()
}

fn feed(event: &Event) -> ToClient {
    let item = Item { position: 1, id: event.id(), event: Some(event.bytes().to_vec().into()) };
    ToClient::Feed { room: None, items: vec![item], after: 0, upto: 1, caught_up: true }
}

#[test]
fn a_burst_that_waits_behind_a_clock_ahead_does_not_cost_the_connection() {
    let mut client = connected();
    let said: Vec<_> = (0..100).map(|number| say(&mut client, &number.to_string())).collect();
    let mut effects = Effects::default();
    for round in 0..60 {
        let after_ms = round * (REFUSED_AGAIN_MS + 1);
        let why = Rejection::ClockAhead { ahead_ms: 200_000 };
        hear(&mut client, after_ms, ToClient::Rejected { id: said[0], why }, &mut effects);
        for pair in said.windows(2) {
            let missing = ToClient::Missing { id: pair[1], parents: vec![pair[0]] };
            hear(&mut client, after_ms, missing, &mut effects);
        }
    }
    let dropped = effects.actions.iter().find(|action| matches!(action, Action::Drop { .. }));
    assert_eq!(dropped, None);
}

#[test]
fn what_was_meant_for_a_lost_connection_does_not_open_the_next() {
    let mut client = connected();
    let mut effects = Effects::default();
    hear(&mut client, 10, feed(&another_devices_event(2, BTreeSet::new())), &mut effects);
    step(&mut client, 10, Input::Down { server: server() }, &mut effects);
    step(&mut client, 10, Input::Up { server: server(), incarnation: INCARNATION }, &mut effects);
    let sent = effects.actions.iter().filter_map(|action| match action {
        Action::Send { frame, .. } => Some(frame),
        _ => None,
    });
    let sent: Vec<_> = sent.collect();
    assert!(matches!(sent[..], [ToServer::Follow { after: 1, .. }]), "{sent:?}");
}

#[test]
fn an_event_whose_parent_is_lost_with_the_server_does_not_wait_for_ever() {
    let mut client = connected();
    let parent = another_devices_event(2, BTreeSet::new());
    let child = another_devices_event(3, BTreeSet::from([parent.id()]));
    let announced = |position, event: &Event| Item { position, id: event.id(), event: None };
    let items = vec![announced(1, &parent), announced(2, &child)];
    hear(
        &mut client,
        10,
        ToClient::Feed { room: None, items, after: 0, upto: 2, caught_up: true },
        &mut Effects::default(),
    );
    let bodies = ToClient::Bodies(vec![child.bytes().to_vec().into()]);
    hear(&mut client, 20, bodies, &mut Effects::default());
    assert_eq!(client.unsettled(), 2, "the child waits for the parent, the parent for its body");
    step(&mut client, 30, Input::Down { server: server() }, &mut Effects::default());
    assert_eq!(client.unsettled(), 0, "whoever has them will tell again");
}

#[test]
fn only_our_own_signature_on_our_devices_name_shows_that_the_log_is_behind() {
    let by = |key: &SigningKey| {
        let conversation = Conversation::direct(account_of(&self::key()), account_of(key));
        let (device, time) = (DeviceId::new([1; 16]), Time::from_millis(EPOCH_MS));
        let (parents, body) = (BTreeSet::new(), b"hello".to_vec());
        Draft { device, seq: 1, parents, time, conversation, kind: Kind::Post, body }.sign(key).unwrap()
    };
    let mut client = connected();
    let mut effects = Effects::default();
    hear(&mut client, 10, feed(&by(&SigningKey::from_bytes(&[6; 32]))), &mut effects);
    assert!(!effects.actions.iter().any(|action| matches!(action, Action::Drop { .. })), "{effects:?}");
    assert_eq!(client.overtaken(), None);
    let ours = by(&key());
    hear(&mut client, 20, feed(&ours), &mut effects);
    assert_eq!(client.overtaken(), Some(ours.id()));
}

/// Seed 30033645: a member from whom the past of a room is kept gave it to a server that had lost its log, without the
/// words. Their author took the server's word for it that it had them, and nobody else did.
#[test]
fn an_announcement_shows_that_an_event_is_there_and_not_that_its_words_are() {
    let mut client = connected();
    let effects = &mut Effects::default();
    let charter = Charter { name: "den".parse().unwrap(), public: true, history: Past::SinceJoining };
    step(&mut client, 0, Input::Begin { charter }, effects);
    let room = client.followed().next().unwrap();
    let input =
        Input::Say { conversation: Conversation::Room(room), kind: Kind::Post, body: b"hello".to_vec() };
    step(&mut client, 0, input, effects);
    let note = say(&mut client, "to myself");
    let events = client.conversations().flat_map(|(_, transcript)| transcript.keys());
    let events: Vec<_> = events.map(|key| key.id).collect();

    let other = Incarnation::new([2; 16]);
    step(&mut client, 10, Input::Down { server: server() }, effects);
    step(&mut client, 10, Input::Up { server: server(), incarnation: other }, effects);
    assert_eq!(client.owed(0), events.len());
    for room in [None, Some(room)] {
        let items =
            (1..).zip(&events).map(|(position, id)| Item { position, id: *id, event: None }).collect();
        let upto = events.len() as u64;
        hear(&mut client, 20, ToClient::Feed { room, items, after: 0, upto, caught_up: true }, effects);
    }
    let said_in_room = client.transcript(Conversation::Room(room)).unwrap().keys().count();
    assert_eq!((client.owed(0), said_in_room), (said_in_room, 2), "and not the note to myself");
    let receipts = (1..).zip(&events).map(|(position, id)| Receipt { id: *id, position }).collect();
    hear(&mut client, 30, ToClient::Receipts(receipts), effects);
    assert_eq!((client.owed(0), client.copies(&note)), (0, 1));
}

/// Seed 30021337: all servers had lost their logs, and the only device that still had a private room had it from another
/// device of its person. No server knew who may read the room, so none told of it; and until one had, none was given it.
#[test]
fn a_private_room_that_no_server_knows_any_more_is_given_its_beginning() {
    let of_another_device = |seq, conversation, kind, body| {
        let (device, time) = (DeviceId::new([2; 16]), Time::from_millis(EPOCH_MS + seq));
        let draft = Draft { device, seq, parents: BTreeSet::new(), time, conversation, kind, body };
        draft.sign(&key()).unwrap()
    };
    let origin = Origin { account: account_of(&key()), device: DeviceId::new([2; 16]), seq: 1 };
    let room = RoomId::of(origin);
    let charter = Charter { name: "den".parse().unwrap(), public: false, history: Past::Open };
    let begins = of_another_device(1, Conversation::Room(room), Kind::Create, charter.encode());
    let follows = of_another_device(2, notes(), Kind::Follow, room.as_bytes().to_vec());
    let mut client = connected();
    let effects = &mut Effects::default();
    hear(&mut client, 10, feed(&follows), effects);
    let ToClient::Feed { items, .. } = feed(&begins) else { unreachable!() };
    let frame = ToClient::Feed { room: Some(room), items, after: 0, upto: 1, caught_up: true };
    hear(&mut client, 10, frame, effects);
    assert!(client.event(&begins.id()).is_some());

    step(&mut client, 20, Input::Down { server: server() }, effects);
    let incarnation = Incarnation::new([2; 16]);
    step(&mut client, 20, Input::Up { server: server(), incarnation }, effects);
    let mut effects = Effects::default();
    let nothing = ToClient::Feed { room: None, items: Vec::new(), after: 0, upto: 0, caught_up: true };
    hear(&mut client, 30, nothing, &mut effects);
    assert_eq!(
        uploaded(&effects, server()).keys().copied().collect::<BTreeSet<_>>(),
        [begins.id(), follows.id()].into()
    );
}

/// What a server was sent to store.
fn uploaded(effects: &Effects, to: ServerId) -> BTreeMap<EventId, Event> {
    let uploads = effects.actions.iter().filter_map(|action| match action {
        Action::Send { server, frame: ToServer::Upload { events } } if *server == to => Some(events),
        _ => None,
    });
    let events = uploads.flatten().map(|event| Event::from_bytes(event).unwrap());
    events.map(|event| (event.id(), event)).collect()
}

/// A server tells of these, by their ids, and that this is all.
fn tells(room: Option<RoomId>, events: &[&Event]) -> ToClient {
    let item = |(position, event): (u64, &&Event)| Item { position, id: event.id(), event: None };
    let items = (1..).zip(events).map(item).collect();
    ToClient::Feed { room, items, after: 0, upto: events.len() as u64, caught_up: true }
}

/// A room whose past is closed, as somebody has it who came later: its beginning, what was said before that and is kept
/// from them, their coming, and what was said then. A note of theirs comes before all that, and says that they follow it.
fn closed_room() -> (RoomId, Event, [Event; 4]) {
    let host = SigningKey::from_bytes(&[2; 32]);
    let origin = Origin { account: account_of(&host), device: DeviceId::new([2; 16]), seq: 1 };
    let room = RoomId::of(origin);
    let says = |key: &SigningKey, seq, conversation, kind, after: Option<&Event>, body: &[u8]| {
        let draft = Draft {
            device: DeviceId::new([2; 16]),
            seq,
            parents: after.map(Event::id).into_iter().collect(),
            time: Time::from_millis(EPOCH_MS + seq),
            conversation,
            kind,
            body: body.to_vec(),
        };
        draft.sign(key).unwrap()
    };
    let within = Conversation::Room(room);
    let charter = Charter { name: "den".parse().unwrap(), public: true, history: Past::SinceJoining };
    let begins = says(&host, 1, within, Kind::Create, None, &charter.encode());
    let before = says(&host, 2, within, Kind::Post, Some(&begins), b"before");
    let follows = says(&key(), 3, notes(), Kind::Follow, None, room.as_bytes());
    let comes = says(&key(), 4, within, Kind::Join, Some(&before), b"");
    let after = says(&host, 5, within, Kind::Post, Some(&comes), b"after");
    let kept = before.without_body().unwrap();
    (room, follows, [begins, kept, comes, after])
}

/// Seed 40087669: what was said in a room whose past is closed came back to servers that had lost their logs from a
/// member from whom it is kept. Another member had the words and did not give them; and nothing of the room, from one
/// who had come later and said nothing since.
#[test]
fn words_are_given_to_a_lost_log_that_has_the_event_and_may_not_have_them() {
    let (room, follows, events) = closed_room();
    let [begins, kept, comes, after] = &events;
    let mut client = connected();
    hear(&mut client, 10, feed(&follows), &mut Effects::default());
    let item = |event: &Event| Item {
        position: event.seq(),
        id: event.id(),
        event: Some(event.bytes().to_vec().into()),
    };
    let items = events.iter().map(item).collect();
    let frame = ToClient::Feed { room: Some(room), items, after: 0, upto: 5, caught_up: true };
    hear(&mut client, 10, frame, &mut Effects::default());
    let lost = |client: &mut Client, life: u8, told: &[&Event]| {
        let (incarnation, effects) = (Incarnation::new([life; 16]), &mut Effects::default());
        step(client, 20, Input::Down { server: server() }, effects);
        step(client, 20, Input::Up { server: server(), incarnation }, effects);
        let mut effects = Effects::default();
        hear(client, 30, tells(Some(room), told), &mut effects);
        uploaded(&effects, server())
    };
    let given = lost(&mut client, 2, &[begins, kept, comes, after]);
    assert_eq!(
        given.values().collect::<Vec<_>>(),
        [after],
        "what it was told of and has no more of is there"
    );
    let given = lost(&mut client, 3, &[begins, comes]);
    assert_eq!(given, [kept, after].map(|event| (event.id(), event.clone())).into());
    assert!(!given[&kept.id()].has_body());
    let receipts = vec![Receipt { id: after.id(), position: 1 }, Receipt { id: kept.id(), position: 2 }];
    hear(&mut client, 40, ToClient::Receipts(receipts), &mut Effects::default());
    assert_eq!(lost(&mut client, 3, &[]).len(), 0, "what it has acked it has whole");
}

/// Seed 40094320: a device had met one server, which was then removed as lost. The others lost their logs before it met
/// them, and so for it had lost nothing.
#[test]
fn what_none_of_the_servers_has_that_are_met_for_the_first_time_goes_to_all_of_them() {
    let event = another_devices_event(2, BTreeSet::new());
    let mut log = Vec::new();
    let opened = |log: &mut Vec<_>, servers: &[ServerId], told: &[ToClient]| {
        let (mut client, mut effects) = Client::resume(EPOCH_MS, config(servers), log).unwrap();
        for (server, frame) in servers.iter().zip(told) {
            step(&mut client, 10, Input::Up { server: *server, incarnation: INCARNATION }, &mut effects);
            let input = Input::Frame { server: *server, frame: frame.clone() };
            step(&mut client, 20, input, &mut effects);
        }
        log.append(&mut effects.log);
        let given = |server: &ServerId| uploaded(&effects, *server).into_values().collect::<Vec<_>>();
        servers.iter().map(given).collect::<Vec<_>>()
    };
    let nothing = Vec::<Event>::new();
    assert!(opened(&mut log, &[server()], &[feed(&event)])[0].is_empty());
    let others =
        [3, 4].map(|seed| ServerId::new(SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes()));
    let (empty, whole) = (tells(None, &[]), tells(None, &[&event]));
    for (told, given) in [
        (vec![empty.clone()], nothing.clone()), // the other one may have it
        (vec![empty.clone(), whole.clone()], nothing.clone()),
        (vec![whole, empty.clone()], nothing),
        (vec![empty.clone(), empty], vec![event]),
    ] {
        let sent = opened(&mut log.clone(), &others, &told);
        assert_eq!(sent, [given.clone(), given], "they told {told:?}");
    }
}

/// Seed 70040839: a room was left and the feed lost in the same moment. The next feed followed everything anew, and so
/// forgot that it still had to be told of the room; what that had announced was fetched once a second for ever, and
/// not taken.
#[test]
fn a_room_that_is_left_as_the_feed_changes_is_followed_no_more() {
    let other = ServerId::new(SigningKey::from_bytes(&[10; 32]).verifying_key().to_bytes());
    let (mut client, _) = Client::resume(EPOCH_MS, config(&[server(), other]), &[]).unwrap();
    for server in [server(), other] {
        let up = Input::Up { server, incarnation: INCARNATION };
        step(&mut client, 0, up, &mut Effects::default());
    }
    let room = RoomId::new([5; 16]);
    let note = |kind| Input::Say { conversation: notes(), kind, body: room.as_bytes().to_vec() };
    step(&mut client, 0, note(Kind::Follow), &mut Effects::default());
    let said = EventId::new([7; 32]);
    let items = vec![Item { position: 1, id: said, event: None }];
    let frame = ToClient::Feed { room: Some(room), items, after: 0, upto: 1, caught_up: true };
    let mut effects = Effects::default();
    step(&mut client, 1, Input::Frame { server: other, frame }, &mut effects);
    let inputs = vec![note(Kind::Unfollow), Input::Down { server: server() }];
    client.steps(EPOCH_MS + 2, inputs, &mut effects).into_iter().for_each(Result::unwrap);
    for second in 1..10 {
        step(&mut client, second * 1_000, Input::Tick, &mut effects);
    }
    let to_other = effects.actions.iter().filter_map(|action| match action {
        Action::Send { server, frame } if *server == other => Some(frame),
        _ => None,
    });
    let frames: Vec<_> = to_other.collect();
    assert!(frames.contains(&&ToServer::Unfollow { room }), "{frames:?}");
    assert!(!frames.iter().any(|frame| matches!(frame, ToServer::Fetch { .. })), "{frames:?}");
    assert_eq!(client.unsettled(), 0);
}
