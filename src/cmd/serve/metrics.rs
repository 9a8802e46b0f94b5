//! What the server counts, as Prometheus takes it.
//!
//! **Invariant**: counting never waits. Counters are added to where things happen; gauges are set when somebody
//! asks, by the core itself, so that they are all of one moment.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::frame::{Item, ToClient};
use crate::id::Position;
use crate::log::Write;
use crate::server::Request;

/// Upper bound of the first bucket of the sync latencies, seconds; each next one is twice as high.
const SYNC_LEAST_S: f64 = 0.000_1;
/// Buckets of the sync latencies: up to 3.3 s.
const SYNC_BUCKETS: u16 = 16;

/// What went wrong with somebody else; the server goes on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// A connection ended without a goodbye, or was too slow.
    Connection,
    /// A connection was refused.
    Refused,
    /// A peer went, or sent what cannot be right.
    Peer,
    /// The operating system did not hand over connections.
    Accept,
}

impl Fault {
    const ALL: [Self; 4] = [Self::Connection, Self::Refused, Self::Peer, Self::Accept];

    fn label(self) -> [(&'static str, &'static str); 1] {
        let kind = match self {
            Self::Connection => "connection",
            Self::Refused => "refused",
            Self::Peer => "peer",
            Self::Accept => "accept",
        };
        [("kind", kind)]
    }
}

/// Which way the bytes of events went.
#[derive(Debug, Clone, Copy)]
enum Way {
    Uploaded,
    Fetched,
    Written,
    Sent,
}

impl Way {
    const ALL: [Self; 4] = [Self::Uploaded, Self::Fetched, Self::Written, Self::Sent];

    fn label(self) -> [(&'static str, &'static str); 1] {
        let way = match self {
            Self::Uploaded => "uploaded",
            Self::Fetched => "fetched",
            Self::Written => "written",
            Self::Sent => "sent",
        };
        [("way", way)]
    }
}

/// Counters that are told apart by one label.
type Labelled = Family<[(&'static str, &'static str); 1], Counter>;

/// How full the server is at one moment.
pub(super) struct Depths {
    /// The last position on the disk.
    pub(super) durable: Position,
    /// Events that it lacks of the longest log with which it catches up.
    pub(super) lag: Position,
    pub(super) connections: usize,
    /// Other servers that answer.
    pub(super) peers: usize,
    pub(super) forks: u64,
    /// Inputs that wait for the core.
    pub(super) inputs: usize,
    /// Bytes of events that wait for the disk.
    pub(super) staged_bytes: usize,
    /// Writes that wait for the batch before theirs.
    pub(super) batch: usize,
    /// Frames that wait for their connections, all together.
    pub(super) outgoing: usize,
    /// The same of the connection with the most.
    pub(super) longest: usize,
}

/// All that is counted.
pub(super) struct Metrics {
    registry: Registry,
    appended: Counter,
    acked: Counter,
    bytes: Labelled,
    faults: Labelled,
    sync: Histogram,
    durable: Depth,
    lag: Depth,
    connections: Depth,
    peers: Depth,
    forks: Depth,
    inputs: Depth,
    staged_bytes: Depth,
    batch: Depth,
    outgoing: Depth,
    longest: Depth,
}

type Depth = Gauge<u64, AtomicU64>;

impl Metrics {
    /// Everything at nought.
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("tercet");
        let buckets = exponential_buckets(SYNC_LEAST_S, 2.0, SYNC_BUCKETS);
        let sync = Histogram::new(buckets);
        let mut counter = |name, help| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let appended = counter("appended_events", "Events written to the log and synced");
        let acked = counter("acked_events", "Receipts given to devices");
        let mut gauge = |name, help| {
            let gauge = Depth::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let durable = gauge("durable_events", "Events on the disk: the last position of the log");
        let lag = gauge("lag_events", "Events lacking of the longest log that is being caught up with");
        let connections = gauge("connections", "Connections of devices, servers and tools");
        let peers = gauge("peers", "Other servers that answer");
        let forks = gauge("forks", "Events under a number that their device had used before");
        let inputs = gauge("input_queue", "Frames and connections that wait for the core");
        let staged_bytes = gauge("staged_bytes", "Bytes of events that wait for the disk");
        let batch = gauge("batch_queue", "Writes that wait for the batch that is being synced");
        let outgoing = gauge("send_queue_frames", "Frames that wait for their connections");
        let longest = gauge("send_queue_longest_frames", "The same of the connection with the most");
        let bytes = Labelled::default();
        registry.register("event_bytes", "Bytes of events, by the way that they went", bytes.clone());
        let faults = Labelled::default();
        registry.register("errors", "What went wrong with connections and servers", faults.clone());
        registry.register_with_unit("sync", "One batch's write and sync", Unit::Seconds, sync.clone());
        let metrics = Self {
            registry,
            appended,
            acked,
            bytes,
            faults,
            sync,
            durable,
            lag,
            connections,
            peers,
            forks,
            inputs,
            staged_bytes,
            batch,
            outgoing,
            longest,
        };
        // A series that begins at its first fault hides that fault from whoever asks for rates.
        for fault in Fault::ALL {
            drop(metrics.faults.get_or_create(&fault.label()));
        }
        for way in Way::ALL {
            drop(metrics.bytes.get_or_create(&way.label()));
        }
        metrics
    }

    /// All of it, in the text format of OpenMetrics.
    ///
    /// # Errors
    /// None that is known: writing to a string does not fail.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Something went wrong with somebody else.
    pub(super) fn fault(&self, fault: Fault) {
        self.faults.get_or_create(&fault.label()).inc();
    }

    /// A batch is on the disk.
    pub(super) fn synced(&self, batch: &[Write], took: Duration) {
        self.sync.observe(took.as_secs_f64());
        let appended = batch.iter().filter_map(|write| match write {
            Write::Append { event, .. } => Some(event.bytes().len()),
            Write::Body(_) | Write::Cursor(_) | Write::Peer(_) | Write::Seal | Write::View(_) => None,
        });
        self.appended.inc_by(appended.clone().count() as u64);
        self.count(Way::Written, appended.sum());
    }

    /// A connection says something.
    pub(super) fn uploaded(&self, request: &Request) {
        if let Request::Upload(events) = request {
            self.count(Way::Uploaded, events.iter().map(|event| event.bytes().len()).sum());
        }
    }

    /// A peer says something.
    pub(super) fn fetched(&self, frame: &ToClient) {
        self.count(Way::Fetched, event_bytes(frame));
    }

    /// A frame is on its way to a connection.
    pub(super) fn sent(&self, frame: &ToClient) {
        if let ToClient::Receipts(receipts) = frame {
            self.acked.inc_by(receipts.len() as u64);
        }
        self.count(Way::Sent, event_bytes(frame));
    }

    /// Sets what can fall as well as rise.
    pub(super) fn gauge(&self, depths: &Depths) {
        self.durable.set(depths.durable);
        self.lag.set(depths.lag);
        self.forks.set(depths.forks);
        let sizes = [
            (&self.connections, depths.connections),
            (&self.peers, depths.peers),
            (&self.inputs, depths.inputs),
            (&self.staged_bytes, depths.staged_bytes),
            (&self.batch, depths.batch),
            (&self.outgoing, depths.outgoing),
            (&self.longest, depths.longest),
        ];
        for (gauge, size) in sizes {
            gauge.set(size as u64);
        }
    }

    fn count(&self, way: Way, bytes: usize) {
        if bytes > 0 {
            self.bytes.get_or_create(&way.label()).inc_by(bytes as u64);
        }
    }
}

fn event_bytes(frame: &ToClient) -> usize {
    let of_items =
        |items: &[Item]| items.iter().filter_map(|item| item.event.as_ref()).map(|event| event.len()).sum();
    match frame {
        ToClient::Feed { items, .. } | ToClient::Log { items, .. } => of_items(items),
        ToClient::Bodies(events) => events.iter().map(|event| event.len()).sum(),
        _ => 0,
    }
}
