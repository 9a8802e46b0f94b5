//! The administrator: adds, seals, drains, retires and replaces servers while everything else goes on and goes
//! wrong, is interrupted in the middle, and comes back to it.
//!
//! It keeps its own file, which it writes before it hands a view to anybody. What it does over connections in the
//! program is done at once here: it reaches a server that runs, or it does not.

use ed25519_dalek::SigningKey;
use tercet::frame::{Role, ServerStatus, ToClient, ToServer};
use tercet::id::{AdminKey, Incarnation, Position, ServerId};
use tercet::limits::PROTOCOL_VERSION;
use tercet::server::{Input, Output, Request};
use tercet::view::{SignedView, View, ViewError};

use crate::mutants::Mutant;
use crate::world::{What, World};

/// Servers beside the one that leaves that must hold its log, if there are as many.
const STAND_INS: usize = 2;

/// Somebody who changes which servers there are.
pub struct Admin {
    key: SigningKey,
    /// The newest view that it made; the first is not signed.
    pub file: View,
    /// What is to be done yet, the next first.
    pub goals: Vec<Goal>,
    /// How many more goals it will set itself.
    left: usize,
    asked: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    Add(usize),
    /// Seal, drain, retire.
    Remove(usize),
    /// It is dead for good: removed undrained.
    GiveUp(usize),
}

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[0xad; 32])
}

impl Admin {
    pub fn new(view: View, changes: usize) -> (Self, View) {
        let key = key();
        let first = view.with_admin(AdminKey::new(key.verifying_key().to_bytes())).unwrap();
        (Self { key, file: first.clone(), goals: Vec::new(), left: changes, asked: 0 }, first)
    }
}

impl World {
    /// The servers of the newest view, by their numbers here.
    pub fn members(&self) -> Vec<usize> {
        self.admin.file.servers().iter().filter_map(|member| self.view.index_of(member.id)).collect()
    }

    /// Those of them that are not sealed.
    pub fn writable(&self) -> Vec<usize> {
        self.admin.file.writable().filter_map(|member| self.view.index_of(member.id)).collect()
    }

    pub fn administer(&mut self) {
        let pause_ms = if self.healed { 100 } else { self.rng.u64(50..800) };
        self.after(pause_ms, What::Administer);
        if self.is_interrupted() {
            return;
        }
        self.hand_out();
        if !self.is_interrupted() {
            self.proceed();
        }
    }

    fn is_interrupted(&mut self) -> bool {
        let interrupted = !self.healed && self.rng.u32(..4) == 0;
        if interrupted && !self.admin.goals.is_empty() {
            self.saw("an administrator is interrupted");
        }
        interrupted
    }

    /// Some servers get the newest view; the others are to have it from them, or from clients.
    fn hand_out(&mut self) {
        let Some(signed) = self.admin.file.signed() else { return };
        for server in 0..self.servers.len() {
            let is_reached = self.healed || self.rng.u32(..3) == 0;
            if is_reached && !self.servers[server].stalled {
                self.server_step(server, Input::View(signed.clone()));
            }
        }
    }

    fn proceed(&mut self) {
        match self.admin.goals.first().copied() {
            None => self.set_goals(),
            Some(Goal::Add(server)) => {
                let member = self.view.servers()[server].clone();
                let Some(next) = self.issue(|file| file.add(member)) else { return };
                self.servers[server].file = next;
                self.servers[server].deployed = true;
                self.start_server(server);
                self.saw("a server is added");
                self.admin.goals.remove(0);
            }
            Some(Goal::GiveUp(server)) => {
                self.crash_server(server);
                self.servers[server].deployed = false;
                let id = self.server_id(server);
                self.issue(|file| file.retire(id, None, Vec::new()));
                self.saw("a dead server is removed");
                self.admin.goals.remove(0);
            }
            Some(Goal::Remove(server)) => self.remove(server),
        }
    }

    fn set_goals(&mut self) {
        if self.healed || self.admin.left == 0 {
            return;
        }
        self.admin.left -= 1;
        let spare = (0..self.servers.len()).find(|server| {
            let is_known = |id: ServerId| self.admin.file.name_of(id) != id.short();
            !self.servers[*server].deployed && !is_known(self.server_id(*server))
        });
        // The first stays, so that whoever comes back with an old file finds somebody; and of fewer servers than
        // the quorum nobody is ever shown anything.
        let writable = self.writable();
        let may_leave = |server: &usize| *server != 0 && writable.len() > self.swarm.quorum;
        let leavers: Vec<_> = writable.iter().copied().filter(may_leave).collect();
        let leaver = self.rng.choice(leavers);
        self.admin.goals = match (self.rng.u32(..4), spare, leaver) {
            (0, Some(spare), _) | (_, Some(spare), None) => vec![Goal::Add(spare)],
            (1, _, Some(leaver)) => vec![Goal::GiveUp(leaver)],
            (2, Some(spare), Some(leaver)) => vec![Goal::Add(spare), Goal::Remove(leaver)],
            (_, _, Some(leaver)) => vec![Goal::Remove(leaver)],
            (_, None, None) => Vec::new(),
        };
        let goals = self.admin.goals.clone();
        self.note(|| format!("the administrator begins: {goals:?}"));
    }

    fn remove(&mut self, server: usize) {
        let id = self.server_id(server);
        let is_sealed = self.admin.file.member(id).is_some_and(|member| member.sealed);
        if !is_sealed {
            self.issue(|file| file.seal(id));
            return self.saw("a server is sealed");
        }
        let Some(status) = self.ask(server) else { return };
        let Some(position) = status.sealed else { return };
        let log = (status.incarnation, position);
        let drained = self.drained(id, log);
        let others = self.admin.file.writable().count();
        if drained.len() < others.min(STAND_INS) {
            return self.saw("a log that is not drained yet");
        }
        self.issue(|file| file.retire(id, Some(log), drained));
        self.saw("a drained server is retired");
        self.admin.goals.remove(0);
    }

    /// Who holds all of a sealed log.
    fn drained(&mut self, id: ServerId, log: (Incarnation, Position)) -> Vec<(ServerId, Incarnation)> {
        let (incarnation, position) = log;
        let takes_for_granted = self.swarm.mutant == Some(Mutant::RetiresBeforeTheDrain);
        let mut drained = Vec::new();
        for other in self.writable() {
            let Some(status) = self.ask(other) else { continue };
            let has_read = status.peers.iter().any(|cursor| {
                cursor.peer == id && cursor.incarnation == incarnation && cursor.position >= position
            });
            if has_read || position == 0 || takes_for_granted {
                drained.push((status.server, status.incarnation));
            }
        }
        drained
    }

    /// The step makes the next view, which stands in the administrator's file from now on.
    fn issue(&mut self, step: impl FnOnce(&View) -> Result<View, ViewError>) -> Option<View> {
        let next =
            step(&self.admin.file).and_then(|view| view.sign(&self.admin.key)).map(SignedView::into_view);
        let next = match next {
            Ok(next) => next,
            Err(why) => {
                self.note(|| format!("the administrator gives that up: {why}"));
                self.admin.goals.clear();
                return None;
            }
        };
        self.note(|| format!("view {}: {:?}", next.epoch(), next.servers()));
        self.admin.file = next.clone();
        Some(next)
    }

    fn ask(&mut self, server: usize) -> Option<ServerStatus> {
        if self.servers[server].stalled || self.is_interrupted() {
            return None;
        }
        self.admin.asked += 1;
        let (conn, now_ms) = (u64::MAX - self.admin.asked, self.clock_ms(self.servers[server].skew_ms));
        let key = *self.server_id(server).as_bytes();
        let (cluster, view) = (self.admin.file.cluster(), self.admin.file.id());
        let hello = ToServer::Hello { version: PROTOCOL_VERSION, cluster, view, role: Role::Peer };
        let request = |frame| Input::Request { conn, request: Request::Plain(frame) };
        self.step_machine(server, now_ms, Input::Opened { conn, key })?;
        self.step_machine(server, now_ms, request(hello))?;
        let answer = self.step_machine(server, now_ms, request(ToServer::Status))?;
        self.step_machine(server, now_ms, Input::Closed { conn })?;
        let mut status = answer.into_iter().find_map(|output| match output {
            Output::Send { frame: ToClient::Status(status), .. } => Some(status),
            _ => None,
        })?;
        if self.swarm.mutant == Some(Mutant::AppendsAfterTheSeal) {
            status.sealed = status.sealed.or(Some(status.position));
        }
        Some(status)
    }
}
