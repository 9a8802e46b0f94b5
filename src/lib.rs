//! tercet: a replicated chat in which clients write to every server themselves.
//!
//! **The folders [`net`], [`store`] and [`cmd`] touch the world; all else in `src/` is pure.** Pure means: no
//! socket, no file, no task, no clock, no random source; time comes in as an argument, everything else as an
//! input, and what is to be done comes out as values. So the same lines run in a server, in the seeded
//! simulator and in [`verify`]. A folder named after a file holds parts of it that nobody else sees.
//! `docs/protocol.md` says what crosses the wire and what is on disk.
//!
//! # How a message travels
//!
//! ```text
//!         author's device                      each server                    reader's device
//!   cmd::chat                                                                      cmd::chat
//!      | text                                                                          ^ lines
//!   cmd::session                              cmd::serve                           cmd::session
//!      |                                         |                                     |
//!   client --- Entry ---> DeviceLog           server --- Write ---> Replica        client ---> DeviceLog
//!      |     (append, sync first)                |   (one batch, one sync)             |  (sync first)
//!   outbox                                    staged                               transcript
//!      |                                         |                                  display
//!   net::link == Upload ============> net::listener == Feed, ids ==========> net::link
//!              <=========== Receipts                  <============ Cursor, Fetch
//! ```
//!
//! 1. [`client`] signs an [`event`]; the device's log is synced; then it goes to *every* server.
//! 2. Each [`server`] checks it, finds its parents in its log, gives it a position, and writes it with all
//!    that has gathered meanwhile. After the sync it sends receipts, and hands the event to followers.
//! 3. The author counts receipts: k of N. The [`outbox`] goes on until each server has answered.
//! 4. A reader follows all servers: one sends whole events, the others ids. What it holds goes to its log,
//!    into the conversation's canonical [`order`], and after the reorder window to the [`display`].
//! 5. Servers follow each other's logs by ids, and fetch what they lack ([`sync`]).
//! 6. [`mod@verify`] reads every log and store afterwards and says whether the promises were kept.
//!
//! # Where things are
//!
//! | Module | Its role | What it must not know |
//! | --- | --- | --- |
//! | [`id`], [`limits`], [`text`] | names for things; every bound; words from people made safe | |
//! | [`event`], [`ancestors`], [`clock`], [`order`] | the signed event, what its causes say of it, when it is, what comes after what | who reads it, and when |
//! | [`erasure`] | which bodies leave the disks | how that is done |
//! | [`frame`] | what clients and servers say to each other | connections |
//! | [`view`], [`directory`] | which servers there are, and were; who is who | who is up |
//! | [`server`] (in `server/`: `exchange`, `connections`, `views`, `writing`, `reading`, `peers`) with [`admission`], `membership`, [`staged`], [`follow`], [`sync`], [`wanted`], [`digests`], [`presence`] | the server's machine | disk, sockets; it asks a [`log`] |
//! | [`client`] (in `client/`: `questions`, `state`, `writing`, `connections`, `views`, `reading`, `showing`) with `links`, [`effects`], [`holdings`], [`outbox`], [`delivery`], [`display`], `quorum` | the endpoint's machine | disk, sockets, terminal |
//! | [`history`], [`evidence`]; [`intake`] with `expected`, `fingerprint`, [`taken`], [`settle`], [`canonical`], [`mod@signature`], [`bits`] | logs as values; millions of entries and events in little memory | how they were read |
//! | [`ledger`], [`mod@verify`] with [`durability`], `deletion`, `succession`, [`agreement`], [`screens`], `tellers`, [`anomaly`], [`report`] | the judgement on them | who read them, and how |
//! | [`names`], [`story`] with [`testimony`] and [`excerpt`], [`diagram`], [`mod@page`], [`export_adya`], [`export_shiviz`], [`export_jsonl`] | the judgement and the history, for people and for other programs | where it is written |
//! | [`words`], [`sealed`] | bytes as words that people can say; an account in a file that a passphrase opens | where the file is |
//! | [`net`] | TLS, frames, listener, links, bounded queues | what frames mean; [`store`] |
//! | [`store`] | a server's store, a device's log | who may read what; [`net`] |
//! | [`cmd`] | one file per subcommand; wires the parts together; all printing | |
//!
//! `cmd` uses `net`, `store` and the pure files; `net` and `store` use the pure files and do not know each
//! other. `tests/tidy.rs` checks this.
//!
//! # What always holds
//!
//! - **Disk before word.** Nothing tells of an event before it is synced where it is told of: an author's
//!   event on its own disk before it leaves, a server's before its receipt or its position, a reader's
//!   before its cursor. A failed sync ends the writer; it never becomes an ack.
//! - **Causes first.** A log holds an event only after its parents, so every prefix of every log is
//!   causally closed, and one cursor per server says all.
//! - **One order.** Events sort by time, device, number and id, and time exceeds every parent's; so equal
//!   sets are equal sequences, without a word between replicas.
//! - **An incarnation is one life of one log.** Receipts and cursors belong to it and are void with it.
//! - **Validity depends on an event and its ancestors**, never on who reads it or when.
//! - **A view counts once it is durable**, and the newest one signed by the administrator counts for everybody.
//! - **Everything is bounded**, in [`limits`]. Nobody waits for a slow peer but that peer's connection.
//! - **Bytes from elsewhere never panic**: they end a connection, or refuse a file, with a sentence.
//!
//! # Two stores, for two kinds of work
//!
//! A server looks events up by id, by reader, by device and in canonical order, and so keeps them in fjall, a
//! storage engine with tables. A device's log ([`store::DeviceLog`]) is an append-only file instead. It is
//! written in order and read once, from the start, and its state is what replaying it gives; tables would
//! be unused. It is evidence, and with chained checksums it shows each byte that was changed, each record
//! that was moved or left out. And it must never come back shorter without a word: a device that forgets
//! what it wrote would give one number to two events (rules 1 and 2).

pub mod admission;
pub mod agreement;
pub mod ancestors;
pub mod anomaly;
pub mod bits;
pub mod canonical;
pub mod client;
pub mod clock;
pub mod cmd;
pub mod content;
mod deletion;
pub mod delivery;
pub mod diagram;
pub mod digests;
pub mod directory;
pub mod display;
pub mod durability;
pub mod effects;
pub mod erasure;
pub mod event;
pub mod evidence;
pub mod excerpt;
mod expected;
pub mod export_adya;
pub mod export_jsonl;
pub mod export_shiviz;
mod fingerprint;
pub mod follow;
pub mod frame;
pub mod history;
pub mod holdings;
pub mod id;
pub mod intake;
pub mod ledger;
pub mod limits;
mod links;
pub mod log;
mod membership;
pub mod names;
pub mod net;
pub mod order;
pub mod outbox;
pub mod page;
pub mod presence;
mod quorum;
mod readers;
pub mod report;
pub mod rooms;
pub mod screens;
pub mod sealed;
pub mod server;
pub mod settle;
pub mod signature;
pub mod staged;
pub mod store;
pub mod story;
mod succession;
pub mod sync;
pub mod taken;
mod tellers;
pub mod testimony;
pub mod text;
pub mod thread;
pub mod verify;
pub mod view;
pub mod wanted;
pub mod words;
