//! `tercet account import`: takes in an account from a file that `export` or `link` wrote.
//!
//! What is here already is never overwritten: neither a key nor a cluster file.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;

use crate::cmd::config::ClusterFile;
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::home::{Cluster, Home};
use crate::cmd::settings::Settings;
use crate::cmd::{files, keys, passphrase, person, screen};
use crate::event::account_of;
use crate::limits::SEALED_MAX_BYTES;
use crate::sealed::{Account, OpenedBy, Sealed, SealedError};
use crate::text::Name;
use crate::words::read_code;

/// How often a person may mistype.
const ATTEMPTS: usize = 3;

/// What `account import` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that `account export` or `account link` wrote. It brings the cluster along.
    file: PathBuf,
    /// The file whose first line is the passphrase or the code, `-` for standard input; else it is asked for on the
    /// terminal.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Takes it in.
///
/// # Errors
/// The file cannot be read or opened, belongs to another cluster than the folder, or another account of that name is
/// here. Nothing has changed then.
pub fn run(settings: &Settings, args: &Args) -> Result<Outcome, Failure> {
    let home = settings.home();
    let sealed = Sealed::read(&text(&args.file)?).map_err(|error| unread(&args.file, &error))?;
    let Account { name, key, cluster } = open(&sealed, args)?;
    let inside = |what: String| Failure::new(what).next("export the account again, with the newest tercet");
    let name: Name = name.parse().map_err(|error| inside(format!("{}: {error}", args.file.display())))?;
    let key_text = key;
    let key = keys::parse(&args.file, &key_text)?;
    let file = ClusterFile::parse(&args.file, &cluster)?;

    if let Some(here) = already_here(settings, &key)? {
        screen::note(&format!("-- this account is on this machine already, as {here}: tercet chat {here}"));
        return Ok(Outcome::Done);
    }
    refuse_another_cluster(home, &file, &args.file)?;
    if home.account_key(&name).exists() {
        return Err(another_of_that_name(&name));
    }
    files::make_folder(home.dir())?;
    if files::write_new(&home.cluster_file(), cluster.as_bytes())? {
        screen::note(&format!("-- {} is the cluster's file", home.cluster_file().display()));
    }
    files::make_folder(&home.people().join(name.as_str()))?;
    let _stay = person::stay(home)?;
    if !files::write_new(&home.account_key(&name), key_text.as_bytes())? {
        return Err(another_of_that_name(&name));
    }
    screen::note(&format!(
        "-- {name} is on this machine now, and gets all conversations with: tercet chat {name}"
    ));
    screen::note(&format!("-- {} is not needed any more: delete it", args.file.display()));
    Ok(Outcome::Done)
}

fn text(path: &Path) -> Result<String, Failure> {
    let failed = |error| {
        Failure::io(format!("read {}", path.display()), &error)
            .next("give the file that `tercet account export` or `link` wrote")
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(SEALED_MAX_BYTES).unwrap_or(u64::MAX);
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(failed)?;
    // What is cut or no text shows as damage.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn open(sealed: &Sealed, args: &Args) -> Result<Account, Failure> {
    let (noun, file) = (sealed.opened_by().noun(), args.passphrase_file.as_deref());
    let attempts = if file.is_none() { ATTEMPTS } else { 1 };
    let mut failure = Failure::new(format!("no {noun} was given"));
    for attempt in 1..=attempts {
        let secret = passphrase::given(file, &format!("The {noun} of {}: ", args.file.display()))?;
        match attempt_with(sealed, &secret) {
            Ok(account) => return Ok(account),
            Err(SealedProblem::Mistyped(why)) => {
                failure = Failure::new(format!("{}: {why}", args.file.display()))
                    .next(format!("give the {noun} again"));
            }
            Err(SealedProblem::Hopeless(error)) => return Err(unread(&args.file, &error)),
        }
        if attempt < attempts {
            screen::warn(&format!("-- {}", failure.what()));
        }
    }
    Err(failure)
}

enum SealedProblem {
    /// Another passphrase may do.
    Mistyped(String),
    /// None will.
    Hopeless(SealedError),
}

fn attempt_with(sealed: &Sealed, secret: &str) -> Result<Account, SealedProblem> {
    let secret = match sealed.opened_by() {
        OpenedBy::Passphrase => secret.to_owned(),
        OpenedBy::Code => read_code(secret).map_err(|error| SealedProblem::Mistyped(error.to_string()))?,
    };
    sealed.open(&secret).map_err(|error| match error {
        SealedError::Wrong(_) => SealedProblem::Mistyped(error.to_string()),
        error => SealedProblem::Hopeless(error),
    })
}

fn unread(file: &Path, error: &SealedError) -> Failure {
    let next = match error {
        SealedError::Version(_) => "install the newest tercet",
        SealedError::Unsealable(_) => "free some memory, then try again",
        _ => "copy the file again, or export the account again",
    };
    Failure::new(format!("{}: {error}", file.display())).next(next)
}

/// As whom this very account is here.
fn already_here(settings: &Settings, key: &SigningKey) -> Result<Option<Name>, Failure> {
    for name in settings.people() {
        if account_of(&person::key(settings.home(), &name)?) == account_of(key) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn refuse_another_cluster(home: &Home, file: &ClusterFile, path: &Path) -> Result<(), Failure> {
    if !home.holds_a_cluster() {
        return Ok(());
    }
    let (here, there) = (Cluster::load(home)?.view().cluster(), file.view().cluster());
    if here == there {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} belongs to another cluster ({}) than {} ({})",
        path.display(),
        there.short(),
        home.dir().display(),
        here.short()
    ))
    .next(format!("give it a folder of its own: tercet --dir DIR account import {}", path.display())))
}

fn another_of_that_name(name: &Name) -> Failure {
    Failure::new(format!("another account called {name} is on this machine; nothing was written")).next(format!(
        "give that one another name (tercet account rename NEW --as {name}), or import into another folder with --dir"
    ))
}
