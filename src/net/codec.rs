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
use tokio_util::bytes::{Bytes, BytesMut};
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

    fn encode(&mut self, value: &T, buffer: &mut BytesMut) -> Result<(), WireError> {
        let bytes = Bytes::from(frame::encode(value)?);
        Ok(self.lengths.encode(bytes, buffer)?)
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
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::frame::{ToClient, ToServer};

    const LONG: Duration = Duration::from_secs(20);

    fn reader(stream: DuplexStream) -> Reader<DuplexStream, ToServer> {
        split::<_, ToServer, ToClient>(stream).0
    }

    fn framed(frame: &ToServer) -> Vec<u8> {
        let bytes = frame::encode(frame).unwrap();
        [u32::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(), &bytes].concat()
    }

    /// What a reader makes of these bytes and then the end of the stream.
    async fn read_all(bytes: &[u8]) -> Result<Vec<ToServer>, WireError> {
        let (mut ours, theirs) = duplex(64);
        let (mut reader, mut frames) = (reader(theirs), Vec::new());
        let writing = async move {
            // The reader may refuse and go away before it has read everything.
            let _ = ours.write_all(bytes).await;
        };
        let reading = async {
            while let Some(frame) = reader.next(LONG).await? {
                frames.push(frame);
            }
            Ok(frames)
        };
        tokio::select! {
            biased;
            frames = reading => frames,
            () = async { writing.await; std::future::pending().await } => unreachable!(),
        }
    }

    #[tokio::test]
    async fn frames_are_read_as_they_were_written_whatever_the_pieces() {
        let bytes = [framed(&ToServer::Ping), framed(&ToServer::Status)].concat();
        assert_eq!(read_all(&bytes).await.unwrap(), [ToServer::Ping, ToServer::Status]);
        assert_eq!(read_all(&[]).await.unwrap(), []);
    }

    #[tokio::test]
    async fn every_truncation_is_named() {
        let bytes = framed(&ToServer::Follow { after: 1 << 40, bodies: true });
        for length in 1..bytes.len() {
            let error = read_all(&bytes[..length]).await.unwrap_err();
            assert!(matches!(error, WireError::Truncated), "{length} bytes: {error:?}");
        }
    }

    #[tokio::test]
    async fn a_length_over_the_limit_is_named_and_nothing_is_reserved_for_it() {
        for length in [u32::try_from(FRAME_MAX_BYTES).unwrap() + 1, u32::MAX, u32::from_be_bytes(*b"GET ")] {
            let mut codec = FrameCodec::<ToServer>::new();
            let mut buffer = BytesMut::from(length.to_be_bytes().as_slice());
            let error = codec.decode(&mut buffer).unwrap_err();
            assert!(error.to_string().contains(&length.to_string()), "{error}");
            assert!(buffer.capacity() < 1024, "{} bytes reserved", buffer.capacity());
        }
    }

    #[tokio::test]
    async fn the_longest_frame_is_within_the_limit() {
        let mut codec = FrameCodec::<ToServer>::new();
        let length = u32::try_from(FRAME_MAX_BYTES).unwrap();
        let mut buffer = BytesMut::from(length.to_be_bytes().as_slice());
        assert!(codec.decode(&mut buffer).unwrap().is_none());
    }

    #[tokio::test]
    async fn garbage_of_a_good_length_is_named() {
        for garbage in [&[0, 0, 0, 3, 0xc1, 0xc1, 0xc1][..], &[0, 0, 0, 0], &[0, 0, 0, 2, 0xc0, 0xc0]] {
            let error = read_all(garbage).await.unwrap_err();
            assert!(matches!(error, WireError::Frame(FrameError::Malformed(_))), "{error:?}");
            assert!(error.is_protocol());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_measured_in_bytes_not_in_frames() {
        let (mut ours, theirs) = duplex(64);
        let mut reader = reader(theirs);
        let second = Duration::from_secs(1);
        let bytes = framed(&ToServer::Follow { after: 1 << 40, bodies: true });
        let dripping = async {
            for byte in &bytes {
                tokio::time::sleep(second).await;
                ours.write_all(&[*byte]).await.unwrap();
            }
        };
        let (_, frame) = tokio::join!(dripping, reader.next(2 * second));
        assert!(frame.unwrap().is_some(), "a slow frame was taken for silence");
        let error = reader.next(2 * second).await.unwrap_err();
        assert!(matches!(error, WireError::Silent(_)), "{error:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_named() {
        let (ours, _theirs) = duplex(8);
        let mut writer = split::<_, ToClient, ToServer>(ours).1;
        let status = ToServer::Follow { after: 1 << 40, bodies: true };
        let error = writer.send(&status, LONG).await.unwrap_err();
        assert!(matches!(error, WireError::Stalled(LONG)), "{error:?}");
    }
}
