//! A client's connections: dialling, pinging, silence, and what the person's machine is told of it.

use tercet::client::Input;
use tercet::frame::{Role, ToClient, ToServer, decode, encode};
use tercet::limits::{PING_MS, PROTOCOL_VERSION, REDIAL_MAX_MS, REDIAL_MIN_MS, SILENCE_MS};
use tercet::server::{self, ConnId};

use crate::client_host::Arrival;
use crate::network::Way;
use crate::world::{What, World};

impl World {
    pub fn dial(&mut self, client: usize, server: usize, boot: u64) {
        let (host, there) = (&self.clients[client], &self.servers[server]);
        if host.boot != boot || host.machine.is_none() || host.links[server].is_some() {
            return;
        }
        let blocked = Way::BOTH.into_iter().any(|way| self.net.is_blocked(client, server, way));
        if blocked || host.suspended || there.stalled || there.machine.is_none() {
            return self.redial(client, server);
        }
        self.note(|| format!("client {client} reaches server {server}"));
        let conn = self.net.open(self.now_ms, client, server);
        let key = self.clients[client].key.verifying_key().to_bytes();
        let device = self.clients[client].device;
        self.clients[client].links[server] = Some((conn, false));
        self.server_step(server, server::Input::Opened { conn, key });
        let role = Role::Device { device, token: self.token.clone() };
        let hello = ToServer::Hello { version: PROTOCOL_VERSION, cluster: self.view.cluster(), role };
        self.client_says(conn, &hello);
        self.after(PING_MS, What::Ping { conn });
    }

    fn redial(&mut self, client: usize, server: usize) {
        let boot = self.clients[client].boot;
        let wait_ms = self.rng.u64(REDIAL_MIN_MS..=REDIAL_MAX_MS);
        self.after(wait_ms, What::Dial { client, server, boot });
    }

    pub fn ping(&mut self, conn: ConnId) {
        let Some(ends) = self.net.get(conn).filter(|_| self.net.is_open(conn, Way::ToClient)) else { return };
        let (client, server) = (ends.client, ends.server);
        self.after(PING_MS, What::Ping { conn });
        if self.clients[client].suspended {
            return;
        }
        if self.now_ms - self.net.heard_ms(conn, Way::ToClient) > SILENCE_MS {
            return self.client_closes(client, server, conn);
        }
        self.client_says(conn, &ToServer::Ping);
    }

    /// Called when the connection is over for the client, whoever ended it.
    pub fn client_closes(&mut self, client: usize, server: usize, conn: ConnId) {
        self.end_by_client(conn);
        let Some((_, welcomed)) = self.clients[client].links[server].take_if(|(link, _)| *link == conn)
        else {
            return;
        };
        self.note(|| format!("client {client} loses server {server}"));
        self.redial(client, server);
        if welcomed {
            self.arrives(client, Arrival::Down { server });
        }
    }

    pub fn client_hears(&mut self, client: usize, server: usize, conn: ConnId, bytes: &[u8]) {
        let frame: ToClient = decode(bytes).unwrap();
        let name = self.view.servers()[server].id;
        let Some((_, welcomed)) =
            self.clients[client].links[server].as_mut().filter(|(link, _)| *link == conn)
        else {
            return;
        };
        match frame {
            ToClient::Welcome { incarnation, .. } => {
                *welcomed = true;
                self.arrives(client, Arrival::Up { server, conn, incarnation });
            }
            frame if *welcomed => {
                if let ToClient::Missing { .. } = frame {
                    self.saw("a server lacks parents");
                }
                self.client_step(client, Input::Frame { server: name, frame });
            }
            _ => {}
        }
    }

    pub fn end_by_client(&mut self, conn: ConnId) {
        if self.net.is_open(conn, Way::ToClient) {
            self.net.close(conn, Way::ToClient);
            self.lose_some(conn, Way::ToServer);
            self.tell_of_end(conn, Way::ToServer);
        }
    }

    pub fn client_says(&mut self, conn: ConnId, frame: &ToServer) {
        match frame {
            ToServer::Fetch { .. } => self.saw("a fetch"),
            ToServer::Follow { bodies: true, after } if *after > 0 => self.saw("a feed gone on with"),
            _ => {}
        }
        if self.net.is_open(conn, Way::ToClient) {
            self.send(conn, Way::ToServer, encode(frame).unwrap());
        }
    }
}
