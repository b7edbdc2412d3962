use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::MessagePayload;
use crate::service::Refusal;
use crate::service::compose::Draft;
use crate::service::send_message::send_message;

/// A reply.
#[derive(InputObject)]
pub(super) struct SendMessageInput {
    /// Where.
    thread_id: ID,
    /// What, in at most 1,600 characters.
    body: String,
    /// Pictures; none can be sent yet.
    media_urls: Option<Vec<String>>,
    /// The extension as which it is said; the thread is that extension's from then on.
    as_extension_id: Option<ID>,
    /// The newest message that the viewer has seen. If a colleague has written since, nothing is sent.
    last_seen_message_id: Option<ID>,
    /// The client's own name for this request, kept for 7 days: the same twice is one text.
    idempotency_key: String,
}

impl SendMessageInput {
    fn draft(self) -> std::result::Result<Draft, Refusal> {
        let extension = self.as_extension_id.map(|id| ids::named(&id, "extension", "asExtensionId"));
        let last_seen = self.last_seen_message_id.map(|id| ids::named(&id, "message", "lastSeenMessageId"));
        Ok(Draft {
            body: self.body,
            media_urls: self.media_urls.unwrap_or_default(),
            extension: extension.transpose()?,
            last_seen: last_seen.transpose()?,
            idempotency_key: self.idempotency_key,
        })
    }
}

#[derive(Default)]
pub(super) struct SendMessageMutation;

#[Object]
impl SendMessageMutation {
    /// Replies in a thread. The text is durable and QUEUED when this answers, and sent afterwards. Where
    /// nobody holds the thread, the reply claims it as the pool's policy says; into a colleague's thread
    /// it is refused as NOT_ASSIGNEE, on a stale view as a `StaleViewError`.
    async fn send_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The reply.")] input: SendMessageInput,
    ) -> Result<MessagePayload> {
        let act = Act::begin(ctx).await?;
        let thread = ids::named(&input.thread_id, "thread", "threadId");
        let outcome = match thread.and_then(|thread| Ok((thread, input.draft()?))) {
            Ok((thread, draft)) => send_message(act.services(), act.viewer(), thread, draft).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        act.message(outcome).await
    }
}
