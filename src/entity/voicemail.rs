//! A voicemail of a call.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AccountId, AgencyId, CallId, MediaState, UserId, VoicemailFailure, VoicemailId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "voicemail")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: VoicemailId,
    pub call_id: CallId,
    pub twilio_account_id: AccountId,
    /// Twilio's RecordingSid.
    pub recording_sid: String,
    /// When the carrier reported that the recording is too short or silent. Such a row is not a voicemail and is never
    /// shown; it prevents later reports of the same recording from creating one.
    pub absent_at: Option<DateTime<Utc>>,
    pub state: MediaState,
    /// The reason why the recording could not be fetched; set only if the state is FAILED.
    pub failure: Option<VoicemailFailure>,
    /// The hexadecimal SHA-256 of the recording, which is its key in the media store; `None` until READY.
    pub digest: Option<String>,
    pub content_type: Option<String>,
    /// The number of attempts to fetch the recording.
    pub attempts: i32,
    /// When the next attempt is due.
    pub due_at: DateTime<Utc>,
    pub duration_seconds: i32,
    #[sea_orm(column_type = "Text")]
    pub transcript: Option<String>,
    pub listened_at: Option<DateTime<Utc>>,
    pub listened_by_id: Option<UserId>,
    /// When a user took care of the voicemail.
    pub handled_at: Option<DateTime<Utc>>,
    pub handled_by_id: Option<UserId>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
