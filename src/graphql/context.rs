//! What every resolver knows of the request that it answers.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::Context;

use super::errors::{Code, Failure, Result};
use super::loaders::Loaders;
use crate::domain::{AgencyId, UserId};
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
    faults: Arc<FaultLog>,
}

impl Caller {
    /// Whom a token speaks for, with a request.
    pub(super) fn new(services: Arc<Services>, identity: Identity, request_id: Arc<str>) -> Self {
        let faults = Arc::new(FaultLog::new(request_id.clone()));
        Self { services, identity, request_id, watched: None, faults }
    }

    /// The same for one execution: its faults are logged once for each cause.
    pub(super) fn for_execution(&self) -> Self {
        Self { faults: Arc::new(FaultLog::new(self.request_id.clone())), ..self.clone() }
    }

    /// The user who asks. For the transport: what is shown never looks here.
    pub(super) fn user(&self) -> UserId {
        self.identity.user
    }

    /// The agency of the user who asks. For the transport as well.
    pub(super) fn agency(&self) -> AgencyId {
        self.identity.agency
    }

    /// The same, whom an answer cannot come to depend on unnoticed.
    pub(super) fn watched_by(&self, who_asked: &WhoAsked) -> Self {
        Self { watched: Some(who_asked.clone()), ..self.for_execution() }
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
        self.faults.record(error);
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

/// How many causes are told apart in one execution.
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
