use std::path::PathBuf;

use super::{Fault, Services, Viewer};
use crate::domain::{AgencyId, MediaId, MediaState, UserId, VoicemailId};
use crate::store::{self, calls, messages, threads};

#[derive(Debug, Clone)]
pub struct MediaFile {
    pub path: PathBuf,
    /// MIME type.
    pub content_type: String,
    /// The name of an attachment, if the carrier reported one.
    pub file_name: Option<String>,
}

/// The file behind a signed URL. `id` is the public id of an attachment or a voicemail. `None` if it does not exist, the
/// file has not been fetched yet, or the user may no longer see it.
pub async fn show_media(
    services: &Services,
    (agency, user): (AgencyId, UserId),
    id: &str,
) -> Result<Option<MediaFile>, Fault> {
    let Some(viewer) = services.viewer(agency, user).await? else { return Ok(None) };
    if let Ok(id) = id.parse::<MediaId>() {
        return attachment(services, &viewer, id).await;
    }
    match id.parse::<VoicemailId>() {
        Ok(id) => recording(services, &viewer, id).await,
        Err(_) => Ok(None),
    }
}

async fn attachment(services: &Services, viewer: &Viewer, id: MediaId) -> Result<Option<MediaFile>, Fault> {
    let (conn, agency) = (services.request_reader(), viewer.agency());
    let found = store::media::by_id(conn, agency, id).await?;
    let Some(row) = found.filter(|row| row.state == MediaState::Ready) else { return Ok(None) };
    let Some(message) = messages::by_id(conn, agency, row.message_id).await? else { return Ok(None) };
    if threads::visible(conn, &viewer.scope(), message.thread_id).await?.is_none() {
        return Ok(None);
    }
    Ok(row.digest.map(|digest| MediaFile {
        path: services.media.path(agency, &digest),
        content_type: row.content_type,
        file_name: row.file_name,
    }))
}

async fn recording(services: &Services, viewer: &Viewer, id: VoicemailId) -> Result<Option<MediaFile>, Fault> {
    let (conn, agency) = (services.request_reader(), viewer.agency());
    let found = calls::voicemail(conn, agency, id).await?;
    let Some(row) = found.filter(|row| row.state == MediaState::Ready) else { return Ok(None) };
    if calls::in_full(conn, &viewer.scope(), row.call_id).await?.is_none() {
        return Ok(None);
    }
    Ok(row.digest.zip(row.content_type).map(|(digest, content_type)| MediaFile {
        path: services.media.path(agency, &digest),
        content_type,
        file_name: None,
    }))
}
