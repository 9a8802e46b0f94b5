//! A history as a log with vector clocks, for [ShiViz](https://bestchai.bitbucket.io/shiviz/).
//!
//! Each thing that happened is two lines: the host with its vector clock as JSON, then what happened. The
//! expression that reads it is ShiViz's own default, `(?<host>\S*) (?<clock>{.*})\n(?<event>.*)`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::diagram::{Act, Diagram};
use crate::evidence::Evidence;
use crate::names::{Names, first_words};
use crate::text::inert;

/// The log. Cursors and levels are left out: they concern nobody else.
pub fn shiviz(evidence: &Evidence<'_>) -> String {
    let names = Names::of(evidence);
    let diagram = Diagram::of(evidence, &names);
    let hosts = hosts(&diagram);
    let mut clocks: Vec<BTreeMap<usize, u64>> = vec![BTreeMap::new(); hosts.len()];
    let mut at: Vec<BTreeMap<usize, u64>> = Vec::with_capacity(diagram.marks.len());
    let heard: BTreeSet<_> = diagram.marks.iter().filter_map(|mark| mark.source).collect();
    let mut log = String::new();
    for (index, mark) in diagram.marks.iter().enumerate() {
        if matches!(mark.act, Act::Cursor { .. } | Act::Level { .. }) {
            at.push(BTreeMap::new());
            continue;
        }
        let clock = &mut clocks[mark.lane];
        // A source that stands later is a contradiction of the logs; no clock can express it.
        for (lane, time) in mark.source.and_then(|source| at.get(source)).into_iter().flatten() {
            let own = clock.entry(*lane).or_default();
            *own = (*own).max(*time);
        }
        *clock.entry(mark.lane).or_default() += 1;
        at.push(if heard.contains(&index) { clock.clone() } else { BTreeMap::new() });
        let shown: BTreeMap<_, _> = clock.iter().map(|(lane, time)| (hosts[*lane].as_str(), *time)).collect();
        let shown = serde_json::to_string(&shown).unwrap_or_default();
        let event = mark.event.and_then(|id| evidence.events.get(&id));
        let what = event.map(|event| format!(" {} {}", names.name(event), first_words(event)));
        let what = inert(&what.unwrap_or_default());
        let again = if mark.is_again { ", again" } else { "" };
        _ = writeln!(
            log,
            "{} {shown}\n{}{}{again} (entry {})",
            hosts[mark.lane],
            mark.act.word(),
            what,
            mark.entry
        );
    }
    log
}

/// The lanes' names, each unique and without white space.
fn hosts(diagram: &Diagram) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let host = |name: &str| {
        let name: String = inert(name).chars().map(|c| if c.is_whitespace() { '-' } else { c }).collect();
        let mut host = name.clone();
        let mut number = 2;
        while !taken.insert(host.clone()) {
            host = format!("{name}-{number}");
            number += 1;
        }
        host
    };
    diagram.lanes.iter().map(|lane| lane.name.as_str()).map(host).collect()
}
