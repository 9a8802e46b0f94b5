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
