//! A display quorum as a person gives it: how many servers must have told of a line before it is shown.

use super::failure::Failure;
use super::home::Cluster;
use crate::text::{Name, count};
use crate::view::View;

/// How many servers must have told of a line, and who says so.
#[derive(Debug, Clone, Copy)]
pub enum DisplayQuorum {
    /// Nobody: 1, which is no wait.
    None,
    /// The command line.
    Asked(usize),
    /// The profile.
    Profile(usize),
}

/// Refuses what the servers of a view cannot give.
///
/// # Errors
/// There are fewer servers than it takes, or it takes none.
pub fn check(quorum: Option<DisplayQuorum>, view: &View) -> Result<(), Failure> {
    quorum.map_or(Ok(()), |quorum| quorum.check(view))
}

/// The same for an account that is not on this machine yet, by the cluster file: nothing is made for what is refused.
///
/// # Errors
/// As [`check`].
pub fn check_first(quorum: Option<DisplayQuorum>, cluster: &Cluster, name: &Name) -> Result<(), Failure> {
    match cluster.home().account_key(name).exists() {
        true => Ok(()),
        false => check(quorum, cluster.view()),
    }
}

impl DisplayQuorum {
    /// How many.
    pub fn servers(self) -> usize {
        match self {
            Self::None => 1,
            Self::Asked(servers) | Self::Profile(servers) => servers,
        }
    }

    fn check(self, view: &View) -> Result<(), Failure> {
        let most = view.writable().count();
        let said = match self {
            _ if (1..=most).contains(&self.servers()) => return Ok(()),
            Self::None => return Ok(()),
            Self::Asked(servers) => format!("--display-quorum {servers}"),
            Self::Profile(servers) => format!("the profile's display_quorum = {servers}"),
        };
        Err(Failure::new(format!("{said} cannot be had of {}", count(most, "server")))
            .next(format!("give it a number from 1 to {most}")))
    }
}
