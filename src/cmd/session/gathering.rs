//! What is gathered before it is shown or sent: lines of the display, and cursors.
//!
//! Each would cost a sync or a frame of its own. Lines wait for the next sync, [`LINES_WAIT`] at most. Cursors wait for
//! the next upload, with which they share a packet, [`CURSORS_WAIT`] at most; of several for one server the last goes
//! out. Whoever sends us events may be waiting for our cursor, and gets it at once.
//!
//! **Invariant**: a line is shown only once its entry is on the disk, and lines keep their order.
//!
//! It must not know where effects come from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::Action;
use crate::cmd::failure::Failure;
use crate::event::Event;
use crate::frame::ToServer;
use crate::id::{Position, RoomId, ServerId};

use super::notice::{Notice, Shown};
use super::worker::Worker;

/// How long a line waits for a sync.
const LINES_WAIT: Duration = Duration::from_millis(20);
/// How long a cursor that only passes events of our own waits for an upload.
const CURSORS_WAIT: Duration = Duration::from_millis(100);

/// What is in no hurry: see the module.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Lines whose entries are appended and not synced, in order.
    pub(super) lines: Vec<(Arc<Event>, bool)>,
    /// When the lines are to be synced and shown.
    pub(super) lines_due: Option<Instant>,
    /// The last cursor for each server, of home and of each room; what it says is held is on the disk.
    pub(super) cursors: BTreeMap<(ServerId, Option<RoomId>), Position>,
    /// When the cursors are to be sent.
    pub(super) cursors_due: Option<Instant>,
}

/// Whether an action may wait a little: see the module.
pub(super) fn is_in_no_hurry(action: &Action) -> bool {
    matches!(action, Action::Show { .. } | Action::Send { frame: ToServer::Cursor { .. }, .. })
}

impl Worker {
    pub(super) fn gather(&mut self, later: Vec<Action>) {
        for action in later {
            match action {
                Action::Show { event, late } => {
                    self.gathered.lines_due.get_or_insert_with(|| Instant::now() + LINES_WAIT);
                    self.gathered.lines.push((event, late));
                }
                Action::Send { server, frame: ToServer::Cursor { room, position } } => {
                    self.gathered.cursors_due.get_or_insert_with(|| Instant::now() + CURSORS_WAIT);
                    self.gathered.cursors.insert((server, room), position);
                }
                _ => {}
            }
        }
    }

    /// Lines that are in the log on the disk.
    pub(super) async fn show_gathered(&mut self) {
        self.gathered.lines_due = None;
        let lines = std::mem::take(&mut self.gathered.lines);
        self.show(lines).await;
    }

    /// Everything that was gathered.
    pub(super) async fn finish_gathered(&mut self) -> Result<(), Failure> {
        self.send_cursors(None).await;
        self.finish_lines().await
    }

    /// The cursors that were gathered for one server, or for all.
    pub(super) async fn send_cursors(&mut self, to: Option<ServerId>) {
        let is_for = |server: ServerId| to.is_none_or(|to| to == server);
        let gathered = self.gathered.cursors.extract_if(.., |(server, _), _| is_for(*server));
        for ((server, room), position) in gathered.collect::<Vec<_>>() {
            let frame = ToServer::Cursor { room, position };
            self.act(Action::Send { server, frame }).await;
        }
        if self.gathered.cursors.is_empty() {
            self.gathered.cursors_due = None;
        }
    }

    pub(super) async fn finish_lines(&mut self) -> Result<(), Failure> {
        if !self.gathered.lines.is_empty() {
            self.sync()?;
            self.show_gathered().await;
        }
        Ok(())
    }

    /// Shows lines as they read now: what their authors, or those of what they are about, have taken back meanwhile must
    /// not be brought back by a line that is painted only now.
    pub(super) async fn show(&self, lines: Vec<(Arc<Event>, bool)>) {
        for (event, late) in lines {
            let mut shown = Shown::of(&self.client, &event, late);
            shown.said = shown.said.without(&event, |id| self.client.reads_as_taken_back(id));
            self.tell(Notice::Show(shown)).await;
        }
    }
}
