//! Ctrl-C, SIGTERM and the terminal's end, for commands that have something to put in order first.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::Failure;
use super::runtime;

/// From its creation on, these signals do not end the process any more.
#[derive(Debug)]
pub struct Interrupts {
    runtime: Runtime,
    signals: Signals,
}

impl Interrupts {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the operating system does not let us.
    pub fn listen() -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::io("listen for signals", &error))?;
        let signals = Signals::listen(&runtime)?;
        Ok(Self { runtime, signals })
    }

    /// Waits; `true`, at once, if a signal has come.
    pub fn come_within(&mut self, patience: Duration) -> bool {
        let Self { runtime, signals } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = signals.come() => true,
                () = tokio::time::sleep(patience) => false,
            }
        })
    }
}

/// Does work on a runtime of its own; `None` if a signal came first. Then the work has been dropped where it waited,
/// and nothing of it runs any more: what it had started can be put in order.
///
/// # Errors
/// When the operating system gives no threads, or does not let us listen.
pub fn unless_interrupted<T>(work: impl Future<Output = T>) -> Result<Option<T>, Failure> {
    let runtime = runtime::start()?;
    let mut signals = Signals::listen(&runtime)?;
    let done = runtime.block_on(async {
        tokio::select! {
            biased;
            () = signals.come() => None,
            done = work => Some(done),
        }
    });
    drop(runtime);
    Ok(done)
}

#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen(runtime: &Runtime) -> Result<Self, Failure> {
        let _inside = runtime.enter();
        let listen = |kind| signal(kind).map_err(|error| Failure::io("listen for signals", &error));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn come(&mut self) {
        let Self { interrupt, terminate, hangup } = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
