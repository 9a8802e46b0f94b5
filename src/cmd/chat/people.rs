//! The chat's commands about accounts: who there is, who one is oneself, and to be called otherwise.

use super::render::{Eyes, table};
use super::talk::{Done, Shared, Standing, perform};
use crate::client::{Client, Input};
use crate::cmd::failure::Failure;
use crate::cmd::person::may_take;
use crate::cmd::session::Session;
use crate::event::{Conversation, Kind};
use crate::frame::Presence;
use crate::id::AccountId;
use crate::text::{Name, count, inert};
use crate::words::fingerprint;

/// Most people that a screen is filled with. Who reads a pipe gets all of them.
const LISTED_MAX: usize = 100;

/// `/who`: all accounts, each with its key's first digits.
///
/// # Errors
/// If the session has ended, as for every command.
pub async fn who(session: &Session, eyes: &Eyes) -> Result<Done, Failure> {
    list(session, eyes, "", |account| format!("key {}", account.short())).await
}

/// `/accounts`: the accounts whose names hold a text, case aside, each with its key in words.
///
/// # Errors
/// See [`who`].
pub async fn accounts(session: &Session, eyes: &Eyes, text: &str) -> Result<Done, Failure> {
    list(session, eyes, text, fingerprint).await
}

async fn list(
    session: &Session,
    eyes: &Eyes,
    text: &str,
    key: impl Fn(AccountId) -> String,
) -> Result<Done, Failure> {
    let wanted = text.to_owned();
    let all = session
        .ask(move |client| {
            let everybody = client.directory().everybody().map(|(_, account)| account);
            named(client, everybody, &wanted)
        })
        .await?;
    let cells = |account: AccountId, presence: String| {
        let what = match (account == eyes.account, eyes.blocked.holds(account)) {
            (true, _) => "(you)".to_owned(),
            (_, true) => "(blocked)".to_owned(),
            _ => presence,
        };
        vec![key(account), what]
    };
    let list = List { of: "account", with: text, command: "/accounts" };
    Ok(Done::Answer(list.lines(session, eyes, all, cells)))
}

/// These accounts as they are shown, by name; only those whose names hold a text, case aside.
pub fn named(
    client: &Client,
    accounts: impl Iterator<Item = AccountId>,
    wanted: &str,
) -> Vec<(String, AccountId)> {
    let (directory, wanted) = (client.directory(), wanted.to_lowercase());
    let mut all: Vec<_> = accounts
        .filter(|account| match directory.called(*account) {
            Some(name) => name.to_lowercase().contains(&wanted),
            None => directory.name(*account).contains(&wanted),
        })
        .map(|account| (directory.name(account), account))
        .collect();
    all.sort();
    all
}

/// A list of people.
pub struct List<'a> {
    /// What one of them is called.
    pub of: &'static str,
    /// What their names were to hold, if anything.
    pub with: &'a str,
    /// What finds some of them by such a text.
    pub command: &'static str,
}

impl List<'_> {
    /// A heading, and a row for each: the name, then these cells, which are given whether they are here. On a screen,
    /// of many only some, who is here before all others.
    pub fn lines(
        &self,
        session: &Session,
        eyes: &Eyes,
        mut people: Vec<(String, AccountId)>,
        cells: impl Fn(AccountId, String) -> Vec<String>,
    ) -> Vec<String> {
        let all = people.len();
        if eyes.reads && all > LISTED_MAX {
            people.sort_by_cached_key(|(name, account)| (absence(session, *account), name.clone()));
            people.truncate(LISTED_MAX);
        }
        let row = |(name, account): &(String, AccountId)| {
            let presence = eyes.presence(session.presence(*account));
            std::iter::once(inert(name)).chain(cells(*account, presence)).collect()
        };
        let rows: Vec<_> = people.iter().map(row).collect();
        let heading = eyes.aside(&self.heading(all, people.len()));
        std::iter::once(heading).chain(table(&rows)).collect()
    }

    fn heading(&self, all: usize, shown: usize) -> String {
        let with = match self.with {
            "" => String::new(),
            text => format!(" with \"{}\" in the name", inert(text)),
        };
        let rest = match all - shown {
            0 => String::new(),
            _ => format!("; {shown} of them, who is here first; {} TEXT finds others", self.command),
        };
        format!("{}{with}{rest}", count(all, self.of))
    }
}

/// How far somebody is from being here.
fn absence(session: &Session, account: AccountId) -> u8 {
    match session.presence(account) {
        Some((Presence::Here, _)) => 0,
        Some((Presence::Away, _)) => 1,
        Some((Presence::Gone, _)) | None => 2,
    }
}

/// `/whoami`: name, key and device.
///
/// # Errors
/// See [`who`].
pub async fn whoami(session: &Session, eyes: &Eyes, shared: &Shared) -> Result<Done, Failure> {
    let device = session.ask(|client| client.device()).await?;
    let name = eyes.name.now();
    let heading = match shared.standing() {
        Some(Standing::Named) => format!("you are {name}"),
        Some(Standing::Nameless) => {
            format!("you have no name: {name} is somebody else's, and /rename NEW takes another")
        }
        Some(Standing::Closed) => format!("you were {name}: this account was deleted"),
        None => format!("you are {name}, if nobody else is: no server has answered yet"),
    };
    let row = |what: &str, value: String| vec![what.to_owned(), value];
    let rows = [
        row("key", fingerprint(eyes.account)),
        row("account", eyes.account.to_string()),
        row("device", device.short()),
    ];
    let mut lines = vec![eyes.aside(&heading)];
    lines.extend(table(&rows));
    lines.push(
        eyes.aside("the words are the key's: others who see them under /accounts have this very account"),
    );
    Ok(Done::Answer(lines))
}

/// `/rename`: takes another name.
///
/// # Errors
/// See [`who`].
pub async fn rename(session: &Session, eyes: &Eyes, name: Name) -> Result<Done, Failure> {
    let asked = name.clone();
    let (allowed, caught_up) =
        session.ask(move |client| (may_take(client, &asked), client.is_caught_up())).await?;
    if let Err(why) = allowed {
        return Ok(Done::Not(why));
    }
    let body = name.as_str().as_bytes().to_vec();
    let input = Input::Say { conversation: Conversation::Directory, kind: Kind::Register, body };
    Ok(match perform(session, input).await? {
        Ok(()) if caught_up => Done::Answer(Vec::new()), // the change itself is told when it has come about
        Ok(()) => Done::Answer(vec![
            eyes.aside(&format!("no server has answered yet: if somebody took {name} before, you are told")),
        ]),
        Err(why) => Done::Not(why),
    })
}

/// Whether a conversation is with somebody who has deleted their account.
///
/// # Errors
/// See [`who`].
pub async fn has_gone(session: &Session, conversation: Conversation) -> Result<bool, Failure> {
    session
        .ask(move |client| {
            let other = conversation.other(client.account());
            other.is_some_and(|other| client.directory().is_closed(other))
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_how_many_there_are_and_how_to_find_those_it_leaves_out() {
        let list = |with| List { of: "member", with, command: "/members" };
        assert_eq!(list("").heading(1, 1), "1 member");
        assert_eq!(list("al\u{1b}").heading(2, 2), "2 members with \"al␛\" in the name");
        assert_eq!(
            list("").heading(5_000, 100),
            "5000 members; 100 of them, who is here first; /members TEXT finds others"
        );
    }
}
