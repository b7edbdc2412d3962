//! What units of work change about an agency's directory.
//!
//! They run under the agency's lock, so that what the directory said when it was read under the
//! same lock still holds.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, ModelTrait,
    QueryFilter as _,
};

use super::bulk;
use crate::domain::{AgencyId, PhoneNumberId};
use crate::entity::assignment;

/// Adds a row.
///
/// # Errors
/// When the database fails.
pub async fn add<M, A>(conn: &impl ConnectionTrait, row: M) -> Result<(), DbErr>
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + Send,
{
    bulk::insert(conn, vec![row]).await
}

/// Writes every column of a row that is there, found by its primary key.
///
/// # Errors
/// When the database fails, or the row is not there.
pub async fn save<M, A>(conn: &impl ConnectionTrait, row: M) -> Result<(), DbErr>
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + Send,
{
    <M::Entity as EntityTrait>::update(row.into_active_model().reset_all())
        .validate()?
        .exec_without_returning(conn)
        .await
        .map(drop)
}

/// A pool has one primary user at most: unsets whoever it was.
///
/// # Errors
/// When the database fails.
pub async fn unset_primary(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    number: PhoneNumberId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    assignment::Entity::update_many()
        .col_expr(assignment::Column::IsPrimary, Expr::value(false))
        .col_expr(assignment::Column::UpdatedAt, Expr::value(now))
        .filter(assignment::Column::AgencyId.eq(agency))
        .filter(assignment::Column::PhoneNumberId.eq(number))
        .filter(assignment::Column::Live.eq(true))
        .filter(assignment::Column::IsPrimary.eq(true))
        .exec(conn)
        .await
        .map(drop)
}
