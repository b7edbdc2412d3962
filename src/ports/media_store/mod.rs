//! Recordings, attachments and uploads as files, in a folder or in object storage. The name of a file is the SHA-256 of
//! its content, and each agency has files of its own. So equal contents of an agency share one file, and files never
//! change.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use object_store::ObjectStore;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use self::folder::Folder;
use self::objects::Objects;
pub use self::objects::{ObjectLocation, ObjectLocationError};
use super::Clock;
use crate::domain::AgencyId;
use crate::domain::hexadecimal::hexadecimal;

mod folder;
mod objects;

/// The content of a file, or a part of it, in pieces.
pub type Content = BoxStream<'static, Result<Bytes, MediaStoreError>>;

/// Why a file could not be stored, read or deleted. The text contains no file name of a user and no secret.
#[derive(Debug, thiserror::Error)]
pub enum MediaStoreError {
    #[error("the media folder failed: {0}")]
    Folder(#[from] io::Error),
    #[error("the object storage refused the credentials: {0}")]
    Denied(String),
    #[error("the object storage failed: {0}")]
    Objects(String),
    #[error("the object storage did not respond in time")]
    TimedOut,
}

/// The SHA-256 of a content in hexadecimal, which is the name of its file.
pub fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

#[derive(Debug, Clone)]
pub struct MediaStore {
    backend: Backend,
}

#[derive(Debug, Clone)]
enum Backend {
    Folder(Folder),
    Objects(Objects),
}

impl MediaStore {
    /// A store in this folder, which is created with the first file.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { backend: Backend::Folder(Folder::new(folder)) }
    }

    /// A store in object storage, below a prefix. Timeouts use `clock`.
    pub fn in_object_storage(store: Arc<dyn ObjectStore>, prefix: &str, clock: Arc<dyn Clock>) -> Self {
        Self { backend: Backend::Objects(Objects::new(store, prefix, clock)) }
    }

    /// Stores bytes and returns their SHA-256 in hexadecimal. They are durable when this returns. `scratch` must be
    /// unique; it names the temporary file.
    ///
    /// A file that no row refers to may be deleted at any time, and remains for good if the server is killed. So either
    /// the row with its [`digest`] is committed first, or the caller checks after the commit with [`size`](Self::size)
    /// that the file is still there, and stores it again if not.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub async fn put(&self, agency: AgencyId, bytes: &[u8], scratch: Uuid) -> Result<String, MediaStoreError> {
        let digest = digest(bytes);
        match &self.backend {
            Backend::Folder(folder) => folder.put(agency, &digest, bytes, scratch).await?,
            Backend::Objects(objects) => objects.put(agency, &digest, bytes).await?,
        }
        Ok(digest)
    }

    /// The content of a file, or these bytes of it; `None` if the file does not exist.
    ///
    /// # Errors
    /// If the file cannot be opened. An error while it is read is an item of the content.
    pub async fn open(
        &self,
        agency: AgencyId,
        digest: &str,
        range: Option<Range<u64>>,
    ) -> Result<Option<Content>, MediaStoreError> {
        match &self.backend {
            Backend::Folder(folder) => folder.open(agency, digest, range).await,
            Backend::Objects(objects) => objects.open(agency, digest, range).await,
        }
    }

    /// The size of a file in bytes; `None` if it does not exist.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn size(&self, agency: AgencyId, digest: &str) -> Result<Option<u64>, MediaStoreError> {
        match &self.backend {
            Backend::Folder(folder) => folder.size(agency, digest).await,
            Backend::Objects(objects) => objects.size(agency, digest).await,
        }
    }

    /// Deletes a file. A file that does not exist is not an error. It ends within seconds, because callers hold the
    /// lock of the agency.
    ///
    /// # Errors
    /// If the file cannot be deleted.
    pub async fn delete(&self, agency: AgencyId, digest: &str) -> Result<(), MediaStoreError> {
        match &self.backend {
            Backend::Folder(folder) => folder.delete(agency, digest).await,
            Backend::Objects(objects) => objects.delete(agency, digest).await,
        }
    }

    /// Removes temporary files that were last written before this time: their writers have stopped.
    ///
    /// # Errors
    /// If the folder cannot be read or a file cannot be removed.
    pub async fn remove_abandoned(&self, before: DateTime<Utc>) -> Result<(), MediaStoreError> {
        match &self.backend {
            Backend::Folder(folder) => folder.remove_abandoned(before).await,
            // An object appears when it is complete.
            Backend::Objects(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
