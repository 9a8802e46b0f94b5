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
//! Begin with [`event`] (what is said), [`order`] (where it stands), [`frame`] (how it is passed on), [`server`] and
//! [`client`] (who does what with it) and [`mod@verify`] (whether it was so); all else is a part or a helper of these.
//! `tests/tidy.rs` checks that every module is named below.
//!
//! **Words**, which know nothing of the rest
//! - [`id`]: names of things on the wire; [`limits`]: every bound; [`bits`]: sets of small numbers
//! - [`text`]: words from people made safe; [`words`]: bytes as words that people can say
//! - [`sealed`]: an account in a file that a passphrase opens
//!
//! **The event**, which does not know who reads it, or when
//! - [`event`]: signed, hash-linked; in `event/` what it does, where it belongs, how it is encoded
//! - [`content`]: what its body says; [`canonical`]: its one encoding, read quickly; [`mod@signature`]: by the thousand
//! - [`ancestors`]: what its causes say of it; [`clock`]: when it is; [`erasure`]: which bodies leave the disks
//!
//! **The conversation**, as events in canonical order make it
//! - [`order`]: what comes after what, and the digest of that; [`directory`]: who is who; [`rooms`]: who may read which
//! - [`thread`]: as people read it, with edits, reactions and what they have read, at the cost of what is looked at
//! - [`search`]: which of it may hold a text
//!
//! **The cluster**
//! - [`view`]: which servers there are, and were, signed by the administrator
//! - [`frame`]: what clients and servers say to each other; it knows no connection
//!
//! **The server's machine**, which asks a [`log`] and knows neither disk nor socket
//! - [`server`]: the machine; in `server/` `exchange`, `connections`, `writing`, `reading`, `peers`, `views`
//! - in: [`admission`] (frames decoded, signatures gathered), [`staged`] (on its way to the disk)
//! - out: `readers` (who is told what next), [`follow`] (one connection's window), [`presence`], [`digests`]
//! - beside it: [`sync`] (what peers have that it lacks), [`wanted`] (what to fetch where), [`waiting`] (what lacks a
//!   parent), `membership` (its view)
//!
//! **The client's machine**, which knows neither disk, socket nor terminal
//! - [`client`]: the machine; in `client/` `questions`, `state`, `writing`, `connections`, `views`, `reading`, `showing`
//! - [`effects`]: what it takes and gives; `links`: its servers; [`holdings`]: what it holds
//! - out: [`outbox`] (what each server is owed); in: [`delivery`] (how far each log is read)
//! - on the screen: [`display`] (what is shown when, and what is late), `quorum` (what waits for more servers' word)
//!
//! **Logs, read afterwards**, in little memory however many there are
//! - [`history`]: logs as plain values; [`evidence`]: the same, decoded and indexed, for those that tell of it
//! - [`intake`], with `expected`, `fingerprint`, [`progress`]: each event once, from many logs at a time;
//!   [`taken`]: one log of these
//! - [`settle`]: which events are valid; [`ledger`]: what all logs together say, which checks ask
//!
//! **The judgement**, which does not know who read the logs, and how
//! - [`mod@verify`]: all checks, P1 itself; [`durability`] P2; `deletion` bodies, with `lost`;
//!   [`screens`] P3, P4 and P6, with `tellers`; [`agreement`] P5; `succession` rule 15
//! - [`anomaly`]: one variant for each way to break a promise; [`report`]: the verdict and what it stands on
//! - [`story`], with [`testimony`], [`excerpt`] and [`names`]: an anomaly told; [`mod@page`] and [`diagram`]: the report as one page
//! - [`export_adya`], [`export_jsonl`], [`export_shiviz`]: the history for other programs
//!
//! **The world**
//! - [`net`]: TLS, frames, listener, links, bounded queues; it knows neither what frames mean nor [`store`]
//! - [`store`]: a server's store, a device's log; it knows neither who may read what nor [`net`]
//! - [`cmd`]: a file or folder for each subcommand; it wires the parts together, and all printing is there
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
mod lost;
mod membership;
pub mod names;
pub mod net;
pub mod order;
pub mod outbox;
pub mod page;
pub mod presence;
pub mod progress;
mod quorum;
mod readers;
pub mod report;
pub mod rooms;
pub mod screens;
pub mod sealed;
pub mod search;
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
pub mod waiting;
pub mod wanted;
pub mod words;
