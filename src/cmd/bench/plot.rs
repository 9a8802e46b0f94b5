//! An SVG of what `--json` printed: how one figure changes as the data grows, a line per workload.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::cmd::failure::Failure;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 6] = ["#1b6ca8", "#c8553d", "#3a7d44", "#7b4b94", "#b58900", "#4a4e69"];

/// How such files are made.
const HOW: &str = "tercet bench --json > FILE";

/// What stands along the axes: a name, and where a report has the value.
struct Axis {
    name: &'static str,
    of: fn(&Value) -> Option<f64>,
}

const ACROSS: [Axis; 3] = [
    Axis { name: "events in the store", of: |report| report["events"].as_f64() },
    Axis { name: "senders", of: |report| report["clients"].as_f64() },
    Axis { name: "messages outstanding for each sender", of: |report| report["inflight"].as_f64() },
];

const UP: [Axis; 2] = [
    Axis {
        name: "ms until acked (p50)",
        of: |report| Some(report["summary"]["tercet"]["p50_us"].as_f64()? / 1_000.0),
    },
    Axis { name: "ms until ready", of: |report| Some(report["startup"]["ready_us"].as_f64()? / 1_000.0) },
];

/// One picture of all reports in these files.
pub(super) fn svg(files: &[PathBuf]) -> Result<String, Failure> {
    let mut reports = Vec::new();
    for path in files {
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::io(format!("read {}", path.display()), &error).next(HOW))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let report: Value = serde_json::from_str(line).map_err(|error| {
                Failure::new(format!("{} is not what tercet bench --json prints: {error}", path.display()))
                    .next(HOW)
            })?;
            reports.push(report);
        }
    }
    draw(&reports).ok_or_else(|| Failure::new("there is nothing to plot in these files").next(HOW))
}

fn draw(reports: &[Value]) -> Option<String> {
    let varies = |axis: &&Axis| {
        let values: Vec<f64> = reports.iter().filter_map(axis.of).collect();
        values.iter().any(|value| *value != values[0])
    };
    let across = ACROSS.iter().find(varies).unwrap_or(&ACROSS[0]);
    let up = UP.iter().find(|axis| reports.iter().any(|report| (axis.of)(report).is_some()))?;
    let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for report in reports {
        if let (Some(x), Some(y)) = ((across.of)(report), (up.of)(report)) {
            let name = report["workload"].as_str().unwrap_or("?").to_owned();
            lines.entry(name).or_default().push((x, y));
        }
    }
    let points = || lines.values().flatten();
    let high = points().map(|(_, y)| *y).fold(0.0, f64::max) * 1.1;
    // Sizes differ by factors of ten, so the axis is of their orders; 0 stands where 1 does.
    let order = |x: f64| x.max(1.0).log10();
    let (low, top) =
        points().fold((f64::MAX, f64::MIN), |(low, top), (x, _)| (low.min(order(*x)), top.max(order(*x))));
    let place = |(x, y): (f64, f64)| {
        let across = if top > low { (order(x) - low) / (top - low) } else { 0.5 };
        let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        (LEFT + across * width, HEIGHT - BOTTOM - y / high.max(f64::MIN_POSITIVE) * height)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let text = |x: f64, y: f64, anchor: &str, what: &str| {
        format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{what}</text>\n")
    };
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    svg += &format!("<path d=\"M{LEFT} {TOP}V{bottom}H{right}\" fill=\"none\" stroke=\"#888\"/>\n");
    svg += &text(LEFT, TOP - 14.0, "start", up.name);
    svg += &text(right, HEIGHT - 12.0, "end", across.name);
    for fifth in 0..=5 {
        let y = high * f64::from(fifth) / 5.0;
        svg += &text(LEFT - 8.0, place((0.0, y)).1 + 4.0, "end", &format!("{y:.2}"));
    }
    let mut marks: Vec<f64> = points().map(|(x, _)| *x).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    for x in marks {
        svg += &text(place((x, 0.0)).0, bottom + 18.0, "middle", &format!("{x}"));
    }
    for ((name, mut line), colour) in lines.into_iter().zip(COLOURS.iter().cycle()) {
        line.sort_by(|one, other| one.0.total_cmp(&other.0));
        let at: Vec<(f64, f64)> = line.into_iter().map(place).collect();
        let path: Vec<String> = at.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        svg += &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
            path.join(" ")
        );
        for (x, y) in &at {
            svg += &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\n");
        }
        if let Some((x, y)) = at.last() {
            svg += &text(x + 10.0, y + 4.0, "start", &name);
        }
    }
    Some(svg + "</svg>")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(workload: &str, events: u64, p50_us: u64) -> Value {
        json!({"workload": workload, "events": events, "clients": 1, "inflight": 1,
               "summary": {"tercet": {"p50_us": p50_us}}})
    }

    #[test]
    fn each_workload_is_a_line_over_what_varies() {
        let reports = [report("W1", 0, 900), report("W1", 100_000, 1_100), report("W2", 0, 8_000)];
        let svg = draw(&reports).unwrap();
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("events in the store") && svg.contains("100000"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn what_is_no_report_gives_no_picture() {
        assert!(draw(&[]).is_none());
        assert!(draw(&[json!({"workload": "W1"})]).is_none());
    }
}
