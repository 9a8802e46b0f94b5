//! `tercet cluster add`: one server more, while the others serve.

use std::fmt;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use super::change::{Change, view_line};
use crate::cmd::config::{ServerConfig, check_server};
use crate::cmd::create::{Plan, Spread, free_port, write_server};
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::files;
use crate::cmd::home::{Cluster, Home};
use crate::cmd::nodes::State;
use crate::cmd::pid::Process;
use crate::cmd::screen::{note, say};
use crate::id::ServerId;
use crate::text::inert;
use crate::view::{Member, ViewError};

/// How long a server may take that somebody else has started.
const COMING_PATIENCE: Duration = Duration::from_secs(10);

/// What `cluster add` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where others reach it, and what it is called [default: a port of this machine, the next free number].
    #[arg(value_name = "[NAME=]HOST:PORT", value_parser = Asked::parse, default_value = "local", hide_default_value = true)]
    pub address: Asked,
}

/// A server that somebody wants to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its name, unless it is to get the next free number.
    pub name: Option<String>,
    /// Where others reach it; `None` means a port of this machine that the system picks.
    pub address: Option<String>,
}

impl Asked {
    /// From `[NAME=]HOST:PORT`; `local`, or port 0 of a loopback address, for a port that the system picks.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, address) = match text.split_once('=') {
            Some((name, address)) => (Some(name.to_owned()), address),
            None => (None, text),
        };
        let picks = matches!(address, "local" | "localhost:0" | "127.0.0.1:0");
        check_server(name.as_deref().unwrap_or("1"), if picks { "127.0.0.1:1" } else { address })?;
        Ok(Self { name, address: (!picks).then(|| address.to_owned()) })
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}=")?;
        }
        f.write_str(self.address.as_deref().unwrap_or("local"))
    }
}

/// Adds a server, or goes on with one that was being added.
///
/// # Errors
/// When the servers cannot change, or this one cannot be made, started or brought into step; ctrl-C.
pub fn run(args: &Args, home: &Home) -> Result<Outcome, Failure> {
    let mut change = Change::begin(home, format!("tercet cluster add {}", args.address))?;
    let (name, joined) = join(&mut change, &args.address, "add")?;
    match joined {
        Joined::InStep => {
            done(&change, &name)?;
            note("next: tercet cluster status");
        }
        Joined::ToBeStarted => {
            note(&format!("next: when it runs, see whether it is in step: {}", change.again()));
        }
    }
    Ok(Outcome::Done)
}

/// How far a server has come that is being added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    /// It holds what the others hold.
    InStep,
    /// It belongs to the cluster, and somebody has to start it on its own machine.
    ToBeStarted,
}

/// Nothing is left to be done for a server that was being added.
///
/// # Errors
/// Names the file that cannot be removed.
pub(super) fn done(change: &Change, name: &str) -> Result<(), Failure> {
    let marker = change.cluster().home().server(name).joining();
    match fs::remove_file(&marker) {
        Err(error) if !files::is_absent(&error) => {
            Err(Failure::io(format!("remove {}", marker.display()), &error))
        }
        _ => Ok(()),
    }
}

/// Makes a server a member, has it run, and waits until it is in step. What of that has been done for the same purpose
/// is not done again. Returns its name.
///
/// # Errors
/// As [`run`].
pub(super) fn join(change: &mut Change, asked: &Asked, purpose: &str) -> Result<(String, Joined), Failure> {
    let member = match begun(change.cluster(), asked, purpose)? {
        Some(member) => {
            note(&format!(
                "server {} belongs to the cluster already, at {}",
                inert(&member.name),
                member.address
            ));
            member
        }
        None => make(change, asked, purpose)?,
    };
    let (name, home) = (member.name.clone(), change.cluster().home().clone());
    let cluster = change.cluster();
    if is_here(cluster, &member) {
        if matches!(cluster.state(&name)?, State::Stopped | State::Dead(_)) {
            start(change, &member)?;
        }
        change.announce(&[])?;
    } else {
        change.announce(&[])?;
        let folder = home.server(&name);
        if folder.config().exists() {
            // Its machine gets the newest view, whenever somebody copies the folder.
            change.cluster().copy_file(&folder.dir().join("cluster.toml"))?;
            to_be_started(change, &member)?;
            return Ok((name, Joined::ToBeStarted));
        }
    }
    change.wait_until_in_step(&name)?;
    Ok((name, Joined::InStep))
}

fn start(change: &mut Change, member: &Member) -> Result<(), Failure> {
    let name = &member.name;
    let started = {
        let _folder = change.cluster().home().lock()?;
        change.cluster().start(name)
    };
    let pid = match started {
        Ok(started) => started.process.pid(),
        // A run that was killed may have left it on its way: it has its port then.
        Err(failure) => comes_up(change, member)?.ok_or(failure)?.pid(),
    };
    say(&format!("server {} is ready (pid {pid})", inert(name)))
}

/// The process of a server that somebody else has started and that is not ready yet, once it is; `None` if there is none.
fn comes_up(change: &mut Change, member: &Member) -> Result<Option<Process>, Failure> {
    let began = Instant::now();
    loop {
        if let State::Up(process) = change.cluster().state(&member.name)? {
            return Ok(Some(process));
        }
        if began.elapsed() > COMING_PATIENCE || TcpListener::bind(&member.address).is_ok() {
            return Ok(None);
        }
        change.pause()?;
    }
}

/// The member that an earlier run with the same arguments has made.
///
/// # Errors
/// When another server has what is asked for.
pub(super) fn begun(cluster: &Cluster, asked: &Asked, purpose: &str) -> Result<Option<Member>, Failure> {
    let is_meant = |member: &&Member| match asked {
        Asked { address: Some(address), .. } => member.address == *address,
        Asked { name: Some(name), .. } => member.name == *name,
        _ => is_joining(cluster, member, purpose),
    };
    let Some(member) = cluster.view().servers().iter().find(is_meant) else { return Ok(None) };
    let (name, address) = (inert(&member.name), &member.address);
    if asked.name.as_ref().is_some_and(|asked| *asked != member.name) {
        return Err(
            Failure::new(format!("the server at {address} is called {name}")).next("tercet cluster status")
        );
    }
    if asked.address.is_none() && !is_joining(cluster, member, purpose) {
        return Err(Failure::new(format!("there is a server {name} already, at {address}"))
            .next("leave the name out, or give another"));
    }
    if member.sealed {
        return Err(Failure::new(format!("server {name} is about to leave, and cannot be added again"))
            .next(format!("tercet cluster remove {name}, which goes on with that")));
    }
    Ok(Some(member.clone()))
}

fn is_joining(cluster: &Cluster, member: &Member, purpose: &str) -> bool {
    fs::read_to_string(cluster.home().server(&member.name).joining())
        .is_ok_and(|why| why.trim_end() == purpose)
}

/// Makes folder, key and configuration, and then the view that names the server.
fn make(change: &mut Change, asked: &Asked, purpose: &str) -> Result<Member, Failure> {
    may_be_joined(change.cluster())?;
    let home = change.cluster().home().clone();
    let folder_lock = home.lock()?;
    let name = match &asked.name {
        Some(name) => name.clone(),
        None => next_number(change.cluster()),
    };
    let folder = home.server(&name);
    let reserved = |address: &str| Member {
        name: name.clone(),
        address: address.to_owned(),
        id: ServerId::new([0; 32]),
        sealed: false,
    };
    // Before anything is written.
    let other = |error: ViewError| Failure::of(&error).next("see tercet cluster status, and give another");
    change.cluster().view().add(reserved(asked.address.as_deref().unwrap_or_default())).map_err(other)?;
    if folder.store().exists() {
        return Err(Failure::new(format!("{} is left of another server", folder.store().display()))
            .next(format!("give another name, or delete it first: rm -r {}", folder.dir().display())));
    }
    // Kept until the configuration names it.
    let (_held, address) = match &asked.address {
        Some(address) => (None, address.clone()),
        None => own_port(&folder.config())?,
    };
    let plan = Plan::parse(&format!("{name}={address}"))
        .map_err(|why| Failure::new(why).next("give HOST:PORT or NAME=HOST:PORT"))?;
    let spread =
        if is_loopback(&address) && runs_here(change.cluster()) { Spread::Here } else { Spread::Machines };
    files::make_folder(folder.dir())?;
    files::write(&folder.joining(), format!("{purpose}\n").as_bytes())?;
    let id = write_server(&home, &plan, spread)?;
    let member = Member { id, ..reserved(&address) };
    let next = change.cluster().view().add(member.clone()).map_err(|error| {
        Failure::of(&error).next(format!("delete what is left of it: rm -r {}", folder.dir().display()))
    })?;
    change.issue(next, &folder_lock)?;
    say(&view_line(change.cluster().view()))?;
    Ok(member)
}

/// A server that finds nobody is in step with nobody, and would look as if it held everything.
fn may_be_joined(cluster: &Cluster) -> Result<(), Failure> {
    let is_down = |state: State| matches!(state, State::Stopped | State::Dead(_));
    if !cluster.states()?.iter().all(|(_, state)| is_down(*state)) {
        return Ok(());
    }
    Err(Failure::new(
        "no server of the cluster runs, so nobody can give another what there is; nothing was changed",
    )
    .next("tercet cluster up --detach, then the same again"))
}

/// The address of an earlier attempt, or one at a port that the system picks.
fn own_port(config: &std::path::Path) -> Result<(Option<TcpListener>, String), Failure> {
    if config.exists() {
        return Ok((None, ServerConfig::load(config)?.listen));
    }
    let (held, address) = free_port()?;
    Ok((Some(held), address.to_string()))
}

/// The first number that no server has or had, nor a folder in which there is a store.
fn next_number(cluster: &Cluster) -> String {
    let view = cluster.view();
    let is_free = |name: &String| {
        view.servers().iter().all(|member| member.name != *name)
            && view.retired().iter().all(|retired| retired.name != *name)
            && !cluster.home().server(name).store().exists()
    };
    (1_u64..).map(|number| number.to_string()).find(is_free).unwrap_or_default()
}

fn is_here(cluster: &Cluster, member: &Member) -> bool {
    is_loopback(&member.address)
        && cluster.home().server(&member.name).config().exists()
        && runs_here(cluster)
}

fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host == "localhost" || address.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
}

/// Whether servers of this cluster share this machine and its cluster file.
fn runs_here(cluster: &Cluster) -> bool {
    cluster.states().is_ok_and(|states| states.iter().any(|(_, state)| *state != State::Elsewhere))
}

fn to_be_started(change: &Change, member: &Member) -> Result<(), Failure> {
    let name = inert(&member.name);
    let folder = change.cluster().home().server(&member.name);
    say(&format!("\nserver {name} ({})", member.address))?;
    say(&format!("  copy  {}/", folder.dir().display()))?;
    say("  to    its machine, for example /var/lib/tercet/, and delete it here: it holds the server's key")?;
    say("  run   tercet serve --config /var/lib/tercet/server.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_for_by_address_or_name_or_both_or_neither() {
        let asked = |name: Option<&str>, address: Option<&str>| {
            Ok(Asked { name: name.map(str::to_owned), address: address.map(str::to_owned) })
        };
        for (text, expected) in [
            ("local", asked(None, None)),
            ("127.0.0.1:0", asked(None, None)),
            ("4=local", asked(Some("4"), None)),
            ("oslo=10.0.0.4:4711", asked(Some("oslo"), Some("10.0.0.4:4711"))),
            ("[::1]:7", asked(None, Some("[::1]:7"))),
        ] {
            assert_eq!(Asked::parse(text), expected, "{text}");
            assert_eq!(Asked::parse(&Asked::parse(text).unwrap().to_string()), expected, "{text}");
        }
        for text in ["", "4", "a b=local", "h:0", "h:x", "=h:1"] {
            assert!(Asked::parse(text).is_err(), "{text}");
        }
    }
}
