//! An attachment of a message.

use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, MediaId, MediaState, MessageId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "media")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MediaId,
    pub message_id: MessageId,
    /// The position in the message, from 0.
    pub ordinal: i32,
    pub content_type: String,
    /// The URL of the file at Twilio.
    pub source_url: String,
    pub state: MediaState,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
