//! `tercet account export` and `link`: an account in a file that a passphrase, or a code, opens.

use std::path::{Path, PathBuf};

use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::Cluster;
use crate::cmd::settings::Settings;
use crate::cmd::{complete, files, keys, passphrase, person, screen};
use crate::sealed::{Account, OpenedBy, seal};
use crate::text::Name;
use crate::words;

/// What `account export` is told.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// The file to write, for its owner only. It holds the key and the cluster file with its token: all that another
    /// machine needs.
    file: PathBuf,
    /// Whose account [default: the profile's name, or the only account on this machine].
    #[arg(long = "as", value_name = "NAME", env = "TERCET_NAME", hide_env_values = true, add = complete::people())]
    me: Option<Name>,
    /// The file whose first line is the passphrase, `-` for standard input; else it is asked for on the terminal.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

/// What `account link` is told.
#[derive(Debug, clap::Args)]
pub struct LinkArgs {
    /// The file to write, for its owner only [default: NAME.tercet]. It holds the key and the cluster file with its
    /// token: all that another machine needs.
    file: Option<PathBuf>,
    /// Whose account [default: the profile's name, or the only account on this machine].
    #[arg(long = "as", value_name = "NAME", env = "TERCET_NAME", hide_env_values = true, add = complete::people())]
    me: Option<Name>,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

/// Writes the file that a passphrase opens.
///
/// # Errors
/// No such account here, no passphrase, a file that is there already or cannot be written.
pub fn export(settings: &Settings, args: &ExportArgs) -> Result<Outcome, Failure> {
    let (me, account) = account(settings, args.me.as_ref(), "tercet account export FILE --as NAME")?;
    refuse_to_overwrite(&args.file, args.force)?;
    let passphrase = passphrase::choose(args.passphrase_file.as_deref())?;
    write(&account, OpenedBy::Passphrase, &passphrase, &args.file, args.force)?;
    let file = args.file.display();
    screen::note(&format!("-- {file} holds the account {me} and its cluster; on another machine:"));
    screen::note(&format!("--   tercet account import {file}"));
    screen::note(&format!(
        "-- whoever has the file and the passphrase is {me}; without the passphrase it is of no use"
    ));
    Ok(Outcome::Done)
}

/// Writes the file that a code opens, and prints the code.
///
/// # Errors
/// As [`export`].
pub fn link(settings: &Settings, args: &LinkArgs) -> Result<Outcome, Failure> {
    let (me, account) = account(settings, args.me.as_ref(), "tercet account link --as NAME")?;
    let file = args.file.clone().unwrap_or_else(|| PathBuf::from(format!("{me}.tercet")));
    refuse_to_overwrite(&file, args.force)?;
    let code = words::code(keys::random()?);
    write(&account, OpenedBy::Code, &code, &file, args.force)?;
    let file = file.display();
    screen::note(&format!(
        "-- {file} holds the account {me} and its cluster. Bring it to the other machine, and type there"
    ));
    screen::note(&format!("--   tercet account import {file}"));
    screen::note("-- which asks for this code; say it aloud or type it, but do not send it with the file:");
    screen::say(&code)?;
    screen::note(&format!("-- whoever has both is {me}: delete the file when the other machine has read it"));
    Ok(Outcome::Done)
}

fn account(settings: &Settings, asked: Option<&Name>, usage: &str) -> Result<(Name, Account), Failure> {
    let home = settings.home();
    Cluster::load(home)?;
    let me = settings.me(asked, usage)?;
    person::key(home, &me)?;
    let text = |path: PathBuf| {
        files::read_secret(&path)?
            .ok_or_else(|| Failure::new(format!("{} has just vanished", path.display())))
    };
    let (key, cluster) = (text(home.account_key(&me))?, text(home.cluster_file())?);
    Ok((me.clone(), Account { name: me.to_string(), key, cluster }))
}

fn write(
    account: &Account,
    opened_by: OpenedBy,
    secret: &str,
    file: &Path,
    force: bool,
) -> Result<(), Failure> {
    let text = seal(account, opened_by, secret, keys::random()?, keys::random()?)
        .map_err(|error| Failure::of(&error).next("free some memory, then try again"))?;
    if force {
        return files::write(file, text.as_bytes());
    }
    if files::write_new(file, text.as_bytes())? { Ok(()) } else { Err(exists(file)) }
}

/// Before a person is asked for anything.
fn refuse_to_overwrite(file: &Path, force: bool) -> Result<(), Failure> {
    if force || file.symlink_metadata().is_err() { Ok(()) } else { Err(exists(file)) }
}

fn exists(file: &Path) -> Failure {
    Failure::new(format!("{} exists; it is left as it is", file.display()))
        .next("choose another file, or write over this one with --force")
}
