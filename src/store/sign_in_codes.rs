//! The one-time codes with which users sign in.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, IntoActiveModel as _, QueryFilter as _};

use crate::domain::{AgencyId, UserId};
use crate::entity::sign_in_code;

pub async fn save(conn: &impl ConnectionTrait, row: sign_in_code::Model) -> Result<(), DbErr> {
    sign_in_code::Entity::insert(row.into_active_model()).exec_without_returning(conn).await.map(drop)
}

/// The code with this hash.
pub async fn find(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    digest: &str,
) -> Result<Option<sign_in_code::Model>, DbErr> {
    sign_in_code::Entity::find_by_id((agency, digest.to_owned())).one(conn).await
}

/// Deletes a code. Returns whether it existed and had not expired.
pub async fn take(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    digest: &str,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let taken = sign_in_code::Entity::delete_by_id((agency, digest.to_owned()));
    Ok(taken.filter(sign_in_code::Column::ExpiresAt.gt(now)).exec(conn).await?.rows_affected == 1)
}

/// Deletes an agency's codes that have expired at this time.
pub async fn delete_before(conn: &impl ConnectionTrait, agency: AgencyId, now: DateTime<Utc>) -> Result<(), DbErr> {
    sign_in_code::Entity::delete_many()
        .filter(sign_in_code::Column::AgencyId.eq(agency))
        .filter(sign_in_code::Column::ExpiresAt.lte(now))
        .exec(conn)
        .await
        .map(drop)
}

/// Deletes all codes of a user.
pub async fn delete_of(conn: &impl ConnectionTrait, agency: AgencyId, user: UserId) -> Result<(), DbErr> {
    sign_in_code::Entity::delete_many()
        .filter(sign_in_code::Column::AgencyId.eq(agency))
        .filter(sign_in_code::Column::UserId.eq(user))
        .exec(conn)
        .await
        .map(drop)
}
