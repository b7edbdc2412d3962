//! Receives inbound texts: stores each once, routes it, and notifies the recipients. A text is durable when
//! [`receive`] returns.
//!
//! Texts that arrive together are written together, as the [`BulkUnit`] of the writer, in three steps: [`snapshot`]
//! reads what the batch needs, [`plan`] decides in memory and in order of arrival, and [`write`] stores the plan in a
//! constant number of statements.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use tracing::Instrument as _;
use tracing::field::{Empty, display};
use uuid::Uuid;

use super::{Fault, Services};
use crate::domain::address::{is_e164, without_channel};
use crate::domain::opt_out::{OptOutKeyword, keyword};
use crate::domain::{AccountId, AgencyId, MessageId, QuarantineId, UserId};
use crate::ports::IdGen;
use crate::store::Directory;
use crate::store::writer::{BulkUnit, Transaction, Tx, UnitError, WhenAway};
use snapshot::Numbers;

mod form;
mod opt_outs;
mod plan;
mod snapshot;
mod write;

pub(super) use form::receipt_to_quarantine;
pub use form::{NotAText, text_of};

/// One authentic text, as Twilio sent it.
#[derive(Debug, Clone)]
pub struct InboundText {
    /// The account whose token signed the request.
    pub account: AccountId,
    pub message_sid: String,
    /// The sender, as received.
    pub from: String,
    /// The address that the text was sent to, as received, including a channel prefix.
    pub to: String,
    /// The readable body (`domain::inbound_form`).
    pub body: String,
    /// Twilio's own classification as STOP, START or HELP.
    pub opt_out_type: Option<String>,
    pub media: Vec<InboundMedia>,
    /// The whole form, stored if the text goes to quarantine.
    pub form: Vec<(String, String)>,
    /// The assignment of the quarantined text that this one is made from. Storing it completes the assignment.
    pub quarantined_as: Option<QuarantineAssignment>,
    /// When the text reached the carrier, if it is imported from the carrier's list; `None` if it arrives now.
    pub arrived_at: Option<DateTime<Utc>>,
    /// Whether it reached the carrier so long ago that an automatic reply would be a surprise.
    pub is_late: bool,
}

/// An attachment, as the address at which Twilio keeps it.
#[derive(Debug, Clone)]
pub struct InboundMedia {
    pub url: String,
    pub content_type: String,
}

/// The assignment of a quarantined text to a number.
#[derive(Debug, Clone, Copy)]
pub struct QuarantineAssignment {
    pub id: QuarantineId,
    /// When the text went to quarantine.
    pub received_at: DateTime<Utc>,
    /// The agency whose admins see the quarantined text.
    pub shown_to: Option<AgencyId>,
    /// The admin who assigns it to a number of their agency; `None` for an operator.
    pub by: Option<(AgencyId, UserId)>,
}

impl QuarantineAssignment {
    /// Whether the text may be stored in this agency: the number may have moved to another agency, or the admin may
    /// have lost the role, since the request was checked.
    fn is_allowed_in(&self, directory: &Directory) -> bool {
        self.by.is_none_or(|(agency, user)| agency == directory.agency_id() && directory.is_admin(user))
    }
}

impl InboundText {
    /// The phone number that the text was sent to, without a channel prefix.
    pub fn number(&self) -> &str {
        without_channel(&self.to)
    }

    /// The opt-out, opt-in or help request that the text expresses.
    pub fn keyword(&self) -> Option<OptOutKeyword> {
        keyword(&self.body, self.opt_out_type.as_deref())
    }
}

/// How a text was stored. All three outcomes are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboundOutcome {
    /// In a thread.
    Stored(AgencyId, MessageId),
    /// The same text was stored before.
    Duplicate,
    /// In quarantine: it matches no phone number, or it cannot be stored as a message. A quarantined text that was to be
    /// assigned stays there.
    Quarantined,
}

/// Stores one authentic text.
///
/// # Errors
/// If it is not stored; the sender must repeat it.
pub async fn receive(services: &Services, text: InboundText) -> Result<InboundOutcome, Fault> {
    let span = tracing::debug_span!("receive_text", account = %text.account, agency = Empty, message = Empty);
    let storing = services.writer.run_bulk(InboundItem { text, to_quarantine: false });
    let outcome = storing.instrument(span.clone()).await?;
    if let InboundOutcome::Stored(agency, message) = outcome {
        span.record("agency", display(agency)).record("message", display(message));
    }
    Ok(outcome)
}

/// Stores an authentic form in quarantine, without trying to make it a message.
///
/// # Errors
/// If it is not stored; the sender must repeat it.
pub async fn quarantine(services: &Services, text: InboundText) -> Result<InboundOutcome, Fault> {
    Ok(services.writer.run_bulk(InboundItem { text, to_quarantine: true }).await?)
}

/// A text on its way through the writer.
#[derive(Debug)]
pub struct InboundItem {
    text: InboundText,
    /// Whether the text goes to quarantine as received, because it cannot be stored as a message or must not become
    /// one.
    to_quarantine: bool,
}

impl InboundItem {
    /// Whether the number can be used in a statement. A text that could not be stored still belongs to the agency that
    /// has the number, unless the number itself may be the value that the database rejected.
    fn has_usable_number(&self) -> bool {
        !self.to_quarantine || is_e164(self.text.number())
    }
}

/// Writes inbound texts: the [`BulkUnit`] of the writer.
pub struct InboundTexts {
    ids: Arc<dyn IdGen>,
    /// The agency that last had each number. It selects the lane and has no other effect.
    agency_hints: RwLock<HashMap<(AccountId, String), AgencyId>>,
}

impl InboundTexts {
    pub fn new(ids: Arc<dyn IdGen>) -> Self {
        Self { ids, agency_hints: RwLock::default() }
    }
}

impl BulkUnit for InboundTexts {
    type Item = InboundItem;
    type Output = InboundOutcome;
    type Located = Numbers;

    fn lane_key(&self, item: &InboundItem) -> Uuid {
        let hints = self.agency_hints.read().unwrap_or_else(PoisonError::into_inner);
        let agency = hints.get(&(item.text.account, item.text.number().to_owned()));
        agency.map_or(item.text.account.0, |agency| agency.0)
    }

    /// A webhook waits for a new text. For one from quarantine, an admin or an operator waits.
    fn when_away(&self, item: &InboundItem) -> WhenAway {
        if item.text.quarantined_as.is_none() { WhenAway::Retry } else { WhenAway::Fail }
    }

    fn downgrade(&self, item: &mut InboundItem) -> bool {
        !std::mem::replace(&mut item.to_quarantine, true)
    }

    async fn locate(
        &self,
        conn: &Transaction<'_>,
        items: &[&InboundItem],
    ) -> Result<(BTreeSet<AgencyId>, Numbers), DbErr> {
        let numbers = Numbers::of(conn, items).await?;
        let mut agencies = numbers.agencies();
        // The notifications of the quarantined text are resolved there.
        agencies.extend(items.iter().filter_map(|item| item.text.quarantined_as?.shown_to));
        Ok((agencies, numbers))
    }

    async fn write(
        &self,
        tx: &mut Tx<'_>,
        numbers: Numbers,
        items: &[&InboundItem],
    ) -> Result<Vec<InboundOutcome>, UnitError> {
        let snapshot = snapshot::read(tx, numbers, items).await?;
        let hints = snapshot.numbers.clone();
        let (outcomes, plan) = plan::plan(snapshot, items, &*self.ids, tx.now);
        write::write(tx, plan).await?;
        self.agency_hints.write().unwrap_or_else(PoisonError::into_inner).extend(hints);
        Ok(outcomes)
    }
}
