//! How a server stops that is told to: in order, and within [`DRAIN_MS`].
//!
//! ```text
//! doors closed -- last batch synced, its receipts queued -- Stopping queued to everybody -- queues written out
//! ```
//!
//! **Invariant**: `Stopping` is the last frame of a connection, after everything that was queued to it; what
//! comes in after the signal is not taken, so nobody is told that it is safe, and its author sends it again.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Core, ToWriter};
use crate::admission::Incoming;
use crate::cmd::failure::Failure;
use crate::frame::{Refusal, ToClient};
use crate::limits::DRAIN_MS;
use crate::net::link::{LinkHandle, close_all};
use crate::net::listener::{FromNet, ServeError};
use crate::net::queue::Outbox;
use crate::server::Input;

/// What a server that stops has to let go of.
pub(super) struct Leaving {
    /// Cancelled, it takes no new connections.
    pub(super) doors: CancellationToken,
    /// Dropped, it ends those that there are.
    pub(super) stop_listening: oneshot::Sender<()>,
    pub(super) listening: JoinHandle<Result<(), ServeError>>,
    pub(super) links: Vec<LinkHandle>,
}

impl Leaving {
    /// Stops the server.
    ///
    /// # Errors
    /// When the last batch cannot be synced, or not in time.
    pub(super) async fn leave(
        self,
        core: Core,
        from_net: mpsc::Receiver<FromNet<Incoming>>,
    ) -> Result<(), Failure> {
        let Self { doors, stop_listening, listening, links } = self;
        let deadline = Instant::now() + Duration::from_millis(DRAIN_MS);
        doors.cancel();
        let closed = timeout_at(deadline, core.finish()).await.unwrap_or_else(|_| {
            Err(Failure::new(format!(
                "the disk did not take the last batch within {DRAIN_MS} ms; nothing of it was acked"
            )))
        })?;
        let goodbyes = async {
            let (ended, (), ()) =
                tokio::join!(listening, turn_away(from_net, stop_listening), close_all(links));
            // Its sender is never used: the end of the channel is the end of the writer.
            let _ = closed.await;
            ended
        };
        match timeout_at(deadline, goodbyes).await {
            Ok(Ok(Ok(()))) | Err(_) => Ok(()), // late: all is synced, and whoever has not listened is cut off
            Ok(Ok(Err(error))) => Err(Failure::of(&error)),
            Ok(Err(error)) => Err(Failure::new(format!("the listener broke off: {error}"))),
        }
    }
}

impl Core {
    /// Syncs and acks what was taken, and then says to everybody that the server stops. Gives what ends when
    /// the store has been closed.
    async fn finish(mut self) -> Result<oneshot::Receiver<()>, Failure> {
        self.step(Input::Tick)?;
        self.write()?;
        while self.writing {
            let synced = self.synced.recv().await;
            self.synced(synced)?;
            self.write()?;
        }
        self.outboxes.values().for_each(say_stopping);
        // Whether or not the writer still listens: without it the store closes as after a crash.
        let _ = self.batches.send(ToWriter::Close);
        Ok(self.closed)
    }
}

fn say_stopping(outbox: &Outbox) {
    // One that is full or closed already is of somebody who does not listen.
    let _ = outbox.try_send(ToClient::Refused(Refusal::Stopping));
    outbox.close();
}

/// Hears out those who are being left, so that no connection breaks off for want of a listener before its last
/// frames are out; what they say is not taken.
async fn turn_away(mut from_net: mpsc::Receiver<FromNet<Incoming>>, stop_listening: oneshot::Sender<()>) {
    let hear = |event| {
        if let FromNet::Opened { outbox, .. } = event {
            say_stopping(&outbox);
        }
    };
    while let Ok(event) = from_net.try_recv() {
        hear(event);
    }
    drop(stop_listening);
    while let Some(event) = from_net.recv().await {
        hear(event);
    }
}
