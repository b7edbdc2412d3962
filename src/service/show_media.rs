//! Find the file behind a signed address.

use std::path::PathBuf;

use super::{Fault, Services};
use crate::domain::{AgencyId, MediaState, VoicemailId};
use crate::store::calls;

/// A file and what it holds.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Where it is.
    pub path: PathBuf,
    /// Its MIME type.
    pub content_type: String,
}

/// The file of a thing by its outside id; `None` if there is no such thing, or no file yet. Whoever has the
/// address was allowed to see it when it was made.
///
/// # Errors
/// When the database fails.
pub async fn show_media(services: &Services, agency: AgencyId, id: &str) -> Result<Option<Shown>, Fault> {
    let Ok(id) = id.parse::<VoicemailId>() else { return Ok(None) };
    let found = calls::voicemail(services.request_reader(), agency, id).await?;
    let ready = found.filter(|row| row.state == MediaState::Ready);
    Ok(ready.and_then(|row| {
        let (digest, content_type) = row.digest.zip(row.content_type)?;
        Some(Shown { path: services.media.path(agency, &digest), content_type })
    }))
}
