//! Accounts: names that change or are taken twice, keys that move between machines, accounts that end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use portable_pty::CommandBuilder;
use serde_json::Value;

use crate::people::{ALL, Chat, ON_ALL, assert_valid, cluster_with_people, logs};
use crate::support::{Ran, TestCluster, command, run, wait_or_explain};
use crate::terminal::Terminal;

const SIZE: (u16, u16) = (100, 30);

/// A machine that was only invited: the cluster's file and nobody.
fn invited_machine(cluster: &TestCluster) -> tempfile::TempDir {
    let machine = tempfile::tempdir().unwrap();
    fs::copy(cluster.dir().join("cluster.toml"), machine.path().join("cluster.toml")).unwrap();
    machine
}

fn on(dir: &Path, args: &[&str]) -> Ran {
    run(command(dir).args(args))
}

fn on_terminal(dir: &Path, args: &[&str]) -> Terminal {
    let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin("tercet"));
    command.args(args);
    command.env("TERCET_DIR", dir);
    command.env("XDG_CONFIG_HOME", dir);
    command.env("TERM", "xterm-256color");
    Terminal::start(command, SIZE)
}

fn show(dir: &Path, name: &str) -> Value {
    serde_json::from_str(&on(dir, &["account", "show", name, "--json"]).ok()).unwrap()
}

fn secret(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("passphrase");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Waits until every server holds equally many events.
fn healed(cluster: &TestCluster) {
    let positions = || ALL.map(|name| cluster.status(name)["position"].as_u64());
    wait_or_explain(
        || positions().iter().all(|position| position.is_some() && *position == positions()[0]),
        || format!("the servers hold the same: {:?}", positions()),
    );
}

#[test]
fn who_takes_another_name_is_called_so_everywhere_and_found_by_the_old_one() {
    let cluster = cluster_with_people();
    let mut bob = Chat::with(cluster.dir(), "bob", "alice", &ON_ALL);
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    alice.say("as alice");
    bob.hears("alice: as alice");
    alice.say("/rename anna");
    alice.is_told("-- you are called anna now");
    bob.is_told("-- alice is called anna now");
    alice.say("as anna");
    bob.hears("anna: as anna");
    bob.say("/history");
    bob.hears("~2");
    assert_eq!(
        bob.heard_from("anna"),
        ["as anna", "as alice", "as anna"],
        "the history has the present name"
    );
    bob.say("/dm alice");
    bob.is_told("talking to anna");
    for chat in [alice, bob] {
        assert_eq!(chat.finish().code, 0);
    }
    assert!(
        cluster.dir().join("people/anna/account.key").exists()
            && !cluster.dir().join("people/alice").exists()
    );
    for me in ["anna", "alice"] {
        let ran = cluster.run(&["send", "bob", "later", "--as", me]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.err.contains("-- alice is called anna now"), me == "alice", "{ran:?}");
    }
    let ran = Chat::start(cluster.dir(), "alice", &ON_ALL).finish();
    assert!(ran.code == 0 && ran.err.contains("-- alice is called anna now"), "{ran:?}");
    let stranger = invited_machine(&cluster);
    let err = Chat::start(stranger.path(), "alice", &[]).finish().failed();
    assert!(err.contains("belongs to somebody else"), "the old name is not free: {err}");
    assert_eq!(Chat::start(cluster.dir(), "bob", &ON_ALL).finish().code, 0);
    let ran = cluster.run(&["verify"]);
    assert_valid(&ran);
    assert!(ran.out.contains("anna, bob"), "{}", ran.out);
}

#[test]
fn account_rename_refuses_names_that_cannot_be_had_and_says_why() {
    let cluster = cluster_with_people();
    for (new, why) in [
        ("bob", "the name bob belongs to somebody else"),
        ("alice", "you are called alice"),
        ("?1a2b3c4d", "starts with '?'"),
    ] {
        let err = cluster.run(&["account", "rename", new, "--as", "alice"]).failed();
        assert!(err.contains(why), "{new}: {err}");
    }
    let err = cluster.run(&["account", "rename", "dora", "--as", "carol"]).failed();
    assert!(err.contains("there is no account carol on this machine"), "{err}");
    let err = cluster.run(&["chat", "?1a2b3c4d"]).failed();
    assert!(err.contains("starts with '?'"), "{err}");
    let ran = cluster.run(&["account", "rename", "anna", "--as", "alice", "--copies", "3"]);
    assert!(ran.code == 0 && ran.err.contains("alice is called anna now"), "{ran:?}");
    assert!(cluster.dir().join("people/anna/former").exists());
    cluster.signal(&ALL, "kill");
    let err = cluster.run(&["account", "rename", "ann", "--as", "anna", "--wait", "1"]).failed();
    assert!(err.contains("no server answered; nothing was written"), "{err}");
}

/// Two people called carol, each with a server of their own, the first before the second. Then all servers are there.
fn two_carols(cluster: &TestCluster) -> (tempfile::TempDir, tempfile::TempDir) {
    let (one, other) = (invited_machine(cluster), invited_machine(cluster));
    cluster.signal(&["2", "3"], "kill");
    let ran = Chat::start(one.path(), "carol", &["--copies", "1"]).finish();
    assert_eq!(ran.code, 0, "{ran:?}");
    cluster.signal(&["1"], "kill");
    cluster.start("3");
    let ran = Chat::start(other.path(), "carol", &["--copies", "1"]).finish();
    assert_eq!(ran.code, 0, "{ran:?}");
    (one, other)
}

#[test]
fn of_two_who_took_one_name_apart_the_later_is_told_and_takes_another() {
    let cluster = cluster_with_people();
    let (one, other) = two_carols(&cluster);
    let mut loser = Chat::with(other.path(), "carol", "bob", &["--copies", "1"]);
    loser.say("I am carol");
    loser.hears("carol: I am carol  1/3");
    let bob = Chat::start(cluster.dir(), "bob", &["--copies", "1"]);
    bob.hears("carol: I am carol");
    cluster.start("1");
    cluster.start("2");
    let told = loser.is_told("-- this name belongs to somebody else");
    assert!(told.contains("/rename NEW"), "{told}");
    loser.say("still carol?");
    loser.is_told("not sent: this name belongs to somebody else; /rename NEW takes another");
    loser.say("/whoami");
    let key = show(other.path(), "carol")["key"].as_str().unwrap().to_owned();
    loser.hears(&key);
    loser.say("/rename bob");
    loser.is_told("the name bob belongs to somebody else");
    assert_eq!(loser.finish().code, 1, "three lines could not be carried out");

    // Others cannot take the one for the other.
    healed(&cluster);
    let nameless = format!("?{}", &show(other.path(), "carol")["account"].as_str().unwrap()[..8]);
    bob.is_told(&format!("-- carol is shown as {nameless}: the name belongs to somebody else"));
    assert_eq!(bob.finish().code, 0);
    let ran = cluster.run(&["tail", "--as", "bob"]);
    assert!(ran.out.contains(&format!("{nameless}: I am carol")), "{ran:?}");
    assert_eq!(Chat::start(one.path(), "carol", &[]).finish().code, 0);
    let next = "next: take another: tercet account rename NEW --as carol";
    for err in [
        on(other.path(), &["send", "bob", "hello", "--as", "carol"]).failed(),
        Chat::start(other.path(), "carol", &[]).finish().failed(),
    ] {
        assert!(err.contains(next), "{err}");
    }

    on(other.path(), &["account", "rename", "dora", "--as", "carol", "--copies", "3"]).ok();
    on(other.path(), &["send", "bob", "now dora", "--as", "dora", "--copies", "3"]).ok();
    let ran = cluster.run(&["tail", "--as", "bob"]);
    assert!(ran.out.contains("dora: I am carol") && ran.out.contains("dora: now dora"), "{ran:?}");
    let logs = [
        logs(cluster.dir(), "alice"),
        logs(cluster.dir(), "bob"),
        logs(one.path(), "carol"),
        logs(other.path(), "dora"),
    ];
    healed(&cluster);
    for (dir, name) in
        [(cluster.dir(), "alice"), (cluster.dir(), "bob"), (one.path(), "carol"), (other.path(), "dora")]
    {
        assert_eq!(Chat::start(dir, name, &ON_ALL).finish().code, 0);
    }
    cluster.run(&["cluster", "down"]).ok();
    let stores = ALL.map(|name| cluster.server(name).join("store"));
    let paths: Vec<_> =
        stores.iter().chain(logs.iter().flatten()).map(|path| path.to_str().unwrap()).collect();
    assert_valid(&cluster.run(&[&["verify"], &paths[..]].concat()));
}

#[test]
fn who_loses_a_new_name_is_told_and_has_the_old_one_again() {
    let cluster = cluster_with_people();
    cluster.signal(&["2", "3"], "kill");
    let stranger = invited_machine(&cluster);
    assert_eq!(Chat::start(stranger.path(), "carol", &["--copies", "1"]).finish().code, 0);
    cluster.signal(&["1"], "kill");
    cluster.start("3");
    let mut alice = Chat::with(cluster.dir(), "alice", "bob", &["--copies", "1"]);
    alice.say("/rename carol");
    alice.is_told("-- you are called carol now");
    cluster.start("1");
    cluster.start("2");
    let told = alice.is_told("-- the name carol belongs to somebody else");
    assert!(told.contains("you are called alice again"), "{told}");
    alice.say("as alice again");
    alice.hears("alice: as alice again");
    // There and back, which takes no name that was not taken before.
    for (new, now) in [("anna", "anna"), ("alice", "alice")] {
        alice.say(&format!("/rename {new}"));
        let times = |chat: &Chat| {
            chat.words().iter().filter(|line| line.contains(&format!("called {now} now"))).count()
        };
        wait_or_explain(|| times(&alice) == 1, || format!("{new}: {:#?}", alice.words()));
    }
    assert_eq!(alice.finish().code, 0);
    assert!(cluster.dir().join("people/alice/account.key").exists());
}

#[test]
fn on_a_terminal_a_lost_name_is_marked_in_the_prompt_until_there_is_another() {
    let cluster = cluster_with_people();
    let (_one, other) = two_carols(&cluster);
    cluster.start("1");
    cluster.start("2");
    healed(&cluster);
    let terminal = Terminal::chat(other.path(), "carol", SIZE, &[]);
    terminal.shows("this name belongs to somebody else");
    terminal.enters("/whoami");
    terminal.shows("you have no name: carol is somebody else's");
    terminal.ends_with("carol? (not yours: /rename):");
    terminal.enters("/rename dora");
    terminal.shows("you are called dora now");
    terminal.enters("/whoami");
    terminal.shows("you are dora");
    terminal.ends_with("dora:");
    terminal.enters("/quit");
    assert_eq!(terminal.finish(), 0);
    assert!(other.path().join("people/dora/account.key").exists());
}

#[test]
fn a_key_has_the_same_words_wherever_it_is_shown() {
    let cluster = cluster_with_people();
    let shown = show(cluster.dir(), "alice");
    let words = shown["key"].as_str().unwrap();
    assert_eq!(words.split('-').count(), 6);
    assert_eq!(shown["devices"].as_array().unwrap().len(), 1);
    let mut alice = Chat::start(cluster.dir(), "alice", &ON_ALL);
    alice.say("/whoami");
    assert!(alice.hears(words).contains("key"));
    assert_eq!(alice.finish().code, 0);
    let mut bob = Chat::start(cluster.dir(), "bob", &ON_ALL);
    bob.say("/accounts LIC");
    assert!(bob.hears(words).contains("alice"));
    let ran = bob.finish();
    assert!(ran.code == 0 && ran.out.lines().count() == 1, "only whose names hold the text: {ran:?}");
    assert!(ran.err.contains("1 account with \"LIC\" in the name"), "{ran:?}");
    let list = cluster.run(&["account", "list"]).ok();
    assert!(list.lines().any(|line| line.starts_with("alice") && line.contains(words)), "{list}");
    assert_eq!(list.lines().count(), 3);
}

#[test]
fn an_exported_account_goes_on_elsewhere_with_all_its_conversations() {
    let cluster = cluster_with_people();
    cluster.run(&["send", "bob", "from the desk", "--as", "alice", "--copies", "3"]).ok();
    let machine = tempfile::tempdir().unwrap();
    let (file, passphrase) = (machine.path().join("alice.tercet"), secret(machine.path(), "correct horse\n"));
    let (file, passphrase) = (file.to_str().unwrap(), passphrase.to_str().unwrap());
    let export = ["account", "export", file, "--as", "alice", "--passphrase-file", passphrase];
    cluster.run(&export).ok();
    let text = fs::read_to_string(file).unwrap();
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!text.contains("PRIVATE KEY") && !text.contains("token") && !text.contains("alice"), "{text}");

    let err = cluster.run(&export).failed();
    assert!(err.contains("exists; it is left as it is") && err.contains("--force"), "{err}");
    assert_eq!(fs::read_to_string(file).unwrap(), text);
    cluster.run(&[&export[..], &["--force"]].concat()).ok();
    assert_ne!(fs::read_to_string(file).unwrap(), text, "sealed anew, with another salt");

    let home = machine.path().join("home");
    let import = ["account", "import", file, "--passphrase-file", passphrase];
    on(&home, &import).ok();
    let ran = on(&home, &["tail", "--as", "alice"]);
    assert!(ran.code == 0 && ran.out.contains("alice: from the desk"), "{ran:?}");
    on(&home, &["send", "bob", "from the sofa", "--as", "alice", "--copies", "3"]).ok();
    let ran = cluster.run(&["tail", "--as", "alice"]);
    assert!(ran.out.contains("alice: from the sofa"), "{ran:?}");
    assert_eq!(show(&home, "alice")["key"], show(cluster.dir(), "alice")["key"]);
    let again = on(&home, &import);
    assert!(again.code == 0 && again.err.contains("on this machine already, as alice"), "{again:?}");
}

#[test]
fn a_file_that_cannot_be_imported_says_why_and_changes_nothing() {
    let cluster = cluster_with_people();
    let machine = tempfile::tempdir().unwrap();
    let (file, passphrase) = (machine.path().join("alice.tercet"), secret(machine.path(), "correct horse\n"));
    let (file, passphrase) = (file.to_str().unwrap(), passphrase.to_str().unwrap());
    cluster.run(&["account", "export", file, "--as", "alice", "--passphrase-file", passphrase]).ok();
    let home = machine.path().join("home");
    let text = fs::read_to_string(file).unwrap();
    let import =
        |home: &Path| on(home, &["account", "import", file, "--passphrase-file", passphrase]).failed();

    secret(machine.path(), "correct hoarse\n");
    assert!(import(&home).contains("the passphrase is wrong"));
    secret(machine.path(), "correct horse\n");
    for (damaged, why) in [
        (text.replacen("sealed = \"", "sealed = \"00", 1), "checksum is wrong"),
        (text[..text.len() / 2].to_owned(), "is not an exported account, or it is damaged"),
        ("hello".to_owned(), "is not an exported account, or it is damaged"),
        (text.replace("version = 1", "version = 9"), "it has version 9"),
    ] {
        fs::write(file, damaged).unwrap();
        let err = import(&home);
        assert!(err.contains(why) && err.contains("alice.tercet"), "{err}");
    }
    fs::write(file, &text).unwrap();
    fs::set_permissions(passphrase, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(import(&home).contains("chmod 600"));
    secret(machine.path(), "correct horse\n");
    assert!(!home.exists(), "nothing was written");

    let elsewhere = TestCluster::empty();
    elsewhere.run(&["cluster", "init", "--server", "oslo=127.0.0.1:7420"]).ok();
    let err = import(elsewhere.dir());
    assert!(
        err.contains("belongs to another cluster") && err.contains("tercet --dir DIR account import"),
        "{err}"
    );
    assert!(!elsewhere.dir().join("people").exists());

    let taken = invited_machine(&cluster);
    let _nameless = Chat::start(taken.path(), "alice", &[]).finish().failed();
    let key = fs::read(taken.path().join("people/alice/account.key")).unwrap();
    let err = import(taken.path());
    assert!(err.contains("another account called alice is on this machine"), "{err}");
    assert_eq!(fs::read(taken.path().join("people/alice/account.key")).unwrap(), key);
    on(taken.path(), &["account", "rename", "alba", "--as", "alice"]).ok();
    on(taken.path(), &["account", "import", file, "--passphrase-file", passphrase]).ok();
    assert_eq!(show(taken.path(), "alice")["key"], show(cluster.dir(), "alice")["key"]);
}

#[test]
fn nobody_is_asked_for_a_passphrase_who_cannot_answer() {
    let cluster = cluster_with_people();
    let file = cluster.dir().join("alice.tercet");
    let export = ["account", "export", file.to_str().unwrap(), "--as", "alice"];
    let err = cluster.run(&export).failed();
    assert!(err.contains("no terminal") && err.contains("--passphrase-file"), "{err}");
    let short = secret(cluster.dir(), "short\n");
    let err = cluster.run(&[&export[..], &["--passphrase-file", short.to_str().unwrap()]].concat()).failed();
    assert!(err.contains("too short"), "{err}");
    assert!(!file.exists());
    let ran =
        run(cluster.command().args(export).args(["--passphrase-file", "-"]).write_stdin("long enough\n"));
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn on_a_terminal_a_passphrase_is_asked_for_twice_and_never_shown() {
    let cluster = cluster_with_people();
    let file = cluster.dir().join("alice.tercet");
    let export = ["account", "export", file.to_str().unwrap(), "--as", "alice"];
    let terminal = on_terminal(cluster.dir(), &export);
    terminal.shows("A passphrase, at least 8 characters:");
    terminal.types("correct hoarse\u{7f}\u{7f}\u{7f}\u{7f}rse\r");
    terminal.shows("The same again:");
    terminal.types("incorrect horse\r");
    terminal.shows("the two passphrases differ; nothing was written");
    assert_eq!(terminal.finish(), 3);
    assert!(!file.exists());

    let terminal = on_terminal(cluster.dir(), &export);
    terminal.shows("A passphrase");
    terminal.types("correct hoarse\u{7f}\u{7f}\u{7f}\u{7f}rse\r");
    terminal.shows("The same again:");
    terminal.types("correct horse\r");
    terminal.shows("without the passphrase it is of no use");
    assert!(!String::from_utf8_lossy(&terminal.raw()).contains("horse"));
    assert_eq!(terminal.finish(), 0);

    let home = cluster.dir().join("elsewhere");
    let terminal = on_terminal(&home, &["account", "import", file.to_str().unwrap()]);
    terminal.shows("The passphrase of");
    terminal.types("\u{3}");
    terminal.shows("no passphrase was given; nothing was written");
    assert_eq!(terminal.finish(), 3);
    let passphrase = secret(cluster.dir(), "correct horse");
    on(
        &home,
        &["account", "import", file.to_str().unwrap(), "--passphrase-file", passphrase.to_str().unwrap()],
    )
    .ok();
}

#[test]
fn a_file_without_a_folder_is_written_where_the_person_is() {
    let cluster = cluster_with_people();
    let here = tempfile::tempdir().unwrap();
    let link = |args: &[&str]| {
        let mut command = cluster.command();
        run(command.current_dir(here.path()).args(["account", "link", "--as", "alice"]).args(args))
    };
    link(&[]).ok();
    let first = fs::read(here.path().join("alice.tercet")).unwrap();
    assert!(link(&[]).failed().contains("alice.tercet exists"));
    link(&["--force"]).ok();
    assert_ne!(fs::read(here.path().join("alice.tercet")).unwrap(), first);
}

#[test]
fn a_second_device_is_linked_by_a_file_and_a_code_in_words() {
    let cluster = cluster_with_people();
    cluster.run(&["send", "bob", "from the desk", "--as", "alice", "--copies", "3"]).ok();
    let file = cluster.dir().join("alice.tercet");
    let file = file.to_str().unwrap();
    let ran = cluster.run(&["account", "link", file, "--as", "alice"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let code = ran.out.trim();
    assert_eq!(code.split('-').map(str::len).collect::<Vec<_>>(), [5; 5], "{code}");
    assert!(!ran.err.contains(code), "the code alone is on standard output");

    let home = cluster.dir().join("phone");
    let terminal = on_terminal(&home, &["account", "import", file]);
    terminal.shows("The code of");
    let words: Vec<&str> = code.split('-').collect();
    terminal.types(&format!("{}\r", words[..4].join("-")));
    terminal.shows("a code has 5 words, these are 4");
    // As somebody types who has heard it.
    terminal.types(&format!("{}\r", words.join(" ").to_uppercase()));
    terminal.shows("alice is on this machine now");
    assert!(!terminal.lines().concat().to_lowercase().contains(words[0]));
    assert_eq!(terminal.finish(), 0);
    let mut phone = Chat::with(&home, "alice", "bob", &ON_ALL);
    phone.say("/history");
    phone.hears("alice: from the desk");
    assert_eq!(phone.finish().code, 0);

    let other = secret(cluster.dir(), &tercet::words::code([7; 8]));
    let import = ["account", "import", file, "--passphrase-file", other.to_str().unwrap()];
    let err = on(&cluster.dir().join("third"), &import).failed();
    assert!(err.contains("the code is wrong"), "{err}");
}

#[test]
fn an_account_is_deleted_only_when_enough_servers_know() {
    let cluster = cluster_with_people();
    cluster.run(&["send", "bob", "before", "--as", "alice", "--copies", "3"]).ok();
    let delete = ["account", "delete", "--as", "alice", "--copies", "3", "--wait", "1"];
    let err = cluster.run(&delete).failed();
    assert!(err.contains("nobody is here to confirm") && err.contains("--yes"), "{err}");
    let delete = [&delete[..], &["--yes"]].concat();

    cluster.signal(&ALL, "kill");
    let err = cluster.run(&delete).failed();
    assert!(err.contains("no server answered; nothing was written"), "{err}");
    cluster.start("1");
    cluster.start("2");
    let ran = cluster.run(&delete);
    assert!(ran.code == 1 && ran.err.contains("nothing was removed from this machine"), "{ran:?}");
    assert!(cluster.dir().join("people/alice/account.key").exists());
    let err = cluster.run(&["send", "bob", "after", "--as", "alice"]).failed();
    assert!(err.contains("the account alice was deleted"), "{err}");

    cluster.start("3");
    let other = cluster.dir().join("copy");
    let passphrase = secret(cluster.dir(), "correct horse");
    let (file, passphrase) = (cluster.dir().join("alice.tercet"), passphrase.to_str().unwrap().to_owned());
    let file = file.to_str().unwrap();
    cluster.run(&["account", "export", file, "--as", "alice", "--passphrase-file", &passphrase]).ok();
    let again = [&["account", "delete", "--as", "alice", "--copies", "3", "--yes"][..]].concat();
    cluster.run(&again).ok();
    assert!(!cluster.dir().join("people/alice").exists());

    let mut bob = Chat::start(cluster.dir(), "bob", &ON_ALL);
    bob.is_told("-- alice has deleted the account");
    bob.say("/dm alice");
    bob.is_told("alice (account deleted): what was said is in /history");
    bob.say("/history");
    bob.hears("alice (account deleted): before");
    bob.say("are you there?");
    bob.is_told("not sent: alice (account deleted) reads nothing here any more");
    bob.say("/who");
    bob.hears("alice (account deleted)");
    let ran = bob.finish();
    assert!(ran.code == 1 && !ran.out.contains("after"), "one line could not be carried out: {ran:?}");
    let err = cluster.run(&["send", "alice", "hello", "--as", "bob"]).failed();
    assert!(err.contains("alice has deleted the account"), "{err}");
    let stranger = invited_machine(&cluster);
    let err = Chat::start(stranger.path(), "alice", &[]).finish().failed();
    assert!(err.contains("belongs to somebody else"), "the name is not free: {err}");

    // Another machine that has the key is told.
    on(&other, &["account", "import", file, "--passphrase-file", &passphrase]).ok();
    let err = Chat::start(&other, "alice", &[]).finish().failed();
    assert!(err.contains("the account alice was deleted"), "{err}");
    on(&other, &["account", "delete", "--as", "alice", "--yes"]).ok();
    assert!(!other.join("people/alice").exists());
    assert_valid(&cluster.run(&["verify"]));
}

#[test]
fn what_another_device_here_has_not_sent_goes_out_before_the_account_is_deleted() {
    let cluster = cluster_with_people();
    let old = logs(cluster.dir(), "alice").remove(0);
    cluster.signal(&ALL, "kill");
    let ran = cluster.run(&["send", "bob", "on the old device only", "--as", "alice", "--wait", "1"]);
    assert_ne!(ran.code, 0, "no server has it: {ran:?}");
    Chat::start(cluster.dir(), "alice", &["--new-device", "--timeout", "1"]).finish();
    let chosen = || fs::read_to_string(cluster.dir().join("people/alice/device")).unwrap();
    let in_use = chosen();
    let delete = ["account", "delete", "--as", "alice", "--copies", "3", "--wait", "1", "--yes"];
    let err = cluster.run(&delete).failed();
    assert!(err.contains("no server answered; nothing was written"), "{err}");
    assert_eq!(chosen(), in_use, "the device in use is the same as before");
    let whole = fs::read(&old).unwrap();
    fs::write(&old, "no log").unwrap();
    let err = cluster.run(&delete).failed();
    assert!(err.contains("nothing was removed") && err.contains("rm -r"), "{err}");
    fs::write(&old, whole).unwrap();
    ALL.iter().for_each(|name| cluster.start(name));
    let ran = cluster.run(&["account", "delete", "--as", "alice", "--copies", "3", "--yes"]);
    assert!(ran.code == 0 && ran.err.contains("has not sent everything; that goes first"), "{ran:?}");
    assert!(!cluster.dir().join("people/alice").exists());
    let bob = Chat::start(cluster.dir(), "bob", &ON_ALL);
    bob.hears("on the old device only");
    assert_eq!(bob.finish().code, 0);
}

#[test]
fn on_a_terminal_an_account_is_deleted_by_who_types_its_name() {
    let cluster = cluster_with_people();
    let delete = ["account", "delete", "--as", "alice"];
    let terminal = on_terminal(cluster.dir(), &delete);
    terminal.shows("Type the name, alice, to go on:");
    terminal.enters("yes");
    terminal.shows("not deleted: that is not the name");
    assert_eq!(terminal.finish(), 3);
    assert!(cluster.dir().join("people/alice/account.key").exists());
    let terminal = on_terminal(cluster.dir(), &delete);
    terminal.shows("Type the name, alice, to go on:");
    terminal.enters("alice");
    terminal.shows("the account alice is deleted");
    assert_eq!(terminal.finish(), 0);
    assert!(!cluster.dir().join("people/alice").exists());
}

#[test]
fn an_account_that_a_chat_has_open_is_not_deleted() {
    let cluster = cluster_with_people();
    let alice = Chat::with(cluster.dir(), "alice", "bob", &ON_ALL);
    let err = cluster.run(&["account", "delete", "--as", "alice", "--yes"]).failed();
    assert!(err.contains("in use") || err.contains("open"), "{err}");
    assert_eq!(alice.finish().code, 0);
    assert!(cluster.dir().join("people/alice/account.key").exists());
}
