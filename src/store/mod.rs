//! What stays when the power goes: a server's store and a device's log.
//!
//! [`Replica`] keeps one server's log with its indexes in [fjall]; [`DeviceLog`] is a client's append-only
//! file. Both give back, after any crash, all that was synced, or say that they cannot; neither ever gives
//! back less without a word (design rules 1, 6 and 7).
//!
//! ```text
//! open: lock -> identity -> set_aside (after a crash) -> journal and versions (framing, read only) -> fjall -> check
//!       -> fresh (what the log holds and its indexes do not)
//! run:  commit: one batch, one fdatasync -> tip (no sync) -> fresh -> durable();  a full generation of fresh -> indexes
//! close: fresh -> indexes -> rows into tables -> empty journal
//! ```
//!
//! This folder must not know the network, the clock, or who may read what.

mod bodies;
mod check;
mod close;
mod damaged;
mod device_log;
mod error;
mod files;
mod forget;
mod fresh;
mod identity;
mod index;
mod journal;
mod keys;
mod lock;
mod numbers;
mod open;
mod place;
mod read;
mod recent;
mod record;
mod renew;
mod replica;
mod set_aside;
mod tally;
#[cfg(test)]
mod tests;
mod tip;
mod versions;

pub use device_log::DeviceLog;
pub use error::{LogError, StoreError};
pub use renew::Renewed;
pub use replica::Replica;
