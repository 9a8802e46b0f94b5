//! Holds `docs/verify.md` and what `verify` prints together: every field that is printed is in a table of the
//! document, and every field of a table is printed for some history.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use tercet::evidence::Evidence;
use tercet::export_jsonl::jsonl;
use tercet::verify::check;

use crate::support::{CASES_OF_ALL, World, good};

type Fields = BTreeSet<String>;

/// The rows of the tables below a heading, each cell as it stands.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("docs/verify.md has no section {heading:?}"));
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The words in backquotes.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Good and broken histories, those with all that can be missing or late among them.
fn histories() -> Vec<World> {
    let mut worlds = vec![good().world];
    for case in CASES_OF_ALL.iter().copied().flatten() {
        let mut good = good();
        (case.spoil)(&mut good);
        worlds.push(good.world);
    }
    let mut poor = good();
    poor.world.history.absent.push("a log was lost".to_owned());
    worlds.push(poor.world);
    worlds
}

/// Every field of a value by its path, but for those of an anomaly, which are listed by its kind.
fn list(value: &Value, path: &str, fields: &mut Fields, anomalies: &mut BTreeMap<String, Fields>) {
    match value {
        Value::Object(object) => {
            if let Some(kind) = object.get("anomaly") {
                fields.insert(format!("{path}.anomaly"));
                let others = object.keys().filter(|key| *key != "anomaly").cloned();
                anomalies.entry(kind.as_str().unwrap().to_owned()).or_default().extend(others);
                return;
            }
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                list(value, &path, fields, anomalies);
            }
        }
        Value::Array(elements) => {
            elements.iter().for_each(|element| list(element, &format!("{path}[]"), fields, anomalies));
        }
        _ => _ = fields.insert(path.to_owned()),
    }
}

/// What is printed and not documented, or documented and not printed.
fn differences(printed: &Fields, documented: &Fields) -> Vec<String> {
    printed.symmetric_difference(documented).cloned().collect()
}

#[test]
fn the_document_has_every_field_of_the_json_report_and_no_other() {
    let (mut fields, mut anomalies) = (Fields::new(), BTreeMap::new());
    for world in histories() {
        let report: Value = serde_json::from_str(&check(&world.history).to_json().unwrap()).unwrap();
        list(&report, "", &mut fields, &mut anomalies);
    }
    // A place that stands nowhere is null.
    fields.remove("outcomes[].stories[].steps[].at");
    let (documented, kinds): (Vec<_>, Vec<_>) =
        rows("`--json`").into_iter().filter(|row| row[0] != "`anomaly`").partition(|row| is_path(&row[0]));
    let documented: Fields = documented.iter().map(|row| quoted(&row[0])[0].clone()).collect();
    assert_eq!(differences(&fields, &documented), Vec::<String>::new());
    let kinds: BTreeMap<String, Fields> =
        kinds.iter().map(|row| (quoted(&row[0])[0].clone(), quoted(&row[1]).into_iter().collect())).collect();
    assert_eq!(anomalies.keys().collect::<Vec<_>>(), kinds.keys().collect::<Vec<_>>());
    for (kind, fields) in &anomalies {
        assert_eq!(differences(fields, &kinds[kind]), Vec::<String>::new(), "of {kind}");
    }
    let mut more = fields.clone();
    more.insert("outcomes[].undocumented".to_owned());
    assert_eq!(differences(&more, &documented), ["outcomes[].undocumented"]);
}

/// The report's own fields: the anomalies' table has kinds in its first column.
fn is_path(cell: &str) -> bool {
    let name = &quoted(cell)[0];
    name.contains("[]") || ["verdict", "clients", "servers", "events"].contains(&name.as_str())
}

#[test]
fn the_document_has_every_field_of_the_exported_history_and_no_other() {
    let mut fields = Fields::new();
    for world in histories() {
        for line in jsonl(&Evidence::of(&world.history)).lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let record = line["record"].as_str().unwrap();
            let keys = line.as_object().unwrap().keys().filter(|key| *key != "record");
            fields.extend(keys.map(|key| format!("{record}.{key}")));
        }
    }
    let documented: Fields = rows("`--export jsonl`")
        .iter()
        .map(|row| format!("{}.{}", quoted(&row[0])[0], quoted(&row[1])[0]))
        .collect();
    assert_eq!(differences(&fields, &documented), Vec::<String>::new());
    assert!(fields.len() > 20, "the fields were not found");
}

#[test]
fn the_document_lists_the_checks_in_their_order() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify.md")).unwrap();
    let report = check(&good().world.history);
    let listed: String = report
        .outcomes
        .iter()
        .map(|outcome| format!("| {} | {} |\n", outcome.promise, outcome.check))
        .collect();
    assert!(text.contains(&listed), "docs/verify.md should list\n{listed}");
}
