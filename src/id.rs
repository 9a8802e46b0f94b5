//! Newtypes for everything that has a name of its own on the wire.
//!
//! An id is opaque bytes. It is written as lower-case hexadecimal where a person reads it (configuration,
//! terminal, JSON) and as raw bytes in MessagePack. Nothing here knows what an id stands for beyond its
//! length; keys are checked where they are used ([`crate::event`], `net::tls`).

use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Text that should have been an id is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits, found {found:?}")]
pub struct ParseIdError {
    expected: usize,
    found: String,
}

/// Writes bytes as lower-case hexadecimal.
pub fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads exactly `N` bytes of hexadecimal.
pub fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseIdError> {
    let error = || ParseIdError { expected: 2 * N, found: text.chars().take(80).collect() };
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(error());
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| error())?;
    }
    Ok(bytes)
}

struct BytesVisitor<const N: usize>;

impl<const N: usize> de::Visitor<'_> for BytesVisitor<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes, or {} hexadecimal digits", 2 * N)
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        parse_hex(text).map_err(E::custom)
    }
}

/// Serde for a byte array: raw bytes in a binary format, hexadecimal in a readable one.
pub mod bytes_or_hex {
    use super::*;

    /// See the module.
    pub fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            struct Hex<'a>(&'a [u8]);
            impl fmt::Display for Hex<'_> {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write_hex(f, self.0)
                }
            }
            serializer.collect_str(&Hex(bytes))
        } else {
            serializer.serialize_bytes(bytes)
        }
    }

    /// See the module.
    pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(BytesVisitor)
        } else {
            deserializer.deserialize_bytes(BytesVisitor)
        }
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "bytes_or_hex")] [u8; $bytes]);

        impl $name {
            /// How many bytes the id has.
            pub const BYTES: usize = $bytes;

            /// The id made of these bytes.
            pub const fn new(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The id's bytes.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// The first eight hexadecimal digits: enough to tell ids apart on a screen.
            pub fn short(&self) -> String {
                let mut digits = String::with_capacity(8);
                self.0[..4].iter().for_each(|byte| _ = write!(digits, "{byte:02x}"));
                digits
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_hex(text).map(Self)
            }
        }
    };
}

id! {
    /// A person: their Ed25519 public key.
    AccountId, 32
}
id! {
    /// A server: its Ed25519 public key.
    ServerId, 32
}
id! {
    /// Who signs a cluster's views: its administration's Ed25519 public key.
    AdminKey, 32
}
id! {
    /// One installation of an account, with its own log; random, and new whenever that log is.
    DeviceId, 16
}
id! {
    /// One life of a server's log; random, and new whenever the log is new, restored or cloned.
    Incarnation, 16
}
id! {
    /// A cluster; random, chosen when the cluster is made.
    ClusterId, 16
}
id! {
    /// A room; random, chosen by whoever opens it.
    RoomId, 16
}
id! {
    /// A conversation: BLAKE3 of what [`crate::event::Conversation`] says.
    ConversationId, 32
}
id! {
    /// An event: BLAKE3 of its signed bytes.
    EventId, 32
}

/// Which event of its device, in the order the device wrote them; the first is 1.
pub type Seq = u64;

/// An index in one server's log; the first event is at 1, so 0 means "before everything".
pub type Position = u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_hexadecimal_for_people_and_bytes_on_the_wire() {
        let id = DeviceId::new([0xa7; 16]);
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{}\"", "a7".repeat(16)));
        let packed = rmp_serde::to_vec(&id).unwrap();
        assert_eq!(packed.len(), 18, "two bytes of MessagePack header and sixteen of id");
        assert_eq!(rmp_serde::from_slice::<DeviceId>(&packed).unwrap(), id);
        assert_eq!(id.to_string().parse::<DeviceId>().unwrap(), id);
    }

    #[test]
    fn text_that_is_no_id_is_refused_and_quoted() {
        for text in ["", "a7", "zz".repeat(16).as_str(), "é".repeat(16).as_str(), "+1".repeat(16).as_str()] {
            assert!(text.parse::<DeviceId>().is_err(), "{text:?} was taken for an id");
        }
        let shown = "xyz".parse::<EventId>().unwrap_err().to_string();
        assert!(shown.contains("64 hexadecimal digits") && shown.contains("\"xyz\""), "{shown}");
    }

    #[test]
    fn bytes_of_another_length_are_refused() {
        let packed = rmp_serde::to_vec(&DeviceId::new([1; 16])).unwrap();
        assert!(rmp_serde::from_slice::<EventId>(&packed).is_err());
    }
}
