//! The cluster folder: what lies where, and which cluster it is.
//!
//! ```text
//! DIR/cluster.toml                 for clients: cluster id, token, epoch, servers
//! DIR/cluster.key                  the administration key, where the cluster was made: it signs who its servers are
//! DIR/servers/NAME/server.toml     for `serve`
//! DIR/servers/NAME/server.key      its private key
//! DIR/servers/NAME/store/          its log; `serve` makes it
//! DIR/servers/NAME/store.damaged-N/ a damaged one that `serve` has set aside
//! DIR/servers/NAME/log.txt         its standard output and error
//! DIR/servers/NAME/pid             see [`super::pid`]
//! DIR/servers/NAME/joining         why it was added, until it is in step
//! DIR/people/NAME/account.key      a person's private key
//! DIR/people/NAME/devices/DEVICE/  a device's log
//! DIR/people/NAME/known            names that it has heard of
//! DIR/people/NAME/former           names that the person had before, see [`super::person`]
//! DIR/.lock                        held by whoever changes the folder
//! DIR/.lock-servers                held by whoever changes which servers there are, from beginning to end
//! ```
//!
//! A machine that only has people needs `cluster.toml` and nothing else.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcetera::BaseStrategy;

use super::config::ClusterFile;
use super::failure::Failure;
use super::similar::did_you_mean;
use crate::frame::Token;
use crate::text::{Name, inert};
use crate::view::{Member, Retired, View};

const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_POLL: Duration = Duration::from_millis(20);

/// A cluster folder's layout; nothing need be there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    dir: PathBuf,
}

impl Home {
    /// The layout in this folder.
    ///
    /// # Errors
    /// When there is no current folder to which a relative path could refer.
    pub fn new(dir: &Path) -> Result<Self, Failure> {
        let dir = std::path::absolute(dir)
            .map_err(|error| Failure::io(format!("find the folder {}", dir.display()), &error))?;
        Ok(Self { dir })
    }

    /// The folder that was asked for, or the default one, `$XDG_STATE_HOME/tercet/local`.
    ///
    /// # Errors
    /// When neither is known.
    pub fn resolve(asked: Option<PathBuf>) -> Result<Self, Failure> {
        if let Some(dir) = asked {
            return Self::new(&dir);
        }
        let state = etcetera::base_strategy::Xdg::new().ok().and_then(|xdg| xdg.state_dir());
        let state = state.ok_or_else(|| {
            Failure::new("there is no home folder to keep the cluster in").next("set HOME, or give --dir DIR")
        })?;
        Self::new(&state.join("tercet/local"))
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file that makes it a cluster folder.
    pub fn cluster_file(&self) -> PathBuf {
        self.dir.join("cluster.toml")
    }

    /// The administration key's file.
    pub fn cluster_key(&self) -> PathBuf {
        self.dir.join("cluster.key")
    }

    /// The folder with every server's.
    pub fn servers(&self) -> PathBuf {
        self.dir.join("servers")
    }

    /// One server's folder, whether it is there or not.
    pub fn server(&self, name: &str) -> ServerFolder {
        ServerFolder::new(self.servers().join(name))
    }

    /// The folder with every person's.
    pub fn people(&self) -> PathBuf {
        self.dir.join("people")
    }

    /// One person's private key.
    pub fn account_key(&self, name: &Name) -> PathBuf {
        self.people().join(name.as_str()).join("account.key")
    }

    /// The names and rooms (with `#`) that one person's device has heard of, for completion: a copy, never read by the chat.
    pub fn known_names(&self, name: &Name) -> PathBuf {
        self.people().join(name.as_str()).join("known")
    }

    /// Whom one person does not want to hear on this machine.
    pub fn blocked(&self, name: &Name) -> PathBuf {
        self.people().join(name.as_str()).join("blocked")
    }

    /// The folder of one person's devices.
    pub fn devices(&self, name: &Name) -> PathBuf {
        self.people().join(name.as_str()).join("devices")
    }

    /// The lock's file.
    pub fn lock_file(&self) -> PathBuf {
        self.dir.join(".lock")
    }

    /// The file of the lock of those who change which servers there are.
    pub fn servers_lock_file(&self) -> PathBuf {
        self.dir.join(".lock-servers")
    }

    /// Whether a cluster is here.
    pub fn holds_a_cluster(&self) -> bool {
        self.cluster_file().exists()
    }

    /// Waits until nobody else changes the folder, then keeps others from it. The folder must exist.
    ///
    /// # Errors
    /// When somebody else goes on for too long.
    pub fn lock(&self) -> Result<Lock, Failure> {
        self.lock_at(&self.lock_file(), "is changing")
    }

    /// Waits until nobody else is about to change which servers there are, which takes as long as a server needs to
    /// catch up; others may change the folder meanwhile ([`Home::lock`]).
    ///
    /// # Errors
    /// When somebody else goes on for too long.
    pub fn lock_servers(&self) -> Result<Lock, Failure> {
        self.lock_at(&self.servers_lock_file(), "is adding or removing a server of")
    }

    fn lock_at(&self, path: &Path, doing: &str) -> Result<Lock, Failure> {
        let failed = |error| Failure::io(format!("lock {}", path.display()), &error);
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
                .map_err(failed)?;
            match file.try_lock() {
                // A purge may have removed the file between open and lock: then this lock keeps nobody out.
                Ok(()) if is_still(&file, path) => return Ok(Lock(file)),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            if Instant::now() > deadline {
                let what = format!("another tercet command {doing} {}", self.dir.display());
                return Err(Failure::new(what).next("wait for it to finish, then try again"));
            }
            sleep(LOCK_POLL);
        }
    }
}

fn is_still(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(held), Ok(there)) => held.ino() == there.ino() && held.dev() == there.dev(),
        _ => false,
    }
}

/// While it lives, no other command changes the folder.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "an open file is what holds the lock")] File);

/// One server's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFolder {
    dir: PathBuf,
}

impl ServerFolder {
    /// The folder at a path.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What `serve` reads.
    pub fn config(&self) -> PathBuf {
        self.dir.join("server.toml")
    }

    /// The private key.
    pub fn key(&self) -> PathBuf {
        self.dir.join("server.key")
    }

    /// The log.
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// What the process said.
    pub fn log(&self) -> PathBuf {
        self.dir.join("log.txt")
    }

    /// Why it was added, until it is in step; then it is removed.
    pub fn joining(&self) -> PathBuf {
        self.dir.join("joining")
    }

    /// Which process it is.
    pub fn pid(&self) -> PathBuf {
        self.dir.join("pid")
    }
}

/// A cluster and its folder.
#[derive(Debug, Clone)]
pub struct Cluster {
    home: Home,
    file: ClusterFile,
}

impl Cluster {
    /// The cluster in a folder.
    ///
    /// # Errors
    /// When there is none, or its file is unreadable, ill-formed or open to others.
    pub fn load(home: &Home) -> Result<Self, Failure> {
        let file = ClusterFile::load(&home.cluster_file())?.ok_or_else(|| {
            Failure::new(format!("there is no cluster in {}", home.dir().display())).next("tercet cluster up")
        })?;
        Ok(Self { home: home.clone(), file })
    }

    /// The same cluster as its file has it now; as it was, if there is none any more.
    ///
    /// # Errors
    /// When the file is unreadable, ill-formed or open to others.
    pub fn again(&self) -> Result<Self, Failure> {
        let file = ClusterFile::load(&self.home.cluster_file())?;
        Ok(Self { home: self.home.clone(), file: file.unwrap_or_else(|| self.file.clone()) })
    }

    /// Writes a copy of the cluster file, for another machine.
    ///
    /// # Errors
    /// Names the copy.
    pub fn copy_file(&self, path: &Path) -> Result<(), Failure> {
        self.file.write(path)
    }

    /// A cluster whose files have just been written.
    pub(super) fn written(home: Home, file: ClusterFile) -> Self {
        Self { home, file }
    }

    /// Its folder.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Its servers.
    pub fn view(&self) -> &View {
        self.file.view()
    }

    /// Its secret.
    pub fn token(&self) -> &Token {
        self.file.token()
    }

    /// Its servers' names, in the order of the file.
    pub fn names(&self) -> Vec<&str> {
        self.view().servers().iter().map(|member| member.name.as_str()).collect()
    }

    /// The server that had this name when it left, if nobody has it now.
    pub fn left(&self, name: &str) -> Option<&Retired> {
        let is_taken = self.view().servers().iter().any(|member| member.name == name);
        self.view().retired().iter().rev().find(|retired| retired.name == name).filter(|_| !is_taken)
    }

    /// Servers that have left and may still run here, since nobody has told them.
    pub fn stragglers(&self) -> Vec<&str> {
        let names = self.view().retired().iter().map(|retired| retired.name.as_str());
        names.filter(|name| self.left(name).is_some()).collect()
    }

    /// The server of this name.
    ///
    /// # Errors
    /// When there is none: names those there are.
    pub fn member(&self, name: &str) -> Result<&Member, Failure> {
        self.view().servers().iter().find(|member| member.name == name).ok_or_else(|| {
            if self.left(name).is_some() {
                return Failure::new(format!("server {name} does not belong to this cluster any more"))
                    .next(format!("name one of: {}", self.names().join(", ")));
            }
            Failure::new(format!("there is no server \"{}\" in this cluster", inert(name))).next(
                match did_you_mean(name, self.names()) {
                    Some(meant) => format!("{meant} There are: {}", self.names().join(", ")),
                    None => format!("name one of: {}", self.names().join(", ")),
                },
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_cluster_says_how_to_make_one() {
        for dir in ["/dev/null/x", "/nonexistent"] {
            let failure = Cluster::load(&Home::new(Path::new(dir)).unwrap()).unwrap_err();
            assert_eq!(failure.what(), format!("there is no cluster in {dir}"));
            assert_eq!(failure.next_step(), Some("tercet cluster up"));
        }
    }

    #[test]
    fn one_changes_the_folder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path()).unwrap();
        let held = home.lock().unwrap();
        let other = home.clone();
        let waiting = std::thread::spawn(move || other.lock().map(drop));
        assert!(File::open(home.lock_file()).unwrap().try_lock().is_err());
        drop(held);
        waiting.join().unwrap().unwrap();
    }
}
