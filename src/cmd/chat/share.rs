//! `/share` and `/save`: small files in a conversation.
//!
//! What comes from others decides neither where a file goes nor what is replaced: without a path it goes into the folder
//! that the chat was started in, under a name of harmless characters, and no file that exists is touched.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::command::Back;
use super::export::at_home;
use super::messages::{NOWHERE, meant, pick};
use super::render::Eyes;
use super::talk::{Done, Shared, perform};
use crate::client::{Client, Input};
use crate::cmd::failure::Failure;
use crate::cmd::files;
use crate::cmd::session::Session;
use crate::content::{Content, SharedFile, is_file_name};
use crate::erasure::is_part_before;
use crate::event::{Conversation, Event, Kind};
use crate::limits::{CHUNK_MAX_BYTES, FILE_MAX_BYTES, FILE_PARTS_MAX};
use crate::text::{count, inert, os_error};
use crate::thread::Message;

/// `/share FILE`.
///
/// # Errors
/// If the session has ended, as for every command.
pub async fn share(session: &Session, eyes: &Eyes, shared: &Shared, path: PathBuf) -> Result<Done, Failure> {
    let Some((conversation, _)) = shared.current() else { return Ok(Done::Not(NOWHERE.to_owned())) };
    let path = at_home(path);
    let (name, bytes) = match tokio::task::block_in_place(|| read(&path)) {
        Ok(read) => read,
        Err(why) => return Ok(Done::Not(format!("not shared: {}: {why}", path.display()))),
    };
    let (size, parts) = (bytes.len(), bytes.len().div_ceil(CHUNK_MAX_BYTES));
    let input = Input::Share { conversation, name: name.clone(), bytes };
    Ok(match perform(session, input).await? {
        Ok(()) => Done::Answer(vec![eyes.aside(&format!(
            "sharing {}: {} in {}; its line says on how many servers all of it is",
            inert(&name),
            count(size, "byte"),
            count(parts, "part")
        ))]),
        Err(why) => Done::Not(why),
    })
}

/// A file's name and what it holds, or why it is not shared.
fn read(path: &Path) -> Result<(String, Vec<u8>), String> {
    let too_large = || format!("it has more than {} KiB, the limit", FILE_MAX_BYTES / 1024);
    let name = path.file_name().and_then(|name| name.to_str()).filter(|name| is_file_name(name));
    let name = name.ok_or("no name that it could be shared under; copy it to another name")?;
    let about = path.metadata().map_err(|error| os_error(&error))?;
    if !about.is_file() {
        return Err("only a file can be shared".to_owned());
    }
    if about.len() > FILE_MAX_BYTES as u64 {
        return Err(too_large());
    }
    let file = File::open(path).map_err(|error| os_error(&error))?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| os_error(&error))?;
    match bytes.len() {
        0 => Err("it is empty".to_owned()),
        1..=FILE_MAX_BYTES => Ok((name.to_owned(), bytes)),
        _ => Err(too_large()),
    }
}

/// `/save [~N] [PATH]`.
///
/// # Errors
/// See [`share`].
pub async fn save(
    session: &Session,
    eyes: &Eyes,
    shared: &Shared,
    back: Back,
    path: Option<PathBuf>,
) -> Result<Done, Failure> {
    let Some((conversation, _)) = shared.current() else { return Ok(Done::Not(NOWHERE.to_owned())) };
    let found = session
        .ask(move |client| {
            let file =
                |message: &Message| client.event(&message.key.id).filter(|event| event.kind() == Kind::File);
            let is_file = |message: &Message| file(message).is_some();
            let message = pick(client, conversation, back, is_file)
                .map_err(|why| gone(client, conversation, back, is_file).unwrap_or(why))?;
            assemble(client, file(&message).ok_or("that message shares no file")?)
        })
        .await?;
    let (name, bytes) = match found {
        Ok(found) => found,
        Err(why) => return Ok(Done::Not(why)),
    };
    let path = destination(path.map(at_home), &name);
    let shown = inert(&path.display().to_string());
    Ok(match tokio::task::block_in_place(|| files::write_new(&path, &bytes)) {
        Ok(true) => {
            Done::Answer(vec![eyes.aside(&format!("{} written to {shown}", count(bytes.len(), "byte")))])
        }
        Ok(false) => Done::Not(format!("{shown} exists and is left as it is; name another: /save [~N] PATH")),
        Err(failure) => Done::Not(failure.to_string()),
    })
}

/// What to say where the file that is meant was deleted.
fn gone(
    client: &Client,
    conversation: Conversation,
    back: Back,
    is_file: impl Fn(&Message) -> bool,
) -> Option<String> {
    let meant = meant(client, conversation, back, &is_file);
    meant.filter(|file| is_file(file) && file.text.is_none() && !file.absent)?;
    Some("that file was deleted by who shared it; it cannot be saved any more".to_owned())
}

/// Where a file goes: where the person says, or into this folder.
fn destination(path: Option<PathBuf>, name: &str) -> PathBuf {
    match path {
        None => PathBuf::from(harmless(name)),
        Some(path) if path.is_dir() => path.join(harmless(name)),
        Some(path) => path,
    }
}

/// A name in which nothing hides, moves text about or is read as an option.
fn harmless(name: &str) -> String {
    let harmless = |c: char| if c.is_alphanumeric() || " ._-()".contains(c) { c } else { '_' };
    let name: String = name.chars().map(harmless).collect();
    match name.strip_prefix(['.', '-', ' ']) {
        Some(rest) => format!("_{rest}"),
        None => name,
    }
}

/// A file's name and its bytes, put together from its chunks; or why that cannot be.
fn assemble(client: &Client, event: &Event) -> Result<(String, Vec<u8>), String> {
    let wrong = || "that file is not what its author says it is".to_owned();
    let Content::File(SharedFile { last, hash, bytes, name }) = event.content() else { return Err(wrong()) };
    let length = usize::try_from(bytes).map_err(|_| wrong())?;
    let (mut parts, mut before, mut found, mut after) = (Vec::new(), Some(last), 0, event);
    while let Some(id) = before {
        // What would not be deleted with the file is no part of it.
        let chunk = client.event(&id).filter(|chunk| is_part_before(chunk, after)).ok_or_else(wrong)?;
        if parts.len() == FILE_PARTS_MAX {
            return Err(wrong());
        }
        if !chunk.has_body() {
            return Err(match client.is_taken_back(chunk) {
                true => {
                    "a part of that file was deleted with another; it cannot be saved any more".to_owned()
                }
                false => "not all of that file is here yet; try again later".to_owned(),
            });
        }
        let Content::Chunk(next, part) = chunk.content() else { return Err(wrong()) };
        found += part.len();
        if found > length {
            return Err(wrong());
        }
        parts.push(part);
        (before, after) = (next, chunk);
    }
    let whole: Vec<u8> = parts.into_iter().rev().flatten().copied().collect();
    match whole.len() == length && *blake3::hash(&whole).as_bytes() == hash {
        true => Ok((name.to_owned(), whole)),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_elsewhere_makes_a_plain_file_of_this_folder() {
        for (name, file) in [
            ("notes (2).txt", "notes (2).txt"),
            (".bashrc", "_bashrc"),
            ("-rf", "_rf"),
            ("a;b|c", "a_b_c"),
            ("gpj.\u{202e}exe", "gpj._exe"),
            ("日本.md", "日本.md"),
        ] {
            assert_eq!(harmless(name), file, "{name:?}");
            assert_eq!(destination(None, name), PathBuf::from(file));
        }
        assert_eq!(destination(Some("/tmp".into()), ".x"), PathBuf::from("/tmp/_x"));
        assert_eq!(destination(Some("/tmp/y/z".into()), ".x"), PathBuf::from("/tmp/y/z"));
    }
}
