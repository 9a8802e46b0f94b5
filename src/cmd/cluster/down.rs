//! `tercet cluster down`: stops the servers; with `--purge`, deletes what tercet put into the folder.

use std::fs;
use std::io;
use std::path::Path;

use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::files;
use crate::cmd::home::{Cluster, Home};
use crate::cmd::screen::say;

/// What `cluster down` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Delete the cluster afterwards: its servers' logs, and people's keys and logs.
    #[arg(long)]
    pub purge: bool,
}

/// Stops the cluster.
///
/// # Errors
/// When there is none, or a server cannot be stopped: then nothing is deleted.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    let cluster = Cluster::load(home)?;
    let _lock = home.lock()?;
    let stopped = cluster.stop_all()?;
    if stopped.is_empty() {
        say(&format!("no server of the cluster in {} was running", home.dir().display()))?;
    }
    for server in stopped {
        let how = if server.killed { "killed, for it did not stop in time:" } else { "stopped" };
        say(&format!("{how} server {} (pid {})", server.name, server.process.pid()))?;
    }
    for name in [cluster.names(), cluster.stragglers()].concat() {
        // With the server known to be dead, what its pid file said has been told.
        delete(&home.server(name).pid())?;
    }
    if args.purge { purge(home) } else { Ok(Outcome::Done) }
}

/// Deletes what is tercet's and nothing else: the folder may be somebody's home. The cluster file goes
/// last, so that a purge that was cut short can be repeated.
fn purge(home: &Home) -> Result<Outcome, Failure> {
    let locks = [home.servers_lock_file(), home.lock_file()];
    let all = [home.servers(), home.people(), home.cluster_key(), home.cluster_file()];
    for path in all.iter().chain(&locks) {
        if delete(path)? && !locks.contains(path) {
            say(&format!("deleted {}", path.display()))?;
        }
    }
    match fs::remove_dir(home.dir()) {
        Ok(()) => say(&format!("deleted {}", home.dir().display()))?,
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            say(&format!("left {}: it holds other files", home.dir().display()))?;
        }
        Err(error) => return Err(Failure::io(format!("delete {}", home.dir().display()), &error)),
    }
    Ok(Outcome::Done)
}

fn delete(path: &Path) -> Result<bool, Failure> {
    let deleted = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if files::is_absent(&error) => return Ok(false),
        Err(error) => Err(error),
    };
    deleted.map(|()| true).map_err(|error| Failure::io(format!("delete {}", path.display()), &error))
}
