//! Indexes that take the place of others.

use sea_orm_migration::prelude::*;

use crate::columns::index;

/// An index: its name, table and columns, and the rows that it holds.
pub(crate) type Definition = (&'static str, &'static str, &'static [&'static str], Rows);

/// The rows that an index holds. MariaDB has no partial indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    All,
    /// Those in which the column has a value.
    With(&'static str),
    /// Those in which it has none.
    Without(&'static str),
}

/// Creates the indexes `after`, and drops those `before`.
pub(crate) async fn replace(
    manager: &SchemaManager<'_>,
    before: &[Definition],
    after: &[Definition],
) -> Result<(), DbErr> {
    for definition in after {
        create(manager, definition).await?;
    }
    // Last, because PostgreSQL then blocks readers only while it commits.
    for definition in before {
        drop(manager, definition).await?;
    }
    Ok(())
}

/// Creates an index, unless it is left over from an attempt that was interrupted.
async fn create(manager: &SchemaManager<'_>, (name, table, columns, rows): &Definition) -> Result<(), DbErr> {
    if manager.has_index(*table, *name).await? {
        return Ok(());
    }
    let mut index = index(name, table, columns);
    match rows {
        Rows::All => {}
        Rows::With(column) => {
            index.and_where(Expr::col(*column).is_not_null());
        }
        Rows::Without(column) => {
            index.and_where(Expr::col(*column).is_null());
        }
    }
    manager.create_index(index).await
}

async fn drop(manager: &SchemaManager<'_>, (name, table, ..): &Definition) -> Result<(), DbErr> {
    if !manager.has_index(*table, *name).await? {
        return Ok(());
    }
    manager.drop_index(Index::drop().name(*name).table(*table).to_owned()).await
}
