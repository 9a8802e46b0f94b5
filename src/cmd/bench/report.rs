//! What a run of the bench found, for machines and for people.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use super::Plan;
use super::round::{Round, Side};
use super::startup::Startup;
use super::usage::Memory;
use crate::cmd::failure::Failure;
use crate::cmd::screen::{BOLD, DIM, PLAIN, Table};

/// Everything, as `--json` prints it. Times are in microseconds, sizes in bytes.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// This program's version.
    pub(super) version: &'static str,
    pub(super) machine: Machine,
    pub(super) workload: &'static str,
    pub(super) clients: usize,
    pub(super) inflight: usize,
    /// Bytes of each message.
    pub(super) bytes: usize,
    /// Events that were in the stores before.
    pub(super) events: u64,
    /// Over how many conversations each sender's messages went, and the stores' events if they are as many.
    pub(super) conversations: usize,
    /// Devices that were connected and said nothing.
    pub(super) connections: usize,
    /// Whether everything went into one room, of which those devices are members.
    pub(super) room: bool,
    /// Memory that each of their connections took of its server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes_per_connection: Option<u64>,
    /// On how many servers a message had to be.
    pub(super) copies: usize,
    /// Messages that were said, all of which were acked.
    pub(super) sent: u64,
    pub(super) rounds: Vec<Round>,
    /// Each server's memory after the last round.
    pub(super) memory: Vec<Memory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) floor_memory: Option<Vec<Memory>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) startup: Option<Startup>,
    /// The cluster's folder, if it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) folder: Option<PathBuf>,
}

/// Where it was measured.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) kernel: String,
    /// Processes that wanted a core during the last minute before, on average.
    pub(super) load: String,
}

impl Machine {
    fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        Self {
            processor: model.unwrap_or("unknown").trim().to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: series(&read("/proc/sys/kernel/osrelease")),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

/// A kernel's first two numbers; what comes after them tells of its builder.
fn series(release: &str) -> String {
    release.split(['.', '-']).take(2).collect::<Vec<_>>().join(".").trim().to_owned()
}

/// Medians of both sides, and how one compares with the other.
#[derive(Debug, Serialize)]
struct Summary {
    tercet: Option<Round>,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor: Option<Round>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<Ratio>,
}

/// Tercet's medians divided by the floor's.
#[derive(Debug, Serialize)]
struct Ratio {
    rate: f64,
    p50: f64,
    p99: f64,
}

impl Report {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            machine: Machine::this(),
            workload: plan.workload.name(),
            clients: plan.clients,
            inflight: plan.inflight,
            bytes: plan.bytes,
            events: plan.events,
            conversations: plan.conversations.unwrap_or(1),
            connections: plan.connections,
            room: plan.room,
            bytes_per_connection: None,
            copies: plan.copies,
            sent: 0,
            rounds: Vec::new(),
            memory: Vec::new(),
            floor_memory: None,
            startup: None,
            folder: None,
        }
    }

    fn summary(&self) -> Summary {
        let median = |side| Round::median(side, &self.rounds);
        let (tercet, floor) = (median(Side::Tercet), median(Side::Floor));
        let ratio = tercet.as_ref().zip(floor.as_ref()).map(|(tercet, floor)| {
            let of = |one: u64, other: u64| one as f64 / other.max(1) as f64;
            Ratio {
                rate: tercet.rate / floor.rate.max(f64::MIN_POSITIVE),
                p50: of(tercet.p50_us, floor.p50_us),
                p99: of(tercet.p99_us, floor.p99_us),
            }
        });
        Summary { tercet, floor, ratio }
    }

    /// One JSON object on one line: the report, and its summary as `summary`.
    pub(super) fn json(&self) -> Result<String, Failure> {
        let failed = |error: serde_json::Error| Failure::of(&error);
        let mut value = serde_json::to_value(self).map_err(failed)?;
        value["summary"] = serde_json::to_value(self.summary()).map_err(failed)?;
        serde_json::to_string(&value).map_err(failed)
    }

    /// The same for people.
    pub(super) fn table(&self) -> String {
        let Machine { processor, cores, kernel, load } = &self.machine;
        let mut text = format!(
            "{BOLD}{}{BOLD:#}: {} senders, {} outstanding each, {} bytes, on {} disks, {} events before\n\
             {DIM}tercet {}, {processor}, {cores} cores, Linux {kernel}, load {load}{DIM:#}\n\n",
            self.workload, self.clients, self.inflight, self.bytes, self.copies, self.events, self.version
        );
        if let Some(startup) = &self.startup {
            return text + &startup_table(startup) + &self.kept();
        }
        let mut table = Table::new(&[
            "",
            "rate/s",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "max ms",
            "gap ms",
            "servers' cpu",
            "load's cpu",
            "syncs",
        ]);
        let summary = self.summary();
        for (round, style) in self.rounds.iter().map(|round| (round, DIM)) {
            table.row(row(&round.side.to_string(), round).into_iter().map(|cell| (cell, style)).collect());
        }
        for round in [&summary.tercet, &summary.floor].into_iter().flatten().filter(|_| self.rounds.len() > 1)
        {
            let cells = row(&format!("{} median", round.side), round);
            table.row(cells.into_iter().map(|cell| (cell, PLAIN)).collect());
        }
        text += &table.render();
        if let Some(Ratio { rate, p50, p99 }) = summary.ratio {
            text += &format!("\n\n{BOLD}tercet / floor{BOLD:#}: rate {rate:.2}, p50 {p50:.2}, p99 {p99:.2}");
        }
        if let Some(us) = summary.tercet.and_then(|round| round.synced_p50_us) {
            text += &format!("\non the reader's own disk: p50 {} ms", ms(us));
        }
        text += &format!("\ncpu: milliseconds of processor for 1,000 messages; {} sent and acked", self.sent);
        for (who, memory) in [("servers", Some(&self.memory)), ("floor", self.floor_memory.as_ref())] {
            let Some(memory) = memory else { continue };
            let mib: Vec<_> = memory
                .iter()
                .map(|memory| format!("{} ({})", memory.resident_bytes >> 20, memory.peak_bytes >> 20))
                .collect();
            text += &format!("\nmemory of the {who} now (at most), MiB: {}", mib.join(", "));
        }
        if let Some(bytes) = self.bytes_per_connection {
            text += &format!("\nmemory of each of {} connections: {} KiB", self.connections, bytes >> 10);
        }
        text + &self.kept()
    }

    fn kept(&self) -> String {
        let Some(folder) = &self.folder else { return String::new() };
        format!("\n{DIM}everything is in {} (tercet --dir {0} verify){DIM:#}", folder.display())
    }
}

fn row(name: &str, round: &Round) -> Vec<String> {
    let cpu = |cpu: Option<f64>| cpu.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
    vec![
        name.to_owned(),
        format!("{:.0}", round.rate),
        ms(round.p50_us),
        ms(round.p90_us),
        ms(round.p99_us),
        ms(round.max_us),
        ms(round.longest_gap_us),
        cpu(round.servers_cpu_ms),
        cpu(Some(round.load_cpu_ms)),
        round.syncs.map_or("-".to_owned(), |syncs| syncs.to_string()),
    ]
}

fn startup_table(startup: &Startup) -> String {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let mut table = Table::new(&["", "tercet", "floor"]);
    let mut row = |what: String, tercet: String, floor: Option<String>| {
        table.row(vec![(what, PLAIN), (tercet, PLAIN), (floor.unwrap_or_else(|| "-".to_owned()), PLAIN)]);
    };
    row(
        format!("exec to ready, {} events", startup.events),
        format!("{} ms", ms(startup.ready_us)),
        startup.floor_ready_us.map(|us| format!("{} ms", ms(us))),
    );
    row("memory when ready".to_owned(), mib(startup.ready_bytes), startup.floor_ready_bytes.map(mib));
    row("catch-up of an empty server".to_owned(), format!("{:.0} events/s", startup.catch_up_rate), None);
    row("its memory, at most".to_owned(), mib(startup.catch_up_peak_bytes), None);
    let page = format!("{:.1} us", startup.history_ns as f64 / 1_000.0);
    row(format!("a page of {} messages", startup.events), page, None);
    row("verify, three stores".to_owned(), format!("{:.2} s", startup.verify_seconds), None);
    row("its memory, at most".to_owned(), mib(startup.verify_peak_bytes), None);
    table.render()
}

fn ms(us: u64) -> String {
    format!("{:.2}", us as f64 / 1_000.0)
}
