//! The rows that refer to files in the media store, and uploads.

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::bulk::{self, padded_list};
use super::statements::Statements;
use crate::domain::{AgencyId, UploadId, UserId};
use crate::entity::{media, upload, voicemail};

/// Whether any row of the agency refers to the file. A file without such a row can be deleted.
pub async fn is_referenced(conn: &impl ConnectionTrait, agency: AgencyId, digest: &str) -> Result<bool, DbErr> {
    let attached = media::Entity::find()
        .filter(media::Column::AgencyId.eq(agency))
        .filter(media::Column::Digest.eq(digest))
        .limit(1)
        .count(conn);
    if attached.await? > 0 {
        return Ok(true);
    }
    let uploaded = upload::Entity::find()
        .filter(upload::Column::AgencyId.eq(agency))
        .filter(upload::Column::Digest.eq(digest))
        .limit(1)
        .count(conn);
    if uploaded.await? > 0 {
        return Ok(true);
    }
    let recorded = voicemail::Entity::find()
        .filter(voicemail::Column::AgencyId.eq(agency))
        .filter(voicemail::Column::Digest.eq(digest))
        .limit(1)
        .count(conn);
    Ok(recorded.await? > 0)
}

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
