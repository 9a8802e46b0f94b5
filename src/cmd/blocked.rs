//! Whom a person does not want to hear: a list in a file of theirs on this machine, which nobody else is told.
//!
//! It stands by accounts, which nobody can change, and says beside each how they were called.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::failure::Failure;
use super::files;
use crate::id::AccountId;
use crate::text::Name;

/// The list; clones are the same list.
#[derive(Debug, Clone)]
pub struct Blocked {
    path: PathBuf,
    accounts: Arc<Mutex<BTreeMap<AccountId, Name>>>,
}

impl Blocked {
    /// Reads the list; no file is an empty one.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it is not `ACCOUNT NAME`.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let text = files::read_secret(path)?.unwrap_or_default();
        let mut accounts = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let Some((account, name)) = understood(line) else {
                return Err(Failure::new(format!("line {number} of {} names nobody", path.display()))
                    .next("delete that line, then /block NAME again"));
            };
            accounts.insert(account, name);
        }
        Ok(Self { path: path.to_owned(), accounts: Arc::new(Mutex::new(accounts)) })
    }

    /// Whether this account is not to be heard.
    pub fn holds(&self, account: AccountId) -> bool {
        self.accounts().contains_key(&account)
    }

    /// Puts somebody on the list; `false` if they are there already.
    ///
    /// # Errors
    /// The file cannot be written; then nothing has changed.
    pub fn add(&self, account: AccountId, name: Name) -> Result<bool, Failure> {
        let mut accounts = self.accounts();
        if accounts.contains_key(&account) {
            return Ok(false);
        }
        let mut changed = accounts.clone();
        changed.insert(account, name);
        self.write(&changed)?;
        *accounts = changed;
        Ok(true)
    }

    /// Takes somebody off the list, by the account or by the name that they were put there under; `false` if nobody
    /// there is that.
    ///
    /// # Errors
    /// As [`Blocked::add`].
    pub fn remove(&self, account: Option<AccountId>, name: &Name) -> Result<bool, Failure> {
        let mut accounts = self.accounts();
        let mut changed = accounts.clone();
        changed.retain(|blocked, called| called != name && Some(*blocked) != account);
        if changed.len() == accounts.len() {
            return Ok(false);
        }
        self.write(&changed)?;
        *accounts = changed;
        Ok(true)
    }

    fn write(&self, accounts: &BTreeMap<AccountId, Name>) -> Result<(), Failure> {
        let mut text = String::new();
        for (account, name) in accounts {
            let _infallible = writeln!(text, "{account} {name}");
        }
        files::write(&self.path, text.as_bytes())
    }

    fn accounts(&self) -> MutexGuard<'_, BTreeMap<AccountId, Name>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn understood(line: &str) -> Option<(AccountId, Name)> {
    let (account, name) = line.split_once(' ')?;
    Some((account.parse().ok()?, name.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: AccountId = AccountId::new([7; 32]);

    #[test]
    fn the_list_is_the_same_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blocked");
        let list = Blocked::load(&path).unwrap();
        let bob: Name = "bob".parse().unwrap();
        assert!(!list.holds(BOB));
        assert!(list.add(BOB, bob.clone()).unwrap());
        assert!(!list.add(BOB, bob.clone()).unwrap(), "once is enough");
        assert!(list.holds(BOB) && Blocked::load(&path).unwrap().holds(BOB));
        assert!(list.remove(None, &bob).unwrap() && !list.remove(None, &bob).unwrap());
        assert!(!list.holds(BOB) && !Blocked::load(&path).unwrap().holds(BOB));
    }

    #[test]
    fn somebody_who_has_another_name_now_is_still_on_the_list_and_can_be_taken_off() {
        let dir = tempfile::tempdir().unwrap();
        let list = Blocked::load(&dir.path().join("blocked")).unwrap();
        let [bob, rob]: [Name; 2] = ["bob", "rob"].map(|name| name.parse().unwrap());
        list.add(BOB, bob).unwrap();
        assert!(!list.remove(Some(AccountId::new([8; 32])), &rob).unwrap(), "somebody else");
        assert!(list.remove(Some(BOB), &rob).unwrap() && !list.holds(BOB));
    }

    #[test]
    fn a_list_that_cannot_be_understood_is_not_taken_for_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blocked");
        for text in ["bob\n".to_owned(), format!("{BOB} two words\n"), "0123 bob\n".to_owned()] {
            files::write(&path, text.as_bytes()).unwrap();
            let failure = Blocked::load(&path).unwrap_err();
            assert!(failure.what().contains("line 1") && failure.next_step().is_some(), "{failure}");
        }
    }
}
