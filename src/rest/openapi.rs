//! The OpenAPI document of these routes: `docs/openapi.json`, and `GET /api/openapi.json`.

use std::collections::BTreeMap;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::error::{ErrorBody, ErrorCode, Refused};
use super::{assignments, extensions};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Partyline: assignments and extensions",
        description = "Who is in which number's pool, and which digits reach whom. All the rest is GraphQL.",
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
            .description(Some("A token of a user, made by `partyline token` or by the issuer that the settings name."));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme.build()));
    }
}

/// The document as it is committed and served.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn document() -> Result<String, serde_json::Error> {
    Ok(Document::openapi().to_pretty_json()? + "\n")
}

/// This document.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "openapi",
    tag = "document",
    responses((status = 200, body = Object, description = "OpenAPI 3.1."), Faults),
    security(()),
)]
pub(super) async fn show() -> Result<impl IntoResponse, Refused> {
    match document() {
        Ok(text) => Ok(([(CONTENT_TYPE, "application/json")], text)),
        Err(error) => {
            tracing::error!(%error, "the document could not be written");
            Err(Refused::plain(ErrorCode::Internal))
        }
    }
}

/// The errors of a request that needs no token.
pub(super) struct Faults;
/// The errors of a request that reads.
pub(super) struct Reading;
/// The errors of a request that changes something and has no body.
pub(super) struct Deleting;
/// The errors of a request that changes something.
pub(super) struct Writing;

type Responses = BTreeMap<String, RefOr<Response>>;

impl IntoResponses for Faults {
    fn responses() -> Responses {
        errors(&[ErrorCode::Internal])
    }
}

impl IntoResponses for Reading {
    fn responses() -> Responses {
        use ErrorCode::{Internal, NotFound, RateLimited, Unauthenticated, Unavailable};
        errors(&[Unauthenticated, NotFound, RateLimited, Internal, Unavailable])
    }
}

impl IntoResponses for Deleting {
    fn responses() -> Responses {
        let mut responses = Reading::responses();
        responses.extend(errors(&[ErrorCode::Forbidden]));
        responses
    }
}

impl IntoResponses for Writing {
    fn responses() -> Responses {
        use ErrorCode::{Conflict, Invalid, PayloadTooLarge, RequestTimeout, UnsupportedMediaType};
        let mut responses = Deleting::responses();
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
