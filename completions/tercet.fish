# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_tercet_global_optspecs
    string join \n dir= h/help V/version
end

function __fish_tercet_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_tercet_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_tercet_using_subcommand
    set -l cmd (__fish_tercet_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c tercet -n "__fish_tercet_needs_command" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_needs_command" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_needs_command" -s V -l version -d 'Print version'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "serve" -d 'Run one server'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "chat" -d 'Talk to people, at a terminal or from a script'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "cluster" -d 'Make, start, watch and stop a cluster of servers'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "kill" -d 'Send a signal to servers, SIGKILL unless told otherwise'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "verify" -d 'Check everybody\'s logs against what tercet promises'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "demo" -d 'Show the whole: a cluster, two people, servers dying, a proof'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "bench" -d 'Measure how fast it is, beside a floor that nothing can beat'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "bench-floor" -d 'One server of the floor that `bench` compares with'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "completions" -d 'Print what a shell needs to complete tercet\'s command line'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "man" -d 'Write the manual pages'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tercet -n "__fish_tercet_using_subcommand serve" -l config -d 'The server\'s configuration, as `cluster up` and `cluster init` write it' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand serve" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand serve" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand chat" -l timeout -d 'Without a terminal: how long to wait, after the input has ended, for messages to be safe' -r
complete -c tercet -n "__fish_tercet_using_subcommand chat" -l copies -d 'Without a terminal: on how many servers a message is safe [default: 2, or 1 in a cluster of one]' -r
complete -c tercet -n "__fish_tercet_using_subcommand chat" -l window-ms -d 'How long each line is held so that its place is settled, in milliseconds' -r
complete -c tercet -n "__fish_tercet_using_subcommand chat" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand chat" -l new-device -d 'Go on as a new device; for when this device\'s log is lost or damaged'
complete -c tercet -n "__fish_tercet_using_subcommand chat" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start logs down help" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start logs down help" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start logs down help" -f -a "init" -d 'Write keys and configurations for servers on machines of their own'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start logs down help" -f -a "up" -d 'Start the cluster on this machine, making it first if there is none'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start logs down help" -f -a "status" -d 'Show how each server is'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start logs down help" -f -a "start" -d 'Start servers that are not running'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start logs down help" -f -a "logs" -d 'Show what a server said'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start logs down help" -f -a "down" -d 'Stop the cluster'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start logs down help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from init" -l server -d 'A server and where others reach it; once for each' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from init" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from up" -l nodes -d 'How many servers a new cluster gets, 1 to 32 [default: 3]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from up" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from up" -l detach -d 'Return once the servers are ready, and leave them running'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from up" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from status" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from status" -l json -d 'Print one JSON object'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from start" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from logs" -s n -l lines -d 'How many of its last lines' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from logs" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on as it says more, until ctrl-C'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from down" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from down" -l purge -d 'Delete the cluster afterwards: its servers\' logs, and people\'s keys and logs'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from down" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "init" -d 'Write keys and configurations for servers on machines of their own'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "up" -d 'Start the cluster on this machine, making it first if there is none'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "status" -d 'Show how each server is'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "start" -d 'Start servers that are not running'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "logs" -d 'Show what a server said'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "down" -d 'Stop the cluster'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tercet -n "__fish_tercet_using_subcommand kill" -l signal -d 'What to send' -r -f -a "kill\t'The process ends at once: what a crash is like'
term\t'It is asked to stop cleanly'
stop\t'It hangs until it is continued'
cont\t'It goes on'
int\t'As ctrl-C would'"
complete -c tercet -n "__fish_tercet_using_subcommand kill" -l seed -d 'Makes --random choose the same again' -r
complete -c tercet -n "__fish_tercet_using_subcommand kill" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand kill" -l random -d 'One running server, by chance; of those named, if any are'
complete -c tercet -n "__fish_tercet_using_subcommand kill" -l all -d 'Every running server'
complete -c tercet -n "__fish_tercet_using_subcommand kill" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tercet -n "__fish_tercet_using_subcommand verify" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand verify" -l json -d 'Print the report as JSON'
complete -c tercet -n "__fish_tercet_using_subcommand verify" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand demo" -l messages -d 'How many messages are sent [default: 240, or all of the script]' -r
complete -c tercet -n "__fish_tercet_using_subcommand demo" -l seed -d 'Chooses which servers are killed, and when [default: a new seed]' -r
complete -c tercet -n "__fish_tercet_using_subcommand demo" -l script -d 'Replays a conversation: a TSV of room, time, nick, text. Of each room the two who say most talk' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand demo" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand demo" -l keep -d 'Leaves the folder for a look afterwards'
complete -c tercet -n "__fish_tercet_using_subcommand demo" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l workload -d 'What to measure' -r -f -a "W1\t'One sender with one message outstanding'
W2\t'64 senders with one outstanding each'
W3\t'64 senders with 32 outstanding each'
W4\t'100 messages a second from one device to another'
W5\t'As W2; one of the servers is killed at half time'
W6\t'Starting on a big store, filling an empty one, holding connections'"
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l clients -d 'How many devices send [default: the workload\'s]. W6: how many idle connections are held' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l inflight -d 'How many messages of each device may be unacknowledged [default: the workload\'s]' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l bytes -d 'How long each message is, in bytes' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l for -d 'How long each round takes: 10s, 500ms, 2m' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l rounds -d 'How many rounds, of which the medians are told [default: 1; with --floor: 2 of each]' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l events -d 'How many events are in the stores before anything is measured [default: 0; W6: 10000]' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l cluster -d 'The cluster.toml of a running cluster to put under load [default: a new one, on this machine]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l plot -d 'Makes an SVG of what --json printed, a line for each workload; measures nothing' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l floor -d 'In turn with tercet, measures three processes that only append and sync what comes over plain TCP'
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l json -d 'Prints one JSON object'
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l keep -d 'Leaves the new cluster\'s folder for a look afterwards'
complete -c tercet -n "__fish_tercet_using_subcommand bench" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand bench-floor" -l file -d 'The file to append to; made if it is not there' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand bench-floor" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand bench-floor" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand completions" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand completions" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand man" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand man" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat cluster kill verify demo bench bench-floor completions man help" -f -a "serve" -d 'Run one server'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat cluster kill verify demo bench bench-floor completions man help" -f -a "chat" -d 'Talk to people, at a terminal or from a script'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat cluster kill verify demo bench bench-floor completions man help" -f -a "cluster" -d 'Make, start, watch and stop a cluster of servers'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat cluster kill verify demo bench bench-floor completions man help" -f -a "kill" -d 'Send a signal to servers, SIGKILL unless told otherwise'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat cluster kill verify demo bench bench-floor completions man help" -f -a "verify" -d 'Check everybody\'s logs against what tercet promises'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat cluster kill verify demo bench bench-floor completions man help" -f -a "demo" -d 'Show the whole: a cluster, two people, servers dying, a proof'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat cluster kill verify demo bench bench-floor completions man help" -f -a "bench" -d 'Measure how fast it is, beside a floor that nothing can beat'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat cluster kill verify demo bench bench-floor completions man help" -f -a "bench-floor" -d 'One server of the floor that `bench` compares with'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat cluster kill verify demo bench bench-floor completions man help" -f -a "completions" -d 'Print what a shell needs to complete tercet\'s command line'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat cluster kill verify demo bench bench-floor completions man help" -f -a "man" -d 'Write the manual pages'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat cluster kill verify demo bench bench-floor completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "init" -d 'Write keys and configurations for servers on machines of their own'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "up" -d 'Start the cluster on this machine, making it first if there is none'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "status" -d 'Show how each server is'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "start" -d 'Start servers that are not running'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "logs" -d 'Show what a server said'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "down" -d 'Stop the cluster'
