//! What both forms of the chat do alike: print what the session tells, carry out what is typed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::bell::Ringer;
use super::command::{COMMANDS, Line};
use super::render::{Eyes, explained, is_grave, table, waits};
use super::search::Indexes;
use super::{export, messages, people, proof, rooms, search, share};
use crate::client::Input;
use crate::cmd::failure::Failure;
use crate::cmd::said::Said;
use crate::cmd::screen;
use crate::cmd::session::{Change, Notice, Session, Shown};
use crate::cmd::similar::did_you_mean;
use crate::event::Conversation;
use crate::id::{EventId, ServerId};
use crate::text::Name;

/// How long rises of copies are gathered, so that fifty messages that reach a server make one line.
const GATHER_MS: u64 = 250;
/// How many messages `/late` remembers.
const LATE_MAX: usize = 100;

/// Where lines go: each call prints one whole line.
pub trait Sink: Send + 'static {
    /// Prints a line; styles in it may be stripped.
    fn line(&mut self, text: &str);

    /// Nothing more is to be printed for now.
    fn rest(&mut self) {}

    /// Prints a line, with something before it that only a terminal understands.
    fn ringing(&mut self, _ring: &str, text: &str) {
        self.line(text);
    }
}

/// What the printing and the typing side share.
#[derive(Debug)]
pub struct Shared {
    /// The conversation that is typed into, with the other side's name.
    current: Mutex<Option<(Conversation, String)>>,
    /// How many messages were shown from conversations since they were last turned to.
    elsewhere: Mutex<BTreeMap<Conversation, usize>>,
    /// The messages that were shown late, the last [`LATE_MAX`].
    late: Mutex<VecDeque<(Conversation, EventId)>>,
    /// Where the words are of what was searched.
    indexes: Indexes,
    /// What can be done with the account, once that is known.
    standing: watch::Sender<Option<Standing>>,
}

/// What can be done with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Everything.
    Named,
    /// To read: its name is somebody else's.
    Nameless,
    /// To read: it was deleted.
    Closed,
}

impl Shared {
    /// Nothing is known yet.
    pub fn new() -> Arc<Self> {
        let (standing, _) = watch::channel(None);
        Arc::new(Self {
            current: Mutex::default(),
            elsewhere: Mutex::default(),
            late: Mutex::default(),
            indexes: Indexes::default(),
            standing,
        })
    }

    /// The conversation that is typed into.
    pub fn current(&self) -> Option<(Conversation, String)> {
        locked(&self.current).clone()
    }

    /// Nothing is typed into any more.
    pub fn turn_away(&self) {
        *locked(&self.current) = None;
    }

    /// A conversation is typed into from here on.
    pub fn turn_to(&self, conversation: Conversation, name: String) {
        *locked(&self.current) = Some((conversation, name));
        locked(&self.elsewhere).remove(&conversation);
    }

    /// Somebody is called otherwise; the conversation that is typed into may be with them.
    fn call(&self, conversation: Conversation, name: &str) {
        if let Some((_, with)) =
            locked(&self.current).as_mut().filter(|(current, _)| *current == conversation)
        {
            name.clone_into(with);
        }
    }

    /// How many messages have come into other conversations than the current one since those were turned to.
    pub fn elsewhere(&self) -> usize {
        locked(&self.elsewhere).values().sum()
    }

    /// The messages of a conversation that were shown late, the last of them, in the order of showing.
    pub fn late(&self, conversation: Conversation) -> Vec<EventId> {
        let late = locked(&self.late);
        late.iter().filter(|(where_to, _)| *where_to == conversation).map(|(_, id)| *id).collect()
    }

    /// Where the words are of what was searched.
    pub fn indexes(&self) -> Indexes {
        self.indexes.clone()
    }

    /// Remembers of a line what somebody may ask for later.
    fn note(&self, shown: &Shown, own: bool) {
        let conversation = shown.event.conversation();
        if !shown.event.kind().is_message() {
            return;
        }
        if shown.late {
            let mut late = locked(&self.late);
            late.push_back((conversation, shown.event.id()));
            let surplus = late.len().saturating_sub(LATE_MAX);
            late.drain(..surplus);
        }
        if !own && self.current().is_none_or(|(current, _)| current != conversation) {
            *locked(&self.elsewhere).entry(conversation).or_default() += 1;
        }
    }

    /// Waits until it is known what can be done with the account; `None` if the session ends before.
    pub async fn known_standing(&self) -> Option<Standing> {
        let mut standing = self.standing.subscribe();
        let known = standing.wait_for(Option::is_some).await;
        known.ok().and_then(|known| *known)
    }

    /// What can be done with the account, if that is known.
    pub fn standing(&self) -> Option<Standing> {
        *self.standing.borrow()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Messages of one's own that have reached more servers since they were shown.
#[derive(Debug, Default)]
struct Risen {
    shown: BTreeMap<EventId, Shown>,
    news: BTreeMap<EventId, usize>,
}

impl Risen {
    fn show(&mut self, shown: &Shown, servers: usize) {
        if shown.copies.is_some_and(|copies| copies < servers) {
            self.shown.insert(shown.event.id(), shown.clone());
        }
    }

    fn rise(&mut self, id: EventId, copies: usize) {
        if self.shown.contains_key(&id) {
            self.news.insert(id, copies);
        }
    }

    /// One line for each number of copies that messages have come to.
    fn lines(&mut self, eyes: &Eyes) -> Vec<String> {
        let mut by_copies: BTreeMap<usize, Vec<EventId>> = BTreeMap::new();
        for (id, copies) in std::mem::take(&mut self.news) {
            by_copies.entry(copies).or_default().push(id);
        }
        let mut lines = Vec::new();
        for (copies, ids) in by_copies {
            let text = ids.first().and_then(|id| self.shown.get(id)).and_then(|shown| shown.event.text());
            lines.push(eyes.risen(text.unwrap_or_default(), ids.len(), copies));
            if copies >= eyes.view.count() {
                ids.iter().for_each(|id| drop(self.shown.remove(id)));
            }
        }
        lines
    }
}

/// Servers that a person has been told are down.
#[derive(Debug, Default)]
struct KnownDown(std::collections::BTreeSet<ServerId>);

impl KnownDown {
    /// Whether a notice is news: that a server is still down is not, unless there is something to do about it.
    fn is_news(&mut self, notice: &Notice) -> bool {
        match notice {
            Notice::Up { server, .. } => {
                self.0.remove(server);
                true
            }
            Notice::Down { server, why } => self.0.insert(*server) || is_grave(why),
            _ => true,
        }
    }
}

/// Prints what the session tells, until it ends, and what becomes of messages of before that are `owed` to servers.
/// `heard` is told of each notice first.
pub async fn print(
    mut notices: mpsc::Receiver<Notice>,
    owed: Vec<Shown>,
    eyes: Eyes,
    shared: Arc<Shared>,
    mut sink: impl Sink,
    mut ringer: Ringer,
    heard: impl Fn(&Notice) + Send + 'static,
) {
    let mut risen = Risen::default();
    owed.iter().for_each(|shown| risen.show(shown, eyes.view.count()));
    let mut down = KnownDown::default();
    loop {
        if notices.is_empty() {
            sink.rest();
        }
        let gather = tokio::time::sleep(Duration::from_millis(GATHER_MS));
        let notice = tokio::select! {
            notice = notices.recv() => notice,
            () = gather, if !risen.news.is_empty() => {
                risen.lines(&eyes).iter().for_each(|line| sink.line(line));
                continue;
            }
        };
        let Some(notice) = notice else { break };
        heard(&notice);
        if let Notice::Show(Shown { event, said: Said::Delete, .. }) = &notice {
            event.target().iter().for_each(|gone| shared.indexes.forget(event.conversation(), *gone));
        }
        match &notice {
            Notice::Show(shown) if eyes.blocked.holds(shown.event.account()) => {}
            Notice::Show(shown) => {
                shared.note(shown, shown.event.account() == eyes.account);
                let current = shared.current().map(|(conversation, _)| conversation);
                let ring = ringer.ring(&eyes, shown, Instant::now());
                sink.ringing(&ring, &eyes.message(shown, current));
                risen.show(shown, eyes.view.count());
            }
            Notice::Copies { id, copies } => risen.rise(*id, *copies),
            Notice::View { now, .. } => eyes.view.set(Arc::clone(now)),
            Notice::SignedIn => drop(shared.standing.send_replace(Some(Standing::Named))),
            Notice::NameTaken => drop(shared.standing.send_replace(Some(Standing::Nameless))),
            Notice::AccountClosed => drop(shared.standing.send_replace(Some(Standing::Closed))),
            Notice::Called { account, now, why, .. } if *account == eyes.account => {
                if matches!(why, Change::Renamed | Change::FellBack) {
                    eyes.name.set(now);
                }
            }
            Notice::Called { account, now, .. } => {
                shared.call(Conversation::direct(eyes.account, *account), now);
            }
            _ => {}
        }
        if down.is_news(&notice)
            && let Some(line) = eyes.notice(&notice)
        {
            sink.line(&line);
        }
    }
    risen.lines(&eyes).iter().for_each(|line| sink.line(line));
}

/// What carrying out a line came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// These lines are the answer, possibly none.
    Answer(Vec<String>),
    /// It could not be done, and this is why.
    Not(String),
    /// The person wants to leave.
    Quit,
}

/// Carries out a typed line.
///
/// # Errors
/// If the session has ended.
pub async fn carry_out(session: &Session, eyes: &Eyes, shared: &Shared, line: Line) -> Result<Done, Failure> {
    match line {
        Line::Nothing => Ok(Done::Answer(Vec::new())),
        Line::Quit => Ok(Done::Quit),
        Line::Help => Ok(Done::Answer(help(eyes))),
        Line::Say(text) => say(session, shared, text).await,
        Line::Dm(name) => turn_to(session, eyes, shared, name.to_string()).await,
        Line::History(number, upto) => messages::history(session, eyes, shared, number, upto).await,
        Line::Create(charter) => rooms::create(session, eyes, shared, charter).await,
        Line::Join(name) => rooms::join(session, eyes, shared, name).await,
        Line::Leave(name) => rooms::leave(session, eyes, shared, name).await,
        Line::Rooms => rooms::list(session, eyes).await,
        Line::Members(text) => rooms::members(session, eyes, shared, &text).await,
        Line::Topic(text) => rooms::topic(session, eyes, shared, text).await,
        Line::Invite(name) => rooms::invite(session, eyes, shared, name).await,
        Line::About(kind, back, text) => messages::change(session, eyes, shared, kind, back, text).await,
        Line::Why(back) => messages::why(session, eyes, shared, back).await,
        Line::Proof => proof::proof(session, eyes, shared).await,
        Line::Search(text) => search::search(session, eyes, shared, text).await,
        Line::Late => messages::late(session, eyes, shared).await,
        Line::Export(path) => export::export(session, eyes, shared, path).await,
        Line::Share(path) => share::share(session, eyes, shared, path).await,
        Line::Save(back, path) => share::save(session, eyes, shared, back, path).await,
        Line::Block(name) => block(session, eyes, name).await,
        Line::Unblock(name) => unblock(session, eyes, &name).await,
        Line::Unread => messages::unread(session, eyes, shared).await,
        Line::Next => messages::next(session, eyes, shared).await,
        Line::Seen(name) => messages::seen(session, eyes, shared, name).await,
        Line::Who => people::who(session, eyes).await,
        Line::Accounts(text) => people::accounts(session, eyes, &text).await,
        Line::WhoAmI => people::whoami(session, eyes, shared).await,
        Line::Rename(name) => people::rename(session, eyes, name).await,
        Line::View => view(session, eyes).await,
    }
}

/// Has the machine do something; the inner error is for the person.
///
/// # Errors
/// If the session has ended.
pub async fn perform(session: &Session, input: Input) -> Result<Result<(), String>, Failure> {
    Ok(session.perform(input).await?.map_err(|error| format!("not done: {error}")))
}

fn help(eyes: &Eyes) -> Vec<String> {
    let commands = COMMANDS.map(|(_, usage, what)| (usage, what));
    let heading = "a line that starts with / is a command; // begins a message with a slash";
    // A pipe has no columns, and is not asked whether the terminal behind it has.
    let columns = screen::columns().filter(|_| eyes.reads);
    std::iter::once(eyes.aside(heading)).chain(explained(&commands, columns)).collect()
}

async fn say(session: &Session, shared: &Shared, text: String) -> Result<Done, Failure> {
    match shared.standing() {
        Some(Standing::Nameless) => {
            let why = "not sent: this name belongs to somebody else; /rename NEW takes another";
            return Ok(Done::Not(why.to_owned()));
        }
        Some(Standing::Closed) => return Ok(Done::Not("not sent: this account was deleted".to_owned())),
        Some(Standing::Named) | None => {}
    }
    let Some((conversation, name)) = shared.current() else {
        return Ok(Done::Not(
            "not sent: nobody to send it to yet; /dm NAME or /join #ROOM first (/who and /rooms list them)"
                .to_owned(),
        ));
    };
    if people::has_gone(session, conversation).await? {
        return Ok(Done::Not(format!("not sent: {name} reads nothing here any more")));
    }
    session.redial().await?;
    Ok(match session.say(conversation, text).await? {
        // Whoever writes has read what is above: that needs no mark.
        Ok(()) => Done::Answer(Vec::new()),
        Err(error) => Done::Not(format!("not sent: {error}")),
    })
}

async fn turn_to(session: &Session, eyes: &Eyes, shared: &Shared, name: String) -> Result<Done, Failure> {
    let asked = name.clone();
    let (found, connected, meant) = session
        .ask(move |client| {
            let directory = client.directory();
            let meant = did_you_mean(&asked, directory.all().map(|(name, _)| name));
            let found = directory.account(&asked).map(|account| (account, directory.name(account)));
            (found, client.is_caught_up(), meant)
        })
        .await?;
    let Some((other, name)) = found else {
        let hint = if let Some(meant) = &meant {
            meant.as_str()
        } else if connected {
            "/who lists everybody; they appear there once they have run `tercet chat`"
        } else {
            "no server has answered yet, so names are not known; wait, or see /view"
        };
        return Ok(Done::Not(format!("there is nobody called {name} here: {hint}")));
    };
    let conversation = Conversation::direct(eyes.account, other);
    messages::mark_current(session, eyes, shared).await?;
    shared.turn_to(conversation, name.clone());
    messages::mark_read(session, eyes, conversation, eyes.window_ms).await?;
    let what = match people::has_gone(session, conversation).await? {
        true => format!("{name}: what was said is in /history, and nobody reads what is said now"),
        false => format!("talking to {name}; just type"),
    };
    Ok(Done::Answer(vec![eyes.aside(&what)]))
}

async fn block(session: &Session, eyes: &Eyes, name: Name) -> Result<Done, Failure> {
    let asked = name.to_string();
    let Some(account) = session.ask(move |client| client.directory().account(&asked)).await? else {
        return Ok(Done::Not(format!("there is nobody called {name} here: /who lists everybody")));
    };
    if account == eyes.account {
        return Ok(Done::Not("that is you; nobody can help hearing themselves".to_owned()));
    }
    Ok(match eyes.blocked.add(account, name.clone()) {
        Ok(true) => Done::Answer(vec![
            eyes.aside(&format!("nothing from {name} is shown on this machine; /unblock {name} ends that")),
        ]),
        Ok(false) => Done::Not(format!("{name} is blocked already")),
        Err(failure) => Done::Not(failure.to_string()),
    })
}

async fn unblock(session: &Session, eyes: &Eyes, name: &Name) -> Result<Done, Failure> {
    let asked = name.to_string();
    let account = session.ask(move |client| client.directory().account(&asked)).await?;
    Ok(match eyes.blocked.remove(account, name) {
        Ok(true) => Done::Answer(vec![
            eyes.aside(&format!("{name} is heard again; /history has what was said meanwhile")),
        ]),
        Ok(false) => Done::Not(format!("{name} is not blocked")),
        Err(failure) => Done::Not(failure.to_string()),
    })
}

async fn view(session: &Session, eyes: &Eyes) -> Result<Done, Failure> {
    let count = eyes.view.servers().len();
    let (states, quorum, (waiting, told)) = session
        .ask(move |client| {
            let states = (0..count).map(|index| (client.is_up(index), client.owed(index)));
            (states.collect::<Vec<_>>(), client.quorum(), client.waiting_for_quorum())
        })
        .await?;
    let up = states.iter().filter(|(up, _)| *up).count();
    let mut lines =
        vec![eyes.aside(&format!("{up} of {count} servers reachable (view epoch {})", eyes.view.epoch()))];
    if quorum > 1 {
        lines.push(
            eyes.aside(&format!("display quorum {quorum}: a line is shown once {quorum} have told of it")),
        );
    }
    if waiting > 0 {
        lines.push(eyes.aside(&waits(waiting, told, quorum)));
    }
    let rows = states.into_iter().enumerate().map(|(index, (up, owed))| eyes.server(index, up, owed));
    lines.extend(table(&rows.collect::<Vec<_>>()));
    Ok(Done::Answer(lines))
}
