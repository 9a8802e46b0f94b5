//! Who gets through the handshake, and what the other one is told.

use rustls::ClientConfig;
use rustls::version::TLS13;
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsConnector;

use super::*;
use crate::net::ask::{AskError, Conn};

#[tokio::test]
async fn both_sides_know_whom_they_talk_to() {
    let mut server = Server::start(Bounds::default()).await;
    let (_, outbox, client) = server.let_in(CLIENT).await;
    assert_eq!(client.welcome.position, 7);
    assert_eq!(client.welcome.incarnation, Incarnation::new([5; 16]));
    drop(outbox);
    server.stop().await;
}

#[tokio::test]
async fn a_server_with_another_key_is_refused_and_both_keys_are_named() {
    let mut server = Server::start(Bounds::default()).await;
    let mistaken = Member { id: id(2), ..server.member.clone() };
    let error = dial_as(CLIENT, &mistaken).await.unwrap_err();
    assert_eq!(error, DialError::WrongKey { expected: id(2), presented: id(SEED) });
    let shown = error.to_string();
    for part in [&id(2).to_string(), &id(SEED).to_string(), "Nothing was sent", "new cluster file"] {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
    // The server saw nobody: the next it hears of is the client that knows its key.
    server.still_works().await;
}

/// A client's TLS as tercet makes it, but for the client's key, of which there is none.
fn keyless() -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(identity(CLIENT).server_verifier(id(SEED)))
        .with_no_client_auth();
    config.alpn_protocols = identity(CLIENT).client_config(id(SEED)).unwrap().alpn_protocols;
    config
}

#[tokio::test]
async fn a_client_without_a_key_is_refused() {
    let mut server = Server::start(Bounds::default()).await;
    let tcp = tokio::net::TcpStream::connect(&server.member.address).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let refused = match TlsConnector::from(Arc::new(keyless())).connect(name, tcp).await {
        Err(_) => true,
        // The client's half of the handshake ends before the server has judged it.
        Ok(mut stream) => soon("a refusal", stream.read(&mut [0; 16])).await.is_err(),
    };
    assert!(refused, "the server went on with a client that has no key");
    server.still_works().await;
}

#[tokio::test]
async fn a_client_that_claims_a_key_it_does_not_hold_is_refused() {
    let mut server = Server::start(Bounds::default()).await;
    let key = SigningKey::from_bytes(&[4; 32]);
    let impostor = Identity::impostor(&key, identity(CLIENT).public_key()).unwrap();
    let error = dial(&server.member, &impostor, &hello(), LONG).await.unwrap_err();
    assert!(matches!(error, DialError::Protocol { .. } | DialError::Closed { .. }), "{error}");
    server.still_works().await;
}

#[tokio::test]
async fn a_server_that_shows_the_right_key_but_does_not_hold_it_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let impostor =
        Identity::impostor(&SigningKey::from_bytes(&[4; 32]), identity(SEED).public_key()).unwrap();
    let answering = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(impostor.server_config().unwrap()));
        acceptor.accept(tcp).await.map(drop)
    });
    let error = dial_as(CLIENT, &member(&address, SEED)).await.unwrap_err();
    assert!(matches!(&error, DialError::Protocol { why, .. } if why.contains("BadSignature")), "{error}");
    assert!(answering.await.unwrap().is_err(), "the impostor got through");
}

#[tokio::test]
async fn somebody_who_is_no_tercet_server_is_named_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut tcp, _) = listener.accept().await.unwrap();
        let _ = tcp.read(&mut [0; 1024]).await;
        let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        tcp
    });
    let error = dial_as(CLIENT, &member(&address, SEED)).await.unwrap_err();
    assert!(
        matches!(&error, DialError::Protocol { address: at, .. } if *at == address.to_string()),
        "{error}"
    );
    answering.await.unwrap();
}

#[tokio::test]
async fn nobody_there_and_nobody_answering_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = member(&listener.local_addr().unwrap(), SEED);
    let limit = Duration::from_millis(200);
    let error = dial(&silent, &identity(CLIENT), &hello(), limit).await.unwrap_err();
    assert!(matches!(error, DialError::Silent { .. }), "{error}");
    drop(listener);
    let error = dial_as(CLIENT, &silent).await.unwrap_err();
    assert!(matches!(error, DialError::Unreachable { .. }), "{error}");
    let error = dial_as(CLIENT, &member(&"no port", SEED)).await.unwrap_err();
    assert!(error.to_string().contains("no port"), "{error}");
}

#[tokio::test]
async fn a_tool_asks_and_is_answered_and_told_why_if_not() {
    let mut server = Server::start(Bounds::default()).await;
    let member = server.member.clone();
    let asking = tokio::spawn(async move {
        let (mut conn, welcome) = Conn::open(&member, &identity(CLIENT), &hello(), LONG).await.unwrap();
        conn.send(&ToServer::Ping, LONG).await.unwrap();
        let pong = conn.recv(LONG).await;
        conn.send(&ToServer::Status, LONG).await.unwrap();
        (welcome, pong, conn.recv(LONG).await, conn.recv(LONG).await)
    });
    let (_, _, outbox) = server.opened().await;
    server.frame().await;
    outbox.try_send(welcome()).unwrap();
    assert_eq!(server.frame().await.1, ToServer::Ping);
    outbox.try_send(ToClient::Pong).unwrap();
    let (welcome, pong, refused, after) = soon("the answers", asking).await.unwrap();
    assert_eq!(welcome.time_ms, 42);
    assert_eq!(pong, Ok(ToClient::Pong));
    assert!(matches!(refused, Err(AskError::Refused(Refusal::InvalidEvent(_)))), "{refused:?}");
    assert!(matches!(after, Err(AskError::Closed { .. })), "{after:?}");
}

#[tokio::test]
async fn a_tool_does_not_wait_longer_than_it_wants_to() {
    let mut server = Server::start(Bounds::default()).await;
    let member = server.member.clone();
    let asking = tokio::spawn(async move {
        let (mut conn, _) = Conn::open(&member, &identity(CLIENT), &hello(), LONG).await.unwrap();
        conn.recv(Duration::from_millis(50)).await
    });
    let (_, _, outbox) = server.opened().await;
    outbox.try_send(welcome()).unwrap();
    let error = soon("the end of the wait", asking).await.unwrap().unwrap_err();
    assert!(matches!(error, AskError::Silent { .. }), "{error}");
}
