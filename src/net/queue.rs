//! The bounded queue to one connection.
//!
//! ```text
//! core -- Queue::try_send --> [ at most SEND_QUEUE_FRAMES ] -- Backlog --> the connection's writer
//! ```
//!
//! **Invariant**: whoever sends never waits. A queue that is full belongs to a peer that is too slow, and
//! ends that peer's connection. Closing lets what is queued out first; so does dropping the last [`Queue`].
//!
//! What this module must not know: what it carries, and what the writer does with it.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::frame::{ToClient, ToServer};

/// What a server sends to one connection.
pub type Outbox = Queue<ToClient>;
/// What a client sends to one server.
pub type LinkQueue = Queue<ToServer>;

/// The sending end. Clones share the queue.
#[derive(Debug)]
pub struct Queue<T> {
    frames: mpsc::Sender<T>,
    signals: Signals,
}

/// Why a frame was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The peer leaves too much unread. Its connection is being dropped; it may connect anew.
    #[error("the connection's queue is full; it is being dropped")]
    Full,
    /// The connection is closed or about to be; nothing more goes out.
    #[error("the connection is closed")]
    Closed,
}

#[derive(Debug, Clone, Default)]
struct Signals {
    closing: CancellationToken,
    overflow: CancellationToken,
}

/// The receiving end: what still has to be written.
#[derive(Debug)]
pub(super) struct Backlog<T> {
    frames: mpsc::Receiver<T>,
    signals: Signals,
}

/// A handle that keeps no queue open: for the connection itself, which adds its own last frame.
#[derive(Debug)]
pub(super) struct WeakQueue<T> {
    frames: mpsc::WeakSender<T>,
    signals: Signals,
}

/// A queue of at most `frames` frames.
pub(super) fn queue<T>(frames: usize) -> (Queue<T>, Backlog<T>) {
    let (sender, receiver) = mpsc::channel(frames);
    let signals = Signals::default();
    (Queue { frames: sender, signals: signals.clone() }, Backlog { frames: receiver, signals })
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { frames: self.frames.clone(), signals: self.signals.clone() }
    }
}

impl<T> Queue<T> {
    /// Queues one frame, at once or not at all.
    ///
    /// # Errors
    /// [`QueueError::Full`] once, which also ends the connection; [`QueueError::Closed`] from then on, and
    /// after [`Queue::close`].
    pub fn try_send(&self, frame: T) -> Result<(), QueueError> {
        if self.signals.closing.is_cancelled() || self.signals.overflow.is_cancelled() {
            return Err(QueueError::Closed);
        }
        self.frames.try_send(frame).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.signals.overflow.cancel();
                QueueError::Full
            }
            mpsc::error::TrySendError::Closed(_) => QueueError::Closed,
        })
    }

    /// Takes nothing more; the connection ends once everything queued is written.
    pub fn close(&self) {
        self.signals.closing.cancel();
    }

    /// A handle that does not keep the queue open.
    pub(super) fn downgrade(&self) -> WeakQueue<T> {
        WeakQueue { frames: self.frames.downgrade(), signals: self.signals.clone() }
    }
}

impl<T> Queue<T> {
    /// How many frames wait for the connection's writer.
    pub fn waiting(&self) -> usize {
        self.frames.max_capacity() - self.frames.capacity()
    }
}

impl<T> WeakQueue<T> {
    /// Queues a last frame if there is room and closes the queue behind it.
    pub(super) fn finish(&self, last: Option<T>) {
        if let (Some(frame), Some(frames)) = (last, self.frames.upgrade()) {
            // A queue without room has lost its last frame, and its connection ends without one.
            let _ = frames.try_send(frame);
        }
        self.signals.closing.cancel();
    }

    /// Waits until a frame was refused for want of room.
    pub(super) async fn overflowed(&self) {
        self.signals.overflow.cancelled().await;
    }
}

impl<T> Backlog<T> {
    /// The next frame to write; `None` when the queue is closed and empty. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<T> {
        tokio::select! {
            biased;
            () = self.signals.closing.cancelled(), if !self.frames.is_closed() => self.frames.close(),
            frame = self.frames.recv() => return frame,
        }
        self.frames.recv().await
    }

    /// The next frame, if there is one now.
    pub(super) fn next_now(&mut self) -> Option<T> {
        self.frames.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_queue_hands_over_what_it_holds_and_takes_no_more() {
        let (queue, mut backlog) = queue(4);
        queue.try_send(1).unwrap();
        queue.try_send(2).unwrap();
        queue.close();
        assert_eq!(queue.try_send(3), Err(QueueError::Closed));
        assert_eq!(
            [backlog.next().await, backlog.next().await, backlog.next().await],
            [Some(1), Some(2), None]
        );
    }

    #[tokio::test]
    async fn dropping_the_queue_closes_it_although_the_connection_holds_a_handle() {
        let (queue, mut backlog) = queue(4);
        let weak = queue.downgrade();
        queue.try_send(1).unwrap();
        drop(queue);
        assert_eq!([backlog.next().await, backlog.next().await], [Some(1), None]);
        weak.finish(Some(2));
        assert_eq!(backlog.next().await, None);
    }

    #[tokio::test]
    async fn the_frame_too_many_is_refused_and_tells_the_connection() {
        let (queue, _backlog) = queue(2);
        let weak = queue.downgrade();
        queue.try_send(1).unwrap();
        queue.try_send(2).unwrap();
        assert!(!queue.signals.overflow.is_cancelled(), "a queue that is just full is no offence");
        assert_eq!(queue.try_send(3), Err(QueueError::Full));
        weak.overflowed().await;
        assert_eq!(queue.try_send(4), Err(QueueError::Closed));
    }

    #[tokio::test]
    async fn a_last_frame_follows_what_was_queued() {
        let (queue, mut backlog) = queue(2);
        queue.try_send(1).unwrap();
        queue.downgrade().finish(Some(2));
        assert_eq!(
            [backlog.next().await, backlog.next().await, backlog.next().await],
            [Some(1), Some(2), None]
        );
    }
}
