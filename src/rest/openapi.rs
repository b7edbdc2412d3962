//! The OpenAPI document of the REST routes: `docs/openapi.json` and `GET /api/openapi.json`.

use std::collections::BTreeMap;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::error::{ErrorBody, ErrorCode, ErrorResponse};
use super::{assignments, extensions};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Partyline: assignments and extensions",
        description = "Pools of phone numbers, and extensions. All other functions are in the GraphQL API.",
    ),
    paths(
        assignments::list,
        assignments::change,
        extensions::list,
        extensions::create,
        extensions::update,
        extensions::deactivate,
        show,
    ),
    components(schemas(ErrorBody)),
    security(("bearer" = [])),
    modifiers(&Bearer),
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("A token of a user, created by `partyline token` or by the issuer in the settings."));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme.build()));
    }
}

/// Returns the document as JSON text.
pub fn document() -> Result<String, serde_json::Error> {
    Ok(Document::openapi().to_pretty_json()? + "\n")
}

/// Returns this OpenAPI document.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "openapi",
    tag = "document",
    responses((status = 200, body = Object, description = "The OpenAPI 3.1 document."), PublicErrors),
    security(()),
)]
pub(super) async fn show() -> Result<impl IntoResponse, ErrorResponse> {
    match document() {
        Ok(text) => Ok(([(CONTENT_TYPE, "application/json")], text)),
        Err(error) => {
            tracing::error!(%error, "the OpenAPI document could not be serialized");
            Err(ErrorResponse::plain(ErrorCode::Internal))
        }
    }
}

/// The error responses of routes that require no token.
pub(super) struct PublicErrors;
/// The error responses of routes that read.
pub(super) struct ReadErrors;
/// The error responses of routes that write and have no body.
pub(super) struct DeleteErrors;
/// The error responses of routes that write and have a body.
pub(super) struct WriteErrors;

type Responses = BTreeMap<String, RefOr<Response>>;

impl IntoResponses for PublicErrors {
    fn responses() -> Responses {
        errors(&[ErrorCode::Internal])
    }
}

impl IntoResponses for ReadErrors {
    fn responses() -> Responses {
        use ErrorCode::{Internal, NotFound, RateLimited, Unauthenticated, Unavailable};
        errors(&[Unauthenticated, NotFound, RateLimited, Internal, Unavailable])
    }
}

impl IntoResponses for DeleteErrors {
    fn responses() -> Responses {
        let mut responses = ReadErrors::responses();
        responses.extend(errors(&[ErrorCode::Forbidden]));
        responses
    }
}

impl IntoResponses for WriteErrors {
    fn responses() -> Responses {
        use ErrorCode::{Conflict, Invalid, PayloadTooLarge, RequestTimeout, UnsupportedMediaType};
        let mut responses = DeleteErrors::responses();
        responses.extend(errors(&[Invalid, RequestTimeout, Conflict, PayloadTooLarge, UnsupportedMediaType]));
        responses
    }
}

fn errors(codes: &[ErrorCode]) -> Responses {
    let response = |code: &ErrorCode| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Error"))).build();
        let response = ResponseBuilder::new().description(code.description()).content("application/json", content);
        (code.status().as_u16().to_string(), RefOr::T(response.build()))
    };
    codes.iter().map(response).collect()
}
