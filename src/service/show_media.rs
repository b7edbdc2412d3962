//! Find the file behind a signed address.

use std::path::PathBuf;

use super::{Fault, Services};
use crate::domain::{AgencyId, MediaState, UserId, VoicemailId};
use crate::store::calls;

/// A file and what it holds.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Where it is.
    pub path: PathBuf,
    /// Its MIME type.
    pub content_type: String,
}

/// The file of a thing by its outside id, for a user who has a signed address of it; `None` if there is no such thing,
/// no file yet, or the user may not see it any more.
///
/// # Errors
/// When the database fails.
pub async fn show_media(
    services: &Services,
    (agency, user): (AgencyId, UserId),
    id: &str,
) -> Result<Option<Shown>, Fault> {
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
        .map(|(digest, content_type)| Shown { path: services.media.path(agency, &digest), content_type }))
}
