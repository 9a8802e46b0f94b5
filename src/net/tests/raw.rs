//! Peers that speak TLS as they should and nothing else: what a client or server sees of them.

use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::*;

/// A client's end of a good TLS connection, for sending whatever bytes.
pub(super) async fn connect(member: &Member) -> client::TlsStream<TcpStream> {
    let tcp = TcpStream::connect(&member.address).await.unwrap();
    let config = identity(CLIENT).client_config(member.id).unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
}

/// A server's end of a good TLS connection.
pub(super) async fn accept(listener: &TcpListener) -> server::TlsStream<TcpStream> {
    let (tcp, _) = soon("a connection", listener.accept()).await.unwrap();
    let config = identity(SEED).server_config().unwrap();
    TlsAcceptor::from(Arc::new(config)).accept(tcp).await.unwrap()
}

/// Sends these bytes over TLS and hangs up; says how the connection ended.
pub(super) async fn sent(server: &mut Server, bytes: &[u8]) -> Option<String> {
    let mut client = connect(&server.member).await;
    let (conn, _, _outbox) = server.opened().await;
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let (closed, why) = server.closed().await;
    assert_eq!(closed, conn);
    why
}
