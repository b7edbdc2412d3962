//! Recordings and images as files. Each agency has a folder, in which the name of a file is the SHA-256 of its content.
//! So equal contents share one file, and files never change.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use crate::domain::AgencyId;
use crate::domain::hexadecimal::hexadecimal;

#[derive(Debug, Clone)]
pub struct MediaStore {
    folder: PathBuf,
}

impl MediaStore {
    /// A store in this folder, which is created with the first file.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Stores bytes and returns their SHA-256 in hexadecimal. They are synced to disk when this returns. `scratch` must
    /// be unique; it names the temporary file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub async fn put(&self, agency: AgencyId, bytes: &[u8], scratch: Uuid) -> io::Result<String> {
        let digest = hexadecimal(&Sha256::digest(bytes));
        let path = self.path(agency, &digest);
        if fs::try_exists(&path).await? {
            return Ok(digest);
        }
        let folder = path.parent().unwrap_or(&self.folder);
        // Recordings are confidential, so only the user of the server may read them.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await?;
        // A unique temporary name, because another server may write the same content at the same time.
        let temporary = path.with_extension(format!("{}.part", scratch.simple()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).await?;
        file.write_all(bytes).await?;
        file.sync_all().await?;
        fs::rename(&temporary, &path).await?;
        sync_folder(folder).await?;
        Ok(digest)
    }

    /// Removes a file. One that does not exist is removed already.
    ///
    /// # Errors
    /// Returns an error if the file exists and cannot be removed.
    pub async fn delete(&self, agency: AgencyId, digest: &str) -> io::Result<()> {
        match fs::remove_file(self.path(agency, digest)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// The path of a file.
    pub fn path(&self, agency: AgencyId, digest: &str) -> PathBuf {
        self.folder.join(agency.to_string()).join(digest)
    }
}

/// A renamed file is durable only after its folder has been synced.
async fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder).await?.sync_all().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn equal_contents_are_one_file_per_agency() {
        let folder = std::env::temp_dir().join(format!("partyline-media-{}", std::process::id()));
        let store = MediaStore::new(folder.clone());
        let (one, other) = (AgencyId(Uuid::from_u128(1)), AgencyId(Uuid::from_u128(2)));
        let name = store.put(one, b"hello", Uuid::from_u128(7)).await.unwrap();
        assert_eq!(store.put(one, b"hello", Uuid::from_u128(7)).await.unwrap(), name);
        assert_eq!(name, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
        assert_eq!(fs::read(store.path(one, &name)).await.unwrap(), b"hello");
        assert!(!store.path(other, &name).exists());
        let files = std::fs::read_dir(folder.join(one.to_string())).unwrap().count();
        let mode = |path: &Path| std::os::unix::fs::MetadataExt::mode(&path.metadata().unwrap()) & 0o777;
        assert_eq!((mode(&folder), mode(&store.path(one, &name))), (0o700, 0o600));
        assert_eq!(files, 1);
        for _ in 0..2 {
            store.delete(one, &name).await.unwrap();
            assert!(!store.path(one, &name).exists());
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
