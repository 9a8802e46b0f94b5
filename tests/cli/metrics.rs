//! `tercet serve --metrics`: numbers that are true, and an endpoint that nothing said to it harms.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::people::{Chat, ON_ALL, cluster_with_people};
use crate::serving::Serving;
use crate::support::{TestCluster, wait_until};

const ANY: [&str; 2] = ["--metrics", "127.0.0.1:0"];

/// Where the server says that its metrics are.
fn address(server: &Serving) -> String {
    let line = server.says("metrics at http://");
    let (_, rest) = line.split_once("http://").unwrap();
    rest.strip_suffix("/metrics").unwrap().to_owned()
}

fn ask(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(address: &str, path: &str) -> String {
    ask(address, format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
}

/// The value of one series.
fn value(text: &str, series: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    assert!(line.is_some(), "no {series} in\n{text}");
    line.unwrap().parse().unwrap()
}

#[test]
fn the_numbers_agree_with_what_the_server_says_of_itself() {
    let cluster = cluster_with_people();
    let server = Serving::take_over(&cluster, "3", &ANY, &[]);
    let address = address(&server);
    let at_first = cluster.status("3")["position"].as_u64().unwrap();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    (0..7).for_each(|n| alice.say(&format!("message {n}")));
    assert_eq!(alice.finish().code, 0);
    assert_eq!(Chat::start(cluster.dir(), "bob", &ON_ALL).finish().code, 0);
    wait_until("all have left, and both peers are here", || {
        let connections = value(&get(&address, "/metrics"), "tercet_connections");
        let of_status = cluster.status("3")["connections"].as_u64().unwrap();
        connections == 2 && of_status == connections + 1 // who asks for the status counts, too
    });
    let answer = get(&address, "/metrics");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("# EOF\n"), "{answer}");
    let value = |series: &str| value(&answer, series);
    let position = cluster.status("3")["position"].as_u64().unwrap();
    assert!(position >= at_first + 7, "{position} after {at_first}");
    assert_eq!(value("tercet_durable_events"), position);
    assert_eq!(value("tercet_appended_events_total"), position - at_first);
    assert!(value("tercet_acked_events_total") >= 7, "{answer}");
    assert!(value("tercet_sync_seconds_count") > 0, "{answer}");
    assert!(value("tercet_event_bytes_total{way=\"uploaded\"}") > 0, "{answer}");
    assert!(value("tercet_event_bytes_total{way=\"written\"}") > 0, "{answer}");
    assert_eq!([value("tercet_peers"), value("tercet_lag_events"), value("tercet_staged_bytes")], [2, 0, 0]);
    assert_eq!(value("tercet_errors_total{kind=\"refused\"}"), 0);
    assert!(get(&address, "/health").ends_with("\r\n\r\nok\n"));
    // What goes wrong is counted.
    cluster.signal(&["2"], "kill");
    wait_until("the peer that went is counted", || {
        let text = get(&address, "/metrics");
        self::value(&text, "tercet_errors_total{kind=\"peer\"}") > 0
            && self::value(&text, "tercet_peers") == 1
    });
}

#[test]
fn garbage_gets_400_and_does_no_harm() {
    let cluster = TestCluster::up(1);
    let server = Serving::take_over(&cluster, "1", &ANY, &[]);
    let address = address(&server);
    let long = [b"GET /metrics HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 100_000]].concat();
    for (request, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\n"[..], "400 Bad Request"),
        (b"hello\r\n\r\n", "400 Bad Request"),
        (b"GET /metrics HTTP/9\r\n\r\n", "400 Bad Request"),
        (b"GET /metrics HTTP/1.1\r\n", "400 Bad Request"),
        (b"", "400 Bad Request"),
        (&long, "400 Bad Request"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
        (b"GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"GET /metrics HTTP/1.0\r\n\r\n", "200 OK"),
    ] {
        let answer = ask(&address, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{status}: {answer}");
    }
    // As many as may be at once hang about; whoever comes then waits for one of them to be sent away.
    let idle: Vec<_> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert!(get(&address, "/health").contains("200 OK"));
    drop(idle);
    assert_eq!(cluster.state("1"), "up");
    assert_eq!(server.terminate().0.code(), Some(0));
}

#[test]
fn only_this_machine_may_ask() {
    let cluster = TestCluster::up(1);
    cluster.run(&["cluster", "down"]).ok();
    let config = cluster.server("1").join("server.toml");
    let serve = |address| cluster.run(&["serve", "--config", config.to_str().unwrap(), "--metrics", address]);
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let ran = serve(address);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.err.contains(address) && ran.err.contains("not a loopback address"), "{ran:?}");
    }
    assert!(serve("9420").err.contains("such as 127.0.0.1:9420"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let err = serve(&taken.local_addr().unwrap().to_string()).failed();
    assert!(err.contains("for metrics") && err.contains("--metrics"), "{err}");
    assert!(!config.with_file_name("pid").exists());
}
