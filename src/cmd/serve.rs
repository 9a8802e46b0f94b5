//! `tercet serve`: one server.
//!
//! ```text
//!   connections --FromNet--> core (the pure machine) --batch--> writer thread (one commit, one sync)
//!        ^                     |        ^                             |
//!        +------ frames -------+        +---------- Synced -----------+
//! ```
//!
//! **Group commit**: while the writer syncs one batch, the core gathers the next; nothing waits for a timer.
//! What has gathered is checked in one go ([`crate::admission`]), beside the sync.
//! When too much waits for the disk the core stops listening, and so, through the bounded queues and TCP, do
//! the uploaders. Any error of the store ends the server: what is not on the disk is never acked.

mod drain;
mod endpoint;
mod life;
mod metrics;
mod notify;
mod peers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, mpsc as blocking};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::config::{Found, ServerSetup, retired_words};
use super::failure::{Failure, Outcome};
use super::open_files;
use super::pid::PidFile;
use super::rebuild;
use super::runtime;
use super::screen;
use super::session::now_ms;
use crate::admission::{self, Incoming};
use crate::frame::{Refusal, ToClient};
use crate::id::{Position, ServerId};
use crate::limits::{CORE_QUEUE, CORE_TURN, CORE_TURN_SIGNATURES, STAGED_MAX_BYTES};
use crate::log::{Log, Write};
use crate::net::link::LinkEvent;
use crate::net::listener::{self, FromNet};
use crate::net::queue::Outbox;
use crate::net::tls::Identity;
use crate::server::{Config, ConnId, Input, Output, Request, Server};
use crate::store::{Replica, StoreError};
use crate::text::inert;
use crate::view::{Member, View};
use drain::Leaving;
use endpoint::{Asked, Health};
use metrics::{Depths, Fault, Metrics};
use notify::Manager;
use peers::Peers;

const TICK: Duration = Duration::from_secs(1);

/// What `serve` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The server's configuration, as `cluster up` and `cluster init` write it.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,

    /// Also answer GET /metrics (for Prometheus) and GET /health at this loopback address.
    #[arg(long, value_name = "IP:PORT", value_parser = endpoint::loopback)]
    pub metrics: Option<SocketAddr>,

    /// Do not serve: give the store a new incarnation, as one that comes from a backup needs, and end.
    #[arg(long, conflicts_with = "metrics")]
    pub new_incarnation: bool,
}

/// Runs the server until SIGTERM or SIGINT, or until it is retired.
///
/// # Errors
/// When it cannot start, naming the file or the address; when the store fails.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let setup = match ServerSetup::load(&args.config)? {
        Found::Member(setup) => setup,
        Found::Retired(words) => {
            screen::note(&format!("{} {words}", timestamp()));
            return Ok(Outcome::Done);
        }
    };
    if args.new_incarnation {
        return renew(&setup);
    }
    // Each connection is one, and more than a shell's usual 1,024 may come.
    open_files::raise();
    let runtime = runtime::start()?;
    // As a task and not on this thread: a connection's task that wakes the core then hands it the thread that
    // it runs on, instead of waking another.
    let args = args.clone();
    let serving = runtime.spawn(async move { serve(&setup, &args).await });
    runtime.block_on(serving).map_err(|error| Failure::new(format!("the server broke off: {error}")))??;
    Ok(Outcome::Done)
}

fn renew(setup: &ServerSetup) -> Result<Outcome, Failure> {
    let store = &setup.config.store;
    let renewed = Replica::renew(store, setup.member.id).map_err(|error| {
        Failure::of(&error).next("with the server stopped and the backup in its place, try again")
    })?;
    Replica::note_place(store).map_err(|error| Failure::of(&error))?;
    screen::note(&rebuild::renewed_words(store, &renewed));
    Ok(Outcome::Done)
}

async fn serve(setup: &ServerSetup, args: &Args) -> Result<(), Failure> {
    let failed = |error| Failure::io("listen for signals", &error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let listen = &setup.config.listen;
    // Before the store: whoever finds the port taken has opened nothing.
    let socket = TcpListener::bind(listen).await.map_err(|error| {
        Failure::io(format!("listen at {listen}"), &error)
            .next(format!("stop whoever has that port, or change `listen` in {}", args.config.display()))
    })?;
    let metrics = Arc::new(Metrics::new());
    let (ask, asked) = mpsc::channel(1);
    if let Some(address) = args.metrics {
        let address = endpoint::spawn(address, Arc::clone(&metrics), ask).await?;
        screen::note(&format!("{} metrics at http://{address}/metrics", timestamp()));
    }
    let manager = Manager::from_env();
    let identity = Arc::new(Identity::new(&setup.key).map_err(|error| Failure::of(&error))?);
    let replica = tokio::select! {
        biased;
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
        opened = rebuild::open(setup, &identity) => opened?,
    };

    let name = &setup.config.name;
    let view = life::view_in_force(setup, &replica)?;
    let replica = life::alive(setup, replica, &view)?;
    if view.member(setup.member.id).is_none() {
        screen::note(&format!("{} {}", timestamp(), retired_words(name, view.epoch())));
        return Ok(());
    }
    let (inbound, mut from_net) = mpsc::channel(CORE_QUEUE);
    let (stop_listening, stopped) = oneshot::channel::<()>();
    let shutdown = async move { drop(stopped.await) };
    let doors = CancellationToken::new();
    let (own, closing) = (Arc::clone(&identity), doors.clone());
    let listening = tokio::spawn(async move {
        listener::serve(socket, &own, Incoming::from_frame, inbound, closing, shutdown).await
    });
    let (events, from_peers) = mpsc::channel(CORE_QUEUE);
    let peers = Peers::new(setup.member.id, identity, events);
    let mut core = Core::new(setup, replica, view, peers, (metrics, manager.clone()))?;
    let pid = PidFile::write(&setup.folder.pid())?;
    let listens = format!("listens at {listen}: {} events", core.replica.durable());
    let incarnation = core.replica.incarnation().short();
    screen::note(&format!("{} server {name} {listens}, incarnation {incarnation}", timestamp()));
    manager.tell(&format!("READY=1\nSTATUS={listens}"));
    core.run(&mut from_net, from_peers, asked, &mut terminate, &mut interrupt).await?;
    let why = match core.is_member() {
        true => format!("server {name} stops"),
        false => retired_words(name, core.view.epoch()),
    };
    let must_renew = core.must_renew;
    screen::note(&format!("{} {why}", timestamp()));
    manager.tell("STOPPING=1\nSTATUS=stopping");
    let links = core.peers.take_links();
    Leaving { doors, stop_listening, listening, links }.leave(core, from_net).await?;
    if must_renew {
        // With its pid file in place it is one that died, and not one that somebody stopped: it is to come back.
        return Err(life::sealed_for_nothing(name));
    }
    pid.remove()
}

pub(super) fn timestamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What the writer is told.
enum ToWriter {
    /// Write this, and say when it is on the disk.
    Batch(Vec<Write>),
    /// The server stops in order: close the store for a quick start.
    Close,
}

/// What the writer says when a batch is done: the last position that is now on the disk.
type Synced = Result<Position, StoreError>;

/// The machine with its connections and its writer.
struct Core {
    own: ServerId,
    server: Server,
    replica: Replica,
    outboxes: BTreeMap<ConnId, Outbox>,
    view: View,
    peers: Peers,
    batch: Vec<Write>,
    writing: bool,
    batches: blocking::SyncSender<ToWriter>,
    synced: mpsc::Receiver<Synced>,
    /// Ends when the writer has closed the store.
    closed: oneshot::Receiver<()>,
    /// Whether the log needs another life before anything can be appended.
    must_renew: bool,
    /// What was last told of catching up: how many events, of how many.
    told: Option<(Position, Position)>,
    metrics: Arc<Metrics>,
    manager: Manager,
}

impl Core {
    fn new(
        setup: &ServerSetup,
        replica: Replica,
        view: View,
        mut peers: Peers,
        (metrics, manager): (Arc<Metrics>, Manager),
    ) -> Result<Self, Failure> {
        peers.follow(&view);
        let config = Config {
            server: setup.member.id,
            token: setup.cluster.token().clone(),
            view: view.clone(),
            incarnation: replica.incarnation(),
            sealed: replica.is_sealed().map_err(|error| fatal(&error))?,
            started_ms: now_ms(),
            // Nobody has told yet how far they read it: it is new, or was renewed.
            asks: replica.cursors().map_err(|error| fatal(&error))?.is_empty(),
        };
        let (batches, to_write) = blocking::sync_channel(1);
        let (done, synced) = mpsc::channel(1);
        let (closing, closed) = oneshot::channel();
        let (writer, measured) = (replica.clone(), Arc::clone(&metrics));
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                write_batches(writer, &to_write, &done, &measured);
                drop::<oneshot::Sender<()>>(closing);
            })
            .map_err(|error| Failure::io("start the writer", &error))?;
        let read = replica.peers().map_err(|error| fatal(&error))?;
        let server = Server::new(config, replica.durable(), replica.forks(), &read);
        Ok(Self {
            own: setup.member.id,
            server,
            replica,
            outboxes: BTreeMap::new(),
            view,
            peers,
            batch: Vec::new(),
            writing: false,
            batches,
            synced,
            closed,
            must_renew: false,
            told: None,
            metrics,
            manager,
        })
    }

    async fn run(
        &mut self,
        from_net: &mut mpsc::Receiver<FromNet<Incoming>>,
        mut from_peers: mpsc::Receiver<LinkEvent>,
        mut asked: mpsc::Receiver<Asked>,
        terminate: &mut Signal,
        interrupt: &mut Signal,
    ) -> Result<(), Failure> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let may_listen = self.server.staged_bytes() < STAGED_MAX_BYTES;
            tokio::select! {
                biased;
                synced = self.synced.recv() => self.synced(synced)?,
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                Some(answer) = asked.recv() => {
                    // Whoever asked has gone: nothing is lost.
                    let _ = answer.send(self.health(from_net.len() + from_peers.len()));
                }
                _ = ticks.tick() => {
                    self.step(Input::Tick)?;
                    self.note_progress();
                }
                event = from_net.recv(), if may_listen => match event {
                    Some(event) => self.gather(event, from_net).await?,
                    None => return Err(Failure::new("the listener broke off")),
                },
                Some(event) = from_peers.recv(), if may_listen => self.heard_peer(event)?,
            }
            self.write()?;
            if !self.is_member() || self.must_renew {
                return Ok(());
            }
        }
    }

    /// Takes what else has arrived as well: it is checked in one go, and goes into the same batch; bounded, so that
    /// acks are never starved.
    async fn gather(
        &mut self,
        first: FromNet<Incoming>,
        from_net: &mut mpsc::Receiver<FromNet<Incoming>>,
    ) -> Result<(), Failure> {
        if self.writing {
            // None of it can be written now, so other connections may have their turn first.
            tokio::task::yield_now().await;
        }
        let (mut events, mut frames, mut signatures) = (Vec::new(), Vec::new(), 0);
        let mut next = Some(first);
        while let Some(event) = next {
            events.push(event.map(|frame| {
                signatures += frame.signatures();
                frames.push(frame);
            }));
            let is_full = events.len() >= CORE_TURN || signatures >= CORE_TURN_SIGNATURES;
            next = if is_full { None } else { from_net.try_recv().ok() };
        }
        let mut requests = admission::admit(frames).into_iter();
        events.into_iter().try_for_each(|event| self.heard(event, &mut requests))
    }

    fn asked(&mut self, conn: ConnId, request: Result<Request, Refusal>) -> Result<(), Failure> {
        match request {
            Ok(request) => {
                self.metrics.uploaded(&request);
                self.step(Input::Request { conn, request })
            }
            Err(refusal) => {
                self.refuse(conn, refusal);
                self.step(Input::Closed { conn })
            }
        }
    }

    /// Whether this server belongs to the cluster.
    fn is_member(&self) -> bool {
        self.view.member(self.own).is_some()
    }

    /// How it is at this moment; the gauges are set on the way. `queued`: inputs that wait for the core.
    fn health(&self, queued: usize) -> Health {
        let syncing = self.server.syncing();
        let sent = self.outboxes.values().map(Outbox::waiting);
        self.metrics.gauge(&Depths {
            durable: self.replica.durable(),
            lag: syncing.map_or(0, |(held, of)| of - held),
            connections: self.outboxes.len(),
            peers: self.peers.up(),
            forks: self.replica.forks(),
            inputs: queued,
            staged_bytes: self.server.staged_bytes(),
            batch: self.batch.len(),
            outgoing: sent.clone().sum(),
            longest: sent.max().unwrap_or(0),
        });
        match syncing {
            Some((held, of)) => Health::Syncing { held, of },
            None => Health::Serving,
        }
    }

    /// `requests`: what the frames became, in their order.
    fn heard(
        &mut self,
        event: FromNet<()>,
        requests: &mut impl Iterator<Item = Result<Request, Refusal>>,
    ) -> Result<(), Failure> {
        match event {
            FromNet::Opened { conn, key, outbox } => {
                self.outboxes.insert(conn, outbox);
                self.step(Input::Opened { conn, key })
            }
            FromNet::Frame { conn, .. } => {
                requests.next().map_or(Ok(()), |request| self.asked(conn, request))
            }
            FromNet::Closed { conn, why } => {
                self.outboxes.remove(&conn);
                if let Some(why) = why {
                    self.metrics.fault(Fault::Connection);
                    screen::note(&format!("{} connection {conn} ended: {}", timestamp(), inert(&why)));
                }
                self.step(Input::Closed { conn })
            }
            FromNet::AcceptFailed { why } => {
                self.metrics.fault(Fault::Accept);
                screen::note(&format!("{} connections cannot be accepted: {why}", timestamp()));
                Ok(())
            }
        }
    }

    fn heard_peer(&mut self, event: LinkEvent) -> Result<(), Failure> {
        match event {
            LinkEvent::Up { server, .. }
            | LinkEvent::Frame { server, .. }
            | LinkEvent::Down { server, .. }
                if !self.peers.has(server) =>
            {
                Ok(())
            }
            LinkEvent::Up { server: peer, welcome, queue } => {
                self.peers.connected(peer, queue);
                self.step(Input::PeerUp { peer, incarnation: welcome.incarnation })?;
                self.step(Input::PeerFrame { peer, frame: welcome.frame() })?;
                self.step(Input::PeerEnds { peer, position: welcome.position })?;
                self.note_progress();
                Ok(())
            }
            LinkEvent::Frame { server: peer, frame } => {
                self.metrics.fetched(&frame);
                self.step(Input::PeerFrame { peer, frame })
            }
            LinkEvent::Down { server: peer, why } => {
                self.peers.disconnected(peer);
                self.metrics.fault(Fault::Peer);
                self.note_peer(peer, &why.to_string());
                self.step(Input::PeerDown { peer })
            }
        }
    }

    /// Tells how far this server has caught up with its peers, if that has changed.
    fn note_progress(&mut self) {
        let syncing = self.server.syncing();
        match (self.told, syncing) {
            (told, Some((held, of))) if told != syncing => {
                screen::note(&format!("{} syncing {held} of {of}", timestamp()));
                self.manager.tell(&format!("STATUS=syncing {held} of {of}"));
            }
            (Some(_), None) => {
                let held = self.replica.durable();
                screen::note(&format!(
                    "{} in step with every server that answers: {held} events",
                    timestamp()
                ));
                self.manager.tell(&format!("STATUS=in step: {held} events"));
            }
            _ => {}
        }
        self.told = syncing;
    }

    fn note_peer(&self, peer: ServerId, what: &str) {
        screen::note(&format!("{} server {}: {}", timestamp(), self.view.name_of(peer), inert(what)));
    }

    fn step(&mut self, input: Input) -> Result<(), Failure> {
        let mut outputs = Vec::new();
        self.server.step(now_ms(), input, &self.replica, &mut outputs).map_err(|error| fatal(&error))?;
        for output in outputs {
            match output {
                Output::Write(write) => self.batch.push(write),
                Output::Send { conn, frame } => self.send(conn, frame),
                Output::SendPeer { peer, frame } => {
                    if let Some(queue) = self.peers.queue(peer)
                        && queue.try_send(frame).is_err()
                    {
                        queue.close(); // the link dials again
                    }
                }
                Output::DropPeer { peer, why } => {
                    self.metrics.fault(Fault::Peer);
                    self.note_peer(peer, &format!("it sent what cannot be right: {why}"));
                    if let Some(queue) = self.peers.disconnected(peer) {
                        queue.close();
                    }
                }
                Output::HangUp { peer } => {
                    if let Some(queue) = self.peers.queue(peer) {
                        queue.close(); // the link dials again
                    }
                }
                Output::View(signed) => self.take_view(signed.into_view()),
                Output::Renew => self.must_renew = true,
                Output::NoWord => screen::note(&format!(
                    "{} no other server has told yet which view is the newest; it serves by view epoch {}",
                    timestamp(),
                    self.view.epoch()
                )),
                Output::Refuse { conn, refusal } => self.refuse(conn, refusal),
            }
        }
        Ok(())
    }

    fn take_view(&mut self, view: View) {
        screen::note(&format!("{} view epoch {}: {}", timestamp(), view.epoch(), view_words(&view)));
        self.peers.follow(&view);
        self.view = view;
    }

    /// A queue that is full or closed is the end of its connection, which the network reports.
    fn send(&self, conn: ConnId, frame: ToClient) {
        let Some(outbox) = self.outboxes.get(&conn) else { return };
        self.metrics.sent(&frame);
        if outbox.try_send(frame).is_err() {
            outbox.close();
        }
    }

    fn refuse(&mut self, conn: ConnId, refusal: Refusal) {
        self.metrics.fault(Fault::Refused);
        screen::note(&format!("{} connection {conn} refused: {}", timestamp(), inert(&refusal.to_string())));
        self.send(conn, ToClient::Refused(refusal));
        if let Some(outbox) = self.outboxes.remove(&conn) {
            outbox.close();
        }
    }

    /// Hands the gathered batch to the writer, if it is free.
    fn write(&mut self) -> Result<(), Failure> {
        if self.writing || self.batch.is_empty() {
            return Ok(());
        }
        self.writing = true;
        let batch = std::mem::take(&mut self.batch);
        self.batches.send(ToWriter::Batch(batch)).map_err(|_| Failure::new("the writer broke off"))
    }

    fn synced(&mut self, synced: Option<Synced>) -> Result<(), Failure> {
        self.writing = false;
        let upto =
            synced.ok_or_else(|| Failure::new("the writer broke off"))?.map_err(|error| fatal(&error))?;
        self.step(Input::Synced { upto })
    }
}

/// A view in a server's log: `servers 1, 2 (sealed), 3`.
fn view_words(view: &View) -> String {
    let word = |member: &Member| match member.sealed {
        true => format!("{} (sealed)", inert(&member.name)),
        false => inert(&member.name),
    };
    format!("servers {}", view.servers().iter().map(word).collect::<Vec<_>>().join(", "))
}

fn write_batches(
    replica: Replica,
    batches: &blocking::Receiver<ToWriter>,
    done: &mpsc::Sender<Synced>,
    metrics: &Metrics,
) {
    let mut in_order = false;
    while let Ok(told) = batches.recv() {
        let ToWriter::Batch(batch) = told else {
            in_order = true; // and the core ends now, and with it its handle to the store
            continue;
        };
        let started = Instant::now();
        let synced = replica.commit(&batch).map(|()| replica.durable());
        if synced.is_ok() {
            metrics.synced(&batch, started.elapsed());
        }
        if done.blocking_send(synced).is_err() {
            return; // the core has ended
        }
    }
    if in_order && let Err(error) = replica.close() {
        screen::note(&format!(
            "{} the next start may take longer: {}",
            timestamp(),
            Failure::of(&error).what()
        ));
    }
}

/// Why the server stops. A store that a read found damaged is marked: its next open might not come across
/// the place, and has to do what becomes a damaged store ([`rebuild`]).
fn fatal(error: &StoreError) -> Failure {
    let stopped = "stopped, and nothing unsynced was acked";
    let StoreError::Damaged { path, what } = error else {
        return Failure::new(format!("{stopped}: {}", Failure::of(error).what()));
    };
    let failure = Failure::new(format!("{stopped}: the store {} is damaged: {what}", path.display()));
    let failure = match Replica::mark_damaged(path, what) {
        Ok(()) => failure,
        Err(error) => {
            failure.detail(&format!("and cannot be marked as damaged: {}", Failure::of(&error).what()))
        }
    };
    failure
        .next("start it again: it sets the store aside if another server holds everything, or says why not")
}
