//! The files that are sent with a text: uploads of the sender, or the files of a text that is sent again.

use super::media_links::MediaLinks;
use super::upload_media::RETENTION;
use super::{Refusal, RefusalCode};
use crate::domain::attachments::{AttachmentRefusal, MAX_FILES, check_attachments};
use crate::domain::{AgencyId, MediaId, MediaState, UploadId, UserId};
use crate::entity::{media, message};
use crate::store::writer::{Tx, UnitError};
use crate::store::{self, files};

const FIELD: &str = "mediaUrls";

/// A file in the media store that is sent with a text.
#[derive(Debug, Clone)]
pub(super) struct Attachment {
    digest: String,
    content_type: String,
    byte_size: Option<i32>,
    file_name: Option<String>,
}

/// The ids of the uploads that these URLs or ids name.
pub(super) fn parse(urls: &[String], links: &MediaLinks) -> Result<Vec<UploadId>, Refusal> {
    if urls.len() > MAX_FILES {
        return Err(Refusal::invalid(format!("A text can have at most {MAX_FILES} files."), FIELD));
    }
    let parse = |(position, url): (usize, &String)| links.id_in(url).parse().map_err(|_| unknown(position));
    urls.iter().enumerate().map(parse).collect()
}

/// Used for every URL that is not of a file that the user uploaded in the last 24 hours, so that the uploads of others
/// cannot be found out.
fn unknown(position: usize) -> Refusal {
    let message = "This is not the URL of a file that you uploaded in the last 24 hours. Upload the file with POST \
                   /media, and send the URL of the response.";
    Refusal::new(RefusalCode::Invalid, message).at_item(FIELD, position)
}

/// These uploads as attachments, in the same order. Refused unless all are the user's own and can be sent together.
pub(super) async fn of_uploads(
    tx: &Tx<'_>,
    agency: AgencyId,
    user: UserId,
    ids: &[UploadId],
) -> Result<Vec<Attachment>, UnitError<Refusal>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = files::own_uploads(tx.conn, (agency, user), ids, tx.now - RETENTION).await?;
    let mut attachments = Vec::new();
    for (position, id) in ids.iter().enumerate() {
        let row = rows.iter().find(|row| row.id == *id).ok_or_else(|| unknown(position))?.clone();
        attachments.push(Attachment {
            digest: row.digest,
            content_type: row.content_type,
            byte_size: Some(row.byte_size),
            file_name: row.file_name,
        });
    }
    let sizes = attachments.iter().map(|file| (&*file.content_type, file.byte_size.unwrap_or(0)));
    check_attachments(sizes).map_err(refusal)?;
    Ok(attachments)
}

fn refusal(refused: AttachmentRefusal) -> Refusal {
    let (message, position) = match refused {
        AttachmentRefusal::WrongType(position) => (
            "The carrier does not send files of this type. Send a JPEG, PNG or GIF, audio, video, PDF or contact card.",
            position,
        ),
        AttachmentRefusal::TooLarge(position) => ("The files of a text can have at most 5 MB together.", position),
    };
    Refusal::new(RefusalCode::Invalid, message).at_item(FIELD, position)
}

/// The files of a text that is sent again. Refused if one of them was deleted.
pub(super) async fn of_message(tx: &Tx<'_>, message: &message::Model) -> Result<Vec<Attachment>, UnitError<Refusal>> {
    let rows = store::media::of_messages(tx.conn, message.agency_id, &[message.id]).await?;
    let attachment = |row: media::Model| {
        let digest = row.digest.filter(|_| row.state == MediaState::Ready).ok_or_else(|| {
            let message = "The files of this text were deleted. Send a new text.";
            Refusal::new(RefusalCode::Conflict, message).at("messageId")
        })?;
        let (content_type, byte_size, file_name) = (row.content_type, row.byte_size, row.file_name);
        Ok(Attachment { digest, content_type, byte_size, file_name })
    };
    Ok(rows.into_iter().map(attachment).collect::<Result<_, Refusal>>()?)
}

/// The rows of the attachments of a text.
pub(super) fn rows(tx: &Tx<'_>, message: &message::Model, attachments: Vec<Attachment>) -> Vec<media::Model> {
    let row = |(ordinal, file): (i32, Attachment)| media::Model {
        agency_id: message.agency_id,
        id: MediaId(tx.new_id()),
        message_id: message.id,
        ordinal,
        content_type: file.content_type,
        source_url: String::new(),
        state: MediaState::Ready,
        failure: None,
        digest: Some(file.digest),
        byte_size: file.byte_size,
        file_name: file.file_name,
        attempts: 0,
        due_at: None,
    };
    (0..).zip(attachments).map(row).collect()
}
