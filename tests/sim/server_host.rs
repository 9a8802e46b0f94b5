//! What stands around a server's machine: its disk, its connections, its crashes.

use std::sync::Arc;

use tercet::event::Event;
use tercet::frame::{Refusal, ToClient, ToServer, decode, encode};
use tercet::id::{Incarnation, Position, ServerId};
use tercet::limits::{CLIENT_SILENCE_MS, SEND_QUEUE_FRAMES};
use tercet::log::Write;
use tercet::server::{Config, ConnId, Input, Output, Request, Server};
use tercet::view::{SignedView, View};

use crate::disk::{Disk, Left};
use crate::judge::{Failure, REFUSAL, RESTART, UNSEALED};
use crate::nemesis::{Remedy, Trouble};
use crate::network::{Caller, Way};
use crate::world::{What, World};

pub struct ServerHost {
    pub machine: Option<Server>,
    pub disk: Disk,
    pub boot: u64,
    pub skew_ms: i64,
    pub stalled: bool,
    /// Loses power after so many more outputs.
    pub fuse: Option<u32>,
    pub trouble: Option<Trouble>,
    /// The life of its log that ended when it acted on a view, if one did.
    pub sealed: Option<Incarnation>,
    /// What its cluster file says.
    pub file: View,
    /// The view that it acts on, or did last with this disk.
    pub acts_on: Option<View>,
    /// Whether its machine is there to be started.
    pub deployed: bool,
}

impl ServerHost {
    pub fn new(incarnation: Incarnation, file: View) -> Self {
        Self {
            machine: None,
            disk: Disk::new(incarnation),
            boot: 0,
            skew_ms: 0,
            stalled: false,
            fuse: None,
            trouble: None,
            sealed: None,
            file,
            acts_on: None,
            deployed: true,
        }
    }
}

impl World {
    pub fn server_id(&self, server: usize) -> ServerId {
        self.view.servers()[server].id
    }

    pub fn start_server(&mut self, server: usize) {
        if self.servers[server].machine.is_some() || !self.servers[server].deployed {
            return;
        }
        if !self.servers[server].disk.is_whole() && !self.opens_what_is_rotten(server) {
            self.saw("a store is refused for a flipped bit");
            self.replace_disk(server);
        }
        self.age_disk(server);
        // At the very beginning there is no news; and mutants are hunted from seeds that were noted without it.
        let may_ask = self.swarm.peers && self.now_ms > 0 && self.swarm.mutant.is_none();
        let asks = may_ask && self.servers[server].acts_on.is_none();
        let view = self.view_in_force(server);
        self.begin_another_life(server, &view);
        let config = Config {
            server: self.server_id(server),
            token: self.token.clone(),
            view,
            incarnation: self.servers[server].disk.incarnation,
            sealed: self.servers[server].disk.sealed,
            started_ms: self.clock_ms(self.servers[server].skew_ms),
            asks,
        };
        let host = &mut self.servers[server];
        host.machine = Some(Server::new(config, host.disk.tip(), host.disk.forks(), &host.disk.peers()));
        host.fuse = None;
        let boot = host.boot;
        self.after(1_000, What::ServerTick { server, boot });
        self.note(|| format!("server {server} starts"));
        if self.swarm.peers && !self.pulls_nothing(server) {
            self.dial_all(Caller::Peer(server));
        }
    }

    /// A log that was sealed goes on as another, if its server is to append, as `cmd::serve` has it.
    fn begin_another_life(&mut self, server: usize, view: &View) {
        if self.servers[server].disk.sealed && view.lets_append(self.server_id(server)) {
            let incarnation = self.incarnation();
            self.servers[server].disk.renew(incarnation);
            self.saw("a sealed log goes on as another");
        }
    }

    /// The newest view of a server's file and its disk, as `cmd::serve` has it.
    fn view_in_force(&mut self, server: usize) -> View {
        self.forget_view(server);
        let id = self.server_id(server);
        let host = &mut self.servers[server];
        let stored = tercet::log::Log::view(&host.disk).unwrap();
        let newer = stored.and_then(|bytes| SignedView::newer(&bytes, &host.file).unwrap());
        if newer.is_none() {
            host.disk.put_view(host.file.signed());
            host.disk.sealed |= !host.file.lets_append(id);
        }
        let view = newer.map_or_else(|| host.file.clone(), View::from);
        if host.acts_on.as_ref().is_some_and(|before| before.id() > view.id()) {
            let what = format!("server {server} acts on an older view than before it stopped");
            self.failures.push(Failure::new(RESTART, what));
        }
        self.servers[server].acts_on = Some(view.clone());
        view
    }

    pub fn crash_server(&mut self, server: usize) {
        let host = &mut self.servers[server];
        if host.machine.take().is_none() {
            return;
        }
        host.boot += 1;
        host.fuse = None;
        let left = host.disk.crash(&mut self.rng);
        self.memory.crashed(server);
        let conns: Vec<_> =
            self.net.ids().filter(|(_, conn)| conn.server == server).map(|(id, _)| id).collect();
        for conn in conns {
            self.end_by_server(conn);
        }
        self.hang_up(Caller::Peer(server));
        let down_ms = self.rng.u64(20..5_000);
        self.after(down_ms, What::Remedy(Remedy::StartServer { server }));
        self.saw("a server crashes");
        match left {
            Left::Torn => self.saw("a torn batch"),
            Left::All => self.saw("a batch that nobody was told of"),
            Left::Nothing => {}
        }
        self.note(|| format!("it was server {server}"));
    }

    fn end_by_server(&mut self, conn: ConnId) {
        if self.net.is_open(conn, Way::ToServer) {
            self.net.close(conn, Way::ToServer);
            self.lose_some(conn, Way::ToCaller);
            self.tell_of_end(conn, Way::ToCaller);
        }
    }

    /// Called when the connection is over for the server, whoever ended it.
    pub fn server_closed(&mut self, server: usize, conn: ConnId) {
        self.end_by_server(conn);
        self.server_step(server, Input::Closed { conn });
    }

    pub fn server_hears(&mut self, server: usize, conn: ConnId, bytes: &[u8]) {
        let frame: ToServer = decode(bytes).unwrap();
        match self.checked(frame) {
            Ok(request) => {
                self.witness_upload(server, &request);
                self.server_step(server, Input::Request { conn, request });
            }
            Err(refusal) => {
                let what = format!("server {server} got an invalid event: {refusal}");
                self.failures.push(Failure::new(REFUSAL, what));
                self.server_closed(server, conn);
            }
        }
    }

    /// A frame whose events are checked. The same bytes come to every server and are found valid once: the check
    /// is a function of them, and costs more than all else in a run.
    fn checked(&mut self, frame: ToServer) -> Result<Request, Refusal> {
        let ToServer::Upload { events } = frame else { return Request::from_frame(frame) };
        let mut checked = Vec::new();
        for bytes in events {
            let hash = *blake3::hash(&bytes).as_bytes();
            let event = match self.found_valid.get(&hash) {
                Some(event) => Arc::clone(event),
                None if self.takes_unchecked_uploads() => Arc::new(Event::from_own_store(&bytes).unwrap()),
                None => {
                    let request = Request::from_frame(ToServer::Upload { events: vec![bytes] })?;
                    let Request::Upload(events) = request else { continue };
                    let Some(event) = events.first() else { continue };
                    Arc::clone(event)
                }
            };
            self.found_valid.insert(hash, Arc::clone(&event));
            checked.push(event);
        }
        Ok(Request::Upload(checked))
    }

    fn witness_upload(&mut self, server: usize, request: &Request) {
        let disk = &self.servers[server].disk;
        if let Request::Upload(events) = request
            && events.iter().any(|event| disk.holds(&event.id()))
        {
            self.saw("an upload of what is there");
        }
    }

    pub fn synced(&mut self, server: usize, boot: u64) {
        if self.servers[server].boot != boot {
            return;
        }
        if self.servers[server].stalled {
            return self.after(30, What::Synced { server, boot });
        }
        // As `cmd::serve` has it: an error of the store ends the server, which is then started again.
        match self.servers[server].trouble {
            Some(Trouble::SyncFails) => {
                self.servers[server].trouble = None;
                self.saw("a server's sync fails");
                return self.crash_server(server);
            }
            Some(Trouble::FullUntil(until_ms)) if self.now_ms < until_ms => {
                self.saw("a full disk stops a server");
                return self.crash_server(server);
            }
            _ => {}
        }
        let disk = &mut self.servers[server].disk;
        disk.finish_sync();
        let upto = disk.tip();
        self.release_receipts(server);
        self.sync(server);
        // The log answers for what is durable before the machine is told of it.
        let delay_ms = self.rng.u64(..=self.swarm.sync_max_ms / 8);
        self.after(delay_ms, What::ToldSynced { server, boot, upto });
    }

    pub fn told_synced(&mut self, server: usize, boot: u64, upto: Position) {
        if self.servers[server].boot != boot {
            return;
        }
        if self.servers[server].stalled {
            return self.after(30, What::ToldSynced { server, boot, upto });
        }
        self.server_step(server, Input::Synced { upto });
    }

    pub fn server_tick(&mut self, server: usize, boot: u64) {
        if self.servers[server].boot != boot {
            return;
        }
        self.after(1_000, What::ServerTick { server, boot });
        if self.servers[server].stalled {
            return;
        }
        let silent = |world: &Self, conn| {
            world.net.is_open(conn, Way::ToServer)
                && world.now_ms - world.net.heard_ms(conn, Way::ToServer) > CLIENT_SILENCE_MS
        };
        let conns = self.net.ids().filter(|(id, conn)| conn.server == server && silent(self, *id));
        for conn in conns.map(|(id, _)| id).collect::<Vec<_>>() {
            self.server_closed(server, conn);
        }
        self.server_step(server, Input::Tick);
    }

    pub fn server_step(&mut self, server: usize, input: Input) {
        let now_ms = self.clock_ms(self.servers[server].skew_ms);
        let Some(input) = self.altered_input(server, input) else { return };
        let Some(outputs) = self.step_machine(server, now_ms, input) else { return };
        for output in outputs {
            if self.server_fuse_burns(server) {
                return self.crash_server(server);
            }
            if let Some(output) = self.altered_output(server, output) {
                self.carry_out_output(server, output);
            }
        }
        self.run_ahead_of_the_sync(server);
        self.sync(server);
    }

    fn carry_out_output(&mut self, server: usize, output: Output) {
        match output {
            Output::Write(write) => {
                let host = &mut self.servers[server];
                if matches!(write, Write::Append { .. }) && host.sealed == Some(host.disk.incarnation) {
                    let what = format!("server {server} appends to a log that was sealed");
                    self.failures.push(Failure::new(UNSEALED, what));
                }
                self.servers[server].disk.stage(write);
            }
            Output::Send { conn, frame } if self.is_liar(server) && !self.healed => {
                let frame = self.lie(server, conn, frame);
                self.server_says(server, conn, &frame);
            }
            Output::Send { conn, frame } => self.server_says(server, conn, &frame),
            Output::SendPeer { peer, frame } => self.tell_peer(server, peer, &frame),
            Output::DropPeer { peer, .. }
                if self.view.index_of(peer).is_some_and(|peer| self.is_liar(peer)) =>
            {
                self.saw("a liar is dropped by a peer");
                self.hang_up_on(server, peer);
            }
            Output::DropPeer { peer, why } => {
                let what = format!("server {server} drops an honest peer: {why}");
                self.failures.push(Failure::new(REFUSAL, what));
                self.hang_up_on(server, peer);
            }
            Output::HangUp { peer } => self.hang_up_on(server, peer),
            Output::View(signed) => {
                self.note(|| format!("server {server} acts on view {}", signed.view().epoch()));
                let (view, id) = (signed.into_view(), self.server_id(server));
                let host = &mut self.servers[server];
                if !view.lets_append(id) {
                    host.sealed = Some(host.disk.incarnation);
                }
                host.acts_on = Some(view);
                self.follow_view(Caller::Peer(server));
            }
            Output::Renew => self.crash_server(server),
            Output::NoWord => self.saw("nobody tells a new server of the newest view"),
            Output::Refuse { conn, refusal: refusal @ (Refusal::NotAPeer | Refusal::Retired) }
                if self.swarm.changes > 0 =>
            {
                self.saw("one who has no business there any more is sent away");
                self.server_says(server, conn, &ToClient::Refused(refusal));
                self.end_by_server(conn);
            }
            Output::Refuse { conn, refusal } => {
                if refusal == Refusal::TooSlow && self.clocks_lie() {
                    self.saw("a follower too slow");
                } else {
                    let what = format!("server {server} refuses an honest caller: {refusal}");
                    self.failures.push(Failure::new(REFUSAL, what));
                }
                self.server_says(server, conn, &ToClient::Refused(refusal));
                self.end_by_server(conn);
            }
        }
    }

    /// A peer that this server dialled says something.
    pub fn peer_says(&mut self, server: usize, from: usize, frame: ToClient) {
        let peer = self.server_id(from);
        if let ToClient::Feed { items, upto, caught_up, .. } = &frame {
            let count = items.len();
            self.note(|| {
                format!("server {server} hears from server {from}: {count} new up to {upto}, {caught_up}")
            });
        }
        if matches!(&frame, ToClient::Bodies(events) if !events.is_empty()) {
            self.saw("a body from a peer");
        }
        self.server_step(server, Input::PeerFrame { peer, frame });
    }

    fn tell_peer(&mut self, server: usize, peer: ServerId, frame: &ToServer) {
        let Some(conn) = self.link_to(server, peer) else { return };
        if self.net.waiting(conn, Way::ToServer) >= SEND_QUEUE_FRAMES {
            self.saw("a full send queue");
            return self.hang_up_on(server, peer);
        }
        self.note(|| format!("server {server} to peer {peer:?}: {frame:?}"));
        self.caller_says(conn, frame);
    }

    fn hang_up_on(&mut self, server: usize, peer: ServerId) {
        if let (Some(conn), Some(there)) = (self.link_to(server, peer), self.view.index_of(peer)) {
            self.caller_closes(Caller::Peer(server), there, conn);
        }
    }

    fn link_to(&self, server: usize, peer: ServerId) -> Option<ConnId> {
        let link = self.links.get(&(Caller::Peer(server), self.view.index_of(peer)?))?;
        link.welcomed.then_some(link.conn)
    }

    pub fn server_says(&mut self, server: usize, conn: ConnId, frame: &ToClient) {
        if !self.net.is_open(conn, Way::ToServer) {
            return;
        }
        if self.net.waiting(conn, Way::ToCaller) >= SEND_QUEUE_FRAMES {
            self.saw("a full send queue");
            return self.server_closed(server, conn);
        }
        self.send(conn, Way::ToCaller, encode(frame).unwrap());
        self.disturb(conn, frame);
    }

    fn sync(&mut self, server: usize) {
        let host = &mut self.servers[server];
        if host.machine.is_some() && host.disk.start_sync() {
            let boot = host.boot;
            let delay_ms = 1 + self.rng.u64(..self.swarm.sync_max_ms);
            self.after(delay_ms, What::Synced { server, boot });
        }
    }

    fn server_fuse_burns(&mut self, server: usize) -> bool {
        let Some(left) = &mut self.servers[server].fuse else { return false };
        let burnt = *left == 0;
        *left = left.saturating_sub(1);
        burnt
    }
}
