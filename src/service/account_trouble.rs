//! Record what a request to Twilio shows about the account: that Twilio does not serve it, or that it does again. The
//! admins of the agencies that the account serves are told once for each trouble, not for each text.

use sea_orm::DbErr;

use super::accounts::Account;
use super::{Fault, Services};
use crate::domain::account_trouble::{OpenTrouble, is_over};
use crate::domain::delivery::Attempted;
use crate::domain::{AccountId, AccountTrouble, AgencyId, NotificationKind, TwilioRequest, UserId, Word as _};
use crate::ports::twilio_rest::TwilioError;
use crate::store::writer::{Notice, Tx, Unit};
use crate::store::{Directory, account_trouble as store, accounts, notifications};

/// What a request shows about the account: that Twilio served it, or why not. `None` if it shows neither.
pub(super) type Shown = Option<Result<(), AccountTrouble>>;

/// What an attempt to send a text shows about the account.
pub(super) fn shown_by_attempt(attempted: &Attempted) -> Shown {
    match attempted {
        Attempted::Accepted { .. } => Some(Ok(())),
        Attempted::Withheld { trouble } => Some(Err(*trouble)),
        Attempted::Rejected { .. } | Attempted::NotNow { .. } | Attempted::InDoubt => None,
    }
}

/// What the answer to a request that reads shows about the account.
pub(super) fn shown_by_answer<T>(answer: &Result<T, TwilioError>) -> Shown {
    match answer {
        Ok(_) => Some(Ok(())),
        Err(TwilioError::Account(trouble)) => Some(Err(*trouble)),
        Err(_) => None,
    }
}

/// Records what a request has shown. A failure is logged and made up for by the next request that shows the same.
pub(super) async fn observe(services: &Services, account: &Account, request: TwilioRequest, shown: Shown) {
    let change = match (shown, account.trouble) {
        (Some(Err(trouble)), open) if trouble.replaces(open.map(|(open, _)| open)) => Change::Begin((trouble, request)),
        (Some(Ok(())), Some(open)) if is_over(open, request) => Change::End(open),
        // It shows nothing, or what is known already.
        _ => return,
    };
    if let Err(error) = record(services, account, change).await {
        tracing::error!(%error, account = %account.id, "the state of a Twilio account was not stored");
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

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, DbErr> {
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
            // Of several only the newest is open.
            notifications::resolve_of_kind(tx.conn, agency, kind, tx.now).await?;
            let users: Vec<UserId> = match self.change {
                Change::Begin(_) => directory.admins().map(|user| user.id).collect(),
                Change::End(_) => Vec::new(),
            };
            let notice = Notice { kind, users, thread: None, message: None, call: None, rung: None };
            tx.agency_updated(agency, vec![notice])?;
        }
        Ok(true)
    }
}

/// Whether a number of the agency is live on the account.
fn serves(directory: &Directory, account: AccountId) -> bool {
    directory.numbers.iter().any(|number| number.live == Some(true) && number.twilio_account_id == account)
}
