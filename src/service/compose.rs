//! What every text of a member of the staff has in common: it is checked and queued in one
//! transaction, under the agency's lock, and the same request twice is one text.

use sea_orm::DbErr;
use sha2::{Digest as _, Sha256};

use super::text_limits::admit;
use super::thread_act::{Record, refusal_of, settle};
use super::{Refusal, RefusalCode, Viewer};
use crate::domain::address::can_be_texted;
use crate::domain::opt_out::{Barred, Wishes, gate};
use crate::domain::reply::reply;
use crate::domain::segments::{MAX_CHARS, segments};
use crate::domain::text_quota::TextLimits;
use crate::domain::turns;
use crate::domain::{
    ActivityKind, AgencyId, Direction, ExtensionId, MessageId, MessageStatus, OutboxState, PoolId, PoolPolicy, Purpose,
    UserId,
};
use crate::entity::{contact, idempotency_key, message, outbox, thread};
use crate::store::writer::Tx;
use crate::store::{idempotency, message_writes, messages, outbox as outbox_store, thread_writes, threads};

/// The longest idempotency key, in characters.
const MAX_KEY_CHARS: usize = 128;

/// A text that stands in a thread and waits to be sent.
#[derive(Debug, Clone)]
pub struct Queued {
    /// The text.
    pub message: message::Model,
    /// Its thread afterwards.
    pub thread: thread::Model,
}

/// What is to be said.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The text.
    pub body: String,
    /// Addresses of pictures to go with it.
    pub media_urls: Vec<String>,
    /// The extension as which it is said.
    pub extension: Option<ExtensionId>,
    /// The newest message that its writer has seen.
    pub last_seen: Option<MessageId>,
    /// The writer's name for the request: the same twice is one text.
    pub idempotency_key: String,
}

impl Draft {
    /// What is wrong with it by itself.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let chars = self.body.chars().count();
        if self.body.trim().is_empty() {
            return Err(Refusal::invalid("A text cannot be empty.", "body"));
        }
        if chars > MAX_CHARS || self.body.contains('\0') {
            let message = format!("A text has at most {MAX_CHARS} characters, none of them NUL; this one has {chars}.");
            return Err(Refusal::invalid(message, "body"));
        }
        if !self.media_urls.is_empty() {
            return Err(Refusal::invalid("Pictures cannot be sent yet.", "mediaUrls"));
        }
        let key = &self.idempotency_key;
        if key.is_empty() || key.chars().count() > MAX_KEY_CHARS || key.contains('\0') {
            let message = format!("A key has 1 to {MAX_KEY_CHARS} characters.");
            return Err(Refusal::invalid(message, "idempotencyKey"));
        }
        Ok(())
    }
}

/// A message as its actor may see it under the lock, with its thread and with who acts.
pub(super) struct Seen {
    pub(super) viewer: Viewer,
    pub(super) message: message::Model,
    pub(super) thread: thread::Model,
}

impl Seen {
    /// `Err` is NOT_FOUND: there is no such message, or not for this user.
    pub(super) async fn find(
        tx: &mut Tx<'_>,
        agency: AgencyId,
        user: UserId,
        message: MessageId,
    ) -> Result<Result<Self, Refusal>, DbErr> {
        let directory = tx.directory(agency).await?;
        let message = messages::by_ids(tx.conn, agency, &[message]).await?.pop();
        if let (Some(viewer), Some(message)) = (Viewer::of(directory, user), message)
            && let Some(thread) = threads::visible(tx.conn, &viewer.scope(), message.thread_id).await?
        {
            return Ok(Ok(Self { viewer, message, thread }));
        }
        Ok(Err(Refusal::not_found("message", "messageId")))
    }
}

/// A request as its idempotency key knows it.
pub(super) struct Request<'a> {
    pub(super) agency: AgencyId,
    pub(super) user: UserId,
    key: &'a str,
    hash: String,
}

impl<'a> Request<'a> {
    /// `what` is the mutation and whom it concerns. What the writer had seen is no part of what they
    /// said, and may differ when they repeat it.
    pub(super) fn new(agency: AgencyId, user: UserId, what: &str, draft: &'a Draft) -> Self {
        let mut hasher = Sha256::new();
        let extension = draft.extension.map(|id| id.to_string()).unwrap_or_default();
        for part in [what, &draft.body, &extension] {
            // The length first, so that no two requests run together to the same text.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let hash = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { agency, user, key: &draft.idempotency_key, hash }
    }

    /// What the same request made when it came first.
    pub(super) async fn repeated(&self, tx: &Tx<'_>) -> Result<Option<Result<Queued, Refusal>>, DbErr> {
        let Some(used) = idempotency::used(tx.conn, self.agency, self.user, self.key, tx.now).await? else {
            return Ok(None);
        };
        if used.request_hash != self.hash {
            let message = "This key was used for another request.";
            return Ok(Some(Err(Refusal::new(RefusalCode::Conflict, message).at("idempotencyKey"))));
        }
        let Some(message) = messages::by_ids(tx.conn, self.agency, &[used.message_id]).await?.pop() else {
            return Ok(None);
        };
        let thread = threads::by_id(tx.conn, self.agency, message.thread_id).await?;
        Ok(thread.map(|thread| Ok(Queued { message, thread })))
    }

    async fn note(&self, tx: &Tx<'_>, message: MessageId) -> Result<(), DbErr> {
        let row = idempotency_key::Model {
            agency_id: self.agency,
            user_id: self.user,
            key: self.key.to_owned(),
            request_hash: self.hash.clone(),
            message_id: message,
            created_at: tx.now,
        };
        idempotency::note(tx.conn, row).await
    }
}

/// Says something in a thread that the viewer may see: every rule is checked, the thread claimed if
/// need be, the text stored and queued.
pub(super) async fn say(
    tx: &mut Tx<'_>,
    viewer: &Viewer,
    before: &thread::Model,
    contact: &contact::Model,
    request: &Request<'_>,
    draft: &Draft,
    limits: TextLimits,
) -> Result<Result<Queued, Refusal>, DbErr> {
    if let Err(refusal) = check(tx, viewer, before, contact, draft).await? {
        return Ok(Err(refusal));
    }
    let Some(number) = viewer.directory.number(before.phone_number_id) else {
        return Err(DbErr::Custom("a thread of a number that is not there".to_owned()));
    };
    let turn = match admit(tx, viewer.agency(), viewer.id(), number, limits).await? {
        Ok(turn) => turn,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let directory = viewer.directory.clone();
    let policy =
        directory.pool(PoolId::from(before.phone_number_id)).map_or(PoolPolicy::FirstClaim, |pool| pool.policy);
    let thread = match reply(&before.tenure(), viewer.actor(), policy, tx.now) {
        Err(refused) => return Ok(Err(refusal_of(refused))),
        Ok(None) => before.clone(),
        Ok(Some(tenure)) => {
            let kind = if tenure.assignee.is_some() { ActivityKind::Claimed } else { ActivityKind::Reopened };
            let record = Record { kind, to_user: tenure.assignee, note: None, told: Vec::new() };
            settle(tx, &directory, before, &tenure, Some(viewer.id()), record).await?
        }
    };
    let outgoing = Outgoing {
        body: &draft.body,
        from: Some((viewer.id(), turn)),
        extension: draft.extension,
        purpose: Purpose::Conversation,
    };
    let queued = queue(tx, thread, outgoing).await?;
    request.note(tx, queued.message.id).await?;
    Ok(Ok(queued))
}

async fn check(
    tx: &Tx<'_>,
    viewer: &Viewer,
    thread: &thread::Model,
    contact: &contact::Model,
    draft: &Draft,
) -> Result<Result<(), Refusal>, DbErr> {
    let number = viewer.directory.number(thread.phone_number_id);
    if number.is_none_or(|number| number.live != Some(true)) {
        return Ok(Err(Refusal::new(RefusalCode::Invalid, "This number is not in use any more.")));
    }
    if !can_be_texted(&contact.phone) {
        return Ok(Err(Refusal::new(RefusalCode::Invalid, "This sender has no number that can be texted.")));
    }
    if let Err(refusal) = may_text(contact, thread) {
        return Ok(Err(refusal));
    }
    if let Some(id) = draft.extension {
        let row = viewer.directory.extension(id).filter(|row| row.live == Some(true));
        let reaches = row.and_then(|row| viewer.directory.extension_on(thread.phone_number_id, &row.digits));
        if reaches.is_none_or(|reached| reached.id != id) {
            return Ok(Err(Refusal::not_found("extension of this number", "asExtensionId")));
        }
    }
    if let Some(seen) = draft.last_seen {
        let seen = messages::by_ids(tx.conn, thread.agency_id, &[seen]).await?.pop();
        let Some(seen) = seen.filter(|seen| seen.thread_id == thread.id) else {
            return Ok(Err(Refusal::not_found("message in this thread", "lastSeenMessageId")));
        };
        if let Some(newer) = messages::newer_of_colleague(tx.conn, &seen, viewer.id()).await? {
            let message = "A colleague has written since; read it before you send yours.";
            let code = RefusalCode::StaleView { thread: newer.thread_id, newer: newer.id };
            return Ok(Err(Refusal::new(code, message).at("lastSeenMessageId")));
        }
    }
    Ok(Ok(()))
}

/// The gate, as it stands when a text is queued; it is asked again when the text leaves.
fn may_text(contact: &contact::Model, thread: &thread::Model) -> Result<(), Refusal> {
    let message = match gate(Purpose::Conversation, wishes(contact, thread)) {
        Ok(()) => return Ok(()),
        Err(Barred::OptedOut) => "The contact does not want texts.",
        Err(Barred::Blocked) => {
            "The contact texted STOP to this number. The carrier blocks texts from it until the contact texts START."
        }
    };
    Err(Refusal::new(RefusalCode::OptedOut, message))
}

/// What is known of a contact's wishes on the number of a thread.
pub(super) fn wishes(contact: &contact::Model, thread: &thread::Model) -> Wishes {
    Wishes { opted_out: contact.opted_out_at.is_some(), blocked: thread.blocked_at.is_some() }
}

/// A text that is put into a thread and the outbox.
pub(super) struct Outgoing<'a> {
    pub(super) body: &'a str,
    /// Its sender and their turn in the number's queue; `None` for an automatic text.
    pub(super) from: Option<(UserId, i64)>,
    pub(super) extension: Option<ExtensionId>,
    pub(super) purpose: Purpose,
}

/// Stores a text and queues it. Whether it may be sent has been asked, and is asked again when it leaves.
pub(super) async fn queue(tx: &mut Tx<'_>, mut thread: thread::Model, outgoing: Outgoing<'_>) -> Result<Queued, DbErr> {
    let directory = tx.directory(thread.agency_id).await?;
    let Some(number) = directory.number(thread.phone_number_id) else {
        return Err(DbErr::Custom("a thread of a number that is not there".to_owned()));
    };
    let Outgoing { body, from, extension, purpose } = outgoing;
    let (sender, turn) = from.map_or((None, turns::AUTOMATIC), |(sender, turn)| (Some(sender), turn));
    let message = message::Model {
        agency_id: thread.agency_id,
        id: MessageId(tx.new_id()),
        thread_id: thread.id,
        direction: Direction::Outbound,
        body: body.to_owned(),
        status: MessageStatus::Queued,
        sender_id: sender,
        extension_id: extension,
        twilio_account_id: number.twilio_account_id,
        provider_sid: None,
        routed_by: None,
        error_code: None,
        segments: i32::try_from(segments(body)).ok(),
        flagged_at: None,
        created_at: tx.now,
    };
    message_writes::add(tx.conn, message.clone()).await?;
    thread.last_message_id = Some(message.id);
    thread.last_activity_at = tx.now;
    thread.extension_id = extension.or(thread.extension_id);
    if sender.is_some() {
        thread.answered_count = thread.inbound_count;
    }
    thread_writes::spoken(tx.conn, &thread).await?;
    if let Some(sender) = sender {
        // Who answers has read.
        thread_writes::mark_read(tx.conn, &thread, sender, tx.now).await?;
    }
    let row = outbox::Model {
        agency_id: thread.agency_id,
        message_id: message.id,
        thread_id: thread.id,
        phone_number_id: thread.phone_number_id,
        purpose,
        sender_id: sender,
        turn,
        state: OutboxState::Queued,
        attempts: 0,
        due_at: tx.now,
        attempted_at: None,
    };
    if sender.is_some() {
        outbox_store::promote_automatic(tx.conn, row.agency_id, row.thread_id, turn).await?;
    }
    tx.put_into_outbox(row).await?;
    tx.message_changed(&message, Vec::new())?;
    Ok(Queued { message, thread })
}
