//! What other devices of an account on this machine have not sent: their logs go with the account, so it goes first.
//!
//! A device is left for another when a chat is started with `--new-device`; its log stays, and so does what it owes.

use std::path::Path;

use super::{Telling, hears, is_safe};
use crate::client::{Client, Config};
use crate::cmd::failure::Failure;
use crate::cmd::home::Cluster;
use crate::cmd::session::now_ms;
use crate::cmd::visit::Visit;
use crate::cmd::{device, person, screen};
use crate::id::DeviceId;
use crate::store::DeviceLog;
use crate::text::Name;

/// The devices beside the one in use that have written something which is not known to be on so many servers.
///
/// # Errors
/// A log that cannot be read: what it holds may be nowhere else.
pub(super) fn owing(cluster: &Cluster, me: &Name, wanted: usize) -> Result<Vec<DeviceId>, Failure> {
    let home = cluster.home();
    let in_use = device::in_use(home, me)?;
    let mut owing = Vec::new();
    for log in person::devices(home, me)? {
        let Some(id) = id_of(&log).filter(|id| Some(*id) != in_use) else { continue };
        if owed(cluster, me, id, &log, wanted).map_err(|why| lost(me, &log, &why))? > 0 {
            owing.push(id);
        }
    }
    Ok(owing)
}

/// Has one of them send what it owes; `false` if not all of it reached so many servers in time. The device in use is
/// the same as before then.
///
/// # Errors
/// No server answers, or the device is open elsewhere.
pub(super) async fn send(
    cluster: &Cluster,
    me: &Name,
    id: DeviceId,
    telling: &Telling,
    wanted: usize,
) -> Result<bool, Failure> {
    screen::note(&format!(
        "-- another device of {me} on this machine has not sent everything; that goes first"
    ));
    let in_use = device::in_use(cluster.home(), me)?;
    device::turn_to(cluster.home(), me, id)?;
    let sent = send_all(cluster, me, telling, wanted).await;
    let now = person::formerly(cluster.home(), me).unwrap_or_else(|| me.clone());
    if let Some(in_use) = in_use {
        device::turn_to(cluster.home(), &now, in_use)?;
    }
    sent
}

async fn send_all(cluster: &Cluster, me: &Name, telling: &Telling, wanted: usize) -> Result<bool, Failure> {
    let visit = Visit::open(cluster, me, telling.patience(), None).await?;
    let sent = match hears(&visit).await {
        Ok(()) => is_safe(&visit, telling, wanted).await,
        Err(failure) => Err(failure),
    };
    visit.close().await?;
    sent
}

/// A device's log is the file `log` in a folder that is named as the device.
fn id_of(log: &Path) -> Option<DeviceId> {
    log.parent()?.file_name()?.to_str()?.parse().ok()
}

/// How many events a device owes, by its log.
fn owed(cluster: &Cluster, me: &Name, device: DeviceId, log: &Path, wanted: usize) -> Result<usize, String> {
    let entries = DeviceLog::read(log).map_err(|error| error.to_string())?;
    let config = Config {
        key: person::key(cluster.home(), me).map_err(|failure| failure.to_string())?,
        name: me.to_string(),
        device,
        view: cluster.view().clone(),
        window_ms: u64::MAX,
        quorum: 1,
    };
    let (client, _) = Client::resume_from(now_ms(), config, entries).map_err(|error| error.to_string())?;
    Ok(client.unsafe_below(wanted).len())
}

fn lost(me: &Name, log: &Path, why: &str) -> Failure {
    let folder = log.parent().unwrap_or(log).display();
    Failure::new(format!(
        "nothing was removed: what another device of {me} has written here cannot be read, and may be nowhere else: \
         {why}"
    ))
    .next(format!("if that may be lost: rm -r {folder}, then run this again"))
}
