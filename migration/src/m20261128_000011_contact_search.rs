//! The search form of contacts' names.

use sea_orm_migration::prelude::*;
use unicode_normalization::UnicodeNormalization as _;

use crate::columns::Shape;
use crate::contact_names::fill;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The column has no length limit because the search form of a name can be longer than the name.
        let column = Shape::of(manager).long_text("name_folded");
        manager.alter_table(Table::alter().table("contact").add_column(column).take()).await?;
        fill(manager.get_connection(), "name_folded", fold).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("contact").drop_column("name_folded").take()).await
    }
}

/// A copy of `domain::search::fold` as of this migration. A test compares the two.
pub(crate) fn fold(text: &str) -> String {
    let upper = text.nfkc().flat_map(char::to_lowercase).flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfkc().collect::<String>().replace("i\u{307}", "i")
}
