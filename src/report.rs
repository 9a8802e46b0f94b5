//! What [`mod@crate::verify`] has to say: a verdict for each check, and what it stands on.

use serde::Serialize;

use crate::anomaly::Anomaly;
use crate::id::ConversationId;
use crate::order::Digest;
use crate::story::Story;

/// What a check, or all of them, came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that was looked at is as promised.
    Valid,
    /// Something that is needed to tell is missing, or not settled yet.
    Unknown,
    /// A promise was broken.
    Violation,
}

/// One check's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What was checked, as a promise.
    pub check: &'static str,
    /// Where the promise stands: `P1` to `P6`, or a rule.
    pub promise: &'static str,
    /// How many things were looked at.
    pub examined: usize,
    /// What they are, in the plural.
    pub unit: &'static str,
    /// What was found to be broken.
    pub anomalies: Vec<Anomaly>,
    /// The first of these, told: `stories[i]` is the story of `anomalies[i]`.
    pub stories: Vec<Story>,
    /// What cannot be told, each as a sentence.
    pub unknowns: Vec<String>,
}

impl Outcome {
    pub(crate) fn new(check: &'static str, promise: &'static str, unit: &'static str) -> Self {
        Self {
            check,
            promise,
            examined: 0,
            unit,
            anomalies: Vec::new(),
            stories: Vec::new(),
            unknowns: Vec::new(),
        }
    }

    /// What was looked at, in words: "1 receipt", "2 bodies".
    pub fn looked_at(&self) -> String {
        let one = match self.unit.strip_suffix("ies") {
            Some(stem) => format!("{stem}y"),
            None => self.unit.strip_suffix('s').unwrap_or(self.unit).to_owned(),
        };
        if self.examined == 1 { format!("1 {one}") } else { format!("{} {}", self.examined, self.unit) }
    }

    /// What this check came to.
    pub fn verdict(&self) -> Verdict {
        match (self.anomalies.is_empty(), self.unknowns.is_empty()) {
            (false, _) => Verdict::Violation,
            (true, false) => Verdict::Unknown,
            (true, true) => Verdict::Valid,
        }
    }
}

/// A conversation as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// Which conversation.
    pub conversation: ConversationId,
    /// What a person calls it: its two accounts, or the directory.
    pub label: String,
    /// How many events all logs together hold of it.
    pub events: usize,
    /// Their canonical order's fingerprint.
    pub digest: Digest,
    /// How many logs and stores hold some of it.
    pub held_in: usize,
    /// How many of those hold all of it, and so have this digest.
    pub equal_in: usize,
}

/// What `verify` has to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Device logs read.
    pub clients: usize,
    /// Server logs read.
    pub servers: usize,
    /// Distinct events found in any of them.
    pub events: usize,
    /// Each check's outcome.
    pub outcomes: Vec<Outcome>,
    /// Each conversation's.
    pub conversations: Vec<Settled>,
}

/// The report as `--json` prints it: the verdict, then the fields of [`Report`].
#[derive(Serialize)]
struct Json<'a> {
    verdict: Verdict,
    #[serde(flatten)]
    report: &'a Report,
}

impl Report {
    /// The report as JSON; `docs/verify.md` says what each field is.
    ///
    /// # Errors
    /// None that is known: every field can be encoded.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(&Json { verdict: self.verdict(), report: self })
    }

    /// The worst of all checks.
    pub fn verdict(&self) -> Verdict {
        self.outcomes.iter().map(Outcome::verdict).max().unwrap_or(Verdict::Unknown)
    }

    /// Everything that is broken.
    pub fn anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        self.outcomes.iter().flat_map(|outcome| &outcome.anomalies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_that_was_looked_at_is_no_plural() {
        let cases = [
            ("receipts", 1, "1 receipt"),
            ("views", 1, "1 view"),
            ("bodies", 1, "1 body"),
            ("deliveries", 1, "1 delivery"),
            ("bodies", 2, "2 bodies"),
            ("lines", 0, "0 lines"),
        ];
        for (unit, examined, words) in cases {
            assert_eq!(Outcome { examined, ..Outcome::new("", "", unit) }.looked_at(), words);
        }
    }
}
