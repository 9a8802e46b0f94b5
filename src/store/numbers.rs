//! The last number of each device that was heard of lately, so that a number which was never given is known for one without
//! a look into the engine. Nearly every event that comes is its device's next.
//!
//! **Invariant**: no event of a device that is here has a greater number in the log. What a device's last number is, is
//! read from the engine while this is locked, and every commit goes through it; so none can slip in between.

use std::collections::HashMap;

use crate::event::Origin;
use crate::id::{AccountId, DeviceId, Seq};

/// Devices that are kept, of about 100 bytes each.
const DEVICES: usize = 8_192;

/// See the module. 0 is before every number.
#[derive(Default)]
pub(super) struct Numbers(HashMap<(AccountId, DeviceId), Seq>);

impl Numbers {
    /// Whether a number may have been given: it is none after the device's last. `read` finds the last in the engine.
    pub(super) fn may_hold<E>(
        &mut self,
        origin: Origin,
        read: impl FnOnce() -> Result<Seq, E>,
    ) -> Result<bool, E> {
        let device = (origin.account, origin.device);
        if let Some(last) = self.0.get(&device) {
            return Ok(origin.seq <= *last);
        }
        let last = read()?;
        if self.0.len() >= DEVICES {
            self.0.clear(); // those that still write come back at once
        }
        self.0.insert(device, last);
        Ok(origin.seq <= last)
    }

    /// An event is in the log.
    pub(super) fn note(&mut self, origin: Origin) {
        if let Some(last) = self.0.get_mut(&(origin.account, origin.device)) {
            *last = origin.seq.max(*last);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn origin(device: u64, seq: Seq) -> Origin {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&device.to_be_bytes());
        Origin { account: AccountId::new([1; 32]), device: DeviceId::new(bytes), seq }
    }

    #[test]
    fn the_engine_is_asked_once_for_a_device_and_commits_move_its_last_number() {
        let mut numbers = Numbers::default();
        let mut asked = 0;
        let mut may_hold = |numbers: &mut Numbers, seq| {
            let Ok(may) = numbers.may_hold(origin(1, seq), || {
                asked += 1;
                Ok::<_, Infallible>(7)
            });
            may
        };
        numbers.note(origin(1, 5)); // of a device that nobody has asked for
        assert!(may_hold(&mut numbers, 7) && !may_hold(&mut numbers, 8));
        numbers.note(origin(1, 9));
        numbers.note(origin(1, 8));
        assert!(may_hold(&mut numbers, 9) && !may_hold(&mut numbers, 10));
        assert_eq!(asked, 1);
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let mut numbers = Numbers::default();
        for device in 0..3 * DEVICES as u64 {
            let Ok(may) = numbers.may_hold(origin(device, 1), || Ok::<_, Infallible>(0));
            assert!(!may && numbers.0.len() <= DEVICES);
        }
    }
}
