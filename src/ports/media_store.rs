//! Where recordings and pictures are kept: a folder, in it a folder for each agency, and in that each
//! file under the SHA-256 of what it holds. So the same twice is one file, and a file never changes.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use crate::domain::AgencyId;

/// The folder.
#[derive(Debug, Clone)]
pub struct MediaStore {
    folder: PathBuf,
}

impl MediaStore {
    /// A store in this folder, which is made when it is needed.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps bytes and gives the name they are kept by, the SHA-256 in hexadecimal. They are on the disk, whole,
    /// when this returns. `scratch` is a name that nobody else uses.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub async fn put(&self, agency: AgencyId, bytes: &[u8], scratch: Uuid) -> io::Result<String> {
        let digest = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let path = self.path(agency, &digest);
        if fs::try_exists(&path).await? {
            return Ok(digest);
        }
        let folder = path.parent().unwrap_or(&self.folder);
        // What callers said is for the server's own eyes.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await?;
        // Under another name until it is whole, and under one of its own: another server may write the same now.
        let half = path.with_extension(format!("{}.part", scratch.simple()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half).await?;
        file.write_all(bytes).await?;
        file.sync_all().await?;
        fs::rename(&half, &path).await?;
        sync_folder(folder).await?;
        Ok(digest)
    }

    /// Where a file is kept.
    pub fn path(&self, agency: AgencyId, digest: &str) -> PathBuf {
        self.folder.join(agency.to_string()).join(digest)
    }
}

/// A name in a folder is on the disk only once the folder is.
async fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder).await?.sync_all().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_twice_is_one_file_for_each_agency() {
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
        std::fs::remove_dir_all(folder).unwrap();
        assert_eq!(files, 1);
    }
}
