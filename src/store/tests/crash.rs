//! A store whose process is killed with SIGKILL at every named point of a commit: nothing acked is lost.
//!
//! A child process opens the store, checks all that is in it, and commits batches; it says what it offers
//! before a commit and what is acked after it. At the point it stops and is killed there. The next child
//! opens what is left. So each kill is judged by a whole read: at least what was acked, at most what was
//! offered, each event in its place.
//!
//! **What SIGKILL cannot do** is lose what the operating system has taken over, so a missing sync would pass.
//! Therefore, at the point between write and sync, a power cut is played on copies: the journal's bytes that
//! were not synced are dropped, cut short, or partly dropped. What stays out of reach is a disk that lies about
//! its syncs, and the loss of unsynced folder entries.
//!
//! `TERCET_KILLS=1000 cargo test --lib store::tests::crash` kills more often at each point; `TERCET_SEED`
//! repeats the choices of a run, which every failure prints.

use std::path::{Path, PathBuf};

use super::child::{Child, role, say};
use super::*;
use crate::store::{files, journal};

/// Kills at each point, unless `TERCET_KILLS` says otherwise.
const KILLS: u32 = 45;
/// Kills of one store before a new one is made: every open reads all of it.
const LIVES: u32 = 15;

const BEFORE_WRITE: &str = "before the write";
const UNSYNCED: &str = "written, not synced";
const UNNOTED: &str = "synced, the tip not noted";
const UNACKED: &str = "synced, not acked";
const COMPACTING: &str = "amid flushes and compactions";

/// What a child that is killed has let the world know.
#[derive(Debug, Default)]
struct Word {
    acked: Position,
    offered: Position,
    compacting: bool,
}

impl Word {
    fn hear(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("acked", position)) => self.acked = position.parse().unwrap(),
            Some(("offered", position)) => self.offered = position.parse().unwrap(),
            Some(("compaction", what)) => self.compacting = what == "begins",
            _ => {}
        }
    }

    /// Whether a store that holds so many events keeps the word.
    fn judge(&self, held: Position) -> Result<(), String> {
        match held {
            held if held < self.acked => Err(format!("{held} events are left of {} acked", self.acked)),
            held if held > self.offered => Err(format!("{held} events, and {} were offered", self.offered)),
            _ => Ok(()),
        }
    }
}

struct Run {
    folder: tempfile::TempDir,
    point: &'static str,
    /// Whether the child acks before it commits, which must be found out.
    lies: bool,
    rng: fastrand::Rng,
    word: Word,
    /// Kills, and of those, in the middle of a compaction.
    kills: u32,
    compacting: u32,
}

impl Run {
    fn new(point: &'static str, lies: bool) -> Self {
        let seed =
            std::env::var("TERCET_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
        println!("kills {point}: TERCET_SEED={seed}");
        let rng = fastrand::Rng::with_seed(seed);
        let (folder, word) = (tempfile::tempdir().unwrap(), Word::default());
        Self { folder, point, lies, rng, word, kills: 0, compacting: 0 }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn renew(&mut self) {
        self.folder = tempfile::tempdir().unwrap();
        self.word = Word::default();
    }

    /// Lets a child check the store and work on, and kills it at the point.
    fn kill_once(&mut self) -> Result<(), String> {
        let (store, seed) = (self.store(), self.rng.u32(..).to_string());
        let lies = if self.lies { "lies" } else { "is honest" };
        let child =
            Child::start("crash::child_that_is_killed", &[store.to_str().unwrap(), self.point, lies, &seed]);
        let Some(first) = child.hear() else {
            return Err(format!("the store does not open: {:?}", child.end()));
        };
        let held = first.strip_prefix("holds ").unwrap().parse().unwrap();
        self.word.judge(held)?;
        self.word = Word { acked: held, offered: held, compacting: false };
        // Amid compactions there is no place to stop: it is killed after so many lines.
        let mut lines = if self.point == COMPACTING { self.rng.u32(4..90) } else { u32::MAX };
        while lines > 0 {
            lines -= 1;
            let Some(line) = child.hear() else { return Err(format!("the child ended: {:?}", child.end())) };
            self.word.hear(&line);
            if line == "at the point" {
                break;
            }
        }
        child.kill().iter().for_each(|line| self.word.hear(line));
        self.kills += 1;
        self.compacting += u32::from(self.word.compacting);
        Ok(())
    }

    /// Opens what the last kill left.
    fn judge_rest(&self) -> Result<(), String> {
        judge_store(&self.store(), &self.word)
    }

    /// Kills a child so often; every store is opened once more in the end.
    fn run(&mut self, kills: u32, mut after: impl FnMut(&Self)) -> Result<(), String> {
        for kill in 1..=kills {
            self.kill_once()?;
            after(self);
            if kill % LIVES == 0 || kill == kills {
                self.judge_rest()?;
                self.renew();
            }
        }
        Ok(())
    }
}

fn judge_store(store: &Path, word: &Word) -> Result<(), String> {
    let replica = Replica::open(store, SERVER).map_err(|error| error.to_string())?;
    word.judge(replica.durable())?;
    assert_holds(&replica, replica.durable());
    Ok(())
}

fn kills() -> u32 {
    std::env::var("TERCET_KILLS").map_or(KILLS, |kills| kills.parse().unwrap())
}

#[test]
fn child_that_is_killed() {
    let Some(args) = role("crash::child_that_is_killed") else { return };
    let [store, point, lies, seed] = &args[..] else { panic!("{args:?}") };
    let mut rng = fastrand::Rng::with_seed(seed.parse().unwrap());
    let store = Path::new(store);
    let replica = Replica::open(store, SERVER).unwrap();
    assert_holds(&replica, replica.durable());
    say(&format!("holds {}", replica.durable()));
    let mut offer = || {
        let after = replica.durable();
        let upto = after + rng.u64(1..6);
        let mut batch: Vec<Write> = (after + 1..=upto).map(|at| append(at, event(at))).collect();
        batch.push(Write::Cursor(cursor(upto)));
        say(&format!("offered {upto}"));
        if lies == "lies" {
            say(&format!("acked {upto}"));
        }
        (batch, format!("acked {upto}"))
    };
    if point == COMPACTING {
        let busy = replica.clone();
        std::thread::spawn(move || {
            loop {
                say("compaction begins");
                busy.flush_tables();
                busy.compact_tables();
                say("compaction ends");
            }
        });
    }
    for _ in 0..if point == COMPACTING { 40 } else { 2 } {
        let (batch, acked) = offer();
        replica.commit(&batch).unwrap();
        say(&acked);
    }
    let (batch, _) = offer();
    match point.as_str() {
        UNSYNCED => {
            keep_journals(store);
            replica.commit_unsynced(&batch);
        }
        UNNOTED => replica.commit_unnoted(&batch),
        UNACKED | COMPACTING => replica.commit(&batch).unwrap(),
        _ => assert_eq!(point, BEFORE_WRITE),
    }
    if point != COMPACTING {
        say("at the point");
    }
    loop {
        std::thread::park();
    }
}

/// Where the journals are kept as they were after the last sync.
fn kept(store: &Path) -> PathBuf {
    files::beside(store, ".synced")
}

fn keep_journals(store: &Path) {
    files::remove_folder(&kept(store)).unwrap();
    files::copy_folder(&store.join("engine"), &kept(store), None).unwrap();
}

/// The last journal, and the bytes of it that were written after the last sync.
fn unsynced(store: &Path) -> (PathBuf, usize, usize) {
    let journal = journal::files(&store.join("engine")).unwrap().pop().unwrap();
    let before = std::fs::read(kept(store).join(journal.file_name().unwrap())).unwrap();
    let after = std::fs::read(&journal).unwrap();
    let differs = |at: &usize| before.get(*at).copied().unwrap_or(0) != after[*at];
    let from = (0..after.len()).find(differs).unwrap();
    let upto = (from..after.len()).rev().find(differs).unwrap() + 1;
    (journal, from, upto)
}

/// Cuts the power, on copies, when a batch was written and not synced. The batch is not there then, whatever
/// part of it reached the disk, and all before it is.
fn cut_power(run: &Run) -> Vec<Result<(), String>> {
    let store = run.store();
    let (journal, from, upto) = unsynced(&store);
    let word = Word { offered: run.word.acked, ..run.word };
    let mut rng = fastrand::Rng::with_seed(u64::from(run.kills));
    let some = rng.usize(from..upto);
    let cases: [(&str, usize, bool, bool); 4] = [
        ("nothing of it arrived", from, false, true),
        ("some of it arrived", some, false, true),
        ("the file ends in it", some, true, true),
        ("nothing of it arrived, nor the tip", from, false, false),
    ];
    let judge = |(name, kept, cut, tip): (&str, usize, bool, bool)| {
        let copy = files::beside(&store, ".cut");
        files::remove_folder(&copy).unwrap();
        files::copy_folder(&store, &copy, None).unwrap();
        let path = copy.join(journal.strip_prefix(&store).unwrap());
        let mut bytes = std::fs::read(&path).unwrap();
        if cut {
            bytes.truncate(kept);
        } else {
            bytes[kept..upto].fill(0);
        }
        std::fs::write(&path, bytes).unwrap();
        if !tip {
            std::fs::remove_file(copy.join("tip")).unwrap();
        }
        judge_store(&copy, &word).map_err(|error| format!("{name}: {error}"))
    };
    cases.into_iter().map(judge).collect()
}

#[test]
fn killed_before_the_write_or_after_the_sync_it_holds_all_that_was_acked() {
    for point in [BEFORE_WRITE, UNNOTED, UNACKED] {
        let mut run = Run::new(point, false);
        run.run(kills(), |_| {}).unwrap_or_else(|error| panic!("{point}, kill {}: {error}", run.kills));
        println!("{} kills {point}", run.kills);
    }
}

#[test]
fn killed_or_without_power_between_write_and_sync_it_holds_all_that_was_acked() {
    let mut run = Run::new(UNSYNCED, false);
    let mut cuts = 0;
    let judge = |run: &Run| {
        // Reading journals of tens of megabytes takes longer than a kill.
        if run.kills.is_multiple_of(3) {
            let judged = cut_power(run);
            cuts += judged.len();
            judged.into_iter().for_each(|judged| judged.unwrap());
        }
    };
    let ran = run.run(kills(), judge);
    ran.unwrap_or_else(|error| panic!("kill {}: {error}", run.kills));
    println!("{} kills {UNSYNCED}, {cuts} power cuts", run.kills);
}

#[test]
fn killed_amid_compactions_it_holds_all_that_was_acked() {
    let mut run = Run::new(COMPACTING, false);
    while run.compacting < kills() {
        run.run(LIVES, |_| {}).unwrap_or_else(|error| panic!("kill {}: {error}", run.kills));
        assert!(run.kills < 10 * kills(), "{} of {} kills met a compaction", run.compacting, run.kills);
    }
    println!("{} kills, {} of them {COMPACTING}", run.kills, run.compacting);
}

#[test]
fn an_ack_before_the_commit_is_found_out() {
    let mut liar = Run::new(BEFORE_WRITE, true);
    liar.kill_once().unwrap();
    assert!(liar.judge_rest().unwrap_err().contains("acked"));
    assert!(liar.kill_once().unwrap_err().contains("acked"), "nor does the next child take it");
    // An ack between write and sync outlives a kill, and not a power cut.
    let mut liar = Run::new(UNSYNCED, true);
    liar.kill_once().unwrap();
    assert_eq!(liar.judge_rest(), Ok(()));
    let mut liar = Run::new(UNSYNCED, true);
    liar.kill_once().unwrap();
    let judged = cut_power(&liar);
    assert!(
        judged.iter().all(|judged| judged.as_ref().is_err_and(|error| error.contains("acked"))),
        "{judged:?}"
    );
}
