//! What the configuration files must refuse, and how they say so.

use ed25519_dalek::SigningKey;

use super::*;
use crate::id::Incarnation;

const SECRET: &str = "5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7";

fn cluster_text() -> String {
    let servers: String = (1..=2)
        .map(|n| {
            format!(
                "[[server]]\nname = \"{n}\"\naddress = \"127.0.0.1:{n}\"\nkey = \"{}\"\n",
                format!("0{n}").repeat(32)
            )
        })
        .collect();
    format!("cluster = \"{}\"\nepoch = 1\ntoken = \"{SECRET}\"\n{servers}", "aa".repeat(16))
}

#[test]
fn what_is_written_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cluster.toml");
    let file = ClusterFile::parse(&path, &cluster_text()).unwrap();
    file.write(&path).unwrap();
    let read = ClusterFile::load(&path).unwrap().unwrap();
    assert_eq!(read.view(), file.view());
    assert!(read.token().matches(file.token()));
}

fn admin() -> SigningKey {
    SigningKey::from_bytes(&[0xad; 32])
}

/// A cluster file with an administrator, of a view in which one server is sealed and one has left.
fn later() -> ClusterFile {
    let file = ClusterFile::parse(Path::new("/c/cluster.toml"), &cluster_text()).unwrap();
    let key = AdminKey::new(admin().verifying_key().to_bytes());
    let first = file.view().clone().with_admin(key).unwrap();
    let [one, two] = [0, 1].map(|index| first.servers()[index].id);
    let member = |n: u8| Member {
        name: n.to_string(),
        address: format!("127.0.0.1:{n}"),
        id: ServerId::new([n; 32]),
        sealed: false,
    };
    let grown = first.add(member(3)).unwrap().add(member(4)).unwrap();
    let sealed = grown.seal(one).unwrap().seal(two).unwrap();
    let life = Incarnation::new([5; 16]);
    let view = sealed.retire(one, Some((life, 7)), vec![(ServerId::new([3; 32]), life)]).unwrap();
    ClusterFile::new(view.sign(&admin()).unwrap().into_view(), file.token().clone())
}

#[test]
fn a_file_of_a_later_view_is_read_back_with_all_that_was_signed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cluster.toml");
    later().write(&path).unwrap();
    let read = ClusterFile::load(&path).unwrap().unwrap();
    assert_eq!((read.view(), read.view().signed()), (later().view(), later().view().signed()));
    assert!(read.view().signed().is_some() && read.view().retired().len() == 1);
}

#[test]
fn a_file_of_a_later_view_that_is_not_as_it_was_signed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cluster.toml");
    later().write(&path).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    let signature = good.lines().find(|line| line.starts_with("signature")).unwrap();
    let table = [
        ("an address", good.replace("127.0.0.1:4", "127.0.0.1:9")),
        ("a seal", good.replace("sealed = true\n", "")),
        ("an epoch", good.replace("epoch = 6", "epoch = 7")),
        ("who holds a log", good.replace("position = 7", "position = 6")),
        ("the signature", good.replace(&signature[..20], &format!("{}0", &signature[..19]))),
        ("no signature", good.replace(signature, "")),
    ];
    for (what, text) in table {
        assert_ne!(text, good, "{what}");
        let failure = ClusterFile::parse(&path, &text).unwrap_err();
        assert!(failure.what().contains("signed by the cluster's administrator"), "{what}: {failure}");
    }
}

#[test]
fn an_ill_formed_cluster_file_is_named_with_its_line_and_without_its_secret() {
    let good = cluster_text();
    let table: [(&str, String, &str); 9] = [
        ("a short token", good.replace(SECRET, &SECRET[2..]), "line 3"),
        ("no quotes", good.replace(&format!("\"{SECRET}\""), SECRET), "line 3"),
        ("an unknown field", good.replace("epoch", "color = 1\nepoch"), "line 2"),
        ("no token", good.replace("token", "# token"), "token"),
        ("a bad address", good.replace("127.0.0.1:2", "localhost"), "line 8"),
        ("a bad name", good.replace("name = \"2\"", "name = \"../2\""), "line 8"),
        ("two of a name", good.replace("name = \"2\"", "name = \"1\""), "same name"),
        ("a bad key", good.replace(&"02".repeat(32), "02"), "line 11"),
        ("no servers", good[..good.find("[[").unwrap()].to_owned(), "at least one"),
    ];
    for (what, text, expected) in table {
        let failure = ClusterFile::parse(Path::new("/c/cluster.toml"), &text).unwrap_err();
        assert!(failure.what().starts_with("/c/cluster.toml"), "{what}: {failure}");
        assert!(failure.what().contains(expected), "{what}: {failure}");
        assert!(!failure.what().contains(&SECRET[4..12]), "{what} shows the token: {failure}");
        assert!(failure.next_step().is_some(), "{what}");
    }
}

#[test]
fn addresses_have_a_host_and_a_port() {
    for address in ["localhost:1", "[::1]:65535", "chat.example.org:7000"] {
        assert!(split_address(address).is_ok(), "{address}");
    }
    for address in ["", "localhost", ":1", "localhost:0", "localhost:65536", "::1:7000", "a b:1", "h:+1x"] {
        assert!(split_address(address).is_err(), "{address}");
    }
}
