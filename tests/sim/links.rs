//! Connections as who dialled them sees them: dialling, pinging, silence, and what the machine is told of it.
//! Clients dial every server, servers every other.

use tercet::client::{self, Client};
use tercet::frame::{Item, Role, ToClient, ToServer, decode, encode};
use tercet::id::Incarnation;
use tercet::limits::{PING_MS, PROTOCOL_VERSION, REDIAL_MAX_MS, REDIAL_MIN_MS, SILENCE_MS};
use tercet::server::{self, ConnId};
use tercet::view::View;

use crate::client_host::Arrival;
use crate::network::{Caller, Way};
use crate::world::{What, World};

/// One dialled connection.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    pub conn: ConnId,
    pub welcomed: bool,
}

impl World {
    pub fn dial_all(&mut self, caller: Caller) {
        let boot = self.boot(caller);
        for server in (0..self.servers.len()).filter(|server| caller != Caller::Peer(*server)) {
            self.after(1, What::Dial { caller, server, boot });
        }
    }

    pub fn dial(&mut self, caller: Caller, server: usize, boot: u64) {
        let is_linked = self.links.contains_key(&(caller, server));
        if self.boot(caller) != boot || !self.is_on(caller) || is_linked || !self.knows(caller, server) {
            return;
        }
        let blocked = Way::BOTH.into_iter().any(|way| self.net.is_blocked(caller, server, way));
        let there = &self.servers[server];
        if blocked || self.is_frozen(caller) || there.stalled || there.machine.is_none() {
            return self.redial(caller, server);
        }
        self.note(|| format!("{caller} reaches server {server}"));
        let conn = self.net.open(self.now_ms, caller, server);
        self.links.insert((caller, server), Link { conn, welcomed: false });
        let (key, role) = match caller {
            Caller::Client(client) => {
                let host = &self.clients[client];
                let role = Role::Device { device: host.device, token: self.token.clone() };
                (host.key.verifying_key().to_bytes(), role)
            }
            Caller::Peer(peer) => (*self.view.servers()[peer].id.as_bytes(), Role::Peer),
        };
        self.server_step(server, server::Input::Opened { conn, key });
        let (cluster, view) = (self.view.cluster(), self.view_of(caller).map_or(self.first.id(), View::id));
        let hello = ToServer::Hello { version: PROTOCOL_VERSION, cluster, view, role };
        self.caller_says(conn, &hello);
        self.after(PING_MS, What::Ping { conn });
    }

    /// The view by which a caller knows whom to dial.
    fn view_of(&self, caller: Caller) -> Option<&View> {
        match caller {
            Caller::Client(client) => self.clients[client].machine.as_ref().map(Client::view),
            Caller::Peer(server) => self.servers[server].acts_on.as_ref(),
        }
    }

    fn knows(&self, caller: Caller, server: usize) -> bool {
        if matches!(caller, Caller::Peer(own) if !self.swarm.peers || self.pulls_nothing(own)) {
            return false;
        }
        let names = |view: &View, server| view.member(self.server_id(server)).is_some();
        self.view_of(caller).is_some_and(|view| match caller {
            Caller::Peer(own) => names(view, own) && names(view, server),
            Caller::Client(_) => names(view, server),
        })
    }

    /// A caller has another view: it dials who is new there, and hangs up on who is gone.
    pub fn follow_view(&mut self, caller: Caller) {
        let boot = self.boot(caller);
        for server in (0..self.servers.len()).filter(|server| caller != Caller::Peer(*server)) {
            match self.links.get(&(caller, server)) {
                Some(link) if !self.knows(caller, server) => self.caller_closes(caller, server, link.conn),
                None if self.knows(caller, server) => self.after(1, What::Dial { caller, server, boot }),
                _ => {}
            }
        }
    }

    fn redial(&mut self, caller: Caller, server: usize) {
        let boot = self.boot(caller);
        let wait_ms = self.rng.u64(REDIAL_MIN_MS..=REDIAL_MAX_MS);
        self.after(wait_ms, What::Dial { caller, server, boot });
    }

    pub fn ping(&mut self, conn: ConnId) {
        let Some(ends) = self.net.get(conn).filter(|_| self.net.is_open(conn, Way::ToCaller)) else { return };
        let (caller, server) = (ends.caller, ends.server);
        self.after(PING_MS, What::Ping { conn });
        if self.is_frozen(caller) {
            return;
        }
        if self.now_ms - self.net.heard_ms(conn, Way::ToCaller) > SILENCE_MS {
            return self.caller_closes(caller, server, conn);
        }
        self.caller_says(conn, &ToServer::Ping);
    }

    /// Called when the connection is over for who dialled it, whoever ended it.
    pub fn caller_closes(&mut self, caller: Caller, server: usize, conn: ConnId) {
        self.end_by_caller(conn);
        let Some(link) = self.links.get(&(caller, server)).copied().filter(|link| link.conn == conn) else {
            return;
        };
        self.links.remove(&(caller, server));
        self.note(|| format!("{caller} loses server {server}"));
        self.redial(caller, server);
        if link.welcomed {
            match caller {
                Caller::Client(client) => self.arrives(client, Arrival::Down { server }),
                Caller::Peer(own) => {
                    self.server_step(own, server::Input::PeerDown { peer: self.server_id(server) });
                }
            }
        }
    }

    pub fn caller_hears(&mut self, caller: Caller, server: usize, conn: ConnId, bytes: &[u8]) {
        let frame: ToClient = decode(bytes).unwrap();
        let Some(link) = self.links.get_mut(&(caller, server)).filter(|link| link.conn == conn) else {
            return;
        };
        match frame {
            ToClient::Welcome { incarnation, .. } => {
                link.welcomed = true;
                self.is_welcome(caller, server, conn, incarnation);
                self.is_told(caller, server, frame);
            }
            frame if link.welcomed => self.is_told(caller, server, frame),
            _ => {}
        }
    }

    fn is_welcome(&mut self, caller: Caller, server: usize, conn: ConnId, incarnation: Incarnation) {
        match caller {
            Caller::Client(client) => self.arrives(client, Arrival::Up { server, conn, incarnation }),
            Caller::Peer(own) => {
                let peer = self.server_id(server);
                self.server_step(own, server::Input::PeerUp { peer, incarnation });
            }
        }
    }

    fn is_told(&mut self, caller: Caller, server: usize, frame: ToClient) {
        let from = self.server_id(server);
        match caller {
            Caller::Client(client) => {
                self.witness_frame(client, &frame);
                self.client_step(client, client::Input::Frame { server: from, frame });
            }
            Caller::Peer(own) => self.peer_says(own, server, frame),
        }
    }

    fn witness_frame(&mut self, client: usize, frame: &ToClient) {
        let machine = self.clients[client].machine.as_ref();
        let holds = |item: &Item| machine.is_some_and(|machine| machine.event(&item.id).is_some());
        match frame {
            ToClient::Missing { .. } => self.saw("a server lacks parents"),
            ToClient::Feed { items, .. } if items.iter().any(|item| item.event.is_some() && holds(item)) => {
                self.saw("an event told twice");
            }
            _ => {}
        }
    }

    /// The caller is gone, and all its connections with it.
    pub fn hang_up(&mut self, caller: Caller) {
        for server in 0..self.servers.len() {
            if let Some(link) = self.links.remove(&(caller, server)) {
                self.end_by_caller(link.conn);
            }
        }
    }

    pub fn end_by_caller(&mut self, conn: ConnId) {
        if self.net.is_open(conn, Way::ToCaller) {
            self.net.close(conn, Way::ToCaller);
            self.lose_some(conn, Way::ToServer);
            self.tell_of_end(conn, Way::ToServer);
        }
    }

    pub fn caller_says(&mut self, conn: ConnId, frame: &ToServer) {
        let Some(caller) = self.net.get(conn).map(|conn| conn.caller) else { return };
        match (frame, caller) {
            (ToServer::Fetch { .. }, Caller::Client(_)) => self.saw("a fetch"),
            (ToServer::Fetch { .. }, Caller::Peer(_)) => self.saw("a fetch from a peer"),
            (ToServer::Follow { after, .. }, Caller::Peer(_)) if *after > 0 => {
                self.saw("a peer's log gone on with");
            }
            (ToServer::Follow { bodies: true, after, .. }, _) if *after > 0 => {
                self.saw("a feed gone on with");
            }
            _ => {}
        }
        if self.net.is_open(conn, Way::ToCaller) {
            self.send(conn, Way::ToServer, encode(frame).unwrap());
        }
    }

    fn boot(&self, caller: Caller) -> u64 {
        match caller {
            Caller::Client(client) => self.clients[client].boot,
            Caller::Peer(server) => self.servers[server].boot,
        }
    }

    fn is_on(&self, caller: Caller) -> bool {
        match caller {
            Caller::Client(client) => self.clients[client].machine.is_some(),
            Caller::Peer(server) => self.servers[server].machine.is_some(),
        }
    }

    /// Whether the caller neither dials nor reads nor pings now, though its connections stand.
    pub fn is_frozen(&self, caller: Caller) -> bool {
        match caller {
            Caller::Client(client) => self.clients[client].suspended,
            Caller::Peer(server) => self.servers[server].stalled,
        }
    }
}
