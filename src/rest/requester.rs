//! The requester: the user of the bearer token, with their current role.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{Extensions, HeaderMap};
use serde::de::DeserializeOwned;

use super::RestState;
use super::error::ErrorResponse;
use crate::admission::ExecutionPermit;
use crate::http::authentication::{AuthenticationError, authenticate, client_address};
use crate::http::body::{BodyLimits, is_json, read};
use crate::ports::Clock;
use crate::service::authenticate::Identity;
use crate::service::{Refusal, Services, Viewer};

/// A segment of the path. A segment that is not valid text counts as an unknown id.
pub(super) type PathParam = Result<Path<String>, PathRejection>;

/// Parses an id. A malformed id is reported as not found, like an unknown one.
pub(super) fn parse_id<T: FromStr>(text: &str, what: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::not_found(what, "id"))
}

/// Parses an id in the path.
pub(super) fn parse_path_id<T: FromStr>(param: &PathParam, what: &str) -> Result<T, Refusal> {
    parse_id(param.as_ref().map_or("", |Path(text)| text), what)
}

/// The authenticated user behind a request.
pub(super) struct Requester {
    pub(super) services: Arc<Services>,
    pub(super) viewer: Viewer,
    identity: Identity,
    /// A permit for mutations, because these routes read from memory and write, or for uploads.
    _permit: ExecutionPermit,
}

impl Requester {
    /// Authenticates a request and waits for a permit to execute it.
    pub(super) async fn authenticate(
        state: &RestState,
        extensions: &Extensions,
        headers: &HeaderMap,
    ) -> Result<Self, ErrorResponse> {
        let identity = identify(state, extensions, headers).await?;
        let permit = state.admission.acquire_mutation(identity.agency, identity.user).await?;
        Self::with_permit(state, identity, permit).await
    }

    /// Authenticates a request and waits for a permit to receive and store a file.
    pub(super) async fn authenticate_upload(
        state: &RestState,
        extensions: &Extensions,
        headers: &HeaderMap,
    ) -> Result<Self, ErrorResponse> {
        let identity = identify(state, extensions, headers).await?;
        let permit = state.admission.acquire_upload(identity.agency, identity.user).await?;
        Self::with_permit(state, identity, permit).await
    }

    async fn with_permit(
        state: &RestState,
        identity: Identity,
        permit: ExecutionPermit,
    ) -> Result<Self, ErrorResponse> {
        let services = Arc::clone(&state.services);
        let viewer = viewer(&services, &identity).await?;
        Ok(Self { services, viewer, identity, _permit: permit })
    }

    /// Refuses every agency except the requester's own as not found. `param` is the agency's key or id.
    pub(super) fn require_agency(&self, param: &PathParam) -> Result<(), Refusal> {
        let agency = &self.viewer.directory.agency;
        let own = |Path(name): &Path<String>| *name == agency.key || name.parse() == Ok(agency.id);
        if param.as_ref().is_ok_and(own) { Ok(()) } else { Err(Refusal::not_found("agency", "agency")) }
    }

    /// Refuses members before their body is read. The use case checks the role again in its transaction.
    pub(super) fn require_admin(&self) -> Result<(), Refusal> {
        if self.viewer.is_admin() { Ok(()) } else { Err(Refusal::admins_only()) }
    }

    pub(super) async fn read_json<T: DeserializeOwned>(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<T, ErrorResponse> {
        read_json_object(&*self.services.clock, headers, body).await
    }

    /// Returns the viewer with the directory after a commit.
    pub(super) async fn reload(&self) -> Result<Viewer, ErrorResponse> {
        viewer(&self.services, &self.identity).await
    }
}

/// Verifies the token of a request, and counts the request against the rates.
async fn identify(state: &RestState, extensions: &Extensions, headers: &HeaderMap) -> Result<Identity, ErrorResponse> {
    let (services, admission) = (&state.services, &state.admission);
    let client = client_address(admission, extensions, headers);
    let identity = match authenticate(services, admission, headers, client).await {
        Ok(identity) => identity,
        Err(AuthenticationError::Rejected(_)) => return Err(ErrorResponse::unauthenticated()),
        Err(AuthenticationError::Limited(limited)) => return Err(limited.into()),
        Err(AuthenticationError::Fault(fault)) => return Err(ErrorResponse::fault(&fault)),
    };
    admission.count_request(identity.agency, identity.user)?;
    Ok(identity)
}

async fn viewer(services: &Services, identity: &Identity) -> Result<Viewer, ErrorResponse> {
    let viewer = services.viewer(identity.agency, identity.user).await;
    viewer.map_err(|fault| ErrorResponse::fault(&fault))?.ok_or_else(ErrorResponse::unauthenticated)
}

/// Many times the size of the largest change of a pool.
const BODY_LIMITS: BodyLimits = BodyLimits { bytes: 64 * 1024, timeout: Duration::from_secs(10) };

/// Reads the JSON object in the body of a request.
async fn read_json_object<T: DeserializeOwned>(
    clock: &dyn Clock,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, ErrorResponse> {
    if !is_json(headers) {
        return Err(ErrorResponse::unsupported_media_type());
    }
    let body = read(clock, body, BODY_LIMITS).await?;
    // serde would also accept an array of the field values.
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => serde_json::from_slice(&body).map_err(|error| ErrorResponse::malformed(&error)),
        _ => Err(ErrorResponse::invalid("The body must be a JSON object.")),
    }
}
