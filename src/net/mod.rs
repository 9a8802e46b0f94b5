//! Frames between processes: TLS, framing, the listener, the links, one bounded queue per connection.
//!
//! ```text
//! a server                                             a client, a peer, a tool
//! core <- FromNet - listener <- codec <- TLS <= TCP => TLS -> codec -> link - LinkEvent -> core
//! core -> Outbox  - writer   -> codec -> TLS <= TCP => TLS <- codec <- link <- LinkQueue - core
//!                                                                      ask  <- one question at a time
//! ```
//!
//! **Invariant**: nothing here grows without a bound from [`crate::limits`], nobody waits for a slow peer
//! but that peer's own connection, and bytes from the network never panic: the worst they do is to end
//! their connection.
//!
//! What this folder must not know: what a frame means. It knows the frames that make and end a connection
//! (`Hello`, `Welcome`, `Refused`, `Ping`) and passes every other one on. It knows nothing of the store.

pub mod ask;
mod backoff;
pub mod codec;
mod connection;
pub mod dial;
pub mod link;
pub mod listener;
pub mod queue;
mod spki;
pub mod tls;
mod writer;

#[cfg(test)]
mod tests;
