//! The context that all mutations share, and the conversion of service outcomes into payloads.

use std::sync::Arc;

use async_graphql::{Context, MaybeUndefined};
use secrecy::ExposeSecret as _;

use crate::domain::MessageId;
use crate::entity::{call, draft, extension, thread, voicemail};
use crate::graphql::context::{Requester, loaders, requester};
use crate::graphql::errors::Result;
use crate::graphql::loaders::Loaders;
use crate::graphql::scalars::DateTime;
use crate::graphql::types::user_error::UserError;
use crate::graphql::types::{Assignment, Call, Draft, Extension, Message, Pool, Thread, User, Voicemail};
use crate::service::compose::Queued;
use crate::service::manage_pool::PoolMember;
use crate::service::sessions::IssuedToken;
use crate::service::{Error, Outcome, Refusal, RefusalCode, Services, Viewer};

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

    pub(super) async fn message(
        &self,
        outcome: Outcome<Queued>,
    ) -> Result<(Option<Message>, Option<Thread>, Vec<UserError>)> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        Ok(match resolved {
            Ok(Queued { message, thread }) => {
                let thread = self.still_visible(&viewer, thread).await?;
                let message = thread.as_ref().map(|thread| Message::within(thread, Arc::new(message)));
                (message, thread, Vec::new())
            }
            Err(user_errors) => (None, None, user_errors),
        })
    }

    /// A message that was received, and its thread.
    pub(super) async fn received_message(
        &self,
        outcome: Outcome<MessageId>,
    ) -> Result<(Option<Message>, Option<Thread>, Vec<UserError>)> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        let id = match resolved {
            Ok(id) => id,
            Err(user_errors) => return Ok((None, None, user_errors)),
        };
        let Some(row) = self.loaders.message(id).await? else { return Ok((None, None, Vec::new())) };
        let thread = self.loaders.thread(row.thread_id).await?.map(|thread| Thread::new(&viewer, thread));
        let message = thread.as_ref().map(|thread| Message::within(thread, row));
        Ok((message, thread, Vec::new()))
    }

    pub(super) async fn thread(&self, outcome: Outcome<thread::Model>) -> Result<(Option<Thread>, Vec<UserError>)> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        Ok(match resolved {
            Ok(row) => (self.still_visible(&viewer, row).await?, Vec::new()),
            Err(user_errors) => (None, user_errors),
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

    pub(super) async fn call(&self, outcome: Outcome<call::Model>) -> Result<(Option<Call>, Vec<UserError>)> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        Ok(match resolved {
            Ok(row) => (self.loaders.call(row.id).await?.map(|seen| Call::new(&viewer, seen)), Vec::new()),
            Err(user_errors) => (None, user_errors),
        })
    }

    pub(super) async fn voicemail(
        &self,
        outcome: Outcome<voicemail::Model>,
    ) -> Result<(Option<Voicemail>, Vec<UserError>)> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        Ok(match resolved {
            Ok(row) => {
                let call = self.loaders.call(row.call_id).await?.map(|seen| Call::new(&viewer, seen));
                let call = call.filter(Call::is_full);
                (call.map(|call| Voicemail::within(&call, Arc::new(row))), Vec::new())
            }
            Err(user_errors) => (None, user_errors),
        })
    }

    pub(super) async fn draft(&self, outcome: Outcome<draft::Model>) -> Result<(Option<Draft>, Vec<UserError>)> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        Ok(match resolved {
            Ok(row) => {
                let thread = self.loaders.thread(row.thread_id).await?.map(|thread| Thread::new(&viewer, thread));
                (thread.map(|thread| Draft::within(&thread, row)), Vec::new())
            }
            Err(user_errors) => (None, user_errors),
        })
    }

    pub(super) async fn pool_member(
        &self,
        outcome: Outcome<PoolMember>,
    ) -> Result<(Option<Assignment>, Option<Pool>, Vec<UserError>)> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        Ok(match resolved {
            Ok(PoolMember { assignment, pool }) => {
                (Some(Assignment::new(&viewer, assignment)), Some(Pool::new(&viewer, pool)), Vec::new())
            }
            Err(user_errors) => (None, None, user_errors),
        })
    }

    pub(super) async fn extension(
        &self,
        outcome: Outcome<extension::Model>,
    ) -> Result<(Option<Extension>, Vec<UserError>)> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        Ok(match resolved {
            Ok(row) => (Some(Extension::new(&viewer, row)), Vec::new()),
            Err(user_errors) => (None, user_errors),
        })
    }

    /// The viewer's own user after the commit.
    pub(super) async fn own_user<T>(&self, outcome: Outcome<T>) -> Result<(Option<User>, Vec<UserError>)> {
        let (viewer, resolved) = self.resolve(outcome).await?;
        Ok(match resolved {
            Ok(_) => (Some(User::new(&viewer, viewer.user().clone())), Vec::new()),
            Err(user_errors) => (None, user_errors),
        })
    }
}

/// The token, its expiry and the user errors of a payload.
pub(super) fn token_fields(
    resolved: std::result::Result<IssuedToken, Vec<UserError>>,
) -> (Option<String>, Option<DateTime>, Vec<UserError>) {
    match resolved {
        Ok(IssuedToken { token, expires_at }) => {
            (Some(token.expose_secret().to_owned()), Some(expires_at.into()), Vec::new())
        }
        Err(user_errors) => (None, None, user_errors),
    }
}

/// `None` for an absent field, `Some(None)` for null.
pub(super) fn to_option<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}
