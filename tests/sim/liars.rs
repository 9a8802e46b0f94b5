//! Servers that lie to whoever reads from them, and what everybody was really told.
//!
//! A liar keeps an honest log, and says something else, to each reader as it likes: it alters and swaps bodies, tells
//! of events that do not exist, withholds what does, and hands out the two events of an author who colludes and gave
//! both one number, each to another reader. It stops when everything heals; until then nothing that only liars
//! told of may be displayed.
//!
//! The count here is the simulator's own: by what arrived, whatever the machine and its log make of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_bytes::ByteBuf;
use tercet::client::Input;
use tercet::clock::Time;
use tercet::event::{Conversation, Draft, Event, Kind, account_of};
use tercet::frame::{Item, ToClient, ToServer};
use tercet::history::Entry;
use tercet::id::{DeviceId, EventId, Incarnation, ServerId};
use tercet::server::ConnId;

use crate::judge::{Failure, UNVOUCHED};
use crate::mutants::Mutant;
use crate::mutants::forgery::{forged, with_another_body};
use crate::network::Caller;
use crate::world::{What, World};

/// What everybody was told, and by whom.
#[derive(Debug, Default)]
pub struct Rumours {
    /// The log that each server had, as far as a client knows.
    current: BTreeMap<(usize, ServerId), Incarnation>,
    told: BTreeMap<(usize, EventId), BTreeSet<(ServerId, Incarnation)>>,
    /// What has had a client's quorum at some time.
    vouched: BTreeSet<(usize, EventId)>,
    /// The two events of the author who colludes, once they are made.
    twins: Vec<Event>,
}

impl Rumours {
    /// A client goes on as another device, which was told nothing.
    pub fn forget(&mut self, client: usize) {
        self.told.retain(|(of, _), _| *of != client);
        self.vouched.retain(|(of, _)| *of != client);
    }

    /// A client starts from its log, and knows no newer logs of servers than that names.
    pub fn restart(&mut self, client: usize, entries: &[Entry]) {
        self.current.retain(|(of, _), _| *of != client);
        for entry in entries {
            if let Entry::Incarnation { server, incarnation, .. } = entry {
                self.current.insert((client, *server), *incarnation);
            }
        }
    }

    /// What a client was told by an earlier log of a server than its current one.
    pub fn by_earlier_logs(&self, client: usize, server: ServerId) -> Vec<EventId> {
        let current = self.current.get(&(client, server));
        let is_it = |(by, life): &(ServerId, Incarnation)| *by == server && Some(life) != current;
        let told = self.told.iter().filter(|((of, _), by)| *of == client && by.iter().any(is_it));
        told.map(|((_, id), _)| *id).collect()
    }
}

impl World {
    pub fn is_liar(&self, server: usize) -> bool {
        self.swarm.liars.contains(&server)
    }

    /// The quorum that a client asks for: one program in four is started without any.
    pub fn asks_for(&self, client: usize) -> usize {
        if self.swarm.mutant.is_none() && self.clients[client].boot % 4 == 3 { 1 } else { self.swarm.quorum }
    }

    /// A client is about to take something.
    pub fn overhear(&mut self, client: usize, input: &Input) {
        if self.swarm.quorum == 1 {
            return;
        }
        match input {
            Input::Up { server, incarnation } => {
                self.rumours.current.insert((client, *server), *incarnation);
            }
            Input::Frame { server, frame: ToClient::Feed { items, .. } } => {
                items.iter().for_each(|item| self.is_told_of(client, *server, item.id));
            }
            Input::Frame { server, frame: ToClient::Receipts(receipts) } => {
                receipts.iter().for_each(|receipt| self.is_told_of(client, *server, receipt.id));
            }
            _ => {}
        }
    }

    fn is_told_of(&mut self, client: usize, server: ServerId, id: EventId) {
        let Rumours { current, told, vouched, .. } = &mut self.rumours;
        let Some(life) = current.get(&(client, server)) else { return };
        let by = told.entry((client, id)).or_default();
        by.insert((server, *life));
        let counts = by.iter().filter(|(server, life)| current.get(&(client, *server)) == Some(life));
        if counts.count() >= self.swarm.quorum {
            vouched.insert((client, id));
        }
    }

    /// A person is shown a line: had as many servers told of it as they asked for?
    pub fn check_quorum(&mut self, client: usize, id: EventId) {
        if self.asks_for(client) == 1 || self.rumours.vouched.contains(&(client, id)) {
            return;
        }
        let told = self.rumours.told.get(&(client, id)).map_or(0, BTreeSet::len);
        let what = format!("client {client} was shown event {}, of which {told} logs had told", id.short());
        self.failures.push(Failure::new(UNVOUCHED, what));
    }

    /// What a liar says in place of a frame.
    pub fn lie(&mut self, server: usize, conn: ConnId, frame: ToClient) -> ToClient {
        let is_device = self.net.get(conn).is_some_and(|conn| matches!(conn.caller, Caller::Client(_)));
        match frame {
            ToClient::Feed { room, items, after, upto, caught_up } if is_device => {
                let items = self.false_items(conn, room.is_none(), items, upto);
                self.note(|| format!("server {server} lies on {conn:?}"));
                ToClient::Feed { room, items, after, upto, caught_up }
            }
            ToClient::Bodies(events) if !events.is_empty() && self.rng.u32(..3) == 0 => {
                self.saw("a liar alters a body");
                ToClient::Bodies(events.iter().map(|bytes| ByteBuf::from(forged(bytes))).collect())
            }
            frame => frame,
        }
    }

    fn false_items(&mut self, conn: ConnId, is_home: bool, mut items: Vec<Item>, upto: u64) -> Vec<Item> {
        match self.rng.u32(..8) {
            0 => self.alter(&mut items),
            1 if items.len() > 1 => {
                self.saw("a liar swaps two events");
                let last = items.len() - 1;
                let (first, other) = (items[0].event.take(), items[last].event.take());
                (items[0].event, items[last].event) = (other, first);
            }
            2 if !items.is_empty() => {
                self.saw("a liar invents an event");
                let mut id = [0; 32];
                self.rng.fill(&mut id);
                let position = items.last().map_or(upto, |item| item.position);
                items.push(Item { position, id: EventId::new(id), event: None });
            }
            3 | 4 if !items.is_empty() => {
                self.saw("a liar withholds events");
                items.retain(|_| self.rng.bool());
            }
            _ if is_home => items.extend(self.twin_for(conn, upto)),
            _ => {}
        }
        items
    }

    /// Another body under the same id, or an altered event under its own.
    fn alter(&mut self, items: &mut [Item]) {
        let renames = self.rng.bool();
        for item in items {
            let Some(bytes) = &item.event else { continue };
            let altered = Event::from_own_store(bytes).ok().and_then(|event| with_another_body(&event));
            let Some(altered) = altered else { continue };
            if renames {
                item.id = altered.id();
            }
            item.event = Some(ByteBuf::from(altered.bytes()));
            self.saw("a liar alters an event");
        }
    }

    /// One of the two events that bear one number: which one depends on the reader.
    fn twin_for(&mut self, conn: ConnId, position: u64) -> Option<Item> {
        let Some(Caller::Client(client)) = self.net.get(conn).map(|conn| conn.caller) else { return None };
        if self.rumours.twins.is_empty() {
            self.rumours.twins = self.make_twins();
        }
        let event = self.rumours.twins[client % 2].clone();
        let is_read = event.conversation().other(account_of(&self.clients[client].key)).is_some();
        if !is_read || position == 0 {
            return None;
        }
        self.saw("a liar hands out one of two twins");
        Some(Item { position, id: event.id(), event: Some(ByteBuf::from(event.bytes())) })
    }

    /// The first client's person and key, on a device without a log.
    fn make_twins(&self) -> Vec<Event> {
        let (key, other) = (&self.clients[0].key, &self.clients[self.clients.len() - 1].key);
        let twin = |body: &str| Draft {
            device: DeviceId::new([0xee; 16]),
            seq: 1,
            parents: BTreeSet::new(),
            time: Time::from_millis(self.clock_ms(0)),
            conversation: Conversation::direct(account_of(key), account_of(other)),
            kind: Kind::Post,
            body: body.as_bytes().to_vec(),
        };
        ["we meet at six", "we meet at nine"].map(|body| twin(body).sign(key).unwrap()).to_vec()
    }

    /// All heals: liars stop, their connections end, and their author uploads what they handed out in secret.
    pub fn liars_repent(&mut self) {
        for server in self.swarm.liars.clone() {
            let is_its = |conn: &crate::network::Conn| conn.server == server;
            let conns: Vec<_> = self.net.ids().filter(|(_, conn)| is_its(conn)).map(|(id, _)| id).collect();
            conns.into_iter().for_each(|conn| self.server_closed(server, conn));
            // Not everything that a person does is an upload: one of these is.
            (1..=5).for_each(|turn| self.after(200 * turn, What::Say { client: 0, texts: 1 }));
        }
    }

    /// What leaves the author who colludes beside its uploads, once all has healed.
    pub fn with_twins(&self, client: usize, frame: ToServer) -> ToServer {
        match frame {
            ToServer::Upload { mut events } if self.healed && client == 0 => {
                events.extend(self.rumours.twins.iter().map(|event| ByteBuf::from(event.bytes())));
                ToServer::Upload { events }
            }
            frame => frame,
        }
    }

    /// What a client that miscounts hears beside what arrived.
    pub fn miscounted(&self, client: usize, input: Input) -> Vec<Input> {
        let again = |server: ServerId, ids: Vec<EventId>| {
            let items = ids.into_iter().map(|id| Item { position: 0, id, event: None }).collect();
            let frame = ToClient::Feed { room: None, items, after: 0, upto: 0, caught_up: false };
            Input::Frame { server, frame }
        };
        match (self.swarm.mutant, input) {
            (
                Some(Mutant::CountsATellerTwice),
                Input::Frame { server, frame: ToClient::Feed { room, items, after, upto, caught_up } },
            ) => {
                let servers = self.view.servers();
                let next = self.view.index_of(server).map_or(0, |index| (index + 1) % servers.len());
                let also = again(servers[next].id, items.iter().map(|item| item.id).collect());
                let frame = ToClient::Feed { room, items, after, upto, caught_up };
                vec![Input::Frame { server, frame }, also]
            }
            (Some(Mutant::CountsEarlierLogs), Input::Up { server, incarnation }) => {
                let before = self.rumours.by_earlier_logs(client, server);
                vec![Input::Up { server, incarnation }, again(server, before)]
            }
            (_, input) => vec![input],
        }
    }
}
