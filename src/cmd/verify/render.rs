//! The report for a person at a terminal.

use anstyle::Style;

use crate::cmd::screen::{BOLD, DIM, GREEN, PLAIN, RED, Table, YELLOW};
use crate::story::Story;
use crate::text::{count, inert};
use crate::verify::{Outcome, Report, Verdict};

/// How many anomalies of one check are told in full.
const STORIES: usize = 5;
/// How many conversations are listed.
const CONVERSATIONS: usize = 12;

/// The whole report.
pub fn render(report: &Report) -> String {
    let mut text = format!("{}\n", checks(report));
    for outcome in &report.outcomes {
        for story in outcome.stories.iter().take(STORIES) {
            let sentence = inert(&story.sentence);
            text.push_str(&format!("\n{RED}✗{RED:#} {}: {sentence}\n", outcome.promise));
            text.push_str(&told(story));
        }
        if outcome.anomalies.len() > STORIES {
            let more = outcome.anomalies.len() - STORIES;
            text.push_str(&format!("\n  and {more} more like it (--json and --report tell more)\n"));
        }
    }
    for outcome in &report.outcomes {
        for unknown in &outcome.unknowns {
            text.push_str(&format!("\n{YELLOW}?{YELLOW:#} {}: {}", outcome.promise, inert(unknown)));
        }
    }
    if report.outcomes.iter().any(|outcome| !outcome.unknowns.is_empty()) {
        text.push('\n');
    }
    if !report.conversations.is_empty() {
        text.push_str(&format!("\n{}\n", conversations(report)));
    }
    text.push_str(&format!("\n{}", verdict(report)));
    text
}

/// The last line: what it all came to.
pub fn verdict(report: &Report) -> String {
    let (word, style) = match report.verdict() {
        Verdict::Valid => ("valid", GREEN),
        Verdict::Unknown => ("unknown", YELLOW),
        Verdict::Violation => ("violation", RED),
    };
    format!(
        "{BOLD}verdict:{BOLD:#} {style}{word}{style:#}  {DIM}({} in {}, from {} and {}){DIM:#}",
        count(report.events, "event"),
        count(report.conversations.len(), "conversation"),
        count(report.clients, "device log"),
        count(report.servers, "server"),
    )
}

fn checks(report: &Report) -> String {
    let mut table = Table::new(&["", "promise", "check", "examined"]);
    for outcome in &report.outcomes {
        let (mark, style) = mark(outcome);
        table.row(vec![
            (mark.to_owned(), style),
            (outcome.promise.to_owned(), DIM),
            (outcome.check.to_owned(), PLAIN),
            (outcome.looked_at(), PLAIN),
        ]);
    }
    table.render()
}

fn mark(outcome: &Outcome) -> (&'static str, Style) {
    match outcome.verdict() {
        Verdict::Valid if outcome.examined == 0 => ("–", DIM),
        Verdict::Valid => ("✓", GREEN),
        Verdict::Unknown => ("?", YELLOW),
        Verdict::Violation => ("✗", RED),
    }
}

/// A story's lines: the conversation, its events, who saw what, the rule.
fn told(story: &Story) -> String {
    let mut lines = Vec::new();
    if let Some(conversation) = &story.conversation {
        lines.push(format!("in the conversation {BOLD}{}{BOLD:#}:", inert(conversation)));
    }
    let mut events = Table::default();
    for witness in &story.events {
        let text = witness.text.as_ref().map(|text| format!("“{}”", inert(text)));
        let name = format!("  {}", inert(&witness.name));
        let id = format!("event {}", witness.event.short());
        events.row(vec![(name, BOLD), (text.unwrap_or_default(), PLAIN), (id, DIM)]);
    }
    let mut steps = Table::default();
    for (number, step) in (1..).zip(&story.steps) {
        let place = step.at.as_ref().map(ToString::to_string);
        steps.row(vec![
            (format!("{number}. {}", inert(&step.who)), PLAIN),
            (inert(&step.what), PLAIN),
            (inert(&place.unwrap_or_default()), DIM),
        ]);
    }
    let tables = [events.render(), steps.render()];
    lines.extend(tables.iter().flat_map(|table| table.lines()).map(|line| line.trim_end().to_owned()));
    lines.push(format!("{YELLOW}{}{YELLOW:#}", story.rule));
    lines.iter().map(|line| format!("    {line}\n")).collect()
}

/// The conversations with their digests: the proof of one order, for two people to read to each other.
fn conversations(report: &Report) -> String {
    let mut table = Table::new(&["conversation", "events", "digest", "equal in"]);
    for settled in report.conversations.iter().take(CONVERSATIONS) {
        let style = if settled.equal_in == settled.held_in { GREEN } else { YELLOW };
        table.row(vec![
            (inert(&settled.label), PLAIN),
            (settled.events.to_string(), PLAIN),
            (settled.digest.short(), PLAIN),
            (format!("{} of {} logs", settled.equal_in, settled.held_in), style),
        ]);
    }
    let more = report.conversations.len().saturating_sub(CONVERSATIONS);
    let rest = if more == 0 { String::new() } else { format!("\nand {more} more (--json lists all)") };
    table.render() + &rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;
    use crate::history::History;
    use crate::verify::judge;

    /// With up to 999,999 of what it looks at.
    #[test]
    fn every_check_fits_a_line_of_eighty_columns() {
        let report = judge(&Evidence::of(&History::default()));
        let mut report = Report { conversations: Vec::new(), ..report };
        report.outcomes.iter_mut().for_each(|outcome| outcome.examined = 999_999);
        let table = checks(&report);
        assert_eq!(table.lines().count(), 1 + report.outcomes.len());
        for line in table.lines() {
            let plain = anstream::adapter::strip_str(line).to_string();
            assert!(plain.trim_end().chars().count() <= 80, "{plain}");
        }
    }

    #[test]
    fn a_check_that_had_nothing_to_look_at_is_not_ticked() {
        let report = judge(&Evidence::of(&History::default()));
        let text = render(&report);
        assert!(text.contains('–') && !text.contains('✓'), "{text}");
    }
}
