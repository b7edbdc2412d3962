//! The search form of contacts' names.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::TransactionTrait as _;
use sea_orm_migration::sea_orm::prelude::Uuid;
use unicode_normalization::UnicodeNormalization as _;

use crate::columns::Shape;

/// The number of rows per transaction.
const BATCH: u64 = 1_000;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The column has no length limit because the search form of a name can be longer than the name.
        let column = Shape::of(manager).long_text("name_folded");
        manager.alter_table(Table::alter().table("contact").add_column(column).take()).await?;
        let mut last = None;
        loop {
            last = fill(manager.get_connection(), last).await?;
            if last.is_none() {
                return Ok(());
            }
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("contact").drop_column("name_folded").take()).await
    }
}

/// Fills the next batch of rows in primary key order, after the key `after`. Returns the last key, or `None` at the
/// end.
async fn fill(conn: &SchemaManagerConnection<'_>, after: Option<(Uuid, Uuid)>) -> Result<Option<(Uuid, Uuid)>, DbErr> {
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
            .value("name_folded", fold(&name))
            .and_where(Expr::col("agency_id").eq(agency))
            .and_where(Expr::col("id").eq(id));
        tx.execute(&update).await?;
        last = Some((agency, id));
    }
    tx.commit().await?;
    Ok(last)
}

/// A copy of `domain::search::fold` as of this migration. A test compares the two.
fn fold(text: &str) -> String {
    let upper = text.nfkc().flat_map(char::to_lowercase).flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfkc().collect::<String>().replace("i\u{307}", "i")
}
