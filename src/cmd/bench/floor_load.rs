//! The load on the floor: as many senders as on tercet, each with a plain connection to every floor server.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{MissedTickBehavior, sleep, timeout};

use super::floor::{LENGTH_BYTES, READS, WRITES};
use super::round::{Round, Sample, Side, Used};
use super::usage::{self, Memory};
use super::{Plan, Workload};
use crate::cmd::failure::Failure;
use crate::cmd::files;

const PATIENCE: Duration = Duration::from_secs(60);
const PACE: Duration = Duration::from_millis(10);

/// One floor server. It ends when its standard input is closed, which dropping this does.
pub(super) struct FloorServer {
    child: Child,
    address: SocketAddr,
}

impl FloorServer {
    /// Starts a process and waits until it says where it listens.
    pub(super) fn start(file: &std::path::Path) -> Result<Self, Failure> {
        let failed = |error| Failure::io("start a floor server", &error);
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .arg("bench-floor")
            .arg("--file")
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(failed)?;
        }
        match line.trim().parse() {
            Ok(port) => Ok(Self { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) }),
            Err(_) => {
                let _gone = child.wait();
                Err(Failure::new("a floor server ended before it was ready"))
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for FloorServer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The floor servers with the connections to them.
pub(super) struct FloorLoad {
    servers: Vec<FloorServer>,
    folder: PathBuf,
    senders: Vec<Sender>,
    reader: Option<TcpStream>,
}

impl FloorLoad {
    pub(super) async fn start(folder: PathBuf, count: usize, plan: &Plan) -> Result<Self, Failure> {
        files::make_folder(&folder)?;
        let start = |number: usize| FloorServer::start(&folder.join(number.to_string()));
        let servers = block_in_place(|| (0..count).map(start).collect::<Result<Vec<_>, _>>())?;
        let mut floor = Self { servers, folder, senders: Vec::new(), reader: None };
        floor.connect(plan).await?;
        Ok(floor)
    }

    async fn connect(&mut self, plan: &Plan) -> Result<(), Failure> {
        self.senders.clear();
        for _ in 0..plan.clients {
            self.senders.push(Sender::connect(&self.servers, plan.copies).await?);
        }
        self.reader = match (plan.workload, self.servers.first()) {
            (Workload::Paced, Some(server)) => Some(open(server.address, READS).await?),
            _ => None,
        };
        Ok(())
    }

    /// Memory of the floor servers.
    pub(super) fn memory(&self) -> Vec<Memory> {
        self.servers.iter().filter_map(|server| usage::memory(server.pid())).collect()
    }

    /// One round, as [`super::senders::Senders::round`].
    pub(super) async fn round(&mut self, plan: &Plan, acked: &Arc<AtomicU64>) -> Result<Round, Failure> {
        let pids: Vec<u32> = self.servers.iter().map(FloorServer::pid).collect();
        let (servers_before, load_before) = (usage::cpu_of(&pids), usage::cpu(std::process::id()));
        let start = Instant::now();
        let end = start + plan.time;
        let samples = match plan.workload {
            Workload::Paced => self.pace(plan.bytes, end, acked).await?,
            Workload::Kill => {
                let senders = std::mem::take(&mut self.senders);
                let victim = self.servers.remove(0);
                let killing = async {
                    sleep(plan.time / 2).await;
                    drop(victim);
                    Ok(())
                };
                let (samples, ()) = tokio::try_join!(pump(senders, plan, end, acked), killing)?;
                let file = self.folder.join("0");
                self.servers.insert(0, block_in_place(|| FloorServer::start(&file))?);
                self.connect(plan).await?;
                samples.1
            }
            _ => {
                let senders = std::mem::take(&mut self.senders);
                let (senders, samples) = pump(senders, plan, end, acked).await?;
                self.senders = senders;
                samples
            }
        };
        let difference =
            |after: Option<Duration>, before: Option<Duration>| Some(after?.saturating_sub(before?));
        let used = Used {
            servers_cpu: difference(usage::cpu_of(&pids), servers_before),
            load_cpu: difference(usage::cpu(std::process::id()), load_before).unwrap_or_default(),
            syncs: None,
        };
        Ok(Round::of(Side::Floor, &samples, start, plan.time, used))
    }

    async fn pace(&mut self, bytes: usize, end: Instant, acked: &AtomicU64) -> Result<Vec<Sample>, Failure> {
        let (Some(sender), Some(reader)) = (self.senders.first_mut(), self.reader.as_mut()) else {
            return Err(Failure::new("nobody is there to send or to read"));
        };
        let failed = |error| Failure::io("use the floor's connection", &error);
        let frame = frame(bytes);
        let mut ticks = tokio::time::interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open = VecDeque::new();
        let mut samples = Vec::new();
        let (mut buffer, mut read) = (vec![0; 64 * 1024], 0);
        while Instant::now() < end || !open.is_empty() {
            tokio::select! {
                _ = ticks.tick(), if Instant::now() < end => {
                    open.push_back(Instant::now());
                    sender.send(&frame).await?;
                }
                some = timeout(PATIENCE, reader.read(&mut buffer)) => {
                    let some = some.map_err(|_| Failure::new("the floor does not answer"))?;
                    read += some.map_err(failed)?;
                    let done = Instant::now();
                    for sent in open.drain(..(read / frame.len()).min(open.len())) {
                        samples.push(Sample { sent, done });
                        acked.fetch_add(1, Ordering::Relaxed);
                    }
                    read %= frame.len();
                }
            }
        }
        Ok(samples)
    }
}

fn frame(bytes: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(LENGTH_BYTES + bytes);
    frame.extend_from_slice(&u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes());
    frame.resize(LENGTH_BYTES + bytes, b'x');
    frame
}

async fn open(address: SocketAddr, role: u8) -> Result<TcpStream, Failure> {
    let failed = |error| Failure::io("connect to a floor server", &error);
    let mut stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    stream.write_all(&[role]).await.map_err(failed)?;
    Ok(stream)
}

async fn pump(
    senders: Vec<Sender>,
    plan: &Plan,
    end: Instant,
    acked: &Arc<AtomicU64>,
) -> Result<(Vec<Sender>, Vec<Sample>), Failure> {
    let mut tasks = JoinSet::new();
    for mut sender in senders {
        let (acked, inflight, frame) = (Arc::clone(acked), plan.inflight, frame(plan.bytes));
        tasks.spawn(async move {
            let samples = sender.pump(inflight, &frame, end, &acked).await;
            (sender, samples)
        });
    }
    let (mut senders, mut all) = (Vec::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (sender, samples) = done.map_err(|error| Failure::new(format!("a sender broke off: {error}")))?;
        senders.push(sender);
        all.extend(samples?);
    }
    Ok((senders, all))
}

/// One sender: a connection to each server, and how many of its frames each has acked.
struct Sender {
    writers: Vec<Option<OwnedWriteHalf>>,
    counts: Arc<Counts>,
    copies: usize,
    acked: u64,
    _readers: JoinSet<()>,
}

struct Counts {
    of: Vec<AtomicU64>,
    grown: Notify,
}

impl Sender {
    async fn connect(servers: &[FloorServer], copies: usize) -> Result<Self, Failure> {
        let of = servers.iter().map(|_| AtomicU64::new(0)).collect();
        let counts = Arc::new(Counts { of, grown: Notify::new() });
        let (mut writers, mut readers) = (Vec::new(), JoinSet::new());
        for (index, server) in servers.iter().enumerate() {
            let (reader, writer) = open(server.address, WRITES).await?.into_split();
            readers.spawn(hear(reader, index, Arc::clone(&counts)));
            writers.push(Some(writer));
        }
        Ok(Self { writers, counts, copies, acked: 0, _readers: readers })
    }

    /// Sends frames to every server that is there.
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        for writer in &mut self.writers {
            if let Some(half) = writer
                && half.write_all(bytes).await.is_err()
            {
                *writer = None;
            }
        }
        if self.writers.iter().flatten().count() < self.copies {
            return Err(Failure::new("too few floor servers are left"));
        }
        Ok(())
    }

    /// How many frames enough servers have acked.
    fn done(&self) -> u64 {
        let mut counts: Vec<u64> = self.counts.of.iter().map(|count| count.load(Ordering::Acquire)).collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        counts.get(self.copies - 1).copied().unwrap_or(0)
    }

    async fn pump(
        &mut self,
        inflight: usize,
        frame: &[u8],
        end: Instant,
        acked: &AtomicU64,
    ) -> Result<Vec<Sample>, Failure> {
        let mut open = VecDeque::new();
        let mut samples = Vec::new();
        loop {
            let sent = Instant::now();
            let room = if sent < end { inflight - open.len() } else { 0 };
            if room > 0 {
                open.extend(std::iter::repeat_n(sent, room));
                self.send(&frame.repeat(room)).await?;
            }
            if open.is_empty() {
                return Ok(samples);
            }
            while self.done() == self.acked {
                let grown = self.counts.grown.notified();
                if self.done() == self.acked && timeout(PATIENCE, grown).await.is_err() {
                    return Err(Failure::new("the floor does not answer"));
                }
            }
            let (fresh, done) = (self.done() - self.acked, Instant::now());
            self.acked += fresh;
            let fresh = usize::try_from(fresh).unwrap_or(usize::MAX).min(open.len());
            samples.extend(open.drain(..fresh).map(|sent| Sample { sent, done }));
            acked.fetch_add(fresh as u64, Ordering::Relaxed);
        }
    }
}

async fn hear(mut reader: OwnedReadHalf, index: usize, counts: Arc<Counts>) {
    while let Ok(count) = reader.read_u64().await {
        counts.of[index].store(count, Ordering::Release);
        counts.grown.notify_one();
    }
}
