//! The chat on a terminal: a line editor, with messages coming in above what is being typed.
//!
//! The editor blocks, so it has a thread of its own. After each line it waits until the line is carried out,
//! since that may change the prompt. Lines from elsewhere go through the editor's external printer, which
//! repaints what is being typed below them. rustyline was chosen over reedline because it keeps every
//! printed line when the typed text wraps or is wide (`tests/cli/screen.rs`).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anstyle::{AnsiColor, Style};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Editor, Helper};
use tokio::sync::{mpsc, oneshot};

use super::above::{Above, Paper, Plain, Waiting};
use super::bell::Ringer;
use super::command::{COMMANDS, parse};
use super::known::Known;
use super::render::Eyes;
use super::talk::{Done, Shared, Standing, carry_out, print};
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::screen;
use crate::cmd::session::{Notice, Session, Shown};
use crate::cmd::settings::Settings;
use crate::event::Conversation;
use crate::frame::Presence;
use crate::id::ServerId;
use crate::limits::SENT_AT;
use crate::text::{Name, count, inert};

const TYPED_MAX: usize = 1_000;
/// The most that the prompt counts to.
const ELSEWHERE_MAX: usize = 99;
const UP: Style = AnsiColor::Green.on_default();
const DOWN: Style = AnsiColor::Red.on_default().bold();

/// What the editor's thread needs to know of the session.
#[derive(Debug)]
struct Outlook {
    /// The connected servers.
    up: Mutex<BTreeSet<ServerId>>,
    /// Names to complete.
    names: Mutex<Vec<String>>,
    /// The newest view.
    view: Known,
    /// The servers of the prompt that is shown, with their names: it must not change its width.
    servers: Mutex<Vec<(ServerId, String)>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Outlook {
    fn new(view: Known) -> Self {
        Self { up: Mutex::default(), names: Mutex::default(), view, servers: Mutex::default() }
    }

    /// A prompt is about to be made.
    fn refresh(&self) {
        let servers = self.view.servers().into_iter();
        *locked(&self.servers) = servers.map(|member| (member.id, inert(&member.name))).collect();
    }

    fn heard(&self, notice: &Notice) {
        match notice {
            Notice::Up { server, .. } => drop(locked(&self.up).insert(*server)),
            Notice::Down { server, .. } => drop(locked(&self.up).remove(server)),
            Notice::Names(names) => {
                self.names.lock().unwrap_or_else(PoisonError::into_inner).clone_from(names);
            }
            _ => {}
        }
    }

    /// `[1x3]`: each server's name, or as many `x` if it cannot be reached.
    fn servers(&self, dress: impl Fn(&str, bool) -> String) -> String {
        let (servers, up) = (locked(&self.servers), locked(&self.up));
        let show = |(id, name): &(ServerId, String)| match up.contains(id) {
            true => dress(name, true),
            false => dress(&"x".repeat(name.chars().count()), false),
        };
        let separator = if servers.iter().any(|(_, name)| name.chars().count() > 1) { " " } else { "" };
        servers.iter().map(show).collect::<Vec<_>>().join(separator)
    }
}

/// The prompt: the servers, how many messages have come into other conversations, who is typing to whom. Of one
/// width, whatever the servers' state; the number is that of when the prompt was made, and so is whether they are away.
fn prompt(eyes: &Eyes, shared: &Shared, outlook: &Outlook, session: &Session) -> String {
    let me = match shared.standing() {
        Some(Standing::Nameless) => format!("{}? (not yours: /rename)", eyes.name.now()),
        Some(Standing::Closed) => format!("{} (deleted)", eyes.name.now()),
        Some(Standing::Named) | None => eyes.name.now(),
    };
    let away = |conversation: Conversation| {
        let known = conversation.other(eyes.account).and_then(|other| session.presence(other));
        if matches!(known, Some((Presence::Away, _))) { " (away)" } else { "" }
    };
    let with = shared.current().map_or_else(String::new, |(conversation, name)| {
        format!(" > {}{}", inert(&name), away(conversation))
    });
    let elsewhere = match shared.elsewhere() {
        0 => String::new(),
        many if many > ELSEWHERE_MAX => format!(" +{ELSEWHERE_MAX}+"),
        some => format!(" +{some}"),
    };
    outlook.refresh();
    format!("[{}]{elsewhere} {me}{with}: ", outlook.servers(|text, _| text.to_owned()))
}

/// Completion and the prompt's colours.
struct Assistant {
    outlook: Arc<Outlook>,
    colours: bool,
    /// To take typed lines away with, where the terminal can be painted on.
    paper: Option<Arc<Paper>>,
}

impl Assistant {
    fn is_blank(&self) -> bool {
        self.paper.as_ref().is_some_and(|paper| paper.is_blank())
    }
}

impl Helper for Assistant {}

impl Validator for Assistant {
    /// Called when Enter is pressed. A message beside the line, which is painted as little as the line itself, has
    /// the editor repaint; being one column wide, it has the cursor come back to the row it started from also
    /// when the line just fills its last one.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let appears = parse(context.input()).is_ok_and(|line| line.appears());
        Ok(ValidationResult::Valid(match &self.paper {
            Some(paper) if appears => {
                paper.take_away();
                Some(" ".to_owned())
            }
            _ => None,
        }))
    }
}

impl Hinter for Assistant {
    type Hint = String;
}

impl Highlighter for Assistant {
    /// Called at each repaint, with colours or without: the servers' state is that of the moment.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, default: bool) -> Cow<'b, str> {
        if self.is_blank() {
            return Cow::Borrowed("");
        }
        let rest = prompt.split_once(']').map(|(_, rest)| rest).filter(|_| default);
        match rest {
            None => Cow::Borrowed(prompt),
            Some(rest) => {
                let servers = self.outlook.servers(|text, up| {
                    let style = match (self.colours, up) {
                        (false, _) => screen::PLAIN,
                        (true, true) => UP,
                        (true, false) => DOWN,
                    };
                    format!("{style}{text}{style:#}")
                });
                Cow::Owned(format!("[{servers}]{rest}"))
            }
        }
    }

    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        Cow::Borrowed(if self.is_blank() { "" } else { line })
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Borrowed(if self.is_blank() { "" } else { hint })
    }
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let names = self.outlook.names.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(complete(line, cursor, &names))
    }
}

/// Where the word under the cursor starts, and what it may become: a command, or a name or a room after a command
/// that takes one. A room's `#` may be left out.
fn complete(line: &str, cursor: usize, names: &[String]) -> (usize, Vec<String>) {
    let typed = line.get(..cursor).unwrap_or(line);
    if let Some((command, start)) = typed.split_once(' ') {
        let start = start.trim_start();
        let is_wanted = |name: &&String| match command {
            "/dm" | "/invite" | "/seen" | "/block" | "/unblock" | "/accounts" => {
                !name.starts_with('#') && name.starts_with(start)
            }
            "/join" | "/leave" => name
                .strip_prefix('#')
                .is_some_and(|room| room.starts_with(start.strip_prefix('#').unwrap_or(start))),
            _ => false,
        };
        return (cursor - start.len(), names.iter().filter(is_wanted).cloned().collect());
    }
    match typed.strip_prefix('/') {
        Some(word) => {
            let matching = COMMANDS.iter().map(|(name, _, _)| *name).filter(|name| name.starts_with(word));
            (0, matching.map(|name| format!("/{name} ")).collect())
        }
        None => (cursor, Vec::new()),
    }
}

/// What was typed, whether it was taken off the screen, and where to say that it was carried out and which prompt
/// comes next.
struct Typed {
    line: String,
    is_gone: bool,
    done: oneshot::Sender<String>,
}

/// See the module.
///
/// # Errors
/// The terminal cannot be used, or the device's log cannot be written.
pub async fn run(
    session: Session,
    notices: mpsc::Receiver<Notice>,
    eyes: Eyes,
    me: &Name,
    history: &Path,
    settings: &Settings,
) -> Result<Outcome, Failure> {
    let shared = Shared::new();
    if settings.presence() {
        session.present(eyes.blocked.clone()).await?;
    }
    let outlook = Arc::new(Outlook::new(eyes.view.clone()));
    let mut editor: Editor<Assistant, FileHistory> = open(history).map_err(|error| terminal(&error))?;
    let colours = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    greet(&eyes, me)?;
    let owed = owed(&session, &eyes).await?;
    let heard = Arc::clone(&outlook);
    let hear = move |notice: &Notice| heard.heard(notice);
    let (ringer, waiting) = (Ringer::new(settings.bell()), Arc::new(Waiting::default()));
    let (printer, paper) = match editor.create_external_printer() {
        Ok(printer) => {
            let paper = Arc::new(Paper::default());
            let above = Above { printer, paper: Arc::clone(&paper), colours };
            (
                tokio::spawn(print(notices, owed, eyes.clone(), Arc::clone(&shared), above, ringer, hear)),
                Some(paper),
            )
        }
        Err(_) => {
            let plain = Plain::new(Arc::clone(&waiting));
            (tokio::spawn(print(notices, owed, eyes.clone(), Arc::clone(&shared), plain, ringer, hear)), None)
        }
    };
    editor.set_helper(Some(Assistant { outlook: Arc::clone(&outlook), colours, paper }));
    let (lines, mut typed) = mpsc::channel::<Typed>(1);
    let path = history.to_owned();
    let next = || prompt(&eyes, &shared, &outlook, &session);
    let first = next();
    std::thread::spawn(move || type_lines(editor, first, &waiting, &lines, &path));
    while let Some(Typed { line, is_gone, done: next_prompt }) = typed.recv().await {
        session.typed().await?;
        let done = match parse(&line) {
            Ok(meant) => carry_out(&session, &eyes, &shared, meant).await?,
            Err(error) => Done::Not(error.to_string()),
        };
        match done {
            Done::Quit => break,
            Done::Answer(lines) => lines.iter().try_for_each(|line| screen::say(line))?,
            Done::Not(why) => {
                if is_gone {
                    screen::say(&eyes.typed(&line))?; // it appears nowhere else
                }
                screen::say(&eyes.complaint(&why))?;
            }
        }
        // Who may know that the person is here may be others now: whom they wrote to, or whom they block.
        session.typed().await?;
        drop(next_prompt.send(next())); // the thread ends when we do
    }
    leave(session, printer, &eyes).await
}

fn greet(eyes: &Eyes, me: &Name) -> Result<(), Failure> {
    let servers = count(eyes.view.count(), "server");
    screen::say(&eyes.aside(&format!("{me} on {servers}; /dm NAME to talk, /help for more, ctrl-D to leave")))
}

/// What this device has written before and too few servers have; says how much that is.
async fn owed(session: &Session, eyes: &Eyes) -> Result<Vec<Shown>, Failure> {
    let safe_at = SENT_AT.min(eyes.view.count());
    let owed = session
        .ask(move |client| {
            let written = client.unsafe_below(safe_at).into_iter().filter(|event| event.kind().is_shown());
            written.map(|event| Shown::of(client, &event, false)).collect::<Vec<_>>()
        })
        .await?;
    if !owed.is_empty() {
        let (messages, are) = (count(owed.len(), "message"), if owed.len() == 1 { "is" } else { "are" });
        let servers = count(safe_at, "server");
        screen::say(&eyes.aside(&format!(
            "{messages} of before {are} not safe on {servers} yet; sent as soon as they answer"
        )))?;
    }
    Ok(owed)
}

async fn leave(
    session: Session,
    printer: tokio::task::JoinHandle<()>,
    eyes: &Eyes,
) -> Result<Outcome, Failure> {
    let safe_at = SENT_AT.min(eyes.view.count());
    let at_risk = session.ask(move |client| client.unsafe_below(safe_at).len()).await?;
    session.close().await?;
    drop(printer.await); // it ends with the session; what it printed is printed
    if at_risk > 0 {
        let messages = count(at_risk, "message");
        screen::say(&eyes.complaint(&format!(
            "{messages} not safe on {} yet; kept here, and sent the next time this chat runs",
            count(safe_at, "server")
        )))?;
    }
    Ok(Outcome::Done)
}

fn terminal(error: &ReadlineError) -> Failure {
    Failure::new(format!("the terminal cannot be used: {error}"))
        .next("try another terminal, or pipe lines in: printf '/dm bob\\nhello\\n' | tercet chat alice")
}

fn open(history: &Path) -> rustyline::Result<Editor<Assistant, FileHistory>> {
    let config = rustyline::Config::builder()
        .max_history_size(TYPED_MAX)?
        .completion_type(rustyline::CompletionType::List)
        .color_mode(rustyline::ColorMode::Forced) // or the prompt is never asked for again, see `Assistant`
        .auto_add_history(false)
        .build();
    let mut editor = Editor::with_config(config)?;
    match editor.load_history(history) {
        Ok(()) => {}
        // None yet, or not readable: what was typed before is a convenience, nothing that may stop a chat.
        Err(_) => editor.clear_history()?,
    }
    Ok(editor)
}

/// The editor's thread: reads lines until the person leaves or nobody takes them any more.
fn type_lines(
    mut editor: Editor<Assistant, FileHistory>,
    first: String,
    waiting: &Waiting,
    lines: &mpsc::Sender<Typed>,
    history: &Path,
) {
    let mut prompt = first;
    loop {
        waiting.set(Some(&prompt));
        let read = editor.readline(&prompt);
        waiting.set(None);
        let is_gone =
            editor.helper().and_then(|helper| helper.paper.as_ref()).is_some_and(|paper| paper.settle());
        let line = match read {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue, // ctrl-C clears the line, as in a shell
            Err(_) => break,
        };
        if !line.trim().is_empty() {
            // As with loading: what cannot be remembered is not worth a complaint.
            let _remembered = editor.add_history_entry(&line).and_then(|_| editor.append_history(history));
        }
        let (done, next) = oneshot::channel();
        if lines.blocking_send(Typed { line, is_gone, done }).is_err() {
            break;
        }
        match next.blocking_recv() {
            Ok(next) => prompt = next,
            Err(_) => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ClusterId;
    use crate::view::{Member, View};

    #[test]
    fn commands_and_names_are_completed() {
        let names = ["alice", "alan", "bob", "#lab", "#lobby"].map(str::to_owned);
        let cases: [(&str, usize, &[&str]); 10] = [
            ("/h", 0, &["/history ", "/help "]),
            ("/dm al", 4, &["alice", "alan"]),
            ("/dm ", 4, &["alice", "alan", "bob"]),
            ("/dm  b", 5, &["bob"]),
            ("/join ", 6, &["#lab", "#lobby"]),
            ("/join #la", 6, &["#lab"]),
            ("/leave lo", 7, &["#lobby"]),
            ("/block b", 7, &["bob"]),
            ("hello al", 6, &[]),
            ("/view x", 6, &[]),
        ];
        for (line, start, candidates) in cases {
            let (at, found) = complete(line, line.len(), &names);
            assert_eq!(
                (at, found.iter().map(String::as_str).collect::<Vec<_>>()),
                (start, candidates.to_vec()),
                "{line:?}"
            );
        }
    }

    #[test]
    fn a_server_that_is_down_keeps_its_width_in_the_prompt() {
        let shown = |names: [&str; 3]| outlook(names).servers(|text, _| text.to_owned());
        assert_eq!(shown(["1", "2", "3"]), "1x3");
        assert_eq!(shown(["paris", "rome", "oslo"]), "paris xxxx oslo");
    }

    #[test]
    fn a_server_that_joins_is_in_the_next_prompt_and_does_not_shift_the_one_that_is_shown() {
        let outlook = outlook(["1", "2", "3"]);
        let added = outlook.view.get().add(member(4, "4")).unwrap();
        outlook.view.set(Arc::new(added));
        outlook.heard(&Notice::Up { server: member(4, "4").id, ahead_ms: 0 });
        assert_eq!(outlook.servers(|text, _| text.to_owned()), "1x3");
        outlook.refresh();
        assert_eq!(outlook.servers(|text, _| text.to_owned()), "1x34");
    }

    fn member(number: u8, name: &str) -> Member {
        Member {
            name: name.to_owned(),
            address: format!("h:{number}"),
            id: ServerId::new([number; 32]),
            sealed: false,
        }
    }

    /// Three servers, of which the second is down.
    fn outlook(names: [&str; 3]) -> Outlook {
        let members = (1..).zip(names).map(|(number, name)| member(number, name)).collect();
        let outlook = Outlook::new(Known::new(View::new(ClusterId::new([1; 16]), 1, members).unwrap()));
        outlook.refresh();
        for number in [1, 3] {
            outlook.heard(&Notice::Up { server: member(number, "").id, ahead_ms: 0 });
        }
        outlook
    }
}
