//! The common part of all texts that staff send: a text is checked and queued in one transaction, under the agency's
//! lock, and a repeated request does not queue a second text.

use chrono::TimeDelta;
use sea_orm::DbErr;
use sha2::{Digest as _, Sha256};

use super::attachments::{self, Attachment};
use super::holds::stop_held;
use super::media_links::MediaLinks;
use super::outbound::{self, OutboundDraft, opt_out_state};
use super::text_limits::admit;
use super::thread_action::{Consequences, write_claim_state};
use super::{Refusal, RefusalCode, Viewer};
use crate::domain::hexadecimal::hexadecimal;
use crate::domain::opt_out::Cleared;
use crate::domain::reply::{ReplyBlock, clear_reply, reply};
use crate::domain::segments::MAX_CHARS;
use crate::domain::text_quota::TextLimits;
use crate::domain::{ActivityKind, AgencyId, ExtensionId, MessageId, PoolId, PoolPolicy, UploadId, UserId};
use crate::entity::{contact, idempotency_key, message, thread};
use crate::store::writer::{Tx, UnitError};
use crate::store::{idempotency, messages, threads};

const MAX_KEY_CHARS: usize = 128;
const HOLD_SECONDS: std::ops::RangeInclusive<i32> = 0..=10;

/// A text that is queued in a thread.
#[derive(Debug, Clone)]
pub struct Queued {
    pub message: message::Model,
    /// The thread after the text was queued.
    pub thread: thread::Model,
}

/// The content of a text.
#[derive(Debug, Clone)]
pub struct Draft {
    pub body: String,
    /// The URLs or ids of the uploads that are sent with the text.
    pub media_urls: Vec<String>,
    /// The extension as which the text is sent.
    pub extension: Option<ExtensionId>,
    /// The newest message that the sender has seen.
    pub last_seen: Option<MessageId>,
    /// The message that this one sends again.
    pub resends: Option<MessageId>,
    /// How long the text is held before it is sent, in seconds.
    pub hold_seconds: i32,
    /// Two requests with the same key queue one text.
    pub idempotency_key: String,
}

impl Draft {
    /// Checks everything that does not depend on stored data. Returns the ids of the uploads.
    pub(super) fn check(&self, links: &MediaLinks) -> Result<Vec<UploadId>, Refusal> {
        let uploads = attachments::parse(&self.media_urls, links)?;
        self.check_text(!uploads.is_empty())?;
        Ok(uploads)
    }

    /// Checks everything but the attachments. With attachments, the body may be empty.
    pub(super) fn check_text(&self, has_attachments: bool) -> Result<(), Refusal> {
        let chars = self.body.chars().count();
        if self.body.trim().is_empty() && !has_attachments {
            return Err(Refusal::invalid("A text without attachments cannot be empty.", "body"));
        }
        if chars > MAX_CHARS || self.body.contains('\0') {
            let message = format!(
                "A text can have at most {MAX_CHARS} characters and must not contain NUL; this one has {chars}."
            );
            return Err(Refusal::invalid(message, "body"));
        }
        if !HOLD_SECONDS.contains(&self.hold_seconds) {
            return Err(Refusal::invalid("A text can be held for 0 to 10 seconds.", "holdSeconds"));
        }
        let key = &self.idempotency_key;
        if key.is_empty() || key.chars().count() > MAX_KEY_CHARS || key.contains('\0') {
            let message = format!("An idempotency key must have 1 to {MAX_KEY_CHARS} characters.");
            return Err(Refusal::invalid(message, "idempotencyKey"));
        }
        Ok(())
    }
}

/// A message that the actor may see under the lock, with its thread and its actor.
pub(super) struct VisibleMessage {
    pub(super) viewer: Viewer,
    pub(super) message: message::Model,
    pub(super) thread: thread::Model,
}

impl VisibleMessage {
    /// Refused with NOT_FOUND if the message does not exist or the user may not see it.
    pub(super) async fn find(
        tx: &mut Tx<'_>,
        agency: AgencyId,
        user: UserId,
        message: MessageId,
    ) -> Result<Self, UnitError<Refusal>> {
        let directory = tx.directory(agency).await?;
        let message = messages::by_ids(tx.conn, agency, &[message]).await?.pop();
        if let (Some(viewer), Some(message)) = (Viewer::of(directory, user), message)
            && let Some(thread) = threads::visible(tx.conn, &viewer.scope(), message.thread_id).await?
        {
            return Ok(Self { viewer, message, thread });
        }
        Err(Refusal::not_found("message", "messageId").into())
    }
}

/// A request that is identified by its idempotency key.
pub(super) struct IdempotentRequest<'a> {
    pub(super) agency: AgencyId,
    pub(super) user: UserId,
    key: &'a str,
    hash: String,
}

impl<'a> IdempotentRequest<'a> {
    /// `operation` names the mutation and its object. `last_seen` is not part of the identity: it may differ when the
    /// request is repeated. Nor is the signature in the URL of an upload.
    pub(super) fn new(agency: AgencyId, user: UserId, operation: &str, draft: &'a Draft, uploads: &[UploadId]) -> Self {
        let mut hasher = Sha256::new();
        let extension = draft.extension.map(|id| id.to_string()).unwrap_or_default();
        let uploads = uploads.iter().map(UploadId::to_string);
        for part in [operation.to_owned(), draft.body.clone(), extension].into_iter().chain(uploads) {
            // The length first, so that no two different requests are hashed as the same bytes.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self { agency, user, key: &draft.idempotency_key, hash: hexadecimal(&hasher.finalize()) }
    }

    /// The text that the same request queued before. Refused with CONFLICT if the key was used for a different request.
    pub(super) async fn earlier_result(&self, tx: &Tx<'_>) -> Result<Option<Queued>, UnitError<Refusal>> {
        let Some(used) = idempotency::find(tx.conn, self.agency, self.user, self.key, tx.now).await? else {
            return Ok(None);
        };
        if used.request_hash != self.hash {
            let message = "This idempotency key was used for a different request.";
            return Err(Refusal::new(RefusalCode::Conflict, message).at("idempotencyKey").into());
        }
        let Some(message) = messages::by_ids(tx.conn, self.agency, &[used.message_id]).await?.pop() else {
            // The contact was erased since. The text must not be sent a second time.
            return Err(Refusal::not_found("text of this idempotency key", "idempotencyKey").into());
        };
        let thread = threads::by_id(tx.conn, self.agency, message.thread_id).await?;
        Ok(thread.map(|thread| Queued { message, thread }))
    }

    async fn record_result(&self, tx: &Tx<'_>, message: MessageId) -> Result<(), DbErr> {
        let row = idempotency_key::Model {
            agency_id: self.agency,
            user_id: self.user,
            key: self.key.to_owned(),
            request_hash: self.hash.clone(),
            message_id: message,
            created_at: tx.now,
        };
        idempotency::save(tx.conn, row).await
    }
}

/// Queues a text in a thread that the viewer may see, after all checks. Claims the thread if the policy requires it.
pub(super) async fn queue_in_thread(
    tx: &mut Tx<'_>,
    viewer: &Viewer,
    before: &thread::Model,
    contact: &contact::Model,
    request: &IdempotentRequest<'_>,
    (draft, attachments): (&Draft, Vec<Attachment>),
    limits: TextLimits,
) -> Result<Queued, UnitError<Refusal>> {
    let cleared = check(tx, viewer, before, contact, draft).await?;
    let Some(number) = viewer.directory.number(before.phone_number_id) else {
        return Err(UnitError::Broken("a thread belongs to a phone number that does not exist"));
    };
    let turn = admit(tx, viewer.agency(), viewer.id(), number, limits).await?;
    let directory = viewer.directory.clone();
    let policy =
        directory.pool(PoolId::from(before.phone_number_id)).map_or(PoolPolicy::FirstClaim, |pool| pool.policy);
    let claim_state = reply(&before.claim_state(), viewer.actor(), policy, tx.now).map_err(Refusal::from)?;
    let mut before = before.clone();
    stop_held(tx, &mut before, Some(viewer.id())).await?;
    let before = &before;
    let thread = match claim_state {
        None => before.clone(),
        Some(claim_state) => {
            let kind = if claim_state.assignee.is_some() { ActivityKind::Claimed } else { ActivityKind::Reopened };
            let consequences = Consequences::of(kind, claim_state.assignee);
            write_claim_state(tx, &directory, before, &claim_state, Some(viewer.id()), consequences).await?
        }
    };
    let (sender, resends) = (Some((viewer.id(), turn)), draft.resends);
    let hold = TimeDelta::seconds(draft.hold_seconds.into());
    let (body, extension) = (&*draft.body, draft.extension);
    let outbound = OutboundDraft { body, attachments, sender, extension, cleared, resends, hold };
    let queued = outbound::queue(tx, thread, outbound).await?;
    request.record_result(tx, queued.message.id).await?;
    Ok(queued)
}

async fn check(
    tx: &Tx<'_>,
    viewer: &Viewer,
    thread: &thread::Model,
    contact: &contact::Model,
    draft: &Draft,
) -> Result<Cleared, UnitError<Refusal>> {
    let number = viewer.directory.number(thread.phone_number_id);
    let is_live = number.is_some_and(|number| number.live == Some(true));
    let cleared = clear_reply(is_live, &contact.phone, opt_out_state(contact, thread));
    let cleared = cleared.map_err(|block| blocked(block, contact))?;
    if draft.extension.is_some_and(|id| !reaches(viewer, thread, id)) {
        return Err(Refusal::not_found("extension of this number", "asExtensionId").into());
    }
    if let Some(seen) = draft.last_seen {
        let seen = messages::by_ids(tx.conn, thread.agency_id, &[seen]).await?.pop();
        let not_found = || Refusal::not_found("message in this thread", "lastSeenMessageId");
        let seen = seen.filter(|seen| seen.thread_id == thread.id).ok_or_else(not_found)?;
        if let Some(newer) = messages::newest_colleague_message_after(tx.conn, &seen, viewer.id()).await? {
            let message = "A colleague has sent a message that you have not seen. Read it before you send yours.";
            let code = RefusalCode::StaleView { thread: newer.thread_id, newer: newer.id };
            return Err(Refusal::new(code, message).at("lastSeenMessageId").into());
        }
    }
    Ok(cleared)
}

/// Whether an extension is active and is the one that its digits reach on the number of the thread.
pub(super) fn reaches(viewer: &Viewer, thread: &thread::Model, id: ExtensionId) -> bool {
    let row = viewer.directory.extension(id).filter(|row| row.live == Some(true));
    let reached = row.and_then(|row| viewer.directory.extension_on(thread.phone_number_id, &row.digits));
    reached.is_some_and(|reached| reached.id == id)
}

/// The refusal of a text that no user can send. The opt-out check runs again when the text is sent.
fn blocked(block: ReplyBlock, contact: &contact::Model) -> Refusal {
    match block {
        ReplyBlock::NumberReleased => Refusal::new(RefusalCode::Invalid, "This phone number is no longer in use."),
        ReplyBlock::SenderCannotReceive => {
            Refusal::new(RefusalCode::Invalid, "This sender has no number that can be texted.")
        }
        ReplyBlock::OptedOut => {
            let code = RefusalCode::OptedOut { at: contact.opted_out_at };
            Refusal::new(code, "The contact has opted out of texts.")
        }
        ReplyBlock::CarrierBlocked => Refusal::new(
            RefusalCode::CarrierBlocked,
            "The contact texted STOP to this number. The carrier blocks texts from it until the contact texts START.",
        ),
    }
}
