//! The cluster that is under load: one made for this run, or one that was there.

use std::path::{Path, PathBuf};

use super::Args;
use super::usage::{self, Memory};
use crate::cmd::ask::{Answer, ask_status};
use crate::cmd::failure::Failure;
use crate::cmd::home::{Cluster, Home};
use crate::cmd::{files, keys};
use crate::frame::ServerStatus;

const SERVERS: usize = 3;

/// The cluster, and a folder for this run: its senders' logs, the floor's files, its own servers. What it has
/// started is stopped when it goes, whatever happens.
pub(super) struct Stage {
    /// As the senders see it: their logs lie here.
    cluster: Cluster,
    /// Where its servers' pid files are, if that is elsewhere.
    given: Option<Cluster>,
    folder: PathBuf,
    keep: bool,
}

impl Stage {
    pub(super) fn of(args: &Args) -> Result<Self, Failure> {
        let suffix: [u8; 4] = keys::random()?;
        let folder = std::env::temp_dir().join(format!("tercet-bench-{:08x}", u32::from_be_bytes(suffix)));
        let Some(file) = &args.cluster else {
            let cluster = Cluster::create(&Home::new(&folder)?, SERVERS)?;
            return Ok(Self { cluster, given: None, folder, keep: args.keep });
        };
        let given = Cluster::load(&Home::new(file.parent().unwrap_or(Path::new(".")))?)?;
        // Its own copy, so that the senders' logs do not lie among those of people.
        let home = Home::new(&folder)?;
        files::make_folder(home.dir())?;
        let text = files::read_secret(&given.home().cluster_file())?.unwrap_or_default();
        files::write(&home.cluster_file(), text.as_bytes())?;
        Ok(Self { cluster: Cluster::load(&home)?, given: Some(given), folder, keep: false })
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Where the floor's files belong.
    pub(super) fn floor_folder(&self) -> PathBuf {
        self.folder.join("floor")
    }

    /// Starts the servers, if they are this run's own.
    pub(super) fn start(&self) -> Result<(), Failure> {
        if self.given.is_some() {
            return Ok(());
        }
        let starting: Vec<_> =
            self.cluster.names().into_iter().map(|name| self.cluster.spawn(name)).collect();
        // Each is waited for, also if another fails: only one that is ready can be found, and stopped.
        let started: Vec<_> = starting.into_iter().map(|server| server?.wait()).collect();
        started.into_iter().try_for_each(|server| server.map(drop))
    }

    fn servers(&self) -> &Cluster {
        self.given.as_ref().unwrap_or(&self.cluster)
    }

    /// The processes of the servers that run on this machine.
    pub(super) fn pids(&self) -> Vec<u32> {
        let states = self.servers().states().unwrap_or_default();
        states.iter().filter_map(|(_, state)| state.process()).map(|process| process.pid()).collect()
    }

    /// Each server's memory, of those on this machine.
    pub(super) fn memory(&self) -> Vec<Memory> {
        self.pids().into_iter().filter_map(usage::memory).collect()
    }

    /// What each server that answers says of itself; asking takes a server's key on this machine.
    pub(super) fn statuses(&self) -> Vec<ServerStatus> {
        let asked = self.servers();
        std::thread::scope(|scope| {
            let threads: Vec<_> = asked
                .view()
                .servers()
                .iter()
                .map(|member| scope.spawn(move || ask_status(asked, member)))
                .collect();
            let says = threads.into_iter().filter_map(|thread| thread.join().ok());
            says.filter_map(|answer| if let Answer::Says(status) = answer { Some(status) } else { None })
                .collect()
        })
    }

    /// Stops what it started. Says where the folder is, if that is to stay.
    pub(super) fn strike(self) -> Result<Option<PathBuf>, Failure> {
        if self.given.is_none() {
            self.cluster.stop_all()?;
        }
        if self.keep {
            return Ok(Some(self.folder.clone()));
        }
        std::fs::remove_dir_all(&self.folder)
            .map_err(|error| Failure::io(format!("remove {}", self.folder.display()), &error))?;
        Ok(None)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Whoever gets here early has an error to tell already.
        if self.given.is_none() {
            let _stopped = self.cluster.stop_all();
        }
        if !self.keep {
            let _removed = std::fs::remove_dir_all(&self.folder);
        }
    }
}
