//! What one connection may do to itself, and not to the others.

use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::id::EventId;
use crate::limits::FRAME_MAX_BYTES;
use crate::net::listener::serve;
use crate::net::queue::QueueError;

#[tokio::test]
async fn what_is_no_tls_ends_its_own_connection_only() {
    let mut server = Server::start(Bounds::default()).await;
    let (conn, outbox, mut client) = server.let_in(CLIENT).await;
    for garbage in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0; 64], &[0x16, 3, 1, 0xff, 0xff, 1], b""] {
        let mut tcp = TcpStream::connect(&server.member.address).await.unwrap();
        tcp.write_all(garbage).await.unwrap();
        tcp.shutdown().await.unwrap();
        // It may be told so (a TLS alert) before it is hung up on.
        let _ = soon("hanging up", tcp.read_to_end(&mut Vec::new())).await;
    }
    client.writer.send(&ToServer::Ping, LONG).await.unwrap();
    assert_eq!(server.frame().await, (conn, ToServer::Ping));
    outbox.try_send(ToClient::Pong).unwrap();
    assert_eq!(client.reader.next(LONG).await.unwrap(), Some(ToClient::Pong));
    drop(client);
    server.closed().await;
    server.still_works().await;
}

#[tokio::test]
async fn what_is_no_frame_is_refused_by_name() {
    let mut server = Server::start(Bounds::default()).await;
    let long = u32::try_from(FRAME_MAX_BYTES).unwrap() + 1;
    let cases = [
        ("an over-long frame", long.to_be_bytes().to_vec(), long.to_string()),
        ("the longest length", vec![0xff; 4], u32::MAX.to_string()),
        ("garbage", vec![0, 0, 0, 2, 0xc1, 0xc1], "not a frame".to_owned()),
    ];
    for (what, bytes, expected) in cases {
        let mut client = raw::connect(&server.member).await;
        let (conn, _, _outbox) = server.opened().await;
        client.write_all(&bytes).await.unwrap();
        // The refusal must arrive although more keeps coming that the server will never look at.
        client.write_all(&[0; 100_000]).await.unwrap();
        let (mut reader, _) = crate::net::codec::split::<_, ToClient, ToServer>(client);
        match reader.next(LONG).await {
            Ok(Some(ToClient::Refused(Refusal::Protocol(why)))) => assert!(why.contains(&expected), "{why}"),
            other => panic!("{what}: {other:?}"),
        }
        assert!(matches!(reader.next(LONG).await, Ok(None)), "{what}: not closed in good order");
        drop(reader);
        let (closed, why) = server.closed().await;
        assert_eq!(closed, conn);
        assert!(why.unwrap().contains(&expected), "{what}");
    }
    server.still_works().await;
}

#[tokio::test]
async fn a_frame_that_is_cut_short_is_told_from_a_goodbye() {
    let mut server = Server::start(Bounds::default()).await;
    assert_eq!(raw::sent(&mut server, &[]).await, None);
    for cut in [&[0, 0][..], &[0, 0, 0, 9], &[0, 0, 0, 9, 0xa4, b'P']] {
        let why = raw::sent(&mut server, cut).await.expect("a reason");
        assert!(why.contains("inside a frame"), "{why}");
    }
    server.still_works().await;
}

#[tokio::test]
async fn a_frame_that_is_not_admitted_ends_its_connection_with_the_reason() {
    let mut server = Server::start(Bounds::default()).await;
    let (conn, _outbox, mut client) = server.let_in(CLIENT).await;
    client.writer.send(&ToServer::Status, LONG).await.unwrap();
    let refused = client.reader.next(LONG).await.unwrap();
    assert!(matches!(refused, Some(ToClient::Refused(Refusal::InvalidEvent(_)))), "{refused:?}");
    drop(client);
    assert_eq!(server.closed().await.0, conn);
    server.still_works().await;
}

#[tokio::test]
async fn the_cores_last_frame_gets_out_before_the_connection_ends() {
    let mut server = Server::start(Bounds::default()).await;
    let (conn, outbox, mut client) = server.let_in(CLIENT).await;
    outbox.try_send(ToClient::Refused(Refusal::Stopping)).unwrap();
    outbox.close();
    assert_eq!(outbox.try_send(ToClient::Pong), Err(QueueError::Closed));
    assert_eq!(client.reader.next(LONG).await.unwrap(), Some(ToClient::Refused(Refusal::Stopping)));
    assert_eq!(client.reader.next(LONG).await.unwrap(), None);
    drop(client);
    assert_eq!(server.closed().await, (conn, None));
    server.stop().await;
}

#[tokio::test]
async fn the_last_frame_gets_out_although_the_peer_keeps_sending_what_nobody_reads() {
    let mut server = Server::start(Bounds { close: LONG, ..Bounds::default() }).await;
    let (_, outbox, mut client) = server.let_in(CLIENT).await;
    // The core takes none of these, so that they are still unread when the connection ends.
    for _ in 0..100 {
        client.writer.send(&ToServer::Fetch { ids: vec![EventId::new([1; 32]); 256] }, LONG).await.unwrap();
    }
    (0..100).for_each(|_| outbox.try_send(large()).unwrap());
    outbox.try_send(ToClient::Refused(Refusal::TooSlow)).unwrap();
    outbox.close();
    for _ in 0..100 {
        assert_eq!(client.reader.next(LONG).await.unwrap(), Some(large()));
    }
    assert_eq!(client.reader.next(LONG).await.unwrap(), Some(ToClient::Refused(Refusal::TooSlow)));
}

#[tokio::test]
async fn stopping_hands_over_what_is_queued() {
    let mut server = Server::start(Bounds::default()).await;
    let (_, outbox, mut client) = server.let_in(CLIENT).await;
    outbox.try_send(ToClient::Refused(Refusal::Stopping)).unwrap();
    let reading = tokio::spawn(async move { client.reader.next(LONG).await.unwrap() });
    server.stop().await;
    assert_eq!(reading.await.unwrap(), Some(ToClient::Refused(Refusal::Stopping)));
}

fn large() -> ToClient {
    ToClient::Bodies(vec![ByteBuf::from(vec![7; 100_000])])
}

#[tokio::test]
async fn a_peer_that_never_reads_is_dropped_and_holds_nobody_up() {
    let bounds = Bounds { write_stall: Duration::from_secs(1), ..Bounds::default() };
    let mut server = Server::start(bounds).await;
    let (deaf_conn, deaf, _never_read) = server.let_in(2).await;
    let (conn, outbox, mut client) = server.let_in(CLIENT).await;
    // More than the operating system's buffers take (some megabytes on each side), less than the queue.
    (0..400).for_each(|_| deaf.try_send(large()).unwrap());
    // While that hangs, the other connection is served.
    client.writer.send(&ToServer::Ping, LONG).await.unwrap();
    assert_eq!(server.frame().await, (conn, ToServer::Ping));
    outbox.try_send(large()).unwrap();
    assert_eq!(client.reader.next(LONG).await.unwrap(), Some(large()));
    let (closed, why) = server.closed().await;
    assert_eq!(closed, deaf_conn);
    assert!(why.as_ref().is_some_and(|why| why.contains("took nothing")), "{why:?}");
    assert_eq!(deaf.try_send(ToClient::Pong), Err(QueueError::Closed));
}

#[tokio::test]
async fn a_peer_that_lets_its_queue_overflow_is_dropped() {
    let mut server = Server::start(Bounds { queue_frames: 8, ..Bounds::default() }).await;
    let (deaf_conn, deaf, _never_read) = server.let_in(2).await;
    while deaf.try_send(large()) != Err(QueueError::Full) {
        tokio::task::yield_now().await;
    }
    let (closed, why) = server.closed().await;
    assert_eq!(closed, deaf_conn);
    assert!(why.as_ref().is_some_and(|why| why.contains("unread")), "{why:?}");
    server.still_works().await;
}

#[tokio::test]
async fn a_silent_client_is_dropped_and_one_that_pings_is_not() {
    let bounds = Bounds { silence: Duration::from_millis(1500), ..Bounds::default() };
    let mut server = Server::start(bounds).await;
    let (talking, _talks, mut client) = server.let_in(CLIENT).await;
    let pinging = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        loop {
            ticks.tick().await;
            client.writer.send(&ToServer::Ping, LONG).await.unwrap();
        }
    });
    let (silent, _listens, _never_written) = loop_until_in(&mut server, talking).await;
    loop {
        match server.event().await {
            FromNet::Closed { conn, why } => {
                assert_eq!(conn, silent, "{why:?}");
                assert!(why.as_ref().is_some_and(|why| why.contains("nothing came")), "{why:?}");
                break;
            }
            FromNet::Frame { conn, .. } => assert_eq!(conn, talking),
            other => panic!("{other:?}"),
        }
    }
    assert!(!pinging.is_finished());
    pinging.abort();
}

/// Lets a second client in while the first one's frames keep coming.
async fn loop_until_in(server: &mut Server, talking: ConnId) -> (ConnId, Outbox, Dialled) {
    let member = server.member.clone();
    let dialling = tokio::spawn(async move { dial_as(2, &member).await });
    let mut second = None;
    while !dialling.is_finished() {
        let next = tokio::time::timeout(Duration::from_millis(100), server.inbound.recv()).await;
        match next {
            Ok(Some(FromNet::Opened { conn, outbox, .. })) => {
                outbox.try_send(welcome()).unwrap();
                second = Some((conn, outbox));
            }
            Ok(Some(FromNet::Frame { conn, .. })) if conn == talking => {}
            Ok(Some(FromNet::Frame { frame, .. })) => assert_eq!(frame, hello()),
            Ok(other) => panic!("{other:?}"),
            Err(_) => {}
        }
    }
    let (conn, outbox) = second.unwrap();
    (conn, outbox, dialling.await.unwrap().unwrap())
}

#[tokio::test]
async fn a_core_that_is_behind_slows_its_clients_down() {
    let mut server = Server::start(Bounds::default()).await;
    let (_, _outbox, mut client) = server.let_in(CLIENT).await;
    let upload = ToServer::Upload { events: vec![ByteBuf::from(vec![7; 500_000])] };
    // The core takes nothing, so that what it was sent stays in the client's hands sooner or later.
    let stalled = async {
        for sent in 0..400 {
            if client.writer.send(&upload, Duration::from_millis(500)).await.is_err() {
                return sent;
            }
        }
        400
    };
    let sent = soon("backpressure", stalled).await;
    assert!(sent < 400, "all 200 MB were taken though nobody wanted them");
    let mut taken = 0;
    while let Ok(FromNet::Frame { frame, .. }) = server.inbound.try_recv() {
        assert_eq!(frame, upload);
        taken += 1;
    }
    assert!(taken <= 17, "{taken} frames were waiting for a core with a queue of 16");
}

#[tokio::test]
async fn closed_doors_take_nobody_in_and_those_inside_go_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let member = member(&listener.local_addr().unwrap(), SEED);
    let (sender, inbound) = mpsc::channel(16);
    let (stop, stopped) = oneshot::channel::<()>();
    let doors = CancellationToken::new();
    let closing = doors.clone();
    let task = tokio::spawn(async move {
        let shutdown = async { drop(stopped.await) };
        serve(listener, &identity(SEED), admit, sender, closing, shutdown).await.unwrap();
    });
    let mut server = Server { member, inbound, stop, task };
    let (conn, outbox, mut client) = server.let_in(CLIENT).await;
    doors.cancel();
    let refused = async {
        while !matches!(TcpStream::connect(&server.member.address).await, Err(error)
            if error.kind() == std::io::ErrorKind::ConnectionRefused)
        {}
    };
    soon("a refusal by the operating system", refused).await;
    client.writer.send(&ToServer::Ping, LONG).await.unwrap();
    assert_eq!(server.frame().await, (conn, ToServer::Ping));
    outbox.try_send(ToClient::Pong).unwrap();
    assert_eq!(client.reader.next(LONG).await.unwrap(), Some(ToClient::Pong));
    server.stop().await;
}
