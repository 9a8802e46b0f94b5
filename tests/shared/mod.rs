//! A server's machine over a log in memory, as a test drives it one step at a time. A test file adds to [`Bench`]
//! what only its own tests need.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;

use tercet::erasure;
use tercet::event::{Event, Origin};
use tercet::frame::{DeviceCursor, Role, ToServer};
use tercet::id::{EventId, Position};
use tercet::log::{Log, Stream, Write};
use tercet::server::{Config, ConnId, Input, Output, Request, Server};
use tercet::view::{SignedView, View};

/// A log that is what was written to it. Cursors are not kept.
#[derive(Default)]
pub struct Memory {
    pub events: Vec<Arc<Event>>,
    pub view: Option<SignedView>,
    pub sealed: bool,
    /// How often it was asked where an event stands.
    pub looked_up: Cell<usize>,
}

impl Memory {
    /// The last position.
    pub fn tip(&self) -> Position {
        self.events.len() as Position
    }

    fn write(&mut self, write: Write) {
        match write {
            Write::Append { position, event, .. } => {
                assert_eq!(position, self.tip() + 1, "positions have no gap");
                self.events.push(event);
                erasure::forget(&mut self.events);
            }
            Write::Body(event) => erasure::fill(&mut self.events, event),
            Write::View(signed) => self.view = Some(signed),
            Write::Seal => self.sealed = true,
            Write::Cursor(_) | Write::Peer(_) => {}
        }
    }

    fn places(&self) -> impl Iterator<Item = (Position, &Arc<Event>)> {
        (1..).zip(&self.events)
    }
}

impl Log for Memory {
    type Error = Infallible;

    fn position(&self, id: &EventId) -> Result<Option<Position>, Infallible> {
        self.looked_up.set(self.looked_up.get() + 1);
        Ok(self.places().find(|(_, event)| event.id() == *id).map(|(position, _)| position))
    }

    fn first_of(&self, origin: Origin) -> Result<Option<EventId>, Infallible> {
        Ok(self.events.iter().find(|event| event.origin() == origin).map(|event| event.id()))
    }

    fn event(&self, position: Position) -> Result<Option<Arc<Event>>, Infallible> {
        Ok(self.places().find(|(at, _)| *at == position).map(|(_, event)| Arc::clone(event)))
    }

    fn scan(
        &self,
        stream: Stream,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<(Position, EventId)>, Infallible> {
        let of = |event: &Event| stream == Stream::Everything || Stream::of(event).any(|one| one == stream);
        let found = self.places().filter(|(at, event)| *at > after && *at <= upto && of(event));
        Ok(found.map(|(at, event)| (at, event.id())).take(limit).collect())
    }

    fn hollow(&self, after: Position, limit: usize) -> Result<Vec<(Position, EventId)>, Infallible> {
        Ok(erasure::hollow(&self.events, after, limit))
    }

    fn cursors(&self) -> Result<Vec<DeviceCursor>, Infallible> {
        Ok(Vec::new())
    }

    fn view(&self) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.view.as_ref().map(SignedView::bytes))
    }
}

/// A server with its log, and what it wants written there by the next sync.
pub struct Bench {
    pub server: Server,
    pub log: Memory,
    pub gathered: Vec<Write>,
    pub now_ms: u64,
}

impl Bench {
    /// A server that has just started over this log.
    pub fn start(config: Config, log: Memory) -> Self {
        let now_ms = config.started_ms;
        Self { server: Server::new(config, log.tip(), 0, &[]), log, gathered: Vec::new(), now_ms }
    }

    /// What the server wants done, but for its writes: they are gathered.
    pub fn step(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        let Ok(()) = self.server.step(self.now_ms, input, &self.log, &mut outputs);
        let mut others = Vec::new();
        for output in outputs {
            match output {
                Output::Write(write) => self.gathered.push(write),
                other => others.push(other),
            }
        }
        others
    }

    pub fn says(&mut self, conn: ConnId, frame: ToServer) -> Vec<Output> {
        self.step(Input::Request { conn, request: Request::from_frame(frame).unwrap() })
    }

    /// Somebody connects who has this key and knows this view.
    pub fn opens(&mut self, conn: ConnId, key: [u8; 32], knows: &View, role: Role) -> Vec<Output> {
        self.step(Input::Opened { conn, key });
        self.says(conn, ToServer::Hello { version: 1, cluster: knows.cluster(), view: knows.id(), role })
    }

    /// Everything that was gathered is on the disk; the server has not heard so yet.
    pub fn reaches_the_disk(&mut self) {
        std::mem::take(&mut self.gathered).into_iter().for_each(|write| self.log.write(write));
    }

    /// Everything that was gathered is on the disk, and the server hears so.
    pub fn syncs(&mut self) -> Vec<Output> {
        self.reaches_the_disk();
        self.step(Input::Synced { upto: self.log.tip() })
    }
}
