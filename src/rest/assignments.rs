//! `/api/sms-numbers/agency/{agency}/assignments`: who is in which number's pool.

use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{Array, ArrayBuilder, ObjectBuilder, Type};

use super::RestState;
use super::caller::{Caller, Named, id};
use super::error::Refused;
use super::given;
use super::openapi::{Reading, Writing};
use crate::service::manage_pool::{ChangePool, MAX_CHANGES, PoolChange, change_pool};
use crate::service::{Refusal, Viewer};
use crate::store::Directory;

/// An agency's active numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Assignments {
    numbers: Vec<NumberAssignments>,
}

/// A number that a team shares, and its pool.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NumberAssignments {
    #[schema(pattern = "^num_[0-9a-f]{32}$")]
    id: String,
    /// E.164.
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$")]
    phone_number: String,
    label: String,
    /// The primary user first, then by the age of their assignment.
    users: Vec<AssignedUser>,
}

/// A user's place in a pool.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssignedUser {
    #[schema(pattern = "^usr_[0-9a-f]{32}$")]
    user_id: String,
    name: String,
    /// Whether texts reach them here.
    sms_access_enabled: bool,
    /// Whether they are the pool's default sender; at most one is.
    is_primary: bool,
}

/// Changes to one number's pool: at most 200, each user once. They are made all together, or none is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangeAssignments {
    #[schema(pattern = "^num_[0-9a-f]{32}$")]
    number_id: String,
    /// Users who are not in the pool yet. Calls reach them too.
    #[serde(default)]
    #[schema(max_items = 200)]
    add: Vec<AddUser>,
    /// Users who are in the pool. What is absent stays.
    #[serde(default)]
    #[schema(max_items = 200)]
    update: Vec<UpdateUser>,
    /// Users who leave the pool. The threads that they hold through it go back to it.
    #[serde(default)]
    #[schema(required = false, schema_with = user_ids)]
    remove: Vec<String>,
}

/// A user who comes into a pool.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AddUser {
    #[schema(pattern = "^usr_[0-9a-f]{32}$")]
    user_id: String,
    /// Whether texts reach them here.
    #[serde(default = "enabled")]
    #[schema(default = true)]
    sms_access_enabled: bool,
    /// Whether they become the pool's default sender; the former one ceases to be.
    #[serde(default)]
    is_primary: bool,
}

/// What to change of a user's place in a pool.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UpdateUser {
    #[schema(pattern = "^usr_[0-9a-f]{32}$")]
    user_id: String,
    /// Whether texts reach them here. Switched off, they lose the pool's threads at once.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    sms_access_enabled: Option<bool>,
    /// Whether they are the pool's default sender; the former one ceases to be.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    is_primary: Option<bool>,
}

fn enabled() -> bool {
    true
}

/// The list of users who leave: the derived one would not say what its ids look like.
fn user_ids() -> Array {
    let id = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^usr_[0-9a-f]{32}$"));
    let description = Some("Users who leave the pool. The threads that they hold through it go back to it.");
    ArrayBuilder::new().items(id).max_items(Some(MAX_CHANGES)).description(description).build()
}

impl ChangeAssignments {
    fn read(self) -> Result<ChangePool, Refusal> {
        let number = id(&self.number_id, "phone number")?;
        let user = |text: &str| id(text, "user");
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

/// Lists the agency's active numbers and who is in their pools.
#[utoipa::path(
    get,
    path = "/api/sms-numbers/agency/{agency}/assignments",
    operation_id = "listAssignments",
    tag = "assignments",
    params(("agency" = String, Path, description = "The agency's key or id.", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    responses((status = 200, body = Assignments, description = "Each number's users."), Reading),
)]
pub(super) async fn list(
    State(state): State<RestState>,
    agency: Named,
    request: Request,
) -> Result<Json<Assignments>, Refused> {
    let caller = Caller::of(&state, request.extensions(), request.headers()).await?;
    caller.in_agency(&agency)?;
    Ok(Json(Assignments::of(&caller.viewer)))
}

/// Changes the pool of one number, all or nothing. For admins.
#[utoipa::path(
    patch,
    path = "/api/sms-numbers/agency/{agency}/assignments",
    operation_id = "changeAssignments",
    tag = "assignments",
    params(("agency" = String, Path, description = "The agency's key or id.", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    request_body = ChangeAssignments,
    responses((status = 200, body = Assignments, description = "Each number's users, as they are now."), Writing),
)]
pub(super) async fn change(
    State(state): State<RestState>,
    agency: Named,
    request: Request,
) -> Result<Json<Assignments>, Refused> {
    let (parts, body) = request.into_parts();
    let caller = Caller::of(&state, &parts.extensions, &parts.headers).await?;
    caller.in_agency(&agency)?;
    caller.as_admin()?;
    let input: ChangeAssignments = caller.sent(&parts.headers, body).await?;
    let outcome = change_pool(&caller.services, &caller.viewer, input.read()?).await;
    outcome.map_err(|fault| Refused::fault(&fault))??;
    Ok(Json(Assignments::of(&caller.after().await?)))
}
