//! What the nemesis does, as values and as lines of a file that can be read back. Pure.
//!
//! A line is `milliseconds TAB deed TAB target [TAB value]`. Lines that start with `#` are comments, but for
//! the first: it says with what a run was made.

use std::fmt;

use crate::text::inert;

/// Who sends messages in a run, at most.
pub const PEOPLE: [&str; 16] = [
    "ann", "ben", "cat", "dan", "eve", "fay", "gus", "hal", "ida", "joe", "kim", "leo", "mia", "ned", "ora",
    "pat",
];

/// What is done to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// SIGKILL.
    Kill,
    /// What is not running is started.
    Start,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Continue,
    /// A clean stop, and a start.
    Restart,
    /// SIGKILL, and the store is deleted.
    Wipe,
    /// Stopped and started under a clock that is off by so many milliseconds.
    Skew(i64),
    /// Cut off from everybody; all servers: from each other.
    Cut,
    /// Cut off no longer.
    Join,
    /// Packets take long, and some are lost.
    Slow,
    /// Slow no longer.
    Fast,
}

/// To whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The server of this number, from 1.
    Server(usize),
    /// All servers.
    AllServers,
    /// One of [`PEOPLE`], by index.
    Client(usize),
}

/// Something done at a time, counted from the beginning of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// When, milliseconds.
    pub at_ms: u64,
    /// What.
    pub deed: Deed,
    /// To whom.
    pub target: Target,
}

/// Every deed by its name.
const DEEDS: [(&str, Deed); 11] = [
    ("kill", Deed::Kill),
    ("start", Deed::Start),
    ("pause", Deed::Pause),
    ("continue", Deed::Continue),
    ("restart", Deed::Restart),
    ("wipe", Deed::Wipe),
    ("skew", Deed::Skew(0)),
    ("cut", Deed::Cut),
    ("join", Deed::Join),
    ("slow", Deed::Slow),
    ("fast", Deed::Fast),
];

impl Deed {
    /// Its name in a file.
    pub fn name(self) -> &'static str {
        let same = |(_, deed): &&(&str, Self)| std::mem::discriminant(deed) == std::mem::discriminant(&self);
        DEEDS.iter().find(same).map_or("", |(name, _)| name)
    }

    /// Whether it can be done to a client.
    fn suits_clients(self) -> bool {
        matches!(self, Self::Kill | Self::Start | Self::Skew(_))
    }

    /// Whether it is done to the network.
    pub fn is_of_the_network(self) -> bool {
        matches!(self, Self::Cut | Self::Join | Self::Slow | Self::Fast)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(name) => write!(f, "{name}"),
            Self::AllServers => f.write_str("all"),
            Self::Client(index) => f.write_str(PEOPLE.get(*index).copied().unwrap_or("?")),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}", self.at_ms, self.deed.name(), self.target)?;
        match self.deed {
            Deed::Skew(ms) => write!(f, "\t{ms:+}"),
            _ => Ok(()),
        }
    }
}

/// With what a run was made, so that a replay has the same talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The seed.
    pub seed: u64,
    /// How many clients.
    pub clients: usize,
    /// Messages a second, all clients together.
    pub rate: u32,
    /// How long, milliseconds.
    pub for_ms: u64,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, clients, rate, for_ms } = self;
        write!(f, "# tercet chaos\tseed={seed}\tclients={clients}\trate={rate}\tfor_ms={for_ms}")
    }
}

/// Why a text is no log of actions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Its first line is not what a run writes there.
    #[error("line 1 is not \"{}\" with numbers of their own", Setting { seed: 1, clients: 3, rate: 20, for_ms: 60_000 })]
    Setting,
    /// A line that cannot be understood.
    #[error("line {line}: {why}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// Reads a log of actions: with what it was made, and the actions in order of time.
///
/// # Errors
/// The first line that is wrong.
pub fn parse(text: &str, servers: usize) -> Result<(Setting, Vec<Action>), ReplayError> {
    let setting = text.lines().next().and_then(setting).ok_or(ReplayError::Setting)?;
    let mut actions = Vec::new();
    for (index, row) in text.lines().enumerate().skip(1) {
        if !row.starts_with('#') && !row.trim().is_empty() {
            let action = action(row, servers, setting.clients);
            actions.push(action.map_err(|why| ReplayError::Line { line: index + 1, why })?);
        }
    }
    actions.sort_by_key(|action| action.at_ms);
    Ok((setting, actions))
}

fn setting(line: &str) -> Option<Setting> {
    let mut columns = line.split('\t');
    columns.next().filter(|title| *title == "# tercet chaos")?;
    let mut next = |key: &str| columns.next()?.strip_prefix(key)?.strip_prefix('=');
    let setting = Setting {
        seed: next("seed")?.parse().ok()?,
        clients: next("clients")?.parse().ok()?,
        rate: next("rate")?.parse().ok()?,
        for_ms: next("for_ms")?.parse().ok()?,
    };
    let sound = (2..=PEOPLE.len()).contains(&setting.clients) && setting.rate > 0 && setting.for_ms > 0;
    Some(setting).filter(|_| sound)
}

fn action(row: &str, servers: usize, clients: usize) -> Result<Action, String> {
    let columns: Vec<&str> = row.split('\t').map(str::trim).collect();
    let (at_ms, deed, target, value) = match columns.as_slice() {
        [at_ms, deed, target] => (at_ms, deed, target, None),
        [at_ms, deed, target, value] => (at_ms, deed, target, Some(*value)),
        _ => {
            return Err(
                "it has not three columns: milliseconds, deed and target, each parted by a tab".to_owned()
            );
        }
    };
    let at_ms = at_ms.parse().map_err(|_| format!("\"{}\" is no number of milliseconds", inert(at_ms)))?;
    let names = DEEDS.map(|(name, _)| name);
    let (_, found) = DEEDS
        .iter()
        .find(|(name, _)| name == deed)
        .ok_or_else(|| format!("no deed is called \"{}\"; there are {}", inert(deed), names.join(", ")))?;
    let deed = match (found, value) {
        (Deed::Skew(_), Some(ms)) => {
            Deed::Skew(ms.parse().map_err(|_| format!("\"{}\" is no number of milliseconds", inert(ms)))?)
        }
        (Deed::Skew(_), None) => return Err("skew needs a fourth column: milliseconds".to_owned()),
        (_, Some(_)) => return Err(format!("{deed} has no fourth column")),
        (deed, None) => *deed,
    };
    let target = target_of(target, servers, clients)?;
    let suits = match target {
        Target::Server(_) => true,
        Target::AllServers => matches!(deed, Deed::Cut | Deed::Join),
        Target::Client(_) => deed.suits_clients(),
    };
    if suits {
        Ok(Action { at_ms, deed, target })
    } else {
        Err(format!("{target} cannot be the target of {}", deed.name()))
    }
}

fn target_of(text: &str, servers: usize, clients: usize) -> Result<Target, String> {
    if text == "all" {
        return Ok(Target::AllServers);
    }
    if let Some(index) = PEOPLE.iter().take(clients).position(|name| *name == text) {
        return Ok(Target::Client(index));
    }
    match text.parse() {
        Ok(name) if (1..=servers).contains(&name) => Ok(Target::Server(name)),
        _ => Err(format!(
            "there is no \"{}\"; there are servers 1 to {servers} and the clients {}",
            inert(text),
            PEOPLE[..clients].join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule::{Fault, Shape, plan};
    use super::*;

    const SETTING: Setting = Setting { seed: 7, clients: 4, rate: 20, for_ms: 60_000 };

    #[test]
    fn what_is_written_is_read_back() {
        let shape =
            Shape { servers: 3, clients: 4, for_ms: 60_000, faults: Fault::ALL.into_iter().collect() };
        for seed in 0..50 {
            let actions = plan(seed, &shape);
            let lines: Vec<String> = actions.iter().map(Action::to_string).collect();
            let text = format!("{SETTING}\n{}\n# the end\n", lines.join("\n"));
            assert_eq!(parse(&text, 3), Ok((SETTING, actions)));
        }
    }

    #[test]
    fn what_is_no_log_of_actions_names_the_line() {
        let cases = [
            ("12", "has not three columns"),
            ("x\tkill\t1", "\"x\" is no number"),
            ("-1\tkill\t1", "\"-1\" is no number"),
            ("1\tkil\t1", "no deed is called \"kil\"; there are kill, start"),
            ("1\tkill\t4", "there is no \"4\"; there are servers 1 to 3"),
            ("1\tkill\t0", "there is no \"0\""),
            ("1\tkill\tfay", "clients ann, ben, cat, dan"),
            ("1\tpause\tann", "ann cannot be the target of pause"),
            ("1\tkill\tall", "all cannot be the target of kill"),
            ("1\tskew\tann", "needs a fourth column"),
            ("1\tskew\tann\tmuch", "\"much\" is no number"),
            ("1\tkill\t1\t2", "has no fourth column"),
        ];
        for (row, says) in cases {
            let error = parse(&format!("{SETTING}\n\n{row}\n"), 3).unwrap_err().to_string();
            assert!(error.starts_with("line 3: ") && error.contains(says), "{row:?} gave {error:?}");
        }
        let first =
            ["", "1\tkill\t1", "# tercet chaos\tseed=1\tclients=99\trate=1\tfor_ms=1", "# tercet chaos"];
        for text in first {
            assert_eq!(parse(text, 3), Err(ReplayError::Setting), "{text:?}");
        }
    }
}
