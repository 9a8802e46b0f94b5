//! The checks of P2: what was acked is on the disks that acked it, and nobody was told of more.

use std::collections::BTreeMap;

use crate::anomaly::Anomaly;
use crate::bits::Bits;
use crate::id::{Position, ServerId};
use crate::intake::Number;
use crate::ledger::Ledger;
use crate::report::Outcome;
use crate::succession::Succession;
use crate::taken::{ClientLog, Life, Seen, ServerLog};
use crate::text::count;
use crate::view::{SignedView, View};

/// What a server has now, in one incarnation.
pub(crate) struct Store<'a> {
    pub(crate) held: Bits,
    /// Where each event stands, if positions do not count 1, 2, 3.
    places: Option<BTreeMap<Position, Number>>,
    pub(crate) tip: Position,
    pub(crate) log: &'a ServerLog,
}

impl<'a> Store<'a> {
    fn of(log: &'a ServerLog, ledger: &Ledger) -> Self {
        let mut held = Bits::new(ledger.events.numbers());
        for event in &log.events {
            held.insert(*event);
        }
        let places: Option<BTreeMap<_, _>> = log.positions.as_ref().map(|_| log.log().collect());
        let tip = places.as_ref().map_or(log.events.len() as u64, |places| {
            places.last_key_value().map_or(0, |(position, _)| *position)
        });
        Self { held, places, tip, log }
    }

    fn at(&self, position: Position) -> Option<Number> {
        match &self.places {
            Some(places) => places.get(&position).copied(),
            None => self.log.events.get(usize::try_from(position.checked_sub(1)?).ok()?).copied(),
        }
    }

    /// Whether a receipt speaks of this log and names a place that the log does not bear out.
    fn belies(&self, life: Life, event: Number, position: Position) -> bool {
        let unread = self.log.live && position > self.tip;
        self.log.life == life && !unread && self.at(position) != Some(event)
    }
}

/// What the servers have now, by server.
pub(crate) fn stores(ledger: &Ledger) -> BTreeMap<ServerId, Store<'_>> {
    ledger.servers.iter().map(|log| (log.life.0, Store::of(log, ledger))).collect()
}

/// P2: what a server acked is in its log, and enough copies are left; and what a person was told of copies is
/// what receipts said at the time.
pub(crate) fn copies(ledger: &Ledger) -> [Outcome; 2] {
    let mut durable = Outcome::new("every acked event is on the disks that acked it", "P2", "receipts");
    let mut honest = Outcome::new("nobody is told of more copies than receipts", "P2", "notices");
    let stores = stores(ledger);
    let succession = Succession::of(ledger);
    let mut unread: BTreeMap<ServerId, usize> = BTreeMap::new();
    for log in &ledger.clients {
        let mut reading = Reading::of(log, ledger, &stores);
        for (index, seen) in log.seen.iter().enumerate() {
            reading.take(index, *seen, &mut durable, &mut honest);
        }
        for (server, receipts) in &reading.unread {
            *unread.entry(*server).or_default() += receipts;
        }
        durable.anomalies.extend(reading.too_few());
    }
    let unsure = unread.into_iter().filter(|(server, _)| !succession.accounts_for(*server, ledger));
    durable.unknowns.extend(unsure.map(|(server, receipts)| {
        format!(
            "the log of server {} was not read: {} cannot be checked",
            ledger.name_of(server),
            count(receipts, "receipt")
        )
    }));
    [durable, honest]
}

/// The end of a list of acks, and the slot of an event that has none.
const NONE: u32 = u32::MAX;

/// What one server acked of one event.
struct Ack {
    server: u32,
    /// The entry with its last receipt, from 0.
    last: u32,
    /// The entry with its last receipt that was of the current life when it came, if there was one.
    current: Option<u32>,
    /// The same event's next ack.
    next: u32,
}

/// One device's receipts and notices.
struct Reading<'a> {
    log: &'a ClientLog,
    ledger: &'a Ledger,
    stores: &'a BTreeMap<ServerId, Store<'a>>,
    /// The servers that the log names, and which one each life is of.
    servers: Vec<Server<'a>>,
    server_of: Vec<usize>,
    /// Each event's slot below, by its number.
    slots: Vec<u32>,
    /// Each slot's first ack, and the most copies that the person was told of.
    heads: Vec<(u32, usize)>,
    acks: Vec<Ack>,
    /// Events of which fewer copies are found than the person was told of at most.
    short: BTreeMap<Number, Anomaly>,
    unread: BTreeMap<ServerId, usize>,
    /// The quorum that its display waits for.
    quorum: u16,
}

/// What is known of one server at one entry of a log.
struct Server<'a> {
    id: ServerId,
    store: Option<&'a Store<'a>>,
    current: Option<u16>,
    /// It is read from, and its copies do not count.
    sealed: bool,
    /// Receipts before this entry are void.
    void_before: u32,
    /// How far it was read, by what of it was read.
    cursors: BTreeMap<u32, Position>,
}

impl<'a> Reading<'a> {
    fn of(log: &'a ClientLog, ledger: &'a Ledger, stores: &'a BTreeMap<ServerId, Store<'a>>) -> Self {
        let mut places: BTreeMap<ServerId, usize> = BTreeMap::new();
        let mut servers = Vec::new();
        let server_of = log.lives.iter().map(|(id, _)| {
            *places.entry(*id).or_insert_with(|| {
                let store = stores.get(id);
                servers.push(Server {
                    id: *id,
                    store,
                    current: None,
                    sealed: false,
                    void_before: 0,
                    cursors: BTreeMap::new(),
                });
                servers.len() - 1
            })
        });
        let server_of = server_of.collect();
        Self {
            log,
            ledger,
            stores,
            servers,
            server_of,
            slots: vec![NONE; ledger.events.numbers()],
            heads: Vec::new(),
            acks: Vec::new(),
            short: BTreeMap::new(),
            unread: BTreeMap::new(),
            quorum: 1,
        }
    }

    fn take(&mut self, index: usize, seen: Seen, durable: &mut Outcome, honest: &mut Outcome) {
        let (log, ledger) = (self.log, self.ledger);
        match seen {
            Seen::Incarnation { life } => {
                let server = &mut self.servers[self.server_of[usize::from(life)]];
                (server.current, server.void_before) = (Some(life), entry(index));
                server.cursors.clear();
            }
            Seen::Receipt { life, event, position } => {
                durable.examined += 1;
                let place = self.server_of[usize::from(life)];
                let Server { id, store, current, .. } = self.servers[place];
                let is_current = current == Some(life);
                self.ack(event, place, index, is_current);
                if !is_current {
                    let (at, server) = (log.place(index), ledger.name_of(id));
                    honest.anomalies.push(Anomaly::StaleIncarnation { at, server });
                }
                match store {
                    None => *self.unread.entry(id).or_default() += 1,
                    Some(store) if store.belies(log.lives[usize::from(life)], event, position) => {
                        durable.anomalies.push(Anomaly::LostAck {
                            event: ledger.events.id(event),
                            server: ledger.name_of(id),
                            position,
                            receipt: log.place(index),
                        });
                    }
                    Some(_) => {}
                }
            }
            Seen::Told { life, .. } => {
                let Server { id, current, .. } = self.servers[self.server_of[usize::from(life)]];
                if current != Some(life) {
                    let (at, server) = (log.place(index), ledger.name_of(id));
                    honest.anomalies.push(Anomaly::StaleIncarnation { at, server });
                }
            }
            Seen::Opened { quorum, .. } => {
                // Under a higher quorum than before all logs are read anew.
                if quorum > self.quorum {
                    self.servers.iter_mut().for_each(|server| server.cursors.clear());
                }
                self.quorum = quorum;
            }
            Seen::Cursor { life, place, position } => {
                let server = &mut self.servers[self.server_of[usize::from(life)]];
                let (name, at) = (|| ledger.name_of(server.id), || log.place(index));
                if server.current != Some(life) {
                    honest.anomalies.push(Anomaly::StaleIncarnation { at: at(), server: name() });
                    return;
                }
                let from = server.cursors.insert(place, position).unwrap_or(0);
                if from > position {
                    let to = position;
                    honest.anomalies.push(Anomaly::CursorBack { server: name(), from, to, at: at() });
                }
            }
            Seen::Level { copies, event } => {
                honest.examined += 1;
                let (event_id, told) = (ledger.events.id(event), copies as usize);
                let receipts = self.acks_of(event).filter(|ack| self.counts(ack.server, ack.current)).count();
                if told > receipts || told == 0 {
                    let at = log.place(index);
                    honest.anomalies.push(Anomaly::Boast { event: event_id, told, receipts, at });
                }
                self.told(event, told, index);
            }
            Seen::View { number, .. } => {
                if let Some(Ok(signed)) = log.views.get(number as usize).map(|bytes| SignedView::read(bytes))
                {
                    self.learn(signed.view(), index);
                }
            }
            _ => {}
        }
    }

    /// What was known of servers that are not in the view is void; sealed ones do not count.
    fn learn(&mut self, view: &View, index: usize) {
        for server in &mut self.servers {
            let member = view.member(server.id);
            server.sealed = member.is_some_and(|member| member.sealed);
            if member.is_none() {
                (server.current, server.void_before) = (None, entry(index));
                server.cursors.clear();
            }
        }
    }

    fn slot(&mut self, event: Number) -> usize {
        let slot = &mut self.slots[event as usize];
        if *slot == NONE {
            *slot = entry(self.heads.len());
            self.heads.push((NONE, 0));
        }
        *slot as usize
    }

    fn ack(&mut self, event: Number, server: usize, index: usize, is_current: bool) {
        let (slot, server, index) = (self.slot(event), entry(server), entry(index));
        let mut at = self.heads[slot].0;
        while let Some(ack) = self.acks.get_mut(at as usize) {
            if ack.server == server {
                ack.last = index;
                ack.current = if is_current { Some(index) } else { ack.current };
                return;
            }
            at = ack.next;
        }
        let (current, next) = (is_current.then_some(index), self.heads[slot].0);
        self.heads[slot].0 = entry(self.acks.len());
        self.acks.push(Ack { server, last: index, current, next });
    }

    fn acks_of(&self, event: Number) -> impl Iterator<Item = &Ack> {
        let head = self.heads.get(self.slots[event as usize] as usize).map_or(NONE, |(head, _)| *head);
        std::iter::successors(self.acks.get(head as usize), |ack| self.acks.get(ack.next as usize))
    }

    /// Whether a receipt of an entry was not voided since.
    fn counts(&self, server: u32, receipt: Option<u32>) -> bool {
        let server = &self.servers[server as usize];
        receipt.is_some_and(|receipt| !server.sealed && receipt >= server.void_before)
    }

    /// Looks for the copies that the person was told of, if it is the most so far.
    fn told(&mut self, event: Number, told: usize, index: usize) {
        let slot = self.slot(event);
        if told < self.heads[slot].1 {
            return;
        }
        self.heads[slot].1 = told;
        match self.missing(event, told, index) {
            Some(anomaly) => _ = self.short.insert(event, anomaly),
            None if self.short.is_empty() => {}
            None => _ = self.short.remove(&event),
        }
    }

    /// Whether copies are missing that neither a lost disk nor an unread log explains.
    fn missing(&self, event: Number, told: usize, index: usize) -> Option<Anomaly> {
        let found = self.stores.values().filter(|store| store.held.contains(event)).count();
        if found >= told {
            return None;
        }
        let (mut losses, mut unread) = (0, 0);
        for ack in self.acks_of(event).filter(|ack| self.counts(ack.server, Some(ack.last))) {
            let Seen::Receipt { life, .. } = self.log.seen[ack.last as usize] else { continue };
            match self.servers[ack.server as usize].store {
                None => unread += 1,
                Some(store) if store.held.contains(event) => {}
                Some(store) if store.log.life != self.log.lives[usize::from(life)] => losses += 1,
                Some(store) => unread += usize::from(store.log.live),
            }
        }
        let (event, at) = (self.ledger.events.id(event), self.log.place(index));
        let is_short = found + losses + unread < told;
        is_short.then_some(Anomaly::TooFewCopies { event, told, found, losses, at })
    }

    /// What is short in the end, in the order of ids.
    fn too_few(self) -> impl Iterator<Item = Anomaly> {
        let mut short: Vec<_> = self.short.into_iter().collect();
        short.sort_unstable_by_key(|(event, _)| self.ledger.events.id(*event));
        short.into_iter().map(|(_, anomaly)| anomaly)
    }
}

/// Entries and slots count what is in memory, at 16 bytes or more each.
fn entry(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(NONE)
}
