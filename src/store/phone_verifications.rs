//! Phones that wait for the code that was texted to them: at most one per user.

use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _};

use super::bulk::upsert;
use crate::domain::{AgencyId, UserId};
use crate::entity::phone_verification::{Column, Entity, Model};

/// The one of a user.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &impl ConnectionTrait, agency: AgencyId, user: UserId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id((agency, user)).one(conn).await
}

/// Keeps it, in the place of the user's former one.
///
/// # Errors
/// When the database fails.
pub async fn keep(conn: &impl ConnectionTrait, row: Model) -> Result<(), DbErr> {
    use Column::{CodeDigest, ExpiresAt, FirstSentAt, Phone, Sent, WrongCodes};
    let columns = [Phone, CodeDigest, WrongCodes, Sent, FirstSentAt, ExpiresAt];
    upsert(conn, vec![row], &[Column::AgencyId, Column::UserId], &columns).await
}

/// The phone is verified.
///
/// # Errors
/// When the database fails.
pub async fn forget(conn: &impl ConnectionTrait, agency: AgencyId, user: UserId) -> Result<(), DbErr> {
    Entity::delete_many().filter(Column::AgencyId.eq(agency)).filter(Column::UserId.eq(user)).exec(conn).await.map(drop)
}
