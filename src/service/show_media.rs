use super::{Fault, Services};
use crate::domain::media_type::carrier_type;
use crate::domain::{AgencyId, Direction, MediaId, MediaState, UploadId, UserId, VoicemailId};
use crate::store::{calls, files, messages};

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
    if let Ok(id) = id.parse::<UploadId>() {
        return show_upload(services, (agency, user), id).await;
    }
    let Ok(id) = id.parse::<VoicemailId>() else { return Ok(None) };
    let Some(viewer) = services.viewer(agency, user).await? else { return Ok(None) };
    let found = calls::voicemail(services.request_reader(), agency, id).await?;
    let Some(row) = found.filter(|row| row.state == MediaState::Ready) else { return Ok(None) };
    if calls::in_full(services.request_reader(), &viewer.scope(), row.call_id).await?.is_none() {
        return Ok(None);
    }
    let file = row.digest.zip(row.content_type);
    Ok(file.map(|(digest, content_type)| MediaFile { agency, digest, content_type, file_name: None }))
}

/// An upload is shown only to the user who uploaded it.
async fn show_upload(
    services: &Services,
    (agency, user): (AgencyId, UserId),
    id: UploadId,
) -> Result<Option<MediaFile>, Fault> {
    if services.viewer(agency, user).await?.is_none() {
        return Ok(None);
    }
    let since = services.clock.now() - super::upload_media::RETENTION;
    let row = files::own_uploads(services.request_reader(), (agency, user), &[id], since).await?.pop();
    Ok(row.map(|row| MediaFile {
        agency,
        digest: row.digest,
        content_type: row.content_type,
        file_name: row.file_name,
    }))
}

/// The file of an outbound text, which the carrier fetches. `id` is the public id. `None` if it does not exist or was
/// deleted.
pub async fn show_media_to_carrier(
    services: &Services,
    agency: AgencyId,
    id: &str,
) -> Result<Option<MediaFile>, Fault> {
    let Ok(id) = id.parse::<MediaId>() else { return Ok(None) };
    let found = messages::media_by_id(services.reader(), agency, id).await?;
    let Some(row) = found.filter(|row| row.state == MediaState::Ready) else { return Ok(None) };
    let message = messages::by_ids(services.reader(), agency, &[row.message_id]).await?.pop();
    if message.is_none_or(|message| message.direction != Direction::Outbound) {
        return Ok(None);
    }
    let content_type = carrier_type(&row.content_type).map_or(row.content_type, str::to_owned);
    let file_name = row.file_name;
    Ok(row.digest.map(|digest| MediaFile { agency, digest, content_type, file_name }))
}
