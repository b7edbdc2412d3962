//! A text departs: the last check of everything that may forbid it, and the note that it is being
//! tried, in one transaction under the agency's lock. **No other place lets a text leave.**

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use crate::domain::address::own_address;
use crate::domain::delivery::Report;
use crate::domain::delivery_error::{BLOCKED, EXPIRED, OPTED_OUT, OWN_NUMBER, RELEASED};
use crate::domain::opt_out::{Barred, gate};
use crate::domain::own_numbers::is_forbidden_recipient;
use crate::domain::pace::Pace;
use crate::domain::{AccountId, AgencyId, MessageId, MessageStatus, OutboxState, PhoneNumberId};
use crate::entity::{message, outbox, phone_number};
use crate::ports::twilio_rest::{OutboundText, callback_url};
use crate::service::compose::wishes;
use crate::service::own_numbers::holders_of;
use crate::service::report::report;
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit};
use crate::store::{Directory, contacts, messages, outbox as store, threads};

/// A text that could not be sent for so long is not sent any more: it would come as a surprise.
const STALE_AFTER: TimeDelta = TimeDelta::hours(4);

/// A text whose attempt is committed: it may be sent now, once.
#[derive(Debug)]
pub struct Departure {
    /// Whose.
    pub agency: AgencyId,
    /// Which message.
    pub message: MessageId,
    /// The account that sends.
    pub account: AccountId,
    /// What to send.
    pub text: OutboundText,
    /// How often it has been tried, this time too.
    pub attempts: u32,
}

/// What a number is to do next.
#[derive(Debug)]
pub enum Next {
    /// Send this, now.
    Send(Departure),
    /// Look again at once: the text at hand was not to be sent.
    Again,
    /// Look again after this time, for the pace's sake.
    Wait(Duration),
    /// Nothing is to be sent.
    Rest,
}

/// Takes up a number's next text.
///
/// # Errors
/// When the database fails.
pub async fn next(services: &Services, agency: AgencyId, number: PhoneNumberId) -> Result<Next, Fault> {
    let (conn, now) = (services.reader(), services.clock.now());
    let Some(directory) = services.directories.get(agency).await? else { return Ok(Next::Rest) };
    let Some(number) = directory.number(number).cloned() else { return Ok(Next::Rest) };
    // Looked at without the lock first: a number that has nothing to send, or not yet, takes no turn.
    let Some(row) = store::next_of(conn, agency, number.id, now).await? else { return Ok(Next::Rest) };
    if let Some(wait) = pace_wait(&number, store::pace_spent(conn, agency, number.id).await?, now) {
        return Ok(Next::Wait(wait));
    }
    // Asked again, for the look may have taken a while: who is told to stop takes up no more.
    if services.sending.bell.is_stopped() {
        return Ok(Next::Rest);
    }
    let depart = Depart { row, receipts_url: services.sending.receipts_url.clone() };
    let next = services.writer.run(agency, depart).await?;
    if matches!(next, Next::Send(_))
        && let Err(error) = services.restore.record(services).await
    {
        // The text is committed as attempted and must leave. The next record makes up for this one.
        tracing::warn!(%error, "how far the database has got could not be recorded");
    }
    Ok(next)
}

fn pace(number: &phone_number::Model) -> Pace {
    Pace { per_second: number.texts_per_second, burst: number.texts_burst }
}

fn pace_wait(number: &phone_number::Model, spent: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<Duration> {
    let free_at = pace(number).free_at(spent?);
    (free_at - now).to_std().ok().filter(|wait| !wait.is_zero())
}

struct Depart {
    row: outbox::Model,
    receipts_url: String,
}

impl Unit for Depart {
    type Output = Next;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Next, DbErr> {
        let (agency, id) = (self.row.agency_id, self.row.message_id);
        let directory = tx.directory(agency).await?;
        let row = store::by_message(tx.conn, agency, id).await?.filter(|row| row.state == OutboxState::Queued);
        let (Some(row), Some(message)) = (row, messages::by_ids(tx.conn, agency, &[id]).await?.pop()) else {
            return Ok(Next::Again);
        };
        let Some(thread) = threads::by_id(tx.conn, agency, row.thread_id).await? else { return Ok(Next::Again) };
        let Some(contact) = contacts::by_ids(tx.conn, agency, &[thread.contact_id]).await?.pop() else {
            return Ok(Next::Again);
        };
        let number = directory.number(row.phone_number_id).filter(|number| number.live == Some(true));
        let Some(number) = number else { return give_up(tx, &directory, &message, RELEASED).await };
        match gate(row.purpose, wishes(&contact, &thread)) {
            Ok(()) => {}
            Err(Barred::OptedOut) => return give_up(tx, &directory, &message, OPTED_OUT).await,
            Err(Barred::Blocked) => return give_up(tx, &directory, &message, BLOCKED).await,
        }
        let holders = holders_of(tx.conn, &contact.phone).await?;
        if is_forbidden_recipient(row.purpose, message.twilio_account_id, &holders) {
            return give_up(tx, &directory, &message, OWN_NUMBER).await;
        }
        if tx.now - message.created_at > STALE_AFTER {
            return give_up(tx, &directory, &message, EXPIRED).await;
        }
        // Another instance may have spent it since.
        let spent = store::pace_spent(tx.conn, agency, number.id).await?;
        if let Some(wait) = pace_wait(number, spent, tx.now) {
            return Ok(Next::Wait(wait));
        }
        if !store::begin_attempt(tx.conn, &row, tx.now).await? {
            return Ok(Next::Again);
        }
        let spent = pace(number).spend(spent.unwrap_or(tx.now), tx.now, message.segments.unwrap_or(1));
        store::spend_pace(tx.conn, agency, number.id, spent).await?;
        let message = report(tx, &directory, &message, Report::of(MessageStatus::Sending), None).await?;
        Ok(Next::Send(self.departure(&row, message, contact.phone, number, tx.now)))
    }
}

impl Depart {
    fn departure(
        &self,
        row: &outbox::Model,
        message: message::Model,
        to: String,
        number: &phone_number::Model,
        now: DateTime<Utc>,
    ) -> Departure {
        // The carrier is not to send it later than we would.
        let left = STALE_AFTER - (now - message.created_at);
        // Receipts name the text by our own ids: they may come before the carrier's name for it does.
        let parameters = vec![("agency", message.agency_id.to_string()), ("message", message.id.to_string())];
        let status_callback = callback_url(&self.receipts_url, parameters);
        Departure {
            agency: message.agency_id,
            message: message.id,
            account: message.twilio_account_id,
            attempts: u32::try_from(row.attempts).unwrap_or(0) + 1,
            text: OutboundText {
                from: own_address(&number.e164, &to),
                to,
                body: message.body,
                status_callback,
                validity_seconds: u32::try_from(left.num_seconds()).unwrap_or(0),
            },
        }
    }
}

async fn give_up(tx: &mut Tx<'_>, directory: &Directory, message: &message::Model, why: &str) -> Result<Next, DbErr> {
    report(tx, directory, message, Report::failed(MessageStatus::Failed, why), None).await?;
    Ok(Next::Again)
}
