//! The program as a person meets it: real processes, real files, real signals.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, too; clippy knows only #[test] functions"
)]

mod bad_input;
mod bench;
mod chat;
mod cluster;
mod heal;
mod kill;
mod people;
mod screen;
mod support;
mod terminal;
mod trouble;
