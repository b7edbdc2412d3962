//! Texts that fit no number.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, Order, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};

use super::bulk::list;
use super::page::{Page, Window};
use crate::domain::{AgencyId, QuarantineId, QuarantineState};
use crate::entity::quarantine;

/// A part of what is held for an agency, newest first.
///
/// # Errors
/// When the database fails.
pub async fn page(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    window: &Window,
) -> Result<Page<quarantine::Model>, DbErr> {
    let query = window.apply(of_agency(agency), &Order::Desc, quarantine::Column::CreatedAt, quarantine::Column::Id);
    Ok(window.cut(query.all(conn).await?))
}

/// How much is held for an agency.
///
/// # Errors
/// When the database fails.
pub async fn count(conn: &impl ConnectionTrait, agency: AgencyId) -> Result<u64, DbErr> {
    of_agency(agency).count(conn).await
}

/// How much is held in all, for operators.
///
/// # Errors
/// When the database fails.
pub async fn count_held(conn: &impl ConnectionTrait) -> Result<u64, DbErr> {
    held().count(conn).await
}

/// The oldest of what is held, for operators, who work across agencies.
///
/// # Errors
/// When the database fails.
pub async fn oldest_held(conn: &impl ConnectionTrait, limit: u64) -> Result<Vec<quarantine::Model>, DbErr> {
    held().order_by_asc(quarantine::Column::CreatedAt).limit(limit).all(conn).await
}

/// One text in quarantine, for operators or, with an agency, for its admins.
///
/// # Errors
/// When the database fails.
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

fn held() -> Select<quarantine::Entity> {
    quarantine::Entity::find().filter(quarantine::Column::State.eq(QuarantineState::Held))
}

fn of_agency(agency: AgencyId) -> Select<quarantine::Entity> {
    held().filter(quarantine::Column::AgencyId.eq(agency))
}

/// An operator has decided about these texts.
///
/// # Errors
/// When the database fails.
pub async fn settle(
    conn: &impl ConnectionTrait,
    ids: &[QuarantineId],
    state: QuarantineState,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    quarantine::Entity::update_many()
        .set(quarantine::ActiveModel { state: Set(state), settled_at: Set(Some(now)), ..Default::default() })
        .filter(quarantine::Column::Id.is_in(list(ids.iter().copied())))
        .filter(quarantine::Column::State.eq(QuarantineState::Held))
        .exec(conn)
        .await
        .map(drop)
}
