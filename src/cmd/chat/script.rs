//! The chat without a terminal: lines in, lines out, so that it can be scripted.
//!
//! It ends when the input has ended and every message of this device is safe, or the time is up; then it
//! names the messages that are not. Messages and answers go to standard output, complaints to standard error.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::command::parse;
use super::render::Eyes;
use super::talk::{Done, Shared, Sink, carry_out, print};
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::screen;
use crate::cmd::session::{Notice, Session};
use crate::limits::MESSAGE_MAX_BYTES;
use crate::text::{count, inert};

/// How often a script that has said everything looks whether it may end.
const ASK_AGAIN_MS: u64 = 20;

struct Stdout;

impl Sink for Stdout {
    fn line(&mut self, text: &str) {
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
    safe_at: usize,
) -> Result<Outcome, Failure> {
    let shared = Shared::new();
    let printer = tokio::spawn(print(notices, eyes.clone(), Arc::clone(&shared), Stdout, |_| {}));
    let start = Instant::now();
    let signed_in = timeout_at(start + patience, shared.is_signed_in()).await;
    if signed_in == Ok(false) {
        return Err(Failure::new("this name belongs to somebody else in this cluster")
            .next("choose another name: tercet chat NAME"));
    }
    let mut complaints = 0;
    let mut input = BufReader::new(tokio::io::stdin());
    loop {
        let mut line = Vec::new();
        let read = input.read_until(b'\n', &mut line).await;
        if read.map_err(|error| Failure::io("read standard input", &error))? == 0 {
            break;
        }
        match carry_out_bytes(&session, &eyes, &shared, &line).await? {
            Done::Answer(lines) => lines.iter().for_each(|line| Stdout.line(line)),
            Done::Quit => break,
            Done::Not(why) => {
                complaints += 1;
                screen::note(&eyes.complaint(&why));
            }
        }
    }
    let settled = timeout_at(Instant::now() + patience, settle(&session, safe_at)).await;
    let at_risk = session.ask(move |client| client.unsafe_below(safe_at)).await?;
    let caught_up = session.ask(crate::client::Client::is_caught_up).await?;
    session.close().await?;
    drop(printer.await); // it ends with the session; what it printed is printed
    if let Ok(ended) = settled {
        ended?;
    }
    for event in &at_risk {
        let text = event.text().map_or_else(|| "(not a message)".to_owned(), inert);
        screen::note(&eyes.complaint(&format!("not safe on {} yet: {text}", count(safe_at, "server"))));
    }
    if !at_risk.is_empty() {
        screen::note(&eyes.aside("it is kept on this machine and goes out the next time this chat runs"));
        return Ok(Outcome::Negative);
    }
    Ok(match (complaints, caught_up) {
        (0, true) => Outcome::Done,
        (0, false) => {
            screen::note(
                &eyes.complaint("no server answered, so nothing could be read (see `tercet cluster status`)"),
            );
            Outcome::Unknown
        }
        _ => Outcome::Negative,
    })
}

async fn carry_out_bytes(
    session: &Session,
    eyes: &Eyes,
    shared: &Shared,
    line: &[u8],
) -> Result<Done, Failure> {
    let Ok(text) = std::str::from_utf8(line) else {
        return Ok(Done::Not(format!(
            "not sent: a line of {} bytes is not UTF-8",
            line.len().min(MESSAGE_MAX_BYTES)
        )));
    };
    match parse(text) {
        Ok(line) => carry_out(session, eyes, shared, line).await,
        Err(error) => Ok(Done::Not(error.to_string())),
    }
}

/// Waits until everything of ours is safe and everything that has come is shown.
async fn settle(session: &Session, safe_at: usize) -> Result<(), Failure> {
    loop {
        let settled = session
            .ask(move |client| {
                client.is_caught_up() && client.unsettled() == 0 && client.unsafe_below(safe_at).is_empty()
            })
            .await?;
        if settled {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(ASK_AGAIN_MS)).await;
    }
}
