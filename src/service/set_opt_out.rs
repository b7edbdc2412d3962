//! Set a contact's opt-out manually, for requests made in free text, by phone or in person. Admins only, with a reason.

use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::{ActivityId, ActivityKind, AgencyId, ContactId, UserId};
use crate::entity::{activity, contact};
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{contacts, message_writes, thread_writes, threads};

const MAX_REASON_CHARS: usize = 2_000;

/// Sets the opt-out, and records the admin and the reason in the audit log and in the history of the contact's threads.
///
/// Both directions clear the opt-out hints of all threads of the contact, even if the opt-out itself does not change.
/// Opting in also clears the carrier's blocks; if the carrier still blocks, the next error 21610 sets the block again.
/// Opting out leaves the blocks, because it does not change what the carrier does.
pub async fn set_opt_out(
    services: &Services,
    viewer: &Viewer,
    contact: ContactId,
    opted_out: bool,
    reason: String,
) -> Outcome<contact::Model> {
    if !viewer.is_admin() {
        return Err(Refusal::admins_only().into());
    }
    if reason.trim().is_empty() || reason.chars().count() > MAX_REASON_CHARS || reason.contains('\0') {
        let message = format!("Enter a reason of 1 to {MAX_REASON_CHARS} characters.");
        return Err(Refusal::invalid(message, "reason").into());
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
    type Output = contact::Model;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<contact::Model, UnitError<Refusal>> {
        let directory = tx.directory(self.agency).await?;
        if !Viewer::of(directory, self.user).is_some_and(|viewer| viewer.is_admin()) {
            return Err(Refusal::admins_only().into());
        }
        let before = contacts::by_ids(tx.conn, self.agency, &[self.contact]).await?.pop();
        let before = before.ok_or_else(|| Refusal::not_found("contact", "contactId"))?;
        let (changes, wants_texts) = (before.opted_out_at.is_some() != self.opted_out, !self.opted_out);
        let mut threads = threads::of_contact(tx.conn, self.agency, self.contact).await?;
        threads.retain(|thread| {
            changes || thread.opt_out_hint_id.is_some() || (wants_texts && thread.blocked_at.is_some())
        });
        if !changes && threads.is_empty() {
            return Ok(before);
        }
        let mut after = before;
        if changes {
            after.opted_out_at = self.opted_out.then_some(tx.now);
            after.updated_at = tx.now;
            message_writes::set_opted_out(tx.conn, self.agency, self.contact, after.opted_out_at, tx.now).await?;
        }
        thread_writes::clear_opt_out_hints(tx.conn, self.agency, self.contact, wants_texts).await?;
        tx.audit(self.agency, self.contact.to_string(), "setOptOut", Some(self.user), Some(self.reason.clone()));
        let kind = if self.opted_out { ActivityKind::OptedOut } else { ActivityKind::OptedIn };
        for mut thread in threads {
            let activity = ActivityId(tx.new_id());
            let entry = activity::Model::begin(self.agency, activity, thread.id, kind, tx.now);
            let (actor_id, note) = (Some(self.user), Some(self.reason.clone()));
            tx.add_activity(activity::Model { actor_id, note, ..entry });
            tx.thread_updated(&mut thread, Some(activity), &[], Vec::new())?;
        }
        Ok(after)
    }
}
