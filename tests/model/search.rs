//! What may happen next, and the reductions that keep the search small. The head of `main.rs` says why they
//! lose nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use stateright::{Model, Property};
use tercet::frame::{ToClient, ToServer};
use tercet::id::ServerId;

use crate::client_host;
use crate::cluster::{Cluster, Dynamics, Parcel, first, frames};
use crate::judge;
use crate::node::Letter;
use crate::scope::{Plant, Scope};
use crate::server_host::{self, Caller};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    Say {
        client: usize,
    },
    /// The first frame of a connection arrives at the server.
    ToServer {
        link: usize,
        pipe: usize,
    },
    /// The first frame of a connection arrives at who dialled it.
    ToCaller {
        link: usize,
        pipe: usize,
    },
    Sync {
        server: usize,
    },
    TickClient {
        client: usize,
    },
    TickServer {
        server: usize,
    },
    Dial {
        link: usize,
    },
    Cut {
        link: usize,
        kept: bool,
    },
    CrashServer {
        server: usize,
        batch_survives: bool,
        kept: bool,
    },
    LoseDisk {
        server: usize,
        kept: bool,
    },
    CrashClient {
        client: usize,
        all_survives: bool,
        kept: bool,
    },
}

/// One search over a [`Scope`].
pub struct Search {
    pub dynamics: Dynamics,
    /// What `verify` said of the logs that each rest left, by their fingerprint.
    pub verdicts: Mutex<HashMap<u64, Option<String>>>,
}

impl Search {
    pub fn new(scope: Scope) -> Self {
        Self { dynamics: Dynamics::new(scope), verdicts: Mutex::new(HashMap::new()) }
    }

    pub fn scope(&self) -> &Scope {
        &self.dynamics.scope
    }

    /// A server's place.
    pub fn index_of(&self, server: ServerId) -> usize {
        self.dynamics.view.index_of(server).unwrap()
    }

    /// What the nodes do by themselves: all that must happen unless something else comes first.
    pub fn moves(&self, cluster: &Cluster) -> Vec<Action> {
        let mut moves = Vec::new();
        for (link, entry) in cluster.links.iter().enumerate() {
            for (pipe, ends) in entry.pipes.iter().enumerate() {
                if !ends.to_server.is_empty() {
                    moves.push(Action::ToServer { link, pipe });
                }
                if !ends.to_caller.is_empty() {
                    moves.push(Action::ToCaller { link, pipe });
                }
            }
            if !entry.is_up() && self.dynamics.is_link(link) {
                moves.push(Action::Dial { link });
            }
        }
        for (server, node) in cluster.servers.iter().enumerate() {
            if node.host().is_busy() {
                moves.push(Action::Sync { server });
            }
        }
        moves
    }

    fn ticks(&self, cluster: &Cluster, actions: &mut Vec<Action>) {
        let most = self.scope().ticks;
        for (client, node) in cluster.clients.iter().enumerate() {
            if node.host().ticks < most && node.facts().waits {
                actions.push(Action::TickClient { client });
            }
        }
        for (server, node) in cluster.servers.iter().enumerate() {
            if node.host().ticks < most && node.facts().waits {
                actions.push(Action::TickServer { server });
            }
        }
    }

    fn faults(&self, cluster: &Cluster, actions: &mut Vec<Action>) {
        let left = &cluster.left;
        let both = [false, true];
        for server in (0..cluster.servers.len()).filter(|server| self.may_be_hit(*server)) {
            for kept in both {
                if left.server_crashes > 0 {
                    // Without a batch on its way to the disk the two are one.
                    let is_busy = cluster.servers[server].host().disk.is_dirty();
                    actions.push(Action::CrashServer { server, batch_survives: false, kept });
                    if is_busy {
                        actions.push(Action::CrashServer { server, batch_survives: true, kept });
                    }
                }
                if left.disk_losses > 0 {
                    actions.push(Action::LoseDisk { server, kept });
                }
            }
        }
        if left.cuts > 0 {
            for link in 0..cluster.links.len() {
                if cluster.links[link].is_up() && self.may_be_hit(self.dynamics.server(link)) {
                    actions.extend(both.map(|kept| Action::Cut { link, kept }));
                }
            }
        }
        if left.client_crashes > 0 {
            for client in 0..cluster.clients.len() {
                for all_survives in both {
                    actions.extend(both.map(|kept| Action::CrashClient { client, all_survives, kept }));
                }
            }
        }
    }

    fn may_be_hit(&self, server: usize) -> bool {
        self.scope().hit.is_none_or(|hit| hit == server)
    }

    pub fn act(&self, cluster: &mut Cluster, action: Action) {
        let dynamics = &self.dynamics;
        match action {
            Action::Say { client } => {
                cluster.left.says[client] -= 1;
                dynamics.client_step(cluster, client, &client_host::Input::Say);
            }
            Action::ToServer { link, pipe } => dynamics.to_server(cluster, link, pipe),
            Action::ToCaller { link, pipe } => {
                let swallows = self.scope().plant == Some(Plant::SwallowsFeeds);
                let parcels = &mut cluster.link(link).pipes[pipe].to_caller;
                let has_bodies = match first(parcels) {
                    Some(ToClient::Feed { items, .. }) => items.iter().any(|item| item.event.is_some()),
                    _ => false,
                };
                if swallows && has_bodies {
                    parcels.pop_front();
                } else {
                    if swallows {
                        looks_nowhere(parcels);
                    }
                    dynamics.to_caller(cluster, link, pipe);
                }
            }
            Action::Sync { server } => dynamics.sync(cluster, server),
            Action::TickClient { client } => {
                dynamics.client_step(cluster, client, &client_host::Input::Tick);
            }
            Action::TickServer { server } => {
                dynamics.server_step(cluster, server, &server_host::Input::Tick);
            }
            Action::Dial { link } => dynamics.dial(cluster, link),
            Action::Cut { link, kept } => {
                cluster.left.cuts -= 1;
                dynamics.cut(cluster, link, kept);
            }
            Action::CrashServer { server, batch_survives, kept } => {
                cluster.left.server_crashes -= 1;
                let crash = server_host::Input::Crash { batch_survives };
                dynamics.restart_server(cluster, server, &crash, kept);
            }
            Action::LoseDisk { server, kept } => {
                cluster.left.disk_losses -= 1;
                dynamics.restart_server(cluster, server, &server_host::Input::LoseDisk, kept);
            }
            Action::CrashClient { client, all_survives, kept } => {
                cluster.left.client_crashes -= 1;
                dynamics.restart_client(cluster, client, all_survives, kept);
            }
        }
    }

    // ---- reductions ---------------------------------------------------------------------------------

    /// Takes every move that commutes with whatever else may happen.
    pub fn advance(&self, cluster: &mut Cluster) {
        while let Some(action) = self.commuting(cluster).filter(|_| !self.scope().unreduced) {
            self.act(cluster, action);
        }
    }

    fn commuting(&self, cluster: &Cluster) -> Option<Action> {
        for (link, entry) in cluster.links.iter().enumerate() {
            for (pipe, ends) in entry.pipes.iter().enumerate() {
                let is_over = ends.to_server.front() == Some(&None);
                if is_over
                    || matches!(
                        first(&ends.to_server),
                        Some(ToServer::Cursor { .. } | ToServer::Follow { .. })
                    )
                {
                    return Some(Action::ToServer { link, pipe });
                }
                let Caller::Client(client) = self.dynamics.caller(link) else { continue };
                if !self.is_safe(cluster, link) {
                    continue;
                }
                let held = &cluster.clients[client].facts().held;
                let commutes = match first(&ends.to_caller) {
                    Some(ToClient::Receipts(_)) => true,
                    Some(ToClient::Feed { items, .. }) => items.iter().all(|item| held.contains(&item.id)),
                    _ => false,
                };
                if commutes {
                    return Some(Action::ToCaller { link, pipe });
                }
            }
        }
        (0..cluster.servers.len()).find_map(|server| self.last_write(cluster, server))
    }

    /// Whether no fault can hit a link any more.
    fn is_safe(&self, cluster: &Cluster, link: usize) -> bool {
        let left = &cluster.left;
        let of_servers = left.server_crashes + left.disk_losses + left.cuts > 0;
        left.client_crashes == 0 && !(of_servers && self.may_be_hit(self.dynamics.server(link)))
    }

    /// The last upload to a server, and the sync after it, when nothing else can come that it could stand
    /// before or behind.
    fn last_write(&self, cluster: &Cluster, server: usize) -> Option<Action> {
        if self.scope().peers || self.scope().tells_later || cluster.left.says != [0; 2] {
            return None;
        }
        let links: Vec<_> =
            (0..cluster.links.len()).filter(|link| self.dynamics.server(*link) == server).collect();
        if !links.iter().all(|link| self.is_safe(cluster, *link) && cluster.links[*link].is_up()) {
            return None;
        }
        let mut uploads = Vec::new();
        for link in links {
            for (pipe, ends) in cluster.links[link].pipes.iter().enumerate() {
                if frames(&ends.to_caller).any(|frame| matches!(frame, ToClient::Missing { .. })) {
                    return None;
                }
                for (place, parcel) in ends.to_server.iter().enumerate() {
                    match parcel.as_ref().map(Letter::frame) {
                        Some(ToServer::Upload { events }) => uploads.push((link, pipe, place, events.len())),
                        Some(ToServer::Cursor { .. }) => {}
                        _ => return None,
                    }
                }
            }
        }
        let disk = &cluster.servers[server].host().disk;
        let said: u8 = self.scope().says.iter().sum();
        let all = usize::from(said);
        let (durable, gathering) = (usize::try_from(disk.tip()).unwrap(), disk.gathering());
        match uploads[..] {
            [] if gathering > 0 && durable + gathering == all => Some(Action::Sync { server }),
            [(link, pipe, 0, 1)] if gathering == 0 && durable + 1 == all => {
                Some(Action::ToServer { link, pipe })
            }
            _ => None,
        }
    }
}

impl Model for Search {
    type State = Cluster;
    type Action = Action;

    /// Everybody is connected and has heard that there is nothing yet.
    fn init_states(&self) -> Vec<Cluster> {
        let mut cluster = self.dynamics.fresh();
        judge::drain(self, &mut cluster);
        vec![cluster]
    }

    fn actions(&self, cluster: &Cluster, actions: &mut Vec<Action>) {
        let clients = 0..cluster.clients.len();
        actions.extend(
            clients.filter(|client| cluster.left.says[*client] > 0).map(|client| Action::Say { client }),
        );
        actions.extend(self.moves(cluster));
        self.ticks(cluster, actions);
        self.faults(cluster, actions);
    }

    fn next_state(&self, cluster: &Cluster, action: Action) -> Option<Cluster> {
        let mut next = cluster.clone();
        self.act(&mut next, action);
        self.advance(&mut next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        judge::properties()
    }
}

/// The next frame of a feed does not say that one before it is lacking.
fn looks_nowhere(parcels: &mut VecDeque<Parcel<ToClient>>) {
    if let Some(Some(letter)) = parcels.front_mut()
        && let ToClient::Feed { room, items, upto, caught_up, .. } = letter.frame().clone()
    {
        *letter = Letter::new(ToClient::Feed { room, items, after: 0, upto, caught_up });
    }
}
