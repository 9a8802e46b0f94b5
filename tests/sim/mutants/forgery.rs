//! Bytes that look like an event and bear a signature that is none.

use serde_bytes::ByteBuf;

/// The event with one bit of its signature flipped: its id, which covers what was signed, stays.
pub fn forged(event: &[u8]) -> Vec<u8> {
    let (signed, mut signature, body): (ByteBuf, ByteBuf, ByteBuf) = rmp_serde::from_slice(event).unwrap();
    signature[7] ^= 1;
    rmp_serde::to_vec(&(signed, signature, body)).unwrap()
}
