//! The `tercet` program: parse, dispatch, outcome to exit code; everything else is the library's.
//!
//! `tercet::cmd::failure::EXIT_STATUS` says what the exit statuses mean.

use std::process::ExitCode;

use clap_complete::CompleteEnv;
use tercet::cmd::{Cli, complete, definitions, screen};
use tercet::text::inert;

const COULD_NOT_RUN: u8 = 3;

fn main() -> ExitCode {
    // A shell that completes a line asks here, and this does not return then.
    CompleteEnv::with_factory(definitions).var(complete::VARIABLE).complete();
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            // clap quotes arguments as they are, and a terminal must not act on them.
            if std::env::args_os().any(|arg| inert(&arg.to_string_lossy()) != arg.to_string_lossy()) {
                error.render().to_string().lines().for_each(|line| screen::note(&inert(line)));
            } else {
                // Help and version are not errors; a closed terminal is nobody to tell.
                let _ = error.print();
            }
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
