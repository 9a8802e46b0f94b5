
use builtin;
use str;

set edit:completion:arg-completer[tercet] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'tercet'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'tercet'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
            cand serve 'Run one server'
            cand chat 'Talk to people, at a terminal or from a script'
            cand send 'Send one message and say what became of it, from a script'
            cand tail 'Print the last lines of conversations, and follow them'
            cand account 'List, rename, move and delete one''s accounts'
            cand cluster 'Make, start, watch, change and stop a cluster of servers'
            cand kill 'Send a signal to servers, SIGKILL unless told otherwise'
            cand verify 'Check everybody''s logs against what tercet promises'
            cand demo 'Show the whole: a cluster, two people, servers dying, a proof'
            cand chaos 'Let a cluster fail in every way while people talk, then check that nothing was lost'
            cand bench 'Measure how fast it is, beside a floor that nothing can beat'
            cand bench-floor 'One server of the floor that `bench` compares with'
            cand completions 'Make a shell complete tercet''s command line'
            cand man 'Install the manual pages'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'tercet;serve'= {
            cand --config 'The server''s configuration, as `cluster up` and `cluster init` write it'
            cand --metrics 'Also answer GET /metrics (for Prometheus) and GET /health at this loopback address'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --new-incarnation 'Do not serve: give the store a new incarnation, as one that comes from a backup needs, and end'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;chat'= {
            cand --timeout 'Without a terminal: how long to wait, after the input has ended, for messages to be safe'
            cand --copies 'Without a terminal: on how many servers a message is safe [default: 2, or 1 in a cluster of one]'
            cand --window-ms 'How long each line is held so that its place is settled, in milliseconds'
            cand --display-quorum 'Show a line only once so many servers have told of it, each with its current log [default: the profile''s, or 1, which is no wait]'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --new-device 'Go on as a new device; for when this device''s log is lost or damaged'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;send'= {
            cand --as 'Who you are [default: the profile''s name, or the only account on this machine]'
            cand --copies 'On how many servers it has to be [default: 2, or 1 in a cluster of one]'
            cand --wait 'For how long to wait for that'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --no-wait 'Write it to this device''s outbox and return; the next chat, send or tail takes it along'
            cand --json 'Print one JSON object that says what became of it: id, to, outcome, copies, servers, wanted'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;tail'= {
            cand --as 'Who you are [default: the profile''s name, or the only account on this machine]'
            cand -n 'How many lines to begin with'
            cand --lines 'How many lines to begin with'
            cand --display-quorum 'Print only lines of which so many servers have told [default: the profile''s, or as this device last]'
            cand --wait 'For how long to wait for a server'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand -f 'Go on with new lines as their places are settled. They count as shown: a chat does not show them again'
            cand --follow 'Go on with new lines as their places are settled. They count as shown: a chat does not show them again'
            cand --json 'Print each line as a JSON object: id, time, with, kind, about, from, own, text, deleted, late, copies, servers'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tercet;account'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
            cand list 'List the accounts on this machine'
            cand show 'Show one account: its key in words, its devices here'
            cand rename 'Take another name; nobody else ever gets the old one'
            cand export 'Write an account to a file that a passphrase opens: its key, its name and its cluster'
            cand link 'Use an account on another machine too: write it to a file that a short code opens, and show the code'
            cand import 'Read an account from a file that `export` or `link` wrote'
            cand delete 'Delete an account: tell everybody, then remove its key and logs from this machine'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'tercet;account;list'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --json 'Print a JSON object on a line for each account: name, account, key, cluster, devices'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;account;show'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --json 'Print one JSON object: name, account, key, cluster, devices'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;account;rename'= {
            cand --as 'Whose account [default: the profile''s name, or the only account on this machine]'
            cand --copies 'On how many servers it has to be [default: 2, or 1 in a cluster of one]'
            cand --wait 'For how long to wait for that'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;account;export'= {
            cand --as 'Whose account [default: the profile''s name, or the only account on this machine]'
            cand --passphrase-file 'The file whose first line is the passphrase, `-` for standard input; else it is asked for on the terminal'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --force 'Write over a file that is there'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;account;link'= {
            cand --as 'Whose account [default: the profile''s name, or the only account on this machine]'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --force 'Write over a file that is there'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;account;import'= {
            cand --passphrase-file 'The file whose first line is the passphrase or the code, `-` for standard input; else it is asked for on the terminal'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;account;delete'= {
            cand --as 'Whose account [default: the profile''s name, or the only account on this machine]'
            cand --copies 'On how many servers it has to be [default: 2, or 1 in a cluster of one]'
            cand --wait 'For how long to wait for that'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --yes 'Do not ask'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;account;help'= {
            cand list 'List the accounts on this machine'
            cand show 'Show one account: its key in words, its devices here'
            cand rename 'Take another name; nobody else ever gets the old one'
            cand export 'Write an account to a file that a passphrase opens: its key, its name and its cluster'
            cand link 'Use an account on another machine too: write it to a file that a short code opens, and show the code'
            cand import 'Read an account from a file that `export` or `link` wrote'
            cand delete 'Delete an account: tell everybody, then remove its key and logs from this machine'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'tercet;account;help;list'= {
        }
        &'tercet;account;help;show'= {
        }
        &'tercet;account;help;rename'= {
        }
        &'tercet;account;help;export'= {
        }
        &'tercet;account;help;link'= {
        }
        &'tercet;account;help;import'= {
        }
        &'tercet;account;help;delete'= {
        }
        &'tercet;account;help;help'= {
        }
        &'tercet;cluster'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
            cand init 'Write keys and configurations for servers on machines of their own'
            cand up 'Start the cluster on this machine, making it first if there is none'
            cand status 'Show how each server is'
            cand start 'Start servers that are not running'
            cand restart 'Stop and start servers, one after the other, so that the cluster is there all the time'
            cand add 'Add a server, while the others serve'
            cand remove 'Remove a server, once the others hold all that it holds'
            cand replace 'Put another server in a server''s place'
            cand logs 'Show what a server said'
            cand down 'Stop the cluster'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'tercet;cluster;init'= {
            cand --server 'A server and where others reach it; once for each'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;up'= {
            cand --nodes 'How many servers a new cluster gets, 1 to 32 [default: 3]'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --detach 'Return once the servers are ready, and leave them running'
            cand --heal 'Start servers again that die or lose their store, five times a minute at most; only while this command stays in the foreground'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;status'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --json 'Print one JSON object'
            cand -w 'Go on until ctrl-C: a live table, or without a terminal one for each change; with --json one object per line'
            cand --watch 'Go on until ctrl-C: a live table, or without a terminal one for each change; with --json one object per line'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;start'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;restart'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;add'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;remove'= {
            cand --copies 'How many of the others must hold all that it holds before it goes [default: 2, or all of fewer]'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --force 'Remove a server that is dead. What it alone holds is lost, unless its author still has it'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;replace'= {
            cand --copies 'How many of the others must hold all that it holds before it goes [default: 2, or all of fewer]'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --force 'Remove a server that is dead. What it alone holds is lost, unless its author still has it'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;logs'= {
            cand -n 'How many of its last lines'
            cand --lines 'How many of its last lines'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand -f 'Go on as it says more, until ctrl-C'
            cand --follow 'Go on as it says more, until ctrl-C'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;down'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --purge 'Delete the cluster afterwards: its servers'' logs, and people''s keys and logs'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;help'= {
            cand init 'Write keys and configurations for servers on machines of their own'
            cand up 'Start the cluster on this machine, making it first if there is none'
            cand status 'Show how each server is'
            cand start 'Start servers that are not running'
            cand restart 'Stop and start servers, one after the other, so that the cluster is there all the time'
            cand add 'Add a server, while the others serve'
            cand remove 'Remove a server, once the others hold all that it holds'
            cand replace 'Put another server in a server''s place'
            cand logs 'Show what a server said'
            cand down 'Stop the cluster'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'tercet;cluster;help;init'= {
        }
        &'tercet;cluster;help;up'= {
        }
        &'tercet;cluster;help;status'= {
        }
        &'tercet;cluster;help;start'= {
        }
        &'tercet;cluster;help;restart'= {
        }
        &'tercet;cluster;help;add'= {
        }
        &'tercet;cluster;help;remove'= {
        }
        &'tercet;cluster;help;replace'= {
        }
        &'tercet;cluster;help;logs'= {
        }
        &'tercet;cluster;help;down'= {
        }
        &'tercet;cluster;help;help'= {
        }
        &'tercet;kill'= {
            cand --signal 'What to send'
            cand --seed 'Makes --random choose the same again'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --random 'One running server, by chance; of those named, if any are'
            cand --all 'Every running server'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tercet;verify'= {
            cand --report 'Also write the report as one HTML page, with the history as a diagram'
            cand --export 'Print the history for another program instead of the report'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --json 'Print the report as JSON'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tercet;demo'= {
            cand --messages 'How many messages are sent [default: 240, or all of the script]'
            cand --seed 'Chooses which servers are killed, and when [default: a new seed]'
            cand --script 'Replays a conversation: a TSV of room, time, nick, text. Of each room the two who say most talk'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --keep 'Leaves the folder for a look afterwards'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;chaos'= {
            cand --for 'How long things go wrong: 60s, 5m, 800ms [default: 60s]'
            cand --seed 'Chooses what goes wrong when, and who says what [default: a new seed]'
            cand --clients 'How many people talk, 2 to 16 [default: 3]'
            cand --rate 'Messages a second, all together [default: 20]'
            cand --faults 'What may go wrong [default: all that this machine can do]'
            cand --replay 'Does what this log of actions says, which an earlier run has written, in place of a seed''s schedule'
            cand --log 'Where to write the log of actions [default: a new file in the system''s temporary folder]'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --keep 'Leaves the folder for a look afterwards; it stays anyway unless the verdict is "valid"'
            cand --json 'Print verify''s report as JSON, with the seed and the counts; the story goes to standard error'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tercet;bench'= {
            cand --workload 'What to measure'
            cand --clients 'How many devices send [default: the workload''s]'
            cand --inflight 'How many messages of each device may be unacknowledged [default: the workload''s]'
            cand --bytes 'How long each message is, in bytes'
            cand --for 'How long each round takes: 10s, 500ms, 2m'
            cand --rounds 'How many rounds, of which the medians are told [default: 1; with --floor: 2 of each]'
            cand --events 'How many events are in the stores before anything is measured [default: 0; W6: 10000]'
            cand --conversations 'Over how many conversations each device''s messages go, and the events in the stores [default: 1, and 64]'
            cand --connections 'How many more devices are connected meanwhile and say nothing [default: 0]'
            cand --cluster 'The cluster.toml of a running cluster to put under load [default: a new one, on this machine]'
            cand --plot 'Makes an SVG of what --json printed: how each cost grows; measures nothing'
            cand --table 'Makes a Markdown table of what --json printed; measures nothing'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --room 'All write into one room, of which those devices are members'
            cand --floor 'In turn with tercet, measures three processes that only append and sync what comes over plain TCP'
            cand --json 'Prints one JSON object'
            cand --keep 'Leaves the new cluster''s folder for a look afterwards'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;bench-floor'= {
            cand --file 'The file to append to; made if it is not there'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;completions'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand --print 'Print it instead of installing it'
            cand --static 'Print a script that does not ask tercet and completes no names, for packages'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;man'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --profile 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]'
            cand -q 'Say nothing but what went wrong'
            cand --quiet 'Say nothing but what went wrong'
            cand -v 'Also say what usually need not be known'
            cand --verbose 'Also say what usually need not be known'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;help'= {
            cand serve 'Run one server'
            cand chat 'Talk to people, at a terminal or from a script'
            cand send 'Send one message and say what became of it, from a script'
            cand tail 'Print the last lines of conversations, and follow them'
            cand account 'List, rename, move and delete one''s accounts'
            cand cluster 'Make, start, watch, change and stop a cluster of servers'
            cand kill 'Send a signal to servers, SIGKILL unless told otherwise'
            cand verify 'Check everybody''s logs against what tercet promises'
            cand demo 'Show the whole: a cluster, two people, servers dying, a proof'
            cand chaos 'Let a cluster fail in every way while people talk, then check that nothing was lost'
            cand bench 'Measure how fast it is, beside a floor that nothing can beat'
            cand bench-floor 'One server of the floor that `bench` compares with'
            cand completions 'Make a shell complete tercet''s command line'
            cand man 'Install the manual pages'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'tercet;help;serve'= {
        }
        &'tercet;help;chat'= {
        }
        &'tercet;help;send'= {
        }
        &'tercet;help;tail'= {
        }
        &'tercet;help;account'= {
            cand list 'List the accounts on this machine'
            cand show 'Show one account: its key in words, its devices here'
            cand rename 'Take another name; nobody else ever gets the old one'
            cand export 'Write an account to a file that a passphrase opens: its key, its name and its cluster'
            cand link 'Use an account on another machine too: write it to a file that a short code opens, and show the code'
            cand import 'Read an account from a file that `export` or `link` wrote'
            cand delete 'Delete an account: tell everybody, then remove its key and logs from this machine'
        }
        &'tercet;help;account;list'= {
        }
        &'tercet;help;account;show'= {
        }
        &'tercet;help;account;rename'= {
        }
        &'tercet;help;account;export'= {
        }
        &'tercet;help;account;link'= {
        }
        &'tercet;help;account;import'= {
        }
        &'tercet;help;account;delete'= {
        }
        &'tercet;help;cluster'= {
            cand init 'Write keys and configurations for servers on machines of their own'
            cand up 'Start the cluster on this machine, making it first if there is none'
            cand status 'Show how each server is'
            cand start 'Start servers that are not running'
            cand restart 'Stop and start servers, one after the other, so that the cluster is there all the time'
            cand add 'Add a server, while the others serve'
            cand remove 'Remove a server, once the others hold all that it holds'
            cand replace 'Put another server in a server''s place'
            cand logs 'Show what a server said'
            cand down 'Stop the cluster'
        }
        &'tercet;help;cluster;init'= {
        }
        &'tercet;help;cluster;up'= {
        }
        &'tercet;help;cluster;status'= {
        }
        &'tercet;help;cluster;start'= {
        }
        &'tercet;help;cluster;restart'= {
        }
        &'tercet;help;cluster;add'= {
        }
        &'tercet;help;cluster;remove'= {
        }
        &'tercet;help;cluster;replace'= {
        }
        &'tercet;help;cluster;logs'= {
        }
        &'tercet;help;cluster;down'= {
        }
        &'tercet;help;kill'= {
        }
        &'tercet;help;verify'= {
        }
        &'tercet;help;demo'= {
        }
        &'tercet;help;chaos'= {
        }
        &'tercet;help;bench'= {
        }
        &'tercet;help;bench-floor'= {
        }
        &'tercet;help;completions'= {
        }
        &'tercet;help;man'= {
        }
        &'tercet;help;help'= {
        }
    ]
    $completions[$command]
}
