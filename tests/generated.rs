//! `completions/` and `man/` are what the program generates. `UPDATE=1 cargo test --test generated` rewrites
//! them; without it nothing is written.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap_complete::Shell;
use tercet::cmd::failure::EXIT_STATUS;
use tercet::cmd::{completions, man};

type Files = BTreeMap<String, String>;

fn read(folder: &Path) -> Files {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
    };
    fs::read_dir(folder).into_iter().flatten().map(read).collect()
}

/// What is missing, left over or different, by name.
fn differences(committed: &Files, generated: &Files) -> Vec<String> {
    let names = committed.keys().chain(generated.keys()).collect::<std::collections::BTreeSet<_>>();
    let differs = |name: &&&String| committed.get(**name) != generated.get(**name);
    names.iter().filter(differs).map(|name| (*name).clone()).collect()
}

fn hold_together(folder: &str, generated: &Files) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::create_dir_all(&path).unwrap();
        read(&path).keys().for_each(|name| fs::remove_file(path.join(name)).unwrap());
        generated.iter().for_each(|(name, text)| fs::write(path.join(name), text).unwrap());
    }
    let differing = differences(&read(&path), generated);
    assert!(
        differing.is_empty(),
        "{folder}/ is not what the program generates ({}); UPDATE=1 cargo test --test generated rewrites it",
        differing.join(", ")
    );
}

#[test]
fn completions_are_what_the_program_generates() {
    let files = [
        (Shell::Bash, "tercet.bash"),
        (Shell::Elvish, "tercet.elv"),
        (Shell::Fish, "tercet.fish"),
        (Shell::PowerShell, "_tercet.ps1"),
        (Shell::Zsh, "_tercet"),
    ];
    let generated = files.map(|(shell, name)| (name.to_owned(), completions::script(shell))).into();
    hold_together("completions", &generated);
}

#[test]
fn manual_pages_are_what_the_program_generates() {
    let folder = tempfile::tempdir().unwrap();
    man::write(folder.path()).unwrap();
    hold_together("man", &read(folder.path()));
}

/// The exit statuses that a text does not give as [`EXIT_STATUS`] does; the text's lines may be broken anywhere.
fn statuses_missing(text: &str, line: impl Fn(u8, &str) -> String) -> Vec<u8> {
    let packed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = packed(text);
    let missing = EXIT_STATUS.iter().filter(|(code, meaning)| !text.contains(&packed(&line(*code, meaning))));
    missing.map(|(code, _)| *code).collect()
}

#[test]
fn readme_help_and_manual_give_the_exit_statuses_alike() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let row = |code: u8, meaning: &str| format!("| {code} | {meaning} |");
    assert_eq!(statuses_missing(&readme, row), Vec::<u8>::new(), "README.md");
    let help = tercet::cmd::definitions().render_help().to_string();
    let line = |code: u8, meaning: &str| format!("{code} {meaning}");
    assert_eq!(statuses_missing(&help, line), Vec::<u8>::new(), "help:\n{help}");
    let page = fs::read_to_string(root.join("man/tercet.1")).unwrap();
    assert_eq!(statuses_missing(&page, line), Vec::<u8>::new(), "man/tercet.1");
    let wrong = readme.replace("| 2 | not known.", "| 2 | known.");
    assert_eq!(statuses_missing(&wrong, row), [2]);
}

#[test]
fn a_page_that_is_missing_left_over_or_old_is_named() {
    let files = |pairs: &[(&str, &str)]| -> Files {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    let committed = files(&[("same", "x"), ("old", "x"), ("left over", "x")]);
    let generated = files(&[("same", "x"), ("old", "y"), ("missing", "x")]);
    assert_eq!(differences(&committed, &generated), ["left over", "missing", "old"]);
}
