//! Reads and checks a whole store for `verify`, and leaves it untouched.
//!
//! fjall has no read-only open, so this works on a copy, in which finished tables are links to the same
//! files: fjall never writes to those. Of a running server the copy may catch files in the middle of a change;
//! it is then taken again, a few times. The tip is copied first, so that it never claims more than the files
//! copied after it hold.
//!
//! Each table is read once, in its order, and compared with what the log demands by its [`Tally`]; only when
//! these differ is each row looked up, to say what is missing. Signatures are left to whoever takes the
//! events: see [`Sink`].

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use fjall::{Guard, Keyspace, Readable};

use super::check::{Check, Failure, Row, damage};
use super::error::StoreError;
use super::files::{self, Scratch};
use super::fresh::Fresh;
use super::identity::{self, Identity};
use super::keys::{self, CHAIN_START, End};
use super::lock::Lock;
use super::open::{self, Opened};
use super::tally::Tally;
use crate::event::Claim;
use crate::frame::DeviceCursor;
use crate::history::{ServerHistory, Stored};
use crate::id::{ConversationId, Incarnation, Position};
use crate::intake::{Intake, Placed};
use crate::log::Stream;
use crate::order::Key;
use crate::taken::{ServerIntake, ServerLog};

/// How often a running server's store is copied until a copy is whole.
const ATTEMPTS: u32 = 5;

/// Where the engine keeps finished tables. It makes each of them as a new file, then only reads it, and in
/// the end removes it, which leaves other links alone (lsm-tree 3.1, `src/table/writer/mod.rs`).
const TABLES: &str = "tables";

/// What takes in what a store holds. Signatures were not checked; of a running server's store, device logs, which
/// are read after it, may know more.
trait Sink: Sized {
    type Read;
    /// Takes the event with these bytes, if it is known from another log and need not be decoded; it is none that
    /// others are judged by.
    fn again(&mut self, _: Position, _: &[u8]) -> Option<Placed> {
        None
    }
    fn stored(&mut self, position: Position, claim: Claim<'_>);
    fn canonical(&mut self, conversation: ConversationId, key: Key);
    fn cursor(&mut self, cursor: DeviceCursor);
    fn view(&mut self, view: Option<Vec<u8>>);
    fn finish(self) -> Self::Read;
}

/// See [`super::Replica::read`].
pub(super) fn read(folder: &Path) -> Result<ServerHistory, StoreError> {
    read_to(folder, |Opened { identity, .. }, live| ServerHistory {
        live,
        source: folder.display().to_string(),
        server: identity.server,
        incarnation: identity.incarnation,
        log: Vec::new(),
        canonical: Some(Vec::new()),
        cursors: Vec::new(),
        view: None,
    })
}

/// See [`super::Replica::take_in`].
pub(super) fn take_in(folder: &Path, intake: &Intake) -> Result<ServerLog, StoreError> {
    read_to(folder, |Opened { identity: Identity { server, incarnation }, end, .. }, live| {
        intake.progress.expect(end.position);
        let source = folder.display().to_string();
        let mut log = ServerIntake::new(intake, source, (*server, *incarnation), live);
        log.has_index();
        log
    })
}

fn read_to<S: Sink>(folder: &Path, sink: impl Fn(&Opened, bool) -> S) -> Result<S::Read, StoreError> {
    repeated(folder, |live| {
        let copy = Copy::of(folder)?;
        let sink = sink(&copy.opened, live);
        whole(&copy.opened, sink).map_err(|failure| failure.of(folder))
    })
}

/// Reads a store, of a running server once more if its copy is not whole; `read` is told whether it is running.
fn repeated<T>(folder: &Path, read: impl Fn(bool) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let identity = folder.join(identity::FILE);
    if !identity.try_exists().map_err(StoreError::io(&identity, "read"))? {
        return Err(StoreError::Absent { path: folder.to_owned() });
    }
    let live = Lock::is_held(&folder.join(open::LOCK));
    let mut attempts = if live { ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        match read(live) {
            Err(StoreError::Damaged { .. }) if attempts > 0 => {}
            Err(StoreError::Damaged { what, .. }) => return Err(StoreError::damaged(folder, what)),
            other => return other,
        }
    }
}

/// A store's copy, which goes when this goes.
struct Copy {
    opened: Opened,
    _scratch: Scratch,
}

impl Copy {
    fn of(folder: &Path) -> Result<Self, StoreError> {
        let failed = || StoreError::io(folder, "copy");
        let scratch = Scratch::new().map_err(failed())?;
        let copy = scratch.path();
        let tip = folder.join(open::TIP);
        let has_tip = tip.try_exists().map_err(failed())?;
        let early = copy.join("tip.early");
        if has_tip {
            files::copy_file(&tip, &early).map_err(failed())?;
        }
        files::copy_folder(folder, copy, Some(TABLES)).map_err(failed())?;
        if has_tip {
            std::fs::rename(&early, copy.join(open::TIP)).map_err(failed())?;
        }
        let opened = open::open(copy, None)?;
        // What is read is one whole, indexes included.
        let fresh = Fresh::load(&opened.index, &opened.end).map_err(|failure| failure.of(copy))?;
        fresh.finish(&opened.index, 1).map_err(StoreError::engine(folder, "index a copy of"))?;
        Ok(Self { opened, _scratch: scratch })
    }

    /// The same of a store that was read before, if its log is still in that life.
    fn again(folder: &Path, life: Incarnation) -> Result<Self, StoreError> {
        let copy = Self::of(folder)?;
        if copy.opened.identity.incarnation != life {
            return Err(StoreError::AnotherLog { path: folder.to_owned() });
        }
        Ok(copy)
    }
}

/// See [`super::Replica::read_rows`].
pub(super) fn some_rows(
    folder: &Path,
    life: Incarnation,
    positions: &BTreeSet<Position>,
) -> Result<Vec<Stored>, StoreError> {
    repeated(folder, |_| {
        let copy = Copy::again(folder, life)?;
        let check = Check { index: &copy.opened.index, snapshot: copy.opened.index.snapshot() };
        let rows = positions.iter().map(|position| check.stored(*position));
        rows.filter_map(Result::transpose).collect::<Result<_, _>>().map_err(|failure| failure.of(folder))
    })
}

/// See [`super::Replica::read_index`].
pub(super) fn index(
    folder: &Path,
    life: Incarnation,
    take: &mut dyn FnMut(ConversationId, &Key),
) -> Result<(), StoreError> {
    let copy = repeated(folder, |_| Copy::again(folder, life))?;
    let check = Check { index: &copy.opened.index, snapshot: copy.opened.index.snapshot() };
    for row in check.snapshot.iter(&check.index.canonical) {
        let key = row.key().map_err(StoreError::engine(folder, "read"))?;
        if let Some((conversation, key)) = keys::read_canonical(&key) {
            take(conversation, &key);
        }
    }
    Ok(())
}

impl Check<'_> {
    /// The event at a position, if there is one.
    fn stored(&self, position: Position) -> Result<Option<Stored>, Failure> {
        let Some(value) = self.snapshot.get(&self.index.log, keys::position(position))? else {
            return Ok(None);
        };
        let row = Row::new(position, value)?;
        let event = super::index::parse(row.event()).map_err(Failure::Damage)?;
        Ok(Some(Stored { position, event }))
    }
}

fn whole<S: Sink>(opened: &Opened, mut sink: S) -> Result<S::Read, Failure> {
    let check = Check { index: &opened.index, snapshot: opened.index.snapshot() };
    let demanded = log(&check, &opened.end, &mut sink)?;
    let found = Tables {
        ids: tally(&check, &check.index.ids)?,
        canonical: canonical(&check, &mut sink)?,
        streams: tally(&check, &check.index.streams)?,
        origins: origins(&check)?,
    };
    if found != demanded {
        name_what_is_missing(&check)?;
        for (name, found, demanded) in [
            ("ids", found.ids, demanded.ids),
            ("streams", found.streams, demanded.streams),
            ("devices", found.origins, demanded.origins),
        ] {
            if found != demanded {
                return damage(format!("its table '{name}' names events that are not in its log"));
            }
        }
        // A canonical index with more than the log is for the checks of order to judge.
    }
    cursors(&check, &mut sink)?;
    sink.view(check.index.view(&check.snapshot)?);
    Ok(sink.finish())
}

/// The rows of each table that one log demands, or that were found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tables {
    ids: Tally,
    canonical: Tally,
    streams: Tally,
    /// Of 'devices' and 'forks' together: each event stands in one of them.
    origins: Tally,
}

impl Tables {
    fn demand(&mut self, position: Position, placed: &Placed, body: &[u8], conversation: ConversationId) {
        let (id, place) = (placed.key.id, keys::position(position));
        self.ids.add(id.as_bytes(), &place);
        self.canonical.add(&keys::canonical(conversation, &placed.key), &place);
        for stream in Stream::among(placed.conversation, placed.kind, body) {
            self.streams.add(&keys::stream(stream, position), id.as_bytes());
        }
        self.origins.add(&keys::origin(placed.origin()), id.as_bytes());
    }
}

/// Reads the log; answers which rows it demands of the other tables.
fn log(check: &Check<'_>, end: &End, sink: &mut impl Sink) -> Result<Tables, Failure> {
    let mut demanded = Tables::default();
    let mut chain = CHAIN_START;
    let mut count = 0;
    // Most events are of the same conversation as the one before, whose id takes a hash.
    let mut last = None;
    for (row, position) in check.snapshot.iter(&check.index.log).zip(1..) {
        let (key, value) = row.into_inner()?;
        if keys::read_position(&key) != Some(position) {
            return damage(format!("its log has no event at {position}, and has later ones"));
        }
        let row = Row::new(position, value)?;
        let (placed, body) = take(position, row.event(), sink)?;
        chain = check.link(&chain, position, &row, placed.key.id)?;
        let conversation = match last {
            Some((conversation, id)) if conversation == placed.conversation => id,
            _ => placed.conversation.id(),
        };
        last = Some((placed.conversation, conversation));
        demanded.demand(position, &placed, body, conversation);
        count = position;
    }
    if count != end.position || chain != end.chain {
        return damage(format!("its log has {count} events, and its end mark says {}", end.position));
    }
    Ok(demanded)
}

/// Hands an event over; also answers its body, which is empty if that does not matter.
fn take<'a>(
    position: Position,
    bytes: &'a [u8],
    sink: &mut impl Sink,
) -> Result<(Placed, &'a [u8]), Failure> {
    if let Some(placed) = sink.again(position, bytes) {
        return Ok((placed, &[]));
    }
    let claim = Claim::of(bytes)
        .map_err(|error| Failure::Damage(format!("its event {position} is none: {error}")))?;
    let (placed, body) = (Placed::of(&claim), claim.body());
    sink.stored(position, claim);
    Ok((placed, body))
}

fn tally(check: &Check<'_>, table: &Keyspace) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    for row in check.snapshot.iter(table) {
        let (key, value) = row.into_inner()?;
        tally.add(&key, &value);
    }
    Ok(tally)
}

/// A fork's key is that of its origin with its id behind it.
fn origins(check: &Check<'_>) -> Result<Tally, Failure> {
    let mut tally = tally(check, &check.index.devices)?;
    for row in check.snapshot.iter(&check.index.forks) {
        let key = row.key()?;
        let (origin, id) = key.split_at(key.len().min(keys::ORIGIN_BYTES));
        tally.add(origin, id);
    }
    Ok(tally)
}

fn canonical(check: &Check<'_>, sink: &mut impl Sink) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    for row in check.snapshot.iter(&check.index.canonical) {
        let (key, value) = row.into_inner()?;
        tally.add(&key, &value);
        let Some((conversation, key)) = keys::read_canonical(&key) else {
            return damage("its table 'canonical' has a key that is no place");
        };
        sink.canonical(conversation, key);
    }
    Ok(tally)
}

fn name_what_is_missing(check: &Check<'_>) -> Result<(), Failure> {
    for (row, position) in check.snapshot.iter(&check.index.log).zip(1..) {
        let (_, value) = row.into_inner()?;
        let row = Row::new(position, value)?;
        let event = super::index::parse(row.event()).map_err(Failure::Damage)?;
        check.indexes(position, &event)?;
    }
    Ok(())
}

fn cursors(check: &Check<'_>, sink: &mut impl Sink) -> Result<(), Failure> {
    for row in check.snapshot.iter(&check.index.cursors).map(Guard::into_inner) {
        let (key, value) = row?;
        match keys::read_cursor(&key, &value) {
            Some(cursor) => sink.cursor(cursor),
            None => return damage("its table 'cursors' has a row that is no cursor"),
        }
    }
    Ok(())
}

impl Sink for ServerHistory {
    type Read = Self;

    fn stored(&mut self, position: Position, claim: Claim<'_>) {
        self.log.push(Stored { position, event: Arc::new(claim.event()) });
    }

    fn canonical(&mut self, conversation: ConversationId, key: Key) {
        self.canonical.get_or_insert_default().push((conversation, key));
    }

    fn cursor(&mut self, cursor: DeviceCursor) {
        self.cursors.push(cursor);
    }

    fn view(&mut self, view: Option<Vec<u8>>) {
        self.view = view;
    }

    fn finish(self) -> Self {
        self
    }
}

impl Sink for ServerIntake<'_> {
    type Read = ServerLog;

    fn again(&mut self, position: Position, bytes: &[u8]) -> Option<Placed> {
        self.again(position, bytes)
    }

    fn stored(&mut self, position: Position, claim: Claim<'_>) {
        self.claimed(position, &claim);
    }

    fn canonical(&mut self, conversation: ConversationId, key: Key) {
        self.canonical(conversation, &key);
    }

    fn cursor(&mut self, cursor: DeviceCursor) {
        self.cursor(cursor);
    }

    fn view(&mut self, view: Option<Vec<u8>>) {
        self.view(view);
    }

    fn finish(self) -> ServerLog {
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::clock::Time;
    use crate::event::{Conversation, Draft, Event, Kind, account_of};
    use crate::id::{DeviceId, EventId, RoomId, ServerId};
    use crate::log::Write;
    use crate::store::Replica;

    const EVENTS: u64 = 150;
    /// Too early to be looked at when a store is opened.
    const SPOILT: u64 = 40;

    fn event(seq: u64) -> Event {
        event_at(seq, seq)
    }

    fn event_at(seq: u64, ms: u64) -> Event {
        let draft = Draft {
            device: DeviceId::new([1; 16]),
            seq,
            // A store asks nothing of parents; a room's event has one.
            parents: [EventId::new([8; 32])].into(),
            time: Time::from_millis(ms),
            conversation: Conversation::Room(RoomId::new([2; 16])),
            kind: Kind::Post,
            body: b"said".to_vec(),
        };
        draft.sign(&SigningKey::from_bytes(&[3; 32])).unwrap()
    }

    /// A row of a table: its key and its value.
    type Entry = (Vec<u8>, Vec<u8>);

    /// The rows of one event, but for the log's, by their tables.
    fn rows(event: &Event, position: Position) -> [(&'static str, Entry); 4] {
        let (id, place) = (event.id().as_bytes().to_vec(), keys::position(position).to_vec());
        let [stream] = Stream::of(event).collect::<Vec<_>>()[..] else { unreachable!() };
        let canonical = keys::canonical(event.conversation().id(), &event.key()).to_vec();
        [
            ("ids", (id.clone(), place.clone())),
            ("canonical", (canonical, place)),
            ("streams", (keys::stream(stream, position), id.clone())),
            ("devices", (keys::origin(event.origin()).to_vec(), id)),
        ]
    }

    /// Fills a store, spoils it below its own checks, and reads it.
    fn read_spoilt(spoil: impl Fn(&super::super::index::Index)) -> Result<ServerHistory, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let replica = Replica::open(&path, ServerId::new([9; 32])).unwrap();
        let event = |seq| Arc::new(event(seq));
        let append = |position| Write::Append { position, event: event(position), fork: false };
        replica.commit(&(1..=EVENTS).map(append).collect::<Vec<_>>()).unwrap();
        replica.flush_tables(); // indexes are made anew from the log before that
        drop(replica);
        let knowing = Intake::knowing_again(&[5; 32]);
        assert_eq!(take_in(&path, &knowing).unwrap().events.len() as u64, EVENTS);
        let opened = open::open(&path, None).unwrap();
        spoil(&opened.index);
        drop(opened);
        let read = read(&path).map_err(|error| error.to_string());
        let again = take_in(&path, &knowing).map_err(|error| error.to_string());
        assert_eq!(read.as_ref().err(), again.as_ref().err(), "who knows events again says the same");
        let intake = Intake::default();
        let taken = take_in(&path, &intake).map_err(|error| error.to_string());
        assert_eq!(read.as_ref().err(), taken.as_ref().err(), "both ways to read say the same");
        if let (Ok(read), Ok(taken)) = (&read, &taken) {
            assert_eq!(read.log.len(), taken.events.len());
        }
        read
    }

    #[test]
    fn some_rows_and_the_index_are_read_without_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let replica = Replica::open(&path, ServerId::new([9; 32])).unwrap();
        let append = |position| Write::Append { position, event: Arc::new(event(position)), fork: false };
        replica.commit(&(1..=EVENTS).map(append).collect::<Vec<_>>()).unwrap();
        drop(replica);
        let life = read(&path).unwrap().incarnation;
        let rows = Replica::read_rows(&path, life, &[1, SPOILT, EVENTS + 1].into()).unwrap();
        let rows: Vec<_> = rows.iter().map(|stored| (stored.position, stored.event.id())).collect();
        assert_eq!(rows, [1, SPOILT].map(|position| (position, event(position).id())));
        let mut keys = Vec::new();
        Replica::read_index(&path, life, &mut |conversation, key| keys.push((conversation, *key))).unwrap();
        assert_eq!(Some(keys), read(&path).unwrap().canonical);
        assert!(Replica::read_rows(&folder.path().join("none"), life, &[1].into()).is_err());

        std::fs::remove_dir_all(&path).unwrap();
        drop(Replica::open(&path, ServerId::new([9; 32])).unwrap());
        let rows = Replica::read_rows(&path, life, &[1].into()).unwrap_err();
        let index = Replica::read_index(&path, life, &mut |_, _| panic!("it is empty")).unwrap_err();
        assert!([rows, index].iter().all(|error| matches!(error, StoreError::AnotherLog { .. })));
    }

    fn table(index: &super::super::index::Index, name: &str) -> Keyspace {
        let all = [("ids", &index.ids), ("canonical", &index.canonical), ("streams", &index.streams)];
        let found = all.into_iter().find(|(known, _)| *known == name);
        found.map_or(&index.devices, |(_, table)| table).clone()
    }

    #[test]
    fn a_table_that_has_another_row_than_the_log_demands_is_named_with_the_event() {
        for (name, (key, mut wrong)) in rows(&event(SPOILT), SPOILT) {
            *wrong.last_mut().unwrap() ^= 1;
            let read = read_spoilt(|index| table(index, name).insert(key.clone(), wrong.clone()).unwrap());
            let error = read.map(|read| read.log.len()).unwrap_err();
            // What is not its device's event of that number must be a fork.
            let name = if name == "devices" { "forks" } else { name };
            assert!(error.contains(&format!("its table '{name}' lacks event {SPOILT}")), "{error}");
        }
    }

    #[test]
    fn a_table_with_a_row_too_many_is_named() {
        for (name, (key, value)) in rows(&event(EVENTS + 1), EVENTS + 1) {
            let read = read_spoilt(|index| table(index, name).insert(key.clone(), value.clone()).unwrap());
            match read {
                // What it says is for `verify` to judge, which finds the wrong order.
                Ok(read) => {
                    assert_eq!((name, read.canonical.unwrap().len() as u64), ("canonical", EVENTS + 1));
                }
                Err(error) => assert!(
                    error.contains(&format!("its table '{name}' names events that are not in its log")),
                    "{error}"
                ),
            }
        }
    }

    #[test]
    fn a_fork_stands_among_the_forks_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let replica = Replica::open(&path, ServerId::new([9; 32])).unwrap();
        let twins = [event(1), event_at(1, 2)].map(Arc::new);
        let append = |position, event, fork| Write::Append { position, event, fork };
        let [one, other] = twins;
        replica.commit(&[append(1, one, false), append(2, other, true)]).unwrap();
        drop(replica);
        assert_eq!(read(&path).unwrap().log.len(), 2);

        let stray = EventId::new([7; 32]);
        let key = keys::fork(event(SPOILT).origin(), &stray);
        let read = read_spoilt(|index| index.forks.insert(key.clone(), []).unwrap());
        let error = read.map(|read| read.log.len()).unwrap_err();
        assert!(error.contains("its table 'devices' names events that are not in its log"), "{error}");
    }

    #[test]
    fn a_store_that_is_read_shares_only_what_is_never_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let replica = Replica::open(&path, ServerId::new([9; 32])).unwrap();
        let write = Write::Append { position: 1, event: Arc::new(event(1)), fork: false };
        replica.commit(&[write]).unwrap();
        replica.flush_tables();
        drop(replica);
        let copy = folder.path().join("copy");
        files::copy_folder(&path, &copy, Some(TABLES)).unwrap();
        let before = std::fs::read_dir(path.join("engine/keyspaces")).unwrap().count();
        drop(open::open(&copy, None).unwrap());
        files::remove_folder(&copy).unwrap();
        assert_eq!(std::fs::read_dir(path.join("engine/keyspaces")).unwrap().count(), before);
        assert_eq!(read(&path).unwrap().log.len(), 1);
    }

    #[test]
    fn whose_signature_is_wrong_is_left_to_verify() {
        let event = event(SPOILT);
        let forged = {
            let mut bytes = event.bytes().to_vec();
            let at = bytes.len() - event.body().len() - 10;
            bytes[at] ^= 1;
            bytes
        };
        let read = read_spoilt(|index| {
            let place = keys::position(SPOILT);
            let value = index.log.get(place).unwrap().unwrap();
            let (chain, _) = keys::read_log_value(&value).unwrap();
            index.log.insert(place, keys::log_value(&chain, &forged)).unwrap();
        });
        assert_eq!(read.unwrap().log[39].event.bytes(), forged);
        assert_eq!(event.account(), account_of(&SigningKey::from_bytes(&[3; 32])));
    }
}
