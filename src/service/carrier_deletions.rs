//! Deletes at Twilio what was deleted here, if the agency wants it or the contact was erased.

use std::collections::BTreeSet;
use std::convert::Infallible;

use chrono::TimeDelta;

use super::account_trouble::{evidence_from_response, observe};
use super::{Fault, Services};
use crate::domain::retention::carrier_retry_delay;
use crate::domain::{AccountId, TwilioRequest};
use crate::entity::carrier_deletion;
use crate::ports::twilio_rest::TwilioError;
use crate::store::carrier_deletions;
use crate::store::writer::{Tx, Unit, UnitError};

/// The number of requests in a run. They are sent one after the other, so that texts and calls keep the account's rate.
const MAX_REQUESTS: u64 = 20;
/// How long nothing is deleted in an account after Twilio has refused a request for a reason of the account.
const ACCOUNT_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CarrierDeletions {
    /// Resources that Twilio no longer has.
    pub done: u64,
    /// Requests that are sent again later.
    pub postponed: u64,
}

/// Sends the deletions that are due. A resource that is in use at Twilio is tried again, in the end once a day.
pub async fn delete_at_carrier(services: &Services) -> Result<CarrierDeletions, Fault> {
    let mut run = CarrierDeletions::default();
    if services.restore.is_held() {
        return Ok(run);
    }
    let due = carrier_deletions::due(services.reader(), services.clock.now(), MAX_REQUESTS).await?;
    let mut paused: BTreeSet<AccountId> = BTreeSet::new();
    for row in due {
        if paused.contains(&row.twilio_account_id) {
            continue;
        }
        let outcome = request(services, &row).await?;
        match outcome {
            Outcome::Done => run.done += 1,
            Outcome::RetryLater => run.postponed += 1,
            Outcome::PauseAccount => {
                run.postponed += 1;
                paused.insert(row.twilio_account_id);
            }
        }
        services.writer.run_for(Vec::new(), Record { row, outcome }).await?;
    }
    Ok(run)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    /// This resource cannot be deleted now.
    RetryLater,
    /// Nothing in this account can be deleted now.
    PauseAccount,
}

async fn request(services: &Services, row: &carrier_deletion::Model) -> Result<Outcome, Fault> {
    let Some(account) = services.accounts.by_id(row.twilio_account_id).await? else { return Ok(Outcome::PauseAccount) };
    let Some(credentials) = account.credentials() else { return Ok(Outcome::PauseAccount) };
    let result = services.sending.twilio.delete(&credentials, &row.path).await;
    observe(services, &account, TwilioRequest::Lookup, evidence_from_response(&result)).await;
    let Err(error) = result else { return Ok(Outcome::Done) };
    tracing::warn!(%error, deletion = %row.id, attempts = row.attempts + 1, "failed to delete a resource at Twilio");
    Ok(match error {
        TwilioError::Busy | TwilioError::Unreachable | TwilioError::Account(_) => Outcome::PauseAccount,
        // A message that is still being sent or a call in progress (409, 20009), or an answer that is not documented.
        TwilioError::Answer(_)
        | TwilioError::Missing
        | TwilioError::NotAudio
        | TwilioError::TooLarge
        | TwilioError::TooMany => Outcome::RetryLater,
    })
}

struct Record {
    row: carrier_deletion::Model,
    outcome: Outcome,
}

impl Unit for Record {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let Self { row, outcome } = self;
        match outcome {
            Outcome::Done => carrier_deletions::remove(tx.conn, &[row.id]).await?,
            Outcome::RetryLater => {
                let due_at = tx.now + carrier_retry_delay(row.attempts);
                carrier_deletions::retry(tx.conn, row.id, row.attempts.saturating_add(1), due_at).await?;
            }
            Outcome::PauseAccount => {
                carrier_deletions::postpone(tx.conn, row.twilio_account_id, tx.now, ACCOUNT_PAUSE).await?;
            }
        }
        Ok(())
    }

    fn is_direct(&self) -> bool {
        true
    }
}
