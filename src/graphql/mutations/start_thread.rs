use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::scalars::PhoneE164;
use crate::graphql::types::MessagePayload;
use crate::service::compose::Draft;
use crate::service::start_thread::start_thread;

/// A first text.
#[derive(InputObject)]
pub(super) struct StartThreadInput {
    /// From which number; absent: the viewer's that last had a thread with the contact, then the one on
    /// which they are primary, then that of their oldest assignment.
    phone_number_id: Option<ID>,
    /// To whom, in E.164.
    to: PhoneE164,
    /// What, in at most 1,600 characters.
    body: String,
    /// Pictures; none can be sent yet.
    media_urls: Option<Vec<String>>,
    /// The client's own name for this request, kept for 7 days: the same twice is one text.
    idempotency_key: String,
}

#[derive(Default)]
pub(super) struct StartThreadMutation;

#[Object]
impl StartThreadMutation {
    /// Texts a phone. If there is a thread with it on that number, this replies in it, by the rules of
    /// `sendMessage`; otherwise the contact and the thread are made.
    async fn start_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first text.")] input: StartThreadInput,
    ) -> Result<MessagePayload> {
        let act = Act::begin(ctx).await?;
        let StartThreadInput { phone_number_id, to, body, media_urls, idempotency_key } = input;
        let number = phone_number_id.map(|id| ids::named(&id, "active number", "phoneNumberId")).transpose();
        let media_urls = media_urls.unwrap_or_default();
        let draft = Draft { body, media_urls, extension: None, last_seen: None, idempotency_key };
        let outcome = match number {
            Ok(number) => start_thread(act.services(), act.viewer(), to.0, number, draft).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        act.message(outcome).await
    }
}
