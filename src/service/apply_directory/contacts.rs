//! Applies the contacts of a directory file.

use std::collections::HashMap;

use sea_orm::DbErr;

use super::Context;
use super::file::ContactEntry;
use crate::domain::ContactId;
use crate::domain::phone::{Country, contact_address};
use crate::entity::contact;
use crate::store::contacts::{by_phone, not_in_e164};
use crate::store::directory_writes::{add, save};

pub(super) async fn apply(
    context: &mut Context<'_, '_>,
    entries: &[ContactEntry],
    country: Option<Country>,
) -> Result<(), DbErr> {
    let mut unnormalized =
        if entries.is_empty() { HashMap::new() } else { stored_unnormalized(context, country).await? };
    for (at, entry) in entries.iter().enumerate() {
        let provider = match &entry.provider {
            None => None,
            Some(key) => match context.user(key, &format!("contacts[{at}].provider")) {
                Some(user) => Some(user),
                None => continue,
            },
        };
        let before = match by_phone(context.tx.conn, context.agency, &entry.phone).await? {
            Some(row) => Some(row),
            None => unnormalized.remove(&entry.phone),
        };
        let is_new = before.is_none();
        let mut row = before.clone().unwrap_or_else(|| {
            contact::Model::begin(context.agency, ContactId(context.tx.new_id()), &*entry.phone, context.tx.now)
        });
        row.phone.clone_from(&entry.phone);
        let name = entry.name.clone().or_else(|| row.name.clone());
        row.rename(name);
        row.provider_user_id = provider.or(row.provider_user_id);
        match before {
            None => add(context.tx.conn, row).await?,
            Some(before) if before == row => continue,
            Some(_) => save(context.tx.conn, contact::Model { updated_at: context.tx.now, ..row }).await?,
        }
        context.count(is_new);
    }
    Ok(())
}

/// Contacts whose phone an earlier release stored unnormalized, by their phone in E.164.
async fn stored_unnormalized(
    context: &Context<'_, '_>,
    country: Option<Country>,
) -> Result<HashMap<String, contact::Model>, DbErr> {
    let mut found = HashMap::new();
    for row in not_in_e164(context.tx.conn, context.agency).await? {
        if let Ok(phone) = contact_address(&row.phone, country)
            && phone != row.phone
        {
            found.entry(phone).or_insert(row);
        }
    }
    Ok(found)
}
