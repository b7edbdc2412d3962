//! The OpenAPI document of the REST routes: `docs/openapi.json` and `GET /api/openapi.json`.

use std::collections::BTreeMap;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::error::{ErrorBody, ErrorCode, ErrorResponse};
use super::{assignments, extensions, uploads};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Partyline: assignments, extensions and uploads",
        description = "Pools of phone numbers, extensions, and files to send. All other functions are in the GraphQL API.",
    ),
    paths(
        assignments::list,
        assignments::change,
        extensions::list,
        extensions::create,
        extensions::update,
        extensions::deactivate,
        uploads::create,
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
/// The error responses of uploads.
pub(super) struct UploadErrors;

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

impl UploadErrors {
    pub(super) const TOO_LARGE: &str = "The file is larger than 5 MB.";
    pub(super) const TOO_SLOW: &str = "The file took longer than 60 s to arrive. Send the request again.";
}

impl IntoResponses for UploadErrors {
    fn responses() -> Responses {
        use ErrorCode::{
            Internal, Invalid, PayloadTooLarge, RateLimited, RequestTimeout, Unauthenticated, Unavailable,
        };
        let mut responses = errors(&[Invalid, Unauthenticated, RateLimited, Internal, Unavailable]);
        responses.extend([response(PayloadTooLarge, Self::TOO_LARGE), response(RequestTimeout, Self::TOO_SLOW)]);
        responses
    }
}

fn errors(codes: &[ErrorCode]) -> Responses {
    codes.iter().map(|code| response(*code, code.description())).collect()
}

fn response(code: ErrorCode, description: &str) -> (String, RefOr<Response>) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Error"))).build();
    let response = ResponseBuilder::new().description(description).content("application/json", content);
    (code.status().as_u16().to_string(), RefOr::T(response.build()))
}
