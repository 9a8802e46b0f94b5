//! Seams of a server: what it hears, what it asks of its log, what it says.

use std::sync::Arc;

use serde_bytes::ByteBuf;
use tercet::event::{Conversation, Event};
use tercet::evidence::Evidence;
use tercet::frame::{Item, Receipt, ToClient, ToServer};
use tercet::limits::CLOCK_AHEAD_MAX_MS;
use tercet::log::{Log, Write};
use tercet::server::{ConnId, Input, Output, Request};
use tercet::sync::PeerCursor;
use tercet::view::SignedView;

use super::forgery::{forged, with_another_body};
use super::lax_log::LaxLog;
use crate::mutants::Mutant;
use crate::network::{Caller, Way};
use crate::world::World;

impl World {
    /// Whether a server lets in what a client uploads without looking at signatures.
    pub fn takes_unchecked_uploads(&self) -> bool {
        self.swarm.mutant == Some(Mutant::TakesForgedUploads)
    }

    /// What the machine gets to hear of what has come.
    pub fn altered_input(&mut self, server: usize, input: Input) -> Option<Input> {
        let Some(mutant) = self.swarm.mutant else { return Some(input) };
        match (mutant, input) {
            (Mutant::AcksUnwritten, Input::Request { conn, request: Request::Upload(events) }) => {
                let events = events.into_iter().filter(|event| !self.acks_unwritten(server, conn, event));
                Some(Input::Request { conn, request: Request::Upload(events.collect()) })
            }
            (Mutant::DropsForks, Input::Request { conn, request: Request::Upload(mut events) })
                if server == 0 =>
            {
                events.retain(|event| !self.is_fork(server, event));
                Some(Input::Request { conn, request: Request::Upload(events) })
            }
            (Mutant::DropsForks, Input::PeerFrame { peer, frame: ToClient::Bodies(mut events) })
                if server == 0 =>
            {
                events.retain(|bytes| {
                    Event::from_bytes(bytes).is_ok_and(|event| !self.is_fork(server, &event))
                });
                Some(Input::PeerFrame { peer, frame: ToClient::Bodies(events) })
            }
            (Mutant::AppendsAfterTheSeal, input) => (!self.seals(server, &input)).then_some(input),
            (Mutant::KeepsPeerIncarnation, Input::PeerUp { peer, incarnation }) => {
                let known = self.memory.first_incarnations.entry((format!("server {server}"), peer));
                Some(Input::PeerUp { peer, incarnation: *known.or_insert(incarnation) })
            }
            (Mutant::IgnoresAnnouncements, Input::PeerFrame { frame: ToClient::Feed { .. }, .. })
            | (Mutant::DropsBodies, Input::PeerFrame { frame: ToClient::Bodies(_), .. }) => None,
            (Mutant::CursorBeforeBodies, Input::PeerFrame { peer, frame }) => {
                if let ToClient::Feed { upto, .. } = frame {
                    let from = self.view.index_of(peer)?;
                    let incarnation = self.servers[from].disk.incarnation;
                    self.servers[server].disk.put_peer(PeerCursor { peer, incarnation, position: upto });
                    if !self.healed && self.rng.u32(..4) == 0 {
                        self.servers[server].fuse = Some(self.rng.u32(..4));
                    }
                }
                Some(Input::PeerFrame { peer, frame })
            }
            (
                Mutant::JudgesPeersByItsClock,
                Input::PeerFrame { peer, frame: ToClient::Bodies(mut events) },
            ) => {
                let most_ms = self.clock_ms(self.servers[server].skew_ms) + CLOCK_AHEAD_MAX_MS;
                let in_time = |bytes: &ByteBuf| {
                    Event::from_own_store(bytes).is_ok_and(|event| event.time().millis() <= most_ms)
                };
                events.retain(in_time);
                Some(Input::PeerFrame { peer, frame: ToClient::Bodies(events) })
            }
            (Mutant::TakesForgedBodies, Input::PeerFrame { peer, frame: ToClient::Bodies(events) }) => {
                let (sound, forgeries): (Vec<_>, Vec<_>) =
                    events.into_iter().partition(|bytes| Event::from_bytes(bytes).is_ok());
                self.take_unchecked(server, &forgeries);
                Some(Input::PeerFrame { peer, frame: ToClient::Bodies(sound) })
            }
            (_, input) => Some(input),
        }
    }

    fn is_fork(&self, server: usize, event: &Event) -> bool {
        let Ok(first) = self.servers[server].disk.first_of(event.origin());
        first.is_some_and(|first| first != event.id())
    }

    /// Sometimes sends a receipt for what the machine never gets to see.
    fn acks_unwritten(&mut self, server: usize, conn: ConnId, event: &Event) -> bool {
        let disk = &self.servers[server].disk;
        if disk.holds(&event.id()) || self.rng.u32(..6) > 0 {
            return false;
        }
        let receipt = Receipt { id: event.id(), position: disk.tip() + 1 };
        self.server_says(server, conn, &ToClient::Receipts(vec![receipt]));
        true
    }

    /// Events go to the log past the check of their signatures: as if some client's upload had been checked.
    fn take_unchecked(&mut self, server: usize, events: &[ByteBuf]) {
        let clients = self.net.ids().filter(|(id, conn)| {
            let welcomed = |link: &crate::links::Link| link.conn == *id && link.welcomed;
            let is_client = matches!(conn.caller, Caller::Client(_));
            conn.server == server
                && is_client
                && self.net.is_open(*id, Way::ToServer)
                && self.links.get(&(conn.caller, server)).is_some_and(welcomed)
        });
        let Some(conn) = clients.map(|(id, _)| id).next() else { return };
        let events = events.iter().filter_map(|bytes| Event::from_own_store(bytes).ok()).map(Arc::new);
        let events: Vec<_> = events.collect();
        if !events.is_empty() {
            self.server_step(server, Input::Request { conn, request: Request::Upload(events) });
        }
    }

    /// The step of the machine, over its log as the mutant reads it.
    pub fn step_machine(&mut self, server: usize, now_ms: u64, input: Input) -> Option<Vec<Output>> {
        let host = &mut self.servers[server];
        host.disk.keeps_bodies = self.swarm.mutant == Some(Mutant::KeepsWhatIsTakenBack);
        host.disk.keeps_parts = self.swarm.mutant == Some(Mutant::KeepsParts);
        let machine = host.machine.as_mut()?;
        let mut outputs = Vec::new();
        let lax = match (self.swarm.mutant, &input) {
            (Some(Mutant::TakesOrphans), Input::Request { request: Request::Upload(events), .. }) => {
                let keys: Vec<_> = self.clients.iter().map(|client| &client.key).collect();
                Some(LaxLog::without_parents(&host.disk, events, &keys))
            }
            (Some(Mutant::StoresAgain), Input::Request { request: Request::Upload(events), .. }) => {
                Some(LaxLog::without_memory(&host.disk, events))
            }
            _ => None,
        };
        let Ok(()) = match lax {
            Some(lax) => machine.step(now_ms, input, &lax, &mut outputs),
            None => machine.step(now_ms, input, &host.disk, &mut outputs),
        };
        Some(outputs)
    }

    /// Whether a server is told by this that it is sealed.
    fn seals(&self, server: usize, input: &Input) -> bool {
        let bytes = match input {
            Input::View(signed) => signed.bytes(),
            Input::Request { request: Request::Plain(ToServer::View(bytes)), .. }
            | Input::PeerFrame { frame: ToClient::View(bytes), .. } => bytes.to_vec(),
            _ => return false,
        };
        let id = self.server_id(server);
        SignedView::read(&bytes)
            .is_ok_and(|signed| signed.view().member(id).is_none_or(|member| member.sealed))
    }

    /// What a server that starts has forgotten of views.
    pub fn forget_view(&mut self, server: usize) {
        if self.swarm.mutant == Some(Mutant::ForgetsTheView) {
            self.servers[server].disk.put_view(None);
        }
    }

    /// What leaves of what the machine wants to say.
    pub fn altered_output(&mut self, server: usize, output: Output) -> Option<Output> {
        let Some(mutant) = self.swarm.mutant else { return Some(output) };
        match (mutant, output) {
            (Mutant::NamesTheWrongPlace, Output::Send { conn, frame: ToClient::Receipts(mut receipts) }) => {
                receipts.iter_mut().for_each(|receipt| receipt.position += 1);
                Some(Output::Send { conn, frame: ToClient::Receipts(receipts) })
            }
            (Mutant::TellsBeforeSync, Output::Send { conn, frame: frame @ ToClient::Receipts(_) }) => {
                self.memory.held_back.entry(server).or_default().push((conn, frame));
                None
            }
            (Mutant::AltersABody, Output::Write(Write::Append { position, event, fork })) => {
                let altered = with_another_body(&event).filter(|_| self.rng.u32(..8) == 0);
                let event = altered.map_or(event, Arc::new);
                Some(Output::Write(Write::Append { position, event, fork }))
            }
            (Mutant::ForgetsMore, Output::Write(Write::Append { position, event, fork })) => {
                let without = event.without_body().filter(|_| self.rng.u32(..8) == 0);
                let event = without.map_or(event, Arc::new);
                Some(Output::Write(Write::Append { position, event, fork }))
            }
            (Mutant::ForgetsMore, Output::Write(Write::Body(_))) => None,
            (Mutant::NobodyAsksForBodies, Output::SendPeer { frame: ToServer::Fetch { ids }, .. })
                if ids.iter().all(|id| self.servers[server].disk.holds(id)) =>
            {
                None
            }
            (Mutant::Miser | Mutant::NobodyAsksForBodies, Output::Send { conn, frame }) if server == 0 => {
                Some(Output::Send { conn, frame: without_bodies(frame) })
            }
            (Mutant::FetchesNothing, Output::SendPeer { frame: ToServer::Fetch { .. }, .. }) => None,
            (
                Mutant::TellsThePast,
                Output::Send { conn, frame: ToClient::Feed { room, mut items, after, upto, caught_up } },
            ) => {
                for item in items.iter_mut().filter(|item| item.event.is_some()) {
                    let Ok(event) = self.servers[server].disk.event(item.position);
                    item.event = event.map(|event| ByteBuf::from(event.bytes()));
                }
                Some(Output::Send { conn, frame: ToClient::Feed { room, items, after, upto, caught_up } })
            }
            (
                Mutant::LeaksAConversation,
                Output::Send { conn, frame: ToClient::Feed { room, items, after, upto, caught_up } },
            ) => {
                let items = self.leaking(server, conn, items, upto);
                Some(Output::Send { conn, frame: ToClient::Feed { room, items, after, upto, caught_up } })
            }
            (Mutant::TakesForgedBodies, Output::Send { conn, frame: ToClient::Bodies(events) })
                if server == 0
                    && self.net.get(conn).is_some_and(|conn| matches!(conn.caller, Caller::Peer(_))) =>
            {
                let events = events.iter().map(|bytes| ByteBuf::from(forged(bytes)));
                Some(Output::Send { conn, frame: ToClient::Bodies(events.collect()) })
            }
            (_, output) => Some(output),
        }
    }

    /// A feed with an event that its reader may not read.
    fn leaking(&self, server: usize, conn: ConnId, mut items: Vec<Item>, position: u64) -> Vec<Item> {
        let Some(Caller::Client(client)) = self.net.get(conn).map(|conn| conn.caller) else { return items };
        let account = tercet::event::account_of(&self.clients[client].key);
        let mut others = self.servers[server].disk.events().filter(|event| {
            !Evidence::is_home(account, event) && matches!(event.conversation(), Conversation::Direct(..))
        });
        items.extend(others.next().map(|event| Item {
            position,
            id: event.id(),
            event: Some(ByteBuf::from(event.bytes())),
        }));
        items
    }

    /// Whether a server that starts leaves its peers alone.
    pub fn pulls_nothing(&self, server: usize) -> bool {
        self.swarm.mutant == Some(Mutant::PullsNothingAfterRestart) && self.servers[server].boot > 0
    }

    /// A frame of a feed gets lost, or overtakes the one before.
    pub fn disturb(&mut self, conn: ConnId, frame: &ToClient) {
        let ToClient::Feed { .. } = frame else { return };
        match self.swarm.mutant {
            Some(Mutant::SwallowsFrames) if self.rng.u32(..10) == 0 => {
                self.net.swallow(conn, Way::ToCaller);
            }
            Some(Mutant::ReordersFrames) => self.net.overtake(conn, Way::ToCaller),
            _ => {}
        }
    }
}

/// What people said, as a server hands it on that will not part with it.
fn without_bodies(frame: ToClient) -> ToClient {
    let bare = |bytes: ByteBuf| {
        let event = Event::from_own_store(&bytes).ok().and_then(|event| event.without_body());
        event.map_or(bytes, |event| ByteBuf::from(event.bytes()))
    };
    match frame {
        ToClient::Feed { room, items, after, upto, caught_up } => {
            let item = |item: Item| Item { event: item.event.map(bare), ..item };
            ToClient::Feed { room, items: items.into_iter().map(item).collect(), after, upto, caught_up }
        }
        ToClient::Bodies(events) => ToClient::Bodies(events.into_iter().map(bare).collect()),
        other => other,
    }
}
