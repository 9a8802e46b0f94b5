//! The worker of a session: takes whatever has arrived in one go, steps the machine, and carries out what it says.
//!
//! **Invariant**: entries are appended, and synced if they must be, before anything leaves or appears.
//!
//! It must not know who shows what it tells of.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::block_in_place;

use crate::client::{Action, Client, Effects, Input};
use crate::cmd::comparing::Comparing;
use crate::cmd::failure::Failure;
use crate::cmd::presenting::Presenting;
use crate::frame::{ToClient, ToServer};
use crate::history::Entry;
use crate::id::{AccountId, EventId, ServerId};
use crate::limits::{CLIENT_QUEUE, CLOCK_AHEAD_MAX_MS};
use crate::net::link::{Down, LinkEvent};
use crate::net::queue::LinkQueue;
use crate::presence::Around;
use crate::store::DeviceLog;
use crate::text::Name;
use crate::view::View;

use super::gathering::{Gathered, is_in_no_hurry};
use super::naming::Registration;
use super::notice::Notice;
use super::servers::Links;
use super::{Command, SayError, now_ms};

pub(super) struct Worker {
    pub(super) name: Name,
    pub(super) client: Client,
    pub(super) log: DeviceLog,
    pub(super) log_path: PathBuf,
    pub(super) known_names: PathBuf,
    pub(super) links: Links,
    /// The view that was last told of.
    pub(super) view: Arc<View>,
    pub(super) queues: BTreeMap<ServerId, LinkQueue>,
    /// How far each connected server's clock is ahead of ours.
    pub(super) ahead_ms: BTreeMap<ServerId, i64>,
    pub(super) notices: mpsc::Sender<Notice>,
    pub(super) registration: Registration,
    /// How many names and rooms there were when names were told.
    pub(super) names: (usize, usize),
    /// As what everybody was shown then.
    pub(super) called: BTreeMap<AccountId, String>,
    pub(super) gathered: Gathered,
    pub(super) comparing: Option<Comparing>,
    pub(super) presenting: Option<Presenting>,
    pub(super) around: Arc<Mutex<Around>>,
}

/// By how much our clock is ahead of all connected servers', if by more than any of them would take. An event
/// written then would hold up all later ones until the servers' time has passed its own.
fn clock_ahead(servers_ahead_ms: &BTreeMap<ServerId, i64>) -> Option<u64> {
    let least = servers_ahead_ms.values().map(|ahead_ms| ahead_ms.saturating_neg()).min()?;
    u64::try_from(least).ok().filter(|ahead_ms| *ahead_ms > CLOCK_AHEAD_MAX_MS)
}

type Asker = oneshot::Sender<Result<(), SayError>>;
pub(super) type Reply = (Asker, Result<(), SayError>);

/// What one turn of the worker brings about.
#[derive(Default)]
pub(super) struct Turn {
    /// What the machine is to take in one go, in order, with whom to tell whether it could.
    pub(super) inputs: Vec<(Input, Option<Asker>)>,
    pub(super) effects: Effects,
    pub(super) replies: Vec<Reply>,
    pub(super) notices: Vec<Notice>,
}

impl Worker {
    pub(super) async fn run(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        mut events: mpsc::Receiver<LinkEvent>,
    ) -> Result<(), Failure> {
        loop {
            let now = now_ms();
            let mut wait = Duration::from_millis(self.client.next_wake_ms(now).saturating_sub(now));
            if let Some(due) = self.gathered.lines_due {
                // What is due earlier can only be another line.
                wait = due.saturating_duration_since(Instant::now());
            }
            if let Some(due) = self.gathered.cursors_due {
                wait = wait.min(due.saturating_duration_since(Instant::now()));
            }
            let mut turn = Turn::default();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.command(command, &mut turn),
                    None => return self.finish_gathered().await,
                },
                Some(event) = events.recv() => self.link_event(event, &mut turn),
                () = tokio::time::sleep(wait) => turn.inputs.push((Input::Tick, None)),
            }
            for _ in 0..CLIENT_QUEUE {
                if let Ok(event) = events.try_recv() {
                    self.link_event(event, &mut turn);
                } else if let Ok(command) = commands.try_recv() {
                    self.command(command, &mut turn);
                } else {
                    break;
                }
            }
            self.step(&mut turn);
            if let Some(event) = self.client.overtaken() {
                return Err(self.overtaken(event));
            }
            self.present();
            self.register(&mut turn);
            self.tell_names(&mut turn);
            self.carry_out(turn).await?;
        }
    }

    /// Has the machine take what was gathered for it.
    fn step(&mut self, turn: &mut Turn) {
        let (inputs, askers): (Vec<_>, Vec<_>) = std::mem::take(&mut turn.inputs).into_iter().unzip();
        let answers = self.client.steps(now_ms(), inputs, &mut turn.effects);
        let replies = askers.into_iter().zip(answers);
        let asked = replies.filter_map(|(asker, said)| Some((asker?, said.map_err(SayError::from))));
        turn.replies.extend(asked);
    }

    fn command(&mut self, command: Command, turn: &mut Turn) {
        match command {
            Command::Perform { input, reply } => match self.clock_fits() {
                Ok(()) => turn.inputs.push((*input, Some(reply))),
                Err(why) => turn.replies.push((reply, Err(why))),
            },
            Command::Ask(question) => {
                self.step(turn);
                question(&self.client);
            }
            Command::Compare(comparing) => {
                self.send_all(&comparing.question());
                self.comparing = Some(comparing);
            }
            Command::Present(blocked) => self.presenting = Some(Presenting::new(now_ms(), blocked)),
            Command::Typed => {
                if let Some(presenting) = &mut self.presenting {
                    presenting.typed(now_ms());
                }
            }
            Command::Redial => self.links.redial_now(),
        }
    }

    pub(super) fn write_down(&mut self, input: Input, turn: &mut Turn) -> Result<(), SayError> {
        self.clock_fits()?;
        Ok(self.client.step(now_ms(), input, &mut turn.effects)?)
    }

    fn clock_fits(&self) -> Result<(), SayError> {
        clock_ahead(&self.ahead_ms).map_or(Ok(()), |ahead_ms| Err(SayError::ClockAhead { ahead_ms }))
    }

    fn link_event(&mut self, event: LinkEvent, turn: &mut Turn) {
        match event {
            // It has left, and its link told this before it was hung up.
            LinkEvent::Up { server, .. }
            | LinkEvent::Frame { server, .. }
            | LinkEvent::Down { server, .. }
                if self.client.view().member(server).is_none() => {}
            LinkEvent::Up { server, welcome, queue } => {
                self.queues.insert(server, queue);
                self.gathered.cursors.retain(|(of, _), _| *of != server);
                let ahead_ms =
                    i64::try_from(welcome.time_ms).unwrap_or(i64::MAX) - i64::try_from(now_ms()).unwrap_or(0);
                self.ahead_ms.insert(server, ahead_ms);
                turn.notices.push(Notice::Up { server, ahead_ms });
                if let Some(said) = self.presenting.as_ref().and_then(Presenting::all) {
                    self.send(server, said);
                }
                turn.inputs.push((Input::Up { server, incarnation: welcome.incarnation }, None));
                turn.inputs.push((Input::Frame { server, frame: welcome.frame() }, None));
            }
            LinkEvent::Frame { server, frame: answer @ ToClient::Digest { .. } } => {
                let next = self.comparing.as_mut().and_then(|all| all.take(&self.client, server, &answer));
                if let Some(next) = next {
                    self.send(server, next);
                }
            }
            LinkEvent::Frame { server, frame: ToClient::Present(told) } => self.around().take(server, told),
            LinkEvent::Frame { server, frame } => turn.inputs.push((Input::Frame { server, frame }, None)),
            LinkEvent::Down { server, why } => {
                self.queues.remove(&server);
                self.ahead_ms.remove(&server);
                self.around().forget(server);
                turn.notices.push(Notice::Down { server, why });
                turn.inputs.push((Input::Down { server }, None));
            }
        }
    }

    async fn carry_out(&mut self, turn: Turn) -> Result<(), Failure> {
        let arrived = turn.effects.log.iter().filter(|entry| matches!(entry, Entry::Received { .. })).count();
        let checked = Instant::now();
        let (later, now): (Vec<_>, Vec<_>) = turn.effects.actions.into_iter().partition(is_in_no_hurry);
        let synced = self.append(&turn.effects.log)?;
        for (reply, said) in turn.replies {
            drop(reply.send(said)); // whoever said it has gone; it is said all the same
        }
        if arrived > 0 {
            self.tell(Notice::Arrived { events: arrived, checked }).await;
        }
        for notice in turn.notices {
            self.tell(notice).await;
        }
        for action in now {
            if let Action::Send { server, frame: ToServer::Upload { .. } } = &action {
                self.send_cursors(Some(*server)).await;
            }
            self.act(action).await;
        }
        self.gather(later);
        if synced {
            self.show_gathered().await;
        }
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= Instant::now());
        // Whoever sends us events may be waiting for our cursor, to send more.
        if arrived > 0 || is_due(self.gathered.cursors_due) {
            self.send_cursors(None).await;
        }
        if is_due(self.gathered.lines_due) {
            self.finish_lines().await?;
        }
        Ok(())
    }

    /// The machine refuses to go on: a number of this device may have been given twice already.
    fn overtaken(&self, event: EventId) -> Failure {
        Failure::new(format!(
            "the servers hold a message of this device ({}) that its log {} does not: the log was restored \
             from a backup, or a copy of it is in use elsewhere",
            event.short(),
            self.log_path.display()
        ))
        .next(format!("go on as a new device, which gets everything: tercet chat {} --new-device", self.name))
    }

    /// Appends what opening has brought about, and has it on the disk.
    pub(super) fn write(&mut self, effects: &Effects) -> Result<(), Failure> {
        self.append(&effects.log)?;
        if effects.must_sync() { self.sync() } else { Ok(()) }
    }

    /// Appends what has happened. What must be on the disk before anything leaves is, and so is then all that
    /// was appended before; says whether that was so.
    fn append(&mut self, entries: &[Entry]) -> Result<bool, Failure> {
        if entries.is_empty() {
            return Ok(false);
        }
        let must_sync = entries.iter().any(|entry| {
            matches!(entry, Entry::Begun { .. } | Entry::Authored { .. } | Entry::Received { .. })
        });
        self.log.append(entries).map_err(|error| Failure::of(&error))?;
        if must_sync {
            self.sync()?;
        }
        Ok(must_sync)
    }

    /// Appending only hands bytes to the operating system, so that the sync alone has others go on meanwhile.
    pub(super) fn sync(&mut self) -> Result<(), Failure> {
        let log = &mut self.log;
        block_in_place(|| log.sync()).map_err(|error| Failure::of(&error))
    }

    fn send_all(&self, frame: &ToServer) {
        self.queues.keys().for_each(|server| self.send(*server, frame.clone()));
    }

    pub(super) fn around(&self) -> MutexGuard<'_, Around> {
        self.around.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says to all whether the person is here, if that has changed.
    fn present(&mut self) {
        let news = self.presenting.as_mut().and_then(|all| all.news(now_ms(), &self.client));
        if let Some(news) = news {
            self.send_all(&news);
        }
    }

    pub(super) fn send(&self, server: ServerId, frame: ToServer) {
        if let Some(queue) = self.queues.get(&server)
            && queue.try_send(frame).is_err()
        {
            queue.close(); // it does not take what it is sent: the link dials again
        }
    }

    pub(super) async fn act(&mut self, action: Action) {
        match action {
            Action::Send { server, frame } => self.send(server, frame),
            Action::Drop { server, why } => {
                if let Some(queue) = self.queues.remove(&server) {
                    queue.close();
                }
                self.tell(Notice::Down { server, why: Down::Protocol(why) }).await;
            }
            Action::Show { event, late } => self.show(vec![(event, late)]).await,
            Action::Copies { id, copies } => self.tell(Notice::Copies { id, copies }).await,
            Action::Rejected { server, why, .. } => self.tell(Notice::Rejected { server, why }).await,
            Action::Waits { lines, told, quorum } => self.tell(Notice::Waits { lines, told, quorum }).await,
            Action::View(signed) => self.take_view(signed.into_view()).await,
            Action::LogLost { server, acked } => self.tell(Notice::LogLost { server, acked }).await,
        }
    }

    async fn take_view(&mut self, view: View) {
        self.links.follow(&view);
        self.queues.retain(|id, _| view.member(*id).is_some());
        self.ahead_ms.retain(|id, _| view.member(*id).is_some());
        let now = Arc::new(view);
        let before = std::mem::replace(&mut self.view, Arc::clone(&now));
        let (quorum, servers) = (self.client.quorum(), now.writable().count());
        let was_enough = before.writable().count() >= quorum;
        self.tell(Notice::View { before, now }).await;
        if was_enough && servers < quorum {
            self.tell(Notice::OutOfReach { quorum, servers }).await;
        }
    }

    pub(super) async fn tell(&self, notice: Notice) {
        // Whoever stopped listening does not want to know; the log does.
        let _unheard = self.notices.send(notice).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_by_a_clock_that_is_ahead_of_every_server() {
        let bound = i64::try_from(CLOCK_AHEAD_MAX_MS).unwrap();
        let cases: [(&[i64], Option<u64>); 6] = [
            (&[], None),
            (&[0, 5], None),
            (&[-bound], None),
            (&[-bound - 1], Some(CLOCK_AHEAD_MAX_MS + 1)),
            (&[-bound - 9, -1, -bound - 9], None),
            (&[bound * 2], None),
        ];
        for (servers, ahead) in cases {
            let servers =
                servers.iter().zip(0..).map(|(ahead_ms, n)| (ServerId::new([n; 32]), *ahead_ms)).collect();
            assert_eq!(clock_ahead(&servers), ahead, "{servers:?}");
        }
    }
}
