//! One telephone call: what is known of it as a whole.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::call::Facts;
use crate::domain::{
    AccountId, AgencyId, CallEnd, CallId, CallStage, CallStatus, CallerIdVerification, ContactId, Direction,
    ExtensionId, PhoneNumberId, ThreadId, UserId,
};

/// One telephone call: what is known of it as a whole.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "call")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CallId,
    pub phone_number_id: PhoneNumberId,
    /// `None` for a caller who hides who they are.
    pub contact_id: Option<ContactId>,
    pub thread_id: Option<ThreadId>,
    /// The extension that was dialled.
    pub extension_id: Option<ExtensionId>,
    /// Whom that extension reached then: theirs is the voicemail.
    pub mailbox_user_id: Option<UserId>,
    pub direction: Direction,
    pub twilio_account_id: AccountId,
    /// Twilio's name for it; `None` until an outbound call has one.
    pub provider_sid: Option<String>,
    pub status: CallStatus,
    pub stage: CallStage,
    /// How many documents have told the caller what to do: what comes late from an earlier one does not count.
    pub step: i32,
    /// How many extensions were dialled that there are not.
    pub wrong_tries: i32,
    /// Twilio's name for the leg on which 1 was pressed first: the claim, until it is corrected.
    pub accepted_sid: Option<String>,
    /// Who has the call, or had it.
    pub answered_by_id: Option<UserId>,
    /// Who called, of the staff.
    pub started_by_id: Option<UserId>,
    pub started_at: DateTime<Utc>,
    pub answered_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended, as far as the carrier has said.
    pub end: Option<CallEnd>,
    /// Whether a voicemail was left.
    pub recorded: bool,
    pub duration_seconds: Option<i32>,
    /// Why Twilio refused the call, of outbound ones: its code, or `domain::call_error`'s.
    pub error_code: Option<String>,
    /// When to look what became of it, if nobody says so before.
    pub look_at: Option<DateTime<Utc>>,
    /// When somebody was told that it was missed.
    pub told_at: Option<DateTime<Utc>>,
    /// The carrier's verdict on the caller ID; `None` if it gave none.
    pub caller_id_verification: Option<CallerIdVerification>,
    /// The time at which this call caused a missed-call text; `None` if it caused none.
    pub missed_call_text_at: Option<DateTime<Utc>>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// A call that has just begun.
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
        }
    }

    /// The own part of a user who may no longer see the call: without the contact, the thread, the extension, and the
    /// parts of colleagues.
    #[must_use]
    pub fn part_of(&self, user: UserId) -> Self {
        let own = |part: Option<UserId>| part.filter(|id| *id == user);
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
            ..self.clone()
        }
    }

    /// What is known of it.
    pub fn facts(&self) -> Facts {
        Facts {
            direction: self.direction,
            stage: self.stage,
            answered: self.answered_at.is_some(),
            voicemail: self.recorded,
            end: self.end,
        }
    }
}
