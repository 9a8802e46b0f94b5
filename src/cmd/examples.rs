//! What each command's help shows first: lines that can be typed as they are. A test parses them all.

use clap::Command;

use super::failure::EXIT_STATUS;

/// Examples before usage, since that is what most people look for.
const TEMPLATE: &str = "{about}{after-help}\n\n{usage-heading} {usage}\n\n{all-args}";

/// Each command with its examples, `#` before what they do.
const EXAMPLES: [(&str, &[&str]); 31] = [
    (
        "",
        &[
            "tercet cluster up --detach           # three servers on this machine",
            "tercet chat alice                    # talk; a second terminal may be bob",
            "tercet send bob \"The build is green\" # from a script",
            "tercet verify                        # was every promise kept?",
            "tercet demo                          # all of it, by itself, in a minute",
        ],
    ),
    (
        "serve",
        &[
            "tercet serve --config /var/lib/tercet/server.toml",
            "tercet serve --config server.toml --metrics 127.0.0.1:9420",
            "tercet serve --config server.toml --new-incarnation   # once, after a restore from a backup",
        ],
    ),
    (
        "chat",
        &[
            "tercet chat alice",
            "tercet chat                # as the profile's name, or the only account on this machine",
            "printf '/dm bob\\nhello\\n' | tercet chat alice --copies 3",
        ],
    ),
    (
        "send",
        &[
            "tercet send bob \"The build is green\"",
            "make 2>&1 | tail -n 3 | tercet send bob - --as alice",
            "tercet send bob ping --copies 3 --wait 5 --json",
            "tercet send '#lab' hello     # a room that you have joined",
        ],
    ),
    (
        "tail",
        &[
            "tercet tail                # the last ten lines of all conversations",
            "tercet tail bob -n 1",
            "tercet tail '#lab'",
            "tercet tail --follow --json | jq -r .text",
        ],
    ),
    ("account", &["tercet account list", "tercet account rename anna --as alice", "tercet account link"]),
    ("account list", &["tercet account list", "tercet account list --json | jq -r .name"]),
    ("account show", &["tercet account show", "tercet account show alice"]),
    (
        "account rename",
        &["tercet account rename anna", "tercet account rename rob --as bob   # when somebody else has bob"],
    ),
    (
        "account export",
        &[
            "tercet account export alice.tercet --as alice",
            "tercet account export backup.tercet --passphrase-file ~/.secret",
        ],
    ),
    (
        "account link",
        &[
            "tercet account link                  # writes NAME.tercet and shows a code of five words",
            "tercet account link /media/usb/alice.tercet --as alice",
        ],
    ),
    (
        "account import",
        &["tercet account import alice.tercet", "tercet account import alice.tercet --dir ./work"],
    ),
    ("account delete", &["tercet account delete", "tercet account delete --as ci-bot --yes --copies 3"]),
    ("cluster", &["tercet cluster up --detach", "tercet cluster status", "tercet cluster down"]),
    ("cluster init", &["tercet cluster init --server oslo=10.0.0.1:4711 --server porto=10.0.0.2:4711"]),
    (
        "cluster up",
        &[
            "tercet cluster up",
            "tercet cluster up --heal             # and start again what dies",
            "tercet cluster up --nodes 5 --detach",
        ],
    ),
    (
        "cluster status",
        &[
            "tercet cluster status",
            "tercet cluster status --watch        # live, until ctrl-C",
            "tercet cluster status --json --watch | jq -c .servers",
        ],
    ),
    ("cluster start", &["tercet cluster start 2 3"]),
    ("cluster restart", &["tercet cluster restart", "tercet cluster restart 2"]),
    (
        "cluster add",
        &[
            "tercet cluster add                   # here, on a port that the system picks",
            "tercet cluster add oslo=10.0.0.4:4711",
        ],
    ),
    (
        "cluster remove",
        &[
            "tercet cluster remove 2",
            "tercet cluster remove 2 --force      # it is dead, and its disk is lost",
        ],
    ),
    ("cluster replace", &["tercet cluster replace 2", "tercet cluster replace 2 oslo=10.0.0.4:4711"]),
    ("cluster logs", &["tercet cluster logs 2"]),
    ("cluster down", &["tercet cluster down", "tercet cluster down --purge   # and delete everything"]),
    ("kill", &["tercet kill 2", "tercet kill --random --signal stop", "tercet kill --all --signal cont"]),
    ("verify", &["tercet verify", "tercet verify --json", "tercet verify copied/log copied/store"]),
    ("demo", &["tercet demo", "tercet demo --messages 1000 --seed 7"]),
    ("bench", &["tercet bench", "tercet bench --workload W2 --for 10s --floor"]),
    ("chaos", &["tercet chaos --for 60s --seed 7", "tercet chaos --faults kill,pause,wipe --keep"]),
    (
        "completions",
        &[
            "tercet completions bash            # install them for bash",
            "tercet completions zsh --print     # show what would be installed",
        ],
    ),
    ("man", &["tercet man", "tercet man ./man1"]),
];

/// The definitions with the examples put in.
pub fn with_examples(command: Command) -> Command {
    put_in("", command)
}

fn put_in(path: &str, command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = names.iter().fold(command, |command, name| {
        let below = format!("{path} {name}").trim_start().to_owned();
        command.mut_subcommand(name, |sub| put_in(&below, sub))
    });
    match help_of(path) {
        Some(help) => command.help_template(template(path)).after_help(help),
        None => command,
    }
}

fn template(path: &str) -> String {
    if path.is_empty() { format!("{TEMPLATE}\n\n{}", exit_status()) } else { TEMPLATE.to_owned() }
}

fn help_of(path: &str) -> Option<String> {
    let (_, lines) = EXAMPLES.iter().find(|(command, _)| *command == path)?;
    Some(format!("Examples:\n  {}", lines.join("\n  ")))
}

/// The exit statuses, as the help and the manual list them.
pub fn exit_status() -> String {
    let line = |(code, meaning): &(u8, &str)| format!("  {code}  {meaning}");
    format!("Exit status:\n{}", EXIT_STATUS.iter().map(line).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cmd::Cli;

    /// The words of an example, as a shell would split them: quotes, pipes, redirections and comments.
    fn words(line: &str) -> Vec<String> {
        let line = &line[line.find("tercet").unwrap()..];
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        let end = words.iter().position(|word| matches!(word.as_str(), "#" | "|" | ">"));
        words.truncate(end.unwrap_or(words.len()));
        words
    }

    fn paths(prefix: &str, command: &Command, found: &mut Vec<String>) {
        found.push(prefix.to_owned());
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            paths(format!("{prefix} {}", sub.get_name()).trim_start(), sub, found);
        }
    }

    #[test]
    fn every_command_has_examples_that_it_understands() {
        let mut commands = Vec::new();
        paths("", &Cli::command(), &mut commands);
        for path in &commands {
            assert!(help_of(path).is_some(), "`tercet {path}` has no examples in src/cmd/examples.rs");
        }
        for (path, lines) in EXAMPLES {
            assert!(commands.iter().any(|command| command == path), "there is no command `tercet {path}`");
            for line in lines {
                let words = words(line);
                assert!(words.join(" ").starts_with(format!("tercet {path}").trim_end()), "{path}: {line}");
                if let Err(error) = Cli::command().try_get_matches_from(words) {
                    panic!("{line}\n{error}");
                }
            }
        }
        assert!(Cli::command().try_get_matches_from(words("tercet kill --everybody")).is_err());
    }

    #[test]
    fn help_shows_examples_before_usage() {
        let mut commands = Vec::new();
        paths("", &Cli::command(), &mut commands);
        for path in commands {
            let mut command = with_examples(Cli::command());
            let mut sub = &mut command;
            for name in path.split_whitespace() {
                sub = sub.find_subcommand_mut(name).unwrap();
            }
            let help = sub.render_help().to_string();
            let (examples, usage) = (help.find("Examples:").unwrap(), help.find("Usage:").unwrap());
            assert!(examples < usage, "{path}:\n{help}");
        }
    }
}
