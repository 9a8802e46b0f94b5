//! One run from its beginning to the verdict: sign in, talk while things go wrong, heal, drain, read, judge.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::SERVERS;
use super::action::{Action, Setting};
use super::crew::{Afterthought, Crew, Place, within};
use super::live::{Live, numbers};
use super::nemesis::Nemesis;
use super::netns::Lab;
use super::tally::Counts;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::interrupts::Interrupts;
use crate::cmd::screen::{self, BOLD, DIM, RED, YELLOW};
use crate::cmd::stage::Stage;
use crate::cmd::verify;
use crate::report::{Report, Verdict};
use crate::text::count;

/// One message in so many is said in the room; one in so many is changed at once.
const IN_THE_ROOM: usize = 3;
const CHANGED: usize = 4;
/// How long everybody may take to find everybody.
const SIGN_IN_PATIENCE: Duration = Duration::from_secs(60);
/// How long the outboxes may take to drain once all faults have stopped, and reading afterwards.
const SETTLE_PATIENCE: Duration = Duration::from_secs(120);
/// How often the nemesis looks at the time.
const TICK: Duration = Duration::from_millis(25);
/// Between two readings of all devices' logs, at least; and so many times as long as one takes.
const COUNT_EVERY: Duration = Duration::from_millis(400);
const COUNT_SHARE: u32 = 4;
/// The talk's random numbers are not the schedule's, so that a replay has the same talk.
const TALK_SALT: u64 = 0x7461_6c6b;

/// One run, ready to begin.
pub struct Run {
    /// With what.
    pub setting: Setting,
    /// What goes wrong when, in order of time.
    pub actions: Vec<Action>,
    /// Where what is done is written down.
    pub log: PathBuf,
    /// What does not go wrong, and why.
    pub skipped: Vec<String>,
    /// Whether standard output is for the report alone.
    pub json: bool,
}

/// What a run came to, but for the logs.
pub struct Played {
    counts: Counts,
    /// What should not have happened, whatever verify says.
    troubles: Vec<String>,
}

/// What the threads of a run share.
#[derive(Default)]
struct Shared {
    counts: Mutex<Counts>,
    /// Nobody says anything new for the moment.
    hush: AtomicBool,
    over: AtomicBool,
}

#[derive(serde::Serialize)]
struct Json<'a> {
    seed: u64,
    actions: String,
    counts: Counts,
    troubles: &'a [String],
    verdict: Verdict,
    report: &'a Report,
}

impl Run {
    /// Everything up to the verdict.
    ///
    /// # Errors
    /// When it is interrupted, or a process cannot be started or stopped.
    pub fn play(
        &self,
        stage: &Stage,
        lab: Option<&Lab>,
        interrupts: &mut Interrupts,
    ) -> Result<Played, Failure> {
        self.introduce()?;
        let live = Live::begin(self.setting.for_ms, self.json)?;
        let crew = Crew::new(stage.cluster(), self.setting.clients, lab.map(Lab::hub))?;
        let shared = Shared::default();
        let log = (self.log.as_path(), &self.setting);
        let mut nemesis = Nemesis::new(stage.cluster(), &crew, lab, &live, &shared.hush, log)?;
        nemesis.heal(interrupts)?; // all are down, to begin with
        wait_for("everybody knows everybody", SIGN_IN_PATIENCE, interrupts, || crew.is_acquainted())?;
        crew.open_room();
        wait_for("a room is open", SIGN_IN_PATIENCE, interrupts, || crew.is_in_room(1))?;
        crew.join_room();
        wait_for("everybody is in it", SIGN_IN_PATIENCE, interrupts, || crew.is_in_room(crew.len()))?;
        live.begin_anew();
        live.tell("everybody knows everybody, and is in one room; the talk begins")?;

        let troubles = thread::scope(|threads| {
            threads.spawn(|| talk(&crew, &shared, &self.setting));
            threads.spawn(|| keep_counting(&crew, &shared));
            let done = self.torment(&mut nemesis, &crew, &shared, &live, interrupts);
            shared.over.store(true, Ordering::SeqCst);
            done
        });
        live.end();
        let mut troubles = troubles?;
        troubles.extend(settle(&mut nemesis, &crew, &live, interrupts)?);
        let counts = crew.counts();
        live.tell(&numbers(&counts))?;
        Ok(Played { counts, troubles })
    }

    /// Lets verify judge, and says what it says.
    ///
    /// # Errors
    /// When the logs cannot be read.
    pub fn judge(&self, stage: &Stage, played: &Played) -> Result<Outcome, Failure> {
        let report = stage.judge()?;
        if self.json {
            let json = Json {
                seed: self.setting.seed,
                actions: self.log.display().to_string(),
                counts: played.counts,
                troubles: &played.troubles,
                verdict: report.verdict(),
                report: &report,
            };
            screen::say(&serde_json::to_string_pretty(&json).map_err(|error| Failure::of(&error))?)?;
        } else {
            screen::say(&format!("\n{}", verify::render(&report)))?;
            for trouble in &played.troubles {
                screen::say(&format!("{RED}trouble:{RED:#} {trouble}"))?;
            }
        }
        // A process that falls over on its own is a finding, even if no promise was broken by it.
        Ok(match verify::outcome(&report) {
            Outcome::Done if !played.troubles.is_empty() => Outcome::Negative,
            outcome => outcome,
        })
    }

    /// A line of the story.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn say(&self, line: &str) -> Result<(), Failure> {
        if self.json {
            screen::note(line);
            return Ok(());
        }
        screen::say(line)
    }

    fn introduce(&self) -> Result<(), Failure> {
        let Setting { seed, clients, rate, for_ms } = self.setting;
        self.say(&format!(
            "{BOLD}tercet chaos{BOLD:#}: {SERVERS} servers, {clients} people, {} a second, {} in {} s  \
             {DIM}(seed {seed}){DIM:#}",
            count(rate as usize, "message"),
            count(self.actions.len(), "action"),
            Duration::from_millis(for_ms).as_secs_f32(),
        ))?;
        self.say(&format!("{DIM}every action is written to {}{DIM:#}", self.log.display()))?;
        self.skipped.iter().try_for_each(|why| self.say(&format!("{YELLOW}{why}{YELLOW:#}")))
    }

    /// Does what is due until the time is over; says who has fallen over of their own.
    fn torment(
        &self,
        nemesis: &mut Nemesis<'_>,
        crew: &Crew,
        shared: &Shared,
        live: &Live,
        interrupts: &mut Interrupts,
    ) -> Result<Vec<String>, Failure> {
        let mut actions = self.actions.iter().peekable();
        let mut troubles = Vec::new();
        while live.elapsed_ms() < self.setting.for_ms || actions.peek().is_some() {
            while let Some(action) = actions.next_if(|action| action.at_ms <= live.elapsed_ms()) {
                nemesis.act(action, interrupts)?;
            }
            let chats = crew.fallen().into_iter().map(|(name, status)| {
                format!("{name}'s chat ended by itself ({status}); it said last: {}", crew.last_words(&name))
            });
            for trouble in nemesis.fallen().into_iter().chain(chats) {
                live.tell(&format!("{RED}trouble:{RED:#} {trouble}"))?;
                troubles.push(trouble);
            }
            let counts = *shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
            live.show(&counts, &nemesis.faults())?;
            if interrupts.come_within(TICK) {
                return Err(interrupted());
            }
        }
        Ok(troubles)
    }
}

/// All faults stop; returns when everything is on all servers and read by whom it is for, or it takes too long.
fn settle(
    nemesis: &mut Nemesis<'_>,
    crew: &Crew,
    live: &Live,
    interrupts: &mut Interrupts,
) -> Result<Vec<String>, Failure> {
    live.tell("the faults stop, and nobody says anything more")?;
    nemesis.heal(interrupts)?;
    crew.hang_up();
    let mut troubles = finish(crew, "did not get everything on all servers", interrupts)?;
    live.tell("outboxes empty: everybody has gone")?;
    if !nemesis.becomes_whole(SETTLE_PATIENCE, interrupts) {
        let patience = SETTLE_PATIENCE.as_secs();
        troubles.push(format!("the servers did not come to hold the same within {patience} s"));
    }
    crew.read_once()?;
    troubles.extend(finish(crew, "could not read everything", interrupts)?);
    troubles.extend(nemesis.fallen());
    for trouble in &troubles {
        live.tell(&format!("{RED}trouble:{RED:#} {trouble}"))?;
    }
    Ok(troubles)
}

/// Waits until all chats have come to their ends; says whose was not a good one.
fn finish(crew: &Crew, what: &str, interrupts: &mut Interrupts) -> Result<Vec<String>, Failure> {
    let mut ended: Vec<(String, ExitStatus)> = Vec::new();
    wait_for("the chats have ended", SETTLE_PATIENCE, interrupts, || {
        let (more, left) = crew.ended();
        ended.extend(more);
        left == 0
    })?;
    let bad = ended.into_iter().filter(|(_, status)| !status.success());
    Ok(bad
        .map(|(name, status)| {
            format!("{name}'s chat {what} ({status}); it said last: {}", crew.last_words(&name))
        })
        .collect())
}

fn wait_for(
    what: &str,
    patience: Duration,
    interrupts: &mut Interrupts,
    holds: impl FnMut() -> bool,
) -> Result<(), Failure> {
    let mut came = false;
    let pause = || {
        came = interrupts.come_within(TICK);
        came
    };
    match (within(patience, pause, holds), came) {
        (true, _) => Ok(()),
        (false, true) => Err(interrupted()),
        (false, false) => Err(Failure::new(format!("waited {} s in vain until {what}", patience.as_secs()))
            .next("see people/NAME/chat.txt and servers/NAME/log.txt in the folder")),
    }
}

fn interrupted() -> Failure {
    Failure::new("interrupted; servers and clients are stopped").next("tercet chaos")
}

/// People talk, by the seed, to one another and in their room at this rate, and change some of what they said. Who is
/// gone says nothing.
fn talk(crew: &Crew, shared: &Shared, setting: &Setting) {
    let mut random = fastrand::Rng::with_seed(setting.seed ^ TALK_SALT);
    let pause = Duration::from_secs(1) / setting.rate;
    let mut next = Instant::now();
    for number in 1_u64.. {
        let from = random.usize(..crew.len());
        let to = (from + random.usize(1..crew.len())) % crew.len();
        let place = if random.usize(..IN_THE_ROOM) == 0 { Place::Room } else { Place::Person(to) };
        let thought = if random.bool() { Afterthought::Edit } else { Afterthought::Delete };
        let after = (random.usize(..CHANGED) == 0).then_some(thought);
        if shared.over.load(Ordering::SeqCst) {
            return;
        }
        if !shared.hush.load(Ordering::SeqCst) {
            let _said = crew.say(from, place, &format!("message {number}"), after);
        }
        next += pause;
        sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn keep_counting(crew: &Crew, shared: &Shared) {
    while !shared.over.load(Ordering::SeqCst) {
        let begun = Instant::now();
        let counts = crew.counts();
        *shared.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        sleep(COUNT_EVERY.max(begun.elapsed() * COUNT_SHARE));
    }
}
