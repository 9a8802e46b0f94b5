//! What a person, a file or a stranger on the port can do wrong, and what the chat and its servers say.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use serde_bytes::ByteBuf;
use tercet::clock::Time;
use tercet::cmd::config::ClusterFile;
use tercet::event::{Conversation, Draft, Kind, account_of};
use tercet::frame::{Refusal, Role, ToClient, ToServer};
use tercet::id::DeviceId;
use tercet::limits::{MESSAGE_MAX_BYTES, PROTOCOL_VERSION};
use tercet::net::ask::{AskError, Conn};
use tercet::net::tls::Identity;

use crate::people::{ALL, Chat, assert_valid, authored, cluster_with_people, entries, logs, second_machine};
use crate::support::{TestCluster, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

/// Replaces the `nth` value of a key in a file.
fn edit(file: &Path, key: &str, nth: usize, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let start = format!("{key} = ");
    let (at, line) = lines.iter().enumerate().filter(|(_, line)| line.starts_with(&start)).nth(nth).unwrap();
    let value = line[start.len()..].trim_matches('"');
    let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    changed[at] = format!("{start}\"{}\"", change(value));
    fs::write(file, changed.join("\n")).unwrap();
}

/// The same hexadecimal number but for its first digit.
fn other(hex: &str) -> String {
    let first = if hex.starts_with('0') { '1' } else { '0' };
    format!("{first}{}", &hex[1..])
}

#[test]
fn a_server_with_another_key_is_refused_and_sent_nothing() {
    let cluster = cluster_with_people();
    let machine = second_machine(&cluster, "alice");
    edit(&machine.path().join("cluster.toml"), "key", 1, other);
    let mut alice = Chat::with(machine.path(), "alice", "bob", &["--copies", "3", "--timeout", "1"]);
    alice
        .is_told("server 2 is down: refused to connect: the server's key is not the one in the cluster file");
    for line in ["     expected  ", "     presented ", "Nothing was sent", "Ask whoever runs the cluster"] {
        alice.is_told(line);
    }
    alice.say("not for strangers");
    let ran = alice.finish();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("not safe on 3 servers yet: not for strangers"), "{ran:?}");
    cluster.run(&["cluster", "down"]).ok();
    let report = cluster.run(&["verify", cluster.server("2").join("store").to_str().unwrap(), "--json"]);
    assert!(report.out.contains("\"events\": 2,"), "only the names are in that store: {}", report.out);
}

#[test]
fn a_wrong_invitation_says_what_is_wrong_with_it() {
    let cluster = cluster_with_people();
    for (key, says) in [
        ("token", "the server does not know this cluster token; ask for the cluster file again"),
        ("cluster", "the server belongs to another cluster"),
    ] {
        let machine = second_machine(&cluster, "alice");
        edit(&machine.path().join("cluster.toml"), key, 0, other);
        let ran = Chat::start(machine.path(), "alice", &["--timeout", "1"]).finish();
        assert_eq!(ran.code, 2, "{ran:?}");
        for name in ALL {
            assert!(ran.err.contains(&format!("-- server {name} is down: {says}")), "{ran:?}");
        }
    }
}

#[test]
fn a_name_that_is_taken_is_refused() {
    let cluster = cluster_with_people();
    let machine = second_machine(&cluster, "alice");
    fs::remove_dir_all(machine.path().join("people")).unwrap();
    let err = Chat::start(machine.path(), "alice", &[]).finish().failed();
    assert!(err.contains("this name belongs to somebody else"), "{err}");
    // Nothing of it stays behind in the cluster.
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn names_that_are_none_are_refused_inert() {
    let cluster = TestCluster::up(1);
    for name in ["", "a b", "\u{1b}[31mred", "al\u{202e}ice", "/dm", "#room", "..", &"n".repeat(41)] {
        let ran = cluster.run(&["chat", "--", name]);
        assert_eq!(ran.code, 3, "{name:?}: {ran:?}");
        assert!(ran.err.contains("name"), "{name:?}: {ran:?}");
        assert!(!ran.err.contains('\u{1b}') && !ran.err.contains('\u{202e}'), "{name:?}: {ran:?}");
    }
    assert!(!cluster.dir().join("people").exists());
}

#[test]
fn copies_that_cannot_be_had_are_refused() {
    let cluster = TestCluster::up(2);
    for copies in ["0", "3"] {
        let err = cluster.run(&["chat", "alice", "--copies", copies]).failed();
        assert!(err.contains("cannot be had on 2 servers") && err.contains("from 1 to 2"), "{err}");
    }
}

#[test]
fn messages_that_are_none_are_refused_and_the_others_arrive() {
    let cluster = cluster_with_people();
    let bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &[]);
    let longest = "é".repeat(MESSAGE_MAX_BYTES / 2);
    alice.say("");
    alice.say("   ");
    alice.say(&longest);
    bob.hears(&longest);
    alice.say(&format!("{longest}x"));
    alice.is_told("not sent: the message has 16385 bytes, the limit is 16384; send it in parts");
    alice.say(&"x".repeat(5_000_000));
    alice.is_told("not sent: a line of more than 65536 bytes; a message has at most 16384");
    alice.say_bytes(b"good \xff\xfe bad");
    alice.is_told("not sent: the line is not UTF-8 (its byte 6)");
    alice.say("/fly");
    alice.is_told("there is no command /fly; /help lists them");
    alice.say("after all that");
    bob.hears("alice: after all that");
    assert_eq!(alice.finish().code, 1, "a script that went wrong says so");
    bob.finish();
    assert_eq!(authored(&entries(cluster.dir(), "alice")).len(), 2);
}

#[test]
fn escape_sequences_arrive_inert() {
    let cluster = cluster_with_people();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &[]);
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\rbob: I owe you\u{202e}\u{8}\tend";
    alice.say(hostile);
    alice.hears("end");
    let sent = alice.finish();
    let bob = Chat::start(cluster.dir(), "bob", &[]);
    bob.hears("alice: ␛]0;owned␇␛[2J\\u{9b}31m␍bob: I owe you\\u{202e}␈␉end");
    for text in [sent.out, bob.finish().out] {
        let active = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!text.contains(active), "{text:?}");
    }
    // It is kept as it was said.
    assert_eq!(authored(&entries(cluster.dir(), "alice"))[0].2, hostile);
}

#[test]
fn a_second_chat_on_one_device_is_refused_and_the_first_goes_on() {
    let cluster = cluster_with_people();
    let mut first = Chat::with(cluster.dir(), "alice", "bob", &[]);
    let second = cluster.run(&["chat", "alice"]);
    assert_eq!(second.code, 3, "{second:?}");
    assert!(
        second.err.contains(&format!("already open in another chat (process {})", first.pid())),
        "{second:?}"
    );
    first.say("still me");
    first.hears("alice: still me");
    assert_eq!(first.finish().code, 0);
}

/// `tercet serve` with this configuration, until it ends.
fn serve(config: &Path) -> (i32, String) {
    let output = Command::new(assert_cmd::cargo::cargo_bin("tercet"))
        .args(["serve", "--config"])
        .arg(config)
        .output()
        .unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_second_server_on_a_store_or_a_port_is_refused() {
    let cluster = TestCluster::up(3);
    let config = cluster.server("1").join("server.toml");
    let (code, err) = serve(&config);
    assert_eq!(code, 3, "{err}");
    assert!(
        err.contains("cannot listen at") && err.contains("already in use") && err.contains("next: "),
        "{err}"
    );
    let second = config.with_file_name("second.toml");
    fs::copy(&config, &second).unwrap();
    edit(&second, "listen", 0, |_| "127.0.0.2:47117".to_owned());
    let (code, err) = serve(&second);
    assert_eq!(code, 3, "{err}");
    let expected = format!("already in use by another process (process {})", cluster.pid("1"));
    assert!(err.contains(&expected), "{err}");
    assert_eq!(cluster.state("1"), "up");
}

/// A stranger with a key of its own on a good TLS connection.
fn stranger(cluster: &TestCluster) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let file = ClusterFile::load(&cluster.dir().join("cluster.toml")).unwrap().unwrap();
    let member = &file.view().servers()[0];
    let identity = Identity::new(&SigningKey::from_bytes(&[7; 32])).unwrap();
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let tls =
        rustls::ClientConnection::new(Arc::new(identity.client_config(member.id).unwrap()), name).unwrap();
    rustls::StreamOwned::new(tls, plain(&member.address))
}

fn plain(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// A device of somebody whom nobody knows, connected to the first server, with the frame of its two posts.
async fn uploader(cluster: &TestCluster, person: u8) -> (Conn, Vec<ByteBuf>) {
    let file = ClusterFile::load(&cluster.dir().join("cluster.toml")).unwrap().unwrap();
    let key = SigningKey::from_bytes(&[person; 32]);
    let device = DeviceId::new([person; 16]);
    let hello = ToServer::Hello {
        version: PROTOCOL_VERSION,
        cluster: file.view().cluster(),
        view: file.view().id(),
        role: Role::Device { device, token: file.token().clone() },
    };
    let identity = Identity::new(&key).unwrap();
    let (conn, _) = Conn::open(&file.view().servers()[0], &identity, &hello, PATIENCE).await.unwrap();
    let account = account_of(&key);
    let post = |seq: u64| Draft {
        device,
        seq,
        parents: [].into(),
        time: Time::from_millis(seq),
        conversation: Conversation::direct(account, account),
        kind: Kind::Post,
        body: format!("post {seq}").into_bytes(),
    };
    let signed = |seq| ByteBuf::from(post(seq).sign(&key).unwrap().bytes());
    (conn, vec![signed(1), signed(2)])
}

#[test]
fn a_forged_event_ends_its_own_connection_and_others_of_the_moment_are_acked() {
    let cluster = TestCluster::up(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut forger, mut forged) = uploader(&cluster, 99).await;
        let last = forged[1].len() - 1 - "post 2".len() - 2; // the signature's last byte
        forged[1][last] ^= 1;
        let mut honest = Vec::new();
        for person in 1..=6 {
            honest.push(uploader(&cluster, person).await);
        }
        for (conn, events) in &mut honest[..3] {
            conn.send(&ToServer::Upload { events: events.clone() }, PATIENCE).await.unwrap();
        }
        forger.send(&ToServer::Upload { events: forged }, PATIENCE).await.unwrap();
        for (conn, events) in &mut honest[3..] {
            conn.send(&ToServer::Upload { events: events.clone() }, PATIENCE).await.unwrap();
        }
        let refused = forger.recv(PATIENCE).await;
        assert!(
            matches!(&refused, Err(AskError::Refused(Refusal::InvalidEvent(why))) if why.contains("its signature is not valid")),
            "{refused:?}"
        );
        for (conn, events) in &mut honest {
            let mut acked = 0;
            while acked < events.len() {
                match conn.recv(PATIENCE).await.unwrap() {
                    ToClient::Receipts(receipts) => acked += receipts.len(),
                    other => panic!("{other:?} is no receipt"),
                }
            }
        }
        let (conn, _) = &mut honest[0];
        conn.send(&ToServer::Status, PATIENCE).await.unwrap();
        let status = conn.recv(PATIENCE).await.unwrap();
        assert!(
            matches!(&status, ToClient::Status(status) if status.position == 12),
            "nothing of the forger's frame is in the log: {status:?}"
        );
    });
}

#[test]
fn garbage_on_the_port_ends_its_own_connection_only() {
    let cluster = cluster_with_people();
    let bob = Chat::with(cluster.dir(), "bob", "alice", &[]);
    let address = cluster.status("1")["address"].as_str().unwrap().to_owned();
    let garbage: Vec<u8> = (0..4_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for bytes in [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(), &garbage] {
        let mut stream = plain(&address);
        stream.write_all(bytes).unwrap();
        let _closed_or_reset = stream.read_to_end(&mut Vec::new());
    }
    for (bytes, expected) in [
        (&[0xff, 0xff, 0xff, 0xff, 0][..], "frame of 4294967295 bytes"),
        (b"GET / HTTP/1.1\r\n\r\n", "frame of 1195725856 bytes"),
        (&[0, 0, 0, 3, 0xc1, 0xc1, 0xc1], "not a frame of this protocol"),
    ] {
        let mut stream = stranger(&cluster);
        stream.write_all(bytes).and_then(|()| stream.flush()).unwrap();
        let _closed_or_reset = stream.read_to_end(&mut Vec::new());
        wait_until(&format!("server 1 speaks of a {expected}"), || {
            cluster.run(&["cluster", "logs", "1"]).ok().contains(expected)
        });
    }
    // A stranger who says nothing at all is not waited for.
    let _silent = (plain(&address), stranger(&cluster));
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--copies", "3"]);
    alice.say("business as usual");
    bob.hears("alice: business as usual");
    assert_eq!(alice.finish().code, 0);
    bob.finish();
    assert_eq!(cluster.state("1"), "up");
    assert_valid(&cluster.run(&["verify"]));
}

/// Thirty messages on all three servers, which are stopped then.
fn stopped_with_messages() -> TestCluster {
    let cluster = cluster_with_people();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--copies", "3"]);
    (0..30).for_each(|number| alice.say(&format!("kept {number}")));
    assert_eq!(alice.finish().code, 0);
    let bob = Chat::start(cluster.dir(), "bob", &[]).finish();
    assert_eq!(bob.code, 0, "{bob:?}");
    cluster.run(&["cluster", "down"]).ok();
    cluster
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Flipped,
    Truncated,
}

impl Damage {
    fn does(self, path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        match self {
            Self::Flipped => bytes[middle] ^= 1,
            Self::Truncated => bytes.truncate(middle),
        }
        fs::write(path, bytes).unwrap();
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn journal(store: &Path) -> PathBuf {
    let files = fs::read_dir(store.join("engine")).unwrap().map(|entry| entry.unwrap().path());
    let mut journals: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "jnl")).collect();
    journals.sort();
    journals.pop().unwrap()
}

#[test]
fn a_damaged_store_is_refused_alone_and_rebuilt_among_the_others() {
    let cluster = stopped_with_messages();
    let store = cluster.server("2").join("store");
    let whole = cluster.dir().join("whole");
    copy_folder(&store, &whole);
    for what in [Damage::Flipped, Damage::Truncated] {
        what.does(&journal(&store));
        let err = cluster.run(&["cluster", "start", "2"]).failed();
        assert!(err.contains("server 2 ended before it was ready (exit status: 3)"), "{what:?}: {err}");
        assert!(err.contains("is damaged: ") && err.contains("may be the last copy"), "{what:?}: {err}");
        let verify = cluster.run(&["verify"]);
        assert_eq!(verify.code, 2, "{what:?}: {verify:?}");
        assert!(verify.out.contains("is damaged"), "{what:?}: {verify:?}");
        fs::remove_dir_all(&store).unwrap();
        copy_folder(&whole, &store);
    }
    Damage::Flipped.does(&journal(&store));
    cluster.run(&["cluster", "up", "--detach"]).ok();
    assert!(cluster.server("2").join("store.damaged-1").exists());
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--copies", "3"]);
    alice.say("on all three");
    let ran = alice.finish();
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_damaged_or_lost_device_log_is_given_up_for_a_new_device() {
    let cluster = stopped_with_messages();
    cluster.run(&["cluster", "up", "--detach"]).ok();
    for what in [Damage::Flipped, Damage::Truncated] {
        let log =
            logs(cluster.dir(), "alice").into_iter().max_by_key(|log| log.metadata().unwrap().len()).unwrap();
        what.does(&log);
        let err = cluster.run(&["chat", "alice"]).failed();
        assert!(
            err.contains(log.to_str().unwrap()) && err.contains("is damaged at entry"),
            "{what:?}: {err}"
        );
        assert!(err.contains("tercet chat alice --new-device"), "{what:?}: {err}");
        let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--new-device", "--copies", "3"]);
        alice.hears("alice: kept 29");
        alice.say(&format!("after it was {what:?}"));
        let ran = alice.finish();
        assert_eq!(ran.code, 0, "{ran:?}");
        let verify = cluster.run(&["verify"]);
        assert_eq!(verify.code, 2, "nobody can say what was in it: {verify:?}");
        fs::remove_file(&log).unwrap();
    }
    let devices = || fs::read_dir(cluster.dir().join("people/alice/devices")).unwrap().count();
    let before = devices();
    logs(cluster.dir(), "alice").iter().for_each(|log| fs::remove_file(log).unwrap());
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--copies", "3"]);
    alice.say("after it was lost");
    assert_eq!(alice.finish().code, 0);
    assert_eq!(devices(), before + 1, "numbers of a lost log must not be given again");
    let bob = Chat::start(cluster.dir(), "bob", &[]).finish();
    for what in ["Flipped", "Truncated", "lost"] {
        assert!(bob.out.contains(&format!("alice: after it was {what}")), "{bob:?}");
    }
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn a_device_log_from_a_backup_is_not_gone_on_with() {
    let cluster = cluster_with_people();
    let devices = cluster.dir().join("people/alice/devices");
    let backup = cluster.dir().join("backup");
    copy_folder(&devices, &backup);
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--copies", "3"]);
    alice.say("after the backup");
    assert_eq!(alice.finish().code, 0);
    fs::remove_dir_all(&devices).unwrap();
    copy_folder(&backup, &devices);
    let err = Chat::start(cluster.dir(), "alice", &[]).finish().failed();
    assert!(err.contains("restored from a backup") && err.contains("--new-device"), "{err}");
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--new-device", "--copies", "3"]);
    alice.hears("alice: after the backup");
    alice.say("on a new device");
    assert_eq!(alice.finish().code, 0);
    Chat::start(cluster.dir(), "bob", &[]).hears("alice: on a new device");
}

#[test]
fn verify_names_what_it_cannot_read() {
    let cluster = TestCluster::empty();
    let err = cluster.run(&["verify", "/nonexistent/store"]).failed();
    assert!(err.contains("there is no /nonexistent/store"), "{err}");
    assert!(cluster.run(&["verify"]).failed().contains("there is no cluster in"));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "not a log").unwrap();
    let ran = cluster.run(&["verify", file.path().to_str().unwrap()]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.out.contains("does not start like a tercet log"), "{ran:?}");
}

#[test]
fn verify_refuses_stores_that_are_not_what_was_acked() {
    let cluster = stopped_with_messages();
    assert_valid(&cluster.run(&["verify"]));
    let store = cluster.server("2").join("store");
    let whole = cluster.dir().join("whole");
    fs::rename(&store, &whole).unwrap();

    let gone = cluster.run(&["verify"]);
    assert_eq!(gone.code, 2, "{gone:?}");
    assert!(gone.out.contains("server 2 has no store yet"), "{gone:?}");
    assert!(gone.out.contains("the log of server 2 was not read: "), "{gone:?}");

    let foreign = stopped_with_messages();
    copy_folder(&foreign.server("2").join("store"), &store);
    let ran = cluster.run(&["verify"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("server 2"), "{ran:?}");
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&whole, &store).unwrap();

    // A copy from before the last messages: right in itself, but not what was acked.
    copy_folder(&store, &whole);
    cluster.run(&["cluster", "up", "--detach"]).ok();
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--copies", "3"]);
    alice.say("after the copy");
    assert_eq!(alice.finish().code, 0);
    Chat::start(cluster.dir(), "bob", &[]).finish();
    assert_valid(&cluster.run(&["verify"]));
    cluster.run(&["cluster", "down"]).ok();
    fs::remove_dir_all(&store).unwrap();
    copy_folder(&whole, &store);
    let rolled_back = cluster.run(&["verify"]);
    assert_eq!(rolled_back.code, 1, "{rolled_back:?}");
    assert!(rolled_back.out.contains("verdict: violation"), "{rolled_back:?}");
    assert!(rolled_back.out.contains("server 2"), "{rolled_back:?}");
}

/// Runs server 3 under this script until its disk is full; says how it ended and what it wrote to
/// standard error.
fn fill(cluster: &TestCluster, script: &str) -> (i32, String) {
    let mut server = Command::new("unshare")
        .args(["-rm", "sh", "-c", script, "sh"])
        .arg(assert_cmd::cargo::cargo_bin("tercet"))
        .arg(cluster.server("3"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    cluster.wait_for_state("3", "up");
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &[]);
    let mut said = 0;
    wait_until("the disk is full", || {
        (0..20).for_each(|_| alice.say(&"x".repeat(16_000)));
        said += 20;
        server.try_wait().unwrap().is_some()
    });
    alice.say("the last");
    alice.hears("alice: the last");
    assert_eq!(alice.finish().code, 0, "two servers have everything");
    let mut err = String::new();
    server.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (server.wait().unwrap().code().unwrap_or(-1), err)
}

#[test]
fn a_server_whose_disk_is_full_stops_and_has_acked_nothing_that_it_does_not_hold() {
    let can_mount = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).status();
    if !can_mount.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no tmpfs can be mounted here");
        return;
    }
    let cluster = cluster_with_people();
    cluster.signal(&["3"], "term");
    cluster.wait_for_state("3", "stopped");
    let config = cluster.server("3").join("server.toml");
    fs::create_dir(cluster.server("3").join("small")).unwrap();
    edit(&config, "store", 0, |_| "small/store".to_owned());
    // The disk goes with the process that mounted it; what was on it is kept for verify.
    let (code, err) = fill(
        &cluster,
        r#"mount -t tmpfs -o size=4m none "$2/small" && cp -r "$2/store" "$2/small/store" && rm -r "$2/store"
           "$1" serve --config "$2/server.toml"; code=$?
           cp -r "$2/small/store" "$2/store"; exit $code"#,
    );
    assert_eq!(code, 3, "{err}");
    assert!(
        err.contains("no space left for the store") && err.contains("nothing unsynced was acked"),
        "{err}"
    );
    edit(&config, "store", 0, |_| "store".to_owned());
    Chat::start(cluster.dir(), "bob", &[]).finish();
    let before = cluster.run(&["verify"]);
    assert_ne!(before.code, 1, "{before:?}");
    cluster.start("3");
    assert_eq!(Chat::start(cluster.dir(), "alice", &["--copies", "3"]).finish().code, 0);
    assert_valid(&cluster.run(&["verify"]));
}
