//! The hybrid logical clock: when an event is, and what comes after what.
//!
//! A [`Time`] is the author's wall clock in milliseconds, with a counter below it that keeps events apart
//! which share a millisecond or follow an event from a clock that runs ahead. It always exceeds the time
//! of everything its author had seen, so sorting by time is a topological order of causes.
//!
//! Source: Kulkarni et al., "Logical Physical Clocks", 2014, folded into one integer. The clock itself
//! never reads the time of day; the caller hands it in.

use std::fmt;

use serde::{Deserialize, Serialize};

const COUNTER_BITS: u32 = 16;

/// A hybrid logical time: Unix milliseconds in the upper 48 bits, a counter in the lower 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// The first instant of a millisecond; milliseconds past the year 10000 are cut to 48 bits.
    pub const fn from_millis(unix_ms: u64) -> Self {
        let most = u64::MAX >> COUNTER_BITS;
        Self(if unix_ms > most { most } else { unix_ms } << COUNTER_BITS)
    }

    /// Unix milliseconds.
    pub const fn millis(self) -> u64 {
        self.0 >> COUNTER_BITS
    }

    /// The bytes whose lexicographic order is the order of times.
    pub const fn to_be_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// The next instant. A full counter carries into the milliseconds.
    const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.millis(), self.0 & ((1 << COUNTER_BITS) - 1))
    }
}

/// One device's clock. Rebuilt after a restart by [`Clock::observe`] over everything in its log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Clock {
    last: Time,
}

impl Clock {
    /// Takes notice of an event's time: later ticks exceed it.
    pub fn observe(&mut self, time: Time) {
        self.last = self.last.max(time);
    }

    /// The time of a new event: not before `now_ms`, and after all that was observed or ticked.
    pub fn tick(&mut self, now_ms: u64) -> Time {
        self.last = Time::from_millis(now_ms).max(self.last.next());
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_grow_though_the_wall_clock_stands_or_jumps_back() {
        let mut clock = Clock::default();
        let mut last = clock.tick(1_000);
        for now_ms in [1_000, 1_000, 400, 0, 999, 1_001, 50] {
            let time = clock.tick(now_ms);
            assert!(time > last, "{time} is not after {last}");
            last = time;
        }
    }

    #[test]
    fn a_tick_exceeds_what_was_seen_from_a_clock_that_runs_ahead() {
        let mut clock = Clock::default();
        clock.observe(Time::from_millis(90_000));
        let time = clock.tick(1_000);
        assert!(time > Time::from_millis(90_000));
        assert_eq!(time.millis(), 90_000);
    }

    #[test]
    fn a_full_counter_carries_into_the_milliseconds() {
        let mut clock = Clock::default();
        clock.tick(7);
        for _ in 0..1 << COUNTER_BITS {
            clock.tick(7);
        }
        assert_eq!(clock.tick(7).millis(), 8);
    }

    #[test]
    fn byte_order_is_time_order() {
        let (early, late) = (Time::from_millis(255), Time::from_millis(256));
        assert!(early.to_be_bytes() < late.to_be_bytes());
    }
}
