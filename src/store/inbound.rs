//! Queries over a batch of inbound texts. Each is one statement, however many texts there are.

use std::collections::{BTreeSet, HashMap, HashSet};

use sea_orm::sea_query::{ExprTrait as _, Query, UnionType};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _, Value,
};

use super::bulk::{cached_query, padded_list};
use super::statements::{Kind, Row, Statements, find};
use crate::domain::{AccountId, AgencyId, QuarantineId, QuarantineState};
use crate::entity::{agency, message, phone_number, quarantine};

/// A phone number within a Twilio account.
pub type AccountNumber = (AccountId, String);

/// The agencies that have or had each of these numbers, and whether the number is live there.
pub async fn holders(
    conn: &impl Statements,
    accounts: BTreeSet<AccountId>,
    e164: BTreeSet<&str>,
) -> Result<Vec<(AccountNumber, AgencyId, bool)>, DbErr> {
    use phone_number::Column as N;
    let columns = [N::TwilioAccountId, N::E164, N::AgencyId, N::Live];
    let (backend, accounts, e164) = (conn.backend(), padded_list(accounts), padded_list(e164));
    let lengths = [accounts.len(), e164.len(), 0];
    let values = accounts.iter().map(|id| (*id).into()).chain(e164.iter().map(|e164| (*e164).into())).collect();
    let query = cached_query(backend, "holders", lengths, values, || {
        let query = phone_number::Entity::find().select_only().columns(columns);
        query.filter(N::TwilioAccountId.is_in(accounts)).filter(N::E164.is_in(e164)).build(backend)
    });
    let rows = conn.rows(query, &columns.map(Kind::of)).await?;
    let holder = |mut row: Row| {
        let (account, e164, agency) = (row.take()?, row.take()?, row.take()?);
        let live: Option<bool> = row.take()?;
        Ok(((account, e164), agency, live == Some(true)))
    };
    rows.into_iter().map(holder).collect()
}

/// The texts among these SIDs that are stored already: in a thread of one of `holders` and, if `in_quarantine` is set,
/// in quarantine.
pub async fn stored(
    conn: &impl Statements,
    holders: &BTreeSet<AgencyId>,
    accounts: &BTreeSet<AccountId>,
    sids: &BTreeSet<&str>,
    in_quarantine: bool,
) -> Result<HashSet<(AccountId, String)>, DbErr> {
    use {message::Column as M, quarantine::Column as Q};
    // One statement for both, because each statement is a round trip.
    let name = match (holders.is_empty(), in_quarantine) {
        (true, false) => return Ok(HashSet::new()),
        (true, true) => "stored in quarantine",
        (false, false) => "stored in threads",
        (false, true) => "stored",
    };
    let (accounts, sids) = (padded_list(accounts.iter().copied()), padded_list(sids.iter().copied()));
    let (backend, holders) = (conn.backend(), padded_list(holders.iter().copied()));
    let lengths = [holders.len(), accounts.len(), sids.len()];
    let of_account: Vec<Value> =
        accounts.iter().map(|id| (*id).into()).chain(sids.iter().map(|sid| (*sid).into())).collect();
    let mut values: Vec<Value> = holders.iter().map(|id| (*id).into()).collect();
    for _ in 0..usize::from(!holders.is_empty()) + usize::from(in_quarantine) {
        values.extend_from_slice(&of_account);
    }
    let query = cached_query(backend, name, lengths, values, || {
        let quarantine = Query::select()
            .columns([Q::TwilioAccountId, Q::ProviderSid])
            .from(quarantine::Entity)
            .and_where(Q::TwilioAccountId.is_in(accounts.clone()))
            .and_where(Q::ProviderSid.is_in(sids.clone()))
            .take();
        if holders.is_empty() {
            return backend.build(&quarantine);
        }
        let mut threads = Query::select()
            .columns([M::TwilioAccountId, M::ProviderSid])
            .from(message::Entity)
            .and_where(M::AgencyId.is_in(holders))
            .and_where(M::TwilioAccountId.is_in(accounts))
            .and_where(M::ProviderSid.is_in(sids))
            .take();
        if in_quarantine {
            threads.union(UnionType::All, quarantine);
        }
        backend.build(&threads)
    });
    let rows = conn.rows(query, &[M::TwilioAccountId, M::ProviderSid].map(Kind::of)).await?;
    rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
}

/// A quarantined text: its id, account, SID and state.
pub type QuarantinedText = (QuarantineId, AccountId, String, QuarantineState);

/// The quarantined texts among these SIDs, locked until the end of the transaction.
pub async fn lock_quarantined(
    conn: &impl ConnectionTrait,
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

/// For numbers that are live in no agency: the agency that last had the number, otherwise the only agency of the
/// account. Its admins see the quarantined text. Numbers without such an agency are absent.
pub async fn last_holders(
    conn: &impl Statements,
    numbers: BTreeSet<(AccountId, &str)>,
) -> Result<HashMap<AccountNumber, AgencyId>, DbErr> {
    use agency::Column as A;
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    let accounts = padded_list(numbers.iter().map(|(account, _)| *account));
    let mut condition = Condition::any();
    for (account, to) in &numbers {
        condition =
            condition.add(phone_number::Column::TwilioAccountId.eq(*account).and(phone_number::Column::E164.eq(*to)));
    }
    let mut released = find(conn, phone_number::Entity::find().filter(condition)).await?;
    released.sort_by_key(|row| row.updated_at);
    let columns = [A::Id, A::TwilioAccountId];
    let query = agency::Entity::find().select_only().columns(columns).filter(A::TwilioAccountId.is_in(accounts));
    let rows = conn.rows(query.build(conn.backend()), &columns.map(Kind::of)).await?;
    let agencies: Result<Vec<(AgencyId, AccountId)>, DbErr> =
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect();
    let agencies = agencies?;
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
