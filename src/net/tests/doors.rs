//! Who may come in, and how many at once.

use std::collections::VecDeque;
use std::io;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::*;
use crate::net::listener::Accept;

#[tokio::test]
async fn a_full_server_hangs_up_and_takes_the_next_when_there_is_room() {
    let mut server = Server::start(Bounds { connections: 1, ..Bounds::default() }).await;
    let (conn, _outbox, first) = server.let_in(CLIENT).await;
    let error = dial_as(2, &server.member).await.unwrap_err();
    assert!(matches!(error, DialError::Closed { .. }), "{error}");
    drop(first);
    assert_eq!(server.closed().await.0, conn);
    // The place is free a moment after `Closed`: whoever is early is hung up on and tries again.
    let member = server.member.clone();
    let dialling = tokio::spawn(async move {
        loop {
            match dial_as(CLIENT, &member).await {
                Err(DialError::Closed { .. }) => tokio::task::yield_now().await,
                other => return other.map(drop),
            }
        }
    });
    let (_, _, outbox) = server.opened().await;
    outbox.try_send(welcome()).unwrap();
    soon("a place", dialling).await.unwrap().unwrap();
}

#[tokio::test]
async fn idle_handshakes_give_way_to_those_behind_them() {
    let bounds = Bounds { handshakes: 1, handshake: Duration::from_secs(1), ..Bounds::default() };
    let mut server = Server::start(bounds).await;
    let (conn, _outbox, done) = server.let_in(2).await;
    let mut idle = TcpStream::connect(&server.member.address).await.unwrap();
    server.still_works().await;
    assert_eq!(soon("hanging up", idle.read(&mut [0; 16])).await.unwrap_or(0), 0);
    drop(done);
    assert_eq!(server.closed().await.0, conn, "a finished handshake still counted");
}

/// A listener whose operating system has run out of something for a while.
struct Failing(TcpListener, VecDeque<i32>);

impl Accept for Failing {
    async fn accept(&mut self) -> io::Result<TcpStream> {
        match self.1.pop_front() {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Accept::accept(&mut self.0).await,
        }
    }
}

#[tokio::test]
async fn running_out_of_files_is_reported_once_and_survived_without_spinning() {
    const EMFILE: i32 = 24;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let failing = Failing(listener, VecDeque::from([EMFILE; 3]));
    let (sender, mut inbound) = mpsc::channel(16);
    let started = std::time::Instant::now();
    let serving = tokio::spawn(async move {
        let never = std::future::pending();
        serve_within(Bounds::default(), failing, &identity(SEED), admit, sender, never).await.unwrap();
    });
    let dialling = tokio::spawn(async move { dial_as(CLIENT, &member(&address, SEED)).await.map(drop) });
    let mut reports = 0;
    let outbox = loop {
        match soon("an event", inbound.recv()).await.unwrap() {
            FromNet::AcceptFailed { why } => {
                assert!(why.contains("files"), "{why}");
                reports += 1;
            }
            FromNet::Opened { outbox, .. } => break outbox,
            other => panic!("{other:?}"),
        }
    };
    let paused = Duration::from_millis(3 * crate::limits::ACCEPT_PAUSE_MS);
    assert!(started.elapsed() >= paused, "it did not pause after each of three errors");
    assert_eq!(reports, 1);
    outbox.try_send(welcome()).unwrap();
    soon("the welcome", dialling).await.unwrap().unwrap();
    serving.abort();
}
