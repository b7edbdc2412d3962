//! All messages between one phone number and one contact, for ever.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::claim::Tenure;
use crate::domain::{AgencyId, ContactId, ExtensionId, MessageId, PhoneNumberId, ThreadId, ThreadStatus, UserId};

/// All messages between one phone number and one contact, for ever.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "thread")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ThreadId,
    pub phone_number_id: PhoneNumberId,
    pub contact_id: ContactId,
    pub status: ThreadStatus,
    /// Set exactly while CLAIMED.
    pub assignee_id: Option<UserId>,
    pub claimed_at: Option<DateTime<Utc>>,
    /// Who held it when it was last closed.
    pub last_assignee_id: Option<UserId>,
    pub closed_at: Option<DateTime<Utc>>,
    /// The extension that the thread is spoken as.
    pub extension_id: Option<ExtensionId>,
    /// When the pool is told of a text that only an extension's user knows of.
    pub escalate_at: Option<DateTime<Utc>>,
    pub last_message_id: Option<MessageId>,
    /// Since when the carrier refuses texts from this number to this contact (error 21610).
    pub blocked_at: Option<DateTime<Utc>>,
    /// The last inbound message that sounds like a request to stop; NULL after a person has settled it.
    pub opt_out_hint_id: Option<MessageId>,
    /// The inbox is ordered by it.
    pub last_activity_at: DateTime<Utc>,
    /// How many inbound messages there are; read marks count against it.
    pub inbound_count: i32,
    /// `inbound_count` as it was at the last outbound message.
    pub answered_count: i32,
    pub created_at: DateTime<Utc>,
    /// Whether the user who started the thread, by typing a phone, could not see the contact who has it. Until the
    /// contact texts or calls the number, this thread shows members nothing of the contact but the phone.
    pub started_blind: bool,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// A thread that has just begun.
    pub fn begin(
        agency: AgencyId,
        id: ThreadId,
        number: PhoneNumberId,
        contact: ContactId,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            agency_id: agency,
            id,
            phone_number_id: number,
            contact_id: contact,
            status: ThreadStatus::Unclaimed,
            assignee_id: None,
            claimed_at: None,
            last_assignee_id: None,
            closed_at: None,
            extension_id: None,
            escalate_at: None,
            last_message_id: None,
            blocked_at: None,
            opt_out_hint_id: None,
            last_activity_at: now,
            inbound_count: 0,
            answered_count: 0,
            created_at: now,
            started_blind: false,
        }
    }

    /// Whether the thread shows everybody who may see it its contact too. If not, `store::contacts` decides for each
    /// viewer.
    pub fn shows_contact(&self) -> bool {
        !self.started_blind || self.inbound_count > 0
    }

    /// Who holds it.
    pub fn tenure(&self) -> Tenure {
        Tenure {
            status: self.status,
            assignee: self.assignee_id,
            claimed_at: self.claimed_at,
            last_assignee: self.last_assignee_id,
            closed_at: self.closed_at,
        }
    }

    /// Sets who holds it.
    pub fn set_tenure(&mut self, tenure: &Tenure) {
        self.status = tenure.status;
        self.assignee_id = tenure.assignee;
        self.claimed_at = tenure.claimed_at;
        self.last_assignee_id = tenure.last_assignee;
        self.closed_at = tenure.closed_at;
    }
}
