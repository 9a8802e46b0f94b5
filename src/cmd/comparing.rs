//! What each server holds of a conversation, beside what this device holds: one question to all of them.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use crate::client::Client;
use crate::digests::{Compared, compare};
use crate::event::Conversation;
use crate::frame::{ToClient, ToServer};
use crate::id::ServerId;
use crate::order::Transcript;

/// How often a server is asked once more if it seems to hold other events: what is on its way to one of the two
/// sides looks like that.
const AGAIN: usize = 3;

/// What each server answered, by its place in the view.
pub type Answers = mpsc::Receiver<(usize, Compared)>;

/// One question that is open.
#[derive(Debug)]
pub struct Comparing {
    conversation: Conversation,
    answers: mpsc::Sender<(usize, Compared)>,
    differed: BTreeMap<ServerId, usize>,
}

impl Comparing {
    /// A question, and where its answers come out: at most one for each of so many servers.
    pub fn new(conversation: Conversation, servers: usize) -> (Self, Answers) {
        let (answers, answered) = mpsc::channel(servers.max(1));
        (Self { conversation, answers, differed: BTreeMap::new() }, answered)
    }

    /// What to ask.
    pub fn question(&self) -> ToServer {
        ToServer::Digest { conversation: self.conversation }
    }

    /// A server has answered; says what to ask it next.
    pub fn take(&mut self, client: &Client, server: ServerId, answer: &ToClient) -> Option<ToServer> {
        let ToClient::Digest { conversation, events, digest, whole } = answer else { return None };
        let index = client.view().index_of(server)?;
        if *conversation != self.conversation || self.answers.is_closed() {
            return None;
        }
        if !whole {
            return Some(self.question());
        }
        let nothing = Transcript::default();
        let ours = client.transcript(self.conversation).unwrap_or(&nothing);
        let compared = compare(ours, |id| client.holders(id).contains(&index), *events, *digest);
        if matches!(compared, Compared::Differs(_)) {
            let times = self.differed.entry(server).or_default();
            *times += 1;
            if *times <= AGAIN {
                return Some(self.question());
            }
        }
        let _unheard = self.answers.try_send((index, compared)); // whoever asked has gone, or has its answer
        None
    }
}
