//! `tercet account list` and `show`: what is on this machine, without asking any server.

use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::{Cluster, Home};
use crate::cmd::screen::{PLAIN, Table, note, say};
use crate::cmd::settings::Settings;
use crate::cmd::{complete, person};
use crate::event::account_of;
use crate::id::{AccountId, ClusterId};
use crate::text::Name;
use crate::words::fingerprint;

/// What `account list` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print a JSON object on a line for each account: name, account, key, cluster, devices.
    #[arg(long)]
    json: bool,
}

/// What `account show` is told.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Which account [default: the profile's name, or the only account on this machine].
    #[arg(env = "TERCET_NAME", hide_env_values = true, add = complete::people())]
    name: Option<Name>,
    /// Print one JSON object: name, account, key, cluster, devices.
    #[arg(long)]
    json: bool,
}

/// An account as it is here.
#[derive(serde::Serialize)]
struct Found {
    name: String,
    account: AccountId,
    /// The key's fingerprint, in words.
    key: String,
    cluster: ClusterId,
    /// Where each device's log is.
    devices: Vec<String>,
}

impl Found {
    fn of(home: &Home, cluster: &Cluster, name: &Name) -> Result<Self, Failure> {
        let account = account_of(&person::key(home, name)?);
        let devices = person::devices(home, name)?;
        Ok(Self {
            name: name.to_string(),
            account,
            key: fingerprint(account),
            cluster: cluster.view().cluster(),
            devices: devices.iter().map(|log| log.display().to_string()).collect(),
        })
    }

    fn json(&self) -> Result<(), Failure> {
        say(&serde_json::to_string(self).map_err(|error| Failure::of(&error))?)
    }
}

/// Lists them.
///
/// # Errors
/// No cluster, or a key that cannot be read.
pub fn run(settings: &Settings, args: &Args) -> Result<Outcome, Failure> {
    let home = settings.home();
    let cluster = Cluster::load(home)?;
    let people = settings.people();
    let found = people.iter().map(|name| Found::of(home, &cluster, name)).collect::<Result<Vec<_>, _>>()?;
    if args.json {
        found.iter().try_for_each(Found::json)?;
        return Ok(Outcome::Done);
    }
    if found.is_empty() {
        note("-- there is no account on this machine yet; `tercet chat NAME` makes one");
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&["name", "key", "devices"]);
    for Found { name, key, devices, .. } in found {
        table.row(vec![(name, PLAIN), (key, PLAIN), (devices.len().to_string(), PLAIN)]);
    }
    say(&table.render())?;
    Ok(Outcome::Done)
}

/// Shows one.
///
/// # Errors
/// As [`run`]; or there is no such account here.
pub fn show(settings: &Settings, args: &ShowArgs) -> Result<Outcome, Failure> {
    let home = settings.home();
    let cluster = Cluster::load(home)?;
    let name = settings.me(args.name.as_ref(), "tercet account show NAME")?;
    let found = Found::of(home, &cluster, &name)?;
    if args.json {
        found.json()?;
        return Ok(Outcome::Done);
    }
    say(&format!("name     {}", found.name))?;
    say(&format!("key      {}", found.key))?;
    say(&format!("account  {}", found.account))?;
    say(&format!("cluster  {}", found.cluster))?;
    found.devices.iter().try_for_each(|log| say(&format!("device   {log}")))?;
    note("-- the words are the key's: others who see them under /accounts have this very account");
    Ok(Outcome::Done)
}
