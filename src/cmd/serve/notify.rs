//! Telling the service manager how the server is: `sd_notify(3)`, over the socket that it names.

use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The variable by which systemd names the socket of a unit with `Type=notify`.
const SOCKET_ENV: &str = "NOTIFY_SOCKET";

/// Whoever started the server and wants to know how it is; nobody, mostly.
#[derive(Debug, Clone, Default)]
pub(super) struct Manager(Option<SocketAddr>);

impl Manager {
    /// Who is named in the environment: by a path, or, after an `@`, in Linux's abstract namespace.
    pub(super) fn from_env() -> Self {
        Self(std::env::var(SOCKET_ENV).ok().and_then(|name| address(&name)))
    }

    /// Sends assignments, one a line: `READY=1`, `STOPPING=1`, `STATUS=words`.
    pub(super) fn tell(&self, assignments: &str) {
        let Some(address) = &self.0 else { return };
        // A manager that does not listen is no reason not to serve; and it is not waited for.
        if let Ok(socket) = UnixDatagram::unbound()
            && socket.set_nonblocking(true).is_ok()
        {
            let _ = socket.send_to_addr(assignments.as_bytes(), address);
        }
    }
}

fn address(name: &str) -> Option<SocketAddr> {
    match name.strip_prefix('@') {
        Some(name) => hidden(name),
        None => SocketAddr::from_pathname(name).ok().filter(|_| name.starts_with('/')),
    }
}

#[cfg(target_os = "linux")]
fn hidden(name: &str) -> Option<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name).ok()
}

#[cfg(not(target_os = "linux"))]
fn hidden(_: &str) -> Option<SocketAddr> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_told_wherever_its_socket_is_and_none_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify").to_str().unwrap().to_owned();
        let hidden = format!("@tercet-test-{}", std::process::id());
        for name in [path, hidden] {
            let at = address(&name).unwrap();
            Manager(Some(at.clone())).tell("READY=1"); // nobody is there yet
            let socket = UnixDatagram::bind_addr(&at).unwrap();
            Manager(Some(at)).tell("STATUS=listens\nREADY=1");
            let mut bytes = [0; 64];
            let length = socket.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..length], b"STATUS=listens\nREADY=1");
        }
        assert!(address("relative").is_none() && address("").is_none());
    }
}
