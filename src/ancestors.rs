//! What an event's ancestors say of it: the part of validity that the event alone cannot show.
//!
//! **Invariant**: the answer depends on an event and its parents alone (rule 5), so that a server, a client and
//! [`crate::verify`] give the same one, whenever they are asked.

use crate::event::Event;

/// What is wrong with an event beside its ancestors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its time must exceed every parent's (rule 3).
    #[error("its time is not after its parents'")]
    NotAfterParents,
    /// Causes do not cross conversations.
    #[error("a parent belongs to another conversation")]
    ForeignParent,
    /// What is about a message must be about one, and only its author may change it.
    #[error("what it is about is no message, or not its author's")]
    Target,
}

/// Checks an event against its parents: the part of validity that the event alone cannot show.
///
/// # Errors
/// See [`Unfit`].
pub fn fits_ancestors<'a>(event: &Event, parents: impl Iterator<Item = &'a Event>) -> Result<(), Unfit> {
    // Without its body it is not known which; at least one must do.
    let mut may_fit = event.has_body() || !event.kind().is_about_a_parent();
    for parent in parents {
        if parent.conversation() != event.conversation() {
            return Err(Unfit::ForeignParent);
        }
        if parent.time() >= event.time() {
            return Err(Unfit::NotAfterParents);
        }
        let is_own = parent.account() == event.account();
        let may_be_about = event.kind().may_be_about(parent.kind(), is_own);
        if event.target() == Some(parent.id()) && !may_be_about {
            return Err(Unfit::Target);
        }
        may_fit |= may_be_about;
    }
    if may_fit { Ok(()) } else { Err(Unfit::Target) }
}
