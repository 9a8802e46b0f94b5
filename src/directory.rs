//! Names and their accounts, as the directory's canonical order settles them.
//!
//! Anyone may register a name; of two accounts that take the same one, the earlier in canonical order has
//! it. An account's name is the last it registered among those that it has; the others stay its own, so that
//! nobody takes a name that somebody else is remembered by.
//!
//! A closed account stays closed, and keeps its names: what it registers later in the order counts no more.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Kind;
use crate::id::AccountId;

/// What is shown behind the name of a closed account; no name holds a space, so that none can look like it.
const CLOSED: &str = "(account deleted)";

/// How those are shown who have no name; a registered name that begins so counts as none.
pub const NAMELESS: char = '?';

/// What an account says of itself in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// It takes a name.
    Takes(&'a str),
    /// It is used no more.
    Closes,
}

impl<'a> Change<'a> {
    /// What an event of this kind with this text changes, if anything.
    pub fn of(kind: Kind, text: Option<&'a str>) -> Option<Self> {
        match kind {
            Kind::Register => text.map(Self::Takes),
            Kind::Close => Some(Self::Closes),
            _ => None,
        }
    }
}

/// Who is who.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Directory {
    accounts: BTreeMap<String, AccountId>,
    names: BTreeMap<AccountId, String>,
    closed: BTreeSet<AccountId>,
    changes: usize,
}

impl Directory {
    /// The directory that these changes make, given in canonical order.
    pub fn of<'a>(changes: impl IntoIterator<Item = (AccountId, Change<'a>)>) -> Self {
        let mut directory = Self::default();
        changes.into_iter().for_each(|(account, change)| directory.add(account, change));
        directory
    }

    /// Adds a change that comes after all others in canonical order.
    pub fn add(&mut self, account: AccountId, change: Change<'_>) {
        self.changes += 1;
        match change {
            _ if self.closed.contains(&account) => {}
            Change::Closes => _ = self.closed.insert(account),
            Change::Takes(name) if name.starts_with(NAMELESS) => {}
            Change::Takes(name) => {
                let owner = *self.accounts.entry(name.to_owned()).or_insert(account);
                if owner == account {
                    self.names.insert(account, name.to_owned());
                }
            }
        }
    }

    /// Whose name this is, or was before they took another.
    pub fn account(&self, name: &str) -> Option<AccountId> {
        self.accounts.get(name).copied()
    }

    /// What an account is called, if it has a name.
    pub fn called(&self, account: AccountId) -> Option<&str> {
        self.names.get(&account).map(String::as_str)
    }

    /// What an account is shown as: its name, or its key's first digits if it has none; with a mark if it is
    /// closed.
    pub fn name(&self, account: AccountId) -> String {
        let name =
            self.called(account).map_or_else(|| format!("{NAMELESS}{}", account.short()), str::to_owned);
        if self.is_closed(account) { format!("{name} {CLOSED}") } else { name }
    }

    /// Whether an account has said that it is used no more.
    pub fn is_closed(&self, account: AccountId) -> bool {
        self.closed.contains(&account)
    }

    /// Of how many changes it is made, those included that did not count. As events are only ever added, one that is
    /// made of as many as before reads as before.
    pub fn changes(&self) -> usize {
        self.changes
    }

    /// Every open account with its name, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, AccountId)> {
        self.everybody().filter(|(_, account)| !self.is_closed(*account))
    }

    /// Every account that has a name, closed ones included, by name.
    pub fn everybody(&self) -> impl Iterator<Item = (&str, AccountId)> {
        let mut all: Vec<_> = self.names.iter().map(|(account, name)| (name.as_str(), *account)).collect();
        all.sort_unstable();
        all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: AccountId = AccountId::new([1; 32]);
    const TWO: AccountId = AccountId::new([2; 32]);
    const THREE: AccountId = AccountId::new([3; 32]);

    fn named(registrations: &[(AccountId, &'static str)]) -> Directory {
        Directory::of(registrations.iter().map(|(account, name)| (*account, Change::Takes(name))))
    }

    #[test]
    fn the_earlier_registration_has_the_name() {
        let directory = named(&[(ONE, "alice"), (TWO, "alice"), (TWO, "bob"), (ONE, "alys")]);
        assert_eq!(directory.account("alice"), Some(ONE));
        assert_eq!(directory.name(TWO), "bob");
        assert_eq!(directory.name(ONE), "alys");
        assert!(directory.name(THREE).starts_with('?'));
    }

    #[test]
    fn a_name_stays_with_its_account_when_that_takes_another() {
        let directory = named(&[(ONE, "alice"), (ONE, "alys"), (TWO, "alice"), (ONE, "alice")]);
        assert_eq!(directory.account("alice"), Some(ONE));
        assert_eq!(directory.account("alys"), Some(ONE));
        assert_eq!(directory.name(ONE), "alice", "the last that it registered");
        assert!(directory.name(TWO).starts_with('?'), "a name that is another's is none");
    }

    #[test]
    fn who_has_lost_a_name_takes_another() {
        let mut registrations = vec![(ONE, "bob"), (TWO, "bob")];
        let directory = named(&registrations);
        assert_eq!((directory.called(TWO), directory.name(TWO)), (None, format!("?{}", TWO.short())));
        registrations.push((TWO, "rob"));
        let directory = named(&registrations);
        assert_eq!((directory.called(ONE), directory.called(TWO)), (Some("bob"), Some("rob")));
    }

    #[test]
    fn nobody_is_called_what_the_nameless_are_shown_as() {
        let shown = named(&[]).name(ONE);
        let directory = Directory::of([(TWO, Change::Takes(&shown))]);
        assert_eq!((directory.account(&shown), directory.called(TWO)), (None, None));
    }

    #[test]
    fn a_closed_account_keeps_its_name_and_takes_no_other() {
        let takes = Change::Takes;
        let directory = Directory::of([
            (ONE, takes("alice")),
            (ONE, Change::Closes),
            (ONE, takes("alys")),
            (TWO, takes("alice")),
            (TWO, takes("alys")),
            (ONE, Change::Closes),
        ]);
        assert!(directory.is_closed(ONE) && !directory.is_closed(TWO));
        assert_eq!(directory.name(ONE), "alice (account deleted)");
        assert_eq!((directory.account("alice"), directory.account("alys")), (Some(ONE), Some(TWO)));
        assert_eq!(directory.all().collect::<Vec<_>>(), [("alys", TWO)]);
        assert_eq!(directory.everybody().collect::<Vec<_>>(), [("alice", ONE), ("alys", TWO)]);
        assert_eq!(directory.changes(), 6);
    }

    #[test]
    fn everybody_with_a_name_is_listed_once_by_name() {
        let directory = named(&[(THREE, "zoe"), (ONE, "bob"), (TWO, "bob"), (THREE, "anna")]);
        assert_eq!(directory.all().collect::<Vec<_>>(), [("anna", THREE), ("bob", ONE)]);
        assert_eq!(directory.account("nobody"), None);
        assert_eq!(named(&[]).all().count(), 0);
    }
}
