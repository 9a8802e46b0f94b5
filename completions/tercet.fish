# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_tercet_global_optspecs
    string join \n dir= profile= q/quiet v/verbose h/help V/version
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
complete -c tercet -n "__fish_tercet_needs_command" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_needs_command" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_needs_command" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_needs_command" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_needs_command" -s V -l version -d 'Print version'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "serve" -d 'Run one server'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "chat" -d 'Talk to people, at a terminal or from a script'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "send" -d 'Send one message and say what became of it, from a script'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "tail" -d 'Print the last lines of conversations, and follow them'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "account" -d 'List, rename, move and delete one\'s accounts'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "cluster" -d 'Make, start, watch, change and stop a cluster of servers'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "kill" -d 'Send a signal to servers, SIGKILL unless told otherwise'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "verify" -d 'Check everybody\'s logs against what tercet promises'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "demo" -d 'Show the whole: a cluster, two people, servers dying, a proof'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "chaos" -d 'Let a cluster fail in every way while people talk, then check that nothing was lost'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "bench" -d 'Measure how fast it is, beside a floor that nothing can beat'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "bench-floor" -d 'One server of the floor that `bench` compares with'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "completions" -d 'Make a shell complete tercet\'s command line'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "man" -d 'Install the manual pages'
complete -c tercet -n "__fish_tercet_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tercet -n "__fish_tercet_using_subcommand serve" -l config -d 'The server\'s configuration, as `cluster up` and `cluster init` write it' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand serve" -l metrics -d 'Also answer GET /metrics (for Prometheus) and GET /health at this loopback address' -r
complete -c tercet -n "__fish_tercet_using_subcommand serve" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand serve" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand serve" -l new-incarnation -d 'Do not serve: give the store a new incarnation, as one that comes from a backup needs, and end'
complete -c tercet -n "__fish_tercet_using_subcommand serve" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand serve" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand serve" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand chat" -l timeout -d 'Without a terminal: how long to wait, after the input has ended, for messages to be safe' -r
complete -c tercet -n "__fish_tercet_using_subcommand chat" -l copies -d 'Without a terminal: on how many servers a message is safe [default: 2, or 1 in a cluster of one]' -r
complete -c tercet -n "__fish_tercet_using_subcommand chat" -l window-ms -d 'How long each line is held so that its place is settled, in milliseconds' -r
complete -c tercet -n "__fish_tercet_using_subcommand chat" -l display-quorum -d 'Show a line only once so many servers have told of it, each with its current log [default: the profile\'s, or 1, which is no wait]' -r
complete -c tercet -n "__fish_tercet_using_subcommand chat" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand chat" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand chat" -l new-device -d 'Go on as a new device; for when this device\'s log is lost or damaged'
complete -c tercet -n "__fish_tercet_using_subcommand chat" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand chat" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand chat" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand send" -l as -d 'Who you are [default: the profile\'s name, or the only account on this machine]' -r
complete -c tercet -n "__fish_tercet_using_subcommand send" -l copies -d 'On how many servers it has to be [default: 2, or 1 in a cluster of one]' -r
complete -c tercet -n "__fish_tercet_using_subcommand send" -l wait -d 'For how long to wait for that' -r
complete -c tercet -n "__fish_tercet_using_subcommand send" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand send" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand send" -l no-wait -d 'Write it to this device\'s outbox and return; the next chat, send or tail takes it along'
complete -c tercet -n "__fish_tercet_using_subcommand send" -l json -d 'Print one JSON object that says what became of it: id, to, outcome, copies, servers, wanted'
complete -c tercet -n "__fish_tercet_using_subcommand send" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand send" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand send" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand tail" -l as -d 'Who you are [default: the profile\'s name, or the only account on this machine]' -r
complete -c tercet -n "__fish_tercet_using_subcommand tail" -s n -l lines -d 'How many lines to begin with' -r
complete -c tercet -n "__fish_tercet_using_subcommand tail" -l display-quorum -d 'Print only lines of which so many servers have told [default: the profile\'s, or as this device last]' -r
complete -c tercet -n "__fish_tercet_using_subcommand tail" -l wait -d 'For how long to wait for a server' -r
complete -c tercet -n "__fish_tercet_using_subcommand tail" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand tail" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand tail" -s f -l follow -d 'Go on with new lines as their places are settled. They count as shown: a chat does not show them again'
complete -c tercet -n "__fish_tercet_using_subcommand tail" -l json -d 'Print each line as a JSON object: id, time, with, kind, about, from, own, text, deleted, late, copies, servers'
complete -c tercet -n "__fish_tercet_using_subcommand tail" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand tail" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand tail" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tercet -n "__fish_tercet_using_subcommand account; and not __fish_seen_subcommand_from list show rename export link import delete help" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand account; and not __fish_seen_subcommand_from list show rename export link import delete help" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and not __fish_seen_subcommand_from list show rename export link import delete help" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand account; and not __fish_seen_subcommand_from list show rename export link import delete help" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand account; and not __fish_seen_subcommand_from list show rename export link import delete help" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand account; and not __fish_seen_subcommand_from list show rename export link import delete help" -f -a "list" -d 'List the accounts on this machine'
complete -c tercet -n "__fish_tercet_using_subcommand account; and not __fish_seen_subcommand_from list show rename export link import delete help" -f -a "show" -d 'Show one account: its key in words, its devices here'
complete -c tercet -n "__fish_tercet_using_subcommand account; and not __fish_seen_subcommand_from list show rename export link import delete help" -f -a "rename" -d 'Take another name; nobody else ever gets the old one'
complete -c tercet -n "__fish_tercet_using_subcommand account; and not __fish_seen_subcommand_from list show rename export link import delete help" -f -a "export" -d 'Write an account to a file that a passphrase opens: its key, its name and its cluster'
complete -c tercet -n "__fish_tercet_using_subcommand account; and not __fish_seen_subcommand_from list show rename export link import delete help" -f -a "link" -d 'Use an account on another machine too: write it to a file that a short code opens, and show the code'
complete -c tercet -n "__fish_tercet_using_subcommand account; and not __fish_seen_subcommand_from list show rename export link import delete help" -f -a "import" -d 'Read an account from a file that `export` or `link` wrote'
complete -c tercet -n "__fish_tercet_using_subcommand account; and not __fish_seen_subcommand_from list show rename export link import delete help" -f -a "delete" -d 'Delete an account: tell everybody, then remove its key and logs from this machine'
complete -c tercet -n "__fish_tercet_using_subcommand account; and not __fish_seen_subcommand_from list show rename export link import delete help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from list" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from list" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from list" -l json -d 'Print a JSON object on a line for each account: name, account, key, cluster, devices'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from show" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from show" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from show" -l json -d 'Print one JSON object: name, account, key, cluster, devices'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from rename" -l as -d 'Whose account [default: the profile\'s name, or the only account on this machine]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from rename" -l copies -d 'On how many servers it has to be [default: 2, or 1 in a cluster of one]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from rename" -l wait -d 'For how long to wait for that' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from rename" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from rename" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from rename" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from rename" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from rename" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from export" -l as -d 'Whose account [default: the profile\'s name, or the only account on this machine]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from export" -l passphrase-file -d 'The file whose first line is the passphrase, `-` for standard input; else it is asked for on the terminal' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from export" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from export" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from export" -l force -d 'Write over a file that is there'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from link" -l as -d 'Whose account [default: the profile\'s name, or the only account on this machine]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from link" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from link" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from link" -l force -d 'Write over a file that is there'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from link" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from link" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from link" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from import" -l passphrase-file -d 'The file whose first line is the passphrase or the code, `-` for standard input; else it is asked for on the terminal' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from import" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from import" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from delete" -l as -d 'Whose account [default: the profile\'s name, or the only account on this machine]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from delete" -l copies -d 'On how many servers it has to be [default: 2, or 1 in a cluster of one]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from delete" -l wait -d 'For how long to wait for that' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from delete" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from delete" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from delete" -l yes -d 'Do not ask'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the accounts on this machine'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show one account: its key in words, its devices here'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from help" -f -a "rename" -d 'Take another name; nobody else ever gets the old one'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from help" -f -a "export" -d 'Write an account to a file that a passphrase opens: its key, its name and its cluster'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from help" -f -a "link" -d 'Use an account on another machine too: write it to a file that a short code opens, and show the code'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from help" -f -a "import" -d 'Read an account from a file that `export` or `link` wrote'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Delete an account: tell everybody, then remove its key and logs from this machine'
complete -c tercet -n "__fish_tercet_using_subcommand account; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -f -a "init" -d 'Write keys and configurations for servers on machines of their own'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -f -a "up" -d 'Start the cluster on this machine, making it first if there is none'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -f -a "status" -d 'Show how each server is'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -f -a "start" -d 'Start servers that are not running'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -f -a "restart" -d 'Stop and start servers, one after the other, so that the cluster is there all the time'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -f -a "add" -d 'Add a server, while the others serve'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -f -a "remove" -d 'Remove a server, once the others hold all that it holds'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -f -a "replace" -d 'Put another server in a server\'s place'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -f -a "logs" -d 'Show what a server said'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -f -a "down" -d 'Stop the cluster'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and not __fish_seen_subcommand_from init up status start restart add remove replace logs down help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from init" -l server -d 'A server and where others reach it; once for each' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from init" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from init" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from init" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from init" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from up" -l nodes -d 'How many servers a new cluster gets, 1 to 32 [default: 3]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from up" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from up" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from up" -l detach -d 'Return once the servers are ready, and leave them running'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from up" -l heal -d 'Start servers again that die or lose their store, five times a minute at most; only while this command stays in the foreground'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from up" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from up" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from up" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from status" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from status" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from status" -l json -d 'Print one JSON object'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from status" -s w -l watch -d 'Go on until ctrl-C: a live table, or without a terminal one for each change; with --json one object per line'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from start" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from start" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from start" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from start" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from restart" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from restart" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from restart" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from restart" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from restart" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from add" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from add" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from remove" -l copies -d 'How many of the others must hold all that it holds before it goes [default: 2, or all of fewer]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from remove" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from remove" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from remove" -l force -d 'Remove a server that is dead. What it alone holds is lost, unless its author still has it'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from replace" -l copies -d 'How many of the others must hold all that it holds before it goes [default: 2, or all of fewer]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from replace" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from replace" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from replace" -l force -d 'Remove a server that is dead. What it alone holds is lost, unless its author still has it'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from replace" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from replace" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from replace" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from logs" -s n -l lines -d 'How many of its last lines' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from logs" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from logs" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on as it says more, until ctrl-C'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from logs" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from logs" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from down" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from down" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from down" -l purge -d 'Delete the cluster afterwards: its servers\' logs, and people\'s keys and logs'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from down" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from down" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from down" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "init" -d 'Write keys and configurations for servers on machines of their own'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "up" -d 'Start the cluster on this machine, making it first if there is none'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "status" -d 'Show how each server is'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "start" -d 'Start servers that are not running'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "restart" -d 'Stop and start servers, one after the other, so that the cluster is there all the time'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add a server, while the others serve'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove a server, once the others hold all that it holds'
complete -c tercet -n "__fish_tercet_using_subcommand cluster; and __fish_seen_subcommand_from help" -f -a "replace" -d 'Put another server in a server\'s place'
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
complete -c tercet -n "__fish_tercet_using_subcommand kill" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand kill" -l random -d 'One running server, by chance; of those named, if any are'
complete -c tercet -n "__fish_tercet_using_subcommand kill" -l all -d 'Every running server'
complete -c tercet -n "__fish_tercet_using_subcommand kill" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand kill" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand kill" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tercet -n "__fish_tercet_using_subcommand verify" -l report -d 'Also write the report as one HTML page, with the history as a diagram' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand verify" -l export -d 'Print the history for another program instead of the report' -r -f -a "adya\t'Transactions on lists, for the checkers adya and Elle'
shiviz\t'A log with vector clocks, for ShiViz'
jsonl\t'Everything, as JSON Lines'"
complete -c tercet -n "__fish_tercet_using_subcommand verify" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand verify" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand verify" -l json -d 'Print the report as JSON'
complete -c tercet -n "__fish_tercet_using_subcommand verify" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand verify" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tercet -n "__fish_tercet_using_subcommand demo" -l messages -d 'How many messages are sent [default: 240, or all of the script]' -r
complete -c tercet -n "__fish_tercet_using_subcommand demo" -l seed -d 'Chooses which servers are killed, and when [default: a new seed]' -r
complete -c tercet -n "__fish_tercet_using_subcommand demo" -l script -d 'Replays a conversation: a TSV of room, time, nick, text. Of each room the two who say most talk' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand demo" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand demo" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand demo" -l keep -d 'Leaves the folder for a look afterwards'
complete -c tercet -n "__fish_tercet_using_subcommand demo" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand demo" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand demo" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -l for -d 'How long things go wrong: 60s, 5m, 800ms [default: 60s]' -r
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -l seed -d 'Chooses what goes wrong when, and who says what [default: a new seed]' -r
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -l clients -d 'How many people talk, 2 to 16 [default: 3]' -r
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -l rate -d 'Messages a second, all together [default: 20]' -r
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -l faults -d 'What may go wrong [default: all that this machine can do]' -r -f -a "kill\t'Servers are killed with SIGKILL and started again; one is always left'
pause\t'Servers hang (SIGSTOP) and go on; one is always left'
restart\t'A server is stopped cleanly and started again'
all-down\t'All servers are killed'
client-kill\t'A client is killed with SIGKILL and started again'
wipe\t'A server loses its disk'
skew\t'A server\'s or a client\'s clock is off by seconds, and later is not'
partition\t'Servers are cut off from everybody, or all from each other (needs network namespaces)'
slow\t'The links of servers are slow and lose packets (needs network namespaces and netem)'"
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -l replay -d 'Does what this log of actions says, which an earlier run has written, in place of a seed\'s schedule' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -l log -d 'Where to write the log of actions [default: a new file in the system\'s temporary folder]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -l keep -d 'Leaves the folder for a look afterwards; it stays anyway unless the verdict is "valid"'
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -l json -d 'Print verify\'s report as JSON, with the seed and the counts; the story goes to standard error'
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand chaos" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l workload -d 'What to measure' -r -f -a "W1\t'One sender with one message outstanding'
W2\t'64 senders with one outstanding each'
W3\t'64 senders with 32 outstanding each'
W4\t'100 messages a second from one device to another'
W5\t'As W2; one of the servers is killed at half time'
W6\t'Starting on a big store, filling an empty one, a page of history, verify'"
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l clients -d 'How many devices send [default: the workload\'s]' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l inflight -d 'How many messages of each device may be unacknowledged [default: the workload\'s]' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l bytes -d 'How long each message is, in bytes' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l for -d 'How long each round takes: 10s, 500ms, 2m' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l rounds -d 'How many rounds, of which the medians are told [default: 1; with --floor: 2 of each]' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l events -d 'How many events are in the stores before anything is measured [default: 0; W6: 10000]' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l conversations -d 'Over how many conversations each device\'s messages go, and the events in the stores [default: 1, and 64]' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l connections -d 'How many more devices are connected meanwhile and say nothing [default: 0]' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l cluster -d 'The cluster.toml of a running cluster to put under load [default: a new one, on this machine]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l plot -d 'Makes an SVG of what --json printed: how each cost grows; measures nothing' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l table -d 'Makes a Markdown table of what --json printed; measures nothing' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l room -d 'All write into one room, of which those devices are members'
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l floor -d 'In turn with tercet, measures three processes that only append and sync what comes over plain TCP'
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l json -d 'Prints one JSON object'
complete -c tercet -n "__fish_tercet_using_subcommand bench" -l keep -d 'Leaves the new cluster\'s folder for a look afterwards'
complete -c tercet -n "__fish_tercet_using_subcommand bench" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand bench" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand bench" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand bench-floor" -l file -d 'The file to append to; made if it is not there' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand bench-floor" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand bench-floor" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand bench-floor" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand bench-floor" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand bench-floor" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand completions" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand completions" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand completions" -l print -d 'Print it instead of installing it'
complete -c tercet -n "__fish_tercet_using_subcommand completions" -l static -d 'Print a script that does not ask tercet and completes no names, for packages'
complete -c tercet -n "__fish_tercet_using_subcommand completions" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand completions" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand completions" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand man" -l dir -d 'The cluster\'s folder [default: $XDG_STATE_HOME/tercet/local]' -r -F
complete -c tercet -n "__fish_tercet_using_subcommand man" -l profile -d 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]' -r
complete -c tercet -n "__fish_tercet_using_subcommand man" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c tercet -n "__fish_tercet_using_subcommand man" -s v -l verbose -d 'Also say what usually need not be known'
complete -c tercet -n "__fish_tercet_using_subcommand man" -s h -l help -d 'Print help'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "serve" -d 'Run one server'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "chat" -d 'Talk to people, at a terminal or from a script'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "send" -d 'Send one message and say what became of it, from a script'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "tail" -d 'Print the last lines of conversations, and follow them'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "account" -d 'List, rename, move and delete one\'s accounts'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "cluster" -d 'Make, start, watch, change and stop a cluster of servers'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "kill" -d 'Send a signal to servers, SIGKILL unless told otherwise'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "verify" -d 'Check everybody\'s logs against what tercet promises'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "demo" -d 'Show the whole: a cluster, two people, servers dying, a proof'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "chaos" -d 'Let a cluster fail in every way while people talk, then check that nothing was lost'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "bench" -d 'Measure how fast it is, beside a floor that nothing can beat'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "bench-floor" -d 'One server of the floor that `bench` compares with'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "completions" -d 'Make a shell complete tercet\'s command line'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "man" -d 'Install the manual pages'
complete -c tercet -n "__fish_tercet_using_subcommand help; and not __fish_seen_subcommand_from serve chat send tail account cluster kill verify demo chaos bench bench-floor completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from account" -f -a "list" -d 'List the accounts on this machine'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from account" -f -a "show" -d 'Show one account: its key in words, its devices here'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from account" -f -a "rename" -d 'Take another name; nobody else ever gets the old one'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from account" -f -a "export" -d 'Write an account to a file that a passphrase opens: its key, its name and its cluster'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from account" -f -a "link" -d 'Use an account on another machine too: write it to a file that a short code opens, and show the code'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from account" -f -a "import" -d 'Read an account from a file that `export` or `link` wrote'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from account" -f -a "delete" -d 'Delete an account: tell everybody, then remove its key and logs from this machine'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "init" -d 'Write keys and configurations for servers on machines of their own'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "up" -d 'Start the cluster on this machine, making it first if there is none'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "status" -d 'Show how each server is'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "start" -d 'Start servers that are not running'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "restart" -d 'Stop and start servers, one after the other, so that the cluster is there all the time'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "add" -d 'Add a server, while the others serve'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "remove" -d 'Remove a server, once the others hold all that it holds'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "replace" -d 'Put another server in a server\'s place'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "logs" -d 'Show what a server said'
complete -c tercet -n "__fish_tercet_using_subcommand help; and __fish_seen_subcommand_from cluster" -f -a "down" -d 'Stop the cluster'
