//! The client's machine, one rule at a time, with servers that are only names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use tercet::client::{Action, Client, Config, Effects, Input};
use tercet::clock::Time;
use tercet::content::about;
use tercet::event::{Claim, Conversation, Draft, Event, EventError, Kind, account_of};
use tercet::frame::{Item, Receipt, Rejection, ToClient, ToServer};
use tercet::history::Entry;
use tercet::id::{ClusterId, DeviceId, EventId, Incarnation, Position, Seq, ServerId};
use tercet::limits::{
    FETCH_AFTER_MS, FETCH_AGAIN_MS, MESSAGE_MAX_BYTES, PARENTS_MAX, QUORUM_LOOK_MS, QUORUM_SLOW_MS,
    REFUSED_AGAIN_MS, UPLOAD_WINDOW,
};
use tercet::view::{Member, View};

const NOW_MS: u64 = 1_700_000_000_000;
const WINDOW_MS: u64 = 400;

fn server(n: u8) -> ServerId {
    ServerId::new([n; 32])
}

fn key(person: u8) -> SigningKey {
    SigningKey::from_bytes(&[person; 32])
}

fn with_bob() -> Conversation {
    Conversation::direct(account_of(&key(1)), account_of(&key(2)))
}

fn config() -> Config {
    let member =
        |n: u8| Member { name: n.to_string(), address: format!("host:{n}"), id: server(n), sealed: false };
    let view = View::new(ClusterId::new([7; 16]), 1, (1..=3).map(member).collect()).unwrap();
    let device = DeviceId::new([1; 16]);
    Config { key: key(1), name: "alice".to_owned(), device, view, window_ms: WINDOW_MS, quorum: 1 }
}

fn by_bob(device: u8, seq: Seq, ms: u64, parents: &[EventId]) -> Arc<Event> {
    let draft = Draft {
        device: DeviceId::new([device; 16]),
        seq,
        parents: parents.iter().copied().collect::<BTreeSet<_>>(),
        time: Time::from_millis(ms),
        conversation: with_bob(),
        kind: Kind::Post,
        body: b"hi".to_vec(),
    };
    Arc::new(draft.sign(&key(2)).unwrap())
}

/// Alice's client, its log, and what its last step brought about.
struct Alice {
    client: Client,
    log: Vec<Entry>,
    now_ms: u64,
}

impl Alice {
    fn new() -> Self {
        Self::resume(Vec::new())
    }

    fn resume(log: Vec<Entry>) -> Self {
        Self::with_quorum(1, log)
    }

    fn with_quorum(quorum: usize, mut log: Vec<Entry>) -> Self {
        let (client, effects) = Client::resume(NOW_MS, Config { quorum, ..config() }, &log).unwrap();
        log.extend(effects.log);
        Self { client, log, now_ms: NOW_MS }
    }

    /// Connected, with a quorum of two; every window has passed.
    fn careful() -> Self {
        let mut alice = Self::with_quorum(2, Vec::new());
        for n in 1..=3 {
            alice.up(n, n);
            alice.feed(n, &[], 0);
        }
        alice.now_ms += 2 * WINDOW_MS;
        alice
    }

    /// With all three servers connected and read to their ends; the first is the feed.
    fn connected() -> Self {
        let mut alice = Self::new();
        for n in 1..=3 {
            alice.up(n, n);
            alice.feed(n, &[], 0);
        }
        alice
    }

    fn step(&mut self, input: Input) -> Vec<Action> {
        let mut effects = Effects::default();
        self.client.step(self.now_ms, input, &mut effects).unwrap();
        self.log.extend(effects.log);
        effects.actions
    }

    fn up(&mut self, n: u8, incarnation: u8) -> Vec<Action> {
        self.step(Input::Up { server: server(n), incarnation: Incarnation::new([incarnation; 16]) })
    }

    fn hears(&mut self, n: u8, frame: ToClient) -> Vec<Action> {
        self.step(Input::Frame { server: server(n), frame })
    }

    /// A server tells of events, whole or by id, at the positions up to `upto`.
    fn feed(&mut self, n: u8, events: &[(&Arc<Event>, bool)], upto: Position) -> Vec<Action> {
        let first = upto + 1 - events.len() as Position;
        let item = |(position, (event, whole)): (Position, &(&Arc<Event>, bool))| Item {
            position,
            id: event.id(),
            event: whole.then(|| ByteBuf::from(event.bytes())),
        };
        let items = (first..).zip(events).map(item).collect();
        self.hears(n, ToClient::Feed { room: None, items, after: 0, upto, caught_up: true })
    }

    fn says(&mut self, text: &str) -> Vec<Action> {
        let body = text.as_bytes().to_vec();
        self.step(Input::Say { conversation: with_bob(), kind: Kind::Post, body })
    }

    fn written(&self) -> Vec<Event> {
        let written = self.log.iter().filter_map(|entry| match entry {
            Entry::Authored { event, .. } => Some(Event::from_bytes(event).unwrap()),
            _ => None,
        });
        written.collect()
    }
}

/// To whom each event was uploaded, in order.
fn uploads(actions: &[Action]) -> Vec<(ServerId, EventId)> {
    let events = actions.iter().flat_map(|action| match action {
        Action::Send { server, frame: ToServer::Upload { events } } => {
            events.iter().map(|bytes| (*server, Event::from_bytes(bytes).unwrap().id())).collect()
        }
        _ => Vec::new(),
    });
    events.collect()
}

fn fetches(actions: &[Action]) -> Vec<(ServerId, Vec<EventId>)> {
    let fetches = actions.iter().filter_map(|action| match action {
        Action::Send { server, frame: ToServer::Fetch { ids } } => Some((*server, ids.clone())),
        _ => None,
    });
    fetches.collect()
}

fn copies(actions: &[Action]) -> Vec<usize> {
    let copies = actions.iter().filter_map(|action| match action {
        Action::Copies { copies, .. } => Some(*copies),
        _ => None,
    });
    copies.collect()
}

fn shown(actions: &[Action]) -> Vec<(EventId, bool)> {
    let shown = actions.iter().filter_map(|action| match action {
        Action::Show { event, late } => Some((event.id(), *late)),
        _ => None,
    });
    shown.collect()
}

fn receipt(id: EventId, position: Position) -> ToClient {
    ToClient::Receipts(vec![Receipt { id, position }])
}

#[test]
fn a_message_is_logged_and_then_sent_to_every_server() {
    let mut alice = Alice::connected();
    let actions = alice.says("hello");
    let event = &alice.written()[0];
    assert_eq!(uploads(&actions), [1, 2, 3].map(|n| (server(n), event.id())));
}

/// What several inputs in one go come to is what they come to one after the other, but for the frames.
#[test]
fn what_is_said_at_once_is_what_is_said_one_by_one_and_shares_a_frame_and_a_signature() {
    let say = |conversation, text: &str| Input::Say { conversation, kind: Kind::Post, body: text.into() };
    let to_self = Conversation::direct(account_of(&key(1)), account_of(&key(1)));
    let inputs = || {
        let mut inputs: Vec<_> = (1..=5).map(|n| say(with_bob(), &n.to_string())).collect();
        inputs.insert(2, say(with_bob(), "")); // nothing
        inputs.extend([say(to_self, "6"), Input::Tick, say(with_bob(), "7")]);
        inputs
    };
    let (mut at_once, mut one_by_one) = (Alice::connected(), Alice::connected());
    let mut effects = Effects::default();
    let answers = at_once.client.steps(NOW_MS, inputs(), &mut effects);
    at_once.log.append(&mut effects.log);
    assert_eq!(
        answers.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [1, 1, 0, 1, 1, 1, 1, 1, 1].map(|n| n == 1)
    );
    for input in inputs() {
        let _refused = one_by_one.client.step(NOW_MS, input, &mut effects);
    }
    one_by_one.log.append(&mut effects.log);
    let said = |alice: &Alice| alice.written().iter().map(Event::id).collect::<Vec<_>>();
    assert_eq!(said(&at_once), said(&one_by_one));
    assert_eq!(said(&at_once).len(), 7);
    let frames = |actions: &[Action]| {
        let to_first = actions.iter().filter_map(|action| match action {
            Action::Send { server: to, frame: ToServer::Upload { events } } if *to == server(1) => {
                Some(events.len())
            }
            _ => None,
        });
        to_first.collect::<Vec<_>>()
    };
    assert_eq!(frames(&effects.actions), [7, 1, 1, 1, 1, 1, 1, 1], "one frame, and then one for each");
    let signed = at_once.written();
    let lengths: Vec<_> =
        signed.iter().map(|event| Claim::of(event.bytes()).unwrap().signature().len()).collect();
    assert!(lengths[..5].iter().all(|length| *length > 64), "{lengths:?}");
    assert_eq!(lengths[5..], [64, 64]);
    // A restarted client is the one that stopped, and has all of it to send.
    let mut again = Alice::resume(at_once.log);
    assert_eq!(uploads(&again.up(2, 2)).len(), 7);
}

#[test]
fn heads_beyond_number_are_merged_before_what_is_said_at_once() {
    let mut alice = Alice::connected();
    let heads: Vec<_> = (1_u8..).take(PARENTS_MAX + 1).map(|n| by_bob(n, 1, NOW_MS, &[])).collect();
    let told: Vec<_> = heads.iter().map(|event| (event, true)).collect();
    alice.feed(1, &told, told.len() as Position);
    let say = |n: u8| Input::Say { conversation: with_bob(), kind: Kind::Post, body: vec![b'a' + n] };
    let mut effects = Effects::default();
    let answers = alice.client.steps(NOW_MS, (0..3).map(say).collect(), &mut effects);
    assert_eq!(answers, [Ok(()), Ok(()), Ok(())]);
    alice.log.extend(effects.log);
    let kinds: Vec<_> = alice.written().iter().map(Event::kind).collect();
    assert_eq!(kinds, [Kind::Merge, Kind::Post, Kind::Post, Kind::Post]);
}

#[test]
fn copies_count_each_current_receipt_once_and_are_told_as_they_grow() {
    let mut alice = Alice::connected();
    alice.says("hello");
    let id = alice.written()[0].id();
    assert_eq!(copies(&alice.hears(1, receipt(id, 1))), [1]);
    assert!(copies(&alice.hears(1, receipt(id, 1))).is_empty(), "the same again is no news");
    let announced = Arc::new(alice.written()[0].clone());
    assert_eq!(copies(&alice.feed(3, &[(&announced, false)], 1)), [2], "a told position is a receipt, too");
    assert_eq!(alice.client.copies(&id), 2);
    let actions = alice.up(1, 9);
    assert_eq!(alice.client.copies(&id), 1, "a new incarnation has acked nothing");
    assert!(actions.iter().any(|action| matches!(action, Action::LogLost { acked: 1, .. })));
    assert_eq!(uploads(&actions), [(server(1), id)]);
}

#[test]
fn what_was_not_acked_goes_out_again_after_a_restart_in_order() {
    let mut alice = Alice::new();
    alice.says("one");
    alice.says("two");
    let mut again = Alice::resume(alice.log);
    let ids: Vec<_> = again.written().iter().map(Event::id).collect();
    let sent: Vec<_> = uploads(&again.up(2, 2)).into_iter().map(|(_, id)| id).collect();
    assert_eq!(sent, ids);
    again.hears(2, receipt(ids[0], 1));
    let mut third = Alice::resume(again.log);
    let sent: Vec<_> = uploads(&third.up(2, 2)).into_iter().map(|(_, id)| id).collect();
    assert_eq!(sent, ids[1..]);
}

#[test]
fn what_cannot_be_a_message_leaves_no_trace() {
    let mut alice = Alice::connected();
    let before = alice.log.clone();
    for (body, expected) in [
        (Vec::new(), EventError::EmptyMessage),
        (vec![b'x'; MESSAGE_MAX_BYTES + 1], EventError::MessageTooLong(MESSAGE_MAX_BYTES + 1)),
        (vec![0xff], EventError::NotUtf8),
    ] {
        let say = Input::Say { conversation: with_bob(), kind: Kind::Post, body };
        let mut effects = Effects::default();
        assert_eq!(alice.client.step(NOW_MS, say, &mut effects), Err(expected));
        assert!(effects.log.is_empty() && effects.actions.is_empty());
    }
    assert_eq!(alice.log, before);
}

/// Found by the simulator once people shared files: a device that has written what every server refuses is stuck.
#[test]
fn what_every_server_would_refuse_is_not_written() {
    let mut alice = Alice::connected();
    let bobs = by_bob(2, 1, NOW_MS, &[]);
    alice.feed(1, &[(&bobs, true)], 1);
    alice.says("words");
    let (name, bytes) = ("plan.txt".to_owned(), b"a plan".to_vec());
    alice.step(Input::Share { conversation: with_bob(), name, bytes });
    let of = |kind| alice.written().iter().find(|event| event.kind() == kind).unwrap().id();
    let (post, chunk, file) = (of(Kind::Post), of(Kind::Chunk), of(Kind::File));
    let cases = [
        (Kind::Edit, file),
        (Kind::Edit, bobs.id()),
        (Kind::Delete, bobs.id()),
        (Kind::Delete, chunk),
        (Kind::Reply, chunk),
        (Kind::React, chunk),
    ];
    let before = alice.log.clone();
    let say = |kind, target, text| Input::Say { conversation: with_bob(), kind, body: about(target, text) };
    for (kind, target) in cases {
        let mut effects = Effects::default();
        let text = if kind == Kind::Delete { "" } else { "+1" };
        let said = alice.client.step(NOW_MS, say(kind, target, text), &mut effects);
        assert_eq!(said, Err(EventError::TargetUnfit(kind)), "{target:?}");
        assert!(effects.log.is_empty() && effects.actions.is_empty(), "{kind:?}");
    }
    assert_eq!(alice.log, before);
    for (kind, target, text) in [
        (Kind::Edit, post, "other"),
        (Kind::React, file, "+1"),
        (Kind::Reply, bobs.id(), "so"),
        (Kind::Delete, file, ""),
    ] {
        assert_eq!(uploads(&alice.step(say(kind, target, text))).len(), 3, "{kind:?}");
    }
}

#[test]
fn an_announced_event_is_fetched_though_the_feed_is_busy() {
    let mut alice = Alice::connected();
    let hidden = by_bob(2, 1, NOW_MS, &[]);
    alice.feed(2, &[(&hidden, false)], 1);
    let mut fetched = Vec::new();
    for n in 1..=8 {
        // The feed brings something all the time, and never this.
        alice.now_ms += FETCH_AFTER_MS / 4;
        let other = by_bob(3, n, NOW_MS + n, &[]);
        fetched.extend(fetches(&alice.feed(1, &[(&other, true)], n)));
    }
    assert_eq!(fetched, [(server(2), vec![hidden.id()])]);
    let actions = alice.hears(2, ToClient::Bodies(vec![ByteBuf::from(hidden.bytes())]));
    let cursor = Action::Send { server: server(2), frame: ToServer::Cursor { room: None, position: 1 } };
    assert!(actions.contains(&cursor), "{actions:?}");
}

#[test]
fn when_the_feed_dies_another_takes_over_from_its_own_cursor() {
    let mut alice = Alice::connected();
    let event = by_bob(2, 1, NOW_MS, &[]);
    alice.feed(1, &[(&event, true)], 1);
    alice.feed(2, &[(&event, false)], 5);
    let actions = alice.step(Input::Down { server: server(1) });
    let follow =
        Action::Send { server: server(2), frame: ToServer::Follow { room: None, after: 5, bodies: true } };
    assert!(actions.contains(&follow), "{actions:?}");
}

#[test]
fn lines_wait_for_their_window_and_late_ones_say_so() {
    let mut alice = Alice::connected();
    let (first, second) = (by_bob(2, 1, NOW_MS + 10, &[]), by_bob(3, 1, NOW_MS + 20, &[]));
    assert_eq!(shown(&alice.feed(1, &[(&second, true)], 1)), []);
    alice.now_ms = NOW_MS + 20 + WINDOW_MS;
    assert_eq!(shown(&alice.step(Input::Tick)), [], "until the window has passed");
    alice.now_ms += 1;
    assert_eq!(shown(&alice.step(Input::Tick)), [(second.id(), false)]);
    assert_eq!(shown(&alice.feed(1, &[(&first, true)], 2)), [(first.id(), true)]);
    assert_eq!(shown(&alice.feed(2, &[(&first, true), (&second, true)], 2)), [], "each line once");
}

#[test]
fn who_has_seen_many_heads_joins_them_before_speaking() {
    let mut alice = Alice::connected();
    let count = u8::try_from(PARENTS_MAX).unwrap() + 3;
    let heads: Vec<_> = (2..2 + count).map(|device| by_bob(device, 1, NOW_MS, &[])).collect();
    let all: Vec<_> = heads.iter().map(|event| (event, true)).collect();
    alice.feed(1, &all, count.into());
    alice.says("to all of you");
    let written = alice.written();
    let kinds: Vec<_> = written.iter().map(Event::kind).collect();
    assert_eq!(kinds, [Kind::Merge, Kind::Post]);
    assert_eq!(written[0].parents().len(), PARENTS_MAX);
    assert!(written[1].parents().contains(&written[0].id()) && written[1].parents().len() == 4);
    assert!(written.iter().all(|event| event.time() > Time::from_millis(NOW_MS)));
}

#[test]
fn a_message_that_a_server_puts_off_is_sent_there_again_later() {
    let mut alice = Alice::connected();
    alice.says("from the future");
    let id = alice.written()[0].id();
    let why = Rejection::ClockAhead { ahead_ms: 90_000 };
    let actions = alice.hears(2, ToClient::Rejected { id, why });
    assert!(actions.contains(&Action::Rejected { server: server(2), id, why }));
    alice.now_ms += REFUSED_AGAIN_MS - 1;
    assert_eq!(uploads(&alice.step(Input::Tick)), []);
    alice.now_ms += 1;
    assert_eq!(uploads(&alice.step(Input::Tick)), [(server(2), id)]);
}

#[test]
fn a_server_that_sends_what_cannot_be_is_dropped() {
    let foreign = {
        let draft = Draft {
            device: DeviceId::new([9; 16]),
            seq: 1,
            parents: BTreeSet::new(),
            time: Time::from_millis(NOW_MS),
            conversation: Conversation::direct(account_of(&key(2)), account_of(&key(3))),
            kind: Kind::Post,
            body: b"secret".to_vec(),
        };
        Arc::new(draft.sign(&key(2)).unwrap())
    };
    let event = by_bob(2, 1, NOW_MS, &[]);
    let mut altered = event.bytes().to_vec();
    *altered.last_mut().unwrap() ^= 1;
    let swapped = Item { position: 1, id: foreign.id(), event: Some(ByteBuf::from(event.bytes())) };
    let cases = [
        ("not ours", ToClient::Bodies(vec![ByteBuf::from(foreign.bytes())])),
        ("not the one that was signed", ToClient::Bodies(vec![ByteBuf::from(altered)])),
        (
            "it announced",
            ToClient::Feed { room: None, items: vec![swapped], after: 0, upto: 1, caught_up: true },
        ),
        ("not sent", ToClient::Missing { id: event.id(), parents: vec![] }),
    ];
    for (says, frame) in cases {
        let mut alice = Alice::connected();
        let actions = alice.hears(2, frame);
        let dropped = actions.iter().find_map(|action| match action {
            Action::Drop { server, why } => Some((*server, why.clone())),
            _ => None,
        });
        let (who, why) = dropped.unwrap();
        assert!(who == server(2) && why.contains(says), "{why:?} does not say {says:?}");
        assert!(alice.client.event(&event.id()).is_none());
    }
}

// ---- bodies -------------------------------------------------------------------------------------------

fn without(event: &Event) -> Arc<Event> {
    Arc::new(event.without_body().unwrap())
}

fn takes_back(message: &Event, seq: Seq) -> Arc<Event> {
    let draft = Draft {
        device: message.device(),
        seq,
        parents: [message.id()].into(),
        time: Time::from_millis(message.time().millis() + 1),
        conversation: with_bob(),
        kind: Kind::Delete,
        body: message.id().as_bytes().to_vec(),
    };
    Arc::new(draft.sign(&key(2)).unwrap())
}

/// The servers that are asked for this event within some seconds.
fn asked(alice: &mut Alice, event: &Event) -> BTreeSet<ServerId> {
    let mut asked = BTreeSet::new();
    for _ in 0..5 {
        alice.now_ms += FETCH_AGAIN_MS;
        for action in alice.step(Input::Tick) {
            if let Action::Send { server, frame: ToServer::Fetch { ids } } = action {
                assert_eq!(ids, [event.id()]);
                asked.insert(server);
            }
        }
    }
    asked
}

#[test]
fn a_body_that_lacks_without_a_deletion_is_asked_for_everywhere_and_kept_when_it_comes() {
    let mut alice = Alice::connected();
    let message = by_bob(2, 1, NOW_MS, &[]);
    alice.feed(1, &[(&without(&message), true)], 1);
    assert_eq!(alice.client.event(&message.id()), Some(&without(&message)), "its place is known");
    assert_eq!(asked(&mut alice, &message), (1..=3).map(server).collect());
    alice.hears(2, ToClient::Bodies(vec![ByteBuf::from(without(&message).bytes())]));
    let before = alice.log.len();
    alice.hears(3, ToClient::Bodies(vec![ByteBuf::from(message.bytes())]));
    assert!(matches!(alice.log[before..], [Entry::Body { .. }]), "{:?}", &alice.log[before..]);
    assert_eq!(alice.client.event(&message.id()), Some(&message));
    assert_eq!(asked(&mut alice, &message), [].into());
    alice.hears(1, ToClient::Bodies(vec![ByteBuf::from(message.bytes())]));
    let again = Alice::resume(alice.log);
    assert_eq!(again.client.event(&message.id()), Some(&message));
    let bodies = again.log.iter().filter(|entry| matches!(entry, Entry::Body { .. }));
    assert_eq!(bodies.count(), 1, "once is enough");
}

#[test]
fn nobody_is_asked_for_the_body_of_what_was_taken_back() {
    let mut alice = Alice::connected();
    let message = by_bob(2, 1, NOW_MS, &[]);
    alice.feed(1, &[(&without(&message), true), (&takes_back(&message, 2), true)], 2);
    assert_eq!(asked(&mut alice, &message), [].into());
    alice.hears(2, ToClient::Bodies(vec![ByteBuf::from(message.bytes())]));
    assert_eq!(alice.client.event(&message.id()), Some(&without(&message)));
}

#[test]
fn a_line_waits_for_its_quorum_and_is_late_if_a_later_one_was_shown_meanwhile() {
    let mut alice = Alice::careful();
    let (early, later) = (by_bob(8, 1, NOW_MS, &[]), by_bob(9, 1, NOW_MS + 1, &[]));
    assert!(shown(&alice.feed(1, &[(&early, true), (&later, true)], 2)).is_empty());
    assert!(
        shown(&alice.feed(1, &[(&early, true)], 1)).is_empty(),
        "one server is one, however often it tells"
    );
    assert!(!alice.client.is_vouched(&early.id()));
    assert_eq!(shown(&alice.feed(2, &[(&later, false)], 1)), [(later.id(), false)]);
    assert_eq!(shown(&alice.feed(3, &[(&early, false)], 1)), [(early.id(), true)]);
    assert!(alice.client.is_vouched(&early.id()));
}

#[test]
fn an_own_line_waits_for_its_receipts_and_announcements_alike() {
    let mut alice = Alice::careful();
    alice.says("mine");
    let own = Arc::new(alice.written()[0].clone());
    alice.now_ms += 2 * WINDOW_MS;
    assert!(shown(&alice.hears(1, receipt(own.id(), 1))).is_empty());
    assert_eq!(shown(&alice.feed(2, &[(&own, false)], 1)), [(own.id(), false)]);
}

#[test]
fn what_was_announced_before_it_came_counts_when_it_comes() {
    let mut alice = Alice::careful();
    let event = by_bob(8, 1, NOW_MS, &[]);
    alice.feed(2, &[(&event, false)], 1);
    assert_eq!(shown(&alice.feed(1, &[(&event, true)], 1)), [(event.id(), false)]);
}

#[test]
fn what_a_server_told_before_it_lost_its_log_counts_no_more() {
    let mut alice = Alice::careful();
    let event = by_bob(8, 1, NOW_MS, &[]);
    alice.feed(1, &[(&event, true)], 1);
    alice.up(1, 9);
    assert!(shown(&alice.feed(2, &[(&event, false)], 1)).is_empty());
    assert_eq!(shown(&alice.feed(1, &[(&event, true)], 1)), [(event.id(), false)], "its new log has it now");
}

#[test]
fn a_line_waits_with_what_it_follows_from() {
    let mut alice = Alice::careful();
    let question = by_bob(8, 1, NOW_MS, &[]);
    let answer = by_bob(9, 1, NOW_MS + 1, &[question.id()]);
    alice.feed(1, &[(&question, true), (&answer, true)], 2);
    assert!(shown(&alice.feed(2, &[(&answer, false)], 1)).is_empty(), "server 2 withheld the question");
    let both = [(question.id(), false), (answer.id(), false)];
    assert_eq!(shown(&alice.feed(3, &[(&question, false)], 1)), both);
}

#[test]
fn a_restarted_device_knows_who_told_it_and_reads_anew_what_it_did_not_note() {
    let mut alice = Alice::careful();
    let event = by_bob(8, 1, NOW_MS, &[]);
    alice.feed(1, &[(&event, true)], 1);
    let follows = |actions: &[Action]| {
        actions.iter().find_map(|action| match action {
            Action::Send { frame: ToServer::Follow { room: None, after, .. }, .. } => Some(*after),
            _ => None,
        })
    };
    let mut again = Alice::with_quorum(2, alice.log.clone());
    again.now_ms += 2 * WINDOW_MS;
    assert_eq!(follows(&again.up(1, 1)), Some(1), "it goes on where it was");
    again.feed(1, &[], 1);
    again.up(2, 2);
    assert_eq!(shown(&again.feed(2, &[(&event, false)], 1)), [(event.id(), false)]);
    let mut careless = Alice::with_quorum(1, alice.log);
    assert_eq!(follows(&careless.up(2, 2)), Some(0));
    careless.feed(2, &[(&event, false)], 1);
    let mut careful = Alice::with_quorum(2, careless.log);
    assert_eq!(follows(&careful.up(2, 2)), Some(0), "nobody noted that it told of the event");
}

#[test]
fn what_waits_long_for_its_quorum_is_told_once() {
    let mut alice = Alice::careful();
    let event = by_bob(8, 1, NOW_MS, &[]);
    alice.feed(1, &[(&event, true)], 1);
    alice.now_ms = NOW_MS + WINDOW_MS + QUORUM_SLOW_MS - 1;
    let waits = |actions: &[Action]| actions.iter().any(|action| matches!(action, Action::Waits { .. }));
    assert!(!waits(&alice.step(Input::Tick)));
    alice.now_ms += QUORUM_LOOK_MS;
    assert!(alice.step(Input::Tick).contains(&Action::Waits { lines: 1, told: 1, quorum: 2 }));
    alice.now_ms += QUORUM_LOOK_MS;
    assert!(!waits(&alice.step(Input::Tick)));
    assert_eq!(alice.client.waiting_for_quorum(), (1, 1));
}

/// Two events of Bob's are here, and on the logs of all three servers.
fn with_two_of_bobs() -> (Alice, [Arc<Event>; 2]) {
    let mut alice = Alice::connected();
    let first = by_bob(2, 1, NOW_MS, &[]);
    let second = by_bob(2, 2, NOW_MS + 1, &[first.id()]);
    alice.feed(1, &[(&first, true), (&second, true)], 2);
    alice.feed(2, &[(&first, false), (&second, false)], 2);
    alice.feed(3, &[(&first, false), (&second, false)], 2);
    (alice, [first, second])
}

#[test]
fn what_a_new_log_turns_out_to_lack_goes_there_once_it_is_read_to_its_end_whoever_wrote_it() {
    let (mut alice, [first, second]) = with_two_of_bobs();
    assert_eq!(uploads(&alice.up(2, 22)), [], "it may have all of it yet");
    let items = vec![Item { position: 1, id: first.id(), event: None }];
    let half = ToClient::Feed { room: None, items, after: 0, upto: 1, caught_up: false };
    assert_eq!(uploads(&alice.hears(2, half)), [], "and tell of it next");
    assert_eq!(uploads(&alice.feed(2, &[], 1)), [(server(2), second.id())], "not what it told of");
    assert_eq!(uploads(&alice.feed(2, &[], 1)), [], "once");
    assert_eq!((alice.client.owed(1), alice.client.owed(0)), (0, 0), "nobody owes what others wrote");
    let entries = alice.log.len();
    let receipts = ToClient::Receipts(vec![Receipt { id: second.id(), position: 2 }]);
    assert!(alice.hears(2, receipts).is_empty(), "nor counts the receipt");
    assert_eq!(alice.log.len(), entries);
    alice.step(Input::Down { server: server(2) });
    alice.up(2, 22);
    assert_eq!(uploads(&alice.feed(2, &[], 2)), [], "it is known to have it now");
}

#[test]
fn what_a_new_log_has_not_acked_goes_there_again_on_the_next_connection() {
    let (mut alice, bobs) = with_two_of_bobs();
    let all = bobs.map(|event| (server(3), event.id()));
    for incarnation in [33, 33, 34] {
        alice.up(3, incarnation);
        assert_eq!(uploads(&alice.feed(3, &[], 0)), all);
        alice.step(Input::Down { server: server(3) });
    }
}

#[test]
fn a_log_that_is_what_it_was_is_sent_nothing_of_others() {
    let (mut alice, _) = with_two_of_bobs();
    let unseen = by_bob(3, 1, NOW_MS, &[]);
    alice.feed(1, &[(&unseen, true)], 3);
    alice.step(Input::Down { server: server(2) });
    alice.up(2, 2);
    assert_eq!(uploads(&alice.feed(2, &[], 2)), [], "it reads the others' logs itself");
}

#[test]
fn what_others_wrote_goes_to_a_new_log_no_faster_than_what_is_ours() {
    let mut alice = Alice::connected();
    let bobs: Vec<_> = (1..=UPLOAD_WINDOW as Seq + 9).map(|seq| by_bob(2, seq, NOW_MS + seq, &[])).collect();
    let whole: Vec<_> = bobs.iter().map(|event| (event, true)).collect();
    alice.feed(1, &whole, bobs.len() as Position);
    alice.up(2, 22);
    let sent = uploads(&alice.feed(2, &[], 0));
    assert_eq!(sent.len(), UPLOAD_WINDOW);
    let receipts = (1..).zip(&sent).map(|(position, (_, id))| Receipt { id: *id, position });
    let rest = uploads(&alice.hears(2, ToClient::Receipts(receipts.collect())));
    assert_eq!(rest.len(), 9);
}

#[test]
fn what_is_here_without_its_body_is_left_to_those_who_have_it_with_all_that_follows() {
    let mut alice = Alice::connected();
    let whole = by_bob(2, 1, NOW_MS, &[]);
    let hollow = Arc::new(by_bob(2, 2, NOW_MS + 1, &[whole.id()]).without_body().unwrap());
    let reply = by_bob(2, 3, NOW_MS + 2, &[hollow.id()]);
    alice.feed(1, &[(&whole, true), (&hollow, true), (&reply, true)], 3);
    assert!(alice.client.event(&reply.id()).is_some());
    alice.up(2, 22);
    assert_eq!(uploads(&alice.feed(2, &[], 0)), [(server(2), whole.id())]);
}
