//! Reconciliation: compares the texts and calls that the carrier has with the database, and imports those whose webhooks
//! failed. Each is imported once, with the carrier's date, in the order in which it reached the carrier.
//!
//! Every account is compared at each start, after a webhook that was answered with an error, and periodically. A lease
//! keeps several servers from comparing the same account at the same time. It only saves work: texts and calls are
//! stored once by their SIDs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream::{self, StreamExt as _};
use sea_orm::DbErr;

use super::account_trouble::{evidence_from_response, observe};
use super::accounts::Account;
use super::{Fault, Services};
use crate::domain::TwilioRequest;
use crate::domain::reconciliation::{Arrivals, compare_from};
use crate::entity::account;
use crate::ports::twilio_rest::{Credentials, TwilioError};
use crate::store::accounts;
use lease::Lease;
pub(super) use texts::text_with_date;

mod calls;
mod lease;
mod report;
mod texts;

/// The number of accounts that are compared at the same time.
const MAX_CONCURRENT: usize = 4;
/// The delay after a comparison that failed, or that another server was making.
const RETRY_DELAY: TimeDelta = TimeDelta::seconds(15);
/// The delay after a webhook that was answered with an error. By then, the carrier has repeated it as often as it does.
const DELAY_AFTER_FAILURE: TimeDelta = TimeDelta::seconds(40);

/// When the next comparison is due on this server.
pub struct Reconciliation {
    every: TimeDelta,
    /// When this server started.
    started_at: DateTime<Utc>,
    schedule: Mutex<Schedule>,
}

#[derive(Clone, Copy)]
struct Schedule {
    /// Accounts that were compared before this time are compared.
    due_at: DateTime<Utc>,
    /// When the next attempt is made.
    attempt_at: DateTime<Utc>,
}

impl Reconciliation {
    /// Accounts are compared now, and then once in `every`.
    pub fn new(every: Duration, now: DateTime<Utc>) -> Self {
        let every = TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX);
        Self { every, started_at: now, schedule: Mutex::new(Schedule { due_at: now, attempt_at: now }) }
    }

    /// Compares soon, because a webhook was answered with an error at `now`.
    pub fn request(&self, now: DateTime<Utc>) {
        let mut schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = now + DELAY_AFTER_FAILURE;
        if soon < schedule.due_at {
            *schedule = Schedule { due_at: soon, attempt_at: soon };
        }
    }

    /// The time before which an account must have been compared to be skipped; `None` if no attempt is due.
    fn due(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner);
        (schedule.attempt_at <= now).then_some(schedule.due_at)
    }

    /// Schedules the next attempt after one that ended at `now`. If it was not complete, the accounts that it compared
    /// are skipped, until they are due again themselves.
    fn schedule_next(&self, now: DateTime<Utc>, is_complete: bool) {
        let mut schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner);
        if is_complete {
            *schedule = Schedule { due_at: now + self.every, attempt_at: now + self.every };
        } else {
            let due_at = if now - schedule.due_at >= self.every { now } else { schedule.due_at };
            *schedule = Schedule { due_at, attempt_at: now + RETRY_DELAY };
        }
    }
}

/// Why the accounts could not all be compared.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Carrier(#[from] TwilioError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<DbErr> for ReconcileError {
    fn from(error: DbErr) -> Self {
        Self::Fault(error.into())
    }
}

/// The result for one account.
enum Comparison {
    /// The account has been compared, and this was imported from it.
    Complete(Arrivals),
    /// Another server is comparing the account.
    Leased,
}

/// The comparison of one account.
struct Run<'a> {
    services: &'a Services,
    account: &'a Account,
    credentials: &'a Credentials,
    lease: Lease,
    /// Texts and calls from this time on are compared.
    since: DateTime<Utc>,
    /// Whether texts are imported whose webhooks may still arrive: this server was down, so most of them have failed.
    includes_newest: bool,
}

/// Compares all accounts if that is due. Returns how many texts and calls were imported.
///
/// # Errors
/// If an account could not be compared. It is compared again soon.
pub async fn reconcile(services: &Services) -> Result<Arrivals, ReconcileError> {
    let Some(due_at) = services.reconciliation.due(services.clock.now()) else { return Ok(Arrivals::default()) };
    let accounts = accounts::all(services.reader()).await?;
    let comparisons = accounts.into_iter().map(|row| async move { compare(services, &row, due_at).await });
    let results: Vec<_> = stream::iter(comparisons).buffer_unordered(MAX_CONCURRENT).collect().await;
    let (mut total, mut failure, mut is_complete) = (Arrivals::default(), None, true);
    for result in results {
        match result {
            Ok(Comparison::Complete(arrivals)) => total.add(arrivals),
            Ok(Comparison::Leased) => is_complete = false,
            Err(error) => failure = Some(error),
        }
    }
    services.reconciliation.schedule_next(services.clock.now(), is_complete && failure.is_none());
    failure.map_or(Ok(total), Err)
}

async fn compare(
    services: &Services,
    row: &account::Model,
    due_at: DateTime<Utc>,
) -> Result<Comparison, ReconcileError> {
    let nothing = Ok(Comparison::Complete(Arrivals::default()));
    if accounts::agencies_of(services.reader(), row.id).await?.is_empty() {
        return nothing;
    }
    let Some(account) = services.accounts.by_id(row.id).await? else { return nothing };
    let Some(credentials) = account.credentials() else { return nothing };
    let started_at = services.clock.now();
    let Some((lease, before)) = Lease::take(services, row).await? else { return Ok(Comparison::Leased) };
    if before.completed_at.is_some_and(|completed| completed >= due_at) {
        lease.release(services).await?;
        return nothing;
    }
    let run = Run {
        services,
        account: &account,
        credentials: &credentials,
        lease,
        since: compare_from(before.reconciled_until),
        includes_newest: before.completed_at.is_none_or(|completed| completed < services.reconciliation.started_at),
    };
    match run.import().await {
        Ok((arrivals, open_since)) => {
            // A call that has not ended is imported by a later comparison.
            let reconciled_until = open_since.map_or(started_at, |open| open.min(started_at));
            run.lease.complete(services, reconciled_until.max(before.reconciled_until)).await?;
            Ok(Comparison::Complete(arrivals))
        }
        Err(error) => {
            run.lease.release(services).await?;
            Err(error)
        }
    }
}

impl Run<'_> {
    /// Imports what is missing. Returns what was imported, and the beginning of the first call that has not ended.
    async fn import(&self) -> Result<(Arrivals, Option<DateTime<Utc>>), ReconcileError> {
        let mut arrivals = texts::import(self).await?;
        let (of_calls, open_since) = calls::import(self).await?;
        arrivals.add(of_calls);
        Ok((arrivals, open_since))
    }

    /// Records the evidence about the account in the response to a request for a list.
    async fn observed<T>(&self, result: Result<T, TwilioError>) -> Result<T, TwilioError> {
        observe(self.services, self.account, TwilioRequest::Lookup, evidence_from_response(&result)).await;
        result
    }
}
