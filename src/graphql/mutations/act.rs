//! What all mutations share: who acts, and how an outcome becomes a payload.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject};

use crate::domain::ThreadId;
use crate::entity::{call, extension, thread};
use crate::graphql::context::{Caller, caller, loaders};
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
use crate::service::{Outcome, Refusal, RefusalCode, Services, Viewer};

/// Which thread.
#[derive(InputObject)]
pub(super) struct ThreadInput {
    /// The thread.
    thread_id: ID,
}

impl ThreadInput {
    pub(super) fn thread(&self) -> std::result::Result<ThreadId, Refusal> {
        ids::named(&self.thread_id, "thread", "threadId")
    }
}

/// A mutation under way.
pub(super) struct Act<'a> {
    caller: &'a Caller,
    loaders: &'a Loaders,
    viewer: Arc<Viewer>,
}

impl<'a> Act<'a> {
    /// The viewer begins to act.
    pub(super) async fn begin(ctx: &Context<'a>) -> Result<Self> {
        let caller = caller(ctx)?;
        Ok(Self { caller, loaders: loaders(ctx)?, viewer: caller.viewer().await? })
    }

    /// The use cases.
    pub(super) fn services(&self) -> &Services {
        &self.caller.services
    }

    /// Who acts.
    pub(super) fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// What came of it, and the viewer after the commit: their directory shows what it changed.
    pub(super) async fn settle<T>(
        &self,
        outcome: Outcome<T>,
    ) -> Result<(Arc<Viewer>, std::result::Result<T, Vec<UserError>>)> {
        let outcome = outcome.map_err(|fault| self.caller.fault(fault))?;
        self.loaders.forget();
        let viewer = self.caller.viewer().await?;
        let settled = match outcome {
            Ok(done) => Ok(done),
            Err(refusal) => Err(vec![self.user_error(&viewer, refusal).await?]),
        };
        Ok((viewer, settled))
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

    pub(super) async fn message(&self, outcome: Outcome<Queued>) -> Result<MessagePayload> {
        let (viewer, settled) = self.settle(outcome).await?;
        Ok(match settled {
            Ok(Queued { message, thread }) => {
                let thread = self.still_visible(&viewer, thread).await?;
                let message = thread.as_ref().map(|thread| Message::within(thread, Arc::new(message)));
                MessagePayload { message, thread, user_errors: vec![] }
            }
            Err(user_errors) => MessagePayload { message: None, thread: None, user_errors },
        })
    }

    pub(super) async fn thread(&self, outcome: Outcome<thread::Model>) -> Result<ThreadPayload> {
        let (viewer, settled) = self.settle(outcome).await?;
        Ok(match settled {
            Ok(row) => ThreadPayload { thread: self.still_visible(&viewer, row).await?, user_errors: vec![] },
            Err(user_errors) => ThreadPayload { thread: None, user_errors },
        })
    }

    /// The thread, unless the act was what took it out of the viewer's sight: given away by somebody
    /// from outside its pool, say.
    async fn still_visible(&self, viewer: &Arc<Viewer>, row: thread::Model) -> Result<Option<Thread>> {
        let sure = viewer.is_admin()
            || row.assignee_id == Some(viewer.id())
            || viewer.directory.is_eligible(row.phone_number_id, viewer.id());
        let row = if sure { Some(Arc::new(row)) } else { self.loaders.thread(row.id).await? };
        Ok(row.map(|row| Thread::new(viewer, row)))
    }

    /// The call, as far as the viewer may see it.
    pub(super) async fn call(&self, outcome: Outcome<call::Model>) -> Result<CallPayload> {
        let (viewer, settled) = self.settle(outcome).await?;
        Ok(match settled {
            Ok(row) => {
                let call = self.loaders.call(row.id).await?.map(|seen| Call::new(&viewer, seen));
                CallPayload { call, user_errors: vec![] }
            }
            Err(user_errors) => CallPayload { call: None, user_errors },
        })
    }

    pub(super) async fn pool_member(&self, outcome: Outcome<PoolMember>) -> Result<PoolMemberPayload> {
        let (viewer, settled) = self.settle(outcome).await?;
        Ok(match settled {
            Ok(PoolMember { assignment, pool }) => PoolMemberPayload {
                assignment: Some(Assignment::new(&viewer, assignment)),
                pool: Some(Pool::new(&viewer, pool)),
                user_errors: vec![],
            },
            Err(user_errors) => PoolMemberPayload { assignment: None, pool: None, user_errors },
        })
    }

    pub(super) async fn extension(&self, outcome: Outcome<extension::Model>) -> Result<ExtensionPayload> {
        let (viewer, settled) = self.settle(outcome).await?;
        Ok(match settled {
            Ok(row) => ExtensionPayload { extension: Some(Extension::new(&viewer, row)), user_errors: vec![] },
            Err(user_errors) => ExtensionPayload { extension: None, user_errors },
        })
    }
}
