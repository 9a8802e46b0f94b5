//! Reads fjall's lists of table files before fjall does, and changes nothing.
//!
//! Each keyspace has a small version file that lists its tables, and a file `current` that names it and
//! holds its checksum. lsm-tree reads the first without comparing the second: from a flipped byte it may
//! panic, ask for all memory there is, or take a table off the list and remove its file; and without
//! `current` it starts anew. So the checksum is compared here, and every listed table has to be there.
//!
//! ```text
//! current      = number of the version file u64, its XXH3-128, 0
//! version file = 3, version of lsm-tree as text, 0 (tree type), 7 (levels), 0 (filter hash),
//!                7, 7 x (runs u8, runs x (tables u32, tables x (id u64, 0, checksum 16, seqno u64))),
//!                blob files u32 = 0, ...                                          (little-endian)
//! ```
//!
//! Source: lsm-tree 3.1, `src/version/{mod,recovery}.rs`, `src/manifest.rs`.

use std::io;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

const LEVELS: u8 = 7;

/// Checks every keyspace's list of tables; answers what is wrong with the first that is.
pub(super) fn check(engine: &Path) -> io::Result<Option<String>> {
    for entry in std::fs::read_dir(engine.join("keyspaces"))? {
        let folder = entry?.path();
        if !is_whole(&folder)? {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Some(format!("its list of table files in 'keyspaces/{name}' fails a check")));
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
    tables.join(u64::from_le_bytes(*id).to_string()).is_file().then_some(rest)
}
