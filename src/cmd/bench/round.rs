//! One round's samples, and the figures that they come to.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Side {
    /// The program.
    Tercet,
    /// What it is compared with: see [`super::floor`].
    Floor,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tercet => "tercet",
            Self::Floor => "floor",
        })
    }
}

/// One message: when it was sent, and when it was where it was to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) sent: Instant,
    pub(super) done: Instant,
}

/// What one round came to. Times are in microseconds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Round {
    pub(super) side: Side,
    /// Messages that were acked (W4: that arrived) within the round.
    pub(super) messages: u64,
    /// Seconds that the round took.
    pub(super) seconds: f64,
    /// Messages per second.
    pub(super) rate: f64,
    pub(super) p50_us: u64,
    pub(super) p90_us: u64,
    pub(super) p99_us: u64,
    pub(super) max_us: u64,
    /// Longest time in which no ack came.
    pub(super) longest_gap_us: u64,
    /// W4: from sending until the message is on the reader's own disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) synced_p50_us: Option<u64>,
    /// With a room: whole events that came to its members, each counted for each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deliveries: Option<u64>,
    /// Milliseconds of processor that all servers took for 1,000 messages.
    pub(super) servers_cpu_ms: Option<f64>,
    /// Milliseconds of processor that the load took for 1,000 messages.
    pub(super) load_cpu_ms: f64,
    /// Batches that all servers synced.
    pub(super) syncs: Option<u64>,
}

/// What a round has used up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    /// By all servers, if they run on this machine.
    pub(super) servers_cpu: Option<Duration>,
    /// By this process.
    pub(super) load_cpu: Duration,
    pub(super) syncs: Option<u64>,
}

impl Round {
    /// The figures of these samples. Of a message that was acked after the round had ended only the latency
    /// counts, not the message.
    pub(super) fn of(side: Side, samples: &[Sample], start: Instant, time: Duration, used: Used) -> Self {
        let end = start + time;
        let mut latencies: Vec<u64> = samples.iter().map(|sample| us(sample.done - sample.sent)).collect();
        latencies.sort_unstable();
        let mut acks: Vec<Instant> =
            samples.iter().map(|sample| sample.done).filter(|done| *done <= end).collect();
        acks.sort_unstable();
        let messages = acks.len() as u64;
        let edges: Vec<Instant> = [start].into_iter().chain(acks).chain([end]).collect();
        let gaps = edges.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0]));
        let longest = gaps.max().unwrap_or(time);
        let per_1000 = |cpu: Duration| cpu.as_secs_f64() * 1_000_000.0 / samples.len().max(1) as f64;
        Self {
            side,
            messages,
            seconds: time.as_secs_f64(),
            rate: messages as f64 / time.as_secs_f64(),
            p50_us: percentile(&latencies, 50),
            p90_us: percentile(&latencies, 90),
            p99_us: percentile(&latencies, 99),
            max_us: latencies.last().copied().unwrap_or(0),
            longest_gap_us: us(longest),
            synced_p50_us: None,
            deliveries: None,
            servers_cpu_ms: used.servers_cpu.map(per_1000),
            load_cpu_ms: per_1000(used.load_cpu),
            syncs: used.syncs,
        }
    }

    /// The median of each figure over the rounds of one side; `None` if there are none.
    pub(super) fn median(side: Side, rounds: &[Self]) -> Option<Self> {
        let rounds: Vec<&Self> = rounds.iter().filter(|round| round.side == side).collect();
        let first = rounds.first()?;
        let whole = |of: &dyn Fn(&Self) -> u64| {
            let mut values: Vec<u64> = rounds.iter().map(|round| of(round)).collect();
            values.sort_unstable();
            let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
            low.midpoint(high)
        };
        let real = |of: &dyn Fn(&Self) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(|round| of(round)).collect();
            values.sort_unstable_by(f64::total_cmp);
            f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
        };
        Some(Self {
            side,
            messages: whole(&|round| round.messages),
            seconds: first.seconds,
            rate: real(&|round| round.rate),
            p50_us: whole(&|round| round.p50_us),
            p90_us: whole(&|round| round.p90_us),
            p99_us: whole(&|round| round.p99_us),
            max_us: whole(&|round| round.max_us),
            longest_gap_us: whole(&|round| round.longest_gap_us),
            synced_p50_us: first.synced_p50_us.map(|_| whole(&|round| round.synced_p50_us.unwrap_or(0))),
            deliveries: first.deliveries.map(|_| whole(&|round| round.deliveries.unwrap_or(0))),
            servers_cpu_ms: first.servers_cpu_ms.map(|_| real(&|round| round.servers_cpu_ms.unwrap_or(0.0))),
            load_cpu_ms: real(&|round| round.load_cpu_ms),
            syncs: first.syncs.map(|_| whole(&|round| round.syncs.unwrap_or(0))),
        })
    }
}

/// Of sorted values, the least that so many percent do not exceed.
pub(super) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let place = (sorted.len() * percent).div_ceil(100);
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(0)
}

pub(super) fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Used = Used { servers_cpu: None, load_cpu: Duration::from_millis(3), syncs: Some(2) };

    fn round(side: Side, done_ms: &[u64]) -> Round {
        let start = Instant::now();
        let sample = |ms: &u64| Sample { sent: start, done: start + Duration::from_millis(*ms) };
        let samples: Vec<_> = done_ms.iter().map(sample).collect();
        Round::of(side, &samples, start, Duration::from_millis(100), NOTHING)
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred: Vec<u64> = (1..=100).collect();
        for (percent, value) in [(50, 50), (90, 90), (99, 99), (100, 100), (0, 1)] {
            assert_eq!(percentile(&hundred, percent), value);
        }
        assert_eq!((percentile(&[7], 50), percentile(&[7], 99), percentile(&[], 50)), (7, 7, 0));
    }

    #[test]
    fn the_longest_gap_counts_from_the_start_and_to_the_end() {
        for (done, gap_ms) in [(&[10, 20, 60][..], 40), (&[50, 60, 90], 50), (&[10, 20], 80), (&[], 100)] {
            assert_eq!(round(Side::Tercet, done).longest_gap_us, gap_ms * 1_000, "{done:?}");
        }
    }

    #[test]
    fn what_is_acked_after_the_end_is_a_latency_and_no_message() {
        let round = round(Side::Tercet, &[10, 20, 130]);
        assert_eq!((round.messages, round.max_us, round.rate), (2, 130_000, 20.0));
        assert_eq!(round.load_cpu_ms, 1_000.0);
    }

    #[test]
    fn medians_are_of_one_side() {
        let rounds = [
            round(Side::Tercet, &[10]),
            round(Side::Floor, &[1]),
            round(Side::Tercet, &[30]),
            round(Side::Floor, &[3]),
            round(Side::Tercet, &[90]),
        ];
        assert_eq!(Round::median(Side::Tercet, &rounds).unwrap().p50_us, 30_000);
        assert_eq!(Round::median(Side::Floor, &rounds).unwrap().p50_us, 2_000);
        assert!(Round::median(Side::Floor, &rounds[..1]).is_none());
    }
}
