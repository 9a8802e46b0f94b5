//! How one connection reads a server's log: its window, and its items cut into frames.
//!
//! A follower may have [`FEED_WINDOW`] events and [`FEED_FRAMES`] frames open beyond its cursor. Whoever has
//! more falls behind and is caught up from the log as its cursor moves, so nobody waits for a slow reader.

use std::collections::VecDeque;

use serde_bytes::ByteBuf;

use crate::event::Event;
use crate::frame::{Item, ToClient};
use crate::id::{AccountId, DeviceId, Position, RoomId};
use crate::limits::{FEED_FRAMES, FEED_WINDOW, FOLLOWER_STALL_MS, FRAME_EVENTS_BYTES, PEER_GATHER_MS};

/// One reader of the log.
#[derive(Debug, Clone, Hash)]
pub struct Follow {
    reader: Option<(AccountId, DeviceId)>,
    room: Option<RoomId>,
    bodies: bool,
    searched: Position,
    behind: bool,
    /// Frames sent beyond the cursor: up to where, and how many items.
    open: VecDeque<(Position, usize)>,
    open_items: usize,
    moved_ms: u64,
    /// When it was last told of an event.
    told_ms: u64,
}

impl Follow {
    /// A device, or a peer without one, that has read its home or a room up to `after` and wants whole events
    /// or their ids. It is behind until the log has been searched for it.
    pub fn new(
        now_ms: u64,
        reader: Option<(AccountId, DeviceId)>,
        room: Option<RoomId>,
        after: Position,
        bodies: bool,
    ) -> Self {
        let open = VecDeque::new();
        Self {
            reader,
            room,
            bodies,
            searched: after,
            behind: true,
            open,
            open_items: 0,
            moved_ms: now_ms,
            told_ms: 0,
        }
    }

    /// Whether whole events are sent.
    pub fn bodies(&self) -> bool {
        self.bodies
    }

    /// The log has been searched for this reader up to here.
    pub fn searched(&self) -> Position {
        self.searched
    }

    /// Whether the log holds more that was not searched, for want of room.
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// What is new has to wait for room.
    pub fn fall_behind(&mut self) {
        self.behind = true;
    }

    /// Whether more may be sent before the cursor moves.
    pub fn has_room(&self) -> bool {
        self.open_items < FEED_WINDOW && self.open.len() < FEED_FRAMES
    }

    /// Whether what is new can wait for more of its kind: a peer's can, for a moment. A wait that seems longer
    /// than any began before the clock was set back.
    pub fn gathers(&self, now_ms: u64) -> bool {
        self.reader.is_none() && (self.told_ms..self.told_ms + PEER_GATHER_MS).contains(&now_ms)
    }

    /// Whether deliveries are open and the cursor has not moved for too long.
    pub fn is_stalled(&self, now_ms: u64) -> bool {
        self.open_items > 0 && now_ms.saturating_sub(self.moved_ms) > FOLLOWER_STALL_MS
    }

    /// The reader holds everything up to here.
    pub fn cursor(&mut self, now_ms: u64, position: Position) {
        self.moved_ms = now_ms;
        while let Some((_, items)) = self.open.front().filter(|(upto, _)| *upto <= position) {
            self.open_items -= items;
            self.open.pop_front();
        }
    }

    /// An event as this reader is told of it. Its own come back to it as ids: it has them.
    pub fn item(&self, position: Position, event: &Event) -> Item {
        let whole = self.bodies && self.reader != Some((event.account(), event.device()));
        Item { position, id: event.id(), event: whole.then(|| ByteBuf::from(event.bytes())) }
    }

    /// These items as frames of bounded size. The last reaches up to `upto`, which is the end of the log if
    /// `caught_up`; the others up to their last item.
    pub fn frames(
        &mut self,
        now_ms: u64,
        items: Vec<Item>,
        upto: Position,
        caught_up: bool,
    ) -> Vec<ToClient> {
        self.behind = !caught_up;
        let mut chunks = cut(items);
        let last = chunks.pop().unwrap_or_default();
        let mut frames: Vec<_> = chunks
            .into_iter()
            .map(|items| {
                let reached = items.last().map_or(self.searched, |item| item.position);
                self.frame(now_ms, items, reached, false)
            })
            .collect();
        frames.push(self.frame(now_ms, last, upto, caught_up));
        frames
    }

    fn frame(&mut self, now_ms: u64, items: Vec<Item>, upto: Position, caught_up: bool) -> ToClient {
        if self.open.is_empty() {
            self.moved_ms = now_ms;
        }
        let after = std::mem::replace(&mut self.searched, upto);
        if !items.is_empty() {
            self.told_ms = now_ms;
        }
        self.open_items += items.len();
        self.open.push_back((upto, items.len()));
        ToClient::Feed { room: self.room, items, after, upto, caught_up }
    }
}

/// Cuts items into runs whose events fit a frame.
fn cut(items: Vec<Item>) -> Vec<Vec<Item>> {
    let mut chunks = vec![Vec::new()];
    let mut bytes = 0;
    for item in items {
        let more = item.event.as_ref().map_or(0, |event| event.len());
        if bytes + more > FRAME_EVENTS_BYTES {
            chunks.push(Vec::new());
            bytes = 0;
        }
        bytes += more;
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(item);
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::EventId;

    fn items(count: u64, event_bytes: usize) -> Vec<Item> {
        let item = |position| Item {
            position,
            id: EventId::new([0; 32]),
            event: Some(ByteBuf::from(vec![0; event_bytes])),
        };
        (1..=count).map(item).collect()
    }

    fn shape(frames: &[ToClient]) -> Vec<(usize, Position, bool)> {
        let shape = |frame: &ToClient| match frame {
            ToClient::Feed { items, upto, caught_up, .. } => (items.len(), *upto, *caught_up),
            other => panic!("{other:?} is no feed"),
        };
        frames.iter().map(shape).collect()
    }

    #[test]
    fn frames_are_cut_where_they_are_full_and_only_the_last_has_caught_up() {
        let mut follow =
            Follow::new(0, Some((AccountId::new([1; 32]), DeviceId::new([1; 16]))), None, 0, true);
        let frames = follow.frames(0, items(3, FRAME_EVENTS_BYTES / 2), 9, true);
        assert_eq!(shape(&frames), [(2, 2, false), (1, 9, true)]);
        assert!(!follow.is_behind());
    }

    #[test]
    fn a_reader_has_room_until_its_window_is_full_and_again_when_its_cursor_moves() {
        let mut follow =
            Follow::new(0, Some((AccountId::new([1; 32]), DeviceId::new([1; 16]))), None, 0, true);
        let all = FEED_WINDOW as Position;
        follow.frames(0, items(all, 1), all, true);
        assert!(!follow.has_room());
        assert!(follow.is_stalled(FOLLOWER_STALL_MS + 1) && !follow.is_stalled(FOLLOWER_STALL_MS));
        follow.cursor(5, all - 1);
        assert!(!follow.has_room(), "a frame is open until its whole is read");
        follow.cursor(5, all);
        assert!(follow.has_room() && !follow.is_stalled(u64::MAX));
    }

    #[test]
    fn a_peer_is_told_of_what_is_new_at_intervals_and_a_device_at_once() {
        let mut peer = Follow::new(0, None, None, 0, false);
        assert!(!peer.gathers(5_000), "it has not been told of anything");
        peer.frames(5_000, items(1, 1), 1, true);
        assert!(peer.gathers(5_000) && peer.gathers(5_000 + PEER_GATHER_MS - 1));
        assert!(!peer.gathers(5_000 + PEER_GATHER_MS));
        assert!(!peer.gathers(4_999), "the clock was set back");
        let mut device =
            Follow::new(0, Some((AccountId::new([1; 32]), DeviceId::new([1; 16]))), None, 0, false);
        device.frames(5_000, items(1, 1), 1, true);
        assert!(!device.gathers(5_000));
    }

    #[test]
    fn many_small_frames_fill_the_window_too() {
        let mut follow =
            Follow::new(0, Some((AccountId::new([1; 32]), DeviceId::new([1; 16]))), None, 0, false);
        for position in 1..=FEED_FRAMES as Position {
            assert!(follow.has_room());
            follow.frames(0, items(1, 1), position, true);
        }
        assert!(!follow.has_room());
    }
}
