//! Showing: which line is due, and what holds the display up.
//!
//! **Invariant**: each line is shown once, and its entry is logged before. The order is [`crate::display`]'s.
//!
//! It must not know servers, beyond how many have told of a line.

use crate::effects::{Action, Effects};
use crate::history::Entry;
use crate::limits::CATCH_UP_HOLD_MS;

use super::Client;

impl Client {
    /// Whether the display and fetches wait for the feed to catch up. A wait that seems longer than any began
    /// before the clock was set back.
    pub(super) fn is_held_up(&self, now_ms: u64) -> bool {
        let waits = |until_ms: u64| (1..=CATCH_UP_HOLD_MS).contains(&until_ms.saturating_sub(now_ms));
        self.catching_up_until_ms.is_some_and(waits)
    }

    pub(super) fn show_due(&mut self, now_ms: u64, effects: &mut Effects) {
        if self.is_held_up(now_ms) {
            return;
        }
        while let Some((key, conversation)) = self.display.due(now_ms, self.config.window_ms) {
            if self.quorum.sets_aside(&self.holdings, &mut self.display, (key, conversation)) {
                continue;
            }
            let late = self.display.is_late(key, conversation);
            effects.log.push(Entry::Displayed { id: key.id, late, at_ms: now_ms });
            self.display.shown(key, conversation);
            self.holdings.note_vouched(&key.id);
            if let Some(event) = self.event(&key.id).cloned() {
                effects.actions.push(Action::Show { event, late });
            }
        }
    }
}
