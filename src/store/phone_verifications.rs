//! Pending phone verifications, at most one per user, and the verification texts that were sent recently.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _};

use super::bulk::{insert, upsert};
use super::statements::Statements;
use crate::domain::{AgencyId, UserId};
use crate::entity::phone_verification::{Column, Entity, Model};
use crate::entity::verification_text;

/// The pending verification of a user.
pub async fn find(conn: &impl ConnectionTrait, agency: AgencyId, user: UserId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id((agency, user)).one(conn).await
}

/// Stores a pending verification and replaces the user's previous one.
pub async fn replace(conn: &impl Statements, row: Model) -> Result<(), DbErr> {
    use Column::{CodeDigest, ExpiresAt, FirstSentAt, Phone, Sent, WrongCodes};
    let columns = [Phone, CodeDigest, WrongCodes, Sent, FirstSentAt, ExpiresAt];
    upsert(conn, vec![row], &[Column::AgencyId, Column::UserId], &columns).await
}

/// Records that a verification code was texted.
pub async fn record_text(conn: &impl Statements, text: verification_text::Model) -> Result<(), DbErr> {
    insert(conn, vec![text]).await
}

/// The verification texts that an agency sent after `since`. Deletes the older ones, which are no longer needed.
pub async fn texts_since(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    since: DateTime<Utc>,
) -> Result<Vec<verification_text::Model>, DbErr> {
    use verification_text::{Column as C, Entity};
    Entity::delete_many().filter(C::AgencyId.eq(agency)).filter(C::SentAt.lte(since)).exec(conn).await?;
    Entity::find().filter(C::AgencyId.eq(agency)).all(conn).await
}

/// Deletes the pending verification of a user.
pub async fn delete(conn: &impl ConnectionTrait, agency: AgencyId, user: UserId) -> Result<(), DbErr> {
    Entity::delete_many().filter(Column::AgencyId.eq(agency)).filter(Column::UserId.eq(user)).exec(conn).await.map(drop)
}
