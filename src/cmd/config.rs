//! The two files a cluster is configured by: `cluster.toml` for everybody, `server.toml` for one server.
//!
//! Errors name file and line. No error shows a value from the cluster file, since one of them is the token.

use std::fs;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use toml::Spanned;

use super::failure::Failure;
use super::home::ServerFolder;
use super::{files, keys};
use crate::event::account_of;
use crate::frame::Token;
use crate::id::{AdminKey, ClusterId, ServerId, parse_hex};
use crate::text::{Name, inert};
use crate::view::{Member, Retired, View, ViewError};

const CLUSTER_PREAMBLE: &str = "\
# A tercet cluster: its servers, and the token that admits people.
# Giving someone this file is the invitation. Keep it at mode 0600.

";

const SERVER_PREAMBLE: &str = "\
# One tercet server, for `tercet serve --config THIS_FILE`. Paths are relative to this file.

";

/// `cluster.toml`, read and checked.
#[derive(Debug, Clone)]
pub struct ClusterFile {
    view: View,
    token: Token,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCluster {
    cluster: ClusterId,
    epoch: u64,
    token: Spanned<String>,
    admin: Option<AdminKey>,
    signature: Option<String>,
    #[serde(default)]
    server: Vec<Spanned<RawMember>>,
    #[serde(default)]
    retired: Vec<Retired>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMember {
    name: String,
    address: String,
    key: ServerId,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sealed: bool,
}

#[derive(Serialize)]
struct WrittenCluster<'a> {
    cluster: ClusterId,
    epoch: u64,
    token: &'a Token,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<AdminKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    server: Vec<RawMember>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    retired: &'a [Retired],
}

impl ClusterFile {
    /// A file that says this.
    pub fn new(view: View, token: Token) -> Self {
        Self { view, token }
    }

    /// Reads the file; `None` if there is none.
    ///
    /// # Errors
    /// When it is unreadable, ill-formed or open to others.
    pub fn load(path: &Path) -> Result<Option<Self>, Failure> {
        files::read_secret(path)?.map(|text| Self::parse(path, &text)).transpose()
    }

    /// Reads the text of a cluster file that is, or comes, from this place.
    ///
    /// # Errors
    /// When it is ill-formed; names the place.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let raw: RawCluster = parse(path, text)?;
        let token = parse_hex(raw.token.get_ref())
            .map_err(|_| at(path, text, raw.token.span().start, "the token is not 64 hexadecimal digits"))?;
        let mut members = Vec::with_capacity(raw.server.len());
        for entry in raw.server {
            let line = entry.span().start;
            let RawMember { name, address, key, sealed } = entry.into_inner();
            check_server(&name, &address).map_err(|why| at(path, text, line, &why))?;
            members.push(Member { name, address, id: key, sealed });
        }
        let view = View::new(raw.cluster, raw.epoch, members)
            .and_then(|view| signed(view, raw.admin, raw.retired, raw.signature))
            .map_err(|error| ill_formed(format!("{}: {}", path.display(), inert(&error.to_string()))))?;
        Ok(Self { view, token: Token::new(token) })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Names the file.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let member = |m: &Member| RawMember {
            name: m.name.clone(),
            address: m.address.clone(),
            key: m.id,
            sealed: m.sealed,
        };
        let hex = |signature: &[u8]| signature.iter().map(|byte| format!("{byte:02x}")).collect();
        let raw = WrittenCluster {
            cluster: self.view.cluster(),
            epoch: self.view.epoch(),
            token: &self.token,
            admin: self.view.admin(),
            signature: self.view.signature().map(hex),
            server: self.view.servers().iter().map(member).collect(),
            retired: self.view.retired(),
        };
        write(path, CLUSTER_PREAMBLE, &raw)
    }

    /// The servers.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The secret.
    pub fn token(&self) -> &Token {
        &self.token
    }
}

/// The view with what only files of clusters with an administrator have.
fn signed(
    view: View,
    admin: Option<AdminKey>,
    retired: Vec<Retired>,
    signature: Option<String>,
) -> Result<View, ViewError> {
    let Some(admin) = admin else { return Ok(view) };
    let view = view.with_admin(admin)?.with_retired(retired)?;
    match signature {
        Some(signature) => {
            let bytes = parse_hex::<64>(&signature).map_err(|_| ViewError::Signature)?;
            view.with_signature(bytes.to_vec()).map(View::from)
        }
        // The first is trusted as the file that it stands in.
        None if view.epoch() > 1 => Err(ViewError::Signature),
        None => Ok(view),
    }
}

/// Checks what a person may write as a server's name and address.
///
/// # Errors
/// Says what is wrong.
pub fn check_server(name: &str, address: &str) -> Result<(), String> {
    name.parse::<Name>().map_err(|error| error.to_string())?;
    split_address(address).map(|_| ())
}

/// Host and port of an address.
///
/// # Errors
/// Says what is wrong.
pub fn split_address(address: &str) -> Result<(&str, u16), String> {
    let wrong = || format!("the address \"{}\" is not HOST:PORT with a port from 1 to 65535", inert(address));
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    if host.is_empty() || port == 0 || bare_v6 || host.chars().any(char::is_whitespace) {
        return Err(wrong());
    }
    Ok((host, port))
}

/// `server.toml`, as it is written; paths relative to the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Which server of the cluster file it is.
    pub name: String,
    /// Where it listens, `HOST:PORT`; the cluster file says where others reach it.
    pub listen: String,
    /// The cluster file.
    pub cluster: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// The folder of its log.
    pub store: PathBuf,
}

impl ServerConfig {
    /// Reads the file, and makes its paths absolute.
    ///
    /// # Errors
    /// When it is absent, unreadable or ill-formed; names file and line.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let path = std::path::absolute(path)
            .map_err(|error| Failure::io(format!("find {}", path.display()), &error))?;
        let text = fs::read_to_string(&path).map_err(|error| {
            Failure::io(format!("read the configuration {}", path.display()), &error).next(
                "`tercet cluster up` and `tercet cluster init` write such files; give one with --config",
            )
        })?;
        let mut config: Self = parse(&path, &text)?;
        check_server(&config.name, &config.listen)
            .map_err(|why| ill_formed(format!("{}: {why}", path.display())))?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        for path in [&mut config.cluster, &mut config.key, &mut config.store] {
            *path = folder.join(&*path);
        }
        // Without "../..", for whoever reads an error.
        config.cluster = config.cluster.canonicalize().unwrap_or(config.cluster);
        Ok(config)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Names the file.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        write(path, SERVER_PREAMBLE, self)
    }
}

/// All that a server is made of, read and checked against each other.
#[derive(Debug)]
pub struct ServerSetup {
    /// The configuration, with absolute paths.
    pub config: ServerConfig,
    /// Its own folder: where the pid file goes.
    pub folder: ServerFolder,
    /// The cluster.
    pub cluster: ClusterFile,
    /// Itself, as the cluster file has it.
    pub member: Member,
    /// Its private key, which belongs to `member.id`.
    pub key: SigningKey,
}

/// What a server's configuration is of.
#[derive(Debug)]
pub enum Found {
    /// A server of the cluster.
    Member(Box<ServerSetup>),
    /// One that was, with what there is to say.
    Retired(String),
}

impl ServerSetup {
    /// Reads a server's configuration and all it refers to.
    ///
    /// # Errors
    /// When a file is absent or ill-formed, or they contradict each other.
    pub fn load(path: &Path) -> Result<Found, Failure> {
        let config = ServerConfig::load(path)?;
        let cluster_path = config.cluster.display();
        let cluster = ClusterFile::load(&config.cluster)?.ok_or_else(|| {
            Failure::new(format!("there is no cluster file {cluster_path}"))
                .next(format!("copy cluster.toml there, or correct `cluster` in {}", path.display()))
        })?;
        let key = keys::load(&config.key)?;
        let id = ServerId::new(*account_of(&key).as_bytes());
        let named = cluster.view().servers().iter().find(|member| member.name == config.name);
        let Some(member) = named.cloned() else {
            if cluster.view().retired().iter().any(|retired| retired.id == id) {
                return Ok(Found::Retired(retired_words(&config.name, cluster.view().epoch())));
            }
            return Err(Failure::new(format!("server {} is not in {cluster_path}", config.name))
                .next(format!("correct `name` in {}, or copy the newest cluster.toml", path.display())));
        };
        if id != member.id {
            return Err(Failure::new(format!(
                "{} is not the key that {cluster_path} gives for server {}",
                config.key.display(),
                config.name
            ))
            .next("put back the server's own key, or the cluster file that belongs to it"));
        }
        let folder = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_path_buf));
        let folder = ServerFolder::new(folder.unwrap_or_else(|| PathBuf::from("/")));
        Ok(Found::Member(Box::new(Self { config, folder, cluster, member, key })))
    }
}

/// What a server says that does not belong to the cluster any more.
pub fn retired_words(name: &str, epoch: u64) -> String {
    format!(
        "server {name} has left the cluster (view epoch {epoch}): it has nothing to do any more, and its folder may be \
         deleted"
    )
}

fn write<T: Serialize>(path: &Path, preamble: &str, value: &T) -> Result<(), Failure> {
    let text = toml::to_string(value)
        .map_err(|error| Failure::new(format!("{} cannot be encoded: {error}", path.display())))?;
    files::write(path, format!("{preamble}{text}").as_bytes())
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Failure> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        at(path, text, start, error.message())
    })
}

fn at(path: &Path, text: &str, offset: usize, why: &str) -> Failure {
    let before = text.as_bytes().iter().take(offset);
    let line = 1 + before.filter(|byte| **byte == b'\n').count();
    ill_formed(format!("{}, line {line}: {}", path.display(), inert(&why.replace('\n', ", "))))
}

fn ill_formed(what: String) -> Failure {
    Failure::new(what).next("correct that file, or restore it from a backup")
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
