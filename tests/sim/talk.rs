//! What people do besides writing to each other: rooms, invitations, and events about events.

use tercet::client::{Client, Input};
use tercet::content::{Charter, Past, about};
use tercet::event::{Conversation, Event, Kind, account_of};
use tercet::id::RoomId;

use crate::mutants::Mutant;
use crate::world::World;

impl World {
    /// One client does something in a room, or about what was said; `other` is whom it may invite.
    pub fn talk(&mut self, client: usize, other: usize, texts: usize) {
        let Some(machine) = self.clients[client].machine.as_ref() else { return };
        let own = Conversation::direct(machine.account(), machine.account());
        let to_other = Conversation::direct(machine.account(), account_of(&self.clients[other].key));
        let known = rooms_of(machine);
        let followed: Vec<RoomId> = machine.followed().collect();
        let messages = messages_of(machine);
        let say = |conversation, kind, body| Input::Say { conversation, kind, body };
        let room = (!known.is_empty()).then(|| known[self.rng.usize(..known.len())]);
        let message = (!messages.is_empty()).then(|| messages[self.rng.usize(..messages.len())].clone());
        let inputs = match (self.rng.u32(..12), room, message) {
            (0, None, _) | (0 | 1, _, None) => {
                let charter =
                    Charter { name: "den".parse().unwrap(), public: self.rng.bool(), history: self.past() };
                self.saw("a room begins");
                vec![Input::Begin { charter }]
            }
            (1, Some(room), _) if other != client && to_other != own => {
                self.saw("an invitation");
                vec![say(to_other, Kind::Invite, room.as_bytes().to_vec())]
            }
            (2 | 3, _, _) => {
                // An invitation may be to a room that nobody here has seen yet.
                let invited: Vec<_> = invitations_of(machine).chain(known).collect();
                let Some(room) = self.rng.choice(&invited).copied() else { return };
                self.saw("a room is followed");
                vec![say(own, Kind::Follow, room.as_bytes().to_vec())]
            }
            (4, _, _) if self.rng.bool() => {
                let Some(room) = self.rng.choice(&followed).copied() else { return };
                self.saw("a room is left");
                vec![say(own, Kind::Unfollow, room.as_bytes().to_vec())]
            }
            (5, _, Some(message)) => {
                let kinds = [Kind::Reply, Kind::React, Kind::Unreact, Kind::Read, Kind::Edit, Kind::Delete];
                let kind = kinds[self.rng.usize(..kinds.len())];
                let is_own = message.account() == machine.account();
                if !kind.may_be_about(message.kind(), is_own) {
                    return;
                }
                let text = if matches!(kind, Kind::Delete | Kind::Read) { "" } else { "+1" };
                self.saw("an event about an event");
                vec![say(message.conversation(), kind, about(message.id(), text))]
            }
            (6, Some(room), _) => vec![say(Conversation::Room(room), Kind::Join, Vec::new())],
            (_, Some(room), _) => {
                self.saw("something is said in a room");
                let post = |_| say(Conversation::Room(room), Kind::Post, b"to all".to_vec());
                (0..texts).map(post).collect()
            }
            _ => return,
        };
        self.note(|| format!("client {client}: {inputs:?}"));
        inputs.into_iter().for_each(|input| self.client_step(client, input));
    }
}

impl World {
    /// Mostly open.
    fn past(&mut self) -> Past {
        let is_needed = self.swarm.mutant == Some(Mutant::TellsThePast);
        let is_closed = is_needed || self.rng.u32(..4) == 0;
        // Whoever is told of an event without its words hands it on so, and only peers ask each other for the words.
        if is_closed && self.swarm.peers { Past::SinceJoining } else { Past::Open }
    }
}

/// Rooms of which a client holds at least the beginning.
fn rooms_of(machine: &Client) -> Vec<RoomId> {
    let room = |conversation| match conversation {
        Conversation::Room(room) => Some(room),
        _ => None,
    };
    machine.conversations().filter_map(|(conversation, _)| room(conversation)).collect()
}

fn events_of(machine: &Client) -> impl Iterator<Item = &Event> {
    let keys = machine.conversations().flat_map(|(_, transcript)| transcript.keys());
    keys.filter_map(|key| machine.event(&key.id)).map(AsRef::as_ref)
}

fn messages_of(machine: &Client) -> Vec<Event> {
    events_of(machine).filter(|event| event.kind().is_message()).cloned().collect()
}

fn invitations_of(machine: &Client) -> impl Iterator<Item = RoomId> {
    events_of(machine).filter(|event| event.kind() == Kind::Invite).filter_map(Event::room)
}
