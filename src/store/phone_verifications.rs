//! Phones that wait for the code that was texted to them, at most one per user, and the codes that were texted lately.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _};

use super::bulk::{insert, upsert};
use crate::domain::{AgencyId, UserId};
use crate::entity::phone_verification::{Column, Entity, Model};
use crate::entity::verification_text;

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

/// Records that a code was texted.
///
/// # Errors
/// When the database fails.
pub async fn record_text(conn: &impl ConnectionTrait, text: verification_text::Model) -> Result<(), DbErr> {
    insert(conn, vec![text]).await
}

/// The codes that an agency texted after `since`. Older ones do not count any more and are deleted.
///
/// # Errors
/// When the database fails.
pub async fn texts_since(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    since: DateTime<Utc>,
) -> Result<Vec<verification_text::Model>, DbErr> {
    use verification_text::{Column as C, Entity};
    Entity::delete_many().filter(C::AgencyId.eq(agency)).filter(C::SentAt.lte(since)).exec(conn).await?;
    Entity::find().filter(C::AgencyId.eq(agency)).all(conn).await
}

/// The phone is verified.
///
/// # Errors
/// When the database fails.
pub async fn forget(conn: &impl ConnectionTrait, agency: AgencyId, user: UserId) -> Result<(), DbErr> {
    Entity::delete_many().filter(Column::AgencyId.eq(agency)).filter(Column::UserId.eq(user)).exec(conn).await.map(drop)
}
