//! One variant for each way in which a promise can be broken; its `Display` tells a person what happened.
//!
//! An anomaly names its smallest witness: the events, who saw them, and where in which log that stands
//! (`log: entry` counts from 1, `store: position` likewise).

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
        write!(f, "{}: entry {}", self.source, self.entry)
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
    /// A cursor that went back within one incarnation.
    CursorBack { server: String, from: Position, to: Position, at: Place },
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invented { event, author, at } => {
                write!(
                    f,
                    "event {} is not in the log of its author's device ({author}), yet it was found at {at}",
                    event.short()
                )
            }
            Self::Corrupt { at, why } => write!(f, "{at} holds no valid event: {why}"),
            Self::Twice { event, first, second } => {
                write!(f, "event {} stands twice: {first}, and {second}", event.short())
            }
            Self::ShownUnheld { event, at } => {
                write!(f, "event {} was shown ({at}) but is nowhere in that log", event.short())
            }
            Self::Leaked { event, at } => {
                write!(f, "event {} was given ({at}) to a device of neither of its accounts", event.short())
            }
            Self::Fork { seq, one, other, device } => write!(
                f,
                "device {device} gave its number {seq} to two events, {} and {}: its log was copied or lost",
                one.short(),
                other.short()
            ),
            Self::LostAck { event, server, position, receipt } => write!(
                f,
                "server {server} acked event {} at position {position} ({receipt}), and its log does not have it there",
                event.short()
            ),
            Self::TooFewCopies { event, told, found, losses, at } => write!(
                f,
                "the author of event {} was told of {} ({at}); {found} were found, and {} since then explain less",
                event.short(),
                count_copies(*told),
                count(*losses, "lost disk")
            ),
            Self::Boast { event, told, receipts, at } => write!(
                f,
                "the author of event {} was told of {} with {} in hand ({at})",
                event.short(),
                count_copies(*told),
                count(*receipts, "receipt")
            ),
            Self::TakenBack { server, cursor, tip, at } => write!(
                f,
                "server {server} was read up to {cursor} ({at}), and its log ends at {tip}: it showed what it had not synced"
            ),
            Self::StaleIncarnation { at, server } => {
                write!(f, "{at} counts on a log of server {server} that was not its current one")
            }
            Self::NotClosed { event, parent, at } => {
                write!(f, "event {} stands ({at}) before its parent {}", event.short(), parent.short())
            }
            Self::Overlooked { event, held, at } => write!(
                f,
                "event {} was written ({at}) by a device that held event {}, and does not follow from it",
                event.short(),
                held.short()
            ),
            Self::ForeignParent { event, parent } => {
                write!(
                    f,
                    "event {} names a parent of another conversation, {}",
                    event.short(),
                    parent.short()
                )
            }
            Self::TimeNotAfterParent { event, parent } => {
                write!(
                    f,
                    "the time of event {} is not after that of its parent {}",
                    event.short(),
                    parent.short()
                )
            }
            Self::SenderOrder { earlier, later, at } => write!(
                f,
                "event {} was shown ({at}) after event {}, which its device sent later",
                earlier.short(),
                later.short()
            ),
            Self::EffectBeforeCause { event, cause, at } => write!(
                f,
                "event {} was shown ({at}) before event {}, which its author had seen",
                event.short(),
                cause.short()
            ),
            Self::WrongIndex { server, expected, found } => write!(
                f,
                "the canonical index of server {server} has digest {}, its log makes {}",
                found.short(),
                expected.short()
            ),
            Self::Undelivered { event, reader, server, position, cursor } => write!(
                f,
                "{reader} had read server {server} up to {cursor} and lacked event {} at {position}",
                event.short()
            ),
            Self::Unmarked { event, after, at } => write!(
                f,
                "event {} was shown ({at}) after event {}, which comes later, without a late mark",
                event.short(),
                after.short()
            ),
            Self::Skipped { event, shown, at } => write!(
                f,
                "event {} was at hand, and event {}, which comes later, was shown instead ({at})",
                event.short(),
                shown.short()
            ),
            Self::UnjustifiedLate { event, at } => {
                write!(
                    f,
                    "event {} was marked late ({at}) though nothing later had been shown",
                    event.short()
                )
            }
            Self::Early { event, by_ms, at } => {
                write!(
                    f,
                    "event {} was shown ({at}) {by_ms} ms before its reorder window had passed",
                    event.short()
                )
            }
            Self::CursorBack { server, from, to, at } => {
                write!(f, "the cursor in server {server}'s log went back from {from} to {to} ({at})")
            }
        }
    }
}

fn count_copies(copies: usize) -> String {
    if copies == 1 { "1 copy".to_owned() } else { format!("{copies} copies") }
}
