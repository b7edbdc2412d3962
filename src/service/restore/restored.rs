//! `partyline restored`: makes a restored database safe to send from.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use super::{CheckError, Mark};
use crate::domain::opt_out::Wish;
use crate::domain::{AgencyId, OutboxState};
use crate::entity::account;
use crate::ports::twilio_rest::{ReceivedMessage, TwilioError};
use crate::service::receive_sms::text_of;
use crate::service::sending::doubt;
use crate::service::{Fault, Services};
use crate::store::writer::{InboundOutcome, InboundText, Tx, Unit};
use crate::store::{accounts, event_log, messages, outbox, restore_mark};

/// How far before the newest event of the backup the carrier's messages are read: its clock and ours differ, and a text may
/// have been on its way.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// What was done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// STOPs and STARTs that arrived after the backup and are stored now.
    pub opt_outs: usize,
    /// Texts that were waiting or under way in the backup and are looked for at the carrier now.
    pub texts: usize,
}

/// Why the database is not safe to send from yet. Nothing is sent, and the command can be run again.
#[derive(Debug, thiserror::Error)]
pub enum NotRestored {
    /// The carrier did not list the messages of an account.
    #[error("Twilio does not list the messages of the account {account}: {error}")]
    Carrier {
        /// Its SID.
        account: String,
        /// Why.
        error: TwilioError,
    },
    /// The secrets of an account do not open.
    #[error("the Twilio credentials of the account {0} cannot be opened")]
    Credentials(String),
    /// The database failed, or the record cannot be written.
    #[error(transparent)]
    Check(#[from] CheckError),
}

impl From<DbErr> for NotRestored {
    fn from(error: DbErr) -> Self {
        Self::Check(error.into())
    }
}

impl From<Fault> for NotRestored {
    fn from(fault: Fault) -> Self {
        Self::Check(fault.into())
    }
}

/// Makes a restored database safe to send from, in this order: opt-outs that arrived since the backup are read from the
/// carrier, cursors of clients end, what was waiting is looked for at the carrier, and the hold is lifted. Each step may
/// be repeated.
///
/// # Errors
/// What is not done. The hold stays.
pub async fn restored(services: &Services) -> Result<Summary, NotRestored> {
    let conn = services.reader();
    let mut summary = Summary::default();
    // The backup may be older than its newest event, which only reads more than is needed.
    if let Some(newest) = event_log::newest(conn).await? {
        for account in accounts::all(conn).await? {
            summary.opt_outs += opt_outs_since(services, &account, newest - OVERLAP).await?;
        }
    }
    for agency in event_log::agencies(conn).await? {
        summary.texts += services.writer.run(agency, LookFirst { agency }).await.map_err(Fault::from)?;
    }
    let restores = restore_mark::find(conn).await?.map_or(0, |mark| mark.restores) + 1;
    let identity = restore_mark::identity(conn).await?;
    services.writer.run_for(Vec::new(), Mark { restores, identity }).await.map_err(Fault::from)?;
    services.restore.accept(services, restores).await?;
    Ok(summary)
}

/// Stores the opt-outs and opt-ins that an account has received since a moment and that the database does not know, in the
/// order in which they arrived. Other texts are left to the reconciliation with the carrier.
async fn opt_outs_since(services: &Services, row: &account::Model, since: DateTime<Utc>) -> Result<usize, NotRestored> {
    let account = services.accounts.open(row).ok();
    let credentials = account.as_ref().and_then(|account| account.credentials());
    let Some(credentials) = credentials else { return Err(NotRestored::Credentials(row.account_sid.clone())) };
    let received = services.sending.twilio.received_since(&credentials, since).await;
    let mut received = received.map_err(|error| NotRestored::Carrier { account: row.account_sid.clone(), error })?;
    received.sort_by_key(|message| message.date_created);
    let mut stored = 0;
    for message in received {
        let Some(text) = opt_out_of(row, message) else { continue };
        if !accounts::has_live_number(services.reader(), row.id, text.number()).await? {
            continue;
        }
        let outcome = services.writer.receive(text).await.map_err(Fault::from)?;
        stored += usize::from(matches!(outcome, InboundOutcome::Stored(..)));
    }
    Ok(stored)
}

/// The text that a listed message was, if it is an opt-out or an opt-in. No automatic text answers it: it arrived long ago.
fn opt_out_of(account: &account::Model, message: ReceivedMessage) -> Option<InboundText> {
    let form = [
        ("MessageSid", message.sid),
        ("AccountSid", account.account_sid.clone()),
        ("From", message.from),
        ("To", message.to),
        ("Body", message.body),
        ("NumMedia", "0".to_owned()),
    ];
    let form = form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let text = InboundText { is_late: true, ..text_of(account.id, form).ok()? };
    text.wish().filter(|wish| *wish == Wish::Stop || wish.opts_in())?;
    Some(text)
}

/// Ends the cursors of an agency's clients, and puts what was waiting or under way in doubt.
struct LookFirst {
    agency: AgencyId,
}

impl Unit for LookFirst {
    type Output = usize;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<usize, DbErr> {
        event_log::begin_anew(tx.conn, self.agency, tx.new_id()).await?;
        let mut looked_for = 0;
        for row in outbox::unsent(tx.conn, self.agency).await? {
            if row.state == OutboxState::Queued {
                // It may have left at any time since it was written.
                let Some(message) = messages::by_ids(tx.conn, self.agency, &[row.message_id]).await?.pop() else {
                    continue;
                };
                outbox::begin_attempt(tx.conn, &row, message.created_at).await?;
            }
            doubt(tx, self.agency, row.message_id).await?;
            looked_for += 1;
        }
        Ok(looked_for)
    }
}
