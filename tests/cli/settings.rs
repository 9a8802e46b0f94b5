//! `config.toml`, its profiles, and what goes before what.

use std::fs;

use crate::people::{authored, cluster_with_people, entries};
use crate::support::{Ran, TestCluster, run};

/// Writes a person's `config.toml`; the cluster's folder stands for theirs.
fn configure(cluster: &TestCluster, text: &str) {
    let folder = cluster.dir().join("tercet");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), text).unwrap();
}

/// A run for which only the configuration says where the cluster is.
fn run_by_profile(cluster: &TestCluster, environment: &[(&str, &str)], args: &[&str]) -> Ran {
    let mut command = cluster.command();
    command.env_remove("TERCET_DIR").env("XDG_STATE_HOME", cluster.dir().join("nowhere"));
    command.envs(environment.iter().copied());
    run(command.args(args))
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_profile() {
    let cluster = cluster_with_people();
    configure(
        &cluster,
        "default = \"one\"\n[profile.one]\ncluster = \"..\"\nname = \"alice\"\n\
         [profile.two]\ncluster = \"..\"\nname = \"bob\"\n[profile.far]\ncluster = \"far\"\n",
    );
    let sent_by = |environment: &[(&str, &str)], args: &[&str], text: &str| {
        let ran = run_by_profile(&cluster, environment, &[args, &["send", "alice", text]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    sent_by(&[], &[], "profile");
    sent_by(&[], &["--profile", "two"], "flag");
    sent_by(&[("TERCET_PROFILE", "two")], &[], "environment");
    sent_by(&[("TERCET_PROFILE", "two")], &["--profile", "one"], "flag before environment");
    sent_by(&[("TERCET_NAME", "bob")], &[], "environment before profile");
    let far = run_by_profile(&cluster, &[("TERCET_PROFILE", "far")], &["cluster", "status"]);
    assert!(far.failed().contains("tercet/far"));
    let dir = cluster.dir().to_str().unwrap();
    run_by_profile(&cluster, &[("TERCET_PROFILE", "far")], &["cluster", "status", "--dir", dir]).ok();
    let story = run_by_profile(&cluster, &[], &["-v", "kill", "--signal", "cont", "1"]);
    assert!(story.err.contains("profile one (") && story.err.contains("config.toml"), "{story:?}");

    let said = |name| authored(&entries(cluster.dir(), name)).into_iter().map(|(_, _, text)| text);
    assert_eq!(said("alice").collect::<Vec<_>>(), ["profile", "flag before environment"]);
    assert_eq!(said("bob").collect::<Vec<_>>(), ["flag", "environment", "environment before profile"]);
}

#[test]
fn a_setting_that_is_not_known_is_refused_with_what_was_meant() {
    let cluster = TestCluster::up(1);
    configure(&cluster, "[profile.default]\nnmae = \"ada\"\n");
    let err = cluster.run(&["cluster", "status"]).failed();
    assert!(err.contains("config.toml, line 2: there is no setting \"nmae\""), "{err}");
    assert!(err.contains("next: did you mean name?"), "{err}");
    configure(&cluster, "[profile.work]\nname = \"ada\"\n");
    let err = cluster.run(&["--profile", "wrok", "cluster", "status"]).failed();
    assert!(err.contains("there is no profile wrok in") && err.contains("next: did you mean work?"), "{err}");
    cluster.run(&["--profile", "work", "cluster", "status"]).ok();
}

#[test]
fn the_manuals_example_is_understood() {
    let cluster = TestCluster::up(1);
    let folder = cluster.dir().join("man1");
    cluster.run(&["man", folder.to_str().unwrap()]).ok();
    let page = fs::read_to_string(folder.join("tercet.1")).unwrap();
    let (_, example) = page.split_once(".nf\n").unwrap();
    configure(&cluster, &example.split_once(".fi").unwrap().0.replace("\\-", "-"));
    cluster.run(&["cluster", "status"]).ok();
    let story = cluster.run(&["-v", "cluster", "status"]);
    assert!(story.err.contains("profile work"), "{story:?}");
}

#[test]
fn words_are_few_or_many_as_asked() {
    let cluster = cluster_with_people();
    let words = |flags: &[&str]| {
        let ran = cluster.run(&[flags, &["send", "bob", "hi", "--as", "alice"]].concat());
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
        ran.err
    };
    assert_eq!(words(&["-q"]), "");
    let usual = words(&[]);
    assert!(usual.starts_with("-- sent to bob: on ") && usual.lines().count() == 1, "{usual}");
    assert!(words(&["-v"]).contains("-- server "), "who is up is told to whoever asks");
    let err = cluster.run(&["-q", "send", "nobody", "hi", "--as", "alice"]).failed();
    assert!(err.contains("there is nobody called nobody"), "errors are told all the same: {err}");
}
