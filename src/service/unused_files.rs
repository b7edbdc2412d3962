//! Deletes files in the media store to which no row refers.

use crate::domain::AgencyId;
use crate::ports::media_store::{MediaStore, MediaStoreError};
use crate::store::files;
use crate::store::writer::{Tx, UnitError};

/// Deletes a file if no row of the agency refers to it. The transaction has deleted the row that did, and it holds the
/// agency's lock, so no row that refers to the file is added meanwhile. If the transaction fails afterwards, a row
/// without its file remains, and the caller deletes it later.
pub(super) async fn delete_if_unused(
    tx: &Tx<'_>,
    media: &MediaStore,
    agency: AgencyId,
    digest: &str,
) -> Result<(), UnitError<MediaStoreError>> {
    if files::is_referenced(tx.conn, agency, digest).await? {
        return Ok(());
    }
    media.delete(agency, digest).await.map_err(UnitError::Refused)
}
