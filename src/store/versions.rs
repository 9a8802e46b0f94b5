//! Reads fjall's lists of table files before fjall does, and changes nothing.
//!
//! Each keyspace has a small version file that lists its tables. lsm-tree reads it without the checksum
//! that `current` holds for it (XXH3-128, which this program does not have): from a flipped byte it may
//! panic, ask for all memory there is, or take a table off the list and remove its file. So the shape is
//! checked here: every listed table is there, and every count and tag is one that this store can have.
//!
//! ```text
//! version file = 3, version of lsm-tree as text, 0 (tree type), 7 (levels), 0 (filter hash),
//!                7, 7 x (runs u8, runs x (tables u32, tables x (id u64, 0, checksum 16, seqno u64))),
//!                blob files u32 = 0, ...                                          (little-endian)
//! ```
//!
//! Source: lsm-tree 3.1, `src/version/{mod,recovery}.rs`, `src/manifest.rs`.

use std::io;
use std::path::Path;

const LEVELS: u8 = 7;

/// Checks every keyspace's list of tables; answers what is wrong with the first that is.
pub(super) fn check(engine: &Path) -> io::Result<Option<String>> {
    for entry in std::fs::read_dir(engine.join("keyspaces"))? {
        let folder = entry?.path();
        let current = folder.join("current");
        if !current.try_exists()? {
            continue;
        }
        let number = std::fs::read(&current)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let path = folder.join(format!("v{}", number.unwrap_or_default()));
        let whole = path.try_exists()? && lists_tables(&std::fs::read(&path)?, &folder.join("tables"));
        if !whole {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Some(format!("its list of table files in 'keyspaces/{name}' fails a check")));
        }
    }
    Ok(None)
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
