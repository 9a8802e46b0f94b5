//! A person's keys and device on this machine.
//!
//! ```text
//! people/NAME/account.key        who they are
//! people/NAME/device             which of the devices below is in use
//! people/NAME/devices/ID/log     that device's log
//! ```
//!
//! A device is its log. Whoever cannot go on with a log takes a new device, so that no sequence number is
//! ever given twice (rule 2); the old log stays where it is, as evidence. That goes for a log that has
//! disappeared, too, and for a device whose log was never made: nobody can tell the two apart.

use std::path::PathBuf;

use ed25519_dalek::SigningKey;

use crate::cmd::failure::Failure;
use crate::cmd::home::{Cluster, Home};
use crate::cmd::{files, keys, person};
use crate::history::Entry;
use crate::id::DeviceId;
use crate::store::{DeviceLog, LogError};
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

/// Which device of a person here is in use, if any.
///
/// # Errors
/// What says so cannot be read.
pub fn in_use(home: &Home, name: &Name) -> Result<Option<DeviceId>, Failure> {
    let text = files::read_secret(&home.devices(name).with_file_name("device"))?;
    Ok(text.and_then(|text| text.trim().parse().ok()))
}

/// Makes another device of a person here the one in use.
///
/// # Errors
/// It cannot be written down.
pub fn turn_to(home: &Home, name: &Name, id: DeviceId) -> Result<(), Failure> {
    let _stay = person::stay(home)?;
    files::write(&home.devices(name).with_file_name("device"), format!("{id}\n").as_bytes())
}

/// Opens the device in use, or a new one.
///
/// # Errors
/// What cannot be read, written or locked, with the next step.
pub fn open(cluster: &Cluster, name: &Name, new_device: bool) -> Result<Device, Failure> {
    let home = cluster.home();
    person::check(name).map_err(|why| Failure::new(why).next("choose another name: tercet chat NAME"))?;
    let _stay = person::stay(home)?;
    let (key, _) = keys::load_or_create(&home.account_key(name))?;
    let in_use = home.devices(name).with_file_name("device");
    let log_of = |id: DeviceId| home.devices(name).join(id.to_string()).join("log");
    let as_new = format!("go on as a new device, which gets everything: tercet chat {name} --new-device");
    let known: Option<DeviceId> = match files::read_secret(&in_use)?.filter(|_| !new_device) {
        Some(text) => Some(text.trim().parse().map_err(|error| {
            Failure::new(format!("{} does not name a device: {error}", in_use.display())).next(&as_new)
        })?),
        None => None,
    };
    let id = match known.filter(|id| log_of(*id).exists()) {
        Some(id) => id,
        None => {
            let id = DeviceId::new(keys::random()?);
            files::make_folder(&home.devices(name).join(id.to_string()))?;
            files::write(&in_use, format!("{id}\n").as_bytes())?;
            id
        }
    };
    let log_path = log_of(id);
    let (log, entries) = DeviceLog::open(&log_path).map_err(|error| match error {
        LogError::Damaged { .. } | LogError::NotALog { .. } => Failure::of(&error).next(&as_new),
        LogError::InUse { holder, .. } => {
            let end =
                holder.0.map_or("ctrl-D there".to_owned(), |pid| format!("ctrl-D there, or: kill {pid}"));
            Failure::of(&error).next(format!("say it there, or end that one ({end}) and run this again"))
        }
        error => Failure::of(&error),
    })?;
    Ok(Device { key, id, log_path, log, entries })
}
