//! What tables and pictures tell of the lines that `--json` printed: which figures there are, and over what they grow.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::cmd::failure::Failure;

/// How such files are made.
pub(super) const HOW: &str = "tercet bench --json > FILE";

/// What stands along the axis: a name, and where a report has the value.
pub(super) struct Axis {
    pub(super) name: &'static str,
    pub(super) of: fn(&Value) -> Option<f64>,
}

/// The first of these that is not the same in all reports is what they grow over.
const AXES: [Axis; 6] = [
    Axis { name: "events in the store", of: |report| report["events"].as_f64() },
    Axis {
        name: "members of the room",
        of: |report| report["connections"].as_f64().filter(|_| report["room"] == true),
    },
    Axis { name: "connected devices", of: |report| report["connections"].as_f64() },
    Axis { name: "conversations", of: |report| report["conversations"].as_f64() },
    Axis { name: "senders", of: |report| report["clients"].as_f64() },
    Axis { name: "messages outstanding for each sender", of: |report| report["inflight"].as_f64() },
];

/// What of a figure is to stay as it is while the data grows.
#[derive(Clone, Copy)]
pub(super) enum Cost {
    /// The figure.
    Itself,
    /// The time that one of them takes, of so many in a second.
    OneOf,
    /// The figure for each event in the store.
    PerEvent,
    /// Nothing: it is there for the table.
    None,
}

/// One column of a table, one line of a picture.
pub(super) struct Figure {
    pub(super) name: &'static str,
    of: fn(&Value) -> Option<f64>,
    pub(super) cost: Cost,
    pub(super) digits: usize,
}

const FIGURES: [Figure; 15] = [
    Figure { name: "W1 p50, ms", of: |report| p50_ms(report, "W1"), cost: Cost::Itself, digits: 2 },
    Figure { name: "W1 servers' cpu, ms", of: |report| cpu_ms(report, "W1"), cost: Cost::Itself, digits: 0 },
    Figure { name: "W2, messages/s", of: |report| rate(report, "W2"), cost: Cost::OneOf, digits: 0 },
    Figure { name: "W2 servers' cpu, ms", of: |report| cpu_ms(report, "W2"), cost: Cost::Itself, digits: 0 },
    Figure { name: "W3, messages/s", of: |report| rate(report, "W3"), cost: Cost::OneOf, digits: 0 },
    Figure { name: "W4 p50, ms", of: |report| p50_ms(report, "W4"), cost: Cost::Itself, digits: 2 },
    Figure {
        name: "deliveries/s",
        of: |report| Some(deliveries(report)? / report["summary"]["tercet"]["seconds"].as_f64()?),
        cost: Cost::None,
        digits: 0,
    },
    Figure {
        name: "servers' cpu for 1,000 deliveries, ms",
        of: |report| Some(1_000.0 * servers_ms(report)? / deliveries(report)?),
        cost: Cost::Itself,
        digits: 1,
    },
    Figure {
        name: "a connection, KiB",
        of: |report| Some(report["bytes_per_connection"].as_f64()? / 1_024.0),
        cost: Cost::Itself,
        digits: 0,
    },
    Figure {
        name: "ready, ms",
        of: |report| Some(report["startup"]["ready_us"].as_f64()? / 1_000.0),
        cost: Cost::Itself,
        digits: 1,
    },
    Figure {
        name: "memory then, MiB",
        of: |report| mib(&report["startup"]["ready_bytes"]),
        cost: Cost::None,
        digits: 0,
    },
    Figure {
        name: "history page, us",
        of: |report| Some(report["startup"]["history_ns"].as_f64()? / 1_000.0),
        cost: Cost::Itself,
        digits: 1,
    },
    Figure {
        name: "catch-up, events/s",
        of: |report| report["startup"]["catch_up_rate"].as_f64(),
        cost: Cost::OneOf,
        digits: 0,
    },
    Figure {
        name: "verify, s",
        of: |report| report["startup"]["verify_seconds"].as_f64(),
        cost: Cost::PerEvent,
        digits: 2,
    },
    Figure {
        name: "its memory, MiB",
        of: |report| mib(&report["startup"]["verify_peak_bytes"]),
        cost: Cost::None,
        digits: 0,
    },
];

fn tercet<'a>(report: &'a Value, workload: &str) -> Option<&'a Value> {
    (report["workload"] == workload).then_some(&report["summary"]["tercet"])
}

fn p50_ms(report: &Value, workload: &str) -> Option<f64> {
    Some(tercet(report, workload)?["p50_us"].as_f64()? / 1_000.0)
}

fn rate(report: &Value, workload: &str) -> Option<f64> {
    tercet(report, workload)?["rate"].as_f64()
}

fn cpu_ms(report: &Value, workload: &str) -> Option<f64> {
    tercet(report, workload)?["servers_cpu_ms"].as_f64()
}

/// Deliveries of a round to members of a room.
fn deliveries(report: &Value) -> Option<f64> {
    report["summary"]["tercet"]["deliveries"].as_f64().filter(|deliveries| *deliveries > 0.0)
}

/// Milliseconds of processor that the servers took in a round.
fn servers_ms(report: &Value) -> Option<f64> {
    let round = &report["summary"]["tercet"];
    let messages = round["deliveries"].as_f64()? / report["connections"].as_f64()?;
    Some(round["servers_cpu_ms"].as_f64()? * messages / 1_000.0)
}

fn mib(bytes: &Value) -> Option<f64> {
    Some(bytes.as_f64()? / f64::from(1 << 20))
}

/// One figure over what grows, in order; of several at one place the last counts.
pub(super) struct Line {
    pub(super) figure: &'static Figure,
    pub(super) points: Vec<(f64, f64)>,
}

impl Line {
    /// How the cost compares with that at the first place; none if that is not told.
    pub(super) fn growth(&self) -> Vec<(f64, f64)> {
        let cost = |(x, y): (f64, f64)| match self.figure.cost {
            Cost::Itself => Some((x, y)),
            Cost::OneOf => Some((x, 1.0 / y)),
            Cost::PerEvent => Some((x, y / x)),
            Cost::None => None,
        };
        let costs: Vec<_> = self.points.iter().copied().filter_map(cost).collect();
        let first = costs.first().map_or(1.0, |(_, y)| *y);
        let grown = costs.into_iter().map(|(x, y)| (x, y / first));
        grown.filter(|(_, y)| y.is_finite()).collect()
    }

    /// The figure at a place, as it is told.
    pub(super) fn at(&self, x: f64) -> Option<String> {
        let (_, y) = self.points.iter().find(|(place, _)| *place == x)?;
        Some(whole(*y, self.figure.digits))
    }
}

/// A number with so many digits after its point, and with commas between thousands.
pub(super) fn whole(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut told = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            told.push(',');
        }
        told.push(digit);
    }
    told + rest
}

/// What these reports grow over: what differs among those of one workload. `None` if nothing does.
pub(super) fn axis(reports: &[Value]) -> Option<&'static Axis> {
    let differ = |axis: &&Axis, one: &Value| {
        let here = (axis.of)(one);
        let others = reports.iter().filter(|other| other["workload"] == one["workload"]);
        here.is_some() && others.filter_map(axis.of).any(|value| Some(value) != here)
    };
    AXES.iter().find(|axis| reports.iter().any(|report| differ(axis, report)))
}

/// Every figure that these reports have over an axis.
pub(super) fn lines(reports: &[Value], axis: &Axis) -> Vec<Line> {
    let line = |figure: &'static Figure| {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for report in reports {
            if let (Some(x), Some(y)) = ((axis.of)(report), (figure.of)(report)) {
                points.retain(|(place, _)| *place != x);
                points.push((x, y));
            }
        }
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        Line { figure, points }
    };
    FIGURES.iter().map(line).filter(|line| !line.points.is_empty()).collect()
}

/// All reports in these files.
pub(super) fn read(files: &[PathBuf]) -> Result<Vec<Value>, Failure> {
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
    Ok(reports)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cost_that_stays_as_it_is_does_not_grow() {
        let report = |events: u64, rate: f64, verify: f64| {
            [
                json!({"workload": "W2", "events": events, "summary": {"tercet": {"rate": rate}}}),
                json!({"workload": "W6", "events": events, "startup": {"verify_seconds": verify}}),
            ]
        };
        let reports = [report(1_000, 500.0, 0.1), report(10_000, 250.0, 1.0)].concat();
        let lines = lines(&reports, axis(&reports).unwrap());
        let grown: Vec<_> = lines.iter().map(|line| (line.figure.name, line.growth())).collect();
        assert_eq!(
            grown,
            [
                ("W2, messages/s", vec![(1_000.0, 1.0), (10_000.0, 2.0)]),
                ("verify, s", vec![(1_000.0, 1.0), (10_000.0, 1.0)]),
            ]
        );
    }

    #[test]
    fn deliveries_are_told_of_a_room_alone() {
        let report = |members: u64| {
            let round = json!({"servers_cpu_ms": 50.0, "deliveries": 20 * members, "seconds": 2.0});
            json!({"workload": "W1", "room": true, "connections": members, "summary": {"tercet": round}})
        };
        let reports = [report(10), report(100)];
        let lines = lines(&reports, axis(&reports).unwrap());
        let told = |name: &str| {
            lines.iter().find(|line| line.figure.name.starts_with(name)).map(|line| line.points.clone())
        };
        assert_eq!(told("deliveries/s"), Some(vec![(10.0, 100.0), (100.0, 1_000.0)]));
        assert_eq!(told("servers' cpu for 1,000"), Some(vec![(10.0, 5.0), (100.0, 0.5)]));
        assert_eq!(told("ready"), None);
    }

    #[test]
    fn thousands_have_commas() {
        for (value, digits, told) in [(0.0, 0, "0"), (999.5, 1, "999.5"), (1_000.0, 0, "1,000")] {
            assert_eq!(whole(value, digits), told);
        }
        assert_eq!(whole(1_234_567.891, 2), "1,234,567.89");
    }
}
