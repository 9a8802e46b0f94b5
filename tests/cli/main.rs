//! The program as a person meets it: real processes, real files, real signals.

mod cluster;
mod kill;
mod support;
mod trouble;
