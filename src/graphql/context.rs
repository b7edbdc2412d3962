//! What every resolver knows of the request that it answers.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_graphql::Context;

use super::errors::{Code, Failure, Result};
use super::loaders::Loaders;
use crate::domain::UserId;
use crate::service::authenticate::Identity;
use crate::service::{Fault, Services, Viewer, WhoAsked};

/// Who asks, and what there is to answer with.
#[derive(Clone)]
pub struct Caller {
    /// The use cases and where to read.
    pub services: Arc<Services>,
    /// Whom the token speaks for. Resolvers ask their viewer, who is watched.
    identity: Identity,
    /// Names the request in the log.
    pub request_id: Arc<str>,
    watched: Option<WhoAsked>,
}

impl Caller {
    /// Whom a token speaks for, with a request.
    pub(super) fn new(services: Arc<Services>, identity: Identity, request_id: Arc<str>) -> Self {
        Self { services, identity, request_id, watched: None }
    }

    /// The user who asks. For the transport: what is shown never looks here.
    pub(super) fn user(&self) -> UserId {
        self.identity.user
    }

    /// The same, whom an answer cannot come to depend on unnoticed.
    pub(super) fn watched_by(&self, who_asked: &WhoAsked) -> Self {
        Self { watched: Some(who_asked.clone()), ..self.clone() }
    }

    /// The user who asks and their agency's directory, both as they stand now: a role or an activity
    /// is never the token's, and what a mutation answers is what it committed. It is read from
    /// memory.
    pub async fn viewer(&self) -> Result<Arc<Viewer>> {
        let Identity { agency, user, .. } = self.identity;
        let viewer = self.services.viewer(agency, user).await.map_err(|fault| self.fault(fault))?;
        let viewer = viewer.ok_or_else(Failure::unauthenticated)?;
        Ok(Arc::new(match &self.watched {
            Some(who_asked) => viewer.watched_by(who_asked),
            None => viewer,
        }))
    }

    /// Logs what failed, once, and makes the error that is shown.
    pub fn fault(&self, fault: impl Into<Fault>) -> Failure {
        self.failed(&fault.into())
    }

    /// The same for a row that another row names and that is not there.
    pub fn absent(&self, what: &str) -> Failure {
        self.failed(&format_args!("a {what} that is referred to is not there"))
    }

    fn failed(&self, error: &dyn Display) -> Failure {
        tracing::error!(request_id = %self.request_id, error = %error, "a field could not be resolved");
        Failure::internal(&self.request_id)
    }
}

/// A name for a request that came without one.
pub(super) fn make_request_id(services: &Services) -> Arc<str> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:x}-{count:x}", services.clock.now().timestamp()).into()
}

/// Who asks.
pub fn caller<'a>(ctx: &Context<'a>) -> Result<&'a Caller> {
    ctx.data_opt::<Caller>().ok_or_else(|| Failure::new(Code::Unauthenticated, "Nobody asks."))
}

/// Who asks, as they stand now.
pub async fn viewer(ctx: &Context<'_>) -> Result<Arc<Viewer>> {
    caller(ctx)?.viewer().await
}

/// This execution's loaders.
pub fn loaders<'a>(ctx: &Context<'a>) -> Result<&'a Loaders> {
    match ctx.data_opt::<Loaders>() {
        Some(loaders) => Ok(loaders),
        None => Err(caller(ctx)?.absent("set of loaders")),
    }
}
