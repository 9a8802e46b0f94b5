//! `GET /metrics` and `GET /health`, for a Prometheus and a watchdog on the same machine.
//!
//! **Invariants**
//! - Only at a loopback address: it asks nobody who they are.
//! - Whoever connects costs a bounded number of bytes and a bounded time, and says nothing to the core but that
//!   somebody asks. A request that is none is answered with 400, and ends that connection alone.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::metrics::Metrics;
use crate::cmd::failure::Failure;
use crate::id::Position;
use crate::limits::{ACCEPT_PAUSE_MS, METRICS_CONNECTIONS_MAX, METRICS_HEAD_MAX_BYTES, METRICS_MS};

/// How long the core is given to say how it is.
const ANSWER: Duration = Duration::from_secs(1);
const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It serves, and is in step with every server that answers.
    Serving,
    /// It serves, and lacks what other servers have.
    Syncing {
        /// Events that it holds.
        held: Position,
        /// Of how many.
        of: Position,
    },
}

/// Somebody asks the core how it is.
pub(super) type Asked = oneshot::Sender<Health>;

/// Reads an address that only this machine can reach.
pub(super) fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "not an address and a port, such as 127.0.0.1:9420".to_owned())?;
    match address.ip().to_canonical().is_loopback() {
        true => Ok(address),
        false => Err("not a loopback address: metrics are for this machine only, for instance at \
                      127.0.0.1:9420; to read them from elsewhere use a proxy that asks who is there"
            .to_owned()),
    }
}

/// Answers at this address as long as the program runs, and says which it is.
///
/// # Errors
/// When the address cannot be had.
pub(super) async fn spawn(
    address: SocketAddr,
    metrics: Arc<Metrics>,
    core: mpsc::Sender<Asked>,
) -> Result<SocketAddr, Failure> {
    let failed = |error| {
        Failure::io(format!("listen at {address} for metrics"), &error)
            .next("stop whoever has that port, or give --metrics another (port 0: any that is free)")
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::spawn(accept(listener, metrics, core));
    Ok(address)
}

async fn accept(listener: TcpListener, metrics: Arc<Metrics>, core: mpsc::Sender<Asked>) {
    let places = Arc::new(Semaphore::new(METRICS_CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((mut stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await; // for want of files: they will come back
            continue;
        };
        let (metrics, core) = (Arc::clone(&metrics), core.clone());
        tokio::spawn(async move {
            // Whoever hangs up or is too slow gets no answer, and asks again.
            let _ = timeout(Duration::from_millis(METRICS_MS), converse(&mut stream, &metrics, &core)).await;
            drop(place);
        });
    }
}

async fn converse(stream: &mut TcpStream, metrics: &Metrics, core: &mpsc::Sender<Asked>) -> io::Result<()> {
    let mut head = Vec::new();
    let answer = match read_head(stream, &mut head).await? {
        true => answer(&head, metrics, core).await,
        false => Answer::text("400 Bad Request", "no request"),
    };
    stream.write_all(&answer.bytes()).await?;
    stream.shutdown().await?;
    // A socket that is closed with bytes unread takes the answer with it.
    let mut scratch = [0; 1024];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}

/// Reads up to the empty line; false if there is none within the bound, or the other side has said it all.
async fn read_head(stream: &mut TcpStream, head: &mut Vec<u8>) -> io::Result<bool> {
    let mut bytes = [0; 1024];
    while head.len() < METRICS_HEAD_MAX_BYTES {
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            return Ok(false);
        }
        head.extend_from_slice(&bytes[..count]);
        if head.windows(4).any(|four| four == b"\r\n\r\n") {
            return Ok(true);
        }
        // What does not begin as a request need not be heard out.
        if head.contains(&b'\n') && parse(head).is_err() {
            return Ok(false);
        }
    }
    Ok(false)
}

/// What a request line asks for: method and path.
fn parse(head: &[u8]) -> Result<(&str, &str), NoRequest> {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| NoRequest)?.strip_suffix('\r').ok_or(NoRequest)?;
    let parts: Vec<&str> = line.split(' ').collect();
    match parts[..] {
        [method, target, "HTTP/1.0" | "HTTP/1.1"]
            if !method.is_empty()
                && method.bytes().all(|byte| byte.is_ascii_uppercase())
                && target.starts_with('/') =>
        {
            Ok((method, target.split('?').next().unwrap_or(target)))
        }
        _ => Err(NoRequest),
    }
}

/// It is no request that HTTP/1 knows.
#[derive(Debug, PartialEq, Eq)]
struct NoRequest;

async fn answer(head: &[u8], metrics: &Metrics, core: &mpsc::Sender<Asked>) -> Answer {
    match parse(head) {
        Err(NoRequest) => Answer::text("400 Bad Request", "no request"),
        Ok(("GET", "/health")) => match health(core).await {
            Ok(Health::Serving) => Answer::text("200 OK", "ok"),
            Ok(Health::Syncing { held, of }) => {
                Answer::text("503 Service Unavailable", &format!("syncing {held} of {of}"))
            }
            Err(why) => Answer::text("503 Service Unavailable", why),
        },
        Ok(("GET", "/metrics")) => match (health(core).await, metrics.text()) {
            (Ok(_), Ok(body)) => Answer { status: "200 OK", kind: OPEN_METRICS, body },
            (Err(why), _) => Answer::text("503 Service Unavailable", why),
            (_, Err(_)) => Answer::text("500 Internal Server Error", "the metrics cannot be written"),
        },
        Ok((_, "/health" | "/metrics")) => Answer::text("405 Method Not Allowed", "only GET"),
        Ok(_) => Answer::text("404 Not Found", "there are /metrics and /health"),
    }
}

/// Asks the core, which also sets its gauges then; a word if it does not answer.
async fn health(core: &mpsc::Sender<Asked>) -> Result<Health, &'static str> {
    let asking = async {
        let (reply, answer) = oneshot::channel();
        core.send(reply).await.map_err(|_| "stopping")?;
        answer.await.map_err(|_| "stopping")
    };
    timeout(ANSWER, asking).await.unwrap_or(Err("starting or busy"))
}

struct Answer {
    status: &'static str,
    kind: &'static str,
    body: String,
}

impl Answer {
    fn text(status: &'static str, word: &str) -> Self {
        Self { status, kind: TEXT, body: format!("{word}\n") }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { status, kind, body } = self;
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_machine_alone_can_reach_is_taken() {
        for good in ["127.0.0.1:0", "127.9.9.9:9420", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(loopback(good).is_ok(), "{good}");
        }
        for bad in
            ["0.0.0.0:9420", "[::]:9420", "10.0.0.1:9420", "[::ffff:10.0.0.1]:1", "localhost:1", "9420", ""]
        {
            assert!(loopback(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_line_is_read_and_nothing_else_is_taken_for_one() {
        assert_eq!(parse(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), Ok(("GET", "/metrics")));
        assert_eq!(parse(b"POST /health?now=1 HTTP/1.0\r\n\r\n"), Ok(("POST", "/health")));
        for bad in [
            &b""[..],
            b"\r\n\r\n",
            b"GET /metrics\r\n\r\n",
            b"GET  /metrics HTTP/1.1\r\n\r\n",
            b"get /metrics HTTP/1.1\r\n\r\n",
            b"GET metrics HTTP/1.1\r\n\r\n",
            b"GET /metrics HTTP/2\r\n\r\n",
            b"GET /metrics HTTP/1.1\n\n",
            b"GET /\xff HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00",
        ] {
            assert_eq!(parse(bad), Err(NoRequest), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    #[tokio::test]
    async fn health_is_what_the_core_says_and_silence_is_no_health() {
        let metrics = Metrics::new();
        let (core, mut asked) = mpsc::channel::<Asked>(1);
        let head = b"GET /health HTTP/1.1\r\n\r\n";
        for (health, status, body) in [
            (Health::Serving, "200 OK", "ok\n"),
            (Health::Syncing { held: 5, of: 9 }, "503 Service Unavailable", "syncing 5 of 9\n"),
        ] {
            let (answer, ()) = tokio::join!(answer(head, &metrics, &core), async {
                asked.recv().await.unwrap().send(health).unwrap();
            });
            assert_eq!((answer.status, answer.body.as_str()), (status, body));
        }
        tokio::time::pause(); // time passes as soon as nothing else can happen
        assert_eq!(answer(head, &metrics, &core).await.body, "starting or busy\n");
        drop(asked);
        assert_eq!(answer(head, &metrics, &core).await.body, "stopping\n");
    }
}
