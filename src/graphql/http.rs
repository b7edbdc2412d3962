//! GraphQL over HTTP (graphql.github.io/graphql-over-http): `POST /graphql`, JSON in and out.
//!
//! Only `application/json` is accepted, so that a page of another origin cannot make a browser send a mutation without
//! a CORS preflight. Batches, uploads and GET are not supported. Unauthenticated requests are rejected before their
//! body is read, except short ones without a token, which may be a sign-in.

use std::net::IpAddr;
use std::sync::Arc;

use async_graphql_axum::GraphQLResponse;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use async_graphql::http::GraphiQLSource;
use async_graphql::parser::types::OperationType;

use super::GraphqlState;
use super::context::{Origin, Requester, make_request_id};
use super::errors::{Code, Failure};
use super::limits::{BODY_TIMEOUT, MAX_BODY_BYTES, MAX_SIGN_IN_BYTES};
use super::operation::{OperationResponse, RejectedRequest, RequestParameters, prepare, prepare_sign_in};
use super::reserved_body::reserve;
use crate::admission::Limited;
use crate::http::authentication::{self, AuthenticationError, client_address};
use crate::http::body::{self, BodyError, BodyLimits, is_json};
use crate::service::authenticate::{Identity, TokenProblem};

/// The media types of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    /// `application/json`: 200 for every well-formed request, whatever its result.
    Json,
    /// `application/graphql-response+json`: 400 for requests that do not parse or validate.
    GraphqlResponse,
}

/// Handles `POST /graphql`.
pub(super) async fn post(State(state): State<Arc<GraphqlState>>, request: Request) -> Response {
    let media = Media::negotiate(request.headers());
    match respond(&state, media, request).await {
        Ok(response) => response,
        Err((status, failure)) => {
            let retry_after = failure.retry_after_seconds().map(HeaderValue::from);
            let mut response = media.rejected(status, &RejectedRequest::from(failure));
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(RETRY_AFTER, seconds);
            }
            response
        }
    }
}

type HttpFailure = (StatusCode, Failure);

fn too_many_requests(limited: Limited) -> HttpFailure {
    (StatusCode::TOO_MANY_REQUESTS, Failure::limited(&limited))
}

async fn respond(state: &GraphqlState, media: Media, request: Request) -> Result<Response, HttpFailure> {
    let request_id = make_request_id(&state.services);
    let client = client_address(&state.executor.admission, request.extensions(), request.headers());
    if !request.headers().contains_key(AUTHORIZATION) {
        return sign_in(state, media, request, client, request_id).await;
    }
    let identity = authenticate(state, request.headers(), client, &request_id).await?;
    if !is_json(request.headers()) {
        let failure = Failure::bad_input("The body must be application/json in UTF-8.");
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, failure));
    }
    let parameters = read_parameters(state, request, MAX_BODY_BYTES).await?;
    // After the body is read: a connection with an unread body is closed, and the client might not receive the
    // response.
    state.executor.admission.count_request(identity.agency, identity.user).map_err(too_many_requests)?;
    let requester = Requester::new(Arc::clone(&state.services), identity, request_id);
    let with_status = |failure: Failure| media.with_status(failure);
    let prepared = prepare(state, parameters).map_err(|failure| {
        state.executor.metrics.rejected_operation(failure.code().as_str());
        with_status(failure)
    })?;
    if prepared.kind == OperationType::Subscription {
        return Err(with_status(Failure::bad_input("Subscriptions are served at /graphql/ws.")));
    }
    let executed = state.executor.execute(&requester, prepared).await;
    let (response, reservation) = executed.map_err(with_status)?;
    Ok(media.response(response).map(|body| reserve(body, reservation)))
}

/// Answers a request without a token. Only the document of a sign-in is executed. Every such request counts against the
/// rate of its address, and all others get the same answer, before their body is read if it is not short.
async fn sign_in(
    state: &GraphqlState,
    media: Media,
    request: Request,
    client: IpAddr,
    request_id: Arc<str>,
) -> Result<Response, HttpFailure> {
    state.executor.admission.count_failed_authentication(client).map_err(too_many_requests)?;
    let unauthenticated = || (StatusCode::UNAUTHORIZED, Failure::unauthenticated(TokenProblem::Invalid));
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if !is_json(request.headers()) || length.is_some_and(|length| length > MAX_SIGN_IN_BYTES) {
        return Err(unauthenticated());
    }
    let parameters = read_parameters(state, request, MAX_SIGN_IN_BYTES).await.map_err(|_| unauthenticated())?;
    let prepared = prepare_sign_in(state, parameters).ok();
    let prepared = prepared.filter(|prepared| prepared.selects_only("exchangeSignInCode"));
    let prepared = prepared.ok_or_else(unauthenticated)?;
    let origin = Origin { services: Arc::clone(&state.services), request_id };
    let executed = state.executor.execute_sign_in(origin, prepared).await;
    Ok(media.response(executed.map_err(|failure| media.with_status(failure))?))
}

async fn authenticate(
    state: &GraphqlState,
    headers: &HeaderMap,
    client: IpAddr,
    request_id: &Arc<str>,
) -> Result<Identity, HttpFailure> {
    match authentication::authenticate(&state.services, &state.executor.admission, headers, client).await {
        Ok(identity) => Ok(identity),
        Err(AuthenticationError::Rejected(problem)) => {
            Err((StatusCode::UNAUTHORIZED, Failure::unauthenticated(problem)))
        }
        Err(AuthenticationError::Limited(limited)) => Err(too_many_requests(limited)),
        Err(AuthenticationError::Fault(fault)) => {
            tracing::error!(%request_id, error = %fault, "a token could not be verified");
            Err((StatusCode::SERVICE_UNAVAILABLE, Failure::internal(request_id)))
        }
    }
}

async fn read_parameters(
    state: &GraphqlState,
    request: Request,
    bytes: usize,
) -> Result<RequestParameters, HttpFailure> {
    let limits = BodyLimits { bytes, timeout: BODY_TIMEOUT };
    let body = body::read(&*state.services.clock, request.into_body(), limits).await.map_err(|error| match error {
        BodyError::TooLong => {
            (StatusCode::PAYLOAD_TOO_LARGE, Failure::bad_input("The body is too long. Send at most 256 KiB."))
        }
        BodyError::TooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            Failure::bad_input("The body took too long to arrive. Send the request again."),
        ),
        BodyError::Broken => {
            (StatusCode::BAD_REQUEST, Failure::bad_input("The body was incomplete. Send the request again."))
        }
    })?;
    let malformed = |message: &'static str| (StatusCode::BAD_REQUEST, Failure::bad_input(message));
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => serde_json::from_slice(&body)
            .map_err(|_| malformed("The body is not a GraphQL request. It must have a string `query`.")),
        Some(b'[') => Err(malformed("Batches are not supported. Send one request at a time.")),
        _ => Err(malformed("The body must be a JSON object.")),
    }
}

impl Media {
    /// Chooses the media type with the highest quality in `Accept` (RFC 9110, section 12.5.1), and the first of equals.
    fn negotiate(headers: &HeaderMap) -> Self {
        let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut best = (Self::Json, 0.0);
        for range in ranges.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "application/graphql-response+json" => Self::GraphqlResponse,
                "application/json" | "application/*" | "*/*" => Self::Json,
                _ => continue,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.trim().parse::<f32>().ok()).unwrap_or(1.0);
            if quality > best.1 {
                best = (media, quality);
            }
        }
        best.0
    }

    /// The response to an operation. If it was executed, async-graphql-axum serializes it.
    fn response(self, response: OperationResponse) -> Response {
        match response {
            OperationResponse::Executed(executed) => {
                self.with_headers(StatusCode::OK, GraphQLResponse::from(executed).into_response())
            }
            OperationResponse::Rejected(rejected) if self == Self::GraphqlResponse => {
                self.rejected(StatusCode::BAD_REQUEST, &rejected)
            }
            OperationResponse::Rejected(rejected) => self.rejected(StatusCode::OK, &rejected),
        }
    }

    /// The status of a response without data.
    fn with_status(self, failure: Failure) -> HttpFailure {
        let status = match (failure.code(), self) {
            (Code::RateLimited, _) => StatusCode::TOO_MANY_REQUESTS,
            (_, Self::Json) => StatusCode::OK,
            (Code::Internal, Self::GraphqlResponse) => StatusCode::INTERNAL_SERVER_ERROR,
            (Code::Timeout, Self::GraphqlResponse) => StatusCode::SERVICE_UNAVAILABLE,
            (_, Self::GraphqlResponse) => StatusCode::BAD_REQUEST,
        };
        (status, failure)
    }

    /// The response to a request that was not executed. It has no `data`, so it is not a [`GraphQLResponse`].
    fn rejected(self, status: StatusCode, rejected: &RejectedRequest) -> Response {
        self.with_headers(status, Json(rejected).into_response())
    }

    fn with_headers(self, status: StatusCode, mut response: Response) -> Response {
        *response.status_mut() = status;
        let media = match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Handles `GET /graphiql`. The page loads its scripts from a CDN, so it needs access to the internet.
pub(super) async fn graphiql() -> Response {
    let page = GraphiQLSource::build().title("Partyline").endpoint("/graphql").subscription_endpoint("/graphql/ws");
    ([(CONTENT_SECURITY_POLICY, GRAPHIQL_POLICY)], Html(page.finish())).into_response()
}

/// The content security policy of the GraphiQL page.
const GRAPHIQL_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline' blob: https://esm.sh; \
     style-src 'unsafe-inline' https://esm.sh; font-src data: https://esm.sh; img-src data: https://esm.sh; \
     worker-src blob: https://esm.sh; connect-src 'self' ws: wss: https://esm.sh; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether pages of this origin may call the API from a browser.
pub(super) fn is_allowed(origins: &[String], origin: &HeaderValue) -> bool {
    origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: axum::http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn the_accept_header_chooses_the_media_type() {
        for (accept, wanted) in [
            ("application/graphql-response+json", Media::GraphqlResponse),
            ("application/graphql-response+json; charset=utf-8, application/json", Media::GraphqlResponse),
            ("application/json, application/graphql-response+json", Media::Json),
            ("application/json;q=0.5, application/graphql-response+json", Media::GraphqlResponse),
            ("application/graphql-response+json;q=0.5, */*", Media::Json),
            ("*/*", Media::Json),
            ("text/html", Media::Json),
            ("", Media::Json),
        ] {
            assert_eq!(Media::negotiate(&headers(ACCEPT, accept)), wanted, "{accept}");
        }
        assert_eq!(Media::negotiate(&HeaderMap::new()), Media::Json);
    }
}
