//! Reading: what followers, peers among them, ask of the durable log.
//!
//! **Invariant**: whatever is told of is durable (rule 7), and only those are told who may read it
//! ([`crate::readers`]).
//!
//! It must not know what is staged.

use serde_bytes::ByteBuf;

use crate::frame::{DeviceCursor, Item, ToClient};
use crate::id::{EventId, Position, RoomId};
use crate::limits::{FETCH_MAX, FRAME_EVENTS_BYTES, PULL_MAX};
use crate::log::Log;
use crate::readers::Caller;

use super::{ConnId, Outputs, Server, protocol, send, send_all};

impl Server {
    #[expect(clippy::too_many_arguments, reason = "the frame's three fields beside what every step takes")]
    pub(super) fn follow<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        room: Option<RoomId>,
        after: Position,
        bodies: bool,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        let (durable, mut told) = (self.durable, Vec::new());
        match self.readers.follow(now_ms, conn, room, after, bodies, durable, log, &mut told)? {
            Ok(()) => send_all(out, told),
            Err(why) => self.refuse(conn, protocol(why), out),
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the frame's two fields beside what every step takes")]
    pub(super) fn cursor<L: Log>(
        &mut self,
        now_ms: u64,
        conn: ConnId,
        caller: Caller,
        room: Option<RoomId>,
        position: Position,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        if position > self.durable {
            self.refuse(conn, protocol("a cursor beyond the end of the log"), out);
            return Ok(());
        }
        let (durable, mut told) = (self.durable, Vec::new());
        if self.readers.cursor(now_ms, conn, room, position, durable, log, &mut told)? {
            if let Caller::Device(account, device) = caller {
                self.cursors.insert((device, room), DeviceCursor { account, device, room, position });
            }
            send_all(out, told);
        } else if room.is_none() {
            self.refuse(conn, protocol("a cursor without a Follow"), out);
        } // a room's last cursors may cross with its Unfollow
        Ok(())
    }

    pub(super) fn fetch<L: Log>(
        &mut self,
        conn: ConnId,
        caller: Caller,
        ids: &[EventId],
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        if ids.len() > FETCH_MAX {
            self.refuse(conn, protocol("a Fetch of too many ids"), out);
            return Ok(());
        }
        let mut bodies = Vec::new();
        let mut bytes = 0;
        for id in ids {
            let Some(position) = log.position(id)? else { continue };
            let Some(event) = log.event(position)? else { continue };
            if !self.readers.may_read(caller, &event) {
                continue;
            }
            let event = self.readers.as_read_by(caller, position, &event);
            if bytes + event.bytes().len() > FRAME_EVENTS_BYTES {
                send(out, conn, ToClient::Bodies(std::mem::take(&mut bodies)));
                bytes = 0;
            }
            bytes += event.bytes().len();
            bodies.push(ByteBuf::from(event.bytes()));
        }
        send(out, conn, ToClient::Bodies(bodies));
        Ok(())
    }

    pub(super) fn pull<L: Log>(
        &mut self,
        conn: ConnId,
        after: Position,
        log: &L,
        out: &mut Outputs,
    ) -> Result<(), L::Error> {
        let mut items = Vec::new();
        let mut bytes = 0;
        let mut position = after;
        while position < self.durable && items.len() < PULL_MAX && bytes < FRAME_EVENTS_BYTES {
            position += 1;
            let Some(event) = log.event(position)? else { break };
            bytes += event.bytes().len();
            items.push(Item { position, id: event.id(), event: Some(ByteBuf::from(event.bytes())) });
        }
        let cursors = if position >= self.durable { log.cursors()? } else { Vec::new() };
        send(out, conn, ToClient::Log { items, tip: self.durable, cursors });
        Ok(())
    }
}
