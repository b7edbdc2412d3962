//! Twilio accounts. They stand above agencies: one may serve several.

use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use crate::entity::account;

/// The account with this SID.
///
/// # Errors
/// When the database fails.
pub async fn by_sid(conn: &impl ConnectionTrait, sid: &str) -> Result<Option<account::Model>, DbErr> {
    account::Entity::find().filter(account::Column::AccountSid.eq(sid)).one(conn).await
}

/// All accounts, for `doctor`.
///
/// # Errors
/// When the database fails.
pub async fn all(conn: &impl ConnectionTrait) -> Result<Vec<account::Model>, DbErr> {
    account::Entity::find().order_by_asc(account::Column::AccountSid).all(conn).await
}
