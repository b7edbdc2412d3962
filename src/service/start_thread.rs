//! Send a text by recipient instead of by thread. Creates the contact and the thread if they do not exist.

use sea_orm::DbErr;

use super::attachments;
use super::compose::{Draft, IdempotentRequest, Queued, queue_in_thread};
use super::own_numbers::{holders_of, refuse_own_number};
use super::{Fault, Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::address::is_e164;
use crate::domain::dialing::check_recipient;
use crate::domain::opt_out::OptOutState;
use crate::domain::own_numbers::is_forbidden_recipient;
use crate::domain::reply::{ReplyBlock, clear_reply};
use crate::domain::text_quota::TextLimits;
use crate::domain::{AgencyId, ContactId, PhoneNumberId, Purpose, ThreadId, UploadId, UserId};
use crate::entity::{contact, thread};
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{bulk, contacts, threads};

/// Queues a text to a phone. If `number` is `None`, it is sent from the sender's default number for this contact.
pub async fn start_thread(
    services: &Services,
    viewer: &Viewer,
    to: String,
    number: Option<PhoneNumberId>,
    draft: Draft,
) -> Outcome<Queued> {
    let uploads = draft.check(&services.media_links)?;
    if !is_e164(&to) {
        return Err(Refusal::invalid("Enter a phone number in E.164 format, such as +13035550100.", "to").into());
    }
    let limits = services.text_limits;
    let unit = StartThread { agency: viewer.agency(), user: viewer.id(), to, number, draft, uploads, limits };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct StartThread {
    agency: AgencyId,
    user: UserId,
    to: String,
    number: Option<PhoneNumberId>,
    draft: Draft,
    uploads: Vec<UploadId>,
    limits: TextLimits,
}

impl Unit for StartThread {
    type Output = Queued;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Queued, UnitError<Refusal>> {
        let directory = tx.directory(self.agency).await?;
        let viewer = Viewer::of(directory.clone(), self.user)
            .ok_or_else(|| Refusal::new(RefusalCode::Forbidden, "Your user is no longer active."))?;
        let number = self.number.map(|number| number.to_string()).unwrap_or_default();
        let operation = format!("startThread {number} {}", self.to);
        let request = IdempotentRequest::new(self.agency, self.user, &operation, &self.draft, &self.uploads);
        if let Some(queued) = request.earlier_result(tx).await? {
            return Ok(queued);
        }
        let known = contacts::by_phone(tx.conn, self.agency, &self.to).await?;
        let threads = match &known {
            Some(contact) => threads::of_contact(tx.conn, self.agency, contact.id).await?,
            None => Vec::new(),
        };
        let number = choose_number(&viewer, self.number, &threads)?;
        if let Some(own) = directory.number(number) {
            check_recipient(&self.to, &own.e164, directory.calling_countries().as_deref())
                .map_err(|error| Refusal::invalid(format!("This number cannot be texted: {error}."), "to"))?;
            refuse_own_number(tx.conn, own.twilio_account_id, &self.to, "to").await?;
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
        // A refusal also undoes the new contact and thread.
        let files = attachments::of_uploads(tx, self.agency, self.user, &self.uploads).await?;
        queue_in_thread(tx, &viewer, &thread, &contact, &request, (&self.draft, files), self.limits).await
    }
}

impl StartThread {
    async fn add_contact(&self, tx: &Tx<'_>) -> Result<contact::Model, DbErr> {
        let contact = contact::Model::begin(self.agency, ContactId(tx.new_id()), &*self.to, tx.now);
        bulk::insert(tx.conn, vec![contact.clone()]).await?;
        Ok(contact)
    }
}

/// The number to send from: the given number, otherwise the sender's number with the newest thread with this contact,
/// then the number where the sender is primary, then the number of the sender's oldest assignment.
fn choose_number(
    viewer: &Viewer,
    given: Option<PhoneNumberId>,
    newest_first: &[thread::Model],
) -> Result<PhoneNumberId, Refusal> {
    let (directory, user) = (&viewer.directory, viewer.id());
    let is_live = |id: PhoneNumberId| directory.number(id).is_some_and(|number| number.live == Some(true));
    let is_own = |id: PhoneNumberId| is_live(id) && directory.is_eligible(id, user);
    if let Some(number) = given {
        if !is_live(number) {
            return Err(Refusal::not_found("active number", "phoneNumberId"));
        }
        if !viewer.is_admin() && !is_own(number) {
            let message = "You are not in this number's pool.";
            return Err(Refusal::new(RefusalCode::Forbidden, message).at("phoneNumberId"));
        }
        return Ok(number);
    }
    let with_thread = newest_first.iter().map(|thread| thread.phone_number_id).find(|number| is_own(*number));
    // Assignments are sorted: primary first, then oldest first.
    let own = || directory.assignments_of(user).map(|row| row.phone_number_id).find(|number| is_own(*number));
    with_thread.or_else(own).ok_or_else(|| {
        Refusal::invalid("You have no number of your own to text from. Specify phoneNumberId.", "phoneNumberId")
    })
}

/// What [`start_thread`] would do without a number: the number to send from, and what exists already.
#[derive(Debug, Clone)]
pub struct StartingPoint {
    /// `None` if the user has no number to send from.
    pub number: Option<PhoneNumberId>,
    /// The contact, if the user may see it.
    pub contact: Option<contact::Model>,
    /// The thread of the contact on the number, if the user may see it.
    pub thread: Option<thread::Model>,
    /// Why nobody can text the phone from the number.
    pub block: Option<ReplyBlock>,
}

/// Reads the starting point for a text to a phone, which must be in E.164 format.
pub async fn starting_point(services: &Services, viewer: &Viewer, to: &str) -> Result<StartingPoint, Fault> {
    let (conn, scope) = (services.request_reader(), viewer.scope());
    let known = contacts::by_phone(conn, viewer.agency(), to).await?;
    let threads = match &known {
        Some(contact) => threads::of_contact(conn, viewer.agency(), contact.id).await?,
        None => Vec::new(),
    };
    let contact = match known {
        Some(contact) => contacts::visible(conn, &scope, contact.id).await?,
        None => None,
    };
    let number = choose_number(viewer, None, &threads).ok();
    let existing = threads.into_iter().find(|thread| Some(thread.phone_number_id) == number);
    let block = match number.and_then(|number| viewer.directory.number(number)) {
        Some(own) => {
            let countries = viewer.directory.calling_countries();
            let holders = holders_of(conn, to).await?;
            let is_own = is_forbidden_recipient(Purpose::Conversation, own.twilio_account_id, &holders);
            if is_own || check_recipient(to, &own.e164, countries.as_deref()).is_err() {
                Some(ReplyBlock::SenderCannotReceive)
            } else {
                // An opt-out is disclosed only if the viewer may see the contact; `startThread` refuses the text anyway.
                let opted_out = contact.as_ref().is_some_and(|contact| contact.opted_out_at.is_some());
                let blocked = existing.as_ref().is_some_and(|thread| thread.blocked_at.is_some());
                clear_reply(true, to, OptOutState { opted_out, blocked }).err()
            }
        }
        None => None,
    };
    let thread = match existing {
        Some(thread) => threads::visible(conn, &scope, thread.id).await?,
        None => None,
    };
    Ok(StartingPoint { number, contact, thread, block })
}
