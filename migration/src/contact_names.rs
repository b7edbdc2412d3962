//! Fills columns that are derived from the names of contacts.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::TransactionTrait as _;
use sea_orm_migration::sea_orm::prelude::Uuid;

/// The number of rows per transaction.
const BATCH: u64 = 1_000;

/// Sets `column` of each contact with a name to the form that `derive` gives the name.
pub(crate) async fn fill(
    conn: &SchemaManagerConnection<'_>,
    column: &'static str,
    derive: fn(&str) -> String,
) -> Result<(), DbErr> {
    let mut last = None;
    loop {
        last = fill_batch(conn, column, derive, last).await?;
        if last.is_none() {
            return Ok(());
        }
    }
}

/// Fills the next batch of rows in primary key order, after the key `after`. Returns the last key, or `None` at the
/// end.
async fn fill_batch(
    conn: &SchemaManagerConnection<'_>,
    column: &'static str,
    derive: fn(&str) -> String,
    after: Option<(Uuid, Uuid)>,
) -> Result<Option<(Uuid, Uuid)>, DbErr> {
    let mut named = Query::select();
    named
        .columns(["agency_id", "id", "name"])
        .from("contact")
        .and_where(Expr::col("name").is_not_null())
        .order_by("agency_id", Order::Asc)
        .order_by("id", Order::Asc)
        .limit(BATCH);
    if let Some((agency, id)) = after {
        let same_agency = Expr::col("agency_id").eq(agency).and(Expr::col("id").gt(id));
        named.and_where(Expr::col("agency_id").gt(agency).or(same_agency));
    }
    // One transaction per batch, because SQLite and MariaDB would otherwise sync after every row.
    let tx = conn.begin().await?;
    let mut last = None;
    for row in tx.query_all(&named).await? {
        let (agency, id, name): (Uuid, Uuid, String) =
            (row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?);
        let mut update = Query::update();
        update
            .table("contact")
            .value(column, derive(&name))
            .and_where(Expr::col("agency_id").eq(agency))
            .and_where(Expr::col("id").eq(id));
        tx.execute(&update).await?;
        last = Some((agency, id));
    }
    tx.commit().await?;
    Ok(last)
}
