//! `/api/extensions`: digits that route callers and texts to a user.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RestState;
use super::deserialize_present;
use super::error::ErrorResponse;
use super::openapi::{DeleteErrors, ReadErrors, WriteErrors};
use super::requester::{PathParam, Requester, parse_id, parse_path_id};
use crate::domain::ExtensionId;
use crate::entity::extension;
use crate::service::Refusal;
use crate::service::manage_extensions::{
    CreateExtension, UpdateExtension, create_extension, deactivate_extension, update_extension,
};
use crate::store::directory::AGENCY_WIDE;

/// The extensions of an agency, ordered by digits, including deactivated ones.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Extensions {
    extensions: Vec<Extension>,
}

/// Digits that a caller dials, or that a text begins with, to reach a user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Extension {
    #[schema(pattern = "^ext_[0-9a-f]{32}$")]
    id: String,
    /// The digits of the extension.
    #[schema(pattern = "^[0-9]{2,6}$")]
    extension: String,
    /// The user that the extension reaches.
    #[schema(pattern = "^usr_[0-9a-f]{32}$")]
    user_id: String,
    /// The phone number on which the extension is valid. Null means all numbers of the agency.
    #[schema(pattern = "^num_[0-9a-f]{32}$", required)]
    number_id: Option<String>,
    /// Whether the extension is active. The digits of a deactivated extension can be reused.
    is_active: bool,
}

/// The input for a new extension.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewExtension {
    /// The digits, 2 to 6. Emergency numbers (911, 933, 112, 999, 000) and digits in use are rejected.
    #[schema(pattern = "^[0-9]{2,6}$")]
    extension: String,
    /// The user that the extension reaches, who must be active.
    #[schema(pattern = "^usr_[0-9a-f]{32}$")]
    user_id: String,
    /// The phone number on which the extension is valid. Null or omitted means all numbers of the agency.
    #[serde(default)]
    #[schema(pattern = "^num_[0-9a-f]{32}$")]
    number_id: Option<String>,
    /// Whether the extension is active. Default: true.
    #[serde(default = "active")]
    #[schema(default = true)]
    is_active: bool,
}

/// A change to an extension. Omitted fields keep their values. A change to a deactivated extension must set `isActive`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExtensionChange {
    /// The digits, 2 to 6. Emergency numbers (911, 933, 112, 999, 000) and digits in use are rejected.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(pattern = "^[0-9]{2,6}$", nullable = false)]
    extension: Option<String>,
    /// The user that the extension reaches, who must be active.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(pattern = "^usr_[0-9a-f]{32}$", nullable = false)]
    user_id: Option<String>,
    /// The phone number on which the extension is valid. Null means all numbers of the agency.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<String>, pattern = "^num_[0-9a-f]{32}$")]
    number_id: Option<Option<String>>,
    /// False deactivates the extension. True activates it again if its digits are free.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(nullable = false)]
    is_active: Option<bool>,
}

fn active() -> bool {
    true
}

impl NewExtension {
    fn parse(self) -> Result<CreateExtension, Refusal> {
        Ok(CreateExtension {
            digits: self.extension,
            user: parse_id(&self.user_id, "user")?,
            number: self.number_id.map(|number| parse_id(&number, "phone number")).transpose()?,
            active: self.is_active,
        })
    }
}

impl ExtensionChange {
    fn parse(self, extension: ExtensionId) -> Result<UpdateExtension, Refusal> {
        let number = |scope: Option<String>| scope.map(|number| parse_id(&number, "phone number")).transpose();
        Ok(UpdateExtension {
            extension,
            digits: self.extension,
            user: self.user_id.map(|user| parse_id(&user, "user")).transpose()?,
            number: self.number_id.map(number).transpose()?,
            active: self.is_active,
        })
    }
}

impl Extension {
    fn of(row: &extension::Model) -> Self {
        Self {
            id: row.id.to_string(),
            extension: row.digits.clone(),
            user_id: row.user_id.to_string(),
            number_id: (row.phone_number_id != AGENCY_WIDE).then(|| row.phone_number_id.to_string()),
            is_active: row.live == Some(true),
        }
    }
}

/// Lists the extensions of an agency.
#[utoipa::path(
    get,
    path = "/api/extensions/agency/{agency}",
    operation_id = "listExtensions",
    tag = "extensions",
    params(("agency" = String, Path, description = "The agency's key or id.", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    responses(
        (status = 200, body = Extensions, description = "All extensions, including deactivated ones."),
        ReadErrors,
    ),
)]
pub(super) async fn list(
    State(state): State<RestState>,
    agency: PathParam,
    request: Request,
) -> Result<Json<Extensions>, ErrorResponse> {
    let requester = Requester::authenticate(&state, request.extensions(), request.headers()).await?;
    requester.require_agency(&agency)?;
    Ok(Json(Extensions { extensions: requester.viewer.directory.extensions.iter().map(Extension::of).collect() }))
}

/// Creates an extension. Only admins may do this.
#[utoipa::path(
    post,
    path = "/api/extensions",
    operation_id = "createExtension",
    tag = "extensions",
    request_body = NewExtension,
    responses((status = 201, body = Extension, description = "The new extension."), WriteErrors),
)]
pub(super) async fn create(
    State(state): State<RestState>,
    request: Request,
) -> Result<(StatusCode, Json<Extension>), ErrorResponse> {
    let (parts, body) = request.into_parts();
    let requester = Requester::authenticate(&state, &parts.extensions, &parts.headers).await?;
    requester.require_admin()?;
    let input: NewExtension = requester.read_json(&parts.headers, body).await?;
    let outcome = create_extension(&requester.services, &requester.viewer, input.parse()?).await;
    let row = outcome?;
    Ok((StatusCode::CREATED, Json(Extension::of(&row))))
}

/// Changes an extension. Only admins may do this.
#[utoipa::path(
    patch,
    path = "/api/extensions/{id}",
    operation_id = "updateExtension",
    tag = "extensions",
    params(("id" = String, Path, description = "The extension's id.", pattern = "^ext_[0-9a-f]{32}$")),
    request_body = ExtensionChange,
    responses((status = 200, body = Extension, description = "The extension after the change."), WriteErrors),
)]
pub(super) async fn update(
    State(state): State<RestState>,
    extension: PathParam,
    request: Request,
) -> Result<Json<Extension>, ErrorResponse> {
    let (parts, body) = request.into_parts();
    let requester = Requester::authenticate(&state, &parts.extensions, &parts.headers).await?;
    requester.require_admin()?;
    let input: ExtensionChange = requester.read_json(&parts.headers, body).await?;
    let input = input.parse(parse_path_id(&extension, "extension")?)?;
    let outcome = update_extension(&requester.services, &requester.viewer, input).await;
    let row = outcome?;
    Ok(Json(Extension::of(&row)))
}

/// Deactivates an extension. Only admins may do this.
///
/// Its digits can be reused. Deactivating it again changes nothing.
#[utoipa::path(
    delete,
    path = "/api/extensions/{id}",
    operation_id = "deactivateExtension",
    tag = "extensions",
    params(("id" = String, Path, description = "The extension's id.", pattern = "^ext_[0-9a-f]{32}$")),
    responses((status = 204, description = "The extension is deactivated."), DeleteErrors),
)]
pub(super) async fn deactivate(
    State(state): State<RestState>,
    extension: PathParam,
    request: Request,
) -> Result<StatusCode, ErrorResponse> {
    let requester = Requester::authenticate(&state, request.extensions(), request.headers()).await?;
    requester.require_admin()?;
    let extension = parse_path_id(&extension, "extension")?;
    let outcome = deactivate_extension(&requester.services, &requester.viewer, extension).await;
    outcome?;
    Ok(StatusCode::NO_CONTENT)
}
