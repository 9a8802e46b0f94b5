//! How far readers of logs are, all of them together, for whoever draws it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A reader tells of so many entries at once, so that counting costs nothing.
const BATCH: u64 = 1024;

/// Entries of logs and events of stores. It is shared by whoever holds a clone of it.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    read: AtomicU64,
    expected: AtomicU64,
}

impl Progress {
    /// So many more are there to be read, as far as somebody can say.
    pub fn expect(&self, entries: u64) {
        self.0.expected.fetch_add(entries, Relaxed);
    }

    /// How many were read, and how many there are, which is never less.
    pub fn get(&self) -> (u64, u64) {
        let read = self.0.read.load(Relaxed);
        (read, self.0.expected.load(Relaxed).max(read))
    }

    /// What one reader has read.
    pub(crate) fn share(&self) -> Share {
        Share { of: self.clone(), untold: 0 }
    }
}

/// One reader's part in it.
#[derive(Debug)]
pub(crate) struct Share {
    of: Progress,
    untold: u64,
}

impl Share {
    /// One entry more.
    pub(crate) fn add(&mut self) {
        self.untold += 1;
        if self.untold == BATCH {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.of.0.read.fetch_add(std::mem::take(&mut self.untold), Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_tell_of_batches_and_at_their_end_of_the_rest() {
        let progress = Progress::default();
        progress.expect(2 * BATCH);
        let (mut one, mut other) = (progress.share(), progress.share());
        (1..BATCH).for_each(|_| one.add());
        assert_eq!(progress.get(), (0, 2 * BATCH));
        one.add();
        other.add();
        assert_eq!(progress.get(), (BATCH, 2 * BATCH));
        drop(other);
        assert_eq!(progress.get(), (BATCH + 1, 2 * BATCH));
        (0..BATCH).for_each(|_| one.add());
        assert_eq!(progress.get(), (2 * BATCH + 1, 2 * BATCH + 1), "there was more than anybody could say");
    }
}
