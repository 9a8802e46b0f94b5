//! One variant for each way in which a promise can be broken; its `Display` tells a person what happened.
//!
//! An anomaly names its smallest witness: the events, who saw them, and where in which log that stands
//! (entries of a device's log count from 1, and so do positions in a store). [`crate::story`] makes a short
//! story of it, with everybody's names.

use std::fmt;

use serde::Serialize;

use crate::id::{EventId, Position, Seq};
use crate::order::Digest;
use crate::text::count;

/// A place in a log, for a person to look up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Which log or store.
    pub source: String,
    /// Its entry or position, from 1.
    pub entry: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entry {}", self.source, self.entry)
    }
}

/// A broken promise, with its witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "anomaly", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "Display says what each field is, in a sentence")]
pub enum Anomaly {
    /// P1: an event that its author's device never wrote.
    Invented { event: EventId, author: String, at: Place },
    /// P1: bytes that are no valid event.
    Corrupt { at: Place, why: String },
    /// P1: one event twice in one log or display.
    Twice { event: EventId, first: Place, second: Place },
    /// P1: shown, but never received or written.
    ShownUnheld { event: EventId, at: Place },
    /// Trust: a direct conversation's event on a device of neither account.
    Leaked { event: EventId, at: Place },
    /// Rule 6: two events share device and sequence number.
    Fork { seq: Seq, one: EventId, other: EventId, device: String },
    /// P2: a server acked an event and its log, in the same incarnation, does not have it there.
    LostAck { event: EventId, server: String, position: Position, receipt: Place },
    /// P2: fewer copies than the person was told, disk losses allowed for.
    TooFewCopies { event: EventId, told: usize, found: usize, losses: usize, at: Place },
    /// P2: a server holds a deletion, and the body that it is about.
    BodyKept { event: EventId, delete: EventId, at: Place },
    /// P2: an event without its body that nobody has deleted.
    BodyMissing { event: EventId, at: Place },
    /// Rule 12: the person was told of more copies than there were receipts.
    Boast { event: EventId, told: usize, receipts: usize, at: Place },
    /// Rule 7: a reader was shown positions that the server's log, in the same incarnation, does not have.
    TakenBack { server: String, cursor: Position, tip: Position, at: Place },
    /// Rule 8: a receipt or cursor of an incarnation that was not current.
    StaleIncarnation { at: Place, server: String },
    /// Rule 4: an event before its parent in a log.
    NotClosed { event: EventId, parent: EventId, at: Place },
    /// Rule 4: an event that does not follow from all that its device held of the conversation.
    Overlooked { event: EventId, held: EventId, at: Place },
    /// Rule 5: an event that names a parent of another conversation.
    ForeignParent { event: EventId, parent: EventId },
    /// Rule 3: an event whose time does not exceed its parent's.
    TimeNotAfterParent { event: EventId, parent: EventId },
    /// Rule 5: an event about one that it must not be about.
    WrongTarget { event: EventId, target: EventId },
    /// P3: a device's events shown in another order than it sent them.
    SenderOrder { earlier: EventId, later: EventId, at: Place },
    /// P4: an event shown before one that its author had seen.
    EffectBeforeCause { event: EventId, cause: EventId, at: Place },
    /// P5: a replica's canonical index is not the canonical order of its log.
    WrongIndex { server: String, expected: Digest, found: Digest },
    /// P5: a reader's cursor is past an event that it does not have.
    Undelivered { event: EventId, reader: String, server: String, position: Position, cursor: Position },
    /// P6: shown out of canonical order without a late mark.
    Unmarked { event: EventId, after: EventId, at: Place },
    /// P6: held, and passed over for a later one.
    Skipped { event: EventId, shown: EventId, at: Place },
    /// P6: marked late though nothing later had been shown.
    UnjustifiedLate { event: EventId, at: Place },
    /// P6: shown before its window had passed.
    Early { event: EventId, by_ms: u64, at: Place },
    /// P6: shown before as many servers had told of it as the person asked for.
    Unvouched { event: EventId, told: usize, quorum: usize, at: Place },
    /// A cursor that went back within one incarnation.
    CursorBack { server: String, from: Position, to: Position, at: Place },
    /// Rule 15: acked or stored by a server beyond the place where its log was sealed.
    AfterSeal { event: EventId, server: String, position: Position, sealed: Position, at: Place },
    /// Rule 15: in the log of a server that left, and not in one that is said to hold all of it.
    NotDrained { event: EventId, retired: String, position: Position, server: String, at: Place },
    /// Rule 15: two views that the administrator signed for one epoch.
    TwoViews { epoch: u64, one: Place, other: Place },
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence(&|event| format!("event {}", event.short()), &Place::to_string))
    }
}

impl Anomaly {
    /// What happened, in one sentence, for a reader who calls events as `name` does, and places as `place` does.
    pub fn sentence(&self, name: &dyn Fn(&EventId) -> String, place: &dyn Fn(&Place) -> String) -> String {
        match self {
            Self::Invented { event, author, at } => {
                format!(
                    "{} is not in the log of its author ({author}), yet it was found at {at}",
                    name(event),
                    at = place(at)
                )
            }
            Self::Corrupt { at, why } => format!("{at} holds no valid event: {why}", at = place(at)),
            Self::Twice { event, first, second } => {
                format!(
                    "{} stands twice: at {first}, and at {second}",
                    name(event),
                    first = place(first),
                    second = place(second)
                )
            }
            Self::ShownUnheld { event, at } => {
                format!("{} was shown ({at}) and had not come into that log", name(event), at = place(at))
            }
            Self::Leaked { event, at } => {
                format!(
                    "{} was given ({at}) to a device whose account may not read it",
                    name(event),
                    at = place(at)
                )
            }
            Self::Fork { seq, one, other, device } => format!(
                "device {device} gave its number {seq} to two events, {} and {}: its log was copied or lost",
                name(one),
                name(other)
            ),
            Self::LostAck { event, server, position, receipt } => format!(
                "server {server} acked {} at position {position} ({receipt}), and its log does not have it there",
                name(event),
                receipt = place(receipt)
            ),
            Self::TooFewCopies { event, told, found, losses, at } => format!(
                "the author of {} was told of {} ({at}); {found} were found, and {} since then explain less",
                name(event),
                count_copies(*told),
                count(*losses, "lost disk"),
                at = place(at)
            ),
            Self::BodyKept { event, delete, at } => format!(
                "the body of {} stands ({at}) in a log that holds its deletion, {}",
                name(event),
                name(delete),
                at = place(at)
            ),
            Self::BodyMissing { event, at } => format!(
                "{} stands ({at}) without its body, and its author has not deleted it",
                name(event),
                at = place(at)
            ),
            Self::Boast { event, told, receipts, at } => format!(
                "the author of {} was told of {} with {} in hand ({at})",
                name(event),
                count_copies(*told),
                count(*receipts, "receipt"),
                at = place(at)
            ),
            Self::TakenBack { server, cursor, tip, at } => format!(
                "server {server} was read up to {cursor} ({at}), and its log ends at {tip}: it showed what it had \
                 not synced",
                at = place(at)
            ),
            Self::StaleIncarnation { at, server } => {
                format!(
                    "{at} counts on a log of server {server} that was not its current one",
                    at = place(at)
                )
            }
            Self::NotClosed { event, parent, at } => {
                format!("{} stands ({at}) before its parent {}", name(event), name(parent), at = place(at))
            }
            Self::Overlooked { event, held, at } => format!(
                "{} was written ({at}) by a device that held {}, and does not follow from it",
                name(event),
                name(held),
                at = place(at)
            ),
            Self::ForeignParent { event, parent } => {
                format!("{} names a parent of another conversation, {}", name(event), name(parent))
            }
            Self::TimeNotAfterParent { event, parent } => {
                format!("the time of {} is not after that of its parent {}", name(event), name(parent))
            }
            Self::SenderOrder { earlier, later, at } => format!(
                "{} was shown ({at}) after {}, which its device sent later",
                name(earlier),
                name(later),
                at = place(at)
            ),
            Self::EffectBeforeCause { event, cause, at } => {
                format!(
                    "{} was shown ({at}) before {}, which its author had seen",
                    name(event),
                    name(cause),
                    at = place(at)
                )
            }
            Self::WrongTarget { event, target } => format!(
                "{} is about {}, which is no message, or not its author's to change",
                name(event),
                name(target)
            ),
            Self::WrongIndex { server, expected, found } => format!(
                "the canonical index of server {server} has digest {}, its log makes {}",
                found.short(),
                expected.short()
            ),
            Self::Undelivered { event, reader, server, position, cursor } => format!(
                "{reader} had read server {server} up to {cursor} and lacked {} at {position}",
                name(event)
            ),
            Self::Unmarked { event, after, at } => format!(
                "{} was shown ({at}) after {}, which comes later, without a late mark",
                name(event),
                name(after),
                at = place(at)
            ),
            Self::Skipped { event, shown, at } => format!(
                "{} was at hand, and {}, which comes later, was shown instead ({at})",
                name(event),
                name(shown),
                at = place(at)
            ),
            Self::UnjustifiedLate { event, at } => {
                format!(
                    "{} was marked late ({at}) though nothing later had been shown",
                    name(event),
                    at = place(at)
                )
            }
            Self::Early { event, by_ms, at } => {
                format!(
                    "{} was shown ({at}) {by_ms} ms before its reorder window had passed",
                    name(event),
                    at = place(at)
                )
            }
            Self::Unvouched { event, told, quorum, at } => {
                format!(
                    "{} was shown ({at}) when {told} of the {quorum} servers had told of it that it takes there",
                    name(event),
                    at = place(at)
                )
            }
            Self::CursorBack { server, from, to, at } => {
                format!(
                    "the cursor in server {server}'s log went back from {from} to {to} ({at})",
                    at = place(at)
                )
            }
            Self::AfterSeal { event, server, position, sealed, at } => format!(
                "server {server} took {} at position {position} ({at}), and its log was sealed at {sealed}",
                name(event),
                at = place(at)
            ),
            Self::NotDrained { event, retired, position, server, at } => format!(
                "{} stood at {position} in the log of server {retired}, which left ({at}); server {server} is said \
                 to hold all of that log, and does not hold it",
                name(event),
                at = place(at)
            ),
            Self::TwoViews { epoch, one, other } => {
                format!("two views were signed for epoch {epoch}: {}, and {}", place(one), place(other))
            }
        }
    }

    /// The events it is about, the one that is out of place first.
    pub fn events(&self) -> Vec<EventId> {
        match self {
            Self::Invented { event, .. }
            | Self::Twice { event, .. }
            | Self::ShownUnheld { event, .. }
            | Self::Leaked { event, .. }
            | Self::LostAck { event, .. }
            | Self::TooFewCopies { event, .. }
            | Self::BodyMissing { event, .. }
            | Self::Boast { event, .. }
            | Self::Undelivered { event, .. }
            | Self::UnjustifiedLate { event, .. }
            | Self::AfterSeal { event, .. }
            | Self::NotDrained { event, .. }
            | Self::Unvouched { event, .. }
            | Self::Early { event, .. } => vec![*event],
            Self::Fork { one, other, .. } => vec![*one, *other],
            Self::BodyKept { event, delete, .. } => vec![*event, *delete],
            Self::Overlooked { event, held, .. } => vec![*event, *held],
            Self::NotClosed { event, parent, .. }
            | Self::ForeignParent { event, parent }
            | Self::TimeNotAfterParent { event, parent } => vec![*event, *parent],
            Self::WrongTarget { event, target } => vec![*event, *target],
            Self::SenderOrder { earlier, later, .. } => vec![*earlier, *later],
            Self::EffectBeforeCause { event, cause, .. } => vec![*event, *cause],
            Self::Unmarked { event, after, .. } => vec![*event, *after],
            Self::Skipped { event, shown, .. } => vec![*event, *shown],
            Self::Corrupt { .. }
            | Self::TakenBack { .. }
            | Self::StaleIncarnation { .. }
            | Self::WrongIndex { .. }
            | Self::TwoViews { .. }
            | Self::CursorBack { .. } => Vec::new(),
        }
    }

    /// Where it stands.
    pub fn places(&self) -> Vec<&Place> {
        match self {
            Self::Invented { at, .. }
            | Self::Corrupt { at, .. }
            | Self::ShownUnheld { at, .. }
            | Self::Leaked { at, .. }
            | Self::LostAck { receipt: at, .. }
            | Self::TooFewCopies { at, .. }
            | Self::BodyKept { at, .. }
            | Self::BodyMissing { at, .. }
            | Self::Boast { at, .. }
            | Self::TakenBack { at, .. }
            | Self::StaleIncarnation { at, .. }
            | Self::NotClosed { at, .. }
            | Self::Overlooked { at, .. }
            | Self::SenderOrder { at, .. }
            | Self::EffectBeforeCause { at, .. }
            | Self::Unmarked { at, .. }
            | Self::Skipped { at, .. }
            | Self::UnjustifiedLate { at, .. }
            | Self::Early { at, .. }
            | Self::Unvouched { at, .. }
            | Self::CursorBack { at, .. }
            | Self::AfterSeal { at, .. }
            | Self::NotDrained { at, .. } => vec![at],
            Self::Twice { first, second, .. } => vec![first, second],
            Self::TwoViews { one, other, .. } => vec![one, other],
            Self::Fork { .. }
            | Self::ForeignParent { .. }
            | Self::TimeNotAfterParent { .. }
            | Self::WrongTarget { .. }
            | Self::WrongIndex { .. }
            | Self::Undelivered { .. } => Vec::new(),
        }
    }

    /// The rule that it breaks, as a sentence; `docs/protocol.md` lists them.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Invented { .. } => "P1: what is stored and shown was sent by its author.",
            Self::Corrupt { .. } => "P1: every log holds valid, signed events, at positions without a gap.",
            Self::Twice { .. } => "P1: an event enters a log, and a display, once.",
            Self::ShownUnheld { .. } => "P1: what is shown was received or written before.",
            Self::Leaked { .. } => {
                "P1: a direct conversation is given only to its two accounts, a private room to whom it admits, and a \
                 closed past to nobody who came later."
            }
            Self::Fork { .. } => "Rules 1 and 2: a device never gives one number to two events.",
            Self::LostAck { .. } => "P2: an ack means that the event is in that log, there, and on disk.",
            Self::TooFewCopies { .. } => {
                "P2: k/N means that k logs hold the event; only lost disks excuse fewer."
            }
            Self::BodyKept { .. } => {
                "P2: a server's log that holds a deletion holds no body that it is about."
            }
            Self::BodyMissing { .. } => "P2: an event loses its body only by its author's deletion.",
            Self::Boast { .. } => "P2: k/N is told only with k receipts of current logs in hand.",
            Self::TakenBack { .. } => "Rule 7: a server syncs before it shows a position to anyone.",
            Self::StaleIncarnation { .. } => {
                "Rule 8: receipts and cursors are void with the log they belong to."
            }
            Self::NotClosed { .. } => "Rule 4: a log holds an event only after its parents.",
            Self::Overlooked { .. } => {
                "Rule 4: an event follows from all that its device held of the conversation."
            }
            Self::ForeignParent { .. } => "Rule 5: an event's parents belong to its own conversation.",
            Self::TimeNotAfterParent { .. } => "Rule 3: an event's time exceeds that of every parent.",
            Self::WrongTarget { .. } => {
                "Rule 5: only a message's author edits it or takes it back; only messages are answered."
            }
            Self::SenderOrder { .. } => {
                "P3: each device's events in a conversation appear in the order it sent them."
            }
            Self::EffectBeforeCause { .. } => "P4: nothing appears before what its author had seen.",
            Self::WrongIndex { .. } => "P5: equal sets of events have one canonical order on every replica.",
            Self::Undelivered { .. } => {
                "P5: a reader holds every event of its own that its cursor has passed."
            }
            Self::Unmarked { .. } => "P6: whatever is shown out of its place is marked late.",
            Self::Skipped { .. } => "P6: lines that are at hand are shown in canonical order.",
            Self::UnjustifiedLate { .. } => "P6: only what comes after a later line is marked late.",
            Self::Early { .. } => "P6: a line is held until local time passes its own by the reorder window.",
            Self::Unvouched { .. } => {
                "P6: with a quorum, a line is shown once that many servers, with their current logs, told of it."
            }
            Self::CursorBack { .. } => "Rule 8: a cursor moves only forwards within one life of a log.",
            Self::AfterSeal { .. } => "Rule 15: a sealed server appends and acks nothing more.",
            Self::NotDrained { .. } => {
                "Rule 15: a server leaves only when others hold all of its log, or as a lost one."
            }
            Self::TwoViews { .. } => "Rule 15: there is one view for each epoch.",
        }
    }
}

fn count_copies(copies: usize) -> String {
    if copies == 1 { "1 copy".to_owned() } else { format!("{copies} copies") }
}
