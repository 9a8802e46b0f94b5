//! A report as one page that needs nothing but a browser: the verdict, the stories, and the history as a
//! space-time diagram ([`crate::diagram`]).
//!
//! Everything is in the page: words as HTML, the diagram as data for the script that draws it. Messages are
//! text from strangers, so nothing of theirs is ever markup: HTML is escaped, the data cannot end its script
//! element, and the page's own policy lets only the script run that carries the page's nonce. The nonce is a
//! hash of the data, which no message can know, since it would have to hold it.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::anomaly::Place;
use crate::diagram::{Act, Diagram};
use crate::event::{Event, Kind};
use crate::evidence::Evidence;
use crate::id::{EventId, ServerId};
use crate::names::{Names, WITHOUT};
use crate::report::{Outcome, Report, Verdict};
use crate::story::{Step, Story, Witness};
use crate::text::{count, inert};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// How much of a message the diagram shows.
const TEXT_CHARS: usize = 160;
/// How much of an id is shown.
const ID_DIGITS: usize = 8;
/// How many conversations are listed to choose from.
const CONVERSATIONS_MAX: usize = 500;

/// The page for a history and what was found in it.
pub fn page(evidence: &Evidence<'_>, report: &Report) -> String {
    let names = Names::of(evidence);
    let stories: Vec<_> = report.outcomes.iter().flat_map(|outcome| &outcome.stories).collect();
    let data = Data::of(evidence, &names, &stories);
    let json = harmless(&serde_json::to_string(&data).unwrap_or_else(|_| "null".to_owned()));
    let nonce = blake3::hash(json.as_bytes()).to_hex();
    let verdict = verdict_word(report.verdict());
    let mut page = String::with_capacity(json.len() + STYLE.len() + SCRIPT.len() + 32_768);
    page.push_str(&format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; \
         form-action 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>tercet verify: {verdict}</title>\n<style nonce=\"{nonce}\">\n{STYLE}</style>\n</head>\n<body>\n"
    ));
    page.push_str(&header(report));
    let unknowns: Vec<_> = report.outcomes.iter().filter(|outcome| !outcome.unknowns.is_empty()).collect();
    if !unknowns.is_empty() {
        page.push_str(&missing(&unknowns));
    }
    page.push_str(&stage(report, &stories, &data));
    page.push_str(&format!(
        "<div class=\"pair\">\n{}{}</div>\n<footer>What each check means is in docs/verify.md. Entries and \
         positions count from 1.</footer>\n",
        checks(report),
        conversations(report)
    ));
    page.push_str(&format!(
        "<script nonce=\"{nonce}\" id=\"data\" type=\"application/json\">{json}</script>\n\
         <script nonce=\"{nonce}\">\n{SCRIPT}</script>\n</body>\n</html>\n"
    ));
    page
}

// ---- words ------------------------------------------------------------------------------------------

fn header(report: &Report) -> String {
    let verdict = verdict_word(report.verdict());
    format!(
        "<header><div><h1>tercet verify <span class=\"verdict {verdict}\">{verdict}</span></h1>\n\
         <p>{} in {}, from {} and {}. {}</p></div><button id=\"theme\" title=\"Light or dark\">◐ light / dark\
         </button></header>\n",
        count(report.events, "event"),
        count(report.conversations.len(), "conversation"),
        count(report.clients, "device log"),
        count(report.servers, "server"),
        match report.verdict() {
            Verdict::Valid => "Every promise was kept.",
            Verdict::Unknown => "Nothing is broken, but some evidence is missing.",
            Verdict::Violation => "A promise was broken.",
        }
    )
}

fn missing(outcomes: &[&Outcome]) -> String {
    let mut html = "<section class=\"unknowns\"><h2>What cannot be told, and why</h2>\n<ul>".to_owned();
    for outcome in outcomes {
        for unknown in &outcome.unknowns {
            let (promise, unknown) = (escaped(outcome.promise), escaped(unknown));
            _ = write!(html, "<li><span class=\"promise\">{promise}</span> {unknown}</li>");
        }
    }
    html + "</ul></section>\n"
}

fn stage(report: &Report, stories: &[&Story], data: &Data) -> String {
    let has = if stories.is_empty() { "" } else { " has-stories" };
    let mut html = format!("<div class=\"stage{has}\">\n");
    if !stories.is_empty() {
        _ = writeln!(
            html,
            "<section class=\"stories\"><h2>What is broken ({})</h2>",
            report.anomalies().count()
        );
        let mut number = 0;
        for outcome in &report.outcomes {
            for told in &outcome.stories {
                html.push_str(&story(number, outcome, told));
                number += 1;
            }
            let more = outcome.anomalies.len() - outcome.stories.len();
            if more > 0 {
                _ = writeln!(html, "<p class=\"aside\">and {more} more of {}</p>", escaped(outcome.check));
            }
        }
        html.push_str("</section>\n");
    }
    html.push_str(&diagram(!stories.is_empty(), data));
    html + "</div>\n"
}

fn story(number: usize, outcome: &Outcome, story: &Story) -> String {
    let mut html = format!(
        "<article class=\"story\" data-finding=\"{number}\"><h3><span class=\"promise\">{}</span>{}</h3>\n",
        escaped(outcome.promise),
        escaped(&story.sentence)
    );
    if let Some(conversation) = &story.conversation {
        _ = writeln!(html, "<p>In the conversation <b>{}</b>:</p>", escaped(conversation));
    }
    let witness = |witness: &Witness| {
        let text =
            witness.text.as_ref().map(|text| format!(" <span class=\"quote\">“{}”</span>", escaped(text)));
        format!(
            "<li><b>{}</b>{} <span class=\"aside\">event {}</span></li>",
            escaped(&witness.name),
            text.unwrap_or_default(),
            witness.event.short()
        )
    };
    let step = |step: &Step| {
        let place = step.at.as_ref().map(place);
        format!("<li><b>{}</b> {}{}</li>", escaped(&step.who), escaped(&step.what), place.unwrap_or_default())
    };
    if !story.events.is_empty() {
        _ = writeln!(html, "<ul>{}</ul>", story.events.iter().map(witness).collect::<String>());
    }
    _ = writeln!(html, "<ol>{}</ol>", story.steps.iter().map(step).collect::<String>());
    _ = writeln!(
        html,
        "<p class=\"rule\">{}</p>\n<button data-finding=\"{number}\">Show in the diagram</button></article>",
        escaped(story.rule)
    );
    html
}

/// A place with its path cut to what a person reads; the whole path is in the title.
fn place(at: &Place) -> String {
    let part = |part: &str| {
        let is_id = part.len() > ID_DIGITS && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id { format!("{}…", &part[..ID_DIGITS]) } else { part.to_owned() }
    };
    let source = at.source.split('/').map(part).collect::<Vec<_>>().join("/");
    let (title, source) = (escaped(&at.to_string()), escaped(&source));
    format!(" <span class=\"place\" title=\"{title}\">{source} entry {}</span>", at.entry)
}

fn diagram(has_stories: bool, data: &Data) -> String {
    let mut choices = "<option value=\"-1\">all conversations</option>".to_owned();
    for (index, label) in data.conversations.iter().enumerate().take(CONVERSATIONS_MAX) {
        _ = write!(choices, "<option value=\"{index}\">{}</option>", escaped(label));
    }
    let walk = if has_stories {
        "<button id=\"previous\" title=\"p\">‹ broken</button><button id=\"next\" title=\"n\">broken ›</button>"
    } else {
        ""
    };
    let name = |lane: &(String, bool, String)| {
        let kind = if lane.1 { " class=\"is-server\"" } else { "" };
        format!("<span{kind} title=\"{}\">{}</span>", escaped(&lane.2), escaped(&lane.0))
    };
    let sign = |act: &str, words: &str| {
        format!("<span><canvas data-act=\"{act}\" aria-hidden=\"true\"></canvas>{words}</span>")
    };
    let legend: String = [
        ("1", "written by its author"),
        ("line", "on its way, from lane to lane"),
        ("2", "stored by a server"),
        ("3", "received by a reader"),
        ("4", "shown on a screen"),
        ("5", "shown late, and marked so"),
        ("again", "the same once more"),
        ("away", "server away: killed, cut off or far behind"),
        ("6", "its log was lost or replaced"),
        ("0", "program started"),
        ("witness", "evidence of what is broken"),
    ]
    .iter()
    .map(|(act, words)| sign(act, words))
    .collect();
    format!(
        "<section><div class=\"bar\"><h2>Who knew what, when</h2><span class=\"grow\"></span>\
         <select id=\"conversation\" aria-label=\"Conversation\">{choices}</select>\
         <label class=\"toggle\"><input type=\"checkbox\" id=\"small\"> receipts and cursors</label>{walk}\
         <button id=\"out\" aria-label=\"Zoom out\">−</button><button id=\"in\" aria-label=\"Zoom in\">+</button>\
         <button id=\"all\">All</button></div>\n\
         <div class=\"lanes\"><div class=\"names\" id=\"names\">{}</div><div class=\"chart\">\
         <canvas id=\"diagram\" tabindex=\"0\" role=\"img\" aria-label=\"Space-time diagram: a lane for each \
         device and server, time from left to right\"></canvas><canvas id=\"overview\" aria-label=\"Overview: the \
         whole history, and the part that is shown above\"></canvas>\
         <div id=\"tip\" role=\"status\" aria-live=\"polite\" hidden></div></div></div>\n\
         <div class=\"legend\">{legend}</div>\n\
         <p class=\"keys\">Wheel or <kbd>+</kbd> <kbd>−</kbd> zooms, dragging or <kbd>shift</kbd> <kbd>←</kbd> \
         <kbd>→</kbd> moves, arrow keys go from mark to mark, <kbd>n</kbd> <kbd>p</kbd> to what is broken, \
         <kbd>0</kbd> shows all. The order is that of the logs and of the messages between them, so distances \
         are not times. Squares are what a server stored, whoever brought it.</p></section>\n",
        data.lanes.iter().map(name).collect::<String>()
    )
}

fn checks(report: &Report) -> String {
    let mut html = "<section><h2>What was checked</h2><table><tr><th></th><th>promise</th><th>check</th>\
                    <th class=\"number\">examined</th></tr>\n"
        .to_owned();
    for outcome in &report.outcomes {
        let verdict = outcome.verdict();
        let mark = match verdict {
            Verdict::Valid if outcome.examined == 0 => "–",
            Verdict::Valid => "✓",
            Verdict::Unknown => "?",
            Verdict::Violation => "✗",
        };
        _ = writeln!(
            html,
            "<tr><td class=\"mark {}\">{mark}</td><td class=\"promise\">{}</td><td>{}</td>\
             <td class=\"number\">{}</td></tr>",
            verdict_word(verdict),
            escaped(outcome.promise),
            escaped(outcome.check),
            outcome.looked_at()
        );
    }
    html + "</table></section>\n"
}

fn conversations(report: &Report) -> String {
    let mut html = "<section><h2>Conversations</h2><div class=\"scroll\"><table><tr><th>conversation</th>\
                    <th>digest</th><th class=\"number\">events</th><th class=\"number\">equal in</th></tr>\n"
        .to_owned();
    for settled in &report.conversations {
        _ = writeln!(
            html,
            "<tr><td>{}</td><td class=\"digest\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{} of {} logs</td></tr>",
            escaped(&settled.label),
            settled.digest.short(),
            settled.events,
            settled.equal_in,
            settled.held_in
        );
    }
    html + "</table></div></section>\n"
}

fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Unknown => "unknown",
        Verdict::Violation => "violation",
    }
}

/// Text as HTML shows it, in an element or a quoted attribute.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in inert(text).chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

/// JSON that can stand in a script element: nothing in it can end the element or open a comment. In JSON these
/// characters stand only within strings, where they may be written so.
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => _ = write!(text, "\\u{:04x}", c as u32),
            c => text.push(c),
        }
    }
    text
}

// ---- data -------------------------------------------------------------------------------------------

/// What the script draws. Columns instead of objects, since a long history has many marks.
#[derive(Serialize)]
struct Data {
    /// Unix milliseconds from which times count.
    base: u64,
    /// Name, whether it is a server, which log.
    lanes: Vec<(String, bool, String)>,
    servers: Vec<String>,
    conversations: Vec<String>,
    /// Conversation, name, text, id.
    events: Vec<(usize, String, String, String)>,
    marks: Columns,
    /// Marks that repeat what their lane had.
    again: Vec<usize>,
    /// Lane, mark before, mark after, events missed.
    away: Vec<(usize, i64, i64, usize)>,
    findings: Vec<Finding>,
}

/// -1 stands for nothing.
#[derive(Default, Serialize)]
struct Columns {
    lane: Vec<usize>,
    act: Vec<u8>,
    entry: Vec<u64>,
    event: Vec<i64>,
    server: Vec<i64>,
    source: Vec<i64>,
    at: Vec<i64>,
    extra: Vec<u64>,
}

#[derive(Serialize)]
struct Finding {
    marks: Vec<usize>,
    events: Vec<usize>,
}

impl Data {
    fn of(evidence: &Evidence<'_>, names: &Names<'_>, stories: &[&Story]) -> Self {
        let diagram = Diagram::of(evidence, names);
        let mut data = Self {
            base: diagram.marks.iter().filter_map(|mark| mark.at_ms).min().unwrap_or(0),
            lanes: Vec::new(),
            servers: Vec::new(),
            conversations: Vec::new(),
            events: Vec::new(),
            marks: Columns::default(),
            again: Vec::new(),
            away: Vec::new(),
            findings: Vec::new(),
        };
        let event_at = data.list_events(evidence, names);
        let server_at = data.list_servers(evidence, &diagram);
        for (index, mark) in diagram.marks.iter().enumerate() {
            let (act, extra) = numbers(mark.act);
            let columns = &mut data.marks;
            columns.lane.push(mark.lane);
            columns.act.push(act);
            columns.entry.push(mark.entry);
            columns.event.push(signed(mark.event.and_then(|event| event_at.get(&event).copied())));
            columns.server.push(signed(mark.server.and_then(|server| server_at.get(&server).copied())));
            columns.source.push(signed(mark.source));
            columns.at.push(mark.at_ms.map_or(-1, |at_ms| small(at_ms - data.base.min(at_ms))));
            columns.extra.push(extra);
            if mark.is_again {
                data.again.push(index);
            }
        }
        let away = diagram.away.iter();
        data.away =
            away.map(|away| (away.lane, signed(away.after), signed(away.until), away.missed)).collect();
        let lookup = Lookup::of(&diagram);
        data.findings = stories.iter().map(|story| finding(story, &lookup, &event_at)).collect();
        data.lanes = diagram
            .lanes
            .into_iter()
            .map(|lane| (inert(&lane.name), lane.is_server, inert(&lane.source)))
            .collect();
        data
    }

    fn list_events(&mut self, evidence: &Evidence<'_>, names: &Names<'_>) -> BTreeMap<EventId, usize> {
        let mut conversations = BTreeMap::new();
        let mut event_at = BTreeMap::new();
        for event in evidence.events.values() {
            let next = conversations.len();
            let conversation = *conversations.entry(event.conversation()).or_insert(next);
            if conversation == next {
                self.conversations.push(inert(&names.conversation(event.conversation())));
            }
            let text = deed(event);
            event_at.insert(event.id(), self.events.len());
            let name = inert(&names.name(event));
            self.events.push((conversation, name, inert(&text), event.id().short()));
        }
        event_at
    }

    fn list_servers(&mut self, evidence: &Evidence<'_>, diagram: &Diagram) -> BTreeMap<ServerId, usize> {
        let mut server_at = BTreeMap::new();
        for server in diagram.marks.iter().filter_map(|mark| mark.server) {
            server_at.entry(server).or_insert_with(|| {
                self.servers.push(inert(&evidence.history.name_of(server)));
                self.servers.len() - 1
            });
        }
        server_at
    }
}

/// Finds the mark for a place: the marks of each log, by entry.
struct Lookup<'a>(BTreeMap<&'a str, BTreeMap<u64, usize>>);

impl<'a> Lookup<'a> {
    fn of(diagram: &'a Diagram) -> Self {
        let mut of_log: BTreeMap<&str, BTreeMap<u64, usize>> = BTreeMap::new();
        for (index, mark) in diagram.marks.iter().enumerate() {
            of_log.entry(&diagram.lanes[mark.lane].source).or_default().insert(mark.entry, index);
        }
        Self(of_log)
    }

    fn mark(&self, place: &Place) -> Option<usize> {
        self.0.get(place.source.as_str())?.get(&place.entry).copied()
    }
}

fn finding(story: &Story, lookup: &Lookup<'_>, event_at: &BTreeMap<EventId, usize>) -> Finding {
    let places = story.steps.iter().filter_map(|step| step.at.as_ref());
    Finding {
        marks: places.filter_map(|place| lookup.mark(place)).collect(),
        events: story.events.iter().filter_map(|witness| event_at.get(&witness.event).copied()).collect(),
    }
}

/// The script's number for an act, and what it needs beside it.
fn numbers(act: Act) -> (u8, u64) {
    match act {
        Act::Opened => (0, 0),
        Act::Wrote => (1, 0),
        Act::Stored => (2, 0),
        Act::Received => (3, 0),
        Act::Shown => (4, 0),
        Act::Late => (5, 0),
        Act::Replaced => (6, 0),
        Act::Receipt { position } => (7, position),
        Act::Cursor { position } => (8, position),
        Act::Level { copies, servers } => (9, (u64::from(copies) << 16) | u64::from(servers & 0xffff)),
    }
}

fn signed(index: Option<usize>) -> i64 {
    index.and_then(|index| i64::try_from(index).ok()).unwrap_or(-1)
}

fn small(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
/// What an event does, in a few words.
fn deed(event: &Event) -> String {
    let words = if event.has_body() { event.text().unwrap_or_default() } else { WITHOUT };
    let text: String = words.chars().take(TEXT_CHARS).collect();
    match event.kind() {
        Kind::Post => text,
        Kind::Register => format!("registers as {text}"),
        Kind::Merge => "merges what it had seen".to_owned(),
        Kind::Create => "begins the room".to_owned(),
        Kind::Join => "joins".to_owned(),
        Kind::Leave => "leaves".to_owned(),
        Kind::Topic => format!("sets the topic: {text}"),
        Kind::Invite => "invites to a room".to_owned(),
        Kind::Follow => "follows a room".to_owned(),
        Kind::Unfollow => "follows a room no more".to_owned(),
        Kind::Edit => format!("changes a message to: {text}"),
        Kind::Reply => format!("answers: {text}"),
        Kind::Delete => "takes a message back".to_owned(),
        Kind::Read => "has read up to here".to_owned(),
        Kind::React => format!("reacts {text}"),
        Kind::Unreact => format!("takes {text} back"),
        Kind::Close => "deletes the account".to_owned(),
        Kind::Chunk => "sends a part of a file".to_owned(),
        Kind::File => format!("shares {text}"),
    }
}
