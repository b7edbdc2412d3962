//! What a caller said to nobody.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AccountId, AgencyId, CallId, MediaState, UserId, VoicemailFailure, VoicemailId};

/// What a caller said to nobody.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "voicemail")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: VoicemailId,
    pub call_id: CallId,
    pub twilio_account_id: AccountId,
    /// Twilio's name for the recording.
    pub recording_sid: String,
    /// The time at which the carrier reported that the recording is too short or silent. Such a row is not a voicemail and
    /// is never shown; it keeps later reports of the same recording from creating one.
    pub absent_at: Option<DateTime<Utc>>,
    pub state: MediaState,
    /// Why the recording could not be fetched, once it is FAILED.
    pub failure: Option<VoicemailFailure>,
    /// The SHA-256 of the recording in hexadecimal, by which the media store knows it; `None` until READY.
    pub digest: Option<String>,
    pub content_type: Option<String>,
    /// How often it was tried to fetch it.
    pub attempts: i32,
    /// When to try again.
    pub due_at: DateTime<Utc>,
    pub duration_seconds: i32,
    #[sea_orm(column_type = "Text")]
    pub transcript: Option<String>,
    pub listened_at: Option<DateTime<Utc>>,
    pub listened_by_id: Option<UserId>,
    pub created_at: DateTime<Utc>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
