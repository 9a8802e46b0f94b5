//! W6: a server that starts on a big store, one that fills an empty one, a page of history, and the check of it all.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::{block_in_place, yield_now};
use tokio::time::sleep;

use super::floor_load::FloorServer;
use super::stage::Stage;
use super::usage;
use super::{Plan, fill, history};
use crate::cmd::ask::{Answer, ask_status};
use crate::cmd::failure::Failure;
use crate::cmd::files;
use crate::cmd::home::Cluster;

/// How often a server is started; the median counts.
const STARTS: usize = 5;
/// Between two looks at a server that starts: what is measured takes some milliseconds.
const LOOK: Duration = Duration::from_micros(500);
/// Between two questions to a server that catches up, each of which costs it a handshake.
const POLL: Duration = Duration::from_millis(50);
/// Between two looks at the memory of a process that takes long.
const LOOK_AT_VERIFY: Duration = Duration::from_millis(5);
/// How long a server may take to catch up by another thousand events.
const PATIENCE: Duration = Duration::from_secs(60);

/// What W6 comes to.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Startup {
    /// Events in the store.
    pub(super) events: u64,
    /// From starting the process to its pid file, which says that it listens; median.
    pub(super) ready_us: u64,
    /// The same of the floor, its file being there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) floor_ready_us: Option<u64>,
    /// Memory of the server when it is ready.
    pub(super) ready_bytes: u64,
    /// The same of the floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) floor_ready_bytes: Option<u64>,
    /// Events per second that an empty server takes over from the others.
    pub(super) catch_up_rate: f64,
    /// The most memory that it had by then.
    pub(super) catch_up_peak_bytes: u64,
    /// Nanoseconds for one page of a conversation with so many messages, on a person's device; median.
    pub(super) history_ns: u64,
    /// Seconds that `tercet verify` takes over the stores of all servers.
    pub(super) verify_seconds: f64,
    /// The most memory that it had.
    pub(super) verify_peak_bytes: u64,
}

/// Measures all of it.
pub(super) async fn measure(plan: &Plan, stage: &Stage, floor: bool) -> Result<Startup, Failure> {
    let cluster = stage.cluster();
    let names = cluster.names();
    let (Some((empty, full)), true) = (names.split_last(), names.len() > 1) else {
        return Err(Failure::new("W6 takes at least two servers"));
    };
    fill::some(cluster, full, plan.events, plan.filled_conversations()).await?;
    let (ready_us, ready_bytes) = starts(cluster, full[0]).await?;
    let (floor_ready_us, floor_ready_bytes) = match floor {
        true => {
            let (us, bytes) = floor_starts(stage).await?;
            (Some(us), Some(bytes))
        }
        false => (None, None),
    };
    for name in full {
        block_in_place(|| cluster.start(name))?;
    }
    let (catch_up_rate, catch_up_peak_bytes) = catch_up(cluster, empty, plan.events).await?;
    block_in_place(|| cluster.stop_all())?;
    let (verify_seconds, verify_peak_bytes) = verify(cluster).await?;
    Ok(Startup {
        events: plan.events,
        ready_us,
        floor_ready_us,
        ready_bytes,
        floor_ready_bytes,
        catch_up_rate,
        catch_up_peak_bytes,
        history_ns: history::page_ns(cluster, plan.events).await?,
        verify_seconds,
        verify_peak_bytes,
    })
}

/// Median time of several starts, and the memory after the last.
async fn starts(cluster: &Cluster, name: &str) -> Result<(u64, u64), Failure> {
    let (mut times, mut bytes) = (Vec::new(), 0);
    for _ in 0..STARTS {
        let (time, memory) = block_in_place(|| start_and_stop(cluster, name))?;
        times.push(super::round::us(time));
        bytes = memory;
        yield_now().await; // so that whoever wants to end it is heard
    }
    Ok((median(times), bytes))
}

/// How long a server takes to be ready, and its memory then.
fn start_and_stop(cluster: &Cluster, name: &str) -> Result<(Duration, u64), Failure> {
    let start = Instant::now();
    let mut starting = cluster.spawn(name)?;
    let process = loop {
        match starting.poll()? {
            Some(process) => break process,
            None => std::thread::sleep(LOOK),
        }
    };
    let time = start.elapsed();
    let bytes = usage::memory(process.pid()).unwrap_or_default().resident_bytes;
    cluster.stop(&[name])?;
    Ok((time, bytes))
}

async fn floor_starts(stage: &Stage) -> Result<(u64, u64), Failure> {
    files::make_folder(&stage.floor_folder())?;
    let file = stage.floor_folder().join("0");
    block_in_place(|| FloorServer::start(&file).map(drop))?;
    let (mut times, mut bytes) = (Vec::new(), 0);
    for _ in 0..STARTS {
        let start = Instant::now();
        let server = block_in_place(|| FloorServer::start(&file))?;
        times.push(super::round::us(start.elapsed()));
        bytes = usage::memory(server.pid()).unwrap_or_default().resident_bytes;
        drop(server);
        yield_now().await;
    }
    Ok((median(times), bytes))
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    super::round::percentile(&values, 50)
}

/// Starts a server with an empty store, and waits until it has everything.
async fn catch_up(cluster: &Cluster, name: &str, events: u64) -> Result<(f64, u64), Failure> {
    let member = cluster.member(name)?;
    let start = Instant::now();
    let started = block_in_place(|| cluster.start(name))?;
    let (mut reached, mut moved) = (0, Instant::now());
    while reached < events {
        sleep(POLL).await;
        // A plain thread, since asking begins a runtime of its own.
        let asking = || std::thread::scope(|scope| scope.spawn(|| ask_status(cluster, member)).join());
        let now = match block_in_place(asking) {
            Ok(Answer::Says(status)) => status.position,
            _ => reached,
        };
        if now > reached {
            (reached, moved) = (now, Instant::now());
        } else if moved.elapsed() > PATIENCE {
            return Err(Failure::new(format!(
                "server {name} has {reached} of {events} events and gets no more"
            )));
        }
    }
    let peak = usage::memory(started.process.pid()).unwrap_or_default().peak_bytes;
    Ok((events as f64 / start.elapsed().as_secs_f64(), peak))
}

/// Seconds that `tercet verify` takes over all stores, and its memory at most.
async fn verify(cluster: &Cluster) -> Result<(f64, u64), Failure> {
    let failed = |error| Failure::io("run tercet verify", &error);
    let start = Instant::now();
    let mut child = Command::new(std::env::current_exe().map_err(failed)?)
        .arg("--dir")
        .arg(cluster.home().dir())
        .args(["--quiet", "verify"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let mut peak = 0;
    let status = loop {
        peak = usage::memory(child.id()).map_or(peak, |memory| memory.peak_bytes.max(peak));
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None => sleep(LOOK_AT_VERIFY).await,
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    match status.code() {
        // Without a device's log it cannot say what was seen; what servers hold is right.
        Some(0 | 2) => Ok((seconds, peak)),
        _ => Err(Failure::new(format!("tercet verify found the bench's stores wrong: {status}"))
            .next("tercet bench --workload W6 --keep, and then tercet --dir FOLDER verify")),
    }
}
