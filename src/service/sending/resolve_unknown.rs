//! Resolves attempts whose result is unknown: looks the text up at the carrier, and flags it for a user's decision if
//! that does not resolve it.

use std::convert::Infallible;

use chrono::TimeDelta;
use futures_util::StreamExt as _;

use super::send_attempt::{due_at, mark_in_doubt};
use crate::domain::address::own_address;
use crate::domain::delivery::{Report, lookup_delay};
use crate::domain::{AgencyId, DeliverySource, MessageId, OutboxState, TwilioRequest};
use crate::entity::{message, outbox};
use crate::ports::twilio_rest::{ListedMessage, RESPONSE_TIMEOUT};
use crate::service::account_trouble::{evidence_from_response, observe};
use crate::service::delivery::{flag_unknown, record_report};
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{contacts, media, messages, outbox as store, threads};

const BATCH_SIZE: u64 = 200;
const MAX_CONCURRENT_LOOKUPS: usize = 8;
/// The longest duration of an attempt.
const MAX_ATTEMPT_DURATION: TimeDelta = TimeDelta::seconds(2 * RESPONSE_TIMEOUT.as_secs().cast_signed());
/// An attempt that began longer ago than this was interrupted: its server has stopped.
const INTERRUPTED_AFTER: TimeDelta = TimeDelta::seconds(2 * RESPONSE_TIMEOUT.as_secs().cast_signed() + 5);
/// The prefix that Twilio adds to each text of a trial account. Source: Twilio, "How to work with your free Twilio
/// trial account".
const TRIAL_PREFIX: &str = "Sent from your Twilio trial account - ";
/// The largest expected difference between the carrier's clock and this server's.
const MAX_CLOCK_SKEW: TimeDelta = TimeDelta::seconds(30);

/// Marks attempts that were interrupted by a crash as in doubt: the carrier may have the texts.
pub async fn mark_interrupted_attempts(services: &Services) -> Result<(), Fault> {
    let before = services.clock.now() - INTERRUPTED_AFTER;
    for row in store::interrupted(services.reader(), before, BATCH_SIZE).await? {
        let unit = MarkInterrupted { agency: row.agency_id, message: row.message_id };
        services.writer.run(row.agency_id, unit).await?;
    }
    Ok(())
}

struct MarkInterrupted {
    agency: AgencyId,
    message: MessageId,
}

impl Unit for MarkInterrupted {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        mark_in_doubt(tx, self.agency, self.message).await
    }
}

/// Looks up the texts in doubt whose lookup is due.
pub async fn resolve_unknown_texts(services: &Services) -> Result<(), Fault> {
    let rows = store::in_doubt(services.reader(), services.clock.now(), BATCH_SIZE).await?;
    let mut lookups = futures_util::stream::iter(rows.into_iter().map(|row| resolve(services, row)))
        .buffer_unordered(MAX_CONCURRENT_LOOKUPS);
    while let Some(result) = lookups.next().await {
        result?;
    }
    Ok(())
}

async fn resolve(services: &Services, row: outbox::Model) -> Result<(), Fault> {
    let carried = list_carried(services, &row).await?;
    let unknown_after = TimeDelta::from_std(services.sending.unknown_after).unwrap_or(TimeDelta::MAX);
    let agency = row.agency_id;
    Ok(services.writer.run(agency, RecordLookup { row, carried, unknown_after }).await?)
}

/// The messages that the carrier lists between the same two addresses since shortly before the attempt. Empty if the
/// request fails: it is repeated later.
async fn list_carried(services: &Services, row: &outbox::Model) -> Result<Vec<ListedMessage>, Fault> {
    let (conn, agency) = (services.reader(), row.agency_id);
    let message = messages::by_ids(conn, agency, &[row.message_id]).await?.pop();
    let thread = threads::by_id(conn, agency, row.thread_id).await?;
    let directory = services.directories.get(agency).await?;
    let number = directory.as_ref().and_then(|directory| directory.number(row.phone_number_id));
    let (Some(message), Some(thread), Some(number)) = (message, thread, number) else { return Ok(Vec::new()) };
    let Some(contact) = contacts::by_ids(conn, agency, &[thread.contact_id]).await?.pop() else {
        return Ok(Vec::new());
    };
    let account = services.accounts.by_id(message.twilio_account_id).await?;
    let Some(account) = account else { return Ok(Vec::new()) };
    let Some(credentials) = account.credentials() else { return Ok(Vec::new()) };
    let since = row.attempted_at.unwrap_or(row.due_at) - MAX_CLOCK_SKEW;
    let from = own_address(&number.e164, &contact.phone);
    let listed = services.sending.twilio.sent_since(&credentials, &from, &contact.phone, since).await;
    observe(services, &account, TwilioRequest::Lookup, evidence_from_response(&listed)).await;
    Ok(listed.unwrap_or_else(|error| {
        tracing::warn!(%error, "failed to look up a text in doubt; will retry");
        Vec::new()
    }))
}

struct RecordLookup {
    row: outbox::Model,
    carried: Vec<ListedMessage>,
    unknown_after: TimeDelta,
}

impl Unit for RecordLookup {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let (agency, id) = (self.row.agency_id, self.row.message_id);
        let row = store::by_message(tx.conn, agency, id).await?.filter(|row| row.state == OutboxState::InDoubt);
        let (Some(row), Some(message)) = (row, messages::by_ids(tx.conn, agency, &[id]).await?.pop()) else {
            // A receipt arrived in the meantime.
            return Ok(());
        };
        let directory = tx.directory(agency).await?;
        if let Some(same) = self.find_match(tx, &message).await? {
            let code = same.error_code.map(|code| code.to_string());
            if let Some(found) = Report::from_twilio(&same.status, code.as_deref()) {
                return record_report(tx, &directory, &message, found, Some(&same.sid), DeliverySource::Reconciled)
                    .await
                    .map(drop);
            }
        }
        let since = row.attempted_at.unwrap_or(message.created_at);
        if tx.now - since >= self.unknown_after {
            return flag_unknown(tx, &directory, &message).await;
        }
        let lookups = u32::try_from(row.attempts).unwrap_or(u32::MAX).saturating_add(1);
        let due = due_at(tx.now, lookup_delay(lookups)).min(since + self.unknown_after);
        store::reschedule_lookup(tx.conn, &row, due).await?;
        Ok(())
    }
}

impl RecordLookup {
    /// The carrier's message that is certainly this text, matched by body or, where Twilio redacts bodies or the text has
    /// only files, by time and segments. In both cases the number of files must be the same.
    async fn find_match(&self, tx: &Tx<'_>, message: &message::Model) -> Result<Option<&ListedMessage>, UnitError> {
        let files = media::of_messages(tx.conn, message.agency_id, &[message.id]).await?.len();
        match self.match_by_body(tx, message, files).await? {
            None => self.match_by_time(tx, message, files).await,
            found => Ok(found),
        }
    }

    /// The oldest message with the same body that belongs to no other text. If the carrier has fewer such messages than
    /// there are texts without a SID that they could be, nothing matches: a text that was not sent would count as sent.
    async fn match_by_body(
        &self,
        tx: &Tx<'_>,
        message: &message::Model,
        files: usize,
    ) -> Result<Option<&ListedMessage>, UnitError> {
        let has_same_body = |body: &str| {
            let (body, own) = (body.trim(), message.body.trim());
            body == own || body.strip_prefix(TRIAL_PREFIX).is_some_and(|rest| rest.trim() == own)
        };
        let same = self.carried.iter().filter(|carried| carried.body.as_deref().is_some_and(has_same_body)).collect();
        let same = without_known(tx, message, same).await?;
        if same.is_empty() || (same.len() as u64) < messages::count_same_body_without_sid(tx.conn, message).await? {
            return Ok(None);
        }
        let same = same.into_iter().filter(|carried| has_files(carried, files));
        Ok(same.min_by_key(|carried| carried.date_created))
    }

    /// The only message with a redacted body that can be this text. Two such messages, or two texts that one message
    /// could be, are ambiguous and do not match.
    async fn match_by_time(
        &self,
        tx: &Tx<'_>,
        message: &message::Model,
        files: usize,
    ) -> Result<Option<&ListedMessage>, UnitError> {
        let began = self.row.attempted_at.unwrap_or(self.row.due_at);
        let until = began + MAX_ATTEMPT_DURATION + MAX_CLOCK_SKEW;
        // A text that was flagged before this was attempted too early for any of these messages.
        let flagged_since = began - MAX_ATTEMPT_DURATION - MAX_CLOCK_SKEW * 2;
        let own_segments = message.segments.and_then(|count| u32::try_from(count).ok());
        let fits = |carried: &&ListedMessage| {
            let same_length = carried.segments.is_none() || carried.segments == own_segments;
            carried.body.is_none() && same_length && has_files(carried, files) && carried.date_created <= until
        };
        let fitting = without_known(tx, message, self.carried.iter().filter(fits).collect()).await?;
        match fitting.as_slice() {
            [one] if messages::count_same_segments_without_sid(tx.conn, message, flagged_since).await? == 1 => {
                Ok(Some(one))
            }
            _ => Ok(None),
        }
    }
}

/// Whether a carrier's message can have this many files.
fn has_files(carried: &ListedMessage, files: usize) -> bool {
    carried.media.is_none_or(|listed| listed == files)
}

/// The messages whose SIDs belong to no other text.
async fn without_known<'a>(
    tx: &Tx<'_>,
    message: &message::Model,
    mut carried: Vec<&'a ListedMessage>,
) -> Result<Vec<&'a ListedMessage>, UnitError> {
    if carried.is_empty() {
        return Ok(carried);
    }
    let sids: Vec<String> = carried.iter().map(|carried| carried.sid.clone()).collect();
    let known = messages::known_sids(tx.conn, message.agency_id, message.twilio_account_id, &sids).await?;
    carried.retain(|carried| !known.contains(&carried.sid));
    Ok(carried)
}
