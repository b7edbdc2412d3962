//! Begins an attempt to send a text: checks everything that may forbid the text and commits the attempt, in one
//! transaction under the agency's lock. **Every text from the outbox passes through here before it is sent.**

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::address::own_address;
use crate::domain::delivery::Report;
use crate::domain::delivery_error::{BLOCKED, EXPIRED, OPTED_OUT, OWN_NUMBER, RELEASED};
use crate::domain::opt_out::{Cleared, GateRefusal, gate};
use crate::domain::own_numbers::is_forbidden_recipient;
use crate::domain::pace::Pace;
use crate::domain::{
    AccountId, AgencyId, DeliverySource, MediaState, MessageId, MessageStatus, OutboxState, PhoneNumberId,
};
use crate::entity::{media, message, outbox, phone_number};
use crate::ports::twilio_rest::{OutboundText, callback_url};
use crate::service::delivery::record_report;
use crate::service::media_links::MediaLinks;
use crate::service::outbound::opt_out_state;
use crate::service::own_numbers::holders_of;
use crate::service::{Fault, Services};
use crate::store::media::of_messages;
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{Directory, contacts, messages, outbox as store, threads};

/// The age at which a queued text expires: a text that is sent late can mislead the recipient.
const MAX_AGE: TimeDelta = TimeDelta::hours(4);

/// A committed attempt: its text may be sent now, once.
#[derive(Debug)]
pub struct SendAttempt {
    pub agency: AgencyId,
    pub message: MessageId,
    /// The Twilio account that sends.
    pub account: AccountId,
    pub text: OutboundText,
    /// The number of attempts for this text, including this one.
    pub attempts: u32,
}

/// The next step of a number's sender.
#[derive(Debug)]
pub enum NextStep {
    Send(SendAttempt),
    /// The text could not be sent. Continue with the next text at once.
    Continue,
    /// Try again after this time, to keep the number's pace.
    Wait(Duration),
    /// The number has no text to send now.
    Idle,
}

/// Begins an attempt for the next due text of a number.
pub async fn begin_next_attempt(
    services: &Services,
    agency: AgencyId,
    number: PhoneNumberId,
) -> Result<NextStep, Fault> {
    let (conn, now) = (services.reader(), services.clock.now());
    let Some(directory) = services.directories.get(agency).await? else { return Ok(NextStep::Idle) };
    let Some(number) = directory.number(number).cloned() else { return Ok(NextStep::Idle) };
    // Checked without the lock first: a number with nothing to send now does not use the writer.
    let Some(row) = store::next_text(conn, agency, number.id, now).await? else { return Ok(NextStep::Idle) };
    if let Some(wait) = pace_wait(&number, store::pace_spent(conn, agency, number.id).await?, now) {
        return Ok(NextStep::Wait(wait));
    }
    // Checked after the queries, which may take a while: no attempt may begin after a stop.
    if services.sending.outbox_signal.is_stopped() {
        return Ok(NextStep::Idle);
    }
    let (receipts_url, media_links) = (services.sending.receipts_url.clone(), services.media_links.clone());
    let unit = BeginAttempt { row, receipts_url, media_links };
    let next = services.writer.run(agency, unit).await?;
    if matches!(next, NextStep::Send(_))
        && let Err(error) = services.restore.record(services).await
    {
        // The attempt is committed, so the text must be sent. The next record replaces this one.
        tracing::warn!(%error, "failed to record the progress of the database");
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

struct BeginAttempt {
    row: outbox::Model,
    receipts_url: String,
    media_links: Arc<MediaLinks>,
}

impl Unit for BeginAttempt {
    type Output = NextStep;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<NextStep, UnitError> {
        let (agency, id) = (self.row.agency_id, self.row.message_id);
        let directory = tx.directory(agency).await?;
        let row = store::by_message(tx.conn, agency, id).await?.filter(|row| row.state == OutboxState::Queued);
        let (Some(row), Some(message)) = (row, messages::by_ids(tx.conn, agency, &[id]).await?.pop()) else {
            return Ok(NextStep::Continue);
        };
        let Some(thread) = threads::by_id(tx.conn, agency, row.thread_id).await? else { return Ok(NextStep::Continue) };
        let Some(contact) = contacts::by_ids(tx.conn, agency, &[thread.contact_id]).await?.pop() else {
            return Ok(NextStep::Continue);
        };
        let number = directory.number(row.phone_number_id).filter(|number| number.live == Some(true));
        let Some(number) = number else { return fail(tx, &directory, &message, RELEASED).await };
        let cleared = match gate(row.purpose, opt_out_state(&contact, &thread)) {
            Ok(cleared) => cleared,
            Err(GateRefusal::OptedOut) => return fail(tx, &directory, &message, OPTED_OUT).await,
            Err(GateRefusal::Blocked) => return fail(tx, &directory, &message, BLOCKED).await,
        };
        let holders = holders_of(tx.conn, &contact.phone).await?;
        if is_forbidden_recipient(row.purpose, message.twilio_account_id, &holders) {
            return fail(tx, &directory, &message, OWN_NUMBER).await;
        }
        if tx.now - message.created_at > MAX_AGE {
            return fail(tx, &directory, &message, EXPIRED).await;
        }
        // Another instance may have sent from this number since the first check.
        let spent = store::pace_spent(tx.conn, agency, number.id).await?;
        if let Some(wait) = pace_wait(number, spent, tx.now) {
            return Ok(NextStep::Wait(wait));
        }
        if !store::begin_attempt(tx.conn, &row, tx.now).await? {
            return Ok(NextStep::Continue);
        }
        let spent = pace(number).spend(spent.unwrap_or(tx.now), tx.now, message.segments.unwrap_or(1));
        store::spend_pace(tx.conn, agency, number.id, spent).await?;
        let message =
            record_report(tx, &directory, &message, Report::of(MessageStatus::Sending), None, DeliverySource::Outbox)
                .await?;
        let files = of_messages(tx.conn, agency, &[id]).await?;
        let link = |file: &media::Model| self.media_links.carrier_link(agency, &file.id.to_string(), tx.now);
        let media_urls = files.iter().filter(|file| file.state == MediaState::Ready).map(link).collect();
        let text = self.text(cleared, &message, media_urls, contact.phone, &number.e164, tx.now);
        Ok(NextStep::Send(SendAttempt {
            agency,
            message: id,
            account: message.twilio_account_id,
            attempts: u32::try_from(row.attempts).unwrap_or(0) + 1,
            text,
        }))
    }
}

impl BeginAttempt {
    fn text(
        &self,
        cleared: Cleared,
        message: &message::Model,
        media_urls: Vec<String>,
        to: String,
        number: &str,
        now: DateTime<Utc>,
    ) -> OutboundText {
        // The carrier must not send the text after it expires here.
        let left = MAX_AGE - (now - message.created_at);
        // Receipts identify the text by Partyline's ids: they may arrive before the carrier's SID is known.
        let parameters = vec![("agency", message.agency_id.to_string()), ("message", message.id.to_string())];
        let status_callback = callback_url(&self.receipts_url, parameters);
        OutboundText {
            cleared,
            from: own_address(number, &to),
            to,
            body: message.body.clone(),
            media_urls,
            status_callback,
            validity_seconds: u32::try_from(left.num_seconds()).unwrap_or(0),
        }
    }
}

async fn fail(
    tx: &mut Tx<'_>,
    directory: &Directory,
    message: &message::Model,
    error_code: &str,
) -> Result<NextStep, UnitError> {
    record_report(
        tx,
        directory,
        message,
        Report::failed(MessageStatus::Failed, error_code),
        None,
        DeliverySource::Outbox,
    )
    .await?;
    Ok(NextStep::Continue)
}
