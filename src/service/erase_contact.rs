//! Erases a contact on request: everything that is stored about them, at Twilio too.
//!
//! Messages, calls and files are deleted in batches, as by retention, and the contact last. An erasure that was
//! interrupted is completed by the next one. If the contact opted out, the address and the time of the opt-out stay, so
//! that no later text reaches them.

use std::convert::Infallible;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::quarantine::form_of;
use super::quarantine_alerts::resolve_if_settled;
use super::retention::batch::{Purged, PurgedKind, Run};
use super::retention::deletions::{
    DeleteActivities, DeleteCalls, DeleteMessages, DeleteNotifications, DeleteQuarantined,
};
use super::retention::files::{delete_media, delete_recordings};
use super::{Fault, Services};
use crate::domain::{AccountId, AgencyId, ContactId, EventKind, QuarantineId, ThreadId, UserId};
use crate::entity::{contact, event, thread};
use crate::store::erasure::{self, StoredRows, Subject};
use crate::store::stand_ins::StandIns;
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{self, Directory, contacts, retention, threads};

/// The action in the audit log.
const ACTION: &str = "eraseContact";
/// The number of quarantined texts that are read at a time.
const QUARANTINE_PAGE: u64 = 200;

/// What is stored about a contact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactData {
    pub rows: StoredRows,
    /// Quarantined texts of the agency that the contact sent.
    pub quarantined: u64,
    pub has_contact: bool,
    pub has_opted_out: bool,
}

/// Why a contact cannot be erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error("there is no agency with this key")]
    UnknownAgency,
    #[error(
        "nothing is stored about this address. Enter it as the contact shows it, for example whatsapp:+13035550123"
    )]
    UnknownContact,
    #[error("a text to this contact is waiting to be sent, or a call is in progress. Try again when it has ended")]
    Active,
    #[error("a text or a call of this contact arrived during the erasure. Run the command again")]
    Arrived,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<DbErr> for EraseError {
    fn from(error: DbErr) -> Self {
        Self::Fault(error.into())
    }
}

/// What was found for an address.
struct Found {
    agency: AgencyId,
    contact: Option<(contact::Model, Vec<thread::Model>)>,
    quarantined: Vec<HeldText>,
}

/// A quarantined text, without its form.
struct HeldText {
    id: QuarantineId,
    account: AccountId,
    sid: String,
    received_at: DateTime<Utc>,
}

impl Found {
    fn subject(&self) -> Option<Subject> {
        let (contact, threads) = self.contact.as_ref()?;
        let threads = threads.iter().map(|thread| thread.id).collect();
        Some(Subject { agency: self.agency, contact: contact.id, threads })
    }
}

/// Counts what an erasure would delete.
///
/// # Errors
/// If the agency or the contact does not exist, or the database fails.
pub async fn find_contact_data(services: &Services, agency: &str, address: &str) -> Result<ContactData, EraseError> {
    let found = find(services, agency, address).await?;
    let rows = match found.subject() {
        Some(subject) => erasure::count(services.reader(), &subject).await?,
        None => StoredRows::default(),
    };
    Ok(ContactData {
        rows,
        quarantined: found.quarantined.len() as u64,
        has_contact: found.contact.is_some(),
        has_opted_out: found.contact.is_some_and(|(contact, _)| contact.opted_out_at.is_some()),
    })
}

/// Deletes everything that is stored about a contact.
///
/// # Errors
/// If the agency or the contact does not exist, the contact is active, or the database fails.
pub async fn erase_contact(services: &Services, agency: &str, address: &str) -> Result<Purged, EraseError> {
    let found = find(services, agency, address).await?;
    let agency = found.agency;
    let mut purged = Purged::default();
    let mut run = Run::new(services, &mut purged, u32::MAX);
    if let Some(subject) = found.subject() {
        if erasure::is_active(services.reader(), &subject).await? {
            return Err(EraseError::Active);
        }
        let viewers = viewers(services, found.contact.iter().flat_map(|(_, threads)| threads)).await?;
        delete_rows(&mut run, &subject).await?;
        let unit = FinishErasure { agency, contact: subject.contact, viewers };
        match services.writer.run(agency, unit).await {
            Ok(()) => {}
            Err(error) => {
                error.into_refusal().map_err(Fault::from)?;
                return Err(EraseError::Arrived);
            }
        }
    }
    for rows in found.quarantined.chunks(100) {
        let ids = rows.iter().map(|row| row.id).collect();
        let at_carrier = rows.iter().map(|row| (row.account, row.sid.clone())).collect();
        run.delete(Some(agency), PurgedKind::Quarantine, DeleteQuarantined { ids, at_carrier }).await?;
        let received_at = rows.iter().map(|row| row.received_at).collect();
        services.writer.run(agency, ResolveAlerts { agency, received_at }).await.map_err(Fault::from)?;
    }
    if found.contact.is_none() {
        // Otherwise the last unit has added the entry.
        services.writer.run(agency, AuditErasure { agency }).await.map_err(Fault::from)?;
    }
    Ok(purged)
}

async fn find(services: &Services, agency: &str, address: &str) -> Result<Found, EraseError> {
    let conn = services.reader();
    let agency = store::accounts::agency_by_key(conn, agency).await?.ok_or(EraseError::UnknownAgency)?.id;
    let contact = match contacts::by_phone(conn, agency, address).await? {
        Some(contact) => {
            let threads = threads::of_contact(conn, agency, contact.id).await?;
            Some((contact, threads))
        }
        None => None,
    };
    let mut quarantined = Vec::new();
    let mut after = None;
    loop {
        let page = erasure::quarantined(conn, agency, after, QUARANTINE_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for row in &page {
            // A delivery receipt names the contact in To.
            let is_of = |(name, value): &(String, String)| matches!(name.as_str(), "From" | "To") && value == address;
            if form_of(row).is_some_and(|form| form.iter().any(is_of)) {
                quarantined.push(HeldText {
                    id: row.id,
                    account: row.twilio_account_id,
                    sid: row.provider_sid.clone(),
                    received_at: row.created_at,
                });
            }
        }
    }
    if contact.is_none() && quarantined.is_empty() {
        return Err(EraseError::UnknownContact);
    }
    Ok(Found { agency, contact, quarantined })
}

async fn delete_rows(run: &mut Run<'_>, subject: &Subject) -> Result<(), Fault> {
    let agency = subject.agency;
    loop {
        let ids = erasure::messages(run.services.reader(), subject, run.size()).await?;
        let media = retention::media_with_files(run.services.reader(), agency, &ids).await?;
        delete_media(run, agency, media, true).await?;
        let before = run.count(PurgedKind::Messages);
        if !ids.is_empty() {
            let deletion = DeleteMessages { agency, ids, before: None, at_carrier: true };
            run.delete(Some(agency), PurgedKind::Messages, deletion).await?;
        }
        // What is left is active, and the last unit refuses.
        if run.count(PurgedKind::Messages) == before {
            break;
        }
    }
    loop {
        let ids = erasure::calls(run.services.reader(), subject, run.size()).await?;
        let recordings = retention::voicemails_with_files(run.services.reader(), agency, &ids).await?;
        delete_recordings(run, agency, recordings, true).await?;
        let before = run.count(PurgedKind::Calls);
        if !ids.is_empty() {
            let deletion = DeleteCalls { agency, ids, before: None, at_carrier: true };
            run.delete(Some(agency), PurgedKind::Calls, deletion).await?;
        }
        if run.count(PurgedKind::Calls) == before {
            break;
        }
    }
    loop {
        let ids = erasure::notifications(run.services.reader(), subject, run.size()).await?;
        if ids.is_empty() {
            break;
        }
        run.delete(Some(agency), PurgedKind::Notifications, DeleteNotifications { agency, ids }).await?;
    }
    loop {
        let ids = erasure::activities(run.services.reader(), subject, run.size()).await?;
        if ids.is_empty() {
            break;
        }
        run.delete(Some(agency), PurgedKind::Activities, DeleteActivities { agency, ids }).await?;
    }
    Ok(())
}

/// The users who received a text of the threads by a rung other than the pool. Their notifications tell who they are, so
/// this is read before the notifications are deleted.
async fn viewers(
    services: &Services,
    threads: impl Iterator<Item = &thread::Model>,
) -> Result<Vec<(ThreadId, UserId)>, Fault> {
    let mut viewers = Vec::new();
    for thread in threads {
        let stand_ins = StandIns::load(services.reader(), thread).await?;
        viewers.extend(stand_ins.routed().map(|user| (thread.id, user)));
    }
    Ok(viewers)
}

/// Deletes the threads and the contact, tells the clients of users who saw the threads to remove them, and adds the entry
/// to the audit log. Refused if messages or calls are left.
struct FinishErasure {
    agency: AgencyId,
    contact: ContactId,
    /// The users who received a text of a thread by a rung other than the pool.
    viewers: Vec<(ThreadId, UserId)>,
}

/// Messages or calls are left.
struct Unfinished;

impl From<Unfinished> for UnitError<Unfinished> {
    fn from(unfinished: Unfinished) -> Self {
        Self::Refused(unfinished)
    }
}

impl Unit for FinishErasure {
    type Output = ();
    type Refusal = Unfinished;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError<Unfinished>> {
        let (agency, id) = (self.agency, self.contact);
        let Some(contact) = contacts::by_ids(tx.conn, agency, &[id]).await?.pop() else { return Ok(()) };
        let rows = erasure::threads(tx.conn, agency, id).await?;
        let subject = Subject { agency, contact: id, threads: rows.iter().map(|row| row.id).collect() };
        if erasure::has_messages_or_calls(tx.conn, &subject).await? {
            return Err(Unfinished.into());
        }
        let directory = tx.directory(agency).await?;
        erasure::delete_threads(tx.conn, &subject).await?;
        erasure::delete_contact(tx.conn, agency, id, contact.opted_out_at.is_some()).await?;
        for thread in &rows {
            let lost_by = event::join_users(&self.lost_by(thread, &directory));
            let event = event::Model::begin(agency, EventKind::ThreadActivity, tx.now);
            let event = event::Model { thread_id: Some(thread.id), lost_by: Some(lost_by), ..event };
            tx.append(event, Vec::new())?;
        }
        tx.audit(agency, id.to_string(), ACTION, None, None);
        Ok(())
    }
}

impl FinishErasure {
    fn lost_by(&self, thread: &thread::Model, directory: &Directory) -> Vec<UserId> {
        let routed = self.viewers.iter().filter(|(id, _)| *id == thread.id).map(|(_, user)| *user);
        let admins = directory.admins().map(|user| user.id);
        let pool = directory.users.iter().map(|user| user.id);
        let pool = pool.filter(|user| directory.is_eligible(thread.phone_number_id, *user));
        let mut users: Vec<UserId> = routed.chain(admins).chain(pool).chain(thread.assignee_id).collect();
        users.sort_unstable();
        users.dedup();
        users
    }
}

/// Resolves the notifications that stand for no other texts in quarantine than the deleted ones.
struct ResolveAlerts {
    agency: AgencyId,
    /// When the deleted texts were received.
    received_at: Vec<DateTime<Utc>>,
}

impl Unit for ResolveAlerts {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        for received_at in self.received_at.clone() {
            resolve_if_settled(tx, self.agency, received_at).await?;
        }
        Ok(())
    }
}

/// Adds the entry of an erasure that found only quarantined texts.
struct AuditErasure {
    agency: AgencyId,
}

impl Unit for AuditErasure {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        tx.audit(self.agency, self.agency.to_string(), ACTION, None, None);
        Ok(())
    }
}
