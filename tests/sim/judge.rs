//! What must hold once the cluster is at rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tercet::anomaly::Anomaly;
use tercet::client::Client;
use tercet::erasure::Deletions;
use tercet::event::{Conversation, Event};
use tercet::evidence::Evidence;
use tercet::excerpt::Excerpt;
use tercet::history::{ClientHistory, Entry, History, ServerHistory};
use tercet::id::{DeviceId, EventId};
use tercet::ledger::Ledger;
use tercet::rooms::Rooms;
use tercet::sync::PeerCursor;
use tercet::verify::{self, Report, Verdict};
use tercet::view::View;

use crate::client_host::ClientHost;
use crate::disk::Disk;
use crate::network::Caller;
use crate::world::World;

/// The cluster does not come to rest though everything has healed.
pub const NO_REST: &str = "no-rest";
/// What was on one server when all healed has not come to another in time.
pub const APART: &str = "apart";
/// A person was shown a line of which too few servers had told.
pub const UNVOUCHED: &str = "unvouched";
/// A server appends to a log whose life has ended.
pub const UNSEALED: &str = "unsealed";
/// A machine ends the connection to one that did nothing wrong.
pub const REFUSAL: &str = "refusal";
/// A device that starts from its log is another than the one that wrote it.
pub const RESTART: &str = "restart";
/// A person was shown what the log does not say.
pub const SCREEN: &str = "screen";
/// Nothing was lost, and `verify` does not say that all is well.
pub const VERDICT: &str = "verdict";

/// Something that must not be.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The name of the anomaly that `verify` found, or one of those above.
    pub class: String,
    what: String,
}

impl Failure {
    pub fn new(class: &str, what: impl Into<String>) -> Self {
        Self { class: class.to_owned(), what: what.into() }
    }

    fn of(anomaly: &Anomaly) -> Self {
        let fields = serde_json::to_value(anomaly).unwrap();
        Self::new(fields["anomaly"].as_str().unwrap(), anomaly.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.what)
    }
}

/// Why the cluster is not at rest yet; `None` if it is.
pub fn unrest(world: &World) -> Option<String> {
    if !world.healed {
        return Some("faults go on".to_owned());
    }
    let newest = world.admin.file.id();
    if !world.admin.goals.is_empty() {
        return Some(format!("the administrator is not done: {:?}", world.admin.goals));
    }
    for server in world.members() {
        if world.servers[server].acts_on.as_ref().map(View::id) != Some(newest) {
            return Some(format!("server {server} has not heard of view {}", newest.epoch));
        }
    }
    for (index, host) in world.clients.iter().enumerate() {
        let Some(machine) = &host.machine else { return Some(format!("client {index} is down")) };
        if machine.view().id() != newest {
            return Some(format!("client {index} has not heard of view {}", newest.epoch));
        }
        for server in 0..machine.view().servers().len() {
            if !machine.is_up(server) {
                let link = world.links.get(&(Caller::Client(index), world.members()[server]));
                return Some(format!("client {index} is not connected to server {server}: {link:?}"));
            }
            if machine.owed(server) > 0 {
                return Some(format!("client {index} owes server {server} {}", machine.owed(server)));
            }
        }
        if machine.unsettled() > 0 {
            let (unsettled, (waiting, told)) = (machine.unsettled(), machine.waiting_for_quorum());
            return Some(format!(
                "client {index} has {unsettled} unsettled, {waiting} of them without a quorum, told by {told} at most"
            ));
        }
        if !machine.is_caught_up() {
            return Some(format!("client {index} has not caught up"));
        }
    }
    apart(world).or_else(|| undelivered(world)).or_else(|| hollow(world))
}

/// An event that lacks its body though nobody has deleted it, and a server or its author's device still has that. Who has
/// left asks nobody for it any more.
fn hollow(world: &World) -> Option<String> {
    let deletions = Deletions::among(stored(world).into_values());
    let lacks = |event: &Event| !event.has_body() && !deletions.excuse(event);
    let disks: Vec<_> =
        world.members().into_iter().map(|index| (index, &world.servers[index].disk)).collect();
    let mut hollow = Vec::new();
    for (server, disk) in &disks {
        let lacking = disk.events().filter(|event| lacks(event));
        hollow.extend(lacking.map(|event| (format!("server {server}"), event.id())));
    }
    for (index, host) in world.clients.iter().enumerate() {
        let machine = host.machine.as_ref()?;
        let keys = machine.conversations().flat_map(|(_, transcript)| transcript.keys());
        let events = keys.filter_map(|key| machine.event(&key.id));
        let lacking = events.filter(|event| lacks(event) && !machine.may_be_kept(event));
        hollow.extend(lacking.map(|event| (format!("client {index}"), event.id())));
    }
    if hollow.is_empty() {
        return None;
    }
    let whole = disks.iter().flat_map(|(_, disk)| disk.events()).filter(|event| event.has_body());
    let whole = whole.map(|event| event.id());
    let whole: BTreeSet<_> =
        whole.chain(world.clients.iter().flat_map(authored).map(|event| event.id())).collect();
    let (who, event) = hollow.into_iter().find(|(_, event)| whole.contains(event))?;
    Some(format!("{who} lacks the body of event {}", event.short()))
}

/// A server that has not read all of another's log, or whose disk does not know that it has.
fn apart(world: &World) -> Option<String> {
    if !world.swarm.peers {
        return None;
    }
    let members = world.members();
    let readers = world.writable();
    let pairs = readers.iter().flat_map(|own| members.iter().map(move |peer| (*own, *peer)));
    for (own, peer) in pairs.filter(|(own, peer)| own != peer) {
        let (disk, other) = (&world.servers[own].disk, &world.servers[peer].disk);
        let id = world.server_id(peer);
        let whole = PeerCursor { peer: id, incarnation: other.incarnation, position: other.tip() };
        let cursor = disk.peers().into_iter().find(|cursor| cursor.peer == id);
        if other.tip() > 0 && cursor != Some(whole) {
            return Some(format!("server {own} has read server {peer} to {cursor:?}, not {whole:?}"));
        }
        let link = world.links.get(&(Caller::Peer(own), peer));
        if !link.is_some_and(|link| link.welcomed) {
            return Some(format!("server {own} is not connected to server {peer}: {link:?}"));
        }
    }
    None
}

/// What the servers hold together.
pub fn stored(world: &World) -> BTreeMap<EventId, &Event> {
    let disks = world.members().into_iter().map(|server| &world.servers[server].disk);
    disks.flat_map(Disk::events).map(|event| (event.id(), event.as_ref())).collect()
}

/// What one server had when all healed, and another lacks though it had time: no clock excuses it, since
/// servers do not judge what comes from each other by theirs.
pub fn still_apart(world: &World) -> Option<Failure> {
    let mut servers = world.writable().into_iter().filter(|_| world.swarm.peers);
    servers.find_map(|index| {
        let host = &world.servers[index];
        let lacking = world.held_at_heal.iter().find(|id| !host.disk.holds(id))?;
        let lacking = lacking.short();
        let what = format!("server {index} still lacks event {lacking}, which another had when all healed");
        Some(Failure::new(APART, what))
    })
}

/// An event that somebody should have and has not.
fn undelivered(world: &World) -> Option<String> {
    let devices: BTreeSet<DeviceId> = world.clients.iter().map(|host| host.device).collect();
    let stored = stored(world);
    for index in world.writable() {
        let host = &world.servers[index];
        // Without peers, what the author has lost goes no further.
        let owned = |event: &&&Event| world.swarm.peers || devices.contains(&event.device());
        if let Some(event) = stored.values().filter(owned).find(|event| !host.disk.holds(&event.id())) {
            return Some(format!("server {index} lacks event {}", event.id().short()));
        }
    }
    for (index, host) in world.clients.iter().enumerate() {
        if let Some(event) = authored(host).find(|event| !stored.contains_key(&event.id())) {
            return Some(format!("no server has event {} of client {index}", event.id().short()));
        }
    }
    let mut rooms = Rooms::default();
    stored.values().for_each(|event| _ = rooms.note(event));
    for (index, host) in world.clients.iter().enumerate() {
        let machine = host.machine.as_ref()?;
        let account = machine.account();
        let followed: BTreeSet<_> = machine.followed().collect();
        let reads = |event: &&&Event| match event.conversation() {
            Conversation::Room(room) if followed.contains(&room) => rooms.may_read(account, room),
            _ => Evidence::is_home(account, event),
        };
        if let Some(event) = stored.values().filter(reads).find(|event| machine.event(&event.id()).is_none())
        {
            return Some(format!("client {index} lacks event {}", event.id().short()));
        }
    }
    None
}

/// What a device wrote, as far as its log goes back.
fn authored(host: &ClientHost) -> impl Iterator<Item = Event> {
    host.tape.entries().iter().filter_map(|entry| match entry {
        Entry::Authored { event, .. } => Event::from_own_store(event).ok(),
        _ => None,
    })
}

/// What `tercet verify` says of the logs.
pub fn verify(world: &World) -> Vec<Failure> {
    let history = history(world);
    let report = verify::check(&history);
    assert_eq!(told_by_excerpt(&history, &report), report, "an excerpt tells the whole story");
    let liars = world.swarm.liars.iter().map(|liar| &world.view.servers()[*liar].name);
    let liars: Vec<_> = liars.collect();
    // Liars and the author who colludes with them are found out, and rightly.
    let is_found_out = |anomaly: &&Anomaly| match anomaly {
        Anomaly::Fork { .. } => !liars.is_empty(),
        Anomaly::Undelivered { server, .. } => liars.contains(&server),
        _ => false,
    };
    let mut failures: Vec<_> =
        report.anomalies().filter(|anomaly| !is_found_out(anomaly)).map(Failure::of).collect();
    if report.anomalies().any(|anomaly| is_found_out(&anomaly)) {
        return failures;
    }
    if failures.is_empty() && world.devices_lost == 0 && report.verdict() != Verdict::Valid {
        let unknowns = report.outcomes.iter().flat_map(|outcome| &outcome.unknowns);
        failures.extend(unknowns.map(|unknown| Failure::new(VERDICT, unknown)));
    }
    let members = world.writable().len();
    let holders = world.members().len() + world.clients.len();
    for conversation in &report.conversations {
        if world.devices_lost == 0 && conversation.equal_in < members {
            let (name, equal_in) = (conversation.conversation.short(), conversation.equal_in);
            let what = format!("conversation {name} is equal in {equal_in} of {holders} logs");
            failures.push(Failure::new(VERDICT, what));
        }
    }
    failures
}

/// The report with the stories that the program tells, who does not have the whole history in memory.
fn told_by_excerpt(history: &History, report: &Report) -> Report {
    let mut told = report.clone();
    if report.anomalies().next().is_some() {
        told.outcomes.iter_mut().for_each(|outcome| outcome.stories.clear());
        let excerpt = Excerpt::of(history, &Ledger::of(history), &told.outcomes);
        verify::tell(&excerpt, &mut told);
    }
    told
}

fn history(world: &World) -> History {
    let clients = world.clients.iter().enumerate().map(|(index, host)| ClientHistory {
        source: format!("client {index}"),
        entries: host.tape.entries().to_vec(),
    });
    let members = world.members();
    // Of those that left, some are kept for whoever wants to look.
    let is_read = |index: &usize| {
        let host = &world.servers[*index];
        members.contains(index) || (host.deployed && host.acts_on.is_some() && index.is_multiple_of(2))
    };
    let read = (0..world.servers.len()).filter(is_read);
    let servers = read.map(|index| (&world.servers[index], &world.view.servers()[index]));
    let servers = servers.map(|(host, member)| ServerHistory {
        source: format!("server {}", member.name),
        server: member.id,
        incarnation: host.disk.incarnation,
        live: false,
        log: host.disk.stored(),
        canonical: Some(world.canonical(&host.disk)),
        cursors: tercet::log::Log::cursors(&host.disk).unwrap(),
        view: tercet::log::Log::view(&host.disk).unwrap(),
    });
    History {
        names: world.view.servers().iter().map(|member| (member.id, member.name.clone())).collect(),
        clients: clients.collect(),
        servers: servers.collect(),
        absent: Vec::new(),
    }
}

/// What a person was shown stands in the log, in that order; a crash may have come before the last line.
pub fn screens(world: &World) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (index, host) in world.clients.iter().enumerate() {
        let mut logged = host.tape.entries().iter().filter_map(|entry| match entry {
            Entry::Displayed { id, late, .. } => Some((*id, *late)),
            _ => None,
        });
        if let Some((id, _)) = host.screen.iter().find(|line| !logged.any(|logged| logged == **line)) {
            let what =
                format!("client {index} was shown event {}, and its log has it nowhere there", id.short());
            failures.push(Failure::new(SCREEN, what));
        }
    }
    failures
}

/// A client that starts from its log is the one that wrote it.
pub fn replay(world: &World) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (index, host) in world.clients.iter().enumerate() {
        let Some(before) = &host.machine else { continue };
        let entries = host.tape.entries();
        let now_ms = world.clock_ms(0);
        let after = match Client::resume(now_ms, host.config(world, index), entries) {
            Ok((after, _)) => after,
            Err(error) => {
                failures.push(Failure::new(RESTART, format!("client {index} cannot resume: {error}")));
                continue;
            }
        };
        let mut compare = |what, before: String, after: String| {
            if before != after {
                let what = format!("client {index} restarts with other {what}: {before}, now {after}");
                failures.push(Failure::new(RESTART, what));
            }
        };
        compare("conversations", transcripts(before), transcripts(&after));
        compare("directory", format!("{:?}", before.directory()), format!("{:?}", after.directory()));
        compare("messages and members", threads(before), threads(&after));
        compare("copies", copies(before), copies(&after));
        compare("waiting lines", before.unsettled().to_string(), after.unsettled().to_string());
        // What was said in a room before it was followed is never displayed, so only the others are counted.
        let is_line = |id: &EventId| {
            before.event(id).is_some_and(|event| {
                event.kind().is_shown() && !matches!(event.conversation(), Conversation::Room(_))
            })
        };
        let shown =
            entries.iter().filter(|entry| matches!(entry, Entry::Displayed { id, .. } if is_line(id)));
        let lines = before.conversations().flat_map(|(_, transcript)| transcript.keys());
        let lines = lines.filter(|key| is_line(&key.id));
        compare("lines shown", lines.count().to_string(), shown.count().to_string());
    }
    failures
}

fn transcripts(client: &Client) -> String {
    let digests = client.conversations().map(|(conversation, transcript)| {
        let heads: Vec<_> = transcript.heads().map(|head| head.short()).collect();
        format!("{} {:?} {heads:?}", conversation.id().short(), transcript.digest())
    });
    digests.collect::<Vec<_>>().join("; ")
}

fn threads(client: &Client) -> String {
    let threads = client
        .conversations()
        .map(|(conversation, _)| format!("{} {:?}", conversation.id().short(), client.thread(conversation)));
    threads.collect::<Vec<_>>().join("; ")
}

fn copies(client: &Client) -> String {
    let servers = client.view().servers().len();
    let owed: Vec<_> = (0..servers).map(|server| client.owed(server)).collect();
    let below: Vec<_> = (1..=servers).map(|copies| client.unsafe_below(copies).len()).collect();
    format!("owed {owed:?}, below {below:?}")
}
