//! The contacts of a directory file.

use sea_orm::DbErr;

use super::Context;
use super::file::ContactEntry;
use crate::domain::ContactId;
use crate::entity::contact;
use crate::store::contacts::by_phone;
use crate::store::directory_writes::{add, save};

pub(super) async fn apply(context: &mut Context<'_, '_>, entries: &[ContactEntry]) -> Result<(), DbErr> {
    for (at, entry) in entries.iter().enumerate() {
        let provider = match &entry.provider {
            None => None,
            Some(key) => match context.user(key, &format!("contacts[{at}].provider")) {
                Some(user) => Some(user),
                None => continue,
            },
        };
        let before = by_phone(context.tx.conn, context.agency, &entry.phone).await?;
        let is_new = before.is_none();
        let mut row = before.clone().unwrap_or_else(|| {
            contact::Model::begin(context.agency, ContactId(context.tx.new_id()), &*entry.phone, context.tx.now)
        });
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
