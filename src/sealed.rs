//! An account in a file that only a passphrase opens.
//!
//! ```text
//! file       TOML: version, opened_by, memory_kib, passes, lanes, salt, nonce, sealed, checksum
//! sealed     the account as TOML, by ChaCha20-Poly1305 (RFC 8439); the fields before it are authenticated too
//! its key    Argon2id (RFC 9106) of passphrase and salt
//! checksum   BLAKE3 of all fields before it: it tells a damaged file from a wrong passphrase, and no more
//! ```
//!
//! **Invariant**: what opens is what was sealed, and nothing of it is in an error. Salt and nonce come in as
//! arguments and must be random.

use argon2::{Algorithm, Argon2, Params, Version};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

use crate::id::{bytes_or_hex, parse_hex};
use crate::limits::{SEALED_LANES_MAX, SEALED_MEMORY_MAX_KIB, SEALED_PASSES_MAX};

const VERSION: u32 = 1;
const KEY_BYTES: usize = 32;
/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = NONCE_LEN;

/// What Argon2id costs: RFC 9106's second choice, for where memory is scarce.
const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

const PREAMBLE: &str = "\
# A tercet account: its key, its name and its cluster, encrypted. `tercet account import FILE` reads it.

";

/// What a person moves from one machine to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// What they are called.
    pub name: String,
    /// Their private key: PKCS#8 PEM.
    pub key: String,
    /// The cluster file, as it is.
    pub cluster: String,
}

/// What a person has to know to open the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpenedBy {
    /// A passphrase that they chose.
    Passphrase,
    /// A code that the program made ([`crate::words::code`]).
    Code,
}

/// Why a file was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    /// Not such a file, or changed in a way that shows.
    #[error("it is not an exported account, or it is damaged: {0}")]
    Damaged(String),
    /// Written by a newer program.
    #[error("it has version {0}, this program knows {VERSION}; a newer tercet has written it")]
    Version(u32),
    /// Opening it would take more memory or time than is sensible.
    #[error("it asks for more work than this program does for a passphrase")]
    TooCostly,
    /// The file is whole, but not sealed with this passphrase.
    #[error("the {} is wrong", .0.noun())]
    Wrong(OpenedBy),
    /// The system cannot provide the memory, or the account cannot be encoded.
    #[error("it cannot be sealed: {0}")]
    Unsealable(String),
}

impl OpenedBy {
    /// What it is called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::Code => "code",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    opened_by: OpenedBy,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    #[serde(with = "bytes_or_hex")]
    salt: [u8; SALT_BYTES],
    #[serde(with = "bytes_or_hex")]
    nonce: [u8; NONCE_BYTES],
    sealed: String,
    #[serde(with = "bytes_or_hex")]
    checksum: [u8; 32],
}

/// A file that was read, and not opened yet.
#[derive(Debug)]
pub struct Sealed(File);

/// Encrypts an account; gives the file's text.
///
/// # Errors
/// [`SealedError::Unsealable`].
pub fn seal(
    account: &Account,
    opened_by: OpenedBy,
    passphrase: &str,
    salt: [u8; SALT_BYTES],
    nonce: [u8; NONCE_BYTES],
) -> Result<String, SealedError> {
    let unsealable = |error: &dyn std::fmt::Display| SealedError::Unsealable(error.to_string());
    let Cost { memory_kib, passes, lanes } = COST;
    let (sealed, checksum) = (String::new(), [0; 32]);
    let mut file =
        File { version: VERSION, opened_by, memory_kib, passes, lanes, salt, nonce, sealed, checksum };
    let mut bytes = toml::to_string(account).map_err(|error| unsealable(&error))?.into_bytes();
    file.key(passphrase)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(file.header()), &mut bytes)
        .map_err(|error| unsealable(&error))?;
    file.sealed = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    file.checksum = file.sum();
    let text = toml::to_string(&file).map_err(|error| unsealable(&error))?;
    Ok(format!("{PREAMBLE}{text}"))
}

impl Sealed {
    /// Reads a file's text and checks it as far as can be without the passphrase.
    ///
    /// # Errors
    /// Every [`SealedError`] but `Wrong` and `Unsealable`.
    pub fn read(text: &str) -> Result<Self, SealedError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let damaged = |error: toml::de::Error| SealedError::Damaged(error.message().to_owned());
        let Versioned { version } = toml::from_str(text).map_err(damaged)?;
        if version != VERSION {
            return Err(SealedError::Version(version));
        }
        let file: File = toml::from_str(text).map_err(damaged)?;
        if file.sum() != file.checksum {
            return Err(SealedError::Damaged("its checksum is wrong".to_owned()));
        }
        let is_bearable = file.memory_kib <= SEALED_MEMORY_MAX_KIB
            && file.passes <= SEALED_PASSES_MAX
            && file.lanes <= SEALED_LANES_MAX;
        if is_bearable { Ok(Self(file)) } else { Err(SealedError::TooCostly) }
    }

    /// What opens it.
    pub fn opened_by(&self) -> OpenedBy {
        self.0.opened_by
    }

    /// Opens it; takes about a second, on purpose.
    ///
    /// # Errors
    /// `Wrong` for another passphrase, `Damaged` if what was sealed is no account.
    pub fn open(&self, passphrase: &str) -> Result<Account, SealedError> {
        let mut bytes = unhex(&self.0.sealed)
            .ok_or_else(|| SealedError::Damaged("`sealed` is not hexadecimal".to_owned()))?;
        let nonce = Nonce::assume_unique_for_key(self.0.nonce);
        let key = self.0.key(passphrase)?;
        let opened = key
            .open_in_place(nonce, Aad::from(self.0.header()), &mut bytes)
            .map_err(|_| SealedError::Wrong(self.0.opened_by))?;
        // What was inside is not part of any error.
        let no_account = || SealedError::Damaged("what was sealed is no account".to_owned());
        let text = std::str::from_utf8(opened).map_err(|_| no_account())?;
        toml::from_str(text).map_err(|_| no_account())
    }
}

impl File {
    /// The fields before `sealed`, as they are authenticated.
    fn header(&self) -> Vec<u8> {
        let Self { version, opened_by, memory_kib, passes, lanes, salt, nonce, .. } = self;
        let mut header = format!("tercet account {version} {} ", opened_by.noun()).into_bytes();
        [memory_kib, passes, lanes].iter().for_each(|number| header.extend(number.to_be_bytes()));
        header.extend(salt);
        header.extend(nonce);
        header
    }

    fn sum(&self) -> [u8; 32] {
        *blake3::Hasher::new().update(&self.header()).update(self.sealed.as_bytes()).finalize().as_bytes()
    }

    fn key(&self, passphrase: &str) -> Result<LessSafeKey, SealedError> {
        let unsealable = |error: &dyn std::fmt::Display| SealedError::Unsealable(error.to_string());
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(KEY_BYTES))
            .map_err(|error| SealedError::Damaged(error.to_string()))?;
        let mut key = [0; KEY_BYTES];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), &self.salt, &mut key)
            .map_err(|error| unsealable(&error))?;
        UnboundKey::new(&CHACHA20_POLY1305, &key).map(LessSafeKey::new).map_err(|error| unsealable(&error))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| parse_hex::<1>(std::str::from_utf8(pair).ok()?).ok().map(|[byte]| byte);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        let [name, key, cluster] =
            ["zoë", "-----BEGIN\nsecret\n", "# a cluster\ntoken = \"t\"\n"].map(str::to_owned);
        Account { name, key, cluster }
    }

    fn sealed(passphrase: &str) -> String {
        seal(&account(), OpenedBy::Passphrase, passphrase, [7; SALT_BYTES], [9; NONCE_BYTES]).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_with_its_passphrase_and_no_other() {
        let text = sealed("correct horse");
        assert!(!text.contains("secret") && !text.contains("zo"), "{text}");
        let file = Sealed::read(&text).unwrap();
        assert_eq!(file.opened_by(), OpenedBy::Passphrase);
        assert_eq!(file.open("correct horse"), Ok(account()));
        for other in ["correct Horse", "", "correct horse "] {
            assert_eq!(file.open(other), Err(SealedError::Wrong(OpenedBy::Passphrase)), "{other:?}");
        }
    }

    #[test]
    fn every_changed_line_is_found_without_the_passphrase() {
        let text = sealed("correct horse");
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(" = ")).collect();
        assert_eq!(lines.len(), 9);
        for line in lines {
            let digit = line.rfind(|c: char| c.is_ascii_digit()).or(line.rfind('e')).unwrap();
            let other = if &line[digit..=digit] == "1" { "2" } else { "1" };
            let changed = format!("{}{other}{}", &line[..digit], &line[digit + 1..]);
            let damaged = text.replace(line, &changed);
            assert!(Sealed::read(&damaged).is_err(), "{changed}");
            assert!(Sealed::read(&text.replace(&format!("{line}\n"), "")).is_err(), "without {line}");
        }
        assert!(Sealed::read(&text[..text.len() / 2]).is_err());
        assert!(matches!(Sealed::read("hello"), Err(SealedError::Damaged(_))));
        assert!(matches!(
            Sealed::read(&text.replace("version = 1", "version = 2")),
            Err(SealedError::Version(2))
        ));
    }

    #[test]
    fn a_file_whose_checksum_was_mended_is_still_not_opened() {
        let mut file = Sealed::read(&sealed("correct horse")).unwrap().0;
        file.opened_by = OpenedBy::Code;
        file.checksum = file.sum();
        let file = Sealed::read(&toml::to_string(&file).unwrap()).unwrap();
        assert_eq!(file.open("correct horse"), Err(SealedError::Wrong(OpenedBy::Code)));
    }

    #[test]
    fn a_file_that_asks_for_too_much_is_refused_before_it_gets_it() {
        for (memory_kib, passes, lanes) in [
            (SEALED_MEMORY_MAX_KIB + 1, 3, 4),
            (64, SEALED_PASSES_MAX + 1, 4),
            (64 * 1024, 3, SEALED_LANES_MAX + 1),
        ] {
            let mut file = Sealed::read(&sealed("correct horse")).unwrap().0;
            (file.memory_kib, file.passes, file.lanes) = (memory_kib, passes, lanes);
            file.checksum = file.sum();
            let read = Sealed::read(&toml::to_string(&file).unwrap());
            assert_eq!(read.err(), Some(SealedError::TooCostly));
        }
    }
}
