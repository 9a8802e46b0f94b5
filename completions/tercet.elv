
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
            cand -h 'Print help'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
            cand serve 'Run one server'
            cand chat 'Talk to people, at a terminal or from a script'
            cand cluster 'Make, start, watch and stop a cluster of servers'
            cand kill 'Send a signal to servers, SIGKILL unless told otherwise'
            cand verify 'Check everybody''s logs against what tercet promises'
            cand demo 'Show the whole: a cluster, two people, servers dying, a proof'
            cand bench 'Measure how fast it is, beside a floor that nothing can beat'
            cand bench-floor 'One server of the floor that `bench` compares with'
            cand completions 'Print what a shell needs to complete tercet''s command line'
            cand man 'Write the manual pages'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'tercet;serve'= {
            cand --config 'The server''s configuration, as `cluster up` and `cluster init` write it'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;chat'= {
            cand --timeout 'Without a terminal: how long to wait, after the input has ended, for messages to be safe'
            cand --copies 'Without a terminal: on how many servers a message is safe [default: 2, or 1 in a cluster of one]'
            cand --window-ms 'How long each line is held so that its place is settled, in milliseconds'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --new-device 'Go on as a new device; for when this device''s log is lost or damaged'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand init 'Write keys and configurations for servers on machines of their own'
            cand up 'Start the cluster on this machine, making it first if there is none'
            cand status 'Show how each server is'
            cand start 'Start servers that are not running'
            cand logs 'Show what a server said'
            cand down 'Stop the cluster'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'tercet;cluster;init'= {
            cand --server 'A server and where others reach it; once for each'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;up'= {
            cand --nodes 'How many servers a new cluster gets, 1 to 32 [default: 3]'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --detach 'Return once the servers are ready, and leave them running'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;status'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --json 'Print one JSON object'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;start'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;logs'= {
            cand -n 'How many of its last lines'
            cand --lines 'How many of its last lines'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand -f 'Go on as it says more, until ctrl-C'
            cand --follow 'Go on as it says more, until ctrl-C'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;down'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --purge 'Delete the cluster afterwards: its servers'' logs, and people''s keys and logs'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;cluster;help'= {
            cand init 'Write keys and configurations for servers on machines of their own'
            cand up 'Start the cluster on this machine, making it first if there is none'
            cand status 'Show how each server is'
            cand start 'Start servers that are not running'
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
            cand --random 'One running server, by chance; of those named, if any are'
            cand --all 'Every running server'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'tercet;verify'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --json 'Print the report as JSON'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;demo'= {
            cand --messages 'How many messages are sent [default: 240, or all of the script]'
            cand --seed 'Chooses which servers are killed, and when [default: a new seed]'
            cand --script 'Replays a conversation: a TSV of room, time, nick, text. Of each room the two who say most talk'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --keep 'Leaves the folder for a look afterwards'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;bench'= {
            cand --workload 'What to measure'
            cand --clients 'How many devices send [default: the workload''s]. W6: how many idle connections are held'
            cand --inflight 'How many messages of each device may be unacknowledged [default: the workload''s]'
            cand --bytes 'How long each message is, in bytes'
            cand --for 'How long each round takes: 10s, 500ms, 2m'
            cand --rounds 'How many rounds, of which the medians are told [default: 1; with --floor: 2 of each]'
            cand --events 'How many events are in the stores before anything is measured [default: 0; W6: 10000]'
            cand --cluster 'The cluster.toml of a running cluster to put under load [default: a new one, on this machine]'
            cand --plot 'Makes an SVG of what --json printed, a line for each workload; measures nothing'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand --floor 'In turn with tercet, measures three processes that only append and sync what comes over plain TCP'
            cand --json 'Prints one JSON object'
            cand --keep 'Leaves the new cluster''s folder for a look afterwards'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;bench-floor'= {
            cand --file 'The file to append to; made if it is not there'
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;completions'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;man'= {
            cand --dir 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'tercet;help'= {
            cand serve 'Run one server'
            cand chat 'Talk to people, at a terminal or from a script'
            cand cluster 'Make, start, watch and stop a cluster of servers'
            cand kill 'Send a signal to servers, SIGKILL unless told otherwise'
            cand verify 'Check everybody''s logs against what tercet promises'
            cand demo 'Show the whole: a cluster, two people, servers dying, a proof'
            cand bench 'Measure how fast it is, beside a floor that nothing can beat'
            cand bench-floor 'One server of the floor that `bench` compares with'
            cand completions 'Print what a shell needs to complete tercet''s command line'
            cand man 'Write the manual pages'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'tercet;help;serve'= {
        }
        &'tercet;help;chat'= {
        }
        &'tercet;help;cluster'= {
            cand init 'Write keys and configurations for servers on machines of their own'
            cand up 'Start the cluster on this machine, making it first if there is none'
            cand status 'Show how each server is'
            cand start 'Start servers that are not running'
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
