//! The floor: a server that does only what none can do without. It reads frames from plain TCP, appends them
//! to a file that is there already, syncs what has gathered while the last sync ran, and acks.
//!
//! ```text
//! W: length u32, payload  -->  file (zeros, written before; round and round)  --one fdatasync-->  count u64
//! R:                                                                          --frames as they came-->
//! ```
//!
//! It checks nothing, keeps no index, never reads its file, and knows neither keys nor duplicates. The first
//! byte of a connection says whether it writes or reads. It ends when its standard input does, so that it
//! does not outlive the bench.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::mpsc as blocking;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::bytes::{Buf, BytesMut};

use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::screen;
use crate::limits::FRAME_MAX_BYTES;

const FILE_BYTES: u64 = 64 * 1024 * 1024;
const READ_BYTES: usize = 64 * 1024;
/// Messages between the connections and the core.
const QUEUE: usize = 4096;
/// A connection that sends frames.
pub(super) const WRITES: u8 = b'W';
/// A connection that gets every frame once it is on the disk.
pub(super) const READS: u8 = b'R';
/// Bytes of the length before each frame.
pub(super) const LENGTH_BYTES: usize = 4;

/// What the floor's process is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file to append to; made if it is not there.
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
}

/// Serves until standard input ends. Its first line says the port.
///
/// # Errors
/// When file or port cannot be had, or a sync fails.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let failed = |error| Failure::io(format!("prepare {}", args.file.display()), &error);
    let file = prepare(args).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("start the runtime", &error))?;
    runtime.block_on(serve(file))?;
    Ok(Outcome::Done)
}

/// Zeros that are on the disk, so that later syncs change no metadata.
fn prepare(args: &Args) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&args.file)?;
    let zeros = vec![0; 1024 * 1024];
    let mut at = file.metadata()?.len();
    while at < FILE_BYTES {
        file.write_all_at(&zeros, at)?;
        at += zeros.len() as u64;
    }
    file.sync_all()?;
    Ok(file)
}

enum Heard {
    Opened(u64, OwnedWriteHalf, u8),
    Frames { conn: u64, count: u64, bytes: BytesMut },
    Closed(u64),
}

struct Conn {
    writer: mpsc::UnboundedSender<Vec<u8>>,
    reads: bool,
    done: u64,
}

async fn serve(file: File) -> Result<(), Failure> {
    let failed = |error| Failure::io("listen at 127.0.0.1", &error);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    screen::say(&listener.local_addr().map_err(failed)?.port().to_string())?;
    let (heard, hearing) = mpsc::channel(QUEUE);
    tokio::select! {
        ended = gather(file, hearing) => ended,
        () = accept(&listener, heard) => Ok(()),
        () = until_orphaned() => Ok(()),
    }
}

async fn until_orphaned() {
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _end = io::copy(&mut io::stdin(), &mut io::sink());
        drop(ended);
    });
    let _ended: Result<(), _> = end.await;
}

async fn accept(listener: &TcpListener, heard: mpsc::Sender<Heard>) {
    let mut conn = 0;
    while let Ok((stream, _)) = listener.accept().await {
        conn += 1;
        tokio::spawn(read(conn, stream, heard.clone()));
    }
}

async fn read(conn: u64, mut stream: TcpStream, heard: mpsc::Sender<Heard>) {
    let Ok(role) = stream.read_u8().await else { return };
    let _slower = stream.set_nodelay(true);
    let (mut reader, writer) = stream.into_split();
    if heard.send(Heard::Opened(conn, writer, role)).await.is_ok() {
        read_frames(conn, &mut reader, &heard).await;
        let _ending = heard.send(Heard::Closed(conn)).await;
    }
}

async fn read_frames(conn: u64, reader: &mut OwnedReadHalf, heard: &mpsc::Sender<Heard>) {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    while let Ok(1..) = reader.read_buf(&mut buffer).await {
        let Some((count, whole)) = whole_frames(&buffer) else { return };
        if count > 0 {
            let bytes = buffer.split_to(whole);
            if heard.send(Heard::Frames { conn, count, bytes }).await.is_err() {
                return;
            }
        }
        buffer.reserve(READ_BYTES);
    }
}

/// How many frames a buffer holds to their end, and how many bytes they are; `None` if a length is absurd.
fn whole_frames(buffer: &[u8]) -> Option<(u64, usize)> {
    let (mut count, mut at) = (0, 0);
    while let Some(mut head) = buffer.get(at..at + LENGTH_BYTES) {
        let length = usize::try_from(head.get_u32()).ok().filter(|length| *length <= FRAME_MAX_BYTES)?;
        if buffer.len() < at + LENGTH_BYTES + length {
            break;
        }
        at += LENGTH_BYTES + length;
        count += 1;
    }
    Some((count, at))
}

/// What is written at once: whose frames, how many, and all their bytes.
type Batch = (BTreeMap<u64, u64>, Vec<u8>);

async fn gather(file: File, mut hearing: mpsc::Receiver<Heard>) -> Result<(), Failure> {
    let (batches, to_write) = blocking::sync_channel::<Batch>(1);
    let (synced, mut syncing) = mpsc::channel(1);
    std::thread::spawn(move || write(&file, &to_write, &synced));
    let mut conns: BTreeMap<u64, Conn> = BTreeMap::new();
    let mut batch = Batch::default();
    let mut writing = false;
    loop {
        tokio::select! {
            heard = hearing.recv() => match heard {
                Some(heard) => take(heard, &mut conns, &mut batch),
                None => return Ok(()),
            },
            Some(done) = syncing.recv() => {
                writing = false;
                tell(&mut conns, &done.map_err(|error| Failure::io("sync", &error))?);
            }
        }
        while let Ok(heard) = hearing.try_recv() {
            take(heard, &mut conns, &mut batch);
        }
        if !writing && !batch.0.is_empty() {
            writing = true;
            if batches.send(std::mem::take(&mut batch)).is_err() {
                return Ok(());
            }
        }
    }
}

fn take(heard: Heard, conns: &mut BTreeMap<u64, Conn>, batch: &mut Batch) {
    match heard {
        Heard::Opened(conn, mut half, role) => {
            let (writer, mut queue) = mpsc::unbounded_channel::<Vec<u8>>();
            tokio::spawn(async move {
                while let Some(bytes) = queue.recv().await {
                    if half.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
            });
            conns.insert(conn, Conn { writer, reads: role == READS, done: 0 });
        }
        Heard::Frames { conn, count, bytes } => {
            *batch.0.entry(conn).or_default() += count;
            batch.1.extend_from_slice(&bytes);
        }
        Heard::Closed(conn) => drop(conns.remove(&conn)),
    }
}

/// Acks what is on the disk: to each writer how many of its frames there are by now, to each reader all.
fn tell(conns: &mut BTreeMap<u64, Conn>, (counts, bytes): &Batch) {
    for (conn, count) in counts {
        if let Some(conn) = conns.get_mut(conn) {
            conn.done += count;
            let _closed = conn.writer.send(conn.done.to_be_bytes().to_vec());
        }
    }
    for conn in conns.values().filter(|conn| conn.reads) {
        let _closed = conn.writer.send(bytes.clone());
    }
}

fn write(file: &File, batches: &blocking::Receiver<Batch>, synced: &mpsc::Sender<io::Result<Batch>>) {
    let mut at = 0;
    while let Ok((counts, bytes)) = batches.recv() {
        if at + bytes.len() as u64 > FILE_BYTES {
            at = 0;
        }
        let done = file.write_all_at(&bytes, at).and_then(|()| file.sync_data());
        at += bytes.len() as u64;
        if synced.blocking_send(done.map(|()| (counts, bytes))).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_when_they_are_whole() {
        let two = [0, 0, 0, 1, 9, 0, 0, 0, 2, 8, 8];
        for (length, found) in [(0, (0, 0)), (4, (0, 0)), (5, (1, 5)), (10, (1, 5)), (11, (2, 11))] {
            assert_eq!(whole_frames(&two[..length]), Some(found), "{length} bytes");
        }
        assert_eq!(whole_frames(&[255, 255, 255, 255]), None);
    }
}
