//! Attachments of messages. A user who may see a thread may see the attachments of its messages.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::bulk::padded_list;
use crate::domain::{AgencyId, MediaId, MessageId};
use crate::entity::media;

/// The attachments of these messages, ordered by message and ordinal.
pub async fn of_messages(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    messages: &[MessageId],
) -> Result<Vec<media::Model>, DbErr> {
    media::Entity::find()
        .filter(media::Column::AgencyId.eq(agency))
        .filter(media::Column::MessageId.is_in(padded_list(messages.iter().copied())))
        .order_by_asc(media::Column::MessageId)
        .order_by_asc(media::Column::Ordinal)
        .all(conn)
        .await
}

/// One attachment of an agency. Does not check the visibility of its message.
pub async fn by_id(conn: &impl ConnectionTrait, agency: AgencyId, id: MediaId) -> Result<Option<media::Model>, DbErr> {
    media::Entity::find_by_id((agency, id)).one(conn).await
}

/// The attachments of all agencies that are due to be fetched, the longest overdue first. Only pending attachments have
/// a time at which they are due, and the index contains only those.
pub async fn due(conn: &impl ConnectionTrait, now: DateTime<Utc>, limit: u64) -> Result<Vec<media::Model>, DbErr> {
    media::Entity::find()
        .filter(media::Column::DueAt.lte(now))
        .order_by_asc(media::Column::DueAt)
        .limit(limit)
        .all(conn)
        .await
}

/// Postpones an attachment that is due. Returns whether it was still due.
pub async fn lease(
    conn: &impl ConnectionTrait,
    file: &media::Model,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = media::Entity::update_many()
        .col_expr(media::Column::DueAt, Expr::value(until))
        .filter(media::Column::AgencyId.eq(file.agency_id))
        .filter(media::Column::Id.eq(file.id))
        .filter(media::Column::DueAt.lte(now))
        .exec(conn)
        .await?;
    Ok(done.rows_affected == 1)
}
