//! The sort key of contacts, by which they are listed in the order of their names.

use sea_orm_migration::prelude::*;
use unicode_normalization::UnicodeNormalization as _;

use crate::columns::{Shape, index};
use crate::contact_names::fill;
use crate::m20261128_000011_contact_search::fold;

/// The maximum length of a sort key, in characters. The limit allows an index on every database.
const MAX_CHARS: u32 = 65;
/// The sort key of contacts without a name, which is also that of contacts that an earlier release adds.
const UNNAMED: &str = "2";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite and MariaDB do not undo a migration that is interrupted while it fills the column. It then runs again.
        if !manager.has_column("contact", "sort_key").await? {
            let column = Shape::of(manager).sorted_text("sort_key", MAX_CHARS).not_null().default(UNNAMED).take();
            manager.alter_table(Table::alter().table("contact").add_column(column).take()).await?;
        }
        fill(manager.get_connection(), "sort_key", sort_key).await?;
        manager.create_index(index("ix_contact_sort_key", "contact", &["agency_id", "sort_key", "id"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("ix_contact_sort_key").table("contact").to_owned()).await?;
        manager.alter_table(Table::alter().table("contact").drop_column("sort_key").take()).await
    }
}

/// A copy of `domain::search::sort_key` for names, as of this migration. A test compares the two.
fn sort_key(name: &str) -> String {
    let letters = fold(name.trim());
    let letters = letters.nfd().filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).nfc();
    std::iter::once('1').chain(letters).take(MAX_CHARS as usize).collect()
}
