//! The chat's commands about accounts: who there is, who one is oneself, and to be called otherwise.

use super::render::{Eyes, table};
use super::talk::{Done, Shared, Standing, perform};
use crate::client::Input;
use crate::cmd::failure::Failure;
use crate::cmd::person::may_take;
use crate::cmd::session::Session;
use crate::event::{Conversation, Kind};
use crate::id::AccountId;
use crate::text::{Name, count, inert};
use crate::words::fingerprint;

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
    let wanted = text.to_lowercase();
    let all: Vec<(String, AccountId)> = session
        .ask(move |client| {
            let directory = client.directory();
            let held = directory.everybody().filter(|(name, _)| name.to_lowercase().contains(&wanted));
            held.map(|(_, account)| (directory.name(account), account)).collect()
        })
        .await?;
    let row = |(name, account): &(String, AccountId)| {
        let what = match (*account == eyes.account, eyes.blocked.holds(*account)) {
            (true, _) => "(you)".to_owned(),
            (_, true) => "(blocked)".to_owned(),
            _ => eyes.presence(session.presence(*account)),
        };
        vec![inert(name), key(*account), what]
    };
    let heading = match text {
        "" => count(all.len(), "account"),
        text => format!("{} with \"{}\" in the name", count(all.len(), "account"), inert(text)),
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    Ok(Done::Answer(std::iter::once(eyes.aside(&heading)).chain(table(&rows)).collect()))
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
