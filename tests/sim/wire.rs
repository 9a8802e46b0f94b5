//! How frames get from one host to the other: what delays them, what loses them, and who learns of an end.

use tercet::server::ConnId;

use crate::network::{Caller, Way};
use crate::world::{What, World};

impl World {
    pub fn send(&mut self, conn: ConnId, way: Way, frame: Vec<u8>) {
        self.story.update(&frame);
        let delay_ms = 1 + self.rng.u64(..self.swarm.delay_max_ms);
        if let Some(at_ms) = self.net.send(conn, way, frame, self.now_ms, delay_ms) {
            self.after(at_ms - self.now_ms, What::Arrive { conn, way });
        }
    }

    pub fn arrive(&mut self, conn: ConnId, way: Way) {
        let Some(ends) = self.net.get(conn) else { return };
        let (caller, server) = (ends.caller, ends.server);
        if self.is_held_up(caller, server, way) {
            return self.after(50, What::Arrive { conn, way });
        }
        let Some(frame) = self.net.receive(conn, way, self.now_ms) else { return };
        match way {
            Way::ToServer => self.server_hears(server, conn, &frame),
            Way::ToCaller => self.caller_hears(caller, server, conn, &frame),
        }
    }

    pub fn fin(&mut self, conn: ConnId, way: Way) {
        let Some(ends) = self.net.get(conn).filter(|_| self.net.is_open(conn, way)) else { return };
        let (caller, server) = (ends.caller, ends.server);
        if self.is_held_up(caller, server, way) || self.net.waiting(conn, way) > 0 {
            return self.after(20, What::Fin { conn, way });
        }
        match way {
            Way::ToServer => self.server_closed(server, conn),
            Way::ToCaller => self.caller_closes(caller, server, conn),
        }
    }

    /// Whether nothing arrives at that end now: the way is blocked, or who should read does not run.
    fn is_held_up(&self, caller: Caller, server: usize, way: Way) -> bool {
        self.net.is_blocked(caller, server, way)
            || match way {
                Way::ToServer => self.servers[server].stalled,
                Way::ToCaller => self.is_frozen(caller),
            }
    }

    /// A part of what is on this way never arrives, the end of it first.
    pub fn lose_some(&mut self, conn: ConnId, way: Way) {
        let waiting = self.net.waiting(conn, way);
        let kept = self.rng.usize(..=waiting);
        self.net.lose_after(conn, way, kept);
    }

    /// That end learns of the end of the connection some time, or by silence only.
    pub fn tell_of_end(&mut self, conn: ConnId, way: Way) {
        if self.rng.u32(..4) > 0 {
            let delay_ms = self.rng.u64(1..1_500);
            self.after(delay_ms, What::Fin { conn, way });
        }
    }
}
