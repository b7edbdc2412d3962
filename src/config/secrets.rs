//! Secrets that nobody set are made at first need and kept beside an SQLite database.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use secrecy::SecretString;

use super::{ConfigError, invalid};

const MIN_BYTES: usize = 32;

/// The secret that is set, or the one kept beside the database at `beside`, made if it is missing.
pub(super) fn read(set: Option<&str>, name: &str, beside: Option<&Path>) -> Result<SecretString, ConfigError> {
    if let Some(secret) = set {
        return checked(secret, name);
    }
    let Some(database) = beside else {
        return Err(invalid(name, "must be set: only beside an SQLite file is it made by itself"));
    };
    let suffix = name.trim_start_matches("PARTYLINE_").to_lowercase().replace('_', "-");
    let mut path = database.as_os_str().to_owned();
    path.push(format!(".{suffix}"));
    let path = Path::new(&path);
    let file_error = |error| ConfigError::File { path: path.to_owned(), error };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let secret = random_hex().map_err(file_error)?;
            file.write_all(secret.as_bytes()).and_then(|()| file.sync_all()).map_err(file_error)?;
            tracing::info!(path = %path.display(), "{name} is not set: a secret was made and is kept here");
            Ok(SecretString::from(secret))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let kept = std::fs::read_to_string(path).map_err(file_error)?;
            checked(kept.trim(), name)
        }
        Err(error) => Err(file_error(error)),
    }
}

fn checked(secret: &str, name: &str) -> Result<SecretString, ConfigError> {
    if secret.len() < MIN_BYTES {
        return Err(invalid(name, format!("a secret has at least {MIN_BYTES} bytes")));
    }
    Ok(SecretString::from(secret))
}

fn random_hex() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| std::io::Error::other("no randomness"))?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
