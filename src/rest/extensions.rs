//! `/api/extensions`: digits that reach a user.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RestState;
use super::caller::{Caller, Named, id, id_in};
use super::error::Refused;
use super::given;
use super::openapi::{Deleting, Reading, Writing};
use crate::domain::ExtensionId;
use crate::entity::extension;
use crate::service::Refusal;
use crate::service::manage_extensions::{
    CreateExtension, UpdateExtension, create_extension, deactivate_extension, update_extension,
};
use crate::store::directory::AGENCY_WIDE;

/// An agency's extensions, by digits, those out of use too.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Extensions {
    extensions: Vec<Extension>,
}

/// Digits that a caller dials, or a text names, to reach a user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Extension {
    #[schema(pattern = "^ext_[0-9a-f]{32}$")]
    id: String,
    /// The digits.
    #[schema(pattern = "^[0-9]{2,6}$")]
    extension: String,
    /// Whom it reaches.
    #[schema(pattern = "^usr_[0-9a-f]{32}$")]
    user_id: String,
    /// The one number it is valid on; null is every number of the agency.
    #[schema(pattern = "^num_[0-9a-f]{32}$", required)]
    number_id: Option<String>,
    /// Whether it reaches anybody. Digits out of use can be given again.
    is_active: bool,
}

/// A new extension.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewExtension {
    /// 2 to 6 digits, no emergency number (911, 933, 112, 999, 000), not taken.
    #[schema(pattern = "^[0-9]{2,6}$")]
    extension: String,
    /// Whom it reaches: an active user.
    #[schema(pattern = "^usr_[0-9a-f]{32}$")]
    user_id: String,
    /// The one number it is valid on; null or absent: every number of the agency.
    #[serde(default)]
    #[schema(pattern = "^num_[0-9a-f]{32}$")]
    number_id: Option<String>,
    /// Whether it is in use from the start.
    #[serde(default = "active")]
    #[schema(default = true)]
    is_active: bool,
}

/// What to change of an extension. What is absent stays. One out of use can only be changed by saying
/// `isActive`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExtensionChange {
    /// 2 to 6 digits, no emergency number (911, 933, 112, 999, 000), not taken.
    #[serde(default, deserialize_with = "given")]
    #[schema(pattern = "^[0-9]{2,6}$", nullable = false)]
    extension: Option<String>,
    /// Whom it reaches: an active user.
    #[serde(default, deserialize_with = "given")]
    #[schema(pattern = "^usr_[0-9a-f]{32}$", nullable = false)]
    user_id: Option<String>,
    /// The one number it is valid on; null: every number of the agency; absent: as it is.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, pattern = "^num_[0-9a-f]{32}$")]
    number_id: Option<Option<String>>,
    /// False puts it out of use; true puts it into use again, if its digits are free.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    is_active: Option<bool>,
}

fn active() -> bool {
    true
}

impl NewExtension {
    fn read(self) -> Result<CreateExtension, Refusal> {
        Ok(CreateExtension {
            digits: self.extension,
            user: id(&self.user_id, "user")?,
            number: self.number_id.map(|number| id(&number, "phone number")).transpose()?,
            active: self.is_active,
        })
    }
}

impl ExtensionChange {
    fn read(self, extension: ExtensionId) -> Result<UpdateExtension, Refusal> {
        let number = |scope: Option<String>| scope.map(|number| id(&number, "phone number")).transpose();
        Ok(UpdateExtension {
            extension,
            digits: self.extension,
            user: self.user_id.map(|user| id(&user, "user")).transpose()?,
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

/// Lists the agency's extensions.
#[utoipa::path(
    get,
    path = "/api/extensions/agency/{agency}",
    operation_id = "listExtensions",
    tag = "extensions",
    params(("agency" = String, Path, description = "The agency's key or id.", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    responses((status = 200, body = Extensions, description = "All of them, those out of use too."), Reading),
)]
pub(super) async fn list(
    State(state): State<RestState>,
    agency: Named,
    request: Request,
) -> Result<Json<Extensions>, Refused> {
    let caller = Caller::of(&state, request.extensions(), request.headers()).await?;
    caller.in_agency(&agency)?;
    Ok(Json(Extensions { extensions: caller.viewer.directory.extensions.iter().map(Extension::of).collect() }))
}

/// Makes an extension. For admins.
#[utoipa::path(
    post,
    path = "/api/extensions",
    operation_id = "createExtension",
    tag = "extensions",
    request_body = NewExtension,
    responses((status = 201, body = Extension, description = "The new extension."), Writing),
)]
pub(super) async fn create(
    State(state): State<RestState>,
    request: Request,
) -> Result<(StatusCode, Json<Extension>), Refused> {
    let (parts, body) = request.into_parts();
    let caller = Caller::of(&state, &parts.extensions, &parts.headers).await?;
    caller.as_admin()?;
    let input: NewExtension = caller.sent(&parts.headers, body).await?;
    let outcome = create_extension(&caller.services, &caller.viewer, input.read()?).await;
    let row = outcome.map_err(|fault| Refused::fault(&fault))??;
    Ok((StatusCode::CREATED, Json(Extension::of(&row))))
}

/// Changes an extension. For admins.
#[utoipa::path(
    patch,
    path = "/api/extensions/{id}",
    operation_id = "updateExtension",
    tag = "extensions",
    params(("id" = String, Path, description = "The extension's id.", pattern = "^ext_[0-9a-f]{32}$")),
    request_body = ExtensionChange,
    responses((status = 200, body = Extension, description = "The extension as it is now."), Writing),
)]
pub(super) async fn update(
    State(state): State<RestState>,
    extension: Named,
    request: Request,
) -> Result<Json<Extension>, Refused> {
    let (parts, body) = request.into_parts();
    let caller = Caller::of(&state, &parts.extensions, &parts.headers).await?;
    caller.as_admin()?;
    let input: ExtensionChange = caller.sent(&parts.headers, body).await?;
    let input = input.read(id_in(&extension, "extension")?)?;
    let outcome = update_extension(&caller.services, &caller.viewer, input).await;
    let row = outcome.map_err(|fault| Refused::fault(&fault))??;
    Ok(Json(Extension::of(&row)))
}

/// Puts an extension out of use. For admins.
///
/// Its digits can be given again. Doing it twice changes nothing.
#[utoipa::path(
    delete,
    path = "/api/extensions/{id}",
    operation_id = "deactivateExtension",
    tag = "extensions",
    params(("id" = String, Path, description = "The extension's id.", pattern = "^ext_[0-9a-f]{32}$")),
    responses((status = 204, description = "It is out of use."), Deleting),
)]
pub(super) async fn deactivate(
    State(state): State<RestState>,
    extension: Named,
    request: Request,
) -> Result<StatusCode, Refused> {
    let caller = Caller::of(&state, request.extensions(), request.headers()).await?;
    caller.as_admin()?;
    let extension = id_in(&extension, "extension")?;
    let outcome = deactivate_extension(&caller.services, &caller.viewer, extension).await;
    outcome.map_err(|fault| Refused::fault(&fault))??;
    Ok(StatusCode::NO_CONTENT)
}
