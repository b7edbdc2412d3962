//! The ordered event log of an agency.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use uuid::Uuid;

use super::bulk::padded_list;
use crate::domain::AgencyId;
use crate::entity::{agency_position, event};

/// The bounds and the epoch of an agency's log; `None` if the agency does not exist.
pub async fn head(conn: &impl ConnectionTrait, agency: AgencyId) -> Result<Option<agency_position::Model>, DbErr> {
    agency_position::Entity::find_by_id(agency).one(conn).await
}

/// The newest position in the log of each of these agencies.
pub async fn positions(conn: &impl ConnectionTrait, agencies: &[AgencyId]) -> Result<Vec<(AgencyId, i64)>, DbErr> {
    agency_position::Entity::find()
        .select_only()
        .column(agency_position::Column::AgencyId)
        .column(agency_position::Column::Position)
        .filter(agency_position::Column::AgencyId.is_in(padded_list(agencies.iter().copied())))
        .into_tuple()
        .all(conn)
        .await
}

/// The time of the newest event of all agencies; `None` if there are no events.
pub async fn newest_event_time(conn: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, DbErr> {
    let newest = event::Entity::find()
        .select_only()
        .column_as(event::Column::CreatedAt.max(), "newest")
        .into_tuple::<Option<DateTime<Utc>>>()
        .one(conn)
        .await?;
    Ok(newest.flatten())
}

/// The ids of all agencies.
pub async fn agencies(conn: &impl ConnectionTrait) -> Result<Vec<AgencyId>, DbErr> {
    agency_position::Entity::find().select_only().column(agency_position::Column::AgencyId).into_tuple().all(conn).await
}

/// Starts a new epoch of an agency's log, which invalidates the cursors of all clients.
pub async fn start_epoch(conn: &impl ConnectionTrait, agency: AgencyId, epoch: Uuid) -> Result<(), DbErr> {
    agency_position::Entity::update_many()
        .col_expr(agency_position::Column::Epoch, Expr::value(epoch))
        .filter(agency_position::Column::AgencyId.eq(agency))
        .exec(conn)
        .await
        .map(drop)
}

/// Up to `limit` events after a position, in order.
pub async fn after(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    position: i64,
    limit: u64,
) -> Result<Vec<Arc<event::Model>>, DbErr> {
    let rows = event::Entity::find()
        .filter(event::Column::AgencyId.eq(agency))
        .filter(event::Column::Position.gt(position))
        .order_by_asc(event::Column::Position)
        .limit(limit)
        .all(conn)
        .await?;
    Ok(rows.into_iter().map(Arc::new).collect())
}
