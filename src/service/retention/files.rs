//! Deletes files: first the rows stop showing them, then the files are removed, and then the rows forget them. After a
//! crash in between, the rows still name the files, and a later run continues.

use super::batch::{PurgedKind, Run};
use super::deletions::{DeleteMedia, DeleteRecordings, ForgetFiles};
use crate::domain::{AgencyId, MediaId, VoicemailId};
use crate::service::{Fault, Services};
use crate::store;

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
    remove(run, agency, PurgedKind::Files, files).await
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
    remove(run, agency, PurgedKind::Recordings, files).await
}

async fn remove(run: &mut Run<'_>, agency: AgencyId, kind: PurgedKind, files: Vec<String>) -> Result<(), Fault> {
    let digests = remove_unused(run.services, agency, files).await?;
    if !digests.is_empty() {
        run.delete(Some(agency), kind, ForgetFiles { agency, digests }).await?;
    }
    Ok(())
}

/// Removes those of these files that no row shows. Returns all of them except files that could not be removed.
pub(crate) async fn remove_unused(
    services: &Services,
    agency: AgencyId,
    mut files: Vec<String>,
) -> Result<Vec<String>, Fault> {
    files.sort_unstable();
    files.dedup();
    if files.is_empty() {
        return Ok(files);
    }
    let in_use = store::files::in_use(services.reader(), agency, &files).await?;
    let mut settled = Vec::with_capacity(files.len());
    for digest in files {
        let removed = if in_use.contains(&digest) { Ok(()) } else { services.media.delete(agency, &digest).await };
        match removed {
            Ok(()) => settled.push(digest),
            Err(error) => tracing::error!(%agency, %error, "failed to remove a file; a later run tries again"),
        }
    }
    Ok(settled)
}
