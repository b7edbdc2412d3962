//! `/api/sms-numbers/agency/{agency}/assignments`: the users in the pools of an agency's phone numbers.

use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{Array, ArrayBuilder, ObjectBuilder, Type};

use super::RestState;
use super::deserialize_present;
use super::error::ErrorResponse;
use super::openapi::{ReadErrors, WriteErrors};
use super::requester::{PathParam, Requester, parse_id};
use crate::service::manage_pool::{ChangePool, MAX_CHANGES, PoolChange, change_pool};
use crate::service::{Refusal, Viewer};
use crate::store::Directory;

/// The active phone numbers of an agency with their pools.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Assignments {
    numbers: Vec<NumberAssignments>,
}

/// A phone number and the users in its pool.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NumberAssignments {
    #[schema(pattern = "^num_[0-9a-f]{32}$")]
    id: String,
    /// The phone number in E.164 format.
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$")]
    phone_number: String,
    label: String,
    /// The users in the pool: the primary user first, then by the age of the assignment, oldest first.
    users: Vec<AssignedUser>,
}

/// The assignment of a user to a pool.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssignedUser {
    #[schema(pattern = "^usr_[0-9a-f]{32}$")]
    user_id: String,
    name: String,
    /// Whether texts to this number are routed to this user.
    sms_access_enabled: bool,
    /// Whether the user is the default sender of the pool. At most one user per pool is.
    is_primary: bool,
}

/// Changes to the pool of one number: at most 200, each for a different user. Either all changes are applied or none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangeAssignments {
    #[schema(pattern = "^num_[0-9a-f]{32}$")]
    number_id: String,
    /// Users to add to the pool. Calls to the number also ring their phones.
    #[serde(default)]
    #[schema(max_items = 200)]
    add: Vec<AddUser>,
    /// Users in the pool whose assignment changes. Omitted fields keep their values.
    #[serde(default)]
    #[schema(max_items = 200)]
    update: Vec<UpdateUser>,
    /// Users to remove from the pool. Threads that are assigned to them through the pool are released to it.
    #[serde(default)]
    #[schema(required = false, schema_with = user_ids)]
    remove: Vec<String>,
}

/// A user to add to a pool.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AddUser {
    #[schema(pattern = "^usr_[0-9a-f]{32}$")]
    user_id: String,
    /// Whether texts to this number are routed to this user. Default: true.
    #[serde(default = "enabled")]
    #[schema(default = true)]
    sms_access_enabled: bool,
    /// Whether the user becomes the default sender of the pool and replaces the current one. Default: false.
    #[serde(default)]
    is_primary: bool,
}

/// A change to the assignment of a user. Omitted fields keep their values.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UpdateUser {
    #[schema(pattern = "^usr_[0-9a-f]{32}$")]
    user_id: String,
    /// Whether texts to this number are routed to this user. If it changes to false, threads that are assigned to the
    /// user through the pool are released to it.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(nullable = false)]
    sms_access_enabled: Option<bool>,
    /// Whether the user is the default sender of the pool. If true, the user replaces the current one.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(nullable = false)]
    is_primary: Option<bool>,
}

fn enabled() -> bool {
    true
}

/// The schema of `remove`. The derived schema would lack the pattern of the ids.
fn user_ids() -> Array {
    let id = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^usr_[0-9a-f]{32}$"));
    let description =
        Some("Users to remove from the pool. Threads that are assigned to them through the pool are released to it.");
    ArrayBuilder::new().items(id).max_items(Some(MAX_CHANGES)).description(description).build()
}

impl ChangeAssignments {
    fn parse(self) -> Result<ChangePool, Refusal> {
        let number = parse_id(&self.number_id, "phone number")?;
        let user = |text: &str| parse_id(text, "user");
        let mut changes = Vec::with_capacity(self.remove.len() + self.update.len() + self.add.len());
        for text in &self.remove {
            changes.push(PoolChange::Remove { user: user(text)? });
        }
        for UpdateUser { user_id, sms_access_enabled, is_primary } in self.update {
            changes.push(PoolChange::Update { user: user(&user_id)?, sms_enabled: sms_access_enabled, is_primary });
        }
        for AddUser { user_id, sms_access_enabled, is_primary } in self.add {
            changes.push(PoolChange::Add { user: user(&user_id)?, sms_enabled: sms_access_enabled, is_primary });
        }
        Ok(ChangePool { number, changes })
    }
}

impl Assignments {
    fn of(viewer: &Viewer) -> Self {
        let directory = &*viewer.directory;
        let live = directory.numbers.iter().filter(|number| number.live == Some(true));
        let numbers = live.map(|number| NumberAssignments {
            id: number.id.to_string(),
            phone_number: number.e164.clone(),
            label: number.label.clone(),
            users: directory.pool_members(number.id).filter_map(|row| AssignedUser::of(directory, row)).collect(),
        });
        Self { numbers: numbers.collect() }
    }
}

impl AssignedUser {
    fn of(directory: &Directory, row: &crate::entity::assignment::Model) -> Option<Self> {
        let user = directory.user(row.user_id)?;
        Some(Self {
            user_id: user.id.to_string(),
            name: user.name.clone(),
            sms_access_enabled: row.sms_enabled,
            is_primary: row.is_primary,
        })
    }
}

/// Lists the active phone numbers of an agency and the users in their pools.
#[utoipa::path(
    get,
    path = "/api/sms-numbers/agency/{agency}/assignments",
    operation_id = "listAssignments",
    tag = "assignments",
    params(("agency" = String, Path, description = "The agency's key or id.", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    responses(
        (status = 200, body = Assignments, description = "The active phone numbers and the users in their pools."),
        ReadErrors,
    ),
)]
pub(super) async fn list(
    State(state): State<RestState>,
    agency: PathParam,
    request: Request,
) -> Result<Json<Assignments>, ErrorResponse> {
    let requester = Requester::authenticate(&state, request.extensions(), request.headers()).await?;
    requester.require_agency(&agency)?;
    Ok(Json(Assignments::of(&requester.viewer)))
}

/// Changes the pool of one phone number. Only admins may do this. Either all changes are applied or none.
#[utoipa::path(
    patch,
    path = "/api/sms-numbers/agency/{agency}/assignments",
    operation_id = "changeAssignments",
    tag = "assignments",
    params(("agency" = String, Path, description = "The agency's key or id.", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    request_body = ChangeAssignments,
    responses(
        (status = 200, body = Assignments, description = "The phone numbers and their users after the change."),
        WriteErrors,
    ),
)]
pub(super) async fn change(
    State(state): State<RestState>,
    agency: PathParam,
    request: Request,
) -> Result<Json<Assignments>, ErrorResponse> {
    let (parts, body) = request.into_parts();
    let requester = Requester::authenticate(&state, &parts.extensions, &parts.headers).await?;
    requester.require_agency(&agency)?;
    requester.require_admin()?;
    let input: ChangeAssignments = requester.read_json(&parts.headers, body).await?;
    let outcome = change_pool(&requester.services, &requester.viewer, input.parse()?).await;
    outcome?;
    Ok(Json(Assignments::of(&requester.reload().await?)))
}
