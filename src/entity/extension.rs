//! An extension: digits that a caller dials, or a text begins with, to reach a user.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, ExtensionId, PhoneNumberId, UserId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "extension")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ExtensionId,
    pub digits: String,
    pub user_id: UserId,
    /// The number that the extension is scoped to; the nil id for the whole agency, because NULLs are not unique in a
    /// key.
    pub phone_number_id: PhoneNumberId,
    /// TRUE, or NULL after the deactivation, so that the digits can be assigned again.
    pub live: Option<bool>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
