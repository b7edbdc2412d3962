//! The context of a request that every resolver uses: the requester, the viewer and the loaders.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::Context;

use super::errors::{Failure, Result};
use super::loaders::Loaders;
use crate::domain::{AgencyId, UserId};
use crate::service::authenticate::{Identity, TokenProblem};
use crate::service::{Fault, Services, Viewer, ViewerUse};

/// The authenticated API user behind a request, with the services that answer it.
#[derive(Clone)]
pub struct Requester {
    pub services: Arc<Services>,
    /// The identity in the token. Resolvers use [`viewer`](Self::viewer) instead, so that `usage` notices when an
    /// answer depends on the user.
    identity: Identity,
    /// The id of the request in the log.
    pub request_id: Arc<str>,
    usage: Option<ViewerUse>,
    faults: Arc<FaultLog>,
}

impl Requester {
    pub(super) fn new(services: Arc<Services>, identity: Identity, request_id: Arc<str>) -> Self {
        let faults = Arc::new(FaultLog::new(request_id.clone()));
        Self { services, identity, request_id, usage: None, faults }
    }

    /// Returns a copy for one execution, with a fault log of its own, so that each cause is logged once per execution.
    pub(super) fn for_execution(&self) -> Self {
        Self { faults: Arc::new(FaultLog::new(self.request_id.clone())), ..self.clone() }
    }

    /// The id of the user. Only for the transport: what an answer shows must come from [`viewer`](Self::viewer).
    pub(super) fn user(&self) -> UserId {
        self.identity.user
    }

    /// The id of the user's agency. Only for the transport, like [`user`](Self::user).
    pub(super) fn agency(&self) -> AgencyId {
        self.identity.agency
    }

    /// The identity in the token. Only for the session: what an answer shows of the user must come from
    /// [`viewer`](Self::viewer).
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns a copy for one execution whose viewers report to `usage` when an answer depends on the user.
    pub(super) fn recorded_by(&self, usage: &ViewerUse) -> Self {
        Self { usage: Some(usage.clone()), ..self.for_execution() }
    }

    /// The user and their agency's directory in their current state, read from memory. Role and activity are never
    /// taken from the token, and a mutation's answer shows what it committed.
    ///
    /// # Errors
    /// UNAUTHENTICATED if the user does not exist or is not active.
    pub async fn viewer(&self) -> Result<Arc<Viewer>> {
        let Identity { agency, user, .. } = self.identity;
        let viewer = self.services.viewer(agency, user).await.map_err(|fault| self.fault(fault))?;
        let viewer = viewer.ok_or_else(|| Failure::unauthenticated(TokenProblem::Inactive))?;
        Ok(Arc::new(match &self.usage {
            Some(usage) => viewer.recorded_by(usage),
            None => viewer,
        }))
    }

    /// Logs a fault, and returns the error that the client sees.
    pub fn fault(&self, fault: impl Into<Fault>) -> Failure {
        self.failed(&fault.into())
    }

    /// Logs that a row refers to another row that does not exist, and returns the error that the client sees.
    pub fn missing_reference(&self, what: &str) -> Failure {
        self.failed(&format_args!("a row refers to a {what} that does not exist"))
    }

    fn failed(&self, error: &dyn Display) -> Failure {
        self.faults.record(error);
        Failure::internal(&self.request_id)
    }
}

/// The services that answer a request which may have no token, and the id of the request in the log.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) services: Arc<Services>,
    pub(super) request_id: Arc<str>,
}

impl Origin {
    /// The origin of the current request, with or without a token.
    pub(super) fn of(ctx: &Context<'_>) -> Result<Self> {
        match ctx.data_opt::<Self>() {
            Some(origin) => Ok(origin.clone()),
            None => {
                let Requester { services, request_id, .. } = requester(ctx)?.clone();
                Ok(Self { services, request_id })
            }
        }
    }

    /// Logs a fault, and returns the error that the client sees.
    pub(super) fn fault(&self, fault: &Fault) -> Failure {
        tracing::error!(request_id = %self.request_id, error = %fault, "a sign-in failed");
        Failure::internal(&self.request_id)
    }
}

/// The faults of one execution. A document may select a thousand fields that all fail because one database is away: the
/// first of them is logged, the others are counted.
#[derive(Debug)]
struct FaultLog {
    request_id: Arc<str>,
    repeats: Mutex<HashMap<String, u64>>,
}

/// The maximum number of causes that are logged per execution.
const MAX_CAUSES: usize = 8;

impl FaultLog {
    fn new(request_id: Arc<str>) -> Self {
        Self { request_id, repeats: Mutex::default() }
    }

    fn record(&self, error: &dyn Display) {
        let cause = error.to_string();
        let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = repeats.get_mut(&cause) {
            *count += 1;
        } else if repeats.len() < MAX_CAUSES {
            tracing::error!(request_id = %self.request_id, error = %error, "a field could not be resolved");
            repeats.insert(cause, 0);
        }
    }
}

impl Drop for FaultLog {
    fn drop(&mut self) {
        let repeats = self.repeats.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (error, fields) in repeats.iter().filter(|(_, fields)| **fields > 0) {
            tracing::error!(request_id = %self.request_id, %error, fields, "further fields could not be resolved");
        }
    }
}

/// Makes an id for a request that has none.
pub(super) fn make_request_id(services: &Services) -> Arc<str> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:x}-{count:x}", services.clock.now().timestamp()).into()
}

/// The requester of the current request.
///
/// # Errors
/// UNAUTHENTICATED if the request has no requester.
pub fn requester<'a>(ctx: &Context<'a>) -> Result<&'a Requester> {
    ctx.data_opt::<Requester>().ok_or_else(|| Failure::unauthenticated(TokenProblem::Invalid))
}

/// The viewer of the current request, see [`Requester::viewer`].
pub async fn viewer(ctx: &Context<'_>) -> Result<Arc<Viewer>> {
    requester(ctx)?.viewer().await
}

/// The loaders of the current execution.
pub fn loaders<'a>(ctx: &Context<'a>) -> Result<&'a Loaders> {
    match ctx.data_opt::<Loaders>() {
        Some(loaders) => Ok(loaders),
        None => Err(requester(ctx)?.missing_reference("set of loaders")),
    }
}
