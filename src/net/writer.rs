//! The writing half of a connection: from its queue to the network.
//!
//! **Invariant**: one flush per drained queue, not per frame; one bounded wait per frame. When the queue
//! is closed and empty the peer is told goodbye.

use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::codec::{WireError, Writer};
use super::queue::Backlog;
use crate::limits::SEND_QUEUE_FRAMES;

/// A frame that is sent at a steady pace, whatever else is.
///
/// Not only when nothing else was sent: a client that sends frames without an answer (cursors) would then
/// never ask for one, and would take its healthy server for hung.
#[derive(Debug)]
pub(super) struct KeepAlive<T> {
    frame: T,
    ticks: Interval,
}

impl<T> KeepAlive<T> {
    /// Sends this frame whenever `pace` has passed.
    pub(super) fn new(frame: T, pace: Duration) -> Self {
        let mut ticks = interval_at(Instant::now() + pace, pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { frame, ticks }
    }
}

/// Writes until the queue is closed and empty, then says goodbye.
///
/// # Errors
/// See [`WireError`]; the connection is then of no more use.
pub(super) async fn write_queue<S, T>(
    mut writer: Writer<S, T>,
    mut backlog: Backlog<T>,
    stall: Duration,
    mut keep_alive: Option<KeepAlive<T>>,
) -> Result<(), WireError>
where
    S: AsyncRead + AsyncWrite,
    T: Serialize,
{
    loop {
        tokio::select! {
            next = backlog.next() => match next {
                Some(frame) => drain(&mut writer, frame, &mut backlog, stall).await?,
                None => return writer.close(stall).await,
            },
            frame = due(&mut keep_alive) => writer.send(frame, stall).await?,
        }
    }
}

async fn drain<S, T>(
    writer: &mut Writer<S, T>,
    first: T,
    backlog: &mut Backlog<T>,
    stall: Duration,
) -> Result<(), WireError>
where
    S: AsyncRead + AsyncWrite,
    T: Serialize,
{
    writer.feed(&first, stall).await?;
    for _ in 1..SEND_QUEUE_FRAMES {
        let Some(frame) = backlog.next_now() else { break };
        writer.feed(&frame, stall).await?;
    }
    writer.flush(stall).await
}

async fn due<T>(keep_alive: &mut Option<KeepAlive<T>>) -> &T {
    match keep_alive {
        Some(KeepAlive { frame, ticks }) => {
            ticks.tick().await;
            frame
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use tokio::io::{DuplexStream, ReadBuf, duplex};

    use super::super::codec::{Reader, split};
    use super::super::queue::queue;
    use super::*;
    use crate::frame::{ToClient, ToServer};

    /// Counts what reaches the stream.
    struct Counting(DuplexStream, Arc<AtomicUsize>);

    impl AsyncRead for Counting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Counting {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    const STALL: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_drained_queue_is_one_write_and_a_closed_one_says_goodbye() {
        let (ours, theirs) = duplex(64 * 1024);
        let writes = Arc::new(AtomicUsize::new(0));
        let (_, writer) = split::<_, ToClient, ToServer>(Counting(ours, writes.clone()));
        let (queue, backlog) = queue(16);
        (0..10).for_each(|_| queue.try_send(ToServer::Status).unwrap());
        drop(queue);
        write_queue(writer, backlog, STALL, None).await.unwrap();
        assert_eq!(writes.load(Ordering::Relaxed), 1, "writes for ten frames");
        let (mut reader, _): (Reader<_, ToServer>, _) = split::<_, _, ToClient>(theirs);
        for _ in 0..10 {
            assert_eq!(reader.next(STALL).await.unwrap(), Some(ToServer::Status));
        }
        assert_eq!(reader.next(STALL).await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn keep_alives_come_between_other_frames_too() {
        let (ours, theirs) = duplex(64 * 1024);
        let (_, writer) = split::<_, ToClient, ToServer>(ours);
        let (queue, backlog) = queue(16);
        let pace = Duration::from_millis(700);
        let writing = write_queue(writer, backlog, STALL, Some(KeepAlive::new(ToServer::Ping, pace)));
        let chatting = async {
            for _ in 0..20 {
                tokio::time::sleep(pace / 2).await;
                queue.try_send(ToServer::Status).unwrap();
            }
            queue.close();
        };
        let (written, ()) = tokio::join!(writing, chatting);
        written.unwrap();
        let (mut reader, _): (Reader<_, ToServer>, _) = split::<_, _, ToClient>(theirs);
        let mut pings = 0;
        while let Some(frame) = reader.next(STALL).await.unwrap() {
            pings += usize::from(frame == ToServer::Ping);
        }
        assert!(pings >= 9, "{pings} pings in ten paces");
    }
}
