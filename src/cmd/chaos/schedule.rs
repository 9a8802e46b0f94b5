//! What goes wrong when: a pure function of the seed.
//!
//! Time is cut into slots, in two lanes: one fault of servers or network per slot, and, beside it, one of
//! clients. A fault is over before its slot ends, so that all servers can be whole between two of them. A
//! wipe has its slot for itself: at most one disk is lost at a time, and [`super::nemesis`] waits until the
//! others hold everything first. So whatever the seed is, verify owes "valid".

use std::collections::BTreeSet;

use fastrand::Rng;

use super::action::{Action, Deed, Target};

/// About how long one slot is, milliseconds; shorter if the time is short for all faults to occur.
const SLOT_MS: u64 = 4_500;
/// Longest that nobody serves.
const ALL_DOWN_MAX_MS: u64 = 3_000;
/// The furthest that a clock is off: far less than servers put up with.
const SKEW_MAX_MS: i64 = 5_000;
const SKEW_MIN_MS: i64 = 500;
/// Between two signals of one fault, at most.
const STAGGER_MS: u64 = 400;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Fault {
    /// Servers are killed with SIGKILL and started again; one is always left.
    Kill,
    /// Servers hang (SIGSTOP) and go on; one is always left.
    Pause,
    /// A server is stopped cleanly and started again.
    Restart,
    /// All servers are killed.
    AllDown,
    /// A client is killed with SIGKILL and started again.
    ClientKill,
    /// A server loses its disk.
    Wipe,
    /// A server's or a client's clock is off by seconds, and later is not.
    Skew,
    /// Servers are cut off from everybody, or all from each other (needs network namespaces).
    Partition,
    /// The links of servers are slow and lose packets (needs network namespaces and netem).
    Slow,
}

impl Fault {
    /// All there are.
    pub const ALL: [Self; 9] = [
        Self::Kill,
        Self::Pause,
        Self::Restart,
        Self::AllDown,
        Self::ClientKill,
        Self::Wipe,
        Self::Skew,
        Self::Partition,
        Self::Slow,
    ];

    fn strikes_servers(self) -> bool {
        self != Self::ClientKill
    }

    fn strikes_clients(self) -> bool {
        matches!(self, Self::ClientKill | Self::Skew)
    }

    /// Whether it may strike some servers while another strikes others.
    fn keeps_company(self) -> bool {
        !matches!(self, Self::Wipe | Self::AllDown)
    }
}

/// For whom and how long a schedule is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// How many servers.
    pub servers: usize,
    /// How many clients.
    pub clients: usize,
    /// How long, milliseconds.
    pub for_ms: u64,
    /// What may go wrong.
    pub faults: BTreeSet<Fault>,
}

/// What goes wrong when, in order of time.
pub fn plan(seed: u64, shape: &Shape) -> Vec<Action> {
    let mut random = Rng::with_seed(seed);
    let of = |strikes: fn(Fault) -> bool| -> Vec<Fault> {
        shape.faults.iter().copied().filter(|fault| strikes(*fault)).collect()
    };
    let mut actions = Vec::new();
    let servers = of(Fault::strikes_servers);
    for (fault, slot) in slots(&mut random, &servers, shape.for_ms) {
        actions.extend(on_servers(&mut random, fault, &servers, slot, shape.servers));
    }
    for (fault, slot) in slots(&mut random, &of(Fault::strikes_clients), shape.for_ms) {
        actions.extend(on_client(&mut random, fault, slot, shape.clients));
    }
    actions.sort_by_key(|action| action.at_ms); // stable: of one moment, in the order in which it was meant
    actions
}

/// From when to when a fault lasts, milliseconds.
#[derive(Debug, Clone, Copy)]
struct Slot {
    from_ms: u64,
    to_ms: u64,
}

/// Deals the faults out, again and again, each round in another order.
fn slots(random: &mut Rng, faults: &[Fault], for_ms: u64) -> Vec<(Fault, Slot)> {
    let rounds = (for_ms / SLOT_MS).max(faults.len() as u64);
    let mut deck = Vec::new();
    let mut dealt = Vec::new();
    for index in 0..rounds {
        if deck.is_empty() {
            deck = faults.to_vec();
            random.shuffle(&mut deck);
        }
        let Some(fault) = deck.pop() else { break };
        // Exact for every length: slots begin at multiples, rounded down.
        let (begin, end) = (for_ms * index / rounds, for_ms * (index + 1) / rounds);
        let at = |percent: u64| begin + (end - begin) * percent / 100;
        let slot = Slot { from_ms: at(random.u64(5..25)), to_ms: at(random.u64(60..85)) };
        dealt.push((fault, slot));
    }
    dealt
}

fn on_servers(random: &mut Rng, fault: Fault, all: &[Fault], slot: Slot, servers: usize) -> Vec<Action> {
    let mut names: Vec<usize> = (1..=servers).collect();
    random.shuffle(&mut names);
    let struck = match fault {
        Fault::Kill | Fault::Pause | Fault::Partition | Fault::Slow => random.usize(1..servers.max(2)),
        _ => 1,
    };
    let (struck, left) = names.split_at(struck.min(names.len()));
    let mut actions = one_fault(random, fault, struck, slot, servers);
    // One is left alone, so that somebody serves; and now and then two different things go wrong at once.
    if fault.keeps_company() && left.len() > 1 && random.usize(..3) == 0 {
        let company: Vec<Fault> = all.iter().copied().filter(|other| other.keeps_company()).collect();
        if let Some(other) = random.choice(&company) {
            actions.extend(one_fault(random, *other, &left[..1], slot, servers));
        }
    }
    actions
}

/// One fault of these servers, from its beginning to its end.
fn one_fault(random: &mut Rng, fault: Fault, struck: &[usize], slot: Slot, servers: usize) -> Vec<Action> {
    let stagger = STAGGER_MS.min((slot.to_ms - slot.from_ms) / 4);
    let cut_in_pieces = fault == Fault::Partition && random.bool();
    let mut pairs = |strike: Deed, relieve: Deed| -> Vec<Action> {
        let on = |at_ms, deed, name: &usize| Action { at_ms, deed, target: Target::Server(*name) };
        let both = |name: &usize| {
            [
                on(slot.from_ms + random.u64(..=stagger), strike, name),
                on(slot.to_ms - random.u64(..=stagger), relieve, name),
            ]
        };
        struck.iter().flat_map(both).collect()
    };
    match fault {
        Fault::Kill => pairs(Deed::Kill, Deed::Start),
        Fault::Pause => pairs(Deed::Pause, Deed::Continue),
        Fault::Slow => pairs(Deed::Slow, Deed::Fast),
        Fault::Wipe => pairs(Deed::Wipe, Deed::Start),
        Fault::Partition if cut_in_pieces => both_ends(slot, Deed::Cut, Deed::Join, Target::AllServers),
        Fault::Partition => pairs(Deed::Cut, Deed::Join),
        Fault::AllDown => {
            let to_ms = slot.to_ms.min(slot.from_ms + ALL_DOWN_MAX_MS);
            let all = 1..=servers;
            let slot = Slot { to_ms, ..slot };
            all.flat_map(|name| both_ends(slot, Deed::Kill, Deed::Start, Target::Server(name))).collect()
        }
        Fault::Skew => {
            let off = Deed::Skew(skew_ms(random));
            struck
                .iter()
                .flat_map(|name| both_ends(slot, off, Deed::Skew(0), Target::Server(*name)))
                .collect()
        }
        Fault::Restart => {
            let on = |name: &usize| Action {
                at_ms: slot.from_ms,
                deed: Deed::Restart,
                target: Target::Server(*name),
            };
            struck.iter().map(on).collect()
        }
        Fault::ClientKill => Vec::new(),
    }
}

fn on_client(random: &mut Rng, fault: Fault, slot: Slot, clients: usize) -> Vec<Action> {
    let target = Target::Client(random.usize(..clients.max(1)));
    match fault {
        Fault::Skew => both_ends(slot, Deed::Skew(skew_ms(random)), Deed::Skew(0), target),
        _ => both_ends(slot, Deed::Kill, Deed::Start, target),
    }
}

fn both_ends(slot: Slot, strike: Deed, relieve: Deed, target: Target) -> Vec<Action> {
    vec![
        Action { at_ms: slot.from_ms, deed: strike, target },
        Action { at_ms: slot.to_ms, deed: relieve, target },
    ]
}

fn skew_ms(random: &mut Rng) -> i64 {
    let ms = random.i64(SKEW_MIN_MS..=SKEW_MAX_MS);
    if random.bool() { ms } else { -ms }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn shape(faults: &[Fault], for_ms: u64) -> Shape {
        Shape { servers: 3, clients: 4, for_ms, faults: faults.iter().copied().collect() }
    }

    /// The faults of which a schedule shows signs.
    fn seen(actions: &[Action]) -> BTreeSet<Fault> {
        let killed_at = |at_ms| {
            let killed = |action: &&Action| {
                action.at_ms == at_ms
                    && action.deed == Deed::Kill
                    && matches!(action.target, Target::Server(_))
            };
            actions.iter().filter(killed).count()
        };
        let sign = |action: &Action| match (action.deed, action.target) {
            (Deed::Kill, Target::Client(_)) => Some(Fault::ClientKill),
            (Deed::Kill, _) if killed_at(action.at_ms) == 3 => Some(Fault::AllDown),
            (Deed::Kill, _) => Some(Fault::Kill),
            (Deed::Pause, _) => Some(Fault::Pause),
            (Deed::Restart, _) => Some(Fault::Restart),
            (Deed::Wipe, _) => Some(Fault::Wipe),
            (Deed::Skew(ms), _) if ms != 0 => Some(Fault::Skew),
            (Deed::Cut, _) => Some(Fault::Partition),
            (Deed::Slow, _) => Some(Fault::Slow),
            _ => None,
        };
        actions.iter().filter_map(sign).collect()
    }

    #[test]
    fn one_seed_gives_one_schedule_and_another_seed_another() {
        let shape = shape(&Fault::ALL, 60_000);
        assert_eq!(plan(7, &shape), plan(7, &shape));
        let all: BTreeSet<String> = (0..50).map(|seed| format!("{:?}", plan(seed, &shape))).collect();
        assert_eq!(all.len(), 50);
    }

    #[test]
    fn every_fault_that_is_asked_for_occurs_and_no_other() {
        for seed in 0..200 {
            for for_ms in [8_000, 60_000] {
                let all = shape(&Fault::ALL, for_ms);
                assert_eq!(seen(&plan(seed, &all)), all.faults, "seed {seed}, {for_ms} ms");
                for fault in Fault::ALL {
                    let one = shape(&[fault], for_ms);
                    assert_eq!(seen(&plan(seed, &one)), one.faults, "seed {seed}, {for_ms} ms");
                }
            }
        }
        assert_eq!(plan(1, &shape(&[], 60_000)), []);
    }

    #[test]
    fn it_is_in_order_and_within_its_time() {
        for seed in 0..200 {
            for for_ms in [1, 10, 1_000, 60_000] {
                let actions = plan(seed, &shape(&Fault::ALL, for_ms));
                assert!(actions.is_sorted_by_key(|action| action.at_ms), "seed {seed}");
                assert!(actions.iter().all(|action| action.at_ms <= for_ms), "seed {seed}");
            }
        }
    }

    /// Who lacks what at most, replayed: a wipe strikes only while no other server is down, hung or cut off.
    fn wipe_in_company(actions: &[Action]) -> Option<Action> {
        let mut struck: BTreeMap<Target, Deed> = BTreeMap::new();
        for action in actions {
            let others = struck.keys().any(|target| *target != action.target);
            match action.deed {
                Deed::Wipe if others => return Some(*action),
                Deed::Kill | Deed::Wipe | Deed::Pause | Deed::Cut
                    if !matches!(action.target, Target::Client(_)) =>
                {
                    struck.insert(action.target, action.deed);
                }
                Deed::Start | Deed::Continue | Deed::Join => drop(struck.remove(&action.target)),
                _ => {}
            }
        }
        None
    }

    #[test]
    fn a_disk_is_lost_only_while_the_others_are_well() {
        for seed in 0..500 {
            let actions = plan(seed, &shape(&Fault::ALL, 60_000));
            assert_eq!(wipe_in_company(&actions), None, "seed {seed}");
        }
        let server = |at_ms, deed, name| Action { at_ms, deed, target: Target::Server(name) };
        let twice = [server(1, Deed::Wipe, 1), server(2, Deed::Wipe, 2), server(3, Deed::Start, 1)];
        assert_eq!(wipe_in_company(&twice), Some(twice[1]), "the check refuses two lost disks");
    }

    #[test]
    fn somebody_serves_unless_all_are_to_be_down() {
        let faults = [Fault::Kill, Fault::Pause, Fault::Wipe];
        for seed in 0..500 {
            let mut down = BTreeSet::new();
            for action in plan(seed, &shape(&faults, 60_000)) {
                match action.deed {
                    Deed::Kill | Deed::Pause | Deed::Wipe => drop(down.insert(action.target)),
                    _ => drop(down.remove(&action.target)),
                }
                assert!(down.len() < 3, "seed {seed}: {down:?} at {} ms", action.at_ms);
            }
        }
    }
}
