//! Handling of quarantined texts: assign a text to a number of its account, or discard it. Admins of the agency that
//! the text is shown to do so in the API, operators at the command line.

use super::inbound::{InboundOutcome, InboundText, QuarantineAssignment, receive, text_of};
use super::quarantine_alerts::resolve_if_settled;
use super::{Fault, Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::address::without_channel;
use crate::domain::inbound::is_late;
use crate::domain::{AccountId, AgencyId, MessageId, PhoneNumberId, QuarantineId, QuarantineState, UserId};
use crate::entity::quarantine;
use crate::store;
use crate::store::writer::{Tx, Unit, UnitError};

/// The input field that names the quarantined text.
const TEXT_FIELD: &str = "quarantinedMessageId";
/// The input field that names the phone number.
const NUMBER_FIELD: &str = "phoneNumberId";

/// An admin and their agency.
pub(super) type Admin = (AgencyId, UserId);

/// The quarantined texts, oldest first.
pub async fn list(services: &Services, limit: u64) -> Result<Vec<quarantine::Model>, Fault> {
    Ok(store::quarantine::oldest_held(services.reader(), limit).await?)
}

/// Receives a quarantined text as if it had been sent now to a number of the viewer's agency. Admins only.
pub async fn assign(
    services: &Services,
    viewer: &Viewer,
    id: QuarantineId,
    number: PhoneNumberId,
) -> Outcome<MessageId> {
    let held = held_for(services, viewer, id).await?;
    let number = viewer.directory.number(number).filter(|number| number.live == Some(true));
    let number = number.ok_or_else(|| Refusal::not_found("active phone number", NUMBER_FIELD))?;
    if number.twilio_account_id != held.twilio_account_id {
        let message = "The text was received by another Twilio account than that of this number. Choose a number of \
                       the account that received the text.";
        return Err(Refusal::invalid(message, NUMBER_FIELD).into());
    }
    route(services, &held, &number.e164, Some((viewer.agency(), viewer.id()))).await
}

/// Receives a quarantined text as if it had been sent now to `number`, which must be a live number of its account.
pub async fn assign_as_operator(services: &Services, id: QuarantineId, number: &str) -> Outcome<MessageId> {
    let held = held_for_operator(services, id).await?;
    if !is_live(services, held.twilio_account_id, number).await? {
        let message = "This is not an active number of the account that received the text.";
        return Err(Refusal::new(RefusalCode::NotFound, message).at(NUMBER_FIELD).into());
    }
    route(services, &held, number, None).await
}

/// Discards a quarantined text. Its row stays in the database. Admins only.
pub async fn discard(services: &Services, viewer: &Viewer, id: QuarantineId) -> Outcome<()> {
    let held = held_for(services, viewer, id).await?;
    Ok(services.writer.run(viewer.agency(), Discard { held, by: Some((viewer.agency(), viewer.id())) }).await?)
}

/// Discards a quarantined text of any agency. Its row stays in the database.
pub async fn discard_as_operator(services: &Services, id: QuarantineId) -> Outcome<()> {
    let held = held_for_operator(services, id).await?;
    let agencies = held.agency_id.into_iter().collect();
    Ok(services.writer.run_for(agencies, Discard { held, by: None }).await?)
}

/// The fields of the stored webhook form; `None` if they cannot be parsed.
pub fn form_of(held: &quarantine::Model) -> Option<Vec<(String, String)>> {
    serde_json::from_str(&held.form).ok()
}

async fn held_for(services: &Services, viewer: &Viewer, id: QuarantineId) -> Outcome<quarantine::Model> {
    if !viewer.is_admin() {
        return Err(Refusal::admins_only().into());
    }
    let held = store::quarantine::by_id(services.reader(), Some(viewer.agency()), id).await?;
    held.ok_or_else(|| Refusal::not_found("quarantined message", TEXT_FIELD).into())
}

async fn held_for_operator(services: &Services, id: QuarantineId) -> Outcome<quarantine::Model> {
    let held = store::quarantine::by_id(services.reader(), None, id).await?;
    held.ok_or_else(|| Refusal::not_found("quarantined message", TEXT_FIELD).into())
}

async fn is_live(services: &Services, account: AccountId, number: &str) -> Result<bool, Fault> {
    Ok(store::accounts::has_live_number(services.reader(), account, without_channel(number)).await?)
}

/// Stores the text in a thread of the number. Of simultaneous requests for the same text, one succeeds.
async fn route(services: &Services, held: &quarantine::Model, number: &str, by: Option<Admin>) -> Outcome<MessageId> {
    let Some(text) = form_of(held).and_then(|form| text_of(held.twilio_account_id, form).ok()) else {
        let message = "This is not a text but a delivery receipt or another form, so it cannot be assigned. It stays \
                       in quarantine.";
        return Err(Refusal::invalid(message, TEXT_FIELD).into());
    };
    let assignment = QuarantineAssignment { id: held.id, received_at: held.created_at, shown_to: held.agency_id, by };
    let text = InboundText {
        to: number.to_owned(),
        quarantined_as: Some(assignment),
        is_late: is_late(held.created_at, services.clock.now()),
        ..text
    };
    match receive(services, text).await? {
        InboundOutcome::Stored(_, message) => Ok(message),
        InboundOutcome::Duplicate => Err(already_handled().into()),
        InboundOutcome::Quarantined => {
            let message = "The text cannot be stored as a message of this number. It stays in quarantine.";
            Err(Refusal::invalid(message, TEXT_FIELD).into())
        }
    }
}

fn already_handled() -> Refusal {
    let message = "This text was assigned, discarded or stored in a thread in the meantime.";
    Refusal::new(RefusalCode::Conflict, message).at(TEXT_FIELD)
}

struct Discard {
    held: quarantine::Model,
    /// `None` for an operator.
    by: Option<Admin>,
}

impl Unit for Discard {
    type Output = ();
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError<Refusal>> {
        let Self { held, by } = self;
        if let Some((agency, user)) = by
            && !tx.directory(*agency).await?.is_admin(*user)
        {
            return Err(Refusal::admins_only().into());
        }
        if store::quarantine::settle(tx.conn, &[held.id], QuarantineState::Discarded, tx.now).await? == 0 {
            return Err(already_handled().into());
        }
        if let Some(agency) = held.agency_id {
            let actor = by.map(|(_, user)| user);
            tx.audit(agency, held.id.to_string(), "discardQuarantinedMessage", actor, None);
            resolve_if_settled(tx, agency, held.created_at).await?;
        }
        Ok(())
    }
}
