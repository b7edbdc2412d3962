use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::user_error::UserError;
use crate::graphql::types::{Message, Thread};
use crate::service::Refusal;
use crate::service::compose::Draft;
use crate::service::send_message::send_message;

/// The input of `sendMessage`.
#[derive(InputObject)]
pub(super) struct SendMessageInput {
    /// The ID of the thread to reply in.
    thread_id: ID,
    /// The text to send: 1 to 1,600 characters. It may be empty if there are attachments.
    body: String,
    /// The attachments: the URLs (or IDs) that `POST /media` returned to the viewer in the last 24 hours, at most 10
    /// files with 5 MB together. A URL keeps identifying its file after its signature has expired. Files of types that
    /// the carrier does not send are INVALID.
    media_urls: Option<Vec<String>>,
    /// The ID of the extension as which the text is sent. Later texts of the thread are routed to this extension's
    /// user. Default: none; the thread keeps its extension.
    as_extension_id: Option<ID>,
    /// The ID of the newest message in the thread that the viewer has seen. If another user has sent a message after
    /// it, nothing is sent and the error is a `StaleViewError`. If absent, there is no such check.
    last_seen_message_id: Option<ID>,
    /// A key that the client chooses for this request: 1 to 128 characters, kept per user for 7 days. A repeated
    /// request with the same key returns the first result and sends nothing; the same key with another request is a
    /// CONFLICT.
    idempotency_key: String,
    /// The number of seconds for which the text is held before it is sent, 0 to 10. Until then the text can be canceled
    /// with `cancelMessage`, and a text from the contact or another user stops it. Default: 0.
    hold_seconds: Option<i32>,
}

impl SendMessageInput {
    fn draft(self) -> std::result::Result<Draft, Refusal> {
        let extension = self.as_extension_id.map(|id| ids::parse_input(&id, "extension", "asExtensionId"));
        let last_seen = self.last_seen_message_id.map(|id| ids::parse_input(&id, "message", "lastSeenMessageId"));
        Ok(Draft {
            body: self.body,
            media_urls: self.media_urls.unwrap_or_default(),
            extension: extension.transpose()?,
            last_seen: last_seen.transpose()?,
            resends: None,
            hold_seconds: self.hold_seconds.unwrap_or(0),
            idempotency_key: self.idempotency_key,
        })
    }
}

/// The result of `sendMessage`.
#[derive(SimpleObject)]
pub(super) struct SendMessagePayload {
    /// The message in its new state. Null if the mutation was rejected, or if the viewer may no longer see its thread.
    message: Option<Message>,
    /// The thread of the message. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct SendMessageMutation;

#[Object]
impl SendMessageMutation {
    /// Sends a text in a thread. The message is durable and QUEUED when the mutation returns, and is sent afterwards.
    /// If the thread has no assignee, the reply claims it unless the pool's policy is SHARED. Errors: NOT_FOUND,
    /// INVALID, NOT_ASSIGNEE (another user holds the thread), OPTED_OUT, CARRIER_BLOCKED, LIMIT_EXCEEDED, STALE_VIEW,
    /// CONFLICT (the idempotency key was used for another request).
    async fn send_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `sendMessage`.")] input: SendMessageInput,
    ) -> Result<SendMessagePayload> {
        let mutation = MutationContext::new(ctx).await?;
        let thread = ids::parse_input(&input.thread_id, "thread", "threadId");
        let outcome = match thread.and_then(|thread| Ok((thread, input.draft()?))) {
            Ok((thread, draft)) => send_message(mutation.services(), mutation.viewer(), thread, draft).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (message, thread, user_errors) = mutation.message(outcome).await?;
        Ok(SendMessagePayload { message, thread, user_errors })
    }
}
