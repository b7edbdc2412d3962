//! `partyline restored`: brings a restored database up to date, so that texts can be sent again.

use std::convert::Infallible;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use super::{CheckError, SaveMark};
use crate::domain::opt_out::OptOutKeyword;
use crate::domain::{AgencyId, OutboxState};
use crate::entity::account;
use crate::ports::twilio_rest::{ReceivedText, TwilioError};
use crate::service::inbound::{InboundOutcome, InboundText, receive};
use crate::service::reconcile::text_with_date;
use crate::service::sending::mark_in_doubt;
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{accounts, event_log, messages, outbox, restore_mark};

/// How far before the newest event of the backup the carrier's messages are read. Covers clock differences and texts in
/// transit.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Opt-outs and opt-ins that arrived after the backup and were stored now.
    pub opt_outs: usize,
    /// Texts that were queued or being sent in the backup, and are now looked up at the carrier.
    pub texts: usize,
}

/// Errors of [`complete_restore`]. Sending stays on hold, and the command can be repeated.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("cannot list the messages of the Twilio account {account}: {error}")]
    Carrier {
        /// The account SID.
        account: String,
        error: TwilioError,
    },
    #[error("cannot decrypt the credentials of the Twilio account {0}: PARTYLINE_SECRET_KEY may have changed")]
    Credentials(String),
    #[error(transparent)]
    Check(#[from] CheckError),
}

impl From<DbErr> for RestoreError {
    fn from(error: DbErr) -> Self {
        Self::Check(error.into())
    }
}

impl From<Fault> for RestoreError {
    fn from(fault: Fault) -> Self {
        Self::Check(fault.into())
    }
}

/// Completes a restore in this order: reads the opt-outs since the backup from the carrier, invalidates the clients'
/// cursors, marks the unsent texts for a lookup at the carrier, and releases sending. Every step can be repeated.
pub async fn complete_restore(services: &Services) -> Result<Summary, RestoreError> {
    let conn = services.reader();
    let mut summary = Summary::default();
    // The newest event may be older than the backup. Then more messages than needed are read, which is harmless.
    if let Some(newest) = event_log::newest_event_time(conn).await? {
        for account in accounts::all(conn).await? {
            summary.opt_outs += opt_outs_since(services, &account, newest - OVERLAP).await?;
        }
    }
    for agency in event_log::agencies(conn).await? {
        summary.texts += services.writer.run(agency, MarkUnsent { agency }).await.map_err(Fault::from)?;
    }
    let restores = restore_mark::find(conn).await?.map_or(0, |mark| mark.restores) + 1;
    let identity = restore_mark::identity(conn).await?;
    services.writer.run_for(Vec::new(), SaveMark { restores, identity }).await.map_err(Fault::from)?;
    services.restore.accept(services, restores).await?;
    Ok(summary)
}

/// Stores the opt-outs and opt-ins that an account has received since `since` and that are not in the database, in
/// order of arrival. Other texts are left to the reconciliation with the carrier.
async fn opt_outs_since(
    services: &Services,
    row: &account::Model,
    since: DateTime<Utc>,
) -> Result<usize, RestoreError> {
    let account = services.accounts.open(row).ok();
    let credentials = account.as_ref().and_then(|account| account.credentials());
    let Some(credentials) = credentials else { return Err(RestoreError::Credentials(row.account_sid.clone())) };
    let received = services.sending.twilio.texts_since(&credentials, since).await;
    let received = received.map_err(|error| RestoreError::Carrier { account: row.account_sid.clone(), error })?;
    let mut stored = 0;
    for listed in &received {
        let Some(text) = opt_out_of(row, listed) else { continue };
        if !accounts::has_live_number(services.reader(), row.id, text.number()).await? {
            continue;
        }
        let outcome = receive(services, text).await?;
        stored += usize::from(matches!(outcome, InboundOutcome::Stored(..)));
    }
    Ok(stored)
}

/// The inbound text of a listed text, if it is an opt-out or an opt-in. It is marked as late, so that no automatic reply
/// is sent: one may have been sent after the backup.
fn opt_out_of(account: &account::Model, listed: &ReceivedText) -> Option<InboundText> {
    let text = InboundText { is_late: true, ..text_with_date(account.id, &account.account_sid, listed)? };
    text.keyword().filter(|keyword| *keyword == OptOutKeyword::Stop || keyword.opts_in())?;
    Some(text)
}

/// Invalidates the cursors of an agency's clients, and marks all unsent texts as in doubt.
struct MarkUnsent {
    agency: AgencyId,
}

impl Unit for MarkUnsent {
    type Output = usize;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<usize, UnitError> {
        event_log::start_epoch(tx.conn, self.agency, tx.new_id()).await?;
        let mut marked = 0;
        for row in outbox::unsent(tx.conn, self.agency).await? {
            if row.state == OutboxState::Queued {
                // It may have been sent at any time since it was queued.
                let Some(message) = messages::by_ids(tx.conn, self.agency, &[row.message_id]).await?.pop() else {
                    continue;
                };
                outbox::begin_attempt(tx.conn, &row, message.created_at).await?;
            }
            mark_in_doubt(tx, self.agency, row.message_id).await?;
            marked += 1;
        }
        Ok(marked)
    }
}
