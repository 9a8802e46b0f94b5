
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'tercet' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'tercet'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'tercet' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Run one server')
            [CompletionResult]::new('chat', 'chat', [CompletionResultType]::ParameterValue, 'Talk to people, at a terminal or from a script')
            [CompletionResult]::new('send', 'send', [CompletionResultType]::ParameterValue, 'Send one message and say what became of it, from a script')
            [CompletionResult]::new('tail', 'tail', [CompletionResultType]::ParameterValue, 'Print the last lines of conversations, and follow them')
            [CompletionResult]::new('account', 'account', [CompletionResultType]::ParameterValue, 'List, rename, move and delete one''s accounts')
            [CompletionResult]::new('cluster', 'cluster', [CompletionResultType]::ParameterValue, 'Make, start, watch, change and stop a cluster of servers')
            [CompletionResult]::new('kill', 'kill', [CompletionResultType]::ParameterValue, 'Send a signal to servers, SIGKILL unless told otherwise')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check everybody''s logs against what tercet promises')
            [CompletionResult]::new('demo', 'demo', [CompletionResultType]::ParameterValue, 'Show the whole: a cluster, two people, servers dying, a proof')
            [CompletionResult]::new('chaos', 'chaos', [CompletionResultType]::ParameterValue, 'Let a cluster fail in every way while people talk, then check that nothing was lost')
            [CompletionResult]::new('bench', 'bench', [CompletionResultType]::ParameterValue, 'Measure how fast it is, beside a floor that nothing can beat')
            [CompletionResult]::new('bench-floor', 'bench-floor', [CompletionResultType]::ParameterValue, 'One server of the floor that `bench` compares with')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Make a shell complete tercet''s command line')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Install the manual pages')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'tercet;serve' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The server''s configuration, as `cluster up` and `cluster init` write it')
            [CompletionResult]::new('--metrics', '--metrics', [CompletionResultType]::ParameterName, 'Also answer GET /metrics (for Prometheus) and GET /health at this loopback address')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--new-incarnation', '--new-incarnation', [CompletionResultType]::ParameterName, 'Do not serve: give the store a new incarnation, as one that comes from a backup needs, and end')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;chat' {
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Without a terminal: how long to wait, after the input has ended, for messages to be safe')
            [CompletionResult]::new('--copies', '--copies', [CompletionResultType]::ParameterName, 'Without a terminal: on how many servers a message is safe [default: 2, or 1 in a cluster of one]')
            [CompletionResult]::new('--window-ms', '--window-ms', [CompletionResultType]::ParameterName, 'How long each line is held so that its place is settled, in milliseconds')
            [CompletionResult]::new('--display-quorum', '--display-quorum', [CompletionResultType]::ParameterName, 'Show a line only once so many servers have told of it, each with its current log [default: the profile''s, or 1, which is no wait]')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--new-device', '--new-device', [CompletionResultType]::ParameterName, 'Go on as a new device; for when this device''s log is lost or damaged')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;send' {
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'Who you are [default: the profile''s name, or the only account on this machine]')
            [CompletionResult]::new('--copies', '--copies', [CompletionResultType]::ParameterName, 'On how many servers it has to be [default: 2, or 1 in a cluster of one]')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'For how long to wait for that')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--no-wait', '--no-wait', [CompletionResultType]::ParameterName, 'Write it to this device''s outbox and return; the next chat, send or tail takes it along')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object that says what became of it: id, to, outcome, copies, servers, wanted')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;tail' {
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'Who you are [default: the profile''s name, or the only account on this machine]')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'How many lines to begin with')
            [CompletionResult]::new('--lines', '--lines', [CompletionResultType]::ParameterName, 'How many lines to begin with')
            [CompletionResult]::new('--display-quorum', '--display-quorum', [CompletionResultType]::ParameterName, 'Print only lines of which so many servers have told [default: the profile''s, or as this device last]')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'For how long to wait for a server')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Go on with new lines as their places are settled. They count as shown: a chat does not show them again')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Go on with new lines as their places are settled. They count as shown: a chat does not show them again')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print each line as a JSON object: id, time, with, kind, about, from, own, text, deleted, late, copies, servers')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tercet;account' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the accounts on this machine')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show one account: its key in words, its devices here')
            [CompletionResult]::new('rename', 'rename', [CompletionResultType]::ParameterValue, 'Take another name; nobody else ever gets the old one')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Write an account to a file that a passphrase opens: its key, its name and its cluster')
            [CompletionResult]::new('link', 'link', [CompletionResultType]::ParameterValue, 'Use an account on another machine too: write it to a file that a short code opens, and show the code')
            [CompletionResult]::new('import', 'import', [CompletionResultType]::ParameterValue, 'Read an account from a file that `export` or `link` wrote')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete an account: tell everybody, then remove its key and logs from this machine')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'tercet;account;list' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print a JSON object on a line for each account: name, account, key, cluster, devices')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;account;show' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object: name, account, key, cluster, devices')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;account;rename' {
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'Whose account [default: the profile''s name, or the only account on this machine]')
            [CompletionResult]::new('--copies', '--copies', [CompletionResultType]::ParameterName, 'On how many servers it has to be [default: 2, or 1 in a cluster of one]')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'For how long to wait for that')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;account;export' {
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'Whose account [default: the profile''s name, or the only account on this machine]')
            [CompletionResult]::new('--passphrase-file', '--passphrase-file', [CompletionResultType]::ParameterName, 'The file whose first line is the passphrase, `-` for standard input; else it is asked for on the terminal')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Write over a file that is there')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;account;link' {
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'Whose account [default: the profile''s name, or the only account on this machine]')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Write over a file that is there')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;account;import' {
            [CompletionResult]::new('--passphrase-file', '--passphrase-file', [CompletionResultType]::ParameterName, 'The file whose first line is the passphrase or the code, `-` for standard input; else it is asked for on the terminal')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;account;delete' {
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'Whose account [default: the profile''s name, or the only account on this machine]')
            [CompletionResult]::new('--copies', '--copies', [CompletionResultType]::ParameterName, 'On how many servers it has to be [default: 2, or 1 in a cluster of one]')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'For how long to wait for that')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;account;help' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the accounts on this machine')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show one account: its key in words, its devices here')
            [CompletionResult]::new('rename', 'rename', [CompletionResultType]::ParameterValue, 'Take another name; nobody else ever gets the old one')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Write an account to a file that a passphrase opens: its key, its name and its cluster')
            [CompletionResult]::new('link', 'link', [CompletionResultType]::ParameterValue, 'Use an account on another machine too: write it to a file that a short code opens, and show the code')
            [CompletionResult]::new('import', 'import', [CompletionResultType]::ParameterValue, 'Read an account from a file that `export` or `link` wrote')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete an account: tell everybody, then remove its key and logs from this machine')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'tercet;account;help;list' {
            break
        }
        'tercet;account;help;show' {
            break
        }
        'tercet;account;help;rename' {
            break
        }
        'tercet;account;help;export' {
            break
        }
        'tercet;account;help;link' {
            break
        }
        'tercet;account;help;import' {
            break
        }
        'tercet;account;help;delete' {
            break
        }
        'tercet;account;help;help' {
            break
        }
        'tercet;cluster' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write keys and configurations for servers on machines of their own')
            [CompletionResult]::new('up', 'up', [CompletionResultType]::ParameterValue, 'Start the cluster on this machine, making it first if there is none')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show how each server is')
            [CompletionResult]::new('start', 'start', [CompletionResultType]::ParameterValue, 'Start servers that are not running')
            [CompletionResult]::new('restart', 'restart', [CompletionResultType]::ParameterValue, 'Stop and start servers, one after the other, so that the cluster is there all the time')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add a server, while the others serve')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Remove a server, once the others hold all that it holds')
            [CompletionResult]::new('replace', 'replace', [CompletionResultType]::ParameterValue, 'Put another server in a server''s place')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Show what a server said')
            [CompletionResult]::new('down', 'down', [CompletionResultType]::ParameterValue, 'Stop the cluster')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'tercet;cluster;init' {
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'A server and where others reach it; once for each')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;cluster;up' {
            [CompletionResult]::new('--nodes', '--nodes', [CompletionResultType]::ParameterName, 'How many servers a new cluster gets, 1 to 32 [default: 3]')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--detach', '--detach', [CompletionResultType]::ParameterName, 'Return once the servers are ready, and leave them running')
            [CompletionResult]::new('--heal', '--heal', [CompletionResultType]::ParameterName, 'Start servers again that die or lose their store, five times a minute at most; only while this command stays in the foreground')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;cluster;status' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Go on until ctrl-C: a live table, or without a terminal one for each change; with --json one object per line')
            [CompletionResult]::new('--watch', '--watch', [CompletionResultType]::ParameterName, 'Go on until ctrl-C: a live table, or without a terminal one for each change; with --json one object per line')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;cluster;start' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;cluster;restart' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;cluster;add' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;cluster;remove' {
            [CompletionResult]::new('--copies', '--copies', [CompletionResultType]::ParameterName, 'How many of the others must hold all that it holds before it goes [default: 2, or all of fewer]')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Remove a server that is dead. What it alone holds is lost, unless its author still has it')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;cluster;replace' {
            [CompletionResult]::new('--copies', '--copies', [CompletionResultType]::ParameterName, 'How many of the others must hold all that it holds before it goes [default: 2, or all of fewer]')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Remove a server that is dead. What it alone holds is lost, unless its author still has it')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;cluster;logs' {
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'How many of its last lines')
            [CompletionResult]::new('--lines', '--lines', [CompletionResultType]::ParameterName, 'How many of its last lines')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Go on as it says more, until ctrl-C')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Go on as it says more, until ctrl-C')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;cluster;down' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--purge', '--purge', [CompletionResultType]::ParameterName, 'Delete the cluster afterwards: its servers'' logs, and people''s keys and logs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;cluster;help' {
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write keys and configurations for servers on machines of their own')
            [CompletionResult]::new('up', 'up', [CompletionResultType]::ParameterValue, 'Start the cluster on this machine, making it first if there is none')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show how each server is')
            [CompletionResult]::new('start', 'start', [CompletionResultType]::ParameterValue, 'Start servers that are not running')
            [CompletionResult]::new('restart', 'restart', [CompletionResultType]::ParameterValue, 'Stop and start servers, one after the other, so that the cluster is there all the time')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add a server, while the others serve')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Remove a server, once the others hold all that it holds')
            [CompletionResult]::new('replace', 'replace', [CompletionResultType]::ParameterValue, 'Put another server in a server''s place')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Show what a server said')
            [CompletionResult]::new('down', 'down', [CompletionResultType]::ParameterValue, 'Stop the cluster')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'tercet;cluster;help;init' {
            break
        }
        'tercet;cluster;help;up' {
            break
        }
        'tercet;cluster;help;status' {
            break
        }
        'tercet;cluster;help;start' {
            break
        }
        'tercet;cluster;help;restart' {
            break
        }
        'tercet;cluster;help;add' {
            break
        }
        'tercet;cluster;help;remove' {
            break
        }
        'tercet;cluster;help;replace' {
            break
        }
        'tercet;cluster;help;logs' {
            break
        }
        'tercet;cluster;help;down' {
            break
        }
        'tercet;cluster;help;help' {
            break
        }
        'tercet;kill' {
            [CompletionResult]::new('--signal', '--signal', [CompletionResultType]::ParameterName, 'What to send')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Makes --random choose the same again')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--random', '--random', [CompletionResultType]::ParameterName, 'One running server, by chance; of those named, if any are')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Every running server')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tercet;verify' {
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Also write the report as one HTML page, with the history as a diagram')
            [CompletionResult]::new('--export', '--export', [CompletionResultType]::ParameterName, 'Print the history for another program instead of the report')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the report as JSON')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tercet;demo' {
            [CompletionResult]::new('--messages', '--messages', [CompletionResultType]::ParameterName, 'How many messages are sent [default: 240, or all of the script]')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Chooses which servers are killed, and when [default: a new seed]')
            [CompletionResult]::new('--script', '--script', [CompletionResultType]::ParameterName, 'Replays a conversation: a TSV of room, time, nick, text. Of each room the two who say most talk')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Leaves the folder for a look afterwards')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;chaos' {
            [CompletionResult]::new('--for', '--for', [CompletionResultType]::ParameterName, 'How long things go wrong: 60s, 5m, 800ms [default: 60s]')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Chooses what goes wrong when, and who says what [default: a new seed]')
            [CompletionResult]::new('--clients', '--clients', [CompletionResultType]::ParameterName, 'How many people talk, 2 to 16 [default: 3]')
            [CompletionResult]::new('--rate', '--rate', [CompletionResultType]::ParameterName, 'Messages a second, all together [default: 20]')
            [CompletionResult]::new('--faults', '--faults', [CompletionResultType]::ParameterName, 'What may go wrong [default: all that this machine can do]')
            [CompletionResult]::new('--replay', '--replay', [CompletionResultType]::ParameterName, 'Does what this log of actions says, which an earlier run has written, in place of a seed''s schedule')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Where to write the log of actions [default: a new file in the system''s temporary folder]')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Leaves the folder for a look afterwards; it stays anyway unless the verdict is "valid"')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print verify''s report as JSON, with the seed and the counts; the story goes to standard error')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'tercet;bench' {
            [CompletionResult]::new('--workload', '--workload', [CompletionResultType]::ParameterName, 'What to measure')
            [CompletionResult]::new('--clients', '--clients', [CompletionResultType]::ParameterName, 'How many devices send [default: the workload''s]')
            [CompletionResult]::new('--inflight', '--inflight', [CompletionResultType]::ParameterName, 'How many messages of each device may be unacknowledged [default: the workload''s]')
            [CompletionResult]::new('--bytes', '--bytes', [CompletionResultType]::ParameterName, 'How long each message is, in bytes')
            [CompletionResult]::new('--for', '--for', [CompletionResultType]::ParameterName, 'How long each round takes: 10s, 500ms, 2m')
            [CompletionResult]::new('--rounds', '--rounds', [CompletionResultType]::ParameterName, 'How many rounds, of which the medians are told [default: 1; with --floor: 2 of each]')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'How many events are in the stores before anything is measured [default: 0; W6: 10000]')
            [CompletionResult]::new('--conversations', '--conversations', [CompletionResultType]::ParameterName, 'Over how many conversations each device''s messages go, and the events in the stores [default: 1, and 64]')
            [CompletionResult]::new('--connections', '--connections', [CompletionResultType]::ParameterName, 'How many more devices are connected meanwhile and say nothing [default: 0]')
            [CompletionResult]::new('--cluster', '--cluster', [CompletionResultType]::ParameterName, 'The cluster.toml of a running cluster to put under load [default: a new one, on this machine]')
            [CompletionResult]::new('--plot', '--plot', [CompletionResultType]::ParameterName, 'Makes an SVG of what --json printed: how each cost grows; measures nothing')
            [CompletionResult]::new('--table', '--table', [CompletionResultType]::ParameterName, 'Makes a Markdown table of what --json printed; measures nothing')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--room', '--room', [CompletionResultType]::ParameterName, 'All write into one room, of which those devices are members')
            [CompletionResult]::new('--floor', '--floor', [CompletionResultType]::ParameterName, 'In turn with tercet, measures three processes that only append and sync what comes over plain TCP')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Prints one JSON object')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Leaves the new cluster''s folder for a look afterwards')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;bench-floor' {
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The file to append to; made if it is not there')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;completions' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('--print', '--print', [CompletionResultType]::ParameterName, 'Print it instead of installing it')
            [CompletionResult]::new('--static', '--static', [CompletionResultType]::ParameterName, 'Print a script that does not ask tercet and completes no names, for packages')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;man' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'The cluster''s folder [default: $XDG_STATE_HOME/tercet/local]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Which profile of $XDG_CONFIG_HOME/tercet/config.toml holds [default: the one it names]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but what went wrong')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Also say what usually need not be known')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'tercet;help' {
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Run one server')
            [CompletionResult]::new('chat', 'chat', [CompletionResultType]::ParameterValue, 'Talk to people, at a terminal or from a script')
            [CompletionResult]::new('send', 'send', [CompletionResultType]::ParameterValue, 'Send one message and say what became of it, from a script')
            [CompletionResult]::new('tail', 'tail', [CompletionResultType]::ParameterValue, 'Print the last lines of conversations, and follow them')
            [CompletionResult]::new('account', 'account', [CompletionResultType]::ParameterValue, 'List, rename, move and delete one''s accounts')
            [CompletionResult]::new('cluster', 'cluster', [CompletionResultType]::ParameterValue, 'Make, start, watch, change and stop a cluster of servers')
            [CompletionResult]::new('kill', 'kill', [CompletionResultType]::ParameterValue, 'Send a signal to servers, SIGKILL unless told otherwise')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check everybody''s logs against what tercet promises')
            [CompletionResult]::new('demo', 'demo', [CompletionResultType]::ParameterValue, 'Show the whole: a cluster, two people, servers dying, a proof')
            [CompletionResult]::new('chaos', 'chaos', [CompletionResultType]::ParameterValue, 'Let a cluster fail in every way while people talk, then check that nothing was lost')
            [CompletionResult]::new('bench', 'bench', [CompletionResultType]::ParameterValue, 'Measure how fast it is, beside a floor that nothing can beat')
            [CompletionResult]::new('bench-floor', 'bench-floor', [CompletionResultType]::ParameterValue, 'One server of the floor that `bench` compares with')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Make a shell complete tercet''s command line')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Install the manual pages')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'tercet;help;serve' {
            break
        }
        'tercet;help;chat' {
            break
        }
        'tercet;help;send' {
            break
        }
        'tercet;help;tail' {
            break
        }
        'tercet;help;account' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the accounts on this machine')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show one account: its key in words, its devices here')
            [CompletionResult]::new('rename', 'rename', [CompletionResultType]::ParameterValue, 'Take another name; nobody else ever gets the old one')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Write an account to a file that a passphrase opens: its key, its name and its cluster')
            [CompletionResult]::new('link', 'link', [CompletionResultType]::ParameterValue, 'Use an account on another machine too: write it to a file that a short code opens, and show the code')
            [CompletionResult]::new('import', 'import', [CompletionResultType]::ParameterValue, 'Read an account from a file that `export` or `link` wrote')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete an account: tell everybody, then remove its key and logs from this machine')
            break
        }
        'tercet;help;account;list' {
            break
        }
        'tercet;help;account;show' {
            break
        }
        'tercet;help;account;rename' {
            break
        }
        'tercet;help;account;export' {
            break
        }
        'tercet;help;account;link' {
            break
        }
        'tercet;help;account;import' {
            break
        }
        'tercet;help;account;delete' {
            break
        }
        'tercet;help;cluster' {
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write keys and configurations for servers on machines of their own')
            [CompletionResult]::new('up', 'up', [CompletionResultType]::ParameterValue, 'Start the cluster on this machine, making it first if there is none')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show how each server is')
            [CompletionResult]::new('start', 'start', [CompletionResultType]::ParameterValue, 'Start servers that are not running')
            [CompletionResult]::new('restart', 'restart', [CompletionResultType]::ParameterValue, 'Stop and start servers, one after the other, so that the cluster is there all the time')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add a server, while the others serve')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Remove a server, once the others hold all that it holds')
            [CompletionResult]::new('replace', 'replace', [CompletionResultType]::ParameterValue, 'Put another server in a server''s place')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Show what a server said')
            [CompletionResult]::new('down', 'down', [CompletionResultType]::ParameterValue, 'Stop the cluster')
            break
        }
        'tercet;help;cluster;init' {
            break
        }
        'tercet;help;cluster;up' {
            break
        }
        'tercet;help;cluster;status' {
            break
        }
        'tercet;help;cluster;start' {
            break
        }
        'tercet;help;cluster;restart' {
            break
        }
        'tercet;help;cluster;add' {
            break
        }
        'tercet;help;cluster;remove' {
            break
        }
        'tercet;help;cluster;replace' {
            break
        }
        'tercet;help;cluster;logs' {
            break
        }
        'tercet;help;cluster;down' {
            break
        }
        'tercet;help;kill' {
            break
        }
        'tercet;help;verify' {
            break
        }
        'tercet;help;demo' {
            break
        }
        'tercet;help;chaos' {
            break
        }
        'tercet;help;bench' {
            break
        }
        'tercet;help;bench-floor' {
            break
        }
        'tercet;help;completions' {
            break
        }
        'tercet;help;man' {
            break
        }
        'tercet;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
