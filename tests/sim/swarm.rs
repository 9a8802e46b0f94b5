//! What one seed's run is like: how large, how busy, how slow, and which faults it has.
//!
//! Each run leaves some faults out altogether (swarm testing: Groce et al., 2012): a fault that is always
//! there hides what only its absence would show.

use tercet::limits::{MESSAGE_MAX_BYTES, UPLOAD_WINDOW};

use crate::mutants::Mutant;
use crate::nemesis::Fault;

#[derive(Debug, Clone)]
pub struct Swarm {
    pub servers: usize,
    pub accounts: usize,
    pub devices_each: usize,
    /// How long faults go on.
    pub fault_ms: u64,
    pub fault_every_ms: u64,
    pub faults: Vec<Fault>,
    /// How many times somebody says something.
    pub says: usize,
    /// How many things are said at once when somebody has much to say.
    pub burst: usize,
    /// The longest text, bytes.
    pub text_max_bytes: usize,
    /// Everybody says the first thing before anybody hears another.
    pub all_apart: bool,
    pub window_ms: u64,
    pub delay_max_ms: u64,
    pub sync_max_ms: u64,
    /// How long a device takes to come to what has arrived.
    pub turn_max_ms: u64,
    /// Whether the servers read each other's logs; if not, all rests on the outboxes.
    pub peers: bool,
    /// How often the administrator changes which servers there are.
    pub changes: usize,
    /// How many servers must have told of a line before it is shown; 1 is no wait.
    pub quorum: usize,
    /// Whether devices show all the same what has not had it.
    pub shows_all: bool,
    /// How many files are shared.
    pub files: usize,
    /// How many times somebody takes another name, or closes an account.
    pub names: usize,
    /// What decides the when, who and what of files and names, and of nothing else.
    pub apart: fastrand::Rng,
    /// The servers that lie.
    pub liars: Vec<usize>,
    pub mutant: Option<Mutant>,
}

impl Swarm {
    pub fn draw(rng: &mut fastrand::Rng) -> Self {
        let changes = Self::changes(rng.clone());
        let many_heads = rng.u32(..40) == 0;
        let mut faults: Vec<_> = Fault::ALL.into_iter().filter(|_| rng.bool()).collect();
        if rng.u32(..3) > 0 {
            faults.retain(|fault| *fault != Fault::LoseDevice);
        } else if rng.bool() {
            // The authors' logs and the servers' disks together: what is left must spread from where it is.
            faults.retain(|fault| !matches!(fault, Fault::LoseDevice | Fault::LoseDisk));
            faults.extend([Fault::LoseDevice, Fault::LoseDisk]);
        }
        // Drawn apart, so that all else of a seed stays what it was.
        let mut apart = fastrand::Rng::with_seed(rng.clone().u64(..));
        let mut swarm = Self {
            servers: if rng.u32(..10) < 6 { 3 } else { rng.usize(1..=5) },
            accounts: if many_heads { 2 } else { rng.usize(2..=4) },
            devices_each: if many_heads { 10 } else { 1 + rng.usize(..8) / 6 },
            fault_ms: rng.u64(2_000..30_000),
            fault_every_ms: rng.u64(100..3_000),
            faults,
            says: if many_heads { 30 } else { rng.usize(3..40) },
            burst: match rng.u32(..120) {
                0 => UPLOAD_WINDOW + 40,
                1..12 => 60,
                _ => rng.usize(1..12),
            },
            text_max_bytes: if rng.u32(..40) == 0 { MESSAGE_MAX_BYTES } else { 12 },
            all_apart: many_heads,
            window_ms: [0, 40, 400, 2_000][rng.usize(..4)],
            delay_max_ms: [1, 10, 60, 400][rng.usize(..4)],
            sync_max_ms: [1, 10, 100, 900][rng.usize(..4)],
            turn_max_ms: [1, 5, 50, 300][rng.usize(..4)],
            // Nobody drains a log without.
            peers: rng.u32(..4) > 0 || changes > 0,
            changes,
            quorum: 1,
            shows_all: false,
            files: 0,
            names: 0,
            apart: fastrand::Rng::with_seed(0),
            liars: Vec::new(),
            mutant: None,
        };
        if apart.u32(..4) == 0 {
            swarm.quorum = apart.usize(1..=swarm.servers);
            // Without peers, what one server alone has never gets its quorum.
            swarm.peers |= swarm.quorum > 1;
        }
        swarm.files = if apart.u32(..4) == 0 { apart.usize(1..=6) } else { 0 };
        swarm.names = if apart.u32(..4) == 0 { apart.usize(1..=4) } else { 0 };
        swarm.apart = apart;
        swarm
    }

    /// Two of six servers lie, and everybody waits for four.
    pub fn lie(&mut self) {
        // With two liars nobody can be spared.
        (self.servers, self.quorum, self.peers, self.changes) = (6, 4, true, 0);
        let first = self.says % 6;
        self.liars = vec![first, (first + 1 + self.accounts) % 6];
        // What an author gave to a liar alone is in its author's log, and must come from there.
        self.faults.retain(|fault| *fault != Fault::LoseDevice);
        self.all_apart = false;
    }

    /// Nobody shares a file or changes a name, for runs that are about something else.
    pub fn without_files_and_names(self) -> Self {
        Self { files: 0, names: 0, ..self }
    }

    /// Out of a copy of the random source, so that whatever else is drawn stays what it was.
    fn changes(mut rng: fastrand::Rng) -> usize {
        rng.u64(..);
        if rng.u32(..3) == 0 { rng.usize(1..=4) } else { 0 }
    }
}
