//! What the configuration files must refuse, and how they say so.

use super::*;

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
