//! An attachment of a message.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, MediaFailure, MediaId, MediaState, MessageId};

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
    /// The URL of the file at Twilio, as received; empty for a file that a user sent.
    pub source_url: String,
    pub state: MediaState,
    /// The reason why the file could not be fetched; set only if the state is FAILED.
    pub failure: Option<MediaFailure>,
    /// The hexadecimal SHA-256 of the file, which is its key in the media store; set only if the state is READY.
    pub digest: Option<String>,
    pub byte_size: Option<i32>,
    pub file_name: Option<String>,
    /// The number of attempts to fetch the file.
    pub attempts: i32,
    /// When the next attempt is due; `None` unless the state is PENDING.
    pub due_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
