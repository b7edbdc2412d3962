//! Queries over a batch of inbound texts. Each is one statement, however many texts there are.

use std::collections::{BTreeSet, HashMap, HashSet};

use sea_orm::sea_query::{Expr, ExprTrait as _, JoinType, Query, UnionType};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait,
};

use super::bulk::padded_list;
use crate::domain::{AccountId, AgencyId, ContactId, PhoneNumberId, QuarantineId, QuarantineState};
use crate::entity::{agency, contact, message, phone_number, quarantine, thread};

/// A phone number within a Twilio account.
pub type AccountNumber = (AccountId, String);

/// The agencies that have or had each of these numbers, and whether the number is live there.
pub async fn holders(
    conn: &DatabaseTransaction,
    accounts: BTreeSet<AccountId>,
    e164: BTreeSet<&str>,
) -> Result<Vec<(AccountNumber, AgencyId, bool)>, DbErr> {
    let rows: Vec<(AccountId, String, AgencyId, Option<bool>)> = phone_number::Entity::find()
        .select_only()
        .column(phone_number::Column::TwilioAccountId)
        .column(phone_number::Column::E164)
        .column(phone_number::Column::AgencyId)
        .column(phone_number::Column::Live)
        .filter(phone_number::Column::TwilioAccountId.is_in(padded_list(accounts)))
        .filter(phone_number::Column::E164.is_in(padded_list(e164)))
        .into_tuple()
        .all(conn)
        .await?;
    Ok(rows.into_iter().map(|(account, e164, agency, live)| ((account, e164), agency, live == Some(true))).collect())
}

/// The texts among these SIDs that are stored already: in a thread of one of `holders` and, if `in_quarantine` is set,
/// in quarantine.
pub async fn stored(
    conn: &DatabaseTransaction,
    holders: &BTreeSet<AgencyId>,
    accounts: &BTreeSet<AccountId>,
    sids: &BTreeSet<&str>,
    in_quarantine: bool,
) -> Result<HashSet<(AccountId, String)>, DbErr> {
    use {message::Column as M, quarantine::Column as Q};
    let (accounts, sids) = (padded_list(accounts.iter().copied()), padded_list(sids.iter().copied()));
    let threads = Query::select()
        .columns([M::TwilioAccountId, M::ProviderSid])
        .from(message::Entity)
        .and_where(M::AgencyId.is_in(padded_list(holders.iter().copied())))
        .and_where(M::TwilioAccountId.is_in(accounts.clone()))
        .and_where(M::ProviderSid.is_in(sids.clone()))
        .take();
    let quarantine = Query::select()
        .columns([Q::TwilioAccountId, Q::ProviderSid])
        .from(quarantine::Entity)
        .and_where(Q::TwilioAccountId.is_in(accounts))
        .and_where(Q::ProviderSid.is_in(sids))
        .take();
    // One statement for both, because each statement is a round trip.
    let query = match (holders.is_empty(), in_quarantine) {
        (true, false) => return Ok(HashSet::new()),
        (true, true) => quarantine,
        (false, false) => threads,
        (false, true) => threads.clone().union(UnionType::All, quarantine).take(),
    };
    let rows = conn.query_all(&query).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
}

/// A quarantined text: its id, account, SID and state.
pub type QuarantinedText = (QuarantineId, AccountId, String, QuarantineState);

/// The quarantined texts among these SIDs, locked until the end of the transaction.
pub async fn lock_quarantined(
    conn: &DatabaseTransaction,
    accounts: &BTreeSet<AccountId>,
    sids: &BTreeSet<&str>,
) -> Result<Vec<QuarantinedText>, DbErr> {
    use quarantine::Column as Q;
    let mut query = quarantine::Entity::find()
        .select_only()
        .columns([Q::Id, Q::TwilioAccountId, Q::ProviderSid, Q::State])
        .filter(Q::TwilioAccountId.is_in(padded_list(accounts.iter().copied())))
        .filter(Q::ProviderSid.is_in(padded_list(sids.iter().copied())));
    if conn.get_database_backend() != DbBackend::Sqlite {
        // Two operators may assign one text to two agencies, which are written by different lanes.
        query = query.order_by_asc(Q::Id).lock_exclusive();
    }
    query.into_tuple().all(conn).await
}

/// Contacts by agency and address, and their threads by agency, number and contact.
#[derive(Default)]
pub struct Known {
    pub contacts: HashMap<(AgencyId, String), contact::Model>,
    pub threads: HashMap<(AgencyId, PhoneNumberId, ContactId), thread::Model>,
}

/// The contacts of these agencies that have one of these addresses, with all of their threads.
pub async fn contacts_and_threads(
    conn: &DatabaseTransaction,
    agencies: BTreeSet<AgencyId>,
    addresses: BTreeSet<&str>,
) -> Result<Known, DbErr> {
    let mut known = Known::default();
    if agencies.is_empty() {
        return Ok(known);
    }
    let mut query = contact::Entity::find()
        .filter(contact::Column::AgencyId.is_in(padded_list(agencies)))
        .filter(contact::Column::Phone.is_in(padded_list(addresses)))
        .select_also(thread::Entity);
    let same = |of_thread: thread::Column, of_contact: contact::Column| {
        Expr::col((thread::Entity, of_thread)).equals((contact::Entity, of_contact))
    };
    QueryTrait::query(&mut query).join(
        JoinType::LeftJoin,
        thread::Entity,
        Condition::all()
            .add(same(thread::Column::AgencyId, contact::Column::AgencyId))
            .add(same(thread::Column::ContactId, contact::Column::Id)),
    );
    // A contact with threads on several numbers appears once with each.
    let rows: Vec<(contact::Model, Option<thread::Model>)> = query.all(conn).await?;
    for (contact, thread) in rows {
        known.threads.extend(thread.map(|row| ((row.agency_id, row.phone_number_id, row.contact_id), row)));
        known.contacts.insert((contact.agency_id, contact.phone.clone()), contact);
    }
    Ok(known)
}

/// For numbers that are live in no agency: the agency that last had the number, otherwise the only agency of the
/// account. Its admins see the quarantined text. Numbers without such an agency are absent.
pub async fn last_holders(
    conn: &DatabaseTransaction,
    numbers: BTreeSet<(AccountId, &str)>,
) -> Result<HashMap<AccountNumber, AgencyId>, DbErr> {
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    let accounts = padded_list(numbers.iter().map(|(account, _)| *account));
    let mut condition = Condition::any();
    for (account, to) in &numbers {
        condition =
            condition.add(phone_number::Column::TwilioAccountId.eq(*account).and(phone_number::Column::E164.eq(*to)));
    }
    let mut released = phone_number::Entity::find().filter(condition).all(conn).await?;
    released.sort_by_key(|row| row.updated_at);
    let agencies: Vec<(AgencyId, AccountId)> = agency::Entity::find()
        .select_only()
        .column(agency::Column::Id)
        .column(agency::Column::TwilioAccountId)
        .filter(agency::Column::TwilioAccountId.is_in(accounts))
        .into_tuple()
        .all(conn)
        .await?;
    let mut holders = HashMap::new();
    for (account, to) in numbers {
        let of_account: Vec<_> = agencies.iter().filter(|(_, of)| *of == account).collect();
        let last = released.iter().rfind(|row| row.twilio_account_id == account && row.e164 == to);
        let holder = match (last, of_account.as_slice()) {
            (Some(row), _) => Some(row.agency_id),
            (None, [(only, _)]) => Some(*only),
            (None, _) => None,
        };
        holders.extend(holder.map(|agency| ((account, to.to_owned()), agency)));
    }
    Ok(holders)
}
