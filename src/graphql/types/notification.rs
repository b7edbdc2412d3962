use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Call, Message, Thread, User};
use crate::entity::notification;
use crate::graphql::context::{caller, loaders};
use crate::graphql::direct::Direct;
use crate::graphql::errors::Result;
use crate::graphql::pagination::Listed;
use crate::graphql::scalars::DateTime;
use crate::graphql::words::NotificationKind;
use crate::service::Viewer;
use crate::store::page::Key;

/// One thing that one user should know.
pub struct Notification {
    viewer: Arc<Viewer>,
    model: notification::Model,
}

impl Notification {
    /// A notification of the viewer's own.
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
}

impl Direct for Notification {}

impl Listed for Notification {
    fn cursor(&self) -> String {
        Key { at: self.model.created_at, id: self.model.id.0 }.to_string()
    }
}

/// One thing that one user should know. Nobody sees another's.
#[Object]
impl Notification {
    /// Opaque, `ntf_…`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// What it tells.
    async fn kind(&self) -> NotificationKind {
        self.model.kind.into()
    }

    /// Whom it tells: the viewer.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        match User::find(&self.viewer, self.model.user_id) {
            Some(user) => Ok(user),
            None => Err(caller(ctx)?.absent("user")),
        }
    }

    /// The thread it is about; null if the viewer may not see it any more.
    async fn thread(&self, ctx: &Context<'_>) -> Option<Result<Thread>> {
        self.find_thread(ctx).await.transpose()
    }

    /// The message it is about; null if the viewer may not see it any more.
    async fn message(&self, ctx: &Context<'_>) -> Option<Result<Message>> {
        self.find_message(ctx).await.transpose()
    }

    /// The call it is about; null if the viewer may not see it any more.
    async fn call(&self, ctx: &Context<'_>) -> Option<Result<Call>> {
        self.find_call(ctx).await.transpose()
    }

    /// When the viewer read it.
    async fn read_at(&self) -> Option<DateTime> {
        self.model.read_at.map(DateTime)
    }

    /// When somebody took care of it, so that there is nothing left to do.
    async fn resolved_at(&self) -> Option<DateTime> {
        self.model.resolved_at.map(DateTime)
    }

    /// When it was told.
    async fn created_at(&self) -> DateTime {
        self.model.created_at.into()
    }
}
