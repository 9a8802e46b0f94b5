//! A network of its own for a run: each server in a namespace, all on one bridge, which can be cut and slowed.
//!
//! ```text
//!   tercet-PID-1 eth0 ----- v1 +----------------+
//!   tercet-PID-2 eth0 ----- v2 | br0            |  clients are here
//!   tercet-PID-3 eth0 ----- v3 | tercet-PID-hub |
//!                              +----------------+
//! ```
//!
//! Nothing of it is in the machine's own network but the namespaces' names, and those that this process has
//! made, and no others, are deleted when the [`Lab`] goes. They need root, and `ip` and `tc` of iproute2.

use std::process::{Command, Stdio};

use crate::cmd::create::Plan;
use crate::cmd::failure::Failure;

const PORT: u16 = 7420;
const DELAY: &str = "120ms";
const JITTER: &str = "60ms";
const LOSS: &str = "3%";

/// The network. Dropping it deletes it.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    servers: usize,
    made: Vec<String>,
    /// Why links cannot be slowed, if they cannot.
    no_netem: Option<String>,
}

impl Lab {
    /// Builds it, or says in a few words why this machine has none.
    ///
    /// # Errors
    /// The reason.
    pub fn build(servers: usize) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("network namespaces need root".to_owned());
        }
        let prefix = format!("tercet-{}", std::process::id());
        let mut lab = Self { prefix, servers, made: Vec::new(), no_netem: None };
        lab.lay_out()?;
        lab.no_netem = lab.slow(1).and_then(|()| lab.fast(1)).err();
        Ok(lab)
    }

    /// Why links cannot be slowed, if they cannot.
    pub fn no_netem(&self) -> Option<&str> {
        self.no_netem.as_deref()
    }

    /// The servers that live here.
    pub fn plans(&self) -> Vec<Plan> {
        let plan = |server: usize| {
            let address = format!("{}:{PORT}", address(server));
            Plan { name: server.to_string(), address: address.clone(), listen: address }
        };
        (1..=self.servers).map(plan).collect()
    }

    /// The namespace of a server.
    pub fn of_server(&self, server: usize) -> String {
        format!("{}-{server}", self.prefix)
    }

    /// The namespace of the clients.
    pub fn hub(&self) -> String {
        format!("{}-hub", self.prefix)
    }

    /// Cuts a server off from everybody, or no longer.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn cut(&self, server: usize, cut: bool) -> Result<(), Failure> {
        let state = if cut { "down" } else { "up" };
        self.in_hub(&["link", "set", &format!("v{server}"), state]).map_err(Failure::new)
    }

    /// Cuts all servers off from each other, but not from clients; or no longer.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn isolate(&self, isolated: bool) -> Result<(), Failure> {
        let state = if isolated { "on" } else { "off" };
        (1..=self.servers)
            .try_for_each(|server| {
                let link = format!("v{server}");
                self.in_hub(&["link", "set", &link, "type", "bridge_slave", "isolated", state])
            })
            .map_err(Failure::new)
    }

    /// Slows a server's link in both directions, or no longer.
    ///
    /// # Errors
    /// When `tc` refuses.
    pub fn slowed(&self, server: usize, slow: bool) -> Result<(), Failure> {
        if slow { self.slow(server) } else { self.fast(server) }.map_err(Failure::new)
    }

    fn lay_out(&mut self) -> Result<(), String> {
        let hub = self.hub();
        self.add(&hub)?;
        self.in_hub(&["link", "add", "br0", "type", "bridge"])?;
        self.in_hub(&["addr", "add", &format!("{}/24", address(254)), "dev", "br0"])?;
        self.in_hub(&["link", "set", "br0", "up"])?;
        for server in 1..=self.servers {
            let (own, link) = (self.of_server(server), format!("v{server}"));
            self.add(&own)?;
            // Both ends are made where they belong: the machine's own network never sees them.
            let pair = ["link", "add", &link, "netns", &hub, "type", "veth", "peer", "name", "eth0", "netns"];
            run("ip", &[&pair[..], &[&own]].concat())?;
            self.in_hub(&["link", "set", &link, "master", "br0", "up"])?;
            run("ip", &["-n", &own, "addr", "add", &format!("{}/24", address(server)), "dev", "eth0"])?;
            run("ip", &["-n", &own, "link", "set", "eth0", "up"])?;
        }
        Ok(())
    }

    /// Makes a namespace. One that is there already is somebody else's, and stays.
    fn add(&mut self, name: &str) -> Result<(), String> {
        run("ip", &["netns", "add", name])?;
        self.made.push(name.to_owned());
        Ok(())
    }

    fn in_hub(&self, args: &[&str]) -> Result<(), String> {
        run("ip", &[&["-n", &self.hub()], args].concat())
    }

    fn slow(&self, server: usize) -> Result<(), String> {
        self.ends(server).into_iter().try_for_each(|(netns, device)| {
            let netem = ["root", "netem", "delay", DELAY, JITTER, "loss", LOSS];
            run("tc", &[&["-n", &netns, "qdisc", "replace", "dev", &device], &netem[..]].concat())
        })
    }

    fn fast(&self, server: usize) -> Result<(), String> {
        self.ends(server).into_iter().try_for_each(|(netns, device)| {
            run("tc", &["-n", &netns, "qdisc", "del", "dev", &device, "root"])
        })
    }

    fn ends(&self, server: usize) -> [(String, String); 2] {
        [(self.hub(), format!("v{server}")), (self.of_server(server), "eth0".to_owned())]
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.made {
            // Whoever cannot delete it could not have made it; its links go with it.
            let _deleted = run("ip", &["netns", "del", name]);
        }
    }
}

/// Private to the namespaces, so that it is in nobody's way.
fn address(host: usize) -> String {
    format!("10.77.0.{host}")
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let ran = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output =
        ran.map_err(|error| format!("{program} cannot be run: {}", crate::text::os_error(&error)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = crate::text::inert(said.lines().next().unwrap_or("no reason given"));
    Err(format!("{program} {} says: {said}", args.join(" ")))
}
