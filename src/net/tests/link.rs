//! A link through its server's life.

use tokio::time::Instant;

use super::*;
use crate::limits::{REFUSED_AGAIN_MS, SILENCE_MS};
use crate::net::codec::{self, Reader, Writer};
use crate::net::link::{Down, LinkEvent, LinkHandle, spawn_link};
use crate::net::queue::LinkQueue;

struct Client {
    events: mpsc::Receiver<LinkEvent>,
    handle: LinkHandle,
}

impl Client {
    fn of(member: Member) -> Self {
        let (sender, events) = mpsc::channel(16);
        Self { events, handle: spawn_link(member, shared(CLIENT), hello(), sender) }
    }

    async fn event(&mut self) -> LinkEvent {
        soon("an event of the link", self.events.recv()).await.expect("the link goes on")
    }

    async fn up(&mut self) -> LinkQueue {
        match self.event().await {
            LinkEvent::Up { server, welcome, queue } => {
                assert_eq!((server, welcome.position), (id(SEED), 7));
                queue
            }
            other => panic!("{other:?}"),
        }
    }

    async fn down(&mut self) -> Down {
        match self.event().await {
            LinkEvent::Down { server, why } => {
                assert_eq!(server, id(SEED));
                why
            }
            other => panic!("{other:?}"),
        }
    }
}

type Wire = (
    Reader<tokio_rustls::server::TlsStream<tokio::net::TcpStream>, ToServer>,
    Writer<tokio_rustls::server::TlsStream<tokio::net::TcpStream>, ToClient>,
);

/// A server that a test plays by hand.
struct Puppet {
    listener: TcpListener,
}

impl Puppet {
    async fn start() -> (Self, Member) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let member = member(&listener.local_addr().unwrap(), SEED);
        (Self { listener }, member)
    }

    /// The next connection, its hello read and answered.
    async fn answer(&self, answer: &ToClient) -> Wire {
        let (mut reader, mut writer) = codec::split(raw::accept(&self.listener).await);
        assert_eq!(reader.next(LONG).await.unwrap(), Some(hello()));
        writer.send(answer, LONG).await.unwrap();
        (reader, writer)
    }
}

#[tokio::test]
async fn a_link_carries_frames_both_ways_and_keeps_itself_alive() {
    let (puppet, member) = Puppet::start().await;
    let mut client = Client::of(member);
    let (mut reader, mut writer) = puppet.answer(&welcome()).await;
    let queue = client.up().await;
    queue.try_send(ToServer::Status).unwrap();
    assert_eq!(reader.next(LONG).await.unwrap(), Some(ToServer::Status));
    let up = Instant::now();
    // Pings and nothing else, answered, for longer than a silent server is borne.
    while up.elapsed() < Duration::from_millis(SILENCE_MS + 500) {
        assert_eq!(reader.next(LONG).await.unwrap(), Some(ToServer::Ping));
        writer.send(&ToClient::Pong, LONG).await.unwrap();
        let event = client.event().await;
        assert!(matches!(event, LinkEvent::Frame { frame: ToClient::Pong, .. }), "{event:?}");
    }
}

#[tokio::test]
async fn a_hung_server_is_found_within_three_seconds() {
    let (puppet, member) = Puppet::start().await;
    let mut client = Client::of(member);
    let _wire = puppet.answer(&welcome()).await;
    let _queue = client.up().await;
    let up = Instant::now();
    assert_eq!(client.down().await, Down::Hung);
    assert!(up.elapsed() < Duration::from_secs(3), "found after {:?}", up.elapsed());
    assert!(up.elapsed() > Duration::from_secs(2), "given up too early, after {:?}", up.elapsed());
}

#[tokio::test]
async fn a_link_is_up_again_when_its_server_is_back() {
    let mut server = Server::start(Bounds::default()).await;
    let member = server.member.clone();
    let mut client = Client::of(member.clone());
    let (_, _, outbox) = server.opened().await;
    outbox.try_send(welcome()).unwrap();
    let queue = client.up().await;
    server.stop().await;
    assert_eq!(client.down().await, Down::Closed);
    assert!(queue.try_send(ToServer::Ping).is_err(), "the queue of a lost connection takes frames");
    let why = client.down().await;
    assert!(matches!(&why, Down::Unreachable(text) if text.contains(&member.address)), "{why:?}");
    // The same port, which the link's own attempts must not have taken.
    let mut server = Server::start_at(Bounds::default(), &member.address).await;
    let (_, key, outbox) = server.opened().await;
    assert_eq!(key, identity(CLIENT).public_key());
    outbox.try_send(welcome()).unwrap();
    client.up().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_reported_once() {
    let (puppet, member) = Puppet::start().await;
    drop(puppet);
    let mut client = Client::of(member.clone());
    assert!(matches!(client.down().await, Down::Unreachable(_)));
    // Between this and the next event lie several attempts.
    let again = tokio::time::timeout(Duration::from_millis(600), client.events.recv()).await;
    assert!(again.is_err(), "{again:?}");
    let puppet = Puppet { listener: TcpListener::bind(&member.address).await.unwrap() };
    let _wire = puppet.answer(&welcome()).await;
    client.up().await;
}

#[tokio::test]
async fn a_refused_hello_is_reported_and_tried_again_slowly_unless_told_otherwise() {
    let (puppet, member) = Puppet::start().await;
    let mut client = Client::of(member);
    drop(puppet.answer(&ToClient::Refused(Refusal::Token)).await);
    assert_eq!(client.down().await, Down::Refused(Refusal::Token));
    let refused = Instant::now();
    drop(puppet.answer(&ToClient::Refused(Refusal::Token)).await);
    assert!(refused.elapsed() >= Duration::from_millis(REFUSED_AGAIN_MS / 3), "dialled again at once");
    let refused = Instant::now();
    client.handle.redial_now();
    let _wire = puppet.answer(&welcome()).await;
    assert!(refused.elapsed() < Duration::from_millis(REFUSED_AGAIN_MS / 2), "it waited all the same");
    client.up().await;
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_a_conversation_is_reported() {
    let (puppet, member) = Puppet::start().await;
    let mut client = Client::of(member);
    let (_reader, mut writer) = puppet.answer(&welcome()).await;
    let _queue = client.up().await;
    writer.send(&ToClient::Refused(Refusal::Stopping), LONG).await.unwrap();
    assert_eq!(client.down().await, Down::Refused(Refusal::Stopping));
}

#[tokio::test]
async fn dropping_the_queue_ends_the_connection_after_what_was_queued_and_it_is_dialled_anew() {
    let (puppet, member) = Puppet::start().await;
    let mut client = Client::of(member);
    let (mut reader, writer) = puppet.answer(&welcome()).await;
    let queue = client.up().await;
    queue.try_send(ToServer::Status).unwrap();
    drop(queue);
    assert_eq!(reader.next(LONG).await.unwrap(), Some(ToServer::Status));
    assert_eq!(reader.next(LONG).await.unwrap(), None);
    drop((reader, writer));
    assert_eq!(client.down().await, Down::Closed);
    let _wire = puppet.answer(&welcome()).await;
    client.up().await;
}

#[tokio::test]
async fn somebody_else_at_the_address_is_reported_with_both_keys() {
    let server = Server::start(Bounds::default()).await;
    let (sender, mut events) = mpsc::channel(16);
    let mistaken = Member { id: id(2), ..server.member.clone() };
    let _handle = spawn_link(mistaken, shared(CLIENT), hello(), sender);
    match soon("an event", events.recv()).await.unwrap() {
        LinkEvent::Down { server, why } => {
            assert_eq!(server, id(2));
            assert_eq!(why, Down::WrongKey { expected: id(2), presented: id(SEED) });
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_sends_garbage_is_reported() {
    use tokio::io::AsyncWriteExt;
    let (puppet, member) = Puppet::start().await;
    let mut client = Client::of(member);
    let mut stream = raw::accept(&puppet.listener).await;
    stream.write_all(&[0xff; 64]).await.unwrap();
    stream.flush().await.unwrap();
    let why = client.down().await;
    assert!(matches!(&why, Down::Protocol(text) if text.contains("4294967295")), "{why:?}");
}

#[tokio::test]
async fn a_link_ends_with_its_handle() {
    let (puppet, member) = Puppet::start().await;
    let mut client = Client::of(member);
    let (mut reader, _writer) = puppet.answer(&welcome()).await;
    let _queue = client.up().await;
    client.handle.close().await;
    assert!(soon("the end", client.events.recv()).await.is_none());
    assert!(!matches!(reader.next(LONG).await, Ok(Some(_))), "the connection goes on");
}

#[tokio::test]
async fn a_link_that_is_closed_says_goodbye_and_whoever_is_cut_off_does_not() {
    let mut server = Server::start(Bounds::default()).await;
    let mut client = Client::of(server.member.clone());
    let (conn, _, outbox) = server.opened().await;
    assert_eq!(server.frame().await, (conn, hello()));
    outbox.try_send(welcome()).unwrap();
    let queue = client.up().await;
    queue.try_send(ToServer::Ping).unwrap();
    client.handle.close().await;
    assert_eq!(server.frame().await, (conn, ToServer::Ping), "what was queued goes before it");
    assert_eq!(server.closed().await, (conn, None));
    let (conn, _outbox, client) = server.let_in(CLIENT).await;
    drop(client);
    let (closed, why) = server.closed().await;
    assert!(closed == conn && why.is_some_and(|why| why.contains("without a goodbye")));
}

#[tokio::test]
async fn closing_a_link_to_a_server_that_hangs_takes_a_bounded_time() {
    let (puppet, member) = Puppet::start().await;
    let mut client = Client::of(member);
    let _wire = puppet.answer(&welcome()).await;
    let _queue = client.up().await;
    soon("the end of the link", client.handle.close()).await;
    // Nor does one that is still being dialled wait for its server.
    let (_puppet, member) = Puppet::start().await;
    soon("the end of the link", Client::of(member).handle.close()).await;
}
