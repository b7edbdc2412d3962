//! One attachment.

use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, MediaId, MediaState, MessageId};

/// One attachment.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "media")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MediaId,
    pub message_id: MessageId,
    /// Its place in the message, from 0.
    pub ordinal: i32,
    pub content_type: String,
    /// Where Twilio keeps it.
    pub source_url: String,
    pub state: MediaState,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
