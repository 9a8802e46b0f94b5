//! The program as a person meets it: real processes, real files, real signals.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, too; clippy knows only #[test] functions"
)]

mod bad_input;
mod chaos;
mod chat;
mod cluster;
mod complete;
mod first_run;
mod heal;
mod hour;
mod kill;
mod people;
mod rebuild;
mod room_scripts;
mod rooms;
mod screen;
mod send;
mod settings;
mod support;
mod tail;
mod terminal;
mod trouble;
mod verify;
