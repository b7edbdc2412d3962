//! Deletes uploads that users no longer need.

use super::unused_files::delete_if_unused;
use super::upload_media::RETENTION;
use super::{Fault, Services};
use crate::entity::upload;
use crate::ports::media_store::{MediaStore, MediaStoreError};
use crate::store::files;
use crate::store::writer::{Tx, Unit, UnitError};

const BATCH_SIZE: u64 = 100;

/// Deletes the uploads of all agencies that are older than [`RETENTION`], and temporary files of that age.
pub(super) async fn purge_uploads(services: &Services) -> Result<(), Fault> {
    let before = services.clock.now() - RETENTION;
    loop {
        let rows = files::uploads_before(services.reader(), before, BATCH_SIZE).await?;
        let is_last = (rows.len() as u64) < BATCH_SIZE;
        for upload in rows {
            let unit = DeleteUpload { upload, media: services.media.clone() };
            let deleted = services.writer.run(unit.upload.agency_id, unit).await;
            if let Err(error) = deleted {
                return Err(error.into_refusal().map_or_else(Fault::from, Fault::from));
            }
        }
        if is_last {
            break;
        }
    }
    Ok(services.media.remove_abandoned(before).await?)
}

struct DeleteUpload {
    upload: upload::Model,
    media: MediaStore,
}

impl Unit for DeleteUpload {
    type Output = ();
    /// The upload is kept, and the next purge tries again.
    type Refusal = MediaStoreError;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError<MediaStoreError>> {
        let upload = &self.upload;
        files::delete_upload(tx.conn, upload.agency_id, upload.id).await?;
        delete_if_unused(tx, &self.media, upload.agency_id, &upload.digest).await?.map_err(UnitError::Refused)
    }
}
