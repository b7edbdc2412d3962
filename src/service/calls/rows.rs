//! Finds the rows of calls, or begins them together with the caller's contact and thread.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use super::CallKey;
use crate::domain::call::is_known_caller;
use crate::domain::{AgencyId, CallId, ContactId, Direction, PhoneNumberId, ThreadId};
use crate::entity::{call, contact, thread};
use crate::service::Viewer;
use crate::store::bulk::insert;
use crate::store::writer::{Tx, UnitError};
use crate::store::{calls, contacts, pairs, thread_writes};

/// How long after its start the carrier is asked about a call without a final status.
pub(super) const CHECK_AFTER: TimeDelta = TimeDelta::minutes(15);

/// A call as it is stored, and as it will be stored.
pub(super) struct CallRow {
    /// `None` for a new call.
    pub(super) before: Option<call::Model>,
    pub(super) after: call::Model,
}

/// The rows of these calls, in their order, with the contacts and threads of those that are new. `at` is when a call that
/// is not stored began.
pub(super) async fn find_or_begin(
    tx: &mut Tx<'_>,
    agency: AgencyId,
    keys: &[&CallKey],
    at: DateTime<Utc>,
) -> Result<Vec<CallRow>, DbErr> {
    let mut by_account: HashMap<_, Vec<&str>> = HashMap::new();
    for key in keys {
        by_account.entry(key.account).or_default().push(&key.sid);
    }
    let mut found = HashMap::new();
    for (account, sids) in by_account {
        for row in calls::by_sids(tx.conn, agency, account, &sids).await? {
            found.extend(row.provider_sid.clone().map(|sid| ((account, sid), row)));
        }
    }
    // The first report of a call may not contain the caller ID.
    let has_contact = |key: &&&CallKey| {
        let row: Option<&call::Model> = found.get(&(key.account, key.sid.clone()));
        row.is_some_and(|row| row.contact_id.is_some())
    };
    let without_contact: Vec<&CallKey> = keys.iter().filter(|key| !has_contact(key)).copied().collect();
    let threads =
        if without_contact.is_empty() { HashMap::new() } else { threads_of(tx, agency, &without_contact, at).await? };
    Ok(keys
        .iter()
        .map(|key| {
            let (contact, thread) = threads.get(&(key.number, key.from.clone())).copied().unzip();
            match found.get(&(key.account, key.sid.clone())) {
                Some(row) => {
                    let mut after = row.clone();
                    after.contact_id = row.contact_id.or(contact);
                    after.thread_id = row.thread_id.or(thread);
                    CallRow { before: Some(row.clone()), after }
                }
                None => CallRow { before: None, after: begin(tx, key, contact, thread, at) },
            }
        })
        .collect())
}

fn begin(
    tx: &Tx<'_>,
    key: &CallKey,
    contact: Option<ContactId>,
    thread: Option<ThreadId>,
    at: DateTime<Utc>,
) -> call::Model {
    let (id, number) = (CallId(tx.new_id()), (key.account, key.number));
    call::Model {
        contact_id: contact,
        thread_id: thread,
        provider_sid: Some(key.sid.clone()),
        look_at: Some(at + CHECK_AFTER),
        ..call::Model::begin(key.agency, id, number, Direction::Inbound, at)
    }
}

/// The contact and thread of a phone that a user calls from a number, created if they do not exist.
pub(super) async fn find_or_begin_thread(
    tx: &mut Tx<'_>,
    viewer: &Viewer,
    number: PhoneNumberId,
    phone: &str,
) -> Result<(ContactId, ThreadId), UnitError> {
    let wanted = BTreeSet::from([(number, phone)]);
    let is_stranger = match contacts::by_phone(tx.conn, viewer.agency(), phone).await? {
        Some(contact) => contacts::visible(tx.conn, &viewer.scope(), contact.id).await?.is_none(),
        None => false,
    };
    let threads = find_or_begin_threads(tx, viewer.agency(), &wanted, is_stranger, tx.now).await?;
    let thread = threads.get(&(number, phone.to_owned())).copied();
    thread.ok_or(UnitError::Broken("no thread was created for an outbound call"))
}

type ThreadMap = HashMap<(PhoneNumberId, String), (ContactId, ThreadId)>;

async fn threads_of(
    tx: &mut Tx<'_>,
    agency: AgencyId,
    keys: &[&CallKey],
    at: DateTime<Utc>,
) -> Result<ThreadMap, DbErr> {
    let known = keys.iter().filter(|key| is_known_caller(&key.from));
    let wanted: BTreeSet<(PhoneNumberId, &str)> = known.map(|key| (key.number, key.from.as_str())).collect();
    if wanted.is_empty() { Ok(ThreadMap::new()) } else { find_or_begin_threads(tx, agency, &wanted, false, at).await }
}

/// Takes one statement per 64 callers to read, and a few to write. `started_blind` applies to new threads; `at` is when
/// the calls began.
async fn find_or_begin_threads(
    tx: &mut Tx<'_>,
    agency: AgencyId,
    wanted: &BTreeSet<(PhoneNumberId, &str)>,
    started_blind: bool,
    at: DateTime<Utc>,
) -> Result<ThreadMap, DbErr> {
    let pairs = wanted.iter().map(|(number, phone)| (agency, *phone, *number)).collect();
    let known = pairs::known(tx.conn, &pairs).await?;
    let known_contacts = known.contacts.into_values().map(|row| (row.phone, row.id));
    let mut of_phone: HashMap<String, ContactId> = known_contacts.collect();
    let mut new = Vec::new();
    for (_, phone) in wanted {
        if !of_phone.contains_key(*phone) {
            let row = contact::Model::begin(agency, ContactId(tx.new_id()), *phone, tx.now);
            of_phone.insert(row.phone.clone(), row.id);
            new.push(row);
        }
    }
    insert(tx.conn, new).await?;
    let (mut threads, mut new, mut seen) = (ThreadMap::new(), Vec::new(), Vec::new());
    for (number, phone) in wanted {
        let Some(contact) = of_phone.get(*phone).copied() else { continue };
        let thread = match known.threads.get(&(agency, *number, contact)) {
            Some(thread) => {
                seen.push(thread.id);
                thread.id
            }
            None => {
                let id = ThreadId(tx.new_id());
                let row = thread::Model { started_blind, ..thread::Model::begin(agency, id, *number, contact, at) };
                new.push(row);
                id
            }
        };
        threads.insert((*number, (*phone).to_owned()), (contact, thread));
    }
    insert(tx.conn, new).await?;
    thread_writes::record_call_activity(tx.conn, agency, &seen, at).await?;
    Ok(threads)
}
