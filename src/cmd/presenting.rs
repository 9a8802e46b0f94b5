//! Says to the servers whether this device's person is here, while they sit before a chat, and to whom that may be told.

use std::collections::BTreeSet;

use crate::client::Client;
use crate::cmd::blocked::Blocked;
use crate::event::Conversation;
use crate::frame::{Presence, ToServer};
use crate::id::AccountId;
use crate::presence::{audience, of_typing};
use crate::thread::Thread;

/// How often it is looked who may know.
const LOOK_MS: u64 = 10_000;
/// How soon after the person has done something.
const SOON_MS: u64 = 500;

/// What was said last, and what it depends on.
#[derive(Debug)]
pub struct Presenting {
    blocked: Blocked,
    typed_ms: u64,
    look_ms: u64,
    said: Option<(Presence, u64, BTreeSet<AccountId>)>,
}

impl Presenting {
    /// The person has just come.
    pub fn new(now_ms: u64, blocked: Blocked) -> Self {
        Self { blocked, typed_ms: now_ms, look_ms: now_ms, said: None }
    }

    /// The person has typed a line.
    pub fn typed(&mut self, now_ms: u64) {
        self.typed_ms = now_ms;
        self.look_ms = self.look_ms.min(now_ms + SOON_MS);
    }

    /// What is to be said to every server now, if anything has changed.
    pub fn news(&mut self, now_ms: u64, client: &Client) -> Option<ToServer> {
        if now_ms < self.look_ms && self.look_ms - now_ms <= LOOK_MS {
            return None;
        }
        self.look_ms = now_ms + LOOK_MS;
        let (presence, at_ms) = of_typing(now_ms, self.typed_ms);
        let tell = who_may_know(client, &self.blocked);
        let is_known = self.said.as_ref().is_some_and(|(said, _, told)| (said, told) == (&presence, &tell));
        if is_known {
            return None;
        }
        self.said = Some((presence, at_ms, tell));
        self.all()
    }

    /// What is to be said on a new connection.
    pub fn all(&self) -> Option<ToServer> {
        let (presence, at_ms, tell) = self.said.as_ref()?;
        let tell = tell.iter().copied().collect();
        Some(ToServer::Present { presence: *presence, at_ms: *at_ms, tell })
    }
}

/// Those to whom this account has written, and its fellow members.
fn who_may_know(client: &Client, blocked: &Blocked) -> BTreeSet<AccountId> {
    let me = client.account();
    let conversations = client.conversations().map(|(conversation, _)| conversation);
    let written = conversations.filter(|conversation| client.has_written(*conversation));
    let direct = written.filter_map(|conversation| conversation.other(me)).filter(|other| *other != me);
    let rooms = client.followed().map(|room| client.thread(Conversation::Room(room)));
    let members = rooms.filter(|room| room.is_member(me)).flat_map(Thread::members);
    audience(direct, members.filter(|member| *member != me), |account| blocked.holds(account))
}
