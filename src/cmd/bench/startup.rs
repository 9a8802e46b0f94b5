//! W6: a server that starts on a big store, one that fills an empty one, and what connections cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use serde::Serialize;
use tokio::task::{block_in_place, yield_now};
use tokio::time::sleep;

use super::floor_load::FloorServer;
use super::stage::Stage;
use super::usage;
use super::{Plan, fill};
use crate::cmd::failure::Failure;
use crate::cmd::home::Cluster;
use crate::cmd::{files, keys};
use crate::frame::{Role, ToServer};
use crate::id::DeviceId;
use crate::limits::PROTOCOL_VERSION;
use crate::net::ask::Conn;
use crate::net::tls::Identity;

/// How often a server is started; the median counts.
const STARTS: usize = 5;
/// Between two looks at a server that starts: what is measured takes some milliseconds.
const LOOK: Duration = Duration::from_micros(500);
const POLL: Duration = Duration::from_millis(20);
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
    /// Connections that were held.
    pub(super) connections: usize,
    /// Memory that each took of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes_per_connection: Option<u64>,
}

/// Measures all of it.
pub(super) async fn measure(plan: &Plan, stage: &Stage, floor: bool) -> Result<Startup, Failure> {
    let cluster = stage.cluster();
    let names = cluster.names();
    let (Some((empty, full)), true) = (names.split_last(), names.len() > 1) else {
        return Err(Failure::new("W6 takes at least two servers"));
    };
    fill::some(cluster, full, plan.events).await?;
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
    let (catch_up_rate, catch_up_peak_bytes) = catch_up(stage, empty, plan.events).await?;
    let bytes_per_connection = match plan.clients {
        0 => None,
        clients => Some(connections(cluster, full[0], clients).await?),
    };
    Ok(Startup {
        events: plan.events,
        ready_us,
        floor_ready_us,
        ready_bytes,
        floor_ready_bytes,
        catch_up_rate,
        catch_up_peak_bytes,
        connections: plan.clients,
        bytes_per_connection,
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
async fn catch_up(stage: &Stage, name: &str, events: u64) -> Result<(f64, u64), Failure> {
    let id = stage.cluster().member(name)?.id;
    let start = Instant::now();
    let started = block_in_place(|| stage.cluster().start(name))?;
    let (mut reached, mut moved) = (0, Instant::now());
    while reached < events {
        sleep(POLL).await;
        let statuses = block_in_place(|| stage.statuses());
        let now = statuses.into_iter().find(|status| status.server == id);
        let now = now.map_or(reached, |status| status.position);
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

/// Memory that a server takes for each connection of a device which follows its log.
async fn connections(cluster: &Cluster, name: &str, count: usize) -> Result<u64, Failure> {
    let member = cluster.member(name)?;
    let resident = || {
        let process = cluster.running(name)?;
        Ok::<u64, Failure>(usage::memory(process.pid()).unwrap_or_default().resident_bytes)
    };
    let before = resident()?;
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let key = SigningKey::from_bytes(&keys::random()?);
        let identity = Arc::new(Identity::new(&key).map_err(|error| Failure::of(&error))?);
        let role = Role::Device { device: DeviceId::new(keys::random()?), token: cluster.token().clone() };
        let view = cluster.view();
        let hello =
            ToServer::Hello { version: PROTOCOL_VERSION, cluster: view.cluster(), view: view.id(), role };
        let (mut conn, welcome) =
            Conn::open(member, &identity, &hello, PATIENCE).await.map_err(|error| Failure::of(&error))?;
        let follow = ToServer::Follow { room: None, after: welcome.position, bodies: true };
        conn.send(&follow, PATIENCE).await.map_err(|error| Failure::of(&error))?;
        conn.recv(PATIENCE).await.map_err(|error| Failure::of(&error))?;
        held.push(conn);
    }
    Ok(resident()?.saturating_sub(before) / count as u64)
}
