//! Twilio accounts. An account does not belong to an agency: it may serve several.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::bulk::padded_list;
use crate::domain::{AccountId, AgencyId};
use crate::entity::{account, agency, phone_number};

pub async fn by_sid(conn: &impl ConnectionTrait, sid: &str) -> Result<Option<account::Model>, DbErr> {
    account::Entity::find().filter(account::Column::AccountSid.eq(sid)).one(conn).await
}

pub async fn by_id(conn: &impl ConnectionTrait, id: AccountId) -> Result<Option<account::Model>, DbErr> {
    account::Entity::find_by_id(id).one(conn).await
}

/// The agencies that have or had a number of this account.
pub async fn agencies_of(conn: &impl ConnectionTrait, account: AccountId) -> Result<Vec<AgencyId>, DbErr> {
    phone_number::Entity::find()
        .select_only()
        .column(phone_number::Column::AgencyId)
        .distinct()
        .filter(phone_number::Column::TwilioAccountId.eq(account))
        .into_tuple()
        .all(conn)
        .await
}

/// All accounts, ordered by SID.
pub async fn all(conn: &impl ConnectionTrait) -> Result<Vec<account::Model>, DbErr> {
    account::Entity::find().order_by_asc(account::Column::AccountSid).all(conn).await
}

/// Whether a number of this account is live in any agency.
pub async fn has_live_number(conn: &impl ConnectionTrait, account: AccountId, e164: &str) -> Result<bool, DbErr> {
    agency_of_live_number(conn, account, e164).await.map(|agency| agency.is_some())
}

/// The agency in which a number of this account is live; `None` if it is live in none.
pub async fn agency_of_live_number(
    conn: &impl ConnectionTrait,
    account: AccountId,
    e164: &str,
) -> Result<Option<AgencyId>, DbErr> {
    phone_number::Entity::find()
        .select_only()
        .column(phone_number::Column::AgencyId)
        .filter(phone_number::Column::TwilioAccountId.eq(account))
        .filter(phone_number::Column::E164.eq(e164))
        .filter(phone_number::Column::Live.eq(true))
        .into_tuple()
        .one(conn)
        .await
}

/// The accounts in which each of these numbers is live, across all agencies on this server. Numbers that are not live
/// in any account are absent from the map.
pub async fn accounts_of_numbers(
    conn: &impl ConnectionTrait,
    e164: &BTreeSet<&str>,
) -> Result<HashMap<String, Vec<AccountId>>, DbErr> {
    let mut accounts = HashMap::<_, Vec<_>>::new();
    if e164.is_empty() {
        return Ok(accounts);
    }
    let rows: Vec<(String, AccountId)> = phone_number::Entity::find()
        .select_only()
        .column(phone_number::Column::E164)
        .column(phone_number::Column::TwilioAccountId)
        .filter(phone_number::Column::E164.is_in(padded_list(e164.iter().copied())))
        .filter(phone_number::Column::Live.eq(true))
        .into_tuple()
        .all(conn)
        .await?;
    for (e164, account) in rows {
        accounts.entry(e164).or_default().push(account);
    }
    Ok(accounts)
}

/// The agency with this key, its stable name in directory files.
pub async fn agency_by_key(conn: &impl ConnectionTrait, key: &str) -> Result<Option<agency::Model>, DbErr> {
    agency::Entity::find().filter(agency::Column::Key.eq(key)).one(conn).await
}

/// The live numbers of an account, ordered by E.164 number.
pub async fn live_numbers(conn: &impl ConnectionTrait, account: AccountId) -> Result<Vec<String>, DbErr> {
    phone_number::Entity::find()
        .select_only()
        .column(phone_number::Column::E164)
        .filter(phone_number::Column::TwilioAccountId.eq(account))
        .filter(phone_number::Column::Live.eq(true))
        .order_by_asc(phone_number::Column::E164)
        .into_tuple()
        .all(conn)
        .await
}
