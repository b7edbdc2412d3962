//! Digits that a caller dials, or a text names, to reach a user.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, ExtensionId, PhoneNumberId, UserId};

/// Digits that a caller dials, or a text names, to reach a user.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "extension")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ExtensionId,
    /// 2 to 6 digits.
    pub digits: String,
    pub user_id: UserId,
    /// The number it is valid on; the nil id for the whole agency, for a unique key cannot hold NULL.
    pub phone_number_id: PhoneNumberId,
    /// TRUE, or NULL once deactivated: the digits can be given again.
    pub live: Option<bool>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
