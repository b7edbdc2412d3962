//! Upload a file, which the user can then send with texts for a day.

use std::convert::Infallible;

use chrono::TimeDelta;

use super::{Fault, Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::attachments::MAX_BYTES;
use crate::domain::file_name::safe_file_name;
use crate::domain::media_type::sniff;
use crate::domain::{AgencyId, UploadId, UserId};
use crate::entity::upload;
use crate::ports::media_store::digest;
use crate::store::files;
use crate::store::writer::{Tx, Unit, UnitError};

/// The age at which an upload is deleted. Texts that were sent with it keep the file.
pub const RETENTION: TimeDelta = TimeDelta::hours(24);
/// The maximum size of all uploads of a user in bytes, so that one user cannot fill the storage.
const MAX_USER_BYTES: usize = 50 * MAX_BYTES;
/// The maximum number of uploads of a user.
const MAX_USER_UPLOADS: usize = 2_000;

/// A file as it was received.
#[derive(Debug)]
pub struct ReceivedFile {
    pub bytes: Vec<u8>,
    /// The name that the sender gave it.
    pub file_name: Option<String>,
}

/// Stores a file. Its type is determined by its content.
pub async fn upload_media(services: &Services, viewer: &Viewer, file: ReceivedFile) -> Outcome<upload::Model> {
    let ReceivedFile { bytes, file_name } = file;
    if bytes.is_empty() {
        return Err(Refusal::new(RefusalCode::Invalid, "The file is empty.").into());
    }
    let (agency, user) = (viewer.agency(), viewer.id());
    check_quota(services, agency, user, bytes.len()).await?;
    let content_type = sniff(&bytes);
    let unit = AddUpload {
        agency,
        user,
        digest: digest(&bytes),
        content_type,
        byte_size: i32::try_from(bytes.len()).unwrap_or(i32::MAX),
        file_name: file_name.and_then(|name| safe_file_name(&name, content_type)),
    };
    // The row is first: a file without a row would never be deleted. The user learns the id of the row only when its
    // file is stored.
    let row = services.writer.run(agency, unit).await?;
    let scratch = services.ids.uuid(services.clock.now());
    services.media.put(agency, &bytes, scratch).await.map_err(Fault::from)?;
    Ok(row)
}

/// Simultaneous uploads of a user may exceed the limits, by at most as many as admission allows at once.
async fn check_quota(services: &Services, agency: AgencyId, user: UserId, added: usize) -> Outcome<()> {
    let sizes = files::upload_sizes(services.request_reader(), agency, user).await?;
    let total: usize = sizes.iter().filter_map(|size| usize::try_from(*size).ok()).sum();
    if total + added <= MAX_USER_BYTES && sizes.len() < MAX_USER_UPLOADS {
        return Ok(());
    }
    let message = format!(
        "You can upload at most {} MB and {MAX_USER_UPLOADS} files in 24 hours. Try again later.",
        MAX_USER_BYTES / (1024 * 1024)
    );
    let code = RefusalCode::LimitExceeded { retry_after_seconds: Some(3_600) };
    Err(Refusal::new(code, message).into())
}

struct AddUpload {
    agency: AgencyId,
    user: UserId,
    digest: String,
    content_type: &'static str,
    byte_size: i32,
    file_name: Option<String>,
}

impl Unit for AddUpload {
    type Output = upload::Model;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<upload::Model, UnitError> {
        let row = upload::Model {
            agency_id: self.agency,
            id: UploadId(tx.new_id()),
            user_id: self.user,
            digest: self.digest.clone(),
            content_type: self.content_type.to_owned(),
            byte_size: self.byte_size,
            file_name: self.file_name.clone(),
            created_at: tx.now,
        };
        files::add_upload(tx.conn, row.clone()).await?;
        Ok(row)
    }
}
