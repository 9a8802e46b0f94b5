//! Reads fjall's lists of table files, and where each file's parts are, before fjall does, and changes nothing.
//!
//! Each keyspace has a small version file that lists its tables, and a file `current` that names it and
//! holds its checksum. lsm-tree reads the first without comparing the second: from a flipped byte it may
//! panic, ask for all memory there is, or take a table off the list and remove its file; and without
//! `current` it starts anew. So the checksum is compared here, and every listed table has to be there.
//! A table ends with a list of its parts, of which it makes room for as many as are said before it looks at their
//! checksum, which aborts the process if a byte of the number is wrong. So that is compared here as well.
//!
//! ```text
//! current      = number of the version file u64, its XXH3-128, 0
//! version file = 3, version of lsm-tree as text, 0 (tree type), 7 (levels), 0 (filter hash),
//!                7, 7 x (runs u8, runs x (tables u32, tables x (id u64, 0, checksum 16, seqno u64))),
//!                blob files u32 = 0, ...                                          (little-endian)
//! table        = parts, list, "SFA!", 1, 0, XXH3-128 of the list, where it begins u64, its length u64
//! ```
//!
//! Source: lsm-tree 3.1, `src/version/{mod,recovery}.rs`, `src/manifest.rs`; sfa 1.0, `src/{toc,trailer}/reader.rs`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

const LEVELS: u8 = 7;
/// What a table ends with, behind the list of its parts.
const TRAILER_BYTES: usize = 38;
/// The list has five parts or so, of some dozen bytes.
const PARTS_MAX_BYTES: u64 = 64 * 1024;

/// Checks every keyspace's list of tables; answers what is wrong with the first that is.
pub(super) fn check(engine: &Path) -> io::Result<Option<String>> {
    for entry in std::fs::read_dir(engine.join("keyspaces"))? {
        let folder = entry?.path();
        if !is_whole(&folder)? {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Some(format!("a table file in 'keyspaces/{name}', or their list, fails a check")));
        }
    }
    Ok(None)
}

fn is_whole(keyspace: &Path) -> io::Result<bool> {
    let Some(current) = read(&keyspace.join("current"))? else { return Ok(false) };
    let Some((number, checksum)) = read_current(&current) else { return Ok(false) };
    let Some(version) = read(&keyspace.join(format!("v{number}")))? else { return Ok(false) };
    Ok(xxh3_128(&version) == checksum && lists_tables(&version, &keyspace.join("tables")))
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_current(bytes: &[u8]) -> Option<(u64, u128)> {
    let (number, rest) = bytes.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    (rest == [0]).then(|| (u64::from_le_bytes(*number), u128::from_le_bytes(*checksum)))
}

fn lists_tables(bytes: &[u8], tables: &Path) -> bool {
    let Some(rest) = bytes.strip_prefix(&[3]) else { return false };
    let text = rest.iter().take_while(|byte| byte.is_ascii_graphic()).count();
    let Some(rest) = rest[text..].strip_prefix(&[0, LEVELS, 0, LEVELS]) else { return false };
    read_levels(rest, tables).is_some_and(|rest| rest.starts_with(&[0; 4]))
}

fn read_levels<'a>(mut rest: &'a [u8], tables: &Path) -> Option<&'a [u8]> {
    for _ in 0..LEVELS {
        let (&runs, after) = rest.split_first()?;
        rest = after;
        for _ in 0..runs {
            let (count, after) = rest.split_first_chunk()?;
            rest = after;
            for _ in 0..u32::from_le_bytes(*count) {
                rest = read_table(rest, tables)?;
            }
        }
    }
    Some(rest)
}

fn read_table<'a>(bytes: &'a [u8], tables: &Path) -> Option<&'a [u8]> {
    let (id, rest) = bytes.split_first_chunk()?;
    let rest = rest.strip_prefix(&[0])?.get(16 + 8..)?;
    let table = tables.join(u64::from_le_bytes(*id).to_string());
    lists_parts(&table).unwrap_or(false).then_some(rest)
}

/// Whether a table's list of its parts is as it was written.
fn lists_parts(table: &Path) -> io::Result<bool> {
    let file = File::open(table)?;
    let Some(end) = file.metadata()?.len().checked_sub(TRAILER_BYTES as u64) else { return Ok(false) };
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact_at(&mut trailer, end)?;
    let Some((checksum, begins)) = read_trailer(&trailer) else { return Ok(false) };
    let Some(length) = end.checked_sub(begins).filter(|length| *length <= PARTS_MAX_BYTES) else {
        return Ok(false);
    };
    let mut list = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut list, begins)?;
    Ok(xxh3_128(&list) == checksum)
}

fn read_trailer(bytes: &[u8]) -> Option<(u128, u64)> {
    let (checksum, rest) = bytes.strip_prefix(b"SFA!\x01\x00")?.split_first_chunk()?;
    Some((u128::from_le_bytes(*checksum), u64::from_le_bytes(*rest.first_chunk()?)))
}
