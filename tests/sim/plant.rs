//! Bugs put in on purpose, so that it shows that the simulator would find them.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use tercet::clock::Time;
use tercet::event::{Conversation, Draft, Event, Kind, Origin};
use tercet::frame::DeviceCursor;
use tercet::id::{DeviceId, EventId, Position};
use tercet::log::{Log, Stream};

use crate::disk::Disk;
use crate::nemesis::Fault;
use crate::swarm::Swarm;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// The server's store says "synced" when it has only taken notice.
    AcksBeforeSync,
    /// A server whose disk was replaced goes on under its old incarnation.
    KeepsIncarnation,
    /// The server takes every parent for known.
    TakesOrphans,
    /// The device sends before it writes its log.
    ActsBeforeAppend,
    /// The device never waits for its disk.
    NeverSyncs,
    /// The device stops uploading what two servers have.
    ForgetsAfterSent,
    /// A frame to the client gets lost in the middle of a connection.
    SwallowsFrames,
    /// A server stores how far it has read a peer's log before it has the events.
    CursorBeforeBodies,
    /// A server whose disk was replaced goes on with the cursors of the disk before.
    KeepsPeerCursors,
    /// What a server fetches from a peer never gets to its machine.
    DropsBodies,
}

impl Plant {
    pub const ALL: [Self; 10] = [
        Self::AcksBeforeSync,
        Self::KeepsIncarnation,
        Self::TakesOrphans,
        Self::ActsBeforeAppend,
        Self::NeverSyncs,
        Self::ForgetsAfterSent,
        Self::SwallowsFrames,
        Self::CursorBeforeBodies,
        Self::KeepsPeerCursors,
        Self::DropsBodies,
    ];

    /// How the failure begins that must come of it.
    pub fn shows_as(self) -> &'static str {
        match self {
            Self::ForgetsAfterSent
            | Self::CursorBeforeBodies
            | Self::KeepsPeerCursors
            | Self::DropsBodies => "it never comes to rest",
            _ => "anomaly",
        }
    }

    fn is_of_peers(self) -> bool {
        matches!(self, Self::CursorBeforeBodies | Self::KeepsPeerCursors | Self::DropsBodies)
    }

    /// Sees to it that the run gives the bug a chance.
    pub fn put_into(self, swarm: &mut Swarm) {
        swarm.plant = Some(self);
        swarm.burst = swarm.burst.min(12);
        swarm.peers = self.is_of_peers();
        let needed = match self {
            Self::AcksBeforeSync => Fault::CrashServer,
            Self::KeepsIncarnation => Fault::LoseDisk,
            Self::ActsBeforeAppend | Self::NeverSyncs => Fault::CrashClient,
            Self::TakesOrphans | Self::ForgetsAfterSent => Fault::Partition,
            Self::SwallowsFrames => Fault::Cut,
            Self::CursorBeforeBodies => Fault::CrashServer,
            Self::KeepsPeerCursors | Self::DropsBodies => Fault::LoseDisk,
        };
        if !swarm.faults.contains(&needed) {
            swarm.faults.push(needed);
        }
        if self == Self::TakesOrphans {
            swarm.servers = swarm.servers.max(2);
        }
        if self == Self::SwallowsFrames {
            // With a second server the announcements make up for it.
            swarm.servers = 1;
        }
        if self.is_of_peers() {
            // What its author has lost has nobody else to bring it.
            swarm.servers = swarm.servers.max(3);
            swarm.faults.extend([Fault::LoseDevice, Fault::Partition]);
        }
        if self == Self::CursorBeforeBodies {
            // The crash must come between the two, so there had better be many, and much to fetch.
            swarm.faults.extend([Fault::CrashServer, Fault::CrashServer, Fault::LoseDisk]);
        }
        if self == Self::ForgetsAfterSent {
            swarm.servers = swarm.servers.max(3);
        }
    }
}

/// The planted [`Plant::TakesOrphans`]: whatever parent is asked for, an event of that conversation is found.
pub struct LaxLog<'a> {
    disk: &'a Disk,
    uploaded: BTreeSet<EventId>,
    /// For each parent that is not there, a position no log reaches, and what "stands" there.
    stand_ins: BTreeMap<EventId, Position>,
    at: BTreeMap<Position, Arc<Event>>,
}

impl<'a> LaxLog<'a> {
    pub fn new(
        disk: &'a Disk,
        events: &[Arc<Event>],
        stand_in: impl Fn(Conversation) -> Option<Arc<Event>>,
    ) -> Self {
        let uploaded = events.iter().map(|event| event.id()).collect();
        let mut lax = Self { disk, uploaded, stand_ins: BTreeMap::new(), at: BTreeMap::new() };
        let mut position = Position::MAX;
        for event in events {
            let Some(stand_in) = stand_in(event.conversation()) else { continue };
            for parent in event.parents().iter().filter(|parent| !disk.holds(parent)) {
                position -= 1;
                lax.stand_ins.insert(*parent, position);
                lax.at.insert(position, Arc::clone(&stand_in));
            }
        }
        lax
    }
}

impl Log for LaxLog<'_> {
    type Error = Infallible;

    fn position(&self, id: &EventId) -> Result<Option<Position>, Infallible> {
        let stand_in = self.stand_ins.get(id).filter(|_| !self.uploaded.contains(id)).copied();
        Ok(self.disk.position(id)?.or(stand_in))
    }

    fn first_of(&self, origin: Origin) -> Result<Option<EventId>, Infallible> {
        self.disk.first_of(origin)
    }

    fn event(&self, position: Position) -> Result<Option<Arc<Event>>, Infallible> {
        Ok(self.disk.event(position)?.or_else(|| self.at.get(&position).cloned()))
    }

    fn scan(
        &self,
        stream: Stream,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<(Position, EventId)>, Infallible> {
        self.disk.scan(stream, after, upto, limit)
    }

    fn cursors(&self) -> Result<Vec<DeviceCursor>, Infallible> {
        self.disk.cursors()
    }
}

/// An event of this conversation that is older than any other.
pub fn stand_in(key: &ed25519_dalek::SigningKey, conversation: Conversation) -> Option<Arc<Event>> {
    let draft = Draft {
        device: DeviceId::new([0xee; 16]),
        seq: 1,
        parents: BTreeSet::new(),
        time: Time::from_millis(1),
        conversation,
        kind: Kind::Merge,
        body: Vec::new(),
    };
    draft.sign(key).ok().map(Arc::new)
}
