//! What is to be deleted at the carrier.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::bulk;
use super::statements::{Statements, change};
use crate::domain::{AccountId, CarrierDeletionId};
use crate::entity::carrier_deletion;
use crate::entity::carrier_deletion::Column as C;

/// Adds resources. One that is listed already is listed once.
pub async fn add(conn: &impl Statements, rows: Vec<carrier_deletion::Model>) -> Result<(), DbErr> {
    bulk::upsert(conn, rows, &[C::TwilioAccountId, C::Path], &[C::DueAt]).await
}

/// Up to `limit` resources whose deletion is due, the longest overdue first.
pub async fn due(
    conn: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<carrier_deletion::Model>, DbErr> {
    let query = carrier_deletion::Entity::find().filter(C::DueAt.lte(now));
    query.order_by_asc(C::DueAt).order_by_asc(C::Id).limit(limit).all(conn).await
}

/// The number of resources that are still to be deleted.
pub async fn count(conn: &impl ConnectionTrait) -> Result<u64, DbErr> {
    carrier_deletion::Entity::find().count(conn).await
}

/// Removes resources that the carrier no longer has.
pub async fn remove(conn: &impl Statements, ids: &[CarrierDeletionId]) -> Result<(), DbErr> {
    let rows = carrier_deletion::Entity::delete_many();
    change(conn, &rows.filter(C::Id.is_in(bulk::padded_list(ids.iter().copied())))).await.map(drop)
}

/// Schedules the next attempt after one that failed.
pub async fn retry(
    conn: &impl Statements,
    id: CarrierDeletionId,
    attempts: i32,
    due_at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let change_row =
        carrier_deletion::ActiveModel { attempts: Set(attempts), due_at: Set(due_at), ..Default::default() };
    let row = carrier_deletion::Entity::update_many().set(change_row).filter(C::Id.eq(id));
    change(conn, &row).await.map(drop)
}

/// Postpones all due deletions of an account.
pub async fn postpone(
    conn: &impl Statements,
    account: AccountId,
    now: DateTime<Utc>,
    by: TimeDelta,
) -> Result<(), DbErr> {
    let rows = carrier_deletion::Entity::update_many()
        .set(carrier_deletion::ActiveModel { due_at: Set(now + by), ..Default::default() })
        .filter(C::TwilioAccountId.eq(account))
        .filter(C::DueAt.lt(now + by));
    change(conn, &rows).await.map(drop)
}
