//! Queues an outbound text: the only place that makes the rows of one, whether staff wrote it or Partyline sends it
//! automatically.

use chrono::{DateTime, TimeDelta, Utc};

use super::attachments::{self, Attachment};
use super::compose::Queued;
use crate::domain::opt_out::{Cleared, OptOutState};
use crate::domain::segments::segments;
use crate::domain::{AccountId, Direction, ExtensionId, MessageId, MessageStatus, OutboxState, UserId, turns};
use crate::entity::{contact, message, outbox, thread};
use crate::store::writer::{Tx, UnitError};
use crate::store::{drafts, files, message_writes, outbox as outbox_store, thread_writes};

/// A text that has passed the gate.
pub(super) struct OutboundDraft<'a> {
    pub(super) body: &'a str,
    pub(super) attachments: Vec<Attachment>,
    /// The user who wrote it, and the user's turn in the number's queue. `None` for an automatic text.
    pub(super) sender: Option<(UserId, i64)>,
    pub(super) extension: Option<ExtensionId>,
    pub(super) cleared: Cleared,
    /// The message that this one sends again.
    pub(super) resends: Option<MessageId>,
    /// How long the text is held before it is sent.
    pub(super) hold: TimeDelta,
}

/// The rows of a text that is queued in a thread.
pub(super) fn rows(
    id: MessageId,
    thread: &thread::Model,
    account: AccountId,
    draft: &OutboundDraft<'_>,
    now: DateTime<Utc>,
) -> (message::Model, outbox::Model) {
    let due_at = now + draft.hold;
    // The carrier sends and charges a text with files as one message.
    let segments = if draft.attachments.is_empty() { segments(draft.body) } else { 1 };
    let (sender, turn) = draft.sender.map_or((None, turns::AUTOMATIC), |(sender, turn)| (Some(sender), turn));
    let message = message::Model {
        agency_id: thread.agency_id,
        id,
        thread_id: thread.id,
        direction: Direction::Outbound,
        body: draft.body.to_owned(),
        status: MessageStatus::Queued,
        sender_id: sender,
        extension_id: draft.extension,
        twilio_account_id: account,
        provider_sid: None,
        routed_by: None,
        pool_muted: false,
        error_code: None,
        segments: i32::try_from(segments).ok(),
        flagged_at: None,
        sends_at: (due_at > now).then_some(due_at),
        resends_id: draft.resends,
        resent_as_id: None,
        created_at: now,
    };
    let row = outbox::Model {
        agency_id: thread.agency_id,
        message_id: id,
        thread_id: thread.id,
        phone_number_id: thread.phone_number_id,
        purpose: draft.cleared.purpose(),
        sender_id: sender,
        turn,
        state: OutboxState::Queued,
        attempts: 0,
        due_at,
        attempted_at: None,
    };
    (message, row)
}

/// Stores a text in a thread and queues it. The gate is checked again when the text is sent.
pub(super) async fn queue(
    tx: &mut Tx<'_>,
    mut thread: thread::Model,
    draft: OutboundDraft<'_>,
) -> Result<Queued, UnitError> {
    let directory = tx.directory(thread.agency_id).await?;
    let Some(number) = directory.number(thread.phone_number_id) else {
        return Err(UnitError::Broken("a thread belongs to a phone number that does not exist"));
    };
    let (message, row) = rows(MessageId(tx.new_id()), &thread, number.twilio_account_id, &draft, tx.now);
    message_writes::add(tx.conn, message.clone()).await?;
    if !draft.attachments.is_empty() {
        let attachments = attachments::rows(tx, &message, draft.attachments);
        files::add_attachments(tx.conn, attachments).await?;
    }
    thread.record_message(message.id, tx.now);
    thread.last_activity_at = tx.now;
    thread.extension_id = draft.extension.or(thread.extension_id);
    if draft.sender.is_some() {
        thread.answered_count = thread.inbound_count;
        thread.waiting_since = None;
        thread.held_until = thread.held_until.max(message.sends_at);
    }
    thread_writes::record_outbound_message(tx.conn, &thread).await?;
    if let Some((sender, turn)) = draft.sender {
        // A user who answers has read the thread.
        thread_writes::mark_read(tx.conn, &thread, sender, tx.now).await?;
        tx.thread_read(&thread, sender)?;
        // A text that is sent again was not the draft.
        if draft.resends.is_none() && drafts::delete(tx.conn, thread.agency_id, sender, thread.id).await? {
            tx.draft_changed(&thread, sender)?;
        }
        outbox_store::promote_automatic(tx.conn, row.agency_id, row.thread_id, turn).await?;
    }
    tx.enqueue(vec![row]).await?;
    tx.message_queued(&mut thread, &message)?;
    Ok(Queued { message, thread })
}

/// The opt-out state that applies to texts from the number of a thread to its contact.
pub(super) fn opt_out_state(contact: &contact::Model, thread: &thread::Model) -> OptOutState {
    OptOutState { opted_out: contact.opted_out_at.is_some(), blocked: thread.blocked_at.is_some() }
}
