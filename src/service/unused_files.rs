//! Deletes files in the media store that no row shows.

use crate::domain::AgencyId;
use crate::ports::media_store::{MediaStore, MediaStoreError};
use crate::store::files;
use crate::store::writer::{Tx, UnitError};

/// Deletes a file unless a row of the agency shows it. The transaction holds the agency's lock, so that no row that shows
/// the file is added meanwhile. If the transaction fails afterwards, a row without its file remains, and the caller
/// deletes it later.
///
/// # Errors
/// The refusal means that the file could not be deleted.
pub(super) async fn delete_if_unused(
    tx: &Tx<'_>,
    media: &MediaStore,
    agency: AgencyId,
    digest: &str,
) -> Result<(), UnitError<MediaStoreError>> {
    if !files::in_use(tx.conn, agency, &[digest.to_owned()]).await?.is_empty() {
        return Ok(());
    }
    media.delete(agency, digest).await.map_err(UnitError::Refused)
}
