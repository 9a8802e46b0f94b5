//! `tercet serve`: one server.

use std::net::TcpListener;
use std::path::PathBuf;

use super::config::ServerSetup;
use super::failure::{Failure, Outcome};
use super::pid::PidFile;
use super::screen;

/// What `serve` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server's configuration, as `cluster up` and `cluster init` write it.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start; names the file or the address.
// TODO(serve): a stand-in that listens and serves nobody; ends when the real runtime takes its place. What
// stays is the contract: load the setup, listen, write the pid file, remove it on a clean exit.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let setup = ServerSetup::load(&args.config)?;
    let listen = &setup.config.listen;
    let _listener = TcpListener::bind(listen).map_err(|error| {
        Failure::io(format!("listen at {listen}"), &error)
            .next(format!("stop whoever has that port, or change `listen` in {}", args.config.display()))
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("start", &error))?;
    runtime.block_on(async {
        let failed = |error| Failure::io("listen for signals", &error);
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(failed)?;
        let mut interrupt =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).map_err(failed)?;
        std::fs::create_dir_all(&setup.config.store)
            .map_err(|error| Failure::io("make the store", &error))?;
        let pid = PidFile::write(&setup.folder.pid())?;
        screen::note(&format!("server {} listens at {listen}", setup.config.name));
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        screen::note(&format!("server {} stops", setup.config.name));
        pid.remove()
    })?;
    Ok(Outcome::Done)
}
