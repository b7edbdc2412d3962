//! Manage extensions: digits that reach a user, on one phone number or agency-wide. Admins only.

use super::{Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::extension::check_digits;
use crate::domain::{AgencyId, ExtensionId, PhoneNumberId, UserId};
use crate::entity::extension;
use crate::store::Directory;
use crate::store::directory::AGENCY_WIDE;
use crate::store::directory_writes::{add, save};
use crate::store::writer::{Tx, Unit, UnitError};

#[derive(Debug, Clone)]
pub struct CreateExtension {
    /// 2 to 6 digits.
    pub digits: String,
    pub user: UserId,
    /// The phone number that the extension is limited to; `None` makes it agency-wide.
    pub number: Option<PhoneNumberId>,
    pub active: bool,
}

/// Changes to an extension. `None` leaves a field unchanged.
#[derive(Debug, Clone)]
pub struct UpdateExtension {
    pub extension: ExtensionId,
    pub digits: Option<String>,
    pub user: Option<UserId>,
    /// `Some(None)` makes the extension agency-wide.
    pub number: Option<Option<PhoneNumberId>>,
    /// An inactive extension can be changed only if this is given.
    pub active: Option<bool>,
}

pub async fn create_extension(
    services: &Services,
    viewer: &Viewer,
    input: CreateExtension,
) -> Outcome<extension::Model> {
    run(services, viewer, Change::Create(input)).await
}

/// Changes, deactivates or reactivates an extension.
pub async fn update_extension(
    services: &Services,
    viewer: &Viewer,
    input: UpdateExtension,
) -> Outcome<extension::Model> {
    run(services, viewer, Change::Update(input)).await
}

/// Deactivates an extension and frees its digits. Repeating it changes nothing.
pub async fn deactivate_extension(
    services: &Services,
    viewer: &Viewer,
    extension: ExtensionId,
) -> Outcome<extension::Model> {
    run(services, viewer, Change::Deactivate(extension)).await
}

async fn run(services: &Services, viewer: &Viewer, change: Change) -> Outcome<extension::Model> {
    let unit = ChangeExtension { agency: viewer.agency(), actor: viewer.id(), change };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

enum Change {
    Create(CreateExtension),
    Update(UpdateExtension),
    Deactivate(ExtensionId),
}

struct ChangeExtension {
    agency: AgencyId,
    actor: UserId,
    change: Change,
}

impl Unit for ChangeExtension {
    type Output = extension::Model;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<extension::Model, UnitError<Refusal>> {
        let directory = tx.directory(self.agency).await?;
        let (before, after) = self.plan(&directory, ExtensionId(tx.new_id()), tx.now)?;
        let action = match before {
            None => {
                add(tx.conn, after.clone()).await?;
                "createExtension"
            }
            Some(before) if before == after => return Ok(before),
            Some(before) => {
                save(tx.conn, extension::Model { updated_at: tx.now, ..after.clone() }).await?;
                if before.live.is_some() && after.live.is_none() { "deactivateExtension" } else { "updateExtension" }
            }
        };
        tx.directory_updated(self.agency, &after.id.to_string(), action, Some(self.actor))?;
        Ok(after)
    }
}

impl ChangeExtension {
    /// The row before the change (`None` for a new extension) and after it.
    fn plan(
        &self,
        directory: &Directory,
        new_id: ExtensionId,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<(Option<extension::Model>, extension::Model), Refusal> {
        if !directory.admins().any(|admin| admin.id == self.actor) {
            return Err(Refusal::admins_only());
        }
        let existing = |id: ExtensionId| {
            directory.extension(id).cloned().ok_or_else(|| Refusal::not_found("extension", "extensionId"))
        };
        let (before, after) = match &self.change {
            Change::Create(input) => {
                let row = extension::Model {
                    agency_id: self.agency,
                    id: new_id,
                    digits: input.digits.clone(),
                    user_id: input.user,
                    phone_number_id: input.number.unwrap_or(AGENCY_WIDE),
                    live: input.active.then_some(true),
                    created_at: now,
                    updated_at: now,
                };
                (None, row)
            }
            Change::Update(input) => {
                let before = existing(input.extension)?;
                if before.live.is_none() && input.active.is_none() {
                    return Err(Refusal::not_found("active extension", "extensionId"));
                }
                let after = extension::Model {
                    digits: input.digits.clone().unwrap_or_else(|| before.digits.clone()),
                    user_id: input.user.unwrap_or(before.user_id),
                    phone_number_id: input.number.map_or(before.phone_number_id, |scope| scope.unwrap_or(AGENCY_WIDE)),
                    live: input.active.map_or(before.live, |active| active.then_some(true)),
                    ..before
                };
                (Some(before), after)
            }
            Change::Deactivate(id) => {
                let before = existing(*id)?;
                let after = extension::Model { live: None, ..before.clone() };
                return Ok((Some(before), after));
            }
        };
        check(directory, before.as_ref(), &after)?;
        Ok((before, after))
    }
}

/// Validates an extension. Of an inactive one, only the changed fields are checked.
fn check(directory: &Directory, before: Option<&extension::Model>, row: &extension::Model) -> Result<(), Refusal> {
    let is_unchanged = |same: fn(&extension::Model, &extension::Model) -> bool| {
        row.live.is_none() && before.is_some_and(|before| same(before, row))
    };
    if !is_unchanged(|before, row| before.digits == row.digits) {
        check_digits(&row.digits).map_err(|error| Refusal::invalid(error.to_string(), "digits"))?;
    }
    if !is_unchanged(|before, row| before.user_id == row.user_id) && directory.active_user(row.user_id).is_none() {
        return Err(Refusal::not_found("active user", "userId"));
    }
    if row.phone_number_id != AGENCY_WIDE
        && !is_unchanged(|before, row| before.phone_number_id == row.phone_number_id)
        && directory.number(row.phone_number_id).is_none()
    {
        return Err(Refusal::not_found("phone number", "phoneNumberId"));
    }
    let taken = directory.extensions.iter().find(|other| {
        row.live.is_some()
            && other.live.is_some()
            && other.id != row.id
            && other.phone_number_id == row.phone_number_id
            && other.digits == row.digits
    });
    if let Some(taken) = taken {
        let message = "Another active extension already has these digits. Choose different digits.";
        return Err(Refusal::new(RefusalCode::ExtensionTaken { by: taken.id }, message).at("digits"));
    }
    Ok(())
}
