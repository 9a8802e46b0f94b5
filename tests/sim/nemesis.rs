//! What goes wrong, and how it is put right again.
//!
//! Connections are TCP's: within one, nothing is lost, doubled or reordered. So on this network
//! - *loss* is a connection that is cut with frames on their way ([`Fault::Cut`]), of which some arrive;
//! - *duplication* is what is sent again over the next connection: uploads whose receipt got lost, events whose
//!   cursor did;
//! - *reordering* is between connections: what one server tells of arrives before what another told earlier,
//!   and each frame takes a time of its own within the order of its connection.

use tercet::id::DeviceId;

use crate::mutants::Mutant;
use crate::network::{Caller, Way};
use crate::world::{What, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A connection breaks.
    Cut,
    /// Some clients and servers, or servers among themselves, do not reach each other, both ways or one way.
    Partition,
    /// A server stops running, with its connections open, and goes on later.
    Stall,
    /// A device sleeps.
    Suspend,
    /// A server loses power in the middle of something.
    CrashServer,
    /// A server comes back with an empty disk.
    LoseDisk,
    /// A device loses power in the middle of something.
    CrashClient,
    /// A person goes on with a new device: the old one's log is gone.
    LoseDevice,
    /// A clock is wrong by up to [`SKEW_MAX_MS`], or is set.
    Clock,
    /// A server's disk has no room for a while: each write fails and ends the server.
    FillDisk,
    /// One sync of a server's or a device's disk fails, and ends the program.
    FailSync,
    /// A bit of a server's log flips; its store refuses to open, and the operator puts an empty disk in.
    FlipBit,
}

impl Fault {
    pub const ALL: [Self; 12] = [
        Self::Cut,
        Self::Partition,
        Self::Stall,
        Self::Suspend,
        Self::CrashServer,
        Self::LoseDisk,
        Self::CrashClient,
        Self::LoseDevice,
        Self::Clock,
        Self::FillDisk,
        Self::FailSync,
        Self::FlipBit,
    ];
}

/// By how much a clock may be wrong.
pub const SKEW_MAX_MS: i64 = 300_000;

/// What is wrong with a disk, until it is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    SyncFails,
    FullUntil(u64),
}

/// What puts a fault right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    Unblock { caller: Caller, server: usize, way: Way },
    Continue { server: usize },
    WakeUp { client: usize },
    StartServer { server: usize },
    StartClient { client: usize },
}

impl World {
    /// One thing goes wrong, and the next is planned.
    pub fn go_wrong(&mut self) {
        if self.healed {
            return;
        }
        let next_ms = self.rng.u64(1..2 * self.swarm.fault_every_ms);
        self.after(next_ms, What::Fault);
        let Some(fault) = self.rng.choice(self.swarm.faults.clone()) else { return };
        let (client, server) = (self.rng.usize(..self.clients.len()), self.rng.usize(..self.servers.len()));
        self.strike(fault, client, server);
    }

    /// This goes wrong now, for this client or this server.
    pub fn strike(&mut self, fault: Fault, client: usize, server: usize) {
        self.note(|| format!("fault {fault:?} (client {client}, server {server})"));
        match fault {
            Fault::Cut => self.cut_any(),
            Fault::Partition => self.partition(client, server),
            Fault::Stall => {
                self.servers[server].stalled = true;
                let after_ms = self.rng.u64(100..6_000);
                self.after(after_ms, What::Remedy(Remedy::Continue { server }));
            }
            Fault::Suspend => {
                self.clients[client].suspended = true;
                let most_ms = if self.rng.u32(..8) == 0 { 40_000 } else { 4_000 };
                let after_ms = self.rng.u64(100..most_ms);
                self.after(after_ms, What::Remedy(Remedy::WakeUp { client }));
            }
            Fault::CrashServer => self.servers[server].fuse = Some(self.rng.u32(..12)),
            Fault::LoseDisk => {
                self.crash_server(server);
                self.replace_disk(server);
            }
            Fault::CrashClient => self.clients[client].fuse = Some(self.rng.u32(..12)),
            Fault::LoseDevice => {
                self.crash_client(client);
                self.lose_device(client);
            }
            Fault::Clock => self.set_a_clock(client, server),
            Fault::FillDisk => {
                let until_ms = self.now_ms + self.rng.u64(500..8_000);
                self.servers[server].trouble = Some(Trouble::FullUntil(until_ms));
            }
            Fault::FailSync if self.rng.bool() => self.clients[client].sync_fails = true,
            Fault::FailSync => self.servers[server].trouble = Some(Trouble::SyncFails),
            Fault::FlipBit => {
                if self.servers[server].disk.rot(&mut self.rng) {
                    // Found when the store is opened next.
                    self.servers[server].fuse = Some(self.rng.u32(..30));
                }
            }
        }
    }

    fn cut_any(&mut self) {
        let conns: Vec<_> = self.net.ids().map(|(id, _)| id).collect();
        if let Some(conn) = self.rng.choice(conns) {
            self.net.cut(conn);
            Way::BOTH.into_iter().for_each(|way| self.lose_some(conn, way));
            Way::BOTH.into_iter().for_each(|way| self.tell_of_end(conn, way));
        }
    }

    fn partition(&mut self, client: usize, server: usize) {
        let pairs = self.who_is_apart(client, server);
        let ways = match self.rng.u32(..4) {
            0 => &[Way::ToServer][..],
            1 => &[Way::ToCaller][..],
            _ => &Way::BOTH[..],
        };
        self.saw(if ways.len() == 1 { "a one-way partition" } else { "a partition" });
        let after_ms = self.rng.u64(100..9_000);
        for (caller, callee) in pairs {
            for way in ways.iter().copied() {
                // One way means: to this server, or from it, whoever has dialled.
                let way = if caller == Caller::Peer(server) { way.back() } else { way };
                self.net.block(caller, callee, way);
                self.after(after_ms, What::Remedy(Remedy::Unblock { caller, server: callee, way }));
            }
        }
    }

    /// Callers and the servers that they do not reach.
    fn who_is_apart(&mut self, client: usize, server: usize) -> Vec<(Caller, usize)> {
        let (clients, servers) = (0..self.clients.len(), 0..self.servers.len());
        let readers = clients.map(|client| (Caller::Client(client), server));
        let other = self.rng.usize(servers.clone());
        let apart = move |other: usize| [(Caller::Peer(server), other), (Caller::Peer(other), server)];
        let others = servers.clone().filter(|other| *other != server);
        match self.rng.u32(..if self.swarm.peers { 6 } else { 3 }) {
            0 => vec![(Caller::Client(client), server)],
            1 => servers.map(|server| (Caller::Client(client), server)).collect(),
            2 => readers.collect(),
            3 => apart(other).to_vec(),
            4 => others.flat_map(apart).collect(),
            _ => readers.chain(others.flat_map(apart)).collect(),
        }
    }

    fn set_a_clock(&mut self, client: usize, server: usize) {
        let most_ms = [5, 2_000, 70_000, SKEW_MAX_MS][self.rng.usize(..4)];
        let skew_ms = self.rng.i64(-most_ms..=most_ms);
        let of_client = self.rng.bool();
        let host_ms =
            if of_client { &mut self.clients[client].skew_ms } else { &mut self.servers[server].skew_ms };
        let before_ms = std::mem::replace(host_ms, skew_ms);
        self.note(|| format!("clock off by {skew_ms} ms"));
        match skew_ms - before_ms {
            120_000.. => self.saw("a clock jumps minutes ahead"),
            ..-120_000 => self.saw("a clock jumps minutes back"),
            _ => {}
        }
    }

    /// The operator puts an empty disk in.
    pub fn replace_disk(&mut self, server: usize) {
        let old = &self.servers[server].disk;
        let (kept, cursors) = (old.incarnation, old.peers());
        let incarnation = match self.swarm.mutant {
            Some(Mutant::KeepsIncarnation) => kept,
            _ => self.incarnation(),
        };
        self.servers[server].disk = crate::disk::Disk::new(incarnation);
        self.servers[server].acts_on = None;
        if self.swarm.mutant == Some(Mutant::KeepsPeerCursors) {
            cursors.into_iter().for_each(|cursor| self.servers[server].disk.put_peer(cursor));
        }
        self.note(|| format!("server {server} has an empty disk, incarnation {incarnation:?}"));
    }

    fn lose_device(&mut self, client: usize) {
        self.steal(client);
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        let keeps_name = self.swarm.mutant == Some(Mutant::KeepsDeviceName);
        let file = self.admin.file.clone();
        let host = &mut self.clients[client];
        host.file = file; // it was asked for again
        host.tape = crate::disk::Tape::default();
        host.screen.clear();
        host.device = if keeps_name { host.device } else { DeviceId::new(bytes) };
        self.rumours.forget(client);
        self.devices_lost += 1;
        let device = self.clients[client].device;
        self.note(|| format!("client {client} goes on as {device:?}"));
    }

    pub fn put_right(&mut self, remedy: Remedy) {
        match remedy {
            Remedy::Unblock { caller, server, way } => self.net.unblock(caller, server, way),
            Remedy::Continue { server } => self.servers[server].stalled = false,
            Remedy::WakeUp { client } => self.clients[client].suspended = false,
            Remedy::StartServer { server } => self.start_server(server),
            Remedy::StartClient { client } => self.start_client(client),
        }
    }

    /// Everything is put right, for good.
    pub fn heal(&mut self) {
        self.note(|| "everything heals".to_owned());
        self.healed = true;
        self.net.unblock_all();
        self.liars_repent();
        for server in 0..self.servers.len() {
            let host = &mut self.servers[server];
            (host.stalled, host.skew_ms, host.fuse, host.trouble) = (false, 0, None, None);
            if !host.disk.is_whole() {
                // A disk that is known to rot is looked at before it counts as healed.
                self.crash_server(server);
            }
            self.start_server(server);
        }
        for client in 0..self.clients.len() {
            let host = &mut self.clients[client];
            (host.suspended, host.skew_ms, host.fuse, host.sync_fails) = (false, 0, None, false);
            self.start_client(client);
        }
    }
}
