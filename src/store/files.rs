//! Files and folders so that they are there after a power loss, and copies that keep their holes.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const CHUNK_BYTES: usize = 256 * 1024;

/// Makes a folder that only its owner may enter, with the folders above it.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a whole file, for its owner's eyes, and syncs it.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Syncs a folder's list of names.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The folder in which a path stands.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The path with an ending added to its last name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// Removes a folder and all in it, if it is there.
pub(super) fn remove_folder(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies a file; zeros become holes, so that preallocated journals stay small. Not synced.
pub(super) fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let target = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to)?;
    let zeros = vec![0; CHUNK_BYTES];
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut at = 0;
    loop {
        let read = source.read(&mut chunk)?;
        if read == 0 {
            return target.set_len(at);
        }
        if chunk[..read] != zeros[..read] {
            target.write_all_at(&chunk[..read], at)?;
        }
        at += read as u64;
    }
}

/// Copies a folder and all below it. Files in folders of the name `linked` become links to the same files
/// where the file system lets them. A file that vanishes meanwhile is left out: a running server removes
/// files that it needs no longer.
pub(super) fn copy_folder(from: &Path, to: &Path, linked: Option<&str>) -> io::Result<()> {
    make_folder(to)?;
    let is_linked = linked.is_some_and(|name| from.ends_with(name));
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let copied = match entry.file_type()?.is_dir() {
            true => copy_folder(&source, &target, linked),
            false if is_linked && std::fs::hard_link(&source, &target).is_ok() => Ok(()),
            false => copy_file(&source, &target),
        };
        match copied {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// A folder under the system's temporary one that goes when this goes.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes the folder, under a random name.
    pub(super) fn new() -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("tercet-verify-{:016x}", u64::from_be_bytes(random));
        let path = std::env::temp_dir().join(name);
        make_folder(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays in a folder that the system clears by itself.
        let _ = remove_folder(&self.0);
    }
}
