//! Who does what the schedule says, to real processes, and writes down what was really done and when.
//!
//! What cannot be done (a server is started that runs) is left out and not written down, so that a log of
//! actions that was cut or changed by hand can be replayed, too. A wipe waits until all servers hold the same
//! while nobody says anything: then no event is lost with the disk, on whatever seed.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::action::{Action, Deed, Setting, Target};
use super::crew::{Crew, within};
use super::live::Live;
use super::netns::Lab;
use crate::cmd::failure::Failure;
use crate::cmd::home::Cluster;
use crate::cmd::interrupts::Interrupts;
use crate::cmd::nodes::Signal;
use crate::cmd::screen::{GREEN, RED, YELLOW};
use crate::cmd::starting::Surroundings;
use crate::text::inert;

const WHOLE_PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The nemesis and what it knows of its victims.
pub struct Nemesis<'a> {
    cluster: &'a Cluster,
    crew: &'a Crew,
    lab: Option<&'a Lab>,
    live: &'a Live,
    /// While it is set, nobody says anything new.
    hush: &'a AtomicBool,
    log: File,
    servers: Vec<Victim>,
    isolated: bool,
    /// What is done now is done in every run, and not part of what is replayed.
    healing: bool,
}

#[derive(Debug, Default)]
struct Victim {
    child: Option<Child>,
    paused: bool,
    cut: bool,
    slow: bool,
    clock_offset_ms: i64,
}

impl<'a> Nemesis<'a> {
    /// One that has done nothing yet, and writes to this file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(
        cluster: &'a Cluster,
        crew: &'a Crew,
        lab: Option<&'a Lab>,
        live: &'a Live,
        hush: &'a AtomicBool,
        (log, setting): (&Path, &Setting),
    ) -> Result<Self, Failure> {
        let failed = |error| Failure::io(format!("write {}", log.display()), &error);
        let mut file = File::create(log).map_err(failed)?;
        writeln!(file, "{setting}\n# milliseconds\tdeed\ttarget").map_err(failed)?;
        let servers = cluster.names().iter().map(|_| Victim::default()).collect();
        Ok(Self { cluster, crew, lab, live, hush, log: file, servers, isolated: false, healing: false })
    }

    /// Does one thing, tells it, and writes it down with the time at which it was done.
    ///
    /// # Errors
    /// When a process cannot be stopped or started: that is worth a look, and the end of the run.
    pub fn act(&mut self, action: &Action, interrupts: &mut Interrupts) -> Result<(), Failure> {
        let begun_ms = self.live.elapsed_ms();
        let told = match (action.deed, action.target) {
            (Deed::Wipe, Target::Server(name)) => self.wipe(name, interrupts)?,
            (deed, _) if deed.is_of_the_network() => self.rewire(deed, action.target)?,
            (deed, Target::Server(name)) => self.strike(deed, name)?,
            (deed, Target::Client(index)) => self.strike_client(deed, index)?,
            (_, Target::AllServers) => None,
        };
        let Some(told) = told else { return Ok(()) };
        // A wipe is done after a wait of its own length; everything else begins at once.
        let at_ms = if action.deed == Deed::Wipe { self.live.elapsed_ms() } else { begun_ms };
        let comment = if self.healing { "# " } else { "" };
        writeln!(self.log, "{comment}{}", Action { at_ms, ..*action })
            .map_err(|error| Failure::io("write the log of actions", &error))?;
        self.live.tell(&told)
    }

    /// Starts what is down, lets go on what hangs, joins what is cut, sets clocks right.
    ///
    /// # Errors
    /// As [`Nemesis::act`].
    pub fn heal(&mut self, interrupts: &mut Interrupts) -> Result<(), Failure> {
        self.healing = true;
        let mut deeds = vec![(Deed::Join, Target::AllServers)];
        for (name, victim) in (1..).zip(&self.servers) {
            let right = if victim.clock_offset_ms == 0 { Deed::Start } else { Deed::Skew(0) };
            let deeds_of_one = [Deed::Continue, Deed::Join, Deed::Fast, right];
            deeds.extend(deeds_of_one.map(|deed| (deed, Target::Server(name))));
        }
        for (index, (_, _, clock_offset_ms)) in self.crew.states().into_iter().enumerate() {
            let right = if clock_offset_ms == 0 { Deed::Start } else { Deed::Skew(0) };
            deeds.push((right, Target::Client(index)));
        }
        for (deed, target) in deeds {
            self.act(&Action { at_ms: 0, deed, target }, interrupts)?;
        }
        self.healing = false;
        Ok(())
    }

    /// What is wrong at the moment, in a few words each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = Vec::new();
        for (name, victim) in (1..).zip(&self.servers) {
            let mut is = |what: &str| faults.push(format!("server {name} {what}"));
            match victim {
                Victim { child: None, .. } => is("down"),
                Victim { paused: true, .. } => is("hangs"),
                Victim { cut: true, .. } => is("cut off"),
                Victim { slow: true, .. } => is("slow"),
                Victim { clock_offset_ms: 0, .. } => {}
                Victim { clock_offset_ms, .. } => is(&format!("{clock_offset_ms:+} ms")),
            }
        }
        if self.isolated {
            faults.push("servers cut off from each other".to_owned());
        }
        for (name, runs, clock_offset_ms) in self.crew.states() {
            match (runs, clock_offset_ms) {
                (false, _) => faults.push(format!("{name} gone")),
                (true, 0) => {}
                (true, ms) => faults.push(format!("{name} {ms:+} ms")),
            }
        }
        faults
    }

    /// Servers that have ended and were not made to; each is told once.
    pub fn fallen(&mut self) -> Vec<String> {
        let mut fallen = Vec::new();
        for (name, victim) in (1..).zip(&mut self.servers) {
            let status = victim.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if let Some(status) = status {
                victim.child = None;
                let log = self.cluster.home().server(&format!("{name}")).log();
                let said = std::fs::read(&log).unwrap_or_default();
                let said = String::from_utf8_lossy(&said).into_owned();
                let last = inert(said.lines().last().unwrap_or("(nothing)"));
                fallen.push(format!("server {name} ended by itself ({status}); it said last: {last}"));
            }
        }
        fallen
    }

    /// Waits until all servers hold equally much, twice in a row.
    pub fn becomes_whole(&self, patience: Duration, interrupts: &mut Interrupts) -> bool {
        let mut before = None;
        let holds = || {
            let now = self.position_of_all();
            let whole = now.is_some() && now == before;
            before = now;
            whole
        };
        within(patience, || interrupts.come_within(LOOK_AGAIN), holds)
    }

    /// How much every server holds, if all answer and hold equally much. Asked by a process of its own, which
    /// is where the servers can be reached.
    fn position_of_all(&self) -> Option<u64> {
        let netns = self.lab.map(Lab::hub);
        let mut command = Surroundings { netns, clock_offset_ms: 0 }.tercet().ok()?;
        let asked = command.arg("--dir").arg(self.cluster.home().dir()).args(["cluster", "status", "--json"]);
        let output = asked.stdin(std::process::Stdio::null()).output().ok()?;
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        let positions: Option<Vec<u64>> =
            status["servers"].as_array()?.iter().map(|server| server["position"].as_u64()).collect();
        let positions = positions?;
        let first = *positions.first()?;
        positions.iter().all(|position| *position == first).then_some(first)
    }

    fn strike(&mut self, deed: Deed, name: usize) -> Result<Option<String>, Failure> {
        let victim = &self.servers[name - 1];
        let (runs, paused) = (victim.child.is_some(), victim.paused);
        Ok(match deed {
            Deed::Kill if runs => {
                let pid = self.signal(name, Signal::Kill)?;
                self.reap(name);
                Some(format!("{RED}kill -9{RED:#} server {name} (pid {pid})"))
            }
            Deed::Pause if runs && !paused => {
                let pid = self.signal(name, Signal::Stop)?;
                self.servers[name - 1].paused = true;
                Some(format!("{RED}pause{RED:#} server {name} (pid {pid}): it hangs"))
            }
            Deed::Continue if runs && paused => {
                let pid = self.signal(name, Signal::Cont)?;
                self.servers[name - 1].paused = false;
                Some(format!("{GREEN}continue{GREEN:#} server {name} (pid {pid})"))
            }
            Deed::Start if !runs => {
                let pid = self.start(name, 0)?;
                Some(format!("{GREEN}start{GREEN:#} server {name} (pid {pid})"))
            }
            Deed::Restart if runs => {
                self.stop(name)?;
                let pid = self.start(name, 0)?;
                Some(format!("{YELLOW}restart{YELLOW:#} server {name} cleanly (pid {pid})"))
            }
            Deed::Skew(ms) => {
                self.stop(name)?;
                let pid = self.start(name, ms)?;
                Some(skewed(&format!("server {name}"), ms, pid))
            }
            _ => None,
        })
    }

    fn strike_client(&mut self, deed: Deed, index: usize) -> Result<Option<String>, Failure> {
        let name = Target::Client(index);
        Ok(match deed {
            Deed::Kill => {
                self.crew.kill(index)?.map(|pid| format!("{RED}kill -9{RED:#} {name}'s chat (pid {pid})"))
            }
            Deed::Start => self
                .crew
                .start(index, 0)?
                .map(|pid| format!("{GREEN}start{GREEN:#} {name}'s chat (pid {pid})")),
            Deed::Skew(ms) => {
                self.crew.kill(index)?;
                self.crew.start(index, ms)?.map(|pid| skewed(&format!("{name}'s chat"), ms, pid))
            }
            _ => None,
        })
    }

    fn rewire(&mut self, deed: Deed, target: Target) -> Result<Option<String>, Failure> {
        let Some(lab) = self.lab else { return Ok(None) };
        let Target::Server(name) = target else {
            let cut = deed == Deed::Cut;
            if cut == self.isolated {
                return Ok(None);
            }
            lab.isolate(cut)?;
            self.isolated = cut;
            return Ok(Some(if cut {
                format!("{RED}cut{RED:#} all servers off from each other")
            } else {
                format!("{GREEN}join{GREEN:#} all servers again")
            }));
        };
        let victim = &mut self.servers[name - 1];
        Ok(match deed {
            Deed::Cut if !victim.cut => {
                lab.cut(name, true)?;
                victim.cut = true;
                Some(format!("{RED}cut{RED:#} server {name} off from everybody"))
            }
            Deed::Join if victim.cut => {
                lab.cut(name, false)?;
                victim.cut = false;
                Some(format!("{GREEN}join{GREEN:#} server {name} again"))
            }
            Deed::Slow if !victim.slow && lab.no_netem().is_none() => {
                lab.slowed(name, true)?;
                victim.slow = true;
                Some(format!("{YELLOW}slow{YELLOW:#} the link of server {name}"))
            }
            Deed::Fast if victim.slow => {
                lab.slowed(name, false)?;
                victim.slow = false;
                Some(format!("{GREEN}fast{GREEN:#} again: the link of server {name}"))
            }
            _ => None,
        })
    }

    fn wipe(&mut self, name: usize, interrupts: &mut Interrupts) -> Result<Option<String>, Failure> {
        self.hush.store(true, Ordering::SeqCst);
        let wiped = self.wipe_if_whole(name, interrupts);
        self.hush.store(false, Ordering::SeqCst);
        wiped
    }

    fn wipe_if_whole(&mut self, name: usize, interrupts: &mut Interrupts) -> Result<Option<String>, Failure> {
        if !self.becomes_whole(WHOLE_PATIENCE, interrupts) {
            let why =
                format!("the servers did not come to hold the same within {} s", WHOLE_PATIENCE.as_secs());
            self.live.tell(&format!("{YELLOW}no wipe{YELLOW:#} of server {name}: {why}"))?;
            return Ok(None);
        }
        let pid = self.signal(name, Signal::Kill)?;
        self.reap(name);
        let store = self.cluster.home().server(&name.to_string()).store();
        std::fs::remove_dir_all(&store)
            .map_err(|error| Failure::io(format!("remove {}", store.display()), &error))?;
        Ok(Some(format!("{RED}wipe{RED:#} server {name} (pid {pid}): killed, and its disk is lost")))
    }

    fn signal(&self, name: usize, signal: Signal) -> Result<u32, Failure> {
        self.cluster.kill(&name.to_string(), signal).map(|process| process.pid())
    }

    fn stop(&mut self, name: usize) -> Result<(), Failure> {
        let stopped = self.cluster.stop(&[&name.to_string()])?;
        self.reap(name);
        match stopped.first().filter(|server| server.killed) {
            Some(_) => Err(Failure::new(format!("server {name} did not stop when asked to, and was killed"))),
            None => Ok(()),
        }
    }

    fn reap(&mut self, name: usize) {
        let victim = &mut self.servers[name - 1];
        if let Some(mut child) = victim.child.take() {
            let _gone = child.wait(); // only so that the system forgets it
        }
        (victim.paused, victim.clock_offset_ms) = (false, 0);
    }

    fn start(&mut self, name: usize, clock_offset_ms: i64) -> Result<u32, Failure> {
        let surroundings = Surroundings { netns: self.lab.map(|lab| lab.of_server(name)), clock_offset_ms };
        let started = self.cluster.spawn_in(&name.to_string(), &surroundings)?.wait()?;
        let victim = &mut self.servers[name - 1];
        (victim.child, victim.clock_offset_ms) = (Some(started.child), clock_offset_ms);
        Ok(started.process.pid())
    }
}

fn skewed(whom: &str, ms: i64, pid: u32) -> String {
    match ms {
        0 => format!("{GREEN}clock right{GREEN:#} again: {whom} (pid {pid})"),
        ms => format!("{YELLOW}skew{YELLOW:#} {whom} (pid {pid}): its clock is off by {ms:+} ms"),
    }
}
