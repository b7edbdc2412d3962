//! What users' keys were used for.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use super::bulk;
use crate::domain::{AgencyId, UserId};
use crate::entity::idempotency_key;

/// How long a key is kept.
pub const KEPT: TimeDelta = TimeDelta::days(7);

/// What a user's key was used for, if it was in the time that keys are kept.
///
/// # Errors
/// When the database fails.
pub async fn used(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    key: &str,
    now: DateTime<Utc>,
) -> Result<Option<idempotency_key::Model>, DbErr> {
    let row = idempotency_key::Entity::find_by_id((agency, user, key.to_owned())).one(conn).await?;
    Ok(row.filter(|row| now - row.created_at < KEPT))
}

/// Notes what a key is used for. It was not used in the time that keys are kept.
///
/// # Errors
/// When the database fails.
pub async fn note(conn: &impl ConnectionTrait, row: idempotency_key::Model) -> Result<(), DbErr> {
    use idempotency_key::Column as K;
    // One from before that time may still be there.
    bulk::upsert(conn, vec![row], &[K::AgencyId, K::UserId, K::Key], &[K::RequestHash, K::MessageId, K::CreatedAt])
        .await
}

/// Agencies that have keys from before this moment.
///
/// # Errors
/// When the database fails.
pub async fn agencies_with(conn: &impl ConnectionTrait, before: DateTime<Utc>) -> Result<Vec<AgencyId>, DbErr> {
    idempotency_key::Entity::find()
        .select_only()
        .column(idempotency_key::Column::AgencyId)
        .distinct()
        .filter(idempotency_key::Column::CreatedAt.lt(before))
        .into_tuple()
        .all(conn)
        .await
}

/// Forgets an agency's keys from before this moment.
///
/// # Errors
/// When the database fails.
pub async fn forget(conn: &impl ConnectionTrait, agency: AgencyId, before: DateTime<Utc>) -> Result<(), DbErr> {
    idempotency_key::Entity::delete_many()
        .filter(idempotency_key::Column::AgencyId.eq(agency))
        .filter(idempotency_key::Column::CreatedAt.lt(before))
        .exec(conn)
        .await
        .map(drop)
}
