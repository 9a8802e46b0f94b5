//! Frames to a server on their way in: decoded each by itself, their signatures checked many at once.
//!
//! ```text
//!   connection --Incoming--+
//!   connection --Incoming--+--> [ what has gathered ] -- admit --> Request, or why its connection must end
//!   connection --Incoming--+
//! ```
//!
//! A signature takes about 32 µs alone, half of that among eight others and a quarter among hundreds of few
//! authors. So a connection only decodes, and whoever takes in the frames of all of them checks what has gathered.
//!
//! **Invariant**: an event gets out of here only in a [`Request`], and only if all of its frame are right. A wrong
//! one is the end of its own frame, and of no other.

use std::sync::Arc;

use crate::event::{Claim, EventError};
use crate::frame::{Refusal, ToServer};
use crate::server::Request;
use crate::signature::{self, Unchecked};

/// A frame in which everything was checked but the signatures.
#[derive(Debug)]
pub struct Incoming {
    request: Request,
    unchecked: Vec<Unchecked>,
}

impl Incoming {
    /// Decodes a frame's events.
    ///
    /// # Errors
    /// [`Refusal::InvalidEvent`]; an honest client never uploads such an event.
    pub fn from_frame(frame: ToServer) -> Result<Self, Refusal> {
        let ToServer::Upload { events } = frame else {
            return Ok(Self { request: Request::Plain(frame), unchecked: Vec::new() });
        };
        let claims = events.iter().map(|bytes| Claim::of(bytes)).collect::<Result<Vec<_>, _>>();
        let claims = claims.map_err(|error| refusal(&error))?;
        let unchecked = claims.iter().map(Claim::unchecked).collect();
        let events = claims.into_iter().map(|claim| Arc::new(claim.event())).collect();
        Ok(Self { request: Request::Upload(events), unchecked })
    }

    /// How many signatures it waits for; one over several events counts once.
    pub fn signatures(&self) -> usize {
        self.unchecked.chunk_by(Unchecked::is_as).count()
    }
}

/// Checks the signatures of all these frames at once; the answers are in the order of the frames.
///
/// # Errors
/// Of a frame: [`Refusal::InvalidEvent`].
pub fn admit(frames: Vec<Incoming>) -> Vec<Result<Request, Refusal>> {
    let (mut requests, mut ends, mut unchecked) = (Vec::new(), Vec::new(), Vec::new());
    for frame in frames {
        unchecked.extend(frame.unchecked);
        ends.push(unchecked.len());
        requests.push(frame.request);
    }
    let mut wrong = signature::invalid(&unchecked).into_iter().peekable();
    let mut start = 0;
    let mut judge = |(request, end)| {
        let first = wrong.peek().filter(|place| **place < end).map(|place| place - start);
        while wrong.next_if(|place| *place < end).is_some() {}
        start = end;
        match (first, &request) {
            (Some(place), Request::Upload(events)) => {
                Err(refusal(&EventError::Signature(events[place].account())))
            }
            _ => Ok(request),
        }
    };
    requests.into_iter().zip(ends).map(&mut judge).collect()
}

fn refusal(error: &EventError) -> Refusal {
    Refusal::InvalidEvent(error.to_string())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use serde_bytes::ByteBuf;

    use super::*;
    use crate::clock::Time;
    use crate::event::{Conversation, Draft, Kind, account_of};
    use crate::id::DeviceId;

    fn post(author: u8, seq: u64) -> Vec<u8> {
        let key = SigningKey::from_bytes(&[author; 32]);
        let account = account_of(&key);
        let draft = Draft {
            device: DeviceId::new([author; 16]),
            seq,
            parents: [].into(),
            time: Time::from_millis(seq),
            conversation: Conversation::direct(account, account),
            kind: Kind::Post,
            body: b"said".to_vec(),
        };
        draft.sign(&key).unwrap().bytes().to_vec()
    }

    /// The same event with a signature of the right form that is another's.
    fn forged(author: u8, seq: u64) -> Vec<u8> {
        let (mut bytes, other) = (post(author, seq), post(author, seq + 1));
        let signature = Claim::of(&bytes).unwrap().signature().to_vec();
        let at = bytes.windows(64).position(|window| window == signature).unwrap();
        bytes[at..at + 64].copy_from_slice(Claim::of(&other).unwrap().signature());
        bytes
    }

    fn upload(events: &[Vec<u8>]) -> Incoming {
        let events = events.iter().cloned().map(ByteBuf::from).collect();
        Incoming::from_frame(ToServer::Upload { events }).unwrap()
    }

    #[test]
    fn a_wrong_signature_is_the_end_of_its_own_frame_and_of_no_other() {
        let frames = vec![
            upload(&[post(1, 1), post(1, 2)]),
            upload(&[post(2, 1), forged(2, 2), forged(2, 3)]),
            Incoming::from_frame(ToServer::Ping).unwrap(),
            upload(&[]),
            upload(&[forged(3, 1)]),
            upload(&[post(4, 1)]),
        ];
        assert_eq!(frames.iter().map(Incoming::signatures).sum::<usize>(), 7);
        let admitted = admit(frames);
        let show = |answer: &Result<Request, Refusal>| match answer {
            Ok(Request::Upload(events)) => Ok(events.len()),
            Ok(Request::Plain(_)) => Ok(99),
            Err(Refusal::InvalidEvent(why)) => Err(why.clone()),
            Err(other) => panic!("{other:?}"),
        };
        let by = |author: u8| {
            EventError::Signature(account_of(&SigningKey::from_bytes(&[author; 32]))).to_string()
        };
        let expected = [Ok(2), Err(by(2)), Ok(99), Ok(0), Err(by(3)), Ok(1)];
        assert_eq!(admitted.iter().map(show).collect::<Vec<_>>(), expected);
        assert!(admit(Vec::new()).is_empty());
    }

    #[test]
    fn a_signature_over_several_events_counts_once_and_a_path_that_leads_elsewhere_ends_its_frame() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let account = account_of(&key);
        let draft = |seq| Draft {
            device: DeviceId::new([1; 16]),
            seq,
            parents: [].into(),
            time: Time::from_millis(seq),
            conversation: Conversation::direct(account, account),
            kind: Kind::Post,
            body: b"said".to_vec(),
        };
        let together = Draft::sign_all((1..=5).map(draft).collect(), &key).unwrap();
        let mut events: Vec<_> = together.iter().map(|event| event.bytes().to_vec()).collect();
        events.push(post(1, 6));
        assert_eq!(upload(&events).signatures(), 2);
        // One bit of the last event's path, which stands before its body.
        let at = events[4].len() - b"said".len() - 3;
        events[4][at] ^= 1;
        let admitted = admit(vec![upload(&events[..4]), upload(&events[4..]), upload(&events[5..])]);
        assert_eq!(admitted.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn what_is_no_event_at_all_is_refused_before_it_waits_for_anything() {
        let frame =
            ToServer::Upload { events: vec![ByteBuf::from(post(1, 1)), ByteBuf::from(b"no".to_vec())] };
        assert!(matches!(Incoming::from_frame(frame), Err(Refusal::InvalidEvent(_))));
    }
}
