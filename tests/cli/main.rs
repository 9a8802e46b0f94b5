//! The program as a person meets it: real processes, real files, real signals.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, too; clippy knows only #[test] functions"
)]

mod chat;
mod cluster;
mod kill;
mod people;
mod support;
mod trouble;
