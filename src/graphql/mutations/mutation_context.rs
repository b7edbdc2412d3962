//! The context that all mutations share, and the conversion of service outcomes into payloads.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject};

use crate::domain::ThreadId;
use crate::entity::{call, extension, thread};
use crate::graphql::context::{Requester, loaders, requester};
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::loaders::Loaders;
use crate::graphql::types::user_error::UserError;
use crate::graphql::types::{
    Assignment, Call, CallPayload, Extension, ExtensionPayload, Message, MessagePayload, Pool, PoolMemberPayload,
    Thread, ThreadPayload,
};
use crate::service::compose::Queued;
use crate::service::manage_pool::PoolMember;
use crate::service::{Error, Outcome, Refusal, RefusalCode, Services, Viewer};

/// The input of the mutations that need only a thread.
#[derive(InputObject)]
pub(super) struct ThreadInput {
    /// The ID of the thread to change.
    thread_id: ID,
}

impl ThreadInput {
    pub(super) fn thread_id(&self) -> std::result::Result<ThreadId, Refusal> {
        ids::parse_input(&self.thread_id, "thread", "threadId")
    }
}

/// The requester, loaders and viewer of one mutation.
pub(super) struct MutationContext<'a> {
    requester: &'a Requester,
    loaders: &'a Loaders,
    viewer: Arc<Viewer>,
}

impl<'a> MutationContext<'a> {
    pub(super) async fn new(ctx: &Context<'a>) -> Result<Self> {
        let requester = requester(ctx)?;
        Ok(Self { requester, loaders: loaders(ctx)?, viewer: requester.viewer().await? })
    }

    pub(super) fn services(&self) -> &Services {
        &self.requester.services
    }

    pub(super) fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// Converts the outcome of a service: a refusal becomes a user error. Also returns the viewer as they are after the
    /// commit, whose directory contains the change.
    pub(super) async fn resolve<T>(
        &self,
        outcome: Outcome<T>,
    ) -> Result<(Arc<Viewer>, std::result::Result<T, Vec<UserError>>)> {
        let outcome = match outcome {
            Ok(done) => Ok(done),
            Err(Error::Refused(refusal)) => Err(refusal),
            Err(Error::Failed(fault)) => return Err(self.requester.fault(fault)),
        };
        self.loaders.clear();
        let viewer = self.requester.viewer().await?;
        let resolved = match outcome {
            Ok(done) => Ok(done),
            Err(refusal) => Err(vec![self.user_error(&viewer, refusal).await?]),
        };
        Ok((viewer, resolved))
    }

    async fn user_error(&self, viewer: &Arc<Viewer>, refusal: Refusal) -> Result<UserError> {
        if let RefusalCode::StaleView { thread, newer } = refusal.code {
            let (thread, newer) = (self.loaders.thread(thread).await?, self.loaders.message(newer).await?);
            if let Some((thread, newer)) = thread.zip(newer) {
                let thread = Thread::new(viewer, thread);
                return Ok(UserError::stale_view(refusal, Message::within(&thread, newer)));
            }
        }
        Ok(UserError::new(viewer, refusal))
    }

    pub(super) async fn message_payload(&self, outcome: Outcome<Queued>) -> Result<MessagePayload> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        Ok(match resolved {
            Ok(Queued { message, thread }) => {
                let thread = self.still_visible(&viewer, thread).await?;
                let message = thread.as_ref().map(|thread| Message::within(thread, Arc::new(message)));
                MessagePayload { message, thread, user_errors: vec![] }
            }
            Err(user_errors) => MessagePayload { message: None, thread: None, user_errors },
        })
    }

    pub(super) async fn thread_payload(&self, outcome: Outcome<thread::Model>) -> Result<ThreadPayload> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        Ok(match resolved {
            Ok(row) => ThreadPayload { thread: self.still_visible(&viewer, row).await?, user_errors: vec![] },
            Err(user_errors) => ThreadPayload { thread: None, user_errors },
        })
    }

    /// Returns the thread unless the viewer may no longer see it, for example because a viewer who is not eligible in
    /// the pool transferred it to another user.
    async fn still_visible(&self, viewer: &Arc<Viewer>, row: thread::Model) -> Result<Option<Thread>> {
        let certain = viewer.is_admin()
            || row.assignee_id == Some(viewer.id())
            || viewer.directory.is_eligible(row.phone_number_id, viewer.id());
        let row = if certain { Some(Arc::new(row)) } else { self.loaders.thread(row.id).await? };
        Ok(row.map(|row| Thread::new(viewer, row)))
    }

    pub(super) async fn call_payload(&self, outcome: Outcome<call::Model>) -> Result<CallPayload> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        Ok(match resolved {
            Ok(row) => {
                let call = self.loaders.call(row.id).await?.map(|seen| Call::new(&viewer, seen));
                CallPayload { call, user_errors: vec![] }
            }
            Err(user_errors) => CallPayload { call: None, user_errors },
        })
    }

    pub(super) async fn pool_member_payload(&self, outcome: Outcome<PoolMember>) -> Result<PoolMemberPayload> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        Ok(match resolved {
            Ok(PoolMember { assignment, pool }) => PoolMemberPayload {
                assignment: Some(Assignment::new(&viewer, assignment)),
                pool: Some(Pool::new(&viewer, pool)),
                user_errors: vec![],
            },
            Err(user_errors) => PoolMemberPayload { assignment: None, pool: None, user_errors },
        })
    }

    pub(super) async fn extension_payload(&self, outcome: Outcome<extension::Model>) -> Result<ExtensionPayload> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        Ok(match resolved {
            Ok(row) => ExtensionPayload { extension: Some(Extension::new(&viewer, row)), user_errors: vec![] },
            Err(user_errors) => ExtensionPayload { extension: None, user_errors },
        })
    }
}
