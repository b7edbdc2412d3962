use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Extension, Media, Thread, User};
use crate::domain::delivery_error::{actor, explain};
use crate::entity::message;
use crate::graphql::context::loaders;
use crate::graphql::direct::{Direct, Inner};
use crate::graphql::errors::Result;
use crate::graphql::pagination::Listed;
use crate::graphql::scalars::DateTime;
use crate::graphql::words::{Direction, ErrorActor, MessageStatus, RoutingRung};
use crate::service::Viewer;
use crate::store::page::Key;

/// One text.
pub struct Message {
    viewer: Arc<Viewer>,
    model: Arc<message::Model>,
    thread: Thread,
}

impl Message {
    /// A message of a thread that the viewer may see: there is no other way to one.
    pub fn within(thread: &Thread, model: Arc<message::Model>) -> Self {
        Self { viewer: Arc::clone(thread.viewer()), model, thread: thread.clone() }
    }
}

impl Direct for Message {
    fn write(&self, field: &mut Inner<'_>) -> Option<()> {
        let ctx = field.context();
        match field.name() {
            "extension" => field.object(self.extension(&ctx)),
            "sender" => field.object(self.sender(&ctx)),
            "thread" => field.object(Some(&self.thread)),
            _ => None,
        }
    }
}

impl Listed for Message {
    fn cursor(&self) -> String {
        Key { at: self.model.created_at, id: self.model.id.0 }.to_string()
    }
}

/// One text. A thread's messages are ordered by `createdAt`, then by `id`.
#[Object]
impl Message {
    /// Opaque, `msg_…`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// Where it was said.
    async fn thread(&self) -> &Thread {
        &self.thread
    }

    /// Which way it went.
    async fn direction(&self) -> Direction {
        self.model.direction.into()
    }

    /// What it says, as it came.
    async fn body(&self) -> &str {
        &self.model.body
    }

    /// How far it got.
    async fn status(&self) -> MessageStatus {
        self.model.status.into()
    }

    /// Who wrote it, of outbound ones.
    fn sender(&self) -> Option<User> {
        self.model.sender_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// The extension that it named, or was written as.
    fn extension(&self) -> Option<Extension> {
        self.model.extension_id.and_then(|id| Extension::find(&self.viewer, id))
    }

    /// Its attachments, in order.
    async fn media(&self, ctx: &Context<'_>) -> Result<Vec<Media>> {
        Ok(loaders(ctx)?.media(self.model.id).await?.into_iter().map(Media::new).collect())
    }

    /// Why it got no further: the carrier's code (twilio.com/docs/api/errors), or one of ours in
    /// words: OPTED_OUT, EXPIRED, ABANDONED, RESENT, RELEASED, OWN_NUMBER, REJECTED.
    async fn error_code(&self) -> Option<&str> {
        self.model.error_code.as_deref()
    }

    /// What the error code means, for a person.
    async fn error_message(&self) -> Option<&str> {
        self.model.error_code.as_deref().map(explain)
    }

    /// Who has to act on the error: the staff, an admin of the agency, or the operator of the server. Null if the message
    /// has no error, or if a colleague has already decided what becomes of it.
    async fn error_actor(&self) -> Option<ErrorActor> {
        self.model.error_code.as_deref().and_then(actor).map(Into::into)
    }

    /// How many segments the carrier counts, of outbound ones.
    async fn segments(&self) -> Option<i32> {
        self.model.segments
    }

    /// Whether nobody knows if it was sent, and a person has to decide: `resendMessage` or
    /// `abandonMessage`.
    async fn needs_decision(&self) -> bool {
        self.model.flagged_at.is_some()
    }

    /// Twilio's MessageSid, once it has one.
    async fn provider_sid(&self) -> Option<&str> {
        self.model.provider_sid.as_deref()
    }

    /// When it was stored.
    async fn created_at(&self) -> DateTime {
        self.model.created_at.into()
    }

    /// The rung that named whom it reached, of inbound ones.
    async fn routed_by(&self) -> Option<RoutingRung> {
        self.model.routed_by.map(Into::into)
    }
}
