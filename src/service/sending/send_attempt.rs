//! Sends a text and records the result of the attempt.

use std::convert::Infallible;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::SendAttempt;
use crate::domain::delivery::{ACCOUNT_RETRY_DELAY, Report, SendOutcome, lookup_delay, retry_delay};
use crate::domain::{AgencyId, DeliverySource, MessageId, MessageStatus, TwilioRequest};
use crate::service::account_trouble::{evidence_from_attempt, observe};
use crate::service::delivery::record_report;
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{messages, outbox};

/// Sends the text of a committed attempt and records the result.
///
/// # Errors
/// When the result is not recorded. The attempt then counts as interrupted, and the text is looked up at the carrier.
pub async fn send_attempt(services: &Services, attempt: SendAttempt, jitter: u8) -> Result<SendOutcome, Fault> {
    let account = services.accounts.by_id(attempt.account).await?;
    let outcome = match account.as_ref().and_then(|account| account.credentials()) {
        Some(credentials) => services.sending.twilio.send(&credentials, &attempt.text).await,
        // Nothing was sent: an operator is changing the account.
        None => SendOutcome::NotNow { retry_after: None },
    };
    let unit = RecordAttempt {
        agency: attempt.agency,
        message: attempt.message,
        attempts: attempt.attempts,
        outcome: outcome.clone(),
        jitter,
    };
    services.writer.run(attempt.agency, unit).await?;
    if let Some(account) = account {
        observe(services, &account, TwilioRequest::Text, evidence_from_attempt(&outcome)).await;
    }
    Ok(outcome)
}

struct RecordAttempt {
    agency: AgencyId,
    message: MessageId,
    attempts: u32,
    outcome: SendOutcome,
    jitter: u8,
}

impl Unit for RecordAttempt {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let directory = tx.directory(self.agency).await?;
        let Some(message) = messages::by_ids(tx.conn, self.agency, &[self.message]).await?.pop() else {
            return Ok(());
        };
        match &self.outcome {
            SendOutcome::Accepted { sid } => record_report(
                tx,
                &directory,
                &message,
                Report::of(MessageStatus::Sent),
                Some(sid),
                DeliverySource::Outbox,
            )
            .await
            .map(drop),
            SendOutcome::Rejected { error_code } => {
                let failed = Report::failed(MessageStatus::Failed, error_code.as_str());
                record_report(tx, &directory, &message, failed, None, DeliverySource::Outbox).await.map(drop)
            }
            SendOutcome::NotNow { retry_after } => self.schedule_retry(tx, *retry_after).await,
            SendOutcome::Withheld { .. } => self.schedule_retry(tx, Some(ACCOUNT_RETRY_DELAY)).await,
            SendOutcome::InDoubt => mark_in_doubt(tx, self.agency, self.message).await,
        }
    }
}

impl RecordAttempt {
    async fn schedule_retry(&self, tx: &Tx<'_>, min_delay: Option<Duration>) -> Result<(), UnitError> {
        let delay = retry_delay(self.attempts, self.jitter, min_delay);
        // Without a row the text already has a final status, for example from a receipt.
        let Some(row) = outbox::by_message(tx.conn, self.agency, self.message).await? else { return Ok(()) };
        outbox::requeue(tx.conn, &row, due_at(tx.now, delay)).await?;
        Ok(())
    }
}

/// Marks the result of an attempt as unknown: the text is looked up at the carrier from now on.
pub(in crate::service) async fn mark_in_doubt(
    tx: &mut Tx<'_>,
    agency: AgencyId,
    message: MessageId,
) -> Result<(), UnitError> {
    let row = outbox::by_message(tx.conn, agency, message).await?;
    let (Some(row), Some(message)) = (row, messages::by_ids(tx.conn, agency, &[message]).await?.pop()) else {
        return Ok(());
    };
    if !outbox::mark_in_doubt(tx.conn, &row, due_at(tx.now, lookup_delay(0))).await? {
        return Ok(());
    }
    let directory = tx.directory(agency).await?;
    record_report(tx, &directory, &message, Report::of(MessageStatus::Unknown), None, DeliverySource::Outbox)
        .await
        .map(drop)
}

pub(super) fn due_at(now: DateTime<Utc>, delay: Duration) -> DateTime<Utc> {
    now + TimeDelta::from_std(delay).unwrap_or(TimeDelta::zero())
}
