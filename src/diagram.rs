//! A history as a space-time diagram: a lane for each device and server, a mark for each thing that happened
//! there, and for most marks the mark on another lane that it came from.
//!
//! Servers' logs have no times of day, so a mark's place is worked out: a server stored an event after its
//! author wrote it and before anybody heard of that from the server. The marks are then sorted so that each
//! lane keeps its log's order and every source stands before what came of it. A broken history may have no
//! such order; its lanes still keep theirs, and the arrow that cannot be kept points back.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::evidence::Evidence;
use crate::history::Entry;
use crate::id::{EventId, Incarnation, Position, ServerId};
use crate::names::Names;

/// From how many events that others stored meanwhile a server counts as away.
const AWAY_EVENTS: usize = 5;
/// From how much later than another server it stores an event, in milliseconds.
const AWAY_MS: u64 = 1_000;

/// One device's or server's line through time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// What a person calls it.
    pub name: String,
    /// Which log it is, as an anomaly's place names it.
    pub source: String,
    /// Whether it is a server's.
    pub is_server: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A device's program started.
    Opened,
    /// A device wrote an event.
    Wrote,
    /// A server stored it.
    Stored,
    /// A device received it.
    Received,
    /// A person was shown it.
    Shown,
    /// The same, marked late.
    Late,
    /// A server's log was seen to be another one: its disk was lost or replaced.
    Replaced,
    /// A receipt came.
    Receipt {
        /// For which place in the server's log.
        position: Position,
    },
    /// A cursor moved.
    Cursor {
        /// To where.
        position: Position,
    },
    /// The author was told of this many copies.
    Level {
        /// How many.
        copies: u32,
        /// Of how many.
        servers: u32,
    },
}

impl Act {
    /// What it is called, in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Opened => "started",
            Self::Wrote => "wrote",
            Self::Stored => "stored",
            Self::Received => "received",
            Self::Shown => "shown",
            Self::Late => "shown-late",
            Self::Replaced => "log-replaced",
            Self::Receipt { .. } => "receipt",
            Self::Cursor { .. } => "cursor",
            Self::Level { .. } => "level",
        }
    }
}

/// One thing that happened on one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Which lane, from 0.
    pub lane: usize,
    /// Its entry or position in that lane's log, from 1.
    pub entry: u64,
    /// What happened.
    pub act: Act,
    /// The event it is about.
    pub event: Option<EventId>,
    /// The server it is about, on a device's lane.
    pub server: Option<ServerId>,
    /// Which mark it came from, by its place in [`Diagram::marks`].
    pub source: Option<usize>,
    /// Unix milliseconds by the device's clock, if its log says.
    pub at_ms: Option<u64>,
    /// Whether the lane had the same event by the same act before.
    pub is_again: bool,
}

/// A stretch in which a server stored nothing while others did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// The server's lane.
    pub lane: usize,
    /// The last mark before it, by its place in [`Diagram::marks`]; `None` if the server had stored nothing.
    pub after: Option<usize>,
    /// The first mark after it; `None` if there was none any more.
    pub until: Option<usize>,
    /// How many events others stored meanwhile.
    pub missed: usize,
}

/// Everything that happened, in an order that each lane and each message agrees with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagram {
    /// Devices, then servers.
    pub lanes: Vec<Lane>,
    /// In order.
    pub marks: Vec<Mark>,
    /// Where servers were not there.
    pub away: Vec<Away>,
}

impl Diagram {
    /// The diagram of a history.
    pub fn of(evidence: &Evidence<'_>, names: &Names<'_>) -> Self {
        let lanes = lanes(evidence, names);
        let mut marks = marks_of_devices(evidence);
        marks.extend(marks_of_servers(evidence));
        link(evidence, &mut marks);
        mark_repeats(&mut marks);
        let (marks, times) = sorted(marks, lanes.len());
        let away = away(&lanes, &marks, &times);
        Self { lanes, marks, away }
    }
}

fn lanes(evidence: &Evidence<'_>, names: &Names<'_>) -> Vec<Lane> {
    let devices = evidence.observers.iter().map(|observer| Lane {
        name: names.observer(observer),
        source: observer.history.source.clone(),
        is_server: false,
    });
    let servers = evidence.history.servers.iter().map(|server| Lane {
        name: format!("server {}", evidence.history.name_of(server.server)),
        source: server.source.clone(),
        is_server: true,
    });
    devices.chain(servers).collect()
}

fn marks_of_devices(evidence: &Evidence<'_>) -> Vec<Mark> {
    let mut marks = Vec::new();
    for (lane, observer) in evidence.observers.iter().enumerate() {
        let mut stands = observer.stands.iter().peekable();
        let mut known = BTreeSet::new();
        for (index, entry) in observer.history.entries.iter().enumerate() {
            let held = stands.next_if(|(stands, _)| *stands == index).map(|(_, id)| *id);
            let (act, event, server, at_ms) = match entry {
                Entry::Begun { .. } | Entry::Body { .. } => continue,
                Entry::View { .. } | Entry::Told { .. } => continue,
                Entry::Opened { at_ms, .. } => (Act::Opened, None, None, Some(*at_ms)),
                Entry::Authored { at_ms, .. } => (Act::Wrote, held, None, Some(*at_ms)),
                Entry::Received { at_ms, server, .. } => (Act::Received, held, Some(*server), Some(*at_ms)),
                // The first one is how the device gets to know the server.
                Entry::Incarnation { server, .. } if known.insert(*server) => continue,
                Entry::Incarnation { server, at_ms, .. } => {
                    (Act::Replaced, None, Some(*server), Some(*at_ms))
                }
                Entry::Receipt { server, id, position, .. } => {
                    (Act::Receipt { position: *position }, Some(*id), Some(*server), None)
                }
                Entry::Cursor { server, position, .. } => {
                    (Act::Cursor { position: *position }, None, Some(*server), None)
                }
                Entry::Displayed { id, late, at_ms } => {
                    (if *late { Act::Late } else { Act::Shown }, Some(*id), None, Some(*at_ms))
                }
                Entry::Level { id, copies, servers } => {
                    (Act::Level { copies: *copies, servers: *servers }, Some(*id), None, None)
                }
            };
            let entry = index as u64 + 1;
            marks.push(Mark { lane, entry, act, event, server, source: None, at_ms, is_again: false });
        }
    }
    marks
}

fn marks_of_servers(evidence: &Evidence<'_>) -> Vec<Mark> {
    let lanes = (evidence.observers.len()..).zip(&evidence.history.servers);
    let marks = lanes.flat_map(|(lane, server)| {
        server.log.iter().map(move |stored| Mark {
            lane,
            entry: stored.position,
            act: Act::Stored,
            event: Some(stored.event.id()),
            server: None,
            source: None,
            at_ms: None,
            is_again: false,
        })
    });
    marks.collect()
}

/// Finds for each mark the one that it came from: a stored event was written, a received one or a receipt
/// came from a server's log.
fn link(evidence: &Evidence<'_>, marks: &mut [Mark]) {
    let lane_of: BTreeMap<(ServerId, Incarnation), usize> = (evidence.observers.len()..)
        .zip(&evidence.history.servers)
        .map(|(lane, server)| ((server.server, server.incarnation), lane))
        .collect();
    let (mut wrote, mut stored) = (BTreeMap::new(), BTreeMap::new());
    for (index, mark) in marks.iter().enumerate() {
        match (mark.act, mark.event) {
            (Act::Wrote, Some(event)) => _ = wrote.entry(event).or_insert(index),
            (Act::Stored, Some(event)) => _ = stored.entry((mark.lane, event)).or_insert(index),
            _ => {}
        }
    }
    let source = |mark: &Mark| {
        let event = mark.event?;
        let written = wrote.get(&event).copied();
        match mark.act {
            Act::Stored => written,
            Act::Received | Act::Receipt { .. } => {
                let log = log_of(evidence, mark).and_then(|log| lane_of.get(&log));
                let place = log.and_then(|lane| stored.get(&(*lane, event)).copied());
                // From a log that is gone, or was not read: from its author, by a way that nobody can tell.
                place.or(written.filter(|_| mark.act == Act::Received))
            }
            _ => None,
        }
    };
    let sources: Vec<_> = marks.iter().map(source).collect();
    marks.iter_mut().zip(sources).for_each(|(mark, source)| mark.source = source);
}

/// Which life of which server's log a device's entry speaks of.
fn log_of(evidence: &Evidence<'_>, mark: &Mark) -> Option<(ServerId, Incarnation)> {
    let index = usize::try_from(mark.entry).ok()?.checked_sub(1)?;
    match evidence.observers.get(mark.lane)?.history.entries.get(index)? {
        Entry::Received { server, incarnation, .. } | Entry::Receipt { server, incarnation, .. } => {
            Some((*server, *incarnation))
        }
        _ => None,
    }
}

fn mark_repeats(marks: &mut [Mark]) {
    let mut seen = BTreeSet::new();
    for mark in marks {
        let what = match mark.act {
            Act::Wrote | Act::Received | Act::Stored => 0,
            Act::Shown | Act::Late => 1,
            _ => continue,
        };
        mark.is_again = mark.event.is_some_and(|event| !seen.insert((mark.lane, what, event)));
    }
}

/// The marks in an order that keeps each lane's, sources first, and as near to their times as that allows.
///
/// Returned with those times, in milliseconds.
fn sorted(marks: Vec<Mark>, lanes: usize) -> (Vec<Mark>, Vec<u64>) {
    let times = times(&marks);
    // Of what happened at one time, what came of one mark stands together.
    let rank = |index: usize| (times[index], marks[index].source.unwrap_or(index), marks[index].lane, index);
    let mut of_lane: Vec<Vec<usize>> = vec![Vec::new(); lanes];
    for (index, mark) in marks.iter().enumerate() {
        of_lane[mark.lane].push(index);
    }
    let mut results: Vec<Vec<usize>> = vec![Vec::new(); marks.len()];
    for (index, mark) in marks.iter().enumerate() {
        if let Some(source) = mark.source {
            results[source].push(index);
        }
    }
    // A lane's next mark is in the heap when its source is placed, or it has none.
    let mut next = vec![0; lanes];
    let mut place: Vec<Option<usize>> = vec![None; marks.len()];
    let mut order = Vec::with_capacity(marks.len());
    let mut ready = BinaryHeap::new();
    let is_free = |index: usize, place: &[Option<usize>]| {
        marks[index].source.is_none_or(|source| place[source].is_some())
    };
    for heads in &of_lane {
        ready.extend(heads.first().filter(|head| is_free(**head, &place)).map(|head| Reverse(rank(*head))));
    }
    while order.len() < marks.len() {
        let waiting = || (0..lanes).filter_map(|lane| of_lane[lane].get(next[lane]).copied());
        let popped = ready.pop().map(|Reverse((_, _, _, index))| index);
        // Nothing is free: the history contradicts itself. The earliest goes first, its arrow points back.
        let Some(index) = popped.or_else(|| waiting().min_by_key(|index| times[*index])) else { break };
        if place[index].is_some() {
            continue;
        }
        place[index] = Some(order.len());
        order.push(index);
        let lane = marks[index].lane;
        next[lane] += 1;
        let heads = of_lane[lane].get(next[lane]).into_iter();
        for head in heads.chain(&results[index]).copied() {
            let is_head = of_lane[marks[head].lane].get(next[marks[head].lane]) == Some(&head);
            if is_head && is_free(head, &place) {
                ready.push(Reverse(rank(head)));
            }
        }
    }
    let mut marks: Vec<_> = marks.into_iter().map(Some).collect();
    let taken = order.iter().filter_map(|index| marks[*index].take());
    let marks = taken.map(|mark| Mark { source: mark.source.and_then(|source| place[source]), ..mark });
    (marks.collect(), order.iter().map(|index| times[*index]).collect())
}

/// About when each mark was made, in milliseconds.
///
/// An entry without a time has that of the one before it. A server stored an event before anybody had it
/// from there, and before what it stored next; without a witness, when it was written.
fn times(marks: &[Mark]) -> Vec<u64> {
    let mut times: Vec<Option<u64>> = vec![None; marks.len()];
    let (mut lane, mut last) = (usize::MAX, None);
    for (index, mark) in marks.iter().enumerate() {
        if mark.lane != lane {
            (lane, last) = (mark.lane, None);
        }
        if mark.act != Act::Stored {
            last = mark.at_ms.or(last);
            times[index] = last;
        }
    }
    for (index, mark) in marks.iter().enumerate() {
        if let (Some(source), Some(heard)) = (mark.source, times[index])
            && marks[source].act == Act::Stored
        {
            times[source] = Some(times[source].map_or(heard, |time| time.min(heard)));
        }
    }
    // Backwards, so that what is stored without a witness is not later than what was stored after it.
    let (mut lane, mut next) = (usize::MAX, None::<u64>);
    for (index, mark) in marks.iter().enumerate().rev() {
        if mark.act != Act::Stored {
            continue;
        }
        if mark.lane != lane {
            (lane, next) = (mark.lane, None);
        }
        let written = mark.source.and_then(|source| times[source]);
        let own = times[index].or(written);
        times[index] = own.map(|own| next.map_or(own, |next| own.min(next))).or(next);
        next = times[index];
    }
    times.into_iter().map(|time| time.unwrap_or(0)).collect()
}

/// What a server has missed since it last stored something.
#[derive(Default)]
struct Missed {
    events: BTreeSet<EventId>,
    since_ms: u64,
}

impl Missed {
    fn is_long(&self, now_ms: u64) -> bool {
        let waited_ms = now_ms.saturating_sub(self.since_ms);
        self.events.len() >= AWAY_EVENTS || (!self.events.is_empty() && waited_ms >= AWAY_MS)
    }
}

/// Where a server stored nothing while others stored [`AWAY_EVENTS`] events or more that it did not have, or
/// one of them [`AWAY_MS`] before.
fn away(lanes: &[Lane], marks: &[Mark], times: &[u64]) -> Vec<Away> {
    let servers: Vec<_> = (0..lanes.len()).filter(|lane| lanes[*lane].is_server).collect();
    let mut last: Vec<Option<usize>> = vec![None; lanes.len()];
    let mut held: Vec<BTreeSet<EventId>> = vec![BTreeSet::new(); lanes.len()];
    let mut missed: Vec<Missed> = lanes.iter().map(|_| Missed::default()).collect();
    let mut found = Vec::new();
    for (index, mark) in marks.iter().enumerate() {
        let (Act::Stored, Some(event)) = (mark.act, mark.event) else { continue };
        for lane in &servers {
            let misses = &mut missed[*lane];
            if *lane == mark.lane {
                if misses.is_long(times[index]) {
                    let (after, missed) = (last[*lane], misses.events.len());
                    found.push(Away { lane: *lane, after, until: Some(index), missed });
                }
                misses.events.clear();
                held[*lane].insert(event);
                last[*lane] = Some(index);
            } else if !held[*lane].contains(&event) {
                if misses.events.is_empty() {
                    misses.since_ms = times[index];
                }
                misses.events.insert(event);
            }
        }
    }
    let end_ms = times.last().copied().unwrap_or(0);
    for lane in servers.into_iter().filter(|lane| missed[*lane].is_long(end_ms)) {
        found.push(Away { lane, after: last[lane], until: None, missed: missed[lane].events.len() });
    }
    found
}
