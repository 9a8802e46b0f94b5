//! Where `verify` has its history from: the stores of stopped servers, running servers, which are asked for their
//! logs, and devices' logs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cmd::failure::Failure;
use crate::cmd::files;
use crate::cmd::home::Cluster;
use crate::cmd::live_log::LiveLog;
use crate::cmd::nodes::State;
use crate::cmd::replay::{Server, Sources};
use crate::store::{Replica, StoreError};

/// How many folders deep logs and stores are looked for.
const DEPTH_MAX: usize = 8;

/// Everything that a cluster's folder and its running servers can tell.
///
/// # Errors
/// When the folder cannot be read. What a single server does not tell becomes part of the sources, as absent.
pub fn of_cluster(cluster: &Cluster) -> Result<Sources, Failure> {
    let mut sources = Sources { names: cluster.view().names().collect(), ..Sources::default() };
    for member in cluster.view().servers() {
        let store = cluster.home().server(&member.name).store();
        let found = match cluster.state(&member.name)? {
            State::Up(_) | State::Paused(_) | State::Elsewhere => {
                Ok(Server::Running(Box::new(LiveLog::of(cluster, member))))
            }
            State::Stopped | State::Dead(_) if !store.exists() => {
                Err(Failure::new(format!("server {} has no store yet", member.name)))
            }
            State::Stopped | State::Dead(_) => Ok(Server::Stored {
                store,
                source: format!("server {} (stopped)", member.name),
                name: member.name.clone(),
            }),
        };
        match found {
            Ok(server) => sources.servers.push(server),
            Err(failure) => sources.lacks(&failure),
        }
    }
    for name in cluster.stragglers() {
        let store = cluster.home().server(name).store();
        if store.exists() && cluster.state(name)?.process().is_none() {
            let source = format!("server {name} (has left)");
            sources.servers.push(Server::Stored { store, source, name: name.to_owned() });
        }
    }
    sources.devices.extend(device_logs(&cluster.home().people())?.into_iter().map(|log| {
        let source = log.strip_prefix(cluster.home().dir()).unwrap_or(&log).display().to_string();
        (log, source)
    }));
    Ok(sources)
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

/// The stores and logs at these places, and in folders below them.
///
/// # Errors
/// When one of the paths is not there, or a folder cannot be listed.
pub fn of_paths(paths: &[PathBuf]) -> Result<Sources, Failure> {
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return Err(Failure::new(format!("there is no {}", missing.display()))
            .next("name device logs (people/NAME/devices/ID/log) and store folders (servers/NAME/store)"));
    }
    let (mut stores, mut logs, mut sources) = (BTreeSet::new(), Vec::new(), Sources::default());
    for path in paths {
        if !path.is_dir() {
            logs.push(path.clone());
        } else if !search(path, 0, &mut stores, &mut logs)? {
            // Whoever names a folder means something in it.
            sources.lacks(&Failure::of(&StoreError::Absent { path: path.clone() }));
        }
    }
    let server = |(store, name): (PathBuf, String)| {
        let source = store.display().to_string();
        Server::Stored { store, source, name }
    };
    sources.servers.extend(named(stores.iter()).into_iter().map(server));
    sources.devices.extend(logs.into_iter().map(|log| {
        let source = log.display().to_string();
        (log, source)
    }));
    Ok(sources)
}

/// Lists the store that a folder is, or the stores and device logs that it holds; answers whether there are any.
fn search(
    folder: &Path,
    depth: usize,
    stores: &mut BTreeSet<PathBuf>,
    logs: &mut Vec<PathBuf>,
) -> Result<bool, Failure> {
    if Replica::is_at(folder) {
        stores.insert(folder.to_owned());
        return Ok(true);
    }
    let mut inside = files::list(folder)?;
    inside.sort();
    let mut found = false;
    for path in inside {
        if path.is_dir() && depth < DEPTH_MAX {
            found |= search(&path, depth + 1, stores, logs)?;
        } else if is_device_log(&path) {
            logs.push(path);
            found = true;
        }
    }
    Ok(found)
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
