//! Frames on a byte stream: four bytes of length, big-endian, then one MessagePack value.
//!
//! **Invariant**: a length over [`FRAME_MAX_BYTES`] is refused before anything is allocated for it, and a
//! stream that ends inside a frame is an error, not an end. A peer is silent when no *byte* comes from it,
//! so that a large frame on a slow line is not taken for silence.
//!
//! Source: [`crate::frame`] for the values. What this module must not know: what they mean.

use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadHalf, WriteHalf};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::bytes::{BufMut, BytesMut};
use tokio_util::codec::{Decoder, Encoder, FramedRead, FramedWrite, LengthDelimitedCodec};

use crate::frame::{self, FrameError};
use crate::limits::FRAME_MAX_BYTES;

/// Bytes of the length before each frame.
const LENGTH_BYTES: usize = 4;
/// Written bytes that are gathered before they go to the network without a flush.
const GATHER_BYTES: usize = 64 * 1024;

/// Why a stream gives no further frame, or takes none.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// What came is no frame, or what was to go is too large.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The stream ended inside a frame.
    #[error("the connection ended inside a frame")]
    Truncated,
    /// Nothing came for longer than the bound.
    #[error("nothing came for {} ms", .0.as_millis())]
    Silent(Duration),
    /// The peer did not take one frame within the bound.
    #[error("the other side took nothing for {} ms", .0.as_millis())]
    Stalled(Duration),
    /// The peer went without a goodbye: its process or the network ended.
    #[error("the other side went without a goodbye")]
    Cut,
    /// The network, or TLS.
    #[error("{0}")]
    Io(io::Error),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Cut,
            _ => Self::Io(error),
        }
    }
}

impl WireError {
    /// Whether the peer sent what it must not, as opposed to having gone or being slow.
    pub fn is_protocol(&self) -> bool {
        match self {
            Self::Frame(_) => true,
            Self::Io(error) => error.kind() == io::ErrorKind::InvalidData,
            Self::Truncated | Self::Silent(_) | Self::Stalled(_) | Self::Cut => false,
        }
    }
}

/// Decodes `In`, encodes `Out`.
#[derive(Debug)]
struct FrameCodec<T> {
    lengths: LengthDelimitedCodec,
    /// The length of the frame that is being read has been taken off the buffer.
    inside: bool,
    /// Bytes that the buffer held when it was last looked at.
    seen_bytes: usize,
    heard: Instant,
    values: PhantomData<fn(T) -> T>,
}

impl<T> FrameCodec<T> {
    fn new() -> Self {
        let lengths = LengthDelimitedCodec::builder()
            .length_field_length(LENGTH_BYTES)
            .max_frame_length(FRAME_MAX_BYTES)
            .new_codec();
        Self { lengths, inside: false, seen_bytes: 0, heard: Instant::now(), values: PhantomData }
    }

    fn next_payload(&mut self, buffer: &mut BytesMut) -> Result<Option<BytesMut>, WireError> {
        if let (false, Some(length)) = (self.inside, buffer.first_chunk::<LENGTH_BYTES>()) {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            if length > FRAME_MAX_BYTES {
                return Err(FrameError::TooLarge(length).into());
            }
            self.inside = true;
        }
        let payload = self.lengths.decode(buffer)?;
        self.inside &= payload.is_none();
        Ok(payload)
    }
}

impl<T: DeserializeOwned> Decoder for FrameCodec<T> {
    type Item = T;
    type Error = WireError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<T>, WireError> {
        if buffer.len() > self.seen_bytes {
            self.heard = Instant::now();
        }
        let payload = self.next_payload(buffer)?;
        self.seen_bytes = buffer.len();
        payload.map(|bytes| frame::decode(&bytes).map_err(WireError::from)).transpose()
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<T>, WireError> {
        match self.decode(buffer)? {
            None if self.inside || !buffer.is_empty() => Err(WireError::Truncated),
            frame => Ok(frame),
        }
    }
}

impl<T: Serialize> Encoder<&T> for FrameCodec<T> {
    type Error = WireError;

    /// Straight into the buffer; what turns out to be no frame leaves it as it was.
    fn encode(&mut self, value: &T, buffer: &mut BytesMut) -> Result<(), WireError> {
        let head = buffer.len();
        buffer.put_bytes(0, LENGTH_BYTES);
        let mut frame = (&mut *buffer).writer();
        let encoded = frame::encode_to(value, &mut frame);
        let bytes = buffer.len() - head - LENGTH_BYTES;
        let fits =
            encoded.and(if bytes > FRAME_MAX_BYTES { Err(FrameError::TooLarge(bytes)) } else { Ok(()) });
        match (fits, u32::try_from(bytes)) {
            (Ok(()), Ok(length)) => {
                buffer[head..head + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
                Ok(())
            }
            (fits, _) => {
                buffer.truncate(head);
                Err(fits.err().unwrap_or(FrameError::TooLarge(bytes)).into())
            }
        }
    }
}

/// Reads frames of one type.
#[derive(Debug)]
pub struct Reader<S, T> {
    frames: FramedRead<ReadHalf<S>, FrameCodec<T>>,
}

/// Writes frames of one type.
#[derive(Debug)]
pub struct Writer<S, T> {
    frames: FramedWrite<WriteHalf<S>, FrameCodec<T>>,
}

/// Both directions of a stream.
pub fn split<S, In, Out>(stream: S) -> (Reader<S, In>, Writer<S, Out>)
where
    S: AsyncRead + AsyncWrite,
    In: DeserializeOwned,
    Out: Serialize,
{
    let (read, write) = tokio::io::split(stream);
    let mut writer = FramedWrite::new(write, FrameCodec::new());
    writer.set_backpressure_boundary(GATHER_BYTES);
    (Reader { frames: FramedRead::new(read, FrameCodec::new()) }, Writer { frames: writer })
}

impl<S: AsyncRead + AsyncWrite, T: DeserializeOwned> Reader<S, T> {
    /// The next frame; `None` when the peer has closed the stream between two frames. Cancel safe.
    ///
    /// # Errors
    /// See [`WireError`]; [`WireError::Silent`] if no byte comes for `silence`. After an error the stream
    /// is of no more use.
    pub async fn next(&mut self, silence: Duration) -> Result<Option<T>, WireError> {
        let asked = Instant::now();
        loop {
            let until = asked.max(self.frames.decoder().heard) + silence;
            match timeout_at(until, self.frames.next()).await {
                Ok(next) => return next.transpose(),
                Err(_) if self.frames.decoder().heard + silence > until => {}
                Err(_) => return Err(WireError::Silent(silence)),
            }
        }
    }

    /// Reads until the peer closes, and forgets what it reads. A socket that is closed with bytes unread
    /// resets the connection, and a reset can destroy the last frame on its way to the peer.
    pub async fn discard(&mut self) {
        let mut scratch = [0; 4096];
        while let Ok(1..) = self.frames.get_mut().read(&mut scratch).await {}
    }
}

impl<S: AsyncRead + AsyncWrite, T: Serialize> Writer<S, T> {
    /// Takes a frame; it goes out with the next [`Writer::flush`], or when enough has gathered.
    ///
    /// # Errors
    /// [`WireError::Stalled`] if the peer takes nothing for `stall`, which counts for what was gathered.
    pub async fn feed(&mut self, frame: &T, stall: Duration) -> Result<(), WireError> {
        within(stall, self.frames.feed(frame)).await
    }

    /// Sends what was gathered.
    ///
    /// # Errors
    /// As [`Writer::feed`].
    pub async fn flush(&mut self, stall: Duration) -> Result<(), WireError> {
        within(stall, SinkExt::<&T>::flush(&mut self.frames)).await
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// As [`Writer::feed`].
    pub async fn send(&mut self, frame: &T, stall: Duration) -> Result<(), WireError> {
        within(stall, self.frames.send(frame)).await
    }

    /// Sends what was gathered and says goodbye, so that the peer can tell an end from a cut.
    ///
    /// # Errors
    /// As [`Writer::feed`].
    pub async fn close(&mut self, stall: Duration) -> Result<(), WireError> {
        within(stall, SinkExt::<&T>::close(&mut self.frames)).await
    }
}

async fn within(
    stall: Duration,
    writing: impl Future<Output = Result<(), WireError>>,
) -> Result<(), WireError> {
    timeout(stall, writing).await.unwrap_or(Err(WireError::Stalled(stall)))
}

#[cfg(test)]
mod tests;
