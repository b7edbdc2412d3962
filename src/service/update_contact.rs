//! Change the name, the note or the provider of a contact.

use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::access::{ThreadRelation, is_handler};
use crate::domain::{AgencyId, ContactId, UserId};
use crate::entity::{contact, thread};
use crate::store::directory_writes::save;
use crate::store::stand_ins::StandIns;
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{Directory, contacts, threads};

const MAX_NAME_CHARS: usize = 200;
const MAX_NOTE_CHARS: usize = 4_000;

/// Changes to a contact. `None` leaves a field unchanged, `Some(None)` empties it.
#[derive(Debug, Clone)]
pub struct UpdateContact {
    pub contact: ContactId,
    pub name: Option<Option<String>>,
    pub note: Option<Option<String>>,
    pub provider: Option<Option<UserId>>,
}

impl UpdateContact {
    fn check(&self) -> Result<(), Refusal> {
        for (field, text, most) in [("name", &self.name, MAX_NAME_CHARS), ("note", &self.note, MAX_NOTE_CHARS)] {
            let Some(Some(text)) = text else { continue };
            if text.trim().is_empty() || text.chars().count() > most || text.contains('\0') {
                let message = format!("Enter 1 to {most} characters, or leave the field empty.");
                return Err(Refusal::invalid(message, field));
            }
        }
        Ok(())
    }

    fn apply(&self, before: &contact::Model) -> contact::Model {
        let mut after = before.clone();
        if let Some(name) = &self.name {
            after.rename(name.clone());
        }
        if let Some(note) = &self.note {
            after.note.clone_from(note);
        }
        if let Some(provider) = self.provider {
            after.provider_user_id = provider;
        }
        after
    }
}

/// Changes a contact that the viewer may see.
pub async fn update_contact(services: &Services, viewer: &Viewer, change: UpdateContact) -> Outcome<contact::Model> {
    change.check()?;
    let unit = Change { agency: viewer.agency(), user: viewer.id(), change };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct Change {
    agency: AgencyId,
    user: UserId,
    change: UpdateContact,
}

impl Unit for Change {
    type Output = contact::Model;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<contact::Model, UnitError<Refusal>> {
        let not_found = || Refusal::not_found("contact", "contactId");
        let directory = tx.directory(self.agency).await?;
        let viewer = Viewer::of(directory.clone(), self.user).ok_or_else(not_found)?;
        let before = contacts::visible(tx.conn, &viewer.scope(), self.change.contact).await?.ok_or_else(not_found)?;
        let after = self.change.apply(&before);
        if after == before {
            return Ok(before);
        }
        let provider_changes = after.provider_user_id != before.provider_user_id;
        if provider_changes && !viewer.is_admin() {
            return Err(Refusal::admins_only().at("providerId").into());
        }
        if provider_changes && after.provider_user_id.is_some_and(|user| directory.active_user(user).is_none()) {
            return Err(Refusal::not_found("active user", "providerId").into());
        }
        let threads = threads::of_contact(tx.conn, self.agency, before.id).await?;
        let former = before.provider_user_id.filter(|_| provider_changes);
        let seen_before = self.seen_by(tx, &directory, &threads, former).await?;
        let after = contact::Model { updated_at: tx.now, ..after };
        save(tx.conn, after.clone()).await?;
        let seen_after = self.seen_by(tx, &directory, &threads, former).await?;
        for (mut thread, (saw, sees)) in threads.into_iter().zip(seen_before.into_iter().zip(seen_after)) {
            let lost_by: Vec<UserId> = former.into_iter().filter(|_| saw && !sees).collect();
            tx.contact_updated(&mut thread, &lost_by)?;
        }
        tx.audit(self.agency, after.id.to_string(), "updateContact", Some(self.user), None);
        Ok(after)
    }
}

impl Change {
    /// The threads that a user may see with the contact as it is stored now.
    async fn seen_by(
        &self,
        tx: &Tx<'_>,
        directory: &Directory,
        threads: &[thread::Model],
        user: Option<UserId>,
    ) -> Result<Vec<bool>, UnitError<Refusal>> {
        let Some(row) = user.and_then(|user| directory.active_user(user)) else {
            return Ok(vec![false; threads.len()]);
        };
        let stand_ins = StandIns::load_all(tx.conn, self.agency, threads).await?;
        let sees = |thread: &thread::Model| {
            is_handler(&ThreadRelation {
                active: row.active,
                role: row.role,
                eligible: directory.is_eligible(thread.phone_number_id, row.id),
                assignee: thread.assignee_id == Some(row.id),
                stands_in: stand_ins.get(&thread.id).is_some_and(|of| of.include(directory, row.id)),
                status: thread.status,
            })
        };
        Ok(threads.iter().map(sees).collect())
    }
}
