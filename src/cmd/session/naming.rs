//! Names: the account takes its own on first use, and the person is told when anybody is called otherwise.
//!
//! **Invariant**: a name is claimed only after a server has told who has which.
//!
//! It must not know connections.

use std::collections::BTreeMap;

use crate::client::Input;
use crate::cmd::files;
use crate::cmd::place::room_labels;
use crate::event::{Conversation, Kind};
use crate::id::AccountId;

use super::notice::{Change, Notice};
use super::worker::{Turn, Worker};

/// How far the account has come with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Registration {
    Open,
    Taken,
    Done,
    Closed,
}

impl Worker {
    /// Takes the name on first use, once a server has told who has which. A name that this log knows to be
    /// ours serves without a server too; should an earlier claim turn up later, the person is told then.
    pub(super) fn register(&mut self, turn: &mut Turn) {
        let (directory, me) = (self.client.directory(), self.client.account());
        let found = match directory.account(self.name.as_str()) {
            _ if directory.is_closed(me) => Registration::Closed,
            // Perhaps another name than the folder's: one that it took elsewhere.
            _ if directory.called(me).is_some() => Registration::Done,
            _ if !self.client.is_caught_up() => return,
            Some(_) => Registration::Taken,
            None => {
                let body = self.name.as_str().as_bytes().to_vec();
                let conversation = Conversation::Directory;
                let _said = self.write_down(Input::Say { conversation, kind: Kind::Register, body }, turn);
                return;
            }
        };
        if found != self.registration {
            self.registration = found;
            turn.notices.push(match found {
                Registration::Taken => Notice::NameTaken,
                Registration::Closed => Notice::AccountClosed,
                _ => Notice::SignedIn,
            });
        }
    }

    pub(super) fn tell_names(&mut self, turn: &mut Turn) {
        let names = (self.client.directory().changes(), self.client.rooms().len());
        if names != self.names {
            self.names = names;
            let mut all: Vec<String> =
                self.client.directory().all().map(|(name, _)| name.to_owned()).collect();
            all.extend(room_labels(&self.client));
            let list: String = all.iter().map(|name| format!("{}\n", crate::text::inert(name))).collect();
            // For the shell's completion only: without it that knows fewer names. Nothing waits for the disk.
            let _unwritten = files::write_unsynced(&self.known_names, list.as_bytes());
            turn.notices.push(Notice::Names(all));
            self.tell_changes(turn);
        }
    }

    /// Tells who is shown otherwise than before.
    fn tell_changes(&mut self, turn: &mut Turn) {
        let now = self.everybody();
        let called = std::mem::replace(&mut self.called, now);
        let (directory, me) = (self.client.directory(), self.client.account());
        if let Some(now) =
            directory.called(me).filter(|now| !called.contains_key(&me) && *now != self.name.as_str())
        {
            let (before, now) = (self.name.to_string(), now.to_owned());
            turn.notices.push(Notice::Called { account: me, before, now, why: Change::Renamed });
        }
        for (account, before) in called {
            let now = directory.name(account);
            let why = match directory.called(account) {
                _ if now == before => continue,
                _ if directory.is_closed(account) => Change::Closed,
                None => Change::Lost,
                Some(_) if directory.account(&before) != Some(account) => Change::FellBack,
                Some(_) => Change::Renamed,
            };
            turn.notices.push(Notice::Called { account, before, now, why });
        }
    }

    /// Everybody who has a name, with how they are shown.
    pub(super) fn everybody(&self) -> BTreeMap<AccountId, String> {
        let directory = self.client.directory();
        directory.everybody().map(|(_, account)| (account, directory.name(account))).collect()
    }
}
