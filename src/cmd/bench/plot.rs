//! An SVG of what `--json` printed: how each cost grows with the data, a line for each figure. The first size is 1, so that
//! a cost which does not grow stays there.

use std::path::PathBuf;

use serde_json::Value;

use super::figures::{self, HOW};
use crate::cmd::failure::Failure;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 260.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// From one name of a line to the next.
const LINE: f64 = 18.0;
const COLOURS: [&str; 8] =
    ["#1b6ca8", "#c8553d", "#3a7d44", "#7b4b94", "#b58900", "#4a4e69", "#2aa198", "#d33682"];

/// One picture of all reports in these files.
pub(super) fn svg(files: &[PathBuf]) -> Result<String, Failure> {
    let reports = figures::read(files)?;
    draw(&reports).ok_or_else(|| Failure::new("there is nothing to plot in these files").next(HOW))
}

fn draw(reports: &[Value]) -> Option<String> {
    let axis = figures::axis(reports)?;
    let lines = figures::lines(reports, axis);
    let lines = lines.iter().map(|line| (line.figure.name, line.growth()));
    let lines: Vec<_> = lines.filter(|(_, points)| points.len() > 1).collect();
    let points = || lines.iter().flat_map(|(_, points)| points);
    points().next()?;
    let high = points().map(|(_, y)| *y).fold(1.5, f64::max) * 1.1;
    // Sizes differ by factors of ten, so the axis is of their orders; 0 stands where 1 does.
    let order = |x: f64| x.max(1.0).log10();
    let (low, top) =
        points().fold((f64::MAX, f64::MIN), |(low, top), (x, _)| (low.min(order(*x)), top.max(order(*x))));
    let place = |(x, y): (f64, f64)| {
        let across = if top > low { (order(x) - low) / (top - low) } else { 0.5 };
        let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        (LEFT + across * width, HEIGHT - BOTTOM - y / high * height)
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
    svg += &text(LEFT, TOP - 14.0, "start", "cost, as a multiple of that at the first size");
    svg += &text(right, HEIGHT - 12.0, "end", axis.name);
    for fifth in 0..=5 {
        let y = high * f64::from(fifth) / 5.0;
        svg += &text(LEFT - 8.0, place((0.0, y)).1 + 4.0, "end", &format!("{y:.1}"));
    }
    let mut marks: Vec<f64> = points().map(|(x, _)| *x).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    for x in marks {
        svg += &text(place((x, 0.0)).0, bottom + 18.0, "middle", &figures::whole(x, 0));
    }
    let flat = place((1.0, 1.0)).1;
    svg += &format!("<path d=\"M{LEFT} {flat:.1}H{right}\" stroke=\"#ccc\" stroke-dasharray=\"4\"/>\n");
    let names = (0..).map(|number| TOP + LINE * f64::from(number));
    for (((name, line), colour), level) in lines.iter().zip(COLOURS.iter().cycle()).zip(names) {
        let at: Vec<(f64, f64)> = line.iter().copied().map(place).collect();
        let path: Vec<String> = at.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        svg += &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
            path.join(" ")
        );
        for (x, y) in &at {
            svg += &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\n");
        }
        svg += &format!(
            "<rect x=\"{}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\n",
            right + 30.0,
            level - 9.0
        );
        svg += &text(right + 46.0, level, "start", name);
    }
    Some(svg + "</svg>")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(workload: &str, events: u64, figure: u64) -> Value {
        json!({"workload": workload, "events": events, "clients": 1, "inflight": 1,
               "summary": {"tercet": {"p50_us": figure, "rate": figure}}})
    }

    #[test]
    fn each_figure_is_a_line_over_what_varies() {
        let reports = [report("W1", 0, 900), report("W1", 100_000, 1_100), report("W2", 0, 8_000)];
        let svg = draw(&reports).unwrap();
        assert_eq!(
            svg.matches("<polyline").count(),
            1,
            "what is known of one size alone does not grow: {svg}"
        );
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains("events in the store") && svg.contains("100,000") && svg.contains("W1 p50"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn what_is_no_report_gives_no_picture() {
        assert!(draw(&[]).is_none());
        assert!(draw(&[json!({"workload": "W1"})]).is_none());
        assert!(draw(&[report("W1", 0, 900), report("W1", 0, 900)]).is_none());
    }
}
