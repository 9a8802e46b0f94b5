//! Passphrases: from the terminal, where they are not shown, or from a file. Never from an argument, which everybody
//! on the machine could read.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Stdin, Write};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::failure::Failure;
use super::files;
use crate::limits::{PASSPHRASE_MAX_BYTES, PASSPHRASE_MIN_CHARS};

const INTERRUPT: u8 = 3;
const END: u8 = 4;
const BACKSPACE: u8 = 8;
const CLEAR_LINE: u8 = 21;
const DELETE: u8 = 127;

/// A passphrase for something new: asked for twice on the terminal, or a file's first line.
///
/// # Errors
/// There is neither, it is too short, or the two differ.
pub fn choose(file: Option<&Path>) -> Result<String, Failure> {
    let passphrase = given(file, &format!("A passphrase, at least {PASSPHRASE_MIN_CHARS} characters: "))?;
    if passphrase.chars().count() < PASSPHRASE_MIN_CHARS {
        return Err(Failure::new("the passphrase is too short; nothing was written").next(format!(
            "give one of at least {PASSPHRASE_MIN_CHARS} characters: four words, for instance"
        )));
    }
    if file.is_none() && from_terminal("The same again: ")? != passphrase {
        return Err(Failure::new("the two passphrases differ; nothing was written").next("try again"));
    }
    Ok(passphrase)
}

/// A passphrase that was chosen before: asked for once on the terminal, or a file's first line.
///
/// # Errors
/// There is neither, or it cannot be read.
pub fn given(file: Option<&Path>, question: &str) -> Result<String, Failure> {
    match file {
        None => from_terminal(question),
        Some(path) if path == Path::new("-") => first_line("standard input", io::stdin().lock()),
        Some(path) => {
            // Whether others may read it, and whether it is there at all.
            files::read_secret(path)?.ok_or_else(|| {
                Failure::new(format!("there is no file {}", path.display()))
                    .next("write the passphrase into it, with mode 0600")
            })?;
            let file =
                File::open(path).map_err(|error| Failure::io(format!("read {}", path.display()), &error))?;
            first_line(&path.display().to_string(), file)
        }
    }
}

fn first_line(name: &str, reader: impl Read) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let most = u64::try_from(PASSPHRASE_MAX_BYTES).unwrap_or(u64::MAX);
    reader
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io(format!("read the passphrase from {name}"), &error))?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
    text(line).map(|line| line.trim_end_matches('\r').to_owned())
}

fn text(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| {
        Failure::new("the passphrase is not UTF-8").next("type it on a terminal that is set to UTF-8")
    })
}

fn from_terminal(question: &str) -> Result<String, Failure> {
    let mut stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::new("there is no terminal to ask for a passphrase on")
            .next("give it in a file of mode 0600: --passphrase-file FILE, or - for standard input"));
    }
    let failed = |error: io::Error| Failure::io("ask on the terminal", &error);
    let hidden = Hidden::new().map_err(failed)?;
    let mut err = io::stderr();
    write!(err, "{question}").and_then(|()| err.flush()).map_err(failed)?;
    let typed = read_keys(&mut stdin);
    drop(hidden);
    writeln!(err).map_err(failed)?;
    match typed.map_err(failed)? {
        Some(bytes) => text(bytes),
        None => Err(Failure::new("no passphrase was given; nothing was written").next("try again")),
    }
}

/// While it lives, the terminal shows nothing of what is typed, and hands each key over as it is. An interrupt is a
/// key as well, so that it cannot leave the terminal so.
struct Hidden(Termios);

impl Hidden {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(io::stdin(), OptionalActions::Drain, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that has gone shows nothing anyway.
        let _unset = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}

/// Keys up to Enter, corrections carried out; `None` if the person gave up.
fn read_keys(stdin: &mut Stdin) -> io::Result<Option<Vec<u8>>> {
    let mut typed: Vec<u8> = Vec::new();
    loop {
        let mut key = [0];
        if stdin.read(&mut key)? == 0 {
            return Ok(None);
        }
        match key[0] {
            b'\r' | b'\n' => return Ok(Some(typed)),
            INTERRUPT => return Ok(None),
            END if typed.is_empty() => return Ok(None),
            BACKSPACE | DELETE => {
                // One character, which may be several bytes.
                while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            CLEAR_LINE => typed.clear(),
            byte if typed.len() < PASSPHRASE_MAX_BYTES => typed.push(byte),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_passphrase_whatever_follows() {
        for (bytes, line) in [
            ("correct horse\n", "correct horse"),
            ("correct horse\r\nmore\n", "correct horse"),
            (" spaces count ", " spaces count "),
            ("", ""),
        ] {
            assert_eq!(first_line("a test", bytes.as_bytes()).unwrap(), line);
        }
        assert!(first_line("a test", &b"\xff\n"[..]).unwrap_err().next_step().is_some());
    }

    #[test]
    fn a_passphrase_that_is_too_short_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        files::write(&path, "sevenéé\n".as_bytes()).unwrap();
        assert!(choose(Some(&path)).unwrap_err().what().contains("too short"));
        files::write(&path, "eight éé\n".as_bytes()).unwrap();
        assert_eq!(choose(Some(&path)).unwrap(), "eight éé");
        assert!(choose(Some(&dir.path().join("none"))).unwrap_err().what().contains("there is no file"));
    }
}
