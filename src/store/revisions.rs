//! The revisions of threads and calls: how many events each has had.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _};

use super::bulk::padded_list;
use super::statements::{Statements, change};
use crate::domain::{AgencyId, CallId, ThreadId};
use crate::entity::{call, thread};

/// Increments the revision of each of these threads, as often as the thread is listed.
pub(super) async fn increment_threads(conn: &impl Statements, revised: Vec<(AgencyId, ThreadId)>) -> Result<(), DbErr> {
    use thread::Column as T;
    for ((agency, times), ids) in by_count(revised) {
        let query = thread::Entity::update_many()
            .col_expr(T::Revision, Expr::col(T::Revision).add(times))
            .filter(T::AgencyId.eq(agency))
            .filter(T::Id.is_in(padded_list(ids)));
        change(conn, &query).await?;
    }
    Ok(())
}

/// Increments the revision of each of these calls, as often as the call is listed.
pub(super) async fn increment_calls(conn: &impl Statements, revised: Vec<(AgencyId, CallId)>) -> Result<(), DbErr> {
    use call::Column as C;
    for ((agency, times), ids) in by_count(revised) {
        let query = call::Entity::update_many()
            .col_expr(C::Revision, Expr::col(C::Revision).add(times))
            .filter(C::AgencyId.eq(agency))
            .filter(C::Id.is_in(padded_list(ids)));
        change(conn, &query).await?;
    }
    Ok(())
}

/// The ids by their agency and by how often they are listed: usually one entry.
fn by_count<I: Ord + Copy>(listed: Vec<(AgencyId, I)>) -> BTreeMap<(AgencyId, i32), Vec<I>> {
    let mut times: BTreeMap<(AgencyId, I), i32> = BTreeMap::new();
    for key in listed {
        *times.entry(key).or_default() += 1;
    }
    let mut grouped: BTreeMap<(AgencyId, i32), Vec<I>> = BTreeMap::new();
    for ((agency, id), times) in times {
        grouped.entry((agency, times)).or_default().push(id);
    }
    grouped
}
