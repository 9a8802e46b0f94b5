//! A person's keys and device on this machine.
//!
//! ```text
//! people/NAME/account.key        who they are
//! people/NAME/device             which of the devices below is in use
//! people/NAME/devices/ID/log     that device's log
//! ```
//!
//! A device is its log. Whoever cannot go on with a log takes a new device, so that no sequence number is
//! ever given twice (rule 2); the old log stays where it is, as evidence.

use std::path::PathBuf;

use ed25519_dalek::SigningKey;

use crate::cmd::failure::Failure;
use crate::cmd::home::Cluster;
use crate::cmd::{files, keys};
use crate::history::Entry;
use crate::id::DeviceId;
use crate::store::DeviceLog;
use crate::text::Name;

/// An open device.
pub struct Device {
    /// The account's private key.
    pub key: SigningKey,
    /// The device's id.
    pub id: DeviceId,
    /// Where its log is.
    pub log_path: PathBuf,
    /// Its log, open.
    pub log: DeviceLog,
    /// What the log held.
    pub entries: Vec<Entry>,
}

/// Opens the device in use, or a new one.
///
/// # Errors
/// What cannot be read, written or locked, with the next step.
pub fn open(cluster: &Cluster, name: &Name, new_device: bool) -> Result<Device, Failure> {
    let home = cluster.home();
    let (key, _) = keys::load_or_create(&home.account_key(name))?;
    let in_use = home.devices(name).with_file_name("device");
    let known = files::read_secret(&in_use)?.filter(|_| !new_device);
    let id = match known {
        Some(text) => text.trim().parse().map_err(|error| {
            Failure::new(format!("{} does not name a device: {error}", in_use.display()))
                .next(format!("go on as a new device: tercet chat {name} --new-device"))
        })?,
        None => {
            let id = DeviceId::new(keys::random()?);
            files::make_folder(&home.devices(name).join(id.to_string()))?;
            files::write(&in_use, format!("{id}\n").as_bytes())?;
            id
        }
    };
    let log_path = home.devices(name).join(id.to_string()).join("log");
    let (log, entries) = DeviceLog::open(&log_path).map_err(|error| Failure::of(&error))?;
    Ok(Device { key, id, log_path, log, entries })
}
