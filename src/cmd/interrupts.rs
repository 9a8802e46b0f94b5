//! Ctrl-C, SIGTERM and the terminal's end, for commands that have something to put in order first.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::Failure;

/// From its creation on, these signals do not end the process any more.
#[derive(Debug)]
pub struct Interrupts {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Interrupts {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the operating system does not let us.
    pub fn listen() -> Result<Self, Failure> {
        let failed = |error| Failure::io("listen for signals", &error);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (interrupt, terminate, hangup) = {
            let _inside = runtime.enter();
            let listen = |kind| signal(kind).map_err(failed);
            (
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
            )
        };
        Ok(Self { runtime, interrupt, terminate, hangup })
    }

    /// Waits; `true`, at once, if a signal has come.
    pub fn come_within(&mut self, patience: Duration) -> bool {
        let Self { runtime, interrupt, terminate, hangup } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = interrupt.recv() => true,
                _ = terminate.recv() => true,
                _ = hangup.recv() => true,
                () = tokio::time::sleep(patience) => false,
            }
        })
    }
}
