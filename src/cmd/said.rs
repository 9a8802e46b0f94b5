//! What an event says to a person: the one place that puts events into words.

use crate::client::Client;
use crate::content::Content;
use crate::event::{Conversation, Event, Kind};
use crate::id::{EventId, RoomId};

/// What is shown in place of a message that was taken back.
pub const TAKEN_BACK: &str = "(taken back)";
/// What is shown in place of words that did not come with their message.
pub const ABSENT: &str = "(not here: taken back, or still to come)";

/// What an event says, with what it is about spelled out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A message.
    Message {
        /// What it says.
        text: String,
        /// Whom it answers, and what they said.
        answers: Option<(String, String)>,
    },
    /// A message that its author has taken back.
    TakenBack,
    /// A message, or another text for one, that is not here.
    Absent,
    /// The author said this in place of something else.
    Edit {
        /// What the message said before.
        before: String,
        /// What it says now.
        text: String,
    },
    /// The author took a message back.
    Delete,
    /// Somebody reacted to a message.
    React {
        /// With what.
        sign: String,
        /// What the message says.
        to: String,
    },
    /// A member more.
    Join,
    /// A member less.
    Leave,
    /// What a room is about; empty for nothing in particular.
    Topic(String),
    /// An invitation to a room.
    Invite(RoomId),
    /// Nothing that counts.
    Nothing,
}

impl Said {
    /// What an event says.
    pub fn of(client: &Client, event: &Event) -> Self {
        let spoken = |id: &EventId| {
            let event = client.event(id)?;
            let words = event.text().unwrap_or_else(|| missing(client, event));
            Some((client.directory().name(event.account()), words.to_owned()))
        };
        let words = |id: &EventId| spoken(id).map(|(_, text)| text).unwrap_or_default();
        let is_own =
            |id: &EventId| client.event(id).is_some_and(|target| target.account() == event.account());
        if !event.has_body() {
            return if client.is_taken_back(event) { Self::TakenBack } else { Self::Absent };
        }
        match (event.kind(), event.content()) {
            (Kind::Edit | Kind::Delete, Content::About(target, _)) if !is_own(&target) => Self::Nothing,
            (Kind::Post, Content::Text(text)) => Self::Message { text: text.to_owned(), answers: None },
            (Kind::File, Content::File(file)) => Self::Message { text: file.words(), answers: None },
            (Kind::Reply, Content::About(target, text)) => {
                Self::Message { text: text.to_owned(), answers: spoken(&target) }
            }
            (Kind::Edit, Content::About(target, text)) => {
                Self::Edit { before: words(&target), text: text.to_owned() }
            }
            (Kind::Delete, _) => Self::Delete,
            (Kind::React, Content::About(target, sign)) => {
                Self::React { sign: sign.to_owned(), to: words(&target) }
            }
            (Kind::Join, _) => Self::Join,
            (Kind::Leave, _) => Self::Leave,
            (Kind::Topic, Content::Text(topic)) => Self::Topic(topic.to_owned()),
            (Kind::Invite, Content::Room(room)) => Self::Invite(room),
            _ => Self::Nothing,
        }
    }
}

impl Said {
    /// The same without the words of messages that are `gone`, taken back by their authors since.
    pub fn without(self, event: &Event, gone: impl Fn(&EventId) -> bool) -> Self {
        let about_gone = event.target().is_some_and(|target| gone(&target));
        let nothing = || TAKEN_BACK.to_owned();
        match self {
            Self::Message { .. } if gone(&event.id()) => Self::TakenBack,
            Self::Message { text, answers: Some((who, _)) } if about_gone => {
                Self::Message { text, answers: Some((who, nothing())) }
            }
            Self::Edit { .. } if about_gone => Self::Edit { before: nothing(), text: nothing() },
            Self::React { sign, .. } if about_gone => Self::React { sign, to: nothing() },
            other => other,
        }
    }
}

/// What stands for the words of an event that is here without them.
pub fn missing(client: &Client, event: &Event) -> &'static str {
    match event.has_body() {
        true => "",
        false if client.is_taken_back(event) => TAKEN_BACK,
        false => ABSENT,
    }
}

/// What an event's kind is called in `tail --json`.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Register => "register",
        Kind::Post => "post",
        Kind::Merge => "merge",
        Kind::Create => "create",
        Kind::Join => "join",
        Kind::Leave => "leave",
        Kind::Topic => "topic",
        Kind::Invite => "invite",
        Kind::Follow => "follow",
        Kind::Unfollow => "unfollow",
        Kind::Edit => "edit",
        Kind::Reply => "reply",
        Kind::Delete => "delete",
        Kind::Read => "read",
        Kind::React => "react",
        Kind::Unreact => "unreact",
        Kind::Close => "close",
        Kind::Chunk => "chunk",
        Kind::File => "file",
    }
}

/// What a person calls a conversation: the other side's name, or `#` and the room's.
pub fn label(client: &Client, conversation: Conversation) -> String {
    match conversation {
        Conversation::Directory => "directory".to_owned(),
        Conversation::Direct(..) => conversation
            .other(client.account())
            .map(|other| client.directory().name(other))
            .unwrap_or_default(),
        Conversation::Room(room) => room_name(client, room),
    }
}

/// What a room is called; its id's first digits while its beginning is not here.
pub fn room_name(client: &Client, room: RoomId) -> String {
    let transcript = client.transcript(Conversation::Room(room));
    let first = transcript.and_then(|transcript| transcript.keys().next());
    let charter = first.and_then(|key| client.event(&key.id)).and_then(|event| event.charter());
    charter.map_or_else(|| format!("#?{}", room.short()), |charter| format!("#{}", charter.name))
}
