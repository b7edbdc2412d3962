//! A thread: all messages and calls between one phone number and one contact. There is only one per pair, permanently.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::claim::ClaimState;
use crate::domain::{AgencyId, ContactId, ExtensionId, MessageId, PhoneNumberId, ThreadId, ThreadStatus, UserId};

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
    /// Set exactly while the status is CLAIMED.
    pub assignee_id: Option<UserId>,
    pub claimed_at: Option<DateTime<Utc>>,
    /// The assignee when the thread was last closed.
    pub last_assignee_id: Option<UserId>,
    pub closed_at: Option<DateTime<Utc>>,
    /// The extension that the thread's messages are routed to and sent as.
    pub extension_id: Option<ExtensionId>,
    /// When to alert the pool of a text that has so far alerted only the extension's user.
    pub escalate_at: Option<DateTime<Utc>>,
    pub last_message_id: Option<MessageId>,
    /// The latest time until which a text of this thread is or was held.
    pub held_until: Option<DateTime<Utc>>,
    /// When the carrier began to refuse texts from this number to this contact (error 21610); `None` if it does not.
    pub blocked_at: Option<DateTime<Utc>>,
    /// The last inbound message that sounds like a request to stop; `None` after a user has decided on it.
    pub opt_out_hint_id: Option<MessageId>,
    /// The time of the last message.
    pub last_message_at: Option<DateTime<Utc>>,
    /// The time of the last message or call: the sort key of the inbox.
    pub last_activity_at: DateTime<Utc>,
    /// The number of inbound messages. Read marks are compared with it.
    pub inbound_count: i32,
    /// `inbound_count` at the time of the last outbound message.
    pub answered_count: i32,
    /// The time of the first inbound message after the last outbound message of a user. Closing the thread keeps it,
    /// and the inbound message that reopens the thread sets it again.
    pub waiting_since: Option<DateTime<Utc>>,
    /// Grows with each event of the thread. It is incremented where the event is appended.
    pub revision: i32,
    pub created_at: DateTime<Utc>,
    /// Whether the user who started the thread by entering a phone could not see the contact with that phone. Until the
    /// contact texts or calls the number, the thread shows members only the contact's phone.
    pub started_blind: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// A new thread.
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
            held_until: None,
            blocked_at: None,
            opt_out_hint_id: None,
            last_message_at: None,
            last_activity_at: now,
            inbound_count: 0,
            answered_count: 0,
            waiting_since: None,
            revision: 0,
            created_at: now,
            started_blind: false,
        }
    }

    /// Whether every user who may see the thread may also see its contact. If not, `store::contacts` decides for each
    /// viewer.
    pub fn shows_contact(&self) -> bool {
        !self.started_blind || self.inbound_count > 0
    }

    /// Whether a contact waits for a reply in an open thread.
    pub fn needs_reply(&self) -> bool {
        self.inbound_count > self.answered_count && self.status != ThreadStatus::Closed
    }

    /// Counts an inbound message that arrived at `at`. `reopens` tells whether it reopens the thread. An imported message
    /// may be older than others of the thread, and then it does not change the order of the thread.
    pub fn record_inbound_message(&mut self, id: MessageId, reopens: bool, at: DateTime<Utc>) {
        let waits = !reopens && self.inbound_count != self.answered_count;
        let since = self.waiting_since.filter(|_| waits);
        self.waiting_since = Some(since.map_or(at, |since| since.min(at)));
        self.inbound_count += 1;
        self.record_message(id, at);
        self.last_activity_at = self.last_activity_at.max(at);
    }

    /// Sets the last message, unless a newer one is known.
    pub fn record_message(&mut self, id: MessageId, at: DateTime<Utc>) {
        if self.last_message_at.is_none_or(|last| last <= at) {
            self.last_message_id = Some(id);
            self.last_message_at = Some(at);
        }
    }

    pub fn claim_state(&self) -> ClaimState {
        ClaimState {
            status: self.status,
            assignee: self.assignee_id,
            claimed_at: self.claimed_at,
            last_assignee: self.last_assignee_id,
            closed_at: self.closed_at,
        }
    }

    pub fn set_claim_state(&mut self, claim_state: &ClaimState) {
        self.status = claim_state.status;
        self.assignee_id = claim_state.assignee;
        self.claimed_at = claim_state.claimed_at;
        self.last_assignee_id = claim_state.last_assignee;
        self.closed_at = claim_state.closed_at;
    }
}
