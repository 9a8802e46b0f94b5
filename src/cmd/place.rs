//! Where a person wants to talk: with somebody, by name, or in a room, by `#` and its name.

use std::fmt;
use std::str::FromStr;

use super::said::room_name;
use crate::client::Client;
use crate::event::{Conversation, Event};
use crate::id::RoomId;
use crate::text::{Name, NameError};

/// A conversation as a person names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// With somebody.
    Person(Name),
    /// In a room; the name is without its `#`.
    Room(Name),
}

impl FromStr for Place {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.strip_prefix('#') {
            Some(room) => room.parse().map(Self::Room),
            None => text.parse().map(Self::Person),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(name) => name.fmt(f),
            Self::Room(name) => write!(f, "#{name}"),
        }
    }
}

/// Every room whose beginning is here, with that.
pub fn rooms(client: &Client) -> impl Iterator<Item = (RoomId, &Event)> {
    client.rooms().filter_map(|room| {
        let first = client.transcript(Conversation::Room(room))?.keys().next()?;
        Some((room, client.event(&first.id)?.as_ref()))
    })
}

/// What the rooms are called, each name once, with its `#`.
pub fn room_labels(client: &Client) -> Vec<String> {
    let mut labels: Vec<_> = rooms(client).map(|(room, _)| room_name(client, room)).collect();
    labels.sort();
    labels.dedup();
    labels
}

/// Whether the account follows a room.
pub fn follows(client: &Client, room: RoomId) -> bool {
    client.followed().any(|followed| followed == room)
}

/// The room of this name: of several the one that the person follows, else the first in canonical order; or the
/// one invitation whose room's digits these are.
pub fn find_room(client: &Client, name: &Name) -> Option<RoomId> {
    let name = name.as_str();
    let named = rooms(client)
        .filter(|(_, first)| first.charter().is_some_and(|charter| charter.name.as_str() == name))
        .map(|(room, first)| (!follows(client, room), first.key(), room));
    let is_meant = |room: &RoomId| name.strip_prefix('?').unwrap_or(name) == room.short();
    named.min().map(|(_, _, room)| room).or_else(|| client.invited().find(is_meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_it_was_written() {
        for (text, is_room) in [("bob", false), ("#lab", true), ("#?12345678", true)] {
            let place: Place = text.parse().unwrap();
            assert_eq!((matches!(place, Place::Room(_)), place.to_string().as_str()), (is_room, text));
        }
        for text in ["", "#", "##lab", "#two words", "-x"] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }
}
