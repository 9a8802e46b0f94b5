//! What must hold in every state, what must happen in some, and where every quiet state must lead.

use std::collections::BTreeSet;

use stateright::Property;
use tercet::frame::{ToClient, ToServer};
use tercet::history::{ClientHistory, History, ServerHistory};
use tercet::verify::{self, Verdict};

use crate::client_host::{self, ClientHost};
use crate::cluster::{Cluster, frames};
use crate::node::{Node, print};
use crate::search::{Action, Search};
use crate::server_host::{self, Caller, ServerHost};

/// Moves after which a cluster that is left alone must be quiet.
const MOVES_TO_REST: usize = 2_000;
/// Ticks of every clock after which all must be done: the longest wait of a machine and some more.
const TICKS_TO_REST: usize = 8;

pub const ACKED_IS_KEPT: &str = "what was acked is in the log that acked it";
pub const COMES_TO_REST: &str = "left alone, it delivers everything everywhere";
pub const DISK_BEFORE_WORD: &str = "nothing is told before it is on the disk";
pub const CURSOR_IS_HONEST: &str = "a cursor passes only what is held";

/// What must hold in every state: its name, and what is wrong with a state that breaks it.
const ALWAYS: [(&str, Complaint); 10] = [
    (DISK_BEFORE_WORD, |_, cluster| servers(cluster, |facts| facts.hasty.as_ref())),
    ("nobody honest is refused", |_, cluster| {
        clients(cluster, |facts| facts.complaint.as_ref())
            .or_else(|| servers(cluster, |facts| facts.complaint.as_ref()))
    }),
    (ACKED_IS_KEPT, |search, cluster| acked_is_lost(search, cluster)),
    ("no level is told beyond its receipts", |_, cluster| {
        clients(cluster, |facts| facts.overstated.as_ref())
    }),
    ("every log holds causes before effects", |_, cluster| {
        clients(cluster, |facts| facts.not_closed.as_ref())
            .or_else(|| servers(cluster, |facts| facts.not_closed.as_ref()))
    }),
    ("no event stands twice in a log", |_, cluster| {
        clients(cluster, |facts| facts.twice.as_ref())
            .or_else(|| servers(cluster, |facts| facts.twice.as_ref()))
    }),
    ("every line is shown once, in its time and place", |_, cluster| {
        clients(cluster, |facts| facts.misplaced.as_ref())
    }),
    (CURSOR_IS_HONEST, |search, cluster| passed_unheld(search, cluster)),
    ("equal sets are equal transcripts", |_, cluster| differs(cluster)),
    (COMES_TO_REST, |search, cluster| match search.moves(cluster)[..] {
        [] => rest(search, cluster).err(),
        _ => None,
    }),
];

type Complaint = fn(&Search, &Cluster) -> Option<String>;

/// What must happen somewhere, or a search has tested less than it seems.
pub mod sight {
    pub const ALL_COPIES: &str = "every server has a message";
    pub const AT_RISK: &str = "a message is on one server only";
    pub const LATE: &str = "a late line";
    pub const MISSING: &str = "a server lacks a parent";
    pub const FETCH: &str = "a device fetches a body";
    pub const TORN: &str = "a crash between append and ack";
    pub const LOST: &str = "a disk is lost after its ack";
    pub const STALE: &str = "an ack arrives from a disk that is lost";
    pub const PEER_BODY: &str = "a server fetches a body from another";
    pub const RESUMED: &str = "a device goes on after a crash";
}

pub fn properties() -> Vec<Property<Search>> {
    // A property is a plain function, so each has its number written out.
    macro_rules! always {
        ($($number:literal)*) => {
            vec![$(Property::always(ALWAYS[$number].0, |search: &Search, cluster: &Cluster| ALWAYS[$number].1(search, cluster).is_none())),*]
        };
    }
    let mut properties: Vec<Property<Search>> = always!(0 1 2 3 4 5 6 7 8 9);
    assert_eq!(properties.len(), ALWAYS.len());
    properties.extend([
        Property::sometimes(sight::ALL_COPIES, |search: &Search, cluster: &Cluster| {
            any_client(cluster, |facts| facts.most_copies as usize == search.scope().servers)
        }),
        Property::sometimes(sight::AT_RISK, |_: &Search, cluster: &Cluster| {
            any_client(cluster, |facts| facts.at_risk)
        }),
        Property::sometimes(sight::LATE, |_: &Search, cluster: &Cluster| {
            any_client(cluster, |facts| facts.late)
        }),
        Property::sometimes(sight::MISSING, |_, cluster| {
            answered(cluster, |frame| matches!(frame, ToClient::Missing { .. }))
        }),
        Property::sometimes(sight::FETCH, |search: &Search, cluster: &Cluster| {
            said(search, cluster, |caller, frame| {
                matches!((caller, frame), (Caller::Client(_), ToServer::Fetch { .. }))
            })
        }),
        Property::sometimes(sight::TORN, |_: &Search, cluster: &Cluster| {
            any_server(cluster, |facts| facts.torn)
        }),
        Property::sometimes(sight::LOST, |search: &Search, cluster: &Cluster| has_lost_acks(search, cluster)),
        Property::sometimes(sight::STALE, |search: &Search, cluster: &Cluster| {
            cluster.links.iter().enumerate().any(|(link, entry)| {
                let lost = cluster.servers[search.dynamics.server(link)].facts().lost;
                lost && entry.pipes.iter().any(|pipe| {
                    let acks = |frame: &ToClient| matches!(frame, ToClient::Receipts(_));
                    pipe.to_caller.contains(&None) && frames(&pipe.to_caller).any(acks)
                })
            })
        }),
        Property::sometimes(sight::PEER_BODY, |search: &Search, cluster: &Cluster| {
            said(search, cluster, |caller, frame| {
                matches!((caller, frame), (Caller::Peer(_), ToServer::Fetch { .. }))
            })
        }),
        Property::sometimes(sight::RESUMED, |search: &Search, cluster: &Cluster| {
            cluster.left.client_crashes < search.scope().client_crashes
                && any_client(cluster, |facts| !facts.held.is_empty())
        }),
    ]);
    properties
}

/// What is wrong with a state.
pub fn complaint(search: &Search, cluster: &Cluster) -> Option<String> {
    ALWAYS.iter().find_map(|(name, complaint)| Some(format!("{name}: {}", complaint(search, cluster)?)))
}

pub fn is_sight(name: &str) -> bool {
    !ALWAYS.iter().any(|(always, _)| *always == name)
}

fn clients(cluster: &Cluster, wrong: impl Fn(&client_host::Facts) -> Option<&String>) -> Option<String> {
    let mut wrongs = cluster.clients.iter().zip(0..).filter_map(|(node, n)| Some((n, wrong(node.facts())?)));
    wrongs.next().map(|(client, what)| format!("client {client}: {what}"))
}

fn servers(cluster: &Cluster, wrong: impl Fn(&server_host::Facts) -> Option<&String>) -> Option<String> {
    let mut wrongs = cluster.servers.iter().zip(0..).filter_map(|(node, n)| Some((n, wrong(node.facts())?)));
    wrongs.next().map(|(server, what)| format!("server {server}: {what}"))
}

fn any_client(cluster: &Cluster, is: impl Fn(&client_host::Facts) -> bool) -> bool {
    cluster.clients.iter().any(|node| is(node.facts()))
}

fn any_server(cluster: &Cluster, is: impl Fn(&server_host::Facts) -> bool) -> bool {
    cluster.servers.iter().any(|node| is(node.facts()))
}

fn answered(cluster: &Cluster, is: impl Fn(&ToClient) -> bool) -> bool {
    let pipes = cluster.links.iter().flat_map(|link| &link.pipes);
    pipes.flat_map(|pipe| frames(&pipe.to_caller)).any(is)
}

fn said(search: &Search, cluster: &Cluster, is: impl Fn(Caller, &ToServer) -> bool) -> bool {
    cluster.links.iter().enumerate().any(|(link, entry)| {
        let caller = search.dynamics.caller(link);
        let mut frames = entry.pipes.iter().flat_map(|pipe| frames(&pipe.to_server));
        frames.any(|frame| is(caller, frame))
    })
}

fn has_lost_acks(search: &Search, cluster: &Cluster) -> bool {
    any_client(cluster, |facts| {
        facts.receipts.iter().any(|(server, incarnation, ..)| {
            cluster.servers[search.index_of(*server)].host().disk.incarnation != *incarnation
        })
    })
}

fn acked_is_lost(search: &Search, cluster: &Cluster) -> Option<String> {
    for (client, node) in cluster.clients.iter().enumerate() {
        for (server, incarnation, id, position) in &node.facts().receipts {
            let index = search.index_of(*server);
            let (host, log) = (cluster.servers[index].host(), &cluster.servers[index].facts().log);
            let place = usize::try_from(*position).unwrap() - 1;
            if host.disk.incarnation == *incarnation && log.get(place) != Some(id) {
                return Some(format!("client {client} has a receipt of server {index} for {}", id.short()));
            }
        }
    }
    None
}

fn passed_unheld(search: &Search, cluster: &Cluster) -> Option<String> {
    for (client, node) in cluster.clients.iter().enumerate() {
        for ((server, incarnation), position) in &node.facts().cursors {
            let index = search.index_of(*server);
            let (host, log) = (cluster.servers[index].host(), &cluster.servers[index].facts().log);
            if host.disk.incarnation != *incarnation {
                continue;
            }
            let passed = usize::try_from(*position).unwrap();
            if passed > log.len() || log[..passed].iter().any(|id| !node.facts().held.contains(id)) {
                return Some(format!("client {client} has read server {index} to {position}"));
            }
        }
    }
    None
}

fn differs(cluster: &Cluster) -> Option<String> {
    let first = cluster.clients.first()?.facts();
    let mut others = cluster.clients.iter().map(Node::facts);
    let other = others.find(|other| other.held == first.held && other.digest != first.digest)?;
    Some(format!("{:?} and {:?}", first.digest, other.digest))
}

/// Lets all that is under way happen, in one order.
pub fn drain(search: &Search, cluster: &mut Cluster) {
    for _ in 0..MOVES_TO_REST {
        let Some(action) = search.moves(cluster).first().copied() else { return };
        search.act(cluster, action);
    }
}

/// Nothing is under way and nobody interferes: whoever waits for time gets it, until all is done.
fn rest(search: &Search, cluster: &Cluster) -> Result<(), String> {
    let mut cluster = cluster.clone();
    for _ in 0..TICKS_TO_REST {
        for client in 0..cluster.clients.len() {
            search.act(&mut cluster, Action::TickClient { client });
        }
        for server in (0..cluster.servers.len()).filter(|_| search.scope().peers) {
            search.act(&mut cluster, Action::TickServer { server });
        }
        drain(search, &mut cluster);
    }
    if !search.moves(&cluster).is_empty() {
        return Err("it never falls quiet".to_owned());
    }
    delivered(search, &cluster)?;
    let tapes: Vec<_> = cluster.clients.iter().map(|node| &node.host().tape).collect();
    let disks: Vec<_> = cluster.servers.iter().map(|node| &node.host().disk).collect();
    let key = print(&(tapes, disks));
    if let Some(verdict) = search.verdicts.lock().unwrap().get(&key) {
        return verdict.clone().map_or(Ok(()), Err);
    }
    let verdict = judged(search, &cluster);
    search.verdicts.lock().unwrap().insert(key, verdict.clone());
    verdict.map_or(Ok(()), Err)
}

fn delivered(search: &Search, cluster: &Cluster) -> Result<(), String> {
    let logs = cluster.servers.iter().map(|node| node.facts().log.iter().copied().collect::<BTreeSet<_>>());
    let held = cluster.clients.iter().map(|node| node.facts().held.clone());
    let all: BTreeSet<_> = logs.clone().chain(held.clone()).flatten().collect();
    let said: u8 = search.scope().says.iter().zip(cluster.left.says).map(|(all, left)| all - left).sum();
    if all.len() < usize::from(said) {
        return Err(format!("{} of {said} messages are left", all.len()));
    }
    for (index, held) in logs.enumerate() {
        if held != all {
            return Err(format!("server {index} has {} of {} events", held.len(), all.len()));
        }
    }
    for (index, held) in held.enumerate() {
        let machine = &cluster.clients[index].host().machine;
        let owed: Vec<_> = (0..cluster.servers.len()).map(|server| machine.owed(server)).collect();
        if held != all || machine.unsettled() > 0 || owed.iter().any(|owed| *owed > 0) {
            let unsettled = machine.unsettled();
            return Err(format!(
                "client {index} has {} of {}, {unsettled} unsettled, owes {owed:?}",
                held.len(),
                all.len()
            ));
        }
    }
    Ok(())
}

/// What `tercet verify` says of the logs, unless it is "valid".
fn judged(search: &Search, cluster: &Cluster) -> Option<String> {
    let report = verify::check(&history(search, cluster));
    if report.verdict() == Verdict::Valid {
        return None;
    }
    let anomalies = report.anomalies().map(|anomaly| format!("anomaly: {anomaly}"));
    let unknowns = report.outcomes.iter().flat_map(|outcome| &outcome.unknowns);
    Some(anomalies.chain(unknowns.map(|what| format!("unknown: {what}"))).collect::<Vec<_>>().join("; "))
}

fn history(search: &Search, cluster: &Cluster) -> History {
    let view = search.scope().view();
    let client = |node: &Node<ClientHost>| ClientHistory {
        source: format!("client {}", node.host().index),
        entries: node.host().tape.entries().to_vec(),
    };
    let server = |node: &Node<ServerHost>| ServerHistory {
        source: format!("server {}", node.host().index),
        server: search.scope().server_id(node.host().index),
        incarnation: node.host().disk.incarnation,
        live: false,
        log: node.host().disk.stored(),
        canonical: Some(node.host().disk.canonical()),
        cursors: Vec::new(),
        view: None,
    };
    History {
        names: view.servers().iter().map(|member| (member.id, member.name.clone())).collect(),
        clients: cluster.clients.iter().map(client).collect(),
        servers: cluster.servers.iter().map(server).collect(),
        absent: Vec::new(),
    }
}
