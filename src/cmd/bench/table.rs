//! A Markdown table of what `--json` printed: a row for each size, or for each workload if nothing grows.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::figures::{self, Axis, HOW, whole};
use crate::cmd::failure::Failure;

/// One table of all reports in these files, with a line on where they are from.
pub(super) fn markdown(files: &[PathBuf]) -> Result<String, Failure> {
    let reports = figures::read(files)?;
    let rows = figures::axis(&reports).map_or_else(|| workloads(&reports), |axis| grown(&reports, axis));
    if rows.len() < 2 {
        return Err(Failure::new("there is nothing to tell of in these files").next(HOW));
    }
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = vec!["---".to_owned(); rows[0].len()];
    let table: String = [&rows[0], &rule].into_iter().chain(&rows[1..]).map(|cells| line(cells)).collect();
    Ok(format!("{table}\n{}", origin(&reports)))
}

/// A column for each figure, a row for each size.
fn grown(reports: &[Value], axis: &Axis) -> Vec<Vec<String>> {
    let lines = figures::lines(reports, axis);
    let mut sizes: Vec<f64> =
        lines.iter().flat_map(|line| line.points.iter().map(|(size, _)| *size)).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let names = lines.iter().map(|line| line.figure.name.to_owned());
    let head = [axis.name.to_owned()].into_iter().chain(names).collect();
    let row = |size: f64| {
        let told = lines.iter().map(|line| line.at(size).unwrap_or_else(|| "-".to_owned()));
        [whole(size, 0)].into_iter().chain(told).collect()
    };
    [head].into_iter().chain(sizes.into_iter().map(row)).collect()
}

const WORKLOADS: [&str; 7] = [
    "",
    "floor",
    "tercet",
    "tercet / floor",
    "servers' cpu, ms",
    "load's cpu, ms",
    "a server's memory then, MiB",
];

/// Each workload beside the floor: what it is about of both, and what that costs.
fn workloads(reports: &[Value]) -> Vec<Vec<String>> {
    let row = |report: &Value| {
        let (workload, summary) = (report["workload"].as_str()?, &report["summary"]);
        let (field, divisor, digits, unit) = match workload {
            "W2" | "W3" => ("rate", 1.0, 0, "/s"),
            "W5" => ("longest_gap_us", 1_000.0, 0, " ms without an ack"),
            _ => ("p50_us", 1_000.0, 2, " ms"),
        };
        let of = |side: &str| Some(summary[side][field].as_f64()? / divisor);
        let told = |side: &str| of(side).map_or("-".to_owned(), |value| whole(value, digits) + unit);
        let ratio = of("tercet").zip(of("floor")).map_or("-".to_owned(), |(tercet, floor)| {
            format!("{:.*}", if tercet < floor { 3 } else { 1 }, tercet / floor)
        });
        let cpu = |field: &str| summary["tercet"][field].as_f64().map_or("-".to_owned(), |ms| whole(ms, 0));
        let resident = |memory: &Value| memory["resident_bytes"].as_u64();
        let memory = report["memory"].as_array().and_then(|all| all.iter().filter_map(resident).max());
        let memory = memory.map_or("-".to_owned(), |bytes| (bytes >> 20).to_string());
        let cells = [told("floor"), told("tercet"), ratio, cpu("servers_cpu_ms"), cpu("load_cpu_ms"), memory];
        summary["tercet"].is_object().then(|| [workload.to_owned()].into_iter().chain(cells).collect())
    };
    let head = WORKLOADS.map(str::to_owned).to_vec();
    [head].into_iter().chain(reports.iter().filter_map(row)).collect()
}

/// Which program on which machine.
fn origin(reports: &[Value]) -> String {
    let all = |told: &dyn Fn(&Value) -> String| {
        let all: BTreeSet<_> = reports.iter().map(told).collect();
        all.into_iter().collect::<Vec<_>>().join(", ")
    };
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let loads = reports.iter().filter_map(|report| report["machine"]["load"].as_str()?.parse().ok());
    let (least, most) =
        loads.fold((f64::MAX, 0.0_f64), |(least, most), load: f64| (least.min(load), most.max(load)));
    format!(
        "tercet {}, {} cores ({}), Linux {}; {} s for each round; load before each from {:.1} to {most:.1}.",
        all(&|report| word(&report["version"])),
        all(&|report| report["machine"]["cores"].to_string()),
        all(&|report| word(&report["machine"]["processor"])),
        all(&|report| word(&report["machine"]["kernel"])),
        rounds(reports),
        least.min(most),
    )
}

/// How many seconds the rounds took.
fn rounds(reports: &[Value]) -> String {
    let seconds = reports.iter().filter_map(|report| report["summary"]["tercet"]["seconds"].as_f64());
    let all: BTreeSet<_> = seconds.map(|seconds| seconds.to_string()).collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn w1(events: u64, p50_us: u64) -> Value {
        json!({"workload": "W1", "events": events, "summary": {"tercet": {"p50_us": p50_us}}})
    }

    #[test]
    fn each_size_is_a_row_and_what_was_not_measured_is_a_dash() {
        let caught_up = json!({"workload": "W6", "events": 10_000, "startup": {"catch_up_rate": 8_000.4}});
        let reports = [w1(10_000, 900), w1(1_000, 800), caught_up];
        let rows = grown(&reports, figures::axis(&reports).unwrap());
        assert_eq!(rows[0], ["events in the store", "W1 p50, ms", "catch-up, events/s"]);
        assert_eq!(rows[1..], [["1,000", "0.80", "-"], ["10,000", "0.90", "8,000"]]);
    }

    #[test]
    fn workloads_stand_beside_the_floor() {
        let side = |rate: f64| json!({"rate": rate, "servers_cpu_ms": 300.2, "load_cpu_ms": 200.0});
        let memory = [json!({"resident_bytes": 5 << 20}), json!({"resident_bytes": 7 << 20})];
        let summary = json!({"tercet": side(3_000.0), "floor": side(40_000.0)});
        let rows = workloads(&[json!({"workload": "W2", "summary": summary, "memory": memory})]);
        assert_eq!(rows[1], ["W2", "40,000/s", "3,000/s", "0.075", "300", "200", "7"]);
        assert_eq!(workloads(&[json!({"workload": "W6", "summary": {"tercet": null}})]).len(), 1);
    }
}
