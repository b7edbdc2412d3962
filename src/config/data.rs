//! The settings that say where the data is.

use std::path::PathBuf;

use super::{ConfigError, Source, invalid, media};
use crate::ports::media_store::ObjectLocation;
use crate::store::sqlite_file;

/// Where the data is. Unlike the other settings, these are read without generating a secret.
#[derive(Debug, Clone)]
pub struct DataSettings {
    pub database_url: String,
    /// The folder for recordings, attachments and uploads, unless they are in object storage.
    pub media: PathBuf,
    /// The object storage for them; `None` means the folder.
    pub media_store: Option<ObjectLocation>,
}

impl DataSettings {
    pub fn read(source: &Source) -> Result<Self, ConfigError> {
        let database_url = source.get("DATABASE_URL").unwrap_or("sqlite://partyline.db?mode=rwc").to_owned();
        if !["sqlite:", "postgres:", "postgresql:", "mysql:"].iter().any(|scheme| database_url.starts_with(scheme)) {
            return Err(invalid("DATABASE_URL", "must begin with sqlite:, postgres: or mysql:"));
        }
        let media_store = source
            .get("PARTYLINE_MEDIA_STORE")
            .map(|text| ObjectLocation::parse(text).map_err(|why| invalid("PARTYLINE_MEDIA_STORE", why)))
            .transpose()?;
        Ok(Self { media: media(source, &database_url), media_store, database_url })
    }

    /// The file of an SQLite database; `None` for other databases.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        sqlite_file(&self.database_url)
    }
}
