//! Set whether a contact wants texts, for wishes that come in plain words, by telephone or at the
//! desk. Admins only, with a reason.

use sea_orm::DbErr;

use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::{ActivityId, ActivityKind, AgencyId, ContactId, UserId};
use crate::entity::{activity, contact};
use crate::store::writer::{Tx, Unit};
use crate::store::{contacts, message_writes, thread_writes, threads};

/// The longest reason, in characters.
const MAX_REASON_CHARS: usize = 2_000;

/// Sets it, and notes who did and why: in the audit log, and in the history of the contact's threads.
///
/// In either direction this settles the opt-out hints of all threads of the contact, even if the opt-out itself does not
/// change. Opting in also clears the carrier's blocks; if the carrier still blocks, the next error 21610 sets the block
/// again. Opting out leaves the blocks, because it does not change what the carrier does.
///
/// # Errors
/// When the database fails.
pub async fn set_opt_out(
    services: &Services,
    viewer: &Viewer,
    contact: ContactId,
    opted_out: bool,
    reason: String,
) -> Outcome<contact::Model> {
    if !viewer.is_admin() {
        return Ok(Err(Refusal::admins_only()));
    }
    if reason.trim().is_empty() || reason.chars().count() > MAX_REASON_CHARS || reason.contains('\0') {
        let message = format!("A reason of 1 to {MAX_REASON_CHARS} characters is needed.");
        return Ok(Err(Refusal::invalid(message, "reason")));
    }
    let unit = SetOptOut { agency: viewer.agency(), user: viewer.id(), contact, opted_out, reason };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct SetOptOut {
    agency: AgencyId,
    user: UserId,
    contact: ContactId,
    opted_out: bool,
    reason: String,
}

impl Unit for SetOptOut {
    type Output = Result<contact::Model, Refusal>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, DbErr> {
        let directory = tx.directory(self.agency).await?;
        match Viewer::of(directory, self.user) {
            Some(viewer) if viewer.is_admin() => {}
            _ => return Ok(Err(Refusal::admins_only())),
        }
        let Some(before) = contacts::by_ids(tx.conn, self.agency, &[self.contact]).await?.pop() else {
            return Ok(Err(Refusal::not_found("contact", "contactId")));
        };
        let (changes, wants_texts) = (before.opted_out_at.is_some() != self.opted_out, !self.opted_out);
        let mut threads = threads::of_contact(tx.conn, self.agency, self.contact).await?;
        threads.retain(|thread| {
            changes || thread.opt_out_hint_id.is_some() || (wants_texts && thread.blocked_at.is_some())
        });
        if !changes && threads.is_empty() {
            return Ok(Ok(before));
        }
        let mut after = before;
        if changes {
            after.opted_out_at = self.opted_out.then_some(tx.now);
            after.updated_at = tx.now;
            message_writes::set_opted_out(tx.conn, self.agency, self.contact, after.opted_out_at, tx.now).await?;
        }
        thread_writes::settle_opt_out(tx.conn, self.agency, self.contact, wants_texts).await?;
        tx.audit(self.agency, self.contact.to_string(), "setOptOut", Some(self.user), Some(self.reason.clone()));
        let kind = if self.opted_out { ActivityKind::OptedOut } else { ActivityKind::OptedIn };
        for thread in threads {
            let row = activity::Model {
                agency_id: self.agency,
                id: ActivityId(tx.new_id()),
                thread_id: thread.id,
                kind,
                actor_id: Some(self.user),
                to_user_id: None,
                note: Some(self.reason.clone()),
                created_at: tx.now,
            };
            thread_writes::add_activity(tx.conn, row).await?;
            tx.thread_updated(self.agency, thread.id, &[], Vec::new())?;
        }
        Ok(Ok(after))
    }
}
