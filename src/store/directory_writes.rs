//! Writes of units of work to an agency's directory. Units run under the agency's lock, so a directory that was read
//! under the same lock is still current.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, ModelTrait,
    QueryFilter as _,
};

use super::bulk;
use super::statements::{Statements, change};
use crate::domain::{AgencyId, PhoneNumberId};
use crate::entity::assignment;

pub async fn add<M, A>(conn: &impl Statements, row: M) -> Result<(), DbErr>
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + Send,
{
    bulk::insert(conn, vec![row]).await
}

/// Updates every column of the row with the same primary key. Fails if the row does not exist.
pub async fn save<M, A>(conn: &impl Statements, row: M) -> Result<(), DbErr>
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + Send,
{
    let query = <M::Entity as EntityTrait>::update(row.into_active_model().reset_all()).validate()?;
    match change(conn, &query).await? {
        0 => Err(DbErr::RecordNotUpdated),
        _ => Ok(()),
    }
}

/// Unsets the primary user of a pool, because a pool has at most one.
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
