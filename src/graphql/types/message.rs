use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use super::{Extension, Media, Thread, User};
use crate::domain::delivery_error::{actor, explain, reason};
use crate::domain::error_actor::is_carrier_code;
use crate::domain::routing::{RungOutcome, steps};
use crate::domain::{self, MessageId};
use crate::entity::message;
use crate::graphql::context::loaders;
use crate::graphql::direct_json::{DirectJson, ObjectField};
use crate::graphql::enums::{
    DeliverySource, Direction, ErrorActor, MessageFailureReason, MessageStatus, RoutingOutcome, RoutingRung,
};
use crate::graphql::errors::Result;
use crate::graphql::pagination::ConnectionNode;
use crate::graphql::scalars::DateTime;
use crate::service::Viewer;
use crate::store::page::Key;

#[derive(Clone)]
pub struct Message {
    viewer: Arc<Viewer>,
    model: Arc<message::Model>,
    thread: Thread,
}

impl Message {
    /// Wraps a message of a thread that the viewer may see. There is no other constructor, so every message that is
    /// shown belongs to a thread whose visibility has been checked.
    pub fn within(thread: &Thread, model: Arc<message::Model>) -> Self {
        Self { viewer: Arc::clone(thread.viewer()), model, thread: thread.clone() }
    }

    async fn find_in_thread(&self, ctx: &Context<'_>, id: Option<MessageId>) -> Result<Option<Self>> {
        let Some(id) = id else { return Ok(None) };
        let row = loaders(ctx)?.message(id).await?.filter(|row| row.thread_id == self.model.thread_id);
        Ok(row.map(|row| Self::within(&self.thread, row)))
    }
}

impl DirectJson for Message {
    fn write_object_field(&self, field: &mut ObjectField<'_>) -> Option<()> {
        let ctx = field.context();
        match field.name() {
            "extension" => field.object(self.extension(&ctx)),
            "sender" => field.object(self.sender(&ctx)),
            "thread" => field.object(Some(&self.thread)),
            _ => None,
        }
    }
}

impl ConnectionNode for Message {
    fn cursor(&self) -> String {
        Key { at: self.model.created_at, id: self.model.id.0 }.to_string()
    }
}

/// A text in a thread. The messages of a thread are ordered by `createdAt`, then by `id`.
#[Object]
impl Message {
    /// The opaque, globally unique ID of the message, prefixed with `msg_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The thread that the message belongs to.
    async fn thread(&self) -> &Thread {
        &self.thread
    }

    /// The direction of the message.
    async fn direction(&self) -> Direction {
        self.model.direction.into()
    }

    /// The text of the message. An inbound text is stored as received; a location, a contact card or a message of
    /// another kind is described in words.
    async fn body(&self) -> &str {
        &self.model.body
    }

    /// The delivery status of the message. The highest status that was ever reported is kept.
    async fn status(&self) -> MessageStatus {
        self.model.status.into()
    }

    /// The user who sent the message. Null for inbound and automatic messages.
    fn sender(&self) -> Option<User> {
        self.model.sender_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// The extension that an inbound text named, or as which an outbound text was sent. Null if there is none.
    fn extension(&self) -> Option<Extension> {
        self.model.extension_id.and_then(|id| Extension::find(&self.viewer, id))
    }

    /// The attachments of the message, in order.
    async fn media(&self, ctx: &Context<'_>) -> Result<Vec<Media>> {
        let rows = loaders(ctx)?.media(self.model.id).await?;
        Ok(rows.into_iter().map(|row| Media::new(&self.viewer, row)).collect())
    }

    /// The time at which a held message is handed to the carrier, unless it is canceled with `cancelMessage` or stopped
    /// by another message first. Null if the message is not held.
    async fn sends_at(&self) -> Option<DateTime> {
        self.model.sends_at.filter(|_| self.model.status == domain::MessageStatus::Queued).map(DateTime)
    }

    /// The reason why the message was not delivered. Null if there is no error.
    async fn failure(&self) -> Option<MessageFailure> {
        let code = self.model.error_code.as_deref()?;
        Some(MessageFailure {
            reason: reason(code).into(),
            carrier_code: is_carrier_code(code).then(|| code.to_owned()),
            message: explain(code).to_owned(),
            actor: actor(code).map(Into::into),
        })
    }

    /// The outcome of each rung of the routing of an inbound message, in the order in which the rungs were tried. A
    /// rung that was alerted later is REACHED as well. Empty for outbound messages.
    async fn routing(&self, ctx: &Context<'_>) -> Result<Vec<RoutingStep>> {
        let Some(routed_by) = self.model.routed_by else { return Ok(Vec::new()) };
        let recipients = loaders(ctx)?.recipients(self.model.thread_id, self.model.id).await?;
        let named = |rung: domain::RoutingRung| recipients.iter().filter(move |(_, by)| *by == rung);
        let steps = steps(routed_by, self.model.pool_muted, |rung| named(rung).next().is_some());
        let users = |rung| named(rung).filter_map(|(user, _)| User::find(&self.viewer, *user)).collect();
        let step = |(rung, outcome): (domain::RoutingRung, RungOutcome)| RoutingStep {
            rung: rung.into(),
            outcome: outcome.into(),
            users: users(rung),
        };
        Ok(steps.into_iter().map(step).collect())
    }

    /// The changes of the delivery status of an outbound message, oldest first. Empty for inbound messages.
    async fn delivery(&self, ctx: &Context<'_>) -> Result<Vec<DeliveryStep>> {
        if self.model.direction == domain::Direction::Inbound {
            return Ok(Vec::new());
        }
        let queued = DeliveryStep {
            status: MessageStatus::Queued,
            at: self.model.created_at.into(),
            source: DeliverySource::Outbox,
        };
        let later = loaders(ctx)?.delivery_steps(self.model.id).await?.into_iter();
        let later = later.map(|row| DeliveryStep {
            status: row.status.into(),
            at: row.created_at.into(),
            source: row.source.into(),
        });
        Ok(std::iter::once(queued).chain(later).collect())
    }

    /// The message that this one sends again. Null if it was not sent with `resendMessage`.
    async fn resends(&self, ctx: &Context<'_>) -> Option<Result<Message>> {
        self.find_in_thread(ctx, self.model.resends_id).await.transpose()
    }

    /// The message by which this one was sent again. Null if this message was not sent again.
    async fn resent_as(&self, ctx: &Context<'_>) -> Option<Result<Message>> {
        self.find_in_thread(ctx, self.model.resent_as_id).await.transpose()
    }

    /// The number of SMS segments of an outbound message, by which the carrier charges. Null for inbound messages.
    async fn segments(&self) -> Option<i32> {
        self.model.segments
    }

    /// True if it is not known whether the message was sent, and a person has to decide with `resendMessage` or
    /// `abandonMessage`.
    async fn needs_decision(&self) -> bool {
        self.model.flagged_at.is_some()
    }

    /// The MessageSid of the message at Twilio. Null until Twilio has accepted it.
    async fn provider_sid(&self) -> Option<&str> {
        self.model.provider_sid.as_deref()
    }

    /// The time at which Partyline stored the message; for an imported message, the time reported by Twilio.
    async fn created_at(&self) -> DateTime {
        self.model.created_at.into()
    }

    /// The routing rung that selected the recipients of an inbound message. Null for outbound messages.
    async fn routed_by(&self) -> Option<RoutingRung> {
        self.model.routed_by.map(Into::into)
    }
}

/// The outcome of one rung of the routing of an inbound message.
#[derive(SimpleObject)]
pub(super) struct RoutingStep {
    /// The rung of the routing.
    rung: RoutingRung,
    /// The outcome of the rung.
    outcome: RoutingOutcome,
    /// The users who were alerted by this rung. Empty unless `outcome` is REACHED.
    users: Vec<User>,
}

/// A change of the delivery status of an outbound message.
#[derive(SimpleObject)]
pub(super) struct DeliveryStep {
    /// The delivery status from this time on.
    status: MessageStatus,
    /// The time at which Partyline recorded the status.
    at: DateTime,
    /// The source of the change.
    source: DeliverySource,
}

/// The reason why a message was not delivered.
#[derive(SimpleObject)]
pub(super) struct MessageFailure {
    /// The kind of the failure.
    reason: MessageFailureReason,
    /// The carrier's error code, as listed at twilio.com/docs/api/errors. Null if the failure is not the carrier's.
    carrier_code: Option<String>,
    /// The failure in plain language, to be shown to the user.
    message: String,
    /// The person who has to act on the failure. Null if a user has already decided: the message was abandoned or sent
    /// again.
    actor: Option<ErrorActor>,
}
