//! Idempotency keys of users and the requests for which they were used.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use super::bulk;
use super::statements::Statements;
use crate::domain::{AgencyId, UserId};
use crate::entity::idempotency_key;

/// How long an idempotency key is valid.
pub const RETENTION: TimeDelta = TimeDelta::days(7);

/// The use of a user's key within [`RETENTION`]; `None` if the key is unused or has expired.
pub async fn find(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    key: &str,
    now: DateTime<Utc>,
) -> Result<Option<idempotency_key::Model>, DbErr> {
    let row = idempotency_key::Entity::find_by_id((agency, user, key.to_owned())).one(conn).await?;
    Ok(row.filter(|row| now - row.created_at < RETENTION))
}

/// Records the use of a key that is unused or has expired.
pub async fn save(conn: &impl Statements, row: idempotency_key::Model) -> Result<(), DbErr> {
    use idempotency_key::Column as K;
    // An expired row of the same key may not have been deleted yet.
    bulk::upsert(conn, vec![row], &[K::AgencyId, K::UserId, K::Key], &[K::RequestHash, K::MessageId, K::CreatedAt])
        .await
}

/// The agencies with keys created before this time.
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

/// Deletes an agency's keys created before this time.
pub async fn delete_before(conn: &impl ConnectionTrait, agency: AgencyId, before: DateTime<Utc>) -> Result<(), DbErr> {
    idempotency_key::Entity::delete_many()
        .filter(idempotency_key::Column::AgencyId.eq(agency))
        .filter(idempotency_key::Column::CreatedAt.lt(before))
        .exec(conn)
        .await
        .map(drop)
}
