//! Holds `docs/protocol.md` and the code together: every variant and field of what is sent, signed or kept
//! stands in a table of its type, in the order of encoding, and nothing else does.
//!
//! The code's side comes from the definitions themselves, read by a small scanner; what serde says of the
//! variants that it knows must agree with the scanner, so that a scanner which misses one is found out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod source;

use serde::de::DeserializeOwned;
use source::{code, read};
use tercet::event::{Conversation, Kind};
use tercet::frame::{self, Refusal, Rejection, Role, ToClient, ToServer};
use tercet::history::Entry;

/// The types that the document describes, by the file that defines them.
const TYPES: [(&str, &[&str]); 6] = [
    (
        "src/frame.rs",
        &[
            "Role",
            "ToServer",
            "ToClient",
            "Receipt",
            "Rejection",
            "Item",
            "Presence",
            "Present",
            "DeviceCursor",
            "ServerStatus",
            "PeerCursor",
            "Refusal",
        ],
    ),
    ("src/event/encoding.rs", &["Envelope", "Header"]),
    ("src/event/conversation.rs", &["Conversation"]),
    ("src/event/kind.rs", &["Kind"]),
    ("src/history.rs", &["Entry"]),
    ("src/view.rs", &["ViewId", "Content", "Member", "Retired"]),
];

/// A variant with its named fields; a struct is a variant of no name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variant {
    name: String,
    fields: Vec<String>,
}

#[test]
fn the_document_names_every_frame_and_field_and_no_other() {
    let document = read("docs/protocol.md");
    for (file, types) in TYPES {
        let text = code(&read(file));
        for name in types {
            let defined = definition(&text, name).unwrap_or_else(|| panic!("{file} defines no {name}"));
            let differences = compare(&document, name, &defined);
            assert!(differences.is_empty(), "docs/protocol.md and {file}:\n{}", differences.join("\n"));
        }
    }
}

#[test]
fn a_type_that_can_be_sent_is_among_those_described() {
    let text = code(&read("src/frame.rs"));
    let described = TYPES[0].1;
    for declaration in
        text.lines().filter(|line| line.starts_with("pub enum ") || line.starts_with("pub struct "))
    {
        let name = declaration.split_whitespace().nth(2).unwrap_or_default();
        let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        // A token is bytes, and an error is never sent.
        assert!(
            described.contains(&name) || ["Token", "FrameError"].contains(&name),
            "{name} is not described"
        );
    }
}

#[test]
fn serde_knows_the_variants_that_were_scanned() {
    assert_eq!(scanned("src/frame.rs", "ToServer"), known::<ToServer>());
    assert_eq!(scanned("src/frame.rs", "ToClient"), known::<ToClient>());
    assert_eq!(scanned("src/frame.rs", "Role"), known::<Role>());
    assert_eq!(scanned("src/frame.rs", "Refusal"), known::<Refusal>());
    assert_eq!(scanned("src/frame.rs", "Rejection"), known::<Rejection>());
    assert_eq!(scanned("src/event/conversation.rs", "Conversation"), known::<Conversation>());
    assert_eq!(scanned("src/event/kind.rs", "Kind"), known::<Kind>());
    assert_eq!(scanned("src/history.rs", "Entry"), known::<Entry>());
}

#[test]
fn frames_and_fields_that_differ_from_the_document_are_refused() {
    let document = read("docs/protocol.md");
    let text = code(&read("src/frame.rs"));
    let cases = [
        ("a made-up frame", text.replace("    Ping,", "    Ping,\n    Gossip { rumour: u64 },"), "Gossip"),
        ("a made-up frame without fields", text.replace("    Ping,", "    Ping,\n    Gossip,"), "Gossip"),
        ("a new field", text.replace("bodies: bool,", "bodies: bool,\n        until: Position,"), "until"),
        ("fields in another order", swapped(&text, "cluster: ClusterId,", "role: Role,"), "Hello"),
        ("a frame that is gone", text.replace("    Ping,", ""), "Ping"),
    ];
    for (what, changed, named) in cases {
        assert_ne!(changed, text, "{what}: the code has not this shape any more");
        let differences = compare(&document, "ToServer", &definition(&changed, "ToServer").unwrap());
        assert_eq!(differences.len(), 1, "{what}: {differences:?}");
        assert!(differences[0].contains(named), "{what}: {differences:?}");
    }
    let silent = document.replace("| `Pull` |", "| Pull |");
    let defined = definition(&text, "ToServer").unwrap();
    assert_eq!(compare(&silent, "ToServer", &defined).len(), 1, "a document without Pull");
    assert_eq!(compare("", "ToServer", &defined).len(), 1, "a document without the section");
}

#[test]
fn the_examples_are_what_is_sent() {
    let document = read("docs/protocol.md");
    for frame in [ToServer::Ping, ToServer::Fetch { ids: Vec::new() }] {
        let payload = frame::encode(&frame).unwrap();
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let bytes: Vec<_> = length.iter().chain(&payload).map(|byte| format!("{byte:02x}")).collect();
        let line = bytes.join(" ");
        assert!(document.lines().any(|found| found == line), "no line says {line} ({frame:?})");
    }
}

#[test]
fn every_limit_that_the_document_names_exists() {
    let limits = code(&read("src/limits.rs"));
    let is_limit = |word: &String| {
        word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
    };
    for name in quoted(&read("docs/protocol.md")).iter().filter(|word| is_limit(word)) {
        assert!(limits.contains(&format!("const {name}:")), "src/limits.rs has no {name}");
    }
}

/// What the code defines and the table of this type does not say, or the other way round.
fn compare(document: &str, name: &str, defined: &[Variant]) -> Vec<String> {
    let Some(rows) = table(document, name) else {
        return vec![format!("there is no section \"### `{name}`\"")];
    };
    let mut differences = Vec::new();
    // A struct's table has a row for each field instead.
    if let [Variant { name: nameless, fields }] = defined
        && nameless.is_empty()
    {
        let written: Vec<_> = rows.iter().map(|row| row.name.clone()).collect();
        if written != *fields {
            differences.push(format!("{name} has the fields {fields:?}, the document {written:?}"));
        }
        return differences;
    }
    for variant in defined {
        match rows.iter().find(|row| row.name == variant.name) {
            None => differences.push(format!("{name}::{} is not in the document", variant.name)),
            Some(row) if row.fields != variant.fields => differences.push(format!(
                "{name}::{} has the fields {:?}, the document {:?}",
                variant.name, variant.fields, row.fields
            )),
            Some(_) => {}
        }
    }
    let unknown = rows.iter().filter(|row| defined.iter().all(|variant| variant.name != row.name));
    differences.extend(unknown.map(|row| format!("{name}::{} is only in the document", row.name)));
    differences
}

/// The rows of the section of one type: first column the name, second the fields in order.
fn table(document: &str, name: &str) -> Option<Vec<Variant>> {
    let heading = format!("### `{name}`");
    let section = document.lines().skip_while(|line| *line != heading).skip(1);
    let rows: Vec<_> = section
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut columns = line.strip_prefix("| ")?.split('|');
            let name = quoted(columns.next()?).into_iter().next()?;
            Some(Variant { name, fields: quoted(columns.next()?) })
        })
        .collect();
    (!rows.is_empty()).then_some(rows)
}

/// The words in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The variants of an enum, or a struct as one variant without a name, from code without comments.
fn definition(code: &str, name: &str) -> Option<Vec<Variant>> {
    let start = |keyword: &str| {
        code.match_indices(&format!("{keyword} {name}"))
            .map(|(at, found)| at + found.len())
            .find(|end| code[*end..].starts_with([' ', '<']))
    };
    if let Some(end) = start("enum") {
        let parts = parts(body(&code[end..])?);
        return Some(parts.into_iter().map(|part| variant(&part)).collect());
    }
    let fields = parts(body(&code[start("struct")?..])?);
    Some(vec![Variant {
        name: String::new(),
        fields: fields.iter().map(|field| field_name(field)).collect(),
    }])
}

fn variant(part: &str) -> Variant {
    let name = part.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
    let fields = match part.contains('{') {
        true => parts(body(part).unwrap_or_default()).iter().map(|field| field_name(field)).collect(),
        false => Vec::new(),
    };
    Variant { name, fields }
}

fn field_name(part: &str) -> String {
    // Its visibility stands before it.
    let name = part.split(':').next().unwrap_or_default().split_whitespace().next_back();
    name.unwrap_or_default().to_owned()
}

/// What stands between the first brace and its partner.
fn body(code: &str) -> Option<&str> {
    let open = code.find('{')?;
    let mut depth = 0;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(&code[open + 1..open + at]),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The parts between the commas of the outermost level, without attributes.
fn parts(code: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in code.chars() {
        match c {
            '{' | '(' | '[' | '<' => depth += 1,
            '}' | ')' | ']' | '>' => depth -= 1,
            _ => {}
        }
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            c => parts.last_mut().unwrap().push(c),
        }
    }
    let parts = parts.iter().map(|part| without_attributes(part).trim().to_owned());
    parts.filter(|part| !part.is_empty()).collect()
}

fn without_attributes(part: &str) -> &str {
    let mut rest = part.trim_start();
    while let Some(attribute) = rest.strip_prefix("#[") {
        rest = attribute.split_once(']').map_or("", |(_, rest)| rest).trim_start();
    }
    rest
}

fn swapped(text: &str, one: &str, other: &str) -> String {
    text.replace(one, "\u{0}").replace(other, one).replace('\u{0}', other)
}

fn scanned(file: &str, name: &str) -> Vec<String> {
    let variants = definition(&code(&read(file)), name).unwrap();
    variants.into_iter().map(|variant| variant.name).collect()
}

/// The variants that serde says it expects, when it is given another.
fn known<T: DeserializeOwned>() -> Vec<String> {
    let Err(error) = serde_json::from_str::<T>("\"NoSuchVariant\"") else { panic!("that was no variant") };
    // "unknown variant `NoSuchVariant`, expected one of `A`, `B` at line 1 column 15"
    let mut words = quoted(&error.to_string());
    assert_eq!(words.remove(0), "NoSuchVariant", "{error}");
    words
}
