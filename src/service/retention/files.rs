//! Deletes files: first the rows stop showing them, then the files are removed, and then the rows forget them. After a
//! crash in between, the rows still name the files, and a later run continues.

use std::convert::Infallible;

use super::batch::{PAUSE, PurgedKind, Run};
use super::deletions::{DeleteMedia, DeleteRecordings};
use crate::domain::{AgencyId, MediaId, VoicemailId};
use crate::ports::media_store::MediaStore;
use crate::service::Fault;
use crate::service::unused_files::delete_if_unused;
use crate::store;
use crate::store::writer::{Tx, Unit, UnitError};

/// The number of files that are removed in one transaction. It holds the agency's lock, and object storage takes its time.
const FILES_PER_BATCH: usize = 4;

/// Deletes the files of messages.
pub(crate) async fn delete_media(
    run: &mut Run<'_>,
    agency: AgencyId,
    ids: Vec<MediaId>,
    at_carrier: bool,
) -> Result<(), Fault> {
    if ids.is_empty() {
        return Ok(());
    }
    let files = run.delete(Some(agency), PurgedKind::Files, DeleteMedia { agency, ids, at_carrier }).await?;
    remove(run, agency, files).await
}

/// Deletes recordings.
pub(crate) async fn delete_recordings(
    run: &mut Run<'_>,
    agency: AgencyId,
    ids: Vec<VoicemailId>,
    at_carrier: bool,
) -> Result<(), Fault> {
    if ids.is_empty() {
        return Ok(());
    }
    let files = run.delete(Some(agency), PurgedKind::Recordings, DeleteRecordings { agency, ids, at_carrier }).await?;
    remove(run, agency, files).await
}

async fn remove(run: &mut Run<'_>, agency: AgencyId, mut digests: Vec<String>) -> Result<(), Fault> {
    digests.sort_unstable();
    digests.dedup();
    for part in digests.chunks(FILES_PER_BATCH) {
        let unit = RemoveFiles { agency, digests: part.to_vec(), media: run.services.media.clone() };
        run.services.writer.run(agency, unit).await?;
        run.services.clock.pause(PAUSE).await;
    }
    Ok(())
}

/// Removes files that no row shows, and makes the deleted rows forget them.
struct RemoveFiles {
    agency: AgencyId,
    digests: Vec<String>,
    media: MediaStore,
}

impl Unit for RemoveFiles {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let mut removed = Vec::with_capacity(self.digests.len());
        for digest in &self.digests {
            if let Err(error) = delete_if_unused(tx, &self.media, self.agency, digest).await? {
                tracing::error!(agency = %self.agency, %error, "failed to remove a file; a later run tries again");
                // The next file would take as long to fail, and the agency's lock is held.
                break;
            }
            removed.push(digest.clone());
        }
        Ok(store::files::forget(tx.conn, self.agency, &removed).await?)
    }
}
