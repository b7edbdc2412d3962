//! The server's own secrets: set by the operator, or generated when first needed and saved next to an SQLite database.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::{ConfigError, Source, invalid};
use crate::domain::hexadecimal::hexadecimal;
use crate::ports::private_file;

const MIN_BYTES: usize = 32;
const SECRET_KEY: &str = "PARTYLINE_SECRET_KEY";
const PREVIOUS_SECRET_KEY: &str = "PARTYLINE_SECRET_KEY_PREVIOUS";

/// The key that encrypts Twilio's tokens in the database, and the previous key.
#[derive(Debug, Clone)]
pub struct SecretKey {
    /// Encrypts and decrypts stored secrets.
    pub current: SecretString,
    /// Decrypts the secrets that were encrypted before the key was changed.
    pub previous: Option<SecretString>,
    /// The file for a newly generated key; `None` if the key was set, or read from its file.
    save_to: Option<PathBuf>,
}

impl SecretKey {
    pub(super) fn read(source: &Source, database_file: Option<&Path>) -> Result<Self, ConfigError> {
        let previous = source.get(PREVIOUS_SECRET_KEY).map(|key| check_length(key, PREVIOUS_SECRET_KEY)).transpose()?;
        let (current, save_to) = match find(source.get(SECRET_KEY), SECRET_KEY, database_file)? {
            Lookup::Secret(secret) => (secret, None),
            Lookup::Missing(path) => (generate(&path)?, Some(path)),
        };
        Ok(Self { current, previous, save_to })
    }

    /// Whether the key has just been generated and exists only in this process.
    ///
    /// It must not be saved while the database holds secrets that were encrypted with another key, because they could
    /// then never be decrypted.
    pub fn is_unsaved(&self) -> bool {
        self.save_to.is_some()
    }

    /// Saves a generated key next to the database. If another process has just saved one, that key is used.
    pub fn save(self) -> Result<Self, ConfigError> {
        let Some(path) = self.save_to else { return Ok(self) };
        let current = save_or_load(self.current, &path, SECRET_KEY)?;
        Ok(Self { current, save_to: None, ..self })
    }
}

/// Returns the configured secret, or the one in the file next to the database. A missing file is generated.
pub(super) fn read(
    configured: Option<&str>,
    name: &str,
    database_file: Option<&Path>,
) -> Result<SecretString, ConfigError> {
    match find(configured, name, database_file)? {
        Lookup::Secret(secret) => Ok(secret),
        Lookup::Missing(path) => save_or_load(generate(&path)?, &path, name),
    }
}

enum Lookup {
    Secret(SecretString),
    /// There is no secret; a generated one belongs in this file.
    Missing(PathBuf),
}

fn find(configured: Option<&str>, name: &str, database_file: Option<&Path>) -> Result<Lookup, ConfigError> {
    if let Some(secret) = configured {
        return check_length(secret, name).map(Lookup::Secret);
    }
    let Some(database) = database_file else {
        return Err(invalid(name, "must be set; it is generated only for an SQLite database"));
    };
    let suffix = name.trim_start_matches("PARTYLINE_").to_lowercase().replace('_', "-");
    let mut path = database.as_os_str().to_owned();
    path.push(format!(".{suffix}"));
    let path = PathBuf::from(path);
    match std::fs::read_to_string(&path) {
        Ok(secret) => check_length(secret.trim(), name).map(Lookup::Secret),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Lookup::Missing(path)),
        Err(error) => Err(ConfigError::File { path, error }),
    }
}

/// Saves a generated secret and returns it, or the one that another process saved first.
fn save_or_load(generated: SecretString, path: &Path, name: &str) -> Result<SecretString, ConfigError> {
    let file_error = |error| ConfigError::File { path: path.to_owned(), error };
    if private_file::create(path, generated.expose_secret().as_bytes()).map_err(file_error)? {
        tracing::info!(path = %path.display(), "{name} is not set: a secret was generated and saved");
        return Ok(generated);
    }
    check_length(std::fs::read_to_string(path).map_err(file_error)?.trim(), name)
}

fn check_length(secret: &str, name: &str) -> Result<SecretString, ConfigError> {
    if secret.len() < MIN_BYTES {
        return Err(invalid(name, format!("must have at least {MIN_BYTES} bytes")));
    }
    Ok(SecretString::from(secret))
}

fn generate(path: &Path) -> Result<SecretString, ConfigError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| ConfigError::File {
        path: path.to_owned(),
        error: std::io::Error::other("the operating system's random number generator failed"),
    })?;
    Ok(SecretString::from(hexadecimal(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_secret_key_is_saved_only_when_asked_and_the_first_one_wins() {
        let folder = std::env::temp_dir().join(format!("partyline-secret-key-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let database = folder.join("p.db");
        let read = || SecretKey::read(&Source::default(), Some(&database)).unwrap();
        let (one, other) = (read(), read());
        assert!(one.is_unsaved() && !folder.join("p.db.secret-key").exists());
        let one = one.save().unwrap();
        let other = other.save().unwrap();
        assert!(!one.is_unsaved());
        assert_eq!(other.current.expose_secret(), one.current.expose_secret());
        let saved = read();
        assert!(!saved.is_unsaved());
        assert_eq!(saved.current.expose_secret(), one.current.expose_secret());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
