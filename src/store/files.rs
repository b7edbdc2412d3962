//! The files in the media store, and the rows that refer to them.
//!
//! A row of an attachment or a recording refers to a file for as long as it has a digest. If its state is DELETED, the
//! file is to be removed; the digest is cleared afterwards, so that no crash leaves a file that nobody knows of.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::bulk::{self, padded_list};
use super::statements::{Statements, change, find};
use crate::domain::{AgencyId, MediaId, MediaState, UploadId, UserId, VoicemailId};
use crate::entity::{media, upload, voicemail};

pub async fn add_attachments(conn: &impl Statements, rows: Vec<media::Model>) -> Result<(), DbErr> {
    bulk::insert(conn, rows).await
}

pub async fn add_upload(conn: &impl Statements, row: upload::Model) -> Result<(), DbErr> {
    bulk::insert(conn, vec![row]).await
}

/// Those of these uploads that are the user's own and not older than `since`, in no particular order.
pub async fn own_uploads(
    conn: &impl ConnectionTrait,
    (agency, user): (AgencyId, UserId),
    ids: &[UploadId],
    since: DateTime<Utc>,
) -> Result<Vec<upload::Model>, DbErr> {
    upload::Entity::find()
        .filter(upload::Column::AgencyId.eq(agency))
        .filter(upload::Column::Id.is_in(padded_list(ids.iter().copied())))
        .filter(upload::Column::UserId.eq(user))
        .filter(upload::Column::CreatedAt.gte(since))
        .all(conn)
        .await
}

/// The sizes of all uploads of a user, in bytes.
pub async fn upload_sizes(conn: &impl ConnectionTrait, agency: AgencyId, user: UserId) -> Result<Vec<i32>, DbErr> {
    upload::Entity::find()
        .select_only()
        .column(upload::Column::ByteSize)
        .filter(upload::Column::AgencyId.eq(agency))
        .filter(upload::Column::UserId.eq(user))
        .into_tuple()
        .all(conn)
        .await
}

/// The oldest uploads of all agencies that were created before this time.
pub async fn uploads_before(
    conn: &impl ConnectionTrait,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<upload::Model>, DbErr> {
    upload::Entity::find()
        .filter(upload::Column::CreatedAt.lt(before))
        .order_by_asc(upload::Column::CreatedAt)
        .limit(limit)
        .all(conn)
        .await
}

pub async fn delete_upload(conn: &impl ConnectionTrait, agency: AgencyId, id: UploadId) -> Result<(), DbErr> {
    upload::Entity::delete_by_id((agency, id)).exec(conn).await.map(drop)
}

/// Those of these files that a row of the agency still shows: an attachment, a recording or an upload.
pub async fn in_use(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    digests: &[String],
) -> Result<BTreeSet<String>, DbErr> {
    let list = || padded_list(digests.iter().map(String::as_str));
    let attachments: Vec<Option<String>> = media::Entity::find()
        .select_only()
        .column(media::Column::Digest)
        .filter(media::Column::AgencyId.eq(agency))
        .filter(media::Column::Digest.is_in(list()))
        .filter(media::Column::State.ne(MediaState::Deleted))
        .into_tuple()
        .all(conn)
        .await?;
    let recordings: Vec<Option<String>> = voicemail::Entity::find()
        .select_only()
        .column(voicemail::Column::Digest)
        .filter(voicemail::Column::AgencyId.eq(agency))
        .filter(voicemail::Column::Digest.is_in(list()))
        .filter(voicemail::Column::State.ne(MediaState::Deleted))
        .into_tuple()
        .all(conn)
        .await?;
    // Few: an upload is deleted after a day.
    let uploads: Vec<String> = upload::Entity::find()
        .select_only()
        .column(upload::Column::Digest)
        .filter(upload::Column::AgencyId.eq(agency))
        .filter(upload::Column::Digest.is_in(list()))
        .into_tuple()
        .all(conn)
        .await?;
    Ok(attachments.into_iter().chain(recordings).flatten().chain(uploads).collect())
}

/// Marks attachments as deleted. Returns them as they were before.
pub async fn mark_media_deleted(
    conn: &impl Statements,
    agency: AgencyId,
    ids: &[MediaId],
) -> Result<Vec<media::Model>, DbErr> {
    use media::Column as M;
    let list = || padded_list(ids.iter().copied());
    let rows = media::Entity::find().filter(M::AgencyId.eq(agency)).filter(M::Id.is_in(list()));
    let rows = find(conn, rows).await?;
    let deleted = media::ActiveModel {
        state: Set(MediaState::Deleted),
        failure: Set(None),
        byte_size: Set(None),
        file_name: Set(None),
        due_at: Set(None),
        ..Default::default()
    };
    let update = media::Entity::update_many().set(deleted).filter(M::AgencyId.eq(agency)).filter(M::Id.is_in(list()));
    change(conn, &update.filter(M::State.ne(MediaState::Deleted))).await?;
    Ok(rows)
}

/// Marks recordings as deleted and removes their transcripts. Returns them as they were before.
pub async fn mark_recordings_deleted(
    conn: &impl Statements,
    agency: AgencyId,
    ids: &[VoicemailId],
) -> Result<Vec<voicemail::Model>, DbErr> {
    use voicemail::Column as V;
    let list = || padded_list(ids.iter().copied());
    let rows = voicemail::Entity::find().filter(V::AgencyId.eq(agency)).filter(V::Id.is_in(list()));
    let rows = find(conn, rows).await?;
    let deleted = voicemail::ActiveModel {
        state: Set(MediaState::Deleted),
        failure: Set(None),
        transcript: Set(None),
        ..Default::default()
    };
    let update = voicemail::Entity::update_many().set(deleted).filter(V::AgencyId.eq(agency));
    change(conn, &update.filter(V::Id.is_in(list()))).await?;
    Ok(rows)
}

/// Clears the digests of rows whose files are gone, or belong to other rows only.
pub async fn forget(conn: &impl Statements, agency: AgencyId, digests: &[String]) -> Result<(), DbErr> {
    let list = || padded_list(digests.iter().map(String::as_str));
    let attachments = media::Entity::update_many()
        .set(media::ActiveModel { digest: Set(None), ..Default::default() })
        .filter(media::Column::AgencyId.eq(agency))
        .filter(media::Column::Digest.is_in(list()))
        .filter(media::Column::State.eq(MediaState::Deleted));
    change(conn, &attachments).await?;
    let recordings = voicemail::Entity::update_many()
        .set(voicemail::ActiveModel { digest: Set(None), ..Default::default() })
        .filter(voicemail::Column::AgencyId.eq(agency))
        .filter(voicemail::Column::Digest.is_in(list()))
        .filter(voicemail::Column::State.eq(MediaState::Deleted));
    change(conn, &recordings).await.map(drop)
}
