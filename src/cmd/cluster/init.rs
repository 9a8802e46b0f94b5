//! `tercet cluster init`: everything that servers on real machines need, and what to copy where.

use crate::cmd::create::{Plan, Spread};
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::files;
use crate::cmd::home::{Cluster, Home};
use crate::cmd::screen::{BOLD, say};

/// What `cluster init` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A server and where others reach it; once for each.
    #[arg(long = "server", value_name = "NAME=HOST:PORT", required = true, value_parser = Plan::parse)]
    pub servers: Vec<Plan>,
}

/// Writes the files.
///
/// # Errors
/// When there is a cluster already, or the folder cannot be written.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    files::make_folder(home.dir())?;
    let _lock = home.lock()?;
    Cluster::create_as(home, &args.servers, Spread::Machines)?;
    say(&format!(
        "made a cluster of {} in {}",
        crate::text::count(args.servers.len(), "server"),
        home.dir().display()
    ))?;
    for plan in &args.servers {
        let folder = home.server(&plan.name);
        say(&format!("\n{BOLD}server {}{BOLD:#} ({}, listens at {})", plan.name, plan.address, plan.listen))?;
        say(&format!("  copy  {}/", folder.dir().display()))?;
        say(
            "  to    its machine, for example /var/lib/tercet/, and delete it here: it holds the server's key",
        )?;
        say("  run   tercet serve --config /var/lib/tercet/server.toml")?;
    }
    if args.servers.iter().any(Plan::listens_everywhere) {
        say(
            "\n0.0.0.0 and [::] are all addresses of a machine; `listen` in server.toml may name one of them",
        )?;
    }
    say(&format!("\n{BOLD}you{BOLD:#}"))?;
    say(&format!("  keep  {}: with it alone servers are added and removed", home.cluster_key().display()))?;
    say(&format!("\n{BOLD}people{BOLD:#}"))?;
    say(&format!("  copy  {}", home.cluster_file().display()))?;
    say("  to    ~/.local/state/tercet/local/cluster.toml of everyone you invite (mode 0600)")?;
    say("  run   tercet chat NAME")?;
    Ok(Outcome::Done)
}
