//! Column and table definitions shared by the migrations, with the differences between databases.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Defines columns and tables for one kind of database.
#[derive(Clone, Copy)]
pub(crate) struct Shape(DbBackend);

impl Shape {
    pub(crate) fn of(manager: &SchemaManager<'_>) -> Self {
        Self(manager.get_database_backend())
    }

    /// A new table. On MariaDB a binary collation is set, so that text is compared byte by byte as on the other
    /// databases. The default collation ignores case and trailing spaces, and the default character set may be latin1.
    pub(crate) fn table(self, name: &'static str) -> TableCreateStatement {
        let mut table = Table::create();
        table.table(name);
        if self.0 == DbBackend::MySql {
            table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_nopad_bin");
        }
        table
    }

    /// A time in UTC with microsecond precision.
    pub(crate) fn time(self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self.0 {
            DbBackend::MySql => column.custom("datetime(6)"),
            _ => column.timestamp_with_time_zone(),
        };
        column
    }

    /// Text of up to 16 MiB. On MariaDB, TEXT would be limited to 64 KiB.
    pub(crate) fn long_text(self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self.0 {
            DbBackend::MySql => column.custom("mediumtext"),
            _ => column.text(),
        };
        column
    }

    /// Text of at most `chars` characters. SQLite does not enforce the length, so a check is added there.
    pub(crate) fn text(self, name: &'static str, chars: u32) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        column.string_len(chars);
        if self.0 == DbBackend::Sqlite {
            column.check(Expr::expr(Func::cust("length").arg(Expr::col(name))).lte(chars));
        }
        column
    }

    /// The same for rows that are ordered by this text. PostgreSQL would otherwise compare it by the rules of the
    /// database's locale; the other databases compare all text byte by byte.
    pub(crate) fn sorted_text(self, name: &'static str, chars: u32) -> ColumnDef {
        let mut column = self.text(name, chars);
        if self.0 == DbBackend::Postgres {
            column.custom(format!("varchar({chars}) COLLATE \"C\""));
        }
        column
    }
}

pub(crate) fn id(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).uuid().not_null().take()
}

pub(crate) fn optional_id(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).uuid().null().take()
}

/// The name of an enumeration value of the domain.
pub(crate) fn word(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string_len(32).not_null().take()
}

pub(crate) fn flag(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().take()
}

/// TRUE while the row is active, NULL after its deactivation (soft delete). It is last in a unique key: NULLs are never
/// equal, so a deactivated row releases the key.
pub(crate) fn live() -> ColumnDef {
    ColumnDef::new("live").boolean().null().take()
}

pub(crate) fn count(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).integer().not_null().take()
}

pub(crate) fn position(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

/// A primary key. In tables that belong to an agency it begins with the agency.
pub(crate) fn primary(columns: &[&'static str]) -> IndexCreateStatement {
    let mut key = Index::create();
    for column in columns {
        key.col(*column);
    }
    key.primary().take()
}

/// A reference to another row of the same agency.
pub(crate) fn within_agency(column: &'static str, table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create().from_col("agency_id").from_col(column).to_tbl(table).to_col("agency_id").to_col("id").take()
}

pub(crate) fn to_agency() -> ForeignKeyCreateStatement {
    ForeignKey::create().from_col("agency_id").to_tbl("agency").to_col("id").take()
}

pub(crate) fn unique(name: &'static str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    index(name, table, columns).unique().take()
}

pub(crate) fn index(name: &'static str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(*column);
    }
    index
}

/// Creates the tables, then the indexes.
pub(crate) async fn create(
    manager: &SchemaManager<'_>,
    tables: Vec<TableCreateStatement>,
    indexes: Vec<IndexCreateStatement>,
) -> Result<(), DbErr> {
    for table in tables {
        manager.create_table(table).await?;
    }
    for index in indexes {
        manager.create_index(index).await?;
    }
    Ok(())
}

/// Drops the tables in the given order.
pub(crate) async fn drop(manager: &SchemaManager<'_>, tables: &[&'static str]) -> Result<(), DbErr> {
    for table in tables {
        manager.drop_table(Table::drop().table(*table).take()).await?;
    }
    Ok(())
}
