//! The program as a person meets it: real processes, real files, real signals.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, too; clippy knows only #[test] functions"
)]

mod account;
mod bad_input;
mod bench;
mod chaos;
mod chat;
mod closed_rooms;
mod cluster;
mod complete;
mod deletion;
mod drain;
mod first_run;
mod five;
mod foreground;
mod heal;
mod heal_up;
mod hour;
mod interrupted;
mod kill;
mod large_rooms;
mod liars;
mod metrics;
mod partition;
mod people;
mod presence;
mod proof;
mod rebuild;
mod restore;
mod rolling;
mod room_scripts;
mod rooms;
mod screen;
mod send;
mod serving;
mod settings;
mod share;
mod support;
mod tail;
mod terminal;
mod trouble;
mod unread;
mod verify;
mod views;
mod watch;
