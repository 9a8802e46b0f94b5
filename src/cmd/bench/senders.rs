//! The load on tercet: devices that send through the session that a chat runs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{MissedTickBehavior, sleep, timeout};

use super::crowd::Crowd;
use super::round::{Round, Sample, Side, Used, percentile, us};
use super::stage::Stage;
use super::usage;
use super::{Plan, Workload};
use crate::client::{Client, Input};
use crate::cmd::failure::Failure;
use crate::cmd::home::Cluster;
use crate::cmd::keys;
use crate::cmd::nodes::Signal;
use crate::cmd::session::{Answer, Notice, Options, Session};
use crate::event::{Conversation, Kind};
use crate::id::{AccountId, RoomId};
use crate::limits::REORDER_WINDOW_MS;
use crate::text::Name;

/// How long everybody may take to have a name, and a message to be acked.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// W4: from one message to the next.
const PACE: Duration = Duration::from_millis(10);

/// The devices that send, and in W4 the one that reads.
pub(super) struct Senders {
    senders: Vec<Sender>,
    reader: Option<Reader>,
    servers: usize,
    sent: u64,
}

struct Sender {
    session: Arc<Session>,
    /// Where it writes, in turn.
    conversations: Vec<Conversation>,
    acks: mpsc::UnboundedReceiver<Instant>,
    next: u64,
}

struct Reader {
    session: Arc<Session>,
    arrivals: mpsc::UnboundedReceiver<Arrived>,
}

/// Messages that have come to the reader.
struct Arrived {
    events: usize,
    checked: Instant,
    synced: Instant,
}

impl Senders {
    /// Makes a person with a device for each sender, and waits until all have their names.
    pub(super) async fn sign_in(
        cluster: &Cluster,
        plan: &Plan,
        room: Option<RoomId>,
    ) -> Result<Self, Failure> {
        let run = u32::from_be_bytes(keys::random()?);
        let mut signing_in = Vec::new();
        let open = |name: String| Session::open(cluster, &name.parse::<Name>()?, OPTIONS);
        let reader = match plan.workload {
            Workload::Paced => {
                let (session, notices) = open(format!("reader-{run:08x}"))?;
                let (arrived, arrivals) = mpsc::unbounded_channel();
                let (signed_in, waiting) = oneshot::channel();
                signing_in.push(waiting);
                tokio::spawn(watch(notices, usize::MAX, signed_in, None, Some(arrived)));
                Some(Reader { session: Arc::new(session), arrivals })
            }
            _ => None,
        };
        let reads = match &reader {
            Some(reader) => Some(reader.session.ask(Client::account).await?),
            None => None,
        };
        let mut senders = Vec::new();
        for number in 0..plan.clients {
            let (session, notices) = open(format!("load-{run:08x}-{number}"))?;
            let (acked, acks) = mpsc::unbounded_channel();
            let (signed_in, waiting) = oneshot::channel();
            signing_in.push(waiting);
            tokio::spawn(watch(notices, plan.copies, signed_in, Some(acked), None));
            let account = session.ask(Client::account).await?;
            // Nobody has the other side's key, so that only what sending costs is measured.
            let to_stranger = |_| {
                let other = reads.map_or_else(|| keys::random().map(AccountId::new), Ok)?;
                Ok(Conversation::direct(account, other))
            };
            let conversations = match room {
                Some(room) => vec![Conversation::Room(room)],
                None => {
                    (0..plan.conversations.unwrap_or(1)).map(to_stranger).collect::<Result<_, Failure>>()?
                }
            };
            senders.push(Sender { session: Arc::new(session), conversations, acks, next: 0 });
        }
        let everybody = async {
            for waiting in signing_in {
                if waiting.await.is_err() {
                    return false;
                }
            }
            true
        };
        if !timeout(PATIENCE, everybody).await.unwrap_or(false) {
            return Err(Failure::new("the senders could not sign in")
                .next("see how the servers are: tercet cluster status"));
        }
        let servers = cluster.names().len();
        let mut signed_in = Self { senders, reader, servers, sent: 0 };
        if let Some(room) = room {
            for sender in &mut signed_in.senders {
                sender.join(room).await?;
            }
        }
        signed_in.settle().await?;
        Ok(signed_in)
    }

    /// One round; returns when everything that was sent in it has been acked.
    pub(super) async fn round(
        &mut self,
        plan: &Plan,
        stage: &Stage,
        crowd: Option<&Crowd>,
        acked: &Arc<AtomicU64>,
    ) -> Result<Round, Failure> {
        self.settle().await?;
        let pids = stage.pids();
        let servers = self.servers;
        let syncs = |stage: &Stage| {
            let statuses = block_in_place(|| stage.statuses());
            (statuses.len() == servers).then(|| statuses.iter().map(|status| status.syncs).sum::<u64>())
        };
        let syncs_before = syncs(stage);
        let (servers_before, load_before) = (usage::cpu_of(&pids), usage::cpu(std::process::id()));
        let delivered_before = crowd.map_or(0, Crowd::delivered);
        let start = Instant::now();
        let end = start + plan.time;
        let mut synced = None;
        let samples = match plan.workload {
            Workload::Paced => {
                let (samples, on_disk) = self.pace(plan.bytes, end, acked).await?;
                synced = Some(on_disk);
                samples
            }
            Workload::Kill => {
                let cluster = stage.cluster();
                let killing = async {
                    sleep(plan.time / 2).await;
                    let victim = cluster.names().first().map(|name| (*name).to_owned()).unwrap_or_default();
                    block_in_place(|| cluster.kill(&victim, Signal::Kill)).map(|_| victim)
                };
                let (samples, victim) = tokio::try_join!(self.pump(plan, end, acked), killing)?;
                block_in_place(|| cluster.start(&victim))?;
                samples
            }
            _ => self.pump(plan, end, acked).await?,
        };
        let readers = if plan.room { plan.connections as u64 } else { 0 };
        let deliveries = samples.len() as u64 * readers;
        if let Some(crowd) = crowd {
            crowd.expect(delivered_before + deliveries).await?;
        }
        let difference =
            |after: Option<Duration>, before: Option<Duration>| Some(after?.saturating_sub(before?));
        let used = Used {
            servers_cpu: difference(usage::cpu_of(&pids), servers_before),
            load_cpu: difference(usage::cpu(std::process::id()), load_before).unwrap_or_default(),
            syncs: syncs(stage).zip(syncs_before).map(|(after, before)| after.saturating_sub(before)),
        };
        self.sent += samples.len() as u64;
        let syncs_told = plan.workload != Workload::Kill;
        let used = Used { syncs: used.syncs.filter(|_| syncs_told), ..used };
        let round = Round::of(Side::Tercet, &samples, start, plan.time, used);
        Ok(Round { synced_p50_us: synced, deliveries: plan.room.then_some(deliveries), ..round })
    }

    /// How many messages were said; each was acked, or the bench has failed.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Ends all sessions.
    pub(super) async fn leave(mut self) -> Result<(), Failure> {
        self.settle().await?;
        let readers = self.reader.into_iter().map(|reader| reader.session);
        for session in self.senders.into_iter().map(|sender| sender.session).chain(readers) {
            if let Some(session) = Arc::into_inner(session) {
                session.close().await?;
            }
        }
        Ok(())
    }

    /// Waits until every server has acked everything.
    async fn settle(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        let servers = self.servers;
        for sender in &self.senders {
            let owed = move |client: &Client| (0..servers).map(|server| client.owed(server)).sum::<usize>();
            while sender.session.ask(owed).await? > 0 {
                if Instant::now() > deadline {
                    return Err(Failure::new("not every server acked everything within a minute"));
                }
                sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// All senders at once, each as fast as its acks come.
    async fn pump(
        &mut self,
        plan: &Plan,
        end: Instant,
        acked: &Arc<AtomicU64>,
    ) -> Result<Vec<Sample>, Failure> {
        let mut tasks = JoinSet::new();
        for mut sender in std::mem::take(&mut self.senders) {
            let (acked, plan) = (Arc::clone(acked), *plan);
            tasks.spawn(async move {
                let samples = sender.pump(&plan, end, &acked).await;
                (sender, samples)
            });
        }
        let mut all = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let (sender, samples) =
                done.map_err(|error| Failure::new(format!("a sender broke off: {error}")))?;
            self.senders.push(sender);
            all.extend(samples?);
        }
        Ok(all)
    }

    /// W4: one message after the other at a steady pace; samples end where the reader has checked them.
    async fn pace(
        &mut self,
        bytes: usize,
        end: Instant,
        acked: &AtomicU64,
    ) -> Result<(Vec<Sample>, u64), Failure> {
        let (Some(sender), Some(reader)) = (self.senders.first_mut(), self.reader.as_mut()) else {
            return Err(Failure::new("nobody is there to send or to read"));
        };
        // What was read before, the names of both for instance, is not of this round.
        while reader.arrivals.try_recv().is_ok() {}
        let mut ticks = tokio::time::interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open = VecDeque::new();
        let (mut samples, mut synced) = (Vec::new(), Vec::new());
        loop {
            let sending = Instant::now() < end;
            if !sending && open.is_empty() {
                break;
            }
            tokio::select! {
                _ = ticks.tick(), if sending => {
                    open.push_back(Instant::now());
                    sender.submit(bytes).await?;
                }
                arrived = timeout(PATIENCE, reader.arrivals.recv()) => {
                    let Ok(Some(Arrived { events, checked, synced: on_disk })) = arrived else {
                        return Err(Failure::new("a message did not arrive within a minute"));
                    };
                    for sent in open.drain(..events.min(open.len())) {
                        samples.push(Sample { sent, done: checked });
                        synced.push(us(on_disk - sent));
                        acked.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
        for _ in 0..samples.len() {
            sender.ack().await?;
        }
        synced.sort_unstable();
        Ok((samples, percentile(&synced, 50)))
    }
}

impl Sender {
    /// Keeps as many messages outstanding as the plan says. A device's acks come in the order of its
    /// messages, so the oldest is the one that an ack is for.
    async fn pump(&mut self, plan: &Plan, end: Instant, acked: &AtomicU64) -> Result<Vec<Sample>, Failure> {
        let mut open: VecDeque<(Instant, Answer)> = VecDeque::new();
        let mut samples = Vec::new();
        loop {
            while open.len() < plan.inflight && Instant::now() < end {
                let sent = Instant::now();
                open.push_back((sent, self.submit(plan.bytes).await?));
            }
            if open.is_empty() {
                return Ok(samples);
            }
            let mut next = Some(self.ack().await?);
            while let Some(done) = next {
                let Some((sent, said)) = open.pop_front() else {
                    return Err(Failure::new("a message was acked that had not been sent"));
                };
                match said.await {
                    Ok(Ok(())) => samples.push(Sample { sent, done }),
                    Ok(Err(error)) => return Err(Failure::of(&error)),
                    Err(_) => return Err(Failure::new("a sender's session has ended")),
                }
                acked.fetch_add(1, Ordering::Relaxed);
                next = self.acks.try_recv().ok();
            }
        }
    }

    /// Becomes a member of a room, which takes its beginning.
    async fn join(&mut self, room: RoomId) -> Result<(), Failure> {
        let account = self.session.ask(Client::account).await?;
        let (own, conversation) = (Conversation::direct(account, account), Conversation::Room(room));
        let follow = Input::Say { conversation: own, kind: Kind::Follow, body: room.as_bytes().to_vec() };
        self.session.perform(follow).await?.map_err(|error| Failure::of(&error))?;
        let deadline = Instant::now() + PATIENCE;
        while !self.session.ask(move |client| client.transcript(conversation).is_some()).await? {
            if Instant::now() > deadline {
                return Err(Failure::new("a sender was not told of the room within a minute"));
            }
            sleep(POLL).await;
        }
        let join = Input::Say { conversation, kind: Kind::Join, body: Vec::new() };
        self.session.perform(join).await?.map_err(|error| Failure::of(&error))?;
        self.ack().await.map(drop)
    }

    async fn submit(&mut self, bytes: usize) -> Result<Answer, Failure> {
        let place = usize::try_from(self.next).unwrap_or(0) % self.conversations.len();
        let conversation = self.conversations[place];
        self.next += 1;
        let mut body = format!("{} ", self.next).into_bytes();
        body.resize(bytes, b'x');
        self.session.submit(Input::Say { conversation, kind: Kind::Post, body }).await
    }

    async fn ack(&mut self) -> Result<Instant, Failure> {
        match timeout(PATIENCE, self.acks.recv()).await {
            Ok(Some(at)) => Ok(at),
            Ok(None) => Err(Failure::new("a sender's session has ended")),
            Err(_) => Err(Failure::new("a message was not acked within a minute")
                .next("see how the servers are: tercet cluster status")),
        }
    }
}

const OPTIONS: Options = Options { window_ms: REORDER_WINDOW_MS, new_device: false, quorum: None };

/// Notes the time of what a session tells, as it tells it. Ends with the session.
async fn watch(
    mut notices: mpsc::Receiver<Notice>,
    copies: usize,
    signed_in: oneshot::Sender<()>,
    acked: Option<mpsc::UnboundedSender<Instant>>,
    arrived: Option<mpsc::UnboundedSender<Arrived>>,
) {
    let mut signed_in = Some(signed_in);
    while let Some(notice) = notices.recv().await {
        // Whoever does not listen any more has ended the round with an error.
        match (notice, &acked, &arrived) {
            (Notice::Copies { copies: reached, .. }, Some(acked), _) if reached == copies => {
                let _unheard = acked.send(Instant::now());
            }
            (Notice::Arrived { events, checked }, _, Some(arrived)) => {
                drop(arrived.send(Arrived { events, checked, synced: Instant::now() }));
            }
            (Notice::SignedIn, ..) => drop(signed_in.take().map(|signed_in| signed_in.send(()))),
            _ => {}
        }
    }
}
