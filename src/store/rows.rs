//! Every row of a table in the order of its keys, of a store that nobody writes.
//!
//! The engine merges what it has on disk and in memory for tables that change while they are read: through a heap of
//! owned rows and several layers of boxes, which takes longer than reading them. Here nothing changes, and the next
//! row nearly always comes from where the last one came from, so one comparison settles it.
//!
//! **Invariant**: these are the rows of a snapshot: the newest one of each key, unless it says that the key is gone.
//!
//! Source: lsm-tree 3.1, `src/range.rs` and `src/mvcc_stream.rs`.

use fjall::{AbstractTree, Guard, Keyspace, Readable, SeqNo, Snapshot, UserKey, UserValue};

type Pair = fjall::Result<(UserKey, UserValue)>;

/// All rows of a table of which nothing is written meanwhile: key and value.
pub(super) fn rows(snapshot: &Snapshot, table: &Keyspace) -> Box<dyn Iterator<Item = Pair>> {
    match Rows::of(table) {
        Some(rows) => Box::new(rows),
        None => Box::new(snapshot.iter(table).map(Guard::into_inner)),
    }
}

struct Row {
    key: UserKey,
    value: UserValue,
    /// Higher ones are newer.
    number: SeqNo,
    is_gone: bool,
}

impl Row {
    fn is_before(&self, other: &Self) -> bool {
        (&*self.key, other.number) < (&*other.key, self.number)
    }
}

type Found = fjall::Result<Row>;

/// Rows in ascending order, the first of them at hand.
struct Run {
    first: Row,
    rest: Box<dyn Iterator<Item = Found>>,
}

struct Rows {
    /// The run with the least row is the last one.
    runs: Vec<Run>,
    failure: Option<fjall::Error>,
}

impl Rows {
    /// `None` if the engine is still moving rows from its memory to the disk.
    fn of(table: &Keyspace) -> Option<Self> {
        let version = table.tree.current_version();
        let mut runs: Vec<Box<dyn Iterator<Item = Found>>> = Vec::new();
        for run in version.iter_levels().flat_map(|level| level.iter()) {
            let tables: Vec<_> = run.iter().cloned().collect();
            runs.push(Box::new(tables.into_iter().flat_map(|table| table.iter()).map(|row| {
                let row = row?;
                let is_gone = row.is_tombstone();
                Ok(Row { key: row.key.user_key, value: row.value, number: row.key.seqno, is_gone })
            })));
        }
        let memory: Vec<_> = table
            .tree
            .active_memtable()
            .iter()
            .map(|row| {
                let is_gone = row.is_tombstone();
                Ok(Row { key: row.key.user_key, value: row.value, number: row.key.seqno, is_gone })
            })
            .collect();
        runs.push(Box::new(memory.into_iter()));
        let is_settled =
            table.tree.sealed_memtable_count() == 0 && table.tree.current_version().id() == version.id();
        let mut rows = Self { runs: Vec::new(), failure: None };
        runs.into_iter().for_each(|run| rows.add(run));
        is_settled.then_some(rows)
    }

    /// Adds what is left of a run, at its place.
    fn add(&mut self, mut rest: Box<dyn Iterator<Item = Found>>) {
        match rest.next() {
            None => {}
            Some(Ok(first)) => {
                let at = self.runs.partition_point(|run| !run.first.is_before(&first));
                self.runs.insert(at, Run { first, rest });
            }
            Some(Err(error)) => self.fail(error),
        }
    }

    fn fail(&mut self, error: fjall::Error) {
        self.runs.clear();
        self.failure = Some(error);
    }

    /// Takes the least row of all.
    fn least(&mut self) -> Option<Row> {
        let [.., next, last] = &mut self.runs[..] else { return self.only() };
        match last.rest.next() {
            Some(Ok(row)) if row.is_before(&next.first) => Some(std::mem::replace(&mut last.first, row)),
            Some(Ok(row)) => {
                let run = self.runs.pop()?;
                let at = self.runs.partition_point(|other| !other.first.is_before(&row));
                self.runs.insert(at, Run { first: row, rest: run.rest });
                Some(run.first)
            }
            None => self.runs.pop().map(|run| run.first),
            Some(Err(error)) => {
                self.fail(error);
                None
            }
        }
    }

    fn only(&mut self) -> Option<Row> {
        let only = self.runs.last_mut()?;
        match only.rest.next() {
            Some(Ok(row)) => Some(std::mem::replace(&mut only.first, row)),
            None => self.runs.pop().map(|run| run.first),
            Some(Err(error)) => {
                self.fail(error);
                None
            }
        }
    }
}

impl Iterator for Rows {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        loop {
            let Some(row) = self.least() else { return self.failure.take().map(Err) };
            // What comes next under the same key is older.
            while self.runs.last().is_some_and(|older| older.first.key == row.key) {
                self.least();
            }
            if !row.is_gone {
                return Some(Ok((row.key, row.value)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fjall::{Database, KeyspaceCreateOptions};

    use super::*;

    /// Rows by key, of three tables and the engine's memory: some were written over, and some removed.
    fn written() -> (tempfile::TempDir, Database, Keyspace, BTreeMap<Vec<u8>, Vec<u8>>) {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::builder(folder.path()).worker_threads(1).open().unwrap();
        let table = db.keyspace("rows", KeyspaceCreateOptions::default).unwrap();
        let mut expected = BTreeMap::new();
        for round in 0..4_u32 {
            for number in (round % 3..2_000).step_by(1 + round as usize) {
                let (key, value) = (number.to_be_bytes().repeat(8), round.to_be_bytes().to_vec());
                if (number + round) % 7 == 0 {
                    table.remove(key.clone()).unwrap();
                    expected.remove(&key);
                } else {
                    table.insert(key.clone(), value.clone()).unwrap();
                    expected.insert(key, value);
                }
            }
            if round < 3 {
                table.rotate_memtable_and_wait().unwrap();
            }
        }
        (folder, db, table, expected)
    }

    #[test]
    fn they_are_those_of_a_snapshot() {
        let (_folder, db, table, expected) = written();
        let settled = std::iter::repeat_with(|| Rows::of(&table)).find_map(|rows| rows).unwrap();
        let merged = settled.map(Result::unwrap);
        let merged: Vec<_> = merged.map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        let snapshot = db.snapshot();
        let engines = snapshot.iter(&table).map(|row| row.into_inner().unwrap());
        assert_eq!(merged, engines.map(|(key, value)| (key.to_vec(), value.to_vec())).collect::<Vec<_>>());
        assert_eq!(merged, expected.into_iter().collect::<Vec<_>>());
        assert!(table.tree.table_count() > 0 && merged.len() > 1_000, "several places to read from");
    }

    #[test]
    fn an_empty_table_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::builder(folder.path()).open().unwrap();
        let table = db.keyspace("rows", KeyspaceCreateOptions::default).unwrap();
        assert_eq!(Rows::of(&table).unwrap().count(), 0);
    }
}
