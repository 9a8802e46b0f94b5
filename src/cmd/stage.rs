//! A cluster in a temporary folder, for commands that play something: made, judged, taken away. Prints nothing.

use std::path::{Path, PathBuf};

use super::create::{Plan, Spread};
use super::failure::Failure;
use super::home::{Cluster, Home};
use super::screen::DIM;
use super::{keys, verify};
use crate::progress::Progress;
use crate::verify::Report;

/// The folder and the cluster in it. Its servers are stopped when it goes, whatever happens.
#[derive(Debug)]
pub struct Stage {
    dir: PathBuf,
    cluster: Cluster,
}

impl Stage {
    /// A folder `tercet-WHAT-...` below the system's temporary one, with a cluster of servers 1, 2, ... on ports
    /// that the system chooses.
    ///
    /// # Errors
    /// When the folder cannot be written, or the system has no ports.
    pub fn build(what: &str, servers: usize) -> Result<Self, Failure> {
        let dir = folder(what)?;
        let cluster = Cluster::create(&Home::new(&dir)?, servers)?;
        Ok(Self { dir, cluster })
    }

    /// As [`Stage::build`], with these servers.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn build_as(what: &str, plans: &[Plan]) -> Result<Self, Failure> {
        let dir = folder(what)?;
        let cluster = Cluster::create_as(&Home::new(&dir)?, plans, Spread::Here)?;
        Ok(Self { dir, cluster })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// What verify says of it. The servers are stopped first, so that verify reads what is on the disks and
    /// not what processes say.
    ///
    /// # Errors
    /// When a server cannot be stopped, or the folder cannot be read.
    pub fn judge(&self) -> Result<Report, Failure> {
        self.cluster.stop_all()?;
        Ok(verify::of_cluster(&self.cluster)?.judge(&Progress::default()))
    }

    /// Stops the servers and removes the folder, or says how to look into it if it is to be kept.
    ///
    /// # Errors
    /// When a server cannot be stopped, or the folder cannot be removed.
    pub fn strike(self, keep: bool) -> Result<Option<String>, Failure> {
        self.cluster.stop_all()?;
        if keep {
            let dir = self.dir.display();
            return Ok(Some(format!("{DIM}everything is in {dir} (tercet --dir {dir} verify){DIM:#}")));
        }
        std::fs::remove_dir_all(&self.dir)
            .map_err(|error| Failure::io(format!("remove {}", self.dir.display()), &error))?;
        Ok(None)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Whoever gets here early has an error to tell already.
        let _stopped = self.cluster.stop_all();
    }
}

fn folder(what: &str) -> Result<PathBuf, Failure> {
    let suffix: [u8; 4] = keys::random()?;
    Ok(std::env::temp_dir().join(format!("tercet-{what}-{:08x}", u32::from_be_bytes(suffix))))
}
