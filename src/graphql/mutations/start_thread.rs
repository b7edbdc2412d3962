use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::scalars::PhoneE164;
use crate::graphql::types::user_error::UserError;
use crate::graphql::types::{Message, Thread};
use crate::service::compose::Draft;
use crate::service::start_thread::start_thread;

/// The input of `startThread`.
#[derive(InputObject)]
pub(super) struct StartThreadInput {
    /// The ID of the phone number to send from; its pool must include the viewer with SMS on, unless the viewer is an
    /// ADMIN. If absent, it is the viewer's number that last had a thread with the contact, else the number on which
    /// the viewer is primary, else that of the viewer's oldest assignment.
    phone_number_id: Option<ID>,
    /// The phone number of the recipient, in E.164.
    to: PhoneE164,
    /// The text to send: 1 to 1,600 characters. It may be empty if there are attachments.
    body: String,
    /// The attachments: the URLs (or IDs) that `POST /media` returned to the viewer in the last 24 hours, at most 10
    /// files with 5 MB together. A URL keeps identifying its file after its signature has expired. Files of types that
    /// the carrier does not send are INVALID.
    media_urls: Option<Vec<String>>,
    /// A key that the client chooses for this request: 1 to 128 characters, kept per user for 7 days. A repeated
    /// request with the same key returns the first result and sends nothing; the same key with another request is a
    /// CONFLICT.
    idempotency_key: String,
}

/// The result of `startThread`.
#[derive(SimpleObject)]
pub(super) struct StartThreadPayload {
    /// The message in its new state. Null if the mutation was rejected, or if the viewer may no longer see its thread.
    message: Option<Message>,
    /// The thread of the message. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct StartThreadMutation;

#[Object]
impl StartThreadMutation {
    /// Sends a text to a phone number. If the agency's number already has a thread with it, the text is a reply there,
    /// under the rules of `sendMessage`; otherwise the contact and the thread are created. Errors: those of
    /// `sendMessage`, and FORBIDDEN (the viewer is not in the number's pool).
    async fn start_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `startThread`.")] input: StartThreadInput,
    ) -> Result<StartThreadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let StartThreadInput { phone_number_id, to, body, media_urls, idempotency_key } = input;
        let number = phone_number_id.map(|id| ids::parse_input(&id, "active number", "phoneNumberId")).transpose();
        let media_urls = media_urls.unwrap_or_default();
        let draft = Draft {
            body,
            media_urls,
            extension: None,
            last_seen: None,
            resends: None,
            hold_seconds: 0,
            idempotency_key,
        };
        let outcome = match number {
            Ok(number) => start_thread(mutation.services(), mutation.viewer(), to.0, number, draft).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (message, thread, user_errors) = mutation.message(outcome).await?;
        Ok(StartThreadPayload { message, thread, user_errors })
    }
}
