//! Looks up whether a recipient is a phone number of an agency on this server, on any channel.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbErr};

use super::Refusal;
use crate::domain::address::{is_e164, without_channel};
use crate::domain::own_numbers::is_forbidden_recipient;
use crate::domain::{AccountId, Purpose};
use crate::store::accounts::accounts_of_numbers;
use crate::store::writer::UnitError;

/// The accounts that have this address as a live number, for any agency on this server.
pub(super) async fn holders_of(conn: &impl ConnectionTrait, address: &str) -> Result<Vec<AccountId>, DbErr> {
    let number = without_channel(address);
    if !is_e164(number) {
        return Ok(Vec::new());
    }
    let mut accounts = accounts_of_numbers(conn, &BTreeSet::from([number])).await?;
    Ok(accounts.remove(number).unwrap_or_default())
}

/// Refuses a staff text to a number of the sending account. `path` is the input field that names the recipient.
pub(super) async fn refuse_own_number(
    conn: &impl ConnectionTrait,
    sender: AccountId,
    address: &str,
    path: &'static str,
) -> Result<(), UnitError<Refusal>> {
    let holders = holders_of(conn, address).await?;
    if !is_forbidden_recipient(Purpose::Conversation, sender, &holders) {
        return Ok(());
    }
    let message =
        "This is one of your own phone numbers, and texts between them are not sent. Text the person's own phone.";
    Err(Refusal::invalid(message, path).into())
}
