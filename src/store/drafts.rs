//! The drafts of users.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QuerySelect as _,
};

use super::bulk::padded_list;
use crate::domain::{AgencyId, ThreadId, UserId};
use crate::entity::draft;

/// How long a draft is kept after its last change.
pub const RETENTION: TimeDelta = TimeDelta::days(30);

/// Stores a draft, in place of the user's earlier one in the thread.
pub async fn save(conn: &impl ConnectionTrait, row: draft::Model) -> Result<(), DbErr> {
    use draft::Column as D;
    let mut on_conflict = OnConflict::columns([D::AgencyId, D::UserId, D::ThreadId]);
    on_conflict.update_columns([D::Body, D::ExtensionId, D::BasedOnId, D::UpdatedAt]);
    draft::Entity::insert(row.into_active_model()).on_conflict(on_conflict).exec_without_returning(conn).await.map(drop)
}

/// Deletes the draft of a user in a thread. Returns whether there was one.
pub async fn delete(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    thread: ThreadId,
) -> Result<bool, DbErr> {
    let done = draft::Entity::delete_by_id((agency, user, thread)).exec(conn).await?;
    Ok(done.rows_affected == 1)
}

/// The drafts of a user in these threads.
pub async fn of_threads(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    threads: &[ThreadId],
) -> Result<Vec<draft::Model>, DbErr> {
    draft::Entity::find()
        .filter(draft::Column::AgencyId.eq(agency))
        .filter(draft::Column::UserId.eq(user))
        .filter(draft::Column::ThreadId.is_in(padded_list(threads.iter().copied())))
        .all(conn)
        .await
}

/// The agencies that have drafts that were last changed before this time.
pub async fn agencies_with(conn: &impl ConnectionTrait, before: DateTime<Utc>) -> Result<Vec<AgencyId>, DbErr> {
    draft::Entity::find()
        .select_only()
        .column(draft::Column::AgencyId)
        .distinct()
        .filter(draft::Column::UpdatedAt.lt(before))
        .into_tuple()
        .all(conn)
        .await
}

/// Deletes the drafts of an agency that were last changed before this time.
pub async fn delete_before(conn: &impl ConnectionTrait, agency: AgencyId, before: DateTime<Utc>) -> Result<(), DbErr> {
    draft::Entity::delete_many()
        .filter(draft::Column::AgencyId.eq(agency))
        .filter(draft::Column::UpdatedAt.lt(before))
        .exec(conn)
        .await
        .map(drop)
}
