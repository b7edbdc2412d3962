//! Applies the users of a directory file.

use std::collections::BTreeSet;

use crate::store::writer::UnitError;

use super::Context;
use super::file::UserEntry;
use crate::domain::{Availability, Role, UserId};
use crate::entity::user;
use crate::service::thread_action::unassign_held;
use crate::store::Directory;
use crate::store::accounts::accounts_of_numbers;
use crate::store::directory_writes::{add, save};

pub(super) async fn apply(
    context: &mut Context<'_, '_>,
    entries: &[UserEntry],
    directory: &Directory,
) -> Result<(), UnitError> {
    for (at, entry) in entries.iter().enumerate() {
        let before = directory.user_by_key(&entry.key);
        let row = match before {
            Some(before) => updated_user(before, entry),
            None => {
                let Some(name) = &entry.name else {
                    context.add_problem(&format!("users[{at}].name"), "a new user requires a name");
                    continue;
                };
                user::Model {
                    agency_id: context.agency,
                    id: UserId(context.tx.new_id()),
                    key: entry.key.clone(),
                    name: name.clone(),
                    role: entry.role.unwrap_or(Role::Member),
                    phone: entry.phone.clone(),
                    phone_verified: entry.phone_verified.unwrap_or(false),
                    active: entry.active.unwrap_or(true),
                    availability: Availability::Available,
                    token_generation: 0,
                    created_at: context.tx.now,
                    updated_at: context.tx.now,
                }
            }
        };
        context.users.insert(row.key.clone(), row.id);
        let id = row.id;
        let deactivated = before.is_some_and(|before| before.active) && !row.active;
        match before {
            None => add(context.tx.conn, row).await?,
            Some(before) if **before == row => continue,
            Some(_) => save(context.tx.conn, user::Model { updated_at: context.tx.now, ..row }).await?,
        }
        context.record_change(&id.to_string(), before.is_none())?;
        if deactivated {
            unassign_held(context.tx, context.agency, id, None, None).await?;
        }
    }
    Ok(())
}

/// Rejects user phones that are numbers of an agency on this server: a call to one would come back to this server.
pub(super) async fn check_phones(context: &mut Context<'_, '_>, entries: &[UserEntry]) -> Result<(), UnitError> {
    let phones: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.phone.as_deref()).collect();
    let shared = accounts_of_numbers(context.tx.conn, &phones).await?;
    for (at, entry) in entries.iter().enumerate() {
        if entry.phone.as_ref().is_some_and(|phone| shared.contains_key(phone)) {
            let message = "this number is shared by an agency on this server; name the user's own phone";
            context.add_problem(&format!("users[{at}].phone"), message);
        }
    }
    Ok(())
}

fn updated_user(before: &user::Model, entry: &UserEntry) -> user::Model {
    let phone = entry.phone.clone().or_else(|| before.phone.clone());
    // The verification belongs to the former phone.
    let verified = before.phone_verified && phone == before.phone;
    user::Model {
        name: entry.name.clone().unwrap_or_else(|| before.name.clone()),
        // Deactivation revokes the user's tokens, so that they stay invalid after a reactivation.
        token_generation: before.token_generation.wrapping_add(i32::from(before.active && entry.active == Some(false))),
        role: entry.role.unwrap_or(before.role),
        phone_verified: entry.phone_verified.unwrap_or(verified),
        phone,
        active: entry.active.unwrap_or(before.active),
        ..before.clone()
    }
}
