//! Completion as each shell does it, installed as `tercet completions` installs it.

use std::path::{Path, PathBuf};

use portable_pty::CommandBuilder;

use crate::people::{Chat, cluster_with_people};
use crate::support::{TestCluster, run};
use crate::terminal::Terminal;

/// What a person types, and what must be and must not be among the candidates. The servers are 1, 2 and 3.
const CASES: [(&str, &[&str], &[&str]); 5] = [
    ("tercet kill ", &["1", "2", "3"], &["alice"]),
    ("tercet cluster start ", &["1", "2", "3"], &["alice"]),
    ("tercet send ", &["alice", "bob", "carol"], &["3"]),
    ("tercet send b", &["bob"], &["alice", "carol"]),
    ("tercet chat ", &["alice", "bob"], &["carol", "3"]),
];

/// A folder for what is installed, whose `bin` holds `tercet`, and a cluster in which alice and bob live
/// here and carol elsewhere.
struct Machine {
    cluster: TestCluster,
    home: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let cluster = cluster_with_people();
        cluster.run(&["chat", "carol"]).ok();
        cluster.run(&["chat", "alice"]).ok();
        std::fs::remove_dir_all(cluster.dir().join("people/carol")).unwrap();
        // What is completed is known without a server.
        cluster.run(&["cluster", "down"]).ok();
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("bin")).unwrap();
        let program = assert_cmd::cargo::cargo_bin("tercet");
        std::os::unix::fs::symlink(program, home.path().join("bin/tercet")).unwrap();
        Self { cluster, home }
    }

    fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let path = std::env::var("PATH").unwrap_or_default();
        let home = self.home.path();
        vec![
            ("TERCET_DIR", self.cluster.dir().to_owned()),
            ("HOME", home.to_owned()),
            ("XDG_DATA_HOME", home.join("data")),
            ("XDG_CONFIG_HOME", home.join("config")),
            ("PATH", format!("{}:{path}", home.join("bin").display()).into()),
        ]
    }

    /// Installs the completions of a shell: the file that it says it wrote.
    fn install(&self, shell: &str) -> PathBuf {
        let mut command = self.cluster.command();
        let ran = run(command.args(["completions", shell]).envs(self.environment()));
        let path = ran.ok().trim_end().rsplit(' ').next().map(PathBuf::from).unwrap();
        assert!(path.starts_with(self.home.path()) && path.exists(), "{}", path.display());
        path
    }

    /// What a shell's script prints, line by line.
    fn shell(&self, program: &str, args: &[&str]) -> Vec<String> {
        let mut command = assert_cmd::Command::new(program);
        let ran = run(command.args(args).envs(self.environment()));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
        ran.out.lines().map(str::to_owned).collect()
    }
}

#[expect(clippy::print_stderr, reason = "who reads the tests' output is to see what was left out")]
fn is_there(program: &str) -> bool {
    let found = std::process::Command::new(program).args(["-c", "true"]).status().is_ok();
    if !found {
        eprintln!("skipped: no {program}");
    }
    found
}

fn check(what: &str, found: &[String], wanted: &[&str], unwanted: &[&str]) {
    let has = |word: &&&str| found.iter().any(|line| line.split('\t').next() == Some(**word));
    let missing: Vec<_> = wanted.iter().filter(|word| !has(word)).collect();
    let surplus: Vec<_> = unwanted.iter().filter(has).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{what}: no {missing:?}, but {surplus:?} in {found:#?}"
    );
}

#[test]
fn bash_completes_servers_and_people() {
    let machine = Machine::new();
    let file = machine.install("bash");
    // As readline does: it looks up the function and calls it with the words and the cursor.
    let script = r#"
        source "$1"; spec=$(complete -p tercet); spec=${spec##*-F }; line=$2
        read -ra COMP_WORDS <<< "$line"; [[ $line == *' ' ]] && COMP_WORDS+=("")
        COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); COMP_TYPE=9
        ${spec%% *} tercet "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    for (line, wanted, unwanted) in CASES {
        let args = ["--norc", "-c", script, "bash", file.to_str().unwrap(), line];
        check(&format!("bash: {line}"), &machine.shell("bash", &args), wanted, unwanted);
    }
}

#[test]
fn bash_does_not_take_a_room_for_a_comment() {
    let machine = Machine::new();
    ["1", "2", "3"].iter().for_each(|name| machine.cluster.start(name));
    let mut alice = Chat::start(machine.cluster.dir(), "alice", &[]);
    alice.say("/create #lab");
    alice.is_told("#lab is open");
    assert_eq!(alice.finish().code, 0);
    let file = machine.install("bash");
    let script = r#"
        source "$1"; spec=$(complete -p tercet); spec=${spec##*-F }
        COMP_WORDS=(tercet send "$2"); COMP_CWORD=2; COMP_TYPE=9
        ${spec%% *} tercet "$2" send
        printf '%s\n' "${COMPREPLY[@]}""#;
    for (typed, candidate) in [("\\#", "\\#lab"), ("'#l", "'#lab")] {
        let args = ["--norc", "-c", script, "bash", file.to_str().unwrap(), typed];
        check(&format!("bash: {typed}"), &machine.shell("bash", &args), &[candidate], &["bob"]);
    }
    let args = ["--norc", "-c", script, "bash", file.to_str().unwrap(), ""];
    check("bash", &machine.shell("bash", &args), &["\\#lab", "bob"], &["#lab"]);
}

#[test]
fn fish_completes_servers_and_people() {
    if !is_there("fish") {
        return;
    }
    let machine = Machine::new();
    machine.install("fish");
    for (line, wanted, unwanted) in CASES {
        // fish finds the file by itself.
        let found = machine.shell("fish", &["-c", &format!("complete -C '{line}'")]);
        check(&format!("fish: {line}"), &found, wanted, unwanted);
    }
}

#[test]
fn zsh_completes_servers_and_people() {
    if !is_there("zsh") {
        return;
    }
    let machine = Machine::new();
    let folder = machine.install("zsh");
    for (line, wanted, unwanted) in CASES {
        let found = zsh(&machine, folder.parent().unwrap(), line, wanted);
        check(&format!("zsh: {line}"), &found, wanted, unwanted);
    }
}

/// The words that zsh shows on a terminal after TAB, once those that are wanted are among them. It completes a
/// lone candidate in place, and lists several.
fn zsh(machine: &Machine, folder: &Path, line: &str, wanted: &[&str]) -> Vec<String> {
    let mut command = CommandBuilder::new("zsh");
    command.arg("-f");
    machine.environment().into_iter().for_each(|(key, value)| command.env(key, value));
    command.env("TERM", "xterm");
    let terminal = Terminal::start(command, (100, 60));
    terminal.enters(&format!(
        "PS1='ready> '; fpath=({} $fpath); autoload -U compinit; compinit -u -D; print o''k",
        folder.display()
    ));
    terminal.shows("ok");
    terminal.ends_with("ready>");
    terminal.types(&format!("{line}\t"));
    let mut found = Vec::new();
    terminal.waits_for(&format!("zsh completes {line:?} with {wanted:?}"), |lines| {
        let from = lines.iter().rposition(|shown| shown.starts_with("ready> tercet")).unwrap_or(lines.len());
        found = lines[from..].iter().flat_map(|line| line.split_whitespace()).map(str::to_owned).collect();
        wanted.iter().all(|word| found.iter().any(|shown| shown == word))
    });
    found
}

#[test]
fn completion_with_nothing_to_go_by_offers_nothing_and_says_nothing() {
    let empty = TestCluster::empty();
    let mut command = empty.command();
    let ran = run(command.args(["--", "tercet", "kill", ""]).env("TERCET_COMPLETE", "fish"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert!(ran.out.lines().all(|line| line.starts_with("--")), "{ran:?}");
    assert!(!empty.dir().exists(), "nothing is made by asking");
}
