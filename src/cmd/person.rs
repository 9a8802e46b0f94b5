//! A person's folder, which is named as they are: found by a name they had before, and moved when they take
//! another.
//!
//! ```text
//! people/.lock          shared while a device is being opened, exclusive while a folder moves
//! people/NAME/former    names that the folder had before, one on a line
//! ```
//!
//! **Invariant**: a folder moves only while none of its devices is open or being opened. Otherwise whoever opens one
//! could find its log missing, begin it anew, and give its numbers twice (rule 2).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;

use super::failure::Failure;
use super::files;
use super::home::Home;
use super::keys;
use crate::client::Client;
use crate::directory::NAMELESS;
use crate::store::DeviceLog;
use crate::text::Name;

const PATIENCE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);

/// While it lives, no person's folder moves.
#[derive(Debug)]
pub struct Stay(#[expect(dead_code, reason = "an open file is what holds the lock")] File);

/// Keeps folders where they are while a device is opened. The folder of people is made if it is absent.
///
/// # Errors
/// The lock's file cannot be had.
pub fn stay(home: &Home) -> Result<Stay, Failure> {
    files::make_folder(&home.people())?;
    let file = lock_file(home)?;
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = file.try_lock_shared() {
        match error {
            TryLockError::WouldBlock if Instant::now() < deadline => sleep(POLL),
            TryLockError::WouldBlock => {
                return Err(Failure::new(format!("a folder in {} is being moved", home.people().display()))
                    .next("try again"));
            }
            TryLockError::Error(error) => return Err(failed(home, &error)),
        }
    }
    Ok(Stay(file))
}

/// The person here who had this name before, if nobody here has it now.
pub fn formerly(home: &Home, name: &Name) -> Option<Name> {
    if home.account_key(name).exists() {
        return None;
    }
    let folders = files::list(&home.people()).unwrap_or_default();
    let is_it = |folder: &PathBuf| former(folder).iter().any(|former| former == name.as_str());
    let mut found = folders.iter().filter(|folder| is_it(folder));
    let now = found.next()?.file_name()?.to_str()?.parse().ok()?;
    found.next().is_none().then_some(now)
}

/// Moves a person's folder to the name that they have now; `false` if it has to stay for now: one of its devices is
/// in use, or there is another folder in its place.
///
/// # Errors
/// The folder or a file in it cannot be written.
pub fn follow(home: &Home, before: &Name, now: &Name) -> Result<bool, Failure> {
    let (from, to) = (home.people().join(before.as_str()), home.people().join(now.as_str()));
    if before == now || to.exists() || !from.exists() {
        return Ok(false);
    }
    let Some(_alone) = alone(home, before)? else { return Ok(false) };
    let mut names = former(&from);
    names.retain(|name| name != now.as_str() && name != before.as_str());
    names.push(before.to_string());
    files::write(&from.join("former"), format!("{}\n", names.join("\n")).as_bytes())?;
    fs::rename(&from, &to)
        .map_err(|error| Failure::io(format!("move {} to {}", from.display(), to.display()), &error))?;
    Ok(true)
}

/// Deletes a person's folder with the key and every device's log; `false` if one of them is in use.
///
/// # Errors
/// The folder cannot be removed.
pub fn remove(home: &Home, name: &Name) -> Result<bool, Failure> {
    let Some(_alone) = alone(home, name)? else { return Ok(false) };
    let folder = home.people().join(name.as_str());
    // The key first: what is left of a removal that broke off is no account any more.
    let key = home.account_key(name);
    fs::remove_file(&key)
        .and_then(|()| fs::remove_dir_all(&folder))
        .map_err(|error| Failure::io(format!("delete {}", folder.display()), &error))?;
    Ok(true)
}

/// The lock under which a folder may be moved or removed; `None` if a device is in use.
fn alone(home: &Home, name: &Name) -> Result<Option<Stay>, Failure> {
    let file = lock_file(home)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(failed(home, &error)),
    }
    let in_use = devices(home, name)?.iter().any(|log| DeviceLog::is_in_use(log));
    Ok((!in_use).then_some(Stay(file)))
}

/// The logs of a person's devices here.
///
/// # Errors
/// The folder cannot be read.
pub fn devices(home: &Home, name: &Name) -> Result<Vec<PathBuf>, Failure> {
    let folders = files::list(&home.devices(name))?.into_iter();
    Ok(folders.map(|device| device.join("log")).filter(|log| log.exists()).collect())
}

/// The key of an account that is on this machine.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn key(home: &Home, name: &Name) -> Result<SigningKey, Failure> {
    let path = home.account_key(name);
    if path.exists() {
        return keys::load(&path);
    }
    Err(Failure::new(format!("there is no account {name} on this machine")).next("tercet account list"))
}

/// Whether somebody may register a name for an account.
///
/// # Errors
/// What begins as the nameless are shown.
pub fn check(name: &Name) -> Result<(), String> {
    match name.as_str().starts_with(NAMELESS) {
        true => Err(format!("the name {name} starts with '{NAMELESS}', as those are shown who have no name")),
        false => Ok(()),
    }
}

/// Whether an account may take a name, as far as this machine has heard.
///
/// # Errors
/// Says why not.
pub fn may_take(client: &Client, name: &Name) -> Result<(), String> {
    check(name)?;
    let (directory, me) = (client.directory(), client.account());
    match directory.account(name.as_str()) {
        _ if directory.is_closed(me) => Err("this account was deleted".to_owned()),
        Some(owner) if owner != me => Err(format!("the name {name} belongs to somebody else")),
        Some(_) if directory.called(me) == Some(name.as_str()) => Err(format!("you are called {name}")),
        _ => Ok(()),
    }
}

fn former(folder: &std::path::Path) -> Vec<String> {
    let text = files::read_secret(&folder.join("former")).ok().flatten().unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn lock_file(home: &Home) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    options.open(home.people().join(".lock")).map_err(|error| failed(home, &error))
}

fn failed(home: &Home, error: &std::io::Error) -> Failure {
    Failure::io(format!("lock {}", home.people().display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn home_with(dir: &tempfile::TempDir, person: &str) -> Home {
        let home = Home::new(dir.path()).unwrap();
        keys::load_or_create(&home.account_key(&name(person))).unwrap();
        home
    }

    #[test]
    fn a_folder_is_found_by_every_name_that_it_had() {
        let dir = tempfile::tempdir().unwrap();
        let home = home_with(&dir, "alice");
        assert!(follow(&home, &name("alice"), &name("anna")).unwrap());
        assert!(follow(&home, &name("anna"), &name("ann")).unwrap());
        for before in ["alice", "anna"] {
            assert_eq!(formerly(&home, &name(before)), Some(name("ann")));
        }
        assert_eq!(formerly(&home, &name("ann")), None, "that is the name");
        assert_eq!(formerly(&home, &name("bob")), None);
        assert!(follow(&home, &name("ann"), &name("alice")).unwrap());
        assert_eq!(formerly(&home, &name("ann")), Some(name("alice")));
    }

    #[test]
    fn a_name_of_before_that_somebody_else_has_here_is_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let home = home_with(&dir, "bob");
        assert!(follow(&home, &name("bob"), &name("rob")).unwrap());
        home_with(&dir, "bob");
        assert_eq!(formerly(&home, &name("bob")), None);
        assert!(!follow(&home, &name("rob"), &name("bob")).unwrap(), "there is another in its place");
    }

    #[test]
    fn a_folder_stays_while_a_device_is_open_or_being_opened() {
        let dir = tempfile::tempdir().unwrap();
        let home = home_with(&dir, "alice");
        let opening = stay(&home).unwrap();
        assert!(!follow(&home, &name("alice"), &name("anna")).unwrap());
        let (open, _) = DeviceLog::open(&home.devices(&name("alice")).join("d/log")).unwrap();
        drop(opening);
        assert!(!follow(&home, &name("alice"), &name("anna")).unwrap());
        assert!(!remove(&home, &name("alice")).unwrap());
        drop(open);
        assert!(follow(&home, &name("alice"), &name("anna")).unwrap());
        assert!(remove(&home, &name("anna")).unwrap() && !home.account_key(&name("anna")).exists());
    }
}
