//! Frames cut, torn, too long and too late.

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
    let bytes = framed(&ToServer::Follow { room: None, after: 1 << 40, bodies: true });
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
    let bytes = framed(&ToServer::Follow { room: None, after: 1 << 40, bodies: true });
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
    let status = ToServer::Follow { room: None, after: 1 << 40, bodies: true };
    let error = writer.send(&status, LONG).await.unwrap_err();
    assert!(matches!(error, WireError::Stalled(LONG)), "{error:?}");
}
