use super::upload_media::RETENTION;
use super::{Fault, Services, Viewer};
use crate::domain::media_type::carrier_type;
use crate::domain::{AgencyId, Direction, MediaId, MediaState, UploadId, UserId, VoicemailId};
use crate::entity::media;
use crate::store::{self, calls, files, messages, threads};

/// A file in the media store, and how it is shown.
#[derive(Debug, Clone)]
pub struct MediaFile {
    pub agency: AgencyId,
    pub digest: String,
    /// MIME type.
    pub content_type: String,
    pub file_name: Option<String>,
}

/// The file behind a signed URL. `id` is the public id. `None` if it does not exist, the file has not been fetched yet,
/// or the user may no longer see it.
pub async fn show_media(
    services: &Services,
    (agency, user): (AgencyId, UserId),
    id: &str,
) -> Result<Option<MediaFile>, Fault> {
    let Some(viewer) = services.viewer(agency, user).await? else { return Ok(None) };
    if let Ok(id) = id.parse::<MediaId>() {
        return attachment(services, &viewer, id).await;
    }
    if let Ok(id) = id.parse::<UploadId>() {
        return upload(services, (agency, user), id).await;
    }
    match id.parse::<VoicemailId>() {
        Ok(id) => recording(services, &viewer, id).await,
        Err(_) => Ok(None),
    }
}

async fn attachment(services: &Services, viewer: &Viewer, id: MediaId) -> Result<Option<MediaFile>, Fault> {
    let (conn, agency) = (services.request_reader(), viewer.agency());
    let Some(row) = store::media::by_id(conn, agency, id).await? else { return Ok(None) };
    let Some(message) = messages::by_id(conn, agency, row.message_id).await? else { return Ok(None) };
    let thread = threads::visible(conn, &viewer.scope(), message.thread_id).await?;
    Ok(thread.and_then(|_| file_of(row)))
}

fn file_of(row: media::Model) -> Option<MediaFile> {
    let digest = row.digest.filter(|_| row.state == MediaState::Ready)?;
    Some(MediaFile { agency: row.agency_id, digest, content_type: row.content_type, file_name: row.file_name })
}

/// An upload is shown only to the user who uploaded it.
async fn upload(services: &Services, owner: (AgencyId, UserId), id: UploadId) -> Result<Option<MediaFile>, Fault> {
    let since = services.clock.now() - RETENTION;
    let row = files::own_uploads(services.request_reader(), owner, &[id], since).await?.pop();
    Ok(row.map(|row| MediaFile {
        agency: row.agency_id,
        digest: row.digest,
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
    let file = row.digest.zip(row.content_type);
    Ok(file.map(|(digest, content_type)| MediaFile { agency, digest, content_type, file_name: None }))
}

/// The file of an outbound text, which the carrier fetches. `id` is the public id. `None` if it does not exist or was
/// deleted.
pub async fn show_media_to_carrier(
    services: &Services,
    agency: AgencyId,
    id: &str,
) -> Result<Option<MediaFile>, Fault> {
    let (Ok(id), conn) = (id.parse::<MediaId>(), services.reader()) else { return Ok(None) };
    let Some(row) = store::media::by_id(conn, agency, id).await? else { return Ok(None) };
    let message = messages::by_id(conn, agency, row.message_id).await?;
    let is_outbound = message.is_some_and(|message| message.direction == Direction::Outbound);
    let file = file_of(row).filter(|_| is_outbound);
    Ok(file.map(|file| match carrier_type(&file.content_type) {
        Some(content_type) => MediaFile { content_type: content_type.to_owned(), ..file },
        None => file,
    }))
}
