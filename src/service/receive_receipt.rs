//! Receive a receipt: the carrier says how far a text got. Durable when this returns.

use std::convert::Infallible;

use sea_orm::{DatabaseConnection, DbErr};

use super::delivery::record_report;
use super::inbound::{InboundOutcome, NotAText, quarantine, receipt_to_quarantine};
use super::{Fault, Services};
use crate::domain::delivery::Report;
use crate::domain::sid::is_sid;
use crate::domain::{AccountId, AgencyId, DeliverySource, Direction, MessageId};
use crate::entity::message;
use crate::store::writer::{Tx, Unit, UnitError, WhenAway};
use crate::store::{accounts, messages};

/// An authentic receipt.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The account whose token signed it.
    pub account: AccountId,
    /// Twilio's name for the text.
    pub sid: String,
    /// Our own name for it, which we gave along with the text.
    pub named: Option<(AgencyId, MessageId)>,
    /// What it says.
    pub report: Report,
}

/// The form is not one of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the form is not one of a receipt")]
pub struct NotAReceipt;

/// Reads the form that Twilio sends with a status, and the query of the address that we gave it.
/// `Ok(None)` is a status that says nothing of an outbound text.
/// Source: Twilio, "Outbound message status in status callbacks".
///
/// # Errors
/// When MessageSid or MessageStatus is missing.
pub fn receipt_of(
    account: AccountId,
    form: &[(String, String)],
    query: &[(String, String)],
) -> Result<Option<Receipt>, NotAReceipt> {
    let of = |fields: &[(String, String)], name: &str| {
        fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    };
    let sid = of(form, "MessageSid").or_else(|| of(form, "SmsSid")).ok_or(NotAReceipt)?;
    if !is_sid(&sid) {
        return Err(NotAReceipt);
    }
    let status = of(form, "MessageStatus").or_else(|| of(form, "SmsStatus")).ok_or(NotAReceipt)?;
    let named =
        of(query, "agency").and_then(|id| id.parse().ok()).zip(of(query, "message").and_then(|id| id.parse().ok()));
    let report = Report::from_twilio(&status, of(form, "ErrorCode").as_deref());
    Ok(report.map(|report| Receipt { account, sid, named, report }))
}

/// Takes a receipt up, in whatever order it comes and however often. One of a text that is not ours
/// changes nothing: an account may send by other means too. Returns whether the text is ours.
///
/// # Errors
/// When it is not stored; whoever sent it must send it again.
pub async fn receive_receipt(services: &Services, receipt: Receipt) -> Result<bool, Fault> {
    let message = services.read_with_retry(|| find(services.reader(), &receipt)).await?;
    let Some(message) = message.filter(|message| is_receipts(message, &receipt)) else { return Ok(false) };
    let agency = message.agency_id;
    Ok(services.writer.run(agency, Receive { message, receipt }).await?)
}

/// Quarantines a receipt that arrived at the webhook for inbound texts and matches none of our texts, so that an
/// operator notices the misconfigured URL. The receipt never becomes a message.
///
/// # Errors
/// The outer error when the form is not stored, so that the sender must repeat it; the inner one when MessageSid, From
/// or To is missing.
pub async fn quarantine_receipt(
    services: &Services,
    account: AccountId,
    form: Vec<(String, String)>,
) -> Result<Result<InboundOutcome, NotAText>, Fault> {
    match receipt_to_quarantine(account, form) {
        Ok(text) => Ok(Ok(quarantine(services, text).await?)),
        Err(not_a_text) => Ok(Err(not_a_text)),
    }
}

/// The message that a receipt names, by our own id or else by Twilio's.
async fn find(conn: &DatabaseConnection, receipt: &Receipt) -> Result<Option<message::Model>, DbErr> {
    match receipt.named {
        Some((agency, id)) => Ok(messages::by_ids(conn, agency, &[id]).await?.pop()),
        None => {
            let agencies = accounts::agencies_of(conn, receipt.account).await?;
            messages::by_sid(conn, &agencies, receipt.account, &receipt.sid).await
        }
    }
}

/// Whether a receipt is of this message: what an account signed says nothing of another's.
fn is_receipts(message: &message::Model, receipt: &Receipt) -> bool {
    message.direction == Direction::Outbound
        && message.twilio_account_id == receipt.account
        && message.provider_sid.as_ref().is_none_or(|sid| *sid == receipt.sid)
}

struct Receive {
    message: message::Model,
    receipt: Receipt,
}

impl Unit for Receive {
    type Output = bool;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, UnitError> {
        let (agency, id) = (self.message.agency_id, self.message.id);
        let message = messages::by_ids(tx.conn, agency, &[id]).await?.pop();
        let Some(message) = message.filter(|message| is_receipts(message, &self.receipt)) else { return Ok(false) };
        let directory = tx.directory(agency).await?;
        record_report(
            tx,
            &directory,
            &message,
            self.receipt.report.clone(),
            Some(&self.receipt.sid),
            DeliverySource::Receipt,
        )
        .await?;
        Ok(true)
    }

    fn when_away(&self) -> WhenAway {
        WhenAway::Retry
    }
}
