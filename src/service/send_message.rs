//! Send a message: reply in a thread.

use sea_orm::DbErr;

use super::compose::{Draft, Queued, Request, say};
use super::own_numbers::refuse_own_number;
use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::text_quota::TextLimits;
use crate::domain::{AgencyId, ThreadId, UserId};
use crate::store::writer::{Tx, Unit};
use crate::store::{contacts, threads};

/// Queues a reply. It is durable when this returns, and sent afterwards.
///
/// # Errors
/// When the database fails.
pub async fn send_message(services: &Services, viewer: &Viewer, thread: ThreadId, draft: Draft) -> Outcome<Queued> {
    if let Err(refusal) = draft.check() {
        return Ok(Err(refusal));
    }
    let limits = services.text_limits;
    let unit = SendMessage { agency: viewer.agency(), user: viewer.id(), thread, draft, limits };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct SendMessage {
    agency: AgencyId,
    user: UserId,
    thread: ThreadId,
    draft: Draft,
    limits: TextLimits,
}

impl Unit for SendMessage {
    type Output = Result<Queued, Refusal>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, DbErr> {
        let not_found = || Refusal::not_found("thread", "threadId");
        let directory = tx.directory(self.agency).await?;
        let Some(viewer) = Viewer::of(directory, self.user) else { return Ok(Err(not_found())) };
        let what = format!("sendMessage {}", self.thread);
        let request = Request::new(self.agency, self.user, &what, &self.draft);
        if let Some(repeated) = request.repeated(tx).await? {
            return Ok(repeated);
        }
        let Some(thread) = threads::visible(tx.conn, &viewer.scope(), self.thread).await? else {
            return Ok(Err(not_found()));
        };
        let Some(contact) = contacts::by_ids(tx.conn, self.agency, &[thread.contact_id]).await?.pop() else {
            return Ok(Err(not_found()));
        };
        let sender = viewer.directory.number(thread.phone_number_id).map(|row| row.twilio_account_id);
        if let Some(sender) = sender
            && let Err(refusal) = refuse_own_number(tx.conn, sender, &contact.phone, "threadId").await?
        {
            return Ok(Err(refusal));
        }
        say(tx, &viewer, &thread, &contact, &request, &self.draft, self.limits).await
    }
}
