//! A phone call as a whole.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::call_leg;
use crate::domain::call::CallState;
use crate::domain::ringing::NotRung;
use crate::domain::{
    AccountId, AgencyId, CallEnd, CallId, CallStage, CallStatus, CallerIdVerification, ContactId, Direction,
    ExtensionId, PhoneNumberId, ThreadId, UserId,
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "call")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CallId,
    pub phone_number_id: PhoneNumberId,
    /// `None` if the caller ID is withheld.
    pub contact_id: Option<ContactId>,
    pub thread_id: Option<ThreadId>,
    /// The extension that was dialed.
    pub extension_id: Option<ExtensionId>,
    /// The user of that extension at the time of the call, who gets the voicemail.
    pub mailbox_user_id: Option<UserId>,
    pub direction: Direction,
    pub twilio_account_id: AccountId,
    /// The CallSid; `None` until Twilio has assigned one to an outbound call.
    pub provider_sid: Option<String>,
    pub status: CallStatus,
    pub stage: CallStage,
    /// The number of TwiML documents sent to the caller. Late requests from an earlier document are ignored.
    pub step: i32,
    /// The number of wrong extensions dialed.
    pub wrong_tries: i32,
    /// The CallSid of the leg on which 1 was pressed first. That leg holds the call unless this is corrected.
    pub accepted_sid: Option<String>,
    /// The user who answered the call.
    pub answered_by_id: Option<UserId>,
    /// The user who started an outbound call.
    pub started_by_id: Option<UserId>,
    pub started_at: DateTime<Utc>,
    pub answered_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// The end of the call as reported by the carrier; `None` until it has reported one.
    pub end: Option<CallEnd>,
    /// Whether a voicemail was left.
    pub recorded: bool,
    pub duration_seconds: Option<i32>,
    /// For an outbound call that Twilio refused: Twilio's error code, or one of `domain::call_error`.
    pub error_code: Option<String>,
    /// When to ask the carrier for the status, if it has not been reported by then.
    pub look_at: Option<DateTime<Utc>>,
    /// When users were notified of the missed call.
    pub told_at: Option<DateTime<Utc>>,
    /// `None` if the carrier gave no verdict on the caller ID.
    pub caller_id_verification: Option<CallerIdVerification>,
    /// When this call caused a missed-call text; `None` if it caused none.
    pub missed_call_text_at: Option<DateTime<Utc>>,
    /// The users whose phones did not ring for an inbound call, as JSON; read with [`Model::not_rung_users`]. `None` if
    /// there are none.
    #[sea_orm(column_type = "Text", nullable)]
    pub not_rung: Option<String>,
    /// Grows with each event of the call. It is incremented where the event is appended.
    pub revision: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// A new call.
    pub fn begin(
        agency: AgencyId,
        id: CallId,
        (account, number): (AccountId, PhoneNumberId),
        direction: Direction,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            agency_id: agency,
            id,
            phone_number_id: number,
            contact_id: None,
            thread_id: None,
            extension_id: None,
            mailbox_user_id: None,
            direction,
            twilio_account_id: account,
            provider_sid: None,
            status: CallStatus::Ringing,
            stage: CallStage::Greeting,
            step: 0,
            wrong_tries: 0,
            accepted_sid: None,
            answered_by_id: None,
            started_by_id: None,
            started_at: now,
            answered_at: None,
            ended_at: None,
            end: None,
            recorded: false,
            duration_seconds: None,
            error_code: None,
            look_at: None,
            told_at: None,
            caller_id_verification: None,
            missed_call_text_at: None,
            not_rung: None,
            revision: 0,
        }
    }

    /// The call reduced to the part of `user`, for a user who may no longer see the call: without the contact, the
    /// thread, the extension and the parts of colleagues.
    #[must_use]
    pub fn part_of(&self, user: UserId) -> Self {
        let own = |part: Option<UserId>| part.filter(|id| *id == user);
        let mut not_rung = self.not_rung_users();
        not_rung.retain(|id, _| *id == user);
        Self {
            contact_id: None,
            thread_id: None,
            extension_id: None,
            mailbox_user_id: own(self.mailbox_user_id),
            provider_sid: None,
            wrong_tries: 0,
            accepted_sid: None,
            answered_by_id: own(self.answered_by_id),
            started_by_id: own(self.started_by_id),
            caller_id_verification: None,
            not_rung: stored(&not_rung),
            ..self.clone()
        }
    }

    /// The state to which events are applied. `legs` are the stored legs of this call.
    pub fn state(&self, legs: &[call_leg::Model]) -> CallState {
        CallState {
            direction: self.direction,
            sid: self.provider_sid.clone(),
            stage: self.stage,
            step: self.step,
            wrong_extensions: self.wrong_tries,
            extension: self.extension_id.zip(self.mailbox_user_id),
            accepted_sid: self.accepted_sid.clone(),
            answered_by: self.answered_by_id,
            started_by: self.started_by_id,
            started_at: self.started_at,
            answered_at: self.answered_at,
            ended_at: self.ended_at,
            end: self.end,
            has_voicemail: self.recorded,
            duration_seconds: self.duration_seconds,
            error_code: self.error_code.clone(),
            verification: self.caller_id_verification,
            legs: legs.iter().map(call_leg::Model::leg).collect(),
            not_rung: self.not_rung_users(),
        }
    }

    /// Takes over a state. Its legs are stored separately.
    pub fn set_state(&mut self, state: &CallState) {
        self.status = state.status();
        self.provider_sid.clone_from(&state.sid);
        self.stage = state.stage;
        self.step = state.step;
        self.wrong_tries = state.wrong_extensions;
        if let Some((extension, user)) = state.extension {
            self.extension_id = Some(extension);
            self.mailbox_user_id = Some(user);
        }
        self.accepted_sid.clone_from(&state.accepted_sid);
        self.answered_by_id = state.answered_by;
        self.started_by_id = state.started_by;
        self.answered_at = state.answered_at;
        self.ended_at = state.ended_at;
        self.end = state.end;
        self.recorded = state.has_voicemail;
        self.duration_seconds = state.duration_seconds;
        self.error_code.clone_from(&state.error_code);
        self.caller_id_verification = state.verification;
        self.not_rung = stored(&state.not_rung);
    }

    /// The users whose phones did not ring for an inbound call. A value that cannot be read counts as absent.
    pub fn not_rung_users(&self) -> BTreeMap<UserId, NotRung> {
        self.not_rung.as_deref().and_then(|users| serde_json::from_str(users).ok()).unwrap_or_default()
    }
}

fn stored(not_rung: &BTreeMap<UserId, NotRung>) -> Option<String> {
    if not_rung.is_empty() { None } else { serde_json::to_string(not_rung).ok() }
}
