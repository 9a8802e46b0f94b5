//! The runtime that a command's connections and sessions run on.

use tokio::runtime::{Builder, Runtime};

use super::failure::Failure;

/// A runtime with a thread for every second processor, and one at least. Syncs, the engine and the disk's writer have
/// threads of their own; and where there is another thread that waits for work, each frame that comes in wakes it, mostly
/// for nothing.
///
/// # Errors
/// When the operating system gives no threads.
pub fn start() -> Result<Runtime, Failure> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(processors.div_ceil(2))
        .enable_all()
        .build()
        .map_err(|error| Failure::io("start the runtime", &error))
}
