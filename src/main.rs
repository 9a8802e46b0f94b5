//! The `tercet` program: parse, dispatch, outcome to exit code; everything else is the library's.
//!
//! Exit codes: 0 done or valid, 1 a negative finding, 2 not enough evidence, 3 could not run.

use std::process::ExitCode;

use clap::Parser;
use tercet::cmd::{Cli, screen};

const COULD_NOT_RUN: u8 = 3;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are not errors; a closed terminal is nobody to tell.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { COULD_NOT_RUN } else { 0 });
        }
    };
    match cli.run() {
        Ok(outcome) => ExitCode::from(outcome.exit_code()),
        Err(failure) if failure.is_reader_gone() => ExitCode::SUCCESS,
        Err(failure) => {
            screen::render(&failure);
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}
