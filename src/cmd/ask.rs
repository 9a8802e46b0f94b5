//! Asking a running server how it is.

use super::home::Cluster;
use crate::frame::ServerStatus;
use crate::view::Member;

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It said this.
    Says(ServerStatus),
    /// It did not answer in time.
    Silent,
    /// Nobody asked it.
    NotAsked,
}

/// Asks one server for its numbers, for at most [`crate::limits::SILENCE_MS`]; called from a plain thread,
/// for all servers at once.
// TODO(net): ends when `net` can send `ToServer::Status` and wait for the answer; `cluster` gives the token,
// the folder and so the servers' keys. Until then nobody is asked and `status` shows "-".
pub fn ask_status(_cluster: &Cluster, _server: &Member) -> Answer {
    Answer::NotAsked
}
