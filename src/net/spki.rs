//! An Ed25519 public key as TLS presents it: the `SubjectPublicKeyInfo` of RFC 8410, section 4.
//!
//! For Ed25519 this DER has one form only, a constant prefix before the 32 bytes of the key, so that it
//! is compared and cut here instead of being parsed.

use ed25519_dalek::VerifyingKey;

/// SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes }, up to those bytes.
const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The key in DER.
pub(super) fn encode(key: &[u8; 32]) -> Vec<u8> {
    [PREFIX.as_slice(), key].concat()
}

/// The key in this DER; `None` for every other kind of key, for 32 bytes that are no key, and for the few
/// weak keys for which anybody can make signatures.
pub(super) fn decode(der: &[u8]) -> Option<[u8; 32]> {
    let bytes: [u8; 32] = der.strip_prefix(&PREFIX)?.try_into().ok()?;
    let key = VerifyingKey::from_bytes(&bytes).ok()?;
    (!key.is_weak()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use ed25519_dalek::pkcs8::EncodePublicKey;

    use super::*;

    #[test]
    fn a_key_is_encoded_as_others_encode_it() {
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
        let der = encode(key.as_bytes());
        assert_eq!(der, key.to_public_key_der().unwrap().as_bytes());
        assert_eq!(decode(&der), Some(key.to_bytes()));
    }

    #[test]
    fn what_is_no_sound_ed25519_key_is_refused() {
        let good = encode(SigningKey::from_bytes(&[7; 32]).verifying_key().as_bytes());
        let mut other_curve = good.clone();
        other_curve[8] = 0x6f; // Ed448's neighbour in the OID tree
        let mut identity = [0; 32];
        identity[0] = 1;
        let cases = [
            ("nothing", Vec::new()),
            ("cut short", good[..43].to_vec()),
            ("too long", [good.as_slice(), &[0]].concat()),
            ("another algorithm", other_curve),
            ("the weak key 1", encode(&identity)),
        ];
        for (what, der) in cases {
            assert_eq!(decode(&der), None, "{what}");
        }
    }
}
