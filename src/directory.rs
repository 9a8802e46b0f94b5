//! Names and their accounts, as the directory's canonical order settles them.
//!
//! Anyone may register a name; of two accounts that take the same one, the earlier in canonical order has
//! it. An account's name is the last it registered among those that it has.

use std::collections::BTreeMap;

use crate::id::AccountId;

/// Who is who.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Directory {
    accounts: BTreeMap<String, AccountId>,
    names: BTreeMap<AccountId, String>,
}

impl Directory {
    /// The directory that these registrations make, given in canonical order.
    pub fn from_registrations<'a>(registrations: impl IntoIterator<Item = (AccountId, &'a str)>) -> Self {
        let mut directory = Self::default();
        for (account, name) in registrations {
            let owner = *directory.accounts.entry(name.to_owned()).or_insert(account);
            if owner == account {
                directory.names.insert(account, name.to_owned());
            }
        }
        directory
    }

    /// Whose name this is.
    pub fn account(&self, name: &str) -> Option<AccountId> {
        self.accounts.get(name).copied()
    }

    /// What an account is called; its key's first digits if it has no name.
    pub fn name(&self, account: AccountId) -> String {
        self.names.get(&account).cloned().unwrap_or_else(|| format!("?{}", account.short()))
    }

    /// How many names are taken; one that is taken stays so.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether nobody has a name.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Every account with its name, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, AccountId)> {
        let mut all: Vec<_> = self.names.iter().map(|(account, name)| (name.as_str(), *account)).collect();
        all.sort_unstable();
        all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_registration_has_the_name() {
        let (one, two) = (AccountId::new([1; 32]), AccountId::new([2; 32]));
        let directory =
            Directory::from_registrations([(one, "alice"), (two, "alice"), (two, "bob"), (one, "alys")]);
        assert_eq!(directory.account("alice"), Some(one));
        assert_eq!(directory.name(two), "bob");
        assert_eq!(directory.name(one), "alys");
        assert!(directory.name(AccountId::new([3; 32])).starts_with('?'));
    }

    #[test]
    fn a_name_stays_with_its_account_when_that_takes_another() {
        let (one, two) = (AccountId::new([1; 32]), AccountId::new([2; 32]));
        let directory =
            Directory::from_registrations([(one, "alice"), (one, "alys"), (two, "alice"), (one, "alice")]);
        assert_eq!(directory.account("alice"), Some(one));
        assert_eq!(directory.account("alys"), Some(one));
        assert_eq!(directory.name(one), "alice", "the last that it registered");
        assert!(directory.name(two).starts_with('?'), "a name that is another's is none");
    }

    #[test]
    fn everybody_with_a_name_is_listed_once_by_name() {
        let [one, two, three] = [1, 2, 3].map(|n| AccountId::new([n; 32]));
        let directory =
            Directory::from_registrations([(three, "zoe"), (one, "bob"), (two, "bob"), (three, "anna")]);
        assert_eq!(directory.all().collect::<Vec<_>>(), [("anna", three), ("bob", one)]);
        assert_eq!(directory.account("nobody"), None);
        assert_eq!(Directory::from_registrations([]).all().count(), 0);
    }
}
