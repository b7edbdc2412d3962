//! Deletes files in the media store that no row shows.

use sea_orm::DbErr;

use crate::domain::AgencyId;
use crate::ports::media_store::{MediaStore, MediaStoreError};
use crate::store::files;
use crate::store::writer::Tx;

/// Deletes a file unless a row of the agency shows it. The transaction holds the agency's lock, so that no row that shows
/// the file is added meanwhile. If the transaction fails afterwards, a row without its file remains, and the caller
/// deletes it later.
///
/// The inner error means that the media store could not delete the file.
pub(super) async fn delete_if_unused(
    tx: &Tx<'_>,
    media: &MediaStore,
    agency: AgencyId,
    digest: &str,
) -> Result<Result<(), MediaStoreError>, DbErr> {
    if !files::in_use(tx.conn, agency, &[digest.to_owned()]).await?.is_empty() {
        return Ok(Ok(()));
    }
    Ok(media.delete(agency, digest).await)
}
