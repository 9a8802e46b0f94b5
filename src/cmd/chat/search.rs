//! The chat's `/search`: the messages of the conversation that hold a text.
//!
//! The first search of a conversation makes an [`Index`] of it, and later ones add what has come since; who never searches
//! has none. The index only says where to look: what is shown is read from the message as it is then, so an edit, a
//! deletion or somebody blocked since counts at once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::messages::{NOWHERE, line};
use super::render::Eyes;
use super::talk::{Done, Shared};
use crate::client::Client;
use crate::cmd::failure::Failure;
use crate::cmd::session::Session;
use crate::content::Content;
use crate::event::{Conversation, Event, Kind};
use crate::id::EventId;
use crate::limits::SEARCH_INDEXES_MAX;
use crate::order::Transcript;
use crate::search::{Candidates, Index, Words, fold};
use crate::text::count;
use crate::thread::Message;

/// Most matches that are shown.
const MATCHES: usize = 20;

/// The indexes of the conversations that were searched last, the last one at the end.
#[derive(Debug, Clone, Default)]
pub struct Indexes(Arc<Mutex<Vec<(Conversation, Index)>>>);

impl Indexes {
    /// Which messages of a conversation may hold a text, by what is here now.
    fn candidates(&self, client: &Client, conversation: Conversation, wanted: &str) -> Candidates {
        let mut index = self.take(conversation).unwrap_or_default();
        if let Some(transcript) = client.transcript(conversation) {
            bring_up(&mut index, client, transcript);
        }
        let candidates = index.candidates(wanted);
        self.keep(conversation, index);
        candidates
    }

    /// A message was taken back: none of its words stay.
    pub fn forget(&self, conversation: Conversation, message: EventId) {
        let mut indexes = self.locked();
        let index = indexes.iter_mut().find(|(of, _)| *of == conversation);
        if let Some((_, index)) = index {
            index.forget(&BTreeSet::from([message]));
        }
    }

    fn take(&self, conversation: Conversation) -> Option<Index> {
        let mut indexes = self.locked();
        let place = indexes.iter().position(|(of, _)| *of == conversation)?;
        Some(indexes.remove(place).1)
    }

    fn keep(&self, conversation: Conversation, index: Index) {
        let mut indexes = self.locked();
        indexes.push((conversation, index));
        let surplus = indexes.len().saturating_sub(SEARCH_INDEXES_MAX);
        indexes.drain(..surplus);
    }

    fn locked(&self) -> MutexGuard<'_, Vec<(Conversation, Index)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bring_up(index: &mut Index, client: &Client, transcript: &Transcript) {
    index.bring_up(transcript.keys().map(|key| key.id), |id| {
        client.event(id).map_or(Words::Nothing, |event| words(client, event))
    });
}

/// What an event says, or takes back, by what may be told.
fn words<'a>(client: &'a Client, event: &'a Event) -> Words<'a> {
    let about = event.target().unwrap_or(event.id());
    let is_gone = |message: &EventId| client.reads_as_taken_back(message);
    match event.kind() {
        Kind::Delete if is_gone(&about) => Words::TakesBack(about),
        Kind::Delete if !client.is_vouched(&event.id()) => Words::Later,
        Kind::Post | Kind::Reply | Kind::File | Kind::Edit => {
            let message = if event.kind() == Kind::Edit { about } else { event.id() };
            match event.content() {
                _ if is_gone(&message) => Words::Nothing,
                Content::Text(text) | Content::About(_, text) => Words::Of(message, text.into()),
                Content::File(file) => Words::Of(message, file.words().into()),
                _ if client.is_taken_back(event) => Words::Nothing,
                _ => Words::Later,
            }
        }
        _ => Words::Nothing,
    }
}

/// `/search`: the last messages of the conversation that hold a text, case aside.
///
/// # Errors
/// If the session has ended, as for every command.
pub async fn search(session: &Session, eyes: &Eyes, shared: &Shared, text: String) -> Result<Done, Failure> {
    let Some((conversation, _)) = shared.current() else { return Ok(Done::Not(NOWHERE.to_owned())) };
    let (eyes_in, indexes) = (eyes.clone(), shared.indexes());
    let (all, lines) = session
        .ask(move |client| {
            let candidates = indexes.candidates(client, conversation, &text);
            let wanted = fold(&text);
            let holds = |message: &Message| {
                let found = message.text.as_ref().is_some_and(|text| fold(text).contains(&wanted));
                found && !eyes_in.blocked.holds(message.author)
            };
            let keys = client.thread(conversation).messages().rev().zip(1..);
            let likely = keys.filter(|(key, _)| candidates.include(&key.id));
            let messages = likely.filter_map(|(key, number)| Some((client.message(&key.id)?, number)));
            let mut found = messages.filter(|(message, _)| holds(message));
            let last = found.by_ref().take(MATCHES);
            let mut lines: Vec<_> =
                last.map(|(message, number)| line(client, &eyes_in, &message, number)).collect();
            lines.reverse();
            (lines.len() + found.count(), lines)
        })
        .await?;
    let more = if all > lines.len() { format!(", the last {} of them", lines.len()) } else { String::new() };
    let heading = match all {
        0 => "nothing found".to_owned(),
        _ => format!("{} found{more}", count(all, "message")),
    };
    Ok(Done::Answer(std::iter::once(eyes.aside(&heading)).chain(lines).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::AccountId;

    fn with(number: u8) -> Conversation {
        Conversation::direct(AccountId::new([0; 32]), AccountId::new([number; 32]))
    }

    fn holds(indexes: &Indexes, conversation: Conversation, wanted: &str) -> bool {
        let all = indexes.locked();
        let index = all.iter().find(|(of, _)| *of == conversation);
        index.is_some_and(|(_, index)| index.candidates(wanted) != Candidates::Among(Vec::new()))
    }

    #[test]
    fn the_last_few_conversations_have_an_index_and_what_is_taken_back_leaves_it_at_once() {
        let (indexes, message) = (Indexes::default(), EventId::new([1; 32]));
        let last = u8::try_from(SEARCH_INDEXES_MAX).unwrap();
        for number in 0..=last {
            let mut index = Index::default();
            index.bring_up([message].into_iter(), |id| Words::Of(*id, "a slip of the tongue".into()));
            indexes.keep(with(number), index);
        }
        let having =
            |wanted: &str| (0..=last).filter(|number| holds(&indexes, with(*number), wanted)).count();
        assert_eq!((having("tongue"), holds(&indexes, with(0), "tongue")), (SEARCH_INDEXES_MAX, false));
        indexes.forget(with(last), message);
        assert_eq!(
            (having("tongue"), holds(&indexes, with(last), "tongue")),
            (SEARCH_INDEXES_MAX - 1, false)
        );
        assert!(indexes.take(with(1)).is_some() && indexes.take(with(0)).is_none());
    }
}
