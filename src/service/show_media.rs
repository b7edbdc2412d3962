use std::path::PathBuf;

use super::{Fault, Services};
use crate::domain::{AgencyId, MediaState, UserId, VoicemailId};
use crate::store::calls;

#[derive(Debug, Clone)]
pub struct MediaFile {
    pub path: PathBuf,
    /// MIME type.
    pub content_type: String,
}

/// The file behind a signed URL. `id` is the public id. `None` if it does not exist, the file has not been fetched yet,
/// or the user may no longer see it.
pub async fn show_media(
    services: &Services,
    (agency, user): (AgencyId, UserId),
    id: &str,
) -> Result<Option<MediaFile>, Fault> {
    let Ok(id) = id.parse::<VoicemailId>() else { return Ok(None) };
    let Some(viewer) = services.viewer(agency, user).await? else { return Ok(None) };
    let found = calls::voicemail(services.request_reader(), agency, id).await?;
    let Some(row) = found.filter(|row| row.state == MediaState::Ready) else { return Ok(None) };
    if calls::in_full(services.request_reader(), &viewer.scope(), row.call_id).await?.is_none() {
        return Ok(None);
    }
    Ok(row
        .digest
        .zip(row.content_type)
        .map(|(digest, content_type)| MediaFile { path: services.media.path(agency, &digest), content_type }))
}
