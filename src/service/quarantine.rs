//! Handling of quarantined texts: assign a text to a number of its account, or discard it.

use std::convert::Infallible;

use super::inbound::{InboundOutcome, InboundText, receive, text_of};
use super::{Fault, Outcome, Refusal, RefusalCode, Services};
use crate::domain::address::without_channel;
use crate::domain::{QuarantineId, QuarantineState};
use crate::entity::quarantine;
use crate::store;
use crate::store::writer::{Tx, Unit, UnitError};

/// The quarantined texts, oldest first.
pub async fn list(services: &Services, limit: u64) -> Result<Vec<quarantine::Model>, Fault> {
    Ok(store::quarantine::oldest_held(services.reader(), limit).await?)
}

/// Receives a quarantined text as if it had been sent to `number`, which must be a live number of its account.
pub async fn assign(services: &Services, id: QuarantineId, number: &str) -> Outcome<InboundOutcome> {
    let Some(held) = store::quarantine::by_id(services.reader(), None, id).await? else {
        return Err(Refusal::new(RefusalCode::NotFound, "There is no quarantined text with this ID.").into());
    };
    if !store::accounts::has_live_number(services.reader(), held.twilio_account_id, without_channel(number)).await? {
        let message = "This is not an active number of the account that received the text.";
        return Err(Refusal::new(RefusalCode::NotFound, message).into());
    }
    let Some(text) = text_for(&held, number) else {
        return Err(Refusal::new(RefusalCode::Invalid, "The stored webhook form cannot be read.").into());
    };
    Ok(receive(services, text).await?)
}

/// Discards a quarantined text. Its row stays in the database.
pub async fn discard(services: &Services, id: QuarantineId) -> Outcome<()> {
    if store::quarantine::by_id(services.reader(), None, id).await?.is_none() {
        return Err(Refusal::new(RefusalCode::NotFound, "There is no quarantined text with this ID.").into());
    }
    services.writer.run_for(Vec::new(), Discard(id)).await?;
    Ok(())
}

struct Discard(QuarantineId);

impl Unit for Discard {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        Ok(store::quarantine::resolve(tx.conn, &[self.0], QuarantineState::Discarded, tx.now).await?)
    }
}

/// The fields of the stored webhook form; `None` if they cannot be parsed.
pub fn form_of(held: &quarantine::Model) -> Option<Vec<(String, String)>> {
    serde_json::from_str(&held.form).ok()
}

fn text_for(held: &quarantine::Model, number: &str) -> Option<InboundText> {
    let text = text_of(held.twilio_account_id, form_of(held)?).ok()?;
    Some(InboundText { to: number.to_owned(), quarantined_as: Some(held.id), ..text })
}
