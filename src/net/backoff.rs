//! How long to wait before a server is dialled again.

use std::time::Duration;

use crate::limits::{REDIAL_MAX_MS, REDIAL_MIN_MS};

/// Waits that double from [`REDIAL_MIN_MS`] to [`REDIAL_MAX_MS`], each with jitter, so that the clients
/// that one crash cut off do not all come back in the same millisecond.
#[derive(Debug)]
pub(super) struct Backoff {
    next_ms: u64,
}

impl Backoff {
    /// Starts with the shortest wait.
    pub(super) fn new() -> Self {
        Self { next_ms: REDIAL_MIN_MS }
    }

    /// The next wait: between half of the current step and all of it.
    pub(super) fn step(&mut self) -> Duration {
        let wait = jittered(self.next_ms);
        self.next_ms = (self.next_ms * 2).min(REDIAL_MAX_MS);
        wait
    }

    /// Starts again with the shortest wait.
    pub(super) fn reset(&mut self) {
        self.next_ms = REDIAL_MIN_MS;
    }
}

/// Between half of this wait and all of it.
pub(super) fn jittered(wait_ms: u64) -> Duration {
    Duration::from_millis(fastrand::u64(wait_ms / 2..=wait_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_no_further_and_start_again_when_told() {
        let mut backoff = Backoff::new();
        let waits: Vec<u64> = (0..20).map(|_| u64::try_from(backoff.step().as_millis()).unwrap()).collect();
        assert!((REDIAL_MIN_MS / 2..=REDIAL_MIN_MS).contains(&waits[0]), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= REDIAL_MAX_MS), "{waits:?}");
        assert!(waits[10..].iter().all(|wait| *wait >= REDIAL_MAX_MS / 2), "{waits:?}");
        backoff.reset();
        assert!(backoff.step() <= Duration::from_millis(REDIAL_MIN_MS));
    }
}
