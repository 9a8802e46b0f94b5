//! Which servers make up the cluster, by epoch.
//!
//! A view says nothing about who is up: that is a connection's business. Epochs follow one another when
//! servers are added and retired (rule 15); today every cluster is in its first.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, ServerId};
use crate::limits::SERVERS_MAX;

/// One server as clients know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// What people call it: `1`, `berlin`.
    pub name: String,
    /// `HOST:PORT`.
    pub address: String,
    /// Its public key; whoever answers with another is not this server.
    pub id: ServerId,
}

/// The servers of one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawView")]
pub struct View {
    cluster: ClusterId,
    epoch: u64,
    servers: Vec<Member>,
}

/// Why a list of servers is not a view.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// Nobody to talk to.
    #[error("a cluster needs at least one server")]
    Empty,
    /// More than [`SERVERS_MAX`].
    #[error("a cluster has at most {SERVERS_MAX} servers, this one has {0}")]
    TooMany(usize),
    /// Two servers share a name, an address or a key.
    #[error("two servers have the same {what}: {value}")]
    Twice {
        /// `name`, `address` or `key`.
        what: &'static str,
        /// What they share.
        value: String,
    },
}

#[derive(Deserialize)]
struct RawView {
    cluster: ClusterId,
    epoch: u64,
    servers: Vec<Member>,
}

impl TryFrom<RawView> for View {
    type Error = ViewError;

    fn try_from(raw: RawView) -> Result<Self, ViewError> {
        Self::new(raw.cluster, raw.epoch, raw.servers)
    }
}

impl View {
    /// A view of these servers, in this order.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn new(cluster: ClusterId, epoch: u64, servers: Vec<Member>) -> Result<Self, ViewError> {
        if servers.is_empty() {
            return Err(ViewError::Empty);
        }
        if servers.len() > SERVERS_MAX {
            return Err(ViewError::TooMany(servers.len()));
        }
        let distinct = |what, field: fn(&Member) -> String| {
            let mut seen = BTreeSet::new();
            match servers.iter().map(field).find(|value| !seen.insert(value.clone())) {
                Some(value) => Err(ViewError::Twice { what, value }),
                None => Ok(()),
            }
        };
        distinct("name", |member| member.name.clone())?;
        distinct("address", |member| member.address.clone())?;
        distinct("key", |member| member.id.to_string())?;
        Ok(Self { cluster, epoch, servers })
    }

    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// Which view of the cluster this is; the first is 1.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The servers, in the order of the cluster file.
    pub fn servers(&self) -> &[Member] {
        &self.servers
    }

    /// A server's place in [`View::servers`].
    pub fn index_of(&self, id: ServerId) -> Option<usize> {
        self.servers.iter().position(|member| member.id == id)
    }

    /// What people call a server; its key's first digits if it is not in the view.
    pub fn name_of(&self, id: ServerId) -> String {
        match self.index_of(id) {
            Some(index) => self.servers[index].name.clone(),
            None => id.short(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: ClusterId = ClusterId::new([1; 16]);

    fn member(number: usize) -> Member {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        Member {
            name: number.to_string(),
            address: format!("127.0.0.1:{}", 7000 + number),
            id: ServerId::new(id),
        }
    }

    fn members(count: usize) -> Vec<Member> {
        (1..=count).map(member).collect()
    }

    #[test]
    fn a_view_names_its_servers_and_strangers_by_their_keys() {
        let view = View::new(CLUSTER, 3, members(SERVERS_MAX)).unwrap();
        assert_eq!((view.cluster(), view.epoch(), view.servers().len()), (CLUSTER, 3, SERVERS_MAX));
        assert_eq!(view.index_of(member(2).id), Some(1));
        assert_eq!(view.name_of(member(2).id), "2");
        let stranger = ServerId::new([0xee; 32]);
        assert_eq!((view.index_of(stranger), view.name_of(stranger)), (None, "eeeeeeee".to_owned()));
    }

    #[test]
    fn lists_that_are_no_view_are_refused_from_code_and_from_files() {
        let alike = |alter: fn(&mut Member)| {
            let mut servers = members(3);
            alter(&mut servers[2]);
            servers
        };
        let twice = |what, value: &str| ViewError::Twice { what, value: value.to_owned() };
        for (servers, expected) in [
            (vec![], ViewError::Empty),
            (members(SERVERS_MAX + 1), ViewError::TooMany(SERVERS_MAX + 1)),
            (alike(|server| server.name = "1".to_owned()), twice("name", "1")),
            (alike(|server| server.address = member(1).address), twice("address", "127.0.0.1:7001")),
            (alike(|server| server.id = member(1).id), twice("key", &member(1).id.to_string())),
        ] {
            assert_eq!(View::new(CLUSTER, 1, servers.clone()), Err(expected.clone()));
            let file = serde_json::json!({ "cluster": CLUSTER, "epoch": 1, "servers": servers });
            let error = serde_json::from_value::<View>(file).unwrap_err().to_string();
            assert!(error.contains(&expected.to_string()), "{error}");
        }
    }

    #[test]
    fn a_view_comes_back_from_its_file() {
        let view = View::new(CLUSTER, 2, members(3)).unwrap();
        let file = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<View>(&file).unwrap(), view);
    }
}
