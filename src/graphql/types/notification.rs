use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Call, LateArrival, Message, QuarantinedMessage, Thread, User};
use crate::domain::QuarantineId;
use crate::entity::notification;
use crate::graphql::context::{loaders, requester};
use crate::graphql::direct_json::DirectJson;
use crate::graphql::enums::NotificationKind;
use crate::graphql::errors::Result;
use crate::graphql::pagination::ConnectionNode;
use crate::graphql::scalars::DateTime;
use crate::service::Viewer;
use crate::store::page::IdKey;
use crate::store::reconciliation;

pub struct Notification {
    viewer: Arc<Viewer>,
    model: notification::Model,
}

impl Notification {
    pub fn new(viewer: &Arc<Viewer>, model: notification::Model) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }

    async fn find_thread(&self, ctx: &Context<'_>) -> Result<Option<Thread>> {
        let Some(id) = self.model.thread_id else { return Ok(None) };
        Ok(loaders(ctx)?.thread(id).await?.map(|thread| Thread::new(&self.viewer, thread)))
    }

    async fn find_call(&self, ctx: &Context<'_>) -> Result<Option<Call>> {
        let Some(id) = self.model.call_id else { return Ok(None) };
        Ok(loaders(ctx)?.call(id).await?.map(|call| Call::new(&self.viewer, call)))
    }

    async fn find_message(&self, ctx: &Context<'_>) -> Result<Option<Message>> {
        let Some(id) = self.model.message_id else { return Ok(None) };
        let Some(thread) = self.find_thread(ctx).await? else { return Ok(None) };
        let message = loaders(ctx)?.message(id).await?;
        Ok(message.filter(|message| message.thread_id == thread.thread_id()).map(|row| Message::within(&thread, row)))
    }

    async fn find_late_arrival(&self, ctx: &Context<'_>) -> Result<Option<LateArrival>> {
        let id = self.model.node_id.as_deref().filter(|_| self.viewer.is_admin()).and_then(|id| id.parse().ok());
        let Some(id) = id else { return Ok(None) };
        let requester = requester(ctx)?;
        let found = reconciliation::late_arrival(requester.services.request_reader(), self.viewer.agency(), id).await;
        Ok(found.map_err(|error| requester.fault(error))?.map(LateArrival::new))
    }

    async fn find_quarantined_message(&self, ctx: &Context<'_>) -> Result<Option<QuarantinedMessage>> {
        // A notification of another kind may be about another object.
        let id = self.model.node_id.as_deref().and_then(|id| id.parse::<QuarantineId>().ok());
        let Some(id) = id else { return Ok(None) };
        Ok(loaders(ctx)?.quarantined(id).await?.map(QuarantinedMessage::new))
    }
}

impl DirectJson for Notification {}

impl ConnectionNode for Notification {
    fn cursor(&self) -> String {
        IdKey(self.model.id.0).to_string()
    }
}

/// A notification for one user. Users see only their own notifications.
#[Object]
impl Notification {
    /// The opaque, globally unique ID of the notification, prefixed with `ntf_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The kind of event that the notification is about.
    async fn kind(&self) -> NotificationKind {
        self.model.kind.into()
    }

    /// The user who received the notification, always the viewer.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        match User::find(&self.viewer, self.model.user_id) {
            Some(user) => Ok(user),
            None => Err(requester(ctx)?.missing_reference("user")),
        }
    }

    /// The thread that the notification is about. Null if it is not about a thread, or if the viewer may no longer see
    /// it.
    async fn thread(&self, ctx: &Context<'_>) -> Option<Result<Thread>> {
        self.find_thread(ctx).await.transpose()
    }

    /// The message that the notification is about. Null if it is not about a message, or if the viewer may no longer
    /// see it.
    async fn message(&self, ctx: &Context<'_>) -> Option<Result<Message>> {
        self.find_message(ctx).await.transpose()
    }

    /// The call that the notification is about. Null if it is not about a call, or if the viewer may no longer see it.
    async fn call(&self, ctx: &Context<'_>) -> Option<Result<Call>> {
        self.find_call(ctx).await.transpose()
    }

    /// The texts and calls that arrived late. Null unless `kind` is ARRIVED_LATE, and for users who are not ADMIN.
    async fn late_arrival(&self, ctx: &Context<'_>) -> Option<Result<LateArrival>> {
        self.find_late_arrival(ctx).await.transpose()
    }

    /// The quarantined text that the notification is about. If the notification stands for several texts, this is the
    /// first of them. Null unless `kind` is QUARANTINED, if the text was assigned or discarded, and for users who are not
    /// ADMIN.
    async fn quarantined_message(&self, ctx: &Context<'_>) -> Option<Result<QuarantinedMessage>> {
        self.find_quarantined_message(ctx).await.transpose()
    }

    /// The time at which the viewer read the notification. Null if it is unread.
    async fn read_at(&self) -> Option<DateTime> {
        self.model.read_at.map(DateTime)
    }

    /// The time at which the cause of the notification was taken care of, by any user, so that nothing is left to do.
    /// Null if it is open.
    async fn resolved_at(&self) -> Option<DateTime> {
        self.model.resolved_at.map(DateTime)
    }

    /// The time at which the notification was created.
    async fn created_at(&self) -> DateTime {
        self.model.created_at.into()
    }
}
