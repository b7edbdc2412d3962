//! Files in a folder, which several servers may share.

use std::io::{self, ErrorKind, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures_util::stream::{StreamExt as _, try_unfold};
use tokio::fs;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use uuid::Uuid;

use super::{Content, MediaStoreError};
use crate::domain::AgencyId;

/// The folder of files that are being written.
const INCOMING: &str = "incoming";
/// The size of a piece that is read at once.
const PIECE_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn path(&self, agency: AgencyId, digest: &str) -> PathBuf {
        self.root.join(agency.to_string()).join(digest)
    }

    /// The file is written and synced under a temporary name and then renamed, so a crash leaves no incomplete file
    /// under its final name.
    pub(super) async fn put(
        &self,
        agency: AgencyId,
        digest: &str,
        bytes: &[u8],
        scratch: Uuid,
    ) -> Result<(), MediaStoreError> {
        let (incoming, folder) = (self.root.join(INCOMING), self.root.join(agency.to_string()));
        let path = folder.join(digest);
        if !fs::try_exists(&path).await? {
            create_folder(&incoming).await?;
            create_folder(&folder).await?;
            // A unique temporary name, because another server may write the same content at the same time.
            let temporary = incoming.join(format!("{}.part", scratch.simple()));
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).await?;
            file.write_all(bytes).await?;
            file.sync_all().await?;
            fs::rename(&temporary, &path).await?;
            // The folder of the agency may be new.
            sync_folder(&self.root).await?;
        }
        // A renamed file is durable only after its folder has been synced. If the file was there already, its writer
        // may not have done so yet.
        Ok(sync_folder(&folder).await?)
    }

    pub(super) async fn open(
        &self,
        agency: AgencyId,
        digest: &str,
        range: Option<Range<u64>>,
    ) -> Result<Option<Content>, MediaStoreError> {
        let Some(mut file) = if_present(fs::File::open(self.path(agency, digest)).await)? else { return Ok(None) };
        let Range { start, end } = range.unwrap_or(0..u64::MAX);
        if start > 0 {
            file.seek(SeekFrom::Start(start)).await?;
        }
        let content = try_unfold(file.take(end.saturating_sub(start)), |mut file| async move {
            let mut piece = BytesMut::with_capacity(PIECE_BYTES);
            let read = file.read_buf(&mut piece).await?;
            Ok::<_, MediaStoreError>((read > 0).then(|| (Bytes::from(piece), file)))
        });
        Ok(Some(content.boxed()))
    }

    pub(super) async fn size(&self, agency: AgencyId, digest: &str) -> Result<Option<u64>, MediaStoreError> {
        let metadata = if_present(fs::metadata(self.path(agency, digest)).await)?;
        Ok(metadata.map(|metadata| metadata.len()))
    }

    pub(super) async fn delete(&self, agency: AgencyId, digest: &str) -> Result<(), MediaStoreError> {
        Ok(if_present(fs::remove_file(self.path(agency, digest)).await).map(drop)?)
    }

    pub(super) async fn remove_abandoned(&self, before: DateTime<Utc>) -> Result<(), MediaStoreError> {
        let Some(mut entries) = if_present(fs::read_dir(self.root.join(INCOMING)).await)? else { return Ok(()) };
        while let Some(entry) = entries.next_entry().await? {
            // A file may be renamed or removed meanwhile.
            let Some(metadata) = if_present(entry.metadata().await)? else { continue };
            if DateTime::<Utc>::from(metadata.modified()?) < before {
                if_present(fs::remove_file(entry.path()).await)?;
            }
        }
        Ok(())
    }
}

/// Files are confidential, so only the user of the server may read them.
async fn create_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await
}

async fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder).await?.sync_all().await
}

fn if_present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
