//! Records whether Twilio serves an account, as shown by the requests that this server makes to Twilio. The admins of
//! the account's agencies are notified once per trouble, not once per text.

use std::convert::Infallible;

use super::accounts::Account;
use super::{Fault, Services};
use crate::domain::account_trouble::{OpenTrouble, is_over};
use crate::domain::delivery::SendOutcome;
use crate::domain::{AccountId, AccountTrouble, AgencyId, NotificationKind, StoredEnum as _, TwilioRequest, UserId};
use crate::ports::twilio_rest::TwilioError;
use crate::store::writer::{Notice, Tx, Unit, UnitError};
use crate::store::{Directory, account_trouble as store, accounts, notifications};

/// Evidence from one request: Twilio served the account, or the reason why it did not. `None` if the request shows
/// neither.
pub(super) type AccountEvidence = Option<Result<(), AccountTrouble>>;

pub(super) fn evidence_from_attempt(outcome: &SendOutcome) -> AccountEvidence {
    match outcome {
        SendOutcome::Accepted { .. } => Some(Ok(())),
        SendOutcome::Withheld { trouble } => Some(Err(*trouble)),
        SendOutcome::Rejected { .. } | SendOutcome::NotNow { .. } | SendOutcome::InDoubt => None,
    }
}

/// The evidence in the response to a request that only reads.
pub(super) fn evidence_from_response<T>(answer: &Result<T, TwilioError>) -> AccountEvidence {
    match answer {
        Ok(_) => Some(Ok(())),
        Err(error) => evidence_from_error(error),
    }
}

/// The evidence in an error of a request that only reads.
pub(super) fn evidence_from_error(error: &TwilioError) -> AccountEvidence {
    match error {
        TwilioError::Account(trouble) => Some(Err(*trouble)),
        _ => None,
    }
}

/// Records the evidence from a request. A failed write is only logged: the next request with the same evidence repeats
/// it.
pub(super) async fn observe(services: &Services, account: &Account, request: TwilioRequest, evidence: AccountEvidence) {
    let change = match (evidence, account.trouble) {
        (Some(Err(trouble)), open) if trouble.replaces(open.map(|(open, _)| open)) => Change::Begin((trouble, request)),
        (Some(Ok(())), Some(open)) if is_over(open, request) => Change::End(open),
        // No evidence, or no change.
        _ => return,
    };
    if let Err(error) = record(services, account, change).await {
        tracing::error!(%error, account = %account.id, "failed to store the state of a Twilio account");
    }
}

async fn record(services: &Services, account: &Account, change: Change) -> Result<(), Fault> {
    let agencies = accounts::agencies_of(services.reader(), account.id).await?;
    let unit = Record { account: account.id, agencies: agencies.clone(), change };
    let is_new = services.writer.run_for(agencies, unit).await?;
    services.accounts.expire(&account.sid);
    match change {
        _ if !is_new => {}
        Change::Begin((trouble, request)) => {
            let (reason, request) = (trouble.explain(), request.as_str());
            tracing::error!(account = %account.id, request, "Twilio does not serve an account: {reason}");
        }
        Change::End((trouble, _)) => {
            tracing::info!(account = %account.id, trouble = trouble.as_str(), "Twilio serves an account again");
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Change {
    Begin(OpenTrouble),
    End(OpenTrouble),
}

struct Record {
    account: AccountId,
    agencies: Vec<AgencyId>,
    change: Change,
}

impl Unit for Record {
    type Output = bool;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, UnitError> {
        let is_new = match self.change {
            Change::Begin(trouble) => store::begin(tx.conn, self.account, trouble, tx.now).await?,
            Change::End(trouble) => store::end(tx.conn, self.account, trouble).await?,
        };
        if !is_new {
            return Ok(false);
        }
        let kind = NotificationKind::CarrierAccountProblem;
        for agency in self.agencies.clone() {
            let directory = tx.directory(agency).await?;
            if !serves(&directory, self.account) {
                continue;
            }
            // Only the newest notification of this kind stays open.
            notifications::resolve_of_kind(tx.conn, agency, kind, tx.now).await?;
            let users: Vec<UserId> = match self.change {
                Change::Begin(_) => directory.admins().map(|user| user.id).collect(),
                Change::End(_) => Vec::new(),
            };
            let notice = Notice { kind, users, thread: None, message: None, call: None, node: None, rung: None };
            tx.agency_updated(agency, vec![notice])?;
        }
        Ok(true)
    }
}

/// Whether the agency has a live number on the account.
fn serves(directory: &Directory, account: AccountId) -> bool {
    directory.numbers.iter().any(|number| number.live == Some(true) && number.twilio_account_id == account)
}
