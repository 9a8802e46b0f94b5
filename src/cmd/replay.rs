//! Reads many logs at once, and runs the checks over them.
//!
//! Every log has a thread that reads and decodes it, and that checks the signatures of the events which it is
//! the first to bring ([`crate::intake`]); so the cores have work as long as there is any. No log is ever in
//! memory as a whole, but for what [`crate::taken`] keeps of it.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::again;
use super::failure::Failure;
use super::live_log::LiveLog;
use crate::history::{ClientHistory, History, ServerHistory};
use crate::id::ServerId;
use crate::intake::Intake;
use crate::ledger::Ledger;
use crate::progress::Progress;
use crate::store::{DeviceLog, Replica};
use crate::taken::{ClientIntake, ClientLog, ServerLog};
use crate::text::inert;
use crate::verify::{CHECKS, Report, report};

/// Threads per core: logs are of different lengths, and a short one leaves its core to others.
const THREADS_PER_CORE: usize = 2;

/// About how many bytes an entry of a device's log takes: only its bytes are known before it is read.
const ENTRY_BYTES: u64 = 160;

/// Where everything is that is to be checked.
#[derive(Debug, Default)]
pub struct Sources {
    /// What people call the servers.
    pub names: BTreeMap<ServerId, String>,
    /// The servers' logs.
    pub servers: Vec<Server>,
    /// The devices' logs, each with what it is called.
    pub devices: Vec<(PathBuf, String)>,
    /// What was expected and is not there, each as a sentence.
    pub absent: Vec<String>,
}

/// One server's log.
#[derive(Debug)]
pub enum Server {
    /// To be asked for, of the running server.
    Running(Box<LiveLog>),
    /// A store to be read.
    Stored {
        /// Its folder.
        store: PathBuf,
        /// What its log is called.
        source: String,
        /// What the server is called, unless that is known already.
        name: String,
    },
}

impl Sources {
    /// What is missing.
    pub fn lacks(&mut self, failure: &Failure) {
        let absent = inert(failure.what());
        if !self.absent.contains(&absent) {
            self.absent.push(absent);
        }
    }

    /// The report, with the stories of what is broken. For those, what they cite is read again.
    pub fn judge(&self, progress: &Progress) -> Report {
        let ledger = self.read(progress);
        let outcomes = on_all_cores(&CHECKS, |check| check(&ledger));
        let mut report = report(&ledger, outcomes.into_iter().flatten().collect());
        if report.anomalies().next().is_some() {
            again::tell_of(self, &ledger, &mut report);
        }
        report
    }

    /// Everything as plain values: what a page or an export is made of, and too much for millions of events.
    pub fn history(self) -> History {
        let mut history = History { names: self.names, absent: self.absent, ..History::default() };
        let mut absent = Vec::new();
        for server in self.servers {
            match server {
                Server::Running(log) => match log.read() {
                    Ok(server) => history.servers.push(server),
                    Err(failure) => absent.push(inert(failure.what())),
                },
                Server::Stored { store, source, name } => match Replica::read(&store) {
                    Ok(server) => {
                        history.names.entry(server.server).or_insert(name);
                        history.servers.push(ServerHistory { source, ..server });
                    }
                    Err(error) => absent.push(inert(Failure::of(&error).what())),
                },
            }
        }
        for (log, source) in self.devices {
            match DeviceLog::read(&log) {
                Ok(entries) => history.clients.push(ClientHistory { source, entries }),
                Err(error) => absent.push(inert(Failure::of(&error).what())),
            }
        }
        absent.dedup();
        history.absent.extend(absent);
        history
    }

    /// Stores are read before device logs, so that whatever a store holds its author's log, read later, must hold
    /// too.
    fn read(&self, progress: &Progress) -> Ledger {
        let Self { names, servers, devices, absent } = self;
        let mut names = names.clone();
        let intake = intake().telling(progress.clone());
        let bytes = devices.iter().filter_map(|(path, _)| Some(path.metadata().ok()?.len()));
        progress.expect(bytes.sum::<u64>() / ENTRY_BYTES);
        let mut logs = Logs { absent: absent.clone(), ..Logs::default() };
        for (server, read) in servers.iter().zip(on_all_cores(servers, |server| server.read(&intake))) {
            if let (Server::Stored { name, .. }, Ok(log)) = (server, &read) {
                names.entry(log.life.0).or_insert_with(|| name.clone());
            }
            logs.server(read);
        }
        for read in on_all_cores(devices, |(path, source)| read_device(path, source.clone(), &intake)) {
            logs.client(read);
        }
        intake.settle(logs.servers, logs.clients, names, logs.absent)
    }
}

/// Where all logs are taken in, under a secret that was not there when they were written.
fn intake() -> Intake {
    let mut secret = [0; 32];
    // Without one all is decoded, which takes longer.
    getrandom::fill(&mut secret).map_or_else(|_| Intake::default(), |()| Intake::knowing_again(&secret))
}

/// What came of reading.
#[derive(Default)]
struct Logs {
    servers: Vec<ServerLog>,
    clients: Vec<ClientLog>,
    absent: Vec<String>,
}

impl Logs {
    fn server(&mut self, read: Result<ServerLog, Failure>) {
        match read {
            Ok(log) => self.servers.push(log),
            Err(failure) => self.absent(&failure),
        }
    }

    fn client(&mut self, read: Result<ClientLog, Failure>) {
        match read {
            Ok(log) => self.clients.push(log),
            Err(failure) => self.absent(&failure),
        }
    }

    fn absent(&mut self, failure: &Failure) {
        let absent = inert(failure.what());
        if !self.absent.contains(&absent) {
            self.absent.push(absent);
        }
    }
}

impl Server {
    /// What its log is called.
    pub(super) fn source(&self) -> &str {
        match self {
            Self::Running(log) => log.source(),
            Self::Stored { source, .. } => source,
        }
    }

    fn read(&self, intake: &Intake) -> Result<ServerLog, Failure> {
        match self {
            Self::Running(log) => log.take_in(intake),
            Self::Stored { store, source, .. } => {
                let log = Replica::take_in(store, intake).map_err(|error| Failure::of(&error))?;
                Ok(ServerLog { source: source.clone(), ..log })
            }
        }
    }
}

fn read_device(path: &Path, source: String, intake: &Intake) -> Result<ClientLog, Failure> {
    let mut log = ClientIntake::new(intake, source);
    DeviceLog::read_each(path, &mut |entry| log.entry(&entry)).map_err(|error| Failure::of(&error))?;
    Ok(log.finish())
}

/// Does the same to everything in a list, some at the same time; what comes of it is in the list's order.
pub(super) fn on_all_cores<T: Sync, R: Send>(list: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let worker = || {
        while let Some((index, item)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            list.get(index).map(|item| (index, item))
        } {
            let result = work(item);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
        }
    };
    thread::scope(|scope| {
        // A panic in one of them goes on in the caller when the scope ends.
        for _ in 0..list.len().min(cores * THREADS_PER_CORE) {
            scope.spawn(worker);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::clock::Time;
    use crate::event::{Claim, Conversation, Draft, Event, Kind};
    use crate::id::{DeviceId, EventId, Incarnation, RoomId};
    use crate::taken::ServerIntake;

    fn event(seq: u64) -> Event {
        let draft = Draft {
            device: DeviceId::new([1; 16]),
            seq,
            parents: [EventId::new([0xee; 32])].into(), // nobody here has what began the room
            time: Time::from_millis(seq),
            conversation: Conversation::Room(RoomId::new([2; 16])),
            kind: Kind::Post,
            body: b"said".to_vec(),
        };
        draft.sign(&SigningKey::from_bytes(&[3; 32])).unwrap()
    }

    #[test]
    fn readers_at_the_same_time_take_each_event_once() {
        let events: Vec<_> = (1..=200).map(event).collect();
        let intake = Intake::default();
        let logs = on_all_cores(&[1, 2, 3, 4], |number| {
            let life = (ServerId::new([*number; 32]), Incarnation::new([*number; 16]));
            let mut log = ServerIntake::new(&intake, String::new(), life, false);
            for (position, event) in (1..).zip(&events) {
                log.claimed(position, &Claim::of(event.bytes()).unwrap());
            }
            log.finish()
        });
        let ledger = intake.settle(logs, Vec::new(), BTreeMap::new(), Vec::new());
        assert_eq!((ledger.events.known(), ledger.corrupt.len()), (200, 0));
        for log in &ledger.servers {
            assert!(log.events.iter().copied().eq(ledger.events.all()), "numbers are in the order of time");
        }
    }

    #[test]
    fn results_are_in_the_order_of_the_list() {
        let list: Vec<_> = (0..100).collect();
        assert_eq!(
            on_all_cores(&list, |number| number * 2),
            list.iter().map(|number| number * 2).collect::<Vec<_>>()
        );
        assert_eq!(on_all_cores(&[], |number: &u8| *number), Vec::<u8>::new());
    }
}
