//! Where `verify` has its history from.
//!
//! Stores of stopped servers are read from a copy; running servers are asked for their logs. Servers are read
//! before device logs, so that whatever a store holds its author's log, read later, must hold too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;

use super::progress::{working_through, working_towards};
use crate::cmd::failure::Failure;
use crate::cmd::home::Cluster;
use crate::cmd::nodes::State;
use crate::cmd::{ask, files};
use crate::history::{ClientHistory, History, ServerHistory};
use crate::store::{DeviceLog, Replica, StoreError};
use crate::text::inert;
use crate::view::Member;

/// How many folders deep logs and stores are looked for.
const DEPTH_MAX: usize = 8;

/// Everything that a cluster's folder and its running servers tell.
///
/// # Errors
/// When the folder cannot be read. What a single server or log does not tell becomes part of the history, as
/// absent.
pub fn of_cluster(cluster: &Cluster) -> Result<History, Failure> {
    let mut history = History {
        names: cluster.view().servers().iter().map(|member| (member.id, member.name.clone())).collect(),
        ..History::default()
    };
    let logs = device_logs(&cluster.home().people())?;
    let mut stopped = Vec::new();
    for member in cluster.view().servers() {
        match cluster.state(&member.name)? {
            State::Up(_) | State::Paused(_) | State::Elsewhere => {
                let read = ask(cluster, member);
                take(read, &mut history);
            }
            State::Stopped | State::Dead(_) => stopped.push(member),
        }
    }
    let len = logs.iter().map(|log| size(log)).sum::<u64>();
    let store_of = |member: &&Member| cluster.home().server(&member.name).store();
    let len = len + stopped.iter().map(|member| size(&store_of(member))).sum::<u64>();
    working_through(len, "", |bar| {
        for member in &stopped {
            let store = store_of(member);
            let read = if store.exists() {
                bar.set_message(format!("server {}", member.name));
                let read = Replica::read(&store).map_err(|error| Failure::of(&error));
                read.map(|server| ServerHistory {
                    source: format!("server {} (stopped)", member.name),
                    ..server
                })
            } else {
                Err(Failure::new(format!("server {} has no store yet", member.name)))
            };
            bar.inc(size(&store));
            take(read, &mut history);
        }
        for log in &logs {
            let source = log.strip_prefix(cluster.home().dir()).unwrap_or(log).display().to_string();
            read_device(log, source, bar, &mut history);
        }
    });
    // By name, whichever of them had to be asked.
    let names: Vec<_> = cluster.view().servers().iter().map(|member| member.id).collect();
    history.servers.sort_by_key(|server| names.iter().position(|id| *id == server.server));
    Ok(history)
}

fn ask(cluster: &Cluster, member: &Member) -> Result<ServerHistory, Failure> {
    working_towards(&format!("reading server {}", member.name), |bar| {
        ask::read_log(cluster, member, |reached, tip| {
            bar.set_length(tip);
            bar.set_position(reached);
        })
    })
}

fn take(read: Result<ServerHistory, Failure>, history: &mut History) {
    match read {
        Ok(server) => history.servers.push(server),
        Err(failure) => absent(&failure, history),
    }
}

fn absent(failure: &Failure, history: &mut History) {
    let absent = inert(failure.what());
    if !history.absent.contains(&absent) {
        history.absent.push(absent);
    }
}

/// Every `NAME/devices/ID/log` below the people's folder.
fn device_logs(people: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut logs = Vec::new();
    for person in files::list(people)? {
        for device in files::list(&person.join("devices"))? {
            let log = device.join("log");
            if log.exists() {
                logs.push(log);
            }
        }
    }
    logs.sort();
    Ok(logs)
}

/// Stores are read before device logs, whatever the order in which they are named: see the module.
///
/// # Errors
/// When one of the paths is not there.
pub fn of_paths(paths: &[PathBuf]) -> Result<History, Failure> {
    let mut history = History::default();
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return Err(Failure::new(format!("there is no {}", missing.display()))
            .next("name device logs (people/NAME/devices/ID/log) and store folders (servers/NAME/store)"));
    }
    let len = paths.iter().map(|path| size(path)).sum();
    working_through(len, "", |bar| {
        let (mut stores, mut logs) = (BTreeMap::new(), Vec::new());
        for path in paths {
            if path.is_dir() {
                search(path, 0, bar, &mut stores, &mut logs, &mut history)?;
            } else {
                logs.push(path.clone());
            }
        }
        for (path, name) in named(stores.keys()) {
            let Some(server) = stores.remove(&path) else { continue };
            history.names.insert(server.server, name);
            history.servers.push(server);
        }
        for log in logs {
            read_device(&log, log.display().to_string(), bar, &mut history);
        }
        Ok(history)
    })
}

/// Reads the store that a folder is, or those that it holds; lists the device logs that it holds.
fn search(
    folder: &Path,
    depth: usize,
    bar: &ProgressBar,
    stores: &mut BTreeMap<PathBuf, ServerHistory>,
    logs: &mut Vec<PathBuf>,
    history: &mut History,
) -> Result<(), Failure> {
    bar.set_message(folder.display().to_string());
    let error = match Replica::read(folder) {
        Ok(server) => {
            bar.inc(size(folder));
            stores.insert(folder.to_owned(), server);
            return Ok(());
        }
        Err(error) => error,
    };
    let mut inside = files::list(folder)?;
    inside.sort();
    let found = (stores.len(), logs.len(), history.absent.len());
    if matches!(error, StoreError::Absent { .. }) && depth < DEPTH_MAX {
        for path in inside {
            if path.is_dir() {
                search(&path, depth + 1, bar, stores, logs, history)?;
            } else if is_device_log(&path) {
                logs.push(path);
            }
        }
    }
    // A folder on the way to others may hold nothing; one that was named, or is broken, may not.
    let is_empty = found == (stores.len(), logs.len(), history.absent.len());
    if is_empty && (depth == 0 || !matches!(error, StoreError::Absent { .. })) {
        absent(&Failure::of(&error), history);
    }
    Ok(())
}

/// A device's log is a file `log` in a folder below `devices`, or ends in `.log`.
fn is_device_log(path: &Path) -> bool {
    let is_kept = path.file_name().is_some_and(|name| name == "log")
        && path.ancestors().nth(2).and_then(Path::file_name).is_some_and(|name| name == "devices");
    is_kept || path.extension().is_some_and(|extension| extension == "log")
}

/// What stores are called: by the folder above, where the servers' names stand, if that tells them apart.
fn named<'a>(stores: impl Iterator<Item = &'a PathBuf>) -> Vec<(PathBuf, String)> {
    let stores: Vec<_> = stores.cloned().collect();
    let short = |path: &PathBuf| {
        let is_store = path.file_name().is_some_and(|name| name == "store");
        let folder = if is_store { path.parent()? } else { path };
        Some(folder.file_name()?.to_string_lossy().into_owned())
    };
    let names: Vec<_> = stores.iter().map(short).collect();
    let name = |(index, path): (usize, &PathBuf)| {
        let is_unique = names.iter().filter(|name| **name == names[index]).count() == 1;
        let name = names[index].clone().filter(|_| is_unique);
        (path.clone(), name.unwrap_or_else(|| path.display().to_string()))
    };
    stores.iter().enumerate().map(name).collect()
}

fn read_device(log: &Path, source: String, bar: &ProgressBar, history: &mut History) {
    bar.set_message(source.clone());
    match DeviceLog::read(log) {
        Ok(entries) => history.clients.push(ClientHistory { source, entries }),
        Err(error) => absent(&Failure::of(&error), history),
    }
    bar.inc(size(log));
}

/// How many bytes a file or a folder holds, for the bar: what cannot be read counts for nothing.
fn size(path: &Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let inside = std::fs::read_dir(path).into_iter().flatten().flatten();
    inside.map(|entry| size(&entry.path())).sum()
}
