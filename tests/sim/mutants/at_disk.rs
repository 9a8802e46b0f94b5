//! Seams of a server's disk: what it says is durable, and what it reads when it opens.

use std::sync::Arc;

use tercet::event::Event;
use tercet::id::{ConversationId, Position};
use tercet::order::Key;
use tercet::server::Input;

use crate::disk::Disk;
use crate::mutants::Mutant;
use crate::world::{What, World};

impl World {
    /// What happens to a log between two lives of its server. Nothing, in a store that is right.
    pub fn age_disk(&mut self, server: usize) {
        let disk = &mut self.servers[server].disk;
        let mut log = disk.log().to_vec();
        let Some(index) = self.rng.choice(0..log.len()) else { return };
        match self.swarm.mutant {
            Some(Mutant::TruncatesAtRestart) => log.truncate(log.len().saturating_sub(2)),
            Some(Mutant::LosesAtCompaction) => drop(log.remove(index)),
            Some(Mutant::LeavesAGap) => {
                disk.holes.insert(index as Position + 1);
                return;
            }
            _ => return,
        }
        disk.rewrite(log);
    }

    /// Whether the store opens though a bit of it has flipped; then what was read stands for what was written.
    pub fn opens_what_is_rotten(&mut self, server: usize) -> bool {
        if self.swarm.mutant != Some(Mutant::SkipsTheChecksum) {
            return false;
        }
        let disk = &mut self.servers[server].disk;
        let mut log = disk.log().to_vec();
        for (index, bytes) in disk.take_rotten() {
            let Ok(event) = Event::from_own_store(&bytes) else { return false };
            log[index].0 = Arc::new(event);
        }
        disk.rewrite(log);
        true
    }

    /// A store's canonical index.
    pub fn canonical(&self, disk: &Disk) -> Vec<(ConversationId, Key)> {
        if self.swarm.mutant != Some(Mutant::IndexesByArrival) {
            return disk.canonical();
        }
        disk.events().map(|event| (event.conversation().id(), event.key())).collect()
    }

    /// Tells the machine of a sync that has not been, if the mutant's disk does.
    pub fn run_ahead_of_the_sync(&mut self, server: usize) {
        if !matches!(self.swarm.mutant, Some(Mutant::AcksBeforeSync | Mutant::TellsBeforeSync)) {
            return;
        }
        let before = self.servers[server].disk.tip();
        self.servers[server].disk.pretend_synced();
        let upto = self.servers[server].disk.tip();
        if upto > before {
            // The sync that would make it true is under way, and comes too late for a crash.
            let boot = self.servers[server].boot;
            self.after(self.swarm.sync_max_ms, What::Synced { server, boot });
            self.server_step(server, Input::Synced { upto });
        }
    }

    /// Receipts that waited for the sync, where only they did.
    pub fn release_receipts(&mut self, server: usize) {
        for (conn, frame) in self.memory.held_back.remove(&server).unwrap_or_default() {
            self.server_says(server, conn, &frame);
        }
    }
}
