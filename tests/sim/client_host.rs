//! What stands around a client's machine: its log, its dialling, its person, its crashes.

use ed25519_dalek::SigningKey;
use fastrand::Rng;
use tercet::client::{Action, Client, Config, Effects, Input};
use tercet::event::{Conversation, Event, Kind, account_of};
use tercet::history::Entry;
use tercet::id::{DeviceId, EventId, Incarnation};
use tercet::server::ConnId;
use tercet::view::View;

use crate::disk::Tape;
use crate::judge::{Failure, REFUSAL, RESTART};
use crate::nemesis::Remedy;
use crate::network::Caller;
use crate::world::{What, World};

pub struct ClientHost {
    pub key: SigningKey,
    pub name: String,
    pub device: DeviceId,
    pub tape: Tape,
    /// What its cluster file says.
    pub file: View,
    pub machine: Option<Client>,
    pub boot: u64,
    pub skew_ms: i64,
    pub suspended: bool,
    /// Loses power after so many more appends, syncs or actions.
    pub fuse: Option<u32>,
    /// The next sync fails, and ends the program.
    pub sync_fails: bool,
    /// What the person has been shown with this log: which event, and whether it was marked late.
    pub screen: Vec<(EventId, bool)>,
    /// What has arrived and not been taken; the next turn takes it all, and syncs once.
    arrived: Vec<Arrival>,
    /// Where frames to each server go, as far as the turns have come.
    outlets: Vec<Option<ConnId>>,
    wakes_ms: u64,
}

/// What comes to the device.
pub enum Arrival {
    Input(Input),
    Up { server: usize, conn: ConnId, incarnation: Incarnation },
    Down { server: usize },
}

impl ClientHost {
    pub fn new(account: usize, key: &SigningKey, servers: usize, file: &View, rng: &mut Rng) -> Self {
        let mut device = [0; 16];
        rng.fill(&mut device);
        Self {
            key: key.clone(),
            name: format!("account{account}"),
            device: DeviceId::new(device),
            tape: Tape::default(),
            file: file.clone(),
            machine: None,
            boot: 0,
            skew_ms: 0,
            suspended: false,
            fuse: None,
            sync_fails: false,
            screen: Vec::new(),
            arrived: Vec::new(),
            outlets: vec![None; servers],
            wakes_ms: 0,
        }
    }

    pub fn config(&self, world: &World, client: usize) -> Config {
        Config {
            key: self.key.clone(),
            name: self.name.clone(),
            device: self.device,
            view: self.file.clone(),
            window_ms: world.window_ms(),
            quorum: world.quorum_of(client),
        }
    }

    /// The connection to a server on which the machine's frames leave.
    pub fn outlet(&self, server: usize) -> Option<ConnId> {
        self.outlets[server]
    }
}

impl World {
    pub fn start_client(&mut self, client: usize) {
        let host = &self.clients[client];
        if host.machine.is_some() {
            return;
        }
        let is_new = host.tape.entries().is_empty();
        let now_ms = self.clock_ms(host.skew_ms);
        self.rumours.restart(client, host.tape.entries());
        let host = &self.clients[client];
        let resumed = Client::resume(now_ms, host.config(self, client), &self.handed_over(client));
        let (machine, effects) = match resumed {
            Ok(resumed) => resumed,
            Err(error) => {
                let what = format!("client {client} cannot resume: {error}");
                return self.failures.push(Failure::new(RESTART, what));
            }
        };
        let host = &mut self.clients[client];
        host.machine = Some(machine);
        (host.fuse, host.wakes_ms) = (None, 0);
        self.note(|| format!("client {client} starts"));
        self.carry_out(client, effects);
        self.dial_all(Caller::Client(client));
        self.client_step(client, Input::Tick);
        if is_new {
            let body = self.clients[client].name.clone().into_bytes();
            let conversation = Conversation::Directory;
            self.client_step(client, Input::Say { conversation, kind: Kind::Register, body });
        }
    }

    pub fn crash_client(&mut self, client: usize) {
        let host = &mut self.clients[client];
        if host.machine.take().is_none() {
            return;
        }
        host.boot += 1;
        host.fuse = None;
        host.arrived.clear();
        host.outlets.fill(None);
        host.tape.crash(&mut self.rng);
        self.hang_up(Caller::Client(client));
        let down_ms = self.rng.u64(20..5_000);
        self.after(down_ms, What::Remedy(Remedy::StartClient { client }));
        self.saw("a device crashes");
        self.note(|| format!("it was client {client}"));
    }

    pub fn wake(&mut self, client: usize, boot: u64) {
        let host = &self.clients[client];
        if host.boot != boot || self.now_ms < host.wakes_ms {
            return;
        }
        if host.suspended {
            return self.after(100, What::Wake { client, boot });
        }
        self.client_step(client, Input::Tick);
    }

    pub fn say(&mut self, client: usize, texts: usize) {
        if self.clients[client].machine.is_none() || self.clients[client].suspended {
            return self.after(300, What::Say { client, texts });
        }
        let apart = self.swarm.all_apart && !self.healed;
        let other = if apart { self.a_stranger_to(client) } else { self.rng.usize(..self.clients.len()) };
        let account = |host: &ClientHost| account_of(&host.key);
        let conversation =
            Conversation::direct(account(&self.clients[client]), account(&self.clients[other]));
        if self.rng.u32(..3) == 0 && !apart {
            return self.talk(client, other, texts);
        }
        self.note(|| format!("client {client} says {texts} things to client {other}"));
        for _ in 0..texts {
            let body: String =
                (0..self.rng.usize(1..=self.swarm.text_max_bytes)).map(|_| self.rng.lowercase()).collect();
            let input = Input::Say { conversation, kind: Kind::Post, body: body.into_bytes() };
            self.client_step(client, input);
        }
    }

    /// A client of another account; for all clients of two accounts, the two are in one conversation.
    fn a_stranger_to(&self, client: usize) -> usize {
        let name = &self.clients[client].name;
        self.clients.iter().position(|other| other.name != *name).unwrap_or(client)
    }

    pub fn client_step(&mut self, client: usize, input: Input) {
        self.arrives(client, Arrival::Input(input));
    }

    pub fn arrives(&mut self, client: usize, what: Arrival) {
        let host = &mut self.clients[client];
        if host.machine.is_none() {
            return;
        }
        host.arrived.push(what);
        if host.arrived.len() == 1 {
            let boot = host.boot;
            let delay_ms = self.rng.u64(..self.swarm.turn_max_ms);
            self.after(delay_ms, What::Turn { client, boot });
        }
    }

    /// Takes everything that has arrived, as the session of the real program does.
    pub fn turn(&mut self, client: usize, boot: u64) {
        let now_ms = self.clock_ms(self.clients[client].skew_ms);
        let host = &mut self.clients[client];
        if host.boot != boot || host.machine.is_none() {
            return;
        }
        if host.suspended {
            return self.after(100, What::Turn { client, boot });
        }
        let mut inputs = Vec::new();
        for arrival in std::mem::take(&mut host.arrived) {
            let input = self.input_of(client, arrival);
            self.overhear(client, &input);
            inputs.extend(self.altered_arrival(client, input));
        }
        let mut effects = Effects::default();
        let Some(machine) = &mut self.clients[client].machine else { return };
        let answers = machine.steps(now_ms, inputs, &mut effects);
        for error in answers.into_iter().filter_map(Result::err) {
            let what = format!("client {client} cannot say it: {error}");
            self.failures.push(Failure::new(REFUSAL, what));
        }
        let Some(machine) = &self.clients[client].machine else { return };
        let wakes_ms = machine.next_wake_ms(now_ms);
        self.witness(&effects);
        self.carry_out(client, effects);
        let host = &mut self.clients[client];
        let due_ms = self.now_ms + wakes_ms.saturating_sub(now_ms).max(1);
        if host.machine.is_some() && (due_ms < host.wakes_ms || host.wakes_ms <= self.now_ms) {
            host.wakes_ms = due_ms;
            self.after(due_ms - self.now_ms, What::Wake { client, boot });
        }
    }

    fn input_of(&mut self, client: usize, arrival: Arrival) -> Input {
        let outlets = &mut self.clients[client].outlets;
        let name = |server: usize| self.view.servers()[server].id;
        match arrival {
            Arrival::Input(input) => input,
            Arrival::Up { server, conn, incarnation } => {
                outlets[server] = Some(conn);
                Input::Up { server: name(server), incarnation }
            }
            Arrival::Down { server } => {
                outlets[server] = None;
                Input::Down { server: name(server) }
            }
        }
    }

    fn witness(&mut self, effects: &Effects) {
        for entry in &effects.log {
            if let Entry::Authored { event, .. } = entry
                && Event::from_own_store(event).is_ok_and(|event| event.kind() == Kind::Merge)
            {
                self.saw("a merge");
            }
        }
    }

    fn carry_out(&mut self, client: usize, mut effects: Effects) {
        self.alter_effects(client, &mut effects);
        let last_words = self.alter_authored(client, &mut effects);
        let must_sync = effects.must_sync() && !self.skips_sync(&effects);
        let Effects { log, actions } = effects;
        if self.acts_first() {
            let Some(()) = self.act(client, actions) else { return };
            self.clients[client].tape.append(log);
            return self.clients[client].tape.sync();
        }
        let Some(()) = self.survives(client) else { return };
        self.clients[client].tape.append(log);
        if must_sync {
            let Some(()) = self.survives(client) else { return };
            if std::mem::take(&mut self.clients[client].sync_fails) {
                // The program ends; its person starts it again.
                self.saw("a device's sync fails");
                return self.crash_client(client);
            }
            self.clients[client].tape.sync();
        }
        if last_words {
            return self.crash_client(client);
        }
        self.act(client, actions);
    }

    fn act(&mut self, client: usize, actions: Vec<Action>) -> Option<()> {
        for action in actions {
            self.survives(client)?;
            match action {
                Action::Send { server, frame } => {
                    let frame = self.altered_frame(client, server, frame);
                    if let Some(conn) = self.clients[client].outlets[self.view.index_of(server)?] {
                        self.caller_says(conn, &frame);
                    }
                }
                Action::Drop { server, why } => {
                    let server = self.view.index_of(server)?;
                    if self.is_liar(server) {
                        self.saw("a liar is dropped");
                    } else {
                        let what = format!("client {client} drops an honest server: {why}");
                        self.failures.push(Failure::new(REFUSAL, what));
                    }
                    if let Some(conn) = self.clients[client].outlets[server].take() {
                        self.caller_closes(Caller::Client(client), server, conn);
                    }
                }
                Action::View(_) => {
                    self.saw("a client learns of a view");
                    self.follow_view(Caller::Client(client));
                }
                Action::LogLost { .. } => self.saw("a client learns of a lost log"),
                Action::Waits { .. } => self.saw("a line waits long for its quorum"),
                Action::Show { event, late } => {
                    self.check_quorum(client, event.id());
                    self.clients[client].screen.push((event.id(), late));
                    if late {
                        self.saw("a late line");
                    }
                }
                Action::Rejected { server, .. } => {
                    self.note_rejection(client, server);
                    self.saw("an event from a clock ahead");
                }
                Action::Copies { .. } => {}
            }
        }
        self.survives(client)
    }

    /// Burns the fuse, if there is one; `None` if the device has just lost power.
    fn survives(&mut self, client: usize) -> Option<()> {
        let host = &mut self.clients[client];
        host.machine.as_ref()?;
        let Some(left) = &mut host.fuse else { return Some(()) };
        if *left > 0 {
            *left -= 1;
            return Some(());
        }
        self.crash_client(client);
        None
    }
}
