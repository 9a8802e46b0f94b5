//! The chat without a terminal: lines in, lines out, so that it can be scripted.
//!
//! It ends when the input has ended and every message of this device is safe, or the time is up; then it
//! names the messages that are not. Messages and answers go to standard output, the program's own words (lines
//! that start with `--`) to standard error.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Stdin};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::Wanted;
use super::bell::Ringer;
use super::command::parse;
use super::render::{Eyes, is_aside};
use super::talk::{Done, Shared, Sink, Standing, carry_out, print};
use crate::client::Client;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::screen;
use crate::cmd::session::{Notice, Session};
use crate::event::Event;
use crate::limits::MESSAGE_MAX_BYTES;
use crate::text::{count, inert};

/// How often a script that has said everything looks whether it may end.
const ASK_AGAIN_MS: u64 = 20;
/// Most of a line that is kept: beyond the longest message, so that what is only a little too long is
/// answered with its length.
const LINE_MAX_BYTES: usize = 4 * MESSAGE_MAX_BYTES;

struct Stdout;

impl Sink for Stdout {
    fn line(&mut self, text: &str) {
        if is_aside(text) {
            return screen::note(text);
        }
        // Whoever read the lines has gone; messages are sent all the same.
        let _unread = screen::say(text);
    }
}

/// See the module.
///
/// # Errors
/// The device's log cannot be written.
pub async fn run(
    session: Session,
    notices: mpsc::Receiver<Notice>,
    eyes: Eyes,
    patience: Duration,
    wanted: Wanted,
) -> Result<Outcome, Failure> {
    let shared = Shared::new();
    let (owed, ringer) = (Vec::new(), Ringer::silent());
    let printer =
        tokio::spawn(print(notices, owed, eyes.clone(), Arc::clone(&shared), Stdout, ringer, |_| {}));
    let start = Instant::now();
    let standing = timeout_at(start + patience, shared.known_standing()).await.ok().flatten();
    if let Some(failure) = standing.and_then(|standing| unusable(standing, &eyes.name.now())) {
        session.close().await?;
        return Err(failure);
    }
    let mut complaints = 0;
    let mut input = BufReader::new(tokio::io::stdin());
    loop {
        let read = tokio::select! {
            read = read_line(&mut input) => read,
            () = session.broken() => break,
        };
        let Some(line) = read.map_err(|error| Failure::io("read standard input", &error))? else { break };
        match carry_out_bytes(&session, &eyes, &shared, &line).await? {
            Done::Answer(lines) => lines.iter().for_each(|line| Stdout.line(line)),
            Done::Quit => break,
            Done::Not(why) => {
                complaints += 1;
                screen::warn(&eyes.complaint(&why));
            }
        }
    }
    let deadline = Instant::now() + patience;
    let (settled, at_risk, safe_at) = loop {
        let settled = timeout_at(deadline, settle(&session, wanted)).await;
        let (at_risk, safe_at) = session.ask(move |client| unsafe_now(client, wanted)).await?;
        // A server that was counted may have come back without its log just then.
        if at_risk.is_empty() || !matches!(settled, Ok(Ok(()))) {
            break (settled, at_risk, safe_at);
        }
    };
    let caught_up = session.ask(Client::is_caught_up).await?;
    session.close().await?;
    drop(printer.await); // it ends with the session; what it printed is printed
    if let Ok(ended) = settled {
        ended?;
    }
    for event in &at_risk {
        let text = event.text().map_or_else(|| "(not a message)".to_owned(), inert);
        screen::warn(&eyes.complaint(&format!("not safe on {} yet: {text}", count(safe_at, "server"))));
    }
    if !at_risk.is_empty() {
        screen::note(&eyes.aside("it is kept on this machine and goes out the next time this chat runs"));
        return Ok(Outcome::Negative);
    }
    let servers = eyes.view.count();
    if safe_at > servers {
        complaints += 1;
        let (asked, there_are) = (safe_at, count(servers, "server"));
        screen::warn(&eyes.complaint(&format!("--copies {asked} cannot be had any more: {there_are} now")));
    }
    Ok(match (complaints, caught_up) {
        (0, true) => Outcome::Done,
        (0, false) => {
            screen::warn(
                &eyes.complaint("no server answered, so nothing could be read (see `tercet cluster status`)"),
            );
            Outcome::Unknown
        }
        _ => Outcome::Negative,
    })
}

/// Why nothing can be said with an account, if so.
fn unusable(standing: Standing, name: &str) -> Option<Failure> {
    let name = inert(name);
    match standing {
        Standing::Named => None,
        Standing::Nameless => Some(
            Failure::new("this name belongs to somebody else in this cluster")
                .next(format!("take another: tercet account rename NEW --as {name}")),
        ),
        Standing::Closed => Some(
            Failure::new(format!("the account {name} was deleted; nothing can be sent with it"))
                .next(format!("remove what is left of it here: tercet account delete --as {name}")),
        ),
    }
}

/// The next line with its end, cut short if it is longer than any line could mean something; `None` at the
/// end of the input.
async fn read_line(input: &mut BufReader<Stdin>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut ended = false;
    while !ended {
        let read = input.fill_buf().await?;
        let end = read.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(read.len(), |end| end + 1);
        ended = end.is_some() || taken == 0;
        let room = LINE_MAX_BYTES - line.len();
        line.extend(&read[..taken.min(room)]);
        input.consume(taken);
    }
    Ok(Some(line).filter(|line| !line.is_empty()))
}

async fn carry_out_bytes(
    session: &Session,
    eyes: &Eyes,
    shared: &Shared,
    line: &[u8],
) -> Result<Done, Failure> {
    if line.len() >= LINE_MAX_BYTES {
        return Ok(Done::Not(format!(
            "not sent: a line of more than {LINE_MAX_BYTES} bytes; a message has at most {MESSAGE_MAX_BYTES}"
        )));
    }
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to() + 1;
            return Ok(Done::Not(format!("not sent: the line is not UTF-8 (its byte {at})")));
        }
    };
    match parse(text) {
        Ok(line) => carry_out(session, eyes, shared, line).await,
        Err(error) => Ok(Done::Not(error.to_string())),
    }
}

/// What of ours is not safe, and on how many servers it has to be for that.
fn unsafe_now(client: &Client, wanted: Wanted) -> (Vec<Arc<Event>>, usize) {
    let safe_at = wanted.copies(client);
    (client.unsafe_below(safe_at), safe_at)
}

/// Waits until everything of ours is safe and everything that has come is shown.
async fn settle(session: &Session, wanted: Wanted) -> Result<(), Failure> {
    loop {
        let settled = session
            .ask(move |client| {
                let is_safe = unsafe_now(client, wanted).0.is_empty();
                client.is_caught_up() && client.unsettled() == 0 && is_safe
            })
            .await?;
        if settled {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(ASK_AGAIN_MS)).await;
    }
}
