//! What an event's body says, by its kind.
//!
//! ```text
//! Register            name                      Create          flags, name (Charter)
//! Post, Topic         text                      Invite, Follow, Unfollow   room
//! Merge, Join, Leave, Close  nothing                   Edit, Reply     target, text
//! React, Unreact      target, short text        Delete, Read    target
//! Chunk               chunk before it, or 32 zeros, then bytes of the file
//! File                last chunk (its target), BLAKE3 of the file, its length u32 big-endian, its name
//! ```
//!
//! Ids are their bytes, text is UTF-8 to the body's end: every content has one encoding. What an event is about
//! (its target) stands among its parents too, so it is in every log before it.

use crate::event::{EventError, Kind};
use crate::id::{EventId, RoomId};
use crate::limits::{
    CHUNK_MAX_BYTES, FILE_MAX_BYTES, FILE_NAME_MAX_BYTES, MESSAGE_MAX_BYTES, REACTION_MAX_BYTES,
    TOPIC_MAX_BYTES,
};
use crate::text::Name;

/// What a room is from its first event on; it cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charter {
    /// What it is called.
    pub name: Name,
    /// Whether everybody may find, read and join it; else who was invited.
    pub public: bool,
    /// What a member reads of what was said before it came.
    pub history: Past,
}

/// How much of a room's past its members read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Past {
    /// All of it.
    #[default]
    Open,
    /// What was said while they were members.
    SinceJoining,
}

const PUBLIC: u8 = 1;
const SINCE_JOINING: u8 = 2;

impl Charter {
    /// As the body of a [`Kind::Create`].
    pub fn encode(&self) -> Vec<u8> {
        let public = if self.public { PUBLIC } else { 0 };
        let history = if self.history == Past::SinceJoining { SINCE_JOINING } else { 0 };
        [&[public | history], self.name.as_str().as_bytes()].concat()
    }

    fn decode(body: &[u8]) -> Result<Self, EventError> {
        let (flags, name) = body.split_first().ok_or(EventError::Body(Kind::Create))?;
        if flags & !(PUBLIC | SINCE_JOINING) != 0 {
            return Err(EventError::Body(Kind::Create));
        }
        let name = text(name)?.parse()?;
        let history = if flags & SINCE_JOINING == 0 { Past::Open } else { Past::SinceJoining };
        Ok(Self { name, public: flags & PUBLIC != 0, history })
    }
}

/// A file that is shared; its bytes are in chunks before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedFile<'a> {
    /// Its last chunk.
    pub last: EventId,
    /// BLAKE3 of its bytes.
    pub hash: [u8; 32],
    /// How many bytes.
    pub bytes: u32,
    /// What it is called: no path, nothing that moves a cursor.
    pub name: &'a str,
}

impl<'a> SharedFile<'a> {
    /// How many bytes of a body stand before the name.
    pub(crate) const BYTES_BEFORE_NAME: usize = EventId::BYTES + 32 + size_of::<u32>();

    /// As the body of a [`Kind::File`].
    pub fn encode(&self) -> Vec<u8> {
        [self.last.as_bytes(), &self.hash, &self.bytes.to_be_bytes()[..], self.name.as_bytes()].concat()
    }

    fn decode(body: &'a [u8]) -> Result<Self, EventError> {
        let wrong = || EventError::Body(Kind::File);
        let (last, rest) = body.split_first_chunk().ok_or_else(wrong)?;
        let (hash, rest) = rest.split_first_chunk().ok_or_else(wrong)?;
        let (bytes, name) = rest.split_first_chunk().ok_or_else(wrong)?;
        let (bytes, name) = (u32::from_be_bytes(*bytes), text(name)?);
        let fits = (1..=FILE_MAX_BYTES).contains(&usize::try_from(bytes).unwrap_or(usize::MAX));
        if !fits || !is_file_name(name) {
            return Err(wrong());
        }
        Ok(Self { last: EventId::new(*last), hash: *hash, bytes, name })
    }

    /// In words, as it stands among messages.
    pub fn words(&self) -> String {
        let size = match self.bytes {
            small @ 0..1024 => format!("{small} bytes"),
            large => format!("{} KiB", large.div_ceil(1024)),
        };
        format!("shares {} ({size}); /save puts it into a file", self.name)
    }
}

/// Whether a shared file may be called so.
pub fn is_file_name(name: &str) -> bool {
    let is_wrong = |c: char| c.is_control() || matches!(c, '/' | '\\');
    (1..=FILE_NAME_MAX_BYTES).contains(&name.len()) && !matches!(name, "." | "..") && !name.contains(is_wrong)
}

/// The body of a [`Kind::Chunk`].
pub fn chunk(before: Option<EventId>, bytes: &[u8]) -> Vec<u8> {
    [before.map_or([0; 32], |id| *id.as_bytes()).as_slice(), bytes].concat()
}

/// A body, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'a> {
    /// Nothing.
    Nothing,
    /// A name.
    Name(Name),
    /// Text.
    Text(&'a str),
    /// What a new room is.
    Charter(Charter),
    /// Which room.
    Room(RoomId),
    /// A part of a file, after another.
    Chunk(Option<EventId>, &'a [u8]),
    /// A file.
    File(SharedFile<'a>),
    /// Something about another event of the conversation, and possibly a text.
    About(EventId, &'a str),
}

impl<'a> Content<'a> {
    /// Understands a body.
    ///
    /// # Errors
    /// It is not what a body of this kind must be.
    pub fn read(kind: Kind, body: &'a [u8]) -> Result<Self, EventError> {
        match kind {
            Kind::Register => Ok(Self::Name(text(body)?.parse()?)),
            Kind::Post => message(body).map(Self::Text),
            Kind::Topic if body.len() > TOPIC_MAX_BYTES => Err(EventError::TooMuch(kind, body.len())),
            Kind::Topic => text(body).map(Self::Text),
            Kind::Merge | Kind::Join | Kind::Leave | Kind::Close if body.is_empty() => Ok(Self::Nothing),
            Kind::Merge | Kind::Join | Kind::Leave | Kind::Close => Err(EventError::UnexpectedBody),
            Kind::Create => Charter::decode(body).map(Self::Charter),
            Kind::Invite | Kind::Follow | Kind::Unfollow => {
                let room = body.try_into().map_err(|_| EventError::Body(kind))?;
                Ok(Self::Room(RoomId::new(room)))
            }
            Kind::Chunk => {
                let (before, bytes) = body.split_first_chunk::<32>().ok_or(EventError::Body(kind))?;
                if bytes.is_empty() {
                    return Err(EventError::Body(kind));
                }
                if bytes.len() > CHUNK_MAX_BYTES {
                    return Err(EventError::TooMuch(kind, bytes.len()));
                }
                Ok(Self::Chunk((*before != [0; 32]).then(|| EventId::new(*before)), bytes))
            }
            Kind::File => SharedFile::decode(body).map(Self::File),
            Kind::Edit | Kind::Reply | Kind::Delete | Kind::Read | Kind::React | Kind::Unreact => {
                let (target, rest) = body.split_first_chunk().ok_or(EventError::Body(kind))?;
                let said = match kind {
                    Kind::Edit | Kind::Reply => message(rest)?,
                    Kind::Delete | Kind::Read if rest.is_empty() => "",
                    Kind::React | Kind::Unreact if rest.len() > REACTION_MAX_BYTES => {
                        return Err(EventError::TooMuch(kind, rest.len()));
                    }
                    Kind::React | Kind::Unreact if !rest.is_empty() => text(rest)?,
                    _ => return Err(EventError::Body(kind)),
                };
                Ok(Self::About(EventId::new(*target), said))
            }
        }
    }

    /// What it is about.
    pub fn target(&self) -> Option<EventId> {
        match self {
            Self::About(target, _) => Some(*target),
            Self::Chunk(before, _) => *before,
            Self::File(file) => Some(file.last),
            _ => None,
        }
    }
}

/// The body of an event about another one.
pub fn about(target: EventId, text: &str) -> Vec<u8> {
    [target.as_bytes(), text.as_bytes()].concat()
}

fn text(body: &[u8]) -> Result<&str, EventError> {
    std::str::from_utf8(body).map_err(|_| EventError::NotUtf8)
}

fn message(body: &[u8]) -> Result<&str, EventError> {
    if body.is_empty() {
        return Err(EventError::EmptyMessage);
    }
    if body.len() > MESSAGE_MAX_BYTES {
        return Err(EventError::MessageTooLong(body.len()));
    }
    text(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: EventId = EventId::new([7; 32]);

    #[test]
    fn a_charter_comes_back_as_it_went() {
        for (public, history) in [(false, Past::Open), (true, Past::Open), (false, Past::SinceJoining)] {
            let charter = Charter { name: "lab".parse().unwrap(), public, history };
            let body = charter.encode();
            assert_eq!(Content::read(Kind::Create, &body), Ok(Content::Charter(charter)));
        }
    }

    #[test]
    fn bodies_are_understood_by_their_kind() {
        let room = RoomId::new([3; 16]);
        let file = SharedFile { last: TARGET, hash: [5; 32], bytes: 9, name: "a b.txt" };
        let cases: [(Kind, Vec<u8>, Content<'_>); 12] = [
            (Kind::Chunk, chunk(None, b"\0\xff"), Content::Chunk(None, b"\0\xff")),
            (Kind::Chunk, chunk(Some(TARGET), b"!"), Content::Chunk(Some(TARGET), b"!")),
            (Kind::File, file.encode(), Content::File(file)),
            (Kind::Post, b"hello".to_vec(), Content::Text("hello")),
            (Kind::Topic, Vec::new(), Content::Text("")),
            (Kind::Join, Vec::new(), Content::Nothing),
            (Kind::Invite, room.as_bytes().to_vec(), Content::Room(room)),
            (Kind::Edit, about(TARGET, "better"), Content::About(TARGET, "better")),
            (Kind::Reply, about(TARGET, "yes"), Content::About(TARGET, "yes")),
            (Kind::Delete, about(TARGET, ""), Content::About(TARGET, "")),
            (Kind::React, about(TARGET, "+1"), Content::About(TARGET, "+1")),
            (Kind::Read, about(TARGET, ""), Content::About(TARGET, "")),
        ];
        for (kind, body, content) in cases {
            assert_eq!(Content::read(kind, &body), Ok(content), "{kind:?}");
        }
    }

    #[test]
    fn bodies_that_are_none_of_their_kind_are_refused() {
        let file = |bytes, name| SharedFile { last: TARGET, hash: [5; 32], bytes, name }.encode();
        let cases: [(Kind, Vec<u8>); 26] = [
            (Kind::Chunk, chunk(None, b"")),
            (Kind::Chunk, chunk(None, &[1; CHUNK_MAX_BYTES + 1])),
            (Kind::File, file(0, "empty")),
            (Kind::File, file(u32::MAX, "large")),
            (Kind::File, file(1, "")),
            (Kind::File, file(1, "../up")),
            (Kind::File, file(1, "..")),
            (Kind::File, file(1, "a\u{1b}b")),
            (Kind::File, file(1, "c:\\x")),
            (Kind::Create, Vec::new()),
            (Kind::Create, b"\x04lab".to_vec()),
            (Kind::Create, b"\x01#lab".to_vec()),
            (Kind::Create, b"\x01\xff".to_vec()),
            (Kind::Join, b"!".to_vec()),
            (Kind::Leave, b"!".to_vec()),
            (Kind::Close, b"!".to_vec()),
            (Kind::Invite, vec![0; 15]),
            (Kind::Follow, vec![0; 17]),
            (Kind::Topic, vec![b'a'; TOPIC_MAX_BYTES + 1]),
            (Kind::Edit, TARGET.as_bytes().to_vec()),
            (Kind::Edit, TARGET.as_bytes()[..31].to_vec()),
            (Kind::Reply, about(TARGET, &"a".repeat(MESSAGE_MAX_BYTES + 1))),
            (Kind::Delete, about(TARGET, "!")),
            (Kind::Read, about(TARGET, "!")),
            (Kind::React, about(TARGET, "")),
            (Kind::React, about(TARGET, &"a".repeat(REACTION_MAX_BYTES + 1))),
        ];
        for (kind, body) in cases {
            assert!(Content::read(kind, &body).is_err(), "{kind:?} {body:?}");
        }
    }
}
