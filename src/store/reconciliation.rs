//! How far the texts and calls of each Twilio account have been compared with the database, and what arrived late.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _,
};

use crate::domain::{AccountId, AgencyId, LateArrivalId};
use crate::entity::{late_arrival, reconciliation};

pub async fn find(conn: &impl ConnectionTrait, account: AccountId) -> Result<Option<reconciliation::Model>, DbErr> {
    reconciliation::Entity::find_by_id(account).one(conn).await
}

/// Leases the account until `until`, unless another lease has not ended at `now`. Returns whether it was leased.
pub async fn lease(
    conn: &impl ConnectionTrait,
    account: AccountId,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, DbErr> {
    use reconciliation::Column as R;
    let is_free = Condition::any().add(R::LeasedUntil.is_null()).add(R::LeasedUntil.lte(now));
    let done = reconciliation::Entity::update_many()
        .set(reconciliation::ActiveModel { leased_until: Set(Some(until)), ..Default::default() })
        .filter(R::TwilioAccountId.eq(account))
        .filter(is_free)
        .exec(conn)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Changes the columns that are set in `change`.
pub async fn update(
    conn: &impl ConnectionTrait,
    account: AccountId,
    change: reconciliation::ActiveModel,
) -> Result<(), DbErr> {
    reconciliation::Entity::update_many()
        .set(change)
        .filter(reconciliation::Column::TwilioAccountId.eq(account))
        .exec(conn)
        .await
        .map(drop)
}

/// The newest late arrivals of an agency.
pub async fn newest_late_arrival(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
) -> Result<Option<late_arrival::Model>, DbErr> {
    let query = late_arrival::Entity::find().filter(late_arrival::Column::AgencyId.eq(agency));
    query.order_by_desc(late_arrival::Column::Id).one(conn).await
}

pub async fn late_arrival(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: LateArrivalId,
) -> Result<Option<late_arrival::Model>, DbErr> {
    late_arrival::Entity::find_by_id((agency, id)).one(conn).await
}
