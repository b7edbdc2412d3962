//! What an attempt showed is committed.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use super::Departure;
use crate::domain::delivery::{Attempted, Report, TROUBLE_PAUSE, look_again, pause};
use crate::domain::{AgencyId, MessageId, MessageStatus, TwilioRequest};
use crate::service::account_trouble::{observe, shown_by_attempt};
use crate::service::report::report;
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit};
use crate::store::{messages, outbox};

/// Sends a text that has departed, and commits what came of it.
///
/// # Errors
/// When that is not committed. The text then counts as cut off, and is looked for.
pub async fn arrive(services: &Services, departure: Departure, jitter: u8) -> Result<Attempted, Fault> {
    let account = services.accounts.by_id(departure.account).await?;
    let attempted = match account.as_ref().and_then(|account| account.credentials()) {
        Some(credentials) => services.sending.twilio.send(&credentials, &departure.text).await,
        // Nothing was sent; an operator is changing the account.
        None => Attempted::NotNow { retry_after: None },
    };
    let unit = Arrive {
        agency: departure.agency,
        message: departure.message,
        attempts: departure.attempts,
        attempted: attempted.clone(),
        jitter,
    };
    services.writer.run(departure.agency, unit).await?;
    if let Some(account) = account {
        observe(services, &account, TwilioRequest::Text, shown_by_attempt(&attempted)).await;
    }
    Ok(attempted)
}

struct Arrive {
    agency: AgencyId,
    message: MessageId,
    attempts: u32,
    attempted: Attempted,
    jitter: u8,
}

impl Unit for Arrive {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        let directory = tx.directory(self.agency).await?;
        let Some(message) = messages::by_ids(tx.conn, self.agency, &[self.message]).await?.pop() else {
            return Ok(());
        };
        match &self.attempted {
            Attempted::Accepted { sid } => {
                report(tx, &directory, &message, Report::of(MessageStatus::Sent), Some(sid)).await.map(drop)
            }
            Attempted::Rejected { error_code } => {
                let failed = Report::failed(MessageStatus::Failed, error_code.as_str());
                report(tx, &directory, &message, failed, None).await.map(drop)
            }
            Attempted::NotNow { retry_after } => self.try_again(tx, *retry_after).await,
            Attempted::Withheld { .. } => self.try_again(tx, Some(TROUBLE_PAUSE)).await,
            Attempted::InDoubt => doubt(tx, self.agency, self.message).await,
        }
    }
}

impl Arrive {
    async fn try_again(&self, tx: &Tx<'_>, at_least: Option<Duration>) -> Result<(), DbErr> {
        let pause = pause(self.attempts, self.jitter, at_least);
        // Without a row the text has been settled meanwhile: by a receipt, or cut off as too old.
        let Some(row) = outbox::by_message(tx.conn, self.agency, self.message).await? else { return Ok(()) };
        outbox::try_again(tx.conn, &row, after(tx.now, pause)).await.map(drop)
    }
}

/// The attempt may have arrived: from now on the text is looked for.
pub(in crate::service) async fn doubt(tx: &mut Tx<'_>, agency: AgencyId, message: MessageId) -> Result<(), DbErr> {
    let row = outbox::by_message(tx.conn, agency, message).await?;
    let (Some(row), Some(message)) = (row, messages::by_ids(tx.conn, agency, &[message]).await?.pop()) else {
        return Ok(());
    };
    if !outbox::doubt(tx.conn, &row, after(tx.now, look_again(0))).await? {
        return Ok(());
    }
    let directory = tx.directory(agency).await?;
    report(tx, &directory, &message, Report::of(MessageStatus::Unknown), None).await.map(drop)
}

pub(super) fn after(now: DateTime<Utc>, pause: Duration) -> DateTime<Utc> {
    now + TimeDelta::from_std(pause).unwrap_or(TimeDelta::zero())
}
