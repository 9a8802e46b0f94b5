//! How far a device has read one server's log: at least once from each server, until the cursor moves.
//!
//! A server's `Feed` frames arrive in log order. Each says which events are new between two positions; the
//! cursor may pass the second once the device holds them all, wherever their bodies came from, and was told of
//! all before the first. So a feed and an announcing server are read alike.

use std::collections::{BTreeSet, VecDeque};

use crate::id::{EventId, Position};

/// One server's log as this device reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Delivery {
    cursor: Position,
    open: VecDeque<(Position, BTreeSet<EventId>)>,
}

impl Delivery {
    /// Reading goes on after this position.
    pub fn resume(cursor: Position) -> Self {
        Self { cursor, open: VecDeque::new() }
    }

    /// The device holds all that is its own up to here.
    pub fn cursor(&self) -> Position {
        self.cursor
    }

    /// The connection is gone; what it left open will be told again.
    pub fn disconnect(&mut self) {
        self.open.clear();
    }

    /// Whether a frame that begins after this position leaves something out that the device has not been told of.
    pub fn leaves_out(&self, after: Position) -> bool {
        after > self.open.back().map_or(self.cursor, |(upto, _)| self.cursor.max(*upto))
    }

    /// Up to `upto`, the device lacks only these events.
    pub fn told(&mut self, upto: Position, lacking: BTreeSet<EventId>) {
        self.open.push_back((upto, lacking));
    }

    /// Whether the server told of this event on this connection and it was not held then.
    pub fn lacks(&self, id: &EventId) -> bool {
        self.open.iter().any(|(_, lacking)| lacking.contains(id))
    }

    /// These have come to be held, wherever they stand among what is open.
    pub fn hold(&mut self, fresh: &BTreeSet<EventId>) {
        self.open.iter_mut().for_each(|(_, lacking)| lacking.retain(|id| !fresh.contains(id)));
    }

    /// Moves the cursor past everything that is held by now; returns it if it moved.
    pub fn settle(&mut self, mut is_held: impl FnMut(&EventId) -> bool) -> Option<Position> {
        let before = self.cursor;
        while let Some((upto, lacking)) = self.open.front_mut() {
            lacking.retain(|id| !is_held(id));
            if !lacking.is_empty() {
                break;
            }
            self.cursor = self.cursor.max(*upto);
            self.open.pop_front();
        }
        (self.cursor > before).then_some(self.cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ns: &[u8]) -> BTreeSet<EventId> {
        ns.iter().map(|n| EventId::new([*n; 32])).collect()
    }

    #[test]
    fn the_cursor_passes_nothing_that_is_lacking() {
        let mut delivery = Delivery::resume(3);
        delivery.told(5, ids(&[1]));
        delivery.told(9, ids(&[]));
        assert_eq!(delivery.settle(|_| false), None);
        assert_eq!(delivery.cursor(), 3);
        assert_eq!(delivery.settle(|id| ids(&[1]).contains(id)), Some(9));
    }

    #[test]
    fn what_is_held_before_its_turn_is_not_waited_for_later() {
        let mut delivery = Delivery::default();
        delivery.told(1, ids(&[1]));
        delivery.told(2, ids(&[2]));
        delivery.hold(&ids(&[2]));
        assert_eq!(delivery.settle(|_| false), None);
        delivery.hold(&ids(&[1]));
        assert_eq!(delivery.settle(|_| false), Some(2));
    }

    #[test]
    fn a_frame_must_begin_where_the_device_has_been_told_of_everything() {
        let mut delivery = Delivery::resume(3);
        assert!(!delivery.leaves_out(0) && !delivery.leaves_out(3) && delivery.leaves_out(4));
        delivery.told(5, ids(&[1]));
        assert!(!delivery.leaves_out(5) && delivery.leaves_out(6));
        delivery.disconnect();
        assert!(delivery.leaves_out(5), "what was open is told again");
    }

    #[test]
    fn frames_of_an_earlier_follow_never_move_the_cursor_back() {
        let mut delivery = Delivery::resume(8);
        delivery.told(5, ids(&[]));
        assert_eq!(delivery.settle(|_| true), None);
        assert_eq!(delivery.cursor(), 8);
    }
}
