//! What stands around a server's machine: its disk, its clock, its crashes.

use std::collections::BTreeSet;

use tercet::event::Event;
use tercet::frame::{Role, ToClient, ToServer};
use tercet::id::{EventId, Incarnation, Position};
use tercet::limits::PROTOCOL_VERSION;
use tercet::server::{self, ConnId, Request, Server};

use crate::client_host::not_closed;
use crate::disk::Disk;
use crate::node::{Host, Letter, print};
use crate::scope::{EPOCH_MS, Plant, Scope, TICK_MS, cluster, device, key, token};

#[derive(Clone, Hash)]
pub struct ServerHost {
    pub index: usize,
    pub machine: Server,
    pub disk: Disk,
    pub ticks: u8,
    /// How many disks it has had.
    lives: u8,
    /// The log answers for more than the machine was told of.
    untold: bool,
    /// Crashed once while an event was on its way to the disk.
    torn: bool,
    complaint: Option<String>,
    hasty: Option<String>,
}

/// Who dials a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    Client(usize),
    Peer(usize),
}

#[derive(Hash)]
pub enum Input {
    /// A connection with its handshake; the answer is one `Welcome`.
    Dialled {
        conn: ConnId,
        caller: Caller,
    },
    Frame {
        conn: ConnId,
        letter: Letter<ToServer>,
    },
    Closed {
        conn: ConnId,
    },
    PeerUp {
        peer: usize,
        incarnation: Incarnation,
    },
    PeerFrame {
        peer: usize,
        letter: Letter<ToClient>,
    },
    PeerDown {
        peer: usize,
    },
    /// What gathered is durable.
    Sync,
    /// The machine is told so.
    Told,
    Tick,
    Crash {
        batch_survives: bool,
    },
    LoseDisk,
}

pub enum Output {
    Send { conn: ConnId, letter: Letter<ToClient> },
    SendPeer { peer: usize, letter: Letter<ToServer> },
}

/// What the judge asks of a server.
pub struct Facts {
    pub log: Vec<EventId>,
    pub torn: bool,
    pub lost: bool,
    /// Whether the next tick would do anything.
    pub waits: bool,
    pub twice: Option<String>,
    pub not_closed: Option<String>,
    /// It told of what was not on the disk.
    pub hasty: Option<String>,
    pub complaint: Option<String>,
}

impl ServerHost {
    pub fn new(scope: &Scope, index: usize) -> Self {
        let disk = Disk::new(incarnation(index, 0));
        Self {
            index,
            machine: start(scope, index, &disk),
            disk,
            ticks: 0,
            lives: 1,
            untold: false,
            torn: false,
            complaint: None,
            hasty: None,
        }
    }

    /// Whether the disk or the machine has something outstanding.
    pub fn is_busy(&self) -> bool {
        self.untold || self.disk.is_dirty()
    }

    pub fn is_untold(&self) -> bool {
        self.untold
    }

    fn take(&mut self, scope: &Scope, input: server::Input, sent: &mut Vec<Output>) {
        let mut outputs = Vec::new();
        let now_ms = EPOCH_MS + u64::from(self.ticks) * TICK_MS;
        let Ok(()) = self.machine.step(now_ms, input, &self.disk, &mut outputs);
        for output in outputs {
            match output {
                server::Output::Write(write) => self.disk.stage(write),
                server::Output::Send { conn, frame } => {
                    if says_upto(&frame) > self.disk.safe() {
                        self.hasty = Some(format!("it says {frame:?} of {} safe", self.disk.safe()));
                    }
                    sent.push(Output::Send { conn, letter: Letter::new(frame) });
                }
                server::Output::SendPeer { peer, frame } => {
                    let peer = (0..scope.servers).find(|index| scope.server_id(*index) == peer).unwrap();
                    sent.push(Output::SendPeer { peer, letter: Letter::new(frame) });
                }
                // No scope changes views.
                server::Output::View(_)
                | server::Output::HangUp { .. }
                | server::Output::Renew
                | server::Output::NoWord => {}
                server::Output::DropPeer { why, .. } => self.complaint = Some(format!("it drops: {why}")),
                server::Output::Refuse { refusal, .. } => {
                    self.complaint = Some(format!("it refuses: {refusal}"));
                }
            }
        }
        if scope.plant == Some(Plant::AcksBeforeSync) && self.disk.gathering() > 0 {
            self.disk.pretend_synced();
            let upto = self.disk.tip();
            self.take(scope, server::Input::Synced { upto }, sent);
        }
    }

    fn restart(&mut self, scope: &Scope) {
        self.untold = false;
        self.machine = start(scope, self.index, &self.disk);
    }
}

/// The furthest position that a frame tells of.
fn says_upto(frame: &ToClient) -> Position {
    match frame {
        ToClient::Welcome { position, .. } => *position,
        ToClient::Receipts(receipts) => {
            receipts.iter().map(|receipt| receipt.position).max().unwrap_or_default()
        }
        ToClient::Feed { upto, .. } => *upto,
        _ => 0,
    }
}

fn start(scope: &Scope, index: usize, disk: &Disk) -> Server {
    Server::new(scope.server_config(index, disk.incarnation), disk.tip(), disk.forks(), &disk.peers())
}

fn incarnation(server: usize, life: u8) -> Incarnation {
    let mut bytes = [u8::try_from(server).unwrap(); 16];
    bytes[0] = life;
    Incarnation::new(bytes)
}

impl Host for ServerHost {
    type Input = Input;
    type Output = Output;
    type Facts = Facts;

    fn step(&mut self, scope: &Scope, input: &Input) -> Vec<Output> {
        let mut sent = Vec::new();
        match input {
            Input::Dialled { conn, caller } => {
                let (number, role) = match caller {
                    Caller::Client(client) => {
                        (1 + client, Role::Device { device: device(*client), token: token() })
                    }
                    Caller::Peer(server) => (100 + server, Role::Peer),
                };
                let (conn, key) = (*conn, key(number).verifying_key().to_bytes());
                self.take(scope, server::Input::Opened { conn, key }, &mut sent);
                let view = scope.view().id();
                let hello = ToServer::Hello { version: PROTOCOL_VERSION, cluster: cluster(), view, role };
                let request = Request::Plain(hello);
                self.take(scope, server::Input::Request { conn, request }, &mut sent);
            }
            Input::Frame { conn, letter } => match Request::from_frame(letter.frame().clone()) {
                Ok(request) => {
                    self.take(scope, server::Input::Request { conn: *conn, request }, &mut sent);
                }
                Err(refusal) => self.complaint = Some(format!("it got an invalid event: {refusal}")),
            },
            Input::Closed { conn } => {
                self.take(scope, server::Input::Closed { conn: *conn }, &mut sent);
            }
            Input::PeerUp { peer, incarnation } => {
                let (peer, incarnation) = (scope.server_id(*peer), *incarnation);
                self.take(scope, server::Input::PeerUp { peer, incarnation }, &mut sent);
            }
            Input::PeerFrame { peer, letter } => {
                let (peer, frame) = (scope.server_id(*peer), letter.frame().clone());
                self.take(scope, server::Input::PeerFrame { peer, frame }, &mut sent);
            }
            Input::PeerDown { peer } => {
                self.take(scope, server::Input::PeerDown { peer: scope.server_id(*peer) }, &mut sent);
            }
            Input::Sync => {
                self.disk.sync();
                self.untold = true;
            }
            Input::Told => {
                self.untold = false;
                self.take(scope, server::Input::Synced { upto: self.disk.tip() }, &mut sent);
            }
            Input::Tick => {
                self.ticks += 1;
                self.take(scope, server::Input::Tick, &mut sent);
            }
            Input::Crash { batch_survives } => {
                self.torn |= self.disk.is_dirty();
                self.disk.crash(*batch_survives);
                self.restart(scope);
            }
            Input::LoseDisk => {
                let life = if scope.plant == Some(Plant::KeepsIncarnation) { 0 } else { self.lives };
                self.lives += 1;
                self.disk = Disk::new(incarnation(self.index, life));
                self.restart(scope);
            }
        }
        sent
    }

    fn facts(&self, scope: &Scope) -> Facts {
        let log: Vec<_> = self.disk.events().map(|event| event.id()).collect();
        let distinct: BTreeSet<_> = log.iter().collect();
        let twice = (distinct.len() < log.len()).then(|| "an event stands twice in its log".to_owned());
        let waits = scope.peers && {
            let mut later = self.clone();
            let sent = later.step(scope, &Input::Tick);
            !sent.is_empty() || print(&later.disk) != print(&self.disk)
        };
        Facts {
            torn: self.torn,
            lost: self.lives > 1,
            waits,
            twice,
            not_closed: not_closed(self.disk.events().map(|event| -> &Event { event })),
            hasty: self.hasty.clone(),
            complaint: self.complaint.clone(),
            log,
        }
    }
}
