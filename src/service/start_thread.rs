//! Start a thread: the first text to a contact, or one more to somebody whose thread is not at hand.

use sea_orm::DbErr;

use super::compose::{Draft, Queued, Request, say};
use super::own_numbers::refuse_own_number;
use super::{Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::address::is_e164;
use crate::domain::dialling::check_recipient;
use crate::domain::text_quota::TextLimits;
use crate::domain::{AgencyId, ContactId, PhoneNumberId, ThreadId, UserId};
use crate::entity::{contact, thread};
use crate::store::writer::{Tx, Unit};
use crate::store::{bulk, contacts, threads};

/// Queues a text to a phone, from this number or from the sender's own choice of number.
///
/// # Errors
/// When the database fails.
pub async fn start_thread(
    services: &Services,
    viewer: &Viewer,
    to: String,
    number: Option<PhoneNumberId>,
    draft: Draft,
) -> Outcome<Queued> {
    if let Err(refusal) = draft.check() {
        return Ok(Err(refusal));
    }
    if !is_e164(&to) {
        return Ok(Err(Refusal::invalid("A number in E.164 is needed, such as +13035550100.", "to")));
    }
    let limits = services.text_limits;
    let unit = StartThread { agency: viewer.agency(), user: viewer.id(), to, number, draft, limits };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct StartThread {
    agency: AgencyId,
    user: UserId,
    to: String,
    number: Option<PhoneNumberId>,
    draft: Draft,
    limits: TextLimits,
}

impl Unit for StartThread {
    type Output = Result<Queued, Refusal>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, DbErr> {
        let directory = tx.directory(self.agency).await?;
        let Some(viewer) = Viewer::of(directory.clone(), self.user) else {
            return Ok(Err(Refusal::new(RefusalCode::Forbidden, "You are not active any more.")));
        };
        let number = self.number.map(|number| number.to_string()).unwrap_or_default();
        let what = format!("startThread {number} {}", self.to);
        let request = Request::new(self.agency, self.user, &what, &self.draft);
        if let Some(repeated) = request.repeated(tx).await? {
            return Ok(repeated);
        }
        let known = contacts::by_phone(tx.conn, self.agency, &self.to).await?;
        let threads = match &known {
            Some(contact) => threads::of_contact(tx.conn, self.agency, contact.id).await?,
            None => Vec::new(),
        };
        let number = match self.number_of(&viewer, &threads) {
            Ok(number) => number,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(own) = directory.number(number) {
            if let Err(error) = check_recipient(&self.to, &own.e164, directory.calling_countries().as_deref()) {
                return Ok(Err(Refusal::invalid(format!("This number cannot be texted: {error}."), "to")));
            }
            if let Err(refusal) = refuse_own_number(tx.conn, own.twilio_account_id, &self.to, "to").await? {
                return Ok(Err(refusal));
            }
        }
        let (contact, is_stranger) = match known {
            Some(contact) => {
                let seen = contacts::visible(tx.conn, &viewer.scope(), contact.id).await?;
                (contact, seen.is_none())
            }
            None => (self.add_contact(tx).await?, false),
        };
        let thread = match threads.into_iter().find(|thread| thread.phone_number_id == number) {
            Some(thread) => thread,
            None => {
                let thread = thread::Model {
                    started_blind: is_stranger,
                    ..thread::Model::begin(self.agency, ThreadId(tx.new_id()), number, contact.id, tx.now)
                };
                bulk::insert(tx.conn, vec![thread.clone()]).await?;
                thread
            }
        };
        let said = say(tx, &viewer, &thread, &contact, &request, &self.draft, self.limits).await?;
        if said.is_err() {
            // Neither the contact nor the thread came about.
            tx.give_up();
        }
        Ok(said)
    }
}

impl StartThread {
    /// The number that is named, or else the one of the sender's that last had a thread with the
    /// contact, then the one on which they are primary, then that of their oldest assignment.
    fn number_of(&self, viewer: &Viewer, newest_first: &[thread::Model]) -> Result<PhoneNumberId, Refusal> {
        let directory = &viewer.directory;
        let is_live = |id: PhoneNumberId| directory.number(id).is_some_and(|number| number.live == Some(true));
        let is_own = |id: PhoneNumberId| is_live(id) && directory.is_eligible(id, self.user);
        if let Some(number) = self.number {
            if !is_live(number) {
                return Err(Refusal::not_found("active number", "phoneNumberId"));
            }
            if !viewer.is_admin() && !is_own(number) {
                let message = "You are not in this number's pool.";
                return Err(Refusal::new(RefusalCode::Forbidden, message).at("phoneNumberId"));
            }
            return Ok(number);
        }
        let had = newest_first.iter().map(|thread| thread.phone_number_id).find(|number| is_own(*number));
        // Primary first, then by the age of the assignment.
        let own = || directory.assignments_of(self.user).map(|row| row.phone_number_id).find(|number| is_own(*number));
        had.or_else(own).ok_or_else(|| Refusal::invalid("You have no number to text from; name one.", "phoneNumberId"))
    }

    async fn add_contact(&self, tx: &Tx<'_>) -> Result<contact::Model, DbErr> {
        let contact = contact::Model::begin(self.agency, ContactId(tx.new_id()), &*self.to, tx.now);
        bulk::insert(tx.conn, vec![contact.clone()]).await?;
        Ok(contact)
    }
}
