//! Bytes that look like an event and bear a signature that is none.

use serde_bytes::ByteBuf;
use tercet::event::Event;

/// The event with one bit of its signature flipped: its id, which covers what was signed, stays.
pub fn forged(event: &[u8]) -> Vec<u8> {
    let (signed, mut signature, body): (ByteBuf, ByteBuf, Option<ByteBuf>) =
        rmp_serde::from_slice(event).unwrap();
    signature[7] ^= 1;
    rmp_serde::to_vec(&(signed, signature, body)).unwrap()
}

/// A message with the case of its first letter changed, and the hash of its body with it; its signature is the
/// old one, which no longer fits. `None` if there is no such letter.
pub fn with_another_body(event: &Event) -> Option<Event> {
    // One that stands without its body has none.
    let (mut signed, signature, mut body): (ByteBuf, ByteBuf, ByteBuf) =
        rmp_serde::from_slice(event.bytes()).ok()?;
    let hash = |body: &[u8]| *blake3::hash(body).as_bytes();
    let at = signed.windows(32).position(|window| window == hash(&body))?;
    *body.first_mut().filter(|letter| letter.is_ascii_lowercase())? ^= 0x20;
    signed[at..at + 32].copy_from_slice(&hash(&body));
    let bytes = rmp_serde::to_vec(&(signed, signature, body)).unwrap();
    Event::from_own_store(&bytes).ok()
}
