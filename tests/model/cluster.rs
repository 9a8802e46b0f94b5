//! A whole cluster as one value: hosts, and connections as TCP gives them. Frames arrive in order until the
//! connection ends; each side learns of the end in its own time, after what still arrives before it.

use std::collections::VecDeque;
use std::sync::Arc;

use tercet::frame::{ToClient, ToServer};
use tercet::id::Incarnation;
use tercet::server::ConnId;
use tercet::view::View;

use crate::client_host::{self, ClientHost};
use crate::node::{Letter, Node, Steps};
use crate::scope::Scope;
use crate::server_host::{self, Caller, ServerHost};

/// Everything that is, between two steps.
#[derive(Clone, Hash, PartialEq)]
pub struct Cluster {
    pub clients: Vec<Node<ClientHost>>,
    pub servers: Vec<Node<ServerHost>>,
    /// Every caller's connections to every server, by [`Dynamics::link`].
    pub links: Vec<Arc<Link>>,
    pub left: Budget,
}

impl Cluster {
    pub fn link(&mut self, link: usize) -> &mut Link {
        Arc::make_mut(&mut self.links[link])
    }
}

/// What may still happen.
#[derive(Clone, Copy, Debug, Hash, PartialEq)]
pub struct Budget {
    pub says: [u8; 2],
    pub server_crashes: u8,
    pub client_crashes: u8,
    pub cuts: u8,
    pub disk_losses: u8,
}

/// The connections between one caller and one server, the oldest first. Only the last may be open for both.
#[derive(Clone, Default, Hash, PartialEq)]
pub struct Link {
    dialled: u8,
    pub pipes: Vec<Pipe>,
}

#[derive(Clone, Hash, PartialEq)]
pub struct Pipe {
    conn: ConnId,
    caller_open: bool,
    server_open: bool,
    pub to_server: VecDeque<Parcel<ToServer>>,
    pub to_caller: VecDeque<Parcel<ToClient>>,
}

/// A frame, or that the other side has ended the connection.
pub type Parcel<F> = Option<Letter<F>>;

/// The frame that arrives first.
pub fn first<F>(parcels: &VecDeque<Parcel<F>>) -> Option<&F> {
    Some(parcels.front()?.as_ref()?.frame())
}

/// Every frame on its way.
pub fn frames<F>(parcels: &VecDeque<Parcel<F>>) -> impl Iterator<Item = &F> {
    parcels.iter().flatten().map(Letter::frame)
}

impl Link {
    pub fn is_up(&self) -> bool {
        self.pipes.last().is_some_and(|pipe| pipe.caller_open)
    }
}

/// How a cluster moves: the hosts' steps, and where what they send goes.
pub struct Dynamics {
    pub scope: Scope,
    pub view: View,
    pub client_steps: Steps<ClientHost>,
    pub server_steps: Steps<ServerHost>,
}

impl Dynamics {
    pub fn new(scope: Scope) -> Self {
        Self { view: scope.view(), scope, client_steps: Steps::new(), server_steps: Steps::new() }
    }

    /// Nobody is connected, nothing was said.
    pub fn fresh(&self) -> Cluster {
        let scope = &self.scope;
        let callers = scope.clients + if scope.peers { scope.servers } else { 0 };
        Cluster {
            clients: (0..scope.clients)
                .map(|index| Node::new(ClientHost::new(scope, index), scope))
                .collect(),
            servers: (0..scope.servers)
                .map(|index| Node::new(ServerHost::new(scope, index), scope))
                .collect(),
            links: vec![Arc::default(); callers * scope.servers],
            left: Budget {
                says: scope.says,
                server_crashes: scope.server_crashes,
                client_crashes: scope.client_crashes,
                cuts: scope.cuts,
                disk_losses: scope.disk_losses,
            },
        }
    }

    fn link(&self, caller: Caller, server: usize) -> usize {
        let row = match caller {
            Caller::Client(client) => client,
            Caller::Peer(peer) => self.scope.clients + peer,
        };
        row * self.scope.servers + server
    }

    pub fn caller(&self, link: usize) -> Caller {
        let row = link / self.scope.servers;
        if row < self.scope.clients { Caller::Client(row) } else { Caller::Peer(row - self.scope.clients) }
    }

    pub fn server(&self, link: usize) -> usize {
        link % self.scope.servers
    }

    /// Whether this link is one between two different nodes.
    pub fn is_link(&self, link: usize) -> bool {
        self.caller(link) != Caller::Peer(self.server(link))
    }

    // ---- hosts --------------------------------------------------------------------------------------

    pub fn client_step(&self, cluster: &mut Cluster, client: usize, input: &client_host::Input) {
        let (node, outputs) = self.client_steps.step(&self.scope, &cluster.clients[client], input);
        cluster.clients[client] = node;
        for (server, letter) in outputs.iter() {
            let link = self.link(Caller::Client(client), *server);
            cluster.link(link).say(letter);
        }
    }

    pub fn server_step(&self, cluster: &mut Cluster, server: usize, input: &server_host::Input) {
        let (node, outputs) = self.server_steps.step(&self.scope, &cluster.servers[server], input);
        cluster.servers[server] = node;
        for output in outputs.iter() {
            match output {
                server_host::Output::Send { conn, letter } => {
                    let link = usize::try_from(*conn).unwrap() >> 8;
                    cluster.link(link).answer(*conn, letter);
                }
                server_host::Output::SendPeer { peer, letter } => {
                    let link = self.link(Caller::Peer(server), *peer);
                    cluster.link(link).say(letter);
                }
            }
        }
    }

    pub fn sync(&self, cluster: &mut Cluster, server: usize) {
        let untold = cluster.servers[server].host().is_untold();
        if !untold {
            self.server_step(cluster, server, &server_host::Input::Sync);
        }
        if untold || !self.scope.tells_later {
            self.server_step(cluster, server, &server_host::Input::Told);
        }
    }

    // ---- connections --------------------------------------------------------------------------------

    /// A connection with its whole handshake.
    pub fn dial(&self, cluster: &mut Cluster, link: usize) {
        let (caller, server) = (self.caller(link), self.server(link));
        let entry = cluster.link(link);
        entry.dialled += 1;
        let conn = ((link as ConnId) << 8) | ConnId::from(entry.dialled);
        let (to_server, to_caller) = (VecDeque::new(), VecDeque::new());
        entry.pipes.push(Pipe { conn, caller_open: true, server_open: true, to_server, to_caller });
        self.server_step(cluster, server, &server_host::Input::Dialled { conn, caller });
        let welcome = cluster.link(link).pipes.last_mut().unwrap().to_caller.pop_front().flatten().unwrap();
        let ToClient::Welcome { incarnation, .. } = welcome.frame() else { panic!("not welcome") };
        self.up(cluster, caller, server, *incarnation);
    }

    fn up(&self, cluster: &mut Cluster, caller: Caller, server: usize, incarnation: Incarnation) {
        match caller {
            Caller::Client(client) => {
                self.client_step(cluster, client, &client_host::Input::Up { server, incarnation });
            }
            Caller::Peer(own) => {
                self.server_step(cluster, own, &server_host::Input::PeerUp { peer: server, incarnation });
            }
        }
    }

    fn down(&self, cluster: &mut Cluster, caller: Caller, server: usize) {
        match caller {
            Caller::Client(client) => {
                self.client_step(cluster, client, &client_host::Input::Down { server });
            }
            Caller::Peer(own) => {
                self.server_step(cluster, own, &server_host::Input::PeerDown { peer: server });
            }
        }
    }

    /// The first parcel on its way to the server arrives.
    pub fn to_server(&self, cluster: &mut Cluster, link: usize, pipe: usize) {
        let server = self.server(link);
        let entry = &mut cluster.link(link).pipes[pipe];
        let conn = entry.conn;
        match entry.to_server.pop_front().unwrap() {
            Some(letter) => {
                self.server_step(cluster, server, &server_host::Input::Frame { conn, letter });
            }
            None => {
                entry.server_open = false;
                self.server_step(cluster, server, &server_host::Input::Closed { conn });
            }
        }
        cluster.link(link).sweep();
    }

    /// The first parcel on its way to the caller arrives.
    pub fn to_caller(&self, cluster: &mut Cluster, link: usize, pipe: usize) {
        let (caller, server) = (self.caller(link), self.server(link));
        let entry = &mut cluster.link(link).pipes[pipe];
        match entry.to_caller.pop_front().unwrap() {
            Some(letter) => match caller {
                Caller::Client(client) => {
                    self.client_step(cluster, client, &client_host::Input::Frame { server, letter });
                }
                Caller::Peer(own) => {
                    let input = server_host::Input::PeerFrame { peer: server, letter };
                    self.server_step(cluster, own, &input);
                }
            },
            None => {
                entry.caller_open = false;
                self.down(cluster, caller, server);
            }
        }
        cluster.link(link).sweep();
    }

    // ---- faults -------------------------------------------------------------------------------------

    /// The caller finds its connection dead. The server still gets what was `kept`, then learns of the end.
    pub fn cut(&self, cluster: &mut Cluster, link: usize, kept: bool) {
        cluster.link(link).end_by_caller(kept);
        self.down(cluster, self.caller(link), self.server(link));
    }

    /// The server's host is gone, and stands again; its callers still get what was `kept`.
    pub fn restart_server(
        &self,
        cluster: &mut Cluster,
        server: usize,
        input: &server_host::Input,
        kept: bool,
    ) {
        for link in (0..cluster.links.len()).filter(|link| self.server(*link) == server) {
            cluster.link(link).end_by_server(kept);
        }
        self.hang_up(cluster, Caller::Peer(server), kept);
        self.server_step(cluster, server, input);
    }

    /// The device is gone, and stands again; the servers still get what was `kept`.
    pub fn restart_client(&self, cluster: &mut Cluster, client: usize, all_survives: bool, kept: bool) {
        self.hang_up(cluster, Caller::Client(client), kept);
        self.client_step(cluster, client, &client_host::Input::Crash { all_survives });
    }

    fn hang_up(&self, cluster: &mut Cluster, caller: Caller, kept: bool) {
        for link in (0..cluster.links.len()).filter(|link| self.caller(*link) == caller) {
            cluster.link(link).end_by_caller(kept);
        }
    }
}

impl Link {
    /// The caller sends a frame on the connection that it takes for open.
    fn say(&mut self, letter: &Letter<ToServer>) {
        if let Some(pipe) = self.pipes.last_mut().filter(|pipe| pipe.caller_open && pipe.server_open) {
            pipe.to_server.push_back(Some(letter.clone()));
        }
    }

    fn answer(&mut self, conn: ConnId, letter: &Letter<ToClient>) {
        let pipe = self.pipes.iter_mut().find(|pipe| pipe.conn == conn);
        if let Some(pipe) = pipe.filter(|pipe| pipe.caller_open && pipe.server_open) {
            pipe.to_caller.push_back(Some(letter.clone()));
        }
    }

    fn end_by_caller(&mut self, kept: bool) {
        for pipe in self.pipes.iter_mut().filter(|pipe| pipe.caller_open) {
            pipe.caller_open = false;
            pipe.to_caller.clear();
            if pipe.server_open {
                pipe.to_server.truncate(if kept { pipe.to_server.len() } else { 0 });
                pipe.to_server.push_back(None);
            }
        }
        self.sweep();
    }

    fn end_by_server(&mut self, kept: bool) {
        for pipe in self.pipes.iter_mut().filter(|pipe| pipe.server_open) {
            pipe.server_open = false;
            pipe.to_server.clear();
            if pipe.caller_open {
                pipe.to_caller.truncate(if kept { pipe.to_caller.len() } else { 0 });
                pipe.to_caller.push_back(None);
            }
        }
        self.sweep();
    }

    /// Nothing is left of a connection that both sides know to be over.
    fn sweep(&mut self) {
        self.pipes.retain(|pipe| pipe.caller_open || pipe.server_open);
    }
}
