//! Promises about the source itself: who may import what, how long a file may be, what must not be left in.
//!
//! Each rule is a function of one file's text, so that [`each_rule_refuses_a_text_that_breaks_it`] can show
//! it a file that it must refuse.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod source;

use std::fs;
use std::path::Path;

use source::{code, path, read};

/// A file with more lines wants to be two; see the list that [`no_file_grows_into_a_second_program`] prints.
const LINES_WANTED: usize = 500;
const LINES_MAX: usize = 1_000;

/// What only `main.rs` and the folders [`WORLD`] may touch: all else in `src/` is pure.
const WORLDLY: [&str; 9] = [
    "tokio",
    "fjall",
    "rustls",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
];

/// The folders in `src/` that touch the world.
const WORLD: [&str; 3] = ["net/", "store/", "cmd/"];

/// Words that mean "not finished", or "not checked".
const UNFINISHED: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "#[ignore"];

/// One rule: its name, and what it finds wrong with a file.
struct Rule {
    name: &'static str,
    /// The file's path below the package's folder, and its text.
    check: fn(&str, &str) -> Vec<String>,
    /// A file that the rule must refuse.
    refused: (&'static str, &'static str),
}

const RULES: [Rule; 9] = [
    Rule {
        name: "src/ is pure but for net, store and cmd",
        check: pure,
        refused: ("src/server.rs", "use std::{collections::BTreeMap, fs};\nfn f() { g() }"),
    },
    Rule {
        name: "the parts of a pure file are pure",
        check: pure,
        refused: ("src/client/writing.rs", "fn f() { std::fs::write(\"x\", \"y\") }"),
    },
    Rule {
        name: "pure files do not read the clock",
        check: pure,
        refused: ("src/clock.rs", "fn now() -> u64 { millis(std::time::SystemTime::now()) }"),
    },
    Rule {
        name: "pure files do not know the folders",
        check: pure_knows_no_folder,
        refused: ("src/client.rs", "use crate::{clock::Clock, store::DeviceLog};"),
    },
    Rule {
        name: "net knows neither store nor cmd",
        check: net_and_store_are_strangers,
        refused: ("src/net/link.rs", "use crate::store::Replica;"),
    },
    Rule {
        name: "store knows neither net nor cmd",
        check: net_and_store_are_strangers,
        refused: ("src/store/replica.rs", "fn f() { crate::cmd::screen::note(\"x\") }"),
    },
    Rule {
        name: "store does not know the async runtime",
        check: store_is_synchronous,
        refused: ("src/store/replica.rs", "async fn f() { tokio::task::yield_now().await }"),
    },
    Rule {
        name: "nothing is left unfinished",
        check: finished,
        refused: ("src/net/link.rs", "fn f() { todo!(\"the rest\") }"),
    },
    Rule {
        name: "each exception from a lint has its reason",
        check: exceptions_have_reasons,
        refused: ("src/event.rs", "#[expect(\n    clippy::panic,\n)]\nfn f() { panic!() }"),
    },
];

#[test]
fn every_file_keeps_every_rule() {
    let mut broken = Vec::new();
    for (file, text) in rust_files("src").into_iter().chain(rust_files("tests")) {
        for rule in &RULES {
            let found = (rule.check)(&file, &text);
            broken.extend(found.into_iter().map(|what| format!("{file}: {what} ({})", rule.name)));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn each_rule_refuses_a_text_that_breaks_it() {
    for rule in &RULES {
        let (file, text) = rule.refused;
        assert!(!(rule.check)(file, text).is_empty(), "\"{}\" lets this pass:\n{text}", rule.name);
    }
    for word in WORLDLY {
        assert_eq!(pure("src/made_up.rs", &format!("fn f() {{ {word}::g() }}")), [format!("uses {word}")]);
    }
    for word in UNFINISHED {
        assert_eq!(finished("src/made_up.rs", &format!("fn f() {{ {word}() }}")), [format!("says {word}")]);
    }
    let allowed = "#![allow(unused, reason = \"for a while\")]";
    assert_eq!(exceptions_have_reasons("src/made_up.rs", allowed).len(), 1);
}

#[test]
fn words_in_comments_and_literals_break_no_rule() {
    let text = r##"
        //! Not fjall, and no tokio::spawn; #[allow(x)].
        const WHY: &str = "std::fs is for others";
        const RAW: &str = r#"say "todo!" never"#;
        fn first<'a>(text: &'a str) -> bool { text.starts_with('"') || text.contains("dbg!") }
    "##;
    for rule in &RULES {
        assert_eq!((rule.check)("src/order.rs", text), Vec::<String>::new(), "{}", rule.name);
    }
}

#[test]
fn no_file_grows_into_a_second_program() {
    let mut long: Vec<_> =
        rust_files("src").into_iter().map(|(file, text)| (text.lines().count(), file)).collect();
    long.sort_unstable_by(|one, other| other.cmp(one));
    long.retain(|(lines, _)| *lines > LINES_WANTED);
    println!("files over {LINES_WANTED} lines:");
    long.iter().for_each(|(lines, file)| println!("  {lines:>5}  {file}"));
    assert_eq!(too_long(&long), Vec::<&str>::new(), "over {LINES_MAX} lines");
    assert_eq!(too_long(&[(LINES_MAX + 1, "src/made_up.rs".to_owned())]), ["src/made_up.rs"]);
}

#[test]
fn every_limit_is_used() {
    let used: String = rust_files("src").iter().map(|(_, text)| code(text)).collect();
    let limits = read("src/limits.rs");
    assert!(limits_of(&limits).len() > 20, "the limits were not found");
    assert_eq!(unused(&limits, &used), Vec::<String>::new());
    let made_up = format!("{limits}\npub const MADE_UP_MAX: usize = 7;");
    assert_eq!(unused(&made_up, &used), ["MADE_UP_MAX"]);
}

#[test]
fn the_map_in_lib_names_every_module() {
    let library = read("src/lib.rs");
    assert_eq!(not_on_the_map(&library), Vec::<&str>::new());
    assert_eq!(not_on_the_map(&format!("{library}\nmod made_up;")), ["made_up"]);
}

/// Modules that the head of a library's file declares and its documentation does not name.
fn not_on_the_map(library: &str) -> Vec<&str> {
    let map: String = library.lines().filter(|line| line.starts_with("//!")).collect();
    let modules = library.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    let modules = modules.map(|rest| rest.trim_end_matches(';'));
    let named = |name: &str| map.contains(&format!("`{name}`")) || map.contains(&format!("`mod@{name}`"));
    modules.filter(|name| !named(name)).collect()
}

fn too_long(files: &[(usize, String)]) -> Vec<&str> {
    files.iter().filter(|(lines, _)| *lines > LINES_MAX).map(|(_, file)| file.as_str()).collect()
}

fn pure(file: &str, text: &str) -> Vec<String> {
    if is_pure(file) { uses(text, &WORLDLY) } else { Vec::new() }
}

fn pure_knows_no_folder(file: &str, text: &str) -> Vec<String> {
    if is_pure(file) { uses(text, &["crate::net", "crate::store", "crate::cmd"]) } else { Vec::new() }
}

fn net_and_store_are_strangers(file: &str, text: &str) -> Vec<String> {
    match file {
        _ if file.starts_with("src/net/") => uses(text, &["crate::store", "crate::cmd"]),
        _ if file.starts_with("src/store/") => uses(text, &["crate::net", "crate::cmd"]),
        _ => Vec::new(),
    }
}

fn store_is_synchronous(file: &str, text: &str) -> Vec<String> {
    if file.starts_with("src/store/") { uses(text, &["tokio"]) } else { Vec::new() }
}

fn finished(_: &str, text: &str) -> Vec<String> {
    let code = code(text);
    UNFINISHED.iter().filter(|word| code.contains(**word)).map(|word| format!("says {word}")).collect()
}

/// `#[expect(...)]` with a reason, and no `allow`, which would stay when its cause has gone.
fn exceptions_have_reasons(_: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let mut found = Vec::new();
    for start in ["#[", "#!["] {
        for (at, _) in code.match_indices(start) {
            let attribute = &code[at + start.len()..];
            let attribute = &attribute[..attribute.find(")]").unwrap_or(attribute.len())];
            let line = 1 + code[..at].matches('\n').count();
            if attribute.starts_with("allow(") {
                found.push(format!("line {line}: `allow`; use `expect` with a reason"));
            } else if attribute.starts_with("expect(") && !attribute.contains("reason") {
                found.push(format!("line {line}: `expect` without a reason"));
            }
        }
    }
    found
}

/// In `src/`, but for `main.rs` and the folders that touch the world. The parts of a pure file, in a folder of its name,
/// are as pure as it is.
fn is_pure(file: &str) -> bool {
    let touches = |name: &str| WORLD.iter().any(|folder| name.starts_with(folder));
    file.strip_prefix("src/").is_some_and(|name| !touches(name) && name != "main.rs")
}

/// Which of these paths a text uses, spelled out or grouped (`use std::{fs, io}`).
fn uses(text: &str, paths: &[&str]) -> Vec<String> {
    let code = flatten_groups(&code(text));
    paths.iter().filter(|path| names(&code, path)).map(|path| format!("uses {path}")).collect()
}

/// Whether a path stands in the code as whole words.
fn names(code: &str, path: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(in_word);
        let after = code[at + path.len()..].chars().next().is_some_and(in_word);
        !before && !after
    })
}

/// The code with `a::{b, c::{d}}` repeated as `a::b a::c::d` at its end.
fn flatten_groups(code: &str) -> String {
    let squeezed: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut flat = format!("{squeezed}\n");
    let mut prefixes: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in squeezed.chars() {
        match c {
            '{' if word.ends_with("::") => {
                let outer = prefixes.last().cloned().unwrap_or_default();
                prefixes.push(outer + &word);
                word.clear();
            }
            ',' | '}' if !prefixes.is_empty() => {
                let prefix = prefixes.last().cloned().unwrap_or_default();
                flat.push_str(&format!("{prefix}{word}\n"));
                word.clear();
                if c == '}' {
                    prefixes.pop();
                }
            }
            ' ' | ';' | '(' | ',' | '{' | '}' => word.clear(),
            c => word.push(c),
        }
    }
    flat
}

fn limits_of(text: &str) -> Vec<String> {
    let names = code(text);
    let names = names.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    names.map(str::to_owned).collect()
}

/// Limits that nothing but their own definition and the assertions below it name.
fn unused(limits: &str, used: &str) -> Vec<String> {
    let own = code(limits);
    let elsewhere = used.replace(&own, "");
    limits_of(limits)
        .into_iter()
        .filter(|name| {
            let by_others = names(&elsewhere, name);
            // A limit may be another's measure, as `PULL_MAX` is made of `FRAME_EVENTS`.
            let by_a_limit = own
                .lines()
                .filter_map(|line| line.strip_prefix("pub const ")?.split_once('='))
                .any(|(_, value)| names(value, name));
            !by_others && !by_a_limit
        })
        .collect()
}

/// Every Rust file below a folder of the package, with its text.
fn rust_files(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut open = vec![path(folder)];
    while let Some(next) = open.pop() {
        if next.is_dir() {
            open.extend(fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()));
        } else if next.extension().is_some_and(|extension| extension == "rs") {
            let relative = next.strip_prefix(path("")).map(Path::display).unwrap().to_string();
            let text = read(&relative);
            files.push((relative, text));
        }
    }
    assert!(!files.is_empty(), "no Rust files in {folder}");
    files.sort();
    files
}
