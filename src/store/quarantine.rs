//! Quarantined texts: inbound texts that could not be assigned to a number or stored.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, Order, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};

use super::bulk::padded_list;
use super::page::{Page, Window};
use crate::domain::{AgencyId, QuarantineId, QuarantineState};
use crate::entity::quarantine;

/// One page of the texts held for an agency, newest first.
pub async fn page(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    window: &Window,
) -> Result<Page<quarantine::Model>, DbErr> {
    let query = window.apply(of_agency(agency), &Order::Desc, quarantine::Column::CreatedAt, quarantine::Column::Id);
    Ok(window.page(query.all(conn).await?))
}

/// The number of texts held for an agency.
pub async fn count(conn: &impl ConnectionTrait, agency: AgencyId) -> Result<u64, DbErr> {
    of_agency(agency).count(conn).await
}

/// The number of texts held for all agencies and for none.
pub async fn count_held(conn: &impl ConnectionTrait) -> Result<u64, DbErr> {
    held().count(conn).await
}

/// Up to `limit` held texts of all agencies, oldest first, for operators.
pub async fn oldest_held(conn: &impl ConnectionTrait, limit: u64) -> Result<Vec<quarantine::Model>, DbErr> {
    held().order_by_asc(quarantine::Column::CreatedAt).limit(limit).all(conn).await
}

/// One held text: of the given agency for its admins, or of any for operators (`None`).
pub async fn by_id(
    conn: &impl ConnectionTrait,
    agency: Option<AgencyId>,
    id: QuarantineId,
) -> Result<Option<quarantine::Model>, DbErr> {
    let query = match agency {
        Some(agency) => of_agency(agency),
        None => held(),
    };
    query.filter(quarantine::Column::Id.eq(id)).one(conn).await
}

/// The held texts of an agency among these.
pub async fn by_ids(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    ids: &[QuarantineId],
) -> Result<Vec<quarantine::Model>, DbErr> {
    of_agency(agency).filter(quarantine::Column::Id.is_in(padded_list(ids.iter().copied()))).all(conn).await
}

/// Whether a text is held for an agency that was received at or after `from` and, if `before` is given, before it.
pub async fn is_any_held(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    from: DateTime<Utc>,
    before: Option<DateTime<Utc>>,
) -> Result<bool, DbErr> {
    let mut query = of_agency(agency).filter(quarantine::Column::CreatedAt.gte(from));
    if let Some(before) = before {
        query = query.filter(quarantine::Column::CreatedAt.lt(before));
    }
    query.one(conn).await.map(|row| row.is_some())
}

fn held() -> Select<quarantine::Entity> {
    quarantine::Entity::find().filter(quarantine::Column::State.eq(QuarantineState::Held))
}

fn of_agency(agency: AgencyId) -> Select<quarantine::Entity> {
    held().filter(quarantine::Column::AgencyId.eq(agency))
}

/// Moves those of these texts that are held to a final state. Returns how many there were.
pub async fn settle(
    conn: &impl ConnectionTrait,
    ids: &[QuarantineId],
    state: QuarantineState,
    now: DateTime<Utc>,
) -> Result<u64, DbErr> {
    quarantine::Entity::update_many()
        .set(quarantine::ActiveModel { state: Set(state), settled_at: Set(Some(now)), ..Default::default() })
        .filter(quarantine::Column::Id.is_in(padded_list(ids.iter().copied())))
        .filter(quarantine::Column::State.eq(QuarantineState::Held))
        .exec(conn)
        .await
        .map(|done| done.rows_affected)
}
