//! Files of the cluster folder: written whole or not at all, readable by their owner only.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::failure::{Failure, OTHER_FOLDER};
use crate::limits::SMALL_FILE_MAX_BYTES;

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const OTHERS_MASK: u32 = 0o077;

/// Makes a folder and those above it, for their owner only; one that exists is left as it is.
///
/// # Errors
/// Names the folder.
pub fn make_folder(path: &Path) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(|error| {
        Failure::io(format!("make the folder {}", path.display()), &error).or_next(OTHER_FOLDER)
    })
}

/// Writes a file so that a crash leaves the old one or the new one, never a part.
///
/// # Errors
/// Names the file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error| Failure::io(format!("write {}", path.display()), &error);
    let temporary = temporary(path, bytes, File::sync_all).map_err(failed)?;
    fs::rename(&temporary, path).and_then(|()| sync_folder_of(path)).map_err(|error| {
        let _ = fs::remove_file(&temporary);
        failed(error)
    })
}

/// As [`write()`] of what can be done without: it is not synced, and a power loss may take it.
///
/// # Errors
/// Names the file.
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error| Failure::io(format!("write {}", path.display()), &error);
    let temporary = temporary(path, bytes, |_| Ok(())).map_err(failed)?;
    fs::rename(&temporary, path).map_err(|error| {
        let _ = fs::remove_file(&temporary);
        failed(error)
    })
}

/// As [`write()`], unless the file exists: then it stays and the answer is `false`, whoever made it when.
///
/// # Errors
/// Names the file.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<bool, Failure> {
    let failed = |error| Failure::io(format!("write {}", path.display()), &error);
    let temporary = temporary(path, bytes, File::sync_all).map_err(failed)?;
    let linked = fs::hard_link(&temporary, path);
    let _ = fs::remove_file(&temporary);
    match linked {
        Ok(()) => sync_folder_of(path).map(|()| true).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Writes a file where it is, a device or a pipe, too; a new one is for its owner only.
///
/// # Errors
/// The operating system's.
pub fn write_in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
    file.write_all(bytes)
}

/// Opens a file to append to, for its owner only.
///
/// # Errors
/// Names the file.
pub fn append_to(path: &Path) -> Result<File, Failure> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(|error| Failure::io(format!("open {}", path.display()), &error))
}

/// Reads a file that holds a secret; `None` if there is none.
///
/// # Errors
/// When others than the owner may read it, as ssh does; when it cannot be read or is no text.
pub fn read_secret(path: &Path) -> Result<Option<String>, Failure> {
    let failed = |error| Failure::io(format!("read {}", path.display()), &error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(failed(error).next(format!("check who owns it: ls -l {}", path.display()))),
    };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & OTHERS_MASK != 0 {
        return Err(Failure::new(format!(
            "{} holds a secret, but its permissions ({mode:04o}) let others at it",
            path.display()
        ))
        .next(format!("chmod 600 {}", path.display())));
    }
    let mut text = String::new();
    file.take(SMALL_FILE_MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > SMALL_FILE_MAX_BYTES {
        return Err(Failure::new(format!(
            "{} has more than {} MiB, which no such file has",
            path.display(),
            SMALL_FILE_MAX_BYTES / (1024 * 1024)
        ))
        .next("put back the file that belongs there"));
    }
    Ok(Some(text))
}

/// Whether an error says that the path leads to nothing.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn temporary(path: &Path, bytes: &[u8], sync: fn(&File) -> io::Result<()>) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{:016x}.tmp", fastrand::u64(..)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| sync(&file));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(temporary)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    // A bare name is in the folder that we are in.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

/// What a folder holds, in order of names; nothing if it is absent.
///
/// # Errors
/// Names the folder.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::io(format!("read the folder {}", folder.display()), &error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths =
        entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect::<Result<Vec<_>, Failure>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_whole_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read_secret(&path).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_new_file_never_replaces_one_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(write_new(&path, b"first").unwrap());
        assert!(!write_new(&path, b"second").unwrap());
        assert_eq!(read_secret(&path).unwrap().as_deref(), Some("first"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_file_without_an_end_is_not_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cluster.toml");
        let length = usize::try_from(SMALL_FILE_MAX_BYTES).unwrap();
        write(&path, &vec![b' '; length]).unwrap();
        assert_eq!(read_secret(&path).unwrap().map(|text| text.len()), Some(length));
        write(&path, &vec![b' '; length + 1]).unwrap();
        assert!(read_secret(&path).unwrap_err().what().contains("has more than 4 MiB"));
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write(&path, b"x").unwrap();
        for mode in [0o640, 0o604, 0o620, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let failure = read_secret(&path).unwrap_err();
            assert!(failure.next_step().unwrap().starts_with("chmod 600"), "{mode:o}: {failure}");
        }
    }
}
