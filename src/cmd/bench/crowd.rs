//! Devices that hold connections and say nothing: each has one to every server, as a chat has, and keeps it alive at a
//! chat's pace. They follow their home, or a room of which they are members; one server sends whole events, the others
//! ids, and what comes is answered with a cursor.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::fill::Room;
use super::stage::Stage;
use crate::cmd::failure::Failure;
use crate::cmd::home::Cluster;
use crate::cmd::{keys, open_files, runtime};
use crate::frame::{Role, ToClient, ToServer};
use crate::id::{DeviceId, RoomId};
use crate::limits::{PING_MS, PROTOCOL_VERSION};
use crate::net::ask::{AskError, Conn};
use crate::net::tls::Identity;

/// Devices that connect at once.
const AT_ONCE: usize = 32;
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
const PING: Duration = Duration::from_millis(PING_MS);
/// Files that one process needs beside the connections of the crowd.
const OTHER_FILES: u64 = 1_000;

/// The devices. Their connections end with it.
pub(super) struct Crowd {
    devices: usize,
    /// Memory of each server before they came, and with them.
    memory: [u64; 2],
    told: Arc<Told>,
    _following: JoinSet<()>,
    _threads: Threads,
}

/// The crowd's own threads, so that it takes none of the senders' time but the processor's.
struct Threads(Option<Runtime>);

impl Threads {
    fn start() -> Result<(Self, Handle), Failure> {
        let runtime = runtime::start()?;
        let handle = runtime.handle().clone();
        Ok((Self(Some(runtime)), handle))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A runtime must not wait for its threads on a thread of another.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What became of the connections.
#[derive(Default)]
struct Told {
    /// Whole events that came.
    events: AtomicU64,
    /// Why the first one broke.
    broken: OnceLock<AskError>,
}

/// What all connections of the crowd begin with.
struct Way {
    cluster: Arc<Cluster>,
    room: Option<RoomId>,
}

impl Crowd {
    /// Connects so many devices to all servers; those of a room are its members.
    pub(super) async fn gather(stage: &Stage, devices: usize, room: Option<&Room>) -> Result<Self, Failure> {
        let cluster = stage.cluster();
        let connections = devices as u64 * cluster.names().len() as u64;
        open_files::need(connections + OTHER_FILES, &format!("{devices} connected devices"))?;
        let memory = || stage.memory().iter().map(|memory| memory.resident_bytes).sum::<u64>();
        let before = memory();
        let way = Arc::new(Way { cluster: Arc::new(cluster.again()?), room: room.map(|room| room.id) });
        let (told, mut following, mut coming) = (Arc::<Told>::default(), JoinSet::new(), JoinSet::new());
        let (threads, on) = Threads::start()?;
        for number in 0..devices {
            let key = match room {
                Some(room) => room.members[number % room.members.len()].clone(),
                None => SigningKey::from_bytes(&keys::random()?),
            };
            let way = Arc::clone(&way);
            coming.spawn_on(async move { way.come(number, &key).await }, &on);
            if coming.len() >= AT_ONCE {
                follow(&mut coming, &mut following, &told, &on).await?;
            }
        }
        while !coming.is_empty() {
            follow(&mut coming, &mut following, &told, &on).await?;
        }
        Ok(Self { devices, memory: [before, memory()], told, _following: following, _threads: threads })
    }

    /// Memory that each connection takes of its server.
    pub(super) fn bytes_per_connection(&self, servers: usize) -> u64 {
        let [before, with] = self.memory;
        with.saturating_sub(before) / (self.devices * servers).max(1) as u64
    }

    /// Whole events that have come to all devices together.
    pub(super) fn delivered(&self) -> u64 {
        self.told.events.load(Ordering::Relaxed)
    }

    /// Waits until so many have, if every connection still stands.
    pub(super) async fn expect(&self, events: u64) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        while self.delivered() < events && Instant::now() < deadline {
            sleep(POLL).await;
        }
        if let Some(error) = self.told.broken.get() {
            return Err(Failure::of(error));
        }
        match self.delivered() {
            delivered if delivered < events => Err(Failure::new(format!(
                "{delivered} of {events} events came to their readers within a minute"
            ))),
            _ => Ok(()),
        }
    }
}

/// The next device that has come reads from then on.
async fn follow(
    coming: &mut JoinSet<Result<Vec<Conn>, Failure>>,
    following: &mut JoinSet<()>,
    told: &Arc<Told>,
    on: &Handle,
) -> Result<(), Failure> {
    let Some(come) = coming.join_next().await else { return Ok(()) };
    let conns = come.map_err(|error| Failure::new(format!("a device broke off: {error}")))??;
    for conn in conns {
        let told = Arc::clone(told);
        let reading = async move {
            let error = read(conn, &told.events).await;
            let _first = told.broken.set(error);
        };
        following.spawn_on(reading, on);
    }
    Ok(())
}

impl Way {
    /// A device's connections to all servers.
    async fn come(&self, number: usize, key: &SigningKey) -> Result<Vec<Conn>, Failure> {
        let (cluster, view) = (&self.cluster, self.cluster.view());
        let identity = Arc::new(Identity::new(key).map_err(|error| Failure::of(&error))?);
        let device = DeviceId::new(keys::random()?);
        let mut conns = Vec::new();
        for (place, member) in view.servers().iter().enumerate() {
            let role = Role::Device { device, token: cluster.token().clone() };
            let hello =
                ToServer::Hello { version: PROTOCOL_VERSION, cluster: view.cluster(), view: view.id(), role };
            let (mut conn, welcome) =
                Conn::open(member, &identity, &hello, PATIENCE).await.map_err(|error| Failure::of(&error))?;
            let bodies = place == number % view.servers().len();
            let follow = ToServer::Follow { room: self.room, after: welcome.position, bodies };
            conn.send(&follow, PATIENCE).await.map_err(|error| Failure::of(&error))?;
            conn.recv(PATIENCE).await.map_err(|error| Failure::of(&error))?;
            conns.push(conn);
        }
        Ok(conns)
    }
}

/// Reads what comes until the connection breaks.
async fn read(mut conn: Conn, whole: &AtomicU64) -> AskError {
    loop {
        let answer = match conn.recv(PING).await {
            Ok(ToClient::Feed { room, items, upto, .. }) if !items.is_empty() => {
                let bodies = items.iter().filter(|item| item.event.is_some()).count();
                whole.fetch_add(bodies as u64, Ordering::Relaxed);
                ToServer::Cursor { room, position: upto }
            }
            Ok(_) => continue,
            Err(AskError::Silent { .. }) => ToServer::Ping,
            Err(error) => return error,
        };
        if let Err(error) = conn.send(&answer, PATIENCE).await {
            return error;
        }
    }
}
