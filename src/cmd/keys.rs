//! Private keys as files: Ed25519, PKCS#8 PEM, mode 0600.

use std::path::Path;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};

use super::failure::Failure;
use super::files;

/// Bytes that nobody can guess.
///
/// # Errors
/// When the operating system has no random numbers to give.
pub fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(format!("the system gives no random numbers: {error}")))?;
    Ok(bytes)
}

/// Reads a private key.
///
/// # Errors
/// When there is none, when others may read it, when it is no key; names the file.
pub fn load(path: &Path) -> Result<SigningKey, Failure> {
    let absent = || {
        Failure::new(format!("there is no key file {}", path.display()))
            .next("restore it from a backup; nothing else can stand in for a key")
    };
    parse(path, &files::read_secret(path)?.ok_or_else(absent)?)
}

/// Makes a key and writes it, over any that was there.
///
/// # Errors
/// Names the file.
pub fn create(path: &Path) -> Result<SigningKey, Failure> {
    let (key, pem) = generate()?;
    files::write(path, pem.as_bytes())?;
    Ok(key)
}

/// Reads a key, or makes one on first use; says whether it was made. Of two that make it at once, both get
/// the one that came first.
///
/// # Errors
/// As [`load`] and [`create`].
pub fn load_or_create(path: &Path) -> Result<(SigningKey, bool), Failure> {
    if let Some(pem) = files::read_secret(path)? {
        return Ok((parse(path, &pem)?, false));
    }
    if let Some(folder) = path.parent() {
        files::make_folder(folder)?;
    }
    let (key, pem) = generate()?;
    if files::write_new(path, pem.as_bytes())? { Ok((key, true)) } else { Ok((load(path)?, false)) }
}

fn generate() -> Result<(SigningKey, String), Failure> {
    let key = SigningKey::from_bytes(&random()?);
    let pem = key
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|error| Failure::new(format!("a new key cannot be encoded: {error}")))?;
    Ok((key, pem.to_string()))
}

/// Reads a key from a file's text, which is not part of any error: it is the secret.
///
/// # Errors
/// It is no key; names the file.
pub fn parse(path: &Path, pem: &str) -> Result<SigningKey, Failure> {
    SigningKey::from_pkcs8_pem(pem).map_err(|_| {
        Failure::new(format!("{} is not an Ed25519 private key (PKCS#8 PEM)", path.display()))
            .next("restore it from a backup; nothing else can stand in for a key")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_ever_after() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("people/alice/account.key");
        let (made, new) = load_or_create(&path).unwrap();
        assert!(new);
        let (read, new) = load_or_create(&path).unwrap();
        assert!(!new && read == made);
    }

    #[test]
    fn a_damaged_key_is_named_but_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.key");
        files::write(&path, b"-----BEGIN PRIVATE KEY-----\nsecret\n").unwrap();
        let failure = load(&path).unwrap_err();
        assert!(failure.what().contains("server.key") && !failure.what().contains("secret"), "{failure}");
    }
}
