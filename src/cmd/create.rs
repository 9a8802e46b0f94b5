//! Making a cluster: keys, configurations, and last of all the file that makes the folder a cluster.
//!
//! Nothing here prints; callers that share the folder with others hold [`Home::lock`].

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use super::config::{ClusterFile, ServerConfig, check_server, split_address};
use super::failure::Failure;
use super::home::{Cluster, Home};
use super::{files, keys};
use crate::event::account_of;
use crate::frame::Token;
use crate::id::{AdminKey, ClusterId, ServerId};
use crate::limits::SERVERS_MAX;
use crate::view::{Member, View};

/// A server to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Where others reach it.
    pub address: String,
    /// Where it listens.
    pub listen: String,
}

impl Plan {
    /// A server on a real machine, from `NAME=HOST:PORT`. It listens at that address if it is a loopback
    /// one, on all of its machine's otherwise: a public address need not be one that the machine has.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, address) = text.split_once('=').ok_or("it is not NAME=HOST:PORT")?;
        check_server(name, address)?;
        let (host, port) = split_address(address)?;
        let listen = match address.parse::<SocketAddr>() {
            Ok(ip) if ip.ip().is_loopback() => address.to_owned(),
            Ok(ip) if ip.is_ipv6() => format!("[::]:{port}"),
            _ if host == "localhost" => format!("127.0.0.1:{port}"),
            _ => format!("0.0.0.0:{port}"),
        };
        Ok(Self { name: name.to_owned(), address: address.to_owned(), listen })
    }

    /// Whether it listens at all addresses of its machine.
    pub fn listens_everywhere(&self) -> bool {
        self.listen.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_unspecified())
    }
}

/// Where a server's configuration finds the cluster file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// All servers run in this folder and share its file.
    Here,
    /// Each server's folder goes to a machine of its own and holds a copy.
    Machines,
}

impl Cluster {
    /// Makes a cluster of `count` servers named 1, 2, ... on this machine, on ports that the system
    /// chooses. Starts nothing.
    ///
    /// # Errors
    /// When the folder holds a cluster or cannot be written, or the system has no ports.
    pub fn create(home: &Home, count: usize) -> Result<Self, Failure> {
        if count == 0 || count > SERVERS_MAX {
            return Err(Failure::new(format!("a cluster has 1 to {SERVERS_MAX} servers, not {count}")));
        }
        files::make_folder(home.dir())?;
        // All are held until the last is chosen and written, so that no two are the same.
        let held = (0..count).map(|_| free_port()).collect::<Result<Vec<_>, _>>()?;
        let plan = |(index, (_, address)): (usize, &(TcpListener, SocketAddr))| Plan {
            name: (index + 1).to_string(),
            address: address.to_string(),
            listen: address.to_string(),
        };
        let plans: Vec<Plan> = held.iter().enumerate().map(plan).collect();
        Self::create_as(home, &plans, Spread::Here)
    }

    /// Makes a cluster of these servers.
    ///
    /// # Errors
    /// As [`Cluster::create`]; also when two servers share a name or address.
    pub fn create_as(home: &Home, plans: &[Plan], spread: Spread) -> Result<Self, Failure> {
        refuse_to_overwrite(home, plans)?;
        // Whether it can be a view is checked before the first file is written.
        let view = |key: &dyn Fn(usize, &Plan) -> Result<ServerId, Failure>, cluster| {
            let member = |(index, plan): (usize, &Plan)| -> Result<Member, Failure> {
                Ok(Member {
                    name: plan.name.clone(),
                    address: plan.address.clone(),
                    id: key(index, plan)?,
                    sealed: false,
                })
            };
            let members = plans.iter().enumerate().map(member).collect::<Result<Vec<_>, _>>()?;
            View::new(cluster, 1, members).map_err(Failure::from)
        };
        let cluster = ClusterId::new(keys::random()?);
        view(&|index, _| Ok(ServerId::new([u8::try_from(index).unwrap_or(u8::MAX); 32])), cluster)?;
        let view = view(&|_, plan| write_server(home, plan, spread), cluster)?;
        let admin = account_of(&keys::create(&home.cluster_key())?);
        let view = view.with_admin(AdminKey::new(*admin.as_bytes()))?;

        let file = ClusterFile::new(view, Token::new(keys::random()?));
        if spread == Spread::Machines {
            for plan in plans {
                file.write(&home.server(&plan.name).dir().join("cluster.toml"))?;
            }
        }
        file.write(&home.cluster_file())?;
        Ok(Self::written(home.clone(), file))
    }
}

/// Writes a server's key, unless there is one, and its configuration. It still lacks a cluster file that names it.
///
/// # Errors
/// Names the file that cannot be written or read.
pub(super) fn write_server(home: &Home, plan: &Plan, spread: Spread) -> Result<ServerId, Failure> {
    let folder = home.server(&plan.name);
    files::make_folder(folder.dir())?;
    let (key, _) = keys::load_or_create(&folder.key())?;
    let cluster = match spread {
        Spread::Here => Path::new("../../cluster.toml"),
        Spread::Machines => Path::new("cluster.toml"),
    };
    let config = ServerConfig {
        name: plan.name.clone(),
        listen: plan.listen.clone(),
        cluster: cluster.to_path_buf(),
        key: PathBuf::from("server.key"),
        store: PathBuf::from("store"),
    };
    config.write(&folder.config())?;
    Ok(ServerId::new(*account_of(&key).as_bytes()))
}

/// A half-made cluster may be made anew; one that has (or had) anything in its stores may not.
fn refuse_to_overwrite(home: &Home, plans: &[Plan]) -> Result<(), Failure> {
    if home.holds_a_cluster() {
        return Err(Failure::new(format!("there is a cluster in {} already", home.dir().display()))
            .next("use another folder with --dir, or delete this one with: tercet cluster down --purge"));
    }
    match plans.iter().map(|plan| home.server(&plan.name).store()).find(|store| store.exists()) {
        Some(store) => Err(Failure::new(format!(
            "{} is left of a cluster whose {} is missing",
            store.display(),
            home.cluster_file().display()
        ))
        .next("restore that file, or use another folder with --dir")),
        None => Ok(()),
    }
}

/// A port of this machine that nobody has, and what keeps it until it is dropped.
///
/// # Errors
/// When the system has none.
pub(super) fn free_port() -> Result<(TcpListener, SocketAddr), Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr().map(|address| (listener, address)))
        .map_err(|error| Failure::io("find a free port on 127.0.0.1", &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::config::{Found, ServerSetup};

    #[test]
    fn a_new_cluster_is_consistent_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(&dir.path().join("c")).unwrap();
        let made = Cluster::create(&home, 3).unwrap();
        let read = Cluster::load(&home).unwrap();
        assert_eq!(read.view(), made.view());
        assert!(read.token().matches(made.token()));
        for name in ["1", "2", "3"] {
            let Found::Member(setup) = ServerSetup::load(&home.server(name).config()).unwrap() else {
                panic!("server {name} has left")
            };
            assert_eq!(&setup.member, read.member(name).unwrap());
            assert_eq!(setup.config.listen, setup.member.address);
            assert_eq!(setup.folder, home.server(name));
        }
        assert!(Cluster::create(&home, 3).unwrap_err().what().contains("already"));
        std::fs::remove_file(home.cluster_file()).unwrap();
        std::fs::create_dir(home.server("2").store()).unwrap();
        assert!(Cluster::create(&home, 3).unwrap_err().what().contains("is missing"));
    }

    #[test]
    fn a_server_whose_key_was_swapped_does_not_start() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path()).unwrap();
        Cluster::create(&home, 1).unwrap();
        keys::create(&home.server("1").key()).unwrap();
        assert!(ServerSetup::load(&home.server("1").config()).unwrap_err().what().contains("is not the key"));
    }

    #[test]
    fn a_plan_says_where_to_listen() {
        let table = [
            ("a=127.0.0.1:7", "127.0.0.1:7"),
            ("a=localhost:7", "127.0.0.1:7"),
            ("a=chat.example.org:7", "0.0.0.0:7"),
            ("a=192.0.2.1:7", "0.0.0.0:7"),
            ("a=[2001:db8::1]:7", "[::]:7"),
        ];
        for (text, listen) in table {
            let plan = Plan::parse(text).unwrap();
            assert_eq!(plan.listen, listen, "{text}");
            assert_eq!(plan.listens_everywhere(), !listen.starts_with("127."), "{text}");
        }
        for text in ["a", "=h:1", "a=h", "a/b=h:1"] {
            assert!(Plan::parse(text).is_err(), "{text}");
        }
    }
}
